//! Finding what another node has and this one lacks: first by the hashes of parts, then by the hashes of rooms, then the rooms.

use std::collections::BTreeSet;

use sensocto_model::{NodeName, RoomId};

use super::Rooms;
use super::peers::ExchangeKind;
use crate::message::Message;
use crate::planted::{self, Fault};

/// Parts that are listed in one answer.
const BUCKETS_AT_ONCE: usize = 8;
/// Rooms that are asked for at once.
const ROOMS_AT_ONCE: usize = 256;

/// A comparison under way: what is still to be asked for.
#[derive(Debug, Default)]
pub(super) struct Compare {
    buckets: Vec<u16>,
    rooms: Vec<RoomId>,
}

impl Rooms {
    pub(super) fn begin_comparison(&mut self, with: &NodeName) {
        if planted::is(Fault::DifferenceNotPulled) && self.ready {
            return;
        }
        let Some(peer) = self.peers.get_mut(with) else { return };
        peer.compare = Some(Compare::default());
        self.counters.comparisons += 1;
        self.exchange(with, ExchangeKind::Compare, &Message::Buckets);
    }

    pub(super) fn compare_answered(&mut self, with: &NodeName, message: &Message) {
        let Some(mut compare) = self.peers.get_mut(with).and_then(|peer| peer.compare.take()) else { return };
        match message {
            Message::BucketHashes { hashes } => {
                let differ =
                    self.replica.buckets().iter().zip(hashes).enumerate().filter(|(_, (mine, theirs))| mine != theirs);
                compare.buckets = differ.filter_map(|(number, _)| u16::try_from(number).ok()).collect();
            }
            Message::LineList { lines } => {
                let differ = lines.iter().filter(|(room, hash)| self.replica.hash_of(room) != Some(*hash));
                compare.rooms.extend(differ.map(|(room, _)| room.clone()));
            }
            Message::Records { upto, records } => {
                self.merge_all(records);
                let upto = usize::try_from(*upto).unwrap_or(usize::MAX).min(compare.rooms.len());
                if upto == 0 {
                    return;
                }
                compare.rooms.drain(..upto);
            }
            Message::Beacon(_)
            | Message::Do { .. }
            | Message::Did { .. }
            | Message::Hold { .. }
            | Message::Held { .. }
            | Message::NotHeld
            | Message::Fetch { .. }
            | Message::Buckets
            | Message::Lines { .. } => return,
        }
        self.compare_next(with, compare);
    }

    fn compare_next(&mut self, with: &NodeName, mut compare: Compare) {
        let question = if !compare.rooms.is_empty() {
            let rooms = compare.rooms.iter().take(ROOMS_AT_ONCE).cloned().collect();
            Some(Message::Fetch { rooms })
        } else if !compare.buckets.is_empty() {
            let at = compare.buckets.len().saturating_sub(BUCKETS_AT_ONCE);
            Some(Message::Lines { buckets: compare.buckets.split_off(at) })
        } else {
            None
        };
        let Some(peer) = self.peers.get_mut(with) else { return };
        match question {
            Some(question) => {
                peer.compare = Some(compare);
                self.exchange(with, ExchangeKind::Compare, &question);
            }
            None => peer.compared = true,
        }
    }

    /// Another node asks what is in some parts.
    pub(super) fn take_lines(&mut self, question: u64, buckets: &[u16]) {
        let buckets: BTreeSet<u16> = buckets.iter().copied().take(BUCKETS_AT_ONCE).collect();
        let lines = self.replica.lines(&buckets).map(|(room, hash)| (room.clone(), hash)).collect();
        self.answer(question, &Message::LineList { lines });
    }
}
