//! What readers read: all rooms as they are at one moment, with the indexes that make a page cost what it returns.

mod lines;
mod order;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use sensocto_model::{JoinCode, Room, RoomId, UserId};

pub use order::{RoomOrder, RoomPlace};

/// The public rooms in one order, by the text that stands for a room in it.
type Ordered = OrdMap<Arc<str>, Arc<Room>>;

/// The rooms that somebody has to do with. Ids alone: a change of a room touches the indexes of its thousand members only where it
/// changes who is in it, or its place.
#[derive(Debug, Clone, Default)]
struct Own {
    ids: OrdSet<RoomId>,
    names: OrdMap<Arc<str>, RoomId>,
}

type Index = OrdMap<UserId, Own>;

/// All rooms at one moment. Cloning it copies a few pointers.
#[derive(Debug, Clone, Default)]
pub struct RoomsView {
    rooms: OrdMap<RoomId, Arc<Room>>,
    codes: OrdMap<JoinCode, RoomId>,
    /// In each of [`RoomOrder::ALL`].
    public: [Ordered; 3],
    owned: Index,
    members: Index,
    /// Private rooms by member.
    private: Index,
}

/// Which rooms somebody asks for, and in which order. They never get one that they may not see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomQuery {
    /// Who asks; `None` is nobody, who sees what is public.
    pub viewer: Option<UserId>,
    /// Only those of an owner.
    pub owner: Option<UserId>,
    /// Only those that whoever asks is in.
    pub mine: bool,
    /// Only public ones (`true`) or private ones (`false`).
    pub public: Option<bool>,
    /// Only those whose name begins so, in whatever case.
    pub name_prefix: Option<String>,
    /// In which order.
    pub order: RoomOrder,
}

impl RoomQuery {
    /// Whether a room is among those that are asked for.
    #[must_use]
    pub fn finds(&self, room: &Room) -> bool {
        self.finds_but_for_name(room)
            && self.name_prefix.as_deref().is_none_or(|prefix| order::has_prefix(room, &order::fold(prefix)))
    }

    fn finds_but_for_name(&self, room: &Room) -> bool {
        let viewer = self.viewer.as_ref().map(UserId::as_str);
        room.is_visible_to(viewer)
            && self.public.is_none_or(|public| room.settings.is_public == public)
            && self.owner.as_ref().is_none_or(|owner| room.owner_id == *owner)
            && (!self.mine || viewer.is_some_and(|viewer| room.role(viewer).is_some()))
    }
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

    /// Whether there is a room of an id that somebody must not know of. An id that no room has hides nothing.
    #[must_use]
    pub fn hides(&self, id: &str, viewer: Option<&str>) -> bool {
        self.get(id).is_some_and(|room| !room.is_visible_to(viewer))
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
        self.public[RoomOrder::Id as usize].len()
    }

    /// How many rooms somebody may see.
    #[must_use]
    pub fn visible_total(&self, viewer: Option<&UserId>) -> usize {
        self.public_total() + viewer.and_then(|viewer| self.private.get(viewer)).map_or(0, |own| own.ids.len())
    }

    /// All rooms by id, whoever asks.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Room>> {
        self.rooms.values()
    }

    /// Puts a room in place of what was there, or takes it away.
    pub(crate) fn replace(&mut self, id: &RoomId, after: Option<&Arc<Room>>) {
        let before = match after {
            Some(after) => self.rooms.insert(id.clone(), Arc::clone(after)),
            None => self.rooms.remove(id),
        };
        let (before, after) = (before.as_deref(), after);
        self.index_code(before, after.map(|after| &**after));
        self.index_public(before, after);
        self.index_people(before, after.map(|after| &**after));
    }

    fn index_code(&mut self, before: Option<&Room>, after: Option<&Room>) {
        if let Some(before) = before.filter(|before| self.codes.get(&before.join_code) == Some(&before.id)) {
            self.codes.remove(&before.join_code);
        }
        if let Some(after) = after {
            self.codes.insert(after.join_code, after.id.clone());
        }
    }

    fn index_public(&mut self, before: Option<&Room>, after: Option<&Arc<Room>>) {
        let before = before.filter(|before| before.settings.is_public);
        let after = after.filter(|after| after.settings.is_public);
        for order in RoomOrder::ALL {
            let index = &mut self.public[order as usize];
            let (old, new) = (before.map(|before| order.key(before)), after.map(|after| order.key(after)));
            if let Some(old) = old.filter(|old| new.as_ref() != Some(old)) {
                index.remove(&*old);
            }
            if let Some((new, after)) = new.zip(after) {
                index.insert(new, Arc::clone(after));
            }
        }
    }

    fn index_people(&mut self, before: Option<&Room>, after: Option<&Room>) {
        let name = |room: Option<&Room>| room.map(|room| RoomOrder::Name.key(room));
        let (old, new) = (name(before), name(after));
        let same_place = old == new;
        let shown_to = |room: Option<&Room>| room.is_some_and(|room| !room.settings.is_public);
        let update = |index: &mut Index, user: &UserId, was: bool, is: bool| {
            if was && !(is && same_place) {
                take(index, user, before, old.as_ref());
            }
            if is && !(was && same_place) {
                add(index, user, after, new.as_ref());
            }
        };
        let owner = before.or(after).map(|room| &room.owner_id);
        if let Some(owner) = owner {
            update(&mut self.owned, owner, before.is_some(), after.is_some());
        }
        let members = |room: Option<&Room>, user: &UserId| room.is_some_and(|room| room.members.contains_key(user));
        let everybody = before.into_iter().chain(after).flat_map(|room| room.members.keys());
        let unchanged = same_place
            && shown_to(before) == shown_to(after)
            && before.map(|room| room.members.keys().collect::<Vec<_>>())
                == after.map(|room| room.members.keys().collect::<Vec<_>>());
        if unchanged {
            return;
        }
        let everybody: std::collections::BTreeSet<&UserId> = everybody.collect();
        for user in everybody {
            let (was, is) = (members(before, user), members(after, user));
            update(&mut self.members, user, was, is);
            update(&mut self.private, user, was && shown_to(before), is && shown_to(after));
        }
    }

    /// How many rooms an owner has: for the limit.
    pub(crate) fn owned_by(&self, owner: &UserId) -> usize {
        self.owned.get(owner).map_or(0, |own| own.ids.len())
    }
}

fn add(index: &mut Index, user: &UserId, room: Option<&Room>, name: Option<&Arc<str>>) {
    if let Some((room, name)) = room.zip(name) {
        let own = index.entry(user.clone()).or_default();
        own.ids.insert(room.id.clone());
        own.names.insert(Arc::clone(name), room.id.clone());
    }
}

fn take(index: &mut Index, user: &UserId, room: Option<&Room>, name: Option<&Arc<str>>) {
    if let (Some((room, name)), Some(own)) = (room.zip(name), index.get_mut(user)) {
        own.ids.remove(&room.id);
        own.names.remove(&**name);
        if own.ids.is_empty() {
            index.remove(user);
        }
    }
}

#[cfg(test)]
mod tests;
