//! Windows into lists of rooms.
//!
//! Rooms change seldom, and each change is held against every window: whoever watches has windows of their own, because what they may
//! see is their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sensocto_model::room::Room;
use sensocto_model::{Record, RoomId};
use sensocto_registry::live::longest_rise;
use sensocto_registry::{Event, Held, Position};
use sensocto_rooms::{Change, RoomOrder, RoomPlace, RoomQuery};
use xxhash_rust::xxh3::Xxh3;

use super::list::{ListDifference, ListLeft, ListRow, RoomRow, Worlds};

/// Windows into lists of rooms that may be open at one time. Further ones are refused.
pub const WINDOWS_OF_ROOMS_MAX: usize = 10_000;

/// Which part of a list of rooms.
#[derive(Debug, Clone)]
pub(super) struct RoomsSpec {
    pub(super) query: RoomQuery,
    pub(super) after: Option<RoomPlace>,
    pub(super) limit: usize,
}

#[derive(Debug)]
struct Window {
    spec: RoomsSpec,
    rows: Vec<RoomRow>,
    /// The place of the last line, where there are lines behind it.
    end: Option<RoomPlace>,
}

impl Window {
    fn read(worlds: Worlds<'_>, spec: RoomsSpec) -> Window {
        let (rows, more) = read(worlds, &spec.query, spec.after.as_ref(), spec.limit);
        let end = rows.last().filter(|_| more).map(|row| spec.query.order.place(&row.room));
        Window { spec, rows, end }
    }

    /// Whether a room, as it was or is, stands in it.
    fn contains(&self, room: &Room) -> bool {
        self.spec.query.finds(room) && {
            let place = self.spec.query.order.place(room);
            // A window that has room takes in whatever comes behind its last line.
            self.spec.after.as_ref().is_none_or(|after| place > *after)
                && self.end.as_ref().is_none_or(|end| place <= *end)
        }
    }
}

/// All windows of one list.
#[derive(Debug)]
struct List {
    total: usize,
    told_total: usize,
    windows: BTreeSet<u64>,
}

/// All windows into lists of rooms.
#[derive(Debug, Default)]
pub(super) struct OfRooms {
    windows: BTreeMap<u64, Window>,
    lists: BTreeMap<RoomQuery, List>,
    /// The windows that show a room.
    shown: BTreeMap<RoomId, BTreeSet<u64>>,
    dirty: BTreeSet<u64>,
    next: u64,
}

impl OfRooms {
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn has_totals(&self) -> bool {
        self.lists.values().any(|list| list.total != list.told_total)
    }

    pub(super) fn open(&mut self, worlds: Worlds<'_>, spec: RoomsSpec) -> u64 {
        self.next += 1;
        let list = self.lists.entry(spec.query.clone()).or_insert_with(|| {
            let total = worlds.rooms.total(&spec.query);
            List { total, told_total: total, windows: BTreeSet::new() }
        });
        list.windows.insert(self.next);
        self.put(self.next, Window::read(worlds, spec));
        self.next
    }

    fn put(&mut self, id: u64, window: Window) {
        for row in &window.rows {
            self.shown.entry(row.room.id.clone()).or_default().insert(id);
        }
        self.windows.insert(id, window);
    }

    fn take_out(&mut self, id: u64) -> Option<Window> {
        let window = self.windows.remove(&id)?;
        for row in &window.rows {
            if let Some(windows) = self.shown.get_mut(&row.room.id) {
                windows.remove(&id);
                if windows.is_empty() {
                    self.shown.remove(&row.room.id);
                }
            }
        }
        Some(window)
    }

    pub(super) fn close(&mut self, id: u64) {
        let Some(window) = self.take_out(id) else { return };
        self.dirty.remove(&id);
        if let Some(list) = self.lists.get_mut(&window.spec.query) {
            list.windows.remove(&id);
            if list.windows.is_empty() {
                self.lists.remove(&window.spec.query);
            }
        }
    }

    pub(super) fn page(&self, id: u64) -> Option<(Vec<ListRow>, usize)> {
        let window = self.windows.get(&id)?;
        Some((window.rows.iter().cloned().map(ListRow::Room).collect(), self.total(window)))
    }

    fn total(&self, window: &Window) -> usize {
        self.lists.get(&window.spec.query).map_or(0, |list| list.total)
    }

    /// What a subscriber has that was told everything of a window: the same on every node where the window is the same.
    pub(super) fn digest(&self, id: u64) -> Option<u64> {
        self.windows.get(&id).map(|window| digest(&window.rows))
    }

    /// Notes what changed in rooms.
    pub(super) fn take(&mut self, changes: &[Change]) {
        for change in changes {
            let (before, after) = (change.before.as_deref(), change.after.as_deref());
            for (query, list) in &mut self.lists {
                let found = |room: Option<&Room>| usize::from(room.is_some_and(|room| query.finds(room)));
                list.total = (list.total + found(after)).saturating_sub(found(before));
            }
            let touched = |window: &Window| before.into_iter().chain(after).any(|room| window.contains(room));
            self.dirty.extend(self.windows.iter().filter(|(_, window)| touched(window)).map(|(id, _)| *id));
        }
    }

    /// Notes what changed in the world: a room says how many sensors are in it.
    pub(super) fn take_world(&mut self, events: &[Event]) {
        if self.windows.is_empty() {
            return;
        }
        for event in events {
            for held in event.previous.iter().chain([&event.held]) {
                let room = room_of(held).and_then(|room| self.shown.get(room.as_str()));
                self.dirty.extend(room.into_iter().flatten());
            }
        }
    }

    /// Something changed in rooms, and what is not known.
    pub(super) fn start_over(&mut self, worlds: Worlds<'_>) {
        for (query, list) in &mut self.lists {
            list.total = worlds.rooms.total(query);
        }
        self.start_over_world();
    }

