//! `discovery:<kind>` with a window: the page, and then what changes inside it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sensocto_channels::{ChannelId, Json, Payload};
use sensocto_node::{
    ConnectorFilter, FieldError, Handle, ListQuery, ListSpec, LiveCursor, LiveError, LiveNext, LiveStart,
    LiveSubscription, Order, RoomOrder, RoomQuery, SensorQuery, UserFilter, UserId, World,
};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Listed, Told};
use crate::audience::{Audience, room_of};
use crate::live::{self, LIMIT_ALLOWED, LIMIT_DEFAULT, LiveMessage, SKIP_ALLOWED, SKIP_MAX};
use crate::rooms;
use crate::socket::params;
use crate::wire::NodeJson;

/// How often the nodes are looked at for the client.
const NODES_WINDOW: Duration = Duration::from_millis(250);

/// What clients do where live queries are turned off.
const POLL: &str = "poll GET /api/v1/sensors, connectors, users or rooms";

const AFTER_ALLOWED: FieldError =
    FieldError { field: "after", allowed: "the `next` of a page of the same query, or null" };

/// One subscriber of a window.
#[derive(Debug)]
pub(in crate::socket) struct LiveChannel {
    /// As the client asked for it, as the window is.
    query: ListQuery,
    viewer: Option<UserId>,
    /// Whether the list is of a room that this reader must not know of, and so nothing is in it.
    hidden: bool,
    spec: ListSpec,
    /// What the client was told elsewhere, until its first window is opened.
    resume: Option<LiveCursor>,
    /// Counts the windows that this channel asked for: what comes for an earlier one is too late.
    opened: u64,
    waiting: VecDeque<LiveMessage>,
    /// Taken while its next difference is awaited.
    subscription: Option<LiveSubscription>,
    nodes: Vec<NodeJson>,
    nodes_at: Duration,
    /// Ends what is waited for when another window is opened, or the channel goes.
    waits: CancellationToken,
    ends: DropGuard,
}

/// What a channel waited for.
pub(in crate::socket) struct Arrived {
    pub(in crate::socket) channel: ChannelId,
    opened: u64,
    what: What,
}

enum What {
    Opened(Result<LiveSubscription, LiveError>),
    Next(LiveNext, LiveSubscription),
    Ended,
}

#[derive(Serialize)]
struct Nodes<'a> {
    nodes: &'a [NodeJson],
}

#[derive(Serialize)]
struct Refused {
    reason: &'static str,
    /// What to do instead, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<&'static str>,
}

impl LiveChannel {
    /// Reads the window of a join of `viewer`.
    pub(in crate::socket) fn new(
        handle: &Handle,
        listed: Listed,
        viewer: Option<UserId>,
        join: &Payload,
    ) -> Result<LiveChannel, Json> {
        let query = query(listed, viewer.clone(), join)?;
        let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
        let nothing = Map::new();
        let window = match join.get("window") {
            // Only of sensors there is a topic without a window.
            None | Some(Value::Null) => Some(&nothing),
            Some(window) => window.as_object(),
        };
        let window =
            window.ok_or_else(|| params::invalid_field(FieldError { field: "window", allowed: "an object" }))?;
        let spec = window_of(handle, &Audience::of(handle, viewer.as_ref()), &query, window)?;
        let resume = params::optional_text(&join, "resume").map_err(params::invalid_field)?;
        let resume = resume.map(str::parse).transpose().map_err(params::invalid_field)?;
        let waits = CancellationToken::new();
        Ok(LiveChannel {
            ends: waits.clone().drop_guard(),
            waits,
            hidden: hides(handle, &query, viewer.as_ref()),
            viewer,
            query,
            spec,
            resume,
            opened: 0,
            waiting: VecDeque::new(),
            subscription: None,
            nodes: Vec::new(),
            nodes_at: Duration::ZERO,
        })
    }

    /// Whether it is of one room.
    pub(in crate::socket) fn names_a_room(&self) -> bool {
        room_of(&self.query).is_some()
    }

    /// Whether the window has to be opened anew, because this reader may see its room, or may no longer.
    pub(in crate::socket) fn sees_otherwise(&self, handle: &Handle) -> bool {
        hides(handle, &self.query, self.viewer.as_ref()) != self.hidden
    }

    /// Takes another window of the same list.
    pub(in crate::socket) fn set_window(&mut self, handle: &Handle, payload: &Payload) -> Result<(), Json> {
        let window: Map<String, Value> = payload.parse().map_err(|_| params::invalid_field(AFTER_ALLOWED))?;
        let audience = Audience::of(handle, self.viewer.as_ref());
        self.spec = window_of(handle, &audience, &self.query, &window)?;
        Ok(())
    }

