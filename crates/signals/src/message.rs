//! What nodes say to each other about signals: one frame at a time, to one node, on lanes behind that of discovery.

use std::fmt;

use sensocto_model::{AttributeId, Origin, SensorId, attribute};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::{Interest, Stretch};

/// Largest frame in bytes that is made; below the engine's fragment size, so that no frame waits for its second half.
pub const FRAME_BYTES_MAX: usize = 48 * 1024;
/// Largest frame in bytes that is taken: one sample more than fits may ride over the bound.
const TAKEN_BYTES_MAX: usize = 128 * 1024;
/// The first byte of a frame: the version of this format.
const FORMAT: u8 = 1;
/// Bytes of the checksum at a frame's end.
const CHECKSUM_BYTES: usize = 8;

/// Which part of what a node wants a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// What changed since the frame before it.
    Changes,
    /// A part of everything.
    Whole {
        /// It is the first one.
        first: bool,
        /// It is the last one: what no part named is not wanted.
        last: bool,
    },
}

/// What the viewers of a node want of one sensor; interest that is none takes it back.
pub type Want = (SensorId, Interest);

/// Samples of one sensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The sensor.
    pub sensor: SensorId,
    /// Which registration of it.
    pub epoch: u64,
    /// By attribute.
    pub attributes: Vec<(AttributeId, Stretch)>,
}

/// A message of one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// To a sensor's node: what the viewers here want.
    Wants {
        /// The place of this frame among all to this node.
        seq: u64,
        /// What it holds.
        part: Part,
        /// Sensor by sensor.
        wants: Vec<Want>,
    },
    /// To a sensor's node, every second: what it should know by now. It is also the sign that this node still wants it.
    Beat {
        /// The place of the last frame.
        seq: u64,
        /// How many sensors are wanted.
        count: u64,
        /// What is wanted, as a hash.
        hash: u128,
        /// Samples were lost on the way here.
        missed: bool,
    },
    /// To a node of viewers: say everything again.
    Ask,
    /// To a node of viewers: samples.
    Samples {
        /// The place of the frame before this one. A frame without lines has no place of its own.
        after: u64,
        /// Sensor by sensor.
        lines: Vec<Line>,
    },
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// It is too long, or too short for a checksum.
    Length,
    /// It was made by another version.
    Format,
    /// The checksum is wrong.
    Checksum,
    /// It does not say what frames say.
    Content,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FrameError::Length => "a frame about signals is too long or too short",
            FrameError::Format => "a frame about signals is of another version",
            FrameError::Checksum => "a frame about signals has a wrong checksum",
            FrameError::Content => "a frame about signals says what none may say",
        })
    }
}

impl std::error::Error for FrameError {}

/// The bytes of a message.
#[must_use]
pub fn encode(from: &Origin, message: &Message) -> Vec<u8> {
    // Writing these types into memory cannot fail; an empty frame would be refused where it arrives.
    let mut frame = postcard::to_extend(&(from, message), vec![FORMAT]).unwrap_or_default();
    frame.extend(xxh3_64(&frame).to_le_bytes());
    frame
}

/// Reads a frame, and holds what it says against what may be said.
///
/// # Errors
/// Says what is wrong with it; nothing of it is used.
pub fn decode(frame: &[u8]) -> Result<(Origin, Message), FrameError> {
    if frame.len() > TAKEN_BYTES_MAX {
        return Err(FrameError::Length);
    }
    let (body, checksum) = frame.split_last_chunk::<CHECKSUM_BYTES>().ok_or(FrameError::Length)?;
    if xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    let (format, body) = body.split_first().ok_or(FrameError::Length)?;
    if *format != FORMAT {
        return Err(FrameError::Format);
    }
    let (from, message): (Origin, Message) = postcard::from_bytes(body).map_err(|_| FrameError::Content)?;
    if is_allowed(&message) { Ok((from, message)) } else { Err(FrameError::Content) }
}

fn is_allowed(message: &Message) -> bool {
    match message {
        Message::Wants { wants, .. } => wants
            .iter()
            .all(|(_, interest)| interest.is_normal() && interest.attributes_len() <= attribute::ATTRIBUTES_MAX),
        Message::Samples { after, lines } => {
            let places = |stretch: &Stretch| stretch.at.checked_add(stretch.samples.len() as u64).is_some();
            *after < u64::MAX && lines.iter().flat_map(|line| &line.attributes).all(|(_, stretch)| places(stretch))
        }
        Message::Beat { .. } | Message::Ask => true,
    }
}

/// The hash of one want; a set of them is summed up.
#[must_use]
pub(crate) fn hash(sensor: &SensorId, interest: &Interest) -> u128 {
    xxh3_128(&postcard::to_stdvec(&(sensor, interest)).unwrap_or_default())
}

/// About how many bytes a want has in a frame.
pub(crate) fn want_bytes((sensor, interest): &Want) -> usize {
    sensor.as_str().len() + 4 + interest.attributes_len() * 66
}

/// About how many bytes a stretch has in a frame.
#[must_use]
pub fn stretch_bytes(stretch: &Stretch) -> usize {
    let samples = stretch.samples.iter().map(|sample| sample.payload().len() + sample.timestamp().len() + 4);
    samples.sum::<usize>() + 76
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sensocto_model::{Generation, NodeName};

    use super::*;
    use crate::{Level, Sample};

    fn from() -> Origin {
        Origin { node: NodeName::new("a").unwrap(), generation: Generation(7) }
    }

    fn messages() -> Vec<Message> {
        let sensor = SensorId::new("s1").unwrap();
        let ecg = AttributeId::new("ecg").unwrap();
        let interest = Interest::attribute(ecg.clone(), Level::High);
        let stretch = Stretch { at: 9, samples: vec![Sample::new("{\"é\":1}", "17")] };
        let line = Line { sensor: sensor.clone(), epoch: 3, attributes: vec![(ecg, stretch)] };
        vec![
            Message::Wants { seq: 1, part: Part::Changes, wants: vec![(sensor, interest)] },
            Message::Beat { seq: 1, count: 1, hash: 5, missed: true },
            Message::Ask,
            Message::Samples { after: 1, lines: vec![line] },
        ]
    }

    #[test]
    fn what_is_said_is_heard() {
        for message in messages() {
            assert_eq!(decode(&encode(&from(), &message)), Ok((from(), message)));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for message in messages() {
            let frame = encode(&from(), &message);
            for bit in 0..frame.len() * 8 {
                let mut bad = frame.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(&bad).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn places_beyond_the_last_one_are_refused() {
        let stretch = Stretch { at: u64::MAX, samples: vec![Sample::new("1", "1")] };
        let attributes = vec![(AttributeId::new("a").unwrap(), stretch)];
        let line = Line { sensor: SensorId::new("s").unwrap(), epoch: 1, attributes };
        let frame = encode(&from(), &Message::Samples { after: 0, lines: vec![line] });
        assert_eq!(decode(&frame), Err(FrameError::Content));
    }

    proptest! {
        #[test]
        fn no_bytes_stop_the_reader(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
            let mut frame = [&[FORMAT], &body[..]].concat();
            frame.extend(xxh3_64(&frame).to_le_bytes());
            let _ = decode(&frame);
        }
    }
}
