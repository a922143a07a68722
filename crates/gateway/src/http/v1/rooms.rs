//! `/api/v1/rooms`: reading rooms, making, changing and ending them. What members do is in `members`.

mod bodies;
mod members;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sensocto_node::model::room::{Configuration, RoomAsk};
use sensocto_node::model::{JoinCode, Room, RoomError, RoomPatch, RoomSettings};
use sensocto_node::{Handle, RoomDone, RoomId, RoomOrder, RoomQuery, UserId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::PageQuery;
use super::refusals::{ReadRefusals, RoomReadRefusals, RoomRefusals};
use super::texts::{IdText, JoinCodeText, RoomIdText};
use crate::App;
use crate::error::ApiError;
use crate::http::body::Body;
use crate::http::cursor::Bound;
use crate::http::query::{NoParameters, Parameters, Query, Values};
use crate::rooms::{self, Detail, RoomJson};
use bodies::{ChangedRoom, NewRoom};

const FIELDS: &[&str] = &[
    "name",
    "description",
    "is_public",
    "calls_enabled",
    "media_playback_enabled",
    "object_3d_enabled",
    "whiteboard_enabled",
    "configuration",
];

/// The routes below `/rooms`.
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(by_code))
        .merge(members::router())
}

/// One page of rooms.
#[derive(Debug, Serialize, ToSchema)]
struct RoomsJson<'a> {
    rooms: Vec<RoomJson<'a>>,
    /// How many rooms there are that whoever asks may see, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
}

/// What came of a write.
#[derive(Debug, Serialize, ToSchema)]
struct DoneJson<'a> {
    /// The room as it is; null where whoever asked sees it no longer.
    room: Option<RoomJson<'a>>,
    /// On how many nodes it is, at least.
    copies: u32,
    /// On how many disks it is, at least.
    on_disk: u32,
}

/// Which rooms, among those that whoever asks may see. [`read_query`] reads it.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters for the document")]
pub(super) struct FilterQuery {
    /// Only those of this owner.
    #[param(value_type = Option<IdText>, inline)]
    owner: Option<String>,
    /// `me`: only those that whoever asks is in.
    #[param(pattern = "^me$")]
    member: Option<String>,
    /// Only `public` or only `private` ones.
    #[param(pattern = "^(public|private)$")]
    visibility: Option<String>,
    /// Only rooms whose name begins with this, in whatever case.
    #[param(max_length = 400)]
    prefix: Option<String>,
    /// `id`, `name` (in lower case, and then by id) or `changed` (the last changed first, on all nodes alike).
    #[param(required = false, default = "id", pattern = "^(id|name|changed)$")]
    order: String,
}

/// Reads a filter and an order; who asks is not said by a parameter.
pub(super) fn read_query(values: &mut Values) -> Result<RoomQuery, ApiError> {
    let public = values.word("visibility", &["public", "private"], |word| word)?.map(|word| word == "public");
    let owner = values.text("owner").map(|owner| UserId::new(&owner)).transpose();
    let query = RoomQuery {
        viewer: None,
        owner: owner.map_err(|error| ApiError::invalid("owner", error.allowed))?,
        mine: values.word("member", &["me"], |word| word)?.is_some(),
        public,
        name_prefix: values.text("prefix").filter(|prefix| !prefix.is_empty()),
        order: values.word("order", &RoomOrder::ALL, RoomOrder::as_str)?.unwrap_or_default(),
    };
    match query.name_prefix.as_ref().is_some_and(|prefix| prefix.chars().count() > rooms::PREFIX_CHARACTERS_MAX) {
        true => Err(ApiError::invalid("prefix", rooms::PREFIX_ALLOWED)),
        false => Ok(query),
    }
}

/// A filter, an order and a page.
struct ListQuery(RoomQuery, PageQuery);

impl Parameters for ListQuery {
    const NAMES: &'static [&'static str] =
        &["owner", "member", "visibility", "prefix", "order", "after", "limit", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(ListQuery(read_query(values)?, PageQuery::read(values)?))
    }
}

/// The rooms that whoever asks may see, in the order of their ids or another one.
#[utoipa::path(
    get,
    path = "/rooms",
    tag = "rooms",
    operation_id = "list_rooms",
    params(FilterQuery, PageQuery),
    responses(
        (status = 200, description = "A page of rooms", body = RoomsJson),
        ReadRefusals,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(ListQuery(query, page)): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let query = RoomQuery { viewer: viewer(&app, &headers), ..query };
    let bound = Bound::rooms(&query);
    let after = page.after.as_deref().map(|after| bound.position(after)).transpose()?;
    let found = app.handle.list_rooms(&query, after.as_ref(), page.limit);
    let viewer = query.viewer.as_ref().map(UserId::as_str);
    let rooms = found.rooms.iter().map(|(sensors, room)| rooms::line(room, *sensors, viewer)).collect();
    let next = found.next.map(|next| bound.cursor(&next));
    Ok(Json(RoomsJson { rooms, total: found.total, next }).into_response())
}

/// Makes a room, with whoever asks as its owner.
#[utoipa::path(
    post,
    path = "/rooms",
    tag = "rooms",
    operation_id = "create_room",
    request_body(content = Option<NewRoom>, description = "All fields are optional"),
    responses(
        (status = 201, description = "It is made", body = DoneJson),
        RoomRefusals,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    _: Query<NoParameters>,
    mut body: Body,
) -> Result<Response, ApiError> {
    let by = writer(&app, &headers)?;
    let join_code = body.text("join_code")?.as_deref().map(JoinCode::new).transpose()?;
    let known: Vec<&str> = FIELDS.iter().copied().chain(["join_code"]).collect();
    let settings = patch(body, &known)?.applied_to(&RoomSettings::default());
    settings.validate()?;
    let done = app.handle.create_room(&by, settings, join_code).await?;
    Ok((StatusCode::CREATED, done_json(&app.handle, &done, &by)).into_response())
}

