//! A viewer that knows the world by its events alone.

use std::collections::BTreeMap;

use sensocto_model::{Key, Kind, Origin, Stamp, Version};

use crate::{Event, EventKind, Held, View};

/// What a viewer can tell of one entry.
type Seen = (Origin, Version, Stamp);

/// Replays events on an empty world, and checks that each of them fits on the one before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    world: BTreeMap<Key, Seen>,
    highest: BTreeMap<(Key, Origin), Version>,
}

fn seen(held: &Held) -> Seen {
    (Origin::clone(&held.origin), held.entry.version, held.entry.stamp)
}

impl Replay {
    /// Takes one event.
    pub(crate) fn take(&mut self, event: &Event) {
        let present = self.world.get(&event.key).cloned();
        let previous = event.previous.as_ref().map(seen);
        match event.kind {
            EventKind::Registered => assert_eq!((&present, &previous), (&None, &None), "{event:?}"),
            EventKind::Updated => {
                assert!(present.is_some(), "updated what was not there: {event:?}");
                assert_eq!(present, previous, "{event:?}");
            }
            EventKind::Unregistered(_) => assert_eq!(present, Some(seen(&event.held)), "{event:?}"),
        }
        match event.kind {
            EventKind::Registered | EventKind::Updated => {
                let highest = self.highest.entry((event.key.clone(), Origin::clone(&event.held.origin))).or_default();
                assert!(*highest <= event.held.entry.version, "an older state came back: {event:?}");
                *highest = event.held.entry.version;
                self.world.insert(event.key.clone(), seen(&event.held));
            }
            EventKind::Unregistered(_) => {
                self.world.remove(&event.key);
            }
        }
    }

    /// Checks that the events so far give exactly the view.
    pub(crate) fn check(&self, view: &View) {
        let shown: BTreeMap<Key, Seen> = Kind::ALL
            .into_iter()
            .flat_map(|kind| view.iter_after(kind, None))
            .map(|(held, record)| (record.key(), seen(held)))
            .collect();
        assert_eq!(shown, self.world, "the events do not give the view");
        let counted: usize = Kind::ALL.into_iter().map(|kind| view.count(kind)).sum();
        assert_eq!(counted, shown.len(), "the view counts what it does not show");
    }
}
