//! What may be asked of a room.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{JoinCode, RoomPatch, RoomSettings};
use crate::{FieldError, SensorId, UserId};

/// What somebody asks of a room. Who asks stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomAsk {
    /// Makes it, with whoever asks as its owner.
    Create {
        /// What it says.
        settings: RoomSettings,
        /// Its join code.
        join_code: JoinCode,
    },
    /// Changes what it says.
    Update(RoomPatch),
    /// Ends it.
    Delete,
    /// Whoever asks enters it; into a private one with its code alone.
    Join {
        /// The code, where whoever asks has one.
        join_code: Option<JoinCode>,
    },
    /// Whoever asks leaves it.
    Leave,
    /// Puts somebody out.
    Kick(UserId),
    /// Makes a member an admin.
    Promote(UserId),
    /// Makes an admin a member.
    Demote(UserId),
    /// Gives it another join code.
    RegenerateCode {
        /// The new one.
        join_code: JoinCode,
    },
    /// Puts a sensor into it.
    AddSensor(SensorId),
    /// Takes a sensor out of it.
    RemoveSensor {
        /// Which one.
        sensor: SensorId,
        /// Whether the sensor names the room: then it stays out until it is added again.
        names_room: bool,
    },
}

impl RoomAsk {
    /// The operation, without what it is about.
    #[must_use]
    pub fn verb(&self) -> RoomVerb {
        match self {
            RoomAsk::Create { .. } => RoomVerb::Create,
            RoomAsk::Update(_) => RoomVerb::Update,
            RoomAsk::Delete => RoomVerb::Delete,
            RoomAsk::Join { .. } => RoomVerb::Join,
            RoomAsk::Leave => RoomVerb::Leave,
            RoomAsk::Kick(_) => RoomVerb::Kick,
            RoomAsk::Promote(_) => RoomVerb::Promote,
            RoomAsk::Demote(_) => RoomVerb::Demote,
            RoomAsk::RegenerateCode { .. } => RoomVerb::RegenerateCode,
            RoomAsk::AddSensor(_) => RoomVerb::AddSensor,
            RoomAsk::RemoveSensor { .. } => RoomVerb::RemoveSensor,
        }
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        match self {
            RoomAsk::Create { settings, .. } => settings.validate(),
            RoomAsk::Update(patch) => patch.validate(),
            RoomAsk::Delete
            | RoomAsk::Join { .. }
            | RoomAsk::Leave
            | RoomAsk::Kick(_)
            | RoomAsk::Promote(_)
            | RoomAsk::Demote(_)
            | RoomAsk::RegenerateCode { .. }
            | RoomAsk::AddSensor(_)
            | RoomAsk::RemoveSensor { .. } => Ok(()),
        }
    }
}

/// The operations on rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RoomVerb {
    /// See [`RoomAsk::Create`].
    Create,
    /// Reads it.
    Get,
    /// See [`RoomAsk::Update`].
    Update,
    /// See [`RoomAsk::Delete`].
    Delete,
    /// See [`RoomAsk::Join`].
    Join,
    /// See [`RoomAsk::Leave`].
    Leave,
    /// See [`RoomAsk::Kick`].
    Kick,
    /// See [`RoomAsk::Promote`].
    Promote,
    /// See [`RoomAsk::Demote`].
    Demote,
    /// See [`RoomAsk::RegenerateCode`].
    RegenerateCode,
    /// See [`RoomAsk::AddSensor`].
    AddSensor,
    /// See [`RoomAsk::RemoveSensor`].
    RemoveSensor,
}

impl RoomVerb {
    /// All of them.
    pub const ALL: [RoomVerb; 12] = [
        RoomVerb::Create,
        RoomVerb::Get,
        RoomVerb::Update,
        RoomVerb::Delete,
        RoomVerb::Join,
        RoomVerb::Leave,
        RoomVerb::Kick,
        RoomVerb::Promote,
        RoomVerb::Demote,
        RoomVerb::RegenerateCode,
        RoomVerb::AddSensor,
        RoomVerb::RemoveSensor,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RoomVerb::Create => "create",
            RoomVerb::Get => "get",
            RoomVerb::Update => "update",
            RoomVerb::Delete => "delete",
            RoomVerb::Join => "join",
            RoomVerb::Leave => "leave",
            RoomVerb::Kick => "kick",
            RoomVerb::Promote => "promote",
            RoomVerb::Demote => "demote",
            RoomVerb::RegenerateCode => "regenerate_code",
            RoomVerb::AddSensor => "add_sensor",
            RoomVerb::RemoveSensor => "remove_sensor",
        }
    }
}

impl fmt::Display for RoomVerb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
