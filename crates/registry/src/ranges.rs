//! Finding what differs between two copies of one log: sums of ranges of keys are compared, and only those that differ are looked into.
//!
//! (Range-based set reconciliation, A. Meyer 2023.) The asker keeps the state, the asked node none: each question names the ranges
//! that it is about, so that any node with a copy can answer it. What is found is put into the copy in one step, at the end.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use sensocto_model::{Interner, Key, Version};

use crate::entry::{Entry, EntrySet};
use crate::log::put_bytes;
use crate::message::{Content, Moved, PIECES_MAX, Part, Piece, Put, RANGES_MAX, Range, Reached, Sets};
use crate::reached::{self, Point};
use crate::replica::{Change, check_put};

/// Of so many entries of a log, one range may be asked about; where more ranges differ, the whole log is cheaper.
const ENTRIES_A_RANGE: usize = 16;

impl Range {
    /// All keys.
    pub(crate) const ALL: Range = Range { after: None, to: None };

    pub(crate) fn bounds(&self) -> (Bound<&Key>, Bound<&Key>) {
        let after = self.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        (after, self.to.as_ref().map_or(Bound::Unbounded, Bound::Included))
    }

    /// Whether its end is after its start.
    pub(crate) fn is_forward(&self) -> bool {
        match (&self.after, &self.to) {
            (Some(after), Some(to)) => after < to,
            (None, _) | (_, None) => true,
        }
    }

    fn contains(&self, key: &Key) -> bool {
        self.after.as_ref().is_none_or(|after| after < key) && self.to.as_ref().is_none_or(|to| key <= to)
    }
}

/// Whether sums of ranges are worth their questions: a log of fewer entries is sent as a whole.
pub(crate) fn is_worth_it(entries: usize, range_entries_max: usize) -> bool {
    entries > range_entries_max.saturating_mul(PIECES_MAX)
}

/// What a range holds: its entries where they are few and short, else the sums of its pieces.
pub(crate) fn describe(
    entries: &EntrySet,
    range: &Range,
    moved: Vec<Moved>,
    range_entries_max: usize,
    bytes_max: usize,
) -> Content {
    let count = entries.within(range).count();
    if count <= range_entries_max.max(1) {
        let puts: Vec<Put> = entries.within(range).map(|(key, entry)| entry.to_put(key)).collect();
        if count <= 1 || puts.iter().map(put_bytes).sum::<usize>() <= bytes_max {
            reached::at(Point::RangeSent);
            return Content::Entries { puts, moved };
        }
        reached::at(Point::RangeFewButLong);
    }
    let size = count.div_ceil(PIECES_MAX);
    let ends = entries.within(range).map(|(key, _)| key).skip(size - 1).step_by(size);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut after = range.after.clone();
    for end in ends.take(count.div_ceil(size) - 1).cloned().map(Some).chain([range.to.clone()]) {
        let piece = Range { after: std::mem::replace(&mut after, end.clone()), to: end.clone() };
        pieces.push(Piece { to: end, set: entries.sum_within(&piece) });
    }
    Content::Pieces(pieces)
}

/// A copy that is being compared range by range with a log, and what has been found so far.
#[derive(Debug, Clone)]
pub(crate) struct Mending {
    /// Where the log stood at the first look and at the last.
    upto: Version,
    read_at: Version,
    /// What the log held at the last look.
    sets: Sets,
    asked: Vec<Range>,
    open: Vec<Range>,
    found: Vec<Found>,
    looks: usize,
}

/// What a range that differs holds in the log.
#[derive(Debug, Clone)]
struct Found {
    range: Range,
    entries: BTreeMap<Key, Arc<Entry>>,
    moved: BTreeMap<Key, Reached>,
}

/// What mending made of a copy.
#[derive(Debug)]
pub(crate) struct Mended {
    pub(crate) entries: EntrySet,
    pub(crate) upto: Version,
    pub(crate) read_at: Version,
    pub(crate) changes: Vec<Change>,
}

impl Mending {
    /// The first question is about everything.
    pub(crate) fn new() -> Mending {
        Mending {
            upto: Version::LIMIT,
            read_at: Version::ZERO,
            sets: Sets::default(),
            asked: vec![Range::ALL],
            open: Vec::new(),
            found: Vec::new(),
            looks: 0,
        }
    }

    /// Entries that were found.
    pub(crate) fn found(&self) -> usize {
        self.found.iter().map(|found| found.entries.len()).sum()
    }

