//! `--planted`: how many seeds it takes until a planted fault is found.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sensocto_registry::planted::{Fault, plant};
use sensocto_sim::Plan;

use crate::args::Args;

/// A fault that is not found within so many seeds counts as missed.
const SEEDS_MAX: u64 = 500;

/// How a fault was found.
struct Caught {
    seeds: u64,
    seed: u64,
    check: &'static str,
}

/// Plants the faults that were asked for, and prints the table.
pub(crate) fn run(wanted: &str, args: &Args) -> ExitCode {
    let faults: Vec<Fault> =
        Fault::ALL.iter().copied().filter(|fault| wanted == "all" || fault.name() == wanted).collect();
    if faults.is_empty() {
        let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        eprintln!("error: there is no fault {wanted}; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Option<Caught>>>> = Mutex::new(faults.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = faults.get(at) else { return };
                    let caught = hunt(*fault, args);
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    results[at] = Some(caught);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    table(&faults, &results.into_iter().map(Option::flatten).collect::<Vec<_>>())
}

fn table(faults: &[Fault], results: &[Option<Caught>]) -> ExitCode {
    println!("| planted fault | what is wrong | seeds until caught | by | first seed |");
    println!("|---|---|---|---|---|");
    for (fault, caught) in faults.iter().zip(results) {
        let (name, about) = (fault.name(), fault.about().trim());
        match caught {
            Some(Caught { seeds, seed, check }) => println!("| `{name}` | {about} | {seeds} | {check} | {seed} |"),
            None => println!("| `{name}` | {about} | **not within {SEEDS_MAX}** | | |"),
        }
    }
    let missed = results.iter().filter(|caught| caught.is_none()).count();
    println!("\n{} of {} faults caught within {SEEDS_MAX} seeds each", results.len() - missed, results.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs seeds until one fails that does not fail without the fault.
fn hunt(fault: Fault, args: &Args) -> Option<Caught> {
    for seeds in 1..=SEEDS_MAX {
        let seed = args.first_seed + seeds - 1;
        let plan: Plan = (args.scenario.draw)(seed);
        plant(Some(fault));
        let failure = sensocto_sim::run(&plan, false).failure;
        plant(None);
        let Some(failure) = failure else { continue };
        if sensocto_sim::run(&plan, false).failure.is_none() {
            return Some(Caught { seeds, seed, check: failure.check });
        }
    }
    None
}
