//! What readers read: all rooms as they are at one moment, with the indexes that make a page cost what it returns.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use sensocto_model::{JoinCode, Room, RoomId, UserId};

type Index = OrdMap<UserId, OrdSet<RoomId>>;

/// All rooms at one moment. Cloning it copies a few pointers.
#[derive(Debug, Clone, Default)]
pub struct RoomsView {
    rooms: OrdMap<RoomId, Arc<Room>>,
    codes: OrdMap<JoinCode, RoomId>,
    public: OrdSet<RoomId>,
    owned: Index,
    members: Index,
    /// Private rooms by member.
    private: Index,
}

/// Which rooms somebody asks for. They never get one that they may not see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomQuery {
    /// Who asks; `None` is nobody, who sees what is public.
    pub viewer: Option<UserId>,
    /// Only those of an owner.
    pub owner: Option<UserId>,
    /// Only those that whoever asks is in.
    pub mine: bool,
    /// Only public ones (`true`) or private ones (`false`).
    pub public: Option<bool>,
}

impl RoomsView {
    /// A room, whoever asks.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Room>> {
        self.rooms.get(id)
    }

    /// A room that somebody may see.
    #[must_use]
    pub fn get_visible(&self, id: &str, viewer: Option<&str>) -> Option<&Arc<Room>> {
        self.get(id).filter(|room| room.is_visible_to(viewer))
    }

    /// The room of a join code. Whoever has the code may see it.
    #[must_use]
    pub fn by_code(&self, code: &JoinCode) -> Option<&Arc<Room>> {
        self.get(self.codes.get(code)?.as_str())
    }

    /// How many rooms there are, private ones included: for operators, not for clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// How many public rooms there are.
    #[must_use]
    pub fn public_total(&self) -> usize {
        self.public.len()
    }

    /// All rooms by id, from behind one on, whoever asks.
    pub fn iter_from<'a>(&'a self, after: Option<&'a str>) -> impl Iterator<Item = &'a Arc<Room>> {
        let bounds = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rooms.range::<_, str>((bounds, Bound::Unbounded)).map(|(_, room)| room)
    }

    /// One page of the rooms that a query finds, by id, and whether there are more.
    #[must_use]
    pub fn list(&self, query: &RoomQuery, after: Option<&str>, limit: usize) -> (Vec<Arc<Room>>, bool) {
        let viewer = query.viewer.as_ref().map(UserId::as_str);
        let passes = |room: &&Arc<Room>| {
            room.is_visible_to(viewer)
                && query.public.is_none_or(|public| room.settings.is_public == public)
                && query.owner.as_ref().is_none_or(|owner| room.owner_id == *owner)
                && (!query.mine || viewer.is_some_and(|viewer| room.role(viewer).is_some()))
        };
        let mut found: Vec<Arc<Room>> = self
            .candidates(query, after)
            .filter_map(|id| self.rooms.get(id))
            .filter(passes)
            .take(limit + 1)
            .cloned()
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    }

    /// How many rooms a query finds.
    #[must_use]
    pub fn total(&self, query: &RoomQuery) -> usize {
        let of = |index: &Index| query.viewer.as_ref().and_then(|viewer| index.get(viewer)).map_or(0, OrdSet::len);
        match (&query.owner, query.mine, query.public) {
            (None, false, None) => self.public.len() + of(&self.private),
            (None, false, Some(true)) => self.public.len(),
            (None, false | true, Some(false)) => of(&self.private),
            (None, true, None) => of(&self.members),
            (None, true, Some(true)) => of(&self.members) - of(&self.private),
            // The rooms of one owner are few.
            (Some(_), _, _) => self.list(query, None, usize::MAX - 1).0.len(),
        }
    }

    /// The ids, in order, among which all are that a query finds.
    fn candidates<'a>(
        &'a self,
        query: &RoomQuery,
        after: Option<&'a str>,
    ) -> Box<dyn Iterator<Item = &'a RoomId> + 'a> {
        let from = move |set: &'a OrdSet<RoomId>| {
            set.range::<_, str>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
        };
        let of =
            |index: &'a Index, user: Option<&UserId>| user.and_then(|user| index.get(user)).into_iter().flat_map(from);
        let viewer = query.viewer.as_ref();
        match (&query.owner, query.mine, query.public) {
            (Some(owner), _, _) => Box::new(of(&self.owned, Some(owner))),
            (None, true, Some(false)) | (None, false, Some(false)) => Box::new(of(&self.private, viewer)),
            (None, true, _) => Box::new(of(&self.members, viewer)),
            (None, false, Some(true)) => Box::new(from(&self.public)),
            (None, false, None) => {
                Box::new(Merged { one: from(&self.public).peekable(), other: of(&self.private, viewer).peekable() })
            }
        }
    }

    /// Puts a room in place of what was there, or takes it away.
    pub(crate) fn replace(&mut self, id: &RoomId, after: Option<&Arc<Room>>) {
        if let Some(before) = self.rooms.remove(id) {
            self.unindex(&before);
        }
        if let Some(after) = after {
            self.index(after);
            self.rooms.insert(id.clone(), Arc::clone(after));
        }
    }

    fn index(&mut self, room: &Room) {
        self.codes.insert(room.join_code, room.id.clone());
        if room.settings.is_public {
            self.public.insert(room.id.clone());
        }
        add(&mut self.owned, &room.owner_id, &room.id);
        for user in room.members.keys() {
            add(&mut self.members, user, &room.id);
            if !room.settings.is_public {
                add(&mut self.private, user, &room.id);
            }
        }
    }

    fn unindex(&mut self, room: &Room) {
        if self.codes.get(&room.join_code) == Some(&room.id) {
            self.codes.remove(&room.join_code);
        }
        self.public.remove(room.id.as_str());
        take(&mut self.owned, &room.owner_id, &room.id);
        for user in room.members.keys() {
            take(&mut self.members, user, &room.id);
            take(&mut self.private, user, &room.id);
        }
    }

    /// How many rooms each of a few owners has: for the limit.
    pub(crate) fn owned_by(&self, owner: &UserId) -> usize {
        self.owned.get(owner).map_or(0, OrdSet::len)
    }
}

fn add(index: &mut Index, user: &UserId, room: &RoomId) {
    index.entry(user.clone()).or_default().insert(room.clone());
}

fn take(index: &mut Index, user: &UserId, room: &RoomId) {
    if let Some(rooms) = index.get_mut(user) {
        rooms.remove(room);
        if rooms.is_empty() {
            index.remove(user);
        }
    }
}

/// Two ordered lists as one.
struct Merged<I: Iterator, J: Iterator> {
    one: std::iter::Peekable<I>,
    other: std::iter::Peekable<J>,
}

impl<'a, I: Iterator<Item = &'a RoomId>, J: Iterator<Item = &'a RoomId>> Iterator for Merged<I, J> {
    type Item = &'a RoomId;

    fn next(&mut self) -> Option<&'a RoomId> {
        match (self.one.peek(), self.other.peek()) {
            (Some(one), Some(other)) if other < one => self.other.next(),
            (Some(_), _) => self.one.next(),
            (None, _) => self.other.next(),
        }
    }
}

#[cfg(test)]
mod tests;
