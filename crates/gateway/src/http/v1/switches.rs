//! `/api/v1/cluster/leave`, `/api/v1/cluster/join` and `/api/v1/cluster/live_queries`: what an operator switches while the node runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::refusals::SwitchRefusals;
use crate::App;
use crate::error::ApiError;
use crate::http::query::{NoParameters, Query};

/// A page of another site must not be able to switch with the browser of whoever operates the node.
fn check(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    if app.allows_page(headers) { Ok(()) } else { Err(ApiError::ForeignOrigin) }
}

async fn set_apart(app: &App, headers: &HeaderMap, apart: bool) -> Result<StatusCode, ApiError> {
    check(app, headers)?;
    app.handle.set_apart(apart).await.map_err(|_| ApiError::Stopping)?;
    Ok(StatusCode::NO_CONTENT)
}

fn set_live_queries(app: &App, headers: &HeaderMap, on: bool) -> Result<StatusCode, ApiError> {
    check(app, headers)?;
    app.handle.set_live_queries(on);
    Ok(StatusCode::NO_CONTENT)
}

/// The node that is asked leaves the cluster and works alone. Its clients stay and see what other nodes left there, marked orphaned.
#[utoipa::path(
    post,
    path = "/cluster/leave",
    tag = "operation",
    operation_id = "leave_cluster",
    responses(
        (status = 204, description = "It works alone"),
        SwitchRefusals,
    )
)]
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<StatusCode, ApiError> {
    set_apart(&app, &headers, true).await
}

/// The node that is asked takes part in the cluster again.
#[utoipa::path(
    post,
    path = "/cluster/join",
    tag = "operation",
    operation_id = "join_cluster",
    responses(
        (status = 204, description = "It takes part"),
        SwitchRefusals,
    )
)]
pub(super) async fn join(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<StatusCode, ApiError> {
    set_apart(&app, &headers, false).await
}

/// The node that is asked answers live queries again.
#[utoipa::path(
    put,
    path = "/cluster/live_queries",
    tag = "operation",
    operation_id = "live_queries_on",
    responses(
        (status = 204, description = "It does"),
        SwitchRefusals,
    )
)]
pub(super) async fn live_on(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<StatusCode, ApiError> {
    set_live_queries(&app, &headers, true)
}

/// The node that is asked answers no live queries any more: those that are open end, and clients are told to poll.
#[utoipa::path(
    delete,
    path = "/cluster/live_queries",
    tag = "operation",
    operation_id = "live_queries_off",
    responses(
        (status = 204, description = "It does not"),
        SwitchRefusals,
    )
)]
pub(super) async fn live_off(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<StatusCode, ApiError> {
    set_live_queries(&app, &headers, false)
}
