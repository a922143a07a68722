//! Ids that move from node to node.

use super::*;
use crate::message::{self, Message};
use crate::testing::{delta, key, name, origin, put, removal};
use crate::{Cause, Event};
use sensocto_model::{Kind, Version};

/// A third node must see the owner change and nothing else.
fn check_no_flicker(events: &[Event]) {
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    let leaves = kinds.iter().filter(|kind| matches!(kind, EventKind::Unregistered(_))).count();
    let joins = kinds.iter().filter(|kind| **kind == EventKind::Registered).count();
    assert_eq!((joins, leaves), (1, 0), "{kinds:?}");
}

fn check_no_flicker_of(events: &[Event], id: &str) {
    let events: Vec<Event> = events.iter().filter(|event| event.key == key(id)).cloned().collect();
    check_no_flicker(&events);
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

/// One node that hears of others by frames alone.
fn listener() -> Cluster {
    Cluster::new(1, &["c"], crate::testing::config())
}

fn hear(cluster: &mut Cluster, node: &str, delta: message::Delta) {
    let frame = message::encode(&origin(node, 1), &Message::Delta(delta));
    cluster.inject("c", &frame).expect("a whole frame");
}

fn moved(id: &str, version: u64, to: &str, at: u64) -> message::Removal {
    let moved_to = Some(message::Reached { origin: origin(to, 1), version: Version(at) });
    message::Removal { moved_to, ..removal(id, version) }
}

#[test]
fn a_move_to_an_entry_that_changed_again_since_is_no_leave() {
    let mut cluster = listener();
    hear(&mut cluster, "a", delta(0, 1, vec![], vec![put("s1", "x", 1)]));
    // b registered s1 by its change 1 and again by its change 3: between the two frames its copy has passed 1 and holds no s1.
    let first = message::Delta { read_at: Version(3), ..delta(0, 2, vec![], vec![put("s2", "x", 2)]) };
    hear(&mut cluster, "b", first);
    hear(&mut cluster, "a", delta(1, 2, vec![moved("s1", 2, "b", 1)], vec![]));
    assert_eq!(freshness(&mut cluster, "c", "s1").expect("shown").1, "a@1");
    hear(&mut cluster, "b", delta(2, 3, vec![], vec![put("s1", "x", 3)]));
    assert_eq!(freshness(&mut cluster, "c", "s1").expect("shown").1, "b@1");
    check_no_flicker_of(&cluster.node("c").events, "s1");
}

#[test]
fn an_entry_that_moved_on_before_it_was_seen_is_awaited_where_it_went() {
    let mut cluster = listener();
    hear(&mut cluster, "a", delta(0, 1, vec![], vec![put("s1", "x", 1)]));
    hear(&mut cluster, "a", delta(1, 2, vec![moved("s1", 2, "b", 1)], vec![]));
    hear(&mut cluster, "b", delta(0, 2, vec![moved("s1", 2, "d", 4)], vec![]));
    assert_eq!(freshness(&mut cluster, "c", "s1").expect("shown").1, "a@1");
    hear(&mut cluster, "d", delta(0, 4, vec![], vec![put("s1", "x", 4)]));
    assert_eq!(freshness(&mut cluster, "c", "s1").expect("shown").1, "d@1");
    check_no_flicker_of(&cluster.node("c").events, "s1");
}

#[test]
fn a_whole_log_says_where_an_entry_moved() {
    let config = Config { tombstones_max: 1, ..crate::testing::config() };
    let mut cluster = three_with(config);
    let gone = cluster.register("a", "gone", "x");
    cluster.register("a", "s1", "x");
    cluster.run(ms(2_000));
    cluster.cut("a", "c");
    cluster.cut("b", "c");
    cluster.unregister("a", "gone", gone);
    cluster.register("b", "s1", "x");
    cluster.run(ms(1_500));
    assert_eq!(cluster.registry("a").tombstones(), 1, "the first removal is forgotten");
    cluster.mend("a", "c");
    cluster.run(ms(1_200));
    assert_eq!(cluster.registry("c").counters().logs_replaced, 1);
    assert_eq!(cluster.view("c").get(Kind::Sensor, "gone").map(|held| held.origin.to_string()), None);
    assert_eq!(cluster.view("c").get(Kind::Sensor, "s1").expect("shown").origin.to_string(), "a@1");
    cluster.mend("b", "c");
    cluster.run(ms(2_000));
    cluster.check_converged();
    check_no_flicker_of(&cluster.node("c").events, "s1");
}
