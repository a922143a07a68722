//! A deterministic simulator of a cluster: the registry's own code, its own frames, and a network, clocks and processes that fail
//! as a seed says.
//!
//! One seed is one run. A [`Plan`] is drawn from it before it starts ([`draw`]): how many nodes there are, their limits, the work
//! that clients do and the faults that happen. [`run`] carries the plan out, and holds everything that a node shows against a naive
//! second implementation, which knows what each origin wrote and nothing of deltas or digests. After a time the faults end, and
//! what must then be true of every view is checked. A plan that fails is cut down by [`minimise`] while it still fails.
//!
//! Absent from this crate: threads within one run, clocks, iteration over hash maps. The same seed gives the same bytes.

mod checkers;
mod minimise;
mod model;
mod names;
mod network;
mod node;
mod plan;
mod points;
mod rng;
mod rooms;
mod run;
mod scenarios;
mod trace;
mod viewer;

pub use checkers::Failure;
pub use minimise::minimise;
pub use plan::{Action, ClockFault, Notices, Plan, Rates, Setup, Timed, draw};
pub use points::{Points, expected};
pub use rng::Rng;
pub use rooms::{RoomsOutcome, RoomsPlan, run as run_rooms};
pub use run::{Outcome, run};
pub use scenarios::{Scenario, scenarios};
