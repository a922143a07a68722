//! Windows of live queries on one socket.

use sensocto_channels::{ChannelId, Json, Payload};

use super::Session;
use crate::socket::marks;
use crate::socket::members::Member;
use crate::socket::sensor::Answer;

impl Session {
    /// Opens the window of a channel that follows one.
    pub(super) fn open_window(&mut self, channel: ChannelId) {
        if let Some(Member::Live(live)) = self.members.get_mut(channel) {
            self.live.push(live.open(&self.app.handle, channel));
        }
    }

    /// Moves the window of a channel that follows one.
    pub(super) async fn set_window(&mut self, channel: ChannelId, payload: &Payload) -> Answer {
        if let Err(refused) = marks::reach(&self.app.handle, payload).await {
            return Answer::Error(refused);
        }
        let Some(Member::Live(live)) = self.members.get_mut(channel) else { return Answer::Silence };
        match live.set_window(&self.app.handle, payload) {
            Ok(()) => {
                self.open_window(channel);
                Answer::Ok(Json::empty())
            }
            Err(response) => Answer::Error(response),
        }
    }

    /// Tells what changed in windows.
    pub(super) fn tell_windows(&mut self) {
        if self.members.live().is_empty() {
            return;
        }
        let world = self.app.handle.world();
        for channel in self.members.live().to_vec() {
            let Some(Member::Live(live)) = self.members.get_mut(channel) else { continue };
            if let Some((event, payload)) = live.tell(&self.app.handle, &world) {
                self.channels.push(channel, event, payload);
            }
            self.live.extend(live.follow(channel));
        }
    }
}
