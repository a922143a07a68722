//! What goes to this node's disk, one write at a time, and what follows from its success.
//!
//! A write that the disk refused never happened: the record from before takes its place, and nobody was shown it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::RoomId;
use serde_bytes::ByteBuf;

use super::{Output, Rooms};
use crate::message::{Message, Refusal};
use crate::planted::{self, Fault};
use crate::record::Record;

/// This node's disk.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) on_disk: bool,
    pub(super) writable: bool,
    /// What has changed and is not being written.
    pub(super) dirty: BTreeSet<RoomId>,
    in_flight: Option<Batch>,
    /// The last record on disk of each room that an operation changed here since.
    undo: BTreeMap<RoomId, Undo>,
    retry_at: Duration,
    holds: Vec<Hold>,
}

/// A room as it is on disk.
#[derive(Debug)]
pub(super) struct Undo {
    pub(super) record: Option<Record>,
    pub(super) version: u64,
}

#[derive(Debug)]
struct Batch {
    id: u64,
    versions: BTreeMap<RoomId, u64>,
    /// Those that are in `undo`, as they are being written.
    changed: BTreeMap<RoomId, Record>,
}

/// Another node's records that are to be on disk before it is told so.
#[derive(Debug)]
struct Hold {
    question: u64,
    missing: BTreeMap<RoomId, u64>,
    back: Vec<ByteBuf>,
}

impl Disk {
    pub(super) fn new(on_disk: bool) -> Disk {
        Disk {
            on_disk,
            writable: true,
            dirty: BTreeSet::new(),
            in_flight: None,
            undo: BTreeMap::new(),
            retry_at: Duration::ZERO,
            holds: Vec::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.holds.is_empty() && (self.dirty.is_empty() || !self.writable)
    }

    /// The last record on disk, where an operation changed the room since.
    pub(super) fn undo(&self, room: &RoomId) -> Option<&Undo> {
        self.undo.get(room)
    }

    pub(super) fn merge_into_undo(&mut self, theirs: &Record) {
        let Some(undo) = self.undo.get_mut(&theirs.id) else { return };
        match &mut undo.record {
            Some(record) => record.merge(theirs),
            none => *none = Some(theirs.clone()),
        }
    }

    fn is_unwritten(&self, room: &RoomId) -> bool {
        self.dirty.contains(room) || self.in_flight.as_ref().is_some_and(|batch| batch.versions.contains_key(room))
    }
}

impl Rooms {
    /// Puts the result of an operation in place. Readers see it when it is on disk.
    pub(super) fn write(&mut self, record: Record) -> u64 {
        let id = record.id.clone();
        let before = self.replica.get(&id);
        let undo =
            Undo { record: before.map(|slot| slot.record.clone()), version: before.map_or(0, |slot| slot.version) };
        self.disk.undo.entry(id.clone()).or_insert(undo);
        self.disk.dirty.insert(id);
        self.replica.put(record)
    }

    /// The record of a room as far as no disk failure can take it back.
    pub(super) fn settled(&self, room: &RoomId) -> Option<&Record> {
        match self.disk.undo(room) {
            Some(undo) => undo.record.as_ref(),
            None => self.replica.get(room).map(|slot| &slot.record),
        }
    }

    pub(super) fn pump_disk(&mut self) {
        let probes = !self.disk.writable && self.now.mono >= self.disk.retry_at;
        if self.disk.in_flight.is_some() || (self.disk.writable && self.disk.dirty.is_empty()) {
            return;
        }
        if !self.disk.writable && !probes {
            return;
        }
        let mut batch = Batch { id: self.next_id(), versions: BTreeMap::new(), changed: BTreeMap::new() };
        let mut records = Vec::new();
        while let Some(room) = self.disk.dirty.pop_first() {
            let slot = self.replica.get(&room);
            batch.versions.insert(room.clone(), slot.map_or(0, |slot| slot.version));
            if let Some(slot) = slot.filter(|_| self.disk.undo.contains_key(&room)) {
                batch.changed.insert(room.clone(), slot.record.clone());
            }
            records.push((room, slot.map(|slot| slot.record.encode())));
            if records.len() >= self.config.batch_max {
                break;
            }
        }
        self.outputs.push_back(Output::Persist { batch: batch.id, records });
        self.disk.in_flight = Some(batch);
    }

