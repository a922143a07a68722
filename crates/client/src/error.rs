//! Why an operation failed, one type each.

use std::fmt;

use sensocto_channels::frame::EncodeError;
use serde_json::Value;

/// One node that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The node, as it was given; never the token.
    pub url: String,
    /// What went wrong, in words.
    pub reason: String,
}

/// Why the first connection failed. There is no background task then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError {
    /// The options name no node.
    NoUrls,
    /// No node answered.
    Unreachable {
        /// Every node that was tried, in this order.
        attempts: Vec<Attempt>,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUrls => f.write_str("no node to connect to"),
            Self::Unreachable { attempts } => {
                f.write_str("no node answered")?;
                for (index, Attempt { url, reason }) in attempts.iter().enumerate() {
                    let separator = if index == 0 { ": " } else { "; " };
                    write!(f, "{separator}{url}: {reason}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why a topic is not joined.
#[derive(Debug)]
pub enum JoinError {
    /// The node refused.
    Refused {
        /// What it said; usually an object with `reason`.
        response: Value,
    },
    /// No reply in time.
    Timeout,
    /// There is no connection, it was lost before the reply, or the client is closed.
    Disconnected,
    /// This client holds a channel of this topic already, or is about to.
    AlreadyJoined,
    /// The client holds [`crate::CHANNELS_MAX`] channels.
    TooManyChannels,
    /// The parameters cannot be written as JSON.
    Params(serde_json::Error),
    /// The topic is too long for a frame.
    Frame(EncodeError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { response } => write!(f, "the join was refused: {response}"),
            Self::Timeout => f.write_str("no reply to the join in time"),
            Self::Disconnected => f.write_str("not connected"),
            Self::AlreadyJoined => f.write_str("this topic is joined already"),
            Self::TooManyChannels => f.write_str("too many channels on one client"),
            Self::Params(error) => write!(f, "the parameters have no JSON form: {error}"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {}

/// Why a message was not sent or not answered.
#[derive(Debug)]
pub enum PushError {
    /// No reply in time; the node may have acted on it all the same.
    Timeout,
    /// There is no connection, or the channel is not joined again yet, or the connection was lost before the reply; in
    /// the last case the node may have acted on it all the same.
    Disconnected,
    /// The channel has ended, or the client is closed.
    Closed,
    /// [`crate::PENDING_MAX`] replies are awaited.
    TooManyPending,
    /// The payload cannot be written as JSON.
    Payload(serde_json::Error),
    /// The event is too long for a frame.
    Frame(EncodeError),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no reply in time"),
            Self::Disconnected => f.write_str("not connected"),
            Self::Closed => f.write_str("the channel has ended"),
            Self::TooManyPending => f.write_str("too many replies are awaited"),
            Self::Payload(error) => write!(f, "the payload has no JSON form: {error}"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PushError {}
