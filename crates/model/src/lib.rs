//! What the world is made of: ids, sensors, connectors, presences, rooms, and the rules that make them valid.
//!
//! Every type here is plain data. A value that exists is valid: ids check themselves when they are made or decoded, and a
//! [`Record`] that comes from another node is validated again, because bytes from outside are never trusted.
//!
//! Absent from this crate: sockets, files, clocks, replication, JSON forms of the client protocol beyond the shapes in which a
//! sensor's attributes may be written.
#![warn(missing_docs)]

pub mod attribute;
mod client_url;
mod connector;
mod error;
mod generation;
mod id;
mod interner;
mod now;
mod planted;
mod presence;
mod record;
pub mod room;
mod sensor;
mod stamp;
pub mod text;

pub use attribute::{Attribute, AttributeId, Attributes};
pub use client_url::ClientUrl;
pub use connector::{Connector, FEATURES_MAX};
pub use error::FieldError;
pub use generation::{Generation, Origin, Version};
pub use id::{
    ConnectionId, ConnectorId, NODE_NAME_BYTES_MAX, NodeName, PresenceRef, PresenceTopic, RoomId, SensorId, UserId,
};
pub use interner::Interner;
pub use now::Now;
pub use presence::{FIELDS_BYTES_MAX, FIELDS_DEPTH_MAX, FIELDS_KEYS_MAX, Presence, PresenceFields};
pub use record::{DecodeError, Key, Kind, RECORD_BYTES_MAX, Record, SharedId};
pub use room::{JoinCode, Role, Room, RoomError, RoomPatch, RoomSettings, Term};
pub use sensor::Sensor;
pub use stamp::Stamp;
