//! `/api/v1/connectors`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::PageQuery;
use crate::App;
use crate::error::ErrorBody;
use crate::http::query::Query;
use crate::wire::{self, ConnectorJson};

/// One page of the connectors of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorsJson<'a> {
    connectors: Vec<ConnectorJson<'a>>,
    /// How many connectors there are, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
}

/// The connectors of all nodes, in the order of their ids.
#[utoipa::path(
    get,
    path = "/connectors",
    tag = "discovery",
    operation_id = "list_connectors",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of connectors", body = ConnectorsJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<PageQuery>) -> Response {
    let listed = app.handle.list_connectors(page.after.as_deref(), page.limit);
    let world = app.handle.world();
    let mono = app.handle.clock().mono();
    let connectors = listed.rows.iter().filter_map(|row| wire::connector(&world.view, &row.held, mono)).collect();
    Json(ConnectorsJson { connectors, total: listed.total, next: listed.next }).into_response()
}
