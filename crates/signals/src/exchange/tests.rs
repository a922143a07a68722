//! Several exchanges over a network that loses and delays frames, driven by a clock of their own.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sensocto_model::Generation;

use super::*;
use crate::message::Part;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn id(number: usize) -> SensorId {
    SensorId::new(&format!("s{number}")).unwrap()
}

/// The nodes `a`, `b` and `c`, and frames on their way.
struct Cluster {
    nodes: BTreeMap<NodeName, Exchange>,
    wanted: BTreeMap<(NodeName, SensorId), Interest>,
    streams: BTreeMap<(NodeName, NodeName, SensorId), Interest>,
    levels: BTreeMap<(NodeName, SensorId), Level>,
    cut: BTreeSet<NodeName>,
    /// Of each so many frames one is lost; none where it is 0.
    lossy: usize,
    frames: usize,
    repeats: usize,
    now: Duration,
}

impl Cluster {
    fn new() -> Cluster {
        let nodes = ["a", "b", "c"].map(|node| (name(node), exchange(node, 1)));
        Cluster {
            nodes: nodes.into_iter().collect(),
            wanted: BTreeMap::new(),
            streams: BTreeMap::new(),
            levels: BTreeMap::new(),
            cut: BTreeSet::new(),
            lossy: 0,
            frames: 0,
            repeats: 0,
            now: ms(1_000),
        }
    }

    /// A viewer of a node looks at a sensor that is on another one.
    fn look(&mut self, node: &str, sensor: usize, owner: &str, level: Level) {
        let (node, sensor, after) = (name(node), id(sensor), Interest::whole(level));
        let before = self.wanted.insert((node.clone(), sensor.clone()), after.clone()).unwrap_or_default();
        let change = Change { sensor, before, after };
        self.nodes.get_mut(&node).unwrap().change(&change, Some(&name(owner)), false, self.now);
        self.settle();
    }

    fn owner(&mut self, sensor: usize, owner: Option<&str>) {
        let owner = owner.map(name);
        for node in self.nodes.values_mut() {
            node.handle_owner(&id(sensor), owner.as_ref(), self.now);
        }
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut sent = Vec::new();
            for (node, exchange) in &mut self.nodes {
                while let Some(output) = exchange.poll_output() {
                    sent.push((node.clone(), output));
                }
            }
            if sent.is_empty() {
                return;
            }
            for (from, output) in sent {
                self.carry_out(&from, output);
            }
        }
    }

    fn carry_out(&mut self, from: &NodeName, output: Output) {
        match output {
            Output::Send { to, frame } => {
                self.frames += 1;
                let lost = self.lossy > 0 && self.frames.is_multiple_of(self.lossy);
                if lost || self.cut.contains(from) || self.cut.contains(&to) {
                    return;
                }
                let (sender, message) = message::decode(&frame).unwrap();
                self.nodes.get_mut(&to).unwrap().handle_message(&sender, &message, self.now);
            }
            Output::Level { sensor, level } => {
                let before = self.levels.insert((from.clone(), sensor), level).unwrap_or_default();
                assert_ne!(before, level, "a level is told when it changes");
            }
            Output::Stream { to, sensor, interest } => {
                self.streams.insert((from.clone(), to, sensor), interest);
            }
            Output::Repeat { .. } => self.repeats += 1,
        }
    }

    /// Lets time pass, stopping wherever something is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.nodes.values().filter_map(Exchange::poll_timeout).min().filter(|next| *next <= end)
        {
            self.now = self.now.max(next);
            for node in self.nodes.values_mut() {
                node.handle_tick(self.now);
            }
            self.settle();
            let due = self.nodes.values().filter_map(Exchange::poll_timeout).min();
            assert!(due.is_none_or(|due| due > self.now), "what was due was not done");
        }
        self.now = end;
    }

    fn level(&self, node: &str, sensor: usize) -> Level {
        self.levels.get(&(name(node), id(sensor))).copied().unwrap_or_default()
    }

    fn stream(&self, from: &str, to: &str, sensor: usize) -> Level {
        self.streams.get(&(name(from), name(to), id(sensor))).map(Interest::level).unwrap_or_default()
    }
}

fn exchange(node: &str, generation: u64) -> Exchange {
    Exchange::new(Origin { node: name(node), generation: Generation(generation) })
}

