//! The other nodes: what they are sent, and what they are asked.

use std::collections::BTreeSet;
use std::time::Duration;

use sensocto_model::{NodeName, Origin, RoomId};
use serde_bytes::ByteBuf;

use super::compare::Compare;
use super::{Output, Rooms};
use crate::message::{self, Beacon, Message};
use crate::record::Record;

/// Another node that this one reaches.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) origin: Origin,
    /// Its last word about itself.
    pub(super) beacon: Option<Beacon>,
    /// What it is to be sent: keys, not messages, so that a slow node costs no more than there are rooms.
    pub(super) unsent: BTreeSet<RoomId>,
    sending: bool,
    retry_at: Duration,
    /// Whether this node has everything that it had at some moment.
    pub(super) compared: bool,
    pub(super) compare: Option<Compare>,
    /// Whether its last beacon told of other records than this node's.
    pub(super) differs: bool,
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) to: NodeName,
    deadline: Duration,
    kind: ExchangeKind,
}

/// What it is about.
#[derive(Debug, Clone)]
pub(super) enum ExchangeKind {
    /// An operation.
    Do(u64),
    /// Records to be kept, each with this node's version of it.
    Hold(Vec<(RoomId, u64)>),
    /// A room that this node takes over.
    TakeOver(RoomId),
    /// A comparison.
    Compare,
}

impl Peer {
    pub(super) fn new(origin: Origin) -> Peer {
        Peer {
            origin,
            beacon: None,
            unsent: BTreeSet::new(),
            sending: false,
            retry_at: Duration::ZERO,
            compared: false,
            compare: None,
            differs: false,
        }
    }

    pub(super) fn can_be_home(&self) -> bool {
        self.beacon.as_ref().is_some_and(|beacon| beacon.can_be_home)
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.beacon.as_ref().is_some_and(|beacon| beacon.on_disk)
    }

    pub(super) fn has_work(&self) -> bool {
        !self.unsent.is_empty()
    }
}

impl Rooms {
    pub(super) fn publish_beacon(&mut self) {
        let beacon = Beacon {
            count: self.replica.len() as u64,
            hash: self.replica.hash(),
            can_be_home: self.can_be_home(),
            on_disk: self.config.on_disk && self.disk.writable,
        };
        let frame = message::encode(&self.me, &Message::Beacon(beacon));
        self.outputs.push_back(Output::Publish(frame));
    }

    pub(super) fn take_beacon(&mut self, from: &Origin, beacon: Beacon) {
        let (hash, count) = (self.replica.hash(), self.replica.len() as u64);
        let waits: Vec<RoomId> = self.waits.keys().cloned().collect();
        let Some(peer) = self.peers.get_mut(&from.node).filter(|peer| peer.origin == *from) else { return };
        let differed = peer.differs;
        peer.differs = beacon.hash != hash || beacon.count != count;
        if !peer.differs {
            peer.compared = true;
        }
        if peer.beacon.is_none() {
            // Operations that wait for another copy may wait for this one.
            peer.unsent.extend(waits);
        }
        peer.beacon = Some(beacon);
        // What is on its way just now is no difference yet; a node that knows nothing does not wait for the second look.
        let begin = peer.differs && peer.compare.is_none() && (differed || !self.ready);
        if begin {
            self.begin_comparison(&from.node.clone());
        }
    }

    /// Asks a node. The answer is one frame, or nothing.
    pub(super) fn exchange(&mut self, to: &NodeName, kind: ExchangeKind, message: &Message) -> u64 {
        let id = self.next_id();
        let timeout = self.config.exchange_max;
        let deadline = self.now.mono + timeout;
        self.exchanges.insert(id, Exchange { to: to.clone(), deadline, kind });
        let frame = message::encode(&self.me, message);
        self.outputs.push_back(Output::Ask { to: to.clone(), exchange: id, frame, timeout });
        id
    }

