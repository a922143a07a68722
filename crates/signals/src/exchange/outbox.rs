//! What the viewers of this node want of the sensors of one other node, and how that node gets to know it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{Generation, SensorId};

use super::{AGAIN_AFTER, BEAT_EVERY, LEASE, WANTS_MAX, WINDOW};
use crate::Interest;
use crate::message::{FRAME_BYTES_MAX, Message, Part, Want, hash, want_bytes};

/// Towards one node.
#[derive(Debug)]
pub(super) struct Outbox {
    wants: BTreeMap<SensorId, Interest>,
    hash: u128,
    changed: BTreeSet<SensorId>,
    /// Everything is to be said; where it was said in part, from behind this sensor on.
    everything: Option<Option<SensorId>>,
    seq: u64,
    send_at: Duration,
    beat_at: Duration,
    /// Since when nothing is wanted.
    empty_since: Option<Duration>,
    /// The node's start, and the last frame of samples that was heard of it.
    heard: Option<(Generation, u64)>,
    missed: bool,
}

impl Outbox {
    pub(super) fn new(now: Duration) -> Outbox {
        Outbox {
            wants: BTreeMap::new(),
            hash: 0,
            changed: BTreeSet::new(),
            everything: Some(None),
            // The other side may still know an outbox that was forgotten here: what this one says has to be later than all of that, and
            // no outbox says something every microsecond.
            seq: u64::try_from(now.as_micros()).unwrap_or(u64::MAX / 2),
            send_at: now,
            beat_at: now + BEAT_EVERY,
            empty_since: Some(now),
            heard: None,
            missed: false,
        }
    }

    /// Takes in what is wanted of a sensor.
    pub(super) fn set(&mut self, sensor: &SensorId, interest: Interest, now: Duration) {
        let before = self.wants.remove(sensor);
        if let Some(before) = &before {
            self.hash = self.hash.wrapping_sub(hash(sensor, before));
        }
        if !interest.is_none() && self.wants.len() < WANTS_MAX {
            self.hash = self.hash.wrapping_add(hash(sensor, &interest));
            self.wants.insert(sensor.clone(), interest);
        }
        if self.wants.get(sensor) != before.as_ref() {
            self.changed.insert(sensor.clone());
        }
        self.empty_since = self.wants.is_empty().then(|| self.empty_since.unwrap_or(now));
    }

    /// Says everything from the beginning.
    pub(super) fn say_everything(&mut self, now: Duration) {
        self.everything = Some(None);
        self.send_at = self.send_at.min(now);
    }

    /// Takes in that a frame of samples came; `false` where some before it did not.
    pub(super) fn heard(&mut self, generation: Generation, after: u64, has_place: bool, now: Duration) -> bool {
        let known = self.heard.filter(|(known, _)| *known == generation);
        let fits = known.is_none_or(|(_, last)| last == after);
        self.heard = Some((generation, after + u64::from(has_place)));
        if !fits && !self.missed {
            self.missed = true;
            self.beat_at = self.beat_at.min((self.beat_at - BEAT_EVERY + AGAIN_AFTER).max(now));
        }
        fits
    }

    /// When there is something to say.
    pub(super) fn due_at(&self) -> Duration {
        // A sign of life says that everything was said, so it comes after what is still to be said.
        let said = self.everything.is_none() && self.changed.is_empty();
        if said { self.beat_at } else { self.send_at }
    }

    /// Whether nothing has been wanted for so long that the node has forgotten this one.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.empty_since.is_some_and(|since| now >= since + LEASE)
    }

    /// The next message that is due.
    pub(super) fn poll(&mut self, now: Duration) -> Option<Message> {
        if self.send_at <= now && self.everything.is_some() {
            return Some(self.whole(now));
        }
        if self.send_at <= now && !self.changed.is_empty() {
            return Some(self.changes(now));
        }
        let said = self.everything.is_none() && self.changed.is_empty();
        if self.beat_at > now || !said {
            return None;
        }
        self.beat_at = now + BEAT_EVERY;
        let missed = std::mem::take(&mut self.missed);
        Some(Message::Beat { seq: self.seq, count: self.wants.len() as u64, hash: self.hash, missed })
    }

    fn whole(&mut self, now: Duration) -> Message {
        let after = self.everything.take().flatten();
        let first = after.is_none();
        let rest = match &after {
            None => self.wants.range::<SensorId, _>(..),
            Some(after) => {
                self.wants.range::<SensorId, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            }
        };
        let mut more = rest.map(|(sensor, interest)| (sensor.clone(), interest.clone())).peekable();
        let wants = fill(&mut more);
        let last = more.peek().is_none();
        if first {
            self.changed.clear();
        }
        if last {
            self.send_at = now + WINDOW;
        } else {
            self.everything = wants.last().map(|(sensor, _)| Some(sensor.clone()));
        }
        // What changes meanwhile, in a part that was said already, is said when all is said.
        self.seq += 1;
        Message::Wants { seq: self.seq, part: Part::Whole { first, last }, wants }
    }

    fn changes(&mut self, now: Duration) -> Message {
        let current = |sensor: &SensorId| (sensor.clone(), self.wants.get(sensor).cloned().unwrap_or_default());
        let mut more = self.changed.iter().map(current).peekable();
        let wants = fill(&mut more);
        for (sensor, _) in &wants {
            self.changed.remove(sensor);
        }
        if self.changed.is_empty() {
            self.send_at = now + WINDOW;
        }
        self.seq += 1;
        Message::Wants { seq: self.seq, part: Part::Changes, wants }
    }
}

/// As many as fit into a frame; at least one where there is one.
fn fill(more: &mut std::iter::Peekable<impl Iterator<Item = Want>>) -> Vec<Want> {
    let mut wants = Vec::new();
    let mut bytes = 0;
    while let Some(want) = more.next_if(|want| bytes == 0 || bytes + want_bytes(want) <= FRAME_BYTES_MAX) {
        bytes += want_bytes(&want);
        wants.push(want);
    }
    wants
}
