//! One simulated process with its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{Generation, NodeName, Now, Origin, RoomId, Term};
use sensocto_rooms::{Config, Rooms};

/// A node of the cluster.
pub(super) struct SimNode {
    pub(super) name: NodeName,
    pub(super) generation: u64,
    /// `None` while it is down.
    pub(super) rooms: Option<Rooms>,
    /// What is on its disk.
    pub(super) disk: BTreeMap<RoomId, Vec<u8>>,
    pub(super) disk_fails_until: u64,
    pub(super) paused_until: u64,
    pub(super) skew_ms: i64,
    /// Whom it sees.
    pub(super) sees: BTreeSet<Origin>,
    /// The last term that it had of each room since its start.
    pub(super) terms: BTreeMap<RoomId, Term>,
    started_at: u64,
}

impl SimNode {
    pub(super) fn new(number: usize, skew_ms: i64) -> SimNode {
        SimNode {
            // A number and a letter are a name.
            name: NodeName::new(&format!("n{number}")).expect("a name"),
            generation: 0,
            rooms: None,
            disk: BTreeMap::new(),
            disk_fails_until: 0,
            paused_until: 0,
            skew_ms,
            sees: BTreeSet::new(),
            terms: BTreeMap::new(),
            started_at: 0,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { node: self.name.clone(), generation: Generation(self.generation) }
    }

    pub(super) fn now(&self, at: u64) -> Now {
        let wall = 1_700_000_000_000 + i64::try_from(at).unwrap_or(0) + self.skew_ms;
        let mono = Duration::from_millis(at.saturating_sub(self.started_at));
        Now { mono, wall_ms: u64::try_from(wall).unwrap_or(0) }
    }

    /// When the node wants to be woken, on the clock of the run.
    pub(super) fn wake_at(&self) -> u64 {
        let timeout = self.rooms.as_ref().map_or(Duration::MAX, Rooms::poll_timeout);
        u64::try_from(timeout.as_millis()).map_or(u64::MAX, |ms| self.started_at.saturating_add(ms))
    }

    /// Starts with what is on the disk.
    pub(super) fn start(&mut self, at: u64, alone: bool) -> Result<(), String> {
        self.generation += 1;
        self.started_at = at;
        self.sees.clear();
        self.terms.clear();
        let config = Config { alone, ..Config::default() };
        let mut rooms = Rooms::new(self.origin(), config, self.now(at));
        for bytes in self.disk.values() {
            rooms.load(bytes).map_err(|error| format!("{}: a record on disk: {error}", self.name))?;
        }
        self.rooms = Some(rooms);
        Ok(())
    }

    pub(super) fn is_running(&self, at: u64) -> bool {
        self.rooms.is_some() && self.paused_until <= at
    }
}
