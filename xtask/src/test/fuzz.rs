//! Fuzz targets: built without a sanitizer by the stable compiler, and run for a minute each, two at a time.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::process;

/// The version that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";
const TARGETS: [&str; 5] = ["node_frames", "channels_v1", "channels_v2", "tokens", "settings"];
const SECONDS: u32 = 60;
/// What an input may have at most, in bytes: larger ones are refused by their length.
const INPUT_BYTES_MAX: u32 = 4_096;

/// Installs cargo-fuzz where it is not there.
pub(super) fn prepare(root: &Path) -> Result<(), String> {
    if process::find("cargo-fuzz").is_some() {
        return Ok(());
    }
    let args = ["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--quiet"];
    process::run(root, &process::cargo(), &args).map_err(|problem| format!("cargo-fuzz is not there: {problem}"))
}

/// Builds every target, and runs them.
pub(super) fn run(root: &Path) -> Result<(), String> {
    fuzz(root, &["build"], &[])?;
    for pair in TARGETS.chunks(2) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = pair.iter().map(|target| scope.spawn(|| fuzz_one(root, target))).collect();
            runs.into_iter().try_for_each(|run| run.join().unwrap_or_else(|_| Err("a fuzz run ended badly".to_owned())))
        })?;
    }
    Ok(())
}

fn fuzz_one(root: &Path, target: &str) -> Result<(), String> {
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(root.join(&corpus)).map_err(|error| format!("{corpus} cannot be made: {error}"))?;
    let seeds = format!("fuzz/seeds/{target}");
    let limits = [
        format!("-max_total_time={SECONDS}"),
        format!("-max_len={INPUT_BYTES_MAX}"),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ];
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    fuzz(root, &["run", target, &corpus, &seeds], &limits)
}

fn fuzz(root: &Path, what: &[&str], options: &[&str]) -> Result<(), String> {
    let (command, rest) = what.split_first().ok_or("there is nothing to do")?;
    let mut args = vec!["fuzz", command, "--sanitizer", "none"];
    args.extend_from_slice(rest);
    if !options.is_empty() {
        args.push("--");
        args.extend_from_slice(options);
    }
    println!("$ cargo {}", args.join(" "));
    let mut cargo = Command::new(process::cargo());
    // The stable compiler counts what an input reaches, if it is told that it may.
    cargo.args(&args).current_dir(root).env("RUSTC_BOOTSTRAP", "1").stdin(Stdio::null());
    process::finish("cargo", &args, &mut cargo)
}
