//! Drawing a plan from a seed ("swarm testing": each seed has some kinds of faults, and not the others).

use std::time::Duration;

use sensocto_registry::Config;

use super::{Action, ClockFault, Notices, Plan, Rates, Setup, Timed};
use crate::rng::Rng;

/// Which kinds of trouble a seed has.
#[derive(Debug, Clone, Copy)]
struct Swarm {
    crashes: bool,
    pauses: bool,
    slow: bool,
    cuts: bool,
    parts: bool,
    resets: bool,
    clocks: bool,
    rates: bool,
    moves: bool,
}

/// How often each kind of trouble comes at most in a seed that has it; second processes of a name in so many of 1,000 seeds.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    crashes: u64,
    pauses: u64,
    cuts: u64,
    parts: u64,
    clocks: u64,
    twins: u64,
}

/// Few enough that what follows from one fault is seen before the next one comes.
const SOME: Amounts = Amounts { crashes: 6, pauses: 6, cuts: 6, parts: 4, clocks: 4, twins: 120 };
/// Many, one on top of the other.
const MANY: Amounts = Amounts { crashes: 30, pauses: 15, cuts: 14, parts: 16, clocks: 7, twins: 300 };

/// The plan of a seed.
#[must_use]
pub fn draw(seed: u64) -> Plan {
    draw_with(seed, SOME)
}

/// The plan of a seed with several times as many faults.
#[must_use]
pub(crate) fn draw_storm(seed: u64) -> Plan {
    draw_with(seed, MANY)
}

fn draw_with(seed: u64, amounts: Amounts) -> Plan {
    let mut rng = Rng::new(seed, 1);
    // A third of the seeds see a calm or a gentle network: what is promised there is checked there.
    let mood = rng.below(12);
    let (calm, gentle) = (mood < 2, mood == 2 || mood == 3);
    let mut setup = draw_setup(&mut rng, calm);
    draw_mass_loss(&mut Rng::new(seed, 5), &mut setup.config);
    setup.config.vector_every = Rng::new(seed, 10).pick(&[1, 2, 16]);
    setup.config.range_entries_max = Rng::new(seed, 7).pick(&[1, 2, 16]);
    if calm {
        setup.widen_limits();
    }
    let mut swarm = draw_swarm(&mut rng);
    if calm || gentle {
        swarm = Swarm { slow: false, cuts: false, parts: false, resets: false, ..swarm };
    }
    if calm {
        swarm = Swarm { pauses: false, rates: false, ..swarm };
    }
    if gentle {
        swarm.crashes = false;
        setup.rates = draw_rates(&mut rng, true);
    }
    let mut actions = Vec::new();
    draw_work(&mut rng, &setup, swarm.moves, &mut actions);
    draw_faults(&mut rng, &setup, swarm, (gentle, amounts), &mut actions);
    draw_mass_crash(&mut Rng::new(seed, 6), &setup, swarm.crashes, &mut actions);
    if !calm {
        draw_hollow(&mut Rng::new(seed, 8), &setup, &mut actions);
        draw_confirmed(&mut Rng::new(seed, 9), &setup, swarm, &mut actions);
    }
    if !calm && !gentle {
        draw_twin(&mut Rng::new(seed, 11), &mut setup, amounts.twins, &mut actions);
    }
    actions.sort_by_key(|timed| timed.at_ms);
    Plan { seed, setup, actions }
}

fn draw_nodes(rng: &mut Rng) -> usize {
    match rng.below(200) {
        0 => 50,
        1..=9 => 1,
        10..=39 => 2,
        40..=119 => 3,
        120..=134 => 4,
        135..=174 => 5,
        175..=184 => 7,
        _ => 9,
    }
}

