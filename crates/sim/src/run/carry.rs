//! What a process wants done: frames to everybody, questions, events to its viewers.

use std::rc::Rc;
use std::sync::Arc;

use sensocto_model::{Key, Origin};
use sensocto_registry::message::{self, Content, Message, Range, Want};
use sensocto_registry::{Cause, EventKind, Output};

use super::{Job, Run};
use crate::checkers::{Checked, ensure, events};
use crate::names::{entry_number, node_number};
use crate::network::Class;
use crate::node::Input;

impl Run<'_> {
    /// Does what a node wants done.
    pub(super) fn drain(&mut self, at: usize) -> Checked {
        loop {
            let mut outputs = std::mem::take(&mut self.outputs);
            let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
            while let Some(output) = process.registry.poll_output() {
                outputs.push(output);
            }
            if outputs.is_empty() {
                self.outputs = outputs;
                return Ok(());
            }
            for output in outputs.drain(..) {
                self.carry_out(at, output)?;
            }
            self.outputs = outputs;
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) -> Checked {
        match output {
            Output::Publish(frame) => self.publish(at, frame.into()),
            Output::Ask { to, id, frame } => self.ask(at, node_number(&to), id, frame.into()),
            Output::Event(event) => {
                self.trace.number(event.held.entry.version.0 ^ (event.held.origin.generation.0 << 32));
                self.trace.bytes(event.key.id.as_str().as_bytes());
                self.trace.line(self.now, || {
                    format!(
                        "n{at} shows {:?} {} v{} of {}",
                        event.kind, event.key, event.held.entry.version, event.held.origin
                    )
                });
                self.points.reach(match event.kind {
                    EventKind::Registered => "event_registered",
                    EventKind::Updated
                        if event.previous.as_ref().is_some_and(|was| was.origin != event.held.origin) =>
                    {
                        "event_other_owner"
                    }
                    EventKind::Updated => "event_updated",
                    EventKind::Unregistered(Cause::Unregistered) => "event_unregistered",
                    EventKind::Unregistered(Cause::NodeGone) => "event_node_gone",
                    EventKind::Unregistered(Cause::NodeRestarted) => "event_node_restarted",
                });
                self.around.me = self.nodes[at].number;
                let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
                events::take(&mut process.viewer, &self.model, &event, self.around)
            }
            Output::Superseded { key, stamp, by } => {
                self.points.reach("superseded");
                self.trace.line(self.now, || format!("n{at} gave {key} up to {by}"));
                let origin = self.nodes[at].origin();
                let entry = entry_number(&key).unwrap_or(u32::MAX);
                if let Some(process) = self.nodes[at].process.as_mut() {
                    process.removals += 1;
                }
                let held = self.model.moved((at, origin), entry, stamp, self.now);
                ensure(held, "client", || format!("n{at} gave {key} up, which no client held there"))
            }
            Output::NameTaken { generation } => self.give_the_name_up(at, generation.0),
            Output::Overtaken { generation } => self.renew(at, generation.0),
        }
    }

    fn publish(&mut self, at: usize, frame: Rc<[u8]>) -> Checked {
        self.trace.bytes(&frame);
        self.trace.line(self.now, || format!("n{at} publishes {}", frame_in_words(&frame)));
        let (from, generation) = (self.nodes[at].number, generation_of(&frame));
        if let Some(process) = self.nodes[at].process.as_mut() {
            process.traffic.published += 1;
            if is_digest(&frame) {
                process.removals_at_digests = [process.removals_at_digests[1], process.removals];
            }
        }
        for to in (0..self.nodes.len()).filter(|to| *to != at) {
            let fate = self.network.send(self.now, at, to, Class::Frame);
            let frame = self.perhaps_hollow(at, to, &frame);
            for (arrives_at, place) in [fate.first, fate.second].into_iter().flatten() {
                let (bytes, damaged) = self.perhaps_damage(Rc::clone(&frame), fate.damaged);
                let input = Input::Frame { from, generation, bytes, damaged };
                self.queue_at(arrives_at, Job::Arrive { to, place: Some(place), input });
            }
        }
        Ok(())
    }

    /// Takes the lines out of a delta, if that is what is to happen between these nodes: whoever takes it stands where its origin does,
    /// and differs.
    fn perhaps_hollow(&mut self, at: usize, to: usize, frame: &Rc<[u8]>) -> Rc<[u8]> {
        if self.quiet || self.hollow != Some((at, to)) {
            return Rc::clone(frame);
        }
        let Ok((sender, Message::Delta(delta))) = message::decode(frame) else { return Rc::clone(frame) };
        self.hollow = None;
        self.points.reach("hollow_delta");
        self.model.hollowed((self.nodes[at].number, sender.generation.0));
        let hollow = message::Delta { removals: Vec::new(), puts: Vec::new(), ..delta };
        message::encode(&sender, &Message::Delta(hollow)).into()
    }

    fn ask(&mut self, at: usize, to: Option<usize>, id: u64, frame: Rc<[u8]>) -> Checked {
        self.trace.bytes(&frame);
        self.trace.line(self.now, || format!("n{at} asks {to:?}, question {id}: {}", frame_in_words(&frame)));
        let Some(to) = to.and_then(|number| self.place_of(at, number)) else {
            return ensure(false, "authority", || format!("n{at} asks {to:?}"));
        };
        let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
        process.traffic.asks += 1;
        let number = process.number;
        let fate = self.network.send(self.now, at, to, Class::Ask);
        if let Some((arrives_at, place)) = fate.first {
            let (frame, _) = self.perhaps_damage(frame, fate.damaged);
            let input = Input::Ask { from: at, process: number, id, frame };
            self.queue_at(arrives_at, Job::Arrive { to, place: Some(place), input });
        }
        Ok(())
    }

    /// The engine tells a node of another one, as well as it does.
    pub(super) fn notice(&mut self, viewer: usize, origin: &Arc<Origin>, up: bool) {
        let notices = if self.quiet { crate::plan::Notices::PROMPT } else { self.plan.setup.notices };
        let times = 1 + u64::from(self.network.rng.chance(notices.repeated));
        for _ in 0..times {
            if self.network.rng.chance(notices.lost) {
                self.points.reach("notice_lost");
                continue;
            }
            let at = self.now + self.network.rng.between(1, 300) + self.network.rng.below(notices.late_ms + 1) * 1_000;
            let input = if up { Input::Up(Arc::clone(origin)) } else { Input::Down(Arc::clone(origin)) };
            self.queue_at(at, Job::Arrive { to: viewer, place: None, input });
        }
    }
}

