//! Channels on one socket that name a room, when other people may see that than before.

use sensocto_channels::{ChannelEnd, ChannelId};

use super::Session;
use crate::socket::members::Member;

impl Session {
    /// Hears of who may see rooms from now on, where some channel names one.
    pub(super) fn follow_sights(&mut self) {
        if self.sights.is_none() && self.members.name_rooms() {
            self.sights = Some(self.app.handle.room_sights());
            // What changed since the channel was made is not told any more.
            self.see_rooms();
        }
    }

    /// Shows each channel that names a room what its reader may see by now.
    pub(super) fn see_rooms(&mut self) {
        let channels: Vec<ChannelId> = self.members.watching().iter().chain(self.members.live()).copied().collect();
        for channel in channels {
            match self.members.get_mut(channel) {
                Some(Member::Discovery(discovery)) => discovery.see_rooms(&self.app.handle),
                Some(Member::Live(live)) if live.sees_otherwise(&self.app.handle) => self.open_window(channel),
                // Clients join again by themselves, and are then where they may be.
                Some(Member::Presence(presence)) if presence.sees_otherwise(&self.app) => {
                    self.channels.close(channel, ChannelEnd::Crashed);
                    self.forget(channel);
                }
                Some(
                    Member::Live(_)
                    | Member::Presence(_)
                    | Member::Connector(_)
                    | Member::Sensor(_)
                    | Member::Signals(_)
                    | Member::Rooms(_)
                    | Member::Test,
                )
                | None => {}
            }
        }
    }
}
