//! What happened in earlier systems of this kind and must not happen here.
//!
//! The faults of the first sketch of this system, each with the test that would have caught it:
//!
//! 1. Pending changes were flushed newest first, so the oldest won: `of_many_changes_within_one_window_the_last_one_is_seen`.
//! 2. A removal overtook a waiting register, which brought the entry back: `a_removal_in_the_same_window_as_its_register_leaves_no_ghost`.
//! 3. The full sync only added, and never removed: `a_missed_removal_is_repaired_though_nothing_else_happens`.
//! 4. The full sync ran where events are handled, and stopped them: `a_repair_that_hangs_does_not_stop_what_comes_meanwhile`.
//! 5. A full queue dropped registers for good: `a_frame_dropped_for_want_of_room_leaves_a_gap_that_is_repaired`.
//! 6. The sensors of a node that went stayed live: `the_entries_of_a_node_that_went_down_are_not_shown_as_live`; and asking for health
//!    waited for a process: `what_is_unknown_or_unreachable_is_an_answer_and_no_failure`.
//! 7. A timeout that was none, and lists of rooms and users that asked other nodes: `crates/cli/tests/three_nodes.rs` lists and reads while
//!    one of three processes is stopped; here, `who_is_here_is_answered_without_the_node_they_are_on`.
//! 8. Events had no version, generation or owner: `duplicates_are_told_from_news`.

use super::*;
use crate::message::{self, Message};
use crate::testing::{key, name};
use crate::{Cause, PeerState};
use sensocto_model::Kind;

#[test]
fn what_is_registered_on_one_node_is_seen_on_all() {
    let mut cluster = three();
    cluster.register("a", "s1", "Greenhouse");
    cluster.register("b", "s2", "Cellar");
    cluster.run(ms(300));
    cluster.check_converged();
    assert_eq!(cluster.view("c").count(Kind::Sensor), 2);
}

#[test]
fn a_removal_that_overtakes_its_register_on_the_network_leaves_no_ghost() {
    let mut cluster = three();
    cluster.network.delay_min = 80;
    cluster.network.delay_max = 80;
    let stamp = cluster.register("a", "s1", "Greenhouse");
    cluster.run(ms(10));
    cluster.network.delay_min = 1;
    cluster.network.delay_max = 1;
    assert!(cluster.unregister("a", "s1", stamp));
    cluster.run(ms(3_000));
    cluster.check_converged();
    for viewer in ["b", "c"] {
        assert_eq!(cluster.view(viewer).count(Kind::Sensor), 0);
        let shown_last = cluster.heard(viewer).pop();
        assert!(shown_last.is_none_or(|(kind, ..)| kind == EventKind::Unregistered(Cause::Unregistered)));
    }
}

#[test]
fn a_removal_in_the_same_window_as_its_register_leaves_no_ghost() {
    let mut cluster = three();
    for number in 0..600 {
        cluster.register("a", &format!("s{number}"), "x");
    }
    let stamps: Vec<_> = (0..600).map(|number| cluster.truth[&(name("a"), key(&format!("s{number}")))].0).collect();
    for (number, stamp) in stamps.into_iter().enumerate().filter(|(number, _)| number % 2 == 0) {
        assert!(cluster.unregister("a", &format!("s{number}"), stamp));
    }
    cluster.run(ms(300));
    cluster.check_converged();
    assert_eq!(cluster.view("b").count(Kind::Sensor), 300);
}

#[test]
fn of_many_changes_within_one_window_the_last_one_is_seen() {
    let mut cluster = three();
    let stamp = cluster.register("a", "s1", "first");
    for number in 0..500 {
        assert!(cluster.update("a", "s1", &format!("name {number}"), stamp));
    }
    cluster.run(ms(300));
    cluster.check_converged();
}

#[test]
fn updates_that_overtake_each_other_end_at_the_newest() {
    for seed in 0..50 {
        let mut cluster = Cluster::new(seed, &["a", "b", "c"], crate::testing::config());
        cluster.network.set_faults(0, 200, 400, 0);
        let stamp = cluster.register("a", "s1", "first");
        for number in 0..20 {
            assert!(cluster.update("a", "s1", &format!("name {number}"), stamp));
            cluster.run(ms(7));
        }
        cluster.network.set_faults(0, 0, 1, 0);
        cluster.run(ms(3_000));
        cluster.check_converged();
    }
}

