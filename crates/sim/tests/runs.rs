//! The simulator in the tests of the workspace: few seeds of each kind, and the same seed twice.
#![expect(clippy::expect_used, reason = "a test may end so")]

use std::process::Command;

use sensocto_sim::{draw, minimise, run, scenarios};

/// Seeds that failed once, with why.
const REGRESS: &str = include_str!("../seeds/regress.txt");

fn must_hold(seed: u64, plan: &sensocto_sim::Plan) {
    if let Some(failure) = run(plan, false).failure {
        panic!("seed {seed}: {failure}\nrun `cargo run -p sensocto-sim -- --seed {seed}`");
    }
}

#[test]
fn seeds_that_failed_once_hold() {
    for line in REGRESS.lines().filter(|line| !line.starts_with('#')) {
        let seed: u64 = line.split_whitespace().next().and_then(|seed| seed.parse().ok()).expect("a seed on each line");
        must_hold(seed, &draw(seed));
    }
}

#[test]
fn every_rule_holds_in_three_hundred_seeds() {
    for seed in 0..300 {
        must_hold(seed, &draw(seed));
    }
}

#[test]
fn every_scenario_holds_in_thirty_seeds() {
    for scenario in scenarios() {
        for seed in 1_000..1_030 {
            must_hold(seed, &(scenario.draw)(seed));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..40 {
        let (one, other) = (run(&draw(seed), true), run(&draw(seed), true));
        assert_eq!((one.hash, one.events, &one.lines), (other.hash, other.events, &other.lines), "seed {seed}");
    }
}

#[test]
fn the_same_seeds_print_the_same_bytes_in_another_process() {
    let print = || {
        let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(["--seed", "5"]).output().expect("the program runs");
        output.stdout
    };
    let (one, other) = (print(), print());
    assert!(!one.is_empty() && one == other);
}

#[test]
fn a_plan_that_holds_is_not_cut_down() {
    let plan = draw(3);
    assert_eq!(minimise(&plan, 10).actions.len(), plan.actions.len());
}
