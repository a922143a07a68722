//! Faults that are planted in the registry are found: a sample here, all of them by `sim --planted all`.
#![cfg(feature = "planted")]

use sensocto_registry::planted::{Fault, plant};
use sensocto_sim::{draw, minimise, run};

fn caught_within(fault: Fault, seeds: u64) -> Option<u64> {
    plant(Some(fault));
    let caught = (0..seeds).find(|seed| run(&draw(*seed), false).failure.is_some());
    plant(None);
    caught
}

#[test]
fn a_sample_of_planted_faults_is_found_within_a_hundred_seeds() {
    for fault in [
        Fault::GapSkipped,
        Fault::FloorForgotten,
        Fault::BehindNotAsked,
        Fault::MovedOldRemovesNew,
        Fault::WrongOwner,
        Fault::RetiredAtOnce,
        Fault::MissedRemovalsKept,
        Fault::LoserNotTold,
        Fault::HashKeepsRemoved,
        Fault::ChecksumUnread,
    ] {
        assert!(caught_within(fault, 100).is_some(), "{} is not found", fault.name());
    }
}

#[test]
fn a_failing_plan_is_cut_down_and_still_fails_by_the_same_rule() {
    plant(Some(Fault::BehindNotAsked));
    let plan = (0..100).map(draw).find(|plan| run(plan, false).failure.is_some());
    let cut = plan.as_ref().map(|plan| minimise(plan, 500));
    let checks =
        [&plan, &cut].map(|plan| plan.as_ref().and_then(|plan| run(plan, false).failure).map(|failure| failure.check));
    plant(None);
    let lens = [&plan, &cut].map(|plan| plan.as_ref().map_or(0, |plan| plan.actions.len()));
    assert!(checks[0].is_some() && checks[0] == checks[1] && lens[1] < lens[0], "{checks:?} {lens:?}");
}
