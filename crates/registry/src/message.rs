//! What nodes say to each other, and the frame that carries it.
//!
//! A frame is `format (1 byte) · postcard(sender, message) · XXH3-64 of all before (8 bytes, little endian)`. The checksum finds
//! damage that a transport without one lets through; a frame that is damaged, too large or of another format is refused whole.

use std::fmt;

use sensocto_model::{Generation, Key, NodeName, Origin, Stamp, Version};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use xxhash_rust::xxh3::xxh3_64;

use crate::planted::{self, Fault};
use crate::set_hash::SetHash;

/// The format of the frames; another one is refused.
pub const FORMAT: u8 = 2;
/// Largest frame in bytes that is read at all.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Ranges that one question is about at most.
pub const RANGES_MAX: usize = 64;
/// Pieces that a range is split into at most.
pub const PIECES_MAX: usize = 16;
const CHECKSUM_BYTES: usize = 8;

/// Number and hash of the entries of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SetDigest {
    /// How many entries.
    pub count: u64,
    /// Their hash.
    pub hash: SetHash,
}

/// Number and hash of the entries of one origin, by kind (in the order of [`sensocto_model::Kind::ALL`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sets(pub [SetDigest; 3]);

/// One entry as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// What it is found by.
    pub key: Key,
    /// Its last change.
    pub version: Version,
    /// Its registration.
    pub stamp: Stamp,
    /// The bytes of its record.
    pub body: ByteBuf,
}

/// One entry that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// What it was found by.
    pub key: Key,
    /// The version of the removal.
    pub version: Version,
    /// Where another node's registration took its place, if that is why it is gone: whoever has not seen that one yet goes on
    /// showing this one until then.
    pub moved_to: Option<Reached>,
}

/// The part of the sender's own log after one version, up to another: the present state of each entry that changed, removals
/// first. A node speaks for its own log alone, so a delta needs no word about whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Where a replica must stand, or later.
    pub after: Version,
    /// Where it stands then.
    pub upto: Version,
    /// Where the log stood when this was read from it. A copy is a state that its origin once had only when it has got as far as every
    /// log that it was read from: before that, an entry that changed again later is still as it was.
    pub read_at: Version,
    /// What is gone.
    pub removals: Vec<Removal>,
    /// What is there.
    pub puts: Vec<Put>,
}

/// How far one node's copy of one origin's log is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The origin.
    pub origin: Origin,
    /// The version that the copy has settled at.
    pub version: Version,
}

/// What a node repeats about itself: where its log stands, what it holds, and how far its copies of the other logs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Where its own log stands.
    pub version: Version,
    /// What its own log holds.
    pub sets: Sets,
    /// Its copies; `None` where nothing is said about them this time. The word about the reader's own log is an acknowledgement.
    pub reached: Option<Vec<Reached>>,
}

/// A process that goes on under a later generation than it was started with, because another one of its name had been started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// Its name, and its generation now.
    pub origin: Origin,
    /// The generation that it was started with: of two processes of one name, the one with the smaller one stays.
    pub born: Generation,
}

/// A question for the part of a log that the asker misses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Chosen by the asker; every frame of the answer repeats it.
    pub id: u64,
    /// Whose log.
    pub origin: Origin,
    /// What of it.
    pub want: Want,
}

/// What an asker wants of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// What changed after where the asker stands.
    After(Version),
    /// All of it.
    Whole,
    /// What some ranges of its keys hold, at most [`RANGES_MAX`]: its entries where they are few, their number and hash piece by piece
    /// where they are many.
    Ranges(Vec<Range>),
}

/// The keys after one and up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The key before the first one; `None` where it is the first one of the log.
    pub after: Option<Key>,
    /// The last key; `None` where it is the last one of the log.
    pub to: Option<Key>,
}

/// What one range of a log holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The question's.
    pub id: u64,
    /// Whose log.
    pub origin: Origin,
    /// Where the log stood when this was read from it.
    pub upto: Version,
    /// What the whole log held then.
    pub sets: Sets,
    /// The range.
    pub range: Range,
    /// What it holds.
    pub content: Content,
}

