//! How long changes take to get from every other node to this one, measured all the time.
//!
//! A node notes when its world first showed each version of its own log, and when that of each other node's. It asks the others for
//! their notes (`hello`), and takes the difference. Clocks of machines differ, so theirs are translated first: an answer came between
//! the moments of asking and of hearing, and its clock read what it said at the middle of them, give or take half of the round trip.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sensocto_model::{Generation, NodeName, Origin, Version};
use serde::{Deserialize, Serialize};

use crate::world::World;

/// A node whose log stood still for this long counts a change that changes nothing, so that there is always something to measure.
pub(crate) const BEAT_AFTER: Duration = Duration::from_secs(1);
/// Notes of another node's log. A version whose note is gone when it is asked for is not measured.
const NOTES_MAX: usize = 8_192;
/// Notes of the own log that are kept for the others, and how far apart they are at least.
const OWN_MAX: usize = 64;
const OWN_APART: Duration = Duration::from_millis(100);
/// Measurements of one way: those of the last five minutes, at most so many.
const SAMPLES_MAX: usize = 1_024;
const SAMPLES_FOR: Duration = Duration::from_secs(300);
/// By how much two clocks may drift apart, in millionths: more than crystals do.
const DRIFT_PPM: u64 = 100;

/// A log's version and when a world first showed it, on the clock of the node whose world it is.
pub(crate) type Note = (Version, Duration);

/// The times that changes took on one way, over the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propagation {
    /// How many were measured.
    pub samples: u32,
    /// Half of them took at most this.
    pub p50: Duration,
    /// 99 of 100 took at most this.
    pub p99: Duration,
    /// By how much clocks may falsify each, at most, for half of them.
    pub error: Duration,
    /// How long ago the last one was measured, as the node said that measured it.
    pub age: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    took: Duration,
    error: Duration,
}

/// What another node's clock shows beside this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Translation {
    /// Of this node's clock.
    at: Duration,
    /// Its clock, minus this one's, in nanoseconds.
    ahead: i128,
    error: Duration,
}

impl Translation {
    fn new((asked, answered): (Duration, Duration), theirs: Duration) -> Translation {
        let half = answered.saturating_sub(asked) / 2;
        let ahead = nanos(theirs) - nanos(asked + half);
        Translation { at: answered, ahead, error: half }
    }

    /// How wrong it may be at a moment.
    fn error_at(&self, mono: Duration) -> Duration {
        let age = mono.saturating_sub(self.at);
        self.error + Duration::from_micros(u64::try_from(age.as_micros()).unwrap_or(u64::MAX) / 1_000_000 * DRIFT_PPM)
    }

