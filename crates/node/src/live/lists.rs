//! The windows of all kinds of lists, behind one face.

use sensocto_registry::live::{Live, WindowId};
use sensocto_registry::{Event, View};

use super::by_ids::{ByIds, WINDOWS_BY_ID_MAX};
use super::list::{self, ListDifference, ListRow, ListSpec};

/// Names an open window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Sensors(WindowId),
    ById(u64),
}

/// All windows of a node.
#[derive(Debug, Default)]
pub(super) struct Lists {
    sensors: Live,
    by_ids: ByIds,
}

impl Lists {
    /// Opens a window; `None` where there are too many of its kind.
    pub(super) fn open(&mut self, view: &View, spec: &ListSpec) -> Option<Id> {
        match spec.of_sensors() {
            Some(spec) => Some(Id::Sensors(self.sensors.open(view, spec))),
            None if self.by_ids.len() >= WINDOWS_BY_ID_MAX => None,
            None => Some(Id::ById(self.by_ids.open(view, spec.clone()))),
        }
    }

    pub(super) fn close(&mut self, id: Id) {
        match id {
            Id::Sensors(id) => self.sensors.close(id),
            Id::ById(id) => self.by_ids.close(id),
        }
    }

    /// The lines of a window as they were last told, and how many lines its list has.
    pub(super) fn page(&self, id: Id) -> Option<(Vec<ListRow>, usize)> {
        match id {
            Id::Sensors(id) => {
                let (rows, total) = self.sensors.page(id)?;
                Some((rows.iter().cloned().map(list::entry).collect(), total))
            }
            Id::ById(id) => self.by_ids.page(id),
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        self.sensors.has_changes() || self.by_ids.has_changes()
    }

    pub(super) fn has_totals(&self) -> bool {
        self.sensors.has_totals() || self.by_ids.has_totals()
    }

    pub(super) fn take(&mut self, events: &[Event]) {
        self.sensors.take(events);
        self.by_ids.take(events);
    }

    pub(super) fn start_over(&mut self, view: &View) {
        self.sensors.start_over(view);
        self.by_ids.start_over();
    }

    /// What changed inside the windows, and how many lines their lists have.
    pub(super) fn differences(&mut self, view: &View) -> Vec<(Id, ListDifference, usize)> {
        let sensors = self.sensors.differences(view).into_iter().map(|(id, difference)| {
            let total = difference.total;
            (Id::Sensors(id), ListDifference::from(difference), total)
        });
        let by_ids = self.by_ids.differences(view).into_iter();
        sensors.chain(by_ids.map(|(id, difference, total)| (Id::ById(id), difference, total))).collect()
    }

    /// The lists whose totals changed: their windows, and the total.
    pub(super) fn totals(&mut self, view: &View) -> Vec<(Vec<Id>, usize)> {
        let sensors = self.sensors.totals().into_iter();
        let sensors = sensors.map(|(ids, total)| (ids.into_iter().map(Id::Sensors).collect(), total));
        let by_ids = self.by_ids.totals(view).into_iter();
        sensors.chain(by_ids.map(|(ids, total)| (ids.into_iter().map(Id::ById).collect(), total))).collect()
    }
}
