//! Who is there: what the engine knows, what silence means, and what time does.

use std::time::Duration;

use sensocto_model::{NodeName, Origin, Version};

use super::Registry;
use crate::message;
use crate::peer::{Peer, PeerState};
use crate::planted::{self, Fault};
use crate::reached::{self, Point};
use crate::view::{Cause, StateCause};
use sensocto_model::Now;

/// A node that the engine lost may still have frames on the way: for this long after the loss they are no sign of life.
const AFTERGLOW: Duration = Duration::from_millis(500);

/// Fewer unreachable nodes than this are nodes that failed; from here on the network is suspected.
const MASS_LOSS_NODES_MIN: usize = 2;

impl Registry {
    /// The engine sees a node.
    pub fn handle_peer_up(&mut self, origin: &Origin, now: Now) {
        self.awake(now);
        if origin.node == self.me.node || !self.meet(origin, now) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&origin.node) {
            // The engine's word counts at once, even within the afterglow of its last one.
            if peer.state != PeerState::Alive {
                peer.enter(PeerState::Alive, StateCause::Heard, now.mono);
            }
            peer.heard_at = now.mono;
            // Its first digest may be a second away, and its log is wanted now.
            peer.gap |= peer.digest.is_none();
        }
        self.catch_up(&origin.node, now);
        // It learns in turn what this node has.
        self.vector_in = 0;
        self.next_digest = self.next_digest.min(now.mono);
    }

    /// The engine lost a node.
    pub fn handle_peer_down(&mut self, origin: &Origin, now: Now) {
        self.awake(now);
        let Some(peer) = self.peers.get_mut(&origin.node) else { return };
        if *peer.origin != *origin || matches!(peer.state, PeerState::Unreachable | PeerState::Removed) {
            return;
        }
        reached::at(Point::LinkLost);
        peer.enter(PeerState::Unreachable, StateCause::LinkLost, now.mono);
        self.vector_in = 0;
        self.nodes_dirty = true;
    }

    /// An operator lets this node work alone, or not any more. Alone, it goes on showing what others left here, as long as it takes; each
    /// grace begins anew when it is back.
    pub fn set_apart(&mut self, apart: bool, now: Now) {
        self.awake(now);
        if self.apart && !apart {
            let keep_until = now.mono + self.config.grace;
            for peer in self.peers.values_mut() {
                if peer.state == PeerState::Unreachable {
                    peer.since = now.mono;
                }
                for retired in &mut peer.retired {
                    retired.remove_at = retired.remove_at.max(keep_until);
                }
            }
        }
        self.apart = apart;
        self.nodes_dirty = true;
    }

    /// A frame of a node came.
    pub(super) fn heard(&mut self, node: &NodeName, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        match peer.state {
            PeerState::Local | PeerState::Alive => {}
            PeerState::Removed if planted::is(Fault::RemovedNeverReturns) => return,
            PeerState::Unreachable if now.mono < peer.since + AFTERGLOW => {
                reached::at(Point::HeardInAfterglow);
                return;
            }
            PeerState::Suspect | PeerState::Unreachable | PeerState::Removed => {
                reached::at(match peer.state {
                    PeerState::Removed => Point::BackAfterRemoval,
                    PeerState::Unreachable => Point::BackAfterLoss,
                    PeerState::Suspect | PeerState::Alive | PeerState::Local => Point::BackAfterSilence,
                });
                peer.enter(PeerState::Alive, StateCause::Heard, now.mono);
                peer.failed.clear();
            }
        }
        peer.heard_at = now.mono;
    }

    /// Lets time pass: sends what is due, doubts who is silent, removes what has waited long enough.
    pub fn handle_tick(&mut self, now: Now) {
        self.doubt_myself(now);
        self.end_overdue_departures(now);
        let nodes: Vec<NodeName> = self.peers.keys().cloned().collect();
        for node in nodes {
            self.watch(&node, now);
        }
        self.flush(now);
        if now.mono >= self.next_digest {
            self.acknowledge();
            self.publish_digest(now);
        }
    }

    /// Whoever slept cannot say that others were silent (Lifeguard, "Local health"): after a gap the count starts anew.
    fn doubt_myself(&mut self, now: Now) {
        let away = now.mono.saturating_sub(self.last_tick);
        self.awake(now);
        self.last_tick = now.mono;
        let jumped = Duration::from_millis(now.wall_ms.saturating_sub(self.wall_ms)).saturating_sub(away);
        if planted::is(Fault::WallClockExpiry) {
            for peer in self.peers.values_mut() {
                peer.since = peer.since.saturating_sub(jumped);
                peer.heard_at = peer.heard_at.saturating_sub(jumped);
            }
        }
        self.wall_ms = now.wall_ms;
    }

    /// Whoever slept cannot say that others were silent: it finds out at whatever comes first.
    pub(super) fn awake(&mut self, now: Now) {
        let slept_at = std::mem::replace(&mut self.awake_at, now.mono);
        let away = now.mono.saturating_sub(slept_at);
        if away > self.config.digest_interval * 3 / 2 && !planted::is(Fault::SelfDoubtForgotten) {
            self.move_on(slept_at, away, now);
        }
    }

    /// Moves on, by the length of a sleep, all that began before it.
    fn move_on(&mut self, slept_at: Duration, away: Duration, now: Now) {
        reached::at(Point::Slept);
        for peer in self.peers.values_mut() {
            peer.heard_at = now.mono;
            // What was to happen meanwhile may have been prevented by something that waits to be read: all that began before is
            // moved on. What has been read already and began since then is not.
            if peer.state == PeerState::Unreachable && peer.since <= slept_at {
                peer.since += away;
            }
            for retired in peer.retired.iter_mut().filter(|retired| retired.remove_at <= slept_at + self.config.grace) {
                retired.remove_at += away;
            }
            if let Some(asking) = peer.asking.as_mut().filter(|asking| asking.asked_at <= slept_at) {
                asking.deadline += away;
            }
        }
    }

    fn end_overdue_departures(&mut self, now: Now) {
        while self.departing.front().is_some_and(|departing| departing.deadline <= now.mono) {
            reached::at(Point::DepartureOverdue);
            self.end_first_departure();
        }
    }

    /// Forgets removals that every node has applied which is not removed itself.
    fn acknowledge(&mut self) {
        let me = &self.me;
        let acknowledged = self
            .peers
            .values()
            .filter(|peer| peer.state != PeerState::Removed)
            .map(|peer| {
                let digest = peer.digest.as_ref();
                digest.and_then(|digest| message::reached(digest, &me.node, me.generation)).unwrap_or(Version::ZERO)
            })
            .min()
            .unwrap_or(self.published);
        self.log.forget_removals(acknowledged, self.published, self.config.tombstones_max);
    }

    fn watch(&mut self, node: &NodeName, now: Now) {
        let (grace, suspect_after, unreachable_after) =
            (self.config.grace, self.config.suspect_after, self.config.unreachable_after);
        let Some(peer) = self.peers.get_mut(node) else { return };
        let silent = now.mono.saturating_sub(peer.heard_at);
        if peer.state == PeerState::Alive && silent >= suspect_after {
            reached::at(Point::FellSilent);
            peer.enter(PeerState::Suspect, StateCause::Silent, now.mono);
            // Others may miss what it said last: from now on they learn it from whoever has it.
            self.vector_in = 0;
            self.nodes_dirty = true;
        }
        if peer.state == PeerState::Suspect && silent >= unreachable_after {
            reached::at(Point::SilentForLong);
            peer.enter(PeerState::Unreachable, StateCause::Silent, now.mono);
            self.nodes_dirty = true;
        }
        let over = now.mono >= peer.since + grace || planted::is(Fault::GraceForgotten);
        if peer.state == PeerState::Unreachable && over && !self.apart && !planted::is(Fault::NeverRemoved) {
            self.remove_or_hold(node, now);
        }
        let Some(peer) = self.peers.get_mut(node) else { return };
        let mut over = Vec::new();
        peer.retired.retain_mut(|retired| {
            let keep = (now.mono < retired.remove_at || self.apart) && retired.entries.len() > 0;
            let keep = keep || planted::is(Fault::RetiredForever);
            if !keep {
                reached::at(if retired.entries.len() == 0 { Point::RetiredAllBack } else { Point::RetiredOver });
                over.push((std::sync::Arc::clone(&retired.origin), std::mem::take(&mut retired.entries)));
            }
            keep
        });
        let overdue = peer.asking.as_ref().is_some_and(|asking| now.mono >= asking.deadline);
        for (origin, entries) in over {
            for (key, _) in entries.iter() {
                self.show(&origin, key.clone(), None, Cause::NodeRestarted);
            }
        }
        if overdue {
            reached::at(Point::QuestionOverdue);
            self.end_question(node, false, now);
        } else {
            self.catch_up(node, now);
        }
    }

    /// The grace of an unreachable node is over: its entries leave, unless that looks like a network that failed.
    fn remove_or_hold(&mut self, node: &NodeName, now: Now) {
        let held = self.is_mass_loss() && !planted::is(Fault::MassLossBelieved);
        let Some(peer) = self.peers.get_mut(node) else { return };
        if !held && peer.cause == StateCause::Held && now.mono < peer.since + self.config.long_grace {
            reached::at(Point::HoldEnded);
            // The others came back, and this one may follow.
            peer.cause = StateCause::LinkLost;
            peer.since = now.mono;
        } else if !held || now.mono >= peer.since + self.config.long_grace {
            reached::at(if held { Point::LongGraceOver } else { Point::GraceOver });
            self.remove_node(node, now);
        } else if peer.cause != StateCause::Held {
            reached::at(Point::LossHeld);
            peer.cause = StateCause::Held;
            self.counters.nodes_held += 1;
            self.nodes_dirty = true;
        }
    }

    fn remove_node(&mut self, node: &NodeName, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.enter(PeerState::Removed, peer.cause, now.mono);
        self.nodes_dirty = true;
        self.drop_entries(node, Cause::NodeGone);
    }

    /// Whether several nodes are unreachable at once and hold much of the world. One node alone is always believed to be gone: it is the
    /// network that takes several at once (Eureka's self-preservation, with its 15 %).
    fn is_mass_loss(&self) -> bool {
        let gone = self.peers.values().filter(|peer| peer.state == PeerState::Unreachable);
        let (nodes, lost) = gone.fold((0, 0), |(nodes, lost), peer| (nodes + 1, lost + peer.entries()));
        let others: u64 = self.peers.values().map(Peer::entries).sum();
        let world = others + self.log.entries().len() as u64;
        nodes >= MASS_LOSS_NODES_MIN && lost * 100 > world * self.config.mass_loss_percent
    }

    /// An operator says that an unreachable node will not come back: its entries leave now. `false` where it is not unreachable.
    pub fn confirm_loss(&mut self, node: &NodeName, now: Now) -> bool {
        let unreachable = self.peers.get(node).is_some_and(|peer| peer.state == PeerState::Unreachable);
        if unreachable {
            reached::at(Point::LossConfirmed);
            self.remove_node(node, now);
        }
        unreachable
    }

    /// When time next means something for a node.
    pub(super) fn peer_timeout(&self, peer: &Peer) -> Option<Duration> {
        let state = match peer.state {
            PeerState::Alive => Some(peer.heard_at + self.config.suspect_after),
            PeerState::Suspect => Some(peer.heard_at + self.config.unreachable_after),
            PeerState::Unreachable if self.apart => None,
            PeerState::Unreachable if peer.cause == StateCause::Held => Some(peer.since + self.config.long_grace),
            PeerState::Unreachable => Some(peer.since + self.config.grace),
            PeerState::Local | PeerState::Removed => None,
        };
        let retired = peer.retired.iter().map(|retired| retired.remove_at).min().filter(|_| !self.apart);
        let asking = match &peer.asking {
            Some(asking) => Some(asking.deadline),
            None => peer.behind_at(self.config.ask_pause),
        };
        [state, retired, asking].into_iter().flatten().min()
    }
}
