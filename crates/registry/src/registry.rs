//! The state machine: one mutation at a time, then drain [`Registry::poll_output`], then sleep until [`Registry::poll_timeout`].

mod departures;
mod error;
mod namesake;
mod receive;
mod repair;
mod sizes;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{Generation, Key, NodeName, Origin, RECORD_BYTES_MAX, Record, Stamp, Version};

use crate::coalesce::Coalescer;
use crate::config::Config;
use crate::log::OriginLog;
use crate::message::{self, Digest, Message, Reached};
use crate::peer::{Peer, PeerState};
use crate::planted::{self, Fault};
use crate::reached::{self, Point};
use crate::replica::DeltaStatus;
use crate::view::{Cause, Event, Held, NodeView, StateCause, View};
use sensocto_model::Now;

use departures::Departing;
pub use error::{ChangeError, RegisterError};
pub use sizes::Sizes;

/// A place in one origin's log. Whoever has reached it has seen the change that it was given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose log.
    pub origin: Origin,
    /// The place in it.
    pub version: Version,
}

/// A registration that this node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Names this registration: a later one of the same key has another stamp.
    pub stamp: Stamp,
    /// The change.
    pub mark: Mark,
}

/// What the registry wants done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a frame to every node that is connected. It may be lost: that is repaired.
    Publish(Vec<u8>),
    /// Ask one node, feed each frame of the answer to [`Registry::handle_frame`], and say by [`Registry::handle_answer_end`] how it
    /// ended.
    Ask {
        /// Whom.
        to: NodeName,
        /// Names the question.
        id: u64,
        /// The question's frame.
        frame: Vec<u8>,
    },
    /// Something changed for whoever looks at the world.
    Event(Event),
    /// Another node's newer registration took a key over from this node. This node removes its own by itself.
    Superseded {
        /// The key.
        key: Key,
        /// This node's registration.
        stamp: Stamp,
        /// The new owner.
        by: Origin,
    },
    /// Another process has this node's name and was started before: this one has to go.
    NameTaken {
        /// The generation that it was started with.
        generation: Generation,
    },
    /// Another process was started under this node's name, and others have heard of it: they refuse this one until it takes a later
    /// generation by [`Registry::renew`].
    Overtaken {
        /// The other one's generation.
        generation: Generation,
    },
}

/// What happened so far, by name. Names are a closed set; none comes from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames and parts of frames that were refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Deltas that were applied.
    pub deltas_applied: u64,
    /// Deltas that told nothing new.
    pub deltas_duplicate: u64,
    /// Deltas that did not fit on.
    pub deltas_gap: u64,
    /// Questions asked.
    pub asks: u64,
    /// Questions that were not answered in time.
    pub asks_failed: u64,
    /// Copies replaced by a whole log.
    pub logs_replaced: u64,
    /// Copies mended by what differed from the log.
    pub logs_mended: u64,
    /// Digests at which a copy was as far as its origin and not the same.
    pub divergences: u64,
    /// Nodes whose entries were kept beyond the grace because several nodes went at once.
    pub nodes_held: u64,
}

impl Counters {
    fn delta(&mut self, status: DeltaStatus) {
        match status {
            DeltaStatus::Applied => self.deltas_applied += 1,
            DeltaStatus::Duplicate => self.deltas_duplicate += 1,
            DeltaStatus::Gap => self.deltas_gap += 1,
            DeltaStatus::Refused(reason) => self.refuse(reason),
        }
    }

    fn refuse(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_insert(0) += 1;
    }
}

/// The registry of one node. It is a value: a clone goes its own way from there.
#[derive(Debug, Clone)]
pub struct Registry {
    config: Config,
    me: Arc<Origin>,
    /// The generation that this process was started with.
    born: Generation,
    /// When it may next take a later one.
    renew_not_before: Duration,
    started: Duration,
    log: OriginLog,
    clock: Stamp,
    wall_ms: u64,
    published: Version,
    coalescer: Coalescer,
    next_digest: Duration,
    /// Digests until the vector is told again.
    vector_in: u32,
    last_tick: Duration,
    /// When anything last came: a longer silence than ticks leave was a sleep.
    awake_at: Duration,
    peers: BTreeMap<NodeName, Peer>,
    view: View,
    nodes_dirty: bool,
    /// This node left the cluster: what the others left here waits for them, however long it takes.
    apart: bool,
    departing: VecDeque<Departing>,
    outputs: VecDeque<Output>,
    next_ask: u64,
    counters: Counters,
}

