//! After each event: the stream fits on itself (I14), nothing older comes back (I4, I5), everything shown was written by its owner
//! (I6), nothing leaves without a reason (I3, I13), and a calm network shows no flicker.

use sensocto_registry::{Cause, Event, EventKind, Held};

use super::{Checked, ensure};
use crate::model::{Model, Wrote};
use crate::names::entry_number;
use crate::viewer::{Seen, Viewer, is_forged};

/// Frames that were on their way when a link ended are no sign of life for this long, in microseconds.
const AFTERGLOW: u64 = 600_000;

/// What the check of an event needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) now: u64,
    /// The number of the node whose events are checked.
    pub(crate) me: usize,
    /// The grace in microseconds.
    pub(crate) grace: u64,
    /// How long the entries of nodes stay that went together.
    pub(crate) long_grace: u64,
    /// The share of the world that may leave at once, in percent.
    pub(crate) mass_loss_percent: u64,
    /// Silence after which a node counts as unreachable for certain.
    pub(crate) unreachable_after: u64,
    /// Nothing but work, noticed crashes and starts happens in this run.
    pub(crate) calm: bool,
    /// Nobody goes in this run, and the network is no worse than one that must not remove anything.
    pub(crate) gentle: bool,
    /// The number of the hostile node.
    pub(crate) hostile: usize,
}

/// Takes one event of a process.
pub(crate) fn take(viewer: &mut Viewer, model: &Model, event: &Event, around: Surroundings) -> Checked {
    let Some(entry) = entry_number(&event.key) else {
        return ensure(false, "authority", || format!("nobody has {}", event.key));
    };
    let seen = Seen::of(&event.held);
    let previous = event.previous.as_ref().map(Seen::of);
    let present = viewer.shown.get(&entry).copied();
    let story = || format!("{:?} of e{entry} as {seen:?} after {previous:?}, shown was {present:?}", event.kind);
    let fits = match event.kind {
        EventKind::Registered => present.is_none() && previous.is_none(),
        EventKind::Updated => present.is_some() && present == previous && present != Some(seen),
        EventKind::Unregistered(_) => present == Some(seen),
    };
    ensure(fits, "event_stream", story)?;
    viewer.touched.push(entry);
    match event.kind {
        EventKind::Registered | EventKind::Updated => {
            let least = viewer.least.entry((seen.origin, entry)).or_default();
            // A hostile node tells one node this of its own log, and another one that.
            let judged = model.is_sound(seen.origin) && seen.origin.0 != around.hostile;
            ensure(*least <= seen.version || !judged, "resurrection", || format!("{}; least is {least}", story()))?;
            *least = seen.version;
            viewer.shown.insert(entry, seen);
            owner_wrote(model, entry, &event.held, around)
        }
        EventKind::Unregistered(cause) => {
            viewer.shown.remove(&entry);
            leaves(viewer, model, entry, seen, cause, around)
        }
    }
}

/// What is shown is a line that its owner once wrote, to the letter.
fn owner_wrote(model: &Model, entry: u32, held: &Held, around: Surroundings) -> Checked {
    let seen = Seen::of(held);
    if seen.origin.0 == around.hostile {
        return ensure(is_forged(entry), "authority", || format!("e{entry} is not the hostile node's"));
    }
    let same = model.written(seen.origin).op(seen.version).is_some_and(|op| match &op.wrote {
        Wrote::Put { stamp, record } => {
            op.entry == entry && *stamp == held.entry.stamp && held.entry.record() == Some(record)
        }
        Wrote::Removed | Wrote::Moved => false,
    });
    ensure(same, "authority", || format!("e{entry} as {seen:?} was never written: {:?}", held.entry))
}

/// Whether other nodes are certainly unreachable too, and hold, with this one, far more of the world than may leave at once.
fn is_mass_loss(viewer: &Viewer, seen: Seen, around: Surroundings) -> bool {
    let is_gone = |node: usize| {
        let sign_at = viewer.signs.get(&node).copied().unwrap_or_default();
        around.now - sign_at.max(viewer.woke_at) >= around.unreachable_after
    };
    let mut lost = std::collections::BTreeMap::from([(seen.origin.0, 1_u64)]);
    for shown in viewer.shown.values() {
        if shown.origin.0 == seen.origin.0 || is_gone(shown.origin.0) {
            *lost.entry(shown.origin.0).or_default() += 1;
        }
    }
    // This node does not hear itself, and twice the share leaves room for entries that wait behind others.
    lost.remove(&around.me);
    lost.len() >= 2 && lost.values().sum::<u64>() * 100 > viewer.shown.len() as u64 * 2 * around.mass_loss_percent
}

/// What leaves has a reason to.
fn leaves(viewer: &mut Viewer, model: &Model, entry: u32, seen: Seen, cause: Cause, around: Surroundings) -> Checked {
    let least = viewer.least.entry((seen.origin, entry)).or_default();
    *least = match cause {
        Cause::Unregistered => seen.version + 1,
        Cause::NodeGone => seen.version,
        Cause::NodeRestarted => u64::MAX,
    };
    if seen.origin.0 == around.hostile {
        return Ok(());
    }
    let story = || format!("e{entry} as {seen:?} left ({})", cause.as_str());
    if cause == Cause::Unregistered {
        let removed = model.written(seen.origin).removal_after(entry, seen.version).is_some();
        let may = removed || model.wrote_later(seen.origin, entry) || !model.is_sound(seen.origin);
        ensure(may, "lost", || format!("{}; nobody took it out", story()))?;
    } else {
        ensure(!around.gentle, "false_removal", || format!("{} though nobody went", story()))?;
    }
    let confirmed = viewer.confirmed == Some((seen.origin.0, around.now));
    if cause == Cause::NodeGone && !confirmed {
        let heard = viewer.heard.get(&seen.origin.0).copied().unwrap_or_default();
        let silent = (around.now - heard.at).saturating_sub(viewer.slept - heard.slept);
        ensure(silent + AFTERGLOW >= around.grace, "removed_too_soon", || {
            format!("{} {} ms after its node was heard", story(), silent / 1_000)
        })?;
        let first = viewer.emptied_at.replace(around.now) != Some(around.now);
        ensure(
            !first || silent + AFTERGLOW >= around.long_grace || !is_mass_loss(viewer, seen, around),
            "mass_loss",
            || format!("{} together with much of the world", story()),
        )?;
    }
    if around.calm {
        let written_at = model.written(seen.origin).op(seen.version).map_or(0, |op| op.at);
        // The engine tells of a crash a moment after it.
        let grace = around.grace.saturating_sub(1_500_000);
        let lost_on_the_way = cause == Cause::Unregistered && model.crashed_since(entry, written_at);
        let may = model.may_have_left(entry, written_at, around.now, grace) || lost_on_the_way;
        ensure(may, "flicker", || format!("{} though somebody held it all the time", story()))?;
    }
    Ok(())
}
