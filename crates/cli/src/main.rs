//! The `sensocto` program: it runs a node, shows a cluster, and brings in simulated sensors.
//!
//! A command line is read into `args` (what was typed), turned into what is meant (`settings` for a node), and carried out by
//! one of `commands`. Exit codes: 0 done, 1 went wrong, 2 cannot be done as it was asked.
#![expect(clippy::print_stderr, reason = "errors of a command belong on standard error")]

mod api;
mod args;
mod commands;
mod demo;
mod failure;
mod output;
mod settings;
mod simulator;
mod stop;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) if matches!(help.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return help.print().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return help.print().map_or(ExitCode::FAILURE, |()| ExitCode::from(2));
        }
        Err(error) => return Failure::Usage(failure::usage_line(&error)).report(),
    };
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