    pub(super) fn take_persisted(&mut self, id: u64, stored: bool) {
        if self.disk.in_flight.as_ref().is_none_or(|batch| batch.id != id) {
            return;
        }
        let Some(batch) = self.disk.in_flight.take() else { return };
        if !stored {
            return self.disk_failed(batch);
        }
        if !self.disk.writable {
            self.disk.writable = true;
            self.beacon_at = self.now.mono;
        }
        for (room, record) in &batch.changed {
            self.written(room, record, &batch);
        }
        self.persisted_waits(&batch.versions);
        for hold in &mut self.disk.holds {
            hold.missing.retain(|room, version| batch.versions.get(room).is_none_or(|written| written < version));
        }
        self.answer_holds(true);
    }

    /// What an operation here changed is on disk: readers may see it, and other nodes are to have it.
    fn written(&mut self, room: &RoomId, record: &Record, batch: &Batch) {
        let written = batch.versions.get(room).copied().unwrap_or_default();
        if self.replica.get(room).is_some_and(|slot| slot.version == written) {
            self.disk.undo.remove(room);
        } else if let Some(undo) = self.disk.undo.get_mut(room) {
            undo.version = written;
            match &mut undo.record {
                Some(before) => before.merge(record),
                none => *none = Some(record.clone()),
            }
        }
        let shown = self.settled(room).and_then(Record::room).map(Arc::new);
        self.show(room, shown);
        for peer in self.peers.values_mut() {
            peer.unsent.insert(room.clone());
        }
    }

    fn disk_failed(&mut self, batch: Batch) {
        self.counters.disk_failures += 1;
        self.disk.retry_at = self.now.mono + self.config.disk_pause;
        if self.disk.writable {
            self.disk.writable = false;
            self.beacon_at = self.now.mono;
        }
        self.disk.dirty.extend(batch.versions.into_keys());
        for (room, before) in std::mem::take(&mut self.disk.undo) {
            match before.record {
                Some(before) => {
                    self.replica.put(before);
                    self.disk.dirty.insert(room);
                }
                None => {
                    self.replica.take(&room);
                    self.disk.dirty.remove(&room);
                }
            }
        }
        self.refuse_unwritten(Refusal::Storage);
        for hold in &mut self.disk.holds {
            hold.missing.clear();
        }
        self.answer_holds(false);
    }

    /// Another node's records are to be kept. It is answered when they are on disk, or at once where they will not be.
    pub(super) fn take_hold(&mut self, question: u64, records: &[ByteBuf]) {
        let mut rooms = BTreeSet::new();
        let mut back = Vec::new();
        let mut bytes = 0;
        for record in records {
            let Ok(record) = Record::decode(record) else {
                self.counters.unreadable += 1;
                return self.answer(question, &Message::NotHeld);
            };
            let lacks = self.merge(&record);
            if lacks && bytes < self.config.frame_bytes {
                let mine = self.settled(&record.id).map(Record::encode).unwrap_or_default();
                bytes += mine.len();
                back.push(ByteBuf::from(mine));
            }
            rooms.insert(record.id);
        }
        let version = |room: &RoomId| self.replica.get(room).map(|slot| slot.version);
        let missing: BTreeMap<RoomId, u64> = rooms
            .into_iter()
            .filter(|room| self.disk.is_unwritten(room))
            .filter_map(|room| version(&room).map(|version| (room, version)))
            .collect();
        self.disk.holds.push(Hold { question, missing, back });
        if !self.disk.writable {
            if let Some(hold) = self.disk.holds.last_mut() {
                hold.missing.clear();
            }
            return self.answer_holds(false);
        }
        self.answer_holds(true);
    }

    fn answer_holds(&mut self, stored: bool) {
        let early = planted::is(Fault::AckBeforeDisk);
        let on_disk = stored && self.disk.on_disk;
        let (held, waiting) =
            std::mem::take(&mut self.disk.holds).into_iter().partition(|hold: &Hold| early || hold.missing.is_empty());
        self.disk.holds = waiting;
        for hold in held {
            self.answer(hold.question, &Message::Held { on_disk, records: hold.back });
        }
    }
}
