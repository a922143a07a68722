//! What a home does with an operation: takes the room over where somebody else decided last, holds the operation against the rules,
//! writes it, waits until it is where it has to be, and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{NodeName, RoomError, RoomId, Term};

use super::peers::{ExchangeKind, Peer};
use super::{Rooms, Tag};
use crate::apply::{self, Operation, What};
use crate::message::{Message, Refusal, Verdict};
use crate::planted::{self, Fault};
use crate::rank;
use crate::record::Record;

/// An operation that was done here and is not yet everywhere it has to be.
#[derive(Debug)]
pub(super) struct Wait {
    /// Which of those that were asked.
    pub(super) asked: u64,
    /// The room's version that it led to.
    version: u64,
    persisted: bool,
    holders: BTreeSet<NodeName>,
    disks: BTreeSet<NodeName>,
    deadline: Duration,
}

/// A room that this node is about to decide on: what the others have of it comes first.
#[derive(Debug, Default)]
pub(super) struct TakeOver {
    waiting: Vec<u64>,
    missing: BTreeSet<u64>,
}

impl Rooms {
    /// Decides about an operation, as the room's home.
    pub(super) fn decide(&mut self, asked: u64) {
        let Some(operation) = self.asked.get(&asked).map(|asked| asked.operation.clone()) else { return };
        if let Some(take_over) = self.take_overs.get_mut(&operation.room) {
            take_over.waiting.push(asked);
            return;
        }
        let decides_already = self.replica.get(&operation.room).is_some_and(|slot| slot.record.term.home == self.me);
        let is_new = operation.creates() && self.replica.get(&operation.room).is_none();
        if decides_already || is_new {
            return self.perform(asked, &operation);
        }
        self.begin_take_over(&operation.room, asked);
    }

    /// Asks every node that is there for the room, so that nothing that was acknowledged before is decided against.
    fn begin_take_over(&mut self, room: &RoomId, asked: u64) {
        let peers: Vec<NodeName> = self.peers.keys().cloned().collect();
        let mut take_over = TakeOver { waiting: vec![asked], missing: BTreeSet::new() };
        for to in peers {
            let kind = ExchangeKind::TakeOver(room.clone());
            take_over.missing.insert(self.exchange(&to, kind, &Message::Fetch { rooms: vec![room.clone()] }));
        }
        let alone = take_over.missing.is_empty();
        self.take_overs.insert(room.clone(), take_over);
        if alone {
            self.finish_take_over(room);
        }
    }

    /// One node has answered, or will not.
    pub(super) fn take_over_heard(&mut self, room: &RoomId, exchange: u64) {
        let Some(take_over) = self.take_overs.get_mut(room) else { return };
        take_over.missing.remove(&exchange);
        if take_over.missing.is_empty() {
            self.finish_take_over(room);
        }
    }

    fn finish_take_over(&mut self, room: &RoomId) {
        let Some(take_over) = self.take_overs.remove(room) else { return };
        if rank::home(room, self.candidates()) != Some(&self.me.node) {
            for asked in take_over.waiting {
                self.finish(asked, Verdict::Refused(Refusal::NotHome));
            }
            return;
        }
        let before = self.replica.get(room).map(|slot| &slot.record).filter(|record| record.live().is_some());
        if let Some(before) = before.filter(|record| record.term.home != self.me) {
            let raised = if planted::is(Fault::TermNotRaised) { 0 } else { 1 };
            let term = Term { number: before.term.number.saturating_add(raised), home: self.me.clone() };
            let record = Record { term, ..before.clone() };
            self.counters.take_overs += 1;
            self.write(record);
        }
        for asked in take_over.waiting {
            let Some(operation) = self.asked.get(&asked).map(|asked| asked.operation.clone()) else { continue };
            self.perform(asked, &operation);
        }
    }

    fn perform(&mut self, asked: u64, operation: &Operation) {
        let tag = self.tick();
        let done = match self.replica.get(&operation.room).map(|slot| slot.record.clone()) {
            Some(record) => apply::apply(&record, operation, &tag),
            None => self.create(operation, &tag).map(Some),
        };
        let taken = |code| self.replica.code_is_taken(code, &operation.room);
        match done {
            Err(error) => {
                self.counters.against_rules += 1;
                self.finish(asked, Verdict::Error(error));
            }
            Ok(Some(_)) if operation.new_code().is_some_and(taken) => {
                self.counters.against_rules += 1;
                self.finish(asked, Verdict::Error(RoomError::JoinCodeTaken));
            }
            Ok(Some(record)) => {
                let version = self.write(record);
                self.wait(asked, &operation.room, version, false);
            }
            Ok(None) => {
                let Some(version) = self.replica.get(&operation.room).map(|slot| slot.version) else { return };
                // Done before, by this home or another one: it counts when it is where it has to be.
                for peer in self.peers.values_mut() {
                    peer.unsent.insert(operation.room.clone());
                }
                let persisted = self.disk.undo(&operation.room).is_none() && !self.disk.dirty.contains(&operation.room);
                if !persisted {
                    self.disk.dirty.insert(operation.room.clone());
                }
                self.wait(asked, &operation.room, version, persisted);
            }
        }
    }

