//! How what was lost comes back, and what it costs.

use super::*;
use crate::message::{self, Message};
use crate::testing::{delta, name, origin, put, world_of};
use sensocto_model::Kind;

fn total(cluster: &mut Cluster, count: fn(&crate::Counters) -> u64) -> u64 {
    ["a", "b", "c"].map(|node| count(cluster.registry(node).counters())).iter().sum()
}

#[test]
fn a_lost_delta_is_asked_for_as_soon_as_the_next_one_shows_the_gap() {
    let mut cluster = three();
    cluster.cut("a", "c");
    cluster.register("a", "s1", "x");
    cluster.run(ms(120));
    cluster.mend("a", "c");
    cluster.register("a", "s2", "x");
    cluster.run(ms(150));
    cluster.check_converged();
    let counters = cluster.registry("c").counters().clone();
    assert_eq!((counters.deltas_gap, counters.asks, counters.asks_failed, counters.logs_replaced), (1, 2 + 1, 0, 0));
}

#[test]
fn a_lost_last_delta_is_asked_for_at_the_next_digest() {
    let mut cluster = three();
    cluster.cut("a", "c");
    cluster.register("a", "s1", "x");
    cluster.run(ms(120));
    cluster.mend("a", "c");
    cluster.run(ms(1_010));
    cluster.check_converged();
}

#[test]
fn a_repair_costs_what_is_missing_and_not_what_is_held() {
    let mut cluster = three();
    for number in 0..2_000 {
        cluster.register("a", &format!("s{number}"), "x");
    }
    cluster.run(ms(3_000));
    cluster.cut("a", "c");
    cluster.register("a", "one more", "x");
    cluster.run(ms(120));
    cluster.mend("a", "c");
    cluster.network.answer_bytes = 0;
    cluster.run(ms(2_000));
    cluster.check_converged();
    let cost = cluster.network.answer_bytes;
    assert!(cost > 0 && cost < 300, "{cost} bytes");
}

#[test]
fn a_joining_node_learns_everything_at_once_and_without_a_whole_log_of_removals() {
    let mut cluster = Cluster::new(1, &["a", "b"], crate::testing::config());
    for number in 0..500 {
        let stamp = cluster.register("a", &format!("s{number}"), "x");
        if number % 2 == 0 {
            cluster.unregister("a", &format!("s{number}"), stamp);
        }
    }
    cluster.run(ms(5_000));
    cluster.start("c", 1, 0);
    cluster.run(ms(100));
    assert_eq!(cluster.view("c").count(Kind::Sensor), 250);
    cluster.run(ms(3_000));
    cluster.check_converged();
}

#[test]
fn a_third_node_that_is_ahead_repairs_the_log_of_an_unreachable_one() {
    let mut cluster = three();
    let gone = cluster.register("a", "gone", "x");
    cluster.register("a", "kept", "x");
    cluster.run(ms(2_000));
    cluster.network.cut(&name("a"), &name("c"));
    cluster.register("a", "new", "x");
    cluster.unregister("a", "gone", gone);
    cluster.run(ms(1_500));
    assert!(freshness(&mut cluster, "c", "new").is_none());
    let expected = world_of(&cluster.view("b"));
    cluster.kill("a");
    cluster.run(ms(1_500));
    assert_eq!(world_of(&cluster.view("c")), expected);
    assert_eq!(freshness(&mut cluster, "c", "new"), Some((Freshness::Orphaned, "a@1".to_owned())));
    assert_eq!(cluster.registry("c").counters().logs_replaced, 1);
}

#[test]
fn an_answer_that_is_cut_in_the_middle_is_asked_for_again() {
    let config = Config { delta_bytes_max: 400, ..crate::testing::config() };
    let mut cluster = three_with(config);
    cluster.cut("a", "c");
    for number in 0..100 {
        cluster.register("a", &format!("s{number}"), "x");
    }
    cluster.run(ms(150));
    cluster.mend("a", "c");
    cluster.network.answer_cut = 1_000;
    cluster.run(ms(20_000));
    assert!(cluster.registry("c").counters().asks_failed > 0);
    cluster.network.answer_cut = 0;
    cluster.run(ms(5_000));
    cluster.check_converged();
}

#[test]
fn a_truncated_whole_log_shows_nothing_of_itself() {
    let config = Config { delta_bytes_max: 400, tombstones_max: 0, ..crate::testing::config() };
    let mut cluster = three_with(config);
    let stamp = cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    cluster.cut("a", "c");
    cluster.cut("b", "c");
    cluster.unregister("a", "s1", stamp);
    for number in 2..50 {
        cluster.register("a", &format!("s{number}"), "x");
    }
    cluster.run(ms(1_500));
    cluster.heard("c");
    cluster.network.answer_cut = 1_000;
    cluster.mend("a", "c");
    cluster.run(ms(5_000));
    assert_eq!(cluster.heard("c"), []);
    cluster.network.answer_cut = 0;
    cluster.run(ms(5_000));
    cluster.check_converged();
    assert_eq!(cluster.heard("c").len(), 49, "one leave and 48 joins");
}