fn draw_setup(rng: &mut Rng, calm: bool) -> Setup {
    let nodes = draw_nodes(rng);
    let rates =
        if calm { Rates { delay_max_ms: rng.pick(&[1, 5, 50]), ..Rates::CALM } } else { draw_rates(rng, false) };
    let prompt = calm || rng.chance(400);
    let notices = if prompt {
        Notices::PROMPT
    } else {
        Notices { lost: rng.pick(&[0, 100, 1_000]), repeated: rng.pick(&[0, 300]), late_ms: rng.pick(&[0, 100, 5_000]) }
    };
    let far = rng.chance(200);
    let spread = if far { 86_400_000 } else { 20_000 };
    let skews_ms =
        (0..nodes).map(|_| i64::try_from(rng.below(2 * spread)).unwrap_or(0) - i64::try_from(spread).unwrap_or(0));
    let skews_ms = skews_ms.collect();
    let long = rng.chance(50);
    Setup {
        nodes,
        twin: None,
        streams: rng.chance(400),
        hostile: !calm && rng.chance(100),
        config: draw_config(rng),
        rates,
        notices,
        batch: rng.pick(&[1, 1, 3, 64]),
        tick_first: rng.chance(500),
        inbox_max: rng.pick(&[16, 256, 8_192]),
        refuses_aloud: rng.chance(500),
        quiet_at_ms: if nodes > 20 {
            5_000
        } else if long {
            1_800_000
        } else {
            rng.between(2_000, 90_000)
        },
        told_at_quiet: rng.chance(500),
        padding: rng.pick(&[0, 0, 20, 100]),
        skews_ms,
    }
}

fn draw_config(rng: &mut Rng) -> Config {
    let interval = Duration::from_millis(rng.pick(&[200, 1_000, 1_000, 1_000, 3_000]));
    let grace = Duration::from_millis(rng.pick(&[0, 3_000, 10_000, 30_000, 30_000]));
    Config {
        digest_interval: interval,
        fresh_for: interval * 5,
        suspect_after: interval * 5 / 2,
        unreachable_after: interval * 10,
        grace,
        linger: Duration::from_millis(rng.pick(&[0, 500, 5_000, 5_000])),
        departing_max: rng.pick(&[0, 1, 4, 10_000]),
        ask_timeout: Duration::from_millis(rng.pick(&[500, 2_000, 2_000])),
        ask_pause: Duration::from_millis(rng.pick(&[50, 500, 500])),
        window_max: Duration::from_millis(rng.pick(&[0, 10, 100, 100])),
        delta_bytes_max: rng.pick(&[1, 64, 200, 1_000, 4_096, 49_152, 65_536]),
        held_back_bytes_max: rng.pick(&[0, 100, 1_000, 100_000, 4_194_304]),
        tombstones_max: rng.pick(&[0, 1, 3, 20, 200_000, 200_000]),
        retired_max: rng.pick(&[0, 1, 4]),
        ..Config::default()
    }
}

/// What happens when much of the world goes at once.
fn draw_mass_loss(rng: &mut Rng, config: &mut Config) {
    config.mass_loss_percent = rng.pick(&[15, 15, 50, 100]);
    config.long_grace = config.grace + Duration::from_secs(rng.pick(&[0, 5, 60]));
}

/// The network of one phase. Each kind of fault is absent, light or extreme.
fn draw_rates(rng: &mut Rng, gentle: bool) -> Rates {
    let delay_max_ms = if gentle { rng.pick(&[1, 50, 500]) } else { rng.pick(&[1, 1, 10, 100, 500, 2_000, 5_000]) };
    Rates {
        loss: if gentle { rng.pick(&[0, 20, 200]) } else { rng.pick(&[0, 0, 10, 100, 200, 500]) },
        duplicate: rng.pick(&[0, 0, 20, 200]),
        damage: rng.pick(&[0, 0, 0, 10, 50]),
        ask_loss: rng.pick(&[0, 0, 100, 500]),
        answer_cut: rng.pick(&[0, 0, 100, 500]),
        delay_min_ms: rng.pick(&[0, 1]),
        delay_max_ms,
    }
}

fn draw_swarm(rng: &mut Rng) -> Swarm {
    Swarm {
        crashes: rng.chance(500),
        pauses: rng.chance(350),
        slow: rng.chance(150),
        cuts: rng.chance(350),
        parts: rng.chance(350),
        resets: rng.chance(300),
        clocks: rng.chance(300),
        rates: rng.chance(350),
        moves: rng.chance(600),
    }
}

