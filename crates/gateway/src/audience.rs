//! Who reads, as far as private rooms are concerned.
//!
//! Sensors and people may name any room. What names a private one is said to its members alone; for everybody else it is as if
//! there were no such room, and a list of what is in it is empty. An id that no room has stays what it is: an application's own.

use std::cell::Cell;
use std::sync::Arc;

use sensocto_node::model::RoomId;
use sensocto_node::{Handle, ListQuery, RoomsWorld, UserId};

/// What the topic of a room begins with.
pub(crate) const ROOM_TOPIC: &str = "room:";
/// A room that nothing can name: no id holds such a character.
const NOWHERE: &str = "\0";

/// One reader, or everybody at once.
#[derive(Debug, Clone)]
pub(crate) struct Audience {
    viewer: Option<UserId>,
    rooms: Arc<RoomsWorld>,
    left_out: Cell<bool>,
}

impl Audience {
    /// Somebody, with the rooms as they are.
    pub(crate) fn of(handle: &Handle, viewer: Option<&UserId>) -> Audience {
        Audience { viewer: viewer.cloned(), rooms: handle.rooms(), left_out: Cell::new(false) }
    }

    /// Whoever reads: what is said is said to all.
    pub(crate) fn everybody(handle: &Handle) -> Audience {
        Audience::of(handle, None)
    }

    /// Whether nobody in particular reads, and so nobody hears more than this.
    pub(crate) fn is_everybody(&self) -> bool {
        self.viewer.is_none()
    }

    /// Whether there is a room of this id that the reader must not know of.
    pub(crate) fn must_not_know(&self, room: &str) -> bool {
        self.rooms.view.hides(room, self.viewer.as_ref().map(UserId::as_str))
    }

    /// What is said of a room that something names.
    pub(crate) fn room<'a>(&self, named: Option<&'a RoomId>) -> Option<&'a str> {
        let known = named.filter(|room| !self.must_not_know(room.as_str()));
        self.left_out.set(self.left_out.get() || known.is_none() && named.is_some());
        known.map(RoomId::as_str)
    }

    /// Whether something was not said to this reader that others may hear.
    pub(crate) fn has_left_out(&self) -> bool {
        self.left_out.get()
    }

    /// The room that a reader wants, as it is looked for.
    pub(crate) fn wanted(&self, room: Option<String>) -> Option<String> {
        room.map(|room| if self.must_not_know(&room) { NOWHERE.to_owned() } else { room })
    }

    /// A topic of presences, as it is looked for.
    pub(crate) fn topic<'a>(&self, topic: &'a str) -> &'a str {
        match topic.strip_prefix(ROOM_TOPIC) {
            Some(room) if self.must_not_know(room) => NOWHERE,
            Some(_) | None => topic,
        }
    }

    /// A list as it is read for this reader.
    pub(crate) fn list(&self, query: &ListQuery) -> ListQuery {
        let mut query = query.clone();
        match &mut query {
            ListQuery::Sensors(sensors) => sensors.filter.room = self.wanted(sensors.filter.room.take()),
            ListQuery::Users(users) => users.room = self.wanted(users.room.take()),
            ListQuery::Connectors(_) | ListQuery::Rooms(_) => {}
        }
        query
    }
}

/// The room that a list is of.
pub(crate) fn room_of(query: &ListQuery) -> Option<&str> {
    match query {
        ListQuery::Sensors(sensors) => sensors.filter.room.as_deref(),
        ListQuery::Users(users) => users.room.as_deref(),
        ListQuery::Connectors(_) | ListQuery::Rooms(_) => None,
    }
}