#[test]
fn an_unregister_on_the_old_node_does_not_remove_what_the_new_node_registered() {
    let mut cluster = three();
    let old = cluster.register("a", "s1", "Greenhouse");
    cluster.run(ms(300));
    cluster.register("b", "s1", "Greenhouse");
    cluster.run(ms(300));
    assert!(!cluster.unregister("a", "s1", old), "another node holds it");
    cluster.run(ms(20_000));
    cluster.check_converged();
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "b@1".to_owned())));
}

#[test]
fn an_unregister_that_knows_nothing_of_the_move_does_not_remove_it_either() {
    let mut cluster = three();
    let old = cluster.register("a", "s1", "Greenhouse");
    cluster.run(ms(300));
    cluster.register("b", "s1", "Greenhouse");
    assert!(cluster.unregister("a", "s1", old), "the old node has not heard of the move");
    cluster.run(ms(3_000));
    cluster.check_converged();
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "b@1".to_owned())));
}

#[test]
fn an_old_registration_on_the_same_node_removes_and_changes_nothing() {
    let mut cluster = three();
    let old = cluster.register("a", "s1", "first socket");
    let new = cluster.register("a", "s1", "second socket");
    assert!(new > old);
    assert!(!cluster.unregister("a", "s1", old));
    assert!(!cluster.update("a", "s1", "late", old));
    cluster.run(ms(300));
    cluster.check_converged();
}

#[test]
fn an_entry_repaired_by_a_third_node_keeps_its_owner_and_goes_with_it() {
    let mut cluster = three();
    cluster.network.cut(&name("a"), &name("c"));
    cluster.register("a", "s1", "Greenhouse");
    cluster.run(ms(5_000));
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Stale, "a@1".to_owned())));
    cluster.kill("a");
    cluster.run(ms(1_000));
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Orphaned, "a@1".to_owned())));
    cluster.run(ms(40_000));
    cluster.check_converged();
    assert_eq!(cluster.view("c").count(Kind::Sensor), 0);
}

#[test]
fn a_healed_partition_brings_the_entries_of_both_sides_back() {
    for noticed in [false, true] {
        // The lonely side may remove what the two others held, so that it has to come back.
        let config = Config { mass_loss_percent: 100, ..crate::testing::config() };
        let mut cluster = three_with(config);
        cluster.register("a", "s1", "x");
        cluster.register("b", "s2", "x");
        cluster.run(ms(300));
        for other in ["b", "c"] {
            cluster.cut("a", other);
            if noticed {
                cluster.notice_down("a", other);
                cluster.notice_down(other, "a");
            }
        }
        cluster.run(ms(60_000));
        assert_eq!(cluster.view("a").count(Kind::Sensor), 1, "the other side is gone");
        assert_eq!(cluster.view("c").count(Kind::Sensor), 1);
        cluster.register("a", "s3", "x");
        for other in ["b", "c"] {
            cluster.mend("a", other);
            if noticed {
                cluster.notice_up("a", other);
                cluster.notice_up(other, "a");
            }
        }
        cluster.run(ms(5_000));
        cluster.check_converged();
        assert_eq!(freshness(&mut cluster, "b", "s3"), Some((Freshness::Fresh, "a@1".to_owned())));
    }
}

#[test]
fn what_is_unknown_or_unreachable_is_an_answer_and_no_failure() {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    cluster.kill("a");
    cluster.run(ms(10));
    assert_eq!(freshness(&mut cluster, "b", "nobody"), None);
    assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Orphaned, "a@1".to_owned())));
    assert!(!cluster.unregister("b", "s1", sensocto_model::Stamp::default()));
    assert!(!cluster.unregister("b", "nobody", sensocto_model::Stamp::default()));
    assert!(!cluster.update("b", "nobody", "x", sensocto_model::Stamp::default()));
}

#[test]
fn an_idle_entry_stays_fresh_and_costs_no_question() {
    let mut cluster = three();
    cluster.register("a", "s1", "Greenhouse");
    cluster.run(ms(2_000));
    let asked: u64 = ["a", "b", "c"].map(|node| cluster.registry(node).counters().asks).iter().sum();
    let frames = cluster.network.frames;
    for _ in 0..100 {
        cluster.run(ms(1_000));
        assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
    }
    let asked_later: u64 = ["a", "b", "c"].map(|node| cluster.registry(node).counters().asks).iter().sum();
    assert_eq!(asked_later, asked);
    let spent = cluster.network.frames - frames;
    assert!(spent <= 101 * 6, "one digest a second from each node to each other one, and not {spent} frames");
}

