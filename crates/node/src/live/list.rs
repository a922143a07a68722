//! The lists that live queries are asked about, whatever they are of.
//!
//! A further kind of list needs a variant here: how it is read, which of its lines a change may touch, and what its lines are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::room::Room;
use sensocto_model::{Kind, Presence, Record};
use sensocto_registry::live::{Difference, LeftCause, WindowRow, WindowSpec};
use sensocto_registry::{Event, Held, Person, Position, SensorQuery, View};
use sensocto_rooms::{RoomQuery, RoomsView};

use super::rooms::{self, RoomsSpec};

/// The topic in which everybody is: what somebody says there stands for their connection.
const ALL: &str = "all";

/// What lists are read from.
#[derive(Debug, Clone, Copy)]
pub struct Worlds<'a> {
    /// Sensors, connectors and people.
    pub view: &'a View,
    /// Rooms.
    pub rooms: &'a RoomsView,
}

/// Which connectors; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectorFilter {
    /// On this node.
    pub node: Option<String>,
}

/// Which people; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserFilter {
    /// With a connection in this room, and only those connections.
    pub room: Option<String>,
    /// With a connection to this node, and only those connections.
    pub node: Option<String>,
}

/// Which list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListQuery {
    /// Of sensors.
    Sensors(SensorQuery),
    /// Of connectors, in the order of their ids.
    Connectors(ConnectorFilter),
    /// Of people, in the order of their ids.
    Users(UserFilter),
    /// Of rooms that whoever asks may see.
    Rooms(RoomQuery),
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListSpec {
    /// Of which list.
    pub query: ListQuery,
    /// From where on; `None` is the start.
    pub after: Option<Position>,
    /// How many lines at most.
    pub limit: usize,
}

/// Somebody who is here.
#[derive(Debug, Clone)]
pub struct PersonRow {
    /// Who.
    pub user_id: String,
    /// One presence for each connection, the oldest first.
    pub connections: Vec<Held>,
}

/// A room with what its line says of the world.
#[derive(Debug, Clone)]
pub struct RoomRow {
    /// The room.
    pub room: Arc<Room>,
    /// How many sensors are in it.
    pub sensors: usize,
}

impl RoomRow {
    /// Whether it says the same as another line of its id.
    pub(super) fn is_as(&self, other: &RoomRow) -> bool {
        self.sensors == other.sensors && (Arc::ptr_eq(&self.room, &other.room) || self.room == other.room)
    }
}

/// One line of a list.
#[derive(Debug, Clone)]
pub enum ListRow {
    /// An entry and whose it is.
    Entry(Held),
    /// A person and their connections.
    Person(PersonRow),
    /// A room.
    Room(RoomRow),
}

impl ListRow {
    /// Its id in its list.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            ListRow::Entry(held) => {
                let record = held.entry.record();
                let sensor = record.and_then(Record::as_sensor).map(|sensor| sensor.sensor_id.as_str());
                let connector = || record.and_then(Record::as_connector);
                sensor.or_else(|| connector().map(|connector| connector.connector_id.as_str())).unwrap_or_default()
            }
            ListRow::Person(person) => &person.user_id,
            ListRow::Room(row) => row.room.id.as_str(),
        }
    }

    /// The node that it is on; of a person, that of the newest connection, of a room the one that decided last about it.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            ListRow::Entry(held) => Some(held.origin.node.as_str()),
            ListRow::Person(person) => person.connections.last().map(|held| held.origin.node.as_str()),
            ListRow::Room(row) => Some(row.room.term.home.node.as_str()),
        }
    }

    /// Whether it says the same as another line of its id.
    pub(super) fn is_as(&self, other: &ListRow) -> bool {
        let same = |one: &Held, other: &Held| one.origin == other.origin && one.entry.version == other.entry.version;
        match (self, other) {
            (ListRow::Entry(one), ListRow::Entry(other)) => same(one, other),
            (ListRow::Person(one), ListRow::Person(other)) => {
                one.connections.len() == other.connections.len()
                    && one.connections.iter().zip(&other.connections).all(|(one, other)| same(one, other))
            }
            (ListRow::Room(one), ListRow::Room(other)) => one.is_as(other),
            (ListRow::Entry(_) | ListRow::Person(_) | ListRow::Room(_), _) => false,
        }
    }
}

/// Why a line left a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListLeft {
    /// What may become of every line.
    Entry(LeftCause),
    /// The room is there no longer.
    Deleted,
    /// Whoever asked may see the room no longer.
    NotVisible,
}

impl ListLeft {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ListLeft::Entry(cause) => cause.as_str(),
            ListLeft::Deleted => "deleted",
            ListLeft::NotVisible => "not_visible",
        }
    }
}

