//! The cluster of one run: nodes, links, what is under way, and the log.

use std::collections::{BTreeMap, BTreeSet};

use sensocto_rooms::Output;

use super::RoomsPlan;
use super::ledger::Ledger;
use super::node::SimNode;
use crate::rng::Rng;

/// How long it takes until a node sees that another one came or went, at most.
const NOTICE_MS: u64 = 1_200;
/// How long nodes that see each other may take until they know what the others hold.
const ACQUAINTED_MS: u64 = NOTICE_MS + 4_000;

/// Something under way.
#[derive(Debug)]
pub(super) enum Event {
    Frame { to: usize, frame: Vec<u8> },
    Question { from: usize, generation: u64, to: usize, exchange: u64, frame: Vec<u8> },
    Answer { to: usize, generation: u64, exchange: u64, frame: Option<Vec<u8>> },
    Written { node: usize, generation: u64, batch: u64, records: Vec<(sensocto_model::RoomId, Option<Vec<u8>>)> },
    Notice { node: usize },
    Start { node: usize },
    Code { node: usize, room: sensocto_model::RoomId, code: sensocto_model::JoinCode },
}

pub(super) struct World {
    pub(super) plan: RoomsPlan,
    pub(super) at: u64,
    pub(super) nodes: Vec<SimNode>,
    pub(super) ledger: Ledger,
    pub(super) rng: Rng,
    /// Directed links that carry nothing, until when.
    pub(super) cuts: BTreeMap<(usize, usize), u64>,
    pub(super) quiet: bool,
    pub(super) events: u64,
    pub(super) hash: u64,
    pub(super) lines: Option<Vec<String>>,
    pub(super) take_overs: u64,
    pub(super) codes_replaced: u64,
    /// Requests that wait at a node.
    pub(super) requests: BTreeMap<u64, usize>,
    /// Questions that a node has not answered: who asked, in which generation, and by which number.
    questions: BTreeMap<u64, (usize, u64, u64)>,
    next_question: u64,
    due: BTreeMap<(u64, u64), Event>,
    seq: u64,
    /// When a node came or went last.
    changed_at: u64,
    /// A node whose disk is lost as soon as it acknowledges something.
    pub(super) doomed: Option<usize>,
}

impl World {
    pub(super) fn new(plan: &RoomsPlan, log: bool) -> World {
        let mut rng = Rng::new(plan.seed, 2);
        let skew = i64::try_from(plan.skew_ms).unwrap_or(0);
        let mut skews = || i64::try_from(rng.below(plan.skew_ms * 2 + 1)).unwrap_or(0) - skew;
        let nodes = (0..plan.nodes).map(|number| SimNode::new(number, skews())).collect();
        World {
            plan: plan.clone(),
            at: 0,
            nodes,
            ledger: Ledger::default(),
            rng,
            cuts: BTreeMap::new(),
            quiet: false,
            events: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            lines: log.then(Vec::new),
            take_overs: 0,
            codes_replaced: 0,
            requests: BTreeMap::new(),
            questions: BTreeMap::new(),
            next_question: 0,
            due: BTreeMap::new(),
            seq: 0,
            changed_at: 0,
            doomed: None,
        }
    }

    /// Notes something that happened, for the hash and the log.
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        self.events += 1;
        let line = format!("{:>7} {}", self.at, what());
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(super) fn schedule(&mut self, after_ms: u64, event: Event) {
        self.seq += 1;
        self.due.insert((self.at + after_ms, self.seq), event);
    }

    /// The next thing that is due up to a moment.
    pub(super) fn next_due(&mut self, upto: u64) -> Option<Event> {
        let key = *self.due.first_key_value()?.0;
        if key.0 > upto {
            return None;
        }
        self.at = self.at.max(key.0);
        self.due.remove(&key)
    }

