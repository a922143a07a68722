//! `/api/v1/live/sensors`, `/live/connectors`, `/live/users` and `/live/rooms`: live queries as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use sensocto_node::{
    ConnectorFilter, ListQuery, ListSpec, LiveCursor, LiveError, LiveNext, LiveSubscription, RoomQuery, RoomSights,
    UserFilter, UserId,
};

use super::PageQuery;
use super::refusals::LiveRefusals;
use super::rooms;
use super::sensors::{FilterQuery, read_query};
use crate::App;
use crate::audience::{Audience, room_of};
use crate::error::ApiError;
use crate::http::query::{Parameters, Query, Values};
use crate::live::{self, LiveMessage};

/// How often something is sent where nothing changes, so that both ends know that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The header by which a client says what it heard last.
const LAST_EVENT_ID: &str = "last-event-id";

/// A filter of sensors, an order and a window.
pub(super) struct SensorsQuery(ListQuery, PageQuery);

impl Parameters for SensorsQuery {
    const NAMES: &'static [&'static str] = &[
        "type",
        "connector",
        "node",
        "room",
        "attribute",
        "prefix",
        "text",
        "order",
        "after",
        "limit",
        "at_least",
        "timeout_ms",
    ];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(SensorsQuery(ListQuery::Sensors(read_query(values)?), PageQuery::read(values)?))
    }
}

/// Which connectors.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveConnectorsQuery {
    /// Only connectors of this node.
    #[allow(dead_code, reason = "it describes the parameter")]
    node: Option<String>,
}

/// A filter of connectors and a window.
pub(super) struct ConnectorsQuery(ListQuery, PageQuery);

impl Parameters for ConnectorsQuery {
    const NAMES: &'static [&'static str] = &["node", "after", "limit", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let filter = ConnectorFilter { node: values.text("node") };
        Ok(ConnectorsQuery(ListQuery::Connectors(filter), PageQuery::read(values)?))
    }
}

/// Which people.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveUsersQuery {
    /// Only users with a connection in this room, and only those connections.
    #[allow(dead_code, reason = "it describes the parameter")]
    room: Option<String>,
    /// Only users with a connection to this node, and only those connections.
    #[allow(dead_code, reason = "it describes the parameter")]
    node: Option<String>,
}

/// A filter of people and a window.
pub(super) struct UsersQuery(ListQuery, PageQuery);

impl Parameters for UsersQuery {
    const NAMES: &'static [&'static str] = &["room", "node", "after", "limit", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let filter = UserFilter { room: values.text("room"), node: values.text("node") };
        Ok(UsersQuery(ListQuery::Users(filter), PageQuery::read(values)?))
    }
}

/// A filter of rooms, an order and a window.
pub(super) struct RoomsQuery(RoomQuery, PageQuery);

impl Parameters for RoomsQuery {
    const NAMES: &'static [&'static str] =
        &["owner", "member", "visibility", "prefix", "order", "after", "limit", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(RoomsQuery(rooms::read_query(values)?, PageQuery::read(values)?))
    }
}

/// A window into the list of sensors, and then what changes inside it, as server-sent events.
///
/// `page` is the window as it is; `change` what changed inside it; `total` how many lines the whole list has. A client that comes back
/// with `Last-Event-ID`, to any node, hears what it missed, or a `page` that says that this is not known.
#[utoipa::path(
    get,
    path = "/live/sensors",
    tag = "discovery",
    operation_id = "live_sensors",
    params(
        FilterQuery,
        PageQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client heard")
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        LiveRefusals,
    )
)]
pub(super) async fn sensors(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(SensorsQuery(query, page)): Query<SensorsQuery>,
) -> Result<Response, ApiError> {
    follow(app, &headers, query, page).await
}

/// A window into the list of connectors, and then what changes inside it, as for sensors.
#[utoipa::path(
    get,
    path = "/live/connectors",
    tag = "discovery",
    operation_id = "live_connectors",
    params(
        LiveConnectorsQuery,
        PageQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client heard")
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        LiveRefusals,
    )
)]
pub(super) async fn connectors(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(ConnectorsQuery(query, page)): Query<ConnectorsQuery>,
) -> Result<Response, ApiError> {
    follow(app, &headers, query, page).await
}