#[test]
fn a_missed_removal_is_repaired_though_nothing_else_happens() {
    let mut cluster = three();
    let stamp = cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    cluster.cut("a", "c");
    assert!(cluster.unregister("a", "s1", stamp));
    cluster.run(ms(50));
    cluster.mend("a", "c");
    assert_eq!(cluster.view("c").count(Kind::Sensor), 1);
    cluster.run(ms(1_100));
    cluster.check_converged();
}

#[test]
fn a_repair_that_hangs_does_not_stop_what_comes_meanwhile() {
    let mut cluster = three();
    cluster.cut("a", "c");
    cluster.register("a", "s1", "x");
    cluster.run(ms(50));
    cluster.mend("a", "c");
    // Questions do not reach a any more, its publications do reach c.
    cluster.network.cut(&name("c"), &name("a"));
    cluster.run(ms(1_500));
    assert!(cluster.registry("c").counters().asks > 0);
    cluster.register("b", "s2", "x");
    cluster.run(ms(200));
    assert!(freshness(&mut cluster, "c", "s2").is_some());
}

#[test]
fn a_frame_dropped_for_want_of_room_leaves_a_gap_that_is_repaired() {
    let config = Config { held_back_bytes_max: 300, ..crate::testing::config() };
    let mut cluster = three_with(config);
    cluster.cut("a", "c");
    cluster.register("a", "lost", "x");
    cluster.mend("a", "c");
    for number in 0..50 {
        cluster.register("a", &format!("s{number}"), "x");
    }
    cluster.run(ms(2_000));
    assert!(refused(&mut cluster, "c", "held_back_full") > 0);
    cluster.check_converged();
}

#[test]
fn the_entries_of_a_node_that_went_down_are_not_shown_as_live() {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.run(ms(2_000));
    cluster.notice_down("b", "a");
    assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Orphaned, "a@1".to_owned())));
    assert_eq!(cluster.view("b").nodes()["a"].state, PeerState::Unreachable);
}

#[test]
fn duplicates_are_told_from_news() {
    let mut cluster = three();
    cluster.network.set_faults(0, 1_000, 1, 0);
    let stamp = cluster.register("a", "s1", "x");
    cluster.run(ms(200));
    cluster.update("a", "s1", "y", stamp);
    cluster.run(ms(200));
    cluster.unregister("a", "s1", stamp);
    cluster.run(ms(3_000));
    let kinds = [EventKind::Registered, EventKind::Updated, EventKind::Unregistered(Cause::Unregistered)];
    assert_eq!(cluster.heard("c"), kinds.map(|kind| told(kind, "s1", "a")));
    assert!(cluster.registry("c").counters().deltas_duplicate >= 3);
}

#[test]
fn an_update_that_changes_nothing_is_not_sent() {
    let mut cluster = three();
    let stamp = cluster.register("a", "s1", "x");
    cluster.run(ms(200));
    let sent = deltas(&mut cluster, "a");
    assert!(cluster.update("a", "s1", "x", stamp));
    cluster.run(ms(200));
    assert_eq!(deltas(&mut cluster, "a"), sent);
}

fn deltas(cluster: &mut Cluster, node: &str) -> usize {
    let frames = &cluster.node(node).published;
    let messages = frames.iter().map(|frame| message::decode(frame).expect("a frame").1);
    messages.filter(|message| matches!(message, Message::Delta(_))).count()
}

#[test]
fn who_is_here_is_answered_without_the_node_they_are_on() {
    let mut cluster = three();
    let now = cluster.now_of("b");
    cluster.registry("b").register(crate::testing::presence("p1"), now).expect("a valid record");
    cluster.run(ms(1_200));
    cluster.pause("b");
    cluster.cut("a", "c");
    cluster.run(ms(5_000));
    let asked = cluster.registry("a").counters().asks;
    let (view, mono) = (cluster.view("a"), cluster.now);
    let held = view.get(Kind::Presence, "p1").expect("it is shown");
    let person = view.person("u1").map(|person| person.connections.len());
    assert_eq!((person, view.people_total(), view.freshness(held, mono).0), (Some(1), 1, Freshness::Stale));
    assert_eq!(cluster.registry("a").counters().asks, asked, "a read asks nobody");
}
