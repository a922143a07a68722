//! The JSON of samples.

use std::cell::Cell;

use sensocto_channels::Json;
use sensocto_node::{AttributeId, BySensor, Digest, Picked, Sample, SensorId, Told};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::socket::discovery;

/// The message that says it.
pub(super) fn of(told: &Told) -> discovery::Told {
    #[derive(Serialize)]
    struct Recent<M> {
        recent: M,
        resync: bool,
    }
    #[derive(Serialize)]
    struct Batch<M> {
        batch: M,
    }
    #[derive(Serialize)]
    struct Digests<M> {
        digests: M,
    }
    match told {
        Told::Recent { samples, resync } => {
            let recent = by_sensor(samples, |sensor, attribute, samples| {
                Some(Measured::Every(every(sensor, attribute, samples)))
            });
            ("sensor_recent", Json::of(&Recent { recent, resync: *resync }))
        }
        Told::Batch(batch) => ("sensor_batch", Json::of(&Batch { batch: by_sensor(batch, picked) })),
        Told::Digest(digests) => ("sensor_digest", Json::of(&Digests { digests: by_sensor(digests, picked) })),
    }
}

/// One attribute of a message.
#[derive(Serialize)]
#[serde(untagged)]
enum Measured<'a> {
    Latest(Measurement<'a>),
    Every(Vec<Measurement<'a>>),
    Digest(DigestJson<'a>),
}

#[derive(Serialize)]
struct Measurement<'a> {
    attribute_id: &'a str,
    payload: &'a RawValue,
    timestamp: &'a RawValue,
    sensor_id: &'a str,
}

#[derive(Serialize)]
struct DigestJson<'a> {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    latest: Measurement<'a>,
}

/// What is no JSON, which no gateway takes in, is left out.
fn measurement<'a>(sensor: &'a SensorId, attribute: &'a AttributeId, sample: &'a Sample) -> Option<Measurement<'a>> {
    Some(Measurement {
        attribute_id: attribute.as_str(),
        payload: serde_json::from_str(sample.payload()).ok()?,
        timestamp: serde_json::from_str(sample.timestamp()).ok()?,
        sensor_id: sensor.as_str(),
    })
}

fn every<'a>(sensor: &'a SensorId, attribute: &'a AttributeId, samples: &'a [Sample]) -> Vec<Measurement<'a>> {
    samples.iter().filter_map(|sample| measurement(sensor, attribute, sample)).collect()
}

fn picked<'a>(sensor: &'a SensorId, attribute: &'a AttributeId, picked: &'a Picked) -> Option<Measured<'a>> {
    match picked {
        Picked::Latest(sample) => measurement(sensor, attribute, sample).map(Measured::Latest),
        Picked::Every(samples) => Some(Measured::Every(every(sensor, attribute, samples))),
        Picked::Digest(digest) => self::digest(sensor, attribute, digest).map(Measured::Digest),
    }
}

fn digest<'a>(sensor: &'a SensorId, attribute: &'a AttributeId, digest: &'a Digest) -> Option<DigestJson<'a>> {
    Some(DigestJson {
        count: digest.count,
        avg: digest.numbers.map(|numbers| numbers.avg),
        min: digest.numbers.map(|numbers| numbers.min),
        max: digest.numbers.map(|numbers| numbers.max),
        latest: measurement(sensor, attribute, &digest.latest)?,
    })
}

/// Writes pairs as a map.
struct Pairs<I>(Cell<Option<I>>);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)>> Serialize for Pairs<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // An iterator is used up by reading it; each of these is written once.
        for (key, value) in self.0.take().into_iter().flatten() {
            map.serialize_entry(&key, &value)?;
        }
        map.end()
    }
}

fn by_sensor<'a, T>(
    samples: &'a BySensor<T>,
    of: impl Fn(&'a SensorId, &'a AttributeId, &'a T) -> Option<Measured<'a>> + Copy + 'a,
) -> impl Serialize + 'a {
    let sensors = samples.iter().map(move |(sensor, attributes)| {
        let attributes = attributes.iter().filter_map(move |(attribute, value)| {
            let measured = of(sensor, attribute, value)?;
            Some((attribute.as_str(), measured))
        });
        (sensor.as_str(), Pairs(Cell::new(Some(attributes))))
    });
    Pairs(Cell::new(Some(sensors)))
}
