//! What a node knows of one other node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{Generation, NodeName, Origin, Version};

use crate::entry::EntrySet;
use crate::message::Digest;
use crate::planted::{self, Fault};
use crate::reached::{self, Point};
use crate::replica::Replica;
use crate::view::{NodeView, StateCause};

/// Whether a node is there, in the order in which it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// This node itself.
    Local,
    /// It is heard.
    Alive,
    /// It has been silent for a while: its entries are stale.
    Suspect,
    /// It is gone as far as anybody can tell: its entries stay readable for the grace.
    Unreachable,
    /// Its entries were removed. Only its generation is remembered.
    Removed,
}

impl PeerState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PeerState::Local => "local",
            PeerState::Alive => "alive",
            PeerState::Suspect => "suspect",
            PeerState::Unreachable => "unreachable",
            PeerState::Removed => "removed",
        }
    }
}

/// A question that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) id: u64,
    pub(crate) to: NodeName,
    pub(crate) asked_at: Duration,
    pub(crate) deadline: Duration,
    /// Where the copy stood then.
    pub(crate) stood: Version,
    /// A whole log or ranges of one are on their way: what the origin sends meanwhile builds on that, not on the copy.
    pub(crate) whole: bool,
}

impl Asking {
    /// Where the copy of `node`'s log stood when its origin was asked; `None` where another node was. An origin that answers from before
    /// that never was there, since its log only grows: the copy is wrong.
    pub(crate) fn stood_at_origin(&self, node: &NodeName) -> Option<Version> {
        (self.to == *node).then_some(self.stood)
    }
}

/// The entries of an earlier generation, kept until the node has registered them again or the grace is over.
#[derive(Debug, Clone)]
pub(crate) struct Retired {
    pub(crate) origin: Arc<Origin>,
    pub(crate) entries: EntrySet,
    pub(crate) remove_at: Duration,
}

/// Another node.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) origin: Arc<Origin>,
    /// The generation that its process was started with, where it goes on under a later one.
    pub(crate) born: Option<Generation>,
    /// An earlier generation of it still speaks: the next vector says which one is known here, so that it takes a later one.
    pub(crate) contested: bool,
    pub(crate) state: PeerState,
    pub(crate) since: Duration,
    pub(crate) cause: StateCause,
    pub(crate) heard_at: Duration,
    pub(crate) digest: Option<Digest>,
    pub(crate) digest_at: Option<Duration>,
    pub(crate) proved_at: Option<Duration>,
    pub(crate) replica: Replica,
    pub(crate) retired: Vec<Retired>,
    pub(crate) asking: Option<Asking>,
    pub(crate) ask_not_before: Duration,
    pub(crate) failed: BTreeSet<NodeName>,
    /// A delta came that does not fit on: something is missing, whatever the last digest said.
    pub(crate) gap: bool,
    /// The copy is as far as its origin and not the same, or further: only a whole log mends that.
    pub(crate) diverged: bool,
    /// Comparing ranges did not help, or was not worth it, since the copy was last proved: only the whole log mends it.
    pub(crate) whole_next: bool,
    /// Digests in a row that the copy was ahead of.
    pub(crate) ahead: u32,
    /// When a delta was last applied.
    pub(crate) applied_at: Duration,
}

impl Peer {
    pub(crate) fn new(origin: Origin, mono: Duration) -> Peer {
        Peer {
            origin: Arc::new(origin),
            born: None,
            contested: false,
            state: PeerState::Alive,
            since: mono,
            cause: StateCause::Heard,
            heard_at: mono,
            digest: None,
            digest_at: None,
            proved_at: None,
            replica: Replica::default(),
            retired: Vec::new(),
            asking: None,
            ask_not_before: Duration::ZERO,
            failed: BTreeSet::new(),
            gap: false,
            diverged: false,
            whole_next: false,
            ahead: 0,
            applied_at: mono,
        }
    }

    pub(crate) fn enter(&mut self, state: PeerState, cause: StateCause, mono: Duration) {
        self.state = state;
        self.cause = cause;
        self.since = mono;
    }

    /// Its entries that are in the view, those of earlier generations included.
    pub(crate) fn entries(&self) -> u64 {
        let retired: usize = self.retired.iter().map(|retired| retired.entries.len()).sum();
        (self.replica.entries().len() + retired) as u64
    }

    /// Where its log stands as far as it said.
    pub(crate) fn claimed(&self) -> Version {
        self.digest.as_ref().map_or(Version::ZERO, |digest| digest.version)
    }

    /// When its copy here counts as missing something; `None` while it does not.
    pub(crate) fn behind_at(&self, patience: Duration) -> Option<Duration> {
        let behind = self.claimed() > self.replica.version() && !planted::is(Fault::BehindNotAsked);
        if self.gap || self.diverged || behind {
            Some(self.ask_not_before)
        } else if !self.replica.is_settled() {
            // The rest of what was sent in parts is on its way, unless it was lost.
            Some(self.ask_not_before.max(self.applied_at + patience))
        } else {
            None
        }
    }

    /// Compares the copy with the last digest; the copy is proved as of when that digest came.
    pub(crate) fn prove(&mut self) {
        let Some(digest) = &self.digest else { return };
        if digest.version != self.replica.version() || !self.replica.is_settled() {
            return;
        }
        if digest.sets == *self.replica.entries().sets() {
            self.proved_at = self.digest_at;
            reached::at(if self.gap { Point::ProvedInAGap } else { Point::Proved });
            if self.diverged {
                reached::at(Point::ProvedAfterDoubt);
            }
            // What waits beyond this digest still lacks what it builds on.
            self.gap = self.replica.holds_back();
            self.diverged = false;
            self.whole_next = false;
            self.failed.clear();
        } else {
            reached::at(Point::CopyDiffers);
            self.diverged = !planted::is(Fault::DivergenceIgnored);
        }
    }

    pub(crate) fn to_view(&self) -> NodeView {
        let entries = self.replica.entries();
        NodeView {
            origin: Arc::clone(&self.origin),
            born: self.born.unwrap_or(self.origin.generation),
            state: self.state,
            since: self.since,
            cause: self.cause,
            digest_at: self.digest_at,
            proved_at: self.proved_at,
            version: self.replica.settled(),
            claimed: self.claimed().max(self.replica.version()),
            counts: entries.sets().0.map(|set| set.count),
            unreadable: entries.unreadable() as u64,
            retired: self.retired.iter().map(|retired| retired.entries.len() as u64).sum(),
        }
    }
}
