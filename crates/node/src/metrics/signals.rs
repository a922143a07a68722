//! What is counted of signals.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sensocto_signals::{Counters, Load, LoadLevel};

use crate::handle::Handle;
use crate::signals::Signals;

use super::readings::{Reading, Readings, count, state};

/// One moment of the signals of a node.
pub(super) struct Moment {
    handle: Handle,
    watched: usize,
    wanted: usize,
    exchange: Counters,
    load: Load,
}

impl Moment {
    fn signals(&self) -> &Signals {
        &self.handle.0.signals
    }
}

fn counted(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

const READINGS: &[Reading<Moment>] = &[
    count("signals_samples_in", "Samples taken in from connectors", |now| counted(&now.signals().counters.samples_in)),
    count("signals_samples_refused", "Samples of attributes beyond those that a sensor may have, dropped", |now| {
        counted(&now.signals().counters.samples_refused)
    }),
    count("signals_samples_sent", "Samples sent to other nodes", |now| counted(&now.signals().counters.samples_out)),
    count("signals_frames_sent", "Frames of samples sent to other nodes", |now| {
        counted(&now.signals().counters.frames_out)
    }),
    count("signals_bytes_sent", "Bytes of samples sent to other nodes", |now| {
        counted(&now.signals().counters.bytes_out)
    }),
    count("signals_samples_received", "Samples of other nodes taken in", |now| {
        counted(&now.signals().counters.samples_received)
    }),
    count("signals_frames_received", "Frames about signals received from other nodes", |now| {
        counted(&now.signals().counters.frames_in)
    }),
    count("signals_frames_refused", "Frames about signals that could not be read", |now| {
        counted(&now.signals().counters.frames_refused)
    }),
    state("signals_frames_waiting", "Frames about signals that wait to be taken in", |now| {
        counted(&now.signals().counters.frames_waiting)
    }),
    count("signals_frames_dropped", "Frames about signals dropped because they were not taken in soon enough", |now| {
        now.handle.0.engine.signals_dropped()
    }),
    count("signals_gaps", "Frames of samples that did not fit on the one before", |now| now.exchange.gaps),
    count("signals_repairs", "Times that another node had to be told everything again", |now| now.exchange.repairs),
    count("signals_leases_ended", "Nodes whose viewers were taken for lost", |now| now.exchange.leases_ended),
    count("signals_wants_refused", "Sensors beyond those of which one node may want something", |now| {
        now.exchange.refused
    }),
    count(
        "signals_viewers_forgotten",
        "Sensors whose lost viewers were not waited for because so many others' were",
        |now| now.exchange.forgotten,
    ),
    count(
        "signals_messages_put_off",
        "Times that what was due to a viewer or a node did not fit and the rest followed later",
        |now| counted(&now.signals().counters.put_off),
    ),
    state("signals_sensors_watched", "Sensors that somebody on this node looks at", |now| now.watched as u64),
    state("signals_sensors_wanted", "Sensors of this node that anybody looks at, on any node", |now| now.wanted as u64),
    state("signals_feeds", "Sensors whose samples are kept here", |now| now.signals().feeds.len() as u64),
    state("signals_feed_bytes", "Bytes of samples that are kept", |now| now.signals().feeds.bytes() as u64),
    state("signals_viewers", "Channels that look at sensors", |now| counted(&now.signals().counters.viewers)),
    count("signals_digests", "Messages in which a slow viewer got digests", |now| {
        counted(&now.signals().counters.digests)
    }),
    count("signals_resyncs", "Times that a very slow viewer got everything anew", |now| {
        counted(&now.signals().counters.resyncs)
    }),
    state(
        "load_level",
        "Load of this node: 0 normal, 1 elevated, 2 high, 3 critical; 10 more while memory is short",
        |now| load_level(now.load),
    ),
];

fn load_level(load: Load) -> u64 {
    let level = LoadLevel::ALL.iter().position(|level| *level == load.level).unwrap_or_default();
    level as u64 + if load.memory_protection { 10 } else { 0 }
}

#[derive(Debug)]
pub(super) struct SignalMetrics {
    readings: Readings<Moment>,
    load_sum: Gauge<f64, AtomicU64>,
}

impl Default for SignalMetrics {
    fn default() -> SignalMetrics {
        SignalMetrics { readings: Readings::of(READINGS), load_sum: Gauge::default() }
    }
}

impl SignalMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        self.readings.register(registry);
        registry.register("load", "Weighted sum of processor time, queues and memory used", self.load_sum.clone());
    }

    pub(super) fn refresh(&self, handle: &Handle) {
        let signals = &handle.0.signals;
        let (watched, wanted, exchange) = signals.exchange_state();
        self.readings.refresh(&Moment { handle: handle.clone(), watched, wanted, exchange, load: signals.load() });
        self.load_sum.set(signals.load_sum());
    }
}
