//! Small models, explored exhaustively: every order of every step of two or three nodes, with the registry's own code.
//!
//! From each state every step that is possible is taken: a client writes, a frame arrives, late or twice or never, an answer is cut off,
//! time passes, a process ends and starts anew. States that are alike are visited once. In each state the rules of safety hold; and from
//! each state, when nothing more goes wrong, every node comes to show the world as it is.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hash::Hasher;
use std::time::Duration;

use sensocto_model::{Key, Kind, Origin, Stamp, Version};

use super::*;
use crate::testing::{Replay, key, origin, sensor, world_of};
use crate::{Now, Output, Registry};

/// What may happen in a model, and how often at most.
#[derive(Debug, Clone)]
struct Budget {
    /// So many of the nodes have clients that write.
    writers: usize,
    writes: u8,
    losses: u8,
    duplicates: u8,
    ticks: u8,
    restarts: u8,
}

#[derive(Debug, Clone)]
enum Packet {
    Frame(Vec<u8>),
    Ask { id: u64, frame: Vec<u8> },
    Answer { id: u64, frames: Vec<Vec<u8>> },
}

/// A packet under way: from, to, for which start of the receiver (where that matters), and what.
type Wire = (usize, usize, u64, Packet);

#[derive(Debug, Clone, Copy)]
enum Step {
    Register(usize, usize),
    Update(usize, usize),
    Unregister(usize, usize),
    Deliver(usize),
    Repeat(usize),
    Lose(usize),
    CutAnswer(usize),
    Tick,
    Restart(usize),
}

/// A moment of a model.
#[derive(Debug, Clone)]
struct State {
    nodes: Vec<(Registry, Replay)>,
    wire: Vec<Wire>,
    mono: Duration,
    left: Budget,
    writes: u64,
    held: BTreeMap<(usize, usize), Stamp>,
    /// What each log held at each of its versions: the entries with the versions of their last changes.
    written: BTreeMap<(Origin, Version), BTreeMap<Key, Version>>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const IDS: [&str; 2] = ["s1", "s2"];

impl State {
    fn new(nodes: usize, config: &Config, left: Budget) -> State {
        let mono = Duration::from_secs(10);
        let mut state = State {
            nodes: Vec::new(),
            wire: Vec::new(),
            mono,
            left,
            writes: 0,
            held: BTreeMap::new(),
            written: BTreeMap::new(),
        };
        for name in &NAMES[..nodes] {
            let registry = Registry::new(origin(name, 1), config.clone(), state.now());
            state.nodes.push((registry, Replay::default()));
        }
        // They know each other, and are idle.
        for _ in 0..3 {
            state.mono += config.digest_interval;
            state.tick_all();
            while !state.wire.is_empty() {
                state.deliver(0, false);
            }
        }
        state
    }

    fn now(&self) -> Now {
        Now { mono: self.mono, wall_ms: 1_700_000_000_000 + u64::try_from(self.mono.as_millis()).unwrap_or(0) }
    }

    fn generation(&self, node: usize) -> u64 {
        self.nodes[node].0.me().generation.0
    }