    /// Something changed in the world, and what is not known.
    pub(super) fn start_over_world(&mut self) {
        self.dirty = self.windows.keys().copied().collect();
    }

    /// What changed inside the windows since they were last read, and how many lines their lists have.
    pub(super) fn differences(&mut self, worlds: Worlds<'_>) -> Vec<(u64, ListDifference, usize)> {
        let mut differences = Vec::new();
        for id in std::mem::take(&mut self.dirty) {
            let Some(before) = self.take_out(id) else { continue };
            let after = Window::read(worlds, before.spec.clone());
            let query = &before.spec.query;
            let difference = between(&before.rows, &after.rows, |row| left(worlds, query, row));
            if !difference.is_empty() {
                differences.push((id, difference, self.total(&after)));
            }
            self.put(id, after);
        }
        differences
    }

    /// The lists whose totals changed since this was last asked for: their windows, and the total.
    pub(super) fn totals(&mut self) -> Vec<(Vec<u64>, usize)> {
        let changed = self.lists.values_mut().filter(|list| list.total != list.told_total);
        changed
            .map(|list| {
                list.told_total = list.total;
                (list.windows.iter().copied().collect(), list.total)
            })
            .collect()
    }
}

fn room_of(held: &Held) -> Option<&RoomId> {
    held.entry.record().and_then(Record::as_sensor)?.room_id.as_ref()
}

/// The rooms behind a place, at most so many, and whether there are more.
pub(super) fn read(
    worlds: Worlds<'_>,
    query: &RoomQuery,
    after: Option<&RoomPlace>,
    limit: usize,
) -> (Vec<RoomRow>, bool) {
    let (found, more) = worlds.rooms.list(query, after, limit);
    let row = |room: Arc<Room>| RoomRow { sensors: crate::rooms::sensors_total(worlds.view, &room), room };
    (found.into_iter().map(row).collect(), more)
}

/// A place as those of all lists are written.
pub(crate) fn position(order: RoomOrder, room: &Room) -> Position {
    match order.place(room).parts() {
        (None, id) => Position::Id(id.to_owned()),
        (Some(by), id) => Position::Name { name: by.to_owned(), id: id.to_owned() },
    }
}

/// The place that was written so; `None` where it is none in this order.
pub(crate) fn place(order: RoomOrder, position: &Position) -> Option<RoomPlace> {
    match (order, position) {
        (RoomOrder::Id, Position::Id(id)) => Some(RoomPlace::of_parts(None, id)),
        (RoomOrder::Name | RoomOrder::Changed, Position::Name { name, id }) => {
            Some(RoomPlace::of_parts(Some(name), id))
        }
        (_, Position::Id(_) | Position::Name { .. } | Position::Changed(_)) => None,
    }
}

/// Why a line is not in a window.
fn left(worlds: Worlds<'_>, query: &RoomQuery, row: &RoomRow) -> ListLeft {
    let viewer = query.viewer.as_ref().map(sensocto_model::UserId::as_str);
    match worlds.rooms.get(row.room.id.as_str()) {
        None => ListLeft::Deleted,
        Some(room) if query.finds(room) => ListLeft::Entry(sensocto_registry::live::LeftCause::Moved),
        Some(room) if !room.is_visible_to(viewer) => ListLeft::NotVisible,
        Some(_) => ListLeft::Entry(sensocto_registry::live::LeftCause::Filtered),
    }
}

/// What leads from one page to another of the same list.
fn between(old: &[RoomRow], new: &[RoomRow], cause: impl Fn(&RoomRow) -> ListLeft) -> ListDifference {
    let line = |row: &RoomRow| ListRow::Room(row.clone());
    let before: BTreeMap<&str, usize> = old.iter().enumerate().map(|(at, row)| (row.room.id.as_str(), at)).collect();
    let now: BTreeSet<&str> = new.iter().map(|row| row.room.id.as_str()).collect();
    let gone = old.iter().filter(|row| !now.contains(row.room.id.as_str()));
    let mut difference =
        ListDifference { left: gone.map(|row| (line(row), cause(row))).collect(), ..ListDifference::default() };
    let mut stayed = Vec::new();
    for (at, row) in new.iter().enumerate() {
        match before.get(row.room.id.as_str()) {
            None => difference.entered.push((at, line(row))),
            Some(place) => {
                stayed.push((*place, at));
                if !row.is_as(&old[*place]) {
                    difference.changed.push(line(row));
                }
            }
        }
    }
    let still = longest_rise(&stayed.iter().map(|(place, _)| *place).collect::<Vec<_>>());
    let moved = stayed.iter().zip(still).filter(|(_, still)| !still);
    difference.moved = moved.map(|((_, at), _)| (*at, line(&new[*at]))).collect();
    difference
}

fn digest(rows: &[RoomRow]) -> u64 {
    let mut hash = Xxh3::new();
    let mut text = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for RoomRow { room, sensors } in rows {
        let settings = &room.settings;
        text(room.id.as_str());
        text(&settings.name);
        text(settings.description.as_deref().unwrap_or("\0"));
        text(settings.configuration.as_json());
        text(room.join_code.as_str());
        text(room.owner_id.as_str());
        for (user, role) in &room.members {
            text(user.as_str());
            text(role.as_str());
        }
        text(room.term.home.node.as_str());
        let flags = [
            settings.is_public,
            settings.calls_enabled,
            settings.media_playback_enabled,
            settings.object_3d_enabled,
            settings.whiteboard_enabled,
        ];
        text(&format!("{flags:?} {sensors} {} {} {}", room.created_at_ms, room.updated_at_ms, room.term.number));
    }
    hash.digest()
}
