//! What is sent to one other node: the samples that its viewers want, in one stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::SensorId;
use sensocto_signals::message::{FRAME_BYTES_MAX, Line, Message, stretch_bytes};
use sensocto_signals::{Cursor, Due, Interest, LoadLevel, Pace, Stretch, Windows};
use tokio::sync::Notify;

use super::feed::{Feed, Reader};
use super::feeds::Feeds;

/// Frames that are made at one time. What is left is read with the next window: by then only the latest of it may be there.
const FRAMES_AT_ONCE: usize = 32;
/// How often a stream without news says where it is, so that a lost last frame is found.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The stream to one node.
pub(super) struct Stream {
    reader: Arc<Reader>,
    pace: Pace,
    sensors: BTreeMap<SensorId, Followed>,
    /// Where to go on reading, so that nobody is left out for ever.
    from: Option<SensorId>,
    after: u64,
    sent_at: Duration,
}

struct Followed {
    feed: Arc<Feed>,
    interest: Interest,
    cursor: Cursor,
    seen: u64,
}

impl Stream {
    pub(super) fn new(wake: Arc<Notify>) -> Stream {
        Stream {
            reader: Arc::new(Reader::new(wake)),
            pace: Pace::new(Windows::NODES),
            sensors: BTreeMap::new(),
            from: None,
            after: 0,
            sent_at: Duration::ZERO,
        }
    }

    /// Takes in what the node wants of a sensor.
    pub(super) fn set(&mut self, feeds: &Feeds, sensor: &SensorId, interest: Interest) {
        if !interest.wants_data() {
            if let Some(followed) = self.sensors.remove(sensor) {
                feeds.leave(&followed.feed, &self.reader);
            }
            return;
        }
        let levels = bits(&interest);
        let feed = feeds.join(sensor, &self.reader, levels);
        let followed = self.sensors.entry(sensor.clone()).or_insert_with(|| Followed {
            feed,
            interest: Interest::default(),
            cursor: Cursor::default(),
            seen: 0,
        });
        followed.interest = interest;
        // What is there already is sent first.
        followed.seen = 0;
        self.reader.note(levels);
    }

    /// The node missed something: it gets the latest sample of everything once more.
    pub(super) fn repeat(&mut self) {
        let mut levels = 0;
        for followed in self.sensors.values_mut() {
            followed.cursor.step_back();
            followed.seen = 0;
            levels |= bits(&followed.interest);
        }
        self.reader.note(levels);
    }