/// One room.
#[utoipa::path(
    get,
    path = "/rooms/{id}",
    tag = "rooms",
    operation_id = "get_room",
    params(("id" = inline(RoomIdText), Path, description = "The room's id")),
    responses(
        (status = 200, description = "The room", body = RoomJson),
        RoomReadRefusals,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let id = room_id(id)?;
    let viewer = viewer(&app, &headers);
    let viewer = viewer.as_ref().map(UserId::as_str);
    let world = app.handle.rooms();
    let room = world.view.get_visible(id.as_str(), viewer).ok_or(RoomError::NotFound)?;
    Ok(Json(rooms::room(&app.handle, room, viewer, Detail::Whole)).into_response())
}

/// The room of a join code. Whoever has the code may read it.
#[utoipa::path(
    get,
    path = "/rooms/by-code/{code}",
    tag = "rooms",
    operation_id = "get_room_by_code",
    params(("code" = inline(JoinCodeText), Path, description = "The join code, in either case")),
    responses(
        (status = 200, description = "The room", body = RoomJson),
        RoomReadRefusals,
    )
)]
async fn by_code(
    State(app): State<Arc<App>>,
    code: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    // What is no code is the code of no room.
    let code = code.ok().and_then(|Path(code)| JoinCode::new(&code).ok()).ok_or(RoomError::NotFound)?;
    let viewer = viewer(&app, &headers);
    let world = app.handle.rooms();
    let room = world.view.by_code(&code).ok_or(RoomError::NotFound)?;
    Ok(Json(rooms::room(&app.handle, room, viewer.as_ref().map(UserId::as_str), Detail::Whole)).into_response())
}

/// Changes what a room says.
#[utoipa::path(
    patch,
    path = "/rooms/{id}",
    tag = "rooms",
    operation_id = "update_room",
    params(("id" = inline(RoomIdText), Path, description = "The room's id")),
    request_body(content = Option<ChangedRoom>, description = "All fields are optional"),
    responses(
        (status = 200, description = "It is changed", body = DoneJson),
        RoomRefusals,
    )
)]
async fn update(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
    body: Body,
) -> Result<Response, ApiError> {
    let patch = patch(body, FIELDS)?;
    ask(&app, id, &headers, RoomAsk::Update(patch)).await
}

/// Ends a room.
#[utoipa::path(
    delete,
    path = "/rooms/{id}",
    tag = "rooms",
    operation_id = "delete_room",
    params(("id" = inline(RoomIdText), Path, description = "The room's id")),
    responses(
        (status = 200, description = "It is gone", body = DoneJson),
        RoomRefusals,
    )
)]
async fn delete(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    ask(&app, id, &headers, RoomAsk::Delete).await
}

/// Has an operation done in the name of whoever asks.
async fn ask(
    app: &App,
    id: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    ask: RoomAsk,
) -> Result<Response, ApiError> {
    let by = writer(app, headers)?;
    ask.validate()?;
    let done = app.handle.ask_room(&by, room_id(id)?, ask).await?;
    Ok(done_json(&app.handle, &done, &by).into_response())
}

fn done_json(handle: &Handle, done: &RoomDone, by: &UserId) -> Response {
    let by = by.as_str();
    let room = done.room.as_deref().filter(|room: &&Room| room.is_visible_to(Some(by)));
    let room = room.map(|room| rooms::room(handle, room, Some(by), Detail::Whole));
    Json(DoneJson { room, copies: done.ack.copies, on_disk: done.ack.on_disk }).into_response()
}

/// An id of a path. What cannot be one is that of no room.
fn room_id(id: Result<Path<String>, PathRejection>) -> Result<RoomId, ApiError> {
    id.ok().and_then(|Path(id)| RoomId::new(&id).ok()).ok_or(ApiError::Room(RoomError::NotFound))
}

/// Who asks, as far as rooms are concerned.
pub(super) fn viewer(app: &App, headers: &HeaderMap) -> Option<UserId> {
    rooms::acting(app, &crate::http::user(app, headers))
}

/// Whoever may write. A page of another site must not be able to with somebody else's browser.
fn writer(app: &App, headers: &HeaderMap) -> Result<UserId, ApiError> {
    if !app.allows_page(headers) {
        return Err(ApiError::ForeignOrigin);
    }
    viewer(app, headers).ok_or(ApiError::Unauthorized)
}

fn patch(mut body: Body, known: &[&str]) -> Result<RoomPatch, ApiError> {
    let described = body.take("description").map(|description| match description {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(ApiError::invalid("description", "a string or null"))
        }
    });
    let configuration = body.take("configuration").map(|value| Configuration::of_value(&value)).transpose()?;
    let patch = RoomPatch {
        name: body.text("name")?,
        description: described.transpose()?,
        is_public: body.flag("is_public")?,
        calls_enabled: body.flag("calls_enabled")?,
        media_playback_enabled: body.flag("media_playback_enabled")?,
        object_3d_enabled: body.flag("object_3d_enabled")?,
        whiteboard_enabled: body.flag("whiteboard_enabled")?,
        configuration,
    };
    body.end(known)?;
    Ok(patch)
}
