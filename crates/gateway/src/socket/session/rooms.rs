//! Channels of rooms on one socket.

use std::sync::Arc;

use sensocto_channels::{ChannelEnd, Json};

use super::{LOBBY, ROOM, Session};
use crate::socket::members::Member;
use crate::socket::params;
use crate::socket::rooms::{LobbyChannel, Next, RoomChannel, RoomsChannel};

impl Session {
    pub(super) fn join_rooms(&self, topic: &str) -> Result<RoomsChannel, Json> {
        let unauthorized = || Json::reason(params::UNAUTHORIZED);
        if !self.app.may_read(&self.user) {
            return Err(unauthorized());
        }
        let viewer = crate::rooms::acting(&self.app, &self.user);
        if let Some(user) = topic.strip_prefix(LOBBY) {
            let viewer = viewer.filter(|viewer| viewer.as_str() == user).ok_or_else(unauthorized)?;
            return Ok(RoomsChannel::Lobby(LobbyChannel::new(viewer)));
        }
        let id = topic.strip_prefix(ROOM).unwrap_or_default();
        RoomChannel::new(&self.app.handle.rooms(), id, viewer).map(RoomsChannel::Room)
    }

    /// Tells what happened in rooms, and to the lists of rooms.
    pub(super) fn tell_of_rooms(&mut self) {
        let Some(rooms) = self.rooms.as_ref().map(|rooms| Arc::clone(rooms.world())) else { return };
        let world = match &self.subscription {
            Some(subscription) => Arc::clone(subscription.world()),
            None => self.app.handle.world(),
        };
        for channel in self.members.rooms().to_vec() {
            // A state, or what one change led to, is told at once: it is little.
            while let Some(Member::Rooms(following)) = self.members.get_mut(channel) {
                match following.tell(&self.app.handle, &rooms, &world) {
                    Next::Tell((event, payload)) => self.channels.push(channel, event, payload),
                    Next::Close => {
                        self.channels.close(channel, ChannelEnd::Normal);
                        self.members.remove(channel);
                    }
                    Next::Nothing => break,
                }
            }
        }
    }
}