#[test]
fn attention_elsewhere_reaches_the_sensors_node_at_once_and_leaves_it_again() {
    let mut cluster = Cluster::new();
    cluster.look("b", 1, "a", Level::High);
    assert_eq!((cluster.level("a", 1), cluster.stream("a", "b", 1)), (Level::High, Level::High));
    assert_eq!(cluster.stream("a", "c", 1), Level::None, "a node without a viewer gets nothing");
    cluster.look("c", 1, "a", Level::Medium);
    cluster.look("b", 1, "a", Level::None);
    cluster.pass(ms(10));
    assert_eq!((cluster.level("a", 1), cluster.stream("a", "b", 1)), (Level::Medium, Level::None));
    cluster.look("c", 1, "a", Level::None);
    cluster.pass(ms(10));
    assert_eq!(cluster.level("a", 1), Level::None);
    cluster.pass(ms(20_000));
    let quiet = cluster.nodes.values().all(|node| node.poll_timeout().is_none());
    assert!(quiet, "who wants nothing says nothing");
}

#[test]
fn viewers_here_count_like_those_elsewhere() {
    let mut cluster = Cluster::new();
    cluster.look("a", 1, "a", Level::Medium);
    assert_eq!(cluster.level("a", 1), Level::Medium);
    assert!(cluster.streams.is_empty() && cluster.frames == 0);
    cluster.look("b", 1, "a", Level::High);
    assert_eq!(cluster.level("a", 1), Level::High);
}

#[test]
fn changes_that_come_together_travel_together() {
    let mut cluster = Cluster::new();
    cluster.look("b", 0, "a", Level::Low);
    let before = cluster.frames;
    (0..1_000).for_each(|sensor| cluster.look("b", sensor, "a", Level::High));
    cluster.pass(ms(10));
    assert_eq!(cluster.frames - before, 1);
    assert_eq!(cluster.level("a", 999), Level::High);
}

#[test]
fn thousands_of_sensors_need_several_frames() {
    let mut cluster = Cluster::new();
    (0..20_000).for_each(|sensor| cluster.look("b", sensor, "a", Level::Medium));
    cluster.pass(ms(10));
    let of_a = |cluster: &Cluster| cluster.levels.values().filter(|level| **level == Level::Medium).count();
    assert_eq!(of_a(&cluster), 20_000);
    // The node starts anew, knows nothing, and is told everything in parts, none of which is taken for the whole.
    cluster.nodes.insert(name("a"), exchange("a", 2));
    cluster.levels.clear();
    cluster.pass(ms(1_500));
    assert_eq!(of_a(&cluster), 20_000);
}

#[test]
fn a_sensor_that_moves_takes_its_viewers_along() {
    let mut cluster = Cluster::new();
    cluster.look("b", 1, "a", Level::High);
    cluster.owner(1, Some("c"));
    cluster.pass(ms(10));
    assert_eq!((cluster.level("a", 1), cluster.level("c", 1)), (Level::None, Level::High));
    cluster.owner(1, None);
    cluster.pass(ms(10));
    assert_eq!(cluster.level("c", 1), Level::None);
    cluster.owner(1, Some("b"));
    assert_eq!(cluster.level("b", 1), Level::High);
}

#[test]
fn a_lost_message_is_found_within_a_second() {
    let mut cluster = Cluster::new();
    cluster.look("b", 1, "a", Level::High);
    cluster.cut.insert(name("b"));
    cluster.pass(ms(20));
    cluster.look("b", 1, "a", Level::Low);
    cluster.cut.clear();
    assert_eq!(cluster.level("a", 1), Level::High);
    cluster.pass(ms(1_100));
    assert_eq!(cluster.level("a", 1), Level::Low);
}

#[test]
fn the_viewers_of_a_silent_node_are_waited_for_without_data_and_then_forgotten() {
    let mut cluster = Cluster::new();
    cluster.look("b", 1, "a", Level::High);
    cluster.cut.insert(name("b"));
    cluster.pass(ms(6_000));
    assert_eq!((cluster.level("a", 1), cluster.stream("a", "b", 1)), (Level::Lingering, Level::Lingering));
    cluster.cut.clear();
    cluster.pass(ms(1_100));
    assert_eq!(cluster.level("a", 1), Level::High, "it came back");
    cluster.cut.insert(name("b"));
    cluster.pass(ms(126_000));
    assert_eq!(cluster.level("a", 1), Level::None);
    cluster.cut.clear();
    cluster.pass(ms(1_500));
    assert_eq!(cluster.level("a", 1), Level::High, "it came back late");
}

#[test]
fn a_node_that_starts_anew_wants_what_it_says_now() {
    let mut cluster = Cluster::new();
    cluster.look("b", 1, "a", Level::High);
    cluster.look("b", 2, "a", Level::High);
    cluster.nodes.insert(name("b"), exchange("b", 2));
    cluster.wanted.clear();
    cluster.look("b", 2, "a", Level::Low);
    cluster.pass(ms(10));
    assert_eq!((cluster.level("a", 1), cluster.level("a", 2)), (Level::None, Level::Low));
}

