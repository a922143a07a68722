//! An origin's own log: its entries in the order of their last change, and the removals that others may not have heard of.
//!
//! The log is the queue. A delta is read from it when it is sent, so nothing that waits to be sent can be out of date, and nothing
//! that was dropped on its way is lost: it is read again.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use sensocto_model::{Key, Origin, Record, Stamp, Version};

use crate::entry::{Entry, EntrySet};
use crate::message::{self, Ask, Chunk, Delta, Message, Put, Reached, Removal};
use crate::planted::{self, Fault};

/// Bytes that a line of a delta costs beyond its key and its record.
const LINE_BYTES: usize = 32;

/// What is remembered of an entry that is gone.
#[derive(Debug, Clone)]
struct Tombstone {
    version: Version,
    moved_to: Option<Reached>,
}

/// The log of one origin. Cloning it copies pointers.
#[derive(Debug, Clone, Default)]
pub(crate) struct OriginLog {
    entries: EntrySet,
    by_version: OrdMap<Version, Key>,
    tombstones: OrdMap<Key, Tombstone>,
    removals: OrdMap<Version, Key>,
    floor: Version,
    version: Version,
}

impl OriginLog {
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn entries(&self) -> &EntrySet {
        &self.entries
    }

    pub(crate) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Registers or changes an entry.
    pub(crate) fn put(&mut self, key: Key, record: Record, stamp: Stamp) -> Arc<Entry> {
        if !(planted::is(Fault::UpdateKeepsVersion) && self.entries.get(&key).is_some()) {
            self.version = self.version.next();
        }
        let record = if planted::is(Fault::FirstWriteWins) { self.first_record(&key, record) } else { record };
        let entry = Arc::new(Entry::new(record, self.version, stamp));
        if let Some(old) = self.entries.insert(key.clone(), Arc::clone(&entry)) {
            self.by_version.remove(&old.version);
        }
        if let Some(removed) = self.tombstones.remove(&key) {
            self.by_version.remove(&removed.version);
            self.removals.remove(&removed.version);
        }
        self.by_version.insert(self.version, key);
        entry
    }

    /// Raises the version alone.
    pub(crate) fn beat(&mut self) {
        self.version = self.version.next();
    }

    /// What an entry said first: a planted fault keeps that.
    fn first_record(&self, key: &Key, record: Record) -> Record {
        self.entries.get(key).and_then(|old| old.record().cloned()).unwrap_or(record)
    }

    /// Removes an entry, because of another node's registration or not, and remembers that it did.
    pub(crate) fn remove(&mut self, key: &Key, moved_to: Option<Reached>) -> Option<Arc<Entry>> {
        let old = self.entries.remove(key)?;
        self.version = self.version.next();
        self.by_version.remove(&old.version);
        if planted::is(Fault::TombstoneForgotten) {
            return Some(old);
        }
        self.by_version.insert(self.version, key.clone());
        self.removals.insert(self.version, key.clone());
        self.tombstones.insert(key.clone(), Tombstone { version: self.version, moved_to });
        Some(old)
    }

    /// Forgets the removals that everybody has acknowledged, and the oldest ones beyond `tombstones_max`, but none that was not
    /// published yet.
    pub(crate) fn forget_removals(&mut self, acknowledged: Version, published: Version, tombstones_max: usize) {
        while let Some((version, key)) = self.removals.get_min().cloned() {
            let bounded = planted::is(Fault::TombstonesUnbounded) || self.tombstones.len() <= tombstones_max;
            let wanted = version > acknowledged && bounded;
            if wanted || version > published {
                return;
            }
            self.removals.remove(&version);
            self.by_version.remove(&version);
            self.tombstones.remove(&key);
            if !planted::is(Fault::FloorForgotten) {
                self.floor = version;
            }
        }
    }

    /// Whether a replica at `after` can be brought forward by deltas. An empty one is no exception: while the answer is on its way, a
    /// delta may bring it something whose removal is forgotten.
    fn reaches_back_to(&self, after: Version) -> bool {
        after >= self.floor
    }

