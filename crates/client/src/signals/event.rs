//! What a node tells a viewer, in types.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Something of each attribute of each sensor: by the sensor's id, and then by the attribute's.
pub type BySensor<T> = BTreeMap<String, BTreeMap<String, T>>;

/// One measurement, as its connector sent it.
#[derive(Debug, Clone, Deserialize)]
pub struct Measurement {
    /// Any JSON value.
    pub payload: Box<RawValue>,
    /// Any JSON value; by convention milliseconds since 1970.
    pub timestamp: Box<RawValue>,
}

/// What became of an attribute since the last message, for a viewer that reads too slowly for samples.
#[derive(Debug, Clone, Deserialize)]
pub struct Digest {
    /// How many samples came.
    pub count: u64,
    /// Their mean, where they are numbers.
    pub avg: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
    /// The latest one.
    pub latest: Measurement,
}

/// What happens to a viewer.
#[derive(Debug)]
pub enum SignalsEvent {
    /// Recent samples, oldest first, in the place of whatever the viewer has of these attributes.
    Recent {
        /// By sensor and attribute.
        samples: BySensor<Vec<Measurement>>,
        /// The viewer read too slowly for what came in between.
        resync: bool,
    },
    /// What came since the last message, oldest first: every sample of a waveform, the latest one of anything else.
    Batch(BySensor<Vec<Measurement>>),
    /// What became of it, where the viewer reads too slowly.
    Digest(BySensor<Digest>),
    /// The connection was lost. It is made again, here or on another node.
    Disconnected,
    /// The viewer looks at the same sensors again, and recent samples follow.
    Rejoined,
    /// It has ended. Nothing follows.
    Closed,
}

impl SignalsEvent {
    /// Reads a message of a topic of signals; `None` where it is of no kind that is known here.
    ///
    /// # Errors
    /// It is of a known kind, and says something else than it should.
    pub fn read(event: &str, payload: &RawValue) -> Result<Option<SignalsEvent>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Recent {
            recent: BySensor<Vec<Measurement>>,
            resync: bool,
        }
        #[derive(Deserialize)]
        struct Batch {
            batch: BySensor<OneOrMore>,
        }
        #[derive(Deserialize)]
        struct Digests {
            digests: BySensor<Digest>,
        }
        Ok(match event {
            "sensor_recent" => {
                let Recent { recent: samples, resync } = serde_json::from_str(payload.get())?;
                Some(SignalsEvent::Recent { samples, resync })
            }
            "sensor_batch" => {
                let Batch { batch } = serde_json::from_str(payload.get())?;
                let lists = |attributes: BTreeMap<String, OneOrMore>| {
                    attributes.into_iter().map(|(attribute, OneOrMore(samples))| (attribute, samples)).collect()
                };
                let batch = batch.into_iter().map(|(sensor, attributes)| (sensor, lists(attributes)));
                Some(SignalsEvent::Batch(batch.collect()))
            }
            "sensor_digest" => {
                let Digests { digests } = serde_json::from_str(payload.get())?;
                Some(SignalsEvent::Digest(digests))
            }
            _ => None,
        })
    }
}

/// The latest measurement, or all of a waveform.
struct OneOrMore(Vec<Measurement>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A payload that is kept as its text cannot be read by a type that tries one form after the other.
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let read = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get())
        } else {
            serde_json::from_str(raw.get()).map(|one| vec![one])
        };
        read.map(OneOrMore).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(event: &str, payload: &Value) -> Option<SignalsEvent> {
        SignalsEvent::read(event, &serde_json::value::to_raw_value(payload).unwrap()).unwrap()
    }

    #[test]
    fn each_kind_of_message_is_read_and_others_are_left() {
        let one = |payload: Value| json!({"attribute_id": "x", "payload": payload, "timestamp": 17, "sensor_id": "s1"});
        let batch =
            json!({"batch": {"s1": {"celsius": one(json!({"value": 1})), "ecg": [one(json!(1)), one(json!(2))]}}});
        let Some(SignalsEvent::Batch(batch)) = read("sensor_batch", &batch) else { panic!("a batch") };
        let payloads = |attribute: &str| -> Vec<&str> {
            batch["s1"][attribute].iter().map(|measured| measured.payload.get()).collect()
        };
        assert_eq!((payloads("celsius"), payloads("ecg")), (vec![r#"{"value":1}"#], vec!["1", "2"]));
        let recent = json!({"recent": {"s1": {"celsius": [one(json!(3))]}}, "resync": true});
        let Some(SignalsEvent::Recent { samples, resync: true }) = read("sensor_recent", &recent) else {
            panic!("recent ones")
        };
        assert_eq!(samples["s1"]["celsius"][0].timestamp.get(), "17");
        let digests = json!({"digests": {"s1": {"state": {"count": 2, "latest": one(json!("on"))}}}});
        let Some(SignalsEvent::Digest(digests)) = read("sensor_digest", &digests) else { panic!("a digest") };
        assert_eq!((digests["s1"]["state"].count, digests["s1"]["state"].avg), (2, None));
        assert!(read("something_new", &json!({})).is_none());
        let wrong = serde_json::value::to_raw_value(&json!({"batch": 7})).unwrap();
        assert!(SignalsEvent::read("sensor_batch", &wrong).is_err());
    }
}