impl Registry {
    /// The registry of one start of one node, empty.
    #[must_use]
    pub fn new(me: Origin, mut config: Config, now: Now) -> Registry {
        // A delta makes progress, and its frame stays readable whatever record is the last one in it.
        config.delta_bytes_max = config.delta_bytes_max.clamp(1, message::FRAME_BYTES_MAX / 2);
        Registry {
            view: View::new(config.fresh_for),
            config,
            born: me.generation,
            renew_not_before: Duration::ZERO,
            me: Arc::new(me),
            started: now.mono,
            log: OriginLog::default(),
            clock: Stamp::default(),
            wall_ms: now.wall_ms,
            published: Version::ZERO,
            coalescer: Coalescer::default(),
            next_digest: now.mono,
            vector_in: 0,
            last_tick: now.mono,
            awake_at: now.mono,
            peers: BTreeMap::new(),
            nodes_dirty: true,
            apart: false,
            departing: VecDeque::new(),
            outputs: VecDeque::new(),
            next_ask: 1,
            counters: Counters::default(),
        }
    }

    /// This node and its present generation.
    #[must_use]
    pub fn me(&self) -> &Arc<Origin> {
        &self.me
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Removals that are remembered.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.log.tombstones()
    }

    /// The time for which changes are gathered at present.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.coalescer.window()
    }

    /// The world as it is. Cloning it copies pointers.
    pub fn view(&mut self) -> &View {
        if std::mem::take(&mut self.nodes_dirty) {
            let mut nodes: BTreeMap<NodeName, NodeView> = self
                .peers
                .iter()
                .filter(|(_, peer)| peer.state != PeerState::Removed)
                .map(|(name, peer)| (name.clone(), peer.to_view()))
                .collect();
            nodes.insert(self.me.node.clone(), self.local_node());
            self.view.set_nodes(nodes);
        }
        self.view.settle();
        &self.view
    }

    fn local_node(&self) -> NodeView {
        NodeView {
            origin: Arc::clone(&self.me),
            born: self.born,
            state: PeerState::Local,
            since: self.started,
            cause: StateCause::Heard,
            digest_at: None,
            proved_at: None,
            version: self.log.version(),
            claimed: self.log.version(),
            counts: self.log.entries().sets().0.map(|set| set.count),
            unreadable: 0,
            retired: 0,
        }
    }

    /// Registers an entry on this node, in the place of any other registration of its key, here or elsewhere.
    ///
    /// # Errors
    /// Names what is not allowed in the record.
    pub fn register(&mut self, record: Record, now: Now) -> Result<Registration, RegisterError> {
        let bytes = check(&record)?;
        let key = record.key();
        // Later than whatever holds the key as far as this node knows, so that the newest registration wins even where clocks differ.
        let held = self.view.get(key.kind, key.id.as_str()).map_or(Stamp::default(), |held| held.entry.stamp);
        if held.wall_ms > now.wall_ms {
            reached::at(Point::StampAheadOfClock);
        }
        let after = if planted::is(Fault::StampFromWall) { Stamp::default() } else { self.clock.max(held) };
        let stamp = after.after(now.wall_ms);
        self.clock = stamp;
        let mark = self.put(key, record, &bytes, stamp);
        Ok(Registration { stamp, mark })
    }

    /// Changes the facts of an entry that this node holds by the registration of `stamp`.
    ///
    /// # Errors
    /// Another registration took its place, or the record is not allowed.
    pub fn update(&mut self, record: Record, stamp: Stamp) -> Result<Mark, ChangeError> {
        let bytes = check(&record).map_err(ChangeError::Refused)?;
        let key = record.key();
        match self.log.entries().get(&key) {
            Some(entry) if entry.stamp == stamp => {
                if entry.record() == Some(&record) {
                    reached::at(Point::UpdateSaidNothing);
                    return Ok(Mark { origin: Origin::clone(&self.me), version: entry.version });
                }
                Ok(self.put(key, record, &bytes, stamp))
            }
            Some(_) | None => {
                reached::at(Point::UpdateSuperseded);
                Err(ChangeError::Superseded)
            }
        }
    }

    fn put(&mut self, key: Key, record: Record, bytes: &[u8], stamp: Stamp) -> Mark {
        let entry = self.log.put_encoded(key.clone(), record, bytes, stamp);
        let me = Arc::clone(&self.me);
        self.show(&me, key, Some(entry), Cause::Unregistered);
        self.mark()
    }

    /// Takes out the entry that this node holds by the registration of `stamp`; `None` where another registration took its place, here
    /// or on another node.
    pub fn unregister(&mut self, key: &Key, stamp: Stamp) -> Option<Mark> {
        let other = |entry: &Arc<crate::entry::Entry>| entry.stamp != stamp && !planted::is(Fault::UnregisterAnyStamp);
        if self.log.entries().get(key).is_none_or(other) {
            reached::at(Point::UnregisterSuperseded);
            return None;
        }
        self.log.remove(key, None);
        let me = Arc::clone(&self.me);
        self.show(&me, key.clone(), None, Cause::Unregistered);
        Some(self.mark())
    }

    /// Counts a change that changes nothing. The others pass its version as any other, so that it shows how long a change takes to them
    /// while there is none.
    pub fn beat(&mut self) -> Mark {
        self.log.beat();
        self.nodes_dirty = true;
        self.mark()
    }

    fn mark(&self) -> Mark {
        Mark { origin: Origin::clone(&self.me), version: self.log.version() }
    }

    /// Puts what became of one origin's entry into the view.
    fn show(&mut self, origin: &Arc<Origin>, key: Key, new: Option<Arc<crate::entry::Entry>>, cause: Cause) {
        self.nodes_dirty = true;
        let Some(event) = self.view.apply(origin, key, new, cause) else { return };
        // What this node holds was shown before: nothing else can have taken its place.
        let may_be_mine = event.held.origin != self.me && event.previous.is_some();
        let mine = if may_be_mine { self.log.entries().get(&event.key) } else { None };
        if let Some(stamp) = mine.map(|entry| entry.stamp).filter(|_| !planted::is(Fault::LoserNotTold)) {
            self.yield_to(&event.key, &event.held);
            let by = Origin::clone(&event.held.origin);
            self.outputs.push_back(Output::Superseded { key: event.key.clone(), stamp, by });
        }
        let other_owner = |previous: &Held| previous.origin != event.held.origin;
        if planted::is(Fault::NewOwnerUntold) && event.previous.as_ref().is_some_and(other_owner) {
            return;
        }
        if planted::is(Fault::ToldTwice) && event.kind == crate::view::EventKind::Registered {
            self.outputs.push_back(Output::Event(event.clone()));
        }
        self.outputs.push_back(Output::Event(event));
    }

    /// Gives an entry up to another node's newer registration, and says so to the others.
    fn yield_to(&mut self, key: &Key, winner: &Held) {
        reached::at(Point::Yielded);
        let moved_to = Reached { origin: Origin::clone(&winner.origin), version: winner.entry.version };
        self.log.remove(key, Some(moved_to));
        // The winner is shown already: nothing changes for a reader.
        self.view.apply(&Arc::clone(&self.me), key.clone(), None, Cause::Unregistered);
    }

    /// Sends what has changed, if it is time.
    fn flush(&mut self, now: Now) {
        if self.published >= self.log.version() || !self.coalescer.is_due(now.mono) {
            return;
        }
        let mut entries = 0;
        while let Some(delta) = self.log.delta(self.published, self.config.delta_bytes_max) {
            entries += delta.puts.len() + delta.removals.len();
            self.published = delta.upto;
            self.publish(&Message::Delta(delta));
        }
        reached::at(if self.coalescer.window().is_zero() { Point::SentAtOnce } else { Point::SentGathered });
        self.coalescer.sent(entries, now.mono, self.config.window_max);
    }

    fn publish(&mut self, message: &Message) {
        self.outputs.push_back(Output::Publish(message::encode(&self.me, message)));
    }

    fn publish_digest(&mut self, now: Now) {
        self.next_digest = now.mono + self.config.digest_interval;
        if planted::is(Fault::IdleIsSilent) && self.log.entries().len() > 0 {
            return;
        }
        let tells = self.vector_in == 0;
        let births = self.births(tells);
        let reached = tells.then(|| {
            let told = self.peers.values_mut().filter_map(|peer| {
                let contested = std::mem::take(&mut peer.contested);
                (peer.state != PeerState::Removed || contested).then_some(&*peer)
            });
            told.map(|peer| Reached { origin: Origin::clone(&peer.origin), version: peer.replica.settled() }).collect()
        });
        self.vector_in = self.vector_in.checked_sub(1).unwrap_or(self.config.vector_every.saturating_sub(1));
        let digest = Digest { version: self.log.version(), sets: *self.log.entries().sets(), reached };
        self.publish(&if births.is_empty() { Message::Digest(digest) } else { Message::Births(digest, births) });
    }

    /// What is to be done next, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Registry::handle_tick`] has to be called at the latest, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        let flush = (self.published < self.log.version()).then(|| self.coalescer.due_at());
        let linger = self.departing.front().map(|departing| departing.deadline);
        let peers = self.peers.values().filter_map(|peer| self.peer_timeout(peer));
        [Some(self.next_digest), flush, linger].into_iter().flatten().chain(peers).min().unwrap_or(self.next_digest)
    }
}

/// The bytes of a record that is allowed.
fn check(record: &Record) -> Result<Vec<u8>, RegisterError> {
    record.validate().map_err(RegisterError::Invalid)?;
    let bytes = record.encode();
    if bytes.len() > RECORD_BYTES_MAX { Err(RegisterError::TooLarge { bytes: bytes.len() }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
