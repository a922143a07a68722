//! Places that the runs of a test have to reach: one that none reaches means that something is not tried.

use std::collections::BTreeMap;
use std::time::Duration;

use sensocto_registry::{PeerState, Sizes, StateCause, View};

use crate::plan::Plan;

/// How often each named place was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Points(BTreeMap<&'static str, u64>);

impl Points {
    /// Notes that a place was reached.
    pub(crate) fn reach(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// Notes that a place was reached several times.
    pub(crate) fn add(&mut self, name: &'static str, times: u64) {
        if times > 0 {
            *self.0.entry(name).or_insert(0) += times;
        }
    }

    /// Notes what kind of run it is.
    pub(crate) fn look_at_plan(&mut self, plan: &Plan) {
        let setup = &plan.setup;
        let kinds = [
            ("run_one_node", setup.nodes == 1),
            ("run_nine_nodes", setup.nodes == 9),
            ("run_fifty_nodes", setup.nodes == 50),
            ("run_streams", setup.streams),
            ("run_datagrams", !setup.streams),
            ("run_calm", plan.is_calm()),
            ("run_gentle", plan.is_gentle()),
            ("run_without_tombstones", setup.config.tombstones_max == 0),
            ("run_without_grace", setup.config.grace.is_zero()),
            ("run_half_an_hour", setup.quiet_at_ms >= 1_800_000),
        ];
        for (name, _) in kinds.into_iter().filter(|(_, is)| *is) {
            self.reach(name);
        }
    }

    /// Notes in what states a node sees the others, and what waits in it.
    pub(crate) fn look_at(&mut self, view: &View, sizes: &Sizes, window: Duration) {
        for node in view.nodes().values() {
            self.reach(match (node.state, node.cause) {
                (PeerState::Suspect, _) => "node_suspect",
                (PeerState::Unreachable, StateCause::LinkLost) => "node_unreachable_link",
                (PeerState::Unreachable, StateCause::Held) => "node_held",
                (PeerState::Unreachable, _) => "node_unreachable_silent",
                (PeerState::Local | PeerState::Alive | PeerState::Removed, _) => "node_alive",
            });
            self.add("copy_behind", u64::from(node.claimed > node.version));
            self.add("unreadable_entry", node.unreadable);
        }
        let waits = [
            ("entries_retired", sizes.retired_entries > 0),
            ("entries_departing", sizes.departing > 0),
            ("entries_staged", sizes.staged_entries > 0),
            ("deltas_held_back", sizes.held_back_bytes_most > 0),
            ("tombstones_kept", sizes.tombstones > 0),
            ("entries_thousand", sizes.own_entries + sizes.copied_entries >= 1_000),
            ("entries_ten_thousand", sizes.own_entries + sizes.copied_entries >= 10_000),
            ("changes_gathered", !window.is_zero()),
        ];
        for (name, _) in waits.into_iter().filter(|(_, is)| *is) {
            self.reach(name);
        }
    }

    /// Adds what another run reached.
    pub fn merge(&mut self, other: &Points) {
        for (name, times) in &other.0 {
            self.add(name, *times);
        }
    }

    /// How often a place was reached.
    #[must_use]
    pub fn times(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The places that were reached, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, times)| (*name, *times))
    }

    /// The places of [`expected`] that were not reached.
    #[must_use]
    pub fn missed(&self) -> Vec<&'static str> {
        expected().filter(|name| self.times(name) == 0).collect()
    }
}

/// What a run of 2,000 seeds has to reach: places of the simulator and, with the feature `points`, those of the registry.
pub fn expected() -> impl Iterator<Item = &'static str> {
    #[cfg(feature = "points")]
    let core = sensocto_registry::reached::Point::ALL.iter().map(|point| point.name());
    #[cfg(not(feature = "points"))]
    let core = std::iter::empty();
    EXPECTED.iter().copied().chain(core)
}

/// The places of the simulator.
const EXPECTED: &[&str] = &[
    "answer_cut",
    "answer_unasked",
    "ask_published",
    "asks",
    "asks_failed",
    "burst",
    "changes_gathered",
    "chunk_out_of_order",
    "chunk_published",
    "chunk_unasked",
    "chunks_older",
    "claim_unfounded",
    "clock_fault",
    "connection_reset",
    "copy_behind",
    "crash_noticed",
    "crash_silent",
    "cut_one_way",
    "damaged_frame",
    "damaged_question",
    "delta_backwards",
    "deltas_applied",
    "deltas_duplicate",
    "deltas_gap",
    "deltas_held_back",
    "departing_full",
    "digest_overtaken",
    "divergences",
    "entries_departing",
    "entries_retired",
    "entries_staged",
    "entries_ten_thousand",
    "entries_thousand",
    "event_node_gone",
    "event_node_restarted",
    "event_other_owner",
    "event_registered",
    "event_unregistered",
    "event_updated",
    "forged",
    "frame_checksum",
    "frame_format",
    "frame_size",
    "generation_retired",
    "held_back_full",
    "hollow_delta",
    "hostile_asked",
    "inbox_overflow",
    "logs_mended",
    "logs_replaced",
    "loss_confirmed",
    "no_answer",
    "node_alive",
    "node_held",
    "node_suspect",
    "node_unreachable_link",
    "node_unreachable_silent",
    "nodes_held",
    "not_an_answer",
    "notice_lost",
    "partition_noticed",
    "partition_silent",
    "partition_three",
    "pause",
    "pause_long",
    "reconnect_elsewhere",
    "reconnect_same",
    "renewed",
    "restart",
    "run_calm",
    "run_datagrams",
    "run_fifty_nodes",
    "run_gentle",
    "run_half_an_hour",
    "run_nine_nodes",
    "run_one_node",
    "run_streams",
    "run_without_grace",
    "run_without_tombstones",
    "slow",
    "stamp_implausible",
    "superseded",
    "twin_refused",
    "twin_started",
    "twin_went",
    "tombstones_kept",
    "unreadable_entry",
    "unregister_held",
    "unregister_superseded",
    "update_held",
    "update_superseded",
    "version_implausible",
    "version_outside_delta",
];
