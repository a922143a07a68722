//! One room with everything that merging needs.
//!
//! Merging is commutative, associative and idempotent: whatever way copies travel, those who have seen the same writes have the same
//! bytes. A deleted room is a tombstone, and stays one whatever else was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sensocto_model::room::{Configuration, MEMBERS_MAX, ROOM_SENSORS_MAX};
use sensocto_model::{FieldError, JoinCode, Role, Room, RoomId, RoomSettings, SensorId, Stamp, Term, UserId};
use serde::{Deserialize, Serialize};

use crate::apply::OpId;
use crate::planted::{self, Fault};
use crate::set::{Context, ObservedSet};
use crate::tag::{Register, Tag};

/// Largest record in bytes: as many members and sensors as may be, with long ids, fit.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// The last operations that a room remembers, so that one that is asked again, of another home, is not done twice.
const RECENT_MAX: usize = 32;

/// One room, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub(crate) id: RoomId,
    pub(crate) term: Term,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    Live(Box<Live>),
    Deleted { tag: Tag, op: OpId },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) created: Tag,
    pub(crate) owner: UserId,
    /// The last write of all.
    pub(crate) touched: Tag,
    pub(crate) settings: Registers,
    pub(crate) join_code: Register<JoinCode>,
    pub(crate) seen: Context,
    /// Without the owner, who is always in it.
    pub(crate) members: ObservedSet<UserId, Role>,
    pub(crate) sensors: ObservedSet<SensorId, ()>,
    pub(crate) removed_sensors: ObservedSet<SensorId, ()>,
    /// The latest first.
    pub(crate) recent: Vec<Recent>,
}

/// An operation that was done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Recent {
    pub(crate) tag: Tag,
    pub(crate) op: OpId,
    pub(crate) departure: Option<(UserId, Departure)>,
    pub(crate) code_replaced: bool,
}

/// How somebody went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Departure {
    /// By themselves.
    Left,
    /// Somebody put them out.
    Kicked,
}

/// What a room says, each part with its last write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registers {
    name: Register<String>,
    description: Register<Option<String>>,
    is_public: Register<bool>,
    calls_enabled: Register<bool>,
    media_playback_enabled: Register<bool>,
    object_3d_enabled: Register<bool>,
    whiteboard_enabled: Register<bool>,
    configuration: Register<Configuration>,
}

impl Registers {
    pub(crate) fn new(settings: RoomSettings, tag: &Tag) -> Registers {
        Registers {
            name: Register::new(settings.name, tag),
            description: Register::new(settings.description, tag),
            is_public: Register::new(settings.is_public, tag),
            calls_enabled: Register::new(settings.calls_enabled, tag),
            media_playback_enabled: Register::new(settings.media_playback_enabled, tag),
            object_3d_enabled: Register::new(settings.object_3d_enabled, tag),
            whiteboard_enabled: Register::new(settings.whiteboard_enabled, tag),
            configuration: Register::new(settings.configuration, tag),
        }
    }

    pub(crate) fn write(&mut self, settings: RoomSettings, tag: &Tag) {
        self.name.write(settings.name, tag);
        self.description.write(settings.description, tag);
        self.is_public.write(settings.is_public, tag);
        self.calls_enabled.write(settings.calls_enabled, tag);
        self.media_playback_enabled.write(settings.media_playback_enabled, tag);
        self.object_3d_enabled.write(settings.object_3d_enabled, tag);
        self.whiteboard_enabled.write(settings.whiteboard_enabled, tag);
        self.configuration.write(settings.configuration, tag);
    }

    fn merge(&mut self, other: &Registers) {
        self.name.merge(&other.name);
        self.description.merge(&other.description);
        self.is_public.merge(&other.is_public);
        self.calls_enabled.merge(&other.calls_enabled);
        self.media_playback_enabled.merge(&other.media_playback_enabled);
        self.object_3d_enabled.merge(&other.object_3d_enabled);
        self.whiteboard_enabled.merge(&other.whiteboard_enabled);
        self.configuration.merge(&other.configuration);
    }

    pub(crate) fn values(&self) -> RoomSettings {
        RoomSettings {
            name: self.name.value.clone(),
            description: self.description.value.clone(),
            is_public: self.is_public.value,
            calls_enabled: self.calls_enabled.value,
            media_playback_enabled: self.media_playback_enabled.value,
            object_3d_enabled: self.object_3d_enabled.value,
            whiteboard_enabled: self.whiteboard_enabled.value,
            configuration: self.configuration.value.clone(),
        }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.is_public.value
    }
}

impl Live {
    /// What somebody is in it.
    pub(crate) fn role(&self, user: &UserId) -> Option<Role> {
        if *user == self.owner { Some(Role::Owner) } else { self.members.value(user).copied() }
    }

    /// Notes an operation that was done.
    pub(crate) fn note(&mut self, recent: Recent) {
        self.touched = recent.tag.clone();
        self.seen.note(&recent.tag);
        self.recent.insert(0, recent);
        self.recent.truncate(RECENT_MAX);
    }

