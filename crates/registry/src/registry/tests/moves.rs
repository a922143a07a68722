//! Ids that move from node to node.

use super::*;
use crate::testing::{key, name};
use crate::{Cause, Event};
use sensocto_model::Kind;

/// A third node must see the owner change and nothing else.
fn check_no_flicker(events: &[Event]) {
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    let leaves = kinds.iter().filter(|kind| matches!(kind, EventKind::Unregistered(_))).count();
    let joins = kinds.iter().filter(|kind| **kind == EventKind::Registered).count();
    assert_eq!((joins, leaves), (1, 0), "{kinds:?}");
}

#[test]
fn a_move_is_an_update_at_a_third_node_whatever_the_order_of_arrival() {
    for seed in 0..100 {
        let mut cluster = Cluster::new(seed, &["a", "b", "c"], crate::testing::config());
        cluster.run(ms(3_000));
        cluster.register("a", "s1", "Greenhouse");
        cluster.run(ms(300));
        cluster.network.set_faults(seed % 5 * 50, 200, 900, 0);
        cluster.register("b", "s1", "Greenhouse");
        cluster.run(ms(3_000));
        cluster.network.set_faults(0, 0, 1, 0);
        cluster.run(ms(20_000));
        cluster.check_converged();
        check_no_flicker(&cluster.node("c").events);
        assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "b@1".to_owned())));
    }
}

#[test]
fn the_losing_node_is_told_once_and_lets_go() {
    let mut cluster = three();
    let old = cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    cluster.register("b", "s1", "x");
    cluster.run(ms(200));
    let superseded = std::mem::take(&mut cluster.node("a").superseded);
    assert_eq!(superseded.len(), 1);
    assert_eq!((&superseded[0].0, superseded[0].1, superseded[0].2.node.as_str()), (&key("s1"), old, "b"));
    cluster.run(ms(7_000));
    assert_eq!(cluster.view("b").nodes()["a"].counts[0], 0, "it let it go");
    assert!(cluster.node("a").superseded.is_empty());
    assert!(cluster.node("b").superseded.is_empty());
}

#[test]
fn a_newer_registration_wins_though_its_clock_is_behind() {
    let mut cluster = three();
    cluster.node("a").skew_ms = 3_600_000;
    let old = cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    let new = cluster.register("b", "s1", "x");
    assert!(new > old);
    cluster.run(ms(300));
    assert_eq!(freshness(&mut cluster, "c", "s1").expect("shown").1, "b@1");
}

#[test]
fn a_sensor_that_comes_back_within_the_linger_stays() {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    let there = cluster.register("b", "s1", "x");
    cluster.run(ms(300));
    cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    assert!(!cluster.unregister("b", "s1", there));
    cluster.run(ms(20_000));
    cluster.check_converged();
    check_no_flicker(&cluster.node("c").events);
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
    assert!(["a", "b"].iter().all(|node| cluster.node(node).superseded.len() == 1));
}

#[test]
fn one_id_registered_on_both_sides_of_a_partition_has_one_owner_afterwards() {
    let mut cluster = three();
    cluster.cut("a", "b");
    cluster.cut("a", "c");
    cluster.run(ms(1_000));
    cluster.register("a", "s1", "x");
    cluster.run(ms(500));
    cluster.register("b", "s1", "x");
    cluster.run(ms(60_000));
    assert_eq!(freshness(&mut cluster, "a", "s1").expect("shown").1, "a@1");
    cluster.mend("a", "b");
    cluster.mend("a", "c");
    cluster.run(ms(20_000));
    cluster.check_converged();
    assert_eq!(freshness(&mut cluster, "a", "s1"), Some((Freshness::Fresh, "b@1".to_owned())));
    assert_eq!(cluster.node("a").superseded.len(), 1);
    assert_eq!(cluster.view("c").nodes()["a"].counts[0], 0);
}

#[test]
fn registrations_at_the_same_moment_are_decided_alike_everywhere() {
    let mut cluster = three();
    let (one, other) = (cluster.register("a", "s1", "x"), cluster.register("b", "s1", "x"));
    assert_eq!(one, other, "the case that this test is about");
    cluster.run(ms(20_000));
    cluster.check_converged();
    for viewer in ["a", "b", "c"] {
        assert_eq!(freshness(&mut cluster, viewer, "s1"), Some((Freshness::Fresh, "b@1".to_owned())));
    }
}

#[test]
fn a_move_away_from_a_dying_node_is_no_leave_when_its_grace_ends() {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.register("a", "s2", "x");
    cluster.run(ms(300));
    cluster.kill("a");
    cluster.register("b", "s1", "x");
    cluster.run(ms(60_000));
    cluster.check_converged();
    let events = cluster.heard("c");
    assert!(events.contains(&told(EventKind::Updated, "s1", "b")));
    assert!(events.contains(&told(EventKind::Unregistered(Cause::NodeGone), "s2", "a")));
    assert!(!events.iter().any(|(kind, id, _)| id == "s1" && matches!(kind, EventKind::Unregistered(_))));
}

#[test]
fn changes_of_the_losing_side_do_not_take_the_id_back() {
    let mut cluster = three();
    let old = cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    cluster.network.cut(&name("b"), &name("a"));
    cluster.register("b", "s1", "new");
    cluster.run(ms(300));
    assert!(cluster.update("a", "s1", "old", old), "it has not heard of the move");
    cluster.run(ms(300));
    assert_eq!(freshness(&mut cluster, "c", "s1").expect("shown").1, "b@1");
    assert_eq!(cluster.view("c").count(Kind::Sensor), 1);
    cluster.network.mend(&name("b"), &name("a"));
    cluster.run(ms(20_000));
    cluster.check_converged();
}
