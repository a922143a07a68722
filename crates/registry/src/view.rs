//! The merged world: what every reader on this node sees.
//!
//! A view is a value. Cloning it copies pointers, so that a reader keeps one world for as long as it likes and never waits for a
//! writer.

mod heads;
mod index;
mod people;
mod postings;
mod query;
mod short_text;
mod sorted;
mod table;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{Generation, Key, Kind, NodeName, Origin, Record, Stamp, Version};

use crate::entry::Entry;
use crate::peer::PeerState;
use crate::planted::{self, Fault};
use index::{Placed, SensorIndex, Whereabouts};
use table::{Label, Row, Table};

pub use index::fold;
pub use people::{Person, Room};
pub use query::{Found, Line, Order, Position, SensorFilter, SensorQuery};
pub use words::SearchText;
pub(crate) use words::stems_of;

/// How far a copy can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// All of them, the best first.
    pub const ALL: [Freshness; 4] = [Freshness::Fresh, Freshness::Warming, Freshness::Stale, Freshness::Orphaned];

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
pub(crate) enum Holding {
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
    /// The number of this change in this node's view.
    pub changed: u64,
    /// The number of the entry's change before this one, where it was there.
    pub previous_changed: Option<u64>,
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
    /// The generation that its process was started with: an earlier one than the present one where another process of its name had
    /// been started meanwhile. The versions of its log go on from that generation.
    pub born: Generation,
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
    tables: [Table; 3],
    sensors: SensorIndex,
    whereabouts: Whereabouts,
    changes: u64,
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
        self.tables[kind.index()].len()
    }

    /// How many sensors of each type there are, in the order of the types.
    pub fn count_by_type(&self) -> impl Iterator<Item = (String, usize)> + '_ {
        self.sensors.types.counts()
    }

    /// How many sensors each connector has, in the order of the connectors' ids.
    pub fn count_by_connector(&self) -> impl Iterator<Item = (String, usize)> + '_ {
        self.sensors.connectors.counts()
    }

    /// How many sensors of one type there are.
    #[must_use]
    pub fn count_of_type(&self, sensor_type: &str) -> usize {
        self.sensors.types.get(sensor_type).map_or(0, |labels| labels.len())
    }

    /// How many sensors each node shows, in the order of the names.
    #[must_use]
    pub fn count_by_node(&self) -> BTreeMap<NodeName, usize> {
        let mut counts = BTreeMap::new();
        for (origin, labels) in &self.sensors.origins {
            *counts.entry(origin.node.clone()).or_insert(0) += labels.len();
        }
        counts
    }

    /// The number of the last change that anybody could see.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The entry with an id.
    #[must_use]
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Held> {
        self.tables[kind.index()].get(id).map(|(_, row)| row.winner())
    }

    /// All who hold an id, the one that is shown first, and the number of its last change.
    #[must_use]
    pub fn holders(&self, kind: Kind, id: &str) -> Option<(&[Held], u64)> {
        let (_, row) = self.tables[kind.index()].get(id)?;
        Some((row.holding.holders(), row.changed))
    }

    /// The entries of a kind in the order of their ids, from the first id after `after` on.
    pub fn iter_after<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Held, &'a Record)> {
        let table = &self.tables[kind.index()];
        let after = after.and_then(|after| table.label_at(after));
        table.rows_after(after).filter_map(|(_, row)| {
            let winner = row.winner();
            Some((winner, winner.entry.record()?))
        })
    }

    /// How far an entry can be trusted at a moment, and for how long it has not been proved.
    #[must_use]
    pub fn freshness(&self, held: &Held, mono: Duration) -> (Freshness, Duration) {
        self.freshness_of(&held.origin, mono)
    }

    /// How far the entries of one start of a node can be trusted at a moment, and for how long they have not been proved.
    #[must_use]
    pub fn freshness_of(&self, origin: &Origin, mono: Duration) -> (Freshness, Duration) {
        let Some(node) = self.nodes.get(&origin.node) else {
            return (Freshness::Orphaned, Duration::ZERO);
        };
        let (freshness, age) = node.freshness(mono, self.fresh_for);
        if node.origin.generation == origin.generation || freshness == Freshness::Orphaned {
            (freshness, age)
        } else {
            (Freshness::Stale, mono.saturating_sub(node.since))
        }
    }

    /// Makes the view readable: what changed since the last time is taken into the indexes.
    pub(crate) fn settle(&mut self) {
        self.sensors.settle();
    }

    /// Takes in what became of one entry at one origin, and says what that changed for a reader. Lists and counts are those of before
    /// until the view is settled.
    pub(crate) fn apply(
        &mut self,
        origin: &Arc<Origin>,
        key: Key,
        new: Option<Arc<Entry>>,
        cause: Cause,
    ) -> Option<Event> {
        // An entry that cannot be read is shown to nobody.
        let new = new.filter(|entry| entry.record().is_some());
        let new = new.map(|entry| Held { origin: Arc::clone(origin), entry });
        let found = self.tables[key.kind.index()].get(key.id.as_str());
        let before = found.map(|(label, row)| (label, row.clone()));
        let after = match &before {
            Some((_, row)) => row.holding.with(origin, new),
            None => new.map(Holding::One),
        };
        let winners = (before.as_ref().map(|(_, row)| row.winner()), after.as_ref().map(Holding::winner));
        let kind = compare(winners.0, winners.1, cause);
        let previous_changed = before.as_ref().map(|(_, row)| row.changed);
        self.changes += u64::from(kind.is_some());
        let changed = if kind.is_some() { self.changes } else { previous_changed.unwrap_or_default() };
        let event = kind.and_then(|kind| {
            let (before, after) = (winners.0.cloned(), winners.1.cloned());
            let (held, previous) = if after.is_some() { (after, before) } else { (before, None) };
            Some(Event { key: key.clone(), kind, held: held?, previous, changed, previous_changed })
        });
        self.store(&key, before.as_ref(), after.map(|holding| Row { holding, changed }));
        event
    }

    /// Puts a row in the place of another, in the table and in every index.
    fn store(&mut self, key: &Key, before: Option<&(Label, Row)>, after: Option<Row>) {
        let table = &mut self.tables[key.kind.index()];
        let placed = match (before, after) {
            (None, None) => return,
            (Some(_), None) => {
                table.remove(key.id.as_str());
                None
            }
            (Some((label, _)), Some(row)) => {
                table.replace(*label, row.clone());
                Some((*label, row))
            }
            (None, Some(row)) => {
                let (label, moved) = table.insert(key.id.as_str(), row.clone());
                if !moved.is_empty() {
                    match key.kind {
                        Kind::Sensor => self.sensors.relabel(&moved, |label| table.row(label)),
                        Kind::Presence => self.whereabouts.relabel(&moved, |label| table.row(label)),
                        Kind::Connector => {}
                    }
                }
                Some((label, row))
            }
        };
        self.keep_indexes(key.kind, before, placed.as_ref());
    }

    fn keep_indexes(&mut self, kind: Kind, before: Option<&(Label, Row)>, after: Option<&(Label, Row)>) {
        fn record((_, row): &(Label, Row)) -> Option<&Record> {
            row.winner().entry.record()
        }
        match kind {
            Kind::Sensor => {
                let placed = |(label, row)| Placed::new(label, row);
                self.sensors.update(
                    before.map(|(label, row)| placed((*label, row))),
                    after.map(|(label, row)| placed((*label, row))),
                );
                let sensor = |row| record(row).and_then(Record::as_sensor);
                self.whereabouts.move_sensor(before.and_then(sensor), after.and_then(sensor));
            }
            Kind::Presence => {
                let presence = |row: &'_ (Label, Row)| row.0;
                let of = |row| record(row).and_then(Record::as_presence);
                self.whereabouts.move_presence(
                    before.and_then(|row| Some((presence(row), of(row)?))),
                    after.and_then(|row| Some((presence(row), of(row)?))),
                );
            }
            Kind::Connector => {}
        }
    }
}

impl Holding {
    /// The one that is shown.
    pub(crate) fn winner(&self) -> &Held {
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

/// What a reader is told of two states of one entry; `None` where they are the same.
fn compare(before: Option<&Held>, after: Option<&Held>, cause: Cause) -> Option<EventKind> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(EventKind::Registered),
        (Some(_), None) => Some(EventKind::Unregistered(cause)),
        (Some(before), Some(after)) => {
            let same = before.origin == after.origin && before.entry.is_same(&after.entry);
            (!same).then_some(EventKind::Updated)
        }
    }
}

#[cfg(test)]
mod tests;
