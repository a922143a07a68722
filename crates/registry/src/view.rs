//! The merged world: what every reader on this node sees.
//!
//! A view is a value. Cloning it copies pointers, so that a reader keeps one world for as long as it likes and never waits for a
//! writer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use sensocto_model::{Key, Kind, NodeName, Origin, Record, SharedId, Stamp, Version};

use crate::entry::Entry;
use crate::peer::PeerState;
use crate::planted::{self, Fault};

/// How far a copy can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Its origin has proved it, recently.
    Fresh,
    /// Its origin's first digest is still awaited.
    Warming,
    /// Its origin has not proved it for a while, or has been started anew since.
    Stale,
    /// Its origin is known to be unreachable.
    Orphaned,
}

impl Freshness {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Freshness::Fresh => "fresh",
            Freshness::Warming => "warming",
            Freshness::Stale => "stale",
            Freshness::Orphaned => "orphaned",
        }
    }
}

/// Why an entry left the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its origin took it out.
    Unregistered,
    /// Its node was unreachable for the whole grace.
    NodeGone,
    /// Its node came back without it.
    NodeRestarted,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Unregistered => "unregistered",
            Cause::NodeGone => "node_gone",
            Cause::NodeRestarted => "node_restarted",
        }
    }
}

/// Why a node is in the state it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateCause {
    /// It is as it should be.
    Heard,
    /// The engine lost it: its process ended, or its machine or network did.
    LinkLost,
    /// It is connected, or was, and says nothing.
    Silent,
    /// It is gone together with others that held much of the world: rather the network failed than all of them.
    Held,
}

impl StateCause {
    /// The cause in words, where there is something to explain.
    #[must_use]
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            StateCause::Heard => None,
            StateCause::LinkLost => Some("the connection to it ended"),
            StateCause::Silent => Some("it is silent"),
            StateCause::Held => Some(
                "it went together with others that held much of the world: kept until confirmed or the long grace ends",
            ),
        }
    }
}

/// An entry and whose it is.
#[derive(Debug, Clone)]
pub struct Held {
    /// The start of the node that owns it.
    pub origin: Arc<Origin>,
    /// The entry.
    pub entry: Arc<Entry>,
}

impl Held {
    /// The newer registration wins, on every node alike; between equal stamps the greater origin does.
    fn rank(&self) -> (Stamp, &Origin) {
        (self.entry.stamp, &self.origin)
    }
}

/// Who holds an id.
#[derive(Debug, Clone)]
enum Holding {
    /// One origin, as it should be.
    One(Held),
    /// Several, which is rare and short; the first one is shown.
    Several(Box<[Held]>),
}

/// What changed for whoever looks at the world.
#[derive(Debug, Clone)]
pub struct Event {
    /// The entry.
    pub key: Key,
    /// What happened to it.
    pub kind: EventKind,
    /// The entry as it is, or as it last was.
    pub held: Held,
    /// The entry as it was before, where it was.
    pub previous: Option<Held>,
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It is there.
    Registered,
    /// Its facts, or its owner, changed.
    Updated,
    /// It is gone.
    Unregistered(Cause),
}

/// What this node knows of one node.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Its name and its present start.
    pub origin: Arc<Origin>,
    /// Whether it is there.
    pub state: PeerState,
    /// Since when, on this node's monotonic clock.
    pub since: Duration,
    /// Why.
    pub cause: StateCause,
    /// When its last digest came; `None` before the first, and for this node itself.
    pub digest_at: Option<Duration>,
    /// When a digest last proved this node's copy; `None` before the first, and for this node itself.
    pub proved_at: Option<Duration>,
    /// Where this node's copy of its log stands.
    pub version: Version,
    /// Where its log stands as far as it said.
    pub claimed: Version,
    /// Its entries by kind, in the order of [`Kind::ALL`].
    pub counts: [u64; 3],
    /// Its entries that this node cannot read.
    pub unreadable: u64,
    /// Entries of its earlier generations that it has not registered again.
    pub retired: u64,
}

impl NodeView {
    /// How far the copy of its present log can be trusted at a moment, and for how long it has not been proved.
    #[must_use]
    pub fn freshness(&self, mono: Duration, fresh_for: Duration) -> (Freshness, Duration) {
        let age = self.proved_at.map_or(mono.saturating_sub(self.since), |proved_at| mono.saturating_sub(proved_at));
        match self.state {
            PeerState::Local => (Freshness::Fresh, Duration::ZERO),
            PeerState::Unreachable | PeerState::Removed => (Freshness::Orphaned, age),
            PeerState::Suspect => (Freshness::Stale, age),
            PeerState::Alive if self.proved_at.is_none() => (Freshness::Warming, age),
            PeerState::Alive if age <= fresh_for => (Freshness::Fresh, age),
            PeerState::Alive => (Freshness::Stale, age),
        }
    }
}

