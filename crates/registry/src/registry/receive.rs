//! Frames from other nodes.

use std::collections::VecDeque;
use std::sync::Arc;

use sensocto_model::{NodeName, Origin, Stamp};

use super::Registry;
use super::departures::Departing;
use crate::Config;
use crate::answer::{Answer, Limits};
use crate::message::{self, Birth, Chunk, Delta, Digest, FrameError, Message, Part};
use crate::peer::{Peer, PeerState, Retired};
use crate::planted::{self, Fault};
use crate::reached::{self, Point};
use crate::replica::{Change, ChunkStatus, Replica, check_delta};
use crate::view::Cause;
use sensocto_model::Now;

/// How far ahead of this node's wall clock a stamp may be for this node's own stamps to follow it.
const CLOCK_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

impl Registry {
    /// Takes a frame that was published.
    ///
    /// # Errors
    /// Says why the bytes are no frame; that is counted, and nothing has changed. What a frame says wrongly is counted and ignored
    /// without an error: it is the sender's fault, and this node goes on.
    pub fn handle_frame(&mut self, frame: &[u8], now: Now) -> Result<(), FrameError> {
        self.awake(now);
        let (sender, message) = message::decode(frame).inspect_err(|error| self.counters.refuse(error.as_str()))?;
        self.wall_ms = now.wall_ms;
        if sender.node == self.me.node {
            self.hear_namesake(&sender, &message, now);
            return Ok(());
        }
        if !self.meet(&sender, now) {
            if matches!(message, Message::Digest(_) | Message::Births(..)) {
                self.answer_earlier(&sender, now);
            }
            return Ok(());
        }
        match message {
            Message::Delta(delta) => self.take_delta(&sender.node, delta, frame.len(), now),
            Message::Digest(digest) => self.take_digest(&sender, digest, &[], now),
            Message::Births(digest, births) => self.take_digest(&sender, digest, &births, now),
            Message::Chunk(_) => self.counters.refuse("chunk_published"),
            Message::Part(_) => self.counters.refuse("part_published"),
            Message::Ask(_) => self.counters.refuse("ask_published"),
        }
        Ok(())
    }

    /// Takes a frame of the answer to question `id`.
    ///
    /// # Errors
    /// As [`Registry::handle_frame`].
    pub fn handle_answer_frame(&mut self, id: u64, frame: &[u8], now: Now) -> Result<(), FrameError> {
        self.awake(now);
        let (sender, message) = message::decode(frame).inspect_err(|error| self.counters.refuse(error.as_str()))?;
        let asked = self.peers.values_mut().find_map(|peer| peer.asking.as_mut().filter(|asking| asking.id == id));
        let Some(asking) = asked.filter(|asking| asking.to == sender.node) else {
            self.counters.refuse("answer_unasked");
            return Ok(());
        };
        // An answer that goes on is an answer in time.
        asking.deadline = now.mono + self.config.ask_timeout;
        if !self.meet(&sender, now) {
            return Ok(());
        }
        match message {
            Message::Delta(delta) => self.take_delta(&sender.node, delta, frame.len(), now),
            Message::Chunk(chunk) => self.take_chunk(&sender.node, chunk),
            Message::Part(part) => self.take_part(&sender.node, part),
            Message::Digest(_) | Message::Births(..) | Message::Ask(_) => self.counters.refuse("not_an_answer"),
        }
        Ok(())
    }

    /// The answer to a question of another node: frames, made one at a time.
    ///
    /// # Errors
    /// Says why the bytes are no frame. `Ok(None)` where it is no question, or this node has no copy to answer from.
    pub fn answer(&mut self, frame: &[u8]) -> Result<Option<Answer>, FrameError> {
        let (_, message) = message::decode(frame).inspect_err(|error| self.counters.refuse(error.as_str()))?;
        let Message::Ask(ask) = message else {
            self.counters.refuse("not_an_ask");
            return Ok(None);
        };
        let sender = Origin::clone(&self.me);
        let Config { delta_bytes_max: bytes_max, range_entries_max, .. } = self.config;
        let limits = Limits { bytes_max, range_entries_max };
        if ask.origin == sender {
            return Ok(Some(Answer::from_origin(sender, ask, &self.log, limits)));
        }
        // Only a copy that was the same as its origin's log once, and that is a state which the origin had.
        let copy = self.peers.get(&ask.origin.node).filter(|peer| {
            let whole = peer.proved_at.is_some() && peer.replica.is_settled() && !peer.diverged;
            *peer.origin == ask.origin && peer.state != PeerState::Removed && whole
        });
        Ok(copy.map(|peer| {
            let (entries, upto) = (peer.replica.entries().clone(), peer.replica.version());
            Answer::from_copy(sender, ask, entries, upto, limits)
        }))
    }

