//! The side of a viewer: what one client looks at, and the samples that it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sensocto_model::{AttributeId, FieldError, SensorId};
use sensocto_signals::{
    Act, Battery, Change, Cursor, Due, Interest, Level, Mode, Pace, Picked, Sample, Viewer, Windows,
};
use tokio::sync::Notify;

use super::feed::{Feed, Reader};
use super::stream::{bits, rotated};
use super::{Counters, apply, owner};
use crate::handle::Handle;

/// Bytes of samples that are read into one message; one sensor's more may ride over it. What is left follows.
const MESSAGE_BYTES: usize = 192 * 1024;
/// Bytes that a sample has in a message besides its own.
const OVERHEAD_BYTES: usize = 96;

/// Samples by sensor and attribute.
pub type BySensor<T> = Vec<(SensorId, Vec<(AttributeId, T)>)>;

/// A message for a viewer.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Recent samples, in the place of whatever the viewer has of these attributes.
    Recent {
        /// Oldest first.
        samples: BySensor<Vec<Sample>>,
        /// The viewer read too slowly for everything in between.
        resync: bool,
    },
    /// What came since the last message.
    Batch(BySensor<Picked>),
    /// What became of it, for a viewer that reads too slowly for samples.
    Digest(BySensor<Picked>),
}

/// What one client looks at, until it is dropped.
///
/// It holds no samples, only places in those that the node keeps anyway: a client that does not read costs no more than one that does.
pub struct SignalWatch {
    handle: Handle,
    viewer: Viewer,
    reader: Arc<Reader>,
    pace: Pace,
    sensors: BTreeMap<SensorId, Watched>,
    /// Sensors whose recent samples were not told yet.
    fresh: BTreeSet<SensorId>,
    resync: bool,
    recent: usize,
    /// Where to go on reading.
    from: Option<SensorId>,
}

struct Watched {
    feed: Arc<Feed>,
    cursor: Cursor,
    interest: Interest,
    seen: u64,
}

impl fmt::Debug for SignalWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SignalWatch({} sensors)", self.sensors.len())
    }
}

impl SignalWatch {
    pub(crate) fn new(handle: Handle, wake: Arc<Notify>) -> SignalWatch {
        Counters::add(&handle.0.signals.counters.viewers, 1);
        SignalWatch {
            handle,
            viewer: Viewer::default(),
            reader: Arc::new(Reader::new(wake)),
            pace: Pace::new(Windows::CLIENTS),
            sensors: BTreeMap::new(),
            fresh: BTreeSet::new(),
            resync: false,
            recent: 0,
            from: None,
        }
    }

    /// Has exactly these sensors in view, or with `keep` these besides the others, and wants `recent` samples of each attribute first.
    /// How many of them no node has at the moment.
    ///
    /// # Errors
    /// They would be too many; nothing is changed.
    pub fn show(
        &mut self,
        sensors: &[SensorId],
        interest: &Interest,
        keep: bool,
        recent: usize,
    ) -> Result<usize, FieldError> {
        let changes = self.viewer.show(sensors, interest, keep)?;
        self.recent = recent;
        self.settle(&changes);
        let world = self.handle.world();
        Ok(sensors.iter().filter(|sensor| owner(&world, sensor).is_none()).count())
    }

    /// Has these sensors no more in view.
    pub fn hide(&mut self, sensors: &[SensorId]) {
        let changes = self.viewer.hide(sensors);
        self.settle(&changes);
    }

    /// Begins or ends to do something with a sensor, or with one of its attributes; how closely it looks at it then.
    ///
    /// # Errors
    /// It does too much at one time; nothing is changed.
    pub fn act(
        &mut self,
        sensor: &SensorId,
        attribute: Option<AttributeId>,
        act: Act,
        begins: bool,
    ) -> Result<Level, FieldError> {
        let (load, now) = (self.handle.load().level, self.handle.clock().mono());
        let change = self.viewer.act(sensor, attribute, act, begins, load, now)?;
        self.settle(change.as_slice());
        Ok(self.viewer.interest(sensor).level())
    }

    /// Takes in the state of the device's battery.
    pub fn set_battery(&mut self, battery: Battery) {
        let changes = self.viewer.set_battery(battery);
        self.settle(&changes);
    }

    /// How many sensors it looks at.
    #[must_use]
    pub fn len(&self) -> usize {
        self.viewer.len()
    }

