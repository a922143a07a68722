//! After steps: what a copy holds is what its origin held at the version that the copy says it stands at (I3, I4, I6), it never says
//! that it is further than its origin, and the events replayed give the view (I14).

use std::collections::BTreeMap;

use sensocto_model::Kind;
use sensocto_registry::{NodeView, PeerState, View};

use super::{Checked, ensure};
use crate::model::{Model, OriginId, Wrote};
use crate::names::{entry_number, node_name, node_number};
use crate::viewer::{Seen, Viewer, is_forged};

/// Looks at every copy of a node.
pub(crate) fn stand_where_they_say(view: &View, model: &Model, hostile: usize) -> Checked {
    for (name, node) in view.nodes() {
        let Some(number) = node_number(name).filter(|number| *number != hostile) else { continue };
        stands_where_it_says(model, (number, node.origin.generation.0), node)?;
    }
    Ok(())
}

fn stands_where_it_says(model: &Model, origin: OriginId, node: &NodeView) -> Checked {
    let written = model.written(origin);
    let (stands, claimed) = (node.version.0, node.claimed.0);
    ensure(claimed <= written.version(), "ahead_of_origin", || {
        format!("the copy of {origin:?} is said to be at {claimed}, its log is at {}", written.version())
    })?;
    if !model.is_sound(origin) {
        return Ok(());
    }
    // In the middle of what was sent in parts, a copy holds more than it says.
    let settled = claimed == stands || node.state == PeerState::Local;
    let counts = written.counts(stands);
    ensure(!settled || counts == Some(node.counts), "wrong_copy", || {
        format!("the copy of {origin:?} at {stands} counts {:?}, its log did {counts:?}", node.counts)
    })
}

/// Looks at the entries that changed in a view.
pub(crate) fn touched_are_true(viewer: &mut Viewer, view: &View, model: &Model, hostile: usize) -> Checked {
    for entry in std::mem::take(&mut viewer.touched) {
        let judged = |seen: &&Seen| seen.origin.0 != hostile && model.is_sound(seen.origin);
        let Some(seen) = viewer.shown.get(&entry).filter(judged) else { continue };
        is_true(*seen, entry, view, model)?;
    }
    Ok(())
}

/// A shown entry is not older than what the copy has passed.
fn is_true(seen: Seen, entry: u32, view: &View, model: &Model) -> Checked {
    let name = node_name(seen.origin.0).ok();
    let Some(node) = name.and_then(|name| view.nodes().get(&name)) else { return Ok(()) };
    if node.origin.generation.0 != seen.origin.1 {
        return Ok(());
    }
    let Some((version, op)) = model.written(seen.origin).last(entry, node.version.0) else { return Ok(()) };
    // What moved stays until its new registration is seen.
    let moved = matches!(op.wrote, Wrote::Moved);
    ensure(version <= seen.version || moved, "resurrection", || {
        format!("e{entry} as {seen:?} is shown by a copy at {}, which passed {:?}@{version}", node.version, op.wrote)
    })
}

/// The events so far give exactly the view.
pub(crate) fn replay_gives_the_view(viewer: &Viewer, view: &View) -> Checked {
    let mut world = BTreeMap::new();
    for kind in Kind::ALL {
        for (held, record) in view.iter_after(kind, None) {
            world.insert(entry_number(&record.key()).unwrap_or(u32::MAX), Seen::of(held));
        }
    }
    let counted: usize = Kind::ALL.into_iter().map(|kind| view.count(kind)).sum();
    ensure(counted == world.len(), "event_stream", || format!("{} entries counted, {} shown", counted, world.len()))?;
    ensure(world == viewer.shown, "event_stream", || {
        let wrong = world.iter().find(|(entry, seen)| viewer.shown.get(entry) != Some(seen));
        let missing = viewer.shown.iter().find(|(entry, _)| !world.contains_key(entry));
        format!("the events do not give the view: {wrong:?} is not told, or {missing:?} is not there")
    })
}

/// Entries of a view that no hostile node invented.
pub(crate) fn honest(viewer: &Viewer) -> impl Iterator<Item = (u32, Seen)> {
    viewer.shown.iter().filter(|(entry, _)| !is_forged(**entry)).map(|(entry, seen)| (*entry, *seen))
}
