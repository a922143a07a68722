//! When to send what has changed: at once when idle, in growing windows under load.

use std::time::Duration;

/// The first window under load; it doubles from here.
const WINDOW_FIRST: Duration = Duration::from_millis(1);
/// The longest window as long as deltas stay small: longer ones would not make fewer frames of note.
const WINDOW_SMALL: Duration = Duration::from_millis(10);
/// What is sent is counted for this long at a time.
const PERIOD: Duration = Duration::from_millis(10);
/// More lines than this in a period is load: 25,000 a second, which is far from what a link carries, but where frames of one line each
/// begin to cost more than what is in them.
const BUSY_LINES: f64 = 250.0;
/// Fewer lines than this in a period is not.
const CALM_LINES: f64 = 120.0;
/// A delta of more lines than this may wait longer than [`WINDOW_SMALL`] for more.
const LARGE_LINES: usize = 1_024;

/// Decides when the next delta leaves.
///
/// Nothing is queued here: the log itself holds what has changed, one state per entry, and a window only makes the next delta
/// gather more of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coalescer {
    window: Duration,
    not_before: Duration,
    period_at: Duration,
    period_lines: usize,
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

    /// Learns how many lines left at once.
    pub(crate) fn sent(&mut self, lines: usize, mono: Duration, window_max: Duration) {
        self.period_lines += lines;
        let elapsed = mono.saturating_sub(self.period_at);
        if elapsed >= PERIOD {
            let lines_per_period = self.period_lines as f64 * PERIOD.as_secs_f64() / elapsed.as_secs_f64();
            let longest = if lines > LARGE_LINES { window_max } else { WINDOW_SMALL.min(window_max) };
            if lines_per_period > BUSY_LINES {
                self.window = (self.window * 2).clamp(WINDOW_FIRST, longest.max(WINDOW_FIRST));
            } else if lines_per_period < CALM_LINES {
                self.window /= 2;
                if self.window < WINDOW_FIRST {
                    self.window = Duration::ZERO;
                }
            }
            self.period_at = mono;
            self.period_lines = 0;
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

    /// Sends `lines` in each window for as long as `span`, and returns how many times.
    fn load(coalescer: &mut Coalescer, lines_per_ms: usize, from: Duration, span: Duration) -> usize {
        let mut sent = 0;
        let mut waiting = 0;
        for ms in 0..span.as_millis() as u64 {
            let mono = from + Duration::from_millis(ms);
            waiting += lines_per_ms;
            if coalescer.is_due(mono) {
                coalescer.sent(waiting, mono, MAX);
                waiting = 0;
                sent += 1;
            }
        }
        sent
    }

    #[test]
    fn under_load_the_window_grows_to_ten_milliseconds_and_with_large_deltas_to_its_maximum() {
        let second = Duration::from_secs(1);
        let mut coalescer = Coalescer::default();
        let sent = load(&mut coalescer, 60, second, second);
        assert!(coalescer.window() == WINDOW_SMALL && sent < 130, "{sent} deltas, window {:?}", coalescer.window());
        load(&mut coalescer, 500, second * 2, second);
        assert_eq!(coalescer.window(), MAX);
        load(&mut coalescer, 0, second * 3, second);
        for number in 0..10 {
            coalescer.sent(1, second * 4 + PERIOD * number, MAX);
        }
        assert_eq!(coalescer.window(), Duration::ZERO);
    }

    #[test]
    fn one_change_after_the_other_is_no_load() {
        let mut coalescer = Coalescer::default();
        let sent = load(&mut coalescer, 1, Duration::from_secs(1), Duration::from_secs(1));
        assert_eq!((sent, coalescer.window()), (1_000, Duration::ZERO));
    }
}
