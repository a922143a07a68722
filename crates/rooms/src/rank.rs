//! Who is a room's home: rendezvous hashing (Thaler and Ravishankar, 1998) over the nodes that can be one.
//!
//! Each node computes it for itself. When a node comes or goes, only the rooms move that it gains or leaves.

use sensocto_model::{NodeName, RoomId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The first in rank of some nodes.
pub(crate) fn home<'a>(room: &RoomId, nodes: impl Iterator<Item = &'a NodeName>) -> Option<&'a NodeName> {
    let seed = xxh3_64(room.as_str().as_bytes());
    nodes.max_by_key(|node| (xxh3_64_with_seed(node.as_str().as_bytes(), seed), *node))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn rooms_spread_evenly_and_a_node_that_goes_moves_only_its_own() {
        let nodes: Vec<NodeName> = ["a", "b", "c"].iter().map(|name| NodeName::new(name).expect("a name")).collect();
        let mut homes = BTreeMap::new();
        for number in 0..3_000 {
            let room = RoomId::new(&format!("room-{number}")).expect("an id");
            let before = home(&room, nodes.iter()).expect("one").clone();
            let after = home(&room, nodes[..2].iter()).expect("one").clone();
            assert!(before == after || before == nodes[2], "{room} moved from {before} to {after}");
            *homes.entry(before).or_insert(0) += 1;
        }
        assert!(homes.values().all(|count| (800..1_200).contains(count)), "{homes:?}");
    }
}
