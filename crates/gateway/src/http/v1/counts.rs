//! `/api/v1/counts`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::ReadQuery;
use super::refusals::ReadRefusals;
use crate::App;
use crate::http::query::Query;
use crate::limits::PAGE_MAX;

/// How many sensors there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountsJson {
    /// On all nodes.
    total: usize,
    /// By type, the first thousand types in the order of their names.
    types: BTreeMap<String, usize>,
    /// Whether there are further types.
    more_types: bool,
    /// By the id of their connector, the first thousand in the order of their ids.
    connectors: BTreeMap<String, usize>,
    /// Whether there are further connectors.
    more_connectors: bool,
    /// By node.
    nodes: BTreeMap<String, usize>,
}

/// How many sensors there are of each type, of each connector and on each node. Counts are kept, not computed.
#[utoipa::path(
    get,
    path = "/counts",
    tag = "discovery",
    operation_id = "counts",
    params(ReadQuery),
    responses(
        (status = 200, description = "The counts", body = CountsJson),
        ReadRefusals,
    )
)]
pub(super) async fn counts(State(app): State<Arc<App>>, _: Query<ReadQuery>) -> Response {
    let view = &app.handle.world().view;
    let mut by_type = view.count_by_type();
    let types = by_type.by_ref().take(PAGE_MAX).collect();
    let mut by_connector = view.count_by_connector();
    let connectors = by_connector.by_ref().take(PAGE_MAX).collect();
    let nodes = view.count_by_node().into_iter().map(|(node, count)| (node.to_string(), count)).collect();
    let total = view.count(sensocto_node::Kind::Sensor);
    let more_types = by_type.next().is_some();
    let more_connectors = by_connector.next().is_some();
    Json(CountsJson { total, types, more_types, connectors, more_connectors, nodes }).into_response()
}
