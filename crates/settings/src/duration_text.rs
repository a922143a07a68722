//! Durations as people write them: `250ms`, `30s`, `5m`, `24h`, `30d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration that is read and shown as a number with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationText(pub Duration);

/// Units with their milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for DurationText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, milliseconds)| *milliseconds);
        number
            .parse::<u64>()
            .ok()
            .zip(unit)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .map(|milliseconds| Self(Duration::from_millis(milliseconds)))
            .ok_or_else(|| format!("'{text}' is not a time; write a number and a unit: 250ms, 30s, 5m, 24h or 30d"))
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let whole = |unit: &&(&str, u64)| milliseconds >= unit.1 && milliseconds.is_multiple_of(unit.1);
        let (unit, size) = UNITS.iter().find(whole).unwrap_or(&("s", 1_000));
        write!(formatter, "{}{unit}", milliseconds / size)
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_shown_again() {
        for text in ["0s", "1ms", "1500ms", "30s", "90s", "5m", "24h", "25h", "30d"] {
            let read: DurationText = text.parse().expect(text);
            let shown = read.to_string();
            assert_eq!(shown.parse::<DurationText>(), Ok(read), "{text} is shown as {shown}");
        }
        assert_eq!("90s".parse::<DurationText>().map(|time| time.to_string()), Ok("90s".to_owned()));
        assert_eq!("24h".parse::<DurationText>().map(|time| time.to_string()), Ok("1d".to_owned()));
    }

    #[test]
    fn anything_else_is_refused_with_examples() {
        for text in ["", "30", "s", "-1s", "1.5s", "1 s", "30 seconds", "99999999999999999999s", "999999999999999999d"]
        {
            let problem = text.parse::<DurationText>().expect_err(text);
            assert!(problem.contains("30s"), "{problem}");
        }
    }
}
