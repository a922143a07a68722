//! The channels of one socket, by what they are joined to.

use std::collections::BTreeMap;

use sensocto_channels::ChannelId;
use sensocto_node::{Batch, LocalEntry};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::discovery::DiscoveryChannel;
use super::discovery::live::LiveChannel;
use super::presence::PresenceChannel;
use super::rooms::RoomsChannel;
use super::sensor::SensorChannel;
use super::signals::SignalsChannel;

/// What a channel is.
#[derive(Debug)]
pub(super) enum Member {
    Connector(LocalEntry),
    Sensor(Box<SensorChannel>),
    Discovery(Box<DiscoveryChannel>),
    Live(Box<LiveChannel>),
    Presence(Box<PresenceChannel>),
    Signals(Box<SignalsChannel>),
    Rooms(Box<RoomsChannel>),
    /// A channel that takes everything and does nothing, for the clients' own tests.
    Test,
}

impl Member {
    /// The entry that it keeps in the world and that another registration may take over.
    pub(super) fn entry(&self) -> Option<&LocalEntry> {
        match self {
            Member::Connector(entry) => Some(entry),
            Member::Sensor(sensor) => Some(&sensor.entry),
            Member::Presence(presence) => presence.entry(),
            Member::Discovery(_) | Member::Live(_) | Member::Signals(_) | Member::Rooms(_) | Member::Test => None,
        }
    }

    /// Whether it is told what changes.
    pub(super) fn watches(&self) -> bool {
        matches!(self, Member::Discovery(_) | Member::Presence(_))
    }
}

/// The channels of one socket.
#[derive(Debug, Default)]
pub(super) struct Members {
    members: BTreeMap<ChannelId, (Member, DropGuard)>,
    watching: Vec<ChannelId>,
    presences: Vec<ChannelId>,
    live: Vec<ChannelId>,
    signals: Vec<ChannelId>,
    rooms: Vec<ChannelId>,
}

impl Members {
    /// Adds a channel; what it returns is cancelled when the channel goes.
    pub(super) fn insert(&mut self, channel: ChannelId, member: Member) -> CancellationToken {
        if member.watches() {
            self.watching.push(channel);
        }
        if matches!(member, Member::Presence(_)) {
            self.presences.push(channel);
        }
        if matches!(member, Member::Live(_)) {
            self.live.push(channel);
        }
        if matches!(member, Member::Signals(_)) {
            self.signals.push(channel);
        }
        if matches!(member, Member::Rooms(_)) {
            self.rooms.push(channel);
        }
        let gone = CancellationToken::new();
        self.members.insert(channel, (member, gone.clone().drop_guard()));
        gone
    }

    pub(super) fn remove(&mut self, channel: ChannelId) {
        self.members.remove(&channel);
        self.watching.retain(|watching| *watching != channel);
        self.presences.retain(|presence| *presence != channel);
        self.live.retain(|live| *live != channel);
        self.signals.retain(|signals| *signals != channel);
        self.rooms.retain(|rooms| *rooms != channel);
    }

    pub(super) fn get(&self, channel: ChannelId) -> Option<&Member> {
        self.members.get(&channel).map(|(member, _)| member)
    }

    pub(super) fn get_mut(&mut self, channel: ChannelId) -> Option<&mut Member> {
        self.members.get_mut(&channel).map(|(member, _)| member)
    }

    /// The channels of presences.
    pub(super) fn presences(&self) -> &[ChannelId] {
        &self.presences
    }

    /// Whether some channel follows the world by itself.
    pub(super) fn follows_the_world(&self) -> bool {
        let follows =
            |channel: &ChannelId| matches!(self.get(*channel), Some(Member::Rooms(rooms)) if rooms.follows_the_world());
        self.watching.len() > self.presences.len() || self.rooms.iter().any(follows)
    }

    /// Whether some channel is of one room, and so of what its reader may see.
    pub(super) fn name_rooms(&self) -> bool {
        self.watching.iter().chain(&self.live).any(|channel| match self.get(*channel) {
            Some(Member::Discovery(discovery)) => discovery.names_a_room(),
            Some(Member::Live(live)) => live.names_a_room(),
            Some(Member::Presence(presence)) => presence.names_a_room(),
            Some(Member::Connector(_) | Member::Sensor(_) | Member::Signals(_) | Member::Rooms(_) | Member::Test)
            | None => false,
        })
    }

    /// The channels that are told what changes.
    pub(super) fn watching(&self) -> &[ChannelId] {
        &self.watching
    }

    /// The channels that follow windows.
    pub(super) fn live(&self) -> &[ChannelId] {
        &self.live
    }

    /// How many channels are told what many sensors measure, or what one does.
    pub(super) fn signals_of(&self, many: bool) -> usize {
        let is_such = |channel: &&ChannelId| {
            let Some(Member::Signals(signals)) = self.get(**channel) else { return false };
            signals.is_of_many() == many
        };
        self.signals.iter().filter(is_such).count()
    }

    /// Does something with each of these channels.
    pub(super) fn each_signals(&mut self, mut each: impl FnMut(ChannelId, &mut SignalsChannel)) {
        for channel in &self.signals {
            if let Some((Member::Signals(signals), _)) = self.members.get_mut(channel) {
                each(*channel, signals);
            }
        }
    }

    /// The channels that follow rooms.
    pub(super) fn rooms(&self) -> &[ChannelId] {
        &self.rooms
    }

    /// Does something to each channel that follows rooms.
    pub(super) fn each_of_rooms(&mut self, mut act: impl FnMut(&mut RoomsChannel)) {
        for channel in &self.rooms {
            if let Some((Member::Rooms(rooms), _)) = self.members.get_mut(channel) {
                act(rooms);
            }
        }
    }

    /// Whether time alone may change what some channel has to tell.
    pub(super) fn follow_time(&self) -> bool {
        !self.watching.is_empty() || !self.live.is_empty()
    }

    /// Notes what changed in the world.
    pub(super) fn take(&mut self, batch: &Batch) {
        self.each_of_rooms(|rooms| rooms.take_world(batch));
        for channel in &self.watching {
            match self.members.get_mut(channel) {
                Some((Member::Discovery(discovery), _)) => discovery.take(batch),
                Some((
                    Member::Presence(_)
                    | Member::Connector(_)
                    | Member::Sensor(_)
                    | Member::Live(_)
                    | Member::Signals(_)
                    | Member::Rooms(_)
                    | Member::Test,
                    _,
                ))
                | None => {}
            }
        }
    }

    /// What changed in the world was not told in time: everybody who watches starts over.
    pub(super) fn start_over(&mut self) {
        self.each_of_rooms(RoomsChannel::start_over_world);
        for channel in &self.watching {
            match self.members.get_mut(channel) {
                Some((Member::Discovery(discovery), _)) => discovery.start_over(),
                Some((
                    Member::Presence(_)
                    | Member::Connector(_)
                    | Member::Sensor(_)
                    | Member::Live(_)
                    | Member::Signals(_)
                    | Member::Rooms(_)
                    | Member::Test,
                    _,
                ))
                | None => {}
            }
        }
    }
}
