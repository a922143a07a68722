//! Why a local change was not made.

use std::fmt;

use sensocto_model::{FieldError, RECORD_BYTES_MAX};

/// Why nothing was registered. The registry is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterError {
    /// A field is not allowed.
    Invalid(FieldError),
    /// The record has more than [`RECORD_BYTES_MAX`] bytes.
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Invalid(error) => error.fmt(formatter),
            RegisterError::TooLarge { bytes } => {
                write!(formatter, "the record has {bytes} bytes, allowed are {RECORD_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for RegisterError {}

/// Why an entry was not changed. The registry is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    /// The registration is not, or no longer, the one that this node holds.
    Superseded,
    /// The new record is not allowed.
    Refused(RegisterError),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Superseded => formatter.write_str("another registration took its place"),
            ChangeError::Refused(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ChangeError {}
