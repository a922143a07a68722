//! Live queries as clients hear them, the same over sockets and as server-sent events, and whatever the list is of.

use std::sync::Arc;

use sensocto_node::{
    Handle, ListQuery, ListRow, ListSpec, LiveCursor, LiveStart, LiveUpdate, NodeView, Rendered, UserId, View,
    WINDOW_MAX, Worlds,
};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::audience::Audience;
use crate::http::cursor::Bound;
use crate::rooms::{self, RoomJson};
use crate::wire::{self, ConnectorJson, NodeJson, SensorJson, UserJson};

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

/// What the lines of a list are called.
#[derive(Debug, Clone, Copy)]
struct Names {
    lines: &'static str,
    line: &'static str,
    id: &'static str,
}

fn names(query: &ListQuery) -> Names {
    match query {
        ListQuery::Sensors(_) => Names { lines: "sensors", line: "sensor", id: "sensor_id" },
        ListQuery::Connectors(_) => Names { lines: "connectors", line: "connector", id: "connector_id" },
        ListQuery::Users(_) => Names { lines: "users", line: "user", id: "user_id" },
        ListQuery::Rooms(_) => Names { lines: "rooms", line: "room", id: "room_id" },
    }
}

/// One line, in the form that the list over HTTP gives it.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Sensor(Box<SensorJson<'a>>),
    Connector(ConnectorJson<'a>),
    User(UserJson<'a>),
    Room(Box<RoomJson<'a>>),
}

fn line<'a>(
    handle: &Handle,
    query: &ListQuery,
    view: &View,
    row: &'a ListRow,
    audience: &Audience,
) -> Option<Line<'a>> {
    let mono = handle.clock().mono();
    match row {
        ListRow::Entry(held) => wire::sensor(view, held, mono, audience)
            .map(|sensor| Line::Sensor(Box::new(sensor)))
            .or_else(|| wire::connector(view, held, mono).map(Line::Connector)),
        ListRow::Person(person) => {
            Some(Line::User(wire::user(view, &person.user_id, person.connections.iter(), None, mono, audience)))
        }
        ListRow::Room(row) => {
            let ListQuery::Rooms(query) = query else { return None };
            let viewer = query.viewer.as_ref().map(UserId::as_str);
            Some(Line::Room(Box::new(rooms::line(&row.room, row.sensors, viewer))))
        }
    }
}

/// A line with what else is said of it.
struct Said<'a> {
    at: Option<usize>,
    id: Option<(&'static str, &'a str)>,
    line: Option<(&'static str, Line<'a>)>,
    left: Option<(Option<&'a str>, &'static str)>,
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(at) = self.at {
            map.serialize_entry("at", &at)?;
        }
        if let Some((name, id)) = self.id {
            map.serialize_entry(name, id)?;
        }
        if let Some((name, line)) = &self.line {
            map.serialize_entry(name, line)?;
        }
        if let Some((node, cause)) = self.left {
            map.serialize_entry("node", &node)?;
            map.serialize_entry("cause", cause)?;
        }
        map.end()
    }
}

/// A JSON object whose keys are known when it is made.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object("{".to_owned())
    }

    fn with(mut self, name: &str, value: &impl Serialize) -> Object {
        // Texts, numbers and structs of them: there is no value of them that is refused.
        let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
        let comma = if self.0.len() > 1 { "," } else { "" };
        self.0.push_str(&format!("{comma}\"{name}\":{json}"));
        self
    }

    fn json(mut self) -> Arc<str> {
        self.0.push('}');
        self.0.into()
    }
}

/// What a subscriber hears first of the window that it asked for.
pub(crate) fn start(handle: &Handle, spec: &ListSpec, start: LiveStart, audience: &Audience) -> Vec<LiveMessage> {
    let query = &spec.query;
    match start {
        LiveStart::Page { world, stands, rows, total, cursor, lost } => {
            let view = &world.view;
            let behind = rows.last().filter(|_| rows.len() >= spec.limit).and_then(|row| query.position(view, row));
            let bound = bound(handle, query);
            let lines: Vec<Line<'_>> = rows.iter().filter_map(|row| line(handle, query, view, row, audience)).collect();
            let mut page = Object::new()
                .with("seq", &stands)
                .with("total", &total)
                .with("node", &handle.me().node.as_str())
                .with("after", &spec.after.as_ref().map(|place| bound.cursor(place)))
                .with("next", &behind.map(|place| bound.cursor(&place)))
                .with("resume", &cursor.to_string());
            if lost {
                page = page.with("resumed", &false);
            }
            let page = page.with(names(query).lines, &lines).with("nodes", &nodes(handle, view));
            vec![LiveMessage { event: "page", cursor: Some(cursor), json: page.json() }]
        }
        LiveStart::Missed(updates) => updates.iter().map(|update| message(handle, query, update, audience)).collect(),
    }
}

