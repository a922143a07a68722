//! Answers to the questions of other nodes: frames, made one at a time from a snapshot of a log, while the log itself goes on.

use sensocto_model::{Key, Origin, Version};

use crate::entry::EntrySet;
use crate::log::{LINE_BYTES, OriginLog, put_bytes};
use crate::message::{self, Ask, Chunk, Message, Moved, Part, Range, Want};
use crate::ranges;
use crate::reached::{self, Point};

/// The frames that answer one question: whoever sends them sets the pace.
#[derive(Debug)]
pub struct Answer {
    sender: Origin,
    limits: Limits,
    rest: Rest,
}

/// How large the frames of an answer are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_max: usize,
    pub(crate) range_entries_max: usize,
}

#[derive(Debug)]
enum Rest {
    Deltas { log: Box<OriginLog>, after: Version },
    Chunks(Box<Whole>),
    Parts { source: Box<Source>, ranges: std::vec::IntoIter<Range> },
    Done,
}

/// What an answer is read from: a log as it stood when the question came.
#[derive(Debug)]
struct Source {
    id: u64,
    origin: Origin,
    entries: EntrySet,
    upto: Version,
    /// The log itself, where its origin answers: only that knows where entries have gone.
    log: OriginLog,
}

/// A whole log, as far as it was not sent yet.
#[derive(Debug)]
struct Whole {
    source: Source,
    moved_after: Option<Key>,
    after: Option<Key>,
    number: u32,
}

impl Answer {
    /// The answer of the origin itself.
    pub(crate) fn from_origin(sender: Origin, ask: Ask, log: &OriginLog, limits: Limits) -> Answer {
        let source = |log: &OriginLog| Source {
            id: ask.id,
            origin: sender.clone(),
            entries: log.entries().clone(),
            upto: log.version(),
            log: log.clone(),
        };
        let worth_it = ranges::is_worth_it(log.entries().len(), limits.range_entries_max);
        let rest = match ask.want {
            Want::After(after) if log.reaches_back_to(after) => {
                reached::at(Point::AnsweredByDeltas);
                Rest::Deltas { log: Box::new(log.clone()), after }
            }
            // Removals since then are forgotten. Whoever has most of the log already finds out what differs.
            Want::After(after) if after > Version::ZERO && worth_it => {
                reached::at(Point::AnsweredBySums);
                Rest::parts(source(log), vec![Range::ALL])
            }
            Want::After(_) | Want::Whole => {
                reached::at(Point::AnsweredByWholeLog);
                Rest::whole(source(log))
            }
            Want::Ranges(ranges) => {
                reached::at(Point::AnsweredByRanges);
                Rest::parts(source(log), ranges)
            }
        };
        Answer { sender, limits, rest }
    }

    /// The answer of a node that has a copy.
    pub(crate) fn from_copy(sender: Origin, ask: Ask, entries: EntrySet, upto: Version, limits: Limits) -> Answer {
        let source = Source { id: ask.id, origin: ask.origin, entries, upto, log: OriginLog::default() };
        let rest = match ask.want {
            Want::After(_) | Want::Whole => {
                reached::at(Point::HelpedByWholeCopy);
                Rest::whole(source)
            }
            Want::Ranges(ranges) => {
                reached::at(Point::HelpedByRanges);
                Rest::parts(source, ranges)
            }
        };
        Answer { sender, limits, rest }
    }
}

impl Rest {
    fn whole(source: Source) -> Rest {
        Rest::Chunks(Box::new(Whole { source, moved_after: None, after: None, number: 0 }))
    }

    fn parts(source: Source, mut ranges: Vec<Range>) -> Rest {
        ranges.retain(Range::is_forward);
        ranges.truncate(message::RANGES_MAX);
        Rest::Parts { source: Box::new(source), ranges: ranges.into_iter() }
    }
}

impl Iterator for Answer {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let message = match &mut self.rest {
            Rest::Deltas { log, after } => {
                let Some(delta) = log.delta(*after, self.limits.bytes_max) else {
                    self.rest = Rest::Done;
                    return None;
                };
                *after = delta.upto;
                Message::Delta(delta)
            }
            Rest::Chunks(whole) => {
                let chunk = whole.next_chunk(self.limits.bytes_max);
                if chunk.last {
                    self.rest = Rest::Done;
                }
                Message::Chunk(chunk)
            }
            Rest::Parts { source, ranges } => match ranges.next() {
                Some(range) => Message::Part(source.part(range, self.limits)),
                None => {
                    self.rest = Rest::Done;
                    return None;
                }
            },
            Rest::Done => return None,
        };
        Some(message::encode(&self.sender, &message))
    }
}

impl Source {
    fn part(&self, range: Range, limits: Limits) -> Part {
        let after = range.after.as_ref();
        let inside = |moved: &Moved| range.to.as_ref().is_none_or(|to| moved.key <= *to);
        let moved = self.log.moved(after).take_while(inside).take(limits.range_entries_max).collect();
        let content = ranges::describe(&self.entries, &range, moved, limits.range_entries_max, limits.bytes_max);
        let (origin, sets) = (self.origin.clone(), *self.entries.sets());
        Part { id: self.id, origin, upto: self.upto, sets, range, content }
    }
}

impl Whole {
    /// Tells first where entries have gone, then what is there: a copy that is replaced knows of each entry that is missing why.
    fn next_chunk(&mut self, bytes_max: usize) -> Chunk {
        let (mut bytes, mut last) = (0, true);
        let (mut moved, mut puts) = (Vec::new(), Vec::new());
        for line in self.source.log.moved(self.moved_after.as_ref()) {
            if bytes >= bytes_max {
                last = false;
                break;
            }
            bytes += LINE_BYTES + line.key.id.as_str().len();
            reached::at(Point::WholeLogToldOfMove);
            moved.push(line);
        }
        for (key, entry) in self.source.entries.after(self.after.as_ref()) {
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
        let Source { id, origin, entries, upto, .. } = &self.source;
        Chunk { id: *id, origin: origin.clone(), upto: *upto, sets: *entries.sets(), number, last, moved, puts }
    }
}