#[test]
fn what_is_wanted_again_right_after_nothing_was_for_a_while_is_known() {
    let mut cluster = Cluster::new();
    for pause in [5_000, 5_100, 6_000, 9_000, 11_000] {
        cluster.look("b", 1, "a", Level::High);
        cluster.pass(ms(100));
        assert_eq!(cluster.level("a", 1), Level::High, "before {pause} ms without");
        cluster.look("b", 1, "a", Level::None);
        cluster.pass(ms(pause));
    }
}

#[test]
fn what_an_earlier_start_of_a_node_says_late_changes_nothing() {
    let mut exchange = exchange("a", 1);
    let say = |generation, seq, level| {
        let from = Origin { node: name("b"), generation: Generation(generation) };
        let part = Part::Whole { first: true, last: true };
        (from, Message::Wants { seq, part, wants: vec![(id(1), Interest::whole(level))] })
    };
    for (from, message) in [say(2, 1, Level::Low), say(1, 9, Level::High)] {
        exchange.handle_message(&from, &message, ms(0));
    }
    assert_eq!(exchange.level(&id(1)), Level::Low);
}

#[test]
fn missed_samples_are_asked_for() {
    let mut cluster = Cluster::new();
    cluster.look("b", 1, "a", Level::High);
    cluster.pass(ms(500));
    let from = Origin { node: name("a"), generation: Generation(1) };
    let line = || message::Line { sensor: id(1), epoch: 1, attributes: Vec::new() };
    for after in [0, 1, 3] {
        let message = Message::Samples { after, lines: vec![line()] };
        assert!(cluster.nodes.get_mut(&name("b")).unwrap().handle_message(&from, &message, cluster.now));
    }
    cluster.settle();
    cluster.pass(ms(200));
    assert_eq!(cluster.repeats, 1);
    let message = Message::Samples { after: 4, lines: Vec::new() };
    cluster.nodes.get_mut(&name("b")).unwrap().handle_message(&from, &message, cluster.now);
    cluster.pass(ms(2_000));
    assert_eq!(cluster.repeats, 1, "a frame that fits on is none that was missed");
    assert!(!cluster.nodes.get_mut(&name("c")).unwrap().handle_message(&from, &message, cluster.now), "nobody waits");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever is lost: once the network is whole, each sensor's node knows the highest level of all viewers, and sends samples to
    /// the nodes with a viewer and to no other.
    #[test]
    fn in_the_end_every_node_knows_what_the_others_want(
        steps in prop::collection::vec((0..3_usize, 0..4_usize, 0..3_usize, 0..5_usize, 0..3_000_u64), 1..40),
        lossy in 0..4_usize,
        moves in prop::collection::vec((0..4_usize, 0..4_usize), 0..6),
    ) {
        let names = ["a", "b", "c"];
        let mut cluster = Cluster::new();
        let mut owners: BTreeMap<usize, Option<usize>> = (0..4).map(|sensor| (sensor, Some(sensor % 3))).collect();
        cluster.lossy = lossy;
        let mut moves = moves.into_iter();
        for (node, sensor, _, level, pause) in steps {
            if let Some(owner) = owners[&sensor] {
                cluster.look(names[node], sensor, names[owner], Level::ALL[level]);
            }
            if pause > 2_500 {
                cluster.cut = [name(names[node])].into();
            } else if pause > 2_000 {
                cluster.cut.clear();
            }
            if let Some((sensor, owner)) = moves.next() {
                owners.insert(sensor, names.get(owner).map(|_| owner));
                cluster.owner(sensor, names.get(owner).copied());
            }
            cluster.pass(ms(pause));
        }
        (cluster.lossy, cluster.cut) = (0, BTreeSet::new());
        // Who was lost without a word is waited for that long.
        cluster.pass(ms(135_000));
        for (sensor, owner) in owners {
            for (node, at) in names.iter().zip(0..) {
                let wanted = |viewer: &str| {
                    let wanted = cluster.wanted.get(&(name(viewer), id(sensor)));
                    wanted.filter(|_| owner == Some(at)).map(Interest::level).unwrap_or_default()
                };
                let highest = names.iter().map(|viewer| wanted(viewer)).max().unwrap_or_default();
                prop_assert_eq!(cluster.level(node, sensor), highest, "s{} on {}", sensor, node);
                for viewer in names.iter().filter(|viewer| *viewer != node) {
                    prop_assert_eq!(cluster.stream(node, viewer, sensor), wanted(viewer));
                }
            }
        }
    }
}