    /// Notes that a node was heard; `false` where it is an earlier start of a node that has been started anew.
    pub(super) fn meet(&mut self, sender: &Origin, now: Now) -> bool {
        if !self.peers.contains_key(&sender.node) && !self.make_room_for_peer() {
            self.counters.refuse("too_many_peers");
            return false;
        }
        let peer = self.peers.entry(sender.node.clone()).or_insert_with(|| Peer::new(sender.clone(), now.mono));
        if sender.generation < peer.origin.generation && !planted::is(Fault::OldGenerationHeard) {
            self.counters.refuse("generation_retired");
            return false;
        }
        self.nodes_dirty = true;
        if sender.generation > peer.origin.generation {
            reached::at(Point::GenerationStarted);
            self.start_generation(sender, now);
        }
        self.heard(&sender.node, now);
        true
    }

    /// A node was started anew: what it held before stays readable until it has registered it again, or for the grace.
    fn start_generation(&mut self, origin: &Origin, now: Now) {
        let Some(peer) = self.peers.get_mut(&origin.node) else { return };
        let old = std::mem::replace(peer, Peer::new(origin.clone(), now.mono));
        peer.retired = old.retired;
        let entries = old.replica.entries().clone();
        if entries.len() > 0 {
            reached::at(Point::EntriesRetired);
            let grace = if planted::is(Fault::RetiredAtOnce) { std::time::Duration::ZERO } else { self.config.grace };
            peer.retired.push(Retired { origin: old.origin, entries, remove_at: now.mono + grace });
        }
        if planted::is(Fault::GenerationKeepsCopy) {
            peer.replica = old.replica;
        }
        let dropped = (peer.retired.len() > self.config.retired_max).then(|| peer.retired.remove(0));
        if let Some(dropped) = dropped {
            reached::at(Point::RetiredOverLimit);
            self.drop_retired(&dropped, Cause::NodeRestarted);
        }
    }

    fn take_delta(&mut self, node: &NodeName, delta: Delta, bytes: usize, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        if let Err(reason) = check_delta(&delta) {
            self.counters.refuse(reason);
            return;
        }
        let gap = delta.after > peer.replica.version() && !planted::is(Fault::GapSkipped);
        let whole_on_its_way = peer.asking.as_ref().is_some_and(|asking| asking.whole);
        if gap || (whole_on_its_way && delta.upto > peer.replica.version()) {
            reached::at(if gap { Point::DeltaInAGap } else { Point::DeltaWhileLogComes });
            if gap {
                self.counters.deltas_gap += 1;
                peer.gap = true;
            }
            if !peer.replica.hold_back(delta, bytes, self.config.held_back_bytes_max) {
                self.counters.refuse("held_back_full");
            }
            self.catch_up(node, now);
            return;
        }
        let mut changes = Vec::new();
        peer.applied_at = now.mono;
        let status = peer.replica.apply_delta(delta, &mut changes);
        self.counters.delta(status);
        if !whole_on_its_way {
            // It may have closed the gap before what was held back.
            for status in peer.replica.release_held_back(&mut changes) {
                self.counters.delta(status);
            }
        }
        self.show_changes(node, changes);
    }

    fn take_digest(&mut self, sender: &Origin, digest: Digest, births: &[Birth], now: Now) {
        self.learn_births(sender, &digest, births, now);
        let Some(peer) = self.peers.get_mut(&sender.node) else { return };
        if !digest.version.is_plausible() {
            self.counters.refuse("version_implausible");
            return;
        }
        if digest.version < peer.claimed() {
            // An origin's log only grows: this one was overtaken on its way.
            self.counters.refuse("digest_overtaken");
            return;
        }
        peer.ahead = if digest.version < peer.replica.version() { peer.ahead + 1 } else { 0 };
        // What is not said this time is as it was.
        let reached = digest.reached.or_else(|| peer.digest.take().and_then(|last| last.reached));
        let digest = Digest { reached, ..digest };
        peer.digest = Some(digest.clone());
        peer.digest_at = Some(now.mono);
        let was_diverged = peer.diverged;
        peer.prove();
        // One digest may have been overtaken by a delta; two in a row were not.
        if peer.ahead >= 2 {
            reached::at(Point::AheadOfTwoDigests);
            peer.diverged = true;
        }
        if peer.diverged && !was_diverged {
            self.counters.divergences += 1;
        }
        self.catch_up(&sender.node, now);
        self.learn_from_vector(&digest, now);
    }

    fn take_chunk(&mut self, from: &NodeName, chunk: Chunk) {
        let node = chunk.origin.node.clone();
        let Some(peer) = self.peers.get_mut(&node) else {
            self.counters.refuse("chunk_unasked");
            return;
        };
        let asked = peer.asking.as_mut().filter(|asking| asking.id == chunk.id && asking.to == *from);
        let Some(asking) = asked.filter(|_| *peer.origin == chunk.origin) else {
            self.counters.refuse("chunk_unasked");
            return;
        };
        // An origin that has forgotten the removals since then answers with its whole log, asked for or not.
        asking.whole = true;
        let stood = asking.stood_at_origin(&node);
        let mut changes = Vec::new();
        let status = peer.replica.apply_chunk(chunk, stood, &mut changes);
        self.counters.logs_replaced += u64::from(status == ChunkStatus::Replaced);
        self.note_taken(&node, status);
        self.show_changes(if planted::is(Fault::WrongOwner) { from } else { &node }, changes);
    }

