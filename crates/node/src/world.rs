//! What readers read, and how they hear of changes.

use std::sync::Arc;

use sensocto_registry::{Counters, Event, Sizes, View};
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

/// Batches that a slow subscriber may be behind before it has to read the world anew.
pub(crate) const BATCHES_MAX: usize = 1_024;

/// The world at one moment.
#[derive(Debug, Clone)]
pub struct World {
    /// Its place in the order of this node's worlds.
    pub seq: u64,
    /// The entries and the nodes.
    pub view: View,
    /// What the registry counted.
    pub counters: Counters,
    /// How much the registry keeps.
    pub sizes: Sizes,
}

/// What led from one world to the next.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The world it led to.
    pub world: Arc<World>,
    /// What changed, in order.
    pub events: Arc<[Event]>,
}

/// Follows the world from one moment on.
///
/// [`Subscription::world`] and the batches that [`Subscription::next`] returns fit together without a gap or a repetition.
#[derive(Debug)]
pub struct Subscription {
    world: Arc<World>,
    batches: broadcast::Receiver<Batch>,
}

/// What a subscriber gets.
#[derive(Debug)]
pub enum Next {
    /// The next batch.
    Batch(Batch),
    /// It was too slow: here is the world as it is, and what led there is not told.
    Resync(Arc<World>),
    /// The node stopped.
    Closed,
}

impl Subscription {
    /// `batches` must have been subscribed to before `world` was read.
    pub(crate) fn new(world: Arc<World>, batches: broadcast::Receiver<Batch>) -> Subscription {
        Subscription { world, batches }
    }

    /// The world as of the last batch.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub async fn next(&mut self, current: impl Fn() -> Arc<World>) -> Next {
        loop {
            match self.batches.recv().await {
                Ok(batch) => {
                    if let Some(next) = self.take(batch) {
                        return next;
                    }
                }
                Err(RecvError::Lagged(_)) => return self.resync(current()),
                Err(RecvError::Closed) => return Next::Closed,
            }
        }
    }

    /// What is there now; `None` where there is nothing.
    pub fn try_next(&mut self, current: impl Fn() -> Arc<World>) -> Option<Next> {
        loop {
            match self.batches.try_recv() {
                Ok(batch) => {
                    if let Some(next) = self.take(batch) {
                        return Some(next);
                    }
                }
                Err(TryRecvError::Lagged(_)) => return Some(self.resync(current())),
                Err(TryRecvError::Closed) => return Some(Next::Closed),
                Err(TryRecvError::Empty) => return None,
            }
        }
    }

    fn take(&mut self, batch: Batch) -> Option<Next> {
        // The world was read after subscribing, so the first batches may be in it already.
        if batch.world.seq <= self.world.seq {
            return None;
        }
        self.world = Arc::clone(&batch.world);
        Some(Next::Batch(batch))
    }

    fn resync(&mut self, world: Arc<World>) -> Next {
        self.world = world;
        Next::Resync(Arc::clone(&self.world))
    }
}
