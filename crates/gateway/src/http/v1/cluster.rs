//! `/api/v1/cluster/health`, `/api/v1/cluster/nodes` and `/api/v1/cluster/nodes/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use sensocto_node::{BreakerCause, ClusterHealth, Joining, Kind, NodeHealth, NodeLoad, NodeName};
use serde::Serialize;
use utoipa::ToSchema;

use super::ReadQuery;
use super::refusals::ReadRefusals;
use super::texts::NodeNameText;
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::query::{NoParameters, Query};
use crate::wire::{NodeJson, millis};

/// The cluster as the answering node sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClusterHealthJson {
    /// The answering node.
    node: String,
    /// Which start of it.
    generation: u64,
    /// Sensors on all nodes.
    sensors: usize,
    /// Connectors on all nodes.
    connectors: usize,
    /// Rooms that whoever asks may see.
    rooms: usize,
    /// People who are here.
    users: usize,
    /// How the answering node keeps rooms.
    room_store: RoomStoreJson,
    identical: IdenticalJson,
    /// All nodes, the answering one included, by name.
    nodes: Vec<NodeHealthJson>,
    /// The addresses that the answering node was told to join.
    joining: Vec<JoiningJson>,
    /// Whether an operator let the answering node leave the cluster and work alone.
    apart: bool,
    /// Whether the answering node answers live queries.
    live_queries: bool,
}

/// How a node keeps rooms.
#[derive(Debug, Serialize, ToSchema)]
struct RoomStoreJson {
    /// Whether they outlive its process.
    on_disk: bool,
    /// Whether its disk took the last write. Where it did not, rooms are read from memory, and other nodes decide about them.
    writable: bool,
    /// Whether it has caught up with the other nodes, and can decide about rooms.
    ready: bool,
    /// Other nodes that hold exactly the same rooms, of those that it reaches.
    identical: usize,
    of: usize,
}

/// On how many nodes the entries are proved to be what the answering node holds.
#[derive(Debug, Serialize, ToSchema)]
struct IdenticalJson {
    nodes: usize,
    of: usize,
}

/// One node, as the answering node sees it.
#[derive(Debug, Serialize, ToSchema)]
struct NodeHealthJson {
    name: String,
    /// Which start of it.
    generation: u64,
    /// `local`, `alive`, `suspect`, `unreachable` or `removed`.
    state: &'static str,
    /// How far the answering node's copy of its entries can be trusted.
    freshness: &'static str,
    /// For how many milliseconds it has been in this state.
    since_ms: u64,
    /// How long ago it last proved itself; null for the answering node, and before the first time.
    digest_age_ms: Option<u64>,
    /// Why it is in this state, in words, where there is something to explain.
    cause: Option<&'static str>,
    sensors: u64,
    connectors: u64,
    presences: u64,
    /// Its changes that the answering node has not yet heard of, as far as it knows.
    versions_behind: u64,
    /// Its entries that the answering node cannot read.
    unreadable: u64,
    /// Entries of its earlier starts that wait for it to register them again.
    retired: u64,
    /// Where its clients connect, as `http://10.0.0.1:4000`; null where it did not say.
    url: Option<String>,
    /// How loaded it is; null where it did not say yet.
    load: Option<NodeLoadJson>,
    /// The circuit breaker in front of calls to it: `closed`, `open` or `half_open`.
    breaker: &'static str,
    /// Calls in a row that it did not answer.
    failures: u32,
    /// Why the breaker is not closed: `calls_not_answered`, `link_lost`, or `not_probed` of a node that came up and has not answered yet.
    breaker_cause: Option<&'static str>,
    /// For how many milliseconds it has been open or closed; null before the first call.
    breaker_since_ms: Option<u64>,
    /// In how many milliseconds the next call is let through; null where every call is.
    next_probe_ms: Option<u64>,
    /// How many microseconds the last answered call took; null before the first one.
    round_trip_us: Option<u64>,
    /// Calls to it that are under way, of at most 20.
    calls: usize,
}

/// How loaded a node is, as it measured itself.
#[derive(Debug, Serialize, ToSchema)]
struct NodeLoadJson {
    /// `normal`, `elevated`, `high` or `critical`.
    level: &'static str,
    /// Whether its memory is short, so that its connectors send less.
    memory_protection: bool,
    /// Processor time used of what it may use.
    cpu_percent: u8,
    /// How full and how late what fans signals out was.
    fan_out_percent: u8,
    /// How full its queue of writes was.
    queues_percent: u8,
    /// Memory used of what it may use.
    memory_percent: u8,
    /// How long ago it said so.
    age_ms: u64,
}

/// One address to join.
#[derive(Debug, Serialize, ToSchema)]
struct JoiningJson {
    address: String,
    /// `connected` or `retrying`.
    state: &'static str,
    /// For how many milliseconds that has been so. One that is not connected is tried again after 250 ms to 4 s.
    since_ms: u64,
}

