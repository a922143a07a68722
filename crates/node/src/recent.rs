//! What changed lately: a subscriber whose node died hears from another one what it missed.
//!
//! The subscriber says how far each log had been seen by the node that told it (its *marks*). Here it is known in which order changes came
//! to this node. The latest moment at which this node had seen no more than the marks say is looked for: whatever changed after it, the
//! subscriber *may* have missed. It is told about all of that. What it had heard already, it hears once more, which changes nothing.
//!
//! Some removals come by time and not by a log: those of nodes that are gone, and of entries that moved. Two nodes do not do them at the
//! same moment, so that all removals that are remembered count as possibly missed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sensocto_model::{Generation, NodeName, Origin, Version};
use sensocto_registry::{Cause, Event, EventKind, Held, Mark};

use crate::live::ListQuery;
use crate::world::World;

/// How long changes are remembered, and how many at most.
const KEPT_FOR: Duration = Duration::from_secs(60);
const EVENTS_MAX: usize = 16_384;
/// By how much two nodes may differ in when they take out what is gone. Where less is remembered, it is not known what was missed.
const APART: Duration = Duration::from_secs(15);
/// Changes that one subscriber may have missed. With more of them a fresh page is shorter.
const MISSED_MAX: usize = 2_000;

/// How far each log had been seen.
type Seen = Vec<(Arc<Origin>, Version)>;

/// Something that a subscriber may have missed.
#[derive(Debug, Clone)]
pub(crate) struct Missed {
    /// The entry as it is, or as it last was.
    pub(crate) held: Held,
    /// Why it is gone, where it is.
    pub(crate) cause: Option<Cause>,
}

#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// How far logs had been seen before the first batch.
    before: Seen,
    /// When the last batch came that is not remembered any more.
    forgotten_at: Option<Duration>,
    batches: VecDeque<Noted>,
    events: usize,
}

#[derive(Debug)]
struct Noted {
    at: Duration,
    events: Arc<[Event]>,
    /// How far logs had been seen after it.
    after: Seen,
}

impl Recent {
    /// Notes what led to a world.
    pub(crate) fn note(&self, world: &World, events: &Arc<[Event]>, mono: Duration) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !events.is_empty() {
            let after = world.view.nodes().values().map(|node| (Arc::clone(&node.origin), node.version)).collect();
            ring.events += events.len();
            ring.batches.push_back(Noted { at: mono, events: Arc::clone(events), after });
        }
        let old = |noted: &Noted| mono.saturating_sub(noted.at) > KEPT_FOR;
        while ring.events > EVENTS_MAX || ring.batches.front().is_some_and(old) {
            let Some(noted) = ring.batches.pop_front() else { return };
            ring.events -= noted.events.len();
            ring.before = noted.after;
            ring.forgotten_at = Some(noted.at);
        }
    }

    /// Changes that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).events
    }

    /// The lines of a list that a subscriber may have missed a change of; `None` where that is not known, or they are too many.
    pub(crate) fn missed(&self, list: &ListQuery, marks: &[Mark], mono: Duration) -> Option<BTreeMap<String, Missed>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.forgotten_at.is_some_and(|at| mono.saturating_sub(at) < APART) {
            return None;
        }
        let told: BTreeMap<&NodeName, (Generation, Version)> =
            marks.iter().map(|mark| (&mark.origin.node, (mark.origin.generation, mark.version))).collect();
        let known = ring.batches.iter().rposition(|noted| is_within(&noted.after, &told)).map_or(0, |at| at + 1);
        if known == 0 && !is_within(&ring.before, &told) {
            return None;
        }
        let mut missed = BTreeMap::new();
        for (number, noted) in ring.batches.iter().enumerate() {
            for event in noted.events.iter() {
                let cause = match event.kind {
                    EventKind::Unregistered(cause) => Some(cause),
                    EventKind::Registered | EventKind::Updated if number < known => continue,
                    EventKind::Registered | EventKind::Updated => None,
                };
                for id in list.touched(event) {
                    missed.insert(id.to_owned(), Missed { held: event.held.clone(), cause });
                }
                if missed.len() > MISSED_MAX {
                    return None;
                }
            }
        }
        Some(missed)
    }
}

/// Whether everything that had been seen is within what was told: of the same starts of nodes, whose logs are then the same.
fn is_within(seen: &Seen, told: &BTreeMap<&NodeName, (Generation, Version)>) -> bool {
    seen.iter().all(|(origin, version)| {
        let told = told.get(&origin.node);
        *version == Version::ZERO
            || told.is_some_and(|(generation, to)| *generation == origin.generation && to >= version)
    })
}
