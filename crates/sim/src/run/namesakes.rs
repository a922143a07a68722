//! Two processes of one name: who is started, who takes a later generation, and who has to go.

use std::sync::Arc;

use sensocto_model::{Generation, Origin};

use super::Run;
use crate::checkers::{Checked, ensure};

/// A start of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The number in its name.
    pub(super) name: usize,
    /// The generation that it was started with.
    pub(super) born: u64,
    /// Where it runs.
    pub(super) place: usize,
    /// When it ended.
    pub(super) ended: Option<u64>,
}

impl Run<'_> {
    /// A generation later than every one of the name, and than `after`: generations are times of starts.
    pub(super) fn next_generation(&mut self, name: usize, after: u64) -> u64 {
        let last = &mut self.generations[name];
        *last = (*last).max(after) + 1;
        *last
    }

    /// One more process is started under the name of a node, unless it learns that the name is taken.
    pub(super) fn start_twin(&mut self, asks: bool) -> Checked {
        let Some(of) = self.plan.setup.twin else { return Ok(()) };
        let twin = self.plan.setup.nodes;
        if self.nodes[twin].process.is_some() {
            return Ok(());
        }
        let answers = !self.network.is_cut(of, twin) && !self.network.is_cut(twin, of);
        if asks && answers && self.nodes[of].process.is_some() {
            self.points.reach("twin_refused");
            return Ok(());
        }
        self.points.reach("twin_started");
        self.start(twin)
    }

    pub(super) fn note_end(&mut self, at: usize) {
        let now = self.now;
        if let Some(start) = self.starts.iter_mut().rfind(|start| start.place == at) {
            start.ended = Some(now);
        }
    }

    /// A process hears that its name was taken before: it goes. That has to be true.
    pub(super) fn give_the_name_up(&mut self, at: usize, born: u64) -> Checked {
        let number = self.nodes[at].number;
        let Some(process) = self.nodes[at].process.as_ref() else { return Ok(()) };
        let (mine, started) = (process.born, process.started);
        // What it said last may still be on its way when the next one starts.
        let late = self.plan.delay_max_ms() * 1_000 + 1_000;
        let runs = |start: &&Start| start.ended.is_none_or(|ended| ended + late >= started);
        let first = self.starts.iter().filter(runs).find(|start| start.name == number && start.born == born);
        ensure(first.is_some_and(|first| first.born < mine && first.place != at), "wrong_one_goes", || {
            format!("n{number}, started as {mine}, goes for one that was started as {born}: {first:?}")
        })?;
        self.points.reach("twin_went");
        self.trace.line(self.now, || format!("n{number} at place {at} gives its name up"));
        self.end(at, true);
        Ok(())
    }

    /// A process goes on under a later generation.
    pub(super) fn renew(&mut self, at: usize, after: u64) -> Checked {
        let number = self.nodes[at].number;
        if self.nodes[at].process.is_none() {
            return Ok(());
        }
        self.points.reach("renewed");
        let clock = self.nodes[at].now(self.now);
        let generation = self.next_generation(number, after);
        let before = self.nodes[at].origin();
        self.model.renewed(before, (number, generation));
        let node = &mut self.nodes[at];
        node.generation = generation;
        let Some(process) = node.process.as_mut() else { return Ok(()) };
        let renewed = process.registry.renew(Generation(generation), clock);
        let origin = Arc::new(Origin { node: node.name.clone(), generation: Generation(generation) });
        let old = std::mem::replace(&mut process.origin, Arc::clone(&origin));
        // A later generation says where it stands at once.
        process.traffic.ups += 1;
        self.trace.line(self.now, || format!("n{number} at place {at} goes on as {origin}"));
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            if !self.network.is_cut(at, other) && self.nodes[other].process.is_some() {
                self.notice(other, &origin, true);
                self.notice(other, &old, false);
            }
        }
        ensure(renewed, "client", || format!("n{number} does not go on as {generation}"))
    }

    /// Where a question to a node goes. Of two processes of its name either may get it.
    pub(super) fn place_of(&mut self, from: usize, number: usize) -> Option<usize> {
        if number == self.around.hostile {
            return Some(number);
        }
        let named = |at: &usize| self.nodes[*at].number == number && *at != from;
        let places: Vec<usize> = (0..self.nodes.len()).filter(named).collect();
        let running: Vec<usize> = places.iter().copied().filter(|at| self.nodes[*at].process.is_some()).collect();
        match running.as_slice() {
            [] => places.first().copied(),
            [one] => Some(*one),
            some => Some(some[self.network.rng.index(some.len())]),
        }
    }
}
