//! Asking for what a copy misses: its origin first, then any node that is ahead.

use sensocto_model::{NodeName, Origin, Version};

use super::{Output, Registry};
use crate::message::{self, Ask, Digest, Message, Range, Want};
use crate::peer::{Asking, PeerState};
use crate::planted::{self, Fault};
use crate::ranges;
use crate::reached::{self, Point};
use crate::replica::{Change, ChunkStatus};
use sensocto_model::Now;

impl Registry {
    /// Asks for what the copy of `node`'s log misses, unless a question is under way or there is nobody to ask.
    pub(super) fn catch_up(&mut self, node: &NodeName, now: Now) {
        let Some(peer) = self.peers.get(node) else { return };
        let due = peer.behind_at(self.config.ask_pause).is_some_and(|at| now.mono >= at);
        if !due || peer.asking.is_some() {
            return;
        }
        let origin = Origin::clone(&peer.origin);
        let stands = peer.replica.version();
        let origin_answers = peer.state == PeerState::Alive && !peer.failed.contains(node);
        let worth_it = ranges::is_worth_it(peer.replica.entries().len(), self.config.range_entries_max);
        let compare = worth_it && !peer.whole_next;
        let want = match (origin_answers && !peer.diverged && !peer.whole_next, compare) {
            (true, _) => Want::After(stands),
            (false, true) => Want::Ranges(vec![Range::ALL]),
            (false, false) => Want::Whole,
        };
        let to = if origin_answers { Some(node.clone()) } else { self.who_is_ahead(&origin) };
        let Some(to) = to else {
            reached::at(Point::NobodyToAsk);
            self.pause_asking(node, now);
            return;
        };
        if to != *node {
            reached::at(Point::AskedAnotherNode);
        }
        reached::at(match want {
            Want::After(_) => Point::AskedForChanges,
            Want::Whole => Point::AskedForWholeLog,
            Want::Ranges(_) => Point::AskedForSums,
        });
        if let Some(peer) = self.peers.get_mut(node).filter(|_| matches!(want, Want::Ranges(_))) {
            peer.replica.start_mending();
        }
        self.ask(node, to, want, stands, now);
    }

    /// Asks `to` about the log of `node`, whose copy stood at `stood` when this began.
    fn ask(&mut self, node: &NodeName, to: NodeName, want: Want, stood: Version, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let id = self.next_ask;
        self.next_ask += 1;
        self.counters.asks += 1;
        let patience = if planted::is(Fault::AskWaitsForEver) { 1_000 } else { 1 };
        let deadline = now.mono + self.config.ask_timeout * patience;
        let whole = !matches!(want, Want::After(_));
        peer.asking = Some(Asking { id, to: to.clone(), asked_at: now.mono, deadline, stood, whole });
        let ask = Ask { id, origin: Origin::clone(&peer.origin), want };
        let frame = message::encode(&self.me, &Message::Ask(ask));
        self.outputs.push_back(Output::Ask { to, id, frame });
    }

    /// After an answer about ranges: asks about those that differ, or, when all is known, replaces what differs. Returns whether a
    /// further question is under way.
    fn look_closer(&mut self, node: &NodeName, asking: &Asking, changes: &mut Vec<Change>, now: Now) -> bool {
        let Some(peer) = self.peers.get_mut(node) else { return false };
        match peer.replica.next_ranges() {
            None => return false,
            Some(ranges) if !ranges.is_empty() => {
                reached::at(Point::LookedCloser);
                self.ask(node, asking.to.clone(), Want::Ranges(ranges), asking.stood, now);
                return true;
            }
            Some(_) => {}
        }
        let status = peer.replica.finish_mending(asking.stood_at_origin(node), changes);
        peer.whole_next = true;
        self.counters.logs_mended += u64::from(status == ChunkStatus::Replaced);
        self.note_taken(node, status);
        false
    }

    /// A node that is heard and whose copy of `origin`'s log is ahead of this node's.
    fn who_is_ahead(&self, origin: &Origin) -> Option<NodeName> {
        let peer = self.peers.get(&origin.node)?;
        let candidates = self.peers.iter().filter(|(name, other)| {
            **name != origin.node && other.state == PeerState::Alive && !peer.failed.contains(*name)
        });
        candidates
            .filter_map(|(name, other)| {
                let digest = other.digest.as_ref()?;
                let version = message::reached(digest, &origin.node, origin.generation)?;
                (version > peer.replica.settled() && version >= peer.replica.least()).then_some((version, name))
            })
            .max_by_key(|(version, _)| *version)
            .map(|(_, name)| name.clone())
    }

    /// Everybody who could answer has failed: start over after a pause.
    fn pause_asking(&mut self, node: &NodeName, now: Now) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.failed.clear();
            peer.ask_not_before = now.mono + self.config.ask_pause;
        }
    }

    /// The answer to question `id` ended: `complete` where the asked node closed it in time.
    pub fn handle_answer_end(&mut self, id: u64, complete: bool, now: Now) {
        let asked = self.peers.iter().find(|(_, peer)| peer.asking.as_ref().is_some_and(|asking| asking.id == id));
        let Some(node) = asked.map(|(node, _)| node.clone()) else { return };
        self.end_question(&node, complete, now);
    }

    pub(super) fn end_question(&mut self, node: &NodeName, complete: bool, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let Some(asking) = peer.asking.take() else { return };
        let mut changes = Vec::new();
        if complete && self.look_closer(node, &asking, &mut changes, now) {
            return;
        }
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.replica.drop_unfinished();
        for status in peer.replica.release_held_back(&mut changes) {
            self.counters.delta(status);
        }
        // What does not fit now, the next digest tells of.
        peer.replica.drop_held_back();
        peer.applied_at = now.mono;
        // Asked after it claimed to be further, an origin that sends no more has claimed what is not.
        let knew = asking.to == *node && peer.digest_at.is_some_and(|digest_at| digest_at <= asking.asked_at);
        if complete && knew && peer.claimed() > peer.replica.version() {
            self.counters.refuse("claim_unfounded");
            peer.digest = None;
        }
        if peer.claimed() <= peer.replica.version() {
            peer.gap = false;
        }
        peer.prove();
        if !complete {
            reached::at(Point::QuestionFailed);
            self.counters.asks_failed += 1;
            peer.failed.insert(asking.to);
        } else if peer.diverged {
            reached::at(Point::AnswerDidNotHelp);
            // A whole log did not help: only another digest can tell more.
            peer.ask_not_before = now.mono + self.config.digest_interval;
        } else {
            // Answered: not again at once, whatever is still missing.
            peer.ask_not_before = now.mono + self.config.ask_pause / 10;
        }
        self.show_changes(node, changes);
        self.catch_up(node, now);
    }

    /// Another node's vector may tell of changes that the origin cannot tell of any more.
    pub(super) fn learn_from_vector(&mut self, digest: &Digest, now: Now) {
        for copy in digest.reached.iter().flatten() {
            let Some(peer) = self.peers.get_mut(&copy.origin.node) else { continue };
            let gone = matches!(peer.state, PeerState::Suspect | PeerState::Unreachable);
            let gone = gone || (peer.state == PeerState::Removed && planted::is(Fault::RemovedBroughtBack));
            let ahead = copy.version > peer.replica.settled() && copy.version.is_plausible();
            if gone && ahead && *peer.origin == copy.origin {
                reached::at(Point::VectorToldOfMore);
                peer.gap = true;
                self.catch_up(&copy.origin.node, now);
            }
        }
    }
}