    /// Ends it.
    pub(super) fn end(self, feeds: &Feeds) {
        for followed in self.sensors.values() {
            feeds.leave(&followed.feed, &self.reader);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sensors.is_empty()
    }

    /// When there is something to send.
    pub(super) fn due_at(&mut self, load: LoadLevel, now: Duration) -> Duration {
        self.pace.note(self.reader.news(), now);
        self.pace.due_at(load).unwrap_or(Duration::MAX).min(self.sent_at + BEAT_EVERY)
    }

    /// Whether the last turn did not hold everything that was due.
    pub(super) fn put_off(&self) -> bool {
        self.from.is_some()
    }

    /// The messages that are due, and how many samples are in them.
    pub(super) fn poll(&mut self, load: LoadLevel, now: Duration) -> (Vec<Message>, usize) {
        self.pace.note(self.reader.news(), now);
        let mut frames = Frames { after: self.after, ..Frames::default() };
        if let Some(due) = self.pace.take(now, load) {
            // Levels that are not due yet are noted again, and found by the pace.
            let news = self.reader.take();
            let waiting = self.read(due, &mut frames);
            self.pace.note(waiting, now);
            self.pace.note(news & !due.levels(), now);
        }
        frames.close();
        if frames.made.is_empty() && now >= self.sent_at + BEAT_EVERY {
            frames.made.push(Message::Samples { after: self.after, lines: Vec::new() });
        }
        if !frames.made.is_empty() {
            self.sent_at = now;
        }
        self.after = frames.after;
        (frames.made, frames.samples)
    }

    /// Reads what is due into frames; the levels of what did not fit.
    fn read(&mut self, due: Due, frames: &mut Frames) -> u8 {
        for sensor in rotated(&self.sensors, self.from.take()) {
            let Some(followed) = self.sensors.get_mut(&sensor) else { continue };
            let version = followed.feed.version();
            if version == followed.seen {
                continue;
            }
            if frames.made.len() >= FRAMES_AT_ONCE {
                self.from = Some(sensor);
                return self.sensors.values().fold(0, |levels, followed| levels | bits(&followed.interest));
            }
            let state = followed.feed.state();
            let epoch = state.store.epoch();
            let read = state.store.read_stretches(&mut followed.cursor, &followed.interest, due);
            drop(state);
            // A sensor whose attributes have several levels is looked at again when the others are due.
            if bits(&followed.interest) & !due.levels() == 0 {
                followed.seen = version;
            }
            for (attribute, stretch) in read {
                frames.add(&sensor, epoch, (attribute, stretch));
            }
        }
        0
    }
}

/// All sensors, the one that was left out last first: nobody is left out for ever.
pub(super) fn rotated<T>(sensors: &BTreeMap<SensorId, T>, from: Option<SensorId>) -> Vec<SensorId> {
    let Some(from) = from else { return sensors.keys().cloned().collect() };
    let behind = sensors.range::<SensorId, _>(&from..);
    behind.chain(sensors.range::<SensorId, _>(..&from)).map(|(sensor, _)| sensor.clone()).collect()
}

/// The levels that an interest has.
pub(super) fn bits(interest: &Interest) -> u8 {
    interest.levels().fold(0, |bits, level| bits | Pace::bit(level))
}

/// Frames in the making.
#[derive(Default)]
struct Frames {
    made: Vec<Message>,
    lines: Vec<Line>,
    bytes: usize,
    after: u64,
    samples: usize,
}

impl Frames {
    fn add(&mut self, sensor: &SensorId, epoch: u64, (attribute, mut stretch): (sensocto_model::AttributeId, Stretch)) {
        self.samples += stretch.samples.len();
        while !stretch.samples.is_empty() {
            let part = split(&mut stretch);
            let bytes = stretch_bytes(&part) + sensor.as_str().len() + 12;
            if self.bytes > 0 && self.bytes + bytes > FRAME_BYTES_MAX {
                self.close();
            }
            self.bytes += bytes;
            match self.lines.last_mut() {
                Some(line) if line.sensor == *sensor => line.attributes.push((attribute.clone(), part)),
                Some(_) | None => {
                    let attributes = vec![(attribute.clone(), part)];
                    self.lines.push(Line { sensor: sensor.clone(), epoch, attributes });
                }
            }
        }
    }

    fn close(&mut self) {
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            self.made.push(Message::Samples { after: self.after, lines });
            self.after += 1;
            self.bytes = 0;
        }
    }
}

/// Takes as much of a stretch as fits into one frame; at least one sample.
fn split(stretch: &mut Stretch) -> Stretch {
    let mut bytes = 0;
    let fits = stretch.samples.iter().take_while(|sample| {
        bytes += sample.cost();
        bytes <= FRAME_BYTES_MAX
    });
    let count = fits.count().clamp(1, stretch.samples.len());
    let rest = stretch.samples.split_off(count);
    let part = Stretch { at: stretch.at, samples: std::mem::replace(&mut stretch.samples, rest) };
    stretch.at += part.samples.len() as u64;
    part
}

#[cfg(test)]
mod tests {
    use sensocto_model::AttributeId;
    use sensocto_signals::Sample;

    use super::*;

    #[test]
    fn long_stretches_are_cut_into_frames_that_follow_each_other() {
        let sensor = SensorId::new("s").expect("an id");
        let attribute = AttributeId::new("ecg").expect("an id");
        let long = "1".repeat(10_000);
        let samples = (0..20).map(|number| Sample::new(&long, &number.to_string())).collect();
        let mut frames = Frames { after: 7, ..Frames::default() };
        frames.add(&sensor, 1, (attribute, Stretch { at: 100, samples }));
        frames.close();
        let mut next = 100;
        for (message, place) in frames.made.iter().zip(7..) {
            let Message::Samples { after, lines } = message else { panic!("{message:?}") };
            assert_eq!(*after, place);
            for (_, stretch) in lines.iter().flat_map(|line| &line.attributes) {
                assert_eq!(stretch.at, next);
                assert!(stretch_bytes(stretch) <= FRAME_BYTES_MAX + 10_000);
                next += stretch.samples.len() as u64;
            }
        }
        assert_eq!((next, frames.after, frames.samples), (120, 7 + frames.made.len() as u64, 20));
    }
}