/// A window into the list of people who are here, and then what changes inside it, as for sensors.
#[utoipa::path(
    get,
    path = "/live/users",
    tag = "discovery",
    operation_id = "live_users",
    params(
        LiveUsersQuery,
        PageQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client heard")
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        LiveRefusals,
    )
)]
pub(super) async fn users(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(UsersQuery(query, page)): Query<UsersQuery>,
) -> Result<Response, ApiError> {
    follow(app, &headers, query, page).await
}

/// A window into the list of rooms that whoever asks may see, and then what changes inside it, as for sensors. A client that comes back
/// with `Last-Event-ID` goes on where it has what is there, and otherwise gets a `page`.
#[utoipa::path(
    get,
    path = "/live/rooms",
    tag = "rooms",
    operation_id = "live_rooms",
    params(
        rooms::FilterQuery,
        PageQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client heard")
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        LiveRefusals,
    )
)]
pub(super) async fn of_rooms(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(RoomsQuery(query, page)): Query<RoomsQuery>,
) -> Result<Response, ApiError> {
    let viewer = rooms::viewer(&app, &headers);
    follow(app, &headers, ListQuery::Rooms(RoomQuery { viewer, ..query }), page).await
}

async fn follow(app: Arc<App>, headers: &HeaderMap, query: ListQuery, page: PageQuery) -> Result<Response, ApiError> {
    let viewer = rooms::viewer(&app, headers);
    let audience = Audience::of(&app.handle, viewer.as_ref());
    let spec = live::spec(&app.handle, &audience, query, page.after.as_deref(), 0, page.limit)
        .ok_or_else(|| ApiError::invalid("after", "the `next` of a page of the same query"))?;
    // What is no cursor of a node is that of somebody who was told nothing.
    let resume = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let following = Following::open(app, spec, viewer, resume).await?;
    let stopping = following.app.stopping.clone();
    let events = stream::unfold(following, Following::event).take_until(stopping.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// One client and what it has not been told.
struct Following {
    app: Arc<App>,
    /// As the client asked for it.
    spec: ListSpec,
    viewer: Option<UserId>,
    subscription: LiveSubscription,
    /// Tells when somebody may see a room, or may no longer; only where the list is of one room.
    sights: Option<RoomSights>,
    waiting: VecDeque<LiveMessage>,
}

impl Following {
    async fn open(
        app: Arc<App>,
        spec: ListSpec,
        viewer: Option<UserId>,
        resume: Option<LiveCursor>,
    ) -> Result<Following, ApiError> {
        // Whatever changes from here on is told.
        let sights = room_of(&spec.query).map(|_| app.handle.room_sights());
        let shown = ListSpec { query: Audience::of(&app.handle, viewer.as_ref()).list(&spec.query), ..spec.clone() };
        let mut subscription = app.handle.live(shown, resume).await.map_err(|error| match error {
            LiveError::Full => ApiError::Busy { what: "live query" },
            LiveError::Off => ApiError::LiveQueriesOff,
            LiveError::Stopping => ApiError::Stopping,
        })?;
        let audience = Audience::of(&app.handle, viewer.as_ref());
        let start = subscription.take_start().map(|start| live::start(&app.handle, &spec, start, &audience));
        Ok(Following { app, spec, viewer, subscription, sights, waiting: start.unwrap_or_default().into() })
    }

    async fn event(mut self) -> Option<(Result<Event, Infallible>, Following)> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                let event = Event::default().event(message.event);
                let event = match &message.cursor {
                    Some(cursor) => event.id(cursor.to_string()),
                    None => event,
                };
                return Some((Ok(event.data(&*message.json)), self));
            }
            let next = tokio::select! {
                next = self.subscription.next() => next,
                () = changed(&mut self.sights, &self.spec.query) => LiveNext::Behind,
            };
            match next {
                LiveNext::Update(update) => {
                    let audience = Audience::of(&self.app.handle, self.viewer.as_ref());
                    let message = live::message(&self.app.handle, &self.spec.query, &update, &audience);
                    self.waiting.push_back(message);
                }
                LiveNext::Behind => self = Following::open(self.app, self.spec, self.viewer, None).await.ok()?,
                LiveNext::Closed => return None,
            }
        }
    }
}

/// Waits until other people may see the room that a list is of.
async fn changed(sights: &mut Option<RoomSights>, query: &ListQuery) {
    match (sights, room_of(query)) {
        (Some(sights), Some(room)) => while !sights.next().await.concerns(room) {},
        _ => std::future::pending().await,
    }
}
