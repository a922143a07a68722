//! `/api/v1/sensors`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use sensocto_node::{Freshness, Kind, Order, SearchText, SensorFilter, SensorId, SensorQuery, StateError};
use serde::Serialize;
use utoipa::ToSchema;

use super::texts::{IdText, MarksText};
use super::{PageQuery, PinQuery, audience};
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::cursor::Bound;
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
    /// Names the world that the page is of, where it is kept: give it with the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    world: Option<String>,
}

/// One sensor with its last values.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SensorAndStateJson<'a> {
    sensor: SensorJson<'a>,
    state: StateJson<'a>,
}

/// Which sensors; what is absent does not matter. [`read_query`] reads it.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters for the document")]
pub(super) struct FilterQuery {
    /// Only sensors of this type.
    #[param(rename = "type")]
    sensor_type: Option<String>,
    /// Only sensors of the connector with this id.
    connector: Option<String>,
    /// Only sensors on the node of this name.
    node: Option<String>,
    /// Only sensors that name the room with this id; empty: those that name none.
    room: Option<String>,
    /// Only sensors that measure the attribute with this id.
    attribute: Option<String>,
    /// Only sensors whose name begins with this, in whatever case.
    #[param(max_length = 256)]
    prefix: Option<String>,
    /// Only sensors of whose name or id each of these words begins a word, in whatever case. What is neither a letter nor a digit
    /// stands between words.
    #[param(max_length = 256)]
    text: Option<String>,
    /// `id`, `name` (in lower case, and then by id) or `changed` (the last changed first, as the answering node heard of it).
    #[param(required = false, default = "id", pattern = "^(id|name|changed)$")]
    order: String,
}

/// What only a list has.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters for the document")]
pub(super) struct ListedQuery {
    /// Only sensors that can be trusted so far: `fresh`, `warming`, `stale` or `orphaned`.
    #[param(pattern = "^(fresh|warming|stale|orphaned)$")]
    freshness: Option<String>,
    /// How many lines behind `after`, or the start, the page begins.
    #[param(required = false, minimum = 0, maximum = 1000000, default = 0)]
    skip: usize,
}

/// Longest text that is looked for in names, in bytes: as long as a name.
const TEXT_BYTES_MAX: usize = 256;

/// Most lines that a page may pass over.
const SKIP_MAX: u64 = 1_000_000;

/// A filter, an order, how many lines are passed over, and a page.
pub(crate) struct ListQuery(pub(crate) SensorQuery, usize, pub(super) PageQuery, pub(super) PinQuery);

/// Reads a filter and an order.
pub(super) fn read_query(values: &mut Values) -> Result<SensorQuery, ApiError> {
    let mut sought = |name| match values.text(name) {
        Some(text) if text.len() > TEXT_BYTES_MAX => {
            Err(ApiError::invalid(name, format!("at most {TEXT_BYTES_MAX} bytes")))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    };
    let (name_prefix, text) = (sought("prefix")?, sought("text")?);
    let filter = SensorFilter {
        sensor_type: values.text("type"),
        connector: values.text("connector"),
        node: values.text("node"),
        room: values.text("room"),
        attribute: values.text("attribute"),
        freshness: values.word("freshness", &Freshness::ALL, Freshness::as_str)?,
        name_prefix,
        text: text.as_deref().and_then(SearchText::new),
    };
    Ok(SensorQuery { filter, order: values.word("order", &Order::ALL, Order::as_str)?.unwrap_or_default() })
}

impl Parameters for ListQuery {
    const NAMES: &'static [&'static str] = &[
        "type",
        "connector",
        "node",
        "room",
        "attribute",
        "freshness",
        "prefix",
        "text",
        "order",
        "skip",
        "after",
        "limit",
        "pin",
        "world",
        "at_least",
        "timeout_ms",
    ];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let skip = usize::try_from(values.number("skip", 0..=SKIP_MAX, 0)?).unwrap_or_default();
        Ok(ListQuery(read_query(values)?, skip, PageQuery::read(values)?, PinQuery::read(values)?))
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
    /// `cache`: what this node has, if it is new enough. `origin`: the sensor's node is asked whatever this one has.
    #[param(required = false, default = "cache", pattern = "^(cache|origin)$")]
    source: String,
    /// Marks, joined by commas: the answer has seen at least these. The header `x-sensocto-mark` says the same.
    #[param(value_type = Option<MarksText>, inline)]
    #[expect(dead_code, reason = "it was waited for before the request came here")]
    at_least: Option<String>,
}

