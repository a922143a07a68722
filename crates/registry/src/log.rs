//! An origin's own log: its entries in the order of their last change, and the removals that others may not have heard of.
//!
//! The log is the queue. A delta is read from it when it is sent, so nothing that waits to be sent can be out of date, and nothing
//! that was dropped on its way is lost: it is read again.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use sensocto_model::{Key, Record, Stamp, Version};

use crate::entry::{Entry, EntrySet};
use crate::message::{Delta, Moved, Put, Reached, Removal};
use crate::planted::{self, Fault};
use crate::reached::{self, Point};

/// Bytes that a line of a delta costs beyond its key and its record.
pub(crate) const LINE_BYTES: usize = 32;

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
    #[cfg(test)]
    pub(crate) fn put(&mut self, key: Key, record: Record, stamp: Stamp) -> Arc<Entry> {
        let bytes = record.encode();
        self.put_encoded(key, record, &bytes, stamp)
    }

    /// Registers or changes an entry, whose record has these bytes.
    pub(crate) fn put_encoded(&mut self, key: Key, record: Record, bytes: &[u8], stamp: Stamp) -> Arc<Entry> {
        if !(planted::is(Fault::UpdateKeepsVersion) && self.entries.get(&key).is_some()) {
            self.version = self.version.next();
        }
        let entry = Arc::new(if planted::is(Fault::FirstWriteWins) {
            Entry::new(self.first_record(&key, record), self.version, stamp)
        } else {
            Entry::encoded(record, bytes, self.version, stamp)
        });
        if let Some(old) = self.entries.insert(key.clone(), Arc::clone(&entry)) {
            self.by_version.remove(&old.version);
        }
        if let Some(removed) = self.tombstones.remove(&key) {
            reached::at(Point::TombstoneGaveWay);
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
            let unheard = version > acknowledged;
            reached::at(if unheard { Point::TombstoneOverLimit } else { Point::TombstoneAcknowledged });
            self.removals.remove(&version);
            self.by_version.remove(&version);
            self.tombstones.remove(&key);
            if !planted::is(Fault::FloorForgotten) {
                self.floor = version;
            }
        }
    }

    /// Where entries have gone that left for other nodes, from the first key after `after` on.
    pub(crate) fn moved(&self, after: Option<&Key>) -> impl Iterator<Item = Moved> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tombstones.range::<_, Key>((start, Bound::Unbounded)).filter_map(|(key, tombstone)| {
            let to = tombstone.moved_to.clone()?;
            Some(Moved { key: key.clone(), to })
        })
    }

    /// Whether a replica at `after` can be brought forward by deltas. An empty one is no exception: while the answer is on its way, a
    /// delta may bring it something whose removal is forgotten.
    pub(crate) fn reaches_back_to(&self, after: Version) -> bool {
        after >= self.floor
    }

    /// What changed after `after`, as far as about `bytes_max` bytes go; `None` where there is nothing.
    pub(crate) fn delta(&self, after: Version, bytes_max: usize) -> Option<Delta> {
        let mut delta = Delta { after, upto: after, read_at: self.version, removals: Vec::new(), puts: Vec::new() };
        let mut bytes = 0;
        for (version, key) in self.by_version.range::<_, Version>((Bound::Excluded(&after), Bound::Unbounded)) {
            if bytes >= bytes_max {
                reached::at(Point::DeltaFull);
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

/// About how many bytes a line takes.
pub(crate) fn put_bytes(put: &Put) -> usize {
    LINE_BYTES + put.key.id.as_str().len() + put.body.len()
}

#[cfg(test)]
mod tests;
