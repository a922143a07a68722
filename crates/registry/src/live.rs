//! Live queries: windows into lists, and what changes inside them.
//!
//! Windows with one filter and order form a group. A change is looked at once for each group whose filter it could pass, found by
//! the filter's most telling condition; within a group, the windows around it are found by their intervals. Only those are read
//! anew, from the indexes of the view. So a change costs what it touches, whoever else watches.
//!
//! *Kept:* the differences of a window, applied to its page in order, give the window's page in the view that they were made from.

mod difference;
mod intervals;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{Kind, RoomId, SharedId};

use crate::view::{Cause, Event, EventKind, Held, Position, SearchText, SensorFilter, SensorQuery, View, stems_of};
use intervals::{Interval, Intervals};

pub use difference::{Difference, Left, LeftCause, WindowRow, longest_rise};

/// Most lines of a window.
pub const WINDOW_MAX: usize = 1_000;

/// Names an open window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(u64);

/// What a window shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowSpec {
    /// Of which list.
    pub query: SensorQuery,
    /// From where on; `None` is the start.
    pub after: Option<Position>,
    /// How many lines at most.
    pub limit: usize,
}

#[derive(Debug)]
struct Window {
    spec: WindowSpec,
    rows: Vec<WindowRow>,
}

#[derive(Debug)]
struct Group {
    query: SensorQuery,
    total: usize,
    told_total: usize,
    windows: Intervals,
}

/// The condition of a filter that fewest entries pass, as far as one can tell without counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Telling {
    Connector,
    Room,
    Word,
    Attribute,
    Type,
    Node,
}

fn telling(filter: &SensorFilter) -> Option<(Telling, &str)> {
    let conditions = [
        (Telling::Connector, filter.connector.as_deref()),
        (Telling::Room, filter.room.as_deref()),
        (Telling::Word, filter.text.as_ref().map(SearchText::stem)),
        (Telling::Attribute, filter.attribute.as_deref()),
        (Telling::Type, filter.sensor_type.as_deref()),
        (Telling::Node, filter.node.as_deref()),
    ];
    conditions.into_iter().find_map(|(telling, value)| Some((telling, value?)))
}

/// All windows of one node.
#[derive(Debug, Default)]
pub struct Live {
    groups: BTreeMap<u64, Group>,
    by_query: BTreeMap<SensorQuery, u64>,
    /// Groups by their most telling condition; those without one are asked about every change.
    by_condition: [BTreeMap<String, Vec<u64>>; 6],
    unconditional: Vec<u64>,
    windows: BTreeMap<WindowId, (u64, Window)>,
    dirty: BTreeSet<WindowId>,
    totals: BTreeSet<u64>,
    /// Why entries left the world since the windows were last read.
    causes: BTreeMap<SharedId, Cause>,
    next: u64,
}

impl Live {
    /// How many windows are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether no window is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Whether something may have changed inside a window.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether the total of a list changed.
    #[must_use]
    pub fn has_totals(&self) -> bool {
        !self.totals.is_empty()
    }

    /// How many lists the windows are of.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Opens a window into a view that all changes so far led to.
    pub fn open(&mut self, view: &View, spec: WindowSpec) -> WindowId {
        let group_id = self.group(view, &spec.query);
        self.next += 1;
        let id = WindowId(self.next);
        let (rows, interval) = read(view, &spec);
        if let Some(group) = self.groups.get_mut(&group_id) {
            group.windows.insert(id, interval);
        }
        self.windows.insert(id, (group_id, Window { spec, rows }));
        id
    }

    fn group(&mut self, view: &View, query: &SensorQuery) -> u64 {
        if let Some(id) = self.by_query.get(query) {
            return *id;
        }
        self.next += 1;
        let id = self.next;
        let total = view.sensors_total(&query.filter, Duration::ZERO);
        let group = Group { query: query.clone(), total, told_total: total, windows: Intervals::default() };
        self.groups.insert(id, group);
        self.by_query.insert(query.clone(), id);
        match telling(&query.filter) {
            Some((condition, value)) => {
                self.by_condition[condition as usize].entry(value.to_owned()).or_default().push(id);
            }
            None => self.unconditional.push(id),
        }
        id
    }

    /// Closes a window.
    pub fn close(&mut self, id: WindowId) {
        let Some((group_id, _)) = self.windows.remove(&id) else { return };
        self.dirty.remove(&id);
        let Some(group) = self.groups.get_mut(&group_id) else { return };
        group.windows.remove(id);
        if !group.windows.is_empty() {
            return;
        }
        if let Some(group) = self.groups.remove(&group_id) {
            self.totals.remove(&group_id);
            self.by_query.remove(&group.query);
            match telling(&group.query.filter) {
                Some((condition, value)) => {
                    let index = &mut self.by_condition[condition as usize];
                    if let Some(groups) = index.get_mut(value) {
                        groups.retain(|group| *group != group_id);
                        if groups.is_empty() {
                            index.remove(value);
                        }
                    }
                }
                None => self.unconditional.retain(|group| *group != group_id),
            }
        }
    }

    /// The lines of a window as they were last told, and how many lines its list had.
    #[must_use]
    pub fn page(&self, id: WindowId) -> Option<(&[WindowRow], usize)> {
        let (group, window) = self.windows.get(&id)?;
        Some((&window.rows, self.groups.get(group)?.total))
    }