#[test]
fn removals_are_forgotten_once_every_node_has_them() {
    let mut cluster = three();
    for number in 0..20 {
        let stamp = cluster.register("a", &format!("s{number}"), "x");
        cluster.run(ms(10));
        cluster.unregister("a", &format!("s{number}"), stamp);
    }
    assert_eq!(cluster.registry("a").tombstones(), 20);
    cluster.run(ms(3_000));
    assert_eq!(cluster.registry("a").tombstones(), 0);
    cluster.check_converged();
}

#[test]
fn removals_wait_for_a_node_that_does_not_hear_them_until_it_is_removed() {
    let mut cluster = three();
    let stamp = cluster.register("a", "s1", "x");
    cluster.register("a", "s2", "x");
    cluster.run(ms(300));
    cluster.cut("a", "c");
    cluster.unregister("a", "s1", stamp);
    cluster.run(ms(30_000));
    assert_eq!(cluster.registry("a").tombstones(), 1);
    cluster.run(ms(15_000));
    assert_eq!(cluster.registry("a").tombstones(), 0);
    cluster.mend("a", "c");
    cluster.run(ms(5_000));
    cluster.check_converged();
}

#[test]
fn a_laggard_before_the_cap_of_removals_takes_the_whole_log() {
    let config = Config { tombstones_max: 5, ..crate::testing::config() };
    let mut cluster = three_with(config);
    let stamps: Vec<_> = (0..20).map(|number| cluster.register("a", &format!("s{number}"), "x")).collect();
    cluster.run(ms(2_000));
    cluster.cut("a", "c");
    for (number, stamp) in stamps.into_iter().enumerate().skip(1) {
        cluster.unregister("a", &format!("s{number}"), stamp);
        cluster.run(ms(120));
    }
    cluster.run(ms(1_500));
    assert_eq!(cluster.registry("a").tombstones(), 5);
    assert_eq!(cluster.view("b").count(Kind::Sensor), 1);
    cluster.mend("a", "c");
    cluster.run(ms(2_000));
    cluster.check_converged();
    assert_eq!(cluster.registry("c").counters().logs_replaced, 1);
    assert_eq!(total(&mut cluster, |counters| counters.divergences), 0);
}

#[test]
fn a_copy_that_differs_at_the_same_version_is_found_and_mended() {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    // A frame that a never sent: it passes every check and puts the copy where a's next change will be.
    let forged = delta(1, 2, vec![], vec![put("ghost", "x", 2)]);
    let frame = message::encode(&origin("a", 1), &Message::Delta(forged));
    cluster.inject("c", &frame).expect("a whole frame");
    assert!(cluster.view("c").get(Kind::Sensor, "ghost").is_some());
    cluster.register("a", "s2", "x");
    cluster.run(ms(3_000));
    cluster.check_converged();
    assert_eq!(cluster.registry("c").counters().divergences, 1);
    assert_eq!(cluster.view("c").get(Kind::Sensor, "s2").map(|held| held.entry.version.0), Some(2));
    assert!(cluster.view("c").get(Kind::Sensor, "ghost").is_none());
}

#[test]
fn a_slow_answer_that_goes_on_is_an_answer_in_time() {
    let config = Config { delta_bytes_max: 1, ..crate::testing::config() };
    let mut cluster = three_with(config);
    cluster.cut("a", "c");
    for number in 0..100 {
        cluster.register("a", &format!("s{number}"), "x");
    }
    cluster.run(ms(110));
    cluster.mend("a", "c");
    cluster.network.delay_min = 50;
    cluster.network.delay_max = 50;
    cluster.run(ms(15_000));
    cluster.check_converged();
    assert_eq!(cluster.registry("c").counters().asks_failed, 0);
}

#[test]
fn traffic_falls_to_the_idle_rate_after_trouble() {
    let mut cluster = three();
    cluster.network.set_faults(300, 100, 500, 300);
    for number in 0..200 {
        cluster.register(["a", "b", "c"][number % 3], &format!("s{number}"), "x");
        cluster.run(ms(50));
    }
    cluster.network.set_faults(0, 0, 1, 0);
    cluster.run(ms(5_000));
    cluster.check_converged();
    let (frames, asks) = (cluster.network.frames, total(&mut cluster, |counters| counters.asks));
    cluster.run(ms(10_000));
    assert_eq!(total(&mut cluster, |counters| counters.asks), asks);
    assert!(cluster.network.frames - frames <= 11 * 6);
}

