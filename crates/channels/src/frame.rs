//! One message as one frame: serializers V1 and V2, both directions.
//!
//! | message | V1 text | V2 text | V2 binary header |
//! |---|---|---|---|
//! | from a client | `{topic, event, payload, ref[, join_ref]}` | `[join_ref, ref, topic, event, payload]` | `0, join_ref, ref, topic, event` |
//! | reply | event `phx_reply`, payload `{status, response}` | the same, both refs set | `1, join_ref, ref, topic, status` |
//! | push | ref null | ref null | `0, join_ref, topic, event` |
//! | broadcast | ref null | both refs null | `2, topic, event` |
//! | close, crash | event `phx_close`, `phx_error`; ref is the join_ref | both refs are the join_ref | - |
//!
//! In a binary header each name stands for one byte with the length of that string; the strings follow in the same order,
//! then the payload. A ref that is null has length 0. Note that a client's push has five header bytes and a node's four.
//!
//! Refs are opaque strings and are echoed byte for byte. Decoding borrows from the frame where the frame allows it (a
//! string with escapes is copied), and never panics.

mod binary;
mod error;
mod text;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub use error::{DecodeError, EncodeError, Field};

use crate::{PayloadRef, Vsn};

/// The longest `ref` and `join_ref`, in bytes of UTF-8. One length byte of a binary frame cannot say more.
pub const REF_BYTES_MAX: usize = 255;
/// The longest event name, in bytes of UTF-8. One length byte of a binary frame cannot say more.
pub const EVENT_BYTES_MAX: usize = 255;
/// The longest topic of a text frame, in bytes of UTF-8. The longest topic in use is a prefix and an id of 128 bytes.
pub const TOPIC_BYTES_MAX: usize = 512;
/// The longest topic of a binary frame, in bytes of UTF-8: its length is one byte.
pub const BINARY_TOPIC_BYTES_MAX: usize = 255;

/// Asks to join a topic.
pub const EVENT_JOIN: &str = "phx_join";
/// Asks to leave a topic.
pub const EVENT_LEAVE: &str = "phx_leave";
/// Answers a message.
pub const EVENT_REPLY: &str = "phx_reply";
/// Says that a channel has ended as it should.
pub const EVENT_CLOSE: &str = "phx_close";
/// Says that a channel has crashed; clients join again.
pub const EVENT_CRASH: &str = "phx_error";
/// The topic of the socket itself.
pub const TOPIC_PHOENIX: &str = "phoenix";
/// The event that a client sends on [`TOPIC_PHOENIX`] to show that it lives.
pub const EVENT_HEARTBEAT: &str = "heartbeat";

/// One WebSocket message, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl Frame {
    /// The length of the message in bytes, without the WebSocket header.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// The status of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok,
    /// Refused; the response says why.
    Error,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }

    fn parse(status: &str) -> Result<Self, DecodeError> {
        match status {
            "ok" => Ok(Self::Ok),
            "error" => Ok(Self::Error),
            _ => Err(DecodeError::UnknownStatus),
        }
    }
}

/// What a client says: a join, a leave, a heartbeat or an event, told apart by `event`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientMessage<'a> {
    /// The `ref` of the join that this message belongs to. V1 clients leave it out.
    pub join_ref: Option<Cow<'a, str>>,
    /// What the reply will carry.
    pub reference: Option<Cow<'a, str>>,
    /// The topic.
    pub topic: Cow<'a, str>,
    /// The event.
    pub event: Cow<'a, str>,
    /// What it carries.
    pub payload: PayloadRef<'a>,
}

impl<'a> ClientMessage<'a> {
    /// Reads a text frame that a client sent.
    ///
    /// # Errors
    /// The text is not a message of this serializer, or one of its strings is longer than its limit.
    pub fn decode_text(vsn: Vsn, text: &'a str) -> Result<Self, DecodeError> {
        let fields = text::decode(vsn, text)?;
        Ok(Self {
            join_ref: fields.join_ref,
            reference: fields.reference,
            topic: fields.topic,
            event: fields.event,
            payload: PayloadRef::Json(fields.payload),
        })
    }

    /// Reads a binary frame that a client sent.
    ///
    /// # Errors
    /// The serializer is V1, the frame is not a push, is shorter than its header says, or a string is not UTF-8.
    pub fn decode_binary(vsn: Vsn, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        binary::require_v2(vsn)?;
        binary::decode_client(bytes)
    }

    /// Writes the frame: binary if the payload is, text otherwise.
    ///
    /// # Errors
    /// A string is longer than its limit, or the payload is binary and the serializer V1.
    pub fn encode(&self, vsn: Vsn) -> Result<Frame, EncodeError> {
        match self.payload {
            PayloadRef::Json(payload) => {
                error::check_encode(self.join_ref.as_deref(), self.reference.as_deref(), &self.topic, &self.event)?;
                Ok(Frame::Text(text::encode_client(vsn, self, payload)))
            }
            PayloadRef::Binary(data) => match vsn {
                Vsn::V1 => Err(EncodeError::BinaryOnV1),
                Vsn::V2 => binary::encode_client(self, data).map(Frame::Binary),
            },
        }
    }
}