    /// Takes what one range of a log holds. It is shown when all that differs is known.
    fn take_part(&mut self, from: &NodeName, part: Part) {
        let Some(peer) = self.peers.get_mut(&part.origin.node) else {
            self.counters.refuse("part_unasked");
            return;
        };
        let asked = peer.asking.as_mut().filter(|asking| asking.id == part.id && asking.to == *from);
        let Some(asking) = asked.filter(|_| *peer.origin == part.origin) else {
            self.counters.refuse("part_unasked");
            return;
        };
        // As above: it may answer with the sums of its whole log.
        asking.whole = true;
        if let Err(reason) = peer.replica.apply_part(part) {
            peer.whole_next = true;
            self.counters.refuse(reason);
        }
    }

    /// Notes what became of a whole log, or of what differed from one.
    pub(super) fn note_taken(&mut self, node: &NodeName, status: ChunkStatus) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        match status {
            ChunkStatus::Kept => {}
            ChunkStatus::Replaced => {
                peer.diverged = false;
                peer.ahead = 0;
            }
            ChunkStatus::Older => self.counters.refuse("chunks_older"),
            ChunkStatus::Refused(reason) => self.counters.refuse(reason),
        }
    }

    /// Puts what changed in a copy into the view.
    pub(super) fn show_changes(&mut self, node: &NodeName, changes: Vec<Change>) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.prove();
        let origin = Arc::clone(&peer.origin);
        let mut retired = Vec::new();
        for change in &changes {
            for old in &mut peer.retired {
                if old.entries.remove(&change.key).is_some() {
                    reached::at(Point::RetiredCameBack);
                    retired.push((Arc::clone(&old.origin), change.key.clone()));
                }
            }
        }
        self.nodes_dirty = true;
        for change in changes {
            if let Some(new) = &change.new {
                self.observe(new.stamp);
            }
            match change.moved_to {
                Some(until) if !self.has_reached(&until, &change.key) && !planted::is(Fault::DepartAtOnce) => {
                    self.let_depart(change.key, &origin, until)
                }
                Some(_) | None => self.show(&origin, change.key, change.new, Cause::Unregistered),
            }
        }
        for (old_origin, key) in retired {
            self.show(&old_origin, key, None, Cause::Unregistered);
        }
        self.end_departures(|departing| departing.until.origin == *origin);
    }

    /// Follows the clocks of the others, unless they are so far ahead that this can only be a mistake.
    fn observe(&mut self, stamp: Stamp) {
        if stamp.wall_ms > self.wall_ms.saturating_add(CLOCK_AHEAD_MS_MAX) {
            reached::at(Point::ClockTooFarAhead);
        } else if stamp > self.clock {
            reached::at(Point::ClockFollowed);
            self.clock = stamp;
        }
    }

    /// Takes everything out of the view that an earlier generation left behind.
    pub(super) fn drop_retired(&mut self, retired: &Retired, cause: Cause) {
        for (key, _) in retired.entries.iter() {
            self.show(&retired.origin, key.clone(), None, cause);
        }
    }

    /// Takes everything of a node out of the view and forgets its copy; its generation stays known.
    pub(super) fn drop_entries(&mut self, node: &NodeName, cause: Cause) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let replica = peer.replica.forget();
        let retired = std::mem::take(&mut peer.retired);
        let origin = Arc::clone(&peer.origin);
        peer.digest = None;
        peer.digest_at = None;
        peer.proved_at = None;
        peer.asking = None;
        peer.gap = false;
        peer.diverged = false;
        self.drop_replica(&origin, &replica, cause);
        let (gone, rest) =
            std::mem::take(&mut self.departing).into_iter().partition(|departing| departing.origin == origin);
        self.departing = rest;
        let gone: VecDeque<Departing> = gone;
        for departing in gone {
            self.show(&departing.origin, departing.key, None, cause);
        }
        for retired in retired {
            self.drop_retired(&retired, cause);
        }
    }

    fn drop_replica(&mut self, origin: &Arc<Origin>, replica: &Replica, cause: Cause) {
        for (key, _) in replica.entries().iter() {
            self.show(origin, key.clone(), None, cause);
        }
    }

    /// Makes room for one more node by forgetting a removed one.
    fn make_room_for_peer(&mut self) -> bool {
        if self.peers.len() < self.config.peers_max {
            return true;
        }
        let removed = self.peers.values().filter(|peer| peer.state == PeerState::Removed);
        let Some(oldest) = removed.min_by_key(|peer| peer.since).map(|peer| peer.origin.node.clone()) else {
            return false;
        };
        self.peers.remove(&oldest);
        true
    }
}
