//! After steps: memory stays within its formula (I8, I9), traffic within what changes cause (I10), and time moves (I17).

use sensocto_registry::{Config, Sizes};

use super::{Checked, ensure};
use crate::node::Traffic;

/// What a node keeps is bounded.
pub(crate) fn memory(sizes: &Sizes, config: &Config, changes_since_digest: u64) -> Checked {
    ensure(sizes.held_back_bytes_most <= config.held_back_bytes_max, "memory", || {
        format!(
            "{} bytes held back for one node, allowed are {}",
            sizes.held_back_bytes_most, config.held_back_bytes_max
        )
    })?;
    ensure(sizes.departing <= config.departing_max, "memory", || {
        format!("{} entries depart, allowed are {}", sizes.departing, config.departing_max)
    })?;
    ensure(sizes.retired_generations_most <= config.retired_max, "memory", || {
        format!(
            "{} retired generations of one node, allowed are {}",
            sizes.retired_generations_most, config.retired_max
        )
    })?;
    ensure(sizes.peers <= config.peers_max, "memory", || format!("{} peers", sizes.peers))?;
    // Beyond the limit there are only those of one digest interval, since it is applied at each digest.
    let allowed = config.tombstones_max as u64 + changes_since_digest;
    ensure(sizes.tombstones as u64 <= allowed, "memory", || {
        format!("{} removals are remembered, allowed are {allowed}", sizes.tombstones)
    })
}

/// A process sends no more than time and changes ask for. `us` is how long it ran.
pub(crate) fn traffic(traffic: &Traffic, config: &Config, us: u64, nodes: usize) -> Checked {
    let interval = u64::try_from(config.digest_interval.as_micros()).unwrap_or(u64::MAX).max(1);
    let pause = u64::try_from(config.ask_pause.as_micros()).unwrap_or(u64::MAX).max(10) / 10;
    // One digest an interval and at each node that comes; each change makes a line, and a line at most one delta.
    let published = us / interval + traffic.ups + traffic.changes + 3;
    ensure(traffic.published <= published, "chatter", || {
        format!("{} frames published in {} ms, explained are {published}", traffic.published, us / 1_000)
    })?;
    // About each log there is one question at a time, and a pause after each.
    let asks = (us / pause.max(1) + 2) * nodes as u64 + traffic.inputs;
    ensure(traffic.asks <= asks, "chatter", || format!("{} questions, explained are {asks}", traffic.asks))?;
    // A tick is due for something: a digest, a flush, a state of a node, a question.
    let ticks = us / 1_000 + traffic.inputs * 2 + 10 * nodes as u64 + 10;
    ensure(traffic.ticks <= ticks, "tick_storm", || format!("{} ticks in {} ms", traffic.ticks, us / 1_000))
}
