//! The clocks that the registry is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sensocto_registry::Now;
use tokio::time::Instant;

/// The time since the node started, and the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall_ms: wall_ms() }
    }

    /// The time since the node started.
    #[must_use]
    pub fn mono(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment at which [`Clock::mono`] shows `mono`.
    #[must_use]
    pub fn at(&self, mono: Duration) -> Instant {
        self.started + mono
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