/// Times that come in clusters: much of what goes wrong goes wrong together.
fn draw_time(rng: &mut Rng, until_ms: u64) -> u64 {
    if rng.chance(300) { (1 + rng.below(4)) * until_ms / 5 + rng.below(300) } else { rng.below(until_ms) }
}

fn draw_work(rng: &mut Rng, setup: &Setup, moves: bool, actions: &mut Vec<Timed>) {
    let many = rng.below(100);
    let (entries, steps) = match many {
        0..=4 => (0, 0),
        5..=49 => (rng.between(1, 6), rng.between(5, 120)),
        50..=84 => (rng.between(5, 60), rng.between(20, 400)),
        _ => (rng.between(50, 300), rng.between(100, 800)),
    };
    for _ in 0..steps {
        let entry = u32::try_from(rng.skewed(entries)).unwrap_or(0);
        let at_ms = draw_time(rng, setup.quiet_at_ms);
        // Without moves, each entry has one node.
        let node = if moves { rng.index(setup.nodes) } else { entry as usize % setup.nodes };
        let action = match rng.below(20) {
            0..=7 => Action::Register { node, entry },
            8..=13 => Action::Update { node, entry },
            14 => Action::Repeat { node, entry },
            15..=18 => Action::Unregister { node, entry },
            _ => Action::UnregisterLate { node, entry },
        };
        actions.push(Timed { at_ms, action });
    }
    draw_bursts(rng, setup, actions);
}

fn draw_bursts(rng: &mut Rng, setup: &Setup, actions: &mut Vec<Timed>) {
    let size = rng.below(1_000);
    let most = match size {
        _ if setup.nodes > 20 => 20,
        0..=2 => 10_000,
        3..=29 => 1_000,
        30..=299 => 100,
        _ => return,
    };
    // A small delta makes a large log many frames: enough to be hard, not so many that a seed takes a minute.
    let most = if setup.config.delta_bytes_max < 1_000 { most.min(300) } else { most };
    let bursts = rng.between(1, if most > 1_000 { 2 } else { 4 });
    for _ in 0..bursts {
        let node = rng.index(setup.nodes);
        let (first, count) = (1_000 * u32::try_from(rng.below(3)).unwrap_or(0), u32::try_from(most).unwrap_or(0));
        let at_ms = draw_time(rng, setup.quiet_at_ms);
        actions.push(Timed { at_ms, action: Action::Burst { node, first, count } });
        if rng.chance(400) {
            let at_ms = at_ms + rng.below(5_000);
            actions.push(Timed { at_ms, action: Action::Churn { node, first, count: count / 2 } });
        }
        if rng.chance(500) {
            let at_ms = at_ms + rng.below(20_000);
            actions.push(Timed { at_ms, action: Action::Clear { node, first, count } });
        }
    }
}

