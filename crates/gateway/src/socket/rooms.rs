//! `lobby:<user>` and `room:<id>`: what changes in rooms, each event once.
//!
//! A channel keeps what it told, or the keys of what changed since; what a message says is read from the rooms when it is made. So a
//! client that reads slowly hears of the last state, and whoever fell too far behind gets the state anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sensocto_channels::Json;
use sensocto_node::model::{Role, Room};
use sensocto_node::{
    Batch, Departure, Handle, Kind, RoomChange, RoomId, RoomQuery, RoomsWorld, SensorId, UserId, World,
};
use serde::Serialize;
use serde_json::json;

use crate::rooms::{self, Detail, RoomJson};

/// Sensors of one room that a channel follows.
const SENSORS_MAX: usize = 1_000;
/// Rooms that are looked at for one `lobby_state`, of each kind.
const LOBBY_ROOMS_MAX: usize = 1_000;
/// Bytes of rooms of each kind in one `lobby_state`; one room may ride over it.
const LOBBY_BYTES: usize = 128 * 1024;
/// Rooms that may have changed since the last message of a lobby; above it the state is cheaper than the differences.
const PENDING_MAX: usize = 1_000;

/// A message for the client.
pub(super) type Told = (&'static str, Json);

/// What follows a message.
pub(super) enum Next {
    /// A message.
    Tell(Told),
    /// The channel ends.
    Close,
    /// Nothing more for now.
    Nothing,
}

/// A channel that follows rooms.
#[derive(Debug)]
pub(super) enum RoomsChannel {
    /// `lobby:<user>`
    Lobby(LobbyChannel),
    /// `room:<id>`
    Room(RoomChannel),
}

impl RoomsChannel {
    /// Whether it follows the sensors as well.
    pub(super) fn follows_the_world(&self) -> bool {
        matches!(self, RoomsChannel::Room(_))
    }

    /// Notes what changed in rooms.
    pub(super) fn take(&mut self, changes: &[RoomChange]) {
        match self {
            RoomsChannel::Lobby(lobby) => lobby.take(changes),
            RoomsChannel::Room(room) => room.take(changes),
        }
    }

    /// Notes what changed in the world of sensors.
    pub(super) fn take_world(&mut self, batch: &Batch) {
        if let RoomsChannel::Room(room) = self {
            room.take_world(batch);
        }
    }

    /// What changed in rooms was not told in time.
    pub(super) fn start_over(&mut self) {
        match self {
            RoomsChannel::Lobby(lobby) => lobby.start_over(),
            RoomsChannel::Room(room) => room.start_over(),
        }
    }

    /// What changed in the world of sensors was not told in time.
    pub(super) fn start_over_world(&mut self) {
        if let RoomsChannel::Room(room) = self {
            room.start_over();
        }
    }

    /// The next message for a client that has room for it.
    pub(super) fn tell(&mut self, handle: &Handle, rooms: &RoomsWorld, world: &World) -> Next {
        match self {
            RoomsChannel::Lobby(lobby) => lobby.tell(handle, rooms),
            RoomsChannel::Room(room) => room.tell(handle, rooms, world),
        }
    }
}

/// `lobby:<user>`
#[derive(Debug)]
pub(super) struct LobbyChannel {
    user: UserId,
    state_due: bool,
    /// What changed since the last message: as it was, and how this user went.
    pending: BTreeMap<RoomId, Pending>,
    queue: VecDeque<Told>,
}

#[derive(Debug)]
struct Pending {
    before: Option<Arc<Room>>,
    departure: Option<Departure>,
    code_replaced: bool,
}

#[derive(Serialize)]
struct LobbyState<'a> {
    my_rooms: Vec<RoomJson<'a>>,
    public_rooms: Vec<RoomJson<'a>>,
    my_total: usize,
    public_total: usize,
}

impl LobbyChannel {
    pub(super) fn new(user: UserId) -> LobbyChannel {
        LobbyChannel { user, state_due: true, pending: BTreeMap::new(), queue: VecDeque::new() }
    }

    /// Notes what changed.
    pub(super) fn take(&mut self, changes: &[RoomChange]) {
        for change in changes {
            let sees = |room: &Option<Arc<Room>>| {
                room.as_ref().is_some_and(|room| room.is_visible_to(Some(self.user.as_str())))
            };
            if self.state_due || (!sees(&change.before) && !sees(&change.after)) {
                continue;
            }
            let pending = self.pending.entry(change.room.clone()).or_insert_with(|| Pending {
                before: change.before.clone(),
                departure: None,
                code_replaced: false,
            });
            pending.departure = change.departures.get(&self.user).copied().or(pending.departure);
            pending.code_replaced |= change.code_replaced;
        }
        if self.pending.len() > PENDING_MAX {
            self.start_over();
        }
    }

    /// What changed was not told in time.
    pub(super) fn start_over(&mut self) {
        self.state_due = true;
        self.pending.clear();
        self.queue.clear();
    }

