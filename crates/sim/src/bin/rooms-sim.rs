//! `rooms-sim`: runs of the simulator of rooms from the command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::process::ExitCode;
use std::time::Instant;

use sensocto_sim::{RoomsOutcome, RoomsPlan, run_rooms};

const HELP: &str = "\
Deterministic simulator of rooms.

  rooms-sim --seed N           one run, with its log
  rooms-sim --seeds COUNT      many runs, each twice (500)
      --first-seed N           from this seed on (0)
      --planted                with the feature `planted`: seeds until each planted fault is caught

Exit code 1: a rule did not hold, or a planted fault was not found.
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    if words.iter().any(|word| word == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let (seeds, first) = (value("--seeds").unwrap_or(500), value("--first-seed").unwrap_or(0));
    if let Some(seed) = value("--seed") {
        let plan = RoomsPlan::draw(seed);
        let outcome = run_rooms(&plan, true);
        for line in &outcome.lines {
            println!("{line}");
        }
        println!("{plan}");
        return verdict(seed, &outcome);
    }
    if words.iter().any(|word| word == "--planted") {
        return planted(seeds);
    }
    many(first, seeds)
}

fn verdict(seed: u64, outcome: &RoomsOutcome) -> ExitCode {
    match &outcome.failure {
        Some(failure) => {
            println!("FAILED seed {seed}: {failure}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Half of the seeds on each of two threads: they share nothing.
fn many(first: u64, seeds: u64) -> ExitCode {
    let started = Instant::now();
    let half = |from: u64| {
        move || (first + from..first + seeds).step_by(2).map(|seed| (seed, twice(seed))).collect::<Vec<_>>()
    };
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(half(1));
        (half(0)(), other.join().unwrap_or_default())
    });
    let outcomes: Vec<(u64, RoomsOutcome)> = one.into_iter().chain(other).collect();
    let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.failure.is_some()).collect();
    for (seed, outcome) in &failed {
        println!("FAILED seed {seed}: {}", outcome.failure.as_deref().unwrap_or_default());
    }
    let sum = |of: fn(&RoomsOutcome) -> u64| outcomes.iter().map(|(_, outcome)| of(outcome)).sum::<u64>();
    let (acknowledged, take_overs) = (sum(|outcome| outcome.acknowledged), sum(|outcome| outcome.take_overs));
    let codes = sum(|outcome| outcome.codes_replaced);
    println!(
        "{} seeds, each twice, {} events, {acknowledged} acknowledged operations, {take_overs} take-overs, {codes} join codes replaced, {:.1} s: {} failed",
        outcomes.len(),
        sum(|outcome| outcome.events),
        started.elapsed().as_secs_f64(),
        failed.len(),
    );
    let idle = acknowledged == 0 || take_overs == 0 || (seeds >= 500 && codes == 0);
    if idle {
        println!("FAILED: these seeds reach too little");
    }
    if failed.is_empty() && !idle && outcomes.len() as u64 == seeds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn twice(seed: u64) -> RoomsOutcome {
    let plan = RoomsPlan::draw(seed);
    let mut once = run_rooms(&plan, false);
    if once.hash != run_rooms(&plan, false).hash {
        once.failure = Some("the same seed led to something else the second time".to_owned());
    }
    once
}

#[cfg(feature = "planted")]
fn planted(seeds: u64) -> ExitCode {
    use sensocto_rooms::planted::{Fault, plant};
    let mut missed = 0;
    for fault in Fault::ALL {
        plant(Some(*fault));
        let caught = (0..seeds).find_map(|seed| Some((seed, run_rooms(&RoomsPlan::draw(seed), false).failure?)));
        plant(None);
        match caught {
            Some((seed, failure)) => println!("{:<22} caught by seed {seed}: {failure:.100}", fault.name()),
            None => {
                missed += 1;
                println!("{:<22} NOT CAUGHT by {seeds} seeds:{}", fault.name(), fault.about());
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(feature = "planted"))]
fn planted(_: u64) -> ExitCode {
    eprintln!("error: --planted needs a build with the feature `planted`");
    ExitCode::from(2)
}
