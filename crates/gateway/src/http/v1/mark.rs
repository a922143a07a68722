//! `/api/v1/mark`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use sensocto_node::mark_text;
use serde::Serialize;
use utoipa::ToSchema;

use super::ReadQuery;
use super::refusals::ReadRefusals;
use crate::App;
use crate::http::query::Query;

/// Where the answering node stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MarkJson {
    /// Its own last change: whoever reaches it has seen everything that was written there.
    mark: String,
    /// Where its copies of all nodes stand, its own included.
    marks: Vec<String>,
}

/// The mark of the answering node. Give it to any node as `at_least`, and its answer has seen what this one has written.
#[utoipa::path(
    get,
    path = "/mark",
    tag = "discovery",
    operation_id = "mark",
    params(ReadQuery),
    responses(
        (status = 200, description = "The marks", body = MarkJson),
        ReadRefusals,
    )
)]
pub(super) async fn mark(State(app): State<Arc<App>>, _: Query<ReadQuery>) -> Response {
    let marks = app.handle.marks().iter().map(mark_text).collect();
    Json(MarkJson { mark: mark_text(&app.handle.mark()), marks }).into_response()
}
