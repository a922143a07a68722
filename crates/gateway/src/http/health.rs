//! `/health/live` and `/health/ready`, for whoever restarts processes and balances load. They say nothing that is worth hiding.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sensocto_node::LoadLevel;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::http::query::{NoParameters, Query};

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveJson {
    /// `ok`
    status: &'static str,
    /// ISO 8601, UTC.
    timestamp: String,
}

/// How well the node can serve.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyJson {
    /// `healthy` or `degraded`
    status: &'static str,
    /// By what was looked at.
    checks: BTreeMap<&'static str, Check>,
    /// ISO 8601, UTC.
    timestamp: String,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Check {
    /// `ok`, `degraded` (clients are served, with less), or `failed` (send them elsewhere).
    status: Outcome,
    /// What is the matter, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Degraded,
    Failed,
}

impl Check {
    fn of(good: bool, otherwise: Outcome, message: impl FnOnce() -> String) -> Check {
        if good {
            Check { status: Outcome::Ok, message: None }
        } else {
            Check { status: otherwise, message: Some(message()) }
        }
    }
}

/// Whether the process answers at all. It does not look at the cluster: restarting a node does not mend its network.
#[utoipa::path(get, path = "/health/live", tag = "operation", responses((status = 200, description = "It does", body = LiveJson)))]
pub(super) async fn live(_: Query<NoParameters>) -> Json<LiveJson> {
    Json(LiveJson { status: "ok", timestamp: now() })
}

/// Whether clients should be sent here. Trouble with other nodes is shown but does not fail: this node serves what it has.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "operation",
    responses(
        (status = 200, description = "Clients are served", body = ReadyJson),
        (status = 503, description = "Clients should go elsewhere", body = ReadyJson),
    )
)]
pub(super) async fn ready(State(app): State<Arc<App>>, _: Query<NoParameters>) -> Response {
    let checks = checks(&app);
    let status = match checks.values().any(|check| check.status == Outcome::Failed) {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    let healthy = checks.values().all(|check| check.status == Outcome::Ok);
    let ready = ReadyJson { status: if healthy { "healthy" } else { "degraded" }, checks, timestamp: now() };
    (status, Json(ready)).into_response()
}

fn checks(app: &App) -> BTreeMap<&'static str, Check> {
    let world = app.handle.world();
    let me = app.handle.me();
    let health = app.handle.cluster_health();
    let published = world.view.nodes().get(&me.node).is_some_and(|node| node.born == me.generation);
    let identical = health.identical;
    let retrying = health.joining.iter().filter(|joining| !joining.connected).count();
    let stopping = app.stopping.is_cancelled();
    let load = app.handle.load();
    let rooms = app.handle.rooms();
    let loaded = load.level >= LoadLevel::High || load.memory_protection;
    BTreeMap::from([
        (
            "load",
            Check::of(!loaded, Outcome::Degraded, || {
                let memory = if load.memory_protection { ", and memory is short" } else { "" };
                format!("the load is {}{memory}: windows are longer", load.level.as_str())
            }),
        ),
        (
            "rooms",
            Check::of(rooms.health.writable || !rooms.health.on_disk, Outcome::Degraded, || {
                "the disk takes no writes: rooms are read from memory, and changes of them are refused".to_owned()
            }),
        ),
        (
            "apart",
            Check::of(!health.apart, Outcome::Degraded, || "an operator let the node leave the cluster".to_owned()),
        ),
        (
            "live_queries",
            Check::of(health.live_queries, Outcome::Degraded, || {
                "an operator turned them off: clients poll".to_owned()
            }),
        ),
        ("accepting", Check::of(!stopping, Outcome::Failed, || "the node is stopping".to_owned())),
        (
            "world",
            Check::of(published, Outcome::Failed, || "the node has published no world of its own yet".to_owned()),
        ),
        (
            "peers",
            Check::of(identical.nodes == identical.of, Outcome::Degraded, || {
                format!(
                    "the entries of {} of {} nodes are not proved",
                    identical.of.saturating_sub(identical.nodes),
                    identical.of
                )
            }),
        ),
        (
            "joining",
            Check::of(retrying == 0, Outcome::Degraded, || {
                format!("{retrying} of {} addresses to join are not connected", health.joining.len())
            }),
        ),
    ])
}

fn now() -> String {
    iso_8601(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The time since 1970 as a date and time of day, UTC.
fn iso_8601(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since_1970.subsec_millis())
}

/// The date of a day counted from 1970-01-01, after Hinnant, "chrono-Compatible Low-Level Date Algorithms": years that begin in
/// March put the leap day last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_written_as_iso_8601() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_078_012_799_999, "2004-02-28T23:59:59.999Z"),
            (1_767_225_599_123, "2025-12-31T23:59:59.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, expected) in table {
            assert_eq!(iso_8601(Duration::from_millis(millis)), expected);
        }
    }
}
