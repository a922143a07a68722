//! `/api/v1/rooms`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use sensocto_node::{Position, Room};
use serde::Serialize;
use utoipa::ToSchema;

use super::PageQuery;
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::cursor::Bound;
use crate::http::query::Query;

/// One page of the rooms that sensors or people are in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomsJson {
    rooms: Vec<RoomJson>,
    /// How many rooms there are, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
}

/// A room, as far as somebody or something is in it.
#[derive(Debug, Serialize, ToSchema)]
struct RoomJson {
    room_id: String,
    /// How many sensors are in it.
    sensors: usize,
    /// How many people are in it, each counted once.
    users: usize,
}

/// The rooms that sensors or people are in, on any node, in the order of their ids.
#[utoipa::path(
    get,
    path = "/rooms",
    tag = "discovery",
    operation_id = "list_rooms",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of rooms", body = RoomsJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 503, description = "The node is stopping", body = ErrorBody),
        (status = 504, description = "What the request asked for was not seen in time", body = ErrorBody),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<PageQuery>) -> Result<Response, ApiError> {
    let bound = Bound::new("rooms", &[]);
    let after = bound.id(page.after.as_deref())?;
    let view = &app.handle.world().view;
    let (rooms, more) = view.rooms(after.as_deref(), page.limit);
    let last = rooms.last().filter(|_| more);
    let next = last.map(|room| bound.cursor(&Position::Id(room.room_id.clone())));
    let room = |Room { room_id, sensors, people }| RoomJson { room_id, sensors, users: people };
    let rooms = rooms.into_iter().map(room).collect();
    Ok(Json(RoomsJson { rooms, total: view.rooms_total(), next }).into_response())
}
