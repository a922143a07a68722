//! A sensor: the facts about it, not what it measures.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::attribute::Attributes;
use crate::{Attribute, ConnectorId, FieldError, Interner, RoomId, SensorId, attribute, text};

/// The facts about one sensor. A change of any of them is a discovery event; a measurement is not.
///
/// The order of the fields is part of the protocol between nodes; `attributes` comes last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensor {
    /// The sensor.
    pub sensor_id: SensorId,
    /// Its name, for people.
    pub sensor_name: Arc<str>,
    /// Free text, for example `ecg`.
    pub sensor_type: Arc<str>,
    /// The connector that brought it in.
    pub connector_id: ConnectorId,
    /// The connector's name, for people.
    pub connector_name: Arc<str>,
    /// Hz, as its connector said.
    pub sampling_rate: f64,
    /// Samples per batch, as its connector said.
    pub batch_size: u32,
    /// Who brought it in, where its token says so.
    pub username: Option<Arc<str>>,
    /// The room it joined, if it named one.
    pub room_id: Option<RoomId>,
    /// Milliseconds since 1970 by its node's clock; only shown, never compared.
    pub registered_at_ms: u64,
    /// What it measures.
    pub attributes: Attributes,
}

/// The fields of a sensor's record before its attributes, where they lie.
#[derive(Deserialize)]
struct Head<'a> {
    sensor_id: &'a str,
    sensor_name: &'a str,
    sensor_type: &'a str,
    connector_id: &'a str,
    connector_name: &'a str,
    sampling_rate: f64,
    batch_size: u32,
    username: Option<&'a str>,
    room_id: Option<&'a str>,
    registered_at_ms: u64,
}

impl Sensor {
    /// Reads the bytes of a record; `None` where they are none. What many sensors say alike is kept once.
    pub(crate) fn decode(bytes: &[u8], interner: &mut Interner) -> Option<Sensor> {
        let (head, attributes): (Head<'_>, &[u8]) = postcard::take_from_bytes(bytes).ok()?;
        text::check_id("connector_id", head.connector_id).ok()?;
        head.room_id.map_or(Ok(()), |room| text::check_id("room_id", room)).ok()?;
        Some(Sensor {
            sensor_id: SensorId::new(head.sensor_id).ok()?,
            sensor_name: Arc::from(head.sensor_name),
            sensor_type: interner.text(head.sensor_type),
            connector_id: ConnectorId::of_checked(interner.text(head.connector_id)),
            connector_name: interner.text(head.connector_name),
            sampling_rate: head.sampling_rate,
            batch_size: head.batch_size,
            username: head.username.map(|name| interner.text(name)),
            room_id: head.room_id.map(|room| RoomId::of_checked(interner.text(room))),
            registered_at_ms: head.registered_at_ms,
            attributes: interner.attributes(attributes)?,
        })
    }

    /// Checks what the types do not: lengths, ranges and counts.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        text::check_name("sensor_name", &self.sensor_name)?;
        text::check_name("sensor_type", &self.sensor_type)?;
        text::check_name("connector_name", &self.connector_name)?;
        attribute::check_sampling_rate(self.sampling_rate)?;
        self.username.as_deref().map_or(Ok(()), |name| text::check_name("username", name))?;
        if self.attributes.len() > attribute::ATTRIBUTES_MAX {
            return Err(FieldError { field: "attributes", allowed: "at most 64 attributes" });
        }
        self.attributes.iter().map(|(_, attribute)| attribute).try_for_each(Attribute::validate)
    }
}
