//! One sample.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One measurement as its connector sent it: two JSON texts behind one shared pointer. A copy is a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    text: Arc<str>,
    payload_len: u32,
}

impl Sample {
    /// A sample of two JSON texts.
    #[must_use]
    pub fn new(payload: &str, timestamp: &str) -> Sample {
        let text: Arc<str> = [payload, timestamp].concat().into();
        // Whatever comes in is limited to a few KiB; a longer one would be cut at a place where it may be cut.
        let payload_len = u32::try_from(payload.len()).unwrap_or_default();
        Sample { text, payload_len }
    }

    /// JSON text: any value.
    #[must_use]
    pub fn payload(&self) -> &str {
        self.text.get(..self.payload_len as usize).unwrap_or_default()
    }

    /// JSON text: any value, by convention milliseconds since 1970. Nothing is ordered or dropped by it; whoever takes samples in
    /// replaces what can be no time (see [`crate::timestamp`]).
    #[must_use]
    pub fn timestamp(&self) -> &str {
        self.text.get(self.payload_len as usize..).unwrap_or_default()
    }

    /// What it costs to keep it, in bytes: the text, its counters, and what the allocator rounds up.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.text.len() + 48
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.payload(), self.timestamp())
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.text, self.payload_len).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sample, D::Error> {
        let (text, payload_len) = <(&str, u32)>::deserialize(deserializer)?;
        if text.is_char_boundary(payload_len as usize) {
            Ok(Sample { text: text.into(), payload_len })
        } else {
            Err(D::Error::custom("a sample that is cut within a character"))
        }
    }
}
