//! The JSON forms of the world, the same over HTTP and over sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use sensocto_node::{BreakerState, Handle, Held, NodeView, Record, Sample, StateAnswer, StateSource, View};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::audience::Audience;

/// The facts about one sensor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SensorJson<'a> {
    pub(crate) sensor_id: &'a str,
    pub(crate) sensor_name: &'a str,
    /// Free text, for example `ecg`.
    pub(crate) sensor_type: &'a str,
    pub(crate) connector_id: &'a str,
    pub(crate) connector_name: &'a str,
    /// Hz.
    pub(crate) sampling_rate: f64,
    /// Samples.
    pub(crate) batch_size: u32,
    /// Who brought it in, where its token says so.
    pub(crate) username: Option<&'a str>,
    /// The room it joined, if any; null as well where it is one that the reader must not know of.
    pub(crate) room_id: Option<&'a str>,
    pub(crate) attributes: BTreeMap<&'a str, AttributeJson<'a>>,
    /// The node it is connected to.
    pub(crate) node: &'a str,
    /// Which start of that node.
    pub(crate) generation: u64,
    /// The place of its last change in that node's log.
    pub(crate) version: u64,
    /// Milliseconds since 1970 by that node's clock.
    pub(crate) registered_at: u64,
    /// `fresh`, `stale`, `orphaned` or `warming`.
    pub(crate) freshness: &'static str,
    /// For how many milliseconds the answering node's copy has not been proved by the sensor's node; 0 on that node itself.
    pub(crate) age_ms: u64,
}

/// One thing that a sensor measures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttributeJson<'a> {
    pub(crate) attribute_id: &'a str,
    pub(crate) attribute_type: &'a str,
    /// Hz, where its connector said it.
    pub(crate) sampling_rate: Option<f64>,
}

/// One connector.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorJson<'a> {
    pub(crate) connector_id: &'a str,
    pub(crate) connector_name: &'a str,
    /// Free text, for example `python`.
    pub(crate) connector_type: &'a str,
    pub(crate) features: &'a [String],
    /// The node it is connected to.
    pub(crate) node: &'a str,
    /// Milliseconds since 1970 by that node's clock.
    pub(crate) registered_at: u64,
    /// `fresh`, `stale`, `orphaned` or `warming`.
    pub(crate) freshness: &'static str,
    /// For how many milliseconds the answering node's copy has not been proved; 0 on the connector's node itself.
    pub(crate) age_ms: u64,
}

/// Somebody who is here, or was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserJson<'a> {
    pub(crate) user_id: &'a str,
    /// As the newest connection says; null of somebody who left.
    pub(crate) user_name: Option<&'a str>,
    /// Whether at least one connection is left.
    pub(crate) online: bool,
    /// When the last connection left, in milliseconds since 1970 by this node's clock; null while the user is online.
    pub(crate) last_seen_ms: Option<u64>,
    /// Older ones first.
    pub(crate) connections: Vec<ConnectionJson<'a>>,
}

/// One connection of somebody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionJson<'a> {
    /// What they use, for example `web`.
    pub(crate) device: Option<&'a str>,
    /// Where they are; null as well where that is a room that the reader must not know of.
    pub(crate) room_id: Option<&'a str>,
    /// What they do there.
    pub(crate) mode: Option<&'a str>,
    /// Milliseconds since 1970 by that node's clock.
    pub(crate) online_at: u64,
    /// The node they are connected to.
    pub(crate) node: &'a str,
    /// `fresh`, `warming`, `stale` or `orphaned`: whether that node is known to be there.
    pub(crate) freshness: &'static str,
    /// What the application says about the connection.
    #[schema(value_type = Option<Object>)]
    pub(crate) fields: Option<&'a RawValue>,
}

/// The last values of one sensor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateJson<'a> {
    pub(crate) sensor_id: &'a str,
    /// How far the values can be trusted: `fresh`, `stale`, `orphaned` or `warming`.
    pub(crate) freshness: &'static str,
    /// How old the answering node's copy of them is.
    pub(crate) age_ms: u64,
    /// The node the sensor is connected to.
    pub(crate) node: &'a str,
    /// Where they came from: `local`, `cache` or `origin`.
    pub(crate) source: &'static str,
    /// By attribute.
    pub(crate) values: BTreeMap<&'a str, ValueJson<'a>>,
}

/// One measurement, as its connector sent it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueJson<'a> {
    /// Any JSON value.
    #[schema(value_type = Value)]
    pub(crate) payload: &'a RawValue,
    /// Any JSON value; by convention milliseconds since 1970.
    #[schema(value_type = Value)]
    pub(crate) timestamp: &'a RawValue,
}

