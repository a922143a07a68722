//! What a run does, drawn from its seed before it starts: the setting, and a list of timed actions.
//!
//! Because nothing but the fate of single packets is drawn later, a plan can be cut down while it still fails.

mod draw;

use std::fmt;
use std::time::Duration;

use sensocto_registry::Config;

pub use draw::draw;
pub(crate) use draw::draw_storm;

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it was drawn from, and what the network draws from.
    pub seed: u64,
    /// What holds for the whole run.
    pub setup: Setup,
    /// What happens, in the order of time.
    pub actions: Vec<Timed>,
}

/// What holds for the whole run.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many nodes there are.
    pub nodes: usize,
    /// Of which node the name is taken by one more process, if that happens: its place comes after those of the nodes.
    pub twin: Option<usize>,
    /// Frames keep their order on each link, as on a connection; else each is on its own.
    pub streams: bool,
    /// Whether one more node speaks nonsense about its own log.
    pub hostile: bool,
    /// Intervals and limits of every node.
    pub config: Config,
    /// The network before the first action that changes it.
    pub rates: Rates,
    /// How the engine tells of nodes that come and go.
    pub notices: Notices,
    /// How many inputs that wait are handled before the next tick.
    pub batch: usize,
    /// Whether a node that wakes ticks before it reads what waits.
    pub tick_first: bool,
    /// Frames that may wait for a node that does not read; the rest is dropped.
    pub inbox_max: usize,
    /// Whether a node says at once that it has no answer.
    pub refuses_aloud: bool,
    /// When faults end, in milliseconds.
    pub quiet_at_ms: u64,
    /// Whether the engine tells of every node when faults end; else digests alone have to do.
    pub told_at_quiet: bool,
    /// How many characters are added to the name in each record.
    pub padding: usize,
    /// By how many milliseconds each node's wall clock is wrong at first.
    pub skews_ms: Vec<i64>,
}

impl Setup {
    /// Where processes may run: the nodes, and one more for a second process of one name.
    #[must_use]
    pub fn places(&self) -> usize {
        self.nodes + usize::from(self.twin.is_some())
    }

    /// Makes every limit one that calm work does not reach.
    pub(crate) fn widen_limits(&mut self) {
        let config = &mut self.config;
        config.linger = Duration::from_secs(5);
        config.departing_max = 10_000;
        // Where an entry moved is remembered with its removal.
        config.tombstones_max = 200_000;
        config.retired_max = 8;
        config.grace = config.grace.max(Duration::from_secs(10));
        config.long_grace = config.long_grace.max(config.grace);
    }

    fn limits_are_wide(&self) -> bool {
        let config = &self.config;
        config.linger >= Duration::from_secs(5)
            && config.departing_max >= 10_000
            && config.tombstones_max >= 200_000
            && config.retired_max >= 8
            && config.grace >= Duration::from_secs(10)
    }
}

/// The network: chances in 1,000, delays in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Frames that are lost.
    pub loss: u64,
    /// Frames that come twice.
    pub duplicate: u64,
    /// Frames that are damaged.
    pub damage: u64,
    /// Questions that are lost.
    pub ask_loss: u64,
    /// Answers that end in the middle.
    pub answer_cut: u64,
    /// The shortest delay.
    pub delay_min_ms: u64,
    /// The longest delay.
    pub delay_max_ms: u64,
}

impl Rates {
    /// A network without faults.
    pub const CALM: Rates =
        Rates { loss: 0, duplicate: 0, damage: 0, ask_loss: 0, answer_cut: 0, delay_min_ms: 1, delay_max_ms: 1 };

    /// Whether nothing is lost, doubled, damaged, or late for long.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let faults = [self.loss, self.duplicate, self.damage, self.ask_loss, self.answer_cut];
        faults == [0; 5] && self.delay_max_ms <= 50
    }

    /// Whether the network is as bad as a good one may be: that must not remove anything.
    #[must_use]
    pub fn is_gentle(&self) -> bool {
        self.loss <= 200 && self.damage <= 50 && self.delay_max_ms <= 500
    }
}

/// How the engine tells of nodes: chances in 1,000, delays in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notices {
    /// Notices that never come.
    pub lost: u64,
    /// Notices that come twice.
    pub repeated: u64,
    /// The longest delay.
    pub late_ms: u64,
}

impl Notices {
    /// At once, and once.
    pub const PROMPT: Notices = Notices { lost: 0, repeated: 0, late_ms: 0 };
}

/// Something that happens at a time.
#[derive(Debug, Clone)]
pub struct Timed {
    /// Milliseconds from the start.
    pub at_ms: u64,
    /// What.
    pub action: Action,
}

/// The lies that a hostile node has; the last one is that every other node was started later under its name.
pub(crate) const FORGE_KINDS: u64 = 17;
/// That one.
pub(crate) const FORGE_LATER: u64 = 16;

