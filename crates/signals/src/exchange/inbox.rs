//! What the viewers of one other node want of the sensors here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{Generation, SensorId};

use super::{AGAIN_AFTER, LEASE, WANTS_MAX};
use crate::message::{Part, Want, hash};
use crate::{Interest, Level};

/// Of one node.
#[derive(Debug)]
pub(super) struct Inbox {
    generation: Generation,
    /// The last frame that fitted on.
    seq: u64,
    wants: BTreeMap<SensorId, Interest>,
    hash: u128,
    /// The parts of everything that came, until the last of them.
    parts: Option<BTreeMap<SensorId, Interest>>,
    heard_at: Duration,
    asked_at: Option<Duration>,
    /// The node is silent or gone; until when its viewers may come back.
    lost_until: Option<Duration>,
    /// What it wanted when it was started before.
    before: Vec<SensorId>,
}

/// What follows from a message.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Everything has to be said again.
    pub(super) ask: bool,
    pub(super) changed: Vec<Want>,
    pub(super) refused: u64,
}

impl Inbox {
    pub(super) fn new(generation: Generation, now: Duration) -> Inbox {
        Inbox {
            generation,
            seq: 0,
            wants: BTreeMap::new(),
            hash: 0,
            parts: None,
            heard_at: now,
            asked_at: None,
            lost_until: None,
            before: Vec::new(),
        }
    }

    /// Whether it is of a later start of the node than this.
    pub(super) fn is_of_later(&self, generation: Generation) -> bool {
        self.generation > generation
    }

    /// The inbox of this start of the node. What an earlier one wanted ends as soon as it is known what this one wants.
    pub(super) fn of(&mut self, generation: Generation) -> &mut Inbox {
        if self.generation < generation {
            let before = std::mem::take(&mut self.wants).into_keys().chain(std::mem::take(&mut self.before)).collect();
            *self = Inbox { before, lost_until: self.lost_until, ..Inbox::new(generation, self.heard_at) };
        }
        self
    }

    /// Takes in a frame of wants.
    pub(super) fn wants(&mut self, seq: u64, part: Part, wants: &[Want], now: Duration) -> Taken {
        self.heard_at = now;
        let starts = matches!(part, Part::Whole { first: true, .. });
        // A frame that came before is late, or twice here: what it says is known, or was said anew since.
        if seq <= self.seq {
            return Taken::default();
        }
        if !starts && seq != self.seq + 1 {
            return Taken { ask: self.may_ask(now), ..Taken::default() };
        }
        self.seq = seq;
        match part {
            Part::Changes => self.changes(wants),
            Part::Whole { first, last } => {
                let mut parts = if first { BTreeMap::new() } else { self.parts.take().unwrap_or_default() };
                parts.extend(wants.iter().filter(|(_, interest)| !interest.is_none()).cloned());
                if last { self.replace(parts) } else { self.keep(parts) }
            }
        }
    }

    fn keep(&mut self, parts: BTreeMap<SensorId, Interest>) -> Taken {
        // A node that wants more than it may is not let to fill the memory here before its last part.
        self.parts = (parts.len() <= WANTS_MAX).then_some(parts);
        Taken::default()
    }

    fn changes(&mut self, wants: &[Want]) -> Taken {
        let mut taken = Taken { changed: self.found_again(), ..Taken::default() };
        for (sensor, interest) in wants {
            if let Some(before) = self.wants.remove(sensor) {
                self.hash = self.hash.wrapping_sub(hash(sensor, &before));
            }
            if !interest.is_none() && self.wants.len() >= WANTS_MAX {
                taken.refused += 1;
                continue;
            }
            if !interest.is_none() {
                self.hash = self.hash.wrapping_add(hash(sensor, interest));
                self.wants.insert(sensor.clone(), interest.clone());
            }
            taken.changed.push((sensor.clone(), interest.clone()));
        }
        taken
    }

    fn replace(&mut self, mut wants: BTreeMap<SensorId, Interest>) -> Taken {
        let mut taken = Taken::default();
        while wants.len() > WANTS_MAX {
            wants.pop_last();
            taken.refused += 1;
        }
        self.lost_until = None;
        self.asked_at = None;
        let known: BTreeSet<SensorId> =
            std::mem::take(&mut self.wants).into_keys().chain(self.before.drain(..)).collect();
        let gone = known.into_iter().filter(|sensor| !wants.contains_key(sensor));
        taken.changed.extend(gone.map(|sensor| (sensor, Interest::default())));
        taken.changed.extend(wants.iter().map(|(sensor, interest)| (sensor.clone(), interest.clone())));
        self.hash = wants.iter().fold(0, |sum: u128, (sensor, interest)| sum.wrapping_add(hash(sensor, interest)));
        self.wants = wants;
        taken
    }

    /// Takes in a sign of life, and finds out whether everything that was said was heard.
    pub(super) fn beat(&mut self, seq: u64, count: u64, sum: u128, now: Duration) -> Taken {
        self.heard_at = now;
        if seq < self.seq {
            return Taken::default();
        }
        let same = seq == self.seq && count == self.wants.len() as u64 && sum == self.hash && self.before.is_empty();
        if same {
            Taken { changed: self.found_again(), ..Taken::default() }
        } else {
            Taken { ask: self.may_ask(now), ..Taken::default() }
        }
    }

    /// What was taken for lost and is there.
    fn found_again(&mut self) -> Vec<Want> {
        if self.lost_until.take().is_none() {
            return Vec::new();
        }
        self.wants.iter().map(|(sensor, interest)| (sensor.clone(), interest.clone())).collect()
    }

    fn may_ask(&mut self, now: Duration) -> bool {
        let may = self.asked_at.is_none_or(|asked_at| now >= asked_at + AGAIN_AFTER);
        if may {
            self.asked_at = Some(now);
        }
        may
    }

    /// The node is silent or gone: until `until` its viewers may come back.
    pub(super) fn lose(&mut self, until: Duration) -> Vec<Want> {
        if self.lost_until.is_some() {
            return Vec::new();
        }
        self.lost_until = Some(until);
        self.parts = None;
        let known = self.wants.keys().chain(&self.before);
        known.map(|sensor| (sensor.clone(), Interest::whole(Level::Lingering))).collect()
    }

    /// Whether it has been silent for too long.
    pub(super) fn is_late(&self, now: Duration) -> bool {
        self.lost_until.is_none() && now >= self.heard_at + LEASE
    }

    /// Whether its viewers did not come back.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let empty = self.wants.is_empty() && self.before.is_empty();
        self.lost_until.is_some_and(|until| now >= until || empty)
    }

    /// When it is late, or over.
    pub(super) fn due_at(&self) -> Duration {
        self.lost_until.unwrap_or(self.heard_at + LEASE)
    }

    /// What ends with it.
    pub(super) fn end(self) -> Vec<Want> {
        self.wants.into_keys().chain(self.before).map(|sensor| (sensor, Interest::default())).collect()
    }
}
