//! The attention of a whole cluster, as one node sees it: a state machine.
//!
//! In go changes of the viewers here, where sensors are, frames of other nodes, and the time. Out come frames to send, the levels of the
//! sensors here, and which node wants which samples.
//!
//! To each node on which somebody here looks at a sensor, an [`Outbox`](outbox) says what is wanted: first everything, then changes, and
//! every second a hash of it all, so that whatever was lost is found and said again. The other side, an [`Inbox`](inbox), forgets what a
//! node wants that is silent for five seconds. So no message has to arrive, and no node that dies is listened to for ever.

mod inbox;
mod outbox;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sensocto_model::{NodeName, Origin, SensorId};

use crate::message::{self, Message};
use crate::{Attention, Change, Interest, Level, LoadLevel};
use inbox::Inbox;
use outbox::Outbox;

/// How often a node says that it still wants what it wants.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A node that was silent for this long wants nothing any more.
const LEASE: Duration = Duration::from_secs(5);
/// Changes within this time after a frame travel together.
const WINDOW: Duration = Duration::from_millis(10);
/// How long to wait for an answer before asking again, and before saying again that samples were missed.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Sensors of which one node may want something. What it wants beyond is not done, and counted.
pub(crate) const WANTS_MAX: usize = 100_000;

/// What follows from what was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a frame to a node.
    Send {
        /// Where to.
        to: NodeName,
        /// The bytes.
        frame: Vec<u8>,
    },
    /// The attention of a sensor on this node changed.
    Level {
        /// The sensor.
        sensor: SensorId,
        /// The highest level of anybody, on any node.
        level: Level,
    },
    /// Another node wants something else of a sensor here.
    Stream {
        /// The node.
        to: NodeName,
        /// The sensor.
        sensor: SensorId,
        /// What it wants; none ends it.
        interest: Interest,
    },
    /// A node missed samples: it needs the latest of everything that it wants.
    Repeat {
        /// The node.
        to: NodeName,
    },
}

/// What the exchange counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Times that everything had to be said again.
    pub repairs: u64,
    /// Frames of samples that did not fit on the one before.
    pub gaps: u64,
    /// Nodes that were silent for too long, or lost.
    pub leases_ended: u64,
    /// Wants beyond what one node may want.
    pub refused: u64,
    /// Sensors whose lost viewers were not waited for, because so many others' were.
    pub forgotten: u64,
}