    /// The next message for a client that has room for it. `world` is the one up to which changes were taken.
    pub(super) fn tell(&mut self, handle: &Handle, world: &RoomsWorld) -> Next {
        if self.state_due {
            self.state_due = false;
            return Next::Tell(("lobby_state", self.state(handle, world)));
        }
        if self.queue.is_empty()
            && let Some((id, pending)) = self.pending.pop_first()
        {
            self.differences(handle, world, &id, &pending);
        }
        self.queue.pop_front().map_or(Next::Nothing, Next::Tell)
    }

    fn state(&self, handle: &Handle, world: &RoomsWorld) -> Json {
        let of = |mine: bool| {
            let public = (!mine).then_some(true);
            let query = RoomQuery { viewer: Some(self.user.clone()), mine, public, ..RoomQuery::default() };
            (world.view.list(&query, None, LOBBY_ROOMS_MAX).0, world.view.total(&query))
        };
        let ((mine, my_total), (public, public_total)) = (of(true), of(false));
        Json::of(&LobbyState {
            my_rooms: self.some(handle, &mine),
            public_rooms: self.some(handle, &public),
            my_total,
            public_total,
        })
    }

    /// As many rooms as one message may hold.
    fn some<'a>(&self, handle: &Handle, rooms: &'a [Arc<Room>]) -> Vec<RoomJson<'a>> {
        let mut bytes = 0;
        let lines = rooms.iter().map(|room| self.json(handle, room));
        lines
            .take_while(|room| {
                let fits = bytes < LOBBY_BYTES;
                bytes += serde_json::to_vec(room).map_or(0, |json| json.len());
                fits
            })
            .collect()
    }

    fn json<'a>(&self, handle: &Handle, room: &'a Room) -> RoomJson<'a> {
        rooms::room(handle, room, Some(self.user.as_str()), Detail::Sensors)
    }

    fn differences(&mut self, handle: &Handle, world: &RoomsWorld, id: &RoomId, pending: &Pending) {
        let user = self.user.as_str();
        let before = pending.before.as_ref().filter(|room| room.is_visible_to(Some(user)));
        let after = world.view.get_visible(id.as_str(), Some(user));
        match (before, after) {
            (None, Some(after)) => self.queue.push_back(("room_added", Json::of(&self.json(handle, after)))),
            (Some(_), None) => self.queue.push_back(("room_removed", Json::of(&json!({"room_id": id.as_str()})))),
            (Some(before), Some(after)) => {
                let same = before.settings == after.settings
                    && before.join_code == after.join_code
                    && before.role(user) == after.role(user);
                if !same {
                    self.queue.push_back(("room_updated", Json::of(&self.json(handle, after))));
                }
            }
            (None, None) => {}
        }
        let was = before.and_then(|room| room.role(user));
        let is = after.and_then(|room| room.role(user));
        let action = match (was, is, pending.departure) {
            (None, Some(_), _) => Some("joined"),
            (Some(_), None, Some(Departure::Kicked)) => Some("kicked"),
            // Of a room that was deleted nobody went.
            (Some(_), None, _) if world.view.get(id.as_str()).is_some() => Some("left"),
            _ => None,
        };
        if let Some(action) = action {
            let payload = json!({"room_id": id.as_str(), "action": action, "user_id": user});
            self.queue.push_back(("membership_changed", Json::of(&payload)));
        }
        if pending.code_replaced
            && let Some(after) = after.filter(|room| room.owner_id == self.user)
        {
            let payload = json!({"room_id": id.as_str(), "join_code": after.join_code.as_str()});
            self.queue.push_back(("join_code_changed", Json::of(&payload)));
        }
    }
}

/// `room:<id>`
#[derive(Debug)]
pub(super) struct RoomChannel {
    id: RoomId,
    viewer: Option<UserId>,
    /// What the client has; `None` before the first message.
    told: Option<RoomTold>,
    kicked: BTreeSet<UserId>,
    dirty: bool,
    queue: VecDeque<Told>,
    closing: bool,
}

#[derive(Debug)]
struct RoomTold {
    /// Which rooms it was read from.
    seq: u64,
    room: Arc<Room>,
    sensors: BTreeSet<SensorId>,
}

impl RoomChannel {
    /// A channel for whoever may see the room.
    pub(super) fn new(world: &RoomsWorld, id: &str, viewer: Option<UserId>) -> Result<RoomChannel, Json> {
        let is_uuid = |id: &str| {
            let parts: Vec<usize> = id.split('-').map(str::len).collect();
            parts == [8, 4, 4, 4, 12] && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        };
        let invalid = || Json::reason("invalid room id");
        let id = RoomId::new(id).ok().filter(|id| is_uuid(id.as_str())).ok_or_else(invalid)?;
        // What is not there looks like what must not be seen.
        if world.view.get_visible(id.as_str(), viewer.as_ref().map(UserId::as_str)).is_none() {
            return Err(Json::reason(super::params::UNAUTHORIZED));
        }
        let (kicked, queue) = (BTreeSet::new(), VecDeque::new());
        Ok(RoomChannel { id, viewer, told: None, kicked, dirty: true, queue, closing: false })
    }

