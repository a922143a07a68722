//! The windows of all kinds of lists, behind one face.

use sensocto_registry::Event;
use sensocto_registry::live::{Live, WindowId};
use sensocto_rooms::Change;

use super::by_ids::{ByIds, WINDOWS_BY_ID_MAX};
use super::list::{self, ListDifference, ListRow, ListSpec, Worlds};
use super::rooms::{OfRooms, WINDOWS_OF_ROOMS_MAX};

/// Names an open window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Sensors(WindowId),
    ByIds(u64),
    OfRooms(u64),
}

/// All windows of a node.
#[derive(Debug, Default)]
pub(super) struct Lists {
    sensors: Live,
    by_ids: ByIds,
    rooms: OfRooms,
}

impl Lists {
    /// Opens a window; `None` where there are too many of its kind.
    pub(super) fn open(&mut self, worlds: Worlds<'_>, spec: &ListSpec) -> Option<Id> {
        if let Some(spec) = spec.of_sensors() {
            return Some(Id::Sensors(self.sensors.open(worlds.view, spec)));
        }
        if let Some(spec) = spec.of_rooms() {
            let fits = self.rooms.len() < WINDOWS_OF_ROOMS_MAX;
            return fits.then(|| Id::OfRooms(self.rooms.open(worlds, spec)));
        }
        let fits = self.by_ids.len() < WINDOWS_BY_ID_MAX;
        fits.then(|| Id::ByIds(self.by_ids.open(worlds, spec.clone())))
    }

    pub(super) fn close(&mut self, id: Id) {
        match id {
            Id::Sensors(id) => self.sensors.close(id),
            Id::ByIds(id) => self.by_ids.close(id),
            Id::OfRooms(id) => self.rooms.close(id),
        }
    }

    /// The lines of a window as they were last told, and how many lines its list has.
    pub(super) fn page(&self, id: Id) -> Option<(Vec<ListRow>, usize)> {
        match id {
            Id::Sensors(id) => {
                let (rows, total) = self.sensors.page(id)?;
                Some((rows.iter().cloned().map(list::entry).collect(), total))
            }
            Id::ByIds(id) => self.by_ids.page(id),
            Id::OfRooms(id) => self.rooms.page(id),
        }
    }

    /// Stands for a window as it was last told, where it is of rooms.
    pub(super) fn digest(&self, id: Id) -> Option<u64> {
        match id {
            Id::Sensors(_) | Id::ByIds(_) => None,
            Id::OfRooms(id) => self.rooms.digest(id),
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        self.sensors.has_changes() || self.by_ids.has_changes() || self.rooms.has_changes()
    }

    pub(super) fn has_totals(&self) -> bool {
        self.sensors.has_totals() || self.by_ids.has_totals() || self.rooms.has_totals()
    }

    pub(super) fn take(&mut self, events: &[Event]) {
        self.sensors.take(events);
        self.by_ids.take(events);
        self.rooms.take_world(events);
    }

    pub(super) fn take_rooms(&mut self, changes: &[Change]) {
        self.rooms.take(changes);
    }

    pub(super) fn start_over(&mut self, worlds: Worlds<'_>) {
        self.sensors.start_over(worlds.view);
        self.by_ids.start_over();
        self.rooms.start_over_world();
    }

    pub(super) fn start_over_rooms(&mut self, worlds: Worlds<'_>) {
        self.rooms.start_over(worlds);
    }

    /// What changed inside the windows, and how many lines their lists have.
    pub(super) fn differences(&mut self, worlds: Worlds<'_>) -> Vec<(Id, ListDifference, usize)> {
        let sensors = self.sensors.differences(worlds.view).into_iter().map(|(id, difference)| {
            let total = difference.total;
            (Id::Sensors(id), ListDifference::from(difference), total)
        });
        let by_ids = self.by_ids.differences(worlds).into_iter();
        let by_ids = by_ids.map(|(id, difference, total)| (Id::ByIds(id), difference, total));
        let rooms = self.rooms.differences(worlds).into_iter();
        let rooms = rooms.map(|(id, difference, total)| (Id::OfRooms(id), difference, total));
        sensors.chain(by_ids).chain(rooms).collect()
    }

    /// The lists whose totals changed: their windows, and the total.
    pub(super) fn totals(&mut self, worlds: Worlds<'_>) -> Vec<(Vec<Id>, usize)> {
        fn named<T>(totals: Vec<(Vec<T>, usize)>, name: fn(T) -> Id) -> impl Iterator<Item = (Vec<Id>, usize)> {
            totals.into_iter().map(move |(ids, total)| (ids.into_iter().map(name).collect(), total))
        }
        let sensors = named(self.sensors.totals(), Id::Sensors);
        let by_ids = named(self.by_ids.totals(worlds), Id::ByIds);
        sensors.chain(by_ids).chain(named(self.rooms.totals(), Id::OfRooms)).collect()
    }
}
