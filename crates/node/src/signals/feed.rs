//! The samples of one sensor on this node, and who reads them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sensocto_model::{AttributeId, SensorId};
use sensocto_signals::message::Line;
use sensocto_signals::{Level, LoadLevel, Pushed, Sample, Store};
use tokio::sync::Notify;

/// Largest payload of one sample, with its timestamp, in bytes of JSON. A larger one is refused where it comes in.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// Told of each change of a sensor's attention.
pub(crate) type Listener = Box<dyn Fn(Level) + Send + Sync>;

/// Wakes one reader of several feeds: once for each level that has news, however many samples come.
#[derive(Debug)]
pub(super) struct Reader {
    levels: AtomicU8,
    wake: Arc<Notify>,
}

impl Reader {
    pub(super) fn new(wake: Arc<Notify>) -> Reader {
        Reader { levels: AtomicU8::new(0), wake }
    }

    /// There is news for levels.
    pub(super) fn note(&self, levels: u8) {
        if self.levels.fetch_or(levels, Ordering::AcqRel) & levels != levels {
            self.wake.notify_one();
        }
    }

    /// The levels that have news.
    pub(super) fn news(&self) -> u8 {
        self.levels.load(Ordering::Acquire)
    }

    /// Takes them, before what is new is read: what comes meanwhile is told again.
    pub(super) fn take(&self) -> u8 {
        self.levels.swap(0, Ordering::AcqRel)
    }
}

/// The samples of one sensor.
pub(crate) struct Feed {
    id: SensorId,
    /// Grows with each change, so that a reader of many feeds finds those that changed without a lock.
    version: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) store: Store,
    /// Which registration here writes it; none where it is a copy.
    registered: Option<u64>,
    changed_at: Duration,
    readers: Vec<(Arc<Reader>, u8)>,
    level: Level,
    listener: Option<Listener>,
}

/// What one feed may hold at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) load: LoadLevel,
    pub(super) bytes: usize,
}

/// What came of samples that were given to a feed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    pub(super) taken: usize,
    pub(super) refused: usize,
    /// By how many bytes more, or fewer, the feed holds.
    pub(super) bytes: isize,
}

impl Feed {
    pub(super) fn new(id: SensorId) -> Feed {
        Feed { id, version: AtomicU64::new(0), state: Mutex::default() }
    }

    pub(super) fn id(&self) -> &SensorId {
        &self.id
    }

    /// Which change of it is the last.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes samples of the registration that writes it; those of an earlier one change nothing.
    pub(super) fn push(
        &self,
        epoch: u64,
        samples: impl IntoIterator<Item = (AttributeId, Sample)>,
        room: Room,
        now: Duration,
    ) -> Given {
        let mut state = self.state();
        if state.registered != Some(epoch) {
            return Given::default();
        }
        let before = state.store.bytes();
        let mut given = Given::default();
        for (attribute, sample) in samples {
            match state.store.push(&attribute, sample, room.load, room.bytes) {
                Pushed::Kept => given.taken += 1,
                Pushed::TooManyAttributes => given.refused += 1,
            }
        }
        given.bytes = difference(before, state.store.bytes());
        state.changed_at = now;
        self.tell(&state);
        given
    }

    /// Takes what another node sent, unless the sensor is connected here by now.
    pub(super) fn apply(&self, line: Line, room: Room, now: Duration) -> Given {
        let mut state = self.state();
        if state.registered.is_some() {
            return Given::default();
        }
        let before = state.store.bytes();
        if state.store.epoch() != line.epoch {
            state.store = Store::new(line.epoch);
        }
        let mut given = Given::default();
        for (attribute, stretch) in line.attributes {
            let samples = stretch.samples.len();
            match state.store.apply(&attribute, stretch, room.load, room.bytes) {
                Pushed::Kept => given.taken += samples,
                Pushed::TooManyAttributes => given.refused += samples,
            }
        }
        given.bytes = difference(before, state.store.bytes());
        state.changed_at = now;
        self.tell(&state);
        given
    }

    fn tell(&self, state: &State) {
        self.version.fetch_add(1, Ordering::AcqRel);
        for (reader, levels) in &state.readers {
            reader.note(*levels);
        }
    }
}

fn difference(before: usize, after: usize) -> isize {
    after.cast_signed() - before.cast_signed()
}

impl State {
    /// A registration here writes it from now on; by how many bytes fewer it holds.
    pub(super) fn register(&mut self, epoch: u64, level: Level) -> isize {
        self.registered = Some(epoch);
        self.level = level;
        self.listener = None;
        self.replace(epoch)
    }

    /// The registration ended, unless a later one took its place.
    pub(super) fn unregister(&mut self, epoch: u64) -> isize {
        if self.registered != Some(epoch) {
            return 0;
        }
        self.registered = None;
        self.listener = None;
        self.replace(0)
    }

    fn replace(&mut self, epoch: u64) -> isize {
        let before = std::mem::replace(&mut self.store, Store::new(epoch));
        -before.bytes().cast_signed()
    }

    /// Whether nobody writes and nobody reads it.
    pub(super) fn is_unused(&self) -> bool {
        self.registered.is_none() && self.readers.is_empty()
    }

    /// Whether a sensor that is connected here writes it.
    pub(super) fn is_local(&self) -> bool {
        self.registered.is_some()
    }

    pub(super) fn changed_at(&self) -> Duration {
        self.changed_at
    }

    /// Has a reader told of news, for levels; none ends it.
    pub(super) fn read_by(&mut self, reader: &Arc<Reader>, levels: u8) {
        match self.readers.iter_mut().find(|(known, _)| Arc::ptr_eq(known, reader)) {
            Some((_, known)) if levels != 0 => *known = levels,
            Some(_) => self.readers.retain(|(known, _)| !Arc::ptr_eq(known, reader)),
            None if levels != 0 => self.readers.push((Arc::clone(reader), levels)),
            None => {}
        }
    }

    /// Whether a registration writes it.
    pub(super) fn is_written_by(&self, epoch: u64) -> bool {
        self.registered == Some(epoch)
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Takes in how closely anybody looks.
    pub(super) fn set_level(&mut self, level: Level) {
        if self.level != level && self.is_local() {
            self.level = level;
            if let Some(listener) = &self.listener {
                listener(level);
            }
        }
    }

    pub(super) fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }
}