/// The world as one node sees it at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    entries: [OrdMap<SharedId, Holding>; 3],
    nodes: Arc<BTreeMap<NodeName, NodeView>>,
    fresh_for: Duration,
}

impl View {
    pub(crate) fn new(fresh_for: Duration) -> View {
        View { fresh_for, ..View::default() }
    }

    pub(crate) fn set_nodes(&mut self, nodes: BTreeMap<NodeName, NodeView>) {
        self.nodes = Arc::new(nodes);
    }

    /// The nodes that hold something or could, this one included.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<NodeName, NodeView> {
        &self.nodes
    }

    /// How many entries of a kind there are.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.entries[kind.index()].len()
    }

    /// The entry with an id.
    #[must_use]
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Held> {
        self.entries[kind.index()].get(id).map(Holding::winner)
    }

    /// The entries of a kind in the order of their ids, from the first id after `after` on.
    pub fn iter_after<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Held, &'a Record)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries[kind.index()]
            .range::<_, str>((start, Bound::Unbounded))
            .filter_map(|(_, holding)| Some((holding.winner(), holding.winner().entry.record()?)))
    }

    /// How far an entry can be trusted at a moment, and for how long it has not been proved.
    #[must_use]
    pub fn freshness(&self, held: &Held, mono: Duration) -> (Freshness, Duration) {
        let Some(node) = self.nodes.get(&held.origin.node) else {
            return (Freshness::Orphaned, Duration::ZERO);
        };
        let (freshness, age) = node.freshness(mono, self.fresh_for);
        if node.origin.generation == held.origin.generation || freshness == Freshness::Orphaned {
            (freshness, age)
        } else {
            (Freshness::Stale, mono.saturating_sub(node.since))
        }
    }

    /// Takes in what became of one entry at one origin, and says what that changed for a reader.
    pub(crate) fn apply(
        &mut self,
        origin: &Arc<Origin>,
        key: Key,
        new: Option<Arc<Entry>>,
        cause: Cause,
    ) -> Option<Event> {
        // An entry that cannot be read is shown to nobody.
        let new = new.filter(|entry| entry.record().is_some());
        let entries = &mut self.entries[key.kind.index()];
        let new = new.map(|entry| Held { origin: Arc::clone(origin), entry });
        let before = entries.get(&key.id);
        let after = match before {
            Some(before) => before.with(origin, new),
            None => new.map(Holding::One),
        };
        let event = compare(&key, before.map(Holding::winner), after.as_ref().map(Holding::winner), cause);
        match after {
            Some(holding) => {
                entries.insert(key.id, holding);
            }
            None => {
                entries.remove(&key.id);
            }
        }
        event
    }
}

impl Holding {
    /// The one that is shown.
    fn winner(&self) -> &Held {
        match self {
            Holding::One(held) => held,
            Holding::Several(holders) => &holders[0],
        }
    }

    fn holders(&self) -> &[Held] {
        match self {
            Holding::One(held) => std::slice::from_ref(held),
            Holding::Several(holders) => holders,
        }
    }

    /// Who holds the id once one origin holds `new` of it.
    fn with(&self, origin: &Origin, new: Option<Held>) -> Option<Holding> {
        let moved = planted::is(Fault::MovedOldRemovesNew) && new.is_none();
        let others = self.holders().iter().filter(|held| *held.origin != *origin && !moved).cloned();
        let mut holders: Vec<Held> = others.chain(new).collect();
        if holders.len() < 2 {
            return holders.pop().map(Holding::One);
        }
        if planted::is(Fault::LastSeenWins) {
            holders.reverse();
        } else {
            holders.sort_by(|one, other| other.rank().cmp(&one.rank()));
        }
        Some(Holding::Several(holders.into_boxed_slice()))
    }
}

fn compare(key: &Key, before: Option<&Held>, after: Option<&Held>, cause: Cause) -> Option<Event> {
    let event = |kind, held: &Held, previous: Option<&Held>| {
        Some(Event { key: key.clone(), kind, held: held.clone(), previous: previous.cloned() })
    };
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => event(EventKind::Registered, after, None),
        (Some(before), None) => event(EventKind::Unregistered(cause), before, None),
        (Some(before), Some(after)) => {
            let same = before.origin == after.origin && before.entry.is_same(&after.entry);
            if same { None } else { event(EventKind::Updated, after, Some(before)) }
        }
    }
}

#[cfg(test)]
mod tests;
