//! One run: a plan carried out step by step, on one thread, with nothing but its seed to draw from.

mod act;
mod carry;
mod hostile;
mod input;
mod namesakes;
mod stages;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use sensocto_model::{Generation, NodeName, Origin};
use sensocto_registry::{Output, PeerState, Registry};

use crate::checkers::events::Surroundings;
use crate::checkers::{Checked, Failure, copies, ensure, limits};
use crate::model::Model;
use crate::names::node_name;
use crate::network::{Network, Place};
use crate::node::{Input, Node, Process, WallClock};
use crate::plan::Plan;
use crate::points::Points;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::viewer::Viewer;

/// Ticks in a row without time passing: more than these are a storm.
const TICKS_AT_ONCE_MAX: u32 = 6;
/// Inputs between two looks at the copies of a node.
const SAMPLED_EVERY: usize = 16;

/// What became of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The first rule that did not hold.
    pub failure: Option<Failure>,
    /// Inputs and ticks that registries handled.
    pub events: u64,
    /// How much time was simulated, in milliseconds.
    pub simulated_ms: u64,
    /// The whole run as one number.
    pub hash: u64,
    /// What was reached.
    pub points: Points,
    /// What happened, if that was asked for.
    pub lines: Vec<String>,
}

/// Carries a plan out.
#[must_use]
pub fn run(plan: &Plan, with_lines: bool) -> Outcome {
    let mut run = Run::new(plan, with_lines);
    let failure = run.finish().err();
    if let Some(failure) = &failure {
        run.trace.line(run.now, || failure.to_string());
    }
    run.reap();
    #[cfg(feature = "points")]
    for (name, times) in sensocto_registry::reached::take() {
        run.points.add(name, times);
    }
    let (hash, lines) = run.trace.end();
    Outcome {
        seed: plan.seed,
        failure,
        events: run.events,
        simulated_ms: run.now / 1_000,
        hash,
        points: run.points,
        lines,
    }
}

/// Something that is to happen.
#[derive(Debug)]
enum Job {
    Act(usize),
    Arrive { to: usize, place: Option<Place>, input: Input },
    Tick { node: usize, process: u64 },
    Wake { node: usize, process: u64 },
    Reconnect { one: usize, other: usize },
    Quiet,
    Stage(u8),
}

#[derive(Debug)]
struct Queued {
    at: u64,
    number: u64,
    job: Job,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Queued) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Queued) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// A run under way. Times are in microseconds from its start.
