//! When faults have ended: every live node shows the world as it is (I1, I2, I3), proved (fresh), and traffic falls to the idle
//! rate (I10).

use std::collections::BTreeMap;

use sensocto_registry::{Config, Freshness, PeerState, Sizes, View};

use super::{Checked, copies, ensure};
use crate::model::{Model, OriginId};
use crate::node::Traffic;
use crate::viewer::{Seen, Viewer};

/// The processes that run.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// By the place where they run.
    pub(crate) places: BTreeMap<usize, OriginId>,
    /// The generation of each name.
    pub(crate) names: BTreeMap<usize, u64>,
}

impl Live {
    fn origin_of(&self, place: usize) -> OriginId {
        self.places.get(&place).copied().unwrap_or((usize::MAX, 0))
    }
}

/// Of two processes of one name one has gone.
pub(crate) fn one_of_each_name(live: &Live) -> Checked {
    ensure(live.places.len() == live.names.len(), "two_of_one_name", || format!("there are {:?}", live.places))
}

/// Everything that a live node's clients hold is shown, by its owner and as it is. `told` says whether losers have been told.
pub(crate) fn nothing_is_missing(viewer: &Viewer, model: &Model, live: &Live) -> Checked {
    for (entry, (origin, holding, _)) in model.world(|place| live.origin_of(place)) {
        let due = Seen { origin, version: holding.version };
        let shown = viewer.shown.get(&entry).copied();
        // An entry of a node that went may still stand before it: its stamp may be later.
        let of_the_dead = shown.is_some_and(|shown| live.names.get(&shown.origin.0) != Some(&shown.origin.1));
        ensure(shown == Some(due) || of_the_dead, "convergence", || {
            format!("e{entry} is {due:?}, shown is {shown:?}")
        })?;
    }
    Ok(())
}

/// The view is the world, and nothing else.
pub(crate) fn is_the_world(viewer: &Viewer, model: &Model, live: &Live) -> Checked {
    let world = model.world(|place| live.origin_of(place));
    for (entry, (origin, holding, holders)) in &world {
        let due = Seen { origin: *origin, version: holding.version };
        let shown = viewer.shown.get(entry).copied();
        ensure(shown == Some(due), "convergence", || format!("e{entry} is {due:?}, shown is {shown:?}"))?;
        ensure(*holders == 1, "two_holders", || format!("{holders} clients think that they hold e{entry}"))?;
    }
    for (entry, seen) in copies::honest(viewer) {
        ensure(world.contains_key(&entry), "ghost", || format!("e{entry} as {seen:?} is held by nobody"))?;
    }
    let forged = viewer.shown.len() - copies::honest(viewer).count();
    ensure(forged == 0, "ghost", || format!("{forged} entries of a hostile node that went"))
}

/// Every live node's copy is proved, now.
pub(crate) fn is_proved(view: &View, live: &Live, mono: std::time::Duration, config: &Config) -> Checked {
    for (name, node) in view.nodes() {
        let (freshness, age) = node.freshness(mono, config.fresh_for);
        ensure(freshness == Freshness::Fresh, "unproved", || format!("{name} is {freshness:?} for {age:?}: {node:?}"))?;
    }
    let here = view.nodes().values().filter(|node| matches!(node.state, PeerState::Alive | PeerState::Local)).count();
    ensure(here == live.names.len(), "unproved", || format!("{here} nodes are alive, there are {}", live.names.len()))
}

/// Between two moments of peace a node repeats its digest and says nothing else.
pub(crate) fn is_idle(before: &Traffic, after: &Traffic, intervals: u64) -> Checked {
    let published = after.published - before.published;
    ensure(published <= intervals + 1 && published + 2 >= intervals, "idle_rate", || {
        format!("{published} frames in {intervals} digest intervals of peace")
    })?;
    let asks = after.asks - before.asks;
    ensure(asks == 0, "idle_rate", || format!("{asks} questions in peace"))
}

/// Nothing waits, and what everybody has acknowledged is forgotten.
pub(crate) fn nothing_waits(sizes: &Sizes) -> Checked {
    let waits = (sizes.departing, sizes.held_back_bytes_most, sizes.staged_entries, sizes.retired_entries);
    ensure(waits == (0, 0, 0, 0), "left_over", || format!("something waits in peace: {sizes:?}"))?;
    ensure(sizes.tombstones == 0, "left_over", || {
        format!("{} removals are remembered though all know", sizes.tombstones)
    })
}
