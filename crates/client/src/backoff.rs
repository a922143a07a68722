//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::Reconnect;

/// Delays that double, with a random half left out.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Reconnect,
    /// Seeded by the operating system once a process, and different for each instance.
    random: RandomState,
    drawn: u64,
}

impl Backoff {
    pub(crate) fn new(policy: Reconnect) -> Self {
        Self { policy, random: RandomState::new(), drawn: 0 }
    }

    /// The delay after `setbacks` failures in a row; none if there is to be no further attempt.
    pub(crate) fn delay(&mut self, setbacks: u32) -> Option<Duration> {
        match self.policy {
            Reconnect::Never => None,
            Reconnect::Backoff { delay_min, delay_max } => {
                let doubled = delay_min.saturating_mul(2_u32.saturating_pow(setbacks));
                Some(self.at_least_half_of(doubled.min(delay_max)))
            }
        }
    }

    /// A random duration between half of `whole` and `whole`.
    pub(crate) fn at_least_half_of(&mut self, whole: Duration) -> Duration {
        self.drawn = self.drawn.wrapping_add(1);
        let thousandths = u32::try_from(self.random.hash_one(self.drawn) % 501).unwrap_or_default();
        whole / 2 + whole / 1000 * thousandths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_at_most_half_is_left_out() {
        let (delay_min, delay_max) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(Reconnect::Backoff { delay_min, delay_max });
        for (setbacks, whole_ms) in [(0, 100), (1, 200), (5, 3200), (6, 5000), (u32::MAX, 5000)] {
            let whole = Duration::from_millis(whole_ms);
            for _ in 0..100 {
                let delay = backoff.delay(setbacks).unwrap();
                assert!(delay >= whole / 2 && delay <= whole, "{setbacks}: {delay:?}");
            }
        }
    }

    #[test]
    fn delays_of_one_client_differ() {
        let mut backoff = Backoff::new(Reconnect::default());
        let first = backoff.delay(9);
        assert!((0..100).any(|_| backoff.delay(9) != first));
    }

    #[test]
    fn there_is_no_delay_before_an_attempt_that_is_not_made() {
        assert_eq!(Backoff::new(Reconnect::Never).delay(0), None);
    }
}
