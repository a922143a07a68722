//! `sensocto signals watch`.

use sensocto_client::signals::{BySensor, Digest, Level, Measurement, SignalsEvent, View};
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
    let level = match level {
        AttentionLevel::Low => Level::Low,
        AttentionLevel::Medium => Level::Medium,
        AttentionLevel::High => Level::High,
    };
    let view = View { recent, ..View::of(sensors).at(level) };
    watched::watch(args, "signals:command-line", view.join_params(), lines).await
}

/// What a person is told about an event: a line for each measurement, and for each digest.
fn lines(event: &str, payload: &str) -> Result<Vec<String>, Failure> {
    let payload: &RawValue = serde_json::from_str(payload).map_err(unknown)?;
    let mut lines = Vec::new();
    match SignalsEvent::read(event, payload).map_err(unknown)? {
        Some(SignalsEvent::Recent { samples, resync }) => {
            if resync {
                lines.push("! this reader was too slow; from here on anew".to_owned());
            }
            each(&samples, |place, samples| lines.extend(samples.iter().map(|sample| measured(place, sample))));
        }
        Some(SignalsEvent::Batch(batch)) => {
            each(&batch, |place, samples| lines.extend(samples.iter().map(|sample| measured(place, sample))));
        }
        Some(SignalsEvent::Digest(digests)) => {
            each(&digests, |place, digest| lines.push(digested(place, digest)));
        }
        Some(SignalsEvent::Disconnected | SignalsEvent::Rejoined | SignalsEvent::Closed) | None => {}
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

fn measured(place: &str, sample: &Measurement) -> String {
    printable(&format!("{place} {} at {}", sample.payload, sample.timestamp))
}

fn digested(place: &str, digest: &Digest) -> String {
    let numbers = match (digest.avg, digest.min, digest.max) {
        (Some(avg), Some(min), Some(max)) => format!(", {min} to {max}, mean {avg:.3}"),
        _ => String::new(),
    };
    let Digest { count, latest, .. } = digest;
    printable(&format!("{place} {} at {} ({count} samples{numbers})", latest.payload, latest.timestamp))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
