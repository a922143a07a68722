//! `cargo xtask`: the project's own commands for building, testing and showing it.
//!
//! It has no dependencies, so the first command on a fresh machine answers at once.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people: its output is its purpose")]

mod arrows;
mod demo;
mod documents;
mod process;
mod test;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  demo [ARGS...]           build what is missing, then start three nodes with simulated sensors
                           (ARGS go to `sensocto demo`, for example --for 30s)
  test [--only NAME]...    run everything that CI runs, and say what was run and what was skipped
  arrows                   check which crate may use which
  documents                check that the tests, files and links that documents name are there
  help                     print this text
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let root = workspace_root();
    match command.as_deref() {
        Some("demo") => demo::run(&root, &rest),
        Some("test") => test::run(&root, &rest),
        Some("arrows") => arrows::run(&root),
        Some("documents") => documents::run(&root),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("error: there is no command '{other}'; `cargo xtask help` lists them");
            ExitCode::from(2)
        }
        None => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

/// Cargo tells a program that it runs where its package is; a copy started by hand uses the place it was built from.
fn workspace_root() -> PathBuf {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or(package.clone(), PathBuf::from)
}