    fn steps(&self, entries: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.left.writes > 0 {
            for (node, entry) in (0..self.left.writers).flat_map(|node| (0..entries).map(move |entry| (node, entry))) {
                steps.push(Step::Register(node, entry));
                if self.held.contains_key(&(node, entry)) {
                    steps.extend([Step::Update(node, entry), Step::Unregister(node, entry)]);
                }
            }
        }
        for (at, (.., packet)) in self.wire.iter().enumerate() {
            steps.push(Step::Deliver(at));
            if self.left.losses > 0 {
                let cut = matches!(packet, Packet::Answer { .. });
                steps.push(if cut { Step::CutAnswer(at) } else { Step::Lose(at) });
            }
            if self.left.duplicates > 0 && matches!(packet, Packet::Frame(_)) {
                steps.push(Step::Repeat(at));
            }
        }
        if self.left.ticks > 0 {
            steps.push(Step::Tick);
        }
        if self.left.restarts > 0 {
            steps.extend((0..self.nodes.len()).map(Step::Restart));
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Register(node, entry) => self.write(node, entry, |registry, record, now, _| {
                registry.register(record, now).map(|registration| Some(registration.stamp)).unwrap_or(None)
            }),
            Step::Update(node, entry) => self.write(node, entry, |registry, record, _, stamp| {
                stamp.filter(|stamp| registry.update(record, *stamp).is_ok())
            }),
            Step::Unregister(node, entry) => self.write(node, entry, |registry, record, _, stamp| {
                stamp.and_then(|stamp| registry.unregister(&record.key(), stamp)).and(None)
            }),
            Step::Deliver(at) => self.deliver(at, false),
            Step::Repeat(at) => {
                self.left.duplicates -= 1;
                self.deliver(at, true);
            }
            Step::Lose(at) => {
                self.left.losses -= 1;
                self.wire.remove(at);
            }
            Step::CutAnswer(at) => {
                self.left.losses -= 1;
                let (_, to, generation, packet) = self.wire.remove(at);
                if let Packet::Answer { id, mut frames } = packet
                    && generation == self.generation(to)
                {
                    frames.pop();
                    self.answered(to, id, &frames, false);
                }
            }
            Step::Tick => {
                self.left.ticks -= 1;
                self.mono += Duration::from_millis(1_000);
                self.tick_all();
            }
            Step::Restart(node) => {
                self.left.restarts -= 1;
                let next = origin(NAMES[node], self.generation(node) + 1);
                let config = self.nodes[node].0.config.clone();
                self.nodes[node] = (Registry::new(next, config, self.now()), Replay::default());
                self.held.retain(|(holder, _), _| *holder != node);
                // A connection that ends loses what was on it; the others are told of the new one by its first frame.
                self.wire.retain(|(from, to, ..)| *from != node && *to != node);
            }
        }
    }

    /// A client does something; what it holds then is what `act` says.
    fn write(
        &mut self,
        node: usize,
        entry: usize,
        act: impl FnOnce(&mut Registry, sensocto_model::Record, Now, Option<Stamp>) -> Option<Stamp>,
    ) {
        self.left.writes -= 1;
        self.writes += 1;
        let record = sensor(IDS[entry], &format!("w{}", self.writes));
        let (now, stamp) = (self.now(), self.held.get(&(node, entry)).copied());
        match act(&mut self.nodes[node].0, record, now, stamp) {
            Some(stamp) => self.held.insert((node, entry), stamp),
            None => self.held.remove(&(node, entry)),
        };
        self.note_log(node);
        if self.nodes[node].0.poll_timeout() <= now.mono {
            self.nodes[node].0.handle_tick(now);
        }
        self.drain(node);
    }

    fn note_log(&mut self, node: usize) {
        let registry = &self.nodes[node].0;
        let held = registry.log.entries().iter().map(|(key, entry)| (key.clone(), entry.version)).collect();
        self.written.insert((Origin::clone(registry.me()), registry.log.version()), held);
    }

    fn tick_all(&mut self) {
        for node in 0..self.nodes.len() {
            let now = self.now();
            self.nodes[node].0.handle_tick(now);
            self.drain(node);
        }
    }

    fn deliver(&mut self, at: usize, keep: bool) {
        let (from, to, generation, packet) = if keep { self.wire[at].clone() } else { self.wire.remove(at) };
        let now = self.now();
        match packet {
            Packet::Frame(bytes) => {
                self.nodes[to].0.handle_frame(&bytes, now).expect("a whole frame");
                self.drain(to);
            }
            Packet::Ask { id, frame } => {
                let answer = self.nodes[to].0.answer(&frame).expect("a whole frame");
                let frames = answer.into_iter().flatten().collect();
                self.wire.push((to, from, generation, Packet::Answer { id, frames }));
            }
            Packet::Answer { id, frames } if generation == self.generation(to) => self.answered(to, id, &frames, true),
            Packet::Answer { .. } => {}
        }
    }

