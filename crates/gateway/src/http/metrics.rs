//! `/metrics`

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::error::ApiError;
use crate::http::query::{NoParameters, Query};
use crate::listener::PeerAddress;
use sensocto_tokens::User;

/// The text format that Prometheus reads, in its standardized form (OpenMetrics 1.0).
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this node counts. Only for this machine, for users, or for everybody where the operator chose so.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses(
        (status = 200, description = "Metrics as text", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "A user token is needed from another machine"),
    )
)]
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Response {
    let from_here = peer.is_some_and(|Extension(PeerAddress(address))| address.ip().to_canonical().is_loopback());
    if !from_here && !app.open && super::user(&app, &headers) == User::Anonymous {
        return ApiError::Unauthorized.into_response();
    }
    app.metrics.refresh(&app.presence);
    match app.handle.metrics().encode(&app.handle) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => ApiError::Internal.into_response(),
    }
}
