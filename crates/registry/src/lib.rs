//! The replicated registry: one log per node, deltas, digests, repair, and the merged view that everybody reads.
//!
//! [`Registry`] is a state machine without IO. In go local changes, frames from other nodes, what the engine knows of who is
//! reachable, and ticks, each with the time ([`Now`]). Out come frames to send, questions to ask, and events ([`Output`]). It has
//! no clock, no socket, no task and no randomness, so that the same code runs under a runtime and under a simulator.
//!
//! The algorithm, what a replica knows at each moment and the invariant that each step keeps: `docs/registry.md`.
#![warn(missing_docs)]

mod answer;
pub mod breaker;
mod coalesce;
mod config;
mod entry;
pub mod live;
mod log;
pub mod message;
mod peer;
#[doc(hidden)]
pub mod planted;
mod ranges;
#[doc(hidden)]
pub mod reached;
mod registry;
mod replica;
mod set_hash;
#[cfg(test)]
mod testing;
mod view;

pub use answer::Answer;
pub use config::Config;
pub use entry::Entry;
pub use message::{FrameError, Sets};
pub use peer::PeerState;
pub use registry::{ChangeError, Counters, Mark, Output, RegisterError, Registration, Registry, Sizes};
pub use sensocto_model::Now;
pub use set_hash::SetHash;
pub use view::{
    Cause, Event, EventKind, Found, Freshness, Held, Line, NodeView, Order, Person, Position, Room, SearchText,
    SensorFilter, SensorQuery, StateCause, View, fold,
};

/// For benchmarks: the view by itself, without a log and a network around it.
#[cfg(feature = "bench")]
pub mod bench {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use sensocto_model::{Key, NodeName, Origin, Record, Stamp, Version};

    use crate::{Cause, Entry, Event, NodeView, View};

    /// An empty view that knows some nodes.
    #[must_use]
    pub fn view(nodes: BTreeMap<NodeName, NodeView>) -> View {
        let mut view = View::new(Duration::from_secs(5));
        view.set_nodes(nodes);
        view
    }

    /// An entry as its origin makes it.
    #[must_use]
    pub fn entry(record: Record, version: Version, stamp: Stamp) -> Arc<Entry> {
        Arc::new(Entry::new(record, version, stamp))
    }

    /// Takes in what became of one entry.
    pub fn apply(view: &mut View, origin: &Arc<Origin>, key: Key, new: Option<Arc<Entry>>) -> Option<Event> {
        view.apply(origin, key, new, Cause::Unregistered)
    }

    /// The view as a reader gets it.
    #[must_use]
    pub fn snapshot(view: &mut View) -> View {
        view.settle();
        view.clone()
    }
}
