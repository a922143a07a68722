//! Lists: what a query finds in one world, page by page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sensocto_model::{Generation, Kind, Record};
use sensocto_registry::{Freshness, Held, Line, Position, SensorQuery};

use crate::handle::Inner;
use crate::live::{ListRow, PersonRow, UserFilter};
use crate::world::World;

/// Worlds that are kept for readers of several pages. A world shares most of its memory with the next one, but under load each of
/// them keeps alive what has changed since. When there are as many, no further one is kept until one of them has had its time.
pub const PINNED_MAX: usize = 32;
/// How long a world is kept after somebody last read it.
pub const PINNED_FOR: Duration = Duration::from_secs(30);

/// One line of a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// The entry and whose it is.
    pub held: Held,
    /// How far it can be trusted.
    pub freshness: Freshness,
    /// For how long it has not been proved.
    pub age: Duration,
}

/// Part of a list. `N` is a place in it.
#[derive(Debug, Clone)]
pub struct Page<N> {
    /// The lines, in order.
    pub rows: Vec<Row>,
    /// How many lines the whole list has.
    pub total: usize,
    /// The place to start the next page after; `None` on the last page.
    pub next: Option<N>,
}

/// One page of the sensors that a query finds.
pub(crate) fn sensors(
    world: &World,
    query: &SensorQuery,
    (after, limit): (Option<&Position>, usize),
    mono: Duration,
) -> Page<Position> {
    let found = world.view.sensors(query, after, limit, mono);
    let last = found.lines.last().filter(|_| found.more);
    let next = last.map(|line| Position::of(query.order, line.held, line.changed));
    let rows = found.lines.iter().map(|line| row(world, line, mono)).collect();
    Page { rows, total: world.view.sensors_total(&query.filter, mono), next }
}

/// One page of the connectors, of one node where it is given.
pub(crate) fn connectors(
    world: &World,
    node: Option<&str>,
    (after, limit): (Option<&str>, usize),
    mono: Duration,
) -> Page<String> {
    let found = world.view.connectors(node, after, limit);
    let id = |line: &Line<'_>| line.held.entry.record().map(|record| record.key().id.as_str().to_owned());
    let next = found.lines.last().filter(|_| found.more).and_then(id);
    let rows = found.lines.iter().map(|line| row(world, line, mono)).collect();
    let total = match node {
        None => world.view.count(Kind::Connector),
        Some(node) => of_node(world, node),
    };
    Page { rows, total, next }
}

fn of_node(world: &World, node: &str) -> usize {
    world.view.iter_after(Kind::Connector, None).filter(|(held, _)| held.origin.node.as_str() == node).count()
}

fn row(world: &World, line: &Line<'_>, mono: Duration) -> Row {
    let (freshness, age) = world.view.freshness(line.held, mono);
    Row { held: line.held.clone(), freshness, age }
}

/// One page of people.
#[derive(Debug, Clone)]
pub struct UsersPage {
    /// In the order of their ids.
    pub people: Vec<PersonRow>,
    /// How many people the whole list has.
    pub total: usize,
    /// The id to start the next page after; `None` on the last page.
    pub next: Option<String>,
}

/// One page of the people who pass a filter, found in the index of people, or of those in a room.
pub(crate) fn users(world: &World, filter: &UserFilter, (after, limit): (Option<&str>, usize)) -> UsersPage {
    let (rows, more) = filter.read(&world.view, after, limit);
    let people: Vec<PersonRow> = rows
        .into_iter()
        .filter_map(|row| match row {
            ListRow::Person(person) => Some(person),
            ListRow::Entry(_) | ListRow::Room(_) => None,
        })
        .collect();
    let next = people.last().filter(|_| more).map(|person| person.user_id.clone());
    UsersPage { people, total: filter.total(&world.view), next }
}

/// The presences from the first reference after `after` on.
pub(crate) fn presences(world: &World, (after, limit): (Option<&str>, usize), mono: Duration) -> Page<String> {
    let mut found = world.view.iter_after(Kind::Presence, after);
    let lines = found.by_ref().take(limit).map(|(held, _)| Line { held, changed: 0 });
    let rows: Vec<Row> = lines.map(|line| row(world, &line, mono)).collect();
    let more = found.next().is_some();
    let last = rows.last().and_then(|row| row.held.entry.record()).map(Record::key);
    let next = last.filter(|_| more).map(|key| key.id.as_str().to_owned());
    Page { rows, total: world.view.count(Kind::Presence), next }
}

/// Names a world that is kept: that of one start of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorldToken {
    /// The start of the node.
    pub generation: Generation,
    /// The world's place in the order of that node's worlds.
    pub seq: u64,
}

/// Why no world is kept for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinError {
    /// There are as many as may be kept.
    Full,
    /// It was not read for too long, or is another node's.
    Gone,
}

/// The worlds that are kept for readers of several pages, each with the moment until which it is.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<BTreeMap<u64, (Arc<World>, Duration)>>);

impl Pins {
    /// Keeps the present world for a while.
    pub(crate) fn pin(&self, inner: &Inner) -> Result<(WorldToken, Arc<World>), PinError> {
        let (world, mono) = (inner.world.load_full(), inner.clock.mono());
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.retain(|_, (_, until)| *until > mono);
        if pinned.len() >= PINNED_MAX && !pinned.contains_key(&world.seq) {
            return Err(PinError::Full);
        }
        pinned.insert(world.seq, (Arc::clone(&world), mono + PINNED_FOR));
        Ok((WorldToken { generation: inner.me.generation, seq: world.seq }, world))
    }

    /// A world that is kept, for a while longer.
    pub(crate) fn get(&self, inner: &Inner, token: WorldToken) -> Result<Arc<World>, PinError> {
        let mono = inner.clock.mono();
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.retain(|_, (_, until)| *until > mono);
        let found = pinned.get_mut(&token.seq).filter(|_| token.generation == inner.me.generation);
        let (world, until) = found.ok_or(PinError::Gone)?;
        *until = mono + PINNED_FOR;
        Ok(Arc::clone(world))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets go of those that have had their time.
    pub(crate) fn expire(&self, mono: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, until)| *until > mono);
    }
}

#[cfg(test)]
mod tests;
