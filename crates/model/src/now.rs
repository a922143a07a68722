//! The time, as cores without clocks are told it.

use std::time::Duration;

/// One moment, on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Time since the process started. All waiting and all ages are measured on it; it never goes back.
    pub mono: Duration,
    /// Milliseconds since 1970. Used for stamps alone, which stay in order when it jumps.
    pub wall_ms: u64,
}
