//! `sensocto:sensor:<sensor_id>`: a sensor is registered for as long as it is joined, and its measurements come in here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use sensocto_channels::{Json, Payload};
use sensocto_node::model::attribute;
use sensocto_node::{
    Attribute, AttributeId, ConnectorId, FieldError, LocalEntry, Mark, PAYLOAD_BYTES_MAX, Record, RoomId, Sample,
    Sensor, SensorId, WriteError, mark_text, timestamp,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::budget::Budget;
use super::signals::RateLimited;
use super::{connector, marks, params};
use crate::App;

const KEYS: [&str; 9] = [
    "connector_id",
    "connector_name",
    "sensor_id",
    "sensor_name",
    "sensor_type",
    "attributes",
    "sampling_rate",
    "batch_size",
    "bearer_token",
];
/// Largest `batch_size` that a sensor may name.
const BATCH_SIZE_MAX: f64 = 1_000_000.0;

/// Samples that a sensor may send in a row, and how soon one more: 5,000 a second. Of what comes faster the latest of each attribute counts.
const SAMPLES: (u32, Duration) = (10_000, Duration::from_micros(200));
/// How often a sensor is told that it sends too fast, and how often that its times cannot be.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// What a timestamp may be; see [`timestamp::is_plausible`].
const TIMESTAMPS: &str =
    "milliseconds since 1970, from the beginning of 2000 to a day after this node's clock, or what is no number";

/// One joined sensor.
#[derive(Debug)]
pub(super) struct SensorChannel {
    pub(super) entry: LocalEntry,
    sensor: Sensor,
    /// Ids of attributes that came before, each kept once.
    ids: BTreeSet<AttributeId>,
    budget: Budget,
    flood_told_at: Option<Duration>,
    times_told_at: Option<Duration>,
    /// Whether replies say what was written.
    marks: bool,
}

/// What an event is answered with; most are not.
pub(super) enum Answer {
    Silence,
    Ok(Json),
    Error(Json),
    /// To everybody on the topic, the sender included.
    Broadcast(Json),
}

impl Answer {
    fn error(reason: &str) -> Answer {
        Answer::Error(Json::reason(reason))
    }
}

impl SensorChannel {
    /// Registers the sensor of a join, or says why not.
    pub(super) async fn join(app: &App, id: &str, join: &Payload) -> Result<SensorChannel, Json> {
        let join = params::required(join, &KEYS)?;
        if join.get("sensor_id").and_then(Value::as_str) != Some(id) {
            return Err(Json::reason(params::JOIN_CRASHED));
        }
        let token = join.get("bearer_token").and_then(Value::as_str).unwrap_or_default();
        let bearer =
            app.auth.check_bearer(token, sensocto_tokens::now_s()).map_err(|_| Json::reason(params::UNAUTHORIZED))?;
        let wall_ms = app.handle.clock().now().wall_ms;
        let sensor = read(&join, bearer.username, wall_ms).map_err(params::invalid_field)?;
        let entry = app.handle.register_sensor(sensor.clone()).await.map_err(|error| connector::refused(&error))?;
        let budget = Budget::full(SAMPLES.0, SAMPLES.1);
        Ok(SensorChannel {
            entry,
            sensor,
            ids: BTreeSet::new(),
            budget,
            flood_told_at: None,
            times_told_at: None,
            marks: marks::are_wanted_in(&join),
        })
    }

    /// The sensor.
    pub(super) fn id(&self) -> &str {
        self.sensor.sensor_id.as_str()
    }

    /// Takes an event of the connector.
    pub(super) async fn handle(&mut self, app: &App, event: &str, payload: &Payload) -> Answer {
        match event {
            "measurement" => self.measurement(app, payload).await,
            "measurements_batch" => self.batch(app, payload).await,
            "update_attributes" => self.update_attributes(payload).await,
            "update_connector" => self.update_connector(payload).await,
            "ping" => echo(payload).map_or(Answer::Silence, Answer::Ok),
            "shout" => echo(payload).map_or(Answer::Silence, Answer::Broadcast),
            _ => Answer::Silence,
        }
    }

    async fn measurement(&mut self, app: &App, payload: &Payload) -> Answer {
        let Ok(measurement) = payload.parse::<Measurement<'_>>() else { return Answer::Silence };
        let Some((id, value, timestamp)) = measurement.parts() else { return Answer::Silence };
        let Some(id) = attribute_id(&mut self.ids, id) else { return Answer::error("invalid_attribute_id") };
        if value.get().len() + timestamp.get().len() > PAYLOAD_BYTES_MAX {
            return Answer::error("payload_too_large");
        }
        let text = imu_of_text(&id, value);
        let mut received = Received::now(app);
        let sample = received.sample(text.as_deref().unwrap_or(value.get()), timestamp.get());
        self.take(app, vec![(id, sample)], &received).await
    }

    async fn batch(&mut self, app: &App, payload: &Payload) -> Answer {
        let Ok(batch) = payload.parse::<Vec<&RawValue>>() else { return Answer::Silence };
        let mut received = Received::now(app);
        let mut samples = Vec::with_capacity(batch.len());
        let mut failed_count = 0;
        for one in batch {
            match batched(&mut self.ids, one, &mut received) {
                Some(sample) => samples.push(sample),
                None => failed_count += 1,
            }
        }
        if failed_count > 0 {
            return Answer::Error(Json::of(&InvalidBatch { reason: "invalid_batch", failed_count }));
        }
        self.take(app, samples, &received).await
    }

    /// Keeps samples, and registers the attributes that were not known.
    async fn take(&mut self, app: &App, samples: Vec<(AttributeId, Sample)>, received: &Received) -> Answer {
        let may = self.budget.spend_some(samples.len(), received.mono);
        let (samples, flooded) = within(samples, may);
        app.metrics.samples_flooded(flooded);
        app.metrics.timestamps_replaced(received.replaced);
        let unknown = samples.iter().filter(|(id, _)| self.sensor.attributes.get(id).is_none());
        let mut changed = None;
        for (id, sample) in unknown {
            let sensor = changed.get_or_insert_with(|| self.sensor.clone());
            if sensor.attributes.get(id).is_none() {
                let payload = serde_json::from_str::<Value>(sample.payload()).ok();
                sensor.attributes.insert(id.clone(), Attribute::inferred(id, payload.as_ref()));
            }
            if sensor.attributes.len() > attribute::ATTRIBUTES_MAX {
                return Answer::error("too_many_attributes");
            }
        }
        if let Some(signals) = self.entry.signals() {
            signals.push(samples);
        }
        if let Some(sensor) = changed
            && let Err(error) = self.change(sensor).await
        {
            return Answer::Error(connector::refused(&error));
        }
        let mono = received.mono;
        if flooded > 0 && is_told(&mut self.flood_told_at, mono) {
            return Answer::Error(Json::of(&RateLimited::after(self.budget.next_at().saturating_sub(mono))));
        }
        if received.replaced > 0 && is_told(&mut self.times_told_at, mono) {
            return Answer::Ok(received.about_times());
        }
        Answer::Silence
    }

    async fn update_attributes(&mut self, payload: &Payload) -> Answer {
        let Ok(update) = payload.parse::<Map<String, Value>>() else { return Answer::Silence };
        let (Some(action), Some(id), Some(metadata)) =
            (update.get("action"), update.get("attribute_id"), update.get("metadata"))
        else {
            return Answer::Silence;
        };
        let register = match action.as_str() {
            Some("register") => true,
            Some("unregister") => false,
            Some(_) | None => return Answer::error("invalid_action"),
        };
        let Some(id) = id.as_str().and_then(|id| AttributeId::new(id).ok()) else {
            return Answer::error("invalid_attribute_id");
        };
        let mut sensor = self.sensor.clone();
        if register {
            match Attribute::from_metadata(&id, metadata) {
                Ok(attribute) => sensor.attributes.insert(id, attribute),
                Err(error) => return Answer::Error(params::invalid_field(error)),
            };
        } else {
            sensor.attributes.remove(&id);
        }
        match self.change(sensor).await {
            Ok(mark) if self.marks => Answer::Ok(marks::reply(&mark)),
            Ok(_) => Answer::Silence,
            Err(error) => Answer::Error(connector::refused(&error)),
        }
    }

    async fn update_connector(&mut self, payload: &Payload) -> Answer {
        let Ok(update) = payload.parse::<Map<String, Value>>() else { return Answer::Silence };
        let name = update.get("connector_name").and_then(Value::as_str).unwrap_or_default();
        let mut sensor = self.sensor.clone();
        sensor.connector_name = name.into();
        if !(1..=100).contains(&name.len()) || sensor.validate().is_err() {
            return Answer::error("invalid_connector_name");
        }
        #[derive(Serialize)]
        struct Renamed<'a> {
            connector_name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            mark: Option<String>,
        }
        match self.change(sensor).await {
            Ok(mark) => {
                let mark = self.marks.then(|| mark_text(&mark));
                Answer::Ok(Json::of(&Renamed { connector_name: name, mark }))
            }
            Err(error) => Answer::Error(connector::refused(&error)),
        }
    }

    /// Changes the facts in the world, and here when that worked.
    async fn change(&mut self, sensor: Sensor) -> Result<Mark, WriteError> {
        let mark = self.entry.update(Record::Sensor(sensor.clone())).await?;
        self.sensor = sensor;
        Ok(mark)
    }
}

