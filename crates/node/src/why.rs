//! Why this node shows an entry as it does: who holds it, when its last change was seen, and the last conflict about it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sensocto_model::{Key, Kind, Origin, SensorId, Stamp, Version};
use sensocto_registry::{Event, Freshness};

use crate::handle::Handle;
use crate::world::Batch;

/// Batches whose moment is remembered: with ten a second, the last hour and a half. The oldest go first.
const BATCHES_MAX: usize = 65_536;
/// Takeovers that are remembered. The oldest go first.
const CONFLICTS_MAX: usize = 10_000;

/// What is known of one entry.
#[derive(Debug, Clone)]
pub struct Why {
    /// Who holds it, the one that is shown first; empty where it is not in the world.
    pub holders: Vec<WhyHolder>,
    /// How long ago the last change was seen; `None` where it is longer ago than this node remembers.
    pub seen: Option<Duration>,
    /// The last takeover that this node remembers.
    pub last_conflict: Option<Conflict>,
}

/// One origin's registration of an entry.
#[derive(Debug, Clone)]
pub struct WhyHolder {
    /// Whose.
    pub origin: Origin,
    /// The place of the last change in its log.
    pub version: Version,
    /// When it was registered.
    pub stamp: Stamp,
    /// How far the copy can be trusted.
    pub freshness: Freshness,
    /// For how long it has not been proved.
    pub age: Duration,
}

/// An id that went from one origin to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who held it.
    pub from: Origin,
    /// Who took it over.
    pub to: Origin,
    /// How long ago.
    pub ago: Duration,
}

#[derive(Debug, Clone)]
struct Takeover {
    from: Origin,
    to: Origin,
    at: Duration,
}

/// What is remembered of what happened.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// The number of the last change in each batch, and when it was seen.
    batches: VecDeque<(u64, Duration)>,
    takeovers: BTreeMap<Key, Takeover>,
    order: VecDeque<(Key, Duration)>,
}

impl History {
    /// Notes when a batch was seen, and which entries other nodes took over in it.
    pub(crate) fn note(&self, batch: &Batch, mono: Duration) {
        if batch.events.is_empty() {
            return;
        }
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.batches.push_back((batch.world.view.changes(), mono));
        if memory.batches.len() > BATCHES_MAX {
            memory.batches.pop_front();
        }
        for event in batch.events.iter() {
            memory.note(event, mono);
        }
    }

    fn seen_at(&self, changed: u64) -> Option<Duration> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = memory.batches.partition_point(|(last, _)| *last < changed);
        // What came before the first batch that is remembered may be of any age, unless nothing was forgotten.
        let known = at > 0 || memory.batches.len() < BATCHES_MAX;
        memory.batches.get(at).filter(|_| known).map(|(_, at)| *at)
    }

    fn takeover(&self, key: &Key) -> Option<Takeover> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).takeovers.get(key).cloned()
    }
}

impl Memory {
    fn note(&mut self, event: &Event, mono: Duration) {
        let Some(previous) = event.previous.as_ref().filter(|previous| previous.origin.node != event.held.origin.node)
        else {
            return;
        };
        let (from, to) = (Origin::clone(&previous.origin), Origin::clone(&event.held.origin));
        self.takeovers.insert(event.key.clone(), Takeover { from, to, at: mono });
        self.order.push_back((event.key.clone(), mono));
        if self.order.len() > CONFLICTS_MAX
            && let Some((key, at)) = self.order.pop_front()
            && self.takeovers.get(&key).is_some_and(|takeover| takeover.at == at)
        {
            self.takeovers.remove(&key);
        }
    }
}

impl Handle {
    /// Why this node shows an entry as it does; `None` where nothing is known of it.
    #[must_use]
    pub fn why(&self, kind: Kind, id: &str) -> Option<Why> {
        let (world, mono) = (self.world(), self.clock().mono());
        // All ids of entries follow one rule.
        let key = Key { kind, ..Key::sensor(&SensorId::new(id).ok()?) };
        let last_conflict = self.0.history.takeover(&key).map(|Takeover { from, to, at }| Conflict {
            from,
            to,
            ago: mono.saturating_sub(at),
        });
        let Some((holders, changed)) = world.view.holders(kind, id) else {
            return last_conflict.map(|conflict| Why {
                holders: Vec::new(),
                seen: None,
                last_conflict: Some(conflict),
            });
        };
        let holder = |held: &sensocto_registry::Held| {
            let (freshness, age) = world.view.freshness(held, mono);
            WhyHolder {
                origin: Origin::clone(&held.origin),
                version: held.entry.version,
                stamp: held.entry.stamp,
                freshness,
                age,
            }
        };
        let seen = self.0.history.seen_at(changed).map(|at| mono.saturating_sub(at));
        Some(Why { holders: holders.iter().map(holder).collect(), seen, last_conflict })
    }
}
