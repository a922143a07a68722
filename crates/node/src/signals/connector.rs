//! The side of a sensor: its samples come in here, and its connector hears how closely anybody looks.

use std::fmt;
use std::sync::Arc;

use sensocto_model::{AttributeId, SensorId, Stamp};
use sensocto_signals::{Level, Sample};

use super::Counters;
use super::feed::Feed;
use crate::handle::Handle;

/// The signals of one registration of a sensor on this node, until it is dropped.
pub struct LocalSignals {
    handle: Handle,
    feed: Arc<Feed>,
    epoch: u64,
}

impl fmt::Debug for LocalSignals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LocalSignals({}, {})", self.feed.id(), self.epoch)
    }
}

impl LocalSignals {
    /// Of a registration with this stamp.
    pub(crate) fn new(handle: Handle, id: &SensorId, stamp: Stamp) -> LocalSignals {
        // Unlike any other registration of the sensor: stamps grow, and no node registers one sensor 65,536 times in a millisecond.
        let epoch = (stamp.wall_ms << 16) | u64::from(stamp.counter & 0xFFFF);
        let exchange = handle.0.signals.exchange();
        // Under the lock, so that no change of attention falls between reading it and hearing of changes.
        let feed = handle.0.signals.feeds.register(id, epoch, exchange.level(id));
        drop(exchange);
        LocalSignals { handle, feed, epoch }
    }

    /// Takes samples, in the order in which they came. Those of attributes beyond the 64 that a sensor may have are counted and dropped,
    /// as is everything after a newer registration took the sensor over.
    pub fn push(&self, samples: impl IntoIterator<Item = (AttributeId, Sample)>) {
        let inner = &self.handle.0;
        let given = inner.signals.feeds.push(&self.feed, self.epoch, samples, inner.clock.mono());
        Counters::add(&inner.signals.counters.samples_in, given.taken);
        Counters::add(&inner.signals.counters.samples_refused, given.refused);
    }

    /// Hears of each change of the sensor's attention from now on, and says how it is. The listener is called by whoever made the change:
    /// it must not wait.
    pub fn listen(&self, listener: impl Fn(Level) + Send + Sync + 'static) -> Level {
        let mut state = self.feed.state();
        if state.is_written_by(self.epoch) {
            state.listen(Box::new(listener));
        }
        state.level()
    }
}

impl Drop for LocalSignals {
    fn drop(&mut self) {
        self.handle.0.signals.feeds.unregister(&self.feed, self.epoch);
    }
}
