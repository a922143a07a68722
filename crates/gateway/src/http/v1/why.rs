//! `/api/v1/why/{kind}/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use sensocto_node::{Conflict, Kind, Why, WhyHolder};
use serde::Serialize;
use utoipa::ToSchema;

use super::ReadQuery;
use super::refusals::ReadRefusals;
use super::texts::IdText;
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::query::Query;
use crate::wire::millis;

/// Why the answering node shows an entry as it does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyJson {
    /// The answering node.
    asked: String,
    /// `sensor`, `connector` or `presence`.
    kind: &'static str,
    id: String,
    /// Who owns it; null where it is not in the world.
    owner: Option<HolderJson>,
    /// Nodes that hold the same id by an older registration, and are not shown.
    others: Vec<HolderJson>,
    /// How many milliseconds ago the answering node saw the last change; null where it is longer ago than it remembers.
    seen_ms_ago: Option<u64>,
    /// The last time that another node took it over, as far as the answering node remembers.
    last_conflict: Option<ConflictJson>,
}

/// One node's registration.
#[derive(Debug, Serialize, ToSchema)]
struct HolderJson {
    node: String,
    /// Which start of it.
    generation: u64,
    /// The place of the last change in that node's log.
    version: u64,
    /// When it was registered, by the hybrid clock that decides between nodes: milliseconds since 1970, and the order within one.
    stamp_ms: u64,
    stamp_counter: u32,
    /// `fresh`, `stale`, `orphaned` or `warming`.
    freshness: &'static str,
    /// For how many milliseconds the answering node's copy has not been proved.
    age_ms: u64,
}

/// An id that went from one node to another.
#[derive(Debug, Serialize, ToSchema)]
struct ConflictJson {
    from: String,
    to: String,
    ms_ago: u64,
}

/// Who owns an entry, since when, and what the last conflict about it was, as the answering node sees it.
#[utoipa::path(
    get,
    path = "/why/{kind}/{id}",
    tag = "operation",
    operation_id = "why",
    params(
        ("kind" = String, Path, description = "`sensor`, `connector` or `presence`", pattern = "^(sensor|connector|presence)$"),
        ("id" = inline(IdText), Path, description = "The entry's id, percent-encoded; at most 128 bytes"),
        ReadQuery
    ),
    responses(
        (status = 200, description = "What is known", body = WhyJson),
        (status = 404, description = "Nothing is known of it", body = ErrorBody),
        ReadRefusals,
    )
)]
pub(super) async fn why(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, PathRejection>,
    _: Query<ReadQuery>,
) -> Result<Response, ApiError> {
    let Path((kind, id)) = path.map_err(|_| ApiError::invalid("id", "percent-encoded UTF-8"))?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or_else(|| ApiError::invalid("kind", "sensor, connector or presence"))?;
    // All ids of entries follow one rule.
    sensocto_node::SensorId::new(&id).map_err(|error| ApiError::invalid("id", error.allowed))?;
    let why = app.handle.why(kind, &id).ok_or(ApiError::NotFound { what: kind.as_str() })?;
    Ok(Json(why_json(&app, kind, id, why)).into_response())
}

fn why_json(app: &App, kind: Kind, id: String, why: Why) -> WhyJson {
    let mut holders = why.holders.into_iter().map(holder_json);
    WhyJson {
        asked: app.handle.me().node.to_string(),
        kind: kind.as_str(),
        id,
        owner: holders.next(),
        others: holders.collect(),
        seen_ms_ago: why.seen.map(millis),
        last_conflict: why.last_conflict.map(|Conflict { from, to, ago }| ConflictJson {
            from: from.to_string(),
            to: to.to_string(),
            ms_ago: millis(ago),
        }),
    }
}

fn holder_json(holder: WhyHolder) -> HolderJson {
    HolderJson {
        node: holder.origin.node.to_string(),
        generation: holder.origin.generation.0,
        version: holder.version.0,
        stamp_ms: holder.stamp.wall_ms,
        stamp_counter: holder.stamp.counter,
        freshness: holder.freshness.as_str(),
        age_ms: millis(holder.age),
    }
}
