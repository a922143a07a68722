//! How a command ends when it does not end well.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// One line for the person, and the exit code for the script.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for cannot be done as it was asked: exit code 2.
    Usage(String),
    /// It went wrong while it was done: exit code 1.
    Failed(String),
    /// Said already; exit code 1 without another line.
    Reported,
    /// Whoever read the output stopped reading, as `head` does: that is their right.
    OutputClosed,
}

impl Failure {
    pub(crate) fn usage(problem: impl fmt::Display) -> Self {
        Self::Usage(problem.to_string())
    }

    pub(crate) fn failed(problem: impl fmt::Display) -> Self {
        Self::Failed(problem.to_string())
    }

    /// Says what went wrong on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        let (problem, code) = match self {
            Self::Usage(problem) => (problem, 2),
            Self::Failed(problem) => (problem, 1),
            Self::Reported => return ExitCode::FAILURE,
            Self::OutputClosed => return ExitCode::SUCCESS,
        };
        eprintln!("error: {}", one_line(problem));
        ExitCode::from(code)
    }
}

impl From<io::Error> for Failure {
    /// For writing to standard output.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Failed(format!("the output cannot be written: {error}"))
        }
    }
}

/// An error of `clap` as one line: what is wrong, what might be meant, and where to read on.
pub(crate) fn usage_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let parts: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .map(|line| line.strip_prefix("error: ").unwrap_or(line))
        .collect();
    format!("{} (`sensocto COMMAND --help` lists what may be given)", parts.join("; ").replace(":;", ":"))
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
