//! Many seeds on all cores, reported in their order.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sensocto_sim::{Outcome, Points, expected};

use crate::args::Args;

/// Seeds that failed once; each line is a seed and why it is there.
const REGRESS: &str = include_str!("../seeds/regress.txt");

/// What many runs came to.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    events: u64,
    simulated_ms: u64,
    hash: u64,
    points: Points,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.simulated_ms += outcome.simulated_ms;
        self.hash = self.hash.rotate_left(5) ^ outcome.hash;
        self.points.merge(&outcome.points);
        if let Some(failure) = &outcome.failure {
            println!("seed {}: {failure}", outcome.seed);
            self.failed.push((outcome.seed, failure.check.to_owned()));
        }
    }
}

/// The seeds that run first, for ever.
pub(crate) fn regress() -> impl Iterator<Item = u64> {
    REGRESS.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

/// Runs the seeds that were asked for.
pub(crate) fn run(args: &Args) -> ExitCode {
    let started = Instant::now();
    let mut sum = Sum::default();
    let known: Vec<u64> = regress().collect();
    in_order(known.len() as u64, |at| known.get(usize::try_from(at).unwrap_or(0)).copied(), args, &mut sum, None);
    let until = args.minutes.map(|minutes| started + Duration::from_secs(60 * minutes));
    let count = if until.is_some() { u64::MAX } else { args.seeds };
    in_order(count, |at| args.first_seed.checked_add(at), args, &mut sum, until);
    report(&sum, started.elapsed(), args)
}

/// Runs `count` seeds on all cores, and adds them up in their order.
fn in_order(
    count: u64,
    seed_of: impl Fn(u64) -> Option<u64> + Sync,
    args: &Args,
    sum: &mut Sum,
    until: Option<Instant>,
) {
    let next = AtomicU64::new(0);
    let done: Mutex<(u64, BTreeMap<u64, Outcome>)> = Mutex::new((0, BTreeMap::new()));
    let sum = Mutex::new(sum);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let over = until.is_some_and(|until| Instant::now() >= until);
                    let Some(seed) = seed_of(at).filter(|_| at < count && !over) else { return };
                    let outcome = once_or_twice(seed, args);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.1.insert(at, outcome);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    loop {
                        let first = done.0;
                        let Some(outcome) = done.1.remove(&first) else { break };
                        sum.add(&outcome);
                        done.0 += 1;
                    }
                }
            });
        }
    });
}

fn once_or_twice(seed: u64, args: &Args) -> Outcome {
    let plan = (args.scenario.draw)(seed);
    let mut outcome = run_once(&plan);
    if args.twice {
        let again = run_once(&(args.scenario.draw)(seed));
        if again.hash != outcome.hash && outcome.failure.is_none() {
            outcome.failure = Some(sensocto_sim::Failure {
                check: "determinism",
                detail: format!("the traces are {:016x} and {:016x}", outcome.hash, again.hash),
            });
        }
    }
    outcome
}

fn run_once(plan: &sensocto_sim::Plan) -> Outcome {
    sensocto_sim::run(plan, false)
}

fn report(sum: &Sum, took: Duration, args: &Args) -> ExitCode {
    let missed = if args.points { sum.points.missed() } else { Vec::new() };
    if args.points {
        for (name, times) in sum.points.iter() {
            println!("{times:>12}  {name}");
        }
        println!("{} of {} named places reached", expected().count() - missed.len(), expected().count());
        for name in &missed {
            println!("NEVER REACHED {name}");
        }
    }
    for (seed, _) in sum.failed.iter().take(args.explain) {
        crate::explain(&(args.scenario.draw)(*seed));
        println!("Put this line into crates/sim/seeds/regress.txt:\n{seed} <why>");
    }
    let hours = sum.simulated_ms / 3_600_000;
    println!(
        "{} seeds, {} events, {hours} h of clusters in {:.1} s; {} failed; trace {:016x}{}",
        sum.seeds,
        sum.events,
        took.as_secs_f64(),
        sum.failed.len(),
        sum.hash,
        if args.twice { "; each run twice" } else { "" },
    );
    if args.json {
        let failed: Vec<String> =
            sum.failed.iter().map(|(seed, check)| format!("{{\"seed\":{seed},\"check\":\"{check}\"}}")).collect();
        println!(
            "{{\"seeds\":{},\"events\":{},\"simulated_ms\":{},\"seconds\":{:.1},\"trace\":\"{:016x}\",\"failed\":[{}]}}",
            sum.seeds,
            sum.events,
            sum.simulated_ms,
            took.as_secs_f64(),
            sum.hash,
            failed.join(",")
        );
    }
    if sum.failed.is_empty() && missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
