//! How often something may be done: so many times in a row, and then at a pace.

use std::time::Duration;

/// A token bucket on the node's clock, kept as the moment at which it is full again.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    burst: u32,
    every: Duration,
    full_at: Duration,
}

impl Budget {
    /// A full one: `burst` in a row, and then one `every` so often.
    pub(super) fn full(burst: u32, every: Duration) -> Budget {
        Budget { burst, every, full_at: Duration::ZERO }
    }

    /// When it may be done next.
    pub(super) fn next_at(&self) -> Duration {
        (self.full_at + self.every).saturating_sub(self.every * self.burst)
    }

    /// Does it once, where it may be done.
    pub(super) fn spend(&mut self, mono: Duration) -> bool {
        self.spend_some(1, mono) == 1
    }

    /// Does it up to `wanted` times; how often it may be done.
    pub(super) fn spend_some(&mut self, wanted: usize, mono: Duration) -> usize {
        let used = self.full_at.saturating_sub(mono);
        let left = (self.every * self.burst).saturating_sub(used);
        let may = usize::try_from(left.as_nanos() / self.every.as_nanos().max(1)).unwrap_or(usize::MAX).min(wanted);
        self.full_at = self.full_at.max(mono) + self.every * u32::try_from(may).unwrap_or(u32::MAX);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let mut budget = Budget::full(3, Duration::from_millis(100));
        let now = Duration::from_secs(10);
        assert_eq!((0..5).filter(|_| budget.spend(now)).count(), 3);
        assert_eq!(budget.next_at(), now + Duration::from_millis(100));
        assert!(!budget.spend(now + Duration::from_millis(99)));
        assert!(budget.spend(now + Duration::from_millis(100)));
        assert_eq!(budget.spend_some(10, now + Duration::from_millis(300)), 2);
        assert_eq!(budget.spend_some(10, now + Duration::from_secs(60)), 3);
    }
}
