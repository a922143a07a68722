//! The one error of this crate: a field and what it may hold.

use std::fmt;

/// A value that is not allowed in a field.
///
/// It never carries the offending value: that came from outside and may be long, secret or hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name as clients write it, for example `sensor_id`.
    pub field: &'static str,
    /// What the field may hold, in words for whoever sent it.
    pub allowed: &'static str,
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: allowed is {}", self.field, self.allowed)
    }
}

impl std::error::Error for FieldError {}
