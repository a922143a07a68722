//! What leads from one page of a window to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sensocto_model::{Origin, Record, Version};

use crate::view::{Cause, Held};

/// One line of a window.
#[derive(Debug, Clone)]
pub struct WindowRow {
    /// The entry and whose it is.
    pub held: Held,
}

impl WindowRow {
    /// The sensor's id.
    #[must_use]
    pub fn id(&self) -> &str {
        let sensor = self.held.entry.record().and_then(Record::as_sensor);
        sensor.map(|sensor| sensor.sensor_id.as_str()).unwrap_or_default()
    }

    /// Whether it is the very same entry: then nothing of it has to be looked at.
    fn is(&self, other: &WindowRow) -> bool {
        Arc::ptr_eq(&self.held.entry, &other.held.entry) && Arc::ptr_eq(&self.held.origin, &other.held.origin)
    }

    fn has_changed(&self, before: &WindowRow) -> bool {
        !self.is(before) && self.state() != before.state()
    }

    fn state(&self) -> (&Arc<Origin>, Version) {
        (&self.held.origin, self.held.entry.version)
    }
}

/// Why a line left a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftCause {
    /// It is not in the world any more.
    Gone(Cause),
    /// It is there, and does not pass the filter any more.
    Filtered,
    /// It is in the list, outside of the window.
    Moved,
}

impl LeftCause {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LeftCause::Gone(cause) => cause.as_str(),
            LeftCause::Filtered => "filtered",
            LeftCause::Moved => "moved",
        }
    }
}

/// A line that left a window.
#[derive(Debug, Clone)]
pub struct Left {
    /// Which.
    pub row: WindowRow,
    /// Why.
    pub cause: LeftCause,
}

/// What leads from one page to the next: take out what left and what moved; put in what entered and moved, in the order of their
/// places; then put the changed lines in the place of those with their ids.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    /// Lines that are not in the window any more.
    pub left: Vec<Left>,
    /// Lines that are at another place among those that stay, with their places on the new page; in the order of places.
    pub moved: Vec<(usize, WindowRow)>,
    /// Lines that were not in the window, with their places on the new page; in the order of places.
    pub entered: Vec<(usize, WindowRow)>,
    /// Lines that say something else.
    pub changed: Vec<WindowRow>,
    /// How many lines the whole list has.
    pub total: usize,
}

/// What leads from one page to another; `None` where they are the same.
pub(crate) fn between(
    old: &[WindowRow],
    new: &[WindowRow],
    total: usize,
    cause: impl Fn(&WindowRow) -> LeftCause,
) -> Option<Difference> {
    let mut difference = Difference { total, ..Difference::default() };
    // Most changes leave the order as it is: only what lies between the first and the last line that differ is compared by ids.
    let same = |(one, other): &(&WindowRow, &WindowRow)| one.is(other) || one.id() == other.id();
    let head = old.iter().zip(new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let both_ends = old[..head].iter().zip(&new[..head]).chain(old[old_end..].iter().zip(&new[new_end..]));
    difference.changed.extend(both_ends.filter(|(old, new)| new.has_changed(old)).map(|(_, new)| new.clone()));
    let (old, new) = (&old[head..old_end], &new[head..new_end]);
    let old_places: BTreeMap<&str, usize> = old.iter().enumerate().map(|(place, row)| (row.id(), place)).collect();
    let new_ids: BTreeSet<&str> = new.iter().map(WindowRow::id).collect();
    for row in old.iter().filter(|row| !new_ids.contains(row.id())) {
        difference.left.push(Left { row: row.clone(), cause: cause(row) });
    }
    let mut stayed = Vec::new();
    for (place, row) in new.iter().enumerate() {
        match old_places.get(row.id()) {
            Some(old_place) => {
                stayed.push((*old_place, place));
                if row.has_changed(&old[*old_place]) {
                    difference.changed.push(row.clone());
                }
            }
            None => difference.entered.push((head + place, row.clone())),
        }
    }
    let still = longest_rise(&stayed.iter().map(|(old_place, _)| *old_place).collect::<Vec<_>>());
    let moved = stayed.iter().zip(still).filter(|(_, still)| !still);
    difference.moved.extend(moved.map(|((_, place), _)| (head + place, new[*place].clone())));
    let Difference { left, moved, entered, changed, .. } = &difference;
    let some = !(left.is_empty() && moved.is_empty() && entered.is_empty() && changed.is_empty());
    some.then_some(difference)
}

/// Which numbers belong to a longest rising part of a list (patience sorting; Fredman, 1975): all others have moved.
#[must_use]
pub fn longest_rise(numbers: &[usize]) -> Vec<bool> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; numbers.len()];
    for (at, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut rises = vec![false; numbers.len()];
    let mut at = ends.last().copied();
    while let Some(place) = at {
        rises[place] = true;
        at = before[place];
    }
    rises
}