    fn create(&self, operation: &Operation, tag: &Tag) -> Result<Record, RoomError> {
        let What::Ask { by, .. } = &operation.what else { return Err(RoomError::NotFound) };
        if operation.creates()
            && (self.replica.len() >= self.config.records_max || self.view.owned_by(by) >= self.config.owned_max)
        {
            return Err(RoomError::TooManyRooms);
        }
        apply::create(operation, &self.me, tag).ok_or(RoomError::NotFound)
    }

    fn wait(&mut self, asked: u64, room: &RoomId, version: u64, persisted: bool) {
        let Some(deadline) = self.asked.get(&asked).map(|asked| asked.deadline) else { return };
        let wait = Wait { asked, version, persisted, holders: BTreeSet::new(), disks: BTreeSet::new(), deadline };
        self.waits.entry(room.clone()).or_default().push(wait);
    }

    /// What was written is on this node's disk.
    pub(super) fn persisted_waits(&mut self, versions: &BTreeMap<RoomId, u64>) {
        for (room, written) in versions {
            for wait in self.waits.get_mut(room).into_iter().flatten().filter(|wait| wait.version <= *written) {
                wait.persisted = true;
            }
        }
    }

    /// Another node holds what it was sent.
    pub(super) fn held(&mut self, by: &NodeName, versions: &[(RoomId, u64)], on_disk: bool) {
        for (room, sent) in versions {
            for wait in self.waits.get_mut(room).into_iter().flatten().filter(|wait| wait.version <= *sent) {
                wait.holders.insert(by.clone());
                if on_disk {
                    wait.disks.insert(by.clone());
                }
            }
        }
    }

    /// What is not on this node's disk will not be.
    pub(super) fn refuse_unwritten(&mut self, refusal: Refusal) {
        let mut refused = Vec::new();
        for waits in self.waits.values_mut() {
            refused.extend(waits.iter().filter(|wait| !wait.persisted).map(|wait| wait.asked));
            waits.retain(|wait| wait.persisted);
        }
        self.waits.retain(|_, waits| !waits.is_empty());
        for asked in refused {
            self.finish(asked, Verdict::Refused(refusal));
        }
    }

    /// Answers what is where it has to be, and gives up what another home has in hand.
    pub(super) fn look_at_waits(&mut self) {
        let disks = self.peers.values().any(Peer::is_on_disk);
        let others = self.peers.values().any(|peer| peer.beacon.is_some());
        let early_copy = planted::is(Fault::AckBeforeCopy);
        let early_disk = planted::is(Fault::AckBeforeDisk);
        let is_enough = |wait: &Wait| {
            let copied = (!others || !wait.holders.is_empty()) && (!disks || !wait.disks.is_empty());
            (wait.persisted || early_disk) && (copied || early_copy)
        };
        let mono = self.now.mono;
        let mut ended = Vec::new();
        for (room, waits) in &mut self.waits {
            let term = self.replica.get(room).map(|slot| slot.record.term.clone());
            let later = term.as_ref().filter(|term| term.home != self.me).is_some();
            let later = later && !planted::is(Fault::LaterTermIgnored);
            waits.retain(|wait| {
                let verdict = match &term {
                    Some(term) if !later && is_enough(wait) => Verdict::Done {
                        copies: count(&wait.holders) + 1,
                        on_disk: count(&wait.disks) + u32::from(self.config.on_disk),
                        term: Term { home: self.me.clone(), ..term.clone() },
                    },
                    Some(_) if !later && wait.deadline > mono => return true,
                    Some(_) | None => Verdict::Refused(Refusal::LaterTerm),
                };
                ended.push((wait.asked, verdict, room.clone()));
                false
            });
        }
        self.waits.retain(|_, waits| !waits.is_empty());
        for (asked, verdict, _) in ended {
            match &verdict {
                Verdict::Done { .. } => self.counters.acknowledged += 1,
                Verdict::Error(_) | Verdict::Refused(_) => self.counters.later_terms += 1,
            }
            self.finish(asked, verdict);
        }
    }
}

fn count(nodes: &BTreeSet<NodeName>) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}
