//! How much a registry keeps at present: what its memory formula is about.

use super::Registry;

/// How much a registry keeps at present. All but the first two are bounded by [`crate::Config`] and the number of nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Entries of this node.
    pub own_entries: usize,
    /// Entries in the copies of the other nodes' logs.
    pub copied_entries: usize,
    /// Entries of whole logs that are on their way.
    pub staged_entries: usize,
    /// Entries of earlier generations.
    pub retired_entries: usize,
    /// Most earlier generations of one node.
    pub retired_generations_most: usize,
    /// Removals that are remembered.
    pub tombstones: usize,
    /// Most bytes of deltas that are held back for one node.
    pub held_back_bytes_most: usize,
    /// Entries that moved and whose new registration is awaited.
    pub departing: usize,
    /// Nodes that are remembered.
    pub peers: usize,
    /// Outputs that were not taken yet.
    pub outputs: usize,
}

impl Registry {
    /// How much it keeps at present. The cost grows with the number of nodes, not with that of entries.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes {
            own_entries: self.log.entries().len(),
            tombstones: self.log.tombstones(),
            departing: self.departing.len(),
            peers: self.peers.len(),
            outputs: self.outputs.len(),
            ..Sizes::default()
        };
        for peer in self.peers.values() {
            sizes.copied_entries += peer.replica.entries().len();
            sizes.staged_entries += peer.replica.staged();
            sizes.retired_entries += peer.retired.iter().map(|retired| retired.entries.len()).sum::<usize>();
            sizes.retired_generations_most = sizes.retired_generations_most.max(peer.retired.len());
            sizes.held_back_bytes_most = sizes.held_back_bytes_most.max(peer.replica.held_back_bytes());
        }
        sizes
    }
}