    fn answered(&mut self, to: usize, id: u64, frames: &[Vec<u8>], complete: bool) {
        let now = self.now();
        for frame in frames {
            self.nodes[to].0.handle_answer_frame(id, frame, now).expect("a whole frame");
        }
        self.nodes[to].0.handle_answer_end(id, complete, now);
        self.drain(to);
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].0.poll_output() {
            match output {
                Output::Publish(frame) => {
                    for to in (0..self.nodes.len()).filter(|to| *to != node) {
                        self.wire.push((node, to, 0, Packet::Frame(frame.clone())));
                    }
                }
                Output::Ask { to, id, frame } => {
                    let to = NAMES.iter().position(|name| *name == to.as_str()).expect("a node of the model");
                    self.wire.push((node, to, self.generation(node), Packet::Ask { id, frame }));
                }
                Output::Event(event) => self.nodes[node].1.take(&event),
                Output::Superseded { key, stamp, .. } => {
                    let lost = |held: &(&(usize, usize), &Stamp)| held.0.0 == node && *held.1 == stamp;
                    let lost = self.held.iter().find(lost).map(|(place, _)| *place).expect("a client held it");
                    assert_eq!(key.id.as_str(), IDS[lost.1]);
                    self.held.remove(&lost);
                    self.note_log(node);
                }
                Output::NameTaken { .. } | Output::Overtaken { .. } => panic!("each name has one process"),
            }
        }
        // A removal that made room for another node's registration is published by the next flush.
        let now = self.now();
        if self.nodes[node].0.published < self.nodes[node].0.log.version() {
            self.nodes[node].0.flush(now);
            if !self.nodes[node].0.outputs.is_empty() {
                self.drain(node);
            }
        }
    }

    /// What must hold in every state.
    fn check(&mut self) {
        for node in 0..self.nodes.len() {
            let (registry, replay) = &mut self.nodes[node];
            replay.check(registry.view());
            for peer in registry.peers.values() {
                let (stands, settled) = (peer.replica.version(), peer.replica.settled());
                let held: BTreeMap<Key, Version> =
                    peer.replica.entries().iter().map(|(key, entry)| (key.clone(), entry.version)).collect();
                // Every entry is one that its origin wrote.
                for (key, version) in &held {
                    let written = self.written.get(&(Origin::clone(&peer.origin), *version));
                    assert!(written.is_some_and(|log| log.get(key) == Some(version)), "{key} at {version}");
                }
                if stands == settled && stands > Version::ZERO {
                    let log = self.written.get(&(Origin::clone(&peer.origin), settled));
                    assert_eq!(log, Some(&held), "the copy of {} at {settled}", peer.origin);
                }
            }
        }
    }

    /// Nothing more goes wrong: every node comes to show the world as it is.
    fn check_heals(mut self, config: &Config) {
        // What an earlier start left behind goes within the grace.
        for _ in 0..10 {
            while !self.wire.is_empty() {
                self.deliver(0, false);
            }
            self.mono += config.digest_interval;
            self.tick_all();
        }
        let mut expected: BTreeMap<Key, (Stamp, Origin)> = BTreeMap::new();
        for ((node, entry), stamp) in &self.held {
            let held = (*stamp, Origin::clone(self.nodes[*node].0.me()));
            let best = expected.entry(key(IDS[*entry])).or_insert_with(|| held.clone());
            *best = best.clone().max(held);
        }
        let now = self.mono;
        for (registry, _) in &mut self.nodes {
            let view = registry.view().clone();
            let shown: BTreeMap<Key, (Stamp, Origin)> =
                world_of(&view).into_iter().map(|(key, (origin, stamp, _))| (key, (stamp, origin))).collect();
            assert_eq!(shown, expected, "the view of {}", registry.me());
            for node in view.nodes().values() {
                assert_eq!(
                    node.freshness(now, config.fresh_for).0,
                    Freshness::Fresh,
                    "{} at {}",
                    node.origin,
                    registry.me()
                );
            }
            assert_eq!(view.count(Kind::Sensor), expected.len());
        }
    }

