//! What differs between a copy and its log is found by ranges, whatever made it differ.

use super::*;
use crate::message::{self, Message};
use crate::testing::{delta, name, origin, put};
use sensocto_model::{Kind, Stamp};

/// Gives c a change of s7 that a never made, and then has a make another one: both stand at one version and differ in one entry.
fn differ_in_one_entry(cluster: &mut Cluster, stamp: Stamp) -> u64 {
    let at = cluster.stands("a", "a");
    let wrong = delta(at, at + 1, vec![], vec![message::Put { stamp, ..put("s7", "wrong", at + 1) }]);
    cluster.inject("c", &message::encode(&origin("a", 1), &Message::Delta(wrong))).expect("a whole frame");
    assert!(cluster.update("a", "s7", "right", stamp));
    at + 1
}

#[test]
fn one_entry_that_differs_at_an_equal_version_is_found_by_ranges_and_costs_little() {
    let mut cluster = three();
    let stamps: Vec<Stamp> = (0..2_000).map(|number| cluster.register("a", &format!("s{number}"), "x")).collect();
    cluster.run(ms(3_000));
    let at = differ_in_one_entry(&mut cluster, stamps[7]);
    cluster.run(ms(100));
    assert_eq!((cluster.stands("c", "a"), cluster.stands("b", "a")), (at, at));
    cluster.network.answer_bytes = 0;
    cluster.run(ms(2_000));
    cluster.check_converged();
    let (counters, cost) = (cluster.registry("c").counters().clone(), cluster.network.answer_bytes);
    assert_eq!((counters.divergences, counters.logs_mended, counters.logs_replaced), (1, 1, 0));
    assert!(cost > 0 && cost < 8_000, "{cost} bytes");
}

#[test]
fn what_differs_is_found_though_the_origin_is_busy() {
    let mut cluster = three();
    let stamps: Vec<Stamp> = (0..2_000).map(|number| cluster.register("a", &format!("s{number}"), "x")).collect();
    cluster.run(ms(3_000));
    differ_in_one_entry(&mut cluster, stamps[7]);
    for number in 0..400 {
        cluster.register("a", &format!("t{}", number % 7), "x");
        cluster.run(ms(10));
    }
    cluster.run(ms(2_000));
    cluster.check_converged();
    let counters = cluster.registry("c").counters().clone();
    assert_eq!((counters.logs_mended, counters.logs_replaced), (1, 0));
}

#[test]
fn a_replica_behind_forgotten_removals_gets_what_differs_and_not_the_whole_log() {
    let mut cluster = three_with(Config { tombstones_max: 1, ..crate::testing::config() });
    let stamps: Vec<Stamp> = (0..2_000).map(|number| cluster.register("a", &format!("s{number}"), "x")).collect();
    cluster.run(ms(3_000));
    cluster.cut("a", "c");
    (0..5).for_each(|number| assert!(cluster.unregister("a", &format!("s{number}"), stamps[number])));
    cluster.run(ms(1_200));
    cluster.mend("a", "c");
    cluster.network.answer_bytes = 0;
    cluster.run(ms(3_000));
    cluster.check_converged();
    let (counters, cost) = (cluster.registry("c").counters().clone(), cluster.network.answer_bytes);
    assert_eq!((counters.logs_mended, counters.logs_replaced), (1, 0));
    assert!(cost < 40_000, "{cost} bytes");
}

#[test]
fn a_third_node_helps_by_what_differs() {
    let mut cluster = three();
    (0..2_000).for_each(|number| {
        cluster.register("a", &format!("s{number}"), "x");
    });
    cluster.run(ms(3_000));
    cluster.network.cut(&name("a"), &name("c"));
    cluster.register("a", "one more", "x");
    cluster.run(ms(1_500));
    cluster.kill("a");
    cluster.network.answer_bytes = 0;
    cluster.run(ms(4_000));
    assert!(cluster.view("c").get(Kind::Sensor, "one more").is_some());
    let (counters, cost) = (cluster.registry("c").counters().clone(), cluster.network.answer_bytes);
    assert_eq!((counters.logs_mended, counters.logs_replaced), (1, 0));
    assert!(cost < 8_000, "{cost} bytes");
}
