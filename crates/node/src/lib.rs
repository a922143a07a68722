//! One node of the cluster: the shell around the registry.
//!
//! [`Node::start`] brings up the engine and the driver, the one loop that owns the registry. A [`Handle`] is what everybody else
//! holds: the Discovery API. Reads go to an immutable [`World`] and never wait for the loop, another node or a disk; writes go
//! through the loop and come back with a mark.
//!
//! Absent from this crate: client protocols, HTTP, JSON forms. Only `engine/zenoh.rs` names the engine.
#![warn(missing_docs)]

mod breakers;
mod clock;
mod config;
mod driver;
pub mod engine;
mod handle;
mod health;
mod hello;
mod identity;
mod listing;
mod live;
mod marks;
pub mod metrics;
mod node;
mod propagation;
mod recent;
mod remote;
mod rooms;
mod signals;
mod store;
mod switches;
mod why;
mod world;

pub use breakers::{BreakerCause, BreakerHealth};
pub use clock::Clock;
pub use config::{NodeConfig, PeerConfig, PeerTls, RegistryConfig};
pub use handle::{BATCH_MAX, Handle, LocalEntry, WriteError};
pub use health::{ClusterHealth, Identical, Joining, NodeHealth};
pub use hello::{MatrixRow, NodeLoad};
pub use listing::{PINNED_FOR, PINNED_MAX, Page, PinError, Row, UsersPage, WorldToken};
pub use live::{
    ConnectorFilter, ListDifference, ListLeft, ListQuery, ListRow, ListSpec, LiveCursor, LiveError, LiveNext,
    LiveStart, LiveSubscription, LiveUpdate, PersonRow, Rendered, RoomRow, UserFilter, WINDOWS_BY_ID_MAX, WINDOWS_MAX,
    WINDOWS_OF_ROOMS_MAX, Worlds,
};
pub use marks::{MARK_ALLOWED, MarkError, mark_text, parse_mark};
pub use node::{EndCause, Node, StartError};
pub use propagation::Propagation;
pub use remote::{IDS_MAX as STATE_IDS_MAX, StateAnswer, StateError, StateSource};
pub use rooms::{RoomDone, RoomSights, RoomsBatch, RoomsNext, RoomsPage, RoomsSubscription, RoomsWorld, Sight};
pub use sensocto_model::{
    self as model, Attribute, AttributeId, Attributes, ClientUrl, ConnectionId, Connector, ConnectorId, FieldError,
    Generation, Key, Kind, NodeName, Origin, Presence, PresenceFields, PresenceRef, PresenceTopic, Record, RoomId,
    Sensor, SensorId, UserId, Version,
};
pub use sensocto_registry::breaker::BreakerState;
pub use sensocto_registry::live::{LeftCause, WINDOW_MAX};
pub use sensocto_registry::{
    Cause, ChangeError, Event, EventKind, Freshness, Held, Mark, NodeView, Order, PeerState, Person, Position,
    RegisterError, Room, SearchText, SensorFilter, SensorQuery, View, fold,
};
pub use sensocto_rooms::{
    self as room_rules, Ack as RoomAck, Change as RoomChange, Departure, Health as RoomsHealth, RoomOrder, RoomQuery,
    RoomsView,
};
pub use sensocto_signals::{
    Act, Battery, Digest, Interest, Level, Load, LoadLevel, Picked, Sample, Teller, VISIBLE_MAX, Windows, backpressure,
    timestamp,
};
pub use signals::{BySensor, LocalSignals, PAYLOAD_BYTES_MAX, SignalWatch, Told};
pub use why::{Conflict, Why, WhyHolder};
pub use world::{Batch, Next, Subscription, World};