    /// Opens the window; what comes of it is given to [`LiveChannel::arrived`].
    pub(in crate::socket) fn open(&mut self, handle: &Handle, channel: ChannelId) -> BoxFuture<'static, Arrived> {
        self.opened += 1;
        self.waiting.clear();
        self.subscription = None;
        self.waits = CancellationToken::new();
        self.ends = self.waits.clone().drop_guard();
        self.hidden = hides(handle, &self.query, self.viewer.as_ref());
        let shown = Audience::of(handle, self.viewer.as_ref()).list(&self.query);
        let spec = ListSpec { query: shown, ..self.spec.clone() };
        let (handle, opened, resume) = (handle.clone(), self.opened, self.resume.take());
        self.unless_ended(channel, opened, async move { What::Opened(handle.live(spec, resume).await) })
    }

    /// Takes what it waited for. `true` where the window has to be opened anew.
    pub(in crate::socket) fn arrived(&mut self, handle: &Handle, arrived: Arrived) -> bool {
        if arrived.opened != self.opened {
            return false;
        }
        let audience = Audience::of(handle, self.viewer.as_ref());
        match arrived.what {
            What::Opened(Ok(mut subscription)) => {
                let start = subscription.take_start();
                // What is told from here on builds on the world that the page is of: that of now may be a later one.
                let world = match &start {
                    Some(LiveStart::Page { world, .. }) => Arc::clone(world),
                    Some(LiveStart::Missed(_)) | None => handle.world(),
                };
                let resumed = matches!(start, Some(LiveStart::Missed(_)));
                let start = start.map(|start| live::start(handle, &self.spec, start, &audience));
                self.waiting = start.unwrap_or_default().into();
                self.nodes = live::nodes(handle, &world.view);
                if resumed {
                    // Whoever goes on without a page was told of the nodes by another one.
                    let json = serde_json::to_string(&Nodes { nodes: &self.nodes }).unwrap_or_default().into();
                    self.waiting.push_back(LiveMessage { event: "nodes", cursor: None, json });
                }
                self.subscription = Some(subscription);
            }
            What::Opened(Err(error)) => self.refuse(error),
            What::Next(LiveNext::Update(update), subscription) => {
                self.waiting.push_back(live::message(handle, &self.query, &update, &audience));
                self.subscription = Some(subscription);
            }
            What::Next(LiveNext::Behind, _) => return true,
            What::Next(LiveNext::Closed, _) if !handle.answers_live_queries() => self.refuse(LiveError::Off),
            What::Next(LiveNext::Closed, _) | What::Ended => {}
        }
        false
    }

    fn refuse(&mut self, error: LiveError) {
        let (reason, instead) = match error {
            LiveError::Full => ("too_many_windows", None),
            LiveError::Off => ("live_queries_off", Some(POLL)),
            LiveError::Stopping => ("stopping", None),
        };
        let json = serde_json::to_string(&Refused { reason, instead }).unwrap_or_default().into();
        self.waiting.push_back(LiveMessage { event: "refused", cursor: None, json });
    }

    /// What to tell a client that has room for it.
    pub(in crate::socket) fn tell(&mut self, handle: &Handle, world: &World) -> Option<Told> {
        if let Some(message) = self.waiting.pop_front() {
            let json: Option<&RawValue> = serde_json::from_str(&message.json).ok();
            return json.map(|json| (message.event, Json::of(json)));
        }
        let mono = handle.clock().mono();
        // Nodes come after the page.
        if self.nodes.is_empty() || mono.saturating_sub(self.nodes_at) < NODES_WINDOW {
            return None;
        }
        self.nodes_at = mono;
        let nodes = live::nodes(handle, &world.view);
        if super::news(&nodes) == super::news(&self.nodes) {
            return None;
        }
        self.nodes = nodes;
        Some(("nodes", Json::of(&Nodes { nodes: &self.nodes })))
    }

    /// What to wait for, once the client has been told everything: a client that does not read makes nobody wait, and gets a fresh
    /// page when it does.
    pub(in crate::socket) fn follow(&mut self, channel: ChannelId) -> Option<BoxFuture<'static, Arrived>> {
        if !self.waiting.is_empty() {
            return None;
        }
        let (mut subscription, opened) = (self.subscription.take()?, self.opened);
        let next = async move {
            let next = subscription.next().await;
            What::Next(next, subscription)
        };
        Some(self.unless_ended(channel, opened, next))
    }

    fn unless_ended(
        &self,
        channel: ChannelId,
        opened: u64,
        what: impl Future<Output = What> + Send + 'static,
    ) -> BoxFuture<'static, Arrived> {
        let waits = self.waits.clone();
        let what = async move { waits.run_until_cancelled_owned(what).await.unwrap_or(What::Ended) };
        what.map(move |what| Arrived { channel, opened, what }).boxed()
    }

    /// When the nodes are looked at again, on the node's clock.
    pub(in crate::socket) fn due_at(&self) -> Option<Duration> {
        (!self.nodes.is_empty()).then_some(self.nodes_at + NODES_WINDOW)
    }
}

