//! The end of a run: faults end, and after a stated time everything has to be as it should.

use super::{Job, Run, micros};
use crate::checkers::quiet::{self, Live};
use crate::checkers::{Checked, Failure, copies};

/// How many digest intervals of peace are watched at the end.
const PEACE: u64 = 5;

impl Run<'_> {
    /// When faults end, when everything must have converged, when everything that went must be gone, and when the run ends.
    pub(super) fn plan_stages(&mut self) {
        let config = &self.plan.setup.config;
        let interval = micros(config.digest_interval);
        let quiet_at = self.plan.setup.quiet_at_ms * 1_000;
        // What was under way times out; then each other node that could help may fail to, before the origin is asked again.
        let helpers = self.nodes.len().min(9) as u64 + 1;
        let converged_at = quiet_at
            + self.plan.delay_max_ms() * 1_000
            + helpers * micros(config.ask_timeout)
            + 3 * micros(config.ask_pause)
            // The vector by which a node that missed something learns who has it.
            + (8 + u64::from(config.vector_every)) * interval
            // A process that takes a later generation, and did so not long ago.
            + if self.plan.setup.twin.is_some() || self.plan.setup.hostile { 8 * interval } else { 0 }
            + 3_000_000;
        let gone_at = converged_at
            + micros(config.unreachable_after)
            + micros(config.grace)
            // What is held because much went at once may wait for its grace once more after the others came back.
            + if config.mass_loss_percent < 100 { micros(config.long_grace) } else { 0 }
            + micros(config.linger)
            + (4 + u64::from(config.vector_every)) * interval
            + 2_000_000;
        self.queue_at(quiet_at, Job::Quiet);
        self.queue_at(converged_at, Job::Stage(0));
        self.queue_at(gone_at, Job::Stage(1));
        self.queue_at(gone_at + PEACE * interval, Job::Stage(2));
    }

    /// Ends every fault. Wall clocks stay as wrong as they are: nothing may depend on them.
    pub(super) fn fall_quiet(&mut self) -> Checked {
        self.trace.line(self.now, || "-- faults end".to_owned());
        self.quiet = true;
        self.network.rates = crate::plan::Rates::CALM;
        let told = self.plan.setup.told_at_quiet;
        for one in 0..self.nodes.len() {
            for other in one + 1..self.nodes.len() {
                if told {
                    self.network.mend(one, other);
                    self.network.mend(other, one);
                    self.say_up(one, other);
                } else {
                    self.network.mend(one, other);
                    self.network.mend(other, one);
                }
            }
        }
        let now = self.now;
        for at in 0..self.nodes.len() {
            let Some(process) = self.nodes[at].process.as_mut() else { continue };
            process.slow_until = now;
            process.busy_until = now;
            process.paused_until = now;
            process.wake_at = now;
            let number = process.number;
            self.queue_at(now, Job::Wake { node: at, process: number });
        }
        Ok(())
    }

    fn say_up(&mut self, one: usize, other: usize) {
        let origins = [one, other].map(|at| self.nodes[at].process.as_ref().map(|process| process.origin.clone()));
        if let [Some(of_one), Some(of_other)] = origins {
            self.notice(one, &of_other, true);
            self.notice(other, &of_one, true);
        }
    }

    /// Returns whether the run is over.
    pub(super) fn stage(&mut self, stage: u8) -> Result<bool, Failure> {
        let mut live = Live::default();
        for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.process.is_some()) {
            live.places.insert(at, node.origin());
            live.names.insert(node.number, node.generation);
        }
        quiet::one_of_each_name(&live)?;
        for at in live.places.keys() {
            self.check_stage(stage, *at, &live).map_err(|failure| {
                Failure::new(failure.check, format!("at n{at}, stage {stage}: {}", failure.detail))
            })?;
        }
        if stage == 0 {
            self.check_traffic()?;
        }
        Ok(stage == 2)
    }

    fn check_stage(&mut self, stage: u8, at: usize, live: &Live) -> Checked {
        let now = self.now;
        let config = &self.plan.setup.config;
        let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
        let mono = process.mono(now);
        let view = process.registry.view();
        copies::replay_gives_the_view(&process.viewer, view)?;
        copies::stand_where_they_say(view, &self.model, self.around.hostile)?;
        match stage {
            0 => quiet::nothing_is_missing(&process.viewer, &self.model, live),
            1 => {
                quiet::is_the_world(&process.viewer, &self.model, live)?;
                quiet::is_proved(view, live, mono, config)?;
                self.peace[at] = Some(process.traffic);
                Ok(())
            }
            _ => {
                quiet::is_the_world(&process.viewer, &self.model, live)?;
                quiet::is_proved(view, live, mono, config)?;
                quiet::nothing_waits(&process.registry.sizes())?;
                let before = self.peace[at].unwrap_or_default();
                quiet::is_idle(&before, &process.traffic, PEACE)
            }
        }
    }
}
