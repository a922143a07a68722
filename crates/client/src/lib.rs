//! The client that sensors and viewers embed: Phoenix Channels over one WebSocket, with reconnection.
//!
//! A [`Client`] owns one connection to one of several nodes. A [`Channel`] is one joined topic on it. When the connection
//! is lost, the client moves on to the next node, waits a little longer each time, and joins every channel again with the
//! parameters it was first joined with; each channel learns of it by [`ChannelEvent`]s.
//!
//! One background task owns the socket. It ends when the client, all channels and all pushers are dropped, or at
//! [`Client::close`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sensocto_client::{ChannelEvent, Client, ClientOptions};
//!
//! let options = ClientOptions::new(["ws://127.0.0.1:4000", "ws://127.0.0.1:4001"]);
//! let client = Client::connect(options).await?;
//! let mut world = client.join("discovery:sensors", serde_json::json!({})).await?;
//! while let Some(event) = world.next().await {
//!     if let ChannelEvent::Message { event, payload } = event {
//!         tracing::info!(event, bytes = payload.get().len());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`signals`] has what sensors measure in types.

#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test stops at the first surprise")
)]

mod backoff;
mod channel;
mod client;
mod driver;
mod error;
mod link;
mod options;
mod protocol;
pub mod signals;

pub use channel::{Channel, ChannelEvent, Pusher, Reply};
pub use client::Client;
pub use error::{Attempt, ConnectError, JoinError, PushError};
pub use options::{ClientOptions, Reconnect};
pub use sensocto_channels::{Payload, PayloadError, Status, Vsn};

/// Commands that wait for the background task; above it the caller waits, which is how a slow network slows a sender.
pub const COMMANDS_MAX: usize = 256;
/// Frames that wait for the network; above it no further command is taken.
pub const OUTBOX_FRAMES_MAX: usize = 256;
/// Events that wait for the reader of one channel; above it the channel misses events and gets [`ChannelEvent::Lagged`].
pub const EVENTS_MAX: usize = 1024;
/// Replies that one client waits for; above it a push fails with [`PushError::TooManyPending`].
pub const PENDING_MAX: usize = 16_384;
/// Channels of one client; above it a join fails with [`JoinError::TooManyChannels`].
pub const CHANNELS_MAX: usize = 10_000;
/// The longest message that is received, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
