//! The feeds of this node by sensor.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sensocto_model::{AttributeId, SensorId};
use sensocto_signals::message::Line;
use sensocto_signals::{Level, LoadLevel, STORE_BYTES_MAX, Sample};

use super::feed::{Feed, Given, Reader, Room};

/// What all samples of a node may cost in bytes. Above it, each sensor that sends something keeps only its latest samples.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// What one sensor keeps then, in bytes.
const SQUEEZED_BYTES: usize = 8 * 1024;

/// All feeds. One is there while a sensor writes it or somebody reads it.
#[derive(Default)]
pub(crate) struct Feeds {
    feeds: RwLock<HashMap<SensorId, Arc<Feed>>>,
    bytes: AtomicUsize,
    load: AtomicU8,
}

impl Feeds {
    pub(super) fn get(&self, id: &SensorId) -> Option<Arc<Feed>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The feed of a sensor that is connected here, for a registration. What an earlier one left is gone.
    pub(super) fn register(&self, id: &SensorId, epoch: u64, level: Level) -> Arc<Feed> {
        let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
        let feed = feeds.entry(id.clone()).or_insert_with(|| Arc::new(Feed::new(id.clone())));
        let freed = feed.state().register(epoch, level);
        self.account(freed);
        Arc::clone(feed)
    }

    /// Ends the feed of a registration.
    pub(super) fn unregister(&self, feed: &Feed, epoch: u64) {
        let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = feed.state();
        let freed = state.unregister(epoch);
        self.account(freed);
        if state.is_unused() {
            feeds.remove(feed.id());
        }
    }

    /// The feed of a sensor, wherever it is, for a reader that is told of news for levels.
    pub(super) fn join(&self, id: &SensorId, reader: &Arc<Reader>, levels: u8) -> Arc<Feed> {
        let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
        let feed = feeds.entry(id.clone()).or_insert_with(|| Arc::new(Feed::new(id.clone())));
        feed.state().read_by(reader, levels);
        Arc::clone(feed)
    }

    /// Ends a reader of a feed.
    pub(super) fn leave(&self, feed: &Feed, reader: &Arc<Reader>) {
        let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = feed.state();
        state.read_by(reader, 0);
        if state.is_unused() {
            self.account(-state.store.bytes().cast_signed());
            feeds.remove(feed.id());
        }
    }

    /// Takes samples of a sensor that is connected here.
    pub(super) fn push(
        &self,
        feed: &Feed,
        epoch: u64,
        samples: impl IntoIterator<Item = (AttributeId, Sample)>,
        now: Duration,
    ) -> Given {
        let given = feed.push(epoch, samples, self.room(), now);
        self.account(given.bytes);
        given
    }

    /// Takes what another node sent, where anybody here still reads it.
    pub(super) fn apply(&self, line: Line, now: Duration) -> Given {
        let Some(feed) = self.get(&line.sensor) else { return Given::default() };
        let given = feed.apply(line, self.room(), now);
        self.account(given.bytes);
        given
    }

    /// The last samples of a sensor that is connected here, and when the last one came.
    pub(crate) fn latest(&self, id: &SensorId) -> Option<(BTreeMap<AttributeId, Sample>, Duration)> {
        let feed = self.get(id)?;
        let state = feed.state();
        let latest = state.store.latest().map(|(id, sample)| (id.clone(), sample.clone()));
        state.is_local().then(|| (latest.collect(), state.changed_at()))
    }

    /// What all samples cost, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn set_load(&self, load: LoadLevel) {
        self.load.store(load as u8, Ordering::Relaxed);
    }

    fn room(&self) -> Room {
        let load = LoadLevel::ALL.get(usize::from(self.load.load(Ordering::Relaxed))).copied().unwrap_or_default();
        Room { load, bytes: if self.bytes() > BYTES_MAX { SQUEEZED_BYTES } else { STORE_BYTES_MAX } }
    }

    fn account(&self, bytes: isize) {
        if bytes >= 0 {
            self.bytes.fetch_add(bytes.unsigned_abs(), Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(bytes.unsigned_abs(), Ordering::Relaxed);
        }
    }
}
