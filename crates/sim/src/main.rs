//! `sim`: runs of the simulator from the command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

mod args;
mod many;
#[cfg(feature = "planted")]
mod planted;

use std::process::ExitCode;

use args::Args;
use sensocto_sim::{Plan, minimise, run};

/// Runs that the minimiser may take.
const MINIMISE_RUNS_MAX: usize = 3_000;
/// Lines that are printed of the run that is left.
const LINES_EXPLAINED: usize = 400;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    #[cfg(feature = "planted")]
    if let Some(fault) = &args.planted {
        return planted::run(fault, &args);
    }
    match args.seed {
        Some(seed) => one(&(args.scenario.draw)(seed)),
        None => many::run(&args),
    }
}

/// One run with its log.
fn one(plan: &Plan) -> ExitCode {
    let outcome = run(plan, true);
    print!("{plan}");
    for line in &outcome.lines {
        println!("{line}");
    }
    println!("{} events in {} ms of the cluster, trace {:016x}", outcome.events, outcome.simulated_ms, outcome.hash);
    match outcome.failure {
        Some(failure) => {
            println!("FAILED {failure}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Prints a failing seed as small as it gets, with its log.
fn explain(plan: &Plan) {
    let smallest = minimise(plan, MINIMISE_RUNS_MAX);
    let outcome = run(&smallest, true);
    println!("-- seed {} cut down to {} actions:", plan.seed, smallest.actions.len());
    print!("{smallest}");
    let skipped = outcome.lines.len().saturating_sub(LINES_EXPLAINED);
    if skipped > 0 {
        println!("-- {skipped} lines before these (--seed {} prints all of the whole plan)", plan.seed);
    }
    for line in outcome.lines.iter().skip(skipped) {
        println!("{line}");
    }
    if let Some(failure) = outcome.failure {
        println!("FAILED {failure}");
    }
}
