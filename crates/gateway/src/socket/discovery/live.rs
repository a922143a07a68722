//! `discovery:<kind>` with a window: the page, and then what changes inside it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sensocto_channels::{ChannelId, Json, Payload};
use sensocto_node::{
    ConnectorFilter, FieldError, Handle, ListQuery, ListSpec, LiveCursor, LiveError, LiveNext, LiveSubscription, Order,
    SensorQuery, UserFilter, World,
};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Listed, Told};
use crate::live::{self, LIMIT_ALLOWED, LIMIT_DEFAULT, LiveMessage, SKIP_ALLOWED, SKIP_MAX};
use crate::socket::params;
use crate::wire::NodeJson;

/// How often the nodes are looked at for the client.
const NODES_WINDOW: Duration = Duration::from_millis(250);

/// What clients do where live queries are turned off.
const POLL: &str = "poll GET /api/v1/sensors, connectors or users";

const AFTER_ALLOWED: FieldError =
    FieldError { field: "after", allowed: "the `next` of a page of the same query, or null" };

/// One subscriber of a window.
#[derive(Debug)]
pub(in crate::socket) struct LiveChannel {
    query: ListQuery,
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
    /// Reads the window of a join.
    pub(in crate::socket) fn new(handle: &Handle, listed: Listed, join: &Payload) -> Result<LiveChannel, Json> {
        let query = query(listed, join)?;
        let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
        let nothing = Map::new();
        let window = match join.get("window") {
            // Only of sensors there is a topic without a window.
            None | Some(Value::Null) => Some(&nothing),
            Some(window) => window.as_object(),
        };
        let window =
            window.ok_or_else(|| params::invalid_field(FieldError { field: "window", allowed: "an object" }))?;
        let spec = window_of(handle, &query, window)?;
        let resume = params::optional_text(&join, "resume").map_err(params::invalid_field)?;
        let resume = resume.map(str::parse).transpose().map_err(params::invalid_field)?;
        let waits = CancellationToken::new();
        Ok(LiveChannel {
            ends: waits.clone().drop_guard(),
            waits,
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

    /// Takes another window of the same list.
    pub(in crate::socket) fn set_window(&mut self, handle: &Handle, payload: &Payload) -> Result<(), Json> {
        let window: Map<String, Value> = payload.parse().map_err(|_| params::invalid_field(AFTER_ALLOWED))?;
        self.spec = window_of(handle, &self.query, &window)?;
        Ok(())
    }

    /// Opens the window; what comes of it is given to [`LiveChannel::arrived`].
    pub(in crate::socket) fn open(&mut self, handle: &Handle, channel: ChannelId) -> BoxFuture<'static, Arrived> {
        self.opened += 1;
        self.waiting.clear();
        self.subscription = None;
        self.waits = CancellationToken::new();
        self.ends = self.waits.clone().drop_guard();
        let (handle, spec, opened, resume) = (handle.clone(), self.spec.clone(), self.opened, self.resume.take());
        self.unless_ended(channel, opened, async move { What::Opened(handle.live(spec, resume).await) })
    }

    /// Takes what it waited for. `true` where the window has to be opened anew.
    pub(in crate::socket) fn arrived(&mut self, handle: &Handle, arrived: Arrived) -> bool {
        if arrived.opened != self.opened {
            return false;
        }
        match arrived.what {
            What::Opened(Ok(mut subscription)) => {
                let start = subscription.take_start().map(|start| live::start(handle, &self.spec, start));
                self.waiting = start.unwrap_or_default().into();
                self.nodes = live::nodes(handle, &handle.world().view);
                self.subscription = Some(subscription);
            }
            What::Opened(Err(error)) => self.refuse(error),
            What::Next(LiveNext::Update(update), subscription) => {
                self.waiting.push_back(live::message(handle, &self.query, &update));
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

/// Which list a join asks for.
fn query(listed: Listed, join: &Payload) -> Result<ListQuery, Json> {
    if listed == Listed::Sensors {
        let (filter, order) = (super::filter(join)?, order(join)?);
        return Ok(ListQuery::Sensors(SensorQuery { filter, order }));
    }
    let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
    let text =
        |field| params::optional_text(&join, field).map(|text| text.map(str::to_owned)).map_err(params::invalid_field);
    Ok(match listed {
        Listed::Users => ListQuery::Users(UserFilter { room: text("room")?, node: text("node")? }),
        Listed::Connectors | Listed::Sensors => ListQuery::Connectors(ConnectorFilter { node: text("node")? }),
    })
}

fn order(join: &Payload) -> Result<Order, Json> {
    let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
    let Some(word) = params::optional_text(&join, "order").map_err(params::invalid_field)? else {
        return Ok(Order::Id);
    };
    let order = Order::ALL.into_iter().find(|order| order.as_str() == word);
    order.ok_or_else(|| params::invalid_field(FieldError { field: "order", allowed: "id, name, changed" }))
}

fn window_of(handle: &Handle, query: &ListQuery, window: &Map<String, Value>) -> Result<ListSpec, Json> {
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
    live::spec(handle, query.clone(), after, skip, limit).ok_or_else(|| params::invalid_field(AFTER_ALLOWED))
}
