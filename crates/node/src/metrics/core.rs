//! What the registry and its shell count by themselves.

use std::sync::Arc;

use crate::handle::Handle;
use crate::world::World;

use super::readings::{Reading, count, state};

/// One moment of a node.
pub(super) struct Moment {
    pub(super) world: Arc<World>,
    pub(super) handle: Handle,
}

pub(super) const READINGS: &[Reading<Moment>] = &[
    count("deltas_applied", "Deltas applied", |now| now.world.counters.deltas_applied),
    count("deltas_duplicate", "Deltas that told nothing new", |now| now.world.counters.deltas_duplicate),
    count("deltas_gap", "Deltas that did not fit on", |now| now.world.counters.deltas_gap),
    count("asks", "Questions asked to repair a copy", |now| now.world.counters.asks),
    count("asks_failed", "Questions not answered in time", |now| now.world.counters.asks_failed),
    count("logs_replaced", "Copies replaced by a whole log", |now| now.world.counters.logs_replaced),
    count("logs_mended", "Copies mended by what differed from the log", |now| now.world.counters.logs_mended),
    count("divergences", "Copies found to differ at the same version", |now| now.world.counters.divergences),
    count("nodes_held", "Nodes whose entries were kept beyond the grace, because several nodes went at once", |now| {
        now.world.counters.nodes_held
    }),
    count("inbound_dropped", "Frames dropped because the driver did not keep up", |now| {
        now.handle.0.engine.inbound_dropped()
    }),
    state("tombstones", "Removals remembered", |now| now.world.sizes.tombstones as u64),
    state("held_back_bytes", "Bytes of deltas that wait for what they build on", |now| {
        now.world.sizes.held_back_bytes as u64
    }),
    state("staged_entries", "Entries of whole logs, or of ranges of them, on their way", |now| {
        now.world.sizes.staged_entries as u64
    }),
    state("retired_entries", "Entries of earlier starts of nodes", |now| now.world.sizes.retired_entries as u64),
    state("departing_entries", "Entries that moved and are not seen at their new place yet", |now| {
        now.world.sizes.departing as u64
    }),
    state("peers", "Nodes remembered, removed ones included", |now| now.world.sizes.peers as u64),
    state("registry_bytes", "About how many bytes the registry takes, by the formula of docs/registry.md", |now| {
        now.world.sizes.estimated_bytes() as u64
    }),
    state("states_cached", "Sensors of other nodes whose last values are cached", |now| {
        now.handle.0.remote.len() as u64
    }),
    state("states_stale", "Sensors whose last values are read anew when their node answers again", |now| {
        now.handle.0.remote.stale_len() as u64
    }),
    state("changes_remembered", "Changes remembered for subscribers that come from another node", |now| {
        now.handle.0.recent.len() as u64
    }),
    state("worlds_pinned", "Worlds kept for readers of several pages", |now| now.handle.0.pins.len() as u64),
];
