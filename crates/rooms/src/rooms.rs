//! The rooms of one node.

mod ask;
mod compare;
mod decide;
mod peers;
mod persist;
mod types;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{NodeName, Now, Origin, Room, RoomError, RoomId};

use self::ask::Asked;
use self::decide::{TakeOver, Wait};
use self::peers::{Exchange, Peer};
use self::persist::Disk;
use crate::apply::Operation;
use crate::message::{self, FrameError, Message};
use crate::planted::{self, Fault};
use crate::rank;
use crate::record::{Record, RecordError};
use crate::replica::Replica;
use crate::tag::Tag;
use crate::view::RoomsView;

pub use types::{Ack, Change, Config, Counters, Health, Output};

/// How often what waits is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// The rooms of one node.
///
/// Call a `handle_…` method or [`Rooms::submit`], then [`Rooms::poll_output`] until it has nothing more, then sleep until
/// [`Rooms::poll_timeout`].
#[derive(Debug)]
pub struct Rooms {
    me: Origin,
    config: Config,
    started: Duration,
    now: Now,
    replica: Replica,
    view: RoomsView,
    disk: Disk,
    peers: BTreeMap<NodeName, Peer>,
    ready: bool,
    draining: bool,
    next_id: u64,
    asked: BTreeMap<u64, Asked>,
    exchanges: BTreeMap<u64, Exchange>,
    waits: BTreeMap<RoomId, Vec<Wait>>,
    take_overs: BTreeMap<RoomId, TakeOver>,
    beacon_at: Duration,
    looked_at: Duration,
    codes_asked: BTreeMap<RoomId, Duration>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Rooms {
    /// The rooms of a node that starts, with what its disk holds still to be [`Rooms::load`]ed.
    #[must_use]
    pub fn new(me: Origin, config: Config, now: Now) -> Rooms {
        let ready = config.alone;
        let disk = Disk::new(config.on_disk);
        Rooms {
            me,
            config,
            started: now.mono,
            now,
            replica: Replica::new(),
            view: RoomsView::default(),
            disk,
            peers: BTreeMap::new(),
            ready,
            draining: false,
            next_id: 0,
            asked: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            waits: BTreeMap::new(),
            take_overs: BTreeMap::new(),
            beacon_at: now.mono,
            looked_at: now.mono,
            codes_asked: BTreeMap::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes in a record that this node's disk held, before anything else is done.
    ///
    /// # Errors
    /// The bytes are no record.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        let record = Record::decode(bytes)?;
        let id = record.id.clone();
        let room = record.room().map(Arc::new);
        self.replica.put(record);
        self.view.replace(&id, room.as_ref());
        Ok(())
    }

    /// What readers read. It shows what is on this node's disk, and what other nodes sent.
    #[must_use]
    pub fn view(&self) -> &RoomsView {
        &self.view
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let told = |peer: &&Peer| peer.beacon.as_ref().is_some_and(|beacon| beacon.hash == self.replica.hash());
        Health {
            rooms: self.view.len(),
            records: self.replica.len(),
            on_disk: self.config.on_disk,
            writable: self.disk.writable,
            ready: self.ready,
            waiting: self.asked.len() + self.waits.values().map(Vec::len).sum::<usize>(),
            peers: self.peers.len(),
            identical: self.peers.values().filter(told).count(),
        }
    }

    /// The hash of all records: equal on two nodes that hold the same.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.replica.hash()
    }

    /// The record of a room, tombstones included.
    #[must_use]
    pub fn record(&self, room: &RoomId) -> Option<&Record> {
        self.replica.get(room).map(|slot| &slot.record)
    }

    /// The node that decides about a room, as this one sees it; `None` while nobody can.
    #[must_use]
    pub fn home(&self, room: &RoomId) -> Option<NodeName> {
        rank::home(room, self.candidates()).cloned()
    }

    /// Whether this node decides about rooms at present.
    #[must_use]
    pub fn can_be_home(&self) -> bool {
        self.ready && !self.draining && self.disk.writable
    }

    fn candidates(&self) -> impl Iterator<Item = &NodeName> {
        let me = self.can_be_home().then_some(&self.me.node);
        me.into_iter().chain(self.peers.iter().filter(|(_, peer)| peer.can_be_home()).map(|(name, _)| name))
    }

    /// The nodes that this one reaches, itself not among them.
    pub fn handle_reachable(&mut self, reachable: &BTreeSet<Origin>, now: Now) {
        self.begin(now);
        self.peers.retain(|_, peer| reachable.contains(&peer.origin));
        for origin in reachable.iter().filter(|origin| origin.node != self.me.node) {
            if !self.peers.contains_key(&origin.node) {
                self.peers.insert(origin.node.clone(), Peer::new(origin.clone()));
                // So that it need not wait for the next beacon to know what is here.
                self.beacon_at = now.mono;
            }
        }
        let gone: Vec<u64> =
            self.exchanges.iter().filter(|(_, one)| !self.peers.contains_key(&one.to)).map(|(id, _)| *id).collect();
        for id in gone {
            self.unanswered(id);
        }
        self.settle();
    }

    /// The node is about to stop: others take its rooms over, and it finishes what it has begun.
    pub fn handle_drain(&mut self, now: Now) {
        self.begin(now);
        self.draining = true;
        self.beacon_at = now.mono;
        self.settle();
    }

    /// Whether nothing is waited for any more.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.waits.is_empty() && self.take_overs.is_empty() && self.disk.is_idle()
    }