/// What leads from one page to the next: take out what left and what moved; put in what entered and moved, in the order of their
/// places; then put the changed lines in the place of those with their ids.
#[derive(Debug, Clone, Default)]
pub struct ListDifference {
    /// Lines that are not in the window any more, and why.
    pub left: Vec<(ListRow, ListLeft)>,
    /// Lines that are at another place among those that stay, with their places on the new page; in the order of places.
    pub moved: Vec<(usize, ListRow)>,
    /// Lines that were not in the window, with their places on the new page; in the order of places.
    pub entered: Vec<(usize, ListRow)>,
    /// Lines that say something else.
    pub changed: Vec<ListRow>,
}

impl ListDifference {
    /// Whether it leads nowhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty() && self.moved.is_empty() && self.entered.is_empty() && self.changed.is_empty()
    }
}

pub(super) fn entry(row: WindowRow) -> ListRow {
    ListRow::Entry(row.held)
}

impl From<Difference> for ListDifference {
    fn from(difference: Difference) -> ListDifference {
        let placed = |rows: Vec<(usize, WindowRow)>| rows.into_iter().map(|(at, row)| (at, entry(row))).collect();
        ListDifference {
            left: difference.left.into_iter().map(|left| (entry(left.row), ListLeft::Entry(left.cause))).collect(),
            moved: placed(difference.moved),
            entered: placed(difference.entered),
            changed: difference.changed.into_iter().map(entry).collect(),
        }
    }
}

impl ListSpec {
    /// The same for the lists of sensors, which have a machine of their own.
    pub(super) fn of_sensors(&self) -> Option<WindowSpec> {
        let ListQuery::Sensors(query) = &self.query else { return None };
        Some(WindowSpec { query: query.clone(), after: self.after.clone(), limit: self.limit })
    }

    /// The same for the lists of rooms.
    pub(super) fn of_rooms(&self) -> Option<RoomsSpec> {
        let ListQuery::Rooms(query) = &self.query else { return None };
        let after = self.after.as_ref().and_then(|after| rooms::place(query.order, after));
        Some(RoomsSpec { query: query.clone(), after, limit: self.limit })
    }
}

impl ListQuery {
    /// Where a line stands.
    #[must_use]
    pub fn position(&self, view: &View, row: &ListRow) -> Option<Position> {
        match self {
            ListQuery::Sensors(query) => view.position(query.order, row.id()),
            ListQuery::Connectors(_) | ListQuery::Users(_) => Some(Position::Id(row.id().to_owned())),
            ListQuery::Rooms(query) => match row {
                ListRow::Room(row) => Some(rooms::position(query.order, &row.room)),
                ListRow::Entry(_) | ListRow::Person(_) => None,
            },
        }
    }

    /// The lines behind a place, at most so many, and whether there are more.
    #[must_use]
    pub fn read(&self, worlds: Worlds<'_>, after: Option<&Position>, limit: usize) -> (Vec<ListRow>, bool) {
        let view = worlds.view;
        let after_id = match after {
            Some(Position::Id(id)) => Some(id.as_str()),
            Some(Position::Name { .. } | Position::Changed(_)) | None => None,
        };
        let entries = |found: sensocto_registry::Found<'_>| {
            let rows = found.lines.iter().map(|line| ListRow::Entry(line.held.clone())).collect();
            (rows, found.more)
        };
        match self {
            ListQuery::Sensors(query) => entries(view.sensors(query, after, limit, Duration::ZERO)),
            ListQuery::Connectors(filter) => entries(view.connectors(filter.node.as_deref(), after_id, limit)),
            ListQuery::Users(filter) => filter.read(view, after_id, limit),
            ListQuery::Rooms(query) => {
                let after = after.and_then(|after| rooms::place(query.order, after));
                let (rows, more) = rooms::read(worlds, query, after.as_ref(), limit);
                (rows.into_iter().map(ListRow::Room).collect(), more)
            }
        }
    }

    /// How many lines it has.
    #[must_use]
    pub fn total(&self, worlds: Worlds<'_>) -> usize {
        let view = worlds.view;
        match self {
            ListQuery::Sensors(query) => view.sensors_total(&query.filter, Duration::ZERO),
            ListQuery::Connectors(filter) if filter.node.is_none() => view.count(Kind::Connector),
            ListQuery::Users(filter) => filter.total(view),
            ListQuery::Rooms(query) => worlds.rooms.total(query),
            ListQuery::Connectors(_) => self.read(worlds, None, usize::MAX).0.len(),
        }
    }

    /// The ids of the lines that a change may have changed, or brought in, or taken out.
    pub(crate) fn touched<'a>(&self, event: &'a Event) -> Vec<&'a str> {
        let kind = match self {
            ListQuery::Sensors(_) => Kind::Sensor,
            ListQuery::Connectors(_) => Kind::Connector,
            ListQuery::Users(_) => Kind::Presence,
            // They are no entries.
            ListQuery::Rooms(_) => return Vec::new(),
        };
        if event.key.kind != kind {
            return Vec::new();
        }
        match self {
            ListQuery::Sensors(_) | ListQuery::Connectors(_) | ListQuery::Rooms(_) => vec![event.key.id.as_str()],
            ListQuery::Users(_) => {
                let users = event.previous.iter().chain([&event.held]).filter_map(|held| presence(held));
                let mut users: Vec<&str> = users.map(|presence| presence.user_id.as_str()).collect();
                users.dedup();
                users
            }
        }
    }

    /// A line that an event was about, as it last was.
    pub(crate) fn last_seen(&self, id: &str, held: &Held) -> ListRow {
        match self {
            ListQuery::Sensors(_) | ListQuery::Connectors(_) | ListQuery::Rooms(_) => ListRow::Entry(held.clone()),
            ListQuery::Users(_) => {
                ListRow::Person(PersonRow { user_id: id.to_owned(), connections: vec![held.clone()] })
            }
        }
    }

    /// Why a line is not in a window; `gone` is why its entry, or the last of its entries, left the world.
    pub(super) fn left(&self, view: &View, id: &str, gone: Option<sensocto_registry::Cause>) -> ListLeft {
        let (there, passes) = match self {
            ListQuery::Sensors(query) => {
                let held = view.get(Kind::Sensor, id);
                (held.is_some(), held.is_some_and(|held| query.filter.matches_held(held)))
            }
            ListQuery::Connectors(filter) => {
                let held = view.get(Kind::Connector, id);
                (held.is_some(), held.is_some_and(|held| is(&filter.node, held.origin.node.as_str())))
            }
            ListQuery::Users(filter) => {
                let person = view.person(id);
                let passes = person.as_ref().is_some_and(|person| !filter.connections(person).is_empty());
                (person.is_some(), passes)
            }
            // What becomes of rooms is said where their windows are read.
            ListQuery::Rooms(_) => (false, false),
        };
        ListLeft::Entry(match (there, passes) {
            (true, true) => LeftCause::Moved,
            (true, false) => LeftCause::Filtered,
            (false, _) => LeftCause::Gone(gone.unwrap_or(sensocto_registry::Cause::Unregistered)),
        })
    }
}

