//! What subscribers of live queries are told.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

use super::{ListDifference, ListRow, ListSpec, LiveCursor};
use crate::world::World;

/// What a subscriber of a window is told.
#[derive(Debug)]
pub struct LiveUpdate {
    /// The world before which it was told.
    pub before: u64,
    /// The world that it leads to.
    pub world: Arc<World>,
    /// What changed inside the window; `None` where it is the total alone.
    pub difference: Option<ListDifference>,
    /// How many lines the whole list has.
    pub total: usize,
    /// Where a subscriber stands that has been told this.
    pub cursor: Arc<LiveCursor>,
    /// The form in which clients hear it, made by the first who needs it.
    pub rendered: OnceLock<Rendered>,
}

/// A form of an update for all of its subscribers.
#[derive(Debug)]
pub struct Rendered {
    /// What is said.
    pub json: Arc<str>,
    /// Whether something is not said that some of them may hear: they need a form of their own.
    pub leaves_out: bool,
}

/// What a subscriber starts from.
#[derive(Debug, Clone)]
pub enum LiveStart {
    /// The window as it is.
    Page {
        /// A world of which its lines are.
        world: Arc<World>,
        /// The world that its subscribers last heard of; from there on it is the same.
        stands: u64,
        /// Its lines.
        rows: Arc<[ListRow]>,
        /// How many lines the whole list has.
        total: usize,
        /// Where a subscriber stands that has been told this.
        cursor: Arc<LiveCursor>,
        /// What the subscriber missed since the moment that it named is not known.
        lost: bool,
    },
    /// What was told, or would have been told, since the moment that the subscriber named; at least one thing. A line may leave that the
    /// subscriber does not have, and one that it has may leave and enter.
    Missed(Vec<Arc<LiveUpdate>>),
}

/// Why a window was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveError {
    /// As many are open as may be.
    Full,
    /// An operator turned live queries off: lists are to be asked for instead.
    Off,
    /// The node is stopping.
    Stopping,
}

/// What comes next.
#[derive(Debug)]
pub enum LiveNext {
    /// A difference.
    Update(Arc<LiveUpdate>),
    /// The subscriber was too slow: it has to open the window anew.
    Behind,
    /// The node stopped, or live queries were turned off.
    Closed,
}

/// A subscriber of a window. Dropping it ends that.
pub struct LiveSubscription {
    pub(super) start: Option<LiveStart>,
    pub(super) updates: broadcast::Receiver<Arc<LiveUpdate>>,
    pub(super) spec: ListSpec,
    pub(super) closed: mpsc::UnboundedSender<ListSpec>,
}

impl fmt::Debug for LiveSubscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LiveSubscription({:?})", self.spec)
    }
}

impl LiveSubscription {
    /// What it starts from; `None` after the first call.
    pub fn take_start(&mut self) -> Option<LiveStart> {
        self.start.take()
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> LiveNext {
        match self.updates.recv().await {
            Ok(update) => LiveNext::Update(update),
            Err(RecvError::Lagged(_)) => LiveNext::Behind,
            Err(RecvError::Closed) => LiveNext::Closed,
        }
    }
}

impl Drop for LiveSubscription {
    fn drop(&mut self) {
        // Nobody counts the subscribers of a node that stopped.
        let _ = self.closed.send(self.spec.clone());
    }
}