    /// What changed after `after`, as far as about `bytes_max` bytes go; `None` where there is nothing.
    pub(crate) fn delta(&self, after: Version, bytes_max: usize) -> Option<Delta> {
        let mut delta = Delta { after, upto: after, read_at: self.version, removals: Vec::new(), puts: Vec::new() };
        let mut bytes = 0;
        for (version, key) in self.by_version.range::<_, Version>((Bound::Excluded(&after), Bound::Unbounded)) {
            if bytes >= bytes_max {
                if planted::is(Fault::RemovalCutOff) {
                    delta.removals.pop();
                }
                return Some(delta);
            }
            match self.entries.get(key) {
                Some(entry) => {
                    let put = entry.to_put(key);
                    bytes += put_bytes(&put);
                    delta.puts.push(put);
                }
                None => {
                    bytes += LINE_BYTES + key.id.as_str().len();
                    let moved_to = self.tombstones.get(key).and_then(|tombstone| tombstone.moved_to.clone());
                    delta.removals.push(Removal { key: key.clone(), version: *version, moved_to });
                }
            }
            delta.upto = *version;
        }
        // Versions of changes that were overtaken are in nobody's list any more, but everybody passes them.
        delta.upto = self.version;
        (delta.upto > after).then_some(delta)
    }
}

fn put_bytes(put: &Put) -> usize {
    LINE_BYTES + put.key.id.as_str().len() + put.body.len()
}

/// The frames that answer one question, made one at a time: whoever sends them sets the pace, and the log may change meanwhile.
#[derive(Debug)]
pub struct Answer {
    sender: Origin,
    bytes_max: usize,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Deltas { log: OriginLog, after: Version },
    Chunks { ask: Ask, entries: EntrySet, upto: Version, after: Option<Key>, number: u32 },
    Done,
}

impl Answer {
    /// The answer of the origin itself.
    pub(crate) fn from_origin(sender: Origin, ask: Ask, log: &OriginLog, bytes_max: usize) -> Answer {
        let rest = match ask.after {
            Some(after) if log.reaches_back_to(after) => Rest::Deltas { log: log.clone(), after },
            Some(_) | None => {
                let (entries, upto) = (log.entries.clone(), log.version);
                Rest::Chunks { ask, entries, upto, after: None, number: 0 }
            }
        };
        Answer { sender, bytes_max, rest }
    }

    /// The answer of a node that has a copy.
    pub(crate) fn from_copy(sender: Origin, ask: Ask, entries: EntrySet, upto: Version, bytes_max: usize) -> Answer {
        Answer { sender, bytes_max, rest: Rest::Chunks { ask, entries, upto, after: None, number: 0 } }
    }
}

impl Iterator for Answer {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let message = match &mut self.rest {
            Rest::Deltas { log, after } => {
                let Some(delta) = log.delta(*after, self.bytes_max) else {
                    self.rest = Rest::Done;
                    return None;
                };
                *after = delta.upto;
                Message::Delta(delta)
            }
            Rest::Chunks { ask, entries, upto, after, number } => {
                let chunk = next_chunk(ask, entries, *upto, after.as_ref(), *number, self.bytes_max);
                *number += 1;
                *after = chunk.puts.last().map(|put| put.key.clone());
                if chunk.last {
                    self.rest = Rest::Done;
                }
                Message::Chunk(chunk)
            }
            Rest::Done => return None,
        };
        Some(message::encode(&self.sender, &message))
    }
}

fn next_chunk(
    ask: &Ask,
    entries: &EntrySet,
    upto: Version,
    after: Option<&Key>,
    number: u32,
    bytes_max: usize,
) -> Chunk {
    let mut bytes = 0;
    let mut puts = Vec::new();
    let mut last = true;
    for (key, entry) in entries.after(after) {
        if bytes >= bytes_max {
            last = false;
            break;
        }
        let put = entry.to_put(key);
        bytes += put_bytes(&put);
        puts.push(put);
    }
    Chunk { id: ask.id, origin: ask.origin.clone(), upto, sets: *entries.sets(), number, last, puts }
}

#[cfg(test)]
mod tests;
