//! Several registries on one simulated clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sensocto_model::{Generation, Key, Kind, NodeName, Origin, Record, Stamp};

use super::network::Packet;
use super::{Network, Replay, key, name, sensor};
use crate::{Config, Event, EventKind, Now, Output, Registry, View};

/// Milliseconds since 1970 when a cluster starts.
const WALL_MS: u64 = 1_700_000_000_000;

/// One node of a test.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) registry: Registry,
    pub(crate) running: bool,
    /// Stopped in the middle of what it did: its time goes on without it, and its packets wait.
    pub(crate) paused: bool,
    pub(crate) skew_ms: i64,
    pub(crate) events: Vec<Event>,
    pub(crate) superseded: Vec<(Key, Stamp, Origin)>,
    /// Generations of other processes of this name: of those that were there before, and of those that others have heard since.
    pub(crate) taken: Vec<Generation>,
    pub(crate) overtaken: Vec<Generation>,
    pub(crate) published: Vec<Vec<u8>>,
    replay: Replay,
    waiting: VecDeque<Packet>,
}

/// Nodes, their network, and the truth: what each node's clients have registered there.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) now: Duration,
    pub(crate) network: Network,
    pub(crate) nodes: BTreeMap<NodeName, Node>,
    pub(crate) truth: BTreeMap<(NodeName, Key), (Stamp, Record)>,
    config: Config,
}

/// The world of a view: whose each entry is, and what it says.
pub(crate) fn world_of(view: &View) -> BTreeMap<Key, (Origin, Stamp, String)> {
    Kind::ALL
        .into_iter()
        .flat_map(|kind| view.iter_after(kind, None))
        .map(|(held, record)| (record.key(), (Origin::clone(&held.origin), held.entry.stamp, format!("{record:?}"))))
        .collect()
}

impl Cluster {
    /// A cluster whose nodes see each other.
    pub(crate) fn new(seed: u64, names: &[&str], config: Config) -> Cluster {
        let mut cluster = Cluster {
            now: Duration::from_secs(10),
            network: Network::new(seed),
            nodes: BTreeMap::new(),
            truth: BTreeMap::new(),
            config,
        };
        for node in names {
            cluster.start(node, 1, 0);
        }
        cluster
    }

    pub(crate) fn now_of(&self, node: &str) -> Now {
        let skew_ms = self.nodes.get(node).map_or(0, |node| node.skew_ms);
        let wall_ms = (WALL_MS + self.now.as_millis() as u64).saturating_add_signed(skew_ms);
        Now { mono: self.now, wall_ms }
    }

    /// Starts a node, and lets the engine tell it and the others.
    pub(crate) fn start(&mut self, node: &str, generation: u64, skew_ms: i64) {
        let me = Origin { node: name(node), generation: Generation(generation) };
        let now = self.now_of(node);
        let started = Node {
            registry: Registry::new(me, self.config.clone(), now),
            running: true,
            paused: false,
            skew_ms,
            events: Vec::new(),
            superseded: Vec::new(),
            taken: Vec::new(),
            overtaken: Vec::new(),
            published: Vec::new(),
            replay: Replay::default(),
            waiting: VecDeque::new(),
        };
        self.nodes.insert(name(node), started);
        self.truth.retain(|(holder, _), _| holder.as_str() != node);
        for other in self.names() {
            if other.as_str() != node && !self.network.is_cut(&other, &name(node)) {
                self.notice_up(node, other.as_str());
                self.notice_up(other.as_str(), node);
            }
        }
    }

    /// Ends a process; the engine of every other node notices at once.
    pub(crate) fn kill(&mut self, node: &str) {
        let gone = name(node);
        self.node(node).running = false;
        self.truth.retain(|(holder, _), _| *holder != gone);
        for other in self.names() {
            self.notice_down(other.as_str(), node);
        }
    }

    pub(crate) fn node(&mut self, node: &str) -> &mut Node {
        self.nodes.get_mut(node).expect("a node of the cluster")
    }

    pub(crate) fn registry(&mut self, node: &str) -> &mut Registry {
        &mut self.node(node).registry
    }

    pub(crate) fn view(&mut self, node: &str) -> View {
        self.registry(node).view().clone()
    }

