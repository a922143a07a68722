//! What is counted of signals, taken over when it is read.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sensocto_signals::LoadLevel;

use crate::handle::Handle;

/// One gauge for each number, in the order of [`NAMES`].
#[derive(Debug, Default)]
pub(super) struct SignalMetrics {
    gauges: [Gauge; NAMES.len()],
    load_sum: Gauge<f64, AtomicU64>,
}

const NAMES: [(&str, &str); 22] = [
    ("signals_samples_in", "Samples taken in from connectors since the start"),
    ("signals_samples_refused", "Samples of attributes beyond those that a sensor may have, dropped since the start"),
    ("signals_samples_sent", "Samples sent to other nodes since the start"),
    ("signals_frames_sent", "Frames of samples sent to other nodes since the start"),
    ("signals_bytes_sent", "Bytes of samples sent to other nodes since the start"),
    ("signals_samples_received", "Samples of other nodes taken in since the start"),
    ("signals_frames_received", "Frames about signals received from other nodes since the start"),
    ("signals_frames_refused", "Frames about signals that could not be read since the start"),
    ("signals_frames_waiting", "Frames about signals that wait to be taken in"),
    (
        "signals_frames_dropped",
        "Frames about signals dropped because they were not taken in soon enough since the start",
    ),
    ("signals_gaps", "Frames of samples that did not fit on the one before since the start"),
    ("signals_repairs", "Times that another node had to be told everything again since the start"),
    ("signals_leases_ended", "Nodes whose viewers were taken for lost since the start"),
    ("signals_wants_refused", "Sensors beyond those of which one node may want something since the start"),
    ("signals_sensors_watched", "Sensors that somebody on this node looks at"),
    ("signals_sensors_wanted", "Sensors of this node that anybody looks at, on any node"),
    ("signals_feeds", "Sensors whose samples are kept here"),
    ("signals_feed_bytes", "Bytes of samples that are kept"),
    ("signals_viewers", "Channels that look at sensors"),
    ("signals_digests", "Messages in which a slow viewer got digests since the start"),
    ("signals_resyncs", "Times that a very slow viewer got everything anew since the start"),
    ("load_level", "Load of this node: 0 normal, 1 elevated, 2 high, 3 critical; 10 more while memory is short"),
];

impl SignalMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for ((name, help), gauge) in NAMES.iter().zip(&self.gauges) {
            registry.register(*name, *help, gauge.clone());
        }
        registry.register("load", "Weighted sum of processor time, queues and memory used", self.load_sum.clone());
    }

    pub(super) fn refresh(&self, handle: &Handle) {
        let signals = &handle.0.signals;
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &signals.counters;
        let (watched, wanted, exchange) = signals.exchange_state();
        let load = signals.load();
        let level = LoadLevel::ALL.iter().position(|level| *level == load.level).unwrap_or_default();
        let values: [u64; NAMES.len()] = [
            counted(&counters.samples_in),
            counted(&counters.samples_refused),
            counted(&counters.samples_out),
            counted(&counters.frames_out),
            counted(&counters.bytes_out),
            counted(&counters.samples_received),
            counted(&counters.frames_in),
            counted(&counters.frames_refused),
            counted(&counters.frames_waiting),
            handle.0.engine.signals_dropped(),
            exchange.gaps,
            exchange.repairs,
            exchange.leases_ended,
            exchange.refused,
            watched as u64,
            wanted as u64,
            signals.feeds.len() as u64,
            signals.feeds.bytes() as u64,
            counted(&counters.viewers),
            counted(&counters.digests),
            counted(&counters.resyncs),
            level as u64 + if load.memory_protection { 10 } else { 0 },
        ];
        for (gauge, value) in self.gauges.iter().zip(values) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.load_sum.set(signals.load_sum());
    }
}
