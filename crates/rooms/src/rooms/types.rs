//! What goes in and comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{JoinCode, NodeName, Room, RoomError, RoomId, Term, UserId};

use crate::record::Departure;

/// Intervals and limits. The defaults are for a local network.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether what is persisted is on a disk, or in memory alone.
    pub on_disk: bool,
    /// Whether no other node is to be expected: it decides from its start on.
    pub alone: bool,
    /// How long a node that expects others waits for them before it decides alone. Too short, and a node with an old disk decides before
    /// it has heard of anybody; too long, and the first node of a cluster is of no use for a while.
    pub alone_after: Duration,
    /// How often a node says what it holds. More often finds differences sooner, and costs a frame to everybody.
    pub beacon_every: Duration,
    /// How long an operation may take in all, with all attempts.
    pub operation_max: Duration,
    /// How long one node may take to answer.
    pub exchange_max: Duration,
    /// How long to wait before asking again.
    pub pause: Duration,
    /// How long to wait before a disk that failed is tried again.
    pub disk_pause: Duration,
    /// Operations that may wait on one node. The next one is refused with [`RoomError::Unavailable`].
    pub waiting_max: usize,
    /// Rooms of one owner.
    pub owned_max: usize,
    /// Records in all, tombstones included: they are never forgotten, so that no old disk brings a deleted room back.
    pub records_max: usize,
    /// Records in one write to disk, and in one frame.
    pub batch_max: usize,
    /// Bytes of records in one frame; one record may ride over it.
    pub frame_bytes: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            on_disk: true,
            alone: false,
            alone_after: Duration::from_secs(2),
            beacon_every: Duration::from_secs(1),
            operation_max: Duration::from_secs(5),
            exchange_max: Duration::from_millis(1_500),
            pause: Duration::from_millis(50),
            disk_pause: Duration::from_secs(2),
            waiting_max: 4_096,
            owned_max: 1_000,
            records_max: 1_000_000,
            batch_max: 1_024,
            frame_bytes: 256 * 1024,
        }
    }
}

/// An operation was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// On how many nodes it is, at least.
    pub copies: u32,
    /// On how many disks.
    pub on_disk: u32,
    /// Under which term.
    pub term: Term,
}

/// One room changed for the readers of this node.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which one.
    pub room: RoomId,
    /// As it was.
    pub before: Option<Arc<Room>>,
    /// As it is.
    pub after: Option<Arc<Room>>,
    /// How those went who are in it no longer.
    pub departures: BTreeMap<UserId, Departure>,
    /// Whether its join code changed because an older room had the same.
    pub code_replaced: bool,
}

/// Something to be done outside.
#[derive(Debug, Clone)]
pub enum Output {
    /// To everybody.
    Publish(Vec<u8>),
    /// To one node, which is to answer with one frame.
    Ask {
        /// Whom.
        to: NodeName,
        /// Comes back with the answer.
        exchange: u64,
        /// What.
        frame: Vec<u8>,
        /// How long an answer is waited for.
        timeout: Duration,
    },
    /// The answer to a question.
    Answer {
        /// As the question came.
        question: u64,
        /// What.
        frame: Vec<u8>,
    },
    /// To the disk, all or nothing, synced before [`super::Rooms::handle_persisted`] is called. One at a time.
    Persist {
        /// Comes back with the result.
        batch: u64,
        /// The bytes of each record; `None` takes it away.
        records: Vec<(RoomId, Option<Vec<u8>>)>,
    },
    /// To readers.
    Changed(Change),
    /// To whoever submitted an operation.
    Done {
        /// As it was submitted.
        request: u64,
        /// What came of it.
        result: Result<Ack, RoomError>,
    },
    /// A room of this home has the join code of an older one. Whoever drives this submits a [`crate::What::ReplaceCode`].
    NeedsCode {
        /// Which room.
        room: RoomId,
        /// The code that both have.
        code: JoinCode,
    },
}

/// What was counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Operations that this node decided on and acknowledged.
    pub acknowledged: u64,
    /// Operations that this node found to be against the rules.
    pub against_rules: u64,
    /// Operations that this node did not decide about, and that were asked again.
    pub refused: u64,
    /// Operations of local clients that nobody answered in time.
    pub timed_out: u64,
    /// Operations of local clients beyond [`Config::waiting_max`].
    pub turned_away: u64,
    /// Rooms that this node took over.
    pub take_overs: u64,
    /// Operations under way that were given up because another node has a later term.
    pub later_terms: u64,
    /// Records that were merged from elsewhere.
    pub merged: u64,
    /// Records from elsewhere that could not be read.
    pub unreadable: u64,
    /// Comparisons with other nodes that were begun.
    pub comparisons: u64,
    /// Join codes that were replaced after a partition.
    pub codes_replaced: u64,
    /// Writes that the disk refused.
    pub disk_failures: u64,
}

/// How the rooms of a node are doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Rooms.
    pub rooms: usize,
    /// Rooms and tombstones.
    pub records: usize,
    /// Whether they are on a disk.
    pub on_disk: bool,
    /// Whether the disk took the last write.
    pub writable: bool,
    /// Whether it has caught up with the others.
    pub ready: bool,
    /// Operations under way.
    pub waiting: usize,
    /// Nodes that it reaches.
    pub peers: usize,
    /// Of these, how many hold exactly the same, as of their last word.
    pub identical: usize,
}