    /// A published frame of another node.
    ///
    /// # Errors
    /// It is none; nothing was changed.
    pub fn handle_frame(&mut self, frame: &[u8], now: Now) -> Result<(), FrameError> {
        let (from, message) = message::decode(frame)?;
        self.begin(now);
        if let Message::Beacon(beacon) = message {
            self.take_beacon(&from, beacon);
        }
        self.settle();
        Ok(())
    }

    /// A question of another node. The answer comes as an [`Output::Answer`], or never.
    ///
    /// # Errors
    /// It is none; nothing was changed.
    pub fn handle_question(&mut self, question: u64, frame: &[u8], now: Now) -> Result<(), FrameError> {
        let (_, message) = message::decode(frame)?;
        self.begin(now);
        match message {
            Message::Do { operation, hops } => self.take_do(question, operation, hops),
            Message::Hold { records } => self.take_hold(question, &records),
            Message::Fetch { rooms } => self.take_fetch(question, &rooms),
            Message::Buckets => {
                let hashes = self.replica.buckets().to_vec();
                self.answer(question, &Message::BucketHashes { hashes });
            }
            Message::Lines { buckets } => self.take_lines(question, &buckets),
            // Nobody asks these.
            Message::Beacon(_)
            | Message::Did { .. }
            | Message::Held { .. }
            | Message::NotHeld
            | Message::Records { .. }
            | Message::BucketHashes { .. }
            | Message::LineList { .. } => {}
        }
        self.settle();
        Ok(())
    }

    /// The answer to an [`Output::Ask`].
    ///
    /// # Errors
    /// It is none; the question counts as unanswered.
    pub fn handle_answer(&mut self, exchange: u64, frame: &[u8], now: Now) -> Result<(), FrameError> {
        self.begin(now);
        let decoded = message::decode(frame);
        match &decoded {
            Ok((_, message)) => self.answered(exchange, message),
            Err(_) => self.unanswered(exchange),
        }
        self.settle();
        decoded.map(|_| ())
    }

    /// No answer comes to an [`Output::Ask`].
    pub fn handle_unanswered(&mut self, exchange: u64, now: Now) {
        self.begin(now);
        self.unanswered(exchange);
        self.settle();
    }

    /// What came of an [`Output::Persist`].
    pub fn handle_persisted(&mut self, batch: u64, stored: bool, now: Now) {
        self.begin(now);
        self.take_persisted(batch, stored);
        self.settle();
    }

    /// Does what is due.
    pub fn handle_tick(&mut self, now: Now) {
        self.begin(now);
        self.settle();
    }

