//! One operation on one record: the rules, and then the writes.

use sensocto_model::room::{MEMBERS_MAX, ROOM_SENSORS_MAX, RoomAsk};
use sensocto_model::{JoinCode, Origin, Role, RoomError, RoomId, Term, UserId};
use serde::{Deserialize, Serialize};

use crate::record::{Body, Departure, Live, Recent, Record, Registers};
use crate::rules::{Standing, rule};
use crate::set::{Context, ObservedSet};
use crate::tag::{Register, Tag};

/// One operation, the same however often it is asked: a random number of whoever asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub u64);

/// An operation on its way to a room's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// On which room.
    pub room: RoomId,
    /// Which operation.
    pub op: OpId,
    /// What is to be done.
    pub what: What,
}

/// What is to be done to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// What somebody asks.
    Ask {
        /// Who.
        by: UserId,
        /// What.
        ask: RoomAsk,
    },
    /// The room gets another join code, because an older one has the same.
    ReplaceCode {
        /// The code that both have.
        from: JoinCode,
        /// The new one.
        to: JoinCode,
    },
}

impl Operation {
    /// Checks what the types do not.
    pub(crate) fn is_valid(&self) -> bool {
        match &self.what {
            What::Ask { ask, .. } => ask.validate().is_ok(),
            What::ReplaceCode { .. } => true,
        }
    }

    /// Whether it makes its room.
    pub(crate) fn creates(&self) -> bool {
        matches!(&self.what, What::Ask { ask: RoomAsk::Create { .. }, .. })
    }

    /// The join code that it gives to its room.
    pub(crate) fn new_code(&self) -> Option<&JoinCode> {
        match &self.what {
            What::Ask { ask: RoomAsk::Create { join_code, .. } | RoomAsk::RegenerateCode { join_code }, .. } => {
                Some(join_code)
            }
            What::ReplaceCode { to, .. } => Some(to),
            What::Ask { .. } => None,
        }
    }
}

/// A new record, with a room that its owner made.
pub(crate) fn create(operation: &Operation, me: &Origin, tag: &Tag) -> Option<Record> {
    let What::Ask { by, ask: RoomAsk::Create { settings, join_code } } = &operation.what else { return None };
    let mut live = Live {
        created: tag.clone(),
        owner: by.clone(),
        touched: tag.clone(),
        settings: Registers::new(settings.clone(), tag),
        join_code: Register::new(*join_code, tag),
        seen: Context::default(),
        members: ObservedSet::default(),
        sensors: ObservedSet::default(),
        removed_sensors: ObservedSet::default(),
        recent: Vec::new(),
    };
    live.note(recent(operation, tag));
    let term = Term { number: 1, home: me.clone() };
    Some(Record { id: operation.room.clone(), term, body: Body::Live(Box::new(live)) })
}

/// What becomes of a record by an operation; `None` where it is as it should be already.
pub(crate) fn apply(record: &Record, operation: &Operation, tag: &Tag) -> Result<Option<Record>, RoomError> {
    if record.has_done(operation.op) {
        return Ok(None);
    }
    let live = record.live().ok_or(RoomError::NotFound)?;
    let mut changed = live.clone();
    let mut noted = recent(operation, tag);
    match &operation.what {
        What::ReplaceCode { from, to } => {
            if live.join_code.value != *from {
                return Ok(None);
            }
            changed.join_code.write(*to, tag);
            noted.code_replaced = true;
        }
        What::Ask { by, ask } => {
            rule(ask.verb(), standing(live, by, ask), target(live, ask))?;
            if matches!(ask, RoomAsk::Delete) {
                let body = Body::Deleted { tag: tag.clone(), op: operation.op };
                return Ok(Some(Record { id: record.id.clone(), term: record.term.clone(), body }));
            }
            noted.departure = write(&mut changed, by, ask, tag)?;
        }
    }
    changed.note(noted);
    let body = Body::Live(Box::new(changed));
    Ok(Some(Record { id: record.id.clone(), term: record.term.clone(), body }))
}

fn recent(operation: &Operation, tag: &Tag) -> Recent {
    Recent { tag: tag.clone(), op: operation.op, departure: None, code_replaced: false }
}

/// What somebody is towards a room, with what they say.
fn standing(live: &Live, by: &UserId, ask: &RoomAsk) -> Standing {
    let invited = matches!(ask, RoomAsk::Join { join_code: Some(code) } if *code == live.join_code.value);
    match live.role(by) {
        Some(role) => Standing::In(role),
        None if live.settings.is_public() || invited => Standing::Beside,
        None => Standing::Outside,
    }
}

/// The role of the member that an operation is about.
fn target(live: &Live, ask: &RoomAsk) -> Option<Role> {
    match ask {
        RoomAsk::Kick(user) | RoomAsk::Promote(user) | RoomAsk::Demote(user) => live.role(user),
        RoomAsk::Create { .. }
        | RoomAsk::Update(_)
        | RoomAsk::Delete
        | RoomAsk::Join { .. }
        | RoomAsk::Leave
        | RoomAsk::RegenerateCode { .. }
        | RoomAsk::AddSensor(_)
        | RoomAsk::RemoveSensor { .. } => None,
    }
}

/// Writes what the rules allow. What it returns is who went, and how.
fn write(live: &mut Live, by: &UserId, ask: &RoomAsk, tag: &Tag) -> Result<Option<(UserId, Departure)>, RoomError> {
    match ask {
        // A room of this id is there already, made by another operation.
        RoomAsk::Create { .. } => return Err(RoomError::JoinCodeTaken),
        RoomAsk::Update(patch) => live.settings.write(patch.applied_to(&live.settings.values()), tag),
        RoomAsk::Delete => {}
        RoomAsk::Join { .. } => {
            // The owner is a member besides.
            if live.members.len() + 1 >= MEMBERS_MAX {
                return Err(RoomError::RoomFull);
            }
            live.members.insert(by.clone(), Role::Member, tag);
        }
        RoomAsk::Leave => {
            live.members.remove(by);
            return Ok(Some((by.clone(), Departure::Left)));
        }
        RoomAsk::Kick(user) => {
            live.members.remove(user);
            return Ok(Some((user.clone(), Departure::Kicked)));
        }
        RoomAsk::Promote(user) => live.members.set(user, &Role::Admin, tag),
        RoomAsk::Demote(user) => live.members.set(user, &Role::Member, tag),
        RoomAsk::RegenerateCode { join_code } => live.join_code.write(*join_code, tag),
        RoomAsk::AddSensor(sensor) => {
            live.removed_sensors.remove(sensor);
            if !live.sensors.contains(sensor) {
                if live.sensors.len() >= ROOM_SENSORS_MAX {
                    return Err(RoomError::RoomFull);
                }
                live.sensors.insert(sensor.clone(), (), tag);
            }
        }
        RoomAsk::RemoveSensor { sensor, names_room } => {
            let out = *names_room && !live.removed_sensors.contains(sensor);
            if !live.sensors.contains(sensor) && !out {
                return Err(RoomError::SensorNotInRoom);
            }
            live.sensors.remove(sensor);
            if out {
                if live.removed_sensors.len() >= ROOM_SENSORS_MAX {
                    return Err(RoomError::RoomFull);
                }
                live.removed_sensors.insert(sensor.clone(), (), tag);
            }
        }
    }
    Ok(None)
}
