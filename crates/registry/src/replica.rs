//! A copy of another node's log.

use std::collections::BTreeMap;
use std::sync::Arc;

use sensocto_model::{Interner, Key, Version};

use crate::entry::{Entry, EntrySet};
use crate::message::{Chunk, Delta, Part, Put, Range, Reached, Sets};
use crate::planted::{self, Fault};
use crate::ranges::Mending;
use crate::reached::{self, Point};

/// What became of one entry.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) new: Option<Arc<Entry>>,
    /// Where another node's registration took its place.
    pub(crate) moved_to: Option<Reached>,
}

/// What became of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeltaStatus {
    /// The copy stands at its end.
    Applied,
    /// The copy was there already; nothing changed.
    Duplicate,
    /// Something before it is missing; nothing changed.
    Gap,
    /// It says what no origin says; nothing changed.
    Refused(&'static str),
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkStatus {
    /// More are to come.
    Kept,
    /// It was the last one, and the copy was replaced in one step.
    Replaced,
    /// The copy is ahead of what the chunks would make of it; they were dropped.
    Older,
    /// It does not fit, or adds up to something else; all chunks so far were dropped.
    Refused(&'static str),
}

/// A copy of one origin's log, and what is on its way to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replica {
    entries: EntrySet,
    version: Version,
    settled: Version,
    /// The furthest that the log stood when something of this copy was read from it.
    read_at: Version,
    /// What was read from the log before this is older than what an earlier copy held.
    least: Version,
    staging: Option<Staging>,
    mending: Option<Mending>,
    /// Deltas that wait for what they build on, each with the bytes of its frame.
    held_back: Vec<(Delta, usize)>,
    held_back_bytes: usize,
    interner: Interner,
}

#[derive(Debug, Clone)]
struct Staging {
    id: u64,
    upto: Version,
    sets: Sets,
    number: u32,
    moved: BTreeMap<Key, Reached>,
    entries: EntrySet,
}

impl Replica {
    /// An empty copy in the place of this one, which takes nothing older than what this one held.
    pub(crate) fn forget(&mut self) -> Replica {
        let least = self.least.max(self.version);
        std::mem::replace(self, Replica { least, ..Replica::default() })
    }

    /// What is older than this is not taken: an earlier copy here held more.
    pub(crate) fn least(&self) -> Version {
        self.least
    }

    /// Everything up to here has been applied.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The last version at which the copy was as its origin had been.
    pub(crate) fn settled(&self) -> Version {
        self.settled
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled == self.version
    }

    pub(crate) fn entries(&self) -> &EntrySet {
        &self.entries
    }

    /// Takes a delta from its origin, and adds to `changes` what it changed.
    ///
    /// A delta holds the present state of everything that changed after `after`, so it is as good for a copy that stands anywhere
    /// from `after` on.
    pub(crate) fn apply_delta(&mut self, delta: Delta, changes: &mut Vec<Change>) -> DeltaStatus {
        if let Err(reason) = check_delta(&delta) {
            return DeltaStatus::Refused(reason);
        }
        if delta.read_at < self.least {
            reached::at(Point::DeltaBeforeForgotten);
            return DeltaStatus::Duplicate;
        }
        if delta.upto <= self.version && !planted::is(Fault::DuplicateApplied) {
            return DeltaStatus::Duplicate;
        }
        if delta.after > self.version && !planted::is(Fault::GapSkipped) {
            return DeltaStatus::Gap;
        }
        if delta.after < self.version {
            reached::at(Point::DeltaOverlaps);
        }
        for removal in delta.removals {
            let before = |entry: &Arc<Entry>| entry.version.next() != removal.version;
            if planted::is(Fault::RemovalNeedsNeighbour) && self.entries.get(&removal.key).is_some_and(before) {
                continue;
            }
            if self.entries.get(&removal.key).is_none_or(|entry| entry.version < removal.version) {
                if self.entries.remove(&removal.key).is_none() {
                    reached::at(Point::RemovalOfNothing);
                }
                // Told even where there was nothing: what an earlier generation of the node left under this key is settled by it.
                changes.push(Change { key: removal.key, new: None, moved_to: removal.moved_to });
            }
        }
        for put in delta.puts {
            let (key, entry) = Entry::received(put, &mut self.interner);
            let entry = Arc::new(entry);
            // One walk through the map where nearly every line is news; what is none is put back.
            match self.entries.insert(key.clone(), Arc::clone(&entry)) {
                Some(newer) if newer.version >= entry.version => {
                    reached::at(Point::LineOlderThanCopy);
                    self.entries.insert(key, newer);
                }
                Some(_) | None => changes.push(Change { key, new: Some(entry), moved_to: None }),
            }
        }
        self.version = delta.upto;
        self.read_at = self.read_at.max(delta.read_at);
        if self.version >= self.read_at || planted::is(Fault::UnsettledIsSettled) {
            self.settled = delta.upto;
        } else {
            reached::at(Point::CopyUnsettled);
        }
        DeltaStatus::Applied
    }

    /// Entries of a whole log, or of ranges of one, that are on their way.
    pub(crate) fn staged(&self) -> usize {
        let found = self.mending.as_ref().map_or(0, Mending::found);
        found + self.staging.as_ref().map_or(0, |staging| staging.entries.len())
    }

    /// Bytes of the deltas that are held back.
    pub(crate) fn held_back_bytes(&self) -> usize {
        self.held_back_bytes
    }

    /// Keeps a delta that came before what it builds on; `false` where it had to be dropped, to be repaired later.
    pub(crate) fn hold_back(&mut self, delta: Delta, bytes: usize, bytes_max: usize) -> bool {
        let fits = self.held_back_bytes + bytes <= bytes_max || planted::is(Fault::HeldBackUnbounded);
        if fits {
            self.held_back_bytes += bytes;
            self.held_back.push((delta, bytes));
        }
        fits
    }

    /// Whether any delta waits for what it builds on.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Applies what was held back, as far as it fits on by now; what does not goes on waiting.
    pub(crate) fn release_held_back(&mut self, changes: &mut Vec<Change>) -> Vec<DeltaStatus> {
        let mut held_back = std::mem::take(&mut self.held_back);
        held_back.sort_by_key(|(delta, _)| delta.after);
        let mut done = Vec::new();
        for (delta, bytes) in held_back {
            if delta.after > self.version {
                reached::at(Point::HeldBackWaits);
                self.held_back.push((delta, bytes));
            } else {
                self.held_back_bytes -= bytes;
                let status = self.apply_delta(delta, changes);
                if status == DeltaStatus::Applied {
                    reached::at(Point::HeldBackApplied);
                }
                done.push(status);
            }
        }
        done
    }

    /// Drops what is still held back.
    pub(crate) fn drop_held_back(&mut self) {
        if self.holds_back() {
            reached::at(Point::HeldBackDropped);
        }
        self.held_back.clear();
        self.held_back_bytes = 0;
    }

    /// Takes the next chunk of a whole log. `stood` is where the copy stood when its origin was asked: only an answer from before that
    /// takes a copy back.
    pub(crate) fn apply_chunk(
        &mut self,
        chunk: Chunk,
        stood: Option<Version>,
        changes: &mut Vec<Change>,
    ) -> ChunkStatus {
        let mut staging = match self.staging.take() {
            Some(staging) if staging.id == chunk.id => {
                reached::at(Point::ChunkContinues);
                staging
            }
            Some(_) | None => Staging {
                id: chunk.id,
                upto: chunk.upto,
                sets: chunk.sets,
                number: 0,
                moved: BTreeMap::new(),
                entries: EntrySet::default(),
            },
        };
        if staging.number != chunk.number || staging.upto != chunk.upto || staging.sets != chunk.sets {
            return ChunkStatus::Refused("chunk_out_of_order");
        }
        if !chunk.upto.is_plausible() {
            return ChunkStatus::Refused("version_implausible");
        }
        staging.moved.extend(chunk.moved.into_iter().map(|moved| (moved.key, moved.to)));
        for put in chunk.puts {
            if let Err(reason) = check_put(&put, Version::ZERO, chunk.upto) {
                return ChunkStatus::Refused(reason);
            }
            let (key, entry) = Entry::received(put, &mut self.interner);
            staging.entries.insert(key, Arc::new(entry));
        }
        staging.number += 1;
        let half = planted::is(Fault::HalfALog);
        if !chunk.last && !half {
            self.staging = Some(staging);
            return ChunkStatus::Kept;
        }
        if *staging.entries.sets() != staging.sets && !half {
            return ChunkStatus::Refused("chunks_do_not_add_up");
        }
        if staging.upto < self.least {
            return ChunkStatus::Older;
        }
        if staging.upto < self.version && !shows_wrong(stood, staging.upto) && !planted::is(Fault::OlderLogTaken) {
            return ChunkStatus::Older;
        }
        self.replace(staging, changes);
        ChunkStatus::Replaced
    }

    /// Begins to compare the copy with its log, by a question about everything.
    pub(crate) fn start_mending(&mut self) {
        self.mending = Some(Mending::new());
    }

    /// Takes what one range of the log holds. An error ends the comparison.
    pub(crate) fn apply_part(&mut self, part: Part) -> Result<(), &'static str> {
        let mut mending = self.mending.take().unwrap_or_else(Mending::new);
        mending.take(part, &self.entries, &mut self.interner)?;
        self.mending = Some(mending);
        Ok(())
    }

    /// The ranges that are to be asked about next: none when all is known, `None` where nothing is compared or an answer is missing.
    pub(crate) fn next_ranges(&mut self) -> Option<Vec<Range>> {
        self.mending.as_mut()?.next_question()
    }

    /// Ends the comparison: what differs is replaced in one step.
    pub(crate) fn finish_mending(&mut self, stood: Option<Version>, changes: &mut Vec<Change>) -> ChunkStatus {
        let Some(mending) = self.mending.take() else { return ChunkStatus::Refused("range_unasked") };
        let mended = match mending.finish(&self.entries) {
            Ok(mended) => mended,
            Err(reason) => return ChunkStatus::Refused(reason),
        };
        let older = mended.upto < self.version && !shows_wrong(stood, mended.upto);
        if mended.upto < self.least || older {
            return ChunkStatus::Older;
        }
        reached::at(if mended.changes.is_empty() { Point::MendedNothing } else { Point::MendedEntries });
        changes.extend(mended.changes);
        self.entries = mended.entries;
        self.version = mended.upto;
        self.read_at = mended.read_at;
        // A log that went on between the looks is no state of it yet: what it publishes from the first look on completes it.
        let is_state = mended.upto == mended.read_at || planted::is(Fault::MendedIsSettled);
        self.settled = if is_state { mended.upto } else { Version::ZERO };
        ChunkStatus::Replaced
    }

    /// Drops what came of an answer that ended before its last frame.
    pub(crate) fn drop_unfinished(&mut self) {
        self.staging = None;
        self.mending = None;
    }

    fn replace(&mut self, staging: Staging, changes: &mut Vec<Change>) {
        let Staging { mut moved, entries, upto: version, .. } = staging;
        for (key, _) in self.entries.iter() {
            if entries.get(key).is_none() && !planted::is(Fault::MissedRemovalsKept) {
                changes.push(Change { key: key.clone(), new: None, moved_to: moved.remove(key) });
            }
        }
        for (key, entry) in entries.iter() {
            let same = self.entries.get(key).is_some_and(|old| old.is_same(entry));
            if !same {
                changes.push(Change { key: key.clone(), new: Some(Arc::clone(entry)), moved_to: None });
            }
        }
        self.entries = entries;
        self.version = version;
        self.settled = version;
        self.read_at = version;
    }
}

/// Whether an answer from `upto` shows that a copy which stood at `stood` when its origin was asked is wrong.
fn shows_wrong(stood: Option<Version>, upto: Version) -> bool {
    stood.is_some_and(|stood| upto < stood)
}

/// Whether a delta says what an origin can say.
pub(crate) fn check_delta(delta: &Delta) -> Result<(), &'static str> {
    if !delta.read_at.is_plausible() {
        return Err("version_implausible");
    }
    if delta.after >= delta.upto || delta.upto > delta.read_at {
        return Err("delta_backwards");
    }
    let within = |version: Version| version > delta.after && version <= delta.upto;
    if !delta.removals.iter().all(|removal| within(removal.version)) {
        return Err("version_outside_delta");
    }
    delta.puts.iter().try_for_each(|put| check_put(put, delta.after, delta.upto))
}

pub(crate) fn check_put(put: &Put, after: Version, upto: Version) -> Result<(), &'static str> {
    if put.version <= after || put.version > upto {
        Err("version_outside_delta")
    } else if !put.stamp.is_plausible() {
        Err("stamp_implausible")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
