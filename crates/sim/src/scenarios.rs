//! Plans that are made for one purpose; the seed draws the rest.

use crate::plan::{Action, Notices, Plan, Rates, draw, draw_storm};

/// A named way to draw plans.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Draws its plan from a seed.
    pub draw: fn(u64) -> Plan,
}

/// All scenarios; the first one is the default.
#[must_use]
pub fn scenarios() -> &'static [Scenario] {
    &[
        Scenario { name: "swarm", about: "each seed has some kinds of faults and not the others", draw },
        Scenario { name: "storm", about: "the same with several times as many faults", draw: draw_storm },
        Scenario { name: "calm", about: "work, crashes that are noticed, and restarts; nothing else", draw: calm },
        Scenario { name: "lossy", about: "half of all frames are lost", draw: lossy },
        Scenario {
            name: "datagrams",
            about: "frames are lost, doubled and overtake each other by seconds",
            draw: datagrams,
        },
        Scenario { name: "streams", about: "frames keep their order until a connection ends", draw: streams },
        Scenario { name: "hostile", about: "one more node speaks nonsense about its own log", draw: hostile },
    ]
}

fn calm(seed: u64) -> Plan {
    let mut plan = draw(seed);
    plan.setup.rates = Rates { delay_max_ms: plan.setup.rates.delay_max_ms.min(50), ..Rates::CALM };
    plan.setup.notices = Notices::PROMPT;
    plan.setup.hostile = false;
    plan.setup.widen_limits();
    for timed in &mut plan.actions {
        if let Action::Crash { noticed, .. } = &mut timed.action {
            *noticed = true;
        }
    }
    plan.actions.retain(|timed| timed.action.is_calm());
    plan
}

fn lossy(seed: u64) -> Plan {
    let mut plan = draw(seed);
    plan.setup.rates = Rates { loss: 500, ask_loss: 300, answer_cut: 300, ..plan.setup.rates };
    plan
}

fn datagrams(seed: u64) -> Plan {
    let mut plan = draw(seed);
    plan.setup.streams = false;
    plan.setup.rates = Rates { loss: 100, duplicate: 200, delay_max_ms: 5_000, ..plan.setup.rates };
    plan
}

fn streams(seed: u64) -> Plan {
    let mut plan = draw(seed);
    plan.setup.streams = true;
    plan
}

fn hostile(seed: u64) -> Plan {
    let mut plan = draw(seed);
    plan.setup.hostile = true;
    let until = plan.setup.quiet_at_ms;
    let forged = (0..60).map(|number| crate::plan::Timed {
        at_ms: until * number / 60,
        action: Action::Forge { kind: (seed.wrapping_mul(7) + number * 5) % crate::plan::FORGE_KINDS },
    });
    plan.actions.extend(forged);
    plan.actions.sort_by_key(|timed| timed.at_ms);
    plan
}
