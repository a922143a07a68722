//! Answers to the questions of other nodes: frames, made one at a time from a snapshot of a log, while the log itself goes on.

use sensocto_model::{Key, Origin, Version};

use crate::entry::EntrySet;
use crate::log::{LINE_BYTES, OriginLog, put_bytes};
use crate::message::{self, Ask, Chunk, Message};

/// The frames that answer one question: whoever sends them sets the pace.
#[derive(Debug)]
pub struct Answer {
    sender: Origin,
    bytes_max: usize,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Deltas { log: OriginLog, after: Version },
    Chunks(Box<Whole>),
    Done,
}

/// A whole log, as far as it was not sent yet.
#[derive(Debug)]
struct Whole {
    ask: Ask,
    entries: EntrySet,
    upto: Version,
    /// The log itself, where its origin answers: only that knows where entries have gone.
    log: OriginLog,
    moved_after: Option<Key>,
    after: Option<Key>,
    number: u32,
}

impl Answer {
    /// The answer of the origin itself.
    pub(crate) fn from_origin(sender: Origin, ask: Ask, log: &OriginLog, bytes_max: usize) -> Answer {
        let rest = match ask.after {
            Some(after) if log.reaches_back_to(after) => Rest::Deltas { log: log.clone(), after },
            Some(_) | None => {
                Rest::Chunks(Box::new(Whole::new(ask, log.entries().clone(), log.version(), log.clone())))
            }
        };
        Answer { sender, bytes_max, rest }
    }

    /// The answer of a node that has a copy.
    pub(crate) fn from_copy(sender: Origin, ask: Ask, entries: EntrySet, upto: Version, bytes_max: usize) -> Answer {
        let whole = Whole::new(ask, entries, upto, OriginLog::default());
        Answer { sender, bytes_max, rest: Rest::Chunks(Box::new(whole)) }
    }
}

impl Iterator for Answer {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let message = match &mut self.rest {
            Rest::Deltas { log, after } => {
                let Some(delta) = log.delta(*after, self.bytes_max) else {
                    self.rest = Rest::Done;
                    return None;
                };
                *after = delta.upto;
                Message::Delta(delta)
            }
            Rest::Chunks(whole) => {
                let chunk = whole.next_chunk(self.bytes_max);
                if chunk.last {
                    self.rest = Rest::Done;
                }
                Message::Chunk(chunk)
            }
            Rest::Done => return None,
        };
        Some(message::encode(&self.sender, &message))
    }
}

impl Whole {
    fn new(ask: Ask, entries: EntrySet, upto: Version, log: OriginLog) -> Whole {
        Whole { ask, entries, upto, log, moved_after: None, after: None, number: 0 }
    }

    /// Tells first where entries have gone, then what is there: a copy that is replaced knows of each entry that is missing why.
    fn next_chunk(&mut self, bytes_max: usize) -> Chunk {
        let (mut bytes, mut last) = (0, true);
        let (mut moved, mut puts) = (Vec::new(), Vec::new());
        for line in self.log.moved(self.moved_after.as_ref()) {
            if bytes >= bytes_max {
                last = false;
                break;
            }
            bytes += LINE_BYTES + line.key.id.as_str().len();
            moved.push(line);
        }
        for (key, entry) in self.entries.after(self.after.as_ref()) {
            if bytes >= bytes_max {
                last = false;
                break;
            }
            let put = entry.to_put(key);
            bytes += put_bytes(&put);
            puts.push(put);
        }
        self.moved_after = moved.last().map(|moved| moved.key.clone()).or(self.moved_after.take());
        self.after = puts.last().map(|put| put.key.clone()).or(self.after.take());
        let number = self.number;
        self.number += 1;
        let (id, origin) = (self.ask.id, self.ask.origin.clone());
        Chunk { id, origin, upto: self.upto, sets: *self.entries.sets(), number, last, moved, puts }
    }
}
