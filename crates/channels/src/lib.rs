//! Phoenix Channels without IO: what is said on a WebSocket, and in which order.
//!
//! Phoenix Channels multiplexes many *channels*, each joined to one *topic*, over one *socket*. This crate holds the parts
//! of that protocol that need no network:
//!
//! - [`frame`]: the bytes of one message, serializers V1 and V2, in both directions;
//! - [`socket`]: the state machine that a node runs for each connected socket;
//! - [`presence`]: the payloads of `presence_state` and `presence_diff`.
//!
//! Nothing here waits, reads a clock, draws a random number or opens a socket: the caller feeds received frames in, takes
//! requests and outgoing frames out, and owns every resource. The same input always gives the same bytes.
//!
//! The rules come from Phoenix (`Phoenix.Socket`, `Phoenix.Socket.V1.JSONSerializer`, `Phoenix.Socket.V2.JSONSerializer`)
//! and from what its JavaScript client accepts.

#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test stops at the first surprise")
)]

pub mod frame;
mod json;
mod payload;
pub mod presence;
pub mod socket;
mod vsn;

pub use json::Json;
pub use payload::{Payload, PayloadError, PayloadRef};
pub use socket::{ChannelEnd, ChannelId, Fatal, Limits, ReplyTo, Request, Socket};
pub use vsn::{UnsupportedVsn, Vsn};

pub use frame::{Frame, Status};
