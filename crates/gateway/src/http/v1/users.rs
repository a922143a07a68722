//! `/api/v1/users`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use sensocto_node::{Kind, Presence, RoomId, View};
use serde::Serialize;
use utoipa::ToSchema;

use super::PageQuery;
use crate::App;
use crate::error::ErrorBody;
use crate::http::query::Query;

/// One page of the people who are here, on any node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsersJson<'a> {
    users: Vec<UserJson<'a>>,
    /// How many people there are, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<String>,
}

/// Somebody who is here.
#[derive(Debug, Serialize, ToSchema)]
struct UserJson<'a> {
    user_id: &'a str,
    /// As the newest connection says.
    user_name: &'a str,
    /// At least one.
    connections: Vec<ConnectionJson<'a>>,
}

/// One connection of somebody.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectionJson<'a> {
    /// What they use, for example `web`.
    device: Option<&'a str>,
    /// Where they are.
    room_id: Option<&'a str>,
    /// What they do there.
    mode: Option<&'a str>,
    /// Milliseconds since 1970 by that node's clock.
    online_at: u64,
    /// The node they are connected to.
    node: &'a str,
}

/// The people who are here, on any node, in the order of their ids.
#[utoipa::path(
    get,
    path = "/users",
    tag = "discovery",
    operation_id = "list_users",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of users", body = UsersJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<PageQuery>) -> Response {
    let world = app.handle.world();
    let users = users(&world.view);
    let total = users.len();
    let (users, next) = super::page(users, &page);
    Json(UsersJson { users, total, next }).into_response()
}

fn users(view: &View) -> BTreeMap<&str, UserJson<'_>> {
    let mut users: BTreeMap<&str, (u64, UserJson<'_>)> = BTreeMap::new();
    for (held, record) in view.iter_after(Kind::Presence, None) {
        let Some(presence) = record.as_presence() else { continue };
        let id = presence.user_id.as_str();
        let user = UserJson { user_id: id, user_name: &presence.user_name, connections: Vec::new() };
        let (newest, user) = users.entry(id).or_insert((0, user));
        if presence.online_at_ms >= *newest {
            *newest = presence.online_at_ms;
            user.user_name = &presence.user_name;
        }
        user.connections.push(connection(presence, held.origin.node.as_str()));
    }
    users.into_iter().map(|(id, (_, user))| (id, user)).collect()
}

fn connection<'a>(presence: &'a Presence, node: &'a str) -> ConnectionJson<'a> {
    ConnectionJson {
        device: presence.device.as_deref(),
        room_id: presence.room_id.as_ref().map(RoomId::as_str),
        mode: presence.mode.as_deref(),
        online_at: presence.online_at_ms,
        node,
    }
}
