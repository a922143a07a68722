//! Why a frame cannot be read or written.

use std::fmt;

use super::{BINARY_TOPIC_BYTES_MAX, EVENT_BYTES_MAX, REF_BYTES_MAX, TOPIC_BYTES_MAX};

/// A string of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The `ref` of the join.
    JoinRef,
    /// The `ref` of the message.
    Ref,
    /// The topic.
    Topic,
    /// The event.
    Event,
    /// The status of a reply.
    Status,
}

impl Field {
    fn as_str(self) -> &'static str {
        match self {
            Self::JoinRef => "join_ref",
            Self::Ref => "ref",
            Self::Topic => "topic",
            Self::Event => "event",
            Self::Status => "status",
        }
    }
}

/// Why bytes are not a message. It never quotes them: they may hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The text is not JSON.
    NotJson {
        /// Where reading stopped, in bytes from the start of the last line.
        column: usize,
    },
    /// The text is JSON of another shape: an element or a key is missing, or has another type.
    Shape {
        /// Where reading stopped, in bytes from the start of the last line.
        column: usize,
    },
    /// A string is longer than its limit.
    TooLong {
        /// Which one.
        field: Field,
        /// Its length.
        bytes: usize,
    },
    /// A string of a binary frame is not UTF-8.
    NotUtf8 {
        /// Which one.
        field: Field,
    },
    /// A binary frame ends before what its header announces.
    Truncated,
    /// The first byte of a binary frame is no kind that this direction has.
    UnknownKind {
        /// The byte.
        kind: u8,
    },
    /// A binary frame on a V1 socket.
    BinaryOnV1,
    /// A reply that is neither `ok` nor `error`.
    UnknownStatus,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson { column } => write!(f, "not JSON (column {column})"),
            Self::Shape { column } => write!(f, "not a message of this serializer (column {column})"),
            Self::TooLong { field, bytes } => write!(f, "{} of {bytes} bytes is too long", field.as_str()),
            Self::NotUtf8 { field } => write!(f, "{} is not UTF-8", field.as_str()),
            Self::Truncated => f.write_str("a binary frame ends inside its header"),
            Self::UnknownKind { kind } => write!(f, "binary frame of unknown kind {kind}"),
            Self::BinaryOnV1 => f.write_str("a binary frame on a V1 socket"),
            Self::UnknownStatus => f.write_str("a reply that is neither ok nor error"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        let column = error.column();
        match error.classify() {
            serde_json::error::Category::Data => Self::Shape { column },
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => Self::NotJson { column },
        }
    }
}

/// Why a message has no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// A string is longer than its limit.
    TooLong {
        /// Which one.
        field: Field,
        /// Its length.
        bytes: usize,
    },
    /// A binary payload on a V1 socket.
    BinaryOnV1,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { field, bytes } => write!(f, "{} of {bytes} bytes is too long", field.as_str()),
            Self::BinaryOnV1 => f.write_str("serializer V1 has no binary frames"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The limits of a text frame, before it is written.
pub(super) fn check_encode(
    join_ref: Option<&str>,
    reference: Option<&str>,
    topic: &str,
    event: &str,
) -> Result<(), EncodeError> {
    first_too_long(join_ref, reference, topic, event)
        .map_or(Ok(()), |(field, bytes)| Err(EncodeError::TooLong { field, bytes }))
}

/// The limits of a text frame, after it was read.
pub(super) fn check_decode(
    join_ref: Option<&str>,
    reference: Option<&str>,
    topic: &str,
    event: &str,
) -> Result<(), DecodeError> {
    first_too_long(join_ref, reference, topic, event)
        .map_or(Ok(()), |(field, bytes)| Err(DecodeError::TooLong { field, bytes }))
}

fn first_too_long(join_ref: Option<&str>, reference: Option<&str>, topic: &str, event: &str) -> Option<(Field, usize)> {
    [
        (Field::JoinRef, join_ref.map_or(0, str::len), REF_BYTES_MAX),
        (Field::Ref, reference.map_or(0, str::len), REF_BYTES_MAX),
        (Field::Topic, topic.len(), TOPIC_BYTES_MAX),
        (Field::Event, event.len(), EVENT_BYTES_MAX),
    ]
    .into_iter()
    .find(|(_, bytes, bytes_max)| bytes > bytes_max)
    .map(|(field, bytes, _)| (field, bytes))
}

/// The length byte of one string of a binary header.
pub(super) fn length_byte(field: Field, text: &str) -> Result<u8, EncodeError> {
    const { assert!(BINARY_TOPIC_BYTES_MAX == u8::MAX as usize) };
    u8::try_from(text.len()).map_err(|_| EncodeError::TooLong { field, bytes: text.len() })
}
