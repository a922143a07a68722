//! Who may see a private room changes seldom, and only those need to hear of it who show something that names a room: so it is told apart
//! from everything else that changes in rooms.

use std::sync::Arc;

use sensocto_model::{Room, RoomId};
use sensocto_rooms::Change;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::handle::Handle;

/// Tells when other people may see a room than before.
#[derive(Debug)]
pub struct RoomSights(broadcast::Receiver<Arc<[RoomId]>>);

/// What changed.
#[derive(Debug, Clone)]
pub enum Sight {
    /// Who may see these.
    Of(Arc<[RoomId]>),
    /// Who may see rooms, and which ones is not known: the reader was too slow.
    OfAny,
}

impl Sight {
    /// Whether it may be this room.
    #[must_use]
    pub fn concerns(&self, room: &str) -> bool {
        match self {
            Sight::Of(rooms) => rooms.iter().any(|of| of.as_str() == room),
            Sight::OfAny => true,
        }
    }
}

impl RoomSights {
    /// Waits for the next change. Dropping the future loses nothing; where the node stopped, it never ends.
    pub async fn next(&mut self) -> Sight {
        match self.0.recv().await {
            Ok(rooms) => Sight::Of(rooms),
            Err(RecvError::Lagged(_)) => Sight::OfAny,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Handle {
    /// Hears from now on when other people may see a room than before.
    #[must_use]
    pub fn room_sights(&self) -> RoomSights {
        RoomSights(self.0.rooms.sights.subscribe())
    }
}

/// The rooms that other people may see after these changes than before.
pub(super) fn seen_otherwise(changes: &[Change]) -> Arc<[RoomId]> {
    let private = |room: &Option<Arc<Room>>| room.clone().filter(|room| !room.settings.is_public);
    let otherwise = |change: &&Change| match (private(&change.before), private(&change.after)) {
        (None, None) => false,
        (Some(before), Some(after)) => !before.members.keys().eq(after.members.keys()),
        (Some(_), None) | (None, Some(_)) => true,
    };
    changes.iter().filter(otherwise).map(|change| change.room.clone()).collect()
}