/// Whether a join asks for a window.
pub(in crate::socket) fn is_asked_for(join: &Payload) -> bool {
    join.parse::<Map<String, Value>>().is_ok_and(|join| join.get("window").is_some_and(|window| !window.is_null()))
}

/// Whether a list is of a room that a reader must not know of.
fn hides(handle: &Handle, query: &ListQuery, viewer: Option<&UserId>) -> bool {
    room_of(query).is_some_and(|room| Audience::of(handle, viewer).must_not_know(room))
}

/// Which list a join asks for.
fn query(listed: Listed, viewer: Option<UserId>, join: &Payload) -> Result<ListQuery, Json> {
    let params: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
    let text = |field| {
        params::optional_text(&params, field).map(|text| text.map(str::to_owned)).map_err(params::invalid_field)
    };
    Ok(match listed {
        Listed::Sensors => {
            let order = word(&params, "order", &Order::ALL.map(|order| (order.as_str(), order)), ORDERS)
                .map_err(params::invalid_field)?;
            ListQuery::Sensors(SensorQuery { filter: super::filter(join)?, order: order.unwrap_or_default() })
        }
        Listed::Users => ListQuery::Users(UserFilter { room: text("room")?, node: text("node")? }),
        Listed::Connectors => ListQuery::Connectors(ConnectorFilter { node: text("node")? }),
        Listed::Rooms => ListQuery::Rooms(rooms_query(viewer, &params).map_err(params::invalid_field)?),
    })
}

/// What an order may be.
const ORDERS: &str = "id, name, changed";

fn rooms_query(viewer: Option<UserId>, join: &Map<String, Value>) -> Result<RoomQuery, FieldError> {
    let owner = params::optional_text(join, "owner")?.map(UserId::new).transpose();
    let prefix = params::optional_text(join, "prefix")?.filter(|prefix| !prefix.is_empty());
    if prefix.is_some_and(|prefix| prefix.chars().count() > rooms::PREFIX_CHARACTERS_MAX) {
        return Err(FieldError { field: "prefix", allowed: rooms::PREFIX_ALLOWED });
    }
    let orders = RoomOrder::ALL.map(|order| (order.as_str(), order));
    Ok(RoomQuery {
        viewer,
        owner: owner.map_err(|error| FieldError { field: "owner", ..error })?,
        mine: word(join, "member", &[("me", ())], "me")?.is_some(),
        public: word(join, "visibility", &[("public", true), ("private", false)], "public, private")?,
        name_prefix: prefix.map(str::to_owned),
        order: word(join, "order", &orders, ORDERS)?.unwrap_or_default(),
    })
}

/// One of a few words.
fn word<T: Copy>(
    join: &Map<String, Value>,
    field: &'static str,
    words: &[(&str, T)],
    allowed: &'static str,
) -> Result<Option<T>, FieldError> {
    let Some(said) = params::optional_text(join, field)? else { return Ok(None) };
    let known = words.iter().find(|(word, _)| *word == said);
    known.map(|(_, meant)| Some(*meant)).ok_or(FieldError { field, allowed })
}

fn window_of(
    handle: &Handle,
    audience: &Audience,
    query: &ListQuery,
    window: &Map<String, Value>,
) -> Result<ListSpec, Json> {
    let number = |field, default, range: RangeInclusive<usize>, allowed| match window.get(field) {
        None | Some(Value::Null) => Ok(default),
        Some(number) => {
            let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
            let number = number.filter(|number| range.contains(number));
            number.ok_or_else(|| params::invalid_field(FieldError { field, allowed }))
        }
    };
    let limit = number("limit", LIMIT_DEFAULT, 1..=sensocto_node::WINDOW_MAX, LIMIT_ALLOWED)?;
    let skip = number("skip", 0, 0..=SKIP_MAX, SKIP_ALLOWED)?;
    let after = params::optional_text(window, "after").map_err(|_| params::invalid_field(AFTER_ALLOWED))?;
    live::spec(handle, audience, query.clone(), after, skip, limit).ok_or_else(|| params::invalid_field(AFTER_ALLOWED))
}
