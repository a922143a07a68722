//! `/api/v1/users`, `/api/v1/users/{id}` and `/api/v1/presence/{topic}/count`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use sensocto_node::{PresenceTopic, Record, RoomId, UserFilter, UserId, UsersPage, View, World};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusals::ReadRefusals;
use super::texts::IdText;
use super::{PageQuery, audience};
use crate::App;
use crate::audience::Audience;
use crate::error::{ApiError, ErrorBody};
use crate::http::query::{NoParameters, Parameters, Query, Values};
use crate::presence::{ALL, Count, LastSeen, Shown, Topic};
use crate::wire::{self, UserJson};

/// One page of the people who are here, on any node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsersJson<'a> {
    users: Vec<UserJson<'a>>,
    /// How many people there are, on all pages together.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<&'a str>,
}

/// Which users.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only users in this topic, for example `room:lab`; without it, those in any. At most 128 bytes.
    #[param(value_type = Option<IdText>, inline)]
    topic: Option<String>,
    /// Only users with a connection in this room, and only those connections.
    room: Option<String>,
    /// Only users with a connection to this node, and only those connections.
    node: Option<String>,
    /// `true`: also users who left and are remembered. Not together with another filter.
    #[param(required = false, default = false)]
    offline: bool,
}

/// A filter and a page.
pub(super) struct ListQuery(FilterQuery, PageQuery);

impl Parameters for ListQuery {
    const NAMES: &'static [&'static str] =
        &["topic", "room", "node", "offline", "after", "limit", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let topic = values.text("topic").map(|topic| PresenceTopic::new(&topic)).transpose()?;
        let (room, node) = (values.text("room"), values.text("node"));
        let alone = topic.is_none() && room.is_none() && node.is_none();
        let offline = match values.text("offline").as_deref() {
            None | Some("false") => false,
            Some("true") if alone => true,
            Some(_) => return Err(ApiError::invalid("offline", "true or false, and true only without another filter")),
        };
        let filter = FilterQuery { topic: topic.map(|topic| topic.to_string()), room, node, offline };
        Ok(ListQuery(filter, PageQuery::read(values)?))
    }
}

/// A user of a page, and what is known of them.
struct Found {
    user: UserId,
    connections: Vec<Arc<Shown>>,
    last_seen_ms: Option<u64>,
}

/// The people who are here, on any node, in the order of their ids.
#[utoipa::path(
    get,
    path = "/users",
    tag = "discovery",
    operation_id = "list_users",
    params(FilterQuery, PageQuery),
    responses(
        (status = 200, description = "A page of users", body = UsersJson),
        ReadRefusals,
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(ListQuery(mut filter, page)): Query<ListQuery>,
) -> Response {
    let world = app.handle.world();
    let audience = audience(&app, &headers);
    filter.room = audience.wanted(filter.room.take());
    if filter.topic.is_none() && !filter.offline {
        return of_the_world(&app, &world, filter, &page, &audience);
    }
    app.presence.caught_up(world.seq).await;
    let topic = audience.topic(filter.topic.as_deref().unwrap_or(ALL));
    let (mut found, mut total, more) = app.presence.read(topic, |topic| gather(topic, &filter, &page));
    let mut more_left = false;
    if filter.offline {
        let last_seen = app.presence.last_seen();
        total += last_seen.len();
        more_left = add_offline(&mut found, &last_seen, &page);
    }
    let mono = app.handle.clock().mono();
    let next = found.last().filter(|_| more || more_left).map(|found| found.user.as_str());
    let users = found.iter().map(|found| user(&world.view, found, mono, &audience)).collect();
    Json(UsersJson { users, total, next }).into_response()
}

/// Whoever is in any topic, out of the world's index of people.
fn of_the_world(app: &App, world: &World, filter: FilterQuery, page: &PageQuery, audience: &Audience) -> Response {
    let filter = UserFilter { room: filter.room, node: filter.node };
    let UsersPage { people, total, next } = app.handle.list_users(world, &filter, page.after.as_deref(), page.limit);
    let mono = app.handle.clock().mono();
    let users = people
        .iter()
        .map(|person| wire::user(&world.view, &person.user_id, person.connections.iter(), None, mono, audience))
        .collect();
    Json(UsersJson { users, total, next: next.as_deref() }).into_response()
}

