//! What leads from one page of a window to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use sensocto_model::{Origin, SharedId, Version};

use crate::view::{Cause, Held};

/// One line of a window.
#[derive(Debug, Clone)]
pub struct WindowRow {
    /// The entry's id.
    pub id: SharedId,
    /// The entry and whose it is.
    pub held: Held,
}

impl WindowRow {
    pub(crate) fn of(held: &Held) -> Option<WindowRow> {
        Some(WindowRow { id: held.entry.record()?.key().id, held: held.clone() })
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
    pub moved: Vec<(usize, SharedId)>,
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
    let old_places: BTreeMap<&SharedId, usize> = old.iter().enumerate().map(|(place, row)| (&row.id, place)).collect();
    let new_places: BTreeMap<&SharedId, usize> = new.iter().enumerate().map(|(place, row)| (&row.id, place)).collect();
    let mut difference = Difference { total, ..Difference::default() };
    for row in old.iter().filter(|row| !new_places.contains_key(&row.id)) {
        difference.left.push(Left { row: row.clone(), cause: cause(row) });
    }
    let mut stayed = Vec::new();
    for (place, row) in new.iter().enumerate() {
        match old_places.get(&row.id) {
            Some(old_place) => {
                stayed.push((*old_place, place));
                if old[*old_place].state() != row.state() {
                    difference.changed.push(row.clone());
                }
            }
            None => difference.entered.push((place, row.clone())),
        }
    }
    let still = longest_rise(&stayed.iter().map(|(old_place, _)| *old_place).collect::<Vec<_>>());
    for (at, (_, place)) in stayed.iter().enumerate().filter(|(at, _)| !still[*at]) {
        debug_assert!(at < still.len());
        difference.moved.push((*place, new[*place].id.clone()));
    }
    let Difference { left, moved, entered, changed, .. } = &difference;
    let some = !(left.is_empty() && moved.is_empty() && entered.is_empty() && changed.is_empty());
    some.then_some(difference)
}

/// Which numbers belong to a longest rising part of a list (patience sorting; Fredman, 1975): all others have moved.
fn longest_rise(numbers: &[usize]) -> Vec<bool> {
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