    /// How long after a moment of their clock one of this clock was. Never negative: a change is not seen before it is made.
    fn since(&self, theirs: Duration, mine: Duration) -> Duration {
        let nanos = nanos(mine) + self.ahead - nanos(theirs);
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[derive(Debug, Default)]
struct Way {
    generation: Generation,
    notes: VecDeque<Note>,
    /// The version that was measured last.
    measured: Version,
    translation: Option<Translation>,
    samples: VecDeque<Sample>,
}

impl Way {
    fn of(generation: Generation) -> Way {
        Way { generation, ..Way::default() }
    }

    /// When this node's world first showed a version; `None` where that is not known.
    fn seen_at(&self, version: Version) -> Option<Duration> {
        let at = self.notes.partition_point(|(noted, _)| *noted < version);
        // The first note stands for all that came before it, in a whole log or while nobody took notes.
        self.notes.get(at).filter(|_| at > 0).map(|(_, at)| *at)
    }

    fn stands(&self) -> Version {
        self.notes.back().map_or(Version::ZERO, |(version, _)| *version)
    }

    fn measure(&mut self, exchange: (Duration, Duration), theirs: Duration, changes: &[Note]) {
        let mono = exchange.1;
        let fresh = Translation::new(exchange, theirs);
        // The exchange before this one may have been quicker, and so more exact.
        let best = self.translation.filter(|before| before.error_at(mono) < fresh.error).unwrap_or(fresh);
        self.translation = Some(fresh);
        for (version, made_at) in changes {
            if *version > self.stands() {
                break;
            }
            if *version <= self.measured {
                continue;
            }
            self.measured = *version;
            let Some(seen_at) = self.seen_at(*version) else { continue };
            let took = best.since(*made_at, seen_at);
            self.samples.push_back(Sample { at: mono, took, error: best.error_at(mono) });
        }
        self.expire(mono);
    }

    fn expire(&mut self, mono: Duration) {
        let old = |sample: &Sample| mono.saturating_sub(sample.at) > SAMPLES_FOR;
        while self.samples.len() > SAMPLES_MAX || self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
    }

    fn summary(&mut self, mono: Duration) -> Option<Propagation> {
        self.expire(mono);
        let last = self.samples.back()?.at;
        let sorted = |value: fn(&Sample) -> Duration| {
            let mut values: Vec<Duration> = self.samples.iter().map(value).collect();
            values.sort_unstable();
            values
        };
        let (took, errors) = (sorted(|sample| sample.took), sorted(|sample| sample.error));
        Some(Propagation {
            samples: u32::try_from(took.len()).unwrap_or(u32::MAX),
            p50: quantile(&took, 50),
            p99: quantile(&took, 99),
            error: quantile(&errors, 50),
            age: mono.saturating_sub(last),
        })
    }
}

/// The value that so many of a hundred do not exceed; the nearest one that was measured.
fn quantile(sorted: &[Duration], of_hundred: usize) -> Duration {
    let rank = (sorted.len() * of_hundred).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Everything that was noted and measured on this node.
#[derive(Debug)]
pub(crate) struct Propagations {
    me: Origin,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    own: VecDeque<Note>,
    /// The version at which the own log stands, and since when.
    own_stands: Note,
    ways: BTreeMap<NodeName, Way>,
}

impl Propagations {
    pub(crate) fn new(me: Origin) -> Propagations {
        Propagations { me, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which versions a world shows for the first time.
    pub(crate) fn note(&self, world: &World, mono: Duration) {
        let mut state = self.lock();
        for (name, node) in world.view.nodes() {
            if *name == self.me.node {
                state.note_own(node.version, mono);
                continue;
            }
            let generation = node.origin.generation;
            let way = state.ways.entry(name.clone()).or_insert_with(|| Way::of(generation));
            if way.generation != generation {
                *way = Way::of(generation);
            }
            if way.notes.is_empty() || node.version > way.stands() {
                way.notes.push_back((node.version, mono));
                if way.notes.len() > NOTES_MAX {
                    way.notes.pop_front();
                }
            }
        }
        state.ways.retain(|name, _| world.view.nodes().contains_key(name));
    }

    /// Whether the own log stood still for so long that there is nothing to measure.
    pub(crate) fn is_beat_due(&self, mono: Duration) -> bool {
        let state = self.lock();
        !state.ways.is_empty() && mono.saturating_sub(state.own_stands.1) >= BEAT_AFTER
    }

    /// The notes of the own log after a version of a start of this node.
    pub(crate) fn own_after(&self, own: Generation, (generation, version): (Generation, Version)) -> Vec<Note> {
        let after = if generation == own { version } else { Version::ZERO };
        self.lock().own.iter().filter(|(noted, _)| *noted > after).copied().collect()
    }

    /// What was measured last of a node's log.
    pub(crate) fn measured(&self, node: &NodeName) -> (Generation, Version) {
        self.lock().ways.get(node).map(|way| (way.generation, way.measured)).unwrap_or_default()
    }

    /// Takes another node's notes: when it was asked and had answered, what its clock showed, and when it made which changes.
    pub(crate) fn measure(&self, from: &Origin, exchange: (Duration, Duration), theirs: Duration, changes: &[Note]) {
        let mut state = self.lock();
        if let Some(way) = state.ways.get_mut(&from.node).filter(|way| way.generation == from.generation) {
            way.measure(exchange, theirs, changes);
        }
    }

    /// The times of the ways to this node, by the node that the changes came from.
    pub(crate) fn row(&self, mono: Duration) -> BTreeMap<NodeName, Propagation> {
        let mut state = self.lock();
        state.ways.iter_mut().filter_map(|(name, way)| Some((name.clone(), way.summary(mono)?))).collect()
    }
}

impl State {
    fn note_own(&mut self, version: Version, mono: Duration) {
        if version <= self.own_stands.0 {
            return;
        }
        self.own_stands = (version, mono);
        if self.own.back().is_some_and(|(_, last)| mono.saturating_sub(*last) < OWN_APART) {
            return;
        }
        self.own.push_back((version, mono));
        if self.own.len() > OWN_MAX {
            self.own.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn way(notes: &[(u64, u64)]) -> Way {
        Way { notes: notes.iter().map(|(version, at)| (Version(*version), ms(*at))).collect(), ..Way::default() }
    }

    #[test]
    fn what_a_change_took_does_not_depend_on_how_far_the_clocks_are_apart() {
        // Their clock is 1,000,000 ms ahead; versions 5 and 6 took 3 ms and 9 ms.
        for (ahead, back) in [(1_000_000, 0), (0, 0), (0, 500)] {
            let mut way = way(&[(4, 600), (5, 703), (6, 809)]);
            let theirs = |mine: u64| ms(mine + ahead - back);
            let changes = [(Version(5), theirs(700)), (Version(6), theirs(800)), (Version(7), theirs(900))];
            way.measure((ms(1_000), ms(1_002)), theirs(1_001), &changes);
            let summary = way.summary(ms(1_500)).expect("measured");
            assert_eq!((summary.samples, summary.p50, summary.p99), (2, ms(3), ms(9)));
            assert_eq!((summary.error, summary.age), (ms(1), ms(498)));
            assert_eq!(way.measured, Version(6), "7 has not been seen yet, and is asked for again");
        }
    }

    #[test]
    fn what_came_in_a_whole_log_is_not_measured() {
        let mut way = way(&[(9, 500), (10, 600)]);
        way.measure((ms(700), ms(700)), ms(700), &[(Version(3), ms(100)), (Version(10), ms(599))]);
        assert_eq!(way.samples.iter().map(|sample| sample.took).collect::<Vec<_>>(), [ms(1)]);
    }

    #[test]
    fn a_quick_exchange_is_believed_more_than_a_slow_one_after_it() {
        let mut way = way(&[(1, 0), (2, 5_000)]);
        way.measure((ms(1_000), ms(1_000)), ms(1_000), &[]);
        // The answer took 400 ms on its way back: by itself it would say that the change took 195 ms.
        way.measure((ms(6_000), ms(6_400)), ms(6_000), &[(Version(2), ms(4_995))]);
        let sample = way.samples.back().expect("measured");
        assert_eq!(sample.took, ms(5));
        assert!(sample.error < ms(1), "{:?}", sample.error);
    }

    #[test]
    fn old_measurements_go_and_there_are_never_too_many() {
        let mut way = Way::default();
        for number in 0..2 * SAMPLES_MAX as u64 {
            way.samples.push_back(Sample { at: ms(number), took: ms(number), error: ms(0) });
        }
        assert_eq!(way.summary(ms(3_000)).map(|summary| summary.samples), Some(SAMPLES_MAX as u32));
        assert_eq!(way.summary(ms(10_000) + SAMPLES_FOR), None);
    }
}