/// The users of a page, how many there are on all, and whether there are more after it.
fn gather(topic: &Topic, filter: &FilterQuery, page: &PageQuery) -> (Vec<Found>, usize, bool) {
    let unfiltered = filter.room.is_none() && filter.node.is_none();
    let passing = |after: Option<&str>| {
        topic.users_after(after).filter_map(|(user, connections)| {
            let connections: Vec<Arc<Shown>> =
                connections.filter(|shown| unfiltered || passes(shown, filter)).map(Arc::clone).collect();
            (!connections.is_empty()).then(|| Found { user: user.clone(), connections, last_seen_ms: None })
        })
    };
    let mut rest = passing(page.after.as_deref());
    let found = rest.by_ref().take(page.limit).collect();
    let more = rest.next().is_some();
    drop(rest);
    let total = if unfiltered { topic.count().users } else { passing(None).count() };
    (found, total, more)
}

/// Adds users who left where the page has room for them in the order of ids; whether there are more after it.
fn add_offline(found: &mut Vec<Found>, last_seen: &LastSeen, page: &PageQuery) -> bool {
    let mut left = last_seen.after(page.after.as_deref());
    found.extend(left.by_ref().take(page.limit).map(|(user, wall_ms)| Found {
        user: user.clone(),
        connections: Vec::new(),
        last_seen_ms: Some(wall_ms),
    }));
    let more = left.next().is_some() || found.len() > page.limit;
    found.sort_by(|one, other| one.user.cmp(&other.user));
    found.truncate(page.limit);
    more
}

fn passes(shown: &Shown, filter: &FilterQuery) -> bool {
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
    let presence = shown.held.entry.record().and_then(Record::as_presence);
    let room = presence.and_then(|presence| presence.room_id.as_ref()).map(RoomId::as_str);
    is(&filter.room, room) && is(&filter.node, Some(shown.held.origin.node.as_str()))
}

fn user<'a>(view: &View, found: &'a Found, mono: Duration, audience: &Audience) -> UserJson<'a> {
    let connections = found.connections.iter().map(|shown| &shown.held);
    wire::user(view, found.user.as_str(), connections, found.last_seen_ms, mono, audience)
}

/// One user: whether they are here, and otherwise when they were last seen by this node.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "discovery",
    operation_id = "get_user",
    params(("id" = inline(IdText), Path, description = "The user's id, percent-encoded; at most 128 bytes")),
    responses(
        (status = 200, description = "The user", body = UserJson),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 404, description = "The user is not here, and did not leave while this node ran", body = ErrorBody),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::invalid("user_id", "percent-encoded UTF-8"))?;
    let id = UserId::new(&id)?;
    let world = app.handle.world();
    app.presence.caught_up(world.seq).await;
    let connections = app.presence.read(ALL, |topic| topic.user(id.as_str())).unwrap_or_default();
    let last_seen_ms = if connections.is_empty() { app.presence.last_seen().get(id.as_str()) } else { None };
    if connections.is_empty() && last_seen_ms.is_none() {
        return Err(ApiError::NotFound { what: "user" });
    }
    let found = Found { user: id, connections, last_seen_ms };
    let audience = audience(&app, &headers);
    Ok(Json(user(&world.view, &found, app.handle.clock().mono(), &audience)).into_response())
}

/// How many people are in a topic, without listing them.
#[utoipa::path(
    get,
    path = "/presence/{topic}/count",
    tag = "discovery",
    operation_id = "count_presence",
    params(("topic" = inline(IdText), Path, description = "`all`, `room:<id>` or another topic, percent-encoded; at most 128 bytes")),
    responses(
        (status = 200, description = "How many; zero where nobody is", body = Count),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
    )
)]
pub(super) async fn count(
    State(app): State<Arc<App>>,
    topic: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    _: Query<NoParameters>,
) -> Result<Response, ApiError> {
    let Path(topic) = topic.map_err(|_| ApiError::invalid("topic", "percent-encoded UTF-8"))?;
    let topic = PresenceTopic::new(&topic)?;
    app.presence.caught_up(app.handle.world().seq).await;
    let audience = audience(&app, &headers);
    Ok(Json(app.presence.read(audience.topic(topic.as_str()), Topic::count)).into_response())
}
