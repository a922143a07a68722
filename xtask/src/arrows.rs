//! `cargo xtask arrows`: what ARCHITECTURE.md says about who uses whom, held against the manifests and sources.

mod lexer;
mod manifest;
mod rules;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::ExitCode;
use std::{fmt, fs, io};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Relative to the workspace, with slashes.
    pub(crate) file: String,
    /// 0 when the whole file is meant.
    pub(crate) line: usize,
    pub(crate) problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, problem } = self;
        if *line == 0 { write!(formatter, "{file}: {problem}") } else { write!(formatter, "{file}:{line}: {problem}") }
    }
}

/// A file of the workspace that the rules look at.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn run(root: &Path) -> ExitCode {
    match check(root) {
        Ok(violations) if violations.is_empty() => {
            println!("every crate keeps to its arrows");
            ExitCode::SUCCESS
        }
        Ok(violations) => {
            for violation in &violations {
                println!("{violation}");
            }
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Everything in the workspace at `root` that breaks a rule.
///
/// # Errors
/// A file that cannot be read, in one line.
pub(crate) fn check(root: &Path) -> Result<Vec<Violation>, String> {
    let mut files = Vec::new();
    collect(root, "", &mut files).map_err(|error| format!("the workspace cannot be read: {error}"))?;
    let list = root.join("xtask/sans-io-dependencies.txt");
    let list = fs::read_to_string(&list).map_err(|error| format!("{} cannot be read: {error}", list.display()))?;
    Ok(rules::check(&files, &list))
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else if name == "Cargo.toml" || name.ends_with(".rs") {
            files.push(SourceFile { path, text: fs::read_to_string(entry.path())? });
        }
    }
    Ok(())
}
