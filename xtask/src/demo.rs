//! `cargo xtask demo`: from a fresh checkout to three running nodes.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{process, web};

pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    match prepare(root) {
        Ok(()) => start(root, args),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn prepare(root: &Path) -> Result<(), String> {
    match web::missing_tools(root) {
        Some(reason) => {
            println!("[1/3] the lobby page: {reason}; going on with a page that says how to build it");
        }
        None if web::is_built(root) => println!("[1/3] the lobby page: built already"),
        None => {
            println!("[1/3] the lobby page: building");
            web::build(root)?;
        }
    }
    println!("[2/3] the sensocto program: building (a few minutes on a fresh machine, seconds after that)");
    let cargo = process::cargo();
    process::finish(&cargo, &BUILD, Command::new(&cargo).args(BUILD).current_dir(root))?;
    println!("[3/3] starting the demonstration");
    Ok(())
}

const BUILD: [&str; 3] = ["build", "--package", "sensocto-cli"];

/// Becomes the demonstration where the system can do that, so that Ctrl-C reaches it and nothing stands between.
fn start(root: &Path, args: &[String]) -> ExitCode {
    let program = process::debug_directory(root).join(format!("sensocto{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(&program);
    command.arg("demo").args(args);
    let error = become_command(&mut command);
    eprintln!("error: {} could not be started: {error}", program.display());
    ExitCode::FAILURE
}

#[cfg(unix)]
fn become_command(command: &mut Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

#[cfg(not(unix))]
fn become_command(command: &mut Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
