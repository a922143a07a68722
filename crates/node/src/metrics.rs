//! What the node counts, in the text format of Prometheus.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sensocto_model::Kind;
use sensocto_registry::Sizes;

use crate::handle::Handle;

mod rooms;
mod signals;
use rooms::RoomMetrics;
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
    refused: Family<ReasonLabel, Gauge>,
    behind: Family<NodeLabel, Gauge>,
    fresh: Family<NodeLabel, Gauge>,
    copy_bytes: Family<NodeLabel, Gauge>,
    propagation_p50: Family<NodeLabel, Gauge>,
    propagation_p99: Family<NodeLabel, Gauge>,
    core: Core,
    signals: SignalMetrics,
    rooms: RoomMetrics,
}

/// What the registry counts by itself, taken over when it is read.
#[derive(Debug, Default)]
struct Core {
    deltas_applied: Gauge,
    deltas_duplicate: Gauge,
    deltas_gap: Gauge,
    asks: Gauge,
    asks_failed: Gauge,
    logs_replaced: Gauge,
    logs_mended: Gauge,
    divergences: Gauge,
    tombstones: Gauge,
    held_back_bytes: Gauge,
    staged_entries: Gauge,
    retired_entries: Gauge,
    departing_entries: Gauge,
    peers: Gauge,
    registry_bytes: Gauge,
    inbound_dropped: Gauge,
    states_cached: Gauge,
    states_stale: Gauge,
    worlds_pinned: Gauge,
    changes_remembered: Gauge,
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
            core: Core::default(),
            signals: SignalMetrics::default(),
            rooms: RoomMetrics::default(),
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
        registry.register("refused", "Frames and parts of frames refused since the start", metrics.refused.clone());
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
            self.refused.get_or_create(&ReasonLabel { reason }).set(*count as i64);
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
        let counters = &world.counters;
        let core = &self.core;
        core.deltas_applied.set(counters.deltas_applied as i64);
        core.deltas_duplicate.set(counters.deltas_duplicate as i64);
        core.deltas_gap.set(counters.deltas_gap as i64);
        core.asks.set(counters.asks as i64);
        core.asks_failed.set(counters.asks_failed as i64);
        core.logs_replaced.set(counters.logs_replaced as i64);
        core.divergences.set(counters.divergences as i64);
        core.logs_mended.set(counters.logs_mended as i64);
        let sizes = &world.sizes;
        core.tombstones.set(sizes.tombstones as i64);
        core.held_back_bytes.set(sizes.held_back_bytes as i64);
        core.staged_entries.set(sizes.staged_entries as i64);
        core.retired_entries.set(sizes.retired_entries as i64);
        core.departing_entries.set(sizes.departing as i64);
        core.peers.set(sizes.peers as i64);
        core.registry_bytes.set(sizes.estimated_bytes() as i64);
        core.inbound_dropped.set(handle.0.engine.inbound_dropped() as i64);
        core.states_cached.set(handle.0.remote.len() as i64);
        core.states_stale.set(handle.0.remote.stale_len() as i64);
        core.worlds_pinned.set(handle.0.pins.len() as i64);
        self.signals.refresh(handle);
        core.changes_remembered.set(handle.0.recent.len() as i64);
    }
}

impl Core {
    fn register(&self, registry: &mut Registry) {
        registry.register("deltas_applied", "Deltas applied since the start", self.deltas_applied.clone());
        registry.register(
            "deltas_duplicate",
            "Deltas that told nothing new since the start",
            self.deltas_duplicate.clone(),
        );
        registry.register("deltas_gap", "Deltas that did not fit on since the start", self.deltas_gap.clone());
        registry.register("asks", "Questions asked to repair a copy since the start", self.asks.clone());
        registry.register("asks_failed", "Questions not answered in time since the start", self.asks_failed.clone());
        registry.register(
            "logs_replaced",
            "Copies replaced by a whole log since the start",
            self.logs_replaced.clone(),
        );
        registry.register(
            "divergences",
            "Copies found to differ at the same version since the start",
            self.divergences.clone(),
        );
        let gauges = [
            ("logs_mended", "Copies mended by what differed from the log since the start", &self.logs_mended),
            ("tombstones", "Removals remembered", &self.tombstones),
            ("held_back_bytes", "Bytes of deltas that wait for what they build on", &self.held_back_bytes),
            ("staged_entries", "Entries of whole logs, or of ranges of them, on their way", &self.staged_entries),
            ("retired_entries", "Entries of earlier starts of nodes", &self.retired_entries),
            (
                "departing_entries",
                "Entries that moved and are not seen at their new place yet",
                &self.departing_entries,
            ),
            ("peers", "Nodes remembered, removed ones included", &self.peers),
            (
                "registry_bytes",
                "About how many bytes the registry takes, by the formula of docs/registry.md",
                &self.registry_bytes,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "inbound_dropped",
            "Frames dropped because the driver did not keep up",
            self.inbound_dropped.clone(),
        );
        registry.register(
            "states_cached",
            "Sensors of other nodes whose last values are cached",
            self.states_cached.clone(),
        );
        registry.register(
            "states_stale",
            "Sensors whose last values are read anew when their node answers again",
            self.states_stale.clone(),
        );
        registry.register(
            "changes_remembered",
            "Changes remembered for subscribers that come from another node",
            self.changes_remembered.clone(),
        );
        registry.register("worlds_pinned", "Worlds kept for readers of several pages", self.worlds_pinned.clone());
    }
}