impl Parameters for StateQuery {
    const NAMES: &'static [&'static str] = &["max_age_ms", "timeout_ms", "source", "at_least"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(StateQuery {
            max_age_ms: values.number("max_age_ms", 0..=MAX_AGE_MS_MAX, MAX_AGE_MS_DEFAULT)?,
            timeout_ms: values.number("timeout_ms", 1..=TIMEOUT_MS_MAX, TIMEOUT_MS_DEFAULT)?,
            source: values.word("source", &["cache", "origin"], |word| word)?.unwrap_or("cache").to_owned(),
            at_least: values.text("at_least"),
        })
    }
}

/// The sensors of all nodes, in the order of their ids or another one.
#[utoipa::path(
    get,
    path = "/sensors",
    tag = "discovery",
    operation_id = "list_sensors",
    params(FilterQuery, ListedQuery, PageQuery, PinQuery),
    responses(
        (status = 200, description = "A page of sensors", body = SensorsJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 410, description = "The world of the earlier page is kept no longer", body = ErrorBody),
        (status = 503, description = "The node is stopping, or keeps as many worlds as it may", body = ErrorBody),
        (status = 504, description = "What the request asked for was not seen in time", body = ErrorBody),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(ListQuery(mut query, skip, page, pin)): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let bound = Bound::sensors(&app.handle, &query);
    let mut after = page.after.as_deref().map(|after| bound.position(after)).transpose()?;
    let (world, token) = pin.world(&app)?;
    let audience = audience(&app, &headers);
    query.filter.room = audience.wanted(query.filter.room.take());
    if skip > 0 {
        after = world.view.place_behind(&query, after.as_ref(), skip, app.handle.clock().mono());
    }
    let listed = app.handle.list_sensors(&world, &query, after.as_ref(), page.limit);
    let mono = app.handle.clock().mono();
    let sensors = listed.rows.iter().filter_map(|row| wire::sensor(&world.view, &row.held, mono, &audience)).collect();
    let next = listed.next.map(|next| bound.cursor(&next));
    Ok(Json(SensorsJson { sensors, total: listed.total, next, world: token }).into_response())
}

/// One sensor and its last values, wherever it is.
#[utoipa::path(
    get,
    path = "/sensors/{id}",
    tag = "discovery",
    operation_id = "get_sensor",
    params(("id" = inline(IdText), Path, description = "The sensor's id, percent-encoded; at most 128 bytes"), StateQuery),
    responses(
        (status = 200, description = "The sensor", body = SensorAndStateJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 404, description = "No node has such a sensor", body = ErrorBody),
        (status = 503, description = "A node that could have it did not answer, or this node is stopping", body = ErrorBody),
        (status = 504, description = "What the request asked for was not seen in time", body = ErrorBody),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Query(query): Query<StateQuery>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::invalid("sensor_id", "percent-encoded UTF-8"))?;
    let id = SensorId::new(&id)?;
    let max_age = Duration::from_millis(if query.source == "origin" { 0 } else { query.max_age_ms });
    let timeout = Duration::from_millis(query.timeout_ms);
    let unknown = ApiError::NotFound { what: "sensor" };
    let answer = app.handle.get_sensor_state(&id, max_age, timeout).await.map_err(|error| match error {
        StateError::NotFound => unknown.clone(),
        StateError::Unknown { .. } => ApiError::Unknown { message: error.to_string() },
    })?;
    // The facts are read last: they are as new as they can be, and a sensor that left meanwhile is gone.
    let world = app.handle.world();
    let held = world.view.get(Kind::Sensor, id.as_str());
    let (mono, audience) = (app.handle.clock().mono(), audience(&app, &headers));
    let sensor = held.and_then(|held| wire::sensor(&world.view, held, mono, &audience)).ok_or(unknown)?;
    Ok(Json(SensorAndStateJson { sensor, state: wire::state(id.as_str(), &answer) }).into_response())
}