    /// Whether it looks at none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.viewer.is_empty()
    }

    /// When something that only still counts ends, on the node's clock; to be told by [`SignalWatch::handle_tick`].
    #[must_use]
    pub fn attention_due_at(&self) -> Option<Duration> {
        self.viewer.poll_timeout()
    }

    /// Ends what only still counted.
    pub fn handle_tick(&mut self) {
        let changes = self.viewer.handle_tick(self.handle.clock().mono());
        self.settle(&changes);
    }

    /// When there is something to tell, on the node's clock.
    pub fn due_at(&mut self) -> Option<Duration> {
        let now = self.handle.clock().mono();
        if !self.fresh.is_empty() {
            return Some(now);
        }
        self.pace.note(self.reader.news(), now);
        self.pace.due_at(self.handle.load().level)
    }

    /// What to tell a client that has room for it; empty where nothing is due.
    pub fn tell(&mut self) -> Vec<Told> {
        if let Some(told) = self.tell_fresh() {
            return vec![told];
        }
        let (load, now) = (self.handle.load().level, self.handle.clock().mono());
        self.pace.note(self.reader.news(), now);
        let Some(due) = self.pace.take(now, load) else { return Vec::new() };
        let news = self.reader.take();
        self.pace.note(news & !due.levels(), now);
        let counters = &self.handle.0.signals.counters;
        match due.mode() {
            Mode::Resync => {
                Counters::add(&counters.resyncs, 1);
                self.start_over();
                self.tell_fresh().into_iter().collect()
            }
            Mode::Digest => {
                Counters::add(&counters.digests, 1);
                self.read(due, now)
            }
            Mode::Batch => self.read(due, now),
        }
    }

    /// Everything is told anew.
    fn start_over(&mut self) {
        self.resync = true;
        for (sensor, watched) in &mut self.sensors {
            watched.cursor.clear();
            self.fresh.insert(sensor.clone());
        }
    }

    fn tell_fresh(&mut self) -> Option<Told> {
        let mut samples = Vec::new();
        let mut bytes = 0;
        while bytes < MESSAGE_BYTES
            && let Some(sensor) = self.fresh.pop_first()
        {
            let Some(watched) = self.sensors.get_mut(&sensor) else { continue };
            let read = watched.recent(self.recent);
            bytes += cost_of(&read);
            if !read.is_empty() {
                samples.push((sensor, read));
            }
        }
        let resync = self.resync;
        self.resync &= !self.fresh.is_empty();
        self.count_put_off(!self.fresh.is_empty());
        (!samples.is_empty()).then_some(Told::Recent { samples, resync })
    }

    fn count_put_off(&self, some: bool) {
        Counters::add(&self.handle.0.signals.counters.put_off, usize::from(some));
    }

    /// Reads what is due.
    fn read(&mut self, due: Due, now: Duration) -> Vec<Told> {
        let (mut recent, mut picked): (BySensor<Vec<Sample>>, BySensor<Picked>) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for sensor in rotated(&self.sensors, self.from.take()) {
            let Some(watched) = self.sensors.get_mut(&sensor) else { continue };
            let version = watched.feed.version();
            if version == watched.seen {
                continue;
            }
            if bytes >= MESSAGE_BYTES {
                self.from = Some(sensor);
                break;
            }
            let new = watched.recent(self.recent);
            let read = watched.feed.state().store.read(&mut watched.cursor, &watched.interest, due);
            if bits(&watched.interest) & !due.levels() == 0 {
                watched.seen = version;
            }
            bytes += cost_of(&new) + read.iter().map(|(_, picked)| cost(picked)).sum::<usize>();
            if !new.is_empty() {
                recent.push((sensor.clone(), new));
            }
            if !read.is_empty() {
                picked.push((sensor, read));
            }
        }
        if self.from.is_some() {
            self.pace.note(due.levels(), now);
        }
        self.count_put_off(self.from.is_some());
        let recent = (!recent.is_empty()).then_some(Told::Recent { samples: recent, resync: false });
        let digest = due.mode() == Mode::Digest;
        let told = |picked| if digest { Told::Digest(picked) } else { Told::Batch(picked) };
        recent.into_iter().chain((!picked.is_empty()).then(|| told(picked))).collect()
    }

    /// Draws the consequences of what the viewer did.
    fn settle(&mut self, changes: &[Change]) {
        let feeds = &self.handle.0.signals.feeds;
        for change in changes {
            if !change.after.wants_data() {
                if let Some(watched) = self.sensors.remove(&change.sensor) {
                    feeds.leave(&watched.feed, &self.reader);
                }
                continue;
            }
            let levels = bits(&change.after);
            let feed = feeds.join(&change.sensor, &self.reader, levels);
            let known = self.sensors.get_mut(&change.sensor);
            if let Some(watched) = known {
                watched.interest = change.after.clone();
                watched.seen = 0;
                self.reader.note(levels);
            } else {
                let watched = Watched { feed, cursor: Cursor::default(), interest: change.after.clone(), seen: 0 };
                self.sensors.insert(change.sensor.clone(), watched);
                self.fresh.insert(change.sensor.clone());
            }
        }
        apply(&self.handle.0, changes, false);
    }
}

impl Watched {
    /// The recent samples of attributes that were not told before.
    fn recent(&mut self, count: usize) -> Vec<(AttributeId, Vec<Sample>)> {
        self.feed.state().store.recent(&mut self.cursor, &self.interest, count)
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        let inner = &self.handle.0;
        for watched in self.sensors.values() {
            inner.signals.feeds.leave(&watched.feed, &self.reader);
        }
        // A client that goes without saying that it looks at nothing any more may come back.
        apply(inner, &self.viewer.clear(), true);
        inner.signals.counters.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn cost_of(samples: &[(AttributeId, Vec<Sample>)]) -> usize {
    samples.iter().flat_map(|(_, samples)| samples).map(|sample| sample.cost() + OVERHEAD_BYTES).sum()
}

fn cost(picked: &Picked) -> usize {
    match picked {
        Picked::Latest(sample) => sample.cost() + OVERHEAD_BYTES,
        Picked::Every(samples) => samples.iter().map(|sample| sample.cost() + OVERHEAD_BYTES).sum(),
        Picked::Digest(digest) => digest.latest.cost() + 2 * OVERHEAD_BYTES,
    }
}