    /// When to call [`Rooms::handle_tick`], on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        let waits = !self.asked.is_empty()
            || !self.waits.is_empty()
            || !self.take_overs.is_empty()
            || !self.exchanges.is_empty()
            || self.peers.values().any(Peer::has_work);
        let next = if waits { self.looked_at + LOOK_AGAIN } else { self.beacon_at };
        next.min(self.beacon_at)
    }

    /// What follows from what was taken in.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn begin(&mut self, now: Now) {
        // Clocks that are told late must not go back.
        self.now = Now { mono: self.now.mono.max(now.mono), wall_ms: now.wall_ms };
    }

    /// Draws the consequences of what was taken in.
    fn settle(&mut self) {
        let mono = self.now.mono;
        let due = mono >= self.looked_at + LOOK_AGAIN;
        if due {
            self.looked_at = mono;
            self.expire();
            self.become_ready();
        }
        self.look_at_waits();
        self.look_at_asked();
        self.pump_disk();
        self.pump_peers();
        if due {
            self.ask_for_codes();
        }
        if mono >= self.beacon_at {
            self.beacon_at = mono + self.config.beacon_every;
            self.publish_beacon();
        }
    }

    /// A node that has nobody to learn from goes on by itself; one that has, when it has learnt.
    fn become_ready(&mut self) {
        if self.ready {
            return;
        }
        let alone = self.peers.is_empty() && self.now.mono >= self.started + self.config.alone_after;
        let caught_up = self.peers.values().any(|peer| peer.compared);
        if alone || caught_up {
            self.ready = true;
            self.beacon_at = self.now.mono;
        }
    }

    /// Asks the shell for codes for rooms of this home that have to give up theirs.
    fn ask_for_codes(&mut self) {
        let rooms = self.replica.must_change_code();
        let (mono, again_after) = (self.now.mono, self.config.operation_max * 2);
        self.codes_asked.retain(|room, at| *at + again_after > mono && rooms.iter().any(|(other, _)| other == room));
        if planted::is(Fault::SameCodeKept) {
            return;
        }
        for (room, code) in rooms {
            let mine = rank::home(&room, self.candidates()) == Some(&self.me.node);
            if mine && !self.codes_asked.contains_key(&room) {
                self.codes_asked.insert(room.clone(), mono);
                self.counters.codes_replaced += 1;
                self.outputs.push_back(Output::NeedsCode { room, code });
            }
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn answer(&mut self, question: u64, message: &Message) {
        self.outputs.push_back(Output::Answer { question, frame: message::encode(&self.me, message) });
    }

    /// The tag of the next write: later than everything this node has seen.
    fn tick(&mut self) -> Tag {
        let stamp = self.replica.last_stamp.after(self.now.wall_ms);
        self.replica.last_stamp = stamp;
        Tag { stamp, origin: self.me.clone() }
    }

    /// Takes in another node's copy of a record. What it returns is whether that one lacks something that this node has.
    fn merge(&mut self, theirs: &Record) -> bool {
        let Some(slot) = self.replica.get(&theirs.id) else {
            self.install(theirs.clone(), theirs);
            return false;
        };
        if slot.record == *theirs {
            return false;
        }
        let mut merged = slot.record.clone();
        merged.merge(theirs);
        let lacks = merged != *theirs;
        if merged != slot.record {
            self.install(merged, theirs);
        }
        lacks
    }

    /// Puts a record that came from elsewhere in place, shows it, and has it written.
    fn install(&mut self, record: Record, theirs: &Record) {
        let id = record.id.clone();
        self.disk.merge_into_undo(theirs);
        self.replica.put(record);
        self.disk.dirty.insert(id.clone());
        let shown = self.settled(&id).and_then(Record::room).map(Arc::new);
        self.show(&id, shown);
        self.counters.merged += 1;
    }

    /// Shows a room to readers.
    fn show(&mut self, id: &RoomId, after: Option<Arc<Room>>) {
        let before = self.view.get(id.as_str()).cloned();
        if before.as_deref() == after.as_deref() {
            return;
        }
        self.view.replace(id, after.as_ref());
        let record = self.replica.get(id).map(|slot| &slot.record);
        let mut departures = BTreeMap::new();
        if let (Some(before), Some(after), Some(record)) = (&before, &after, record) {
            for user in before.members.keys().filter(|user| !after.members.contains_key(*user)) {
                departures.insert(user.clone(), record.departure(user));
            }
        }
        let changed = before.as_ref().zip(after.as_ref()).is_some_and(|(one, other)| one.join_code != other.join_code);
        let code_replaced = changed && record.is_some_and(Record::code_was_replaced);
        self.outputs.push_back(Output::Changed(Change { room: id.clone(), before, after, departures, code_replaced }));
    }

    /// A local client's operation. What comes of it is an [`Output::Done`] with the same number.
    ///
    /// # Errors
    /// As many wait as may; nothing was done.
    pub fn submit(&mut self, request: u64, operation: Operation, now: Now) -> Result<(), RoomError> {
        self.begin(now);
        if self.asked.len() >= self.config.waiting_max {
            self.counters.turned_away += 1;
            return Err(RoomError::Unavailable);
        }
        self.ask(request, operation);
        self.settle();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