fn draw_faults(
    rng: &mut Rng,
    setup: &Setup,
    swarm: Swarm,
    (gentle, amounts): (bool, Amounts),
    actions: &mut Vec<Timed>,
) {
    let until = setup.quiet_at_ms;
    let mut some = |rng: &mut Rng, wanted: bool, most: u64, draw: &mut dyn FnMut(&mut Rng, u64, &mut Vec<Timed>)| {
        let count = if wanted { rng.between(1, most) } else { 0 };
        for _ in 0..count {
            let at_ms = draw_time(rng, until);
            draw(rng, at_ms, actions);
        }
    };
    some(rng, swarm.crashes, amounts.crashes, &mut |rng, at, actions| draw_crash(rng, setup, at, actions));
    some(rng, swarm.pauses, amounts.pauses, &mut |rng, at, actions| {
        let ms =
            if gentle { rng.between(10, 1_000) } else { rng.pick(&[10, 300, 1_000, 3_000, 15_000, 60_000, 600_000]) };
        actions.push(Timed { at_ms: at, action: Action::Pause { node: rng.index(setup.nodes), ms: ms.min(until) } });
    });
    some(rng, swarm.slow, 3, &mut |rng, at, actions| {
        let (node, cost_ms, ms) = (rng.index(setup.nodes), rng.pick(&[1, 5, 30]), rng.between(100, 20_000));
        actions.push(Timed { at_ms: at, action: Action::Slow { node, cost_ms, ms } });
    });
    some(rng, swarm.cuts, amounts.cuts, &mut |rng, at, actions| {
        let (from, to) = (rng.index(setup.nodes), rng.index(setup.nodes));
        actions.push(Timed { at_ms: at, action: Action::Cut { from, to } });
        mend_later(rng, at, actions);
    });
    some(rng, swarm.parts, amounts.parts, &mut |rng, at, actions| {
        let most = rng.between(2, 3);
        let groups = (0..setup.nodes).map(|_| u8::try_from(rng.below(most)).unwrap_or(0)).collect();
        actions.push(Timed { at_ms: at, action: Action::Part { groups, noticed: rng.chance(500) } });
        mend_later(rng, at, actions);
    });
    some(rng, swarm.resets, 4, &mut |rng, at, actions| draw_reset(rng, setup, at, actions));
    some(rng, swarm.clocks, amounts.clocks, &mut |rng, at, actions| {
        let node = rng.index(setup.nodes);
        let fault = match rng.below(4) {
            0 => ClockFault::Jump { ms: rng.pick(&[-86_400_000, -3_600_000, -1_000, 1_000, 3_600_000, 86_400_000]) },
            1 => ClockFault::Stuck,
            2 => ClockFault::Rate { per_mille: rng.pick(&[-100, 100]) },
            _ => ClockFault::Right,
        };
        actions.push(Timed { at_ms: at, action: Action::Clock { node, fault } });
    });
    some(rng, swarm.rates, 4, &mut |rng, at, actions| {
        actions.push(Timed { at_ms: at, action: Action::Rates(draw_rates(rng, gentle)) });
    });
    some(rng, setup.hostile, 40, &mut |rng, at, actions| {
        actions.push(Timed { at_ms: at, action: Action::Forge { kind: rng.below(super::FORGE_KINDS) } });
    });
}

fn draw_crash(rng: &mut Rng, setup: &Setup, at_ms: u64, actions: &mut Vec<Timed>) {
    let node = rng.index(setup.nodes);
    // A calm network notices.
    let noticed = setup.notices == Notices::PROMPT || rng.chance(500);
    actions.push(Timed { at_ms, action: Action::Crash { node, noticed } });
    if rng.chance(150) {
        let to = rng.index(setup.nodes);
        let at_ms = at_ms + rng.between(10, 2_000);
        actions.push(Timed { at_ms, action: Action::Reconnect { from: node, to, percent: 100 } });
    }
    if rng.chance(850) {
        let down = rng.pick(&[0, 5, 300, 2_000, 5_000, 20_000, 60_000]);
        let started = at_ms + rng.between(0, down);
        actions.push(Timed { at_ms: started, action: Action::Start { node } });
        for _ in 0..rng.below(3) {
            let (to, percent) =
                (if rng.chance(700) { node } else { rng.index(setup.nodes) }, rng.pick(&[30, 100, 100]));
            let within = rng.pick(&[10, 1_000, 10_000]);
            let at_ms = started + rng.between(1, within);
            actions.push(Timed { at_ms, action: Action::Reconnect { from: node, to, percent } });
        }
    }
}

/// Much of the cluster goes at once, and some of it comes back.
fn draw_mass_crash(rng: &mut Rng, setup: &Setup, wanted: bool, actions: &mut Vec<Timed>) {
    if !wanted || setup.nodes < 3 || !rng.chance(600) {
        return;
    }
    let at_ms = draw_time(rng, setup.quiet_at_ms);
    for node in 1..setup.nodes {
        if rng.chance(700) {
            actions.push(Timed { at_ms, action: Action::Crash { node, noticed: true } });
            if rng.chance(400) {
                let at_ms = at_ms + rng.below(60_000);
                actions.push(Timed { at_ms, action: Action::Start { node } });
                actions.push(Timed {
                    at_ms: at_ms + 10,
                    action: Action::Reconnect { from: node, to: node, percent: 100 },
                });
            }
        }
    }
}

/// Deltas that lose what they say: the copy stands where its origin does and differs.
fn draw_hollow(rng: &mut Rng, setup: &Setup, actions: &mut Vec<Timed>) {
    if !rng.chance(200) {
        return;
    }
    for _ in 0..rng.between(1, 3) {
        let (from, to) = (rng.index(setup.nodes), rng.index(setup.nodes));
        actions.push(Timed { at_ms: draw_time(rng, setup.quiet_at_ms), action: Action::Hollow { from, to } });
    }
}