/// What follows the sender in a frame, and the sender's generation, without reading all of it.
fn head(frame: &[u8]) -> Option<(u64, u8)> {
    // Format, the name with its length, the generation as a varint, then the number of the variant.
    let rest = frame.get(2 + usize::from(*frame.get(1)?)..)?;
    let last = rest.iter().position(|byte| byte & 0x80 == 0)?;
    let generation = rest.get(..=last)?.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((generation, *rest.get(last + 1)?))
}

fn generation_of(frame: &[u8]) -> u64 {
    head(frame).map_or(0, |(generation, _)| generation)
}

fn is_digest(frame: &[u8]) -> bool {
    matches!(head(frame), Some((_, 1 | 5)))
}

/// A frame for readers of a log.
pub(super) fn frame_in_words(frame: &[u8]) -> String {
    match message::decode(frame) {
        Err(error) => format!("nothing readable ({error})"),
        Ok((_, Message::Delta(delta))) => {
            let put = |put: &message::Put| format!(" +{}@{}", put.key.id, put.version);
            let removed = |removal: &message::Removal| {
                let moved = removal.moved_to.as_ref().map(|to| format!("->{}@{}", to.origin, to.version));
                format!(" -{}@{}{}", removal.key.id, removal.version, moved.unwrap_or_default())
            };
            let lines: String = delta.removals.iter().map(removed).chain(delta.puts.iter().map(put)).take(12).collect();
            format!("delta {}..{}{}{lines}", delta.after, delta.upto, if delta.upto < delta.read_at { "+" } else { "" })
        }
        Ok((sender, Message::Births(digest, births))) => {
            let births: String = births.iter().map(|birth| format!(" {} born {}", birth.origin, birth.born)).collect();
            format!("{};{births}", digest_in_words(&sender, &digest))
        }
        Ok((sender, Message::Digest(digest))) => digest_in_words(&sender, &digest),
        Ok((_, Message::Ask(ask))) => format!("ask {} {}", ask.origin, want_in_words(&ask.want)),
        Ok((_, Message::Part(part))) => {
            let content = match &part.content {
                Content::Entries { puts, .. } => format!("{} entries", puts.len()),
                Content::Pieces(pieces) => format!("{} pieces", pieces.len()),
            };
            format!("part {} of {} at {}: {content}", range_in_words(&part.range), part.origin, part.upto)
        }
        Ok((_, Message::Chunk(chunk))) => {
            let last = if chunk.last { " last" } else { "" };
            format!(
                "chunk {} of {} up to {}, {} entries{last}",
                chunk.number,
                chunk.origin,
                chunk.upto,
                chunk.puts.len()
            )
        }
    }
}

fn digest_in_words(sender: &Origin, digest: &message::Digest) -> String {
    let counts = digest.sets.0.map(|set| set.count);
    let reached = digest.reached.iter().flatten();
    let reached: String = reached.map(|reached| format!(" {}:{}", reached.origin, reached.version)).take(12).collect();
    format!("digest {sender} at {} of {counts:?};{reached}", digest.version)
}

fn want_in_words(want: &Want) -> String {
    match want {
        Want::After(after) => format!("after {after}"),
        Want::Whole => "whole".to_owned(),
        Want::Ranges(ranges) => ranges.iter().map(range_in_words).take(12).collect(),
    }
}

fn range_in_words(range: &Range) -> String {
    let key = |key: &Option<Key>| key.as_ref().map_or("..".to_owned(), |key| key.id.to_string());
    format!("({} {}]", key(&range.after), key(&range.to))
}
