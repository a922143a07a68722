//! `/api/v1/rooms`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use sensocto_node::{Kind, View};
use serde::Serialize;
use utoipa::ToSchema;

use super::PageQuery;
use crate::App;
use crate::error::ErrorBody;
use crate::http::query::Query;

/// One page of the rooms that sensors or people are in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomsJson<'a> {
    rooms: Vec<RoomJson<'a>>,
    /// How many rooms there are, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
}

/// A room, as far as somebody or something is in it.
#[derive(Debug, Serialize, ToSchema)]
struct RoomJson<'a> {
    room_id: &'a str,
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
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<PageQuery>) -> Response {
    let world = app.handle.world();
    let rooms = rooms(&world.view);
    let total = rooms.len();
    let (rooms, next) = super::page(rooms, &page);
    Json(RoomsJson { rooms, total, next }).into_response()
}

fn rooms(view: &View) -> BTreeMap<&str, RoomJson<'_>> {
    let mut found: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for (_, record) in view.iter_after(Kind::Sensor, None) {
        if let Some(room) = record.as_sensor().and_then(|sensor| sensor.room_id.as_ref()) {
            found.entry(room.as_str()).or_default().0 += 1;
        }
    }
    for (_, record) in view.iter_after(Kind::Presence, None) {
        let Some(presence) = record.as_presence() else { continue };
        if let Some(room) = &presence.room_id {
            found.entry(room.as_str()).or_default().1.insert(presence.user_id.as_str());
        }
    }
    let room = |(room_id, (sensors, users)): (_, (usize, BTreeSet<&str>))| {
        (room_id, RoomJson { room_id, sensors, users: users.len() })
    };
    found.into_iter().map(room).collect()
}