    /// Notes what changed in rooms.
    pub(super) fn take(&mut self, changes: &[RoomChange]) {
        for change in changes.iter().filter(|change| change.room == self.id) {
            self.dirty = true;
            let kicked = change.departures.iter().filter(|(_, how)| **how == Departure::Kicked);
            self.kicked.extend(kicked.map(|(user, _)| user.clone()));
        }
    }

    /// Notes what changed in the world of sensors.
    pub(super) fn take_world(&mut self, batch: &Batch) {
        let told = self.told.as_ref();
        let mut sensors = batch.events.iter().filter(|event| event.key.kind == Kind::Sensor);
        self.dirty |= sensors.any(|event| {
            let id = event.key.id.as_str();
            let now = batch.world.view.get(Kind::Sensor, id).and_then(|held| held.entry.record()?.as_sensor());
            let names_it = now.is_some_and(|sensor| sensor.room_id.as_ref() == Some(&self.id));
            names_it || told.is_some_and(|told| told.sensors.contains(id))
        });
    }

    /// What changed was not told in time: what the client has is compared with what is there.
    pub(super) fn start_over(&mut self) {
        self.dirty = true;
    }

    /// The next message for a client that has room for it.
    pub(super) fn tell(&mut self, handle: &Handle, rooms: &RoomsWorld, world: &World) -> Next {
        if self.queue.is_empty() && self.closing {
            return Next::Close;
        }
        if self.queue.is_empty() && self.dirty {
            // The state is read from the rooms as they are: what led there may still be on its way to this socket.
            let current = self.told.is_none().then(|| handle.rooms());
            let rooms = current.as_deref().unwrap_or(rooms);
            if self.told.as_ref().is_none_or(|told| told.seq <= rooms.seq) {
                self.dirty = false;
                self.differences(handle, rooms, world);
            }
        }
        self.queue.pop_front().map_or(Next::Nothing, Next::Tell)
    }

    fn differences(&mut self, handle: &Handle, rooms: &RoomsWorld, world: &World) {
        let viewer = self.viewer.clone();
        let viewer = viewer.as_ref().map(UserId::as_str);
        let there = rooms.view.get(self.id.as_str());
        let Some(room) = there.filter(|room| room.is_visible_to(viewer)).cloned() else {
            let reason = if there.is_some() { "not_visible" } else { "deleted" };
            self.push("room_closed", &json!({"room_id": self.id.as_str(), "reason": reason}));
            self.closing = true;
            return;
        };
        let sensors: BTreeSet<SensorId> = handle.room_sensors(world, &room, SENSORS_MAX).0.into_iter().collect();
        match self.told.take() {
            None => {
                let listed: Vec<_> = sensors.iter().map(|id| rooms::sensor(handle, id)).collect();
                let state = json!({"room_id": self.id.as_str(), "sensors": listed, "member_count": room.members.len()});
                self.push("room_state", &state);
            }
            Some(told) => {
                self.members(&told.room, &room);
                let id = self.id.to_string();
                for sensor in told.sensors.difference(&sensors) {
                    self.push("sensor_removed", &json!({"room_id": id, "sensor_id": sensor.as_str()}));
                }
                for sensor in sensors.difference(&told.sensors) {
                    self.push("sensor_added", &json!({"room_id": id, "sensor": rooms::sensor(handle, sensor)}));
                }
                if told.room.settings != room.settings {
                    let json = Json::of(&rooms::room(handle, &room, viewer, Detail::Line));
                    self.queue.push_back(("room_updated", json));
                }
            }
        }
        self.told = Some(RoomTold { seq: rooms.seq, room, sensors });
    }

    fn members(&mut self, before: &Room, after: &Room) {
        let id = self.id.to_string();
        let kicked = std::mem::take(&mut self.kicked);
        for user in before.members.keys().filter(|user| !after.members.contains_key(*user)) {
            let reason = if kicked.contains(user) { "kicked" } else { "left" };
            self.push("member_left", &json!({"room_id": id, "user_id": user.as_str(), "reason": reason}));
        }
        for (user, role) in &after.members {
            let event = match before.members.get(user) {
                None => "member_joined",
                Some(was) if was != role => "member_role_changed",
                Some(_) => continue,
            };
            self.push(event, &json!({"room_id": id, "user_id": user.as_str(), "role": Role::as_str(*role)}));
        }
    }

    fn push(&mut self, event: &'static str, payload: &serde_json::Value) {
        self.queue.push_back((event, Json::of(payload)));
    }
}

#[cfg(test)]
mod tests;
