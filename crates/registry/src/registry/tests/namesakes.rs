//! Two processes of one name.

use sensocto_model::{Generation, Kind, Version};

use super::*;
use crate::message::{self, Birth, Digest, Message, Reached, Sets};
use crate::testing::{name, origin};
use crate::{Cause, Event};

/// Frames of another process that runs under the name `a` and holds an entry.
fn frames_of_another_a() -> Vec<Vec<u8>> {
    let mut other = Cluster::new(9, &[], crate::testing::config());
    other.start("a", 7, 0);
    other.register("a", "theirs", "x");
    other.run(ms(100));
    other.node("a").published.clone()
}

fn digest_of(node: &str, generation: u64, reached: Vec<(&str, u64)>, births: Vec<Birth>) -> Vec<u8> {
    let reached = reached.into_iter().map(|(node, generation)| (origin(node, generation), Version(0)));
    let reached = Some(reached.map(|(origin, version)| Reached { origin, version }).collect());
    let digest = Digest { version: Version(0), sets: Sets::default(), reached };
    message::encode(&origin(node, generation), &Message::Births(digest, births))
}

/// Of the events of a viewer, those about one sensor, in short.
fn about(events: &[Event], id: &str) -> Vec<EventKind> {
    events.iter().filter(|event| event.key.id.as_str() == id).map(|event| event.kind).collect()
}

#[test]
fn who_was_there_first_hears_of_a_later_process_and_does_not_believe_it() {
    let mut cluster = three();
    for frame in &frames_of_another_a() {
        cluster.inject("a", frame).expect("a whole frame");
    }
    assert_eq!((cluster.node("a").taken.clone(), cluster.node("a").overtaken.clone()), (vec![], vec![Generation(7)]));
    assert_eq!(cluster.view("a").count(Kind::Sensor), 0);
    for frame in &cluster.node("a").published.clone() {
        cluster.inject("a", frame).expect("a whole frame");
    }
    assert_eq!(cluster.node("a").overtaken.len(), 1, "an echo of itself is no other process");
}

#[test]
fn who_was_started_later_is_told_to_go_by_the_one_that_was_there() {
    let mut cluster = three();
    cluster.start("a", 7, 0);
    cluster
        .inject("a", &digest_of("a", 9, vec![], vec![Birth { origin: origin("a", 9), born: Generation(1) }]))
        .expect("a whole frame");
    assert_eq!((cluster.node("a").taken.clone(), cluster.node("a").overtaken.clone()), (vec![Generation(1)], vec![]));
}

#[test]
fn after_a_partition_the_earlier_process_is_believed_again_and_no_viewer_sees_its_entries_leave() {
    let mut cluster = three();
    let stamp = cluster.register("a", "mine", "x");
    cluster.run(ms(2_000));
    cluster.heard("a");
    // The other process was heard by b alone, and is gone by now.
    for frame in &frames_of_another_a() {
        cluster.inject("b", frame).expect("a whole frame");
    }
    assert_eq!(freshness(&mut cluster, "b", "mine"), Some((Freshness::Stale, "a@1".to_owned())));
    cluster.run(ms(5_000));
    assert_eq!(cluster.node("a").overtaken, [Generation(7)]);
    for viewer in ["b", "c"] {
        assert_eq!(freshness(&mut cluster, viewer, "mine"), Some((Freshness::Fresh, "a@8".to_owned())), "at {viewer}");
        assert_eq!(cluster.view(viewer).nodes()["a"].born, Generation(1));
    }
    assert!(cluster.update("a", "mine", "y", stamp), "the registration is the same one");
    cluster.run(ms(1_000));
    cluster.check_converged_but("theirs");
    cluster.run(ms(40_000));
    cluster.check_converged();
    for viewer in ["a", "b", "c"] {
        let events = about(&cluster.node(viewer).events.clone(), "mine");
        let left = events.iter().any(|kind| matches!(kind, EventKind::Unregistered(_)));
        let joined = events.iter().filter(|kind| **kind == EventKind::Registered).count();
        assert!(!left && joined <= 1, "at {viewer}: {events:?}");
    }
    let theirs = about(&cluster.node("b").events.clone(), "theirs");
    assert_eq!(theirs, [EventKind::Registered, EventKind::Unregistered(Cause::NodeRestarted)]);
}

#[test]
fn what_third_nodes_say_ends_no_process_and_costs_a_generation_now_and_then() {
    let mut cluster = three();
    let birth = Birth { origin: origin("a", 1 << 30), born: Generation(0) };
    cluster.inject("a", &digest_of("b", 1, vec![("a", 1 << 30)], vec![birth])).expect("a whole frame");
    for later in 2..100 {
        cluster.inject("a", &digest_of("b", 1, vec![("a", later * 2)], vec![])).expect("a whole frame");
    }
    assert_eq!((cluster.node("a").taken.clone(), cluster.node("a").overtaken.clone()), (vec![], vec![Generation(4)]));
    cluster.inject("a", &digest_of("b", 1, vec![("a", u64::MAX)], vec![])).expect("a whole frame");
    assert_eq!(refused(&mut cluster, "a", "generation_implausible"), 1);
    assert_eq!(cluster.registry("a").me().generation, Generation(5));
}

#[test]
fn an_entry_that_moved_to_a_process_before_it_took_a_later_generation_stays_until_it_is_seen_there() {
    let mut cluster = three();
    cluster.register("b", "s1", "x");
    cluster.run(ms(2_000));
    cluster.cut("a", "c");
    cluster.register("a", "s1", "x");
    cluster.run(ms(100));
    let now = cluster.now_of("a");
    assert!(cluster.registry("a").renew(Generation(8), now));
    assert!(!cluster.registry("a").renew(Generation(8), now), "a generation is taken once");
    cluster.run(ms(500));
    cluster.mend("a", "c");
    cluster.run(ms(3_000));
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "a@8".to_owned())));
    let events = about(&cluster.node("c").events.clone(), "s1");
    assert!(!events.iter().any(|kind| matches!(kind, EventKind::Unregistered(_))), "{events:?}");
    assert!(cluster.names().contains(&name("a")));
}
