//! `discovery:sensors`: the whole world's sensors, as a snapshot and then as differences.
//!
//! Between two messages to the client only the keys of what changed are kept, with whether the client had them. What the message
//! says is read from the world when it is made, so it is never out of date, and one line stands for any number of changes.

pub(super) mod live;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use sensocto_channels::{Json, Payload};
use sensocto_node::model::SharedId;
use sensocto_node::{
    Batch, Cause, Event, EventKind, FieldError, Handle, Kind, Order, Position, STATE_IDS_MAX, SearchText, SensorFilter,
    SensorId, SensorQuery, UserId, World,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::params;
use crate::audience::Audience;
use crate::wire::{self, NodeJson, SensorJson};

/// Sensors in one snapshot frame.
const CHUNK_MAX: usize = 500;
/// Sensors that may have changed since the last message; above it a fresh snapshot is cheaper than the differences.
const PENDING_MAX: usize = 10_000;
/// Changes within this time travel together.
const WINDOW: Duration = Duration::from_millis(2);
/// How often the nodes are looked at for the client.
const NODES_WINDOW: Duration = Duration::from_millis(50);

/// Default, smallest and largest age of a value that a client accepts from the cache.
const MAX_AGE_MS: (u64, std::ops::RangeInclusive<u64>) = (5_000, 100..=60_000);

/// One subscriber.
#[derive(Debug)]
pub(super) struct DiscoveryChannel {
    /// As the client asked for it.
    asked: SensorFilter,
    /// As it is read for this reader.
    filter: SensorFilter,
    viewer: Option<UserId>,
    phase: Phase,
    pending: BTreeMap<SharedId, Pending>,
    total: usize,
    told_at: Duration,
    nodes: Vec<NodeJson>,
    nodes_at: Duration,
    nodes_may_differ: bool,
}

/// What the client has.
#[derive(Debug)]
enum Phase {
    /// Nothing yet, or something that is not to be built on.
    Blank,
    /// Part of the snapshot of a world.
    Snapshot { world: Arc<World>, after: Option<String> },
    /// A snapshot, and all differences up to `pending`.
    Current,
}

/// A sensor that changed since the last message.
#[derive(Debug)]
struct Pending {
    /// Whether the client has it.
    had: bool,
    /// Where it was last, and why it left if it did.
    node: String,
    cause: Option<Cause>,
}

/// A message for the client.
pub(super) type Told = (&'static str, Json);

#[derive(Serialize)]
struct Snapshot<'a> {
    seq: u64,
    first: bool,
    last: bool,
    total: usize,
    node: &'a str,
    sensors: Vec<SensorJson<'a>>,
    nodes: &'a [NodeJson],
}

#[derive(Serialize)]
struct Difference<'a> {
    seq: u64,
    total: usize,
    joins: Vec<SensorJson<'a>>,
    changes: Vec<SensorJson<'a>>,
    leaves: Vec<Leave<'a>>,
}

#[derive(Serialize)]
struct Leave<'a> {
    sensor_id: &'a str,
    node: &'a str,
    cause: &'static str,
}

#[derive(Serialize)]
struct Nodes<'a> {
    nodes: &'a [NodeJson],
}

impl DiscoveryChannel {
    pub(super) fn new(handle: &Handle, asked: SensorFilter, viewer: Option<UserId>) -> DiscoveryChannel {
        DiscoveryChannel {
            filter: shown_to(handle, &asked, viewer.as_ref()),
            asked,
            viewer,
            phase: Phase::Blank,
            pending: BTreeMap::new(),
            total: 0,
            told_at: Duration::ZERO,
            nodes: Vec::new(),
            nodes_at: Duration::ZERO,
            nodes_may_differ: false,
        }
    }

    /// Whether it is of one room.
    pub(super) fn names_a_room(&self) -> bool {
        self.asked.room.is_some()
    }

    /// Other people may see rooms than before: where that concerns this reader, the client gets a snapshot of what it may see.
    pub(super) fn see_rooms(&mut self, handle: &Handle) {
        let filter = shown_to(handle, &self.asked, self.viewer.as_ref());
        if filter != self.filter {
            self.filter = filter;
            self.start_over();
        }
    }

    /// Notes what changed.
    pub(super) fn take(&mut self, batch: &Batch) {
        if matches!(self.phase, Phase::Blank) {
            return;
        }
        self.nodes_may_differ = true;
        for event in batch.events.iter().filter(|event| event.key.kind == Kind::Sensor) {
            self.note(event);
        }
        if self.pending.len() > PENDING_MAX {
            self.start_over();
        }
    }