/// What a subscriber hears next. The first who asks makes it for all, without what only some of them may hear.
pub(crate) fn message(handle: &Handle, query: &ListQuery, update: &LiveUpdate, audience: &Audience) -> LiveMessage {
    let event = if update.difference.is_some() { "change" } else { "total" };
    let for_all = update.rendered.get_or_init(|| {
        let everybody = Audience::everybody(handle);
        let json = rendered(handle, query, update, &everybody);
        Rendered { json, leaves_out: everybody.has_left_out() }
    });
    let json = if for_all.leaves_out && !audience.is_everybody() {
        rendered(handle, query, update, audience)
    } else {
        Arc::clone(&for_all.json)
    };
    LiveMessage { event, cursor: Some(Arc::clone(&update.cursor)), json }
}

fn rendered(handle: &Handle, query: &ListQuery, update: &LiveUpdate, audience: &Audience) -> Arc<str> {
    let head = Object::new()
        .with("seq", &update.cursor.seq)
        .with("total", &update.total)
        .with("resume", &update.cursor.to_string());
    let Some(difference) = &update.difference else { return head.json() };
    let (names, view) = (names(query), &update.world.view);
    let nothing = || Said { at: None, id: None, line: None, left: None };
    let left = difference.left.iter().map(|(row, cause)| Said {
        id: Some((names.id, row.id())),
        left: Some((row.node(), cause.as_str())),
        ..nothing()
    });
    let moved =
        difference.moved.iter().map(|(at, row)| Said { at: Some(*at), id: Some((names.id, row.id())), ..nothing() });
    let entered = difference.entered.iter().filter_map(|(at, row)| {
        Some(Said { at: Some(*at), line: Some((names.line, line(handle, query, view, row, audience)?)), ..nothing() })
    });
    let changed = difference.changed.iter().filter_map(|row| line(handle, query, view, row, audience));
    head.with("left", &left.collect::<Vec<_>>())
        .with("moved", &moved.collect::<Vec<_>>())
        .with("entered", &entered.collect::<Vec<_>>())
        .with("changed", &changed.collect::<Vec<_>>())
        .json()
}

/// The nodes as a client hears of them.
pub(crate) fn nodes(handle: &Handle, view: &View) -> Vec<NodeJson> {
    let mono = handle.clock().mono();
    let node = |node: &NodeView| wire::node(handle, node, mono);
    view.nodes().values().map(node).collect()
}

/// What the cursors of a list are bound to.
fn bound(handle: &Handle, query: &ListQuery) -> Bound {
    match query {
        ListQuery::Sensors(query) => Bound::sensors(handle, query),
        ListQuery::Connectors(filter) => Bound::new("connectors", &[filter.node.as_deref()]),
        ListQuery::Users(filter) => Bound::new("users", &[filter.room.as_deref(), filter.node.as_deref()]),
        ListQuery::Rooms(query) => Bound::rooms(query),
    }
}

/// The window that a client asks for, where its cursor is one of the same query. It begins `skip` lines behind the cursor, as the list
/// is now for this reader; from then on it stays at the place that was found.
pub(crate) fn spec(
    handle: &Handle,
    audience: &Audience,
    query: ListQuery,
    after: Option<&str>,
    skip: usize,
    limit: usize,
) -> Option<ListSpec> {
    let bound = bound(handle, &query);
    let mut after = match after {
        None => None,
        Some(after) => Some(bound.read(after)?),
    };
    if skip > 0 {
        let world = handle.world();
        let worlds = Worlds { view: &world.view, rooms: &handle.rooms().view };
        let passed = audience.list(&query).read(worlds, after.as_ref(), skip).0;
        after = passed.last().and_then(|row| query.position(&world.view, row)).or(after);
    }
    (1..=WINDOW_MAX).contains(&limit).then_some(ListSpec { query, after, limit })
}
