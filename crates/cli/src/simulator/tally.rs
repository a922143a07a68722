//! What a simulation has done so far.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counters that every simulated part adds to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    registered: AtomicU64,
    unregistered: AtomicU64,
    users: AtomicU64,
    measurements: AtomicU64,
    errors: AtomicU64,
    reconnects: AtomicU64,
    first_error: OnceLock<String>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Joins of sensors that were answered with ok.
    pub(crate) registered: u64,
    /// Sensors that left or were lost with their socket.
    pub(crate) unregistered: u64,
    /// Users that are present.
    pub(crate) users: u64,
    pub(crate) measurements: u64,
    /// Joins that were refused, and channels that were closed.
    pub(crate) errors: u64,
    /// Sockets that were lost and opened again.
    pub(crate) reconnects: u64,
}

impl Tally {
    pub(crate) fn registered(&self) {
        self.registered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unregistered(&self) {
        self.unregistered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn user_joined(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn user_left(&self) {
        self.users.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn measured(&self, count: usize) {
        self.measurements.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts an error. The first is kept in words: those that follow mostly say the same.
    pub(crate) fn failed(&self, problem: String) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let _ = self.first_error.set(problem);
    }

    pub(crate) fn first_error(&self) -> Option<&str> {
        self.first_error.get().map(String::as_str)
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            registered: read(&self.registered),
            unregistered: read(&self.unregistered),
            users: read(&self.users),
            measurements: read(&self.measurements),
            errors: read(&self.errors),
            reconnects: read(&self.reconnects),
        }
    }
}

impl Counts {
    /// Sensors that are joined.
    pub(crate) fn sensors(&self) -> u64 {
        self.registered.saturating_sub(self.unregistered)
    }

    /// What happened since `before`: sensors that came or went, and measurements.
    pub(crate) fn events_since(&self, before: &Self) -> u64 {
        let all = |counts: &Self| counts.registered + counts.unregistered + counts.measurements;
        all(self).saturating_sub(all(before))
    }
}
