//! Whether a timestamp can be a time at all.
//!
//! Clocks of devices are wrong by minutes, or by the offset of a time zone, and what was recorded yesterday may be sent today: none of
//! that is anybody's business. A clock that was never set says 1970, seconds that are taken for milliseconds say January of that year,
//! and a broken one says 2200: a plot that believed them would show nothing else.

/// The least number that is a time: the beginning of the year 2000, in milliseconds since 1970. Earlier ones are clocks that were never
/// set, and seconds in the place of milliseconds.
pub const EARLIEST_MS: u64 = 946_684_800_000;
/// How far ahead of the node's clock a time may be, in milliseconds: a day, which is more than any two time zones differ by.
pub const AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Whether the JSON of a timestamp may be shown as it came, on a node whose clock shows `wall_ms`. What is no number is a convention
/// between a connector and its viewers, and no claim about the time.
#[must_use]
pub fn is_plausible(timestamp: &str, wall_ms: u64) -> bool {
    let is_number = timestamp.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    // A node whose own clock was never set judges nobody.
    if !is_number || wall_ms < EARLIEST_MS {
        return true;
    }
    // Milliseconds of today are far below 2^53. A number that is too large for this is too large for a time.
    let latest = wall_ms.saturating_add(AHEAD_MS_MAX) as f64;
    timestamp.parse::<f64>().is_ok_and(|time| (EARLIEST_MS as f64..=latest).contains(&time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_of_this_century_and_at_most_a_day_ahead() {
        let now = 1_767_000_000_000;
        let table = [
            ("1767000000000", true),
            ("1767000000000.25", true),
            ("1.767e12", true),
            // A clock that takes local time for universal time.
            ("1767018000000", true),
            ("1767086400000", true),
            ("1767086400001", false),
            ("946684800000", true),
            ("946684799999", false),
            // 1970, seconds, before 1970, 2200, and what is too large for a number.
            ("0", false),
            ("1767000000", false),
            ("-1", false),
            ("7258118400000", false),
            ("1e400", false),
            // What is no number says nothing about the time.
            ("\"noon\"", true),
            ("\"1970-01-01T00:00:00Z\"", true),
            ("null", true),
            ("[1]", true),
        ];
        for (timestamp, expected) in table {
            assert_eq!(is_plausible(timestamp, now), expected, "{timestamp}");
        }
        assert!(is_plausible("1767000000000", u64::MAX), "a clock that is far ahead does not overflow");
        assert!(is_plausible("1767000000000", 77), "a node that does not know the time takes everything as it comes");
    }
}
