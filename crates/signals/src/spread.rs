//! A place in time for each of many, so that they do not all come at once: the same for the same name every time.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

/// How long one of a crowd waits so that at most one falls on each `each`, within `longest`.
pub(crate) fn wait(name: &str, crowd: usize, each: Duration, longest: Duration) -> Duration {
    let span = each.saturating_mul(u32::try_from(crowd).unwrap_or(u32::MAX)).min(longest);
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    // The high half of the product of two 64-bit numbers spreads the hash evenly over the span.
    Duration::from_nanos(((u128::from(xxh3_64(name.as_bytes())) * u128::from(nanos)) >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_spread_evenly_and_always_alike() {
        let longest = Duration::from_secs(2);
        let waits: Vec<Duration> =
            (0..10_000).map(|n| wait(&format!("s{n}"), 10_000, Duration::from_millis(1), longest)).collect();
        assert!(waits.iter().all(|wait| *wait < longest));
        for tenth in 0..10 {
            let from = longest * tenth / 10;
            let within = waits.iter().filter(|wait| (from..from + longest / 10).contains(*wait)).count();
            assert!((900..1_100).contains(&within), "{within} of 10,000 in one tenth");
        }
        assert_eq!(wait("s1", 10_000, Duration::from_millis(1), longest), waits[1]);
        assert!(wait("s1", 1, Duration::from_millis(1), longest) < Duration::from_millis(1));
    }
}