/// Something that happens. Where it makes no sense (a node that is down cannot crash), nothing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A client registers an entry at a node.
    Register { node: usize, entry: u32 },
    /// The client of an entry at a node changes its facts.
    Update { node: usize, entry: u32 },
    /// The client says again what it said before.
    Repeat { node: usize, entry: u32 },
    /// The client of an entry at a node takes it out.
    Unregister { node: usize, entry: u32 },
    /// The socket of an earlier registration of the client ends late.
    UnregisterLate { node: usize, entry: u32 },
    /// Many clients register at a node at once.
    Burst { node: usize, first: u32, count: u32 },
    /// They all change their facts.
    Churn { node: usize, first: u32, count: u32 },
    /// They all leave.
    Clear { node: usize, first: u32, count: u32 },
    /// A process ends; the engine notices, or not.
    Crash { node: usize, noticed: bool },
    /// A node is started anew, with a larger generation.
    Start { node: usize },
    /// One more process is started under the name of a node that runs; it asks first who is there, or nobody answers it in time.
    Twin { asks: bool },
    /// The clients that a crash threw out, or a share of them, come back, at a node.
    Reconnect { from: usize, to: usize, percent: u32 },
    /// A process stands still.
    Pause { node: usize, ms: u64 },
    /// A process needs so long for each input, for a while.
    Slow { node: usize, cost_ms: u64, ms: u64 },
    /// One direction fails, and nobody is told.
    Cut { from: usize, to: usize },
    /// A connection ends and comes back.
    Reset { one: usize, other: usize, ms: u64 },
    /// The nodes fall apart: those of different groups do not hear each other.
    Part { groups: Vec<u8>, noticed: bool },
    /// All links are as they should be.
    Mend,
    /// A wall clock goes wrong.
    Clock { node: usize, fault: ClockFault },
    /// The network changes.
    Rates(Rates),
    /// The hostile node says something.
    Forge { kind: u64 },
    /// The next delta from one node to another loses its lines on the way, and nothing in the frame shows it.
    Hollow { from: usize, to: usize },
    /// An operator tells a node that another one will not come back.
    ConfirmLoss { at: usize, of: usize },
}

/// What is wrong with a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFault {
    /// It jumps.
    Jump {
        /// By so many milliseconds.
        ms: i64,
    },
    /// It stands still.
    Stuck,
    /// It goes faster or slower.
    Rate {
        /// By so many in 1,000.
        per_mille: i64,
    },
    /// It goes on as it should, from where it is.
    Right,
}

impl Plan {
    /// Whether it holds nothing but work, crashes that the engine notices, and starts: then viewers are promised more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.setup.limits_are_wide()
            && self.setup.rates.is_calm()
            && self.setup.notices == Notices::PROMPT
            && !self.setup.hostile
            && self.actions.iter().all(|timed| timed.action.is_calm())
    }

    /// Whether all nodes stay, and the network is no worse than one that must not remove anything.
    #[must_use]
    pub fn is_gentle(&self) -> bool {
        self.setup.rates.is_gentle() && self.actions.iter().all(|timed| timed.action.is_gentle())
    }

    /// The longest delay that a packet can have.
    #[must_use]
    pub fn delay_max_ms(&self) -> u64 {
        let later = self.actions.iter().filter_map(|timed| timed.action.rates()).map(|rates| rates.delay_max_ms);
        later.chain([self.setup.rates.delay_max_ms, self.setup.notices.late_ms]).max().unwrap_or(0)
    }
}

impl Action {
    fn rates(&self) -> Option<&Rates> {
        if let Action::Rates(rates) = self { Some(rates) } else { None }
    }

    /// Whether links, processes and frames stay as they are, or a process ends or starts and all are told.
    pub(crate) fn is_calm(&self) -> bool {
        let unnoticed = matches!(self, Action::Crash { noticed: false, .. });
        let disturbs = matches!(self, Action::Pause { .. } | Action::Slow { .. } | Action::Forge { .. })
            || matches!(self, Action::Hollow { .. } | Action::ConfirmLoss { .. } | Action::Twin { .. });
        !unnoticed && !disturbs && !self.cuts() && self.rates().is_none_or(Rates::is_calm)
    }

    /// Whether no process ends or stands still for more than a second, and no link is cut.
    fn is_gentle(&self) -> bool {
        let goes =
            matches!(self, Action::Crash { .. } | Action::Start { .. } | Action::Slow { .. } | Action::Twin { .. });
        // Who is told of a later process of its name takes a later generation.
        let renews = matches!(self, Action::Forge { kind: FORGE_LATER });
        let sleeps = matches!(self, Action::Pause { ms, .. } if *ms > 1_000);
        !goes && !renews && !sleeps && !self.cuts() && self.rates().is_none_or(Rates::is_gentle)
    }

    fn cuts(&self) -> bool {
        matches!(self, Action::Cut { .. } | Action::Reset { .. } | Action::Part { .. })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "seed {}", self.seed)?;
        writeln!(formatter, "{:?}", self.setup)?;
        for timed in &self.actions {
            writeln!(formatter, "{:>8} ms  {:?}", timed.at_ms, timed.action)?;
        }
        Ok(())
    }
}