/// The exchange of one node.
#[derive(Debug)]
pub struct Exchange {
    me: Origin,
    load: LoadLevel,
    attention: Attention,
    /// Where the sensors are that somebody here looks at, where that is known.
    owners: BTreeMap<SensorId, NodeName>,
    outboxes: BTreeMap<NodeName, Outbox>,
    inboxes: BTreeMap<NodeName, Inbox>,
    /// What nodes want of sensors, this one included.
    wanted: BTreeMap<SensorId, BTreeMap<NodeName, Interest>>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Exchange {
    /// The exchange of a node on which nobody looks at anything.
    #[must_use]
    pub fn new(me: Origin) -> Exchange {
        Exchange {
            me,
            load: LoadLevel::Normal,
            attention: Attention::default(),
            owners: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            wanted: BTreeMap::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes in a change of a viewer here. `owner` is the node that the sensor is on, as far as anybody knows.
    pub fn change(&mut self, change: &Change, owner: Option<&NodeName>, lost: bool, now: Duration) {
        self.attention.change(change, lost, self.load, now);
        self.settle(now);
        self.handle_owner(&change.sensor, owner, now);
    }

    /// Takes in where a sensor is. Of sensors at which nobody here looks it is not kept.
    pub fn handle_owner(&mut self, sensor: &SensorId, owner: Option<&NodeName>, now: Duration) {
        let interest = self.attention.interest(sensor);
        if interest.is_none() || self.owners.get(sensor) == owner {
            return;
        }
        if let Some(before) = self.owners.remove(sensor) {
            self.want(&before, sensor, Interest::default(), now);
        }
        if let Some(owner) = owner {
            self.owners.insert(sensor.clone(), owner.clone());
            self.want(owner, sensor, interest, now);
        }
    }

    /// Takes in a message of another node; samples are the caller's business where this says that they are to be taken.
    pub fn handle_message(&mut self, from: &Origin, message: &Message, now: Duration) -> bool {
        let outdated = self.inboxes.get(&from.node).is_some_and(|inbox| inbox.is_of_later(from.generation));
        if from.node == self.me.node || outdated {
            return false;
        }
        match message {
            Message::Wants { seq, part, wants } => {
                let taken = self.inbox(from, now).wants(*seq, *part, wants, now);
                self.counters.refused += taken.refused;
                self.ask_where(&from.node, taken.ask);
                self.apply(&from.node, taken.changed);
            }
            Message::Beat { seq, count, hash, missed } => {
                let taken = self.inbox(from, now).beat(*seq, *count, *hash, now);
                self.ask_where(&from.node, taken.ask);
                self.apply(&from.node, taken.changed);
                if *missed {
                    self.outputs.push_back(Output::Repeat { to: from.node.clone() });
                }
            }
            Message::Ask => {
                self.counters.repairs += 1;
                if let Some(outbox) = self.outboxes.get_mut(&from.node) {
                    outbox.say_everything(now);
                }
                self.flush(now);
            }
            Message::Samples { after, lines } => {
                let Some(outbox) = self.outboxes.get_mut(&from.node) else { return false };
                if !outbox.heard(from.generation, *after, !lines.is_empty(), now) {
                    self.counters.gaps += 1;
                    self.flush(now);
                }
                return true;
            }
        }
        false
    }

    /// A node is there (again): it is told everything at once.
    pub fn handle_peer_up(&mut self, node: &NodeName, now: Duration) {
        if let Some(outbox) = self.outboxes.get_mut(node) {
            outbox.say_everything(now);
        }
        self.flush(now);
    }

    /// This node goes on under a later generation: each node is told everything anew.
    pub fn renew(&mut self, me: Origin, now: Duration) {
        self.me = me;
        for outbox in self.outboxes.values_mut() {
            outbox.say_everything(now);
        }
        self.flush(now);
    }

    /// A node is gone: its viewers are lost.
    pub fn handle_peer_down(&mut self, node: &NodeName, now: Duration) {
        let linger = crate::attention::linger(self.load);
        if let Some(inbox) = self.inboxes.get_mut(node) {
            let changed = inbox.lose(now + linger);
            self.counters.leases_ended += u64::from(!changed.is_empty());
            self.apply(node, changed);
        }
    }

    /// Takes in the load of this node: it decides how long lost viewers are waited for.
    pub fn set_load(&mut self, load: LoadLevel) {
        self.load = load;
    }

    /// Does what is due.
    pub fn handle_tick(&mut self, now: Duration) {
        self.attention.handle_tick(now);
        self.settle(now);
        let late = |(_, inbox): &(&NodeName, &Inbox)| inbox.is_late(now);
        let silent: Vec<NodeName> = self.inboxes.iter().filter(late).map(|(node, _)| node.clone()).collect();
        for node in silent {
            self.handle_peer_down(&node, now);
        }
        let ended = |(_, inbox): &(&NodeName, &Inbox)| inbox.is_over(now);
        let over: Vec<NodeName> = self.inboxes.iter().filter(ended).map(|(node, _)| node.clone()).collect();
        for node in over {
            if let Some(inbox) = self.inboxes.remove(&node) {
                self.apply(&node, inbox.end());
            }
        }
        self.flush(now);
        self.outboxes.retain(|_, outbox| !outbox.is_over(now));
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let outboxes = self.outboxes.values().map(Outbox::due_at);
        let inboxes = self.inboxes.values().map(Inbox::due_at);
        outboxes.chain(inboxes).chain(self.attention.poll_timeout()).min()
    }

    /// What follows from what was taken in.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The highest attention of a sensor on this node.
    #[must_use]
    pub fn level(&self, sensor: &SensorId) -> Level {
        let of = |nodes: &BTreeMap<NodeName, Interest>| nodes.values().map(Interest::level).max();
        self.wanted.get(sensor).and_then(of).unwrap_or_default()
    }

    /// Whether samples of a sensor that come from a node are those that somebody here waits for.
    #[must_use]
    pub fn awaits(&self, sensor: &SensorId, from: &NodeName) -> bool {
        self.owners.get(sensor) == Some(from)
    }

    /// Whether somebody here looks at a sensor, or did until lately.
    #[must_use]
    pub fn is_watched(&self, sensor: &str) -> bool {
        self.attention.knows(sensor)
    }

    /// The sensors at which somebody here looks, or did until lately.
    #[must_use]
    pub fn watched(&self) -> Vec<SensorId> {
        self.attention.sensors().cloned().collect()
    }

    /// How many these are.
    #[must_use]
    pub fn watched_len(&self) -> usize {
        self.attention.len()
    }

    /// The sensors of which anybody wants something of this node.
    #[must_use]
    pub fn wanted_len(&self) -> usize {
        self.wanted.len()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { forgotten: self.attention.forgotten(), ..self.counters }
    }

    fn inbox(&mut self, from: &Origin, now: Duration) -> &mut Inbox {
        self.inboxes.entry(from.node.clone()).or_insert_with(|| Inbox::new(from.generation, now)).of(from.generation)
    }

    fn ask_where(&mut self, node: &NodeName, needed: bool) {
        if needed {
            self.send(node.clone(), &Message::Ask);
        }
    }

    /// Draws the consequences of what viewers here did.
    fn settle(&mut self, now: Duration) {
        while let Some((sensor, interest)) = self.attention.poll_change() {
            let owner =
                if interest.is_none() { self.owners.remove(&sensor) } else { self.owners.get(&sensor).cloned() };
            if let Some(owner) = owner {
                self.want(&owner, &sensor, interest, now);
            }
        }
    }

    /// Says, here or elsewhere, what the viewers here want of a sensor.
    fn want(&mut self, owner: &NodeName, sensor: &SensorId, interest: Interest, now: Duration) {
        if *owner == self.me.node {
            return self.apply(&owner.clone(), vec![(sensor.clone(), interest)]);
        }
        let outbox = self.outboxes.entry(owner.clone()).or_insert_with(|| Outbox::new(now));
        outbox.set(sensor, interest, now);
        self.flush(now);
    }

    /// Takes in what a node wants of sensors here.
    fn apply(&mut self, node: &NodeName, changed: Vec<(SensorId, Interest)>) {
        for (sensor, interest) in changed {
            let before = self.level(&sensor);
            let nodes = self.wanted.entry(sensor.clone()).or_default();
            let wanted =
                if interest.is_none() { nodes.remove(node) } else { nodes.insert(node.clone(), interest.clone()) };
            let other = wanted.unwrap_or_default() != interest;
            if nodes.is_empty() {
                self.wanted.remove(&sensor);
            }
            let level = self.level(&sensor);
            if level != before {
                self.outputs.push_back(Output::Level { sensor: sensor.clone(), level });
            }
            if other && *node != self.me.node {
                self.outputs.push_back(Output::Stream { to: node.clone(), sensor, interest });
            }
        }
    }

    /// Sends what is due.
    fn flush(&mut self, now: Duration) {
        let mut outboxes = std::mem::take(&mut self.outboxes);
        for (node, outbox) in &mut outboxes {
            while let Some(message) = outbox.poll(now) {
                self.send(node.clone(), &message);
            }
        }
        self.outboxes = outboxes;
    }

    fn send(&mut self, to: NodeName, message: &Message) {
        self.outputs.push_back(Output::Send { to, frame: message::encode(&self.me, message) });
    }
}
