//! A presence: one user's one connection.

use serde::{Deserialize, Serialize};

use crate::{FieldError, PresenceRef, RoomId, UserId, text};

/// One connection of a user. A user is online while at least one of these is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// This connection.
    pub presence_ref: PresenceRef,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's name, for people.
    pub user_name: String,
    /// What they use, for example `web`.
    pub device: Option<String>,
    /// Where they are.
    pub room_id: Option<RoomId>,
    /// What they do there, free text.
    pub mode: Option<String>,
    /// Milliseconds since 1970 by its node's clock; only shown, never compared.
    pub online_at_ms: u64,
}

impl Presence {
    /// Checks what the types do not: lengths.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        text::check_name("user_name", &self.user_name)?;
        self.device.as_deref().map_or(Ok(()), |device| text::check_name("device", device))?;
        self.mode.as_deref().map_or(Ok(()), |mode| text::check_name("mode", mode))
    }
}