/// What a range holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// All of it, in the order of the keys, and where entries of the range have gone.
    Entries {
        /// What is there.
        puts: Vec<Put>,
        /// What has gone to other nodes, as far as the origin remembers and there is room.
        moved: Vec<Moved>,
    },
    /// The sums of 2 to [`PIECES_MAX`] pieces, one after the other.
    Pieces(Vec<Piece>),
}

/// The sum of one piece of a range: from the end of the piece before it up to its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its last key; that of the range for the last piece.
    pub to: Option<Key>,
    /// Number and hash of its entries of all kinds.
    pub set: SetDigest,
}

/// An entry that another node's registration took the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// What it was found by.
    pub key: Key,
    /// The registration that took its place.
    pub to: Reached,
}

/// One chunk of a whole log. Chunks replace the old copy in one step, when the last one is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The question's.
    pub id: u64,
    /// Whose log.
    pub origin: Origin,
    /// Where the copy stands when all chunks are there.
    pub upto: Version,
    /// What the whole log holds: the copy is refused if it adds up to something else.
    pub sets: Sets,
    /// The chunk's place, from 0.
    pub number: u32,
    /// Whether it is the last one.
    pub last: bool,
    /// Where entries have gone that left for other nodes, as far as the origin remembers; none in another node's copy.
    pub moved: Vec<Moved>,
    /// The entries, in the order of their keys.
    pub puts: Vec<Put>,
}

/// Everything that a frame may carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// To everybody, or as an answer of the origin itself.
    Delta(Delta),
    /// To everybody.
    Digest(Digest),
    /// To one node.
    Ask(Ask),
    /// As an answer.
    Chunk(Chunk),
    /// As an answer.
    Part(Part),
    /// To everybody: a digest of a node that knows of processes which go on under a later generation, itself maybe among them.
    Births(Digest, Vec<Birth>),
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the smallest frame has, or more than [`FRAME_BYTES_MAX`].
    Size,
    /// Another format.
    Format,
    /// The checksum is another one: the bytes were damaged.
    Checksum,
    /// The bytes are whole, and no message.
    Malformed,
}

impl FrameError {
    /// The word for it in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FrameError::Size => "frame_size",
            FrameError::Format => "frame_format",
            FrameError::Checksum => "frame_checksum",
            FrameError::Malformed => "frame_malformed",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FrameError::Size => "the frame is too short or too long",
            FrameError::Format => "the frame is of another format",
            FrameError::Checksum => "the frame was damaged on its way",
            FrameError::Malformed => "the frame holds no message",
        })
    }
}

impl std::error::Error for FrameError {}

/// The bytes of a frame from `sender`.
#[must_use]
pub fn encode(sender: &Origin, message: &Message) -> Vec<u8> {
    let mut frame = vec![FORMAT];
    // Writing plain structs into a vector does not fail: there is no value of them that postcard refuses.
    if let Ok(bytes) = postcard::to_extend(&(sender, message), std::mem::take(&mut frame)) {
        frame = bytes;
    }
    let checksum = xxh3_64(&frame);
    frame.extend_from_slice(&checksum.to_le_bytes());
    frame
}

/// Reads a frame: its sender and its message.
///
/// # Errors
/// Says why the bytes are no frame. It never panics, whatever the bytes are, and allocates no more than they justify.
pub fn decode(frame: &[u8]) -> Result<(Origin, Message), FrameError> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(FrameError::Size);
    }
    let body_len = frame.len().checked_sub(CHECKSUM_BYTES).ok_or(FrameError::Size)?;
    let (body, checksum) = frame.split_at_checked(body_len).ok_or(FrameError::Size)?;
    let (format, content) = body.split_first().ok_or(FrameError::Size)?;
    if *format != FORMAT {
        return Err(FrameError::Format);
    }
    if checksum != xxh3_64(body).to_le_bytes() && !planted::is(Fault::ChecksumUnread) {
        return Err(FrameError::Checksum);
    }
    match postcard::take_from_bytes(content) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(FrameError::Malformed),
    }
}

/// The position of an origin in a digest's vector.
#[must_use]
pub fn reached(digest: &Digest, node: &NodeName, generation: Generation) -> Option<Version> {
    digest
        .reached
        .iter()
        .flatten()
        .find(|reached| reached.origin.node == *node && reached.origin.generation == generation)
        .map(|reached| reached.version)
}

#[cfg(test)]
mod tests;
