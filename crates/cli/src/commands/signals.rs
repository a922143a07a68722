//! `sensocto signals watch`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::watched;
use super::watched::unknown;
use crate::args::{AttentionLevel, NodeArgs};
use crate::failure::Failure;
use crate::output::printable;

pub(super) async fn watch(
    args: &NodeArgs,
    sensors: &[String],
    level: AttentionLevel,
    recent: u32,
) -> Result<(), Failure> {
    let params = json!({"sensor_ids": sensors, "level": level.as_str(), "recent": recent});
    watched::watch(args, "signals:command-line", params, lines).await
}

type BySensor<T> = BTreeMap<String, BTreeMap<String, T>>;

#[derive(Deserialize)]
struct Recent<'a> {
    #[serde(borrow)]
    recent: BySensor<Vec<Measurement<'a>>>,
    resync: bool,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch: BySensor<OneOrMore<'a>>,
}

#[derive(Deserialize)]
struct Digests<'a> {
    #[serde(borrow)]
    digests: BySensor<Digest<'a>>,
}

/// The latest measurement, or all of a waveform.
enum OneOrMore<'a> {
    One(Measurement<'a>),
    More(Vec<Measurement<'a>>),
}

#[derive(Deserialize)]
struct Measurement<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow)]
    timestamp: &'a RawValue,
}

#[derive(Deserialize)]
struct Digest<'a> {
    count: u64,
    avg: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    #[serde(borrow)]
    latest: Measurement<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMore<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let read = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get()).map(OneOrMore::More)
        } else {
            serde_json::from_str(raw.get()).map(OneOrMore::One)
        };
        read.map_err(serde::de::Error::custom)
    }
}

/// What a person is told about an event: a line for each measurement, and for each digest.
fn lines(event: &str, payload: &str) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    match event {
        "sensor_recent" => {
            let Recent { recent, resync } = serde_json::from_str(payload).map_err(unknown)?;
            if resync {
                lines.push("! this reader was too slow; from here on anew".to_owned());
            }
            each(&recent, |place, samples| lines.extend(samples.iter().map(|sample| measured(place, sample))));
        }
        "sensor_batch" => {
            let Batch { batch } = serde_json::from_str(payload).map_err(unknown)?;
            each(&batch, |place, samples| match samples {
                OneOrMore::One(sample) => lines.push(measured(place, sample)),
                OneOrMore::More(samples) => lines.extend(samples.iter().map(|sample| measured(place, sample))),
            });
        }
        "sensor_digest" => {
            let Digests { digests } = serde_json::from_str(payload).map_err(unknown)?;
            each(&digests, |place, digest| lines.push(digested(place, digest)));
        }
        _ => {}
    }
    Ok(lines)
}

fn each<T>(by_sensor: &BySensor<T>, mut each: impl FnMut(&str, &T)) {
    for (sensor, attributes) in by_sensor {
        for (attribute, value) in attributes {
            each(&format!("{sensor} {attribute}"), value);
        }
    }
}

fn measured(place: &str, sample: &Measurement<'_>) -> String {
    printable(&format!("{place} {} at {}", sample.payload, sample.timestamp))
}

fn digested(place: &str, digest: &Digest<'_>) -> String {
    let numbers = match (digest.avg, digest.min, digest.max) {
        (Some(avg), Some(min), Some(max)) => format!(", {min} to {max}, mean {avg:.3}"),
        _ => String::new(),
    };
    let Digest { count, latest, .. } = digest;
    printable(&format!("{place} {} at {} ({count} samples{numbers})", latest.payload, latest.timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(payload: u32) -> serde_json::Value {
        json!({"attribute_id": "x", "payload": payload, "timestamp": 17, "sensor_id": "s1"})
    }

    #[test]
    fn a_person_reads_a_line_for_each_measurement() {
        let batch = json!({"batch": {"s1": {"celsius": measurement(21), "ecg": [measurement(1), measurement(2)]}}});
        let read = lines("sensor_batch", &batch.to_string()).expect("known");
        assert_eq!(read, ["s1 celsius 21 at 17", "s1 ecg 1 at 17", "s1 ecg 2 at 17"]);
        let recent = json!({"recent": {"s1": {"celsius": [measurement(3)]}}, "resync": true});
        let read = lines("sensor_recent", &recent.to_string()).expect("known");
        assert_eq!(read, ["! this reader was too slow; from here on anew", "s1 celsius 3 at 17"]);
    }

    #[test]
    fn a_digest_is_one_line() {
        let numbers = json!({"count": 9, "avg": 21.5, "min": 20, "max": 22, "latest": measurement(22)});
        let other = json!({"count": 2, "latest": measurement(1)});
        let digests = json!({"digests": {"s1": {"celsius": numbers, "state": other}}});
        let read = lines("sensor_digest", &digests.to_string()).expect("known");
        let expected = ["s1 celsius 22 at 17 (9 samples, 20 to 22, mean 21.500)", "s1 state 1 at 17 (2 samples)"];
        assert_eq!(read, expected);
    }
}