/// Whether it is time to tell something that was told last at `told_at`; then it is told.
fn is_told(told_at: &mut Option<Duration>, mono: Duration) -> bool {
    let due = told_at.is_none_or(|told_at| mono >= told_at + TOLD_EVERY);
    if due {
        *told_at = Some(mono);
    }
    due
}

/// When an event came in, and what that had to stand for.
struct Received {
    mono: Duration,
    wall_ms: u64,
    /// Samples whose own time cannot be.
    replaced: usize,
}

impl Received {
    fn now(app: &App) -> Received {
        let now = app.handle.clock().now();
        Received { mono: now.mono, wall_ms: now.wall_ms, replaced: 0 }
    }

    /// A sample with its own time, or with that of its receipt where its own cannot be.
    fn sample(&mut self, payload: &str, timestamp: &str) -> Sample {
        if timestamp::is_plausible(timestamp, self.wall_ms) {
            return Sample::new(payload, timestamp);
        }
        self.replaced += 1;
        Sample::new(payload, &self.wall_ms.to_string())
    }

    /// What a connector is told of times that cannot be. Its samples are kept: sending them again would be wrong.
    fn about_times(&self) -> Json {
        #[derive(Serialize)]
        struct Replaced {
            reason: &'static str,
            field: &'static str,
            allowed: &'static str,
            replaced_by: u64,
            replaced_count: usize,
        }
        Json::of(&Replaced {
            reason: "timestamp_replaced",
            field: "timestamp",
            allowed: TIMESTAMPS,
            replaced_by: self.wall_ms,
            replaced_count: self.replaced,
        })
    }
}