    /// States with one number are alike: what was counted so far, and in which order packets were sent, does not matter.
    fn number(&self) -> u64 {
        struct Sink(DefaultHasher);
        impl Write for Sink {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        let mut sink = Sink(DefaultHasher::new());
        for (registry, _) in &self.nodes {
            let mut plain = registry.clone();
            plain.counters = crate::Counters::default();
            plain.view();
            let Registry { log, clock, published, coalescer, next_digest, peers, departing, next_ask, view, .. } =
                &plain;
            let _ = write!(sink, "{log:?}{clock:?}{published}{coalescer:?}{next_digest:?}{departing:?}{next_ask}");
            let _ = write!(sink, "{peers:?}{:?}", world_of(view));
        }
        let mut wire: Vec<u64> = self
            .wire
            .iter()
            .map(|packet| {
                let mut sink = Sink(DefaultHasher::new());
                let _ = write!(sink, "{packet:?}");
                sink.0.finish()
            })
            .collect();
        wire.sort_unstable();
        let _ = write!(sink, "{wire:?}{:?}{:?}{:?}{}", self.mono, self.left, self.held, self.writes);
        sink.0.finish()
    }
}

/// Visits every state within so many steps.
#[expect(clippy::print_stdout, reason = "a test of every state says how many there were")]
fn explore(what: &str, nodes: usize, entries: usize, steps_max: usize, config: &Config, budget: Budget) -> usize {
    let mut seen = BTreeSet::new();
    let first = State::new(nodes, config, budget);
    seen.insert(first.number());
    let mut frontier = vec![first];
    let mut depth = 0;
    while !frontier.is_empty() && depth < steps_max {
        depth += 1;
        let mut next = Vec::new();
        for state in &frontier {
            for step in state.steps(entries) {
                let mut after = state.clone();
                after.take(step);
                if seen.insert(after.number()) {
                    after.check();
                    after.clone().check_heals(config);
                    next.push(after);
                }
            }
        }
        frontier = next;
    }
    println!("model {what}: {} states within {depth} steps, {} left to go on from", seen.len(), frontier.len());
    seen.len()
}

fn small() -> Config {
    Config { delta_bytes_max: 1, window_max: Duration::ZERO, grace: ms(3_000), ..crate::testing::config() }
}

#[test]
fn two_nodes_and_one_entry_that_moves_under_loss_and_reordering() {
    let budget = Budget { writers: 2, writes: 2, losses: 1, duplicates: 1, ticks: 1, restarts: 0 };
    assert!(explore("of a move", 2, 1, 12, &small(), budget) > 1_000);
}

#[test]
fn two_nodes_and_two_entries_without_memory_of_removals() {
    let config = Config { tombstones_max: 0, range_entries_max: 0, ..small() };
    let budget = Budget { writers: 1, writes: 3, losses: 1, duplicates: 0, ticks: 1, restarts: 0 };
    assert!(explore("of forgotten removals", 2, 2, 12, &config, budget) > 1_000);
}

#[test]
fn two_nodes_one_of_which_starts_anew() {
    let budget = Budget { writers: 2, writes: 2, losses: 0, duplicates: 0, ticks: 1, restarts: 1 };
    assert!(explore("of a restart", 2, 1, 12, &small(), budget) > 1_000);
}

#[test]
fn three_nodes_and_one_entry_that_moves() {
    let budget = Budget { writers: 3, writes: 2, losses: 0, duplicates: 0, ticks: 0, restarts: 0 };
    assert!(explore("of a move that a third node sees", 3, 1, 12, &small(), budget) > 1_000);
}