    fn note(&mut self, event: &Event) {
        let had = event.previous.as_ref().is_some_and(|previous| self.filter.matches_held(previous))
            || (matches!(event.kind, EventKind::Unregistered(_)) && self.filter.matches_held(&event.held));
        let has = !matches!(event.kind, EventKind::Unregistered(_)) && self.filter.matches_held(&event.held);
        if !had && !has && !self.pending.contains_key(&event.key.id) {
            return;
        }
        let pending = self.pending.entry(event.key.id.clone());
        let pending = pending.or_insert_with(|| Pending { had, node: String::new(), cause: None });
        pending.node = event.held.origin.node.to_string();
        pending.cause = match event.kind {
            EventKind::Unregistered(cause) => Some(cause),
            EventKind::Registered | EventKind::Updated => None,
        };
    }

    /// Forgets what the client has: it gets a snapshot next.
    pub(super) fn start_over(&mut self) {
        self.phase = Phase::Blank;
        self.pending.clear();
    }

    /// What to tell a client that has room for it; `Break` when that was all.
    pub(super) fn tell(&mut self, handle: &Handle, world: &Arc<World>) -> ControlFlow<(), Option<Told>> {
        let mono = handle.clock().mono();
        if matches!(self.phase, Phase::Blank) {
            self.pending.clear();
            self.total = world.view.sensors_total(&self.filter, mono);
            self.nodes = nodes(handle, world, mono);
            self.phase = Phase::Snapshot { world: Arc::clone(world), after: None };
        }
        if let Phase::Snapshot { world, after } = &self.phase {
            let (world, after) = (Arc::clone(world), after.clone());
            return ControlFlow::Continue(Some(self.snapshot(handle, world, after, mono)));
        }
        if let Some(told) = self.tell_nodes(handle, world, mono) {
            return ControlFlow::Continue(Some(told));
        }
        let waits = mono.saturating_sub(self.told_at) < WINDOW;
        if self.pending.is_empty() || waits {
            return ControlFlow::Break(());
        }
        self.told_at = mono;
        ControlFlow::Continue(self.difference(handle, world, mono))
    }

    /// When there is something to tell that was not told yet, on the node's clock.
    pub(super) fn due_at(&self) -> Option<Duration> {
        let difference = (!self.pending.is_empty()).then_some(self.told_at + WINDOW);
        let nodes = self.nodes_may_differ.then_some(self.nodes_at + NODES_WINDOW);
        difference.into_iter().chain(nodes).min()
    }

    fn snapshot(&mut self, handle: &Handle, world: Arc<World>, after: Option<String>, mono: Duration) -> Told {
        let query = SensorQuery { filter: self.filter.clone(), order: Order::Id };
        let place = after.clone().map(Position::Id);
        let found = world.view.sensors(&query, place.as_ref(), CHUNK_MAX, mono);
        let last = !found.more;
        let audience = Audience::of(handle, self.viewer.as_ref());
        let sensors: Vec<SensorJson<'_>> =
            found.lines.iter().filter_map(|line| wire::sensor(&world.view, line.held, mono, &audience)).collect();
        let next = sensors.last().map(|sensor| sensor.sensor_id.to_owned());
        let snapshot = Snapshot {
            seq: world.seq,
            first: after.is_none(),
            last,
            total: self.total,
            node: handle.me().node.as_str(),
            sensors,
            nodes: &self.nodes,
        };
        let json = Json::of(&snapshot);
        self.phase = if last { Phase::Current } else { Phase::Snapshot { world: Arc::clone(&world), after: next } };
        ("snapshot", json)
    }

    fn tell_nodes(&mut self, handle: &Handle, world: &World, mono: Duration) -> Option<Told> {
        if mono.saturating_sub(self.nodes_at) < NODES_WINDOW {
            return None;
        }
        self.nodes_at = mono;
        self.nodes_may_differ = false;
        let nodes = nodes(handle, world, mono);
        if news(&nodes) == news(&self.nodes) {
            return None;
        }
        self.nodes = nodes;
        Some(("nodes", Json::of(&Nodes { nodes: &self.nodes })))
    }

    fn difference(&mut self, handle: &Handle, world: &World, mono: Duration) -> Option<Told> {
        let audience = Audience::of(handle, self.viewer.as_ref());
        let pending = std::mem::take(&mut self.pending);
        let mut difference =
            Difference { seq: world.seq, total: 0, joins: Vec::new(), changes: Vec::new(), leaves: Vec::new() };
        for (id, was) in &pending {
            let held = world.view.get(Kind::Sensor, id.as_str());
            let now = held
                .filter(|held| self.filter.matches_held(held))
                .and_then(|held| wire::sensor(&world.view, held, mono, &audience));
            match (was.had, now) {
                (false, Some(sensor)) => difference.joins.push(sensor),
                (true, Some(sensor)) => difference.changes.push(sensor),
                (true, None) => {
                    let cause = was.cause.map_or("filtered", Cause::as_str);
                    difference.leaves.push(Leave { sensor_id: id.as_str(), node: &was.node, cause });
                }
                (false, None) => {}
            }
        }
        self.total = (self.total + difference.joins.len()).saturating_sub(difference.leaves.len());
        difference.total = self.total;
        let some = difference.joins.len() + difference.changes.len() + difference.leaves.len() > 0;
        some.then(|| ("diff", Json::of(&difference)))
    }
}

