//! The entries of one kind: found by id, and by a label whose order is that of the ids.
//!
//! Indexes hold labels, eight bytes each, instead of ids: a copy of an index's node is a copy of numbers. A new id gets a label
//! between those of its neighbours; where there is no room left, the neighbourhood is spread anew (Bender and others, "Two
//! simplified algorithms for maintaining order in a list", 2002, with a fixed gap in place of densities by level).

use std::ops::Bound;

use imbl::OrdMap;

use super::heads::Heads;
use super::short_text::{ShortText, Sought};
use super::{Held, Holding};

/// The place of an entry in the order of ids, while it is in the table.
pub(crate) type Label = u64;

/// The gap that a label at either end leaves, and that a run of ascending or descending ids leaves: 2^32 entries fit before the
/// ends are reached, and random ids between have 32 halvings.
const STEP: u64 = 1 << 32;
/// The gap between neighbours that were spread anew.
const SPREAD: u64 = 1 << 16;

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) holding: Holding,
    /// The number of its last change in this view.
    pub(crate) changed: u64,
}

impl Row {
    /// The entry that is shown.
    pub(crate) fn winner(&self) -> &Held {
        self.holding.winner()
    }
}

/// An entry that got another label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) from: Label,
    pub(crate) to: Label,
}

/// The entries of one kind. Cloning it copies pointers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    labels: OrdMap<ShortText, Label>,
    rows: OrdMap<Label, Row>,
    heads: Heads,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn label(&self, id: &str) -> Option<Label> {
        self.labels.get(&Sought(id)).copied()
    }

    pub(crate) fn row(&self, label: Label) -> Option<&Row> {
        self.rows.get(&label)
    }

    pub(crate) fn get(&self, id: &str) -> Option<(Label, &Row)> {
        let label = self.label(id)?;
        Some((label, self.rows.get(&label)?))
    }

    /// The rows behind a label, in the order of their ids.
    pub(crate) fn rows_after(&self, after: Option<Label>) -> impl Iterator<Item = (Label, &Row)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range::<_, Label>((start, Bound::Unbounded)).map(|(label, row)| (*label, row))
    }

    /// The last label that is not behind an id, whether the id is there or not.
    pub(crate) fn label_at(&self, id: &str) -> Option<Label> {
        self.labels.get_prev(&Sought(id)).map(|(_, label)| *label)
    }

    /// The labels of the ids that begin with a text.
    pub(crate) fn labels_beginning<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Label> + 'a {
        let ids = self.labels.range((Bound::Included(Sought(text)), Bound::Unbounded));
        ids.take_while(move |(id, _)| id.starts_with(text)).map(|(_, label)| *label)
    }

    /// Puts another row in the place of the one that is there.
    pub(crate) fn replace(&mut self, label: Label, row: Row) {
        self.rows.insert(label, row);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(label) = self.labels.remove(&Sought(id)) {
            self.rows.remove(&label);
        }
    }

    /// Adds a row for an id that is not there. Whoever keeps labels moves those of `moved` first.
    pub(crate) fn insert(&mut self, id: &str, row: Row) -> (Label, Vec<Moved>) {
        let mut moved = Vec::new();
        let (label, head) = match self.place(id) {
            Some(placed) => placed,
            None => {
                moved = self.spread(id);
                // After that there is room on both sides of the id.
                self.place(id).unwrap_or_default()
            }
        };
        self.labels.insert(ShortText::new(id), label);
        self.rows.insert(label, row);
        self.heads.go_on(head, label);
        (label, moved)
    }

    /// A label between the neighbours of an id, and the head of the run that it goes on; `None` where there is no room.
    fn place(&self, id: &str) -> Option<(Label, Option<Label>)> {
        let before = self.labels.get_prev(&Sought(id)).map(|(_, label)| *label);
        let after = self.labels.get_next(&Sought(id)).map(|(_, label)| *label);
        match (before, after) {
            (None, None) => Some((u64::MAX / 2, None)),
            (Some(before), None) => {
                let room = u64::MAX - before;
                (room > 0).then(|| (before + STEP.min(room.div_ceil(2)), Some(before)))
            }
            (None, Some(after)) => (after > 0).then(|| (after - STEP.min(after.div_ceil(2)), Some(after))),
            (Some(before), Some(after)) => {
                let half = (after - before) / 2;
                // Half of the gap is used up by each of a run of ids: a run goes in small steps instead.
                let (label, head) = match (self.heads.has(before), self.heads.has(after)) {
                    (true, false) => (before + half.min(SPREAD), Some(before)),
                    (false, true) => (after - half.min(SPREAD), Some(after)),
                    (true, true) | (false, false) => (before + half, None),
                };
                (half > 0).then_some((label, head))
            }
        }
    }

    /// Spreads the neighbourhood of an id, so that there is room between any two entries of it.
    fn spread(&mut self, id: &str) -> Vec<Moved> {
        let mut reach = 16;
        loop {
            let before: Vec<(ShortText, Label)> = self
                .labels
                .range((Bound::Unbounded, Bound::Included(Sought(id))))
                .rev()
                .take(reach)
                .map(|(id, label)| (id.clone(), *label))
                .collect();
            let behind: Vec<(ShortText, Label)> = self
                .labels
                .range((Bound::Excluded(Sought(id)), Bound::Unbounded))
                .take(reach)
                .map(|(id, label)| (id.clone(), *label))
                .collect();
            // The outermost keep their labels, unless they are the ends of the table.
            let low = if before.len() < reach { 0 } else { before.last().map_or(0, |(_, label)| *label) };
            let high =
                if behind.len() < reach { u64::MAX } else { behind.last().map_or(u64::MAX, |(_, label)| *label) };
            let all: Vec<(ShortText, Label)> = before.into_iter().rev().chain(behind).collect();
            let gap = (high - low) / (all.len() as u64 + 1);
            if gap >= SPREAD || all.len() == self.labels.len() {
                return self.relabel(&all, low, gap);
            }
            reach *= 2;
        }
    }

    fn relabel(&mut self, all: &[(ShortText, Label)], low: Label, gap: u64) -> Vec<Moved> {
        let rows: Vec<Option<Row>> = all.iter().map(|(_, label)| self.rows.remove(label)).collect();
        let mut moved = Vec::with_capacity(all.len());
        for (place, ((id, from), row)) in all.iter().zip(rows).enumerate() {
            let to = low + gap * (place as u64 + 1);
            self.labels.insert(id.clone(), to);
            self.rows.extend(row.map(|row| (to, row)));
            moved.push(Moved { from: *from, to });
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{entry, origin};

    #[test]
    fn runs_of_ids_side_by_side_get_labels_without_moving_their_neighbours() {
        let mut table = Table::default();
        let row = || Row {
            holding: Holding::One(Held { origin: std::sync::Arc::new(origin("a", 1)), entry: entry("x", "x", 1).1 }),
            changed: 0,
        };
        let mut moved = 0;
        for number in 0..400 {
            for run in 0..64 {
                moved += table.insert(&format!("{run:02}-{number:03}"), row()).1.len();
            }
        }
        assert!(moved < table.len() / 10, "{moved} of {} moved", table.len());
        let labels: Vec<Label> = table.labels.values().copied().collect();
        assert!(labels.is_sorted_by(|one, other| one < other));
    }
}