/// The first `may` samples, and of the others the latest of each attribute; how many were too many.
fn within(mut samples: Vec<(AttributeId, Sample)>, may: usize) -> (Vec<(AttributeId, Sample)>, usize) {
    if may >= samples.len() {
        return (samples, 0);
    }
    let too_many = samples.len() - may;
    let mut latest: Vec<(AttributeId, Sample)> = Vec::new();
    for (id, sample) in samples.drain(may..) {
        match latest.iter_mut().find(|(known, _)| *known == id) {
            Some((_, last)) => *last = sample,
            None => latest.push((id, sample)),
        }
    }
    samples.extend(latest);
    (samples, too_many)
}

#[derive(Serialize)]
struct InvalidBatch {
    reason: &'static str,
    failed_count: usize,
}

/// One measurement as it is written. Null is a value; only a missing key is missing.
#[derive(Deserialize)]
struct Measurement<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    attribute_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Measurement<'a> {
    fn parts(&self) -> Option<(&'a RawValue, &'a RawValue, &'a RawValue)> {
        Some((self.attribute_id?, self.payload?, self.timestamp?))
    }
}

/// The attribute that a measurement names. One that came before is not made anew.
fn attribute_id(known: &mut BTreeSet<AttributeId>, raw: &RawValue) -> Option<AttributeId> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let Text(text) = serde_json::from_str(raw.get()).ok()?;
    if let Some(id) = known.get(&*text) {
        return Some(id.clone());
    }
    let id = AttributeId::new(&text).ok()?;
    if known.len() < attribute::ATTRIBUTES_MAX {
        known.insert(id.clone());
    }
    Some(id)
}

/// One measurement of a batch; `None` where it is not allowed.
fn batched(
    known: &mut BTreeSet<AttributeId>,
    raw: &RawValue,
    received: &mut Received,
) -> Option<(AttributeId, Sample)> {
    let measurement: Measurement<'_> = serde_json::from_str(raw.get()).ok()?;
    let (id, payload, timestamp) = measurement.parts()?;
    let fits = payload.get().len() + timestamp.get().len() <= PAYLOAD_BYTES_MAX;
    let id = attribute_id(known, id)?;
    fits.then(|| (id, received.sample(payload.get(), timestamp.get())))
}

