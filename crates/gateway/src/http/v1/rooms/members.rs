//! What members do to a room: enter and leave it, change each other's roles, put sensors in.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sensocto_node::model::room::RoomAsk;
use sensocto_node::model::{JoinCode, RoomError};
use sensocto_node::{SensorId, UserId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bodies::Entering;
use super::{DoneJson, ask, done_json, room_id, writer};
use crate::App;
use crate::error::ApiError;
use crate::http::body::Body;
use crate::http::query::{NoParameters, Query};
use crate::http::v1::refusals::RoomRefusals;
use crate::http::v1::texts::{IdText, RoomIdText};

type Ids = Result<Path<(String, String)>, PathRejection>;
type Id = Result<Path<String>, PathRejection>;

/// The routes of members and sensors.
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(join))
        .routes(routes!(leave))
        .routes(routes!(kick))
        .routes(routes!(promote))
        .routes(routes!(demote))
        .routes(routes!(regenerate))
        .routes(routes!(add_sensor, remove_sensor))
}

/// The room and the user of a path.
fn user(ids: Ids) -> Result<(Id, UserId), ApiError> {
    let Path((room, user)) = ids.map_err(|_| ApiError::Room(RoomError::NotFound))?;
    Ok((Ok(Path(room)), UserId::new(&user)?))
}

/// The room and the sensor of a path.
fn sensor(ids: Ids) -> Result<(Id, SensorId), ApiError> {
    let Path((room, sensor)) = ids.map_err(|_| ApiError::Room(RoomError::NotFound))?;
    Ok((Ok(Path(room)), SensorId::new(&sensor)?))
}

/// Enters a room. A private one needs its join code, in the body: `{"join_code"}`.
#[utoipa::path(
    post,
    path = "/rooms/{id}/join",
    tag = "rooms",
    operation_id = "join_room",
    params(("id" = inline(RoomIdText), Path, description = "The room's id")),
    request_body(content = Option<Entering>, description = "Or nothing"),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn join(
    State(app): State<Arc<App>>,
    id: Id,
    headers: HeaderMap,
    _: Query<NoParameters>,
    mut body: Body,
) -> Result<Response, ApiError> {
    let join_code = body.text("join_code")?.as_deref().map(JoinCode::new).transpose()?;
    body.end(&["join_code"])?;
    ask(&app, id, &headers, RoomAsk::Join { join_code }).await
}

/// Leaves a room.
#[utoipa::path(
    post,
    path = "/rooms/{id}/leave",
    tag = "rooms",
    operation_id = "leave_room",
    params(("id" = inline(RoomIdText), Path, description = "The room's id")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn leave(
    State(app): State<Arc<App>>,
    id: Id,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    ask(&app, id, &headers, RoomAsk::Leave).await
}

/// Puts somebody out.
#[utoipa::path(
    delete,
    path = "/rooms/{id}/members/{user}",
    tag = "rooms",
    operation_id = "kick_member",
    params(("id" = inline(RoomIdText), Path, description = "The room's id"), ("user" = inline(IdText), Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn kick(
    State(app): State<Arc<App>>,
    ids: Ids,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let (id, user) = user(ids)?;
    ask(&app, id, &headers, RoomAsk::Kick(user)).await
}

/// Makes a member an admin.
#[utoipa::path(
    post,
    path = "/rooms/{id}/members/{user}/promote",
    tag = "rooms",
    operation_id = "promote_member",
    params(("id" = inline(RoomIdText), Path, description = "The room's id"), ("user" = inline(IdText), Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn promote(
    State(app): State<Arc<App>>,
    ids: Ids,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let (id, user) = user(ids)?;
    ask(&app, id, &headers, RoomAsk::Promote(user)).await
}

/// Makes an admin a member.
#[utoipa::path(
    post,
    path = "/rooms/{id}/members/{user}/demote",
    tag = "rooms",
    operation_id = "demote_member",
    params(("id" = inline(RoomIdText), Path, description = "The room's id"), ("user" = inline(IdText), Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn demote(
    State(app): State<Arc<App>>,
    ids: Ids,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let (id, user) = user(ids)?;
    ask(&app, id, &headers, RoomAsk::Demote(user)).await
}

/// Gives a room another join code.
#[utoipa::path(
    post,
    path = "/rooms/{id}/join-code",
    tag = "rooms",
    operation_id = "regenerate_join_code",
    params(("id" = inline(RoomIdText), Path, description = "The room's id")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn regenerate(
    State(app): State<Arc<App>>,
    id: Id,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let by = writer(&app, &headers)?;
    let done = app.handle.regenerate_join_code(&by, &room_id(id)?).await?;
    Ok(done_json(&app.handle, &done, &by))
}

/// Puts a sensor into a room.
#[utoipa::path(
    put,
    path = "/rooms/{id}/sensors/{sensor}",
    tag = "rooms",
    operation_id = "add_room_sensor",
    params(("id" = inline(RoomIdText), Path, description = "The room's id"), ("sensor" = inline(IdText), Path, description = "The sensor's id, percent-encoded")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn add_sensor(
    State(app): State<Arc<App>>,
    ids: Ids,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let (id, sensor) = sensor(ids)?;
    ask(&app, id, &headers, RoomAsk::AddSensor(sensor)).await
}

/// Takes a sensor out of a room. One that names the room stays out until it is added again.
#[utoipa::path(
    delete,
    path = "/rooms/{id}/sensors/{sensor}",
    tag = "rooms",
    operation_id = "remove_room_sensor",
    params(("id" = inline(RoomIdText), Path, description = "The room's id"), ("sensor" = inline(IdText), Path, description = "The sensor's id, percent-encoded")),
    responses(
        (status = 200, description = "It is done", body = DoneJson),
        RoomRefusals,
    )
)]
async fn remove_sensor(
    State(app): State<Arc<App>>,
    ids: Ids,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let by = writer(&app, &headers)?;
    let (id, sensor) = sensor(ids)?;
    let done = app.handle.remove_room_sensor(&by, &room_id(id)?, sensor).await?;
    Ok(done_json(&app.handle, &done, &by))
}
