//! `/api/v1/cluster/propagation`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sensocto_node::{MatrixRow, Propagation};
use serde::Serialize;
use utoipa::ToSchema;

use super::ReadQuery;
use super::refusals::ReadRefusals;
use crate::App;
use crate::http::query::Query;
use crate::wire::millis;

/// How long changes take from every node to every other one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MatrixJson {
    /// The answering node.
    node: String,
    /// By the node that the changes came to, in the order of the names.
    rows: Vec<RowJson>,
}

/// The times of the ways to one node.
#[derive(Debug, Serialize, ToSchema)]
struct RowJson {
    /// The node that measured them.
    to: String,
    /// How many milliseconds ago it said so; 0 for the answering node.
    age_ms: u64,
    /// By the node that the changes came from.
    from: BTreeMap<String, TimesJson>,
}

/// From the moment in which a change could be read on its own node until it could be read on the other one, over the last five minutes.
#[derive(Debug, Serialize, ToSchema)]
struct TimesJson {
    /// How many changes were measured.
    samples: u32,
    /// Half of them took at most so many microseconds.
    p50_us: u64,
    /// 99 of 100 took at most so many microseconds.
    p99_us: u64,
    /// By how many microseconds clocks may falsify each, at most, for half of them.
    error_us: u64,
    /// How many milliseconds ago the last one was measured, when the row was told.
    age_ms: u64,
}

/// How long changes take from every node to every other one, as each of them measures it all the time.
#[utoipa::path(
    get,
    path = "/cluster/propagation",
    tag = "operation",
    operation_id = "cluster_propagation",
    params(ReadQuery),
    responses(
        (status = 200, description = "The times", body = MatrixJson),
        ReadRefusals,
    )
)]
pub(super) async fn propagation(State(app): State<Arc<App>>, _: Query<ReadQuery>) -> Json<MatrixJson> {
    let rows = app.handle.propagation().into_iter().map(row_json).collect();
    Json(MatrixJson { node: app.handle.me().node.to_string(), rows })
}

fn row_json(row: MatrixRow) -> RowJson {
    let from = row.from.iter().map(|(node, times)| (node.to_string(), times_json(times))).collect();
    RowJson { to: row.to.to_string(), age_ms: millis(row.age), from }
}

fn times_json(times: &Propagation) -> TimesJson {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    TimesJson {
        samples: times.samples,
        p50_us: micros(times.p50),
        p99_us: micros(times.p99),
        error_us: micros(times.error),
        age_ms: millis(times.age),
    }
}
