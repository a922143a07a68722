//! `cargo xtask test`: everything that CI runs, step by step, and an honest account of it at the end.

mod fuzz;
mod schema;
mod steps;
mod summary;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use steps::{STEPS, Step};
use summary::{Outcome, Report};

pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    let chosen = match choose(args) {
        Ok(chosen) => chosen,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    let mut reports: Vec<Report> = Vec::new();
    for step in chosen {
        println!("\n=== {}: {}", step.name, step.what);
        let start = Instant::now();
        let outcome = perform(root, step, &reports);
        let report = Report { name: step.name, outcome, took: start.elapsed() };
        println!("=== {}", report.line());
        reports.push(report);
    }
    print!("\n{}", summary::table(&reports));
    if reports.iter().any(|report| matches!(report.outcome, Outcome::Failed(_))) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn perform(root: &Path, step: &Step, before: &[Report]) -> Outcome {
    let broken = before.iter().find(|report| {
        step.after.contains(&report.name) && matches!(report.outcome, Outcome::Failed(_) | Outcome::Skipped(_))
    });
    if let Some(broken) = broken {
        return Outcome::Skipped(format!("it needs {}, which did not pass", broken.name));
    }
    if let Err(reason) = (step.prepare)(root) {
        return Outcome::Skipped(reason);
    }
    match (step.run)(root) {
        Ok(()) => Outcome::Passed,
        Err(problem) => Outcome::Failed(problem),
    }
}

/// The steps that the arguments name, in their own order; all of them when none is named.
fn choose(args: &[String]) -> Result<Vec<&'static Step>, String> {
    let mut names = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let name = match (arg.as_str(), arg.strip_prefix("--only=")) {
            (_, Some(name)) => name,
            ("--only", None) => rest.next().ok_or("--only needs the name of a step")?,
            (other, None) => return Err(format!("'{other}' is not known; use --only NAME, which may be repeated")),
        };
        if !STEPS.iter().any(|step| step.name == name) {
            let allowed: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            return Err(format!("there is no step '{name}'; the steps are {}", allowed.join(", ")));
        }
        names.push(name);
    }
    Ok(STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Result<Vec<&'static str>, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Ok(choose(&args)?.into_iter().map(|step| step.name).collect())
    }

    #[test]
    fn without_arguments_every_step_is_run() {
        assert_eq!(names(&[]).expect("valid").len(), STEPS.len());
    }

    #[test]
    fn only_picks_steps_in_their_own_order() {
        assert_eq!(names(&["--only", "clippy", "--only=fmt"]), Ok(vec!["fmt", "clippy"]));
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let problem = names(&["--only", "sparkle"]).expect_err("unknown");
        assert!(problem.contains("sparkle") && problem.contains("clippy"), "{problem}");
        assert!(names(&["--fast"]).expect_err("unknown").contains("--only NAME"));
        assert!(names(&["--only"]).is_err());
    }

    #[test]
    fn a_step_comes_after_what_it_needs() {
        for (place, step) in STEPS.iter().enumerate() {
            for needed in step.after {
                assert!(STEPS[..place].iter().any(|earlier| earlier.name == *needed), "{} needs {needed}", step.name);
            }
        }
    }
}