struct Run<'a> {
    plan: &'a Plan,
    now: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    queued: u64,
    nodes: Vec<Node>,
    network: Network,
    model: Model,
    trace: Trace,
    points: Points,
    /// For choices that belong to an action.
    rng: Rng,
    writes: u64,
    processes: u64,
    events: u64,
    around: Surroundings,
    hostile: hostile::Hostile,
    /// The last generation of each name.
    generations: Vec<u64>,
    starts: Vec<namesakes::Start>,
    quiet: bool,
    /// Between which nodes the next delta loses its lines.
    hollow: Option<(usize, usize)>,
    outputs: Vec<Output>,
    peace: Vec<Option<crate::node::Traffic>>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, with_lines: bool) -> Run<'a> {
        let setup = &plan.setup;
        let wall = |at: usize| WallClock::new(setup.skews_ms.get(at).copied().unwrap_or(0));
        let nodes = (0..setup.places()).filter_map(|at| {
            let number = setup.twin.filter(|_| at == setup.nodes).unwrap_or(at);
            let name = node_name(number).ok()?;
            Some(Node { name, number, generation: 0, wall: wall(at), process: None, lost: Vec::new() })
        });
        Run {
            plan,
            now: 0,
            queue: BinaryHeap::new(),
            queued: 0,
            nodes: nodes.collect(),
            // The hostile node is the last one.
            network: Network::new(plan.seed, setup.places() + 1, setup.streams, setup.rates),
            model: Model::default(),
            trace: Trace::new(with_lines),
            points: Points::default(),
            rng: Rng::new(plan.seed, 3),
            writes: 0,
            processes: 0,
            events: 0,
            around: Surroundings {
                now: 0,
                me: 0,
                grace: micros(setup.config.grace),
                long_grace: micros(setup.config.long_grace),
                mass_loss_percent: setup.config.mass_loss_percent,
                unreachable_after: micros(setup.config.unreachable_after + setup.config.digest_interval),
                calm: plan.is_calm(),
                gentle: plan.is_gentle() && setup.config.unreachable_after + setup.config.grace >= HARDLY_EVER,
                hostile: setup.places(),
            },
            hostile: hostile::Hostile::new(plan.seed, setup.places()),
            generations: vec![0; setup.nodes],
            starts: Vec::new(),
            quiet: false,
            hollow: None,
            outputs: Vec::new(),
            peace: vec![None; setup.places()],
        }
    }

    fn finish(&mut self) -> Checked {
        self.points.look_at_plan(self.plan);
        for (number, timed) in self.plan.actions.iter().enumerate() {
            self.queue_at(timed.at_ms * 1_000, Job::Act(number));
        }
        self.plan_stages();
        for node in 0..self.plan.setup.nodes {
            self.start(node)?;
        }
        while let Some(Reverse(next)) = self.queue.pop() {
            self.now = self.now.max(next.at);
            self.around.now = self.now;
            let over = self.step(next.job)?;
            if over {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self, job: Job) -> Result<bool, Failure> {
        match job {
            Job::Act(number) => {
                if let Some(timed) = self.plan.actions.get(number).filter(|_| !self.quiet) {
                    self.act(&timed.action)?;
                }
            }
            Job::Arrive { to, place, input } => {
                if place.is_none_or(|place| self.network.arrives(place)) {
                    self.arrive(to, input)?;
                }
            }
            Job::Tick { node, process } => self.tick(node, process)?,
            Job::Wake { node, process } => self.wake(node, process)?,
            Job::Reconnect { one, other } => self.mend_pair(one, other),
            Job::Quiet => self.fall_quiet()?,
            Job::Stage(stage) => return self.stage(stage),
        }
        Ok(false)
    }

    fn queue_at(&mut self, at: u64, job: Job) {
        self.queued += 1;
        self.queue.push(Reverse(Queued { at, number: self.queued, job }));
    }

    /// Starts a process at a node, and lets the engine tell it and the others.
    fn start(&mut self, at: usize) -> Checked {
        let now = self.now;
        self.processes += 1;
        let number = self.processes;
        let generation = self.next_generation(self.nodes[at].number, 0);
        self.starts.push(namesakes::Start { name: self.nodes[at].number, born: generation, place: at, ended: None });
        let node = &mut self.nodes[at];
        node.generation = generation;
        let origin = Origin { node: node.name.clone(), generation: Generation(node.generation) };
        let clock = sensocto_registry::Now { mono: std::time::Duration::ZERO, wall_ms: node.wall.wall_ms(now) };
        let process = Process {
            registry: Registry::new(origin.clone(), self.plan.setup.config.clone(), clock),
            origin: Arc::new(origin),
            born: generation,
            number,
            started: now,
            paused_until: 0,
            paused_at: None,
            cost: 0,
            slow_until: 0,
            busy_until: 0,
            inbox: std::collections::VecDeque::new(),
            frames_waiting: 0,
            tick_at: u64::MAX,
            wake_at: u64::MAX,
            viewer: Viewer::default(),
            stamps: std::collections::BTreeMap::new(),
            traffic: crate::node::Traffic::default(),
            removals: 0,
            removals_at_digests: [0; 2],
        };
        node.process = Some(process);
        self.trace.line(now, || format!("n{at} starts"));
        self.tell_of_start(at);
        self.settle(at)
    }

    /// Time has come for a node.
    fn tick(&mut self, at: usize, number: u64) -> Checked {
        let now = self.now;
        let Some(process) = self.process(at, number) else { return Ok(()) };
        if process.tick_at != now {
            return Ok(());
        }
        process.tick_at = u64::MAX;
        if process.away_until() > now { Ok(()) } else { self.settle(at) }
    }

    /// A node reads what waited while it did not.
    fn wake(&mut self, at: usize, number: u64) -> Checked {
        let now = self.now;
        let tick_first = self.plan.setup.tick_first;
        let noticed = 2 * micros(self.plan.setup.config.digest_interval);
        let Some(process) = self.process(at, number) else { return Ok(()) };
        if process.wake_at != now {
            return Ok(());
        }
        process.wake_at = u64::MAX;
        if process.away_until() > now {
            self.wake_later(at);
            return Ok(());
        }
        let mut slept = false;
        if let Some(paused_at) = process.paused_at.take() {
            process.viewer.woke_at = now;
            // A short sleep is not noticed by whoever sleeps.
            if now - paused_at >= noticed {
                process.viewer.slept += now - paused_at;
                self.points.reach("pause_long");
                slept = true;
            }
        }
        let Some(process) = self.process(at, number) else { return Ok(()) };
        if tick_first || process.inbox.is_empty() {
            let doubted = process.silent();
            self.settle(at)?;
            if slept {
                self.doubts_nobody_more(at, number, &doubted)?;
            }
        }
        self.read(at)
    }

    /// Whoever slept, and has read nothing since, does not hold that against the others (I13).
    fn doubts_nobody_more(&mut self, at: usize, number: u64, before: &[(NodeName, PeerState)]) -> Checked {
        let Some(process) = self.process(at, number) else { return Ok(()) };
        let more = process.silent().into_iter().find(|doubted| !before.contains(doubted));
        ensure(more.is_none(), "self_doubt", || format!("n{at} slept, and calls another one silent: {more:?}"))
    }

    fn process(&mut self, at: usize, number: u64) -> Option<&mut Process> {
        self.nodes.get_mut(at)?.process.as_mut().filter(|process| process.number == number)
    }

    fn wake_later(&mut self, at: usize) {
        let Some(process) = self.nodes[at].process.as_mut() else { return };
        let wake_at = process.away_until();
        if process.wake_at > wake_at || process.wake_at <= self.now {
            process.wake_at = wake_at;
            let number = process.number;
            self.queue_at(wake_at, Job::Wake { node: at, process: number });
        }
    }

    /// Draws the consequences of what a node was told, as the driver of a node does, and checks what must hold after it.
    fn settle(&mut self, at: usize) -> Checked {
        self.drain(at)?;
        let clock = self.nodes[at].now(self.now);
        let mut ticks = 0;
        loop {
            let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
            if process.registry.poll_timeout() > clock.mono {
                break;
            }
            ticks += 1;
            ensure(ticks <= TICKS_AT_ONCE_MAX, "tick_storm", || {
                format!(
                    "n{at} wants a tick at {:?} again and again, it is {:?}",
                    process.registry.poll_timeout(),
                    clock.mono
                )
            })?;
            process.registry.handle_tick(clock);
            process.traffic.ticks += 1;
            self.events += 1;
            self.trace.number(at as u64 ^ 0x71c4);
            self.drain(at)?;
        }
        self.check(at)?;
        self.tick_later(at);
        Ok(())
    }

    fn tick_later(&mut self, at: usize) {
        let now = self.now;
        let Some(process) = self.nodes[at].process.as_mut() else { return };
        let timeout = process.registry.poll_timeout();
        let due = process.started + micros(timeout) + u64::from(!timeout.subsec_nanos().is_multiple_of(1_000));
        let due = due.max(now + 1);
        if due < process.tick_at {
            process.tick_at = due;
            let number = process.number;
            self.queue_at(due, Job::Tick { node: at, process: number });
        }
    }

    fn check(&mut self, at: usize) -> Checked {
        let hostile = self.around.hostile;
        let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
        let viewer = &mut process.viewer;
        let sampled = viewer.since_sampled >= SAMPLED_EVERY;
        if viewer.touched.is_empty() && !sampled {
            return Ok(());
        }
        let view = process.registry.view();
        copies::stand_where_they_say(view, &self.model, hostile)?;
        copies::touched_are_true(viewer, view, &self.model, hostile)?;
        if sampled {
            viewer.since_sampled = 0;
            if viewer.since_compared > viewer.shown.len() * 2 + 64 {
                viewer.since_compared = 0;
                copies::replay_gives_the_view(viewer, view)?;
            }
            let config = &self.plan.setup.config;
            let sizes = process.registry.sizes();
            let window = process.registry.window();
            self.points.look_at(process.registry.view(), &sizes, window);
            limits::memory(&sizes, config, process.removals - process.removals_at_digests[0])?;
        }
        Ok(())
    }
}

/// Silence that only a node that went explains.
const HARDLY_EVER: std::time::Duration = std::time::Duration::from_secs(12);

/// A duration in microseconds.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