/// The cluster as this node sees it.
#[utoipa::path(
    get,
    path = "/cluster/health",
    tag = "discovery",
    operation_id = "cluster_health",
    params(ReadQuery),
    responses(
        (status = 200, description = "The health of the cluster", body = ClusterHealthJson),
        ReadRefusals,
    )
)]
pub(super) async fn health(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    _: Query<ReadQuery>,
) -> Json<ClusterHealthJson> {
    let viewer = super::rooms::viewer(&app, &headers);
    let rooms = app.handle.rooms().view.visible_total(viewer.as_ref());
    Json(health_json(app.handle.cluster_health(), rooms))
}

/// The nodes of the cluster and where their clients connect.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodesJson {
    /// The answering node.
    node: String,
    /// All nodes, the answering one included, by name.
    nodes: Vec<NodeJson>,
}

/// The nodes of the cluster and where their clients connect: where to go on when the own one is gone.
#[utoipa::path(
    get,
    path = "/cluster/nodes",
    tag = "discovery",
    operation_id = "cluster_nodes",
    params(ReadQuery),
    responses(
        (status = 200, description = "The nodes", body = NodesJson),
        ReadRefusals,
    )
)]
pub(super) async fn nodes(State(app): State<Arc<App>>, _: Query<ReadQuery>) -> Json<NodesJson> {
    let nodes = crate::live::nodes(&app.handle, &app.handle.world().view);
    Json(NodesJson { node: app.handle.me().node.to_string(), nodes })
}

/// An operator says that an unreachable node will not come back: its entries leave this node's world now, instead of after the grace.
#[utoipa::path(
    delete,
    path = "/cluster/nodes/{name}",
    tag = "operation",
    operation_id = "forget_node",
    params(("name" = inline(NodeNameText), Path, description = "The node's name")),
    responses(
        (status = 204, description = "Its entries left the world of the node that was asked"),
        (status = 400, description = "The name is no node's", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 403, description = "A page of another site may not do this", body = ErrorBody),
        (status = 409, description = "The node is not unreachable", body = ErrorBody),
        (status = 503, description = "The node that was asked is stopping", body = ErrorBody),
    )
)]
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<StatusCode, ApiError> {
    // A page of another site must not be able to do this with the browser of whoever operates the node.
    if !app.allows_page(&headers) {
        return Err(ApiError::ForeignOrigin);
    }
    let Path(name) = name.map_err(|_| ApiError::invalid("name", "percent-encoded UTF-8"))?;
    match app.handle.confirm_loss(NodeName::new(&name)?).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(ApiError::NotUnreachable),
        Err(_) => Err(ApiError::Stopping),
    }
}

fn health_json(health: ClusterHealth, rooms: usize) -> ClusterHealthJson {
    ClusterHealthJson {
        node: health.me.node.to_string(),
        generation: health.me.generation.0,
        sensors: health.sensors,
        connectors: health.connectors,
        rooms,
        users: health.users,
        room_store: RoomStoreJson {
            on_disk: health.rooms.on_disk,
            writable: health.rooms.writable,
            ready: health.rooms.ready,
            identical: health.rooms.identical,
            of: health.rooms.peers,
        },
        identical: IdenticalJson { nodes: health.identical.nodes, of: health.identical.of },
        nodes: health.nodes.iter().map(node_json).collect(),
        joining: health.joining.into_iter().map(joining_json).collect(),
        apart: health.apart,
        live_queries: health.live_queries,
    }
}

fn node_json(node: &NodeHealth) -> NodeHealthJson {
    let breaker = node.breaker_health.as_ref();
    NodeHealthJson {
        name: node.origin.node.to_string(),
        generation: node.origin.generation.0,
        state: node.state.as_str(),
        freshness: node.freshness.as_str(),
        since_ms: millis(node.since),
        digest_age_ms: node.digest_age.map(millis),
        cause: node.cause,
        sensors: node.counts[Kind::Sensor.index()],
        connectors: node.counts[Kind::Connector.index()],
        presences: node.counts[Kind::Presence.index()],
        versions_behind: node.versions_behind,
        unreadable: node.unreadable,
        retired: node.retired,
        url: node.url.clone().map(String::from),
        load: node.load.map(load_json),
        breaker: node.breaker.as_str(),
        failures: node.failures,
        breaker_cause: breaker.and_then(|breaker| breaker.cause).map(BreakerCause::as_str),
        breaker_since_ms: breaker.map(|breaker| millis(breaker.since)),
        next_probe_ms: breaker.and_then(|breaker| breaker.next_probe).map(millis),
        round_trip_us: breaker
            .and_then(|breaker| breaker.round_trip)
            .map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        calls: node.calls,
    }
}

fn load_json(load: NodeLoad) -> NodeLoadJson {
    NodeLoadJson {
        level: load.level.as_str(),
        memory_protection: load.memory_protection,
        cpu_percent: load.cpu_percent,
        fan_out_percent: load.fan_out_percent,
        queues_percent: load.queues_percent,
        memory_percent: load.memory_percent,
        age_ms: millis(load.age),
    }
}

fn joining_json(joining: Joining) -> JoiningJson {
    let state = if joining.connected { "connected" } else { "retrying" };
    JoiningJson { address: joining.address, state, since_ms: millis(joining.since) }
}
