//! A hash of a set of entries that is kept up to date by one addition or subtraction per change.

use std::fmt;

use sensocto_model::{Key, Stamp, Version};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// The sum, modulo 2^128, of the XXH3-128 hashes of the entries of a set.
///
/// Equal sets have equal sums whatever the order of the changes was. Different sets have equal sums with a chance of about
/// 2^-64 (what the key and the version contribute passes through 64 bits) as long as nobody chooses entries for that; the sum
/// guards against accidents, not against a hostile origin, which could as well register wrong entries in the first place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SetHash(pub u128);

impl SetHash {
    /// The hash of one entry: its key, version, stamp and the bytes of its record.
    #[must_use]
    pub fn of(key: &Key, version: Version, stamp: Stamp, body: &[u8]) -> SetHash {
        // Each part seeds the hash of the next one: two calls, where a streaming hasher would first have to set up its state.
        let place = version.0.rotate_left(32) ^ stamp.wall_ms.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = place ^ (u64::from(stamp.counter) << 8) ^ (key.kind as u64);
        let seed = xxh3_64_with_seed(key.id.as_str().as_bytes(), place);
        SetHash(xxh3_128_with_seed(body, seed))
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