fn is(wanted: &Option<String>, found: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == found)
}

fn presence(held: &Held) -> Option<&Presence> {
    held.entry.record().and_then(Record::as_presence)
}

impl UserFilter {
    pub(crate) fn read(&self, view: &View, after: Option<&str>, limit: usize) -> (Vec<ListRow>, bool) {
        let (mut rows, mut after) = (Vec::new(), after.map(str::to_owned));
        loop {
            let wanted = limit.saturating_add(1).saturating_sub(rows.len());
            let (people, more) = view.people(self.room.as_deref(), self.node.as_deref(), after.as_deref(), wanted);
            after = people.last().map(|person| person.user_id.clone());
            // What a merged connection says may pass where one of its presences does not, and the other way round.
            rows.extend(people.into_iter().filter_map(|person| self.row(person)).map(ListRow::Person));
            if rows.len() > limit || !more {
                break;
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        (rows, more)
    }

    /// How many people pass. Of those in a room, only they are looked at.
    pub(crate) fn total(&self, view: &View) -> usize {
        if *self == UserFilter::default() {
            return view.people_total();
        }
        let (people, _) = view.people(self.room.as_deref(), self.node.as_deref(), None, usize::MAX);
        people.iter().filter(|person| !self.connections(person).is_empty()).count()
    }

    fn row(&self, person: Person<'_>) -> Option<PersonRow> {
        let connections: Vec<Held> = self.connections(&person).into_iter().cloned().collect();
        (!connections.is_empty()).then_some(PersonRow { user_id: person.user_id, connections })
    }

    /// A person's connections that pass, the oldest first. The presences of one connection, in several topics, are one: that of all
    /// topics, otherwise the oldest.
    fn connections<'a>(&self, person: &Person<'a>) -> Vec<&'a Held> {
        // Most people are here once, in one topic.
        if let [(held, presence)] = person.connections[..] {
            return if self.passes(held, presence) { vec![held] } else { Vec::new() };
        }
        let rank = |presence: &'a Presence| {
            (presence.topic.as_str() != ALL, presence.online_at_ms, presence.presence_ref.as_str())
        };
        let mut merged: BTreeMap<&str, (&Held, &Presence)> = BTreeMap::new();
        for &(held, presence) in &person.connections {
            let best = merged.entry(presence.connection.as_str()).or_insert((held, presence));
            if rank(presence) < rank(best.1) {
                *best = (held, presence);
            }
        }
        let mut passing: Vec<(&Held, &Presence)> =
            merged.into_values().filter(|(held, presence)| self.passes(held, presence)).collect();
        passing.sort_by_key(|(_, presence)| (presence.online_at_ms, presence.presence_ref.as_str()));
        passing.into_iter().map(|(held, _)| held).collect()
    }

    fn passes(&self, held: &Held, presence: &Presence) -> bool {
        is(&self.node, held.origin.node.as_str())
            && self.room.as_deref().is_none_or(|room| presence.room_id.as_ref().is_some_and(|id| id.as_str() == room))
    }
}
