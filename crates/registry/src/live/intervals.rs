//! Which windows a place lies in.

use std::collections::{BTreeMap, BTreeSet};

use super::WindowId;
use crate::view::Position;

/// Windows in one block. A place is compared with the reach of every block, and with the windows of those that reach it.
const BLOCK_MAX: usize = 64;

/// The places of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interval {
    /// It begins behind this; `None` is the start of the list.
    pub(crate) after: Option<Position>,
    /// It ends with this; `None` is the end of the list.
    pub(crate) end: Option<Position>,
}

impl Interval {
    fn contains(&self, place: &Position) -> bool {
        self.after.as_ref().is_none_or(|after| after < place) && self.end.as_ref().is_none_or(|end| place <= end)
    }
}

/// Windows whose starts lie next to each other. Its reach may be further than that of any of them, never less.
#[derive(Debug, Default)]
struct Block {
    windows: Vec<(Option<Position>, WindowId)>,
    reach: Option<Position>,
}

/// The windows of one list, in the order of their starts.
#[derive(Debug, Default)]
pub(crate) struct Intervals {
    blocks: Vec<Block>,
    by_id: BTreeMap<WindowId, Interval>,
}

impl Intervals {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn ids(&self) -> Vec<WindowId> {
        self.by_id.keys().copied().collect()
    }

    pub(crate) fn insert(&mut self, id: WindowId, interval: Interval) {
        let key = (interval.after.clone(), id);
        let at = self.block_of(&key);
        if self.blocks.is_empty() {
            self.blocks.push(Block { windows: Vec::new(), reach: interval.end.clone() });
        }
        let block = &mut self.blocks[at];
        if block.windows.is_empty() || further(&interval.end, &block.reach) {
            block.reach = interval.end.clone();
        }
        let place = block.windows.partition_point(|window| *window < key);
        block.windows.insert(place, key);
        self.by_id.insert(id, interval);
        if self.blocks[at].windows.len() > BLOCK_MAX {
            let windows = self.blocks[at].windows.split_off(BLOCK_MAX / 2);
            self.blocks.insert(at + 1, Block { windows, reach: None });
            self.measure(at);
            self.measure(at + 1);
        }
    }

    pub(crate) fn remove(&mut self, id: WindowId) {
        let Some(interval) = self.by_id.remove(&id) else { return };
        let key = (interval.after, id);
        let at = self.block_of(&key);
        let Some(block) = self.blocks.get_mut(at) else { return };
        block.windows.retain(|window| *window != key);
        if block.windows.is_empty() {
            self.blocks.remove(at);
        }
    }

    /// A window ends elsewhere; its start is what it was.
    pub(crate) fn replace(&mut self, id: WindowId, interval: Interval) {
        let at = self.block_of(&(interval.after.clone(), id));
        let Some(was) = self.by_id.insert(id, interval) else { return };
        let is = &self.by_id[&id].end;
        let Some(block) = self.blocks.get_mut(at) else { return };
        if further(is, &block.reach) {
            block.reach = is.clone();
        } else if was.end == block.reach && was.end != *is {
            self.measure(at);
        }
    }

    /// Adds the windows around a place; `true` where there is one.
    pub(crate) fn around(&self, place: &Position, found: &mut BTreeSet<WindowId>) -> bool {
        let mut some = false;
        for block in &self.blocks {
            let begins =
                block.windows.first().is_some_and(|(after, _)| after.as_ref().is_none_or(|after| after < place));
            if !begins {
                break;
            }
            if block.reach.as_ref().is_some_and(|reach| place > reach) {
                continue;
            }
            for (_, id) in &block.windows {
                if self.by_id[id].contains(place) {
                    found.insert(*id);
                    some = true;
                }
            }
        }
        some
    }

    /// The block that a window is in, or belongs in.
    fn block_of(&self, key: &(Option<Position>, WindowId)) -> usize {
        let behind = self.blocks.partition_point(|block| block.windows.first().is_some_and(|first| first <= key));
        behind.saturating_sub(1)
    }

    fn measure(&mut self, at: usize) {
        let windows = &self.blocks[at].windows;
        let mut reach = windows.first().and_then(|(_, id)| self.by_id[id].end.clone());
        for (_, id) in windows {
            let end = &self.by_id[id].end;
            if further(end, &reach) {
                reach = end.clone();
            }
        }
        self.blocks[at].reach = reach;
    }
}

/// Whether one end lies behind another; `None` is the end of the list.
fn further(one: &Option<Position>, other: &Option<Position>) -> bool {
    match (one, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}
