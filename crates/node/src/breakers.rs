//! One circuit breaker per peer, and what its last calls showed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sensocto_model::NodeName;
use sensocto_registry::breaker::{Breaker, BreakerState};

/// Why a breaker is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerCause {
    /// Calls in a row were not answered in time.
    Calls,
    /// The connection to the node ended.
    LinkLost,
    /// The node came up, and has not answered its first call.
    NotProbed,
}

impl BreakerCause {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerCause::Calls => "calls_not_answered",
            BreakerCause::LinkLost => "link_lost",
            BreakerCause::NotProbed => "not_probed",
        }
    }
}

/// One breaker as it is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerHealth {
    /// Whether calls are let through.
    pub state: BreakerState,
    /// Calls in a row that were not answered.
    pub failures: u32,
    /// Why it is not closed.
    pub cause: Option<BreakerCause>,
    /// For how long it has been open or closed.
    pub since: Duration,
    /// How long until the next call is let through; `None` where every call is.
    pub next_probe: Option<Duration>,
    /// How long the last answered call took.
    pub round_trip: Option<Duration>,
    /// How long ago that was.
    pub measured: Option<Duration>,
}

#[derive(Debug, Default)]
struct Watched {
    breaker: Breaker,
    cause: Option<BreakerCause>,
    since: Duration,
    round_trip: Option<(Duration, Duration)>,
}

impl Watched {
    fn note(&mut self, node: &NodeName, was: BreakerState, cause: Option<BreakerCause>, mono: Duration) {
        let (was, is) = (was == BreakerState::Closed, self.breaker.state(mono) == BreakerState::Closed);
        if was != is {
            let why = cause.map(BreakerCause::as_str);
            tracing::info!(%node, closed = is, why, "the breaker in front of calls to a node changed");
            self.since = mono;
            self.cause = cause;
        }
    }
}

/// The breakers in front of calls to other nodes.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<BTreeMap<NodeName, Watched>>);

impl Breakers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, node: &NodeName, cause: Option<BreakerCause>, mono: Duration, change: impl FnOnce(&mut Watched)) {
        let mut breakers = self.lock();
        let watched = breakers.entry(node.clone()).or_insert_with(|| Watched { since: mono, ..Watched::default() });
        let was = watched.breaker.state(mono);
        change(watched);
        watched.note(node, was, cause, mono);
    }

    pub(crate) fn allow(&self, node: &NodeName, mono: Duration) -> bool {
        let mut breakers = self.lock();
        let watched = breakers.entry(node.clone()).or_insert_with(|| Watched { since: mono, ..Watched::default() });
        watched.breaker.allow(mono)
    }

    pub(crate) fn succeeded(&self, node: &NodeName, mono: Duration, took: Duration) {
        self.change(node, None, mono, |watched| {
            watched.breaker.succeeded();
            watched.round_trip = Some((took, mono));
        });
    }

    pub(crate) fn failed(&self, node: &NodeName, mono: Duration) {
        self.change(node, Some(BreakerCause::Calls), mono, |watched| watched.breaker.failed(mono));
    }

    pub(crate) fn open(&self, node: &NodeName, mono: Duration) {
        self.change(node, Some(BreakerCause::LinkLost), mono, |watched| watched.breaker.open(mono));
    }

    /// A node came up: it is not called for readers before it has answered once.
    pub(crate) fn meet(&self, node: &NodeName, mono: Duration) {
        if !self.lock().contains_key(node) {
            self.change(node, Some(BreakerCause::NotProbed), mono, |watched| watched.breaker.open(mono));
        }
    }

    /// Forgets the nodes that are not in the world any more.
    pub(crate) fn retain(&self, known: impl Fn(&NodeName) -> bool) {
        self.lock().retain(|node, _| known(node));
    }

    /// State and failures in a row of one node's breaker.
    pub(crate) fn state(&self, node: &NodeName, mono: Duration) -> (BreakerState, u32) {
        let breakers = self.lock();
        let watched = breakers.get(node);
        watched.map_or((BreakerState::Closed, 0), |watched| (watched.breaker.state(mono), watched.breaker.failures()))
    }

    /// Everything about one node's breaker; `None` before the first call.
    pub(crate) fn health(&self, node: &NodeName, mono: Duration) -> Option<BreakerHealth> {
        let breakers = self.lock();
        let watched = breakers.get(node)?;
        Some(BreakerHealth {
            state: watched.breaker.state(mono),
            failures: watched.breaker.failures(),
            cause: watched.cause,
            since: mono.saturating_sub(watched.since),
            next_probe: watched.breaker.next_probe(mono).map(|at| at.saturating_sub(mono)),
            round_trip: watched.round_trip.map(|(took, _)| took),
            measured: watched.round_trip.map(|(_, at)| mono.saturating_sub(at)),
        })
    }

    /// The nodes whose breaker lets a probe through now; each is counted as probed.
    pub(crate) fn due_probes(&self, mono: Duration) -> Vec<NodeName> {
        let mut due = Vec::new();
        for (node, watched) in self.lock().iter_mut() {
            if watched.breaker.state(mono) != BreakerState::Closed && watched.breaker.allow(mono) {
                due.push(node.clone());
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_comes_up_is_trusted_once_it_has_answered() {
        let (breakers, node) = (Breakers::default(), NodeName::new("b").expect("a name"));
        breakers.meet(&node, Duration::from_secs(1));
        let health = breakers.health(&node, Duration::from_secs(2)).expect("known");
        assert_eq!((health.state, health.cause), (BreakerState::Open, Some(BreakerCause::NotProbed)));
        assert!(!breakers.allow(&node, Duration::from_secs(2)), "no reader calls it");
        breakers.succeeded(&node, Duration::from_secs(2), Duration::from_millis(1));
        assert!(breakers.allow(&node, Duration::from_secs(2)));
        breakers.meet(&node, Duration::from_secs(3));
        assert_eq!(breakers.state(&node, Duration::from_secs(3)).0, BreakerState::Closed, "it is known");
    }

    #[test]
    fn a_breaker_says_why_it_is_open_and_when_it_is_tried_next() {
        let (breakers, node) = (Breakers::default(), NodeName::new("b").expect("a name"));
        let at = Duration::from_secs;
        assert_eq!(breakers.health(&node, at(1)), None);
        breakers.succeeded(&node, at(1), Duration::from_millis(3));
        for second in [10, 11, 12] {
            breakers.failed(&node, at(second));
        }
        let health = breakers.health(&node, at(14)).expect("known");
        assert_eq!((health.state, health.failures, health.cause), (BreakerState::Open, 3, Some(BreakerCause::Calls)));
        assert_eq!((health.since, health.next_probe), (at(2), Some(at(8))));
        assert_eq!((health.round_trip, health.measured), (Some(Duration::from_millis(3)), Some(at(13))));
        breakers.open(&node, at(15));
        assert_eq!(
            breakers.health(&node, at(15)).expect("known").cause,
            Some(BreakerCause::Calls),
            "the first cause stays"
        );
        breakers.succeeded(&node, at(20), Duration::from_millis(5));
        let health = breakers.health(&node, at(21)).expect("known");
        assert_eq!((health.state, health.cause, health.since), (BreakerState::Closed, None, at(1)));
    }
}
