//! Who wrote something, and when: what decides between two writers.

use sensocto_model::{Origin, Stamp};
use serde::{Deserialize, Serialize};

/// One write: a hybrid logical stamp and the start of the node that made it. No two writes have the same tag, because a start of a node
/// gives each stamp once; a larger tag is a later write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag {
    /// When.
    pub stamp: Stamp,
    /// By whom.
    pub origin: Origin,
}

/// A value of which the last write counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Register<T> {
    pub(crate) value: T,
    pub(crate) tag: Tag,
}

impl<T: Clone + PartialEq> Register<T> {
    pub(crate) fn new(value: T, tag: &Tag) -> Register<T> {
        Register { value, tag: tag.clone() }
    }

    /// Writes, unless the value is there already.
    pub(crate) fn write(&mut self, value: T, tag: &Tag) {
        if self.value != value {
            *self = Register::new(value, tag);
        }
    }

    pub(crate) fn merge(&mut self, other: &Register<T>) {
        if crate::planted::is(crate::planted::Fault::OldestWriteWins) {
            if other.tag < self.tag {
                *self = other.clone();
            }
        } else if other.tag > self.tag {
            *self = other.clone();
        }
    }
}
