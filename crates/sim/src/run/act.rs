//! The actions of a plan.

use std::sync::Arc;

use super::{Job, Run};
use crate::checkers::{Checked, limits};
use crate::node::{ClientOp, Input};
use crate::plan::Action;

impl Run<'_> {
    pub(super) fn act(&mut self, action: &Action) -> Checked {
        self.trace.line(self.now, || format!("-- {action:?}"));
        match action {
            Action::Register { node, entry } => self.client_does(*node, *entry, 1, ClientOp::Register),
            Action::Update { node, entry } => self.client_does(*node, *entry, 1, ClientOp::Update),
            Action::Repeat { node, entry } => self.client_does(*node, *entry, 1, ClientOp::Repeat),
            Action::Unregister { node, entry } => self.client_does(*node, *entry, 1, ClientOp::Unregister),
            Action::UnregisterLate { node, entry } => self.client_does(*node, *entry, 1, ClientOp::UnregisterLate),
            Action::Burst { node, first, count } => self.client_does(*node, *first, *count, ClientOp::Register),
            Action::Churn { node, first, count } => self.client_does(*node, *first, *count, ClientOp::Update),
            Action::Clear { node, first, count } => self.client_does(*node, *first, *count, ClientOp::Unregister),
            Action::Crash { node, noticed } => self.crash(*node, *noticed),
            Action::Start { node } => self.start_again(*node),
            Action::Twin { asks } => self.start_twin(*asks)?,
            Action::Reconnect { from, to, percent } => self.reconnect(*from, *to, *percent),
            Action::Pause { node, ms } => self.pause(*node, *ms),
            Action::Slow { node, cost_ms, ms } => self.slow(*node, *cost_ms, *ms),
            Action::Cut { from, to } => self.cut(*from, *to),
            Action::Reset { one, other, ms } => self.reset(*one, *other, *ms),
            Action::Part { groups, noticed } => self.part(groups, *noticed),
            Action::Mend => self.mend_all(),
            Action::Clock { node, fault } => {
                let now = self.now;
                if let Some(node) = self.nodes.get_mut(*node) {
                    node.wall.go_wrong(*fault, now);
                    self.points.reach("clock_fault");
                }
            }
            Action::Rates(rates) => self.network.rates = *rates,
            Action::Forge { kind } => self.forge(*kind),
            Action::Hollow { from, to } => self.hollow = Some((*from, *to)),
            Action::ConfirmLoss { at, of } => self.confirm_loss(*at, *of)?,
        }
        self.read_all()
    }

    /// What an action put into inboxes is read now.
    fn read_all(&mut self) -> Checked {
        for at in 0..self.nodes.len() {
            let reads = self.nodes[at].process.as_ref().is_some_and(|process| {
                process.away_until() <= self.now
                    && process.inbox.iter().any(|input| matches!(input, Input::Client { .. }))
            });
            if reads {
                self.read(at)?;
            }
        }
        Ok(())
    }

    fn client_does(&mut self, node: usize, first: u32, count: u32, op: ClientOp) {
        if count > 1 {
            self.points.reach("burst");
        }
        if node < self.nodes.len() {
            for entry in first..first + count {
                self.put_in_inbox(node, Input::Client { entry, op });
            }
        }
    }

    fn crash(&mut self, at: usize, noticed: bool) {
        if self.end(at, noticed) {
            self.points.reach(if noticed { "crash_noticed" } else { "crash_silent" });
        }
    }

    /// A process ends, for whatever reason; `false` where none runs.
    pub(super) fn end(&mut self, at: usize, noticed: bool) -> bool {
        let Some(process) = self.nodes.get_mut(at).and_then(|node| node.process.take()) else { return false };
        self.note_end(at);
        self.reached_by(&process);
        let lost = self.model.crashed(at, self.now);
        self.nodes[at].lost = lost;
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            self.network.end_connection(at, other);
            self.network.end_connection(other, at);
            if noticed && !self.network.is_cut(at, other) {
                self.notice(other, &process.origin, false);
            }
        }
        true
    }

    fn start_again(&mut self, at: usize) {
        if self.nodes.get(at).is_some_and(|node| node.process.is_none()) {
            self.points.reach("restart");
            if self.start(at).is_err() {
                // A new process has said nothing yet that could be wrong.
                self.points.reach("start_failed");
            }
        }
    }

    /// The engine sees a process that was started, and the process sees the others.
    pub(super) fn tell_of_start(&mut self, at: usize) {
        let Some(origin) = self.nodes[at].process.as_ref().map(|process| Arc::clone(&process.origin)) else { return };
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            if self.network.is_cut(at, other) || self.network.is_cut(other, at) {
                continue;
            }
            if let Some(seen) = self.nodes[other].process.as_ref().map(|process| Arc::clone(&process.origin)) {
                self.notice(at, &seen, true);
                self.notice(other, &origin, true);
            }
        }
    }

    fn reconnect(&mut self, from: usize, to: usize, percent: u32) {
        let runs = self.nodes.get(to).is_some_and(|node| node.process.is_some());
        if !runs || from >= self.nodes.len() {
            return;
        }
        let lost = std::mem::take(&mut self.nodes[from].lost);
        for entry in lost {
            if self.rng.below(100) < u64::from(percent) {
                self.points.reach(if from == to { "reconnect_same" } else { "reconnect_elsewhere" });
                self.put_in_inbox(to, Input::Client { entry, op: ClientOp::Register });
            } else {
                self.nodes[from].lost.push(entry);
            }
        }
    }

    fn pause(&mut self, at: usize, ms: u64) {
        let now = self.now;
        let Some(process) = self.nodes.get_mut(at).and_then(|node| node.process.as_mut()) else { return };
        let until = now + ms * 1_000;
        process.paused_at.get_or_insert(now);
        self.points.reach("pause");
        process.paused_until = process.paused_until.max(until);
        self.wake_later(at);
    }

    /// An operator says at one node that another one is lost.
    fn confirm_loss(&mut self, at: usize, of: usize) -> Checked {
        let Some((lost, number)) = self.nodes.get(of).map(|node| (node.name.clone(), node.number)) else {
            return Ok(());
        };
        let (now, clock) = (self.now, self.nodes[at].now(self.now));
        let Some(process) = self.nodes[at].process.as_mut().filter(|process| process.away_until() <= now) else {
            return Ok(());
        };
        process.viewer.confirmed = Some((number, now));
        if process.registry.confirm_loss(&lost, clock) {
            self.points.reach("loss_confirmed");
        }
        self.settle(at)
    }

    fn slow(&mut self, at: usize, cost_ms: u64, ms: u64) {
        let now = self.now;
        if let Some(process) = self.nodes.get_mut(at).and_then(|node| node.process.as_mut()) {
            process.cost = cost_ms * 1_000;
            process.slow_until = now + ms * 1_000;
            self.points.reach("slow");
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from != to && from < self.nodes.len() && to < self.nodes.len() {
            self.network.cut(from, to);
            self.points.reach("cut_one_way");
        }
    }

    /// Ends both directions between two nodes; returns whether anything was there to end.
    fn cut_pair(&mut self, one: usize, other: usize, noticed: bool) -> bool {
        let was = self.network.cut(one, other) | self.network.cut(other, one);
        if was && noticed {
            self.notice_pair(one, other, false);
        }
        was
    }

    fn notice_pair(&mut self, one: usize, other: usize, up: bool) {
        for (viewer, seen) in [(one, other), (other, one)] {
            if let Some(origin) = self.nodes[seen].process.as_ref().map(|process| Arc::clone(&process.origin)) {
                self.notice(viewer, &origin, up);
            }
        }
    }

    fn reset(&mut self, one: usize, other: usize, ms: u64) {
        if one != other && one < self.nodes.len() && other < self.nodes.len() && self.cut_pair(one, other, true) {
            self.points.reach("connection_reset");
            self.queue_at(self.now + ms * 1_000, Job::Reconnect { one, other });
        }
    }

    /// Both directions between two nodes work, and the engine says so.
    pub(super) fn mend_pair(&mut self, one: usize, other: usize) {
        let was = self.network.mend(one, other) | self.network.mend(other, one);
        if was {
            self.notice_pair(one, other, true);
        }
    }

    fn part(&mut self, groups: &[u8], noticed: bool) {
        self.points.reach(if noticed { "partition_noticed" } else { "partition_silent" });
        if groups.contains(&2) {
            self.points.reach("partition_three");
        }
        for one in 0..self.nodes.len() {
            for other in one + 1..self.nodes.len() {
                if groups.get(one) != groups.get(other) {
                    self.cut_pair(one, other, noticed);
                }
            }
        }
    }

    pub(super) fn mend_all(&mut self) {
        for one in 0..self.nodes.len() {
            for other in one + 1..self.nodes.len() {
                self.mend_pair(one, other);
            }
        }
    }

    /// Takes over what a process counted, and holds its traffic against what it had to do.
    pub(super) fn reached_by(&mut self, process: &crate::node::Process) {
        let counters = process.registry.counters();
        for (reason, times) in &counters.refused {
            self.points.add(reason, *times);
        }
        for (name, times) in [
            ("deltas_applied", counters.deltas_applied),
            ("deltas_duplicate", counters.deltas_duplicate),
            ("deltas_gap", counters.deltas_gap),
            ("asks", counters.asks),
            ("asks_failed", counters.asks_failed),
            ("logs_replaced", counters.logs_replaced),
            ("logs_mended", counters.logs_mended),
            ("divergences", counters.divergences),
            ("nodes_held", counters.nodes_held),
        ] {
            self.points.add(name, times);
        }
    }

    /// Adds what the processes that still run counted.
    pub(super) fn reap(&mut self) {
        for at in 0..self.nodes.len() {
            if let Some(process) = self.nodes[at].process.take() {
                self.reached_by(&process);
            }
        }
    }

    /// Holds the traffic of every process against what it had to do.
    pub(super) fn check_traffic(&self) -> Checked {
        for node in &self.nodes {
            let Some(process) = &node.process else { continue };
            let mut traffic = process.traffic;
            traffic.changes = self.model.written(node.origin()).version();
            let peers = self.nodes.len() + 1;
            limits::traffic(&traffic, &self.plan.setup.config, self.now - process.started, peers)?;
        }
        Ok(())
    }
}
