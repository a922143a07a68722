//! One place in the cluster, and the process that runs there.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{NodeName, Origin, Stamp};
use sensocto_registry::{NodeView, Now, PeerState, Registry, StateCause};

use crate::plan::ClockFault;
use crate::viewer::Viewer;

/// Milliseconds since 1970 when a run starts.
const WALL_MS: u64 = 1_700_000_000_000;

/// What a process is told.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A frame that was published; whether it was damaged on its way.
    Frame { from: usize, generation: u64, bytes: Rc<[u8]>, damaged: bool },
    /// A question.
    Ask { from: usize, process: u64, id: u64, frame: Rc<[u8]> },
    /// A frame of an answer to the process that asked.
    AnswerFrame { from: usize, generation: u64, process: u64, id: u64, bytes: Rc<[u8]>, damaged: bool },
    /// The end of an answer.
    AnswerEnd { process: u64, id: u64, complete: bool },
    /// The engine sees a node.
    Up(Arc<Origin>),
    /// The engine lost a node.
    Down(Arc<Origin>),
    /// A client does something.
    Client { entry: u32, op: ClientOp },
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientOp {
    Register,
    Update,
    Repeat,
    Unregister,
    UnregisterLate,
}

/// A wall clock, right or wrong. Times are in microseconds of the run.
#[derive(Debug, Clone)]
pub(crate) struct WallClock {
    offset_ms: i64,
    from: u64,
    per_mille: i64,
}

impl WallClock {
    pub(crate) fn new(offset_ms: i64) -> WallClock {
        WallClock { offset_ms, from: 0, per_mille: 1_000 }
    }

    pub(crate) fn wall_ms(&self, now: u64) -> u64 {
        let run = i64::try_from((now - self.from) / 1_000).unwrap_or(0) * self.per_mille / 1_000;
        WALL_MS.saturating_add_signed(self.offset_ms + run)
    }

    pub(crate) fn go_wrong(&mut self, fault: ClockFault, now: u64) {
        let shown = i64::try_from(self.wall_ms(now).saturating_sub(WALL_MS)).unwrap_or(0);
        self.from = now;
        self.offset_ms = shown;
        match fault {
            ClockFault::Jump { ms } => self.offset_ms += ms,
            ClockFault::Stuck => self.per_mille = 0,
            ClockFault::Rate { per_mille } => self.per_mille = 1_000 + per_mille,
            ClockFault::Right => self.per_mille = 1_000,
        }
    }
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) registry: Registry,
    pub(crate) origin: Arc<Origin>,
    /// The generation that it was started with.
    pub(crate) born: u64,
    /// Names this process within the run.
    pub(crate) number: u64,
    pub(crate) started: u64,
    pub(crate) paused_until: u64,
    /// Since when it stands still.
    pub(crate) paused_at: Option<u64>,
    pub(crate) cost: u64,
    pub(crate) slow_until: u64,
    pub(crate) busy_until: u64,
    pub(crate) inbox: VecDeque<Input>,
    pub(crate) frames_waiting: usize,
    pub(crate) tick_at: u64,
    pub(crate) wake_at: u64,
    pub(crate) viewer: Viewer,
    /// What its clients know of their registrations: the present one and the one before.
    pub(crate) stamps: BTreeMap<u32, (Stamp, Stamp)>,
    pub(crate) traffic: Traffic,
    /// Entries that left its log, and how many had by its last digest but one and by its last.
    pub(crate) removals: u64,
    pub(crate) removals_at_digests: [u64; 2],
}

/// What a process sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) published: u64,
    pub(crate) asks: u64,
    pub(crate) ticks: u64,
    pub(crate) inputs: u64,
    pub(crate) changes: u64,
    pub(crate) ups: u64,
}

impl Process {
    /// The process's own clock.
    pub(crate) fn mono(&self, now: u64) -> Duration {
        Duration::from_micros(now - self.started)
    }

    /// The nodes that it calls silent, and how far.
    pub(crate) fn silent(&mut self) -> Vec<(NodeName, PeerState)> {
        let silent = |node: &&NodeView| {
            matches!(node.state, PeerState::Suspect | PeerState::Unreachable) && node.cause == StateCause::Silent
        };
        let nodes = self.registry.view().nodes().values().filter(silent);
        nodes.map(|node| (node.origin.node.clone(), node.state)).collect()
    }

    /// Until when it reads nothing.
    pub(crate) fn away_until(&self) -> u64 {
        self.paused_until.max(self.busy_until)
    }
}

/// One place in the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    /// The number in its name: two places may have the same one.
    pub(crate) number: usize,
    /// That of the process that runs here, or ran last.
    pub(crate) generation: u64,
    pub(crate) wall: WallClock,
    pub(crate) process: Option<Process>,
    /// Entries whose clients a crash threw out.
    pub(crate) lost: Vec<u32>,
}

impl Node {
    /// What its process is to the others.
    pub(crate) fn origin(&self) -> crate::model::OriginId {
        (self.number, self.generation)
    }

    /// The time as its process sees it.
    pub(crate) fn now(&self, now: u64) -> Now {
        let mono = self.process.as_ref().map_or(Duration::ZERO, |process| process.mono(now));
        Now { mono, wall_ms: self.wall.wall_ms(now) }
    }
}
