//! How much of states may be on the way to clients at the same time.
//!
//! A state grows with its topic, and when a node is lost thousands want one at once: each would be in memory until its client has read
//! it. So they wait for their turn, and meanwhile what they will be told stays one shared text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bytes of states on the way. One larger state travels alone.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// States that need no turn: they are no larger than what a socket may have waiting anyway.
const BYTES_FREE: usize = 64 * 1024;
/// Waiting sockets that are woken when a state has been read.
const WOKEN: usize = 4;

/// What all sockets of a node share.
#[derive(Debug, Default)]
pub(crate) struct Allowance(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    used: usize,
    // By address: a socket waits once, however often it asks.
    waiting: BTreeMap<usize, Arc<Notify>>,
}

/// A part of the allowance, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Arc<Allowance>,
    bytes: usize,
}

impl Allowance {
    /// The turn of a state of so many bytes; where there is none yet, `wake` is told when to ask again.
    pub(crate) fn turn(self: &Arc<Allowance>, bytes: usize, wake: &Arc<Notify>) -> Option<Turn> {
        let bytes = if bytes <= BYTES_FREE { 0 } else { bytes };
        let mut state = self.lock();
        let place = Arc::as_ptr(wake).addr();
        if bytes > 0 && state.used > 0 && state.used + bytes > BYTES_MAX {
            state.waiting.insert(place, Arc::clone(wake));
            return None;
        }
        state.used += bytes;
        state.waiting.remove(&place);
        Some(Turn { of: Arc::clone(self), bytes })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut state = self.of.lock();
        state.used -= self.bytes;
        for _ in 0..WOKEN {
            // A socket that ended meanwhile wakes nobody; the others look again with their next tick.
            let Some((_, wake)) = state.waiting.pop_first() else { return };
            wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_states_take_turns_and_small_ones_do_not_wait() {
        let allowance = Arc::new(Allowance::default());
        let wakes: Vec<Arc<Notify>> = (0..3).map(|_| Arc::default()).collect();
        let first = allowance.turn(BYTES_MAX * 2, &wakes[0]).expect("one larger state travels alone");
        assert!(allowance.turn(BYTES_FREE + 1, &wakes[1]).is_none());
        assert!(allowance.turn(BYTES_FREE + 1, &wakes[1]).is_none());
        assert!(allowance.turn(BYTES_FREE, &wakes[2]).is_some());
        assert_eq!(allowance.lock().waiting.len(), 1);
        drop(first);
        wakes[1].notified().await;
        assert!(allowance.turn(BYTES_FREE + 1, &wakes[1]).is_some());
        let state = allowance.lock();
        assert_eq!((state.used, state.waiting.len()), (0, 0));
    }
}