#[test]
fn a_question_to_a_silent_node_is_not_repeated_faster_than_its_timeout() {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.run(ms(300));
    cluster.network.cut(&name("c"), &name("a"));
    let asks = cluster.registry("c").counters().asks;
    cluster.network.loss = 1_000;
    cluster.register("a", "s2", "x");
    cluster.network.loss = 0;
    cluster.run(ms(10_000));
    let asked = cluster.registry("c").counters().asks - asks;
    assert!(asked <= 6, "{asked} questions in 10 s");
}

#[test]
fn what_comes_while_a_question_is_under_way_needs_no_second_one() {
    let config = Config { delta_bytes_max: 1, ..crate::testing::config() };
    let mut cluster = three_with(config);
    cluster.run(ms(300));
    cluster.cut("a", "c");
    cluster.register("a", "s1", "x");
    cluster.register("a", "s2", "x");
    cluster.run(ms(120));
    cluster.mend("a", "c");
    (cluster.network.delay_min, cluster.network.delay_max) = (10, 10);
    let asks = cluster.registry("c").counters().asks;
    cluster.register("a", "s3", "x");
    cluster.run(ms(25));
    // The question has arrived, and the first of three frames is on its way back.
    cluster.register("a", "s4", "x");
    cluster.run(ms(120));
    cluster.check_converged();
    assert_eq!(cluster.registry("c").counters().asks - asks, 1);
}

#[test]
fn an_origin_that_does_not_answer_is_passed_over_for_a_node_that_is_ahead() {
    let mut cluster = three();
    cluster.run(ms(300));
    cluster.cut("a", "c");
    cluster.register("a", "s1", "x");
    cluster.run(ms(120));
    cluster.network.mend(&name("a"), &name("c"));
    cluster.run(ms(4_000));
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
    let counters = cluster.registry("c").counters();
    assert_eq!((counters.asks_failed, counters.logs_replaced), (1, 1));
}

#[test]
fn removals_wait_for_a_node_that_has_said_nothing_yet() {
    let mut cluster = Cluster::new(1, &["a", "b"], crate::testing::config());
    cluster.run(ms(3_000));
    cluster.network.cut(&name("c"), &name("a"));
    cluster.start("c", 1, 0);
    let stamp = cluster.register("a", "s1", "x");
    cluster.unregister("a", "s1", stamp);
    cluster.run(ms(5_000));
    assert_eq!(cluster.registry("a").tombstones(), 1);
}

#[test]
fn a_new_node_is_told_the_digests_at_once_and_removed_ones_are_no_part_of_them() {
    let mut cluster = Cluster::new(1, &["a", "b"], crate::testing::config());
    cluster.register("a", "s1", "x");
    cluster.run(ms(3_300));
    cluster.start("c", 1, 0);
    cluster.run(ms(50));
    assert_eq!(freshness(&mut cluster, "c", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
    cluster.kill("b");
    cluster.run(ms(35_000));
    let last = cluster.node("a").published.last().cloned().expect("it has published");
    let Ok((_, Message::Digest(digest))) = message::decode(&last) else { panic!("no digest") };
    let told: Vec<&str> = digest.reached.iter().flatten().map(|reached| reached.origin.node.as_str()).collect();
    assert_eq!(told, ["c"]);
}

/// The worked example of `docs/registry.md`.
#[test]
fn a_lost_delta_between_two_nodes_is_repaired_as_the_documentation_says() {
    let mut cluster = Cluster::new(1, &["a", "b"], crate::testing::config());
    cluster.run(ms(3_300));
    let stamp = cluster.register("a", "s1", "Greenhouse");
    cluster.run(ms(120));
    cluster.network.loss = 1_000;
    cluster.update("a", "s1", "Cellar", stamp);
    cluster.run(ms(120));
    cluster.network.loss = 0;
    (cluster.network.delay_min, cluster.network.delay_max) = (10, 10);
    let second = cluster.register("a", "s2", "Roof");
    cluster.run(ms(15));
    assert_eq!(cluster.stands("b", "a"), 1);
    assert!(cluster.unregister("a", "s2", second));
    cluster.run(ms(150));
    assert_eq!(cluster.stands("b", "a"), 4);
    cluster.check_converged();
    let expected = [told(EventKind::Registered, "s1", "a"), told(EventKind::Updated, "s1", "a")];
    assert_eq!(cluster.heard("b"), expected, "s2 came and went unseen");
    assert_eq!(cluster.registry("b").counters().logs_replaced, 0);
    cluster.run(ms(1_000));
    assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
}

#[test]
fn a_beat_is_passed_by_everybody_and_changes_nothing() {
    let mut cluster = three();
    cluster.register("a", "s1", "one");
    cluster.run(ms(2_000));
    let before = cluster.stands("b", "a");
    let mark = cluster.registry("a").beat();
    cluster.run(ms(1_000));
    for viewer in ["b", "c"] {
        assert_eq!((cluster.stands(viewer, "a"), mark.version.0), (before + 1, before + 1), "{viewer}");
    }
    cluster.check_converged();
}