    /// Notes what changed.
    pub fn take(&mut self, events: &[Event]) {
        if self.windows.is_empty() {
            return;
        }
        for event in events.iter().filter(|event| event.key.kind == Kind::Sensor) {
            self.note(event);
        }
    }

    /// Something changed, and what is not known: everything is read anew.
    pub fn start_over(&mut self, view: &View) {
        self.dirty = self.windows.keys().copied().collect();
        for (id, group) in &mut self.groups {
            group.total = view.sensors_total(&group.query.filter, Duration::ZERO);
            if group.total != group.told_total {
                self.totals.insert(*id);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let gone = matches!(event.kind, EventKind::Unregistered(_));
        let (was, is) = match (gone, &event.previous) {
            (true, _) => (Some(&event.held), None),
            (false, previous) => (previous.as_ref(), Some(&event.held)),
        };
        let was = was.zip(event.previous_changed);
        let is = is.map(|held| (held, event.changed));
        let mut touched = false;
        for id in self.concerned(was.map(|(held, _)| held), is.map(|(held, _)| held)) {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            let place = |(held, changed): (&Held, u64)| {
                group.query.filter.matches_held(held).then(|| Position::of(group.query.order, held, changed))
            };
            let (old, new) = (was.and_then(place), is.and_then(place));
            match (&old, &new) {
                (None, None) => continue,
                (None, Some(_)) => group.total += 1,
                (Some(_), None) => group.total = group.total.saturating_sub(1),
                (Some(_), Some(_)) => {}
            }
            if old.is_some() != new.is_some() {
                self.totals.insert(id);
            }
            for position in old.iter().chain(new.iter().filter(|new| old.as_ref() != Some(new))) {
                touched |= group.windows.around(position, &mut self.dirty);
            }
        }
        match event.kind {
            EventKind::Unregistered(cause) if touched => {
                self.causes.insert(event.key.id.clone(), cause);
            }
            EventKind::Unregistered(_) | EventKind::Registered | EventKind::Updated => {}
        }
    }

    /// The groups that a change could concern, each once.
    fn concerned(&self, was: Option<&Held>, is: Option<&Held>) -> Vec<u64> {
        let mut found = self.unconditional.clone();
        for held in was.into_iter().chain(is) {
            let Some(sensor) = held.entry.record().and_then(sensocto_model::Record::as_sensor) else { continue };
            let mut add = |condition: Telling, value: &str| {
                found.extend(self.by_condition[condition as usize].get(value).into_iter().flatten());
            };
            add(Telling::Connector, sensor.connector_id.as_str());
            add(Telling::Type, &sensor.sensor_type);
            add(Telling::Node, held.origin.node.as_str());
            add(Telling::Room, sensor.room_id.as_ref().map_or("", RoomId::as_str));
            if !self.by_condition[Telling::Word as usize].is_empty() {
                stems_of(sensor, |stem| add(Telling::Word, stem));
            }
            sensor.attributes.iter().for_each(|(id, _)| add(Telling::Attribute, id.as_str()));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What changed inside the windows since they were last read, in a view that all changes so far led to.
    pub fn differences(&mut self, view: &View) -> Vec<(WindowId, Difference)> {
        let mut differences = Vec::new();
        for id in std::mem::take(&mut self.dirty) {
            let Some((group_id, window)) = self.windows.get_mut(&id) else { continue };
            let Some(group) = self.groups.get_mut(group_id) else { continue };
            let (rows, interval) = read(view, &window.spec);
            group.windows.replace(id, interval);
            let difference = difference::between(&window.rows, &rows, group.total, |row| {
                match (view.get(Kind::Sensor, row.id()), self.causes.get(row.id())) {
                    (Some(held), _) if group.query.filter.matches_held(held) => LeftCause::Moved,
                    (Some(_), _) => LeftCause::Filtered,
                    (None, Some(cause)) => LeftCause::Gone(*cause),
                    (None, None) => LeftCause::Gone(Cause::Unregistered),
                }
            });
            window.rows = rows;
            differences.extend(difference.map(|difference| (id, difference)));
        }
        self.causes.clear();
        differences
    }

    /// The lists whose totals changed since this was last asked for: their windows, and the total.
    pub fn totals(&mut self) -> Vec<(Vec<WindowId>, usize)> {
        let mut totals = Vec::new();
        for id in std::mem::take(&mut self.totals) {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            if group.total != group.told_total {
                group.told_total = group.total;
                totals.push((group.windows.ids(), group.total));
            }
        }
        totals
    }
}

fn read(view: &View, spec: &WindowSpec) -> (Vec<WindowRow>, Interval) {
    let found = view.sensors(&spec.query, spec.after.as_ref(), spec.limit.min(WINDOW_MAX), Duration::ZERO);
    // A window that has room takes in whatever comes behind its last line.
    let end = found.lines.last().filter(|_| found.more);
    let end = end.map(|line| Position::of(spec.query.order, line.held, line.changed));
    let rows = found.lines.iter().map(|line| WindowRow { held: line.held.clone() }).collect();
    (rows, Interval { after: spec.after.clone(), end })
}

#[cfg(test)]
mod tests;