/// Losses that an operator confirms, rightly or not.
fn draw_confirmed(rng: &mut Rng, setup: &Setup, swarm: Swarm, actions: &mut Vec<Timed>) {
    let goes = swarm.crashes || swarm.parts || swarm.cuts;
    if !goes || !rng.chance(300) {
        return;
    }
    for _ in 0..rng.between(1, 12) {
        let (at, of) = (rng.index(setup.nodes), rng.index(setup.nodes));
        actions.push(Timed { at_ms: draw_time(rng, setup.quiet_at_ms), action: Action::ConfirmLoss { at, of } });
    }
}

/// One more process is started under the name of a node, often where it cannot know: on the other side of a partition.
fn draw_twin(rng: &mut Rng, setup: &mut Setup, chance: u64, actions: &mut Vec<Timed>) {
    if setup.nodes < 2 || setup.nodes > 20 || !rng.chance(chance) {
        return;
    }
    let (of, twin) = (rng.index(setup.nodes), setup.nodes);
    setup.twin = Some(of);
    // It has long been removed when those who heard it hear the first one again.
    let forgotten = rng.chance(300);
    let mut at_ms = if forgotten { rng.below(setup.quiet_at_ms / 4) } else { draw_time(rng, setup.quiet_at_ms) };
    let mut act = |at_ms, action| actions.push(Timed { at_ms, action });
    for _ in 0..rng.between(1, 2) {
        if forgotten || rng.chance(600) {
            let mut groups: Vec<u8> = (0..=setup.nodes).map(|_| u8::from(rng.chance(500))).collect();
            groups[twin] = 1 - groups[of];
            act(at_ms, Action::Part { groups, noticed: rng.chance(500) });
        } else if rng.chance(500) {
            // The two do not hear each other, and everybody else hears both.
            act(at_ms, Action::Cut { from: of, to: twin });
            act(at_ms, Action::Cut { from: twin, to: of });
        }
        act(at_ms + 1, Action::Twin { asks: !forgotten && rng.chance(500) });
        for _ in 0..rng.below(8) {
            let entry = u32::try_from(rng.below(12)).unwrap_or(0);
            act(at_ms + rng.between(2, 5_000), Action::Register { node: twin, entry });
        }
        let stays = rng.pick(&[100, 2_000, 20_000]);
        match rng.below(4) {
            _ if forgotten => {
                act(at_ms + stays.min(2_000), Action::Crash { node: twin, noticed: true });
                return;
            }
            0 => act(at_ms + stays, Action::Crash { node: twin, noticed: rng.chance(500) }),
            1 => {
                act(at_ms + stays, Action::Crash { node: of, noticed: rng.chance(500) });
                act(at_ms + stays + rng.below(5_000), Action::Start { node: of });
            }
            _ => {}
        }
        if rng.chance(800) {
            act(at_ms + stays + rng.below(3_000), Action::Mend);
        }
        at_ms += rng.below(30_000);
    }
}

fn draw_reset(rng: &mut Rng, setup: &Setup, at_ms: u64, actions: &mut Vec<Timed>) {
    let (one, other) = (rng.index(setup.nodes), rng.index(setup.nodes));
    // A connection that comes and goes.
    let (times, every) = if rng.chance(300) { (rng.between(3, 20), rng.pick(&[400, 2_000])) } else { (1, 0) };
    for time in 0..times {
        let ms = if times > 1 { every / 2 } else { rng.pick(&[1, 50, 1_000, 8_000, 40_000]) };
        actions.push(Timed { at_ms: at_ms + time * every, action: Action::Reset { one, other, ms } });
    }
}

fn mend_later(rng: &mut Rng, at_ms: u64, actions: &mut Vec<Timed>) {
    if rng.chance(800) {
        let ms = rng.pick(&[1, 100, 1_000, 4_000, 15_000, 50_000, 120_000]);
        actions.push(Timed { at_ms: at_ms + rng.between(1, ms), action: Action::Mend });
    }
}
