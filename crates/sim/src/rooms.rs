//! Rooms on simulated clusters: the code of `sensocto-rooms`, its own frames, and nodes, disks, clocks and links that fail as a seed says.
//!
//! One seed is one run. What clients were told is kept in a naive [`ledger::Ledger`], which knows nothing of merging; when the faults have
//! ended and ten seconds have passed, every node has to show what it says.

mod ledger;
mod node;
mod run;
mod world;

use std::fmt;

use crate::rng::Rng;

pub use run::run;

/// What fails in a run, and how much there is to do.
#[derive(Debug, Clone)]
pub struct RoomsPlan {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Operations of clients.
    pub operations: u64,
    /// Length of the time with faults, in milliseconds.
    pub faults_ms: u64,
    /// Messages lost, of 1,000.
    pub loss: u64,
    /// Longest delay of a message, in milliseconds.
    pub delay_ms: u64,
    /// Longest write to a disk, in milliseconds.
    pub disk_ms: u64,
    /// Cuts between two groups of nodes.
    pub cuts: u64,
    /// Cuts of one direction between two nodes.
    pub one_way_cuts: u64,
    /// Crashes, each followed by a start with what is on the disk.
    pub crashes: u64,
    /// Nodes that stand still for a while.
    pub pauses: u64,
    /// Disks that refuse writes for a while.
    pub disk_failures: u64,
    /// Whether one node loses its disk, right after it acknowledged something.
    pub disk_lost: bool,
    /// By how much clocks differ, in milliseconds.
    pub skew_ms: u64,
}

impl RoomsPlan {
    /// Draws what fails from a seed.
    #[must_use]
    pub fn draw(seed: u64) -> RoomsPlan {
        let mut rng = Rng::new(seed, 1);
        let rough = !rng.chance(250);
        let mut some =
            |per_mille: u64, most: u64| if rough && rng.chance(per_mille) { rng.between(1, most) } else { 0 };
        let (loss, cuts, one_way_cuts) = (some(500, 300), some(500, 4), some(300, 4));
        let (crashes, pauses, disk_failures) = (some(600, 6), some(300, 4), some(250, 3));
        let disk_lost = some(400, 1) == 1;
        let skew_ms = some(300, 86_400_000);
        let nodes = rng.pick(&[1, 2, 3, 3, 3, 5, 5]);
        RoomsPlan {
            seed,
            nodes,
            operations: rng.between(20, 150),
            faults_ms: rng.between(5_000, 20_000),
            loss,
            delay_ms: rng.pick(&[1, 5, 50, 400]),
            disk_ms: rng.pick(&[1, 5, 100]),
            cuts: if nodes > 1 { cuts } else { 0 },
            one_way_cuts: if nodes > 1 { one_way_cuts } else { 0 },
            crashes,
            pauses,
            disk_failures,
            disk_lost: disk_lost && nodes > 1,
            skew_ms,
        }
    }

    /// Whether nodes always see each other as they are: then rules hold that faults of the network may bend.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let network = self.loss + self.cuts + self.one_way_cuts + self.pauses;
        network == 0 && !self.disk_lost && self.disk_failures == 0 && self.delay_ms <= 50
    }
}

impl fmt::Display for RoomsPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct RoomsOutcome {
    /// Things that happened.
    pub events: u64,
    /// The hash of all of them.
    pub hash: u64,
    /// The rule that did not hold.
    pub failure: Option<String>,
    /// Operations that clients were told are done.
    pub acknowledged: u64,
    /// Rooms that were taken over.
    pub take_overs: u64,
    /// Join codes that were replaced.
    pub codes_replaced: u64,
    /// The log, where it was asked for.
    pub lines: Vec<String>,
}
