//! Hybrid logical clock stamps (Kulkarni et al., "Logical Physical Clocks", 2014): they decide which of two origins holds an id.

use serde::{Deserialize, Serialize};

/// When an entry was registered at its origin, comparable between origins.
///
/// The wall clock comes first, so that stamps of unconnected nodes compare as people expect; the counter orders what happens
/// within a millisecond or while a clock stands still or goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub wall_ms: u64,
    /// Order within the millisecond.
    pub counter: u32,
}

impl Stamp {
    /// A clock shows no later time (the year 4199): a larger one is forged, and would win every conflict for ever.
    pub const WALL_MS_LIMIT: u64 = 1 << 46;

    /// Whether a clock can have shown this.
    #[must_use]
    pub fn is_plausible(self) -> bool {
        self.wall_ms < Stamp::WALL_MS_LIMIT
    }

    /// The last stamp of all.
    const LAST: Stamp = Stamp { wall_ms: Stamp::WALL_MS_LIMIT - 1, counter: u32::MAX };

    /// The first stamp that is later than `self` and not before `wall_ms`; after the last stamp of all, that one again.
    #[must_use]
    pub fn after(self, wall_ms: u64) -> Stamp {
        let next = if wall_ms > self.wall_ms {
            Stamp { wall_ms, counter: 0 }
        } else if let Some(counter) = self.counter.checked_add(1) {
            Stamp { wall_ms: self.wall_ms, counter }
        } else {
            Stamp { wall_ms: self.wall_ms.saturating_add(1), counter: 0 }
        };
        next.min(Stamp::LAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_stamp_is_later_whatever_the_clock_does() {
        let first = Stamp { wall_ms: 100, counter: 0 };
        for wall_ms in [0, 99, 100, 101, 5_000] {
            assert!(first.after(wall_ms) > first);
        }
        let full = Stamp { wall_ms: 100, counter: u32::MAX };
        assert!(full.after(100) > full);
        assert!(Stamp::LAST.after(u64::MAX).is_plausible());
    }
}
