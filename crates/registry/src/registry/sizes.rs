//! How much a registry keeps at present: what its memory formula is about.

use super::Registry;

/// Bytes of an entry with a name and an id of a common length, its line in a copy and its line in the view, both of them with the room that
/// a map leaves (`docs/registry.md`, "Memory").
const ENTRY_BYTES: usize = 240 + 66 + (32 + 48) * 14 / 10;
/// What an entry of this node costs beyond that: its line in the index of versions.
const OWN_ENTRY_BYTES: usize = ENTRY_BYTES + 32 * 14 / 10;
/// A removal that is remembered, with its key.
const TOMBSTONE_BYTES: usize = 128 + 32;
/// What a delta takes that is held back, in multiples of its frame.
const HELD_BACK_TIMES: usize = 4;
/// A departing entry.
const DEPARTING_BYTES: usize = 72 + 240 + 66;
/// A node, and a line about it in the vector of each other one.
const PEER_BYTES: usize = 752;
const VECTOR_LINE_BYTES: usize = 60;

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
    /// Bytes of the frames of all deltas that are held back.
    pub held_back_bytes: usize,
    /// Most bytes of deltas that are held back for one node.
    pub held_back_bytes_most: usize,
    /// Entries that moved and whose new registration is awaited.
    pub departing: usize,
    /// Nodes that are remembered.
    pub peers: usize,
    /// Outputs that were not taken yet.
    pub outputs: usize,
}

impl Sizes {
    /// About how many bytes the entries of one copy take, with their places in the view.
    #[must_use]
    pub fn estimated_copy_bytes(entries: usize) -> usize {
        entries.saturating_mul(ENTRY_BYTES)
    }

    /// About how many bytes all of it takes, by the formula of `docs/registry.md`. Long texts of records are not looked at.
    #[must_use]
    pub fn estimated_bytes(&self) -> usize {
        let copies = self.copied_entries + self.staged_entries + self.retired_entries;
        [
            (self.own_entries, OWN_ENTRY_BYTES),
            (copies, ENTRY_BYTES),
            (self.tombstones, TOMBSTONE_BYTES),
            (self.held_back_bytes, HELD_BACK_TIMES),
            (self.departing, DEPARTING_BYTES),
            (self.peers, PEER_BYTES + self.peers.saturating_mul(VECTOR_LINE_BYTES)),
        ]
        .into_iter()
        .fold(0, |sum: usize, (count, bytes)| sum.saturating_add(count.saturating_mul(bytes)))
    }
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
            sizes.held_back_bytes += peer.replica.held_back_bytes();
            sizes.held_back_bytes_most = sizes.held_back_bytes_most.max(peer.replica.held_back_bytes());
        }
        sizes
    }
}
