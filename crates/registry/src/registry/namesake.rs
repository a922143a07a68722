//! Two processes of one name: the one that was started later goes, and the other one is believed again by those who heard the later one.
//!
//! Who has seen a generation refuses all smaller ones. So the process that stays takes a later generation than the one that goes, while
//! it runs: its log goes on, its entries stay what and where they are. Of two processes each tells by the generation that the other was
//! *started* with which of them was there first; that one is said wherever it is not the present one.

use std::sync::Arc;

use sensocto_model::{Generation, Origin};

use super::{Output, Registry};
use crate::message::{Birth, Digest, Message};
use crate::peer::PeerState;
use crate::planted::{self, Fault};
use crate::reached::{self, Point};
use crate::view::Cause;
use sensocto_model::Now;

/// How far ahead of this node's wall clock another process's generation may be to be followed. Generations are times of starts.
const GENERATION_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Digest intervals between two later generations.
const RENEW_PAUSE: u32 = 4;

impl Registry {
    /// A frame came under this node's own name: an echo, or another process.
    pub(super) fn hear_namesake(&mut self, sender: &Origin, message: &Message, now: Now) {
        let born = match message {
            Message::Digest(_) => sender.generation,
            Message::Births(_, births) => born_of(births, sender),
            // A digest follows, and says more.
            Message::Delta(_) | Message::Chunk(_) | Message::Part(_) | Message::Ask(_) => return,
        };
        if born < self.born && !planted::is(Fault::LaterStays) {
            reached::at(Point::NameWasTaken);
            self.outputs.push_back(Output::NameTaken { generation: born });
        }
        self.meet_namesake(sender.generation, born, now);
    }

    /// Somebody knows of another process of this name. What a third node says ends no process: it may at most cost this one a later
    /// generation, and that not often.
    fn meet_namesake(&mut self, generation: Generation, born: Generation, now: Now) {
        if generation <= self.me.generation || born <= self.born {
            return;
        }
        if generation.0 > now.wall_ms.saturating_add(GENERATION_AHEAD_MS_MAX) {
            self.counters.refuse("generation_implausible");
        } else if now.mono >= self.renew_not_before && !planted::is(Fault::OvertakenForGood) {
            reached::at(Point::Overtaken);
            self.renew_not_before = now.mono + self.config.digest_interval * RENEW_PAUSE;
            self.outputs.push_back(Output::Overtaken { generation });
        }
    }

    /// This process goes on under a later generation: what it holds stays as it is, everywhere. Whoever calls this has made sure that no
    /// later start takes a smaller one. `false` where the generation is not later.
    pub fn renew(&mut self, generation: Generation, now: Now) -> bool {
        if generation <= self.me.generation {
            return false;
        }
        self.awake(now);
        reached::at(Point::Renewed);
        let me = Arc::new(Origin { node: self.me.node.clone(), generation });
        let old = std::mem::replace(&mut self.me, Arc::clone(&me));
        for (key, entry) in self.log.entries().clone().iter() {
            // The new one first: nobody sees the entry leave.
            self.show(&me, key.clone(), Some(Arc::clone(entry)), Cause::Unregistered);
            self.show(&old, key.clone(), None, Cause::Unregistered);
        }
        self.nodes_dirty = true;
        self.vector_in = 0;
        self.next_digest = self.next_digest.min(now.mono);
        true
    }

    /// An earlier generation of a node still speaks. If that is a process which was there all the time, it takes a later one as soon as it
    /// hears which one is known here.
    pub(super) fn answer_earlier(&mut self, sender: &Origin, now: Now) {
        let Some(peer) = self.peers.get_mut(&sender.node) else { return };
        if planted::is(Fault::EarlierNotAnswered) {
            return;
        }
        reached::at(Point::EarlierAnswered);
        peer.contested = true;
        // With the next digest, not at once: late frames of a process that was started anew need no answer of their own.
        self.vector_in = 0;
        self.next_digest = self.next_digest.min(now.mono + self.config.digest_interval);
    }

    /// The processes that go on under a later generation, as far as this node has to say so: itself always, the others with the vector.
    pub(super) fn births(&self, all: bool) -> Vec<Birth> {
        if planted::is(Fault::BirthNotTold) {
            return Vec::new();
        }
        let mine =
            (self.born != self.me.generation).then(|| Birth { origin: Origin::clone(&self.me), born: self.born });
        let others = self.peers.values().filter(|peer| all && peer.state != PeerState::Removed);
        let others = others.filter_map(|peer| Some(Birth { origin: Origin::clone(&peer.origin), born: peer.born? }));
        mine.into_iter().chain(others).collect()
    }

    /// Learns from a digest which process the sender is, and whether others know of a later one with this node's name.
    pub(super) fn learn_births(&mut self, sender: &Origin, digest: &Digest, births: &[Birth], now: Now) {
        let born = born_of(births, sender);
        if let Some(peer) = self.peers.get_mut(&sender.node) {
            peer.born = (born < sender.generation).then_some(born);
        }
        let later = |origin: &&Origin| origin.node == self.me.node && origin.generation > self.me.generation;
        let seen = digest.reached.iter().flatten().map(|reached| &reached.origin).find(later).cloned();
        if let Some(seen) = seen {
            self.meet_namesake(seen.generation, born_of(births, &seen), now);
        }
    }
}

/// The generation that a process was started with: its present one, unless it is said otherwise.
fn born_of(births: &[Birth], origin: &Origin) -> Generation {
    births.iter().find(|birth| birth.origin == *origin).map_or(origin.generation, |birth| birth.born)
}
