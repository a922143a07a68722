//! The recent samples of one sensor, and how far each reader has read them.
//!
//! Nobody keeps samples for a reader: a reader keeps a place. Who reads late finds the latest samples, and knows how many came.

use std::collections::{BTreeMap, VecDeque};

use sensocto_model::{AttributeId, attribute};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::{Due, Interest, Kept, LoadLevel, Mode, Sample, every_sample, kept};

/// What the samples of one sensor may cost in bytes. When it is reached, the oldest go; the last one of each attribute stays.
pub const STORE_BYTES_MAX: usize = 256 * 1024;
/// Samples of one attribute that a reader gets at a time; of more, the latest.
const EVERY_MAX: usize = 500;
/// Samples of one attribute that another node gets at a time; of more, the latest.
const STRETCH_MAX: usize = 1_000;

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is kept.
    Kept,
    /// The sensor has as many attributes as it may have, and this is another one.
    TooManyAttributes,
}

/// Samples of one attribute that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The place of the first one among all that the attribute ever had.
    pub at: u64,
    /// In the order in which they came.
    pub samples: Vec<Sample>,
}

/// What a reader gets of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Picked {
    /// The latest sample.
    Latest(Sample),
    /// Every sample since the last reading, or the latest of them.
    Every(Vec<Sample>),
    /// What became of it.
    Digest(Digest),
}

/// How far somebody has read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    epoch: u64,
    /// In the order of the attributes.
    places: Vec<(AttributeId, u64)>,
}

impl Cursor {
    fn place(&self, attribute: &AttributeId, epoch: u64) -> Option<u64> {
        let found = self.places.binary_search_by(|(known, _)| known.cmp(attribute));
        found.ok().filter(|_| self.epoch == epoch).and_then(|at| self.places.get(at)).map(|(_, place)| *place)
    }

    fn move_to(&mut self, attribute: &AttributeId, epoch: u64, place: u64) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.places.clear();
        }
        match self.places.binary_search_by(|(known, _)| known.cmp(attribute)) {
            Ok(at) => self.places[at].1 = place,
            Err(at) => self.places.insert(at, (attribute.clone(), place)),
        }
    }

    /// Has read nothing.
    pub fn clear(&mut self) {
        self.places.clear();
    }

    /// Goes back by one sample: the latest of each attribute is read once more.
    pub fn step_back(&mut self) {
        for (_, place) in &mut self.places {
            *place = place.saturating_sub(1);
        }
    }
}

/// The samples of one attribute.
#[derive(Debug, Clone)]
struct Track {
    kept: Kept,
    every: bool,
    /// With the place of each among all that there ever were: between two of a copy, some may be missing.
    samples: VecDeque<(u64, Sample)>,
    /// How many there ever were.
    total: u64,
    /// The place of the first one that came here.
    since: u64,
}

impl Track {
    fn new(id: &AttributeId, since: u64) -> Track {
        let (kept, every) = (kept(id.as_str()), every_sample(id.as_str()));
        Track { kept, every, samples: VecDeque::new(), total: since, since }
    }

    /// The samples from a place on that are kept; of more than `most` the latest.
    fn from(&self, place: u64, most: usize) -> impl Iterator<Item = &(u64, Sample)> {
        let first = self.samples.partition_point(|(at, _)| *at < place);
        self.samples.range(first.max(self.samples.len().saturating_sub(most))..)
    }

    fn pop(&mut self) -> usize {
        self.samples.pop_front().map_or(0, |(_, gone)| gone.cost())
    }

    /// How many came since a place.
    fn news(&self, place: u64) -> u64 {
        self.total.saturating_sub(place.max(self.since))
    }
}

/// The recent samples of one sensor, by attribute.
#[derive(Debug, Clone, Default)]
pub struct Store {
    epoch: u64,
    tracks: BTreeMap<AttributeId, Track>,
    bytes: usize,
}

impl Store {
    /// The store of one registration of a sensor; places in another one mean nothing here.
    #[must_use]
    pub fn new(epoch: u64) -> Store {
        Store { epoch, ..Store::default() }
    }

    /// Which registration of the sensor it is of.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What it costs, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a sample, and lets go of what is too much for the load and for `bytes_max`.
    pub fn push(&mut self, attribute: &AttributeId, sample: Sample, load: LoadLevel, bytes_max: usize) -> Pushed {
        if !self.tracks.contains_key(attribute) {
            if self.tracks.len() >= attribute::ATTRIBUTES_MAX {
                return Pushed::TooManyAttributes;
            }
            self.tracks.insert(attribute.clone(), Track::new(attribute, 0));
        }
        if let Some(track) = self.tracks.get_mut(attribute) {
            self.bytes += sample.cost();
            track.samples.push_back((track.total, sample));
            track.total += 1;
            let room = track.kept.under(load);
            while track.samples.len() > room || (self.bytes > bytes_max && track.samples.len() > 1) {
                self.bytes -= track.pop();
            }
        }
        self.shrink(bytes_max);
        Pushed::Kept
    }

