//! Rooms on all nodes: what a room is made of, how copies become the same one, who decides, and what an acknowledgement means.
//!
//! [`Rooms`] is a state machine like the registry: what clients ask, what other nodes say, what the disk did and the time go in;
//! [`Output`]s come out. It owns no clock, no thread, no file and no randomness, so that the same code runs in a node and under the
//! simulator. `docs/rooms.md` has the algorithm and the invariants.
//!
//! | module | what |
//! |---|---|
//! | `record` | one room with everything that merging needs; `merge` |
//! | `set`, `tag` | observed-remove sets, registers, stamps |
//! | `rules` | operation × role: done, or the error |
//! | `apply` | one operation on one record |
//! | `rank` | who is home |
//! | `replica` | all records of a node, and their digests |
//! | `rooms` | the state machine |
//! | `view` | what readers read |
//!
//! Absent from this crate: sockets, files, clocks, tasks, JSON, sensors beyond their ids.
#![warn(missing_docs)]

mod apply;
mod message;
pub mod planted;
mod rank;
mod record;
mod replica;
mod rooms;
mod rules;
mod set;
mod tag;
mod view;

pub use apply::{OpId, Operation, What};
pub use message::{FRAME_BYTES_MAX, FrameError};
pub use record::{Departure, RECORD_BYTES_MAX, Record, RecordError};
pub use rooms::{Ack, Change, Config, Counters, Health, Output, Rooms};
pub use rules::{Standing, Verdict, rule, verdict};
pub use sensocto_model::Now;
pub use tag::Tag;
pub use view::{RoomOrder, RoomPlace, RoomQuery, RoomsView};
