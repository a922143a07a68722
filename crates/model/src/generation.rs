//! Who wrote an entry, and where in its log.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NodeName;

/// Which start of a node this is: larger each time it starts (milliseconds since 1970 at the start, or one more than the last
/// one where the clock went back).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// The place of a change in its origin's log. The first change has version 1; an empty log stands at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// An empty log.
    pub const ZERO: Version = Version(0);
    /// No log gets here in the life of a node (a million changes a second take 146,000 years): larger ones are forged.
    pub const LIMIT: Version = Version(1 << 62);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Version {
        Version(self.0.saturating_add(1))
    }

    /// Whether an origin can have reached this version.
    #[must_use]
    pub fn is_plausible(self) -> bool {
        self < Version::LIMIT
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One start of one node: the single writer of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The node.
    pub node: NodeName,
    /// Its start.
    pub generation: Generation,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.node, self.generation)
    }
}