/// What a node says.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage<'a> {
    /// The answer to one message of a client.
    Reply {
        /// The join that the answered message belongs to. V1 does not carry it.
        join_ref: Option<Cow<'a, str>>,
        /// The `ref` of the answered message.
        reference: Option<Cow<'a, str>>,
        /// The topic of the answered message.
        topic: Cow<'a, str>,
        /// Done or refused.
        status: Status,
        /// Details; an empty object if there are none.
        response: PayloadRef<'a>,
    },
    /// An event for one channel. A V1 client cannot tell it from a broadcast, and reads `join_ref` as none.
    Push {
        /// The join that this event belongs to.
        join_ref: Option<Cow<'a, str>>,
        /// The topic.
        topic: Cow<'a, str>,
        /// The event.
        event: Cow<'a, str>,
        /// What it carries.
        payload: PayloadRef<'a>,
    },
    /// An event for everybody on the topic.
    Broadcast {
        /// The topic.
        topic: Cow<'a, str>,
        /// The event.
        event: Cow<'a, str>,
        /// What it carries.
        payload: PayloadRef<'a>,
    },
    /// The channel has ended as it should; clients do not join again.
    Close {
        /// The join that has ended; none for a client that sent no `join_ref`.
        join_ref: Option<Cow<'a, str>>,
        /// The topic.
        topic: Cow<'a, str>,
    },
    /// The channel has crashed; clients join again.
    Crash {
        /// The join that has ended; none for a client that sent no `join_ref`.
        join_ref: Option<Cow<'a, str>>,
        /// The topic.
        topic: Cow<'a, str>,
    },
}

impl<'a> ServerMessage<'a> {
    /// Reads a text frame that a node sent.
    ///
    /// # Errors
    /// The text is not a message of this serializer, a string is longer than its limit, or a reply has no status.
    pub fn decode_text(vsn: Vsn, text: &'a str) -> Result<Self, DecodeError> {
        let text::Fields { join_ref, reference, topic, event, payload } = text::decode(vsn, text)?;
        // V1 frames have one ref only; on a close and a crash it is the join's.
        let ended = match vsn {
            Vsn::V1 => &reference,
            Vsn::V2 => &join_ref,
        };
        match &*event {
            EVENT_REPLY => {
                let (status, response) = text::decode_reply(payload)?;
                Ok(Self::Reply { join_ref, reference, topic, status, response: PayloadRef::Json(response) })
            }
            EVENT_CLOSE => Ok(Self::Close { join_ref: ended.clone(), topic }),
            EVENT_CRASH => Ok(Self::Crash { join_ref: ended.clone(), topic }),
            _ => {
                let payload = PayloadRef::Json(payload);
                Ok(match (vsn, join_ref) {
                    (Vsn::V2, None) => Self::Broadcast { topic, event, payload },
                    (Vsn::V1 | Vsn::V2, join_ref) => Self::Push { join_ref, topic, event, payload },
                })
            }
        }
    }

    /// Reads a binary frame that a node sent.
    ///
    /// # Errors
    /// The serializer is V1, the kind is unknown, the frame is shorter than its header says, or a string is not UTF-8.
    pub fn decode_binary(vsn: Vsn, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        binary::require_v2(vsn)?;
        binary::decode_server(bytes)
    }

    /// Writes the frame: binary if the payload is, text otherwise.
    ///
    /// # Errors
    /// A string is longer than its limit, or the payload is binary and the serializer V1.
    pub fn encode(&self, vsn: Vsn) -> Result<Frame, EncodeError> {
        let payload = match self {
            Self::Reply { response: payload, .. } | Self::Push { payload, .. } | Self::Broadcast { payload, .. } => {
                Some(payload)
            }
            Self::Close { .. } | Self::Crash { .. } => None,
        };
        match (payload, vsn) {
            (Some(PayloadRef::Binary(_)), Vsn::V1) => Err(EncodeError::BinaryOnV1),
            (Some(PayloadRef::Binary(data)), Vsn::V2) => binary::encode_server(self, data).map(Frame::Binary),
            (Some(PayloadRef::Json(json)), Vsn::V1 | Vsn::V2) => text::encode_server(vsn, self, json).map(Frame::Text),
            (None, Vsn::V1 | Vsn::V2) => text::encode_server(vsn, self, empty_object()).map(Frame::Text),
        }
    }

    fn join_ref(&self) -> Option<&str> {
        match self {
            Self::Reply { join_ref, .. }
            | Self::Push { join_ref, .. }
            | Self::Close { join_ref, .. }
            | Self::Crash { join_ref, .. } => join_ref.as_deref(),
            Self::Broadcast { .. } => None,
        }
    }

    fn reference(&self) -> Option<&str> {
        match self {
            Self::Reply { reference, .. } => reference.as_deref(),
            Self::Close { join_ref, .. } | Self::Crash { join_ref, .. } => join_ref.as_deref(),
            Self::Push { .. } | Self::Broadcast { .. } => None,
        }
    }

    /// The topic, which every message has.
    #[must_use]
    pub fn topic(&self) -> &str {
        match self {
            Self::Reply { topic, .. }
            | Self::Push { topic, .. }
            | Self::Broadcast { topic, .. }
            | Self::Close { topic, .. }
            | Self::Crash { topic, .. } => topic,
        }
    }

    fn event(&self) -> &str {
        match self {
            Self::Reply { .. } => EVENT_REPLY,
            Self::Push { event, .. } | Self::Broadcast { event, .. } => event,
            Self::Close { .. } => EVENT_CLOSE,
            Self::Crash { .. } => EVENT_CRASH,
        }
    }
}

/// The payload of a close and a crash.
fn empty_object() -> &'static RawValue {
    static EMPTY: std::sync::LazyLock<Box<RawValue>> =
        std::sync::LazyLock::new(|| RawValue::from_string("{}".to_owned()).unwrap_or_default());
    &EMPTY
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
