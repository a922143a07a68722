//! What the node counts, in the text format of Prometheus.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sensocto_model::Kind;
use sensocto_registry::Sizes;

use crate::handle::Handle;
use crate::rooms::RoomsWorld;

mod core;
mod readings;
mod rooms;
mod signals;

use core::Moment;
use readings::Readings;
use signals::SignalMetrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabel {
    node: String,
}

/// The node's metrics. Labels are closed sets: kinds, reasons and the names of nodes; never an id that a client chose.
#[derive(Debug)]
pub struct Metrics {
    registry: std::sync::Mutex<Registry>,
    frames_out: Counter,
    bytes_out: Counter,
    frames_in: Counter,
    bytes_in: Counter,
    turned_away: Counter,
    entries: Family<KindLabel, Gauge>,
    refused: Family<ReasonLabel, Counter>,
    behind: Family<NodeLabel, Gauge>,
    fresh: Family<NodeLabel, Gauge>,
    copy_bytes: Family<NodeLabel, Gauge>,
    propagation_p50: Family<NodeLabel, Gauge>,
    propagation_p99: Family<NodeLabel, Gauge>,
    core: Readings<Moment>,
    signals: SignalMetrics,
    rooms: Readings<RoomsWorld>,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("sensocto");
        let metrics = Metrics {
            frames_out: Counter::default(),
            bytes_out: Counter::default(),
            frames_in: Counter::default(),
            bytes_in: Counter::default(),
            turned_away: Counter::default(),
            entries: Family::default(),
            refused: Family::default(),
            behind: Family::default(),
            fresh: Family::default(),
            copy_bytes: Family::default(),
            propagation_p50: Family::default(),
            propagation_p99: Family::default(),
            core: Readings::of(core::READINGS),
            signals: SignalMetrics::default(),
            rooms: Readings::of(rooms::READINGS),
            registry: std::sync::Mutex::new(Registry::default()),
        };
        registry.register("frames_published", "Frames published to other nodes", metrics.frames_out.clone());
        registry.register("bytes_published", "Bytes published to other nodes", metrics.bytes_out.clone());
        registry.register("frames_received", "Frames received from other nodes", metrics.frames_in.clone());
        registry.register("bytes_received", "Bytes received from other nodes", metrics.bytes_in.clone());
        registry.register(
            "questions_turned_away",
            "Questions of other nodes not answered for lack of room",
            metrics.turned_away.clone(),
        );
        registry.register("entries", "Entries in this node's world", metrics.entries.clone());
        registry.register("refused", "Frames and parts of frames refused, by reason", metrics.refused.clone());
        registry.register("versions_behind", "Changes of a node not yet heard of", metrics.behind.clone());
        registry.register("node_fresh", "1 where the copy of a node's log is proved, else 0", metrics.fresh.clone());
        registry.register(
            "copy_bytes",
            "About how many bytes the copy of a node's log takes, with its places in the view",
            metrics.copy_bytes.clone(),
        );
        registry.register(
            "propagation_p50_us",
            "Microseconds that half of a node's changes took at most until they could be read here",
            metrics.propagation_p50.clone(),
        );
        registry.register(
            "propagation_p99_us",
            "Microseconds that 99 of 100 of a node's changes took at most until they could be read here",
            metrics.propagation_p99.clone(),
        );
        metrics.core.register(&mut registry);
        metrics.signals.register(&mut registry);
        metrics.rooms.register(&mut registry);
        Metrics { registry: std::sync::Mutex::new(registry), ..metrics }
    }

    pub(crate) fn published(&self, bytes: usize) {
        self.frames_out.inc();
        self.bytes_out.inc_by(bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.frames_in.inc();
        self.bytes_in.inc_by(bytes as u64);
    }

    pub(crate) fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// Lets another layer add metrics of its own.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// Everything as text.
    ///
    /// # Errors
    /// The text could not be written.
    pub fn encode(&self, handle: &Handle) -> Result<String, fmt::Error> {
        self.refresh(handle);
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn refresh(&self, handle: &Handle) {
        self.rooms.refresh(&handle.rooms());
        let world = handle.world();
        for kind in Kind::ALL {
            self.entries.get_or_create(&KindLabel { kind: kind.as_str() }).set(world.view.count(kind) as i64);
        }
        for (reason, count) in &world.counters.refused {
            self.refused.get_or_create(&ReasonLabel { reason }).inner().store(*count, Ordering::Relaxed);
        }
        self.behind.clear();
        self.fresh.clear();
        self.copy_bytes.clear();
        for (name, node) in world.view.nodes() {
            let entries = usize::try_from(node.counts.iter().sum::<u64>() + node.retired).unwrap_or(usize::MAX);
            let label = NodeLabel { node: name.to_string() };
            self.copy_bytes.get_or_create(&label).set(Sizes::estimated_copy_bytes(entries) as i64);
        }
        for node in handle.cluster_health().nodes {
            let label = NodeLabel { node: node.origin.node.to_string() };
            self.behind.get_or_create(&label).set(node.versions_behind as i64);
            let fresh = node.freshness == sensocto_registry::Freshness::Fresh;
            self.fresh.get_or_create(&label).set(i64::from(fresh));
        }
        self.propagation_p50.clear();
        self.propagation_p99.clear();
        for (node, times) in handle.0.propagations.row(handle.clock().mono()) {
            let label = NodeLabel { node: node.to_string() };
            self.propagation_p50.get_or_create(&label).set(times.p50.as_micros() as i64);
            self.propagation_p99.get_or_create(&label).set(times.p99.as_micros() as i64);
        }
        self.core.refresh(&Moment { world, handle: handle.clone() });
        self.signals.refresh(handle);
    }
}
