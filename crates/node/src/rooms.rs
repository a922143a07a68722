//! Rooms as applications see them: reads from this node's memory, writes that come back when they are where they have to be.

mod driver;
mod sights;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sensocto_model::room::RoomAsk;
use sensocto_model::{AttributeId, JoinCode, Kind, Room, RoomError, RoomId, RoomSettings, SensorId, UserId};
use sensocto_registry::{SensorFilter, View};
use sensocto_rooms::{Ack, Change, Counters, Health, OpId, Operation, RoomsView, What};
use sensocto_signals::Sample;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::handle::Handle;
use crate::world::World;

use driver::DRAIN_MAX;
pub(crate) use driver::{RoomsDriver, Told, start};
pub use sights::{RoomSights, Sight};

/// Batches of changes that a slow subscriber may be behind before it has to read the rooms anew.
const BATCHES_MAX: usize = 1_024;
/// Operations that wait for the driver. When it is full, further ones wait with their callers.
const COMMANDS_MAX: usize = 1_024;
/// How often another random join code is tried where one is taken.
const CODES_TRIED_MAX: usize = 8;

/// All rooms at one moment.
#[derive(Debug, Clone, Default)]
pub struct RoomsWorld {
    /// Its place in the order of this node's worlds of rooms.
    pub seq: u64,
    /// The rooms.
    pub view: RoomsView,
    /// How they are doing.
    pub health: Health,
    /// What was counted since the start.
    pub counters: Counters,
}

/// What led from one world of rooms to the next.
#[derive(Debug, Clone)]
pub struct RoomsBatch {
    /// The world it led to.
    pub world: Arc<RoomsWorld>,
    /// What changed, in order.
    pub changes: Arc<[Change]>,
}

/// What comes next for whoever follows the rooms.
#[derive(Debug)]
pub enum RoomsNext {
    /// The next batch.
    Batch(RoomsBatch),
    /// It was too slow: here are the rooms as they are, and what led there is not told.
    Resync(Arc<RoomsWorld>),
    /// The node stopped.
    Closed,
}

/// Follows the rooms from one moment on: its world and the batches fit together without a gap or a repetition.
#[derive(Debug)]
pub struct RoomsSubscription {
    world: Arc<RoomsWorld>,
    batches: broadcast::Receiver<RoomsBatch>,
    rooms: Arc<RoomsShared>,
}

impl RoomsSubscription {
    /// The rooms as of the last batch.
    #[must_use]
    pub fn world(&self) -> &Arc<RoomsWorld> {
        &self.world
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> RoomsNext {
        loop {
            let received = self.batches.recv().await;
            if let Some(next) = self.taken(received) {
                return next;
            }
        }
    }

    /// What is there already.
    pub(crate) fn try_next(&mut self) -> Option<RoomsNext> {
        loop {
            let received = match self.batches.try_recv() {
                Ok(batch) => Ok(batch),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Lagged(behind)) => Err(RecvError::Lagged(behind)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
            };
            if let Some(next) = self.taken(received) {
                return Some(next);
            }
        }
    }

    fn taken(&mut self, received: Result<RoomsBatch, RecvError>) -> Option<RoomsNext> {
        match received {
            // The world was read after subscribing, so the first batches may be in it already.
            Ok(batch) if batch.world.seq <= self.world.seq => None,
            Ok(batch) => {
                self.world = Arc::clone(&batch.world);
                Some(RoomsNext::Batch(batch))
            }
            Err(RecvError::Lagged(_)) => {
                self.world = self.rooms.world.load_full();
                Some(RoomsNext::Resync(Arc::clone(&self.world)))
            }
            Err(RecvError::Closed) => Some(RoomsNext::Closed),
        }
    }
}

/// An operation that was done.
#[derive(Debug, Clone)]
pub struct RoomDone {
    /// The room as it is on this node now; `None` where it was deleted.
    pub room: Option<Arc<Room>>,
    /// Where it is.
    pub ack: Ack,
}

/// What is asked of the driver.
pub(crate) enum RoomsCommand {
    /// An operation.
    Submit { operation: Operation, reply: oneshot::Sender<Result<Ack, RoomError>> },
    /// Others are to take this node's rooms over. Answered when nothing is waited for any more.
    Drain { reply: oneshot::Sender<()> },
}

/// What all handles share of the rooms.
pub(crate) struct RoomsShared {
    pub(crate) world: ArcSwap<RoomsWorld>,
    pub(crate) batches: broadcast::Sender<RoomsBatch>,
    /// Rooms that other people may see than before.
    pub(crate) sights: broadcast::Sender<Arc<[RoomId]>>,
    pub(crate) commands: mpsc::Sender<RoomsCommand>,
    /// What comes from other nodes; when it is full, further ones are dropped, and whoever asked asks again.
    pub(crate) told: mpsc::Sender<Told>,
}

impl fmt::Debug for RoomsShared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RoomsShared").finish_non_exhaustive()
    }
}