/// Some devices write an inertial measurement as the text `ts,ax,ay,az,rx,ry,rz[,qw,qx,qy,qz]`; what cannot be read of it is 0.
fn imu_of_text(id: &AttributeId, payload: &RawValue) -> Option<String> {
    #[derive(Serialize)]
    struct Axes {
        x: f64,
        y: f64,
        z: f64,
    }
    #[derive(Serialize)]
    struct Imu {
        accelerometer: Axes,
        gyroscope: Axes,
    }
    if id.as_str() != "imu" {
        return None;
    }
    let text: String = serde_json::from_str(payload.get()).ok()?;
    let numbers: Vec<f64> = text.split(',').map(finite).collect();
    let [_, ax, ay, az, rx, ry, rz, ..] = numbers[..] else { return None };
    let imu = Imu { accelerometer: Axes { x: ax, y: ay, z: az }, gyroscope: Axes { x: rx, y: ry, z: rz } };
    serde_json::to_string(&imu).ok()
}

fn finite(text: &str) -> f64 {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite()).unwrap_or(0.0)
}

/// The payload as it came, where it is JSON.
pub(super) fn echo(payload: &Payload) -> Option<Json> {
    payload.as_json().map(Json::of)
}

fn read(join: &Map<String, Value>, username: Option<String>, wall_ms: u64) -> Result<Sensor, FieldError> {
    let batch_size = params::number(join, "batch_size")?;
    if !(0.0..=BATCH_SIZE_MAX).contains(&batch_size) {
        return Err(FieldError { field: "batch_size", allowed: "a number from 0 to 1,000,000" });
    }
    let sensor = Sensor {
        sensor_id: SensorId::new(params::text(join, "sensor_id")?)?,
        sensor_name: params::text(join, "sensor_name")?.into(),
        sensor_type: params::text(join, "sensor_type")?.into(),
        connector_id: ConnectorId::new(params::text(join, "connector_id")?)?,
        connector_name: params::text(join, "connector_name")?.into(),
        sampling_rate: params::number(join, "sampling_rate")?,
        batch_size: batch_size as u32,
        username: username.map(Into::into),
        room_id: params::optional_text(join, "room_id")?.map(RoomId::new).transpose()?,
        attributes: attribute::from_join(join.get("attributes").unwrap_or(&Value::Null))?,
        registered_at_ms: wall_ms,
    };
    sensor.validate()?;
    Ok(sensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn an_inertial_measurement_in_text_becomes_axes() {
        let id = AttributeId::new("imu").expect("valid");
        let read = imu_of_text(&id, &raw(r#""1,2,3,4,5,6,x,1,0,0,0""#)).expect("read");
        assert_eq!(read, r#"{"accelerometer":{"x":2.0,"y":3.0,"z":4.0},"gyroscope":{"x":5.0,"y":6.0,"z":0.0}}"#);
        assert!(imu_of_text(&id, &raw(r#""1,2,3""#)).is_none());
        assert!(imu_of_text(&AttributeId::new("x").expect("valid"), &raw(r#""1,2,3,4,5,6,7""#)).is_none());
    }

    #[test]
    fn of_samples_that_are_too_many_the_latest_of_each_attribute_stays() {
        let sample =
            |attribute: &str, payload: &str| (AttributeId::new(attribute).expect("valid"), Sample::new(payload, "0"));
        let sent = vec![sample("a", "1"), sample("a", "2"), sample("b", "3"), sample("a", "4"), sample("b", "5")];
        assert_eq!(within(sent.clone(), 5), (sent.clone(), 0));
        assert_eq!(within(sent.clone(), 1), (vec![sample("a", "1"), sample("a", "4"), sample("b", "5")], 4));
        assert_eq!(within(sent, 0), (vec![sample("a", "4"), sample("b", "5")], 5));
    }

    #[test]
    fn null_is_a_value_and_a_missing_key_is_not() {
        let mut received = Received { mono: Duration::ZERO, wall_ms: 1_767_000_000_000, replaced: 0 };
        let mut read = |text: &str| batched(&mut BTreeSet::new(), &raw(text), &mut received);
        assert!(read(r#"{"attribute_id":"a","payload":null,"timestamp":null}"#).is_some());
        assert!(read(r#"{"attribute_id":"a","payload":1}"#).is_none());
        assert!(read(r#"{"attribute_id":"_a","payload":1,"timestamp":1}"#).is_none());
        assert!(read("1").is_none());
    }
}
