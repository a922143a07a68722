//! `/api/v1/live/sensors`: a live query as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use sensocto_node::{LiveCursor, LiveError, LiveNext, LiveSubscription, WindowSpec};

use super::PageQuery;
use super::sensors::{FilterQuery, read_query};
use crate::App;
use crate::error::{ApiError, ErrorBody};
use crate::http::query::{Parameters, Query, Values};
use crate::live::{self, LiveMessage};

/// How often something is sent where nothing changes, so that both ends know that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The header by which a client says what it heard last.
const LAST_EVENT_ID: &str = "last-event-id";

/// A filter, an order and a window.
pub(super) struct LiveQuery(sensocto_node::SensorQuery, PageQuery);

impl Parameters for LiveQuery {
    const NAMES: &'static [&'static str] = &[
        "type",
        "connector",
        "node",
        "room",
        "attribute",
        "prefix",
        "order",
        "after",
        "limit",
        "at_least",
        "timeout_ms",
    ];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(LiveQuery(read_query(values)?, PageQuery::read(values)?))
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
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        (status = 401, description = "A user token is needed", body = ErrorBody),
        (status = 503, description = "The node is stopping, live queries are turned off, or as many windows are open as may be", body = ErrorBody),
        (status = 504, description = "What the request asked for was not seen in time", body = ErrorBody),
    )
)]
pub(super) async fn live(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(LiveQuery(query, page)): Query<LiveQuery>,
) -> Result<Response, ApiError> {
    let spec = live::spec(&app.handle, query, page.after.as_deref(), 0, page.limit)
        .ok_or_else(|| ApiError::invalid("after", "the `next` of a page of the same query"))?;
    // What is no cursor of a node is that of somebody who was told nothing.
    let resume = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let following = Following::open(app, spec, resume).await?;
    let stopping = following.app.stopping.clone();
    let events = stream::unfold(following, Following::event).take_until(stopping.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// One client and what it has not been told.
struct Following {
    app: Arc<App>,
    spec: WindowSpec,
    subscription: LiveSubscription,
    waiting: VecDeque<LiveMessage>,
}

impl Following {
    async fn open(app: Arc<App>, spec: WindowSpec, resume: Option<LiveCursor>) -> Result<Following, ApiError> {
        let mut subscription = app.handle.live(spec.clone(), resume).await.map_err(|error| match error {
            LiveError::Full => ApiError::Busy { what: "live query" },
            LiveError::Off => ApiError::LiveQueriesOff,
            LiveError::Stopping => ApiError::Stopping,
        })?;
        let start = subscription.take_start().map(|start| live::start(&app.handle, &spec, start));
        Ok(Following { app, spec, subscription, waiting: start.unwrap_or_default().into() })
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
            match self.subscription.next().await {
                LiveNext::Update(update) => self.waiting.push_back(live::message(&self.app.handle, &update)),
                LiveNext::Behind => self = Following::open(self.app, self.spec, None).await.ok()?,
                LiveNext::Closed => return None,
            }
        }
    }
}
