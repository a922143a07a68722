//! Lists of connectors, people and rooms.

use std::ops::Bound;

use sensocto_model::{Kind, Presence, Record};

use super::short_text::Sought;
use super::{Found, Held, Line, View};

/// Somebody who is here.
#[derive(Debug, Clone)]
pub struct Person<'a> {
    /// Who.
    pub user_id: String,
    /// Their connections, in the order of their references; at least one.
    pub connections: Vec<(&'a Held, &'a Presence)>,
}

/// A room that entries name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Which.
    pub room_id: String,
    /// How many sensors are in it.
    pub sensors: usize,
    /// How many people are in it, each counted once.
    pub people: usize,
}

impl View {
    /// The connectors behind an id, in the order of their ids, of one node where it is given.
    #[must_use]
    pub fn connectors(&self, node: Option<&str>, after: Option<&str>, limit: usize) -> Found<'_> {
        let table = &self.tables[Kind::Connector.index()];
        let start = after.and_then(|after| table.label_at(after));
        let rows = table.rows_after(start).map(|(_, row)| Line { held: row.winner(), changed: row.changed });
        let mut lines: Vec<Line<'_>> = rows
            .filter(|line| node.is_none_or(|node| node == line.held.origin.node.as_str()))
            .take(limit.saturating_add(1))
            .collect();
        let more = lines.len() > limit;
        lines.truncate(limit);
        Found { lines, more }
    }

    /// How many people are here, each counted once.
    #[must_use]
    pub fn people_total(&self) -> usize {
        self.whereabouts.people_count()
    }

    /// How many rooms entries name.
    #[must_use]
    pub fn rooms_total(&self) -> usize {
        self.whereabouts.rooms.len()
    }

    /// The people behind an id, in the order of their ids, and whether there are more of them: those in a room and on a node, where
    /// these are given.
    #[must_use]
    pub fn people(
        &self,
        room: Option<&str>,
        node: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Person<'_>>, bool) {
        let all = |user_id: &str| self.person(user_id);
        let passes = |person: &Person<'_>| {
            person.connections.iter().any(|(held, presence)| {
                node.is_none_or(|node| node == held.origin.node.as_str())
                    && room.is_none_or(|room| presence.room_id.as_ref().is_some_and(|id| id.as_str() == room))
            })
        };
        let mut people: Vec<Person<'_>> = match room {
            Some(room) => {
                let tally = self.whereabouts.rooms.get(&Sought(room));
                let ids = tally.into_iter().flat_map(|tally| tally.people.range((start_of(after), Bound::Unbounded)));
                ids.filter_map(|(id, _)| all(&id.to_text())).filter(passes).take(limit.saturating_add(1)).collect()
            }
            None => {
                let ids = self.whereabouts.people.values_after(start_of(after));
                ids.filter_map(|id| all(&id)).filter(passes).take(limit.saturating_add(1)).collect()
            }
        };
        let more = people.len() > limit;
        people.truncate(limit);
        (people, more)
    }

    /// One person and their connections.
    #[must_use]
    pub fn person(&self, user_id: &str) -> Option<Person<'_>> {
        let table = &self.tables[Kind::Presence.index()];
        let labels = self.whereabouts.people.get(user_id)?.iter();
        let connections = labels.filter_map(|label| {
            let held = table.row(*label)?.winner();
            Some((held, held.entry.record().and_then(Record::as_presence)?))
        });
        Some(Person { user_id: user_id.to_owned(), connections: connections.collect() })
    }

    /// The rooms behind an id, in the order of their ids, and whether there are more of them.
    #[must_use]
    pub fn rooms(&self, after: Option<&str>, limit: usize) -> (Vec<Room>, bool) {
        let rooms = self.whereabouts.rooms.range((start_of(after), Bound::Unbounded));
        let room = |(id, tally): (&super::short_text::ShortText, &super::index::RoomTally)| Room {
            room_id: id.to_text(),
            sensors: tally.sensors,
            people: tally.people.len(),
        };
        let mut rooms: Vec<Room> = rooms.take(limit.saturating_add(1)).map(room).collect();
        let more = rooms.len() > limit;
        rooms.truncate(limit);
        (rooms, more)
    }
}

fn start_of(after: Option<&str>) -> Bound<Sought<'_>> {
    after.map_or(Bound::Unbounded, |after| Bound::Excluded(Sought(after)))
}
