//! What a message carries: JSON that only the application understands, or bytes.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A payload that was received. The application parses it, once, into the type that its event has.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Valid JSON of any shape; clients send objects, and arrays for batches.
    Json(Box<RawValue>),
    /// The bytes of a binary frame (V2 only).
    Binary(Vec<u8>),
}

impl Payload {
    /// Parses a JSON payload; `T` may borrow from it.
    ///
    /// # Errors
    /// The payload is binary, or does not have the shape of `T`.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        match self {
            Self::Json(raw) => serde_json::from_str(raw.get()).map_err(PayloadError::Shape),
            Self::Binary(_) => Err(PayloadError::Binary),
        }
    }

    /// The JSON text, unless the payload is binary.
    #[must_use]
    pub fn as_json(&self) -> Option<&RawValue> {
        match self {
            Self::Json(raw) => Some(raw),
            Self::Binary(_) => None,
        }
    }
}

/// A payload that borrows from the frame it came in, or from what the sender keeps.
#[derive(Debug, Clone, Copy)]
pub enum PayloadRef<'a> {
    /// Valid JSON.
    Json(&'a RawValue),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl PayloadRef<'_> {
    /// A copy that outlives the frame.
    #[must_use]
    pub fn to_payload(self) -> Payload {
        match self {
            Self::Json(raw) => Payload::Json(raw.to_owned()),
            Self::Binary(bytes) => Payload::Binary(bytes.to_vec()),
        }
    }

    /// How many bytes the payload has.
    #[must_use]
    pub fn len_bytes(self) -> usize {
        match self {
            Self::Json(raw) => raw.get().len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl PartialEq for PayloadRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(ours), Self::Json(theirs)) => ours.get() == theirs.get(),
            (Self::Binary(ours), Self::Binary(theirs)) => ours == theirs,
            (Self::Json(_), Self::Binary(_)) | (Self::Binary(_), Self::Json(_)) => false,
        }
    }
}

/// Why a payload is not what the event needs.
#[derive(Debug)]
pub enum PayloadError {
    /// Bytes came where JSON was expected.
    Binary,
    /// The JSON has another shape.
    Shape(serde_json::Error),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => f.write_str("the payload is binary"),
            Self::Shape(error) => write!(f, "the payload has another shape: {error}"),
        }
    }
}

impl std::error::Error for PayloadError {}
