//! Entries that moved away and whose new registration is awaited: they stay in the view until it is seen, or for the linger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{Key, Origin};

use super::Registry;
use crate::message::Reached;
use crate::planted::{self, Fault};
use crate::reached::{self, Point};
use crate::view::Cause;

/// An entry that its origin gave up to another one whose registration has not been seen here yet.
#[derive(Debug, Clone)]
pub(super) struct Departing {
    pub(super) deadline: Duration,
    pub(super) key: Key,
    pub(super) origin: Arc<Origin>,
    pub(super) until: Reached,
}

impl Registry {
    /// Whether the registration that an entry moved to, at another node or at this one, has been seen.
    pub(super) fn has_reached(&self, mark: &Reached, key: &Key) -> bool {
        if mark.origin.node == self.me.node {
            // Whatever this node's generation was then, its log goes on.
            return mark.origin.generation <= self.me.generation && self.log.version() >= mark.version;
        }
        let Some(peer) = self.peers.get(&mark.origin.node) else { return false };
        // A process that took a later generation goes on with the log that it had.
        let same_log = peer.born == Some(mark.origin.generation);
        if *peer.origin != mark.origin && !same_log {
            return peer.origin.generation > mark.origin.generation;
        }
        // Between two states of its log, a copy has passed versions of entries that changed again since and are still to come.
        let held = peer.replica.entries().get(key).is_some_and(|entry| entry.version >= mark.version);
        if !held && peer.replica.settled() < mark.version && peer.replica.version() >= mark.version {
            reached::at(Point::MovePassedUnsettled);
        }
        held || peer.replica.settled() >= mark.version
    }

    pub(super) fn let_depart(&mut self, key: Key, origin: &Arc<Origin>, until: Reached) {
        // What was to move here has moved on before it was seen here: it is awaited there.
        for earlier in self.departing.iter_mut().filter(|earlier| earlier.key == key) {
            if earlier.until.origin == **origin {
                reached::at(Point::MovedOnBeforeSeen);
                earlier.until = until.clone();
            }
        }
        reached::at(Point::DepartureBegan);
        let deadline = self.last_tick + self.config.linger;
        self.departing.push_back(Departing { deadline, key, origin: Arc::clone(origin), until });
        if self.departing.len() > self.config.departing_max {
            self.counters.refuse("departing_full");
            self.end_first_departure();
        }
    }

    /// Ends the departures among `which` whose successors have been seen.
    pub(super) fn end_departures(&mut self, which: impl Fn(&Departing) -> bool) {
        if self.departing.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.departing);
        let (over, rest) = all
            .into_iter()
            .partition(|departing| which(departing) && self.has_reached(&departing.until, &departing.key));
        self.departing = rest;
        let over: VecDeque<Departing> = over;
        for departing in over {
            reached::at(Point::DepartureSucceeded);
            self.depart(departing);
        }
    }

    pub(super) fn end_first_departure(&mut self) {
        if let Some(departing) = self.departing.pop_front() {
            self.depart(departing);
        }
    }

    fn depart(&mut self, departing: Departing) {
        if planted::is(Fault::LingerForever) {
            return;
        }
        // Its origin may have registered it anew meanwhile.
        let held = self.peers.get(&departing.origin.node).is_some_and(|peer| {
            let here = *peer.origin == *departing.origin && peer.replica.entries().get(&departing.key).is_some();
            let retired = peer.retired.iter().filter(|retired| retired.origin == departing.origin);
            here || retired.into_iter().any(|retired| retired.entries.get(&departing.key).is_some())
        });
        if held {
            reached::at(Point::DepartureRevoked);
        } else {
            self.show(&departing.origin, departing.key, None, Cause::Unregistered);
        }
    }
}
