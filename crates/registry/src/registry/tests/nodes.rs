//! Nodes that go, come back, restart, or sleep.

use super::*;
use crate::testing::name;
use crate::{Cause, PeerState, StateCause};
use sensocto_model::Kind;

/// A node with five sensors, seen by the others.
fn with_sensors() -> Cluster {
    let mut cluster = three();
    for id in ["s1", "s2", "s3", "s4", "s5"] {
        cluster.register("a", id, "x");
    }
    cluster.run(ms(2_000));
    for node in ["a", "b", "c"] {
        cluster.heard(node);
    }
    cluster
}

#[test]
fn a_restart_within_the_grace_is_no_leave_and_no_join_at_any_viewer() {
    for (skew_ms, noticed) in [(0, true), (-3_600_000, true), (3_600_000, true), (0, false)] {
        let mut cluster = with_sensors();
        if noticed {
            cluster.kill("a");
            cluster.run(ms(3_000));
            assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Orphaned, "a@1".to_owned())));
        }
        cluster.start("a", 2, skew_ms);
        cluster.run(ms(500));
        assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Stale, "a@1".to_owned())));
        for id in ["s1", "s2", "s3", "s4"] {
            cluster.register("a", id, "x");
        }
        cluster.run(ms(3_000));
        for viewer in ["b", "c"] {
            assert_eq!(freshness(&mut cluster, viewer, "s1"), Some((Freshness::Fresh, "a@2".to_owned())));
            let expected = ["s1", "s2", "s3", "s4"].map(|id| told(EventKind::Updated, id, "a"));
            assert_eq!(cluster.heard(viewer), expected);
            assert_eq!(cluster.view(viewer).nodes()["a"].retired, 1);
        }
        cluster.run(ms(31_000));
        for viewer in ["b", "c"] {
            let gone = told(EventKind::Unregistered(Cause::NodeRestarted), "s5", "a");
            assert_eq!(cluster.heard(viewer), [gone]);
        }
        cluster.check_converged();
    }
}

#[test]
fn what_a_new_generation_registers_and_removes_again_stays_removed() {
    let mut cluster = with_sensors();
    cluster.start("a", 2, 0);
    cluster.run(ms(500));
    let stamp = cluster.register("a", "s1", "x");
    cluster.run(ms(500));
    assert!(cluster.unregister("a", "s1", stamp));
    cluster.run(ms(500));
    assert_eq!(freshness(&mut cluster, "b", "s1"), None);
}

#[test]
fn a_node_that_restarts_again_and_again_leaves_no_more_than_a_few_generations() {
    let mut cluster = with_sensors();
    let retired_max = crate::testing::config().retired_max as u64;
    for generation in 2..20 {
        cluster.start("a", generation, 0);
        cluster.register("a", &format!("of {generation}"), "x");
        cluster.run(ms(500));
        assert!(cluster.view("b").nodes()["a"].retired <= retired_max + 4);
    }
    cluster.run(ms(60_000));
    cluster.check_converged();
}

#[test]
fn a_killed_node_is_orphaned_at_once_and_removed_after_the_grace() {
    let mut cluster = with_sensors();
    cluster.kill("a");
    for viewer in ["b", "c"] {
        assert_eq!(freshness(&mut cluster, viewer, "s1"), Some((Freshness::Orphaned, "a@1".to_owned())));
        let node = cluster.view(viewer).nodes()["a"].clone();
        assert_eq!((node.state, node.cause), (PeerState::Unreachable, StateCause::LinkLost));
    }
    cluster.run(ms(29_900));
    assert_eq!((cluster.view("b").count(Kind::Sensor), cluster.heard("b")), (5, vec![]));
    cluster.run(ms(200));
    for viewer in ["b", "c"] {
        let gone = |id| told(EventKind::Unregistered(Cause::NodeGone), id, "a");
        assert_eq!(cluster.heard(viewer), ["s1", "s2", "s3", "s4", "s5"].map(gone));
        assert!(!cluster.view(viewer).nodes().contains_key("a"));
    }
}

