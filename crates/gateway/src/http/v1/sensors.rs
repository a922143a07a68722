//! `/api/v1/sensors`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use sensocto_node::{Kind, SensorFilter, SensorId};
use serde::Serialize;
use utoipa::ToSchema;

use super::PageQuery;
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::query::{Parameters, Query, Values};
use crate::wire::{self, SensorJson, StateJson};

const MAX_AGE_MS_MAX: u64 = 60_000;
const MAX_AGE_MS_DEFAULT: u64 = 5_000;
const TIMEOUT_MS_MAX: u64 = 10_000;
const TIMEOUT_MS_DEFAULT: u64 = 2_000;

/// One page of the sensors of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SensorsJson<'a> {
    sensors: Vec<SensorJson<'a>>,
    /// How many sensors pass the filter, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
}

/// One sensor with its last values.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SensorAndStateJson<'a> {
    sensor: SensorJson<'a>,
    state: StateJson<'a>,
}

/// Which sensors; what is absent does not matter.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only sensors of this type.
    #[param(rename = "type")]
    sensor_type: Option<String>,
    /// Only sensors of the connector with this id.
    connector: Option<String>,
    /// Only sensors on the node of this name.
    node: Option<String>,
    /// Only sensors in the room with this id.
    room: Option<String>,
}

impl From<FilterQuery> for SensorFilter {
    fn from(query: FilterQuery) -> SensorFilter {
        let FilterQuery { sensor_type, connector, node, room } = query;
        SensorFilter { sensor_type, connector, node, room }
    }
}

/// A filter and a page.
pub(super) struct ListQuery(FilterQuery, PageQuery);

impl Parameters for ListQuery {
    const NAMES: &'static [&'static str] = &["type", "connector", "node", "room", "after", "limit"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let filter = FilterQuery {
            sensor_type: values.text("type"),
            connector: values.text("connector"),
            node: values.text("node"),
            room: values.text("room"),
        };
        Ok(ListQuery(filter, PageQuery::read(values)?))
    }
}

/// How new the values have to be.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StateQuery {
    /// How old in milliseconds this node's copy of the values may be before the sensor's node is asked.
    #[param(required = false, minimum = 0, maximum = 60000, default = 5000)]
    max_age_ms: u64,
    /// How many milliseconds to wait for the sensor's node. After that come the values as this node last had them, marked stale.
    #[param(required = false, minimum = 1, maximum = 10000, default = 2000)]
    timeout_ms: u64,
}

impl Parameters for StateQuery {
    const NAMES: &'static [&'static str] = &["max_age_ms", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(StateQuery {
            max_age_ms: values.number("max_age_ms", 0..=MAX_AGE_MS_MAX, MAX_AGE_MS_DEFAULT)?,
            timeout_ms: values.number("timeout_ms", 1..=TIMEOUT_MS_MAX, TIMEOUT_MS_DEFAULT)?,
        })
    }
}

/// The sensors of all nodes, in the order of their ids.
#[utoipa::path(
    get,
    path = "/sensors",
    tag = "discovery",
    operation_id = "list_sensors",
    params(FilterQuery, PageQuery),
    responses(
        (status = 200, description = "A page of sensors", body = SensorsJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>, query: Query<ListQuery>) -> Response {
    let Query(ListQuery(filter, page)) = query;
    let listed = app.handle.list_sensors(&filter.into(), page.after.as_deref(), page.limit);
    let world = app.handle.world();
    let mono = app.handle.clock().mono();
    let sensors = listed.rows.iter().filter_map(|row| wire::sensor(&world.view, &row.held, mono)).collect();
    Json(SensorsJson { sensors, total: listed.total, next: listed.next }).into_response()
}

/// One sensor and its last values, wherever it is.
#[utoipa::path(
    get,
    path = "/sensors/{id}",
    tag = "discovery",
    operation_id = "get_sensor",
    params(("id" = String, Path, description = "The sensor's id, percent-encoded"), StateQuery),
    responses(
        (status = 200, description = "The sensor", body = SensorAndStateJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 404, description = "No node has such a sensor", body = ErrorBody),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    Query(query): Query<StateQuery>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::invalid("sensor_id", "percent-encoded UTF-8"))?;
    let id = SensorId::new(&id)?;
    let max_age = Duration::from_millis(query.max_age_ms);
    let timeout = Duration::from_millis(query.timeout_ms);
    let unknown = ApiError::NotFound { what: "sensor" };
    let answer = app.handle.get_sensor_state(&id, max_age, timeout).await.ok_or(unknown.clone())?;
    // The facts are read last: they are as new as they can be, and a sensor that left meanwhile is gone.
    let world = app.handle.world();
    let held = world.view.get(Kind::Sensor, id.as_str());
    let sensor = held.and_then(|held| wire::sensor(&world.view, held, app.handle.clock().mono())).ok_or(unknown)?;
    Ok(Json(SensorAndStateJson { sensor, state: wire::state(id.as_str(), &answer) }).into_response())
}
