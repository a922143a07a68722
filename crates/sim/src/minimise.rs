//! Cutting a failing plan down: actions and faults are taken out while the same rule still fails.

use crate::plan::{Notices, Plan, Rates};
use crate::run::run;

/// The smallest plan found within `runs_max` runs that fails by the same rule; the plan itself where it does not fail.
#[must_use]
pub fn minimise(plan: &Plan, runs_max: usize) -> Plan {
    let Some(failure) = run(plan, false).failure else { return plan.clone() };
    let mut search = Search { check: failure.check, best: plan.clone(), runs_left: runs_max };
    search.without_actions();
    search.without_faults();
    search.without_actions();
    search.best
}

struct Search {
    check: &'static str,
    best: Plan,
    runs_left: usize,
}

impl Search {
    /// Keeps a plan if it still fails.
    fn keeps(&mut self, plan: Plan) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        let fails = run(&plan, false).failure.is_some_and(|failure| failure.check == self.check);
        if fails {
            self.best = plan;
        }
        fails
    }

    /// Takes out ever smaller parts of the actions.
    fn without_actions(&mut self) {
        let mut size = self.best.actions.len().div_ceil(2);
        while size > 0 && self.runs_left > 0 {
            let mut from = 0;
            let mut smaller = false;
            while from < self.best.actions.len() {
                let mut plan = self.best.clone();
                let to = (from + size).min(plan.actions.len());
                plan.actions.drain(from..to);
                if self.keeps(plan) {
                    smaller = true;
                } else {
                    from += size;
                }
            }
            if size > 1 {
                size = size.div_ceil(2);
            } else if !smaller {
                size = 0;
            }
        }
    }

    /// Makes the setting as plain as it can be.
    fn without_faults(&mut self) {
        let plain: [fn(&mut Plan); 12] = [
            |plan| plan.setup.rates = Rates::CALM,
            |plan| plan.setup.rates.loss = 0,
            |plan| plan.setup.rates.duplicate = 0,
            |plan| plan.setup.rates.damage = 0,
            |plan| plan.setup.rates.ask_loss = 0,
            |plan| plan.setup.rates.answer_cut = 0,
            |plan| plan.setup.notices = Notices::PROMPT,
            |plan| plan.setup.hostile = false,
            |plan| plan.setup.skews_ms.fill(0),
            |plan| plan.setup.batch = 1,
            |plan| plan.setup.padding = 0,
            |plan| {
                let last = plan.actions.last().map_or(0, |timed| timed.at_ms);
                plan.setup.quiet_at_ms = plan.setup.quiet_at_ms.min(last + 1_000);
            },
        ];
        for make in plain {
            let mut plan = self.best.clone();
            make(&mut plan);
            self.keeps(plan);
        }
        while self.best.setup.nodes > 1 {
            let mut plan = self.best.clone();
            plan.setup.nodes -= 1;
            if !self.keeps(plan) {
                break;
            }
        }
    }
}
