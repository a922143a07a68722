//! Intervals and limits of the registry.

use std::time::Duration;

/// Every interval and limit. The defaults are those of a cluster of a few nodes on one network.
#[derive(Debug, Clone)]
pub struct Config {
    /// How often a node repeats its digest. Low: faster repair, more idle traffic (about 40 bytes each to every peer).
    pub digest_interval: Duration,
    /// With how many digests its vector is told once, beside when a node comes or goes. High: less idle traffic (about 16 bytes for each
    /// pair of nodes), and removals are remembered longer.
    pub vector_every: u32,
    /// A copy whose origin's digest was heard longer ago than this is stale. Low: viewers see trouble sooner, and see it for
    /// digests that are merely late.
    pub fresh_for: Duration,
    /// Silence after which a peer is suspect: its entries turn stale. Must be more than two digest intervals.
    pub suspect_after: Duration,
    /// Silence after which a peer is unreachable even if the engine still counts it as connected.
    pub unreachable_after: Duration,
    /// How long the entries of an unreachable node, or of a node's earlier generation, stay readable. Low: ghosts of dead nodes
    /// vanish sooner, and a restart that takes longer makes every viewer see leaves and joins.
    pub grace: Duration,
    /// How long the entries of unreachable nodes stay where several nodes went and their entries are more than `mass_loss_percent` of
    /// the world. Low: a network that fails empties the world sooner.
    pub long_grace: Duration,
    /// The share of the world, in percent, that several unreachable nodes may hold and still be removed after the grace.
    pub mass_loss_percent: u64,
    /// How long an entry that moved stays in the view of a node that has not seen its new registration. Low: a slow link shows a leave
    /// and a join.
    pub linger: Duration,
    /// Entries that moved and whose new registration is awaited. When it is full, the oldest leave the view.
    pub departing_max: usize,
    /// How long an asked node may take before another one is asked.
    pub ask_timeout: Duration,
    /// The wait after all that could answer have failed.
    pub ask_pause: Duration,
    /// The longest time for which changes are gathered into one delta under load.
    pub window_max: Duration,
    /// Largest delta or snapshot chunk in bytes; one record more may ride over it.
    pub delta_bytes_max: usize,
    /// Deltas that arrive while a repair is under way are kept up to this many bytes; further ones are dropped and repaired.
    pub held_back_bytes_max: usize,
    /// A range of a log with at most so many entries is sent as it is, a larger one as the sums of its pieces. Low: less is sent of what
    /// is the same on both sides, in more questions.
    pub range_entries_max: usize,
    /// Removals that an origin remembers. When it is full the oldest are forgotten, and a replica that stands before them takes a
    /// snapshot.
    pub tombstones_max: usize,
    /// Nodes that are remembered, dead ones included. When it is full, the longest removed one is forgotten first.
    pub peers_max: usize,
    /// Earlier generations of one node whose entries are still within their grace.
    pub retired_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            digest_interval: Duration::from_millis(500),
            vector_every: 16,
            fresh_for: Duration::from_secs(5),
            suspect_after: Duration::from_millis(1_400),
            unreachable_after: Duration::from_secs(8),
            grace: Duration::from_secs(30),
            long_grace: Duration::from_secs(15 * 60),
            mass_loss_percent: 15,
            linger: Duration::from_secs(5),
            departing_max: 10_000,
            ask_timeout: Duration::from_secs(2),
            ask_pause: Duration::from_millis(500),
            window_max: Duration::from_millis(100),
            delta_bytes_max: 48 * 1024,
            held_back_bytes_max: 4 * 1024 * 1024,
            range_entries_max: 16,
            tombstones_max: 200_000,
            peers_max: 1_024,
            retired_max: 4,
        }
    }
}