    /// Takes what another node read of the same registration. What is here already is left out.
    pub fn apply(&mut self, attribute: &AttributeId, stretch: Stretch, load: LoadLevel, bytes_max: usize) -> Pushed {
        let Stretch { at, samples } = stretch;
        for (place, sample) in (at..).zip(samples) {
            let full = self.tracks.len() >= attribute::ATTRIBUTES_MAX;
            match self.tracks.get_mut(attribute) {
                Some(track) if place < track.total => continue,
                // What was lost on the way is not in the place of what came before it.
                Some(track) => track.total = place,
                None if full => return Pushed::TooManyAttributes,
                None => {
                    self.tracks.insert(attribute.clone(), Track::new(attribute, place));
                }
            }
            self.push(attribute, sample, load, bytes_max);
        }
        Pushed::Kept
    }

    /// Lets the oldest of the longest tracks go until the rest fits.
    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let longest = self.tracks.values_mut().max_by_key(|track| track.samples.len());
            let Some(track) = longest.filter(|track| track.samples.len() > 1) else { return };
            for _ in 0..track.samples.len().div_ceil(2) {
                self.bytes -= track.pop();
            }
        }
    }

    /// The latest sample of each attribute.
    pub fn latest(&self) -> impl Iterator<Item = (&AttributeId, &Sample)> {
        self.tracks.iter().filter_map(|(id, track)| Some((id, &track.samples.back()?.1)))
    }

    /// The last `count` samples of each attribute that is of interest and was not read before, oldest first.
    pub fn recent(&self, cursor: &mut Cursor, interest: &Interest, count: usize) -> Vec<(AttributeId, Vec<Sample>)> {
        let mut recent = Vec::new();
        for (id, track) in self.tracks.iter().filter(|(id, _)| interest.level_of(id).wants_data()) {
            if cursor.place(id, self.epoch).is_some() {
                continue;
            }
            cursor.move_to(id, self.epoch, track.total);
            let samples: Vec<Sample> =
                track.from(0, count.min(track.kept.hot)).map(|(_, sample)| sample.clone()).collect();
            if !samples.is_empty() {
                recent.push((id.clone(), samples));
            }
        }
        recent
    }

    /// What came since the last reading, of the attributes that are due.
    pub fn read(&self, cursor: &mut Cursor, interest: &Interest, due: Due) -> Vec<(AttributeId, Picked)> {
        let mut read = Vec::new();
        for (id, track) in self.due(interest, due) {
            let place = cursor.place(id, self.epoch).unwrap_or(0);
            let news = track.news(place);
            let Some((_, latest)) = track.samples.back().filter(|_| news > 0) else { continue };
            let picked = match due.mode() {
                Mode::Digest | Mode::Resync => {
                    Digest::of(news, track.from(place, usize::MAX).map(|(_, sample)| sample)).map(Picked::Digest)
                }
                Mode::Batch if track.every => {
                    Some(Picked::Every(track.from(place, EVERY_MAX).map(|(_, sample)| sample.clone()).collect()))
                }
                Mode::Batch => Some(Picked::Latest(latest.clone())),
            };
            cursor.move_to(id, self.epoch, track.total);
            read.extend(picked.map(|picked| (id.clone(), picked)));
        }
        read
    }

    /// What came since the last reading, for another node: every sample, with its place.
    pub fn read_stretches(&self, cursor: &mut Cursor, interest: &Interest, due: Due) -> Vec<(AttributeId, Stretch)> {
        let mut read = Vec::new();
        for (id, track) in self.due(interest, due) {
            // At first sight, what is shown at first sight.
            let place = cursor.place(id, self.epoch);
            let most = if place.is_some() { STRETCH_MAX } else { track.kept.hot };
            let mut stretches: Vec<Stretch> = Vec::new();
            for (at, sample) in track.from(place.unwrap_or(0), most) {
                match stretches.last_mut().filter(|last| last.at + last.samples.len() as u64 == *at) {
                    Some(last) => last.samples.push(sample.clone()),
                    None => stretches.push(Stretch { at: *at, samples: vec![sample.clone()] }),
                }
            }
            cursor.move_to(id, self.epoch, track.total);
            read.extend(stretches.into_iter().map(|stretch| (id.clone(), stretch)));
        }
        read
    }

    fn due<'a>(&'a self, interest: &'a Interest, due: Due) -> impl Iterator<Item = (&'a AttributeId, &'a Track)> {
        self.tracks.iter().filter(move |(id, _)| due.includes(interest.level_of(id)))
    }
}

#[cfg(test)]
mod tests;
