//! A sensor: the facts about it, not what it measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Attribute, AttributeId, ConnectorId, FieldError, RoomId, SensorId, attribute, text};

/// The facts about one sensor. A change of any of them is a discovery event; a measurement is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    /// The sensor.
    pub sensor_id: SensorId,
    /// Its name, for people.
    pub sensor_name: String,
    /// Free text, for example `ecg`.
    pub sensor_type: String,
    /// The connector that brought it in.
    pub connector_id: ConnectorId,
    /// The connector's name, for people.
    pub connector_name: String,
    /// Hz, as its connector said.
    pub sampling_rate: f64,
    /// Samples per batch, as its connector said.
    pub batch_size: u32,
    /// Who brought it in, where its token says so.
    pub username: Option<String>,
    /// The room it joined, if it named one.
    pub room_id: Option<RoomId>,
    /// What it measures.
    pub attributes: BTreeMap<AttributeId, Attribute>,
    /// Milliseconds since 1970 by its node's clock; only shown, never compared.
    pub registered_at_ms: u64,
}

impl Sensor {
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
        self.attributes.values().try_for_each(Attribute::validate)
    }
}
