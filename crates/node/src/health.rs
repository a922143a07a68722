//! The health of the cluster as this node sees it.

use std::time::Duration;

use sensocto_model::{Kind, Origin};
use sensocto_registry::breaker::BreakerState;
use sensocto_registry::{Freshness, PeerState};
use sensocto_rooms::Health as RoomsHealth;

use crate::breakers::BreakerHealth;
use crate::hello::NodeLoad;
use sensocto_model::ClientUrl;

/// What one node says about the cluster.
#[derive(Debug, Clone)]
pub struct ClusterHealth {
    /// Who says it.
    pub me: Origin,
    /// Sensors in the world.
    pub sensors: usize,
    /// Connectors in the world.
    pub connectors: usize,
    /// How this node's rooms are doing.
    pub rooms: RoomsHealth,
    /// People who are here.
    pub users: usize,
    /// On how many nodes the entries of this node's world are proved.
    pub identical: Identical,
    /// The nodes, this one included, by name.
    pub nodes: Vec<NodeHealth>,
    /// The addresses that this node was told to join.
    pub joining: Vec<Joining>,
    /// Whether an operator let it leave the cluster and work alone.
    pub apart: bool,
    /// Whether it answers live queries.
    pub live_queries: bool,
}

/// How many copies are proved to be the same as their origins'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identical {
    /// Nodes whose log this node holds as it is, proved within the last five seconds.
    pub nodes: usize,
    /// Nodes whose log this node holds.
    pub of: usize,
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeHealth {
    /// Its name and start.
    pub origin: Origin,
    /// Whether it is there.
    pub state: PeerState,
    /// How far this node's copy of its log can be trusted.
    pub freshness: Freshness,
    /// For how long it has been in this state.
    pub since: Duration,
    /// How long ago its last digest came; `None` for this node itself, and before the first.
    pub digest_age: Option<Duration>,
    /// Why it is in this state, in words, where there is something to explain.
    pub cause: Option<&'static str>,
    /// Its entries by kind, in the order of [`Kind::ALL`].
    pub counts: [u64; 3],
    /// Changes that this node has not yet heard of, as far as it knows.
    pub versions_behind: u64,
    /// Its entries that this node cannot read.
    pub unreadable: u64,
    /// Entries of its earlier starts that wait for it to register them again.
    pub retired: u64,
    /// Where its clients connect; `None` where it did not say.
    pub url: Option<ClientUrl>,
    /// How loaded it is; `None` where it did not say.
    pub load: Option<NodeLoad>,
    /// The circuit breaker in front of calls to it.
    pub breaker: BreakerState,
    /// Calls in a row that it did not answer.
    pub failures: u32,
    /// Everything else about the breaker; `None` for this node itself, and before the first call.
    pub breaker_health: Option<BreakerHealth>,
    /// Calls to it that are under way, of at most 20.
    pub calls: usize,
}

impl NodeHealth {
    /// Its sensors.
    #[must_use]
    pub fn sensors(&self) -> u64 {
        self.counts[Kind::Sensor.index()]
    }
}

/// One address to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// As it was given, or as its name was resolved.
    pub address: String,
    /// Whether a node that listens there is in the cluster. Until it is, the engine tries again after 250 ms to 4 s.
    pub connected: bool,
    /// For how long that has been so.
    pub since: Duration,
}
