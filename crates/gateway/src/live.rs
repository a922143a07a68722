//! Live queries as clients hear them, the same over sockets and as server-sent events.

use std::sync::Arc;

use sensocto_node::{
    Handle, LiveCursor, LiveStart, LiveUpdate, NodeView, Position, SensorQuery, WINDOW_MAX, WindowRow, WindowSpec,
};
use serde::Serialize;

use crate::http::cursor::Bound;
use crate::wire::{self, NodeJson, SensorJson};

/// Lines of a window where the subscriber does not say.
pub(crate) const LIMIT_DEFAULT: usize = 100;
/// What a limit may be.
pub(crate) const LIMIT_ALLOWED: &str = "a whole number from 1 to 1000";

/// Most lines that a window may pass over: each costs a step.
pub(crate) const SKIP_MAX: usize = 1_000_000;
/// What a skip may be.
pub(crate) const SKIP_ALLOWED: &str = "a whole number from 0 to 1000000";

/// A message: its event, where a client stands that has it, and its JSON.
#[derive(Debug, Clone)]
pub(crate) struct LiveMessage {
    pub(crate) event: &'static str,
    /// `None` where the client hears of no world.
    pub(crate) cursor: Option<Arc<LiveCursor>>,
    pub(crate) json: Arc<str>,
}

#[derive(Serialize)]
struct Page<'a> {
    seq: u64,
    total: usize,
    node: &'a str,
    /// Where this window begins; null where that is the start of the list.
    after: Option<String>,
    /// Where the window behind this one begins; null where nothing is behind it.
    next: Option<String>,
    resume: String,
    /// False where the client asked to go on, and what it missed is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    sensors: Vec<SensorJson<'a>>,
    nodes: Vec<NodeJson>,
}

#[derive(Serialize)]
struct Change<'a> {
    seq: u64,
    total: usize,
    resume: String,
    left: Vec<Gone<'a>>,
    moved: Vec<Moved<'a>>,
    entered: Vec<Entered<'a>>,
    changed: Vec<SensorJson<'a>>,
}

#[derive(Serialize)]
struct Gone<'a> {
    sensor_id: &'a str,
    node: &'a str,
    cause: &'static str,
}

#[derive(Serialize)]
struct Moved<'a> {
    at: usize,
    sensor_id: &'a str,
}

#[derive(Serialize)]
struct Entered<'a> {
    at: usize,
    sensor: SensorJson<'a>,
}

#[derive(Serialize)]
struct Total {
    seq: u64,
    total: usize,
    resume: String,
}

fn json(value: &impl Serialize) -> Arc<str> {
    // Plain structs of texts and numbers: there is no value of them that is refused.
    serde_json::to_string(value).unwrap_or_default().into()
}

/// What a subscriber hears first.
pub(crate) fn start(handle: &Handle, spec: &WindowSpec, start: LiveStart) -> Vec<LiveMessage> {
    match start {
        LiveStart::Page { world, stands, rows, total, cursor, lost } => {
            let mono = handle.clock().mono();
            let sensor = |row: &WindowRow| position(&world.view, spec, row);
            let behind = rows.last().filter(|_| rows.len() >= spec.limit).and_then(sensor);
            let bound = Bound::sensors(handle, &spec.query);
            let (after, next) =
                (spec.after.as_ref().map(|place| bound.cursor(place)), behind.map(|place| bound.cursor(&place)));
            let (resume, resumed) = (cursor.to_string(), lost.then_some(false));
            let sensors = rows.iter().filter_map(|row| wire::sensor(&world.view, &row.held, mono)).collect();
            let nodes = nodes(handle, &world.view);
            let node = handle.me().node.as_str();
            let page = Page { seq: stands, total, node, after, next, resume, resumed, sensors, nodes };
            vec![LiveMessage { event: "page", cursor: Some(cursor), json: json(&page) }]
        }
        LiveStart::Missed(updates) => updates.iter().map(|update| message(handle, update)).collect(),
    }
}

fn position(view: &sensocto_node::View, spec: &WindowSpec, row: &WindowRow) -> Option<Position> {
    view.position(spec.query.order, row.id())
}

/// What a subscriber hears next. The first who asks makes it for all.
pub(crate) fn message(handle: &Handle, update: &LiveUpdate) -> LiveMessage {
    let event = if update.difference.is_some() { "change" } else { "total" };
    let json = update.rendered.get_or_init(|| rendered(handle, update));
    LiveMessage { event, cursor: Some(Arc::clone(&update.cursor)), json: Arc::clone(json) }
}

fn rendered(handle: &Handle, update: &LiveUpdate) -> Arc<str> {
    let (seq, total, view) = (update.world.seq, update.total, &update.world.view);
    let resume = update.cursor.to_string();
    let Some(difference) = &update.difference else { return json(&Total { seq, total, resume }) };
    let mono = handle.clock().mono();
    let left = difference.left.iter().map(|left| Gone {
        sensor_id: left.row.id(),
        node: left.row.held.origin.node.as_str(),
        cause: left.cause.as_str(),
    });
    let moved = difference.moved.iter().map(|(at, row)| Moved { at: *at, sensor_id: row.id() });
    let entered = difference
        .entered
        .iter()
        .filter_map(|(at, row)| Some(Entered { at: *at, sensor: wire::sensor(view, &row.held, mono)? }));
    let changed = difference.changed.iter().filter_map(|row| wire::sensor(view, &row.held, mono));
    json(&Change {
        seq,
        total,
        resume,
        left: left.collect(),
        moved: moved.collect(),
        entered: entered.collect(),
        changed: changed.collect(),
    })
}

/// The nodes as a client hears of them.
pub(crate) fn nodes(handle: &Handle, view: &sensocto_node::View) -> Vec<NodeJson> {
    let mono = handle.clock().mono();
    let node = |node: &NodeView| wire::node(handle, node, mono);
    view.nodes().values().map(node).collect()
}

/// The window that a client asks for, where its cursor is one of the same query. It begins `skip` lines behind the cursor, as the list
/// is now; from then on it stays at the place that was found.
pub(crate) fn spec(
    handle: &Handle,
    query: SensorQuery,
    after: Option<&str>,
    skip: usize,
    limit: usize,
) -> Option<WindowSpec> {
    let bound = Bound::sensors(handle, &query);
    let mut after = match after {
        None => None,
        Some(after) => Some(bound.read(after)?),
    };
    if skip > 0 {
        after = handle.world().view.place_behind(&query, after.as_ref(), skip, handle.clock().mono());
    }
    (1..=WINDOW_MAX).contains(&limit).then_some(WindowSpec { query, after, limit })
}