    fn merge(&mut self, other: &Live) {
        self.created = self.created.clone().min(other.created.clone());
        self.touched = self.touched.clone().max(other.touched.clone());
        self.settings.merge(&other.settings);
        self.join_code.merge(&other.join_code);
        self.members.merge(&self.seen, &other.members, &other.seen);
        self.sensors.merge(&self.seen, &other.sensors, &other.seen);
        self.removed_sensors.merge(&self.seen, &other.removed_sensors, &other.seen);
        self.seen.merge(&other.seen);
        let recent: BTreeSet<Recent> = self.recent.drain(..).chain(other.recent.iter().cloned()).collect();
        self.recent = recent.into_iter().rev().take(RECENT_MAX).collect();
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// Larger than a record may be.
    TooLarge,
    /// Not the bytes of a record, or bytes after its end.
    Malformed,
    /// A stamp that no clock can have shown: it would win every conflict for ever.
    Stamp,
    /// A field that is not allowed.
    Field(FieldError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::TooLarge => write!(formatter, "a room of more than {RECORD_BYTES_MAX} bytes"),
            RecordError::Malformed => formatter.write_str("not the bytes of a room"),
            RecordError::Stamp => formatter.write_str("a room with a stamp that no clock can have shown"),
            RecordError::Field(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// The room's id.
    #[must_use]
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// Who decided about it last.
    #[must_use]
    pub fn term(&self) -> &Term {
        &self.term
    }

    /// Whether an operation was done on it, as far as it remembers.
    #[must_use]
    pub fn has_done(&self, op: OpId) -> bool {
        match &self.body {
            Body::Live(live) => live.recent.iter().any(|recent| recent.op == op),
            Body::Deleted { op: deleted, .. } => *deleted == op,
        }
    }

    pub(crate) fn live(&self) -> Option<&Live> {
        match &self.body {
            Body::Live(live) => Some(live),
            Body::Deleted { .. } => None,
        }
    }

    /// The last stamp in it.
    pub(crate) fn last_stamp(&self) -> Stamp {
        match &self.body {
            Body::Live(live) => live.touched.stamp,
            Body::Deleted { tag, .. } => tag.stamp,
        }
    }

    /// Makes this the merge of two copies of one room.
    pub fn merge(&mut self, other: &Record) {
        if other.term > self.term {
            self.term = other.term.clone();
        }
        match (&mut self.body, &other.body) {
            (Body::Live(mine), Body::Live(theirs)) => mine.merge(theirs),
            (Body::Live(_), Body::Deleted { .. }) => {
                if !planted::is(Fault::DeletionUndone) {
                    self.body = other.body.clone();
                }
            }
            (Body::Deleted { .. }, Body::Live(_)) => {
                if planted::is(Fault::DeletionUndone) {
                    self.body = other.body.clone();
                }
            }
            (Body::Deleted { tag, op }, Body::Deleted { tag: their_tag, op: their_op }) => {
                if (their_tag, their_op) > (&*tag, &*op) {
                    (*tag, *op) = (their_tag.clone(), *their_op);
                }
            }
        }
    }

    /// What readers see of it; `None` where it was deleted.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        let live = self.live()?;
        let mut members: BTreeMap<UserId, Role> =
            live.members.iter().map(|(user, role)| (user.clone(), *role)).collect();
        members.insert(live.owner.clone(), Role::Owner);
        Some(Room {
            id: self.id.clone(),
            settings: Arc::new(live.settings.values()),
            owner_id: live.owner.clone(),
            join_code: live.join_code.value,
            members,
            sensor_ids: live.sensors.iter().map(|(sensor, ())| sensor.clone()).collect(),
            removed_sensor_ids: live.removed_sensors.iter().map(|(sensor, ())| sensor.clone()).collect(),
            created_at_ms: live.created.stamp.wall_ms,
            updated_at_ms: live.touched.stamp.wall_ms,
            term: self.term.clone(),
        })
    }

    /// How somebody went who is in it no longer, as far as it remembers.
    #[must_use]
    pub fn departure(&self, user: &UserId) -> Departure {
        let departures = self.live().into_iter().flat_map(|live| &live.recent).filter_map(|one| one.departure.as_ref());
        let mut of_user = departures.filter(|(who, _)| who == user).map(|(_, how)| *how);
        of_user.next().unwrap_or(Departure::Left)
    }

    /// Whether its present join code was given to it because an older room had the same one.
    #[must_use]
    pub fn code_was_replaced(&self) -> bool {
        self.live().is_some_and(|live| {
            live.recent.iter().any(|recent| recent.code_replaced && recent.tag == live.join_code.tag)
        })
    }

    /// The bytes on disk and between nodes. Equal records have equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Plain structs of texts, numbers and maps of known length: there is no value of them that postcard refuses.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads and checks a record.
    ///
    /// # Errors
    /// Says why the bytes are none. It never panics, whatever the bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge);
        }
        let Ok((mut record, [])) = postcard::take_from_bytes::<Record>(bytes) else {
            return Err(RecordError::Malformed);
        };
        match &mut record.body {
            Body::Live(live) => live.check()?,
            Body::Deleted { tag, .. } => plausible(tag)?,
        }
        Ok(record)
    }
}

impl Live {
    fn check(&mut self) -> Result<(), RecordError> {
        self.settings.values().validate().map_err(RecordError::Field)?;
        plausible(&self.created)?;
        plausible(&self.touched)?;
        if self.seen.0.values().any(|stamp| !stamp.is_plausible()) || self.join_code.tag.stamp > self.touched.stamp {
            return Err(RecordError::Stamp);
        }
        // Concurrent additions may take a room beyond its limits, by as many as there were sides; no more.
        let most = MEMBERS_MAX.max(ROOM_SENSORS_MAX) * 4;
        let sizes = [self.members.len(), self.sensors.len(), self.removed_sensors.len()];
        if sizes.iter().any(|size| *size > most) || self.recent.len() > RECENT_MAX {
            return Err(RecordError::TooLarge);
        }
        Ok(())
    }
}

fn plausible(tag: &Tag) -> Result<(), RecordError> {
    if tag.stamp.is_plausible() { Ok(()) } else { Err(RecordError::Stamp) }
}

#[cfg(test)]
mod tests;