impl Handle {
    /// Has others take this node's rooms over, and waits until what was begun has ended, for a while.
    pub(crate) async fn drain_rooms(&self) {
        let (reply, drained) = oneshot::channel();
        if self.0.rooms.commands.send(RoomsCommand::Drain { reply }).await.is_err() {
            return;
        }
        if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
            tracing::warn!("some operations on rooms had not ended when the node stopped");
        }
    }

    /// The rooms as they are. They do not change under their reader; the next call may return later ones.
    #[must_use]
    pub fn rooms(&self) -> Arc<RoomsWorld> {
        self.0.rooms.world.load_full()
    }

    /// Follows the rooms from now on.
    #[must_use]
    pub fn subscribe_rooms(&self) -> RoomsSubscription {
        let batches = self.0.rooms.batches.subscribe();
        RoomsSubscription { world: self.rooms(), batches, rooms: Arc::clone(&self.0.rooms) }
    }

    /// Makes a room, with a join code of its own where none is given.
    ///
    /// # Errors
    /// It was not made; after [`RoomError::Unavailable`] it may have been.
    pub async fn create_room(
        &self,
        by: &UserId,
        settings: RoomSettings,
        join_code: Option<JoinCode>,
    ) -> Result<RoomDone, RoomError> {
        let id = random_room_id()?;
        match join_code {
            Some(join_code) => self.ask_room(by, id, RoomAsk::Create { settings, join_code }).await,
            None => {
                let ask = |join_code| RoomAsk::Create { settings: settings.clone(), join_code };
                self.with_random_code(by, &id, ask).await
            }
        }
    }

    /// Gives a room another join code.
    ///
    /// # Errors
    /// As for [`Handle::ask_room`].
    pub async fn regenerate_join_code(&self, by: &UserId, room: &RoomId) -> Result<RoomDone, RoomError> {
        self.with_random_code(by, room, |join_code| RoomAsk::RegenerateCode { join_code }).await
    }

    async fn with_random_code(
        &self,
        by: &UserId,
        room: &RoomId,
        ask: impl Fn(JoinCode) -> RoomAsk,
    ) -> Result<RoomDone, RoomError> {
        let mut result = Err(RoomError::JoinCodeTaken);
        for _ in 0..CODES_TRIED_MAX {
            result = self.ask_room(by, room.clone(), ask(JoinCode::from_random(random()?))).await;
            if !matches!(result, Err(RoomError::JoinCodeTaken)) {
                break;
            }
        }
        result
    }

    /// Takes a sensor out of a room. One that names the room stays out until it is added again.
    ///
    /// # Errors
    /// As for [`Handle::ask_room`].
    pub async fn remove_room_sensor(
        &self,
        by: &UserId,
        room: &RoomId,
        sensor: SensorId,
    ) -> Result<RoomDone, RoomError> {
        let names_room = names_room(&self.world(), sensor.as_str(), room);
        self.ask_room(by, room.clone(), RoomAsk::RemoveSensor { sensor, names_room }).await
    }

    /// Has an operation done by the room's home, wherever that is: it is on the home's disk then, and on that of at least one more
    /// node where there is one, and this node's readers see it.
    ///
    /// # Errors
    /// It was not done; after [`RoomError::Unavailable`] it may have been.
    pub async fn ask_room(&self, by: &UserId, room: RoomId, ask: RoomAsk) -> Result<RoomDone, RoomError> {
        let what = What::Ask { by: by.clone(), ask };
        let operation = Operation { room: room.clone(), op: OpId(u64::from_le_bytes(random()?)), what };
        let (reply, answer) = oneshot::channel();
        let command = RoomsCommand::Submit { operation, reply };
        self.0.rooms.commands.send(command).await.map_err(|_| RoomError::Stopping)?;
        let ack = answer.await.map_err(|_| RoomError::Stopping)??;
        Ok(RoomDone { room: self.rooms().view.get(room.as_str()).cloned(), ack })
    }

    /// How many sensors are in a room, without listing them.
    #[must_use]
    pub fn room_sensors_total(&self, room: &Room) -> usize {
        sensors_total(&self.world().view, room)
    }

    /// The sensors of a room: those that were added to it, and those that named it when they joined and were not taken out.
    #[must_use]
    pub fn room_sensors(&self, world: &World, room: &Room, limit: usize) -> (Vec<SensorId>, usize) {
        let query = sensocto_registry::SensorQuery {
            filter: SensorFilter { room: Some(room.id.to_string()), ..Default::default() },
            ..Default::default()
        };
        let mut sensors = room.sensor_ids.clone();
        // As many as a room may have by adding; whoever shows more of them reads the list of sensors by room.
        let page = self.list_sensors(world, &query, None, sensocto_model::room::ROOM_SENSORS_MAX);
        let named = page.rows.iter().filter_map(|row| Some(row.held.entry.record()?.as_sensor()?.sensor_id.clone()));
        sensors.extend(named.filter(|sensor| !room.removed_sensor_ids.contains(sensor)));
        let total = sensors.len();
        (sensors.into_iter().take(limit).collect(), total)
    }
}

