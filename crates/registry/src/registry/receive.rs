//! Frames from other nodes.

use std::sync::Arc;

use sensocto_model::{NodeName, Origin};

use super::{Output, Registry};
use crate::log::Answer;
use crate::message::{self, Chunk, Delta, Digest, FrameError, Message};
use crate::now::Now;
use crate::peer::{Peer, PeerState, Retired};
use crate::replica::{Change, ChunkStatus, DeltaStatus, Replica};
use crate::view::Cause;

impl Registry {
    /// Takes a frame that was published, or that answers a question.
    ///
    /// # Errors
    /// Says why the bytes are no frame; that is counted, and nothing has changed. What a frame says wrongly is counted and ignored
    /// without an error: it is the sender's fault, and this node goes on.
    pub fn handle_frame(&mut self, frame: &[u8], now: Now) -> Result<(), FrameError> {
        let (sender, message) = message::decode(frame).inspect_err(|error| self.counters.refuse(error.as_str()))?;
        if sender.node == self.me.node {
            if sender.generation != self.me.generation {
                self.outputs.push_back(Output::NameConflict { generation: sender.generation });
            }
            return Ok(());
        }
        if !self.meet(&sender, now) {
            return Ok(());
        }
        match message {
            Message::Delta(delta) => self.take_delta(&sender.node, delta, frame.len(), now),
            Message::Digest(digest) => self.take_digest(&sender, digest, now),
            Message::Chunk(chunk) => self.take_chunk(&sender.node, chunk, now),
            Message::Ask(_) => self.counters.refuse("ask_published"),
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
        let bytes_max = self.config.delta_bytes_max;
        if ask.origin == sender {
            return Ok(Some(Answer::from_origin(sender, ask, &self.log, bytes_max)));
        }
        let copy = self
            .peers
            .get(&ask.origin.node)
            .filter(|peer| *peer.origin == ask.origin && peer.state != PeerState::Removed && peer.proved_at.is_some());
        Ok(copy.map(|peer| {
            let (entries, upto) = (peer.replica.entries().clone(), peer.replica.version());
            Answer::from_copy(sender, ask, entries, upto, bytes_max)
        }))
    }

    /// Notes that a node was heard; `false` where it is an earlier start of a node that has been started anew.
    pub(super) fn meet(&mut self, sender: &Origin, now: Now) -> bool {
        if !self.peers.contains_key(&sender.node) && !self.make_room_for_peer() {
            self.counters.refuse("too_many_peers");
            return false;
        }
        let peer = self.peers.entry(sender.node.clone()).or_insert_with(|| Peer::new(sender.clone(), now.mono));
        if sender.generation < peer.origin.generation {
            self.counters.refuse("generation_retired");
            return false;
        }
        self.nodes_dirty = true;
        if sender.generation > peer.origin.generation {
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
            peer.retired.push(Retired { origin: old.origin, entries, remove_at: now.mono + self.config.grace });
        }
        let dropped = (peer.retired.len() > self.config.retired_max).then(|| peer.retired.remove(0));
        if let Some(dropped) = dropped {
            self.drop_retired(&dropped, Cause::NodeRestarted);
        }
    }

    fn take_delta(&mut self, node: &NodeName, delta: Delta, bytes: usize, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        // An answer of deltas that goes on is an answer in time.
        if let Some(asking) = peer.asking.as_mut().filter(|asking| asking.to == *node) {
            asking.deadline = now.mono + self.config.ask_timeout;
        }
        let mut changes = Vec::new();
        // While a repair is under way, what comes meanwhile builds on it.
        let ahead = delta.after > peer.replica.version();
        if ahead && delta.upto.is_plausible() {
            self.counters.deltas_gap += 1;
            peer.gap = true;
            if !peer.replica.hold_back(delta, bytes, self.config.held_back_bytes_max) {
                self.counters.refuse("held_back_full");
            }
            self.catch_up(node, now);
            return;
        }
        match peer.replica.apply_delta(delta, &mut changes) {
            DeltaStatus::Applied => self.counters.deltas_applied += 1,
            DeltaStatus::Duplicate => self.counters.deltas_duplicate += 1,
            DeltaStatus::Gap => self.counters.deltas_gap += 1,
            DeltaStatus::Refused(reason) => self.counters.refuse(reason),
        }
        self.show_changes(node, changes);
    }

    fn take_digest(&mut self, sender: &Origin, digest: Digest, now: Now) {
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
        peer.digest = Some(digest.clone());
        peer.digest_at = Some(now.mono);
        let was_diverged = peer.diverged;
        peer.prove();
        if peer.diverged && !was_diverged {
            self.counters.divergences += 1;
        }
        self.catch_up(&sender.node, now);
        self.learn_from_vector(&digest, now);
    }

    fn take_chunk(&mut self, from: &NodeName, chunk: Chunk, now: Now) {
        let node = chunk.origin.node.clone();
        let Some(peer) = self.peers.get_mut(&node) else {
            self.counters.refuse("chunk_unasked");
            return;
        };
        let asked = peer.asking.as_ref().is_some_and(|asking| asking.id == chunk.id && asking.to == *from);
        if !asked || *peer.origin != chunk.origin {
            self.counters.refuse("chunk_unasked");
            return;
        }
        if let Some(asking) = &mut peer.asking {
            asking.deadline = now.mono + self.config.ask_timeout;
        }
        let mut changes = Vec::new();
        match peer.replica.apply_chunk(chunk, &mut changes) {
            ChunkStatus::Kept => {}
            ChunkStatus::Replaced => {
                self.counters.logs_replaced += 1;
                peer.diverged = false;
            }
            ChunkStatus::Older => self.counters.refuse("chunks_older"),
            ChunkStatus::Refused(reason) => self.counters.refuse(reason),
        }
        self.show_changes(&node, changes);
    }

    /// Puts what changed in a copy into the view.
    pub(super) fn show_changes(&mut self, node: &NodeName, changes: Vec<Change>) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.prove();
        let origin = Arc::clone(&peer.origin);
        let mut retired = Vec::new();
        for change in &changes {
            for old in &mut peer.retired {
                if change.new.is_some() && old.entries.remove(&change.key).is_some() {
                    retired.push((Arc::clone(&old.origin), change.key.clone()));
                }
            }
        }
        self.nodes_dirty = true;
        for change in changes {
            if let Some(new) = &change.new {
                self.clock = self.clock.max(new.stamp);
            }
            self.show(&origin, change.key, change.new, Cause::Unregistered);
        }
        for (old_origin, key) in retired {
            self.show(&old_origin, key, None, Cause::NodeRestarted);
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
        let replica = std::mem::take(&mut peer.replica);
        let retired = std::mem::take(&mut peer.retired);
        let origin = Arc::clone(&peer.origin);
        peer.digest = None;
        peer.digest_at = None;
        peer.proved_at = None;
        peer.asking = None;
        peer.gap = false;
        peer.diverged = false;
        self.drop_replica(&origin, &replica, cause);
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
