//! The orders of lists of rooms, and places in them.

use std::sync::Arc;

use sensocto_model::Room;

/// Stands between what a room is ordered by and its id; no name and no id holds it, and it is the least of all characters.
const BETWEEN: char = '\0';

/// The order of a list of rooms. It is the same on every node, because what it is made of is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoomOrder {
    /// By id.
    #[default]
    Id,
    /// By name in lower case, and then by id.
    Name,
    /// The last changed first, and then by id.
    Changed,
}

impl RoomOrder {
    /// All of them.
    pub const ALL: [RoomOrder; 3] = [RoomOrder::Id, RoomOrder::Name, RoomOrder::Changed];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RoomOrder::Id => "id",
            RoomOrder::Name => "name",
            RoomOrder::Changed => "changed",
        }
    }

    /// The text that stands for a room in this order.
    pub(super) fn key(self, room: &Room) -> Arc<str> {
        let id = &room.id;
        match self {
            RoomOrder::Id => Arc::clone(id.shared()),
            RoomOrder::Name => format!("{}{BETWEEN}{id}", fold(&room.settings.name)).into(),
            // Later moments have smaller texts.
            RoomOrder::Changed => format!("{:016x}{BETWEEN}{id}", u64::MAX - room.updated_at_ms).into(),
        }
    }

    /// Where a room stands.
    #[must_use]
    pub fn place(self, room: &Room) -> RoomPlace {
        RoomPlace(self.key(room))
    }
}

/// A place in a list of rooms: right behind the room that it was made of, whatever became of that. Places of one order are ordered as the
/// list is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomPlace(pub(super) Arc<str>);

impl RoomPlace {
    /// A place of what [`RoomPlace::parts`] says.
    #[must_use]
    pub fn of_parts(by: Option<&str>, id: &str) -> RoomPlace {
        RoomPlace(by.map_or_else(|| Arc::from(id), |by| format!("{by}{BETWEEN}{id}").into()))
    }

    /// What the room was ordered by, where it was not its id alone, and its id.
    #[must_use]
    pub fn parts(&self) -> (Option<&str>, &str) {
        self.0.split_once(BETWEEN).map_or((None, &self.0), |(by, id)| (Some(by), id))
    }
}

/// A name as it is ordered and searched.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Whether a room's name begins with a folded text.
pub(super) fn has_prefix(room: &Room, folded: &str) -> bool {
    fold(&room.settings.name).starts_with(folded)
}
