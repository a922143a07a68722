//! Why an operation on a room was not done.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an operation on a room was not done. The names towards clients are those of [`RoomError::as_str`], over every surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RoomError {
    /// There is no such room, or whoever asks must not know of it.
    NotFound,
    /// Whoever asks may see the room, and may not do this.
    Forbidden,
    /// Another room has this join code.
    JoinCodeTaken,
    /// They are in it already; or, of whoever is to be demoted, are no more than that.
    AlreadyMember,
    /// They are admin already.
    AlreadyAdmin,
    /// They are not in it.
    NotAMember,
    /// The owner stays for as long as the room does.
    OwnerCannotLeave,
    /// The owner's role does not change.
    CannotChangeOwner,
    /// The owner cannot be put out.
    CannotKickOwner,
    /// As many members or sensors are in it as may be.
    RoomFull,
    /// As many rooms as may be, or as this user may have.
    TooManyRooms,
    /// The sensor was not added to it.
    SensorNotInRoom,
    /// No node that could decide can write to its disk: nothing was done.
    StorageFailing,
    /// No node answered for the room in time. What was asked may have been done all the same.
    Unavailable,
    /// The node is stopping: nothing was done.
    Stopping,
}

impl RoomError {
    /// All of them.
    pub const ALL: [RoomError; 15] = [
        RoomError::NotFound,
        RoomError::Forbidden,
        RoomError::JoinCodeTaken,
        RoomError::AlreadyMember,
        RoomError::AlreadyAdmin,
        RoomError::NotAMember,
        RoomError::OwnerCannotLeave,
        RoomError::CannotChangeOwner,
        RoomError::CannotKickOwner,
        RoomError::RoomFull,
        RoomError::TooManyRooms,
        RoomError::SensorNotInRoom,
        RoomError::StorageFailing,
        RoomError::Unavailable,
        RoomError::Stopping,
    ];

    /// Its name towards clients.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RoomError::NotFound => "not_found",
            RoomError::Forbidden => "forbidden",
            RoomError::JoinCodeTaken => "join_code_taken",
            RoomError::AlreadyMember => "already_member",
            RoomError::AlreadyAdmin => "already_admin",
            RoomError::NotAMember => "not_a_member",
            RoomError::OwnerCannotLeave => "owner_cannot_leave",
            RoomError::CannotChangeOwner => "cannot_change_owner",
            RoomError::CannotKickOwner => "cannot_kick_owner",
            RoomError::RoomFull => "room_full",
            RoomError::TooManyRooms => "too_many_rooms",
            RoomError::SensorNotInRoom => "sensor_not_in_room",
            RoomError::StorageFailing => "storage_failing",
            RoomError::Unavailable => "unavailable",
            RoomError::Stopping => "stopping",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            RoomError::NotFound => "there is no such room",
            RoomError::Forbidden => "this needs another role in the room",
            RoomError::JoinCodeTaken => "another room has this join code: choose another one, or none",
            RoomError::AlreadyMember => "already a member of the room",
            RoomError::AlreadyAdmin => "already an admin of the room",
            RoomError::NotAMember => "not a member of the room",
            RoomError::OwnerCannotLeave => "the owner cannot leave: delete the room instead",
            RoomError::CannotChangeOwner => "the owner's role does not change",
            RoomError::CannotKickOwner => "the owner cannot be put out",
            RoomError::RoomFull => "the room has as many members or sensors as a room may have",
            RoomError::TooManyRooms => "there are as many rooms as there may be",
            RoomError::SensorNotInRoom => "the sensor is not in the room",
            RoomError::StorageFailing => "no node that could decide can write to its disk, and nothing was done",
            RoomError::Unavailable => {
                "no node answered for the room in time: what was asked may have been done, look before asking again"
            }
            RoomError::Stopping => "the node is stopping, and nothing was done: ask another one",
        }
    }
}

impl fmt::Display for RoomError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.in_words())
    }
}

impl std::error::Error for RoomError {}
