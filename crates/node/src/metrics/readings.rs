//! Metrics of what counts by itself: they are read when somebody asks for them.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One metric, and how it is read from a source `S`.
pub(super) struct Reading<S> {
    name: &'static str,
    help: &'static str,
    read: fn(&S) -> u64,
    counts: bool,
}

/// What only grows, from 0 at the start of the process.
pub(super) const fn count<S>(name: &'static str, help: &'static str, read: fn(&S) -> u64) -> Reading<S> {
    Reading { name, help, read, counts: true }
}

/// How something is at the moment.
pub(super) const fn state<S>(name: &'static str, help: &'static str, read: fn(&S) -> u64) -> Reading<S> {
    Reading { name, help, read, counts: false }
}

#[derive(Debug)]
enum Kept {
    Count(Counter),
    State(Gauge),
}

/// What a table of readings showed when it was last read.
pub(super) struct Readings<S: 'static> {
    table: &'static [Reading<S>],
    kept: Vec<Kept>,
}

impl<S> fmt::Debug for Readings<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Readings").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl<S> Readings<S> {
    pub(super) fn of(table: &'static [Reading<S>]) -> Readings<S> {
        let kept = |reading: &Reading<S>| match reading.counts {
            true => Kept::Count(Counter::default()),
            false => Kept::State(Gauge::default()),
        };
        Readings { table, kept: table.iter().map(kept).collect() }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        for (reading, kept) in self.table.iter().zip(&self.kept) {
            match kept {
                Kept::Count(counter) => registry.register(reading.name, reading.help, counter.clone()),
                Kept::State(gauge) => registry.register(reading.name, reading.help, gauge.clone()),
            }
        }
    }

    pub(super) fn refresh(&self, source: &S) {
        for (reading, kept) in self.table.iter().zip(&self.kept) {
            let value = (reading.read)(source);
            match kept {
                Kept::Count(counter) => counter.inner().store(value, Ordering::Relaxed),
                Kept::State(gauge) => {
                    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
                }
            }
        }
    }
}
