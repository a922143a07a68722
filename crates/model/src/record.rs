//! Records: what an origin log holds, and their form in bytes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::Checked;
use crate::{Connector, ConnectorId, FieldError, Interner, Presence, PresenceRef, Sensor, SensorId};

/// Largest record in bytes: 64 attributes with long types and the longest names fit.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;

/// What an entry is about. The numbers are part of the protocol between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A sensor.
    Sensor = 0,
    /// A connector.
    Connector = 1,
    /// One user's one connection.
    Presence = 2,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 3] = [Kind::Sensor, Kind::Connector, Kind::Presence];

    /// The place of this kind in tables by kind.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word for it in metrics and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Sensor => "sensor",
            Kind::Connector => "connector",
            Kind::Presence => "presence",
        }
    }
}

/// What an entry is found by: its kind and its id within the kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The id: valid for every kind, because all ids of entries follow one rule.
    pub id: SharedId,
}

impl Key {
    /// The key of a sensor.
    #[must_use]
    pub fn sensor(id: &SensorId) -> Key {
        Key { kind: Kind::Sensor, id: SharedId(Arc::clone(id.shared())) }
    }

    /// The key of a connector.
    #[must_use]
    pub fn connector(id: &ConnectorId) -> Key {
        Key { kind: Kind::Connector, id: SharedId(Arc::clone(id.shared())) }
    }

    /// The key of a presence.
    #[must_use]
    pub fn presence(id: &PresenceRef) -> Key {
        Key { kind: Kind::Presence, id: SharedId(Arc::clone(id.shared())) }
    }
}

impl Key {
    /// The sensor's id, where it is the key of one.
    #[must_use]
    pub fn sensor_id(&self) -> Option<SensorId> {
        // All ids of entries follow one rule.
        (self.kind == Kind::Sensor).then(|| SensorId::of_checked(Arc::clone(&self.id.0)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{:?}", self.kind.as_str(), &*self.id.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.as_str(), &*self.id.0)
    }
}

/// An id of any kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SharedId(Arc<str>);

impl SharedId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for SharedId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SharedId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SharedId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked(|text| {
            crate::text::check_id("id", text)?;
            Ok(SharedId(Arc::from(text)))
        }))
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A sensor.
    Sensor(Sensor),
    /// A connector.
    Connector(Connector),
    /// One user's one connection.
    Presence(Presence),
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// More than [`RECORD_BYTES_MAX`] bytes.
    TooLarge {
        /// How many there were.
        bytes: usize,
    },
    /// Not the bytes of a record of this kind, or bytes after its end.
    Malformed,
    /// A record whose fields are not allowed.
    Invalid(FieldError),
    /// A record of another key than the one it was sent under.
    KeyMismatch,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::TooLarge { bytes } => write!(formatter, "{bytes} bytes, allowed are {RECORD_BYTES_MAX}"),
            DecodeError::Malformed => formatter.write_str("not a record of its kind"),
            DecodeError::Invalid(error) => error.fmt(formatter),
            DecodeError::KeyMismatch => formatter.write_str("a record of another key"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Record {
    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Record::Sensor(sensor) => Key::sensor(&sensor.sensor_id),
            Record::Connector(connector) => Key::connector(&connector.connector_id),
            Record::Presence(presence) => Key::presence(&presence.presence_ref),
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Record::Sensor(_) => Kind::Sensor,
            Record::Connector(_) => Kind::Connector,
            Record::Presence(_) => Kind::Presence,
        }
    }

    /// The sensor, where it is one.
    #[must_use]
    pub fn as_sensor(&self) -> Option<&Sensor> {
        match self {
            Record::Sensor(sensor) => Some(sensor),
            Record::Connector(_) | Record::Presence(_) => None,
        }
    }

    /// The connector, where it is one.
    #[must_use]
    pub fn as_connector(&self) -> Option<&Connector> {
        match self {
            Record::Connector(connector) => Some(connector),
            Record::Sensor(_) | Record::Presence(_) => None,
        }
    }

    /// The presence, where it is one.
    #[must_use]
    pub fn as_presence(&self) -> Option<&Presence> {
        match self {
            Record::Presence(presence) => Some(presence),
            Record::Sensor(_) | Record::Connector(_) => None,
        }
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        match self {
            Record::Sensor(sensor) => sensor.validate(),
            Record::Connector(connector) => connector.validate(),
            Record::Presence(presence) => presence.validate(),
        }
    }

    /// The bytes between nodes (postcard). Equal records have equal bytes on every node.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let bytes = match self {
            Record::Sensor(sensor) => postcard::to_allocvec(sensor),
            Record::Connector(connector) => postcard::to_allocvec(connector),
            Record::Presence(presence) => postcard::to_allocvec(presence),
        };
        // Plain structs of texts, numbers and maps of known length: there is no value of them that postcard refuses.
        bytes.unwrap_or_default()
    }

    /// Reads and checks the bytes of the record of `key`.
    ///
    /// # Errors
    /// Says why the bytes are not such a record. It never panics, whatever the bytes are.
    pub fn decode(key: &Key, bytes: &[u8], interner: &mut Interner) -> Result<Record, DecodeError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(DecodeError::TooLarge { bytes: bytes.len() });
        }
        let mut record = match key.kind {
            Kind::Sensor => Sensor::decode(bytes, interner).map(Record::Sensor).ok_or(DecodeError::Malformed),
            Kind::Connector => read(bytes).map(Record::Connector),
            Kind::Presence => read(bytes).map(Record::Presence),
        }?;
        record.validate().map_err(DecodeError::Invalid)?;
        if record.key() != *key {
            return Err(DecodeError::KeyMismatch);
        }
        if let Record::Sensor(sensor) = &mut record {
            // One text for the key and the record.
            sensor.sensor_id = SensorId::of_checked(Arc::clone(&key.id.0));
        }
        Ok(record)
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests;
