//! Signals without IO: who looks at what, how fast sensors are asked to send, and which samples go to whom.
//!
//! Facts about sensors go everywhere; what they measure goes only where somebody looks. The parts, each a value or a state machine that
//! is told the time:
//!
//! - [`Viewer`]: what one client looks at, and how closely; [`Attention`]: the highest of it over a node's clients;
//! - [`Exchange`]: the attention of a whole cluster as one node sees it: it tells each sensor's node what this node's clients want, and
//!   knows what the others want of the sensors here; the frames between nodes are in [`message`];
//! - [`Store`]: the recent samples of one sensor, and [`Cursor`]: how far somebody has read them;
//! - [`timestamp`]: which times of connectors are shown as they came;
//! - [`Pace`]: when a reader is due, and what it gets when it is late;
//! - [`backpressure`]: what a connector is told, and [`Teller`]: when; [`LoadMeter`]: how loaded this node is.
//!
//! Nothing here waits, reads a clock, draws a random number or iterates over a hash map: the same inputs give the same outputs.
//! `docs/signals.md` says what travels when, and what is dropped.
#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test stops at the first surprise")
)]

mod attention;
pub mod backpressure;
mod digest;
mod exchange;
mod interest;
mod kept;
mod level;
mod load;
pub mod message;
mod pace;
mod sample;
mod spread;
mod store;
mod teller;
pub mod timestamp;
mod viewer;

pub use attention::Attention;
pub use digest::Digest;
pub use exchange::{Counters, Exchange, Output};
pub use interest::Interest;
pub use kept::{Kept, every_sample, kept};
pub use level::Level;
pub use load::{LOAD_SAMPLED_EVERY, Load, LoadLevel, LoadMeter, Reading};
pub use pace::{Due, Mode, Pace, SLOW_AFTER, Windows};
pub use sample::Sample;
pub use store::{Cursor, Picked, Pushed, STORE_BYTES_MAX, Store, Stretch};
pub use teller::Teller;
pub use viewer::{Act, Battery, Change, VISIBLE_MAX, Viewer};
