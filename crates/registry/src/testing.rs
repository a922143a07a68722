//! What the tests share: records, nodes by name, and a cluster on a simulated clock and a seeded network.

mod cluster;
mod network;
mod replay;

use std::time::Duration;

use sensocto_model::{
    Attributes, ConnectionId, Connector, ConnectorId, Generation, Key, NodeName, Origin, Presence, PresenceFields,
    PresenceRef, PresenceTopic, Record, Sensor, SensorId, Stamp, UserId, Version,
};
use serde_bytes::ByteBuf;

pub(crate) use cluster::{Cluster, world_of};
pub(crate) use network::Network;
pub(crate) use replay::Replay;

use crate::answer::Limits;
use crate::entry::Entry;
use crate::message::{Delta, Put, Removal, Want};

/// A small generator (splitmix64): the same seed gives the same network.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True in `per_mille` of 1,000 cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn name(name: &str) -> NodeName {
    NodeName::new(name).expect("a node name")
}

pub(crate) fn origin(node: &str, generation: u64) -> Origin {
    Origin { node: name(node), generation: Generation(generation) }
}

/// The configuration of these tests: a digest each second, so that their times are round.
pub(crate) fn config() -> crate::Config {
    crate::Config {
        digest_interval: ms(1_000),
        vector_every: 1,
        suspect_after: ms(2_500),
        unreachable_after: ms(10_000),
        ..crate::Config::default()
    }
}

pub(crate) fn key(id: &str) -> Key {
    Key::sensor(&SensorId::new(id).expect("a sensor id"))
}

pub(crate) fn sensor(id: &str, sensor_name: &str) -> Record {
    Record::Sensor(Sensor {
        sensor_id: SensorId::new(id).expect("a sensor id"),
        sensor_name: sensor_name.into(),
        sensor_type: "temperature".into(),
        connector_id: ConnectorId::new("c1").expect("a connector id"),
        connector_name: "Pi".into(),
        sampling_rate: 1.0,
        batch_size: 1,
        username: None,
        room_id: None,
        attributes: Attributes::default(),
        registered_at_ms: 0,
    })
}

pub(crate) fn connector(id: &str) -> Record {
    Record::Connector(Connector {
        connector_id: ConnectorId::new(id).expect("a connector id"),
        connector_name: "Pi".to_owned(),
        connector_type: "python".to_owned(),
        features: Vec::new(),
        registered_at_ms: 0,
    })
}

pub(crate) fn presence(id: &str) -> Record {
    Record::Presence(Presence {
        presence_ref: PresenceRef::new(id).expect("a presence ref"),
        topic: PresenceTopic::new("all").expect("a topic"),
        connection: ConnectionId::new(id).expect("a connection"),
        user_id: UserId::new("u1").expect("a user id"),
        user_name: "Ada".to_owned(),
        device: None,
        room_id: None,
        mode: None,
        online_at_ms: 0,
        fields: PresenceFields::default(),
    })
}

pub(crate) fn stamp(wall_ms: u64) -> Stamp {
    Stamp { wall_ms, counter: 0 }
}

pub(crate) fn entry(id: &str, sensor_name: &str, version: u64) -> (Key, std::sync::Arc<Entry>) {
    let entry = Entry::new(sensor(id, sensor_name), Version(version), stamp(version));
    (key(id), std::sync::Arc::new(entry))
}

/// The line of a sensor.
pub(crate) fn put(id: &str, sensor_name: &str, version: u64) -> Put {
    Put {
        key: key(id),
        version: Version(version),
        stamp: stamp(version),
        body: ByteBuf::from(sensor(id, sensor_name).encode()),
    }
}

pub(crate) fn removal(id: &str, version: u64) -> Removal {
    Removal { key: key(id), version: Version(version), moved_to: None }
}

pub(crate) fn delta(after: u64, upto: u64, removals: Vec<Removal>, puts: Vec<Put>) -> Delta {
    Delta { after: Version(after), upto: Version(upto), read_at: Version(upto), removals, puts }
}

/// What an asker wants who stands at a version, or nowhere.
pub(crate) fn want(after: Option<u64>) -> Want {
    after.map_or(Want::Whole, |after| Want::After(Version(after)))
}

/// Frames of about so many bytes, and ranges of up to 16 entries.
pub(crate) fn limits(bytes_max: usize) -> Limits {
    Limits { bytes_max, range_entries_max: 16 }
}