/// A filter as it is read for one reader.
fn shown_to(handle: &Handle, asked: &SensorFilter, viewer: Option<&UserId>) -> SensorFilter {
    let room = Audience::of(handle, viewer).wanted(asked.room.clone());
    SensorFilter { room, ..asked.clone() }
}

/// What is news of nodes: the time in a state grows by itself.
fn news(nodes: &[NodeJson]) -> Vec<NodeJson> {
    nodes.iter().map(|node| NodeJson { since_ms: 0, ..node.clone() }).collect()
}

fn nodes(handle: &Handle, world: &World, mono: Duration) -> Vec<NodeJson> {
    world.view.nodes().values().map(|node| wire::node(handle, node, mono)).collect()
}

/// What a topic lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Sensors,
    Connectors,
    Users,
    Rooms,
}

const LISTED: [(&str, Listed); 4] = [
    ("discovery:sensors", Listed::Sensors),
    ("discovery:connectors", Listed::Connectors),
    ("discovery:users", Listed::Users),
    ("discovery:rooms", Listed::Rooms),
];

/// What a topic lists. One socket may ask several live queries: what follows a further colon only tells them apart.
pub(super) fn listed(topic: &str) -> Option<Listed> {
    let is = |name: &str| topic.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    LISTED.into_iter().find(|(name, _)| is(name)).map(|(_, listed)| listed)
}

/// Reads the filter of a join.
pub(super) fn filter(join: &Payload) -> Result<SensorFilter, Json> {
    let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
    let text =
        |field| params::optional_text(&join, field).map(|text| text.map(str::to_owned)).map_err(params::invalid_field);
    Ok(SensorFilter {
        sensor_type: text("type")?,
        connector: text("connector")?,
        node: text("node")?,
        room: text("room")?,
        attribute: text("attribute")?,
        freshness: None,
        name_prefix: sought(&join, "prefix")?.map(str::to_owned),
        text: sought(&join, "text")?.and_then(SearchText::new),
    })
}

/// Longest text that is looked for in names, in bytes: as long as a name.
const TEXT_BYTES_MAX: usize = 256;

/// Reads what is looked for in names, under one of the keys for that.
fn sought<'a>(join: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, Json> {
    let allowed = FieldError { field, allowed: "a string of at most 256 bytes" };
    match params::optional_text(join, field).map_err(|_| params::invalid_field(allowed))? {
        Some(text) if text.len() > TEXT_BYTES_MAX => Err(params::invalid_field(allowed)),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// Reads a request for states: which sensors, and how old a value may be.
pub(super) fn state_request(payload: &Payload) -> Result<(Vec<SensorId>, Duration), Json> {
    let ids_error = FieldError { field: "sensor_ids", allowed: "a list of at most 200 sensor ids" };
    let age_error = FieldError { field: "max_age_ms", allowed: "a whole number from 100 to 60000" };
    let request: Map<String, Value> = payload.parse().map_err(|_| params::invalid_field(ids_error))?;
    let list = request.get("sensor_ids").and_then(Value::as_array).filter(|list| list.len() <= STATE_IDS_MAX);
    let list = list.ok_or_else(|| params::invalid_field(ids_error))?;
    let ids = list.iter().map(|id| id.as_str().and_then(|id| SensorId::new(id).ok()));
    let ids = ids.collect::<Option<Vec<_>>>().ok_or_else(|| params::invalid_field(ids_error))?;
    let (default, allowed) = MAX_AGE_MS;
    let max_age = match request.get("max_age_ms") {
        None | Some(Value::Null) => default,
        Some(value) => {
            value.as_u64().filter(|age| allowed.contains(age)).ok_or_else(|| params::invalid_field(age_error))?
        }
    };
    Ok((ids, Duration::from_millis(max_age)))
}

/// The answer to a request for states.
pub(super) async fn states(handle: Handle, ids: Vec<SensorId>, max_age: Duration, timeout: Duration) -> Json {
    #[derive(Serialize)]
    struct States<'a> {
        states: BTreeMap<&'a str, wire::StateJson<'a>>,
    }
    let answers = handle.get_sensor_states(&ids, max_age, timeout).await;
    let states = answers.iter().map(|(id, answer)| (id.as_str(), wire::state(id.as_str(), answer)));
    Json::of(&States { states: states.collect() })
}