/// One node, as the answering node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct NodeJson {
    pub(crate) name: String,
    /// Which start of it.
    pub(crate) generation: u64,
    /// `local`, `alive`, `suspect` or `unreachable`.
    pub(crate) state: &'static str,
    /// How far the answering node's copy of its entries can be trusted.
    pub(crate) freshness: &'static str,
    /// For how many milliseconds it has been in this state.
    pub(crate) since_ms: u64,
    /// Why it is in this state, in words, where there is something to explain.
    pub(crate) cause: Option<&'static str>,
    /// Its sensors.
    pub(crate) sensors: u64,
    /// The circuit breaker in front of the answering node's calls to it: `closed`, `open` or `half_open`.
    pub(crate) breaker: &'static str,
    /// Where its clients connect, as `http://10.0.0.1:4000`; null where it did not say.
    pub(crate) url: Option<String>,
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The JSON form of an entry that is a sensor.
pub(crate) fn sensor<'a>(view: &View, held: &'a Held, mono: Duration, audience: &Audience) -> Option<SensorJson<'a>> {
    let sensor = held.entry.record().and_then(Record::as_sensor)?;
    let (freshness, age) = view.freshness(held, mono);
    let attributes = sensor.attributes.iter().map(|(id, attribute)| {
        let attribute_type = &*attribute.attribute_type;
        (
            id.as_str(),
            AttributeJson { attribute_id: id.as_str(), attribute_type, sampling_rate: attribute.sampling_rate },
        )
    });
    Some(SensorJson {
        sensor_id: sensor.sensor_id.as_str(),
        sensor_name: &sensor.sensor_name,
        sensor_type: &sensor.sensor_type,
        connector_id: sensor.connector_id.as_str(),
        connector_name: &sensor.connector_name,
        sampling_rate: sensor.sampling_rate,
        batch_size: sensor.batch_size,
        username: sensor.username.as_deref(),
        room_id: audience.room(sensor.room_id.as_ref()),
        attributes: attributes.collect(),
        node: held.origin.node.as_str(),
        generation: held.origin.generation.0,
        version: held.entry.version.0,
        registered_at: sensor.registered_at_ms,
        freshness: freshness.as_str(),
        age_ms: millis(age),
    })
}

/// The JSON form of an entry that is a connector.
pub(crate) fn connector<'a>(view: &View, held: &'a Held, mono: Duration) -> Option<ConnectorJson<'a>> {
    let connector = held.entry.record().and_then(Record::as_connector)?;
    let (freshness, age) = view.freshness(held, mono);
    Some(ConnectorJson {
        connector_id: connector.connector_id.as_str(),
        connector_name: &connector.connector_name,
        connector_type: &connector.connector_type,
        features: &connector.features,
        node: held.origin.node.as_str(),
        registered_at: connector.registered_at_ms,
        freshness: freshness.as_str(),
        age_ms: millis(age),
    })
}

/// The JSON form of somebody, by one presence for each connection, the oldest first.
pub(crate) fn user<'a>(
    view: &View,
    user_id: &'a str,
    connections: impl Iterator<Item = &'a Held>,
    last_seen_ms: Option<u64>,
    mono: Duration,
    audience: &Audience,
) -> UserJson<'a> {
    let mut newest = None;
    let connections: Vec<ConnectionJson<'a>> = connections
        .filter_map(|held| {
            let presence = held.entry.record().and_then(Record::as_presence)?;
            newest = Some(presence.user_name.as_str());
            Some(ConnectionJson {
                device: presence.device.as_deref(),
                room_id: audience.room(presence.room_id.as_ref()),
                mode: presence.mode.as_deref(),
                online_at: presence.online_at_ms,
                node: held.origin.node.as_str(),
                freshness: view.freshness(held, mono).0.as_str(),
                fields: presence.fields.as_json().and_then(|json| serde_json::from_str(json).ok()),
            })
        })
        .collect();
    UserJson { user_id, user_name: newest, online: !connections.is_empty(), last_seen_ms, connections }
}

/// The JSON form of a sensor's last values. A value that is no JSON (which no gateway takes in) is left out.
pub(crate) fn state<'a>(id: &'a str, answer: &'a StateAnswer) -> StateJson<'a> {
    let values = answer.values.iter().filter_map(|(id, value)| Some((id.as_str(), value_json(value)?)));
    StateJson {
        sensor_id: id,
        freshness: answer.freshness.as_str(),
        age_ms: millis(answer.age),
        node: answer.node.as_str(),
        source: match answer.source {
            StateSource::Local => "local",
            StateSource::Cache => "cache",
            StateSource::Origin => "origin",
        },
        values: values.collect(),
    }
}

fn value_json(value: &Sample) -> Option<ValueJson<'_>> {
    Some(ValueJson {
        payload: serde_json::from_str(value.payload()).ok()?,
        timestamp: serde_json::from_str(value.timestamp()).ok()?,
    })
}

/// The JSON form of what the view says of a node.
pub(crate) fn node(handle: &Handle, node: &NodeView, mono: Duration) -> NodeJson {
    let breaker = handle.breaker(&node.origin.node).map_or(BreakerState::Closed, |breaker| breaker.state);
    NodeJson {
        breaker: breaker.as_str(),
        url: handle.client_url(&node.origin.node).map(String::from),
        name: node.origin.node.to_string(),
        generation: node.origin.generation.0,
        state: node.state.as_str(),
        freshness: node.freshness(mono, handle.fresh_for()).0.as_str(),
        since_ms: millis(mono.saturating_sub(node.since)),
        cause: node.cause.in_words(),
        sensors: node.counts[sensocto_node::Kind::Sensor.index()] + node.retired,
    }
}