    /// The ranges of the next question; `None` where one is not answered yet, nothing when all is found.
    pub(crate) fn next_question(&mut self) -> Option<Vec<Range>> {
        if !self.asked.is_empty() {
            return None;
        }
        self.asked = self.open.split_off(self.open.len().saturating_sub(RANGES_MAX));
        Some(self.asked.clone())
    }

    /// Takes what one range holds.
    ///
    /// # Errors
    /// Says why this comes to nothing; all that was found so far is to be dropped.
    pub(crate) fn take(&mut self, part: Part, copy: &EntrySet, interner: &mut Interner) -> Result<(), &'static str> {
        let Some(place) = self.asked.iter().position(|range| *range == part.range) else {
            return Err("range_unasked");
        };
        if !part.upto.is_plausible() {
            return Err("version_implausible");
        }
        self.asked.swap_remove(place);
        self.upto = self.upto.min(part.upto);
        self.read_at = self.read_at.max(part.upto);
        self.sets = part.sets;
        self.looks += 1;
        match part.content {
            Content::Entries { puts, moved } => self.find(part.range, part.upto, puts, moved, interner)?,
            Content::Pieces(pieces) => self.compare(&part.range, pieces, copy)?,
        }
        let most = PIECES_MAX + copy.len() / ENTRIES_A_RANGE;
        if self.looks + self.open.len() > most { Err("ranges_too_many") } else { Ok(()) }
    }

    fn find(
        &mut self,
        range: Range,
        upto: Version,
        puts: Vec<Put>,
        moved: Vec<Moved>,
        interner: &mut Interner,
    ) -> Result<(), &'static str> {
        let mut entries = BTreeMap::new();
        for put in puts {
            check_put(&put, Version::ZERO, upto)?;
            if !range.contains(&put.key) {
                return Err("key_outside_range");
            }
            let (key, entry) = Entry::received(put, interner);
            entries.insert(key, Arc::new(entry));
        }
        let moved = moved.into_iter().map(|moved| (moved.key, moved.to)).collect();
        self.found.push(Found { range, entries, moved });
        Ok(())
    }

    fn compare(&mut self, range: &Range, pieces: Vec<Piece>, copy: &EntrySet) -> Result<(), &'static str> {
        let whole = pieces.last().is_some_and(|last| last.to == range.to);
        if !whole || !(2..=PIECES_MAX).contains(&pieces.len()) {
            return Err("pieces_wrong");
        }
        let count: u64 = pieces.iter().map(|piece| piece.set.count).fold(0, u64::saturating_add);
        if *range == Range::ALL && count / 2 > copy.len() as u64 {
            reached::at(Point::CopyTooSmall);
            return Err("copy_too_small");
        }
        let last = pieces.len() - 1;
        let mut after = range.after.clone();
        for (number, piece) in pieces.into_iter().enumerate() {
            let inside = number == last || piece.to.as_ref().is_some_and(|to| range.contains(to));
            let piece_range = Range { after: std::mem::replace(&mut after, piece.to.clone()), to: piece.to };
            if !inside || !piece_range.is_forward() {
                return Err("pieces_wrong");
            }
            if copy.sum_within(&piece_range) == piece.set {
                reached::at(Point::PieceTheSame);
            } else {
                reached::at(Point::PieceDiffers);
                self.open.push(piece_range);
            }
        }
        Ok(())
    }

    /// Puts what was found in the place of what the copy held there.
    ///
    /// # Errors
    /// The log stood still meanwhile, and the copy still differs from what it said of itself.
    pub(crate) fn finish(self, copy: &EntrySet) -> Result<Mended, &'static str> {
        let mut entries = copy.clone();
        let mut changes = Vec::new();
        for Found { range, entries: found, mut moved } in self.found {
            for (key, _) in copy.within(&range).filter(|(key, _)| !found.contains_key(key)) {
                entries.remove(key);
                changes.push(Change { key: key.clone(), new: None, moved_to: moved.remove(key) });
            }
            for (key, entry) in found {
                if copy.get(&key).is_none_or(|old| !old.is_same(&entry)) {
                    entries.insert(key.clone(), Arc::clone(&entry));
                    changes.push(Change { key, new: Some(entry), moved_to: None });
                }
            }
        }
        if self.upto < self.read_at {
            reached::at(Point::LogWentOnMeanwhile);
        } else if *entries.sets() != self.sets {
            return Err("ranges_do_not_add_up");
        }
        Ok(Mended { entries, upto: self.upto, read_at: self.read_at, changes })
    }
}

#[cfg(test)]
mod tests;
