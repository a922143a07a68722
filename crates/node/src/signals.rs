//! Signals on one node: the recent samples of sensors, who reads them, and what travels to and from other nodes.
//!
//! A [`Feed`](feed::Feed) holds the samples of one sensor: of one that is connected here, or a copy of what another node sends because
//! somebody here looks. Readers keep places in it, so a slow one costs nobody anything. What everybody wants is decided by the
//! [`Exchange`]; [`Traffic`] is the one task that carries it out.

mod connector;
mod feed;
mod feeds;
mod load;
mod stream;
#[cfg(test)]
mod tests;
mod traffic;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sensocto_model::{Kind, NodeName, Origin, SensorId};
use sensocto_signals::{Change, Exchange, Load, LoadMeter, Reading};
use tokio::sync::{Notify, watch as latest};

use crate::handle::Inner;
pub use connector::LocalSignals;
pub use feed::PAYLOAD_BYTES_MAX;
pub(crate) use feeds::Feeds;
pub(crate) use load::measure;
pub(crate) use traffic::Traffic;
pub use watch::{BySensor, SignalWatch, Told};

/// What a node knows about signals.
pub(crate) struct Signals {
    pub(crate) feeds: Feeds,
    exchange: Mutex<Exchange>,
    /// There is something for the traffic to do.
    wake: Arc<Notify>,
    load: latest::Sender<Load>,
    meter: Mutex<LoadMeter>,
    pub(crate) counters: Counters,
}

/// What is counted. Numbers only grow, but for the two that say how much there is.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Samples taken in from connectors.
    pub(crate) samples_in: AtomicU64,
    /// Samples of attributes that a sensor may not have.
    pub(crate) samples_refused: AtomicU64,
    /// Samples sent to other nodes, and the frames they were in.
    pub(crate) samples_out: AtomicU64,
    pub(crate) frames_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// Samples of other nodes, and frames.
    pub(crate) samples_received: AtomicU64,
    pub(crate) frames_in: AtomicU64,
    pub(crate) frames_refused: AtomicU64,
    /// Frames that wait to be taken in.
    pub(crate) frames_waiting: AtomicU64,
    /// Viewers that read too slowly for samples.
    pub(crate) digests: AtomicU64,
    pub(crate) resyncs: AtomicU64,
    /// Messages to viewers, and turns of streams to other nodes, that did not hold everything that was due.
    pub(crate) put_off: AtomicU64,
    /// Viewers there are.
    pub(crate) viewers: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Signals {
    pub(crate) fn new(me: Origin) -> Signals {
        Signals {
            feeds: Feeds::default(),
            exchange: Mutex::new(Exchange::new(me)),
            wake: Arc::default(),
            load: latest::Sender::new(Load::default()),
            meter: Mutex::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How loaded this node is.
    pub(crate) fn load(&self) -> Load {
        *self.load.borrow()
    }

    /// How loaded this node is, and every change of it.
    pub(crate) fn load_changes(&self) -> latest::Receiver<Load> {
        self.load.subscribe()
    }

    /// The readings that the load was drawn from, as their mean.
    pub(crate) fn load_reading(&self) -> Reading {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).mean()
    }

    /// The weighted sum that the load was drawn from.
    pub(crate) fn load_sum(&self) -> f64 {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).sum()
    }

    /// Takes in another load than before.
    pub(crate) fn set_load(&self, load: Load) {
        self.exchange().set_load(load.level);
        self.feeds.set_load(load.level);
        self.load.send_replace(load);
    }

    /// Sensors that somebody here looks at; sensors of which anybody wants something of this node; what the exchange counted.
    pub(crate) fn exchange_state(&self) -> (usize, usize, sensocto_signals::Counters) {
        let exchange = self.exchange();
        (exchange.watched_len(), exchange.wanted_len(), exchange.counters())
    }
}

/// Tells the exchange what a viewer here changed. A viewer that was `lost` may come back.
fn apply(inner: &Inner, changes: &[Change], lost: bool) {
    if changes.is_empty() {
        return;
    }
    let now = inner.clock.mono();
    let mut exchange = inner.signals.exchange();
    // Read under the lock: a change of place that this world does not know of yet is told to the exchange after this.
    let world = inner.world.load();
    for change in changes {
        exchange.change(change, owner(&world, &change.sensor).as_ref(), lost, now);
    }
    drop(exchange);
    inner.signals.wake.notify_one();
}

/// The node that a sensor is on.
fn owner(world: &crate::World, sensor: &SensorId) -> Option<NodeName> {
    world.view.get(Kind::Sensor, sensor.as_str()).map(|held| held.origin.node.clone())
}
