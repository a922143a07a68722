//! When to send what has changed: at once when idle, in growing windows under load.

use std::time::Duration;

/// The first window under load; it doubles from here.
const WINDOW_FIRST: Duration = Duration::from_millis(1);
/// A delta of more entries than this is load.
const BUSY_ENTRIES: usize = 256;
/// A delta of fewer entries than this is not.
const CALM_ENTRIES: usize = 32;

/// Decides when the next delta leaves.
///
/// Nothing is queued here: the log itself holds what has changed, one state per entry, and a window only makes the next delta
/// gather more of it.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    window: Duration,
    not_before: Duration,
}

impl Coalescer {
    /// Whether a delta may leave.
    pub(crate) fn is_due(&self, mono: Duration) -> bool {
        mono >= self.not_before
    }

    /// When the next one may.
    pub(crate) fn due_at(&self) -> Duration {
        self.not_before
    }

    /// The window in force.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// Learns how much left at once.
    pub(crate) fn sent(&mut self, entries: usize, mono: Duration, window_max: Duration) {
        if entries > BUSY_ENTRIES {
            self.window = (self.window * 2).clamp(WINDOW_FIRST, window_max.max(WINDOW_FIRST));
        } else if entries < CALM_ENTRIES {
            self.window /= 2;
            if self.window < WINDOW_FIRST {
                self.window = Duration::ZERO;
            }
        }
        self.not_before = mono + self.window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(100);

    #[test]
    fn an_idle_origin_sends_at_once() {
        let mut coalescer = Coalescer::default();
        coalescer.sent(1, Duration::from_secs(1), MAX);
        assert!(coalescer.is_due(Duration::from_secs(1)));
    }

    #[test]
    fn the_window_grows_under_load_to_its_maximum_and_shrinks_again() {
        let mut coalescer = Coalescer::default();
        for _ in 0..20 {
            coalescer.sent(10_000, Duration::ZERO, MAX);
        }
        assert_eq!(coalescer.window(), MAX);
        assert!(!coalescer.is_due(Duration::from_millis(99)));
        assert!(coalescer.is_due(MAX));
        for _ in 0..20 {
            coalescer.sent(1, Duration::ZERO, MAX);
        }
        assert_eq!(coalescer.window(), Duration::ZERO);
    }
}
