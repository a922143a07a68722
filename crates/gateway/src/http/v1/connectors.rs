//! `/api/v1/connectors`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use sensocto_node::Position;
use serde::Serialize;
use utoipa::ToSchema;

use super::{PageQuery, PinQuery};
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::cursor::Bound;
use crate::http::query::{Parameters, Query, Values};
use crate::wire::{self, ConnectorJson};

/// One page of the connectors of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorsJson<'a> {
    connectors: Vec<ConnectorJson<'a>>,
    /// How many connectors there are, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
    /// Names the world that the page is of, where it is kept: give it with the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    world: Option<String>,
}

/// Which connectors; what is absent does not matter.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only connectors on the node of this name.
    node: Option<String>,
}

/// A filter and a page.
pub(super) struct ListQuery(FilterQuery, PageQuery, PinQuery);

impl Parameters for ListQuery {
    const NAMES: &'static [&'static str] = &["node", "after", "limit", "pin", "world", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let filter = FilterQuery { node: values.text("node") };
        Ok(ListQuery(filter, PageQuery::read(values)?, PinQuery::read(values)?))
    }
}

/// The connectors of all nodes, in the order of their ids.
#[utoipa::path(
    get,
    path = "/connectors",
    tag = "discovery",
    operation_id = "list_connectors",
    params(FilterQuery, PageQuery, PinQuery),
    responses(
        (status = 200, description = "A page of connectors", body = ConnectorsJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 410, description = "The world of the earlier page is kept no longer", body = ErrorBody),
        (status = 503, description = "The node is stopping, or keeps as many worlds as it may", body = ErrorBody),
        (status = 504, description = "What the request asked for was not seen in time", body = ErrorBody),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>, query: Query<ListQuery>) -> Result<Response, ApiError> {
    let Query(ListQuery(FilterQuery { node }, page, pin)) = query;
    let bound = Bound::new("connectors", &[node.as_deref()]);
    let after = bound.id(page.after.as_deref())?;
    let (world, token) = pin.world(&app)?;
    let listed = app.handle.list_connectors(&world, node.as_deref(), after.as_deref(), page.limit);
    let mono = app.handle.clock().mono();
    let connectors = listed.rows.iter().filter_map(|row| wire::connector(&world.view, &row.held, mono)).collect();
    let next = listed.next.map(|next| bound.cursor(&Position::Id(next)));
    Ok(Json(ConnectorsJson { connectors, total: listed.total, next, world: token }).into_response())
}
