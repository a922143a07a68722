//! A hash of a set of entries that is kept up to date by one addition or subtraction per change.

use std::fmt;

use sensocto_model::{Key, Stamp, Version};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// The sum, modulo 2^128, of the XXH3-128 hashes of the entries of a set.
///
/// Equal sets have equal sums whatever the order of the changes was. Different sets have equal sums with a chance of about
/// 2^-128 as long as nobody chooses entries for that; the sum guards against accidents, not against a hostile origin, which
/// could as well register wrong entries in the first place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SetHash(pub u128);

impl SetHash {
    /// The hash of one entry: its key, version, stamp and the bytes of its record.
    #[must_use]
    pub fn of(key: &Key, version: Version, stamp: Stamp, body: &[u8]) -> SetHash {
        let mut hasher = Xxh3::new();
        hasher.update(&[key.kind as u8]);
        hasher.update(&(key.id.as_str().len() as u64).to_le_bytes());
        hasher.update(key.id.as_str().as_bytes());
        hasher.update(&version.0.to_le_bytes());
        hasher.update(&stamp.wall_ms.to_le_bytes());
        hasher.update(&stamp.counter.to_le_bytes());
        hasher.update(body);
        SetHash(hasher.digest128())
    }

    /// The set with one more entry.
    pub fn add(&mut self, entry: SetHash) {
        self.0 = self.0.wrapping_add(entry.0);
    }

    /// The set with one entry less.
    pub fn subtract(&mut self, entry: SetHash) {
        self.0 = self.0.wrapping_sub(entry.0);
    }
}

impl fmt::Display for SetHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}
