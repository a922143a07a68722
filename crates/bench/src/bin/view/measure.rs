//! Times of single operations.

use std::time::{Duration, Instant};

/// What one operation took, many times.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Measures each of many calls, less what reading the clock takes.
    pub(crate) fn of(count: usize, mut call: impl FnMut(usize)) -> Times {
        let clock = Times::raw(10_000, |_| {}).at(0.5);
        let Times(times) = Times::raw(count, &mut call);
        let mut times: Vec<Duration> = times.into_iter().map(|time| time.saturating_sub(clock)).collect();
        times.sort_unstable();
        Times(times)
    }

    fn raw(count: usize, mut call: impl FnMut(usize)) -> Times {
        let mut times = Vec::with_capacity(count);
        for number in 0..count {
            let before = Instant::now();
            call(number);
            times.push(before.elapsed());
        }
        times.sort_unstable();
        Times(times)
    }

    pub(crate) fn at(&self, part: f64) -> Duration {
        let place = ((self.0.len().saturating_sub(1)) as f64 * part).round() as usize;
        self.0.get(place).copied().unwrap_or_default()
    }

    pub(crate) fn line(&self, what: &str) -> String {
        format!("{what:<52} p50 {:>9}  p99 {:>9}", shown(self.at(0.5)), shown(self.at(0.99)))
    }
}

/// A time as people read it.
pub(crate) fn shown(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        _ => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}

/// Bytes of memory that this process has; 0 where the system does not say.
pub(crate) fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4_096
}

/// A small generator (splitmix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}