    pub(super) fn next_at(&self) -> u64 {
        let woken =
            self.nodes.iter().filter(|node| node.rooms.is_some()).map(|node| node.wake_at().max(node.paused_until));
        let due = self.due.keys().next().map(|(at, _)| *at);
        woken.chain(due).min().unwrap_or(u64::MAX)
    }

    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        !self.quiet && self.cuts.get(&(from, to)).is_some_and(|until| *until > self.at)
    }

    /// How long a message takes; `None` where it is lost.
    fn travel(&mut self, from: usize, to: usize) -> Option<u64> {
        let lost = self.is_cut(from, to) || (!self.quiet && self.rng.chance(self.plan.loss));
        let most = if self.quiet { 2 } else { self.plan.delay_ms };
        let delay = self.rng.between(0, most);
        (!lost).then_some(delay)
    }

    pub(super) fn number(&self, name: &sensocto_model::NodeName) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == *name)
    }

    /// Does what a node wants done.
    pub(super) fn carry_out(&mut self, node: usize) -> Result<(), String> {
        while let Some(output) = self.nodes[node].rooms.as_mut().and_then(sensocto_rooms::Rooms::poll_output) {
            self.carry_one(node, output)?;
        }
        self.check_terms(node)
    }

    fn carry_one(&mut self, node: usize, output: Output) -> Result<(), String> {
        let generation = self.nodes[node].generation;
        match output {
            Output::Publish(frame) => {
                for to in (0..self.nodes.len()).filter(|to| *to != node) {
                    if let Some(delay) = self.travel(node, to) {
                        self.schedule(delay, Event::Frame { to, frame: frame.clone() });
                    }
                }
            }
            Output::Ask { to, exchange, frame, .. } => {
                let to = self.number(&to).ok_or("a question to nobody")?;
                match self.travel(node, to) {
                    Some(delay) => {
                        self.schedule(delay, Event::Question { from: node, generation, to, exchange, frame })
                    }
                    None if self.rng.chance(500) => {
                        self.schedule(20, Event::Answer { to: node, generation, exchange, frame: None });
                    }
                    None => {}
                }
            }
            Output::Answer { question, frame } => {
                if let Some((to, generation, exchange)) = self.questions.remove(&question)
                    && let Some(delay) = self.travel(node, to)
                {
                    self.schedule(delay, Event::Answer { to, generation, exchange, frame: Some(frame) });
                }
            }
            Output::Persist { batch, records } => {
                let most = if self.quiet { 2 } else { self.plan.disk_ms };
                let delay = self.rng.between(0, most);
                self.schedule(delay, Event::Written { node, generation, batch, records });
            }
            Output::Changed(change) => {
                self.note(|| format!("n{node} shows {} {}", change.room, change.after.is_some()))
            }
            Output::Done { request, result } => self.done(node, request, result)?,
            Output::NeedsCode { room, code } => self.schedule(1, Event::Code { node, room, code }),
        }
        Ok(())
    }

    fn done(
        &mut self,
        node: usize,
        request: u64,
        result: Result<sensocto_rooms::Ack, sensocto_model::RoomError>,
    ) -> Result<(), String> {
        self.note(|| format!("n{node} answers {request} {result:?}"));
        self.requests.remove(&request);
        let mut doom = None;
        if let Ok(ack) = &result {
            self.check_ack(node, request, ack)?;
            let home = self.number(&ack.term.home.node).ok_or("acknowledged by nobody")?;
            doom = self.doomed.filter(|doomed| *doomed == home && ack.on_disk > 1);
        }
        self.ledger.end(request, result, self.at);
        if let Some(home) = doom {
            self.doomed = None;
            self.lose_disk(home);
        }
        Ok(())
    }

    /// A home acknowledges under the term that it has at that moment, and no operation that it alone holds where others are there.
    fn check_ack(&self, node: usize, request: u64, ack: &sensocto_rooms::Ack) -> Result<(), String> {
        let settled = self.plan.is_calm()
            && self.nodes.len() > 1
            && self.nodes.iter().all(|node| node.rooms.is_some())
            && self.at > self.changed_at + ACQUAINTED_MS;
        if settled && ack.copies < 2 {
            return Err(format!("request {request} was acknowledged with one copy, and all nodes are there"));
        }
        let sim = &self.nodes[node];
        let room = self.ledger.room(request);
        let record = sim.rooms.as_ref().zip(room).and_then(|(rooms, room)| rooms.record(room));
        match record {
            Some(record) if ack.term.home.node == sim.name && *record.term() != ack.term => Err(format!(
                "request {request} was acknowledged by {} under {:?}, and its term is {:?}",
                sim.name,
                ack.term,
                record.term()
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Terms only grow on a node, and a home acknowledges under its own alone.
    fn check_terms(&mut self, node: usize) -> Result<(), String> {
        let sim = &mut self.nodes[node];
        let Some(rooms) = &sim.rooms else { return Ok(()) };
        for room in rooms.view().iter() {
            let before = sim.terms.get(&room.id);
            if before.is_some_and(|before| *before > room.term) {
                return Err(format!(
                    "the term of {} went back on {}: {before:?} to {:?}",
                    room.id, sim.name, room.term
                ));
            }
            if before != Some(&room.term) {
                sim.terms.insert(room.id.clone(), room.term.clone());
            }
        }
        Ok(())
    }

    /// Gives a question its number at whoever is asked.
    pub(super) fn question(&mut self, from: usize, generation: u64, exchange: u64) -> u64 {
        self.next_question += 1;
        self.questions.insert(self.next_question, (from, generation, exchange));
        self.next_question
    }

    pub(super) fn crash(&mut self, node: usize, down_ms: u64) {
        if let Some(rooms) = self.nodes[node].rooms.take() {
            self.take_overs += rooms.counters().take_overs;
            self.codes_replaced += rooms.counters().codes_replaced;
            self.note(|| format!("n{node} crashes"));
            let gone: BTreeSet<u64> =
                self.requests.iter().filter(|(_, at)| **at == node).map(|(request, _)| *request).collect();
            self.ledger.untold(&gone);
            self.requests.retain(|_, at| *at != node);
            self.schedule(down_ms, Event::Start { node });
            self.notice();
        }
    }

    fn lose_disk(&mut self, node: usize) {
        self.note(|| format!("n{node} loses its disk"));
        let name = self.nodes[node].name.clone();
        self.ledger.disk_lost(&name);
        self.nodes[node].disk.clear();
        self.crash(node, 1_500);
    }

    /// Nodes find out, each in its time, that whom they see has changed.
    pub(super) fn notice(&mut self) {
        self.changed_at = self.at;
        for node in 0..self.nodes.len() {
            let after = self.rng.between(5, NOTICE_MS);
            self.schedule(after, Event::Notice { node });
        }
    }
}