/// How many sensors are in a room. It is counted by what the room says, which is little, and by one count that is kept.
pub(crate) fn sensors_total(view: &View, room: &Room) -> usize {
    let filter = SensorFilter { room: Some(room.id.to_string()), ..SensorFilter::default() };
    let named = view.sensors_total(&filter, Duration::ZERO);
    let names = |sensor: &SensorId| {
        let held = view.get(Kind::Sensor, sensor.as_str());
        let sensor = held.and_then(|held| held.entry.record()?.as_sensor());
        sensor.is_some_and(|sensor| sensor.room_id.as_ref() == Some(&room.id))
    };
    // Those that were added and name it are in it once, those that name it and were taken out are not.
    let twice =
        if named == 0 { 0 } else { room.sensor_ids.union(&room.removed_sensor_ids).filter(|id| names(id)).count() };
    room.sensor_ids.len() + named.saturating_sub(twice)
}

/// The last values of a sensor.
type KnownValues = Arc<BTreeMap<AttributeId, Sample>>;

impl Handle {
    /// The last values of a sensor as far as this node knows them already; no other node is asked.
    #[must_use]
    pub fn known_values(&self, sensor: &SensorId) -> KnownValues {
        match self.0.signals.feeds.latest(sensor) {
            Some((values, _)) => Arc::new(values),
            None => self.0.remote.known(sensor).unwrap_or_default(),
        }
    }
}

/// Whether a sensor is there and names a room.
pub(crate) fn names_room(world: &World, sensor: &str, room: &RoomId) -> bool {
    let held = world.view.get(Kind::Sensor, sensor);
    let sensor = held.and_then(|held| held.entry.record()?.as_sensor());
    sensor.is_some_and(|sensor| sensor.room_id.as_ref() == Some(room))
}

/// Random bytes of the system.
fn random<const N: usize>() -> Result<[u8; N], RoomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system has no random bytes");
        RoomError::Unavailable
    })?;
    Ok(bytes)
}

/// A random UUID, version 4 (RFC 9562).
fn random_room_id() -> Result<RoomId, RoomError> {
    let mut bytes: [u8; 16] = random()?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let parts = [&bytes[..4], &bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..]];
    RoomId::new(&parts.map(hex).join("-")).map_err(|_| RoomError::Unavailable)
}

impl Handle {
    /// One page of the rooms that a query finds, from behind a place on, and whether there are more. A place is what
    /// [`crate::ListQuery::position`] says.
    #[must_use]
    pub fn list_rooms(
        &self,
        query: &sensocto_rooms::RoomQuery,
        after: Option<&sensocto_registry::Position>,
        limit: usize,
    ) -> RoomsPage {
        let (world, rooms) = (self.world(), self.rooms());
        let place = after.and_then(|after| crate::live::room_place(query.order, after));
        let (found, more) = rooms.view.list(query, place.as_ref(), limit);
        let last = found.last().filter(|_| more);
        RoomsPage {
            next: last.map(|room| crate::live::room_position(query.order, room)),
            total: rooms.view.total(query),
            rooms: found.into_iter().map(|room| (sensors_total(&world.view, &room), room)).collect(),
        }
    }
}

/// One page of rooms.
#[derive(Debug)]
pub struct RoomsPage {
    /// How many sensors are in each, and the room.
    pub rooms: Vec<(usize, Arc<Room>)>,
    /// How many rooms the query finds.
    pub total: usize,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<sensocto_registry::Position>,
}