    pub(super) fn answered(&mut self, id: u64, message: &Message) {
        let Some(exchange) = self.exchanges.remove(&id) else { return };
        match (&exchange.kind, message) {
            (ExchangeKind::Do(asked), Message::Did { verdict, record }) => {
                self.take_did(*asked, verdict, record.as_ref());
            }
            (ExchangeKind::Hold(versions), Message::Held { on_disk, records }) => {
                if let Some(peer) = self.peers.get_mut(&exchange.to) {
                    peer.sending = false;
                }
                self.held(&exchange.to, versions, *on_disk);
                self.merge_all(records);
            }
            (ExchangeKind::TakeOver(room), Message::Records { records, .. }) => {
                self.merge_all(records);
                self.take_over_heard(&room.clone(), id);
            }
            (ExchangeKind::Compare, _) => self.compare_answered(&exchange.to, message),
            (ExchangeKind::Do(_) | ExchangeKind::Hold(_) | ExchangeKind::TakeOver(_), _) => self.failed(id, exchange),
        }
    }

    pub(super) fn unanswered(&mut self, id: u64) {
        if let Some(exchange) = self.exchanges.remove(&id) {
            self.failed(id, exchange);
        }
    }

    fn failed(&mut self, id: u64, exchange: Exchange) {
        match exchange.kind {
            ExchangeKind::Do(asked) => self.undecided(asked),
            ExchangeKind::Hold(versions) => {
                let retry_at = self.now.mono + self.config.pause * 2;
                if let Some(peer) = self.peers.get_mut(&exchange.to) {
                    peer.sending = false;
                    peer.retry_at = retry_at;
                    peer.unsent.extend(versions.into_iter().map(|(room, _)| room));
                }
            }
            ExchangeKind::TakeOver(room) => self.take_over_heard(&room, id),
            ExchangeKind::Compare => {
                if let Some(peer) = self.peers.get_mut(&exchange.to) {
                    peer.compare = None;
                }
            }
        }
    }

    /// Ends questions that took too long.
    pub(super) fn expire(&mut self) {
        let mono = self.now.mono;
        let late: Vec<u64> = self.exchanges.iter().filter(|(_, one)| one.deadline <= mono).map(|(id, _)| *id).collect();
        for id in late {
            self.unanswered(id);
        }
    }

    /// Sends what is to be sent, one frame at a time to each node: whatever changes meanwhile travels with the next one.
    pub(super) fn pump_peers(&mut self) {
        let mono = self.now.mono;
        let idle = |peer: &Peer| !peer.sending && peer.retry_at <= mono && !peer.unsent.is_empty();
        let ready: Vec<NodeName> =
            self.peers.iter().filter(|(_, peer)| idle(peer)).map(|(name, _)| name.clone()).collect();
        for to in ready {
            let (versions, records) = self.next_hold(&to);
            if records.is_empty() {
                continue;
            }
            if let Some(peer) = self.peers.get_mut(&to) {
                peer.sending = true;
            }
            self.exchange(&to, ExchangeKind::Hold(versions), &Message::Hold { records });
        }
    }

    fn next_hold(&mut self, to: &NodeName) -> (Vec<(RoomId, u64)>, Vec<ByteBuf>) {
        let (mut versions, mut records, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < self.config.frame_bytes && records.len() < self.config.batch_max {
            let Some(room) = self.peers.get_mut(to).and_then(|peer| peer.unsent.pop_first()) else { break };
            let Some(record) = self.settled(&room) else { continue };
            let encoded = record.encode();
            bytes += encoded.len();
            records.push(ByteBuf::from(encoded));
            // Of a room that is being written again, the peer has an earlier version: its last write says which.
            let version = match self.disk.undo(&room) {
                Some(undo) => undo.version,
                None => self.replica.get(&room).map_or(0, |slot| slot.version),
            };
            versions.push((room, version));
        }
        (versions, records)
    }

    pub(super) fn merge_all(&mut self, records: &[ByteBuf]) {
        for record in records {
            match Record::decode(record) {
                Ok(record) => {
                    self.merge(&record);
                }
                Err(_) => self.counters.unreadable += 1,
            }
        }
    }

    /// Another node asks for records.
    pub(super) fn take_fetch(&mut self, question: u64, rooms: &[RoomId]) {
        let (mut upto, mut records, mut bytes) = (0, Vec::new(), 0);
        for room in rooms {
            if bytes >= self.config.frame_bytes {
                break;
            }
            upto += 1;
            if let Some(record) = self.settled(room) {
                let encoded = record.encode();
                bytes += encoded.len();
                records.push(ByteBuf::from(encoded));
            }
        }
        self.answer(question, &Message::Records { upto, records });
    }
}
