//! What became of an attribute since somebody last read it, in five numbers.

use crate::Sample;

/// A digest of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// How many samples came.
    pub count: u64,
    /// Their mean, least and greatest, where they are numbers; of those that were still kept.
    pub numbers: Option<Numbers>,
    /// The latest one.
    pub latest: Sample,
}

/// What numbers have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// The mean.
    pub avg: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Digest {
    /// The digest of `count` samples, of which these are still kept; `None` where none is.
    pub(crate) fn of<'a>(count: u64, kept: impl Iterator<Item = &'a Sample>) -> Option<Digest> {
        let mut latest = None;
        let mut numbers: Option<(f64, f64, f64, u32)> = None;
        for sample in kept {
            latest = Some(sample);
            let Some(number) = number(sample.payload()) else { continue };
            let (sum, min, max, some) = numbers.unwrap_or((0.0, number, number, 0));
            numbers = Some((sum + number, min.min(number), max.max(number), some + 1));
        }
        let numbers = numbers.map(|(sum, min, max, some)| Numbers { avg: sum / f64::from(some), min, max });
        Some(Digest { count, numbers, latest: latest?.clone() })
    }
}

/// The number that a payload is, or that an object has as its only number.
fn number(payload: &str) -> Option<f64> {
    if let Ok(number) = serde_json::from_str::<f64>(payload) {
        return Some(number);
    }
    if !payload.starts_with('{') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload).ok()?;
    let mut numbers = object.values().filter_map(serde_json::Value::as_f64);
    let only = numbers.next()?;
    numbers.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_there_is_one() {
        let table = [("1.5", Some(1.5)), (r#"{"bpm":71}"#, Some(71.0)), (r#"{"x":1,"y":2}"#, None), ("[1]", None)];
        for (payload, expected) in table {
            assert_eq!(number(payload), expected, "{payload}");
        }
        assert_eq!(number(r#"{"value":2,"unit":"C"}"#), Some(2.0));
        assert_eq!(number("null"), None);
    }

    #[test]
    fn a_digest_counts_what_came_and_measures_what_is_kept() {
        let kept = ["1", "\"x\"", "4"].map(|payload| Sample::new(payload, "0"));
        let digest = Digest::of(9, kept.iter()).unwrap();
        assert_eq!((digest.count, digest.latest.payload()), (9, "4"));
        assert_eq!(digest.numbers, Some(Numbers { avg: 2.5, min: 1.0, max: 4.0 }));
        assert!(Digest::of(9, [].iter()).is_none());
    }
}
