//! The circuit breaker in front of calls to one peer (Nygard, "Release It!").

use std::time::Duration;

/// Failures in a row that open it.
pub const FAILURES_TO_OPEN: u32 = 3;
/// How often an open breaker lets one probe through.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long after opening it is half-open: the next success closes it, the next failure opens it anew.
pub const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a half-open breaker lets a call through.
const HALF_OPEN_INTERVAL: Duration = Duration::from_secs(1);

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// All calls.
    Closed,
    /// None but a probe every [`PROBE_INTERVAL`]; readers use the cache.
    Open,
    /// One call at a time, to find out.
    HalfOpen,
}

impl BreakerState {
    /// The word for it in health and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// The breaker of one peer.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
    opened_at: Option<Duration>,
    probed_at: Duration,
}

impl Breaker {
    /// The state at a moment.
    #[must_use]
    pub fn state(&self, mono: Duration) -> BreakerState {
        match self.opened_at {
            None => BreakerState::Closed,
            Some(opened_at) if mono.saturating_sub(opened_at) >= RECOVERY_TIMEOUT => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When a call is let through next, on the monotonic clock; `None` where every call is.
    #[must_use]
    pub fn next_probe(&self, mono: Duration) -> Option<Duration> {
        let opened_at = self.opened_at?;
        let half_open = self.probed_at.max(opened_at + RECOVERY_TIMEOUT) + HALF_OPEN_INTERVAL;
        Some(match self.state(mono) {
            BreakerState::Closed | BreakerState::Open => (self.probed_at + PROBE_INTERVAL).min(half_open),
            BreakerState::HalfOpen => self.probed_at + HALF_OPEN_INTERVAL,
        })
    }

    /// Whether a call may be made; a `true` of an open or half-open breaker is the probe itself.
    pub fn allow(&mut self, mono: Duration) -> bool {
        let interval = match self.state(mono) {
            BreakerState::Closed => return true,
            BreakerState::Open => PROBE_INTERVAL,
            BreakerState::HalfOpen => HALF_OPEN_INTERVAL,
        };
        let due = mono.saturating_sub(self.probed_at) >= interval;
        if due {
            self.probed_at = mono;
        }
        due
    }

    /// A call was answered.
    pub fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    /// A call was not answered in time.
    pub fn failed(&mut self, mono: Duration) {
        self.failures = self.failures.saturating_add(1);
        let anew = self.state(mono) == BreakerState::HalfOpen;
        if anew || (self.opened_at.is_none() && self.failures >= FAILURES_TO_OPEN) {
            self.open(mono);
        }
    }

    /// The peer is known to be gone: open at once.
    pub fn open(&mut self, mono: Duration) {
        self.opened_at = Some(mono);
        self.probed_at = mono;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_open_it_and_a_success_closes_it() {
        let mut breaker = Breaker::default();
        let mono = Duration::from_secs(100);
        breaker.failed(mono);
        breaker.failed(mono);
        assert_eq!(breaker.state(mono), BreakerState::Closed);
        breaker.failed(mono);
        assert_eq!(breaker.state(mono), BreakerState::Open);
        assert!(!breaker.allow(mono));
        breaker.succeeded();
        assert!(breaker.allow(mono));
    }

    #[test]
    fn an_open_one_lets_a_probe_through_every_ten_seconds() {
        let mut breaker = Breaker::default();
        breaker.open(Duration::from_secs(100));
        assert!(!breaker.allow(Duration::from_secs(109)));
        assert!(breaker.allow(Duration::from_secs(110)));
        assert!(!breaker.allow(Duration::from_secs(111)));
    }

    #[test]
    fn after_thirty_seconds_it_is_half_open_and_a_failure_opens_it_anew() {
        let mut breaker = Breaker::default();
        breaker.open(Duration::from_secs(100));
        assert_eq!(breaker.state(Duration::from_secs(130)), BreakerState::HalfOpen);
        breaker.failed(Duration::from_secs(130));
        assert_eq!(breaker.state(Duration::from_secs(131)), BreakerState::Open);
    }
}
