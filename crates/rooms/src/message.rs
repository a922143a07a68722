//! What nodes say to each other about rooms, and the frame that carries it.
//!
//! A frame is `format (1 byte) · postcard(sender, message) · XXH3-64 of all before (8 bytes, little endian)`.

use std::fmt;

use sensocto_model::{Origin, RoomError, RoomId, Term};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use xxhash_rust::xxh3::xxh3_64;

use crate::apply::Operation;

const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
/// Largest frame in bytes that is read at all.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a node repeats about its rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beacon {
    /// Records, tombstones included.
    pub(crate) count: u64,
    /// Their hash.
    pub(crate) hash: u128,
    /// Whether it can be a home: it has caught up, its disk takes writes, and it is not about to stop.
    pub(crate) can_be_home: bool,
    /// Whether what it stores is on a disk that takes writes.
    pub(crate) on_disk: bool,
}

/// Why a node did not decide about an operation. Whoever asked asks again, or somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// It is not the home, as far as it sees.
    NotHome,
    /// Another node decides under a later term.
    LaterTerm,
    /// Its disk takes no writes.
    Storage,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// It was done.
    Done { copies: u32, on_disk: u32, term: Term },
    /// It is against the rules.
    Error(RoomError),
    /// It was not decided.
    Refused(Refusal),
}

/// Everything that a frame may carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// To everybody.
    Beacon(Beacon),
    /// To the home. `hops` is how often it may still be handed on.
    Do { operation: Operation, hops: u8 },
    /// The answer, with the record as it is then.
    Did { verdict: Verdict, record: Option<ByteBuf> },
    /// Records to be kept.
    Hold { records: Vec<ByteBuf> },
    /// They are kept; with those that the holder has more of than it was sent.
    Held { on_disk: bool, records: Vec<ByteBuf> },
    /// It cannot keep them.
    NotHeld,
    /// Asks for records.
    Fetch { rooms: Vec<RoomId> },
    /// As many as fit, in the order in which they were asked for, without those that are not there.
    Records { upto: u32, records: Vec<ByteBuf> },
    /// Asks for the hashes of all buckets.
    Buckets,
    /// They are these.
    BucketHashes { hashes: Vec<u128> },
    /// Asks what is in some buckets.
    Lines { buckets: Vec<u16> },
    /// It is this.
    LineList { lines: Vec<(RoomId, u128)> },
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Too small, or larger than [`FRAME_BYTES_MAX`].
    Size,
    /// Another format.
    Format,
    /// The bytes were damaged.
    Checksum,
    /// The bytes are whole, and no message.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FrameError::Size => "a frame about rooms is too small or too large",
            FrameError::Format => "a frame about rooms has another format",
            FrameError::Checksum => "a frame about rooms is damaged",
            FrameError::Malformed => "a frame about rooms holds no message",
        })
    }
}

impl std::error::Error for FrameError {}

pub(crate) fn encode(sender: &Origin, message: &Message) -> Vec<u8> {
    let mut frame = vec![FORMAT];
    // There is no value of these types that postcard refuses.
    frame.extend(postcard::to_allocvec(&(sender, message)).unwrap_or_default());
    frame.extend(xxh3_64(&frame).to_le_bytes());
    frame
}

pub(crate) fn decode(frame: &[u8]) -> Result<(Origin, Message), FrameError> {
    if frame.len() <= CHECKSUM_BYTES || frame.len() > FRAME_BYTES_MAX {
        return Err(FrameError::Size);
    }
    let (body, checksum) = frame.split_at(frame.len() - CHECKSUM_BYTES);
    let checksum: [u8; CHECKSUM_BYTES] = checksum.try_into().map_err(|_| FrameError::Size)?;
    if xxh3_64(body).to_le_bytes() != checksum {
        return Err(FrameError::Checksum);
    }
    let (format, payload) = body.split_first().ok_or(FrameError::Size)?;
    if *format != FORMAT {
        return Err(FrameError::Format);
    }
    match postcard::take_from_bytes(payload) {
        Ok((decoded, [])) => Ok(decoded),
        Ok(_) | Err(_) => Err(FrameError::Malformed),
    }
}
