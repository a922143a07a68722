//! How a subscriber goes on that was told by another node, or by this one longer ago than it keeps what it told.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sensocto_model::Version;
use sensocto_registry::live::LeftCause;
use sensocto_registry::{Mark, Order, Position};
use sensocto_rooms::RoomsView;

use super::{ListDifference, ListLeft, ListQuery, ListRow, ListSpec, LiveCursor, LiveStart, LiveUpdate, Worlds};
use crate::handle::Handle;
use crate::world::World;

/// How long this node may take to see what the subscriber has been told. Where it does not, the subscriber gets a fresh page.
const REACH_TIMEOUT: Duration = Duration::from_secs(2);

impl Handle {
    /// Waits until this node has seen everything that a subscriber has been told; `None` where it does not get there.
    pub(super) async fn caught_up_with(&self, resume: Option<LiveCursor>) -> Option<LiveCursor> {
        let cursor = resume?;
        self.reach(&cursor.marks, REACH_TIMEOUT).await.is_ok().then_some(cursor)
    }
}

/// A window as it is.
pub(super) struct Page<'a> {
    pub(super) handle: &'a Handle,
    pub(super) world: &'a Arc<World>,
    pub(super) rooms: &'a RoomsView,
    pub(super) spec: &'a ListSpec,
    pub(super) rows: &'a [ListRow],
    pub(super) total: usize,
    pub(super) stands: u64,
    /// Of the window, where it is of rooms.
    pub(super) digest: Option<u64>,
}

impl Page<'_> {
    fn cursor(&self) -> Arc<LiveCursor> {
        Arc::new(LiveCursor::new(self.handle.me(), self.stands, self.world, self.digest))
    }

    fn update(&self, difference: Option<ListDifference>) -> LiveUpdate {
        LiveUpdate {
            before: self.stands,
            world: Arc::clone(self.world),
            difference,
            total: self.total,
            cursor: self.cursor(),
            rendered: OnceLock::new(),
        }
    }

    /// The page itself.
    pub(super) fn start(&self, lost: bool) -> LiveStart {
        let (world, rows, cursor) = (Arc::clone(self.world), self.rows.into(), self.cursor());
        LiveStart::Page { world, stands: self.stands, rows, total: self.total, cursor, lost }
    }

    /// For a subscriber that has what is there.
    pub(super) fn nothing_missed(&self) -> LiveUpdate {
        self.update(None)
    }

    /// What leads from any page that a subscriber at the cursor may have to this one; `None` where that is not known.
    ///
    /// Lines of which nothing changed stand in the same order on both. So only those move across the end of the window that are not
    /// further from it than there may have been changed lines before them: they, and the changed ones, leave and enter.
    pub(super) fn missed(&self, cursor: &LiveCursor) -> Option<LiveUpdate> {
        let (query, limit) = (&self.spec.query, self.spec.limit);
        let by_id = match query {
            // Rooms are in no log: what is known is whether the subscriber has what is there.
            ListQuery::Rooms(_) => {
                return (cursor.digest.is_some() && cursor.digest == self.digest).then(|| self.update(None));
            }
            // Each node has its own order of changes.
            ListQuery::Sensors(query) if query.order == Order::Changed => return None,
            ListQuery::Sensors(query) => query.order == Order::Id,
            ListQuery::Connectors(_) | ListQuery::Users(_) => true,
        };
        // What an earlier start of a node wrote last, and nobody else heard of, is not to be known any more.
        let nodes = self.world.view.nodes();
        let same_start = |mark: &Mark| {
            let there = nodes.get(&mark.origin.node).is_some_and(|node| *node.origin == mark.origin);
            there || mark.version == Version::ZERO
        };
        if !cursor.marks.iter().all(same_start) {
            return None;
        }
        let mut missed = self.handle.0.recent.missed(query, &cursor.marks, self.handle.clock().mono())?;
        if let (true, Some(Position::Id(after))) = (by_id, &self.spec.after) {
            // It is before the window, whatever else became of it.
            missed.retain(|id, _| id.as_str() > after.as_str());
        }
        let changed = missed.len();
        let mut difference = ListDifference::default();
        let moved = |row: &ListRow| (row.clone(), ListLeft::Entry(LeftCause::Moved));
        for (place, row) in self.rows.iter().enumerate() {
            if missed.remove(row.id()).is_some() || place + changed >= limit {
                difference.left.push(moved(row));
                difference.entered.push((place, row.clone()));
            }
        }
        difference.left.extend(self.behind(changed).iter().map(moved));
        for (id, missed) in missed {
            let cause = query.left(&self.world.view, &id, missed.cause);
            difference.left.push((query.last_seen(&id, &missed.held), cause));
        }
        Some(self.update(Some(difference).filter(|difference| !difference.is_empty())))
    }

    /// Lines right behind the window.
    fn behind(&self, lines: usize) -> Vec<ListRow> {
        let (query, view) = (&self.spec.query, &self.world.view);
        let last = self.rows.last().filter(|_| self.rows.len() >= self.spec.limit);
        let Some(last) = last.and_then(|row| query.position(view, row)) else { return Vec::new() };
        query.read(Worlds { view, rooms: self.rooms }, Some(&last), lines).0
    }
}
