//! Rooms: what they say, who is in them, and what may be asked of them.
//!
//! [`Room`] is a room as readers see it. How its copies on several nodes become the same one is the business of `crates/rooms`; which
//! role may do what stands in the table there.

mod ask;
mod error;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::Checked;
use crate::{FieldError, Origin, RoomId, SensorId, UserId};

pub use ask::{RoomAsk, RoomVerb};
pub use error::RoomError;
pub use settings::{
    CONFIGURATION_BYTES_MAX, Configuration, DESCRIPTION_BYTES_MAX, ROOM_NAME_CHARACTERS_MAX, RoomPatch, RoomSettings,
    UNTITLED,
};

/// Members of one room. The next one is refused with [`RoomError::RoomFull`].
pub const MEMBERS_MAX: usize = 1_000;
/// Sensors that were added to one room. The next one is refused with [`RoomError::RoomFull`].
pub const ROOM_SENSORS_MAX: usize = 1_000;

/// The characters of a join code: none that is easily taken for another one.
pub const JOIN_CODE_CHARACTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// How many of them.
pub const JOIN_CODE_LENGTH: usize = 8;

/// What a member of a room may do, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Is in it.
    Member,
    /// Runs it for its owner.
    Admin,
    /// Made it. There is always exactly one, and always the same.
    Owner,
}

impl Role {
    /// The word for it towards clients.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What lets somebody into a private room who is told it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinCode([u8; JOIN_CODE_LENGTH]);

impl JoinCode {
    /// What a join code may be, in words.
    pub const ALLOWED: &'static str = "8 of the characters A-Z and 2-9 without I and O";

    /// The code that a text is. Small letters stand for large ones: codes are read out and typed.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<JoinCode, FieldError> {
        let error = FieldError { field: "join_code", allowed: JoinCode::ALLOWED };
        let bytes: [u8; JOIN_CODE_LENGTH] = text.to_ascii_uppercase().into_bytes().try_into().map_err(|_| error)?;
        if bytes.iter().all(|byte| JOIN_CODE_CHARACTERS.contains(byte)) { Ok(JoinCode(bytes)) } else { Err(error) }
    }

    /// A code made of random bytes. There are 32 characters, so that each is equally likely.
    #[must_use]
    pub fn from_random(bytes: [u8; JOIN_CODE_LENGTH]) -> JoinCode {
        JoinCode(bytes.map(|byte| JOIN_CODE_CHARACTERS[usize::from(byte) % JOIN_CODE_CHARACTERS.len()]))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Made of ASCII alone.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A code lets in whoever has it, so it does not get into logs by accident.
impl fmt::Debug for JoinCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JoinCode(…)")
    }
}

impl Serialize for JoinCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for JoinCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked(JoinCode::new))
    }
}

/// Who decided about a room last: the fencing token that every operation carries.
///
/// A larger term is a later one. Two nodes that take a room over at the same time, out of each other's reach, have different terms,
/// because a term names its node and that node's start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    /// Grows with each take-over.
    pub number: u64,
    /// The home.
    pub home: Origin,
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", self.number, self.home)
    }
}

/// One room as readers see it. It does not change under them.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// What it is found by.
    pub id: RoomId,
    /// Its name, and what is allowed in it.
    pub settings: Arc<RoomSettings>,
    /// Who made it.
    pub owner_id: UserId,
    /// Lets in who knows it.
    pub join_code: JoinCode,
    /// Everybody in it, its owner included.
    pub members: BTreeMap<UserId, Role>,
    /// The sensors that were added to it. Those that named it when they joined are in it as well, for as long as they are there.
    pub sensor_ids: BTreeSet<SensorId>,
    /// Sensors that were taken out of it: they are not in it although they name it.
    pub removed_sensor_ids: BTreeSet<SensorId>,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// When somebody changed it last.
    pub updated_at_ms: u64,
    /// Who decided about it last.
    pub term: Term,
}

impl Room {
    /// What a user is in it; `None` for somebody who is not in it.
    #[must_use]
    pub fn role(&self, user: &str) -> Option<Role> {
        self.members.get(user).copied()
    }

    /// Whether a user may know that it exists: it is public, or they are in it.
    #[must_use]
    pub fn is_visible_to(&self, user: Option<&str>) -> bool {
        self.settings.is_public || user.is_some_and(|user| self.members.contains_key(user))
    }
}

#[cfg(test)]
mod tests;
