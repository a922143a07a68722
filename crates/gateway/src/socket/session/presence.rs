//! Channels of presences on one socket.

use std::time::Duration;

use futures_util::FutureExt;
use sensocto_channels::{ChannelId, Json, Payload};

use super::Session;
use crate::presence::Turn;
use crate::socket::members::Member;
use crate::socket::params;
use crate::socket::presence::{self, JoinedBy, PresenceChannel};

impl Session {
    pub(super) async fn join_presence(&mut self, topic: &str, join: &Payload) -> Result<PresenceChannel, Json> {
        if self.members.presences().len() >= presence::TOPICS_MAX {
            return Err(Json::reason("too_many_presences"));
        }
        let socket = match &mut self.name {
            Some(name) => name,
            none => none.insert(presence::socket_name(&self.app.handle).map_err(params::invalid_field)?),
        };
        let by = JoinedBy { user: &self.user, socket, wake: &self.presence_news };
        PresenceChannel::join(&self.app, by, topic, join).await
    }

    /// When an update of a presence that waits may be written, on the node's clock.
    pub(super) fn update_due_at(&self) -> Option<Duration> {
        let waits = |channel: &ChannelId| {
            let Some(Member::Presence(presence)) = self.members.get(*channel) else { return false };
            presence.has_update()
        };
        self.members.presences().iter().any(waits).then(|| self.presence_budget.next_at())
    }

    /// What is held until the messages made so far have been written.
    pub(in crate::socket) fn take_turns(&mut self) -> Vec<Turn> {
        let presences: Vec<ChannelId> = self.members.presences().to_vec();
        let turn = |channel| {
            let Some(Member::Presence(presence)) = self.members.get_mut(channel) else { return None };
            presence.take_turn()
        };
        presences.into_iter().filter_map(turn).collect()
    }

    /// Writes updates of presences that waited and may be written by now.
    pub(super) fn write_due_updates(&mut self) {
        let presences: Vec<ChannelId> = self.members.presences().to_vec();
        for channel in presences {
            let Some(Member::Presence(presence)) = self.members.get_mut(channel) else { continue };
            if let Some(write) = presence.due_update(&self.app, &mut self.presence_budget) {
                self.presence_writes.push(write.map(move |()| channel).boxed());
            }
        }
    }
}