#[test]
fn a_hung_node_is_suspect_then_unreachable_then_removed() {
    let mut cluster = with_sensors();
    cluster.pause("a");
    let mut states = Vec::new();
    for _ in 0..450 {
        cluster.run(ms(100));
        let state = cluster.view("b").nodes().get("a").map(|node| (node.state, node.cause));
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    let expected = [
        Some((PeerState::Alive, StateCause::Heard)),
        Some((PeerState::Suspect, StateCause::Silent)),
        Some((PeerState::Unreachable, StateCause::Silent)),
        None,
    ];
    assert_eq!(states, expected);
    assert_eq!(cluster.view("b").count(Kind::Sensor), 0);
}

#[test]
fn a_node_without_entries_that_went_is_not_listed_for_ever() {
    let mut cluster = Cluster::new(1, &["a", "b"], crate::testing::config());
    cluster.run(ms(3_000));
    cluster.kill("a");
    cluster.run(ms(31_000));
    assert!(!cluster.view("b").nodes().contains_key("a"));
}

#[test]
fn late_packets_of_a_retired_generation_are_refused() {
    let mut cluster = with_sensors();
    let old = std::mem::take(&mut cluster.node("a").published);
    cluster.kill("a");
    cluster.run(ms(1_000));
    cluster.start("a", 2, 0);
    cluster.register("a", "s1", "x");
    cluster.run(ms(3_000));
    let before = crate::testing::world_of(&cluster.view("b"));
    for frame in &old {
        cluster.inject("b", frame).expect("a whole frame");
    }
    assert_eq!(refused(&mut cluster, "b", "generation_retired"), old.len() as u64);
    assert_eq!(crate::testing::world_of(&cluster.view("b")), before);
    assert_eq!(cluster.view("b").nodes()["a"].state, PeerState::Alive);
    let origin = crate::testing::origin("a", 1);
    let now = cluster.now_of("b");
    cluster.registry("b").handle_peer_down(&origin, now);
    assert_eq!(cluster.view("b").nodes()["a"].state, PeerState::Alive, "the loss of the old process is no news");
}

#[test]
fn late_packets_of_a_killed_node_are_no_sign_of_life() {
    let mut cluster = with_sensors();
    cluster.network.delay_min = 100;
    cluster.network.delay_max = 100;
    cluster.register("a", "s6", "x");
    cluster.kill("a");
    cluster.run(ms(1_000));
    assert_eq!(freshness(&mut cluster, "b", "s6"), Some((Freshness::Orphaned, "a@1".to_owned())));
    assert_eq!(cluster.view("b").nodes()["a"].state, PeerState::Unreachable);
}

#[test]
fn a_node_that_comes_back_with_the_same_generation_is_repaired_in_place() {
    let mut cluster = with_sensors();
    cluster.cut("a", "b");
    cluster.notice_down("b", "a");
    cluster.notice_down("a", "b");
    let stamp = cluster.register("a", "s6", "x");
    cluster.update("a", "s6", "y", stamp);
    cluster.run(ms(20_000));
    cluster.mend("a", "b");
    cluster.notice_up("b", "a");
    cluster.notice_up("a", "b");
    cluster.run(ms(2_000));
    cluster.check_converged();
    assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
    // What it registered meanwhile had come by way of the third node; the rest did not move.
    assert!(cluster.heard("b").iter().all(|(_, id, _)| id == "s6"));
}

#[test]
fn a_node_that_slept_does_not_call_the_others_silent() {
    for (slept, tick_first) in [(4_000, true), (9_000, false), (20_000, true), (20_000, false), (300_000, true)] {
        let mut cluster = with_sensors();
        cluster.pause("b");
        cluster.run(ms(slept));
        cluster.resume("b", tick_first);
        for node in ["a", "c"] {
            assert_eq!(cluster.view("b").nodes()[node].state, PeerState::Alive, "after {slept} ms");
        }
        cluster.run(ms(5_000));
        assert_eq!(cluster.heard("b"), []);
        cluster.check_converged();
    }
}

#[test]
fn a_node_that_slept_still_finds_out_who_went_meanwhile() {
    let mut cluster = with_sensors();
    cluster.pause("b");
    cluster.run(ms(5_000));
    cluster.node("a").running = false;
    cluster.truth.clear();
    cluster.run(ms(5_000));
    cluster.resume("b", true);
    cluster.run(ms(60_000));
    cluster.check_converged();
}

#[test]
fn the_end_of_a_process_is_told_from_a_pause_of_the_network() {
    let mut cluster = with_sensors();
    cluster.network.set_faults(200, 0, 500, 0);
    for _ in 0..30 {
        cluster.run(ms(1_500));
        cluster.pause("a");
        cluster.run(ms(1_000));
        cluster.resume("a", true);
    }
    for viewer in ["a", "b", "c"] {
        assert_eq!(cluster.heard(viewer), [], "at {viewer}");
    }
}

#[test]
fn there_is_room_for_a_new_node_once_an_old_one_was_removed() {
    let config = Config { peers_max: 2, ..crate::testing::config() };
    let mut cluster = Cluster::new(1, &["a", "b", "c", "d"], config);
    cluster.run(ms(2_000));
    assert_eq!(cluster.view("a").nodes().len(), 3);
    assert!(refused(&mut cluster, "a", "too_many_peers") > 0);
    assert!(!cluster.view("a").nodes().contains_key("d"));
    cluster.kill("b");
    cluster.run(ms(35_000));
    assert!(cluster.view("a").nodes().contains_key("d"));
    assert!(!cluster.view("a").nodes().contains_key("b"));
    assert!(cluster.names().contains(&name("d")));
}

/// Five nodes with ten sensors each.
fn five() -> Cluster {
    let names = ["a", "b", "c", "d", "e"];
    let mut cluster = Cluster::new(1, &names, crate::testing::config());
    for node in names {
        for number in 0..10 {
            cluster.register(node, &format!("{node}{number}"), "x");
        }
    }
    cluster.run(ms(3_000));
    cluster
}

fn count(cluster: &mut Cluster, node: &str) -> usize {
    cluster.view(node).count(Kind::Sensor)
}

#[test]
fn several_nodes_that_vanish_with_much_of_the_world_are_kept_beyond_the_grace() {
    let mut cluster = five();
    cluster.kill("d");
    cluster.kill("e");
    cluster.run(ms(60_000));
    assert_eq!(count(&mut cluster, "a"), 50);
    assert!(cluster.view("a").nodes()["d"].cause.in_words().expect("a cause").contains("confirmed"));
    assert_eq!(cluster.registry("a").counters().nodes_held, 2);
    cluster.run(crate::testing::config().long_grace);
    assert_eq!(count(&mut cluster, "a"), 30);
}

#[test]
fn one_node_that_vanishes_is_removed_after_the_grace_whatever_it_held() {
    let mut cluster = five();
    for number in 0..100 {
        cluster.register("e", &format!("more{number}"), "x");
    }
    cluster.run(ms(1_000));
    cluster.kill("e");
    cluster.run(ms(32_000));
    assert_eq!(count(&mut cluster, "a"), 40);
}

#[test]
fn what_is_kept_leaves_when_it_is_confirmed_or_when_the_others_come_back() {
    let mut cluster = five();
    cluster.kill("d");
    cluster.kill("e");
    cluster.run(ms(40_000));
    let now = cluster.now_of("a");
    assert!(!cluster.registry("a").confirm_loss(&name("b"), now), "b is there");
    assert!(cluster.registry("a").confirm_loss(&name("d"), now));
    cluster.drain("a");
    assert_eq!(count(&mut cluster, "a"), 40);
    cluster.start("d", 2, 0);
    cluster.run(ms(2_000));
    // With d back, e alone is missing at b: it may follow within one more grace, and then it is a node that failed.
    assert!(cluster.view("b").nodes().contains_key("e"));
    cluster.run(ms(32_000));
    assert!(!cluster.view("b").nodes().contains_key("e"));
}

#[test]
fn a_node_that_works_alone_keeps_what_the_others_left_and_finds_them_again() {
    let mut cluster = three();
    let before = (cluster.register("a", "s1", "x"), cluster.register("b", "s2", "x"));
    cluster.run(ms(2_000));
    cluster.heard("a");
    let now = cluster.now_of("a");
    cluster.registry("a").set_apart(true, now);
    for other in ["b", "c"] {
        cluster.cut("a", other);
        cluster.notice_down("a", other);
        cluster.notice_down(other, "a");
    }
    cluster.run(ms(90_000));
    assert!(cluster.view("b").get(Kind::Sensor, "s1").is_none(), "b believes that a is gone");
    assert!(cluster.view("a").get(Kind::Sensor, "s2").is_some(), "a knows that it left");
    let now = cluster.now_of("a");
    cluster.registry("a").set_apart(false, now);
    for other in ["b", "c"] {
        cluster.mend("a", other);
        cluster.notice_up("a", other);
        cluster.notice_up(other, "a");
    }
    cluster.run(ms(5_000));
    cluster.check_converged();
    assert!(cluster.heard("a").is_empty(), "nothing came and nothing went for whoever looks at a: {before:?}");
}
