//! A viewer that knows the world of one node by its events alone.

use std::collections::BTreeMap;

use sensocto_registry::Held;

use crate::model::OriginId;
use crate::names::{FORGED_FROM, node_number};

/// What a viewer can tell of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) origin: OriginId,
    pub(crate) version: u64,
}

impl Seen {
    /// What is seen of an entry in a view.
    pub(crate) fn of(held: &Held) -> Seen {
        // A name that is none of ours is nobody's.
        let node = node_number(&held.origin.node).unwrap_or(usize::MAX - 1);
        Seen { origin: (node, held.origin.generation.0), version: held.entry.version.0 }
    }
}

/// When a node was last heard of by a process, and how long that process had slept by then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    pub(crate) generation: u64,
    pub(crate) at: u64,
    pub(crate) slept: u64,
}

/// Replays the events of one process.
#[derive(Debug, Default)]
pub(crate) struct Viewer {
    /// The world as the events tell it.
    pub(crate) shown: BTreeMap<u32, Seen>,
    /// The least version of each origin's entry that may still be shown.
    pub(crate) least: BTreeMap<(OriginId, u32), u64>,
    /// Entries with an event since the last check.
    pub(crate) touched: Vec<u32>,
    /// When each other node was last heard.
    pub(crate) heard: BTreeMap<usize, Heard>,
    /// When there was last any sign of each other node: a frame, a part of an answer, or the engine's word.
    pub(crate) signs: BTreeMap<usize, u64>,
    /// How long the process stood still so far, in microseconds.
    pub(crate) slept: u64,
    /// When the process last went on after a pause.
    pub(crate) woke_at: u64,
    /// When entries of a node that went last left.
    pub(crate) emptied_at: Option<u64>,
    /// The node that an operator called lost here last, and when.
    pub(crate) confirmed: Option<(usize, u64)>,
    /// Inputs since the events were last compared with the view.
    pub(crate) since_compared: usize,
    /// Inputs since the copies were last looked at.
    pub(crate) since_sampled: usize,
}

impl Viewer {
    /// Notes that a frame of a node's generation was read.
    pub(crate) fn hear(&mut self, node: usize, generation: u64, now: u64) {
        self.meet(node, generation, now);
        let heard = self.heard.entry(node).or_default();
        if generation >= heard.generation {
            *heard = Heard { generation, at: now, slept: self.slept };
        }
    }

    /// Notes a sign of a node: for some time from now on nobody can be certain that it is gone. With a later generation it is another one.
    pub(crate) fn meet(&mut self, node: usize, generation: u64, now: u64) {
        self.signs.insert(node, now);
        let heard = self.heard.entry(node).or_default();
        if generation > heard.generation {
            *heard = Heard { generation, at: now, slept: self.slept };
        }
    }
}

/// Whether an entry was invented by a hostile node.
pub(crate) fn is_forged(entry: u32) -> bool {
    entry >= FORGED_FROM
}