    /// The running nodes.
    pub(crate) fn names(&self) -> Vec<NodeName> {
        self.nodes.iter().filter(|(_, node)| node.running).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn notice_up(&mut self, viewer: &str, node: &str) {
        let now = self.now_of(viewer);
        let origin = Origin::clone(self.registry(node).me());
        self.registry(viewer).handle_peer_up(&origin, now);
        self.drain(viewer);
    }

    pub(crate) fn notice_down(&mut self, viewer: &str, node: &str) {
        let now = self.now_of(viewer);
        let origin = Origin::clone(self.registry(node).me());
        self.registry(viewer).handle_peer_down(&origin, now);
        self.drain(viewer);
    }

    /// Cuts both directions without a word from the engine.
    pub(crate) fn cut(&mut self, one: &str, other: &str) {
        self.network.cut(&name(one), &name(other));
        self.network.cut(&name(other), &name(one));
    }

    pub(crate) fn mend(&mut self, one: &str, other: &str) {
        self.network.mend(&name(one), &name(other));
        self.network.mend(&name(other), &name(one));
    }

    /// Registers a sensor, and notes it as true.
    pub(crate) fn register(&mut self, node: &str, id: &str, sensor_name: &str) -> Stamp {
        let (now, record) = (self.now_of(node), sensor(id, sensor_name));
        let registration = self.registry(node).register(record.clone(), now).expect("a valid record");
        self.truth.insert((name(node), key(id)), (registration.stamp, record));
        self.settle(node);
        registration.stamp
    }

    /// Changes a sensor; `false` where the registration is another node's or is gone.
    pub(crate) fn update(&mut self, node: &str, id: &str, sensor_name: &str, stamp: Stamp) -> bool {
        let record = sensor(id, sensor_name);
        let changed = self.registry(node).update(record.clone(), stamp).is_ok();
        if let Some(truth) = self.truth.get_mut(&(name(node), key(id))).filter(|_| changed) {
            truth.1 = record;
        }
        self.settle(node);
        changed
    }

    pub(crate) fn unregister(&mut self, node: &str, id: &str, stamp: Stamp) -> bool {
        let removed = self.registry(node).unregister(&key(id), stamp).is_some();
        if removed {
            self.truth.remove(&(name(node), key(id)));
        }
        self.settle(node);
        removed
    }

    /// Draws the consequences of a local change, as the driver of a node does.
    fn settle(&mut self, node: &str) {
        let now = self.now_of(node);
        if self.registry(node).poll_timeout() <= now.mono {
            self.registry(node).handle_tick(now);
        }
        self.drain(node);
    }

    /// Lets time pass until `span` from here.
    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let packet_at = self.network.next_at();
            let timers = self.nodes.values().filter(|node| node.running && !node.paused);
            let timer_at = timers.map(|node| node.registry.poll_timeout()).min();
            let next = [packet_at, timer_at].into_iter().flatten().min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while let Some((to, packet)) = self.network.arrived(self.now) {
                self.deliver(to.as_str(), packet);
            }
            self.tick_due();
        }
        self.now = until;
    }

    fn tick_due(&mut self) {
        for node in self.names() {
            let due = !self.nodes[&node].paused && self.nodes[&node].registry.poll_timeout() <= self.now;
            if due {
                let now = self.now_of(node.as_str());
                self.registry(node.as_str()).handle_tick(now);
                self.drain(node.as_str());
                let again = self.registry(node.as_str()).poll_timeout();
                assert!(again > self.now, "{node} ticks without end at {:?}", self.now);
            }
        }
    }

    pub(crate) fn pause(&mut self, node: &str) {
        self.node(node).paused = true;
    }

    /// Wakes a node. What came meanwhile is handled before its next tick, or after it.
    pub(crate) fn resume(&mut self, node: &str, tick_first: bool) {
        self.node(node).paused = false;
        if tick_first {
            self.tick_due();
        }
        while let Some(packet) = self.node(node).waiting.pop_front() {
            self.deliver(node, packet);
        }
    }

    fn deliver(&mut self, to: &str, packet: Packet) {
        let now = self.now_of(to);
        let node = self.node(to);
        if !node.running {
            return;
        }
        if node.paused {
            node.waiting.push_back(packet);
            return;
        }
        let present = node.registry.me().generation.0;
        match packet {
            Packet::Frame(bytes) => {
                let _ = node.registry.handle_frame(&bytes, now);
            }
            Packet::AnswerFrame { generation, id, bytes } => {
                if generation == present {
                    let _ = node.registry.handle_answer_frame(id, &bytes, now);
                }
            }
            Packet::AnswerEnd { generation, id, complete } => {
                if generation == present {
                    node.registry.handle_answer_end(id, complete, now);
                }
            }
            Packet::Ask { from, generation, id, frame } => {
                let frames = node.registry.answer(&frame).expect("a whole frame");
                self.network.send_answer(self.now, (&name(to), &from), (generation, id), frames.into_iter().flatten());
            }
        }
        self.drain(to);
    }

    /// Gives a frame to a node as if the network had.
    pub(crate) fn inject(&mut self, to: &str, frame: &[u8]) -> Result<(), crate::FrameError> {
        let now = self.now_of(to);
        let result = self.registry(to).handle_frame(frame, now);
        self.drain(to);
        result
    }

    /// Gives a frame to a node as if it were of the answer to a question.
    pub(crate) fn inject_answer(&mut self, to: &str, id: u64, frame: &[u8]) -> Result<(), crate::FrameError> {
        let now = self.now_of(to);
        let result = self.registry(to).handle_answer_frame(id, frame, now);
        self.drain(to);
        result
    }

    /// Does what a registry wants done.
    pub(crate) fn drain(&mut self, node: &str) {
        let me = name(node);
        while let Some(output) = self.registry(node).poll_output() {
            match output {
                Output::Publish(frame) => {
                    for other in self.names().into_iter().filter(|other| *other != me) {
                        self.network.send_frame(self.now, &me, &other, &frame);
                    }
                    self.node(node).published.push(frame);
                }
                Output::Ask { to, id, frame } => {
                    let generation = self.registry(node).me().generation.0;
                    self.network.send_ask(self.now, &to, Packet::Ask { from: me.clone(), generation, id, frame });
                }
                Output::Event(event) => {
                    let node = self.node(node);
                    node.replay.take(&event);
                    node.events.push(event);
                }
                Output::Superseded { key, stamp, by } => {
                    // Its client is told to go: what it registered is no longer true.
                    if self.truth.get(&(me.clone(), key.clone())).is_some_and(|truth| truth.0 == stamp) {
                        self.truth.remove(&(me.clone(), key.clone()));
                    }
                    self.node(node).superseded.push((key, stamp, by));
                }
                Output::NameTaken { generation } => self.node(node).taken.push(generation),
                Output::Overtaken { generation } => {
                    let now = self.now_of(node);
                    let node = self.node(node);
                    node.overtaken.push(generation);
                    node.registry.renew(Generation(generation.0 + 1), now);
                }
            }
        }
        let node = self.node(node);
        node.replay.check(node.registry.view());
    }

    /// The world as it is: for each key the newest registration that a running node holds.
    pub(crate) fn expected(&mut self) -> BTreeMap<Key, (Origin, Stamp, String)> {
        let mut world: BTreeMap<Key, (Origin, Stamp, String)> = BTreeMap::new();
        for ((node, key), (stamp, record)) in self.truth.clone() {
            let origin = Origin::clone(self.registry(node.as_str()).me());
            let wins = world.get(&key).is_none_or(|(other, best, _)| (stamp, &origin) > (*best, other));
            if wins {
                world.insert(key, (origin, stamp, format!("{record:?}")));
            }
        }
        world
    }

    /// Checks that every running node shows the world as it is.
    pub(crate) fn check_converged(&mut self) {
        self.check_converged_but("");
    }

    /// The same, whatever is shown of one sensor.
    pub(crate) fn check_converged_but(&mut self, id: &str) {
        let expected = self.expected();
        for node in self.names() {
            let mut world = world_of(&self.view(node.as_str()));
            world.retain(|key, _| key.id.as_str() != id);
            assert_eq!(world, expected, "the view of {node} at {:?}", self.now);
        }
    }

    /// What a node's viewers have heard, in short; the list is emptied.
    pub(crate) fn heard(&mut self, node: &str) -> Vec<(EventKind, String, String)> {
        let events = std::mem::take(&mut self.node(node).events);
        events
            .into_iter()
            .map(|event| (event.kind, event.key.id.as_str().to_owned(), event.held.origin.node.as_str().to_owned()))
            .collect()
    }

    /// Where a node's copy of another's log stands.
    pub(crate) fn stands(&mut self, viewer: &str, node: &str) -> u64 {
        self.registry(viewer).view().nodes().get(node).map_or(0, |node| node.version.0)
    }
}
