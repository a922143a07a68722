//! One circuit breaker per peer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sensocto_model::NodeName;
use sensocto_registry::breaker::{Breaker, BreakerState};

/// The breakers in front of calls to other nodes.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<BTreeMap<NodeName, Breaker>>);

impl Breakers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn allow(&self, node: &NodeName, mono: Duration) -> bool {
        self.lock().entry(node.clone()).or_default().allow(mono)
    }

    pub(crate) fn succeeded(&self, node: &NodeName) {
        self.lock().entry(node.clone()).or_default().succeeded();
    }

    pub(crate) fn failed(&self, node: &NodeName, mono: Duration) {
        self.lock().entry(node.clone()).or_default().failed(mono);
    }

    pub(crate) fn open(&self, node: &NodeName, mono: Duration) {
        self.lock().entry(node.clone()).or_default().open(mono);
    }

    /// Forgets the nodes that are not in the world any more.
    pub(crate) fn retain(&self, known: impl Fn(&NodeName) -> bool) {
        self.lock().retain(|node, _| known(node));
    }

    /// State and failures in a row of one node's breaker.
    pub(crate) fn state(&self, node: &NodeName, mono: Duration) -> (BreakerState, u32) {
        self.lock().get(node).map_or((BreakerState::Closed, 0), |breaker| (breaker.state(mono), breaker.failures()))
    }

    /// The nodes whose breaker lets a probe through now; each is counted as probed.
    pub(crate) fn due_probes(&self, mono: Duration) -> Vec<NodeName> {
        let mut due = Vec::new();
        for (node, breaker) in self.lock().iter_mut() {
            if breaker.state(mono) != BreakerState::Closed && breaker.allow(mono) {
                due.push(node.clone());
            }
        }
        due
    }
}
