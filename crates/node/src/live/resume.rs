//! How a subscriber goes on that was told by another node, or by this one longer ago than it keeps what it told.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sensocto_model::{Kind, Version};
use sensocto_registry::live::{Difference, Left, LeftCause, WindowRow, WindowSpec};
use sensocto_registry::{Mark, Order, Position};

use super::{LiveCursor, LiveStart, LiveUpdate};
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
    pub(super) spec: &'a WindowSpec,
    pub(super) rows: &'a [WindowRow],
    pub(super) total: usize,
    pub(super) stands: u64,
}

impl Page<'_> {
    fn cursor(&self) -> Arc<LiveCursor> {
        Arc::new(LiveCursor::new(self.handle.me(), self.stands, self.world))
    }

    fn update(&self, difference: Option<Difference>) -> LiveUpdate {
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
        // Each node has its own order of changes.
        if self.spec.query.order == Order::Changed {
            return None;
        }
        // What an earlier start of a node wrote last, and nobody else heard of, is not to be known any more.
        let nodes = self.world.view.nodes();
        let same_start = |mark: &Mark| {
            let there = nodes.get(&mark.origin.node).is_some_and(|node| *node.origin == mark.origin);
            there || mark.version == Version::ZERO
        };
        if !cursor.marks.iter().all(same_start) {
            return None;
        }
        let mut missed = self.handle.0.recent.missed(Kind::Sensor, &cursor.marks, self.handle.clock().mono())?;
        if let (Order::Id, Some(Position::Id(after))) = (self.spec.query.order, &self.spec.after) {
            // It is before the window, whatever else became of it.
            missed.retain(|id, _| id.as_str() > after.as_str());
        }
        let (changed, limit) = (missed.len(), self.spec.limit);
        let mut difference = Difference { total: self.total, ..Difference::default() };
        let moved = |row: &WindowRow| Left { row: row.clone(), cause: LeftCause::Moved };
        for (place, row) in self.rows.iter().enumerate() {
            if missed.remove(row.id()).is_some() || place + changed >= limit {
                difference.left.push(moved(row));
                difference.entered.push((place, row.clone()));
            }
        }
        difference.left.extend(self.behind(changed).iter().map(moved));
        for (id, missed) in missed {
            let cause = match (missed.cause, self.world.view.get(Kind::Sensor, id.as_str())) {
                (_, Some(held)) if self.spec.query.filter.matches_held(held) => LeftCause::Moved,
                (_, Some(_)) | (None, None) => LeftCause::Filtered,
                (Some(cause), None) => LeftCause::Gone(cause),
            };
            difference.left.push(Left { row: WindowRow { held: missed.held }, cause });
        }
        let some = !(difference.left.is_empty() && difference.entered.is_empty());
        Some(self.update(some.then_some(difference)))
    }

    /// Lines right behind the window.
    fn behind(&self, lines: usize) -> Vec<WindowRow> {
        let last = self.rows.last().filter(|_| self.rows.len() >= self.spec.limit);
        let view = &self.world.view;
        let Some(last) = last.and_then(|row| view.position(self.spec.query.order, row.id())) else { return Vec::new() };
        let found = view.sensors(&self.spec.query, Some(&last), lines, Duration::ZERO);
        found.lines.iter().map(|line| WindowRow { held: line.held.clone() }).collect()
    }
}
