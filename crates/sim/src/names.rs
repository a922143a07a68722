//! Nodes and entries by number, and the records of entries.

use sensocto_model::{
    Attributes, Connector, ConnectorId, FieldError, Key, Kind, NodeName, Presence, PresenceRef, Record, Sensor,
    SensorId, UserId,
};

/// Numbers from here on are of entries that a hostile node invents.
pub(crate) const FORGED_FROM: u32 = 1 << 30;

/// The name of a node.
pub(crate) fn node_name(number: usize) -> Result<NodeName, FieldError> {
    NodeName::new(&format!("n{number}"))
}

/// The number of a node, from its name.
pub(crate) fn node_number(name: &NodeName) -> Option<usize> {
    name.as_str().strip_prefix('n')?.parse().ok()
}

/// The kind of an entry: sensors are as many as the others together.
pub(crate) fn kind_of(number: u32) -> Kind {
    match number % 4 {
        0 | 1 => Kind::Sensor,
        2 => Kind::Connector,
        _ => Kind::Presence,
    }
}

fn id_of(number: u32) -> String {
    format!("e{number}")
}

/// The number of an entry, from its key.
pub(crate) fn entry_number(key: &Key) -> Option<u32> {
    let number: u32 = key.id.as_str().strip_prefix('e')?.parse().ok()?;
    (kind_of(number) == key.kind).then_some(number)
}

/// The record of an entry after the `write`th write of the whole run: no two writes are alike.
pub(crate) fn record(number: u32, write: u64, padding: usize) -> Result<Record, FieldError> {
    let id = id_of(number);
    let name = format!("w{write}{:-<padding$}", "");
    Ok(match kind_of(number) {
        Kind::Sensor => Record::Sensor(Sensor {
            sensor_id: SensorId::new(&id)?,
            sensor_name: name.into(),
            sensor_type: "t".into(),
            connector_id: ConnectorId::new("c")?,
            connector_name: "c".into(),
            sampling_rate: 1.0,
            batch_size: 1,
            username: None,
            room_id: None,
            attributes: Attributes::default(),
            registered_at_ms: write,
        }),
        Kind::Connector => Record::Connector(Connector {
            connector_id: ConnectorId::new(&id)?,
            connector_name: name,
            connector_type: "t".to_owned(),
            features: Vec::new(),
            registered_at_ms: write,
        }),
        Kind::Presence => Record::Presence(Presence {
            presence_ref: PresenceRef::new(&id)?,
            user_id: UserId::new("u")?,
            user_name: name,
            device: None,
            room_id: None,
            mode: None,
            online_at_ms: write,
        }),
    })
}
