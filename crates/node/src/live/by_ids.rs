//! Windows into lists that are ordered by id: those of connectors and of people.
//!
//! There are fewer of them, and fewer windows into them, than of sensors: each change is held against every window of its kind.

use std::collections::{BTreeMap, BTreeSet};

use sensocto_registry::{Cause, Event, EventKind, Position};

use super::list::{ListDifference, ListLeft, ListQuery, ListRow, ListSpec, Worlds};

/// Windows into such lists that may be open at one time. Further ones are refused.
pub const WINDOWS_BY_ID_MAX: usize = 2_000;

#[derive(Debug)]
struct Window {
    spec: ListSpec,
    rows: Vec<ListRow>,
    /// Whether there are lines behind it.
    more: bool,
}

impl Window {
    fn read(worlds: Worlds<'_>, spec: ListSpec) -> Window {
        let (rows, more) = spec.query.read(worlds, spec.after.as_ref(), spec.limit);
        Window { spec, rows, more }
    }

    fn contains(&self, id: &str) -> bool {
        let behind_start = match &self.spec.after {
            Some(Position::Id(after)) => id > after.as_str(),
            Some(Position::Name { .. } | Position::Changed(_)) | None => true,
        };
        // A window that has room takes in whatever comes behind its last line.
        let end = self.rows.last().filter(|_| self.more);
        behind_start && end.is_none_or(|end| id <= end.id())
    }
}

#[derive(Debug)]
struct Total {
    value: usize,
    windows: BTreeSet<u64>,
    may_differ: bool,
}

/// All windows into such lists.
#[derive(Debug, Default)]
pub(super) struct ByIds {
    windows: BTreeMap<u64, Window>,
    totals: BTreeMap<ListQuery, Total>,
    dirty: BTreeSet<u64>,
    /// Why entries left the world since the windows were last read, by the ids of lines.
    causes: BTreeMap<String, Cause>,
    next: u64,
}

impl ByIds {
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn has_totals(&self) -> bool {
        self.totals.values().any(|total| total.may_differ)
    }

    pub(super) fn open(&mut self, worlds: Worlds<'_>, spec: ListSpec) -> u64 {
        self.next += 1;
        let total = self.totals.entry(spec.query.clone()).or_insert_with(|| Total {
            value: spec.query.total(worlds),
            windows: BTreeSet::new(),
            may_differ: false,
        });
        total.windows.insert(self.next);
        self.windows.insert(self.next, Window::read(worlds, spec));
        self.next
    }

    pub(super) fn close(&mut self, id: u64) {
        let Some(window) = self.windows.remove(&id) else { return };
        self.dirty.remove(&id);
        if let Some(total) = self.totals.get_mut(&window.spec.query) {
            total.windows.remove(&id);
            if total.windows.is_empty() {
                self.totals.remove(&window.spec.query);
            }
        }
    }

    pub(super) fn page(&self, id: u64) -> Option<(Vec<ListRow>, usize)> {
        let window = self.windows.get(&id)?;
        Some((window.rows.clone(), self.total(window)))
    }

    fn total(&self, window: &Window) -> usize {
        self.totals.get(&window.spec.query).map_or(0, |total| total.value)
    }

    pub(super) fn take(&mut self, events: &[Event]) {
        if self.windows.is_empty() {
            return;
        }
        for event in events {
            for (query, total) in &mut self.totals {
                total.may_differ |= !query.touched(event).is_empty();
            }
            for (id, window) in &self.windows {
                let touched = window.spec.query.touched(event);
                if touched.iter().any(|line| window.contains(line)) {
                    self.dirty.insert(*id);
                    if let EventKind::Unregistered(cause) = event.kind {
                        self.causes.extend(touched.into_iter().map(|line| (line.to_owned(), cause)));
                    }
                }
            }
        }
    }

    pub(super) fn start_over(&mut self) {
        self.dirty = self.windows.keys().copied().collect();
        self.totals.values_mut().for_each(|total| total.may_differ = true);
    }

    /// What changed inside the windows since they were last read, and how many lines their lists have.
    pub(super) fn differences(&mut self, worlds: Worlds<'_>) -> Vec<(u64, ListDifference, usize)> {
        let mut differences = Vec::new();
        for id in std::mem::take(&mut self.dirty) {
            let Some(before) = self.windows.remove(&id) else { continue };
            let query = before.spec.query.clone();
            let after = Window::read(worlds, before.spec.clone());
            let cause = |row: &ListRow| query.left(worlds.view, row.id(), self.causes.get(row.id()).copied());
            let difference = between(&before.rows, &after.rows, cause);
            if !difference.is_empty() {
                // The windows in which nothing changed hear of the total in their time.
                let may_differ = self.totals.get(&query).is_some_and(|total| total.may_differ);
                let total = if may_differ { query.total(worlds) } else { self.total(&after) };
                differences.push((id, difference, total));
            }
            self.windows.insert(id, after);
        }
        self.causes.clear();
        differences
    }

    /// The lists whose totals may have changed since this was last asked for: their windows, and the total.
    pub(super) fn totals(&mut self, worlds: Worlds<'_>) -> Vec<(Vec<u64>, usize)> {
        let mut changed = Vec::new();
        for (query, total) in self.totals.iter_mut().filter(|(_, total)| total.may_differ) {
            total.may_differ = false;
            let before = total.value;
            total.value = query.total(worlds);
            if total.value != before {
                changed.push((total.windows.iter().copied().collect(), total.value));
            }
        }
        changed
    }
}

/// What leads from one page to another of the same list; lines that stay are in the same order on both.
fn between(old: &[ListRow], new: &[ListRow], cause: impl Fn(&ListRow) -> ListLeft) -> ListDifference {
    let before: BTreeMap<&str, &ListRow> = old.iter().map(|row| (row.id(), row)).collect();
    let now: BTreeSet<&str> = new.iter().map(ListRow::id).collect();
    let gone = old.iter().filter(|row| !now.contains(row.id()));
    let mut difference =
        ListDifference { left: gone.map(|row| (row.clone(), cause(row))).collect(), ..ListDifference::default() };
    for (at, row) in new.iter().enumerate() {
        match before.get(row.id()) {
            None => difference.entered.push((at, row.clone())),
            Some(before) if !row.is_as(before) => difference.changed.push(row.clone()),
            Some(_) => {}
        }
    }
    difference
}
