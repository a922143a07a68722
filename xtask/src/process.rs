//! Running other programs, with their output shown as it comes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a command in `directory` and waits for it.
///
/// # Errors
/// One line that names the command and how it ended.
pub(crate) fn run(directory: &Path, program: &str, args: &[&str]) -> Result<(), String> {
    println!("$ {}", shown(program, args));
    finish(program, args, Command::new(program).args(args).current_dir(directory).stdin(Stdio::null()))
}

/// Waits for a prepared command.
pub(crate) fn finish(program: &str, args: &[&str], command: &mut Command) -> Result<(), String> {
    let shown = shown(program, args);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` could not be started: {error}")),
    }
}

/// A command as a person would type it, without the folder that the program is in.
fn shown(program: &str, args: &[&str]) -> String {
    let name = Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
    format!("{name} {}", args.join(" "))
}

/// The cargo that runs this program, so that both use one toolchain.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Where a program of that name is, looked up as a shell would.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// Where cargo puts what it builds with the profile `dev`.
pub(crate) fn debug_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target)).join("debug")
}
