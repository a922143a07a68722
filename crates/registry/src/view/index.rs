//! What the lists are answered from: the entries by type, connector, node, room and attribute, by name and by last change, and the
//! people and rooms that entries name. All of it is kept with each change; nothing is computed by a reader.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use sensocto_model::{Attributes, Origin, Presence, Sensor};

use super::Held;
use super::postings::FieldIndex;
use super::query::room_of;
use super::short_text::{ShortText, Sought};
use super::table::{Label, Moved, Row};
use super::words::WordIndex;

/// A name as names are ordered and looked for: in lower case.
#[must_use]
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// The sensors by everything that lists ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct SensorIndex {
    pub(crate) types: FieldIndex,
    pub(crate) connectors: FieldIndex,
    pub(crate) rooms: FieldIndex,
    pub(crate) attributes: FieldIndex,
    pub(crate) origins: OrdMap<Arc<Origin>, OrdSet<Label>>,
    pub(crate) names: OrdSet<(ShortText, Label)>,
    pub(crate) words: WordIndex,
    pub(crate) changes: OrdMap<u64, Label>,
}

/// A sensor at a place.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) label: Label,
    pub(crate) changed: u64,
    pub(crate) held: &'a Held,
}

impl<'a> Placed<'a> {
    pub(crate) fn new(label: Label, row: &'a Row) -> Placed<'a> {
        Placed { label, changed: row.changed, held: row.winner() }
    }

    fn sensor(&self) -> Option<&'a Sensor> {
        self.held.entry.record()?.as_sensor()
    }
}

impl SensorIndex {
    /// Takes in that a sensor was at one place and is at another; `None` is nowhere. What is the same in both is not touched.
    pub(crate) fn update<'a>(&mut self, before: Option<Placed<'a>>, after: Option<Placed<'a>>) {
        let was = before.and_then(|placed| Some((placed, placed.sensor()?)));
        let is = after.and_then(|placed| Some((placed, placed.sensor()?)));
        field(&mut self.types, was, is, |sensor| Some(&sensor.sensor_type));
        field(&mut self.connectors, was, is, |sensor| Some(sensor.connector_id.as_str()));
        field(&mut self.rooms, was, is, |sensor| Some(room_of(sensor)));
        self.update_attributes(was, is);
        self.update_origin(before, after);
        self.update_name(was, is);
        let labelled = |(placed, sensor): (Placed<'a>, &'a Sensor)| (placed.label, sensor);
        self.words.update(was.map(labelled), is.map(labelled));
        if before.map(|placed| (placed.changed, placed.label)) != after.map(|placed| (placed.changed, placed.label)) {
            if let Some(placed) = before {
                self.changes.remove(&placed.changed);
            }
            if let Some(placed) = after {
                self.changes.insert(placed.changed, placed.label);
            }
        }
    }

    fn update_attributes(&mut self, was: Option<(Placed<'_>, &Sensor)>, is: Option<(Placed<'_>, &Sensor)>) {
        let moved = was.map(|(placed, _)| placed.label) != is.map(|(placed, _)| placed.label);
        let (old, new) = (was.map(|(_, sensor)| &sensor.attributes), is.map(|(_, sensor)| &sensor.attributes));
        let had =
            |attributes: Option<&Attributes>, id| attributes.is_some_and(|attributes| attributes.get(id).is_some());
        if let Some((placed, sensor)) = was {
            for (id, _) in sensor.attributes.iter().filter(|(id, _)| moved || !had(new, id)) {
                self.attributes.remove(id.as_str(), placed.label);
            }
        }
        if let Some((placed, sensor)) = is {
            for (id, _) in sensor.attributes.iter().filter(|(id, _)| moved || !had(old, id)) {
                self.attributes.insert(id.as_str(), placed.label);
            }
        }
    }

    fn update_origin(&mut self, before: Option<Placed<'_>>, after: Option<Placed<'_>>) {
        let place = |placed: &Placed<'_>| (placed.label, Arc::as_ptr(&placed.held.origin));
        if before.as_ref().map(place) == after.as_ref().map(place) {
            return;
        }
        if let Some(placed) = before
            && let Some(labels) = self.origins.get_mut(&placed.held.origin)
        {
            labels.remove(&placed.label);
            if labels.is_empty() {
                self.origins.remove(&placed.held.origin);
            }
        }
        if let Some(placed) = after {
            self.origins.entry(Arc::clone(&placed.held.origin)).or_default().insert(placed.label);
        }
    }

    fn update_name(&mut self, was: Option<(Placed<'_>, &Sensor)>, is: Option<(Placed<'_>, &Sensor)>) {
        let name = |(placed, sensor): (Placed<'_>, &Sensor)| (placed.label, fold(&sensor.sensor_name));
        let (old, new) = (was.map(name), is.map(name));
        if old == new {
            return;
        }
        if let Some((label, name)) = old {
            self.names.remove(&(ShortText::new(&name), label));
        }
        if let Some((label, name)) = new {
            self.names.insert((ShortText::new(&name), label));
        }
    }

    /// Takes in that rows got other labels. All leave before the first comes back: a new label may be another's old one.
    pub(crate) fn relabel<'a>(&mut self, moved: &[Moved], row: impl Fn(Label) -> Option<&'a Row>) {
        for Moved { from, to } in moved {
            self.update(row(*to).map(|row| Placed::new(*from, row)), None);
        }
        for Moved { to, .. } in moved {
            self.update(None, row(*to).map(|row| Placed::new(*to, row)));
        }
    }
}

/// The names that begin with a prefix, from a start on.
pub(crate) fn named<'a>(
    index: &'a SensorIndex,
    prefix: &'a str,
    start: Bound<(ShortText, Label)>,
) -> impl Iterator<Item = &'a (ShortText, Label)> {
    let first = (ShortText::new(prefix), 0);
    let behind = match &start {
        Bound::Unbounded => false,
        Bound::Included(place) | Bound::Excluded(place) => *place >= first,
    };
    let start = if behind { start } else { Bound::Included(first) };
    let names = index.names.range::<_, (ShortText, Label)>((start, Bound::Unbounded));
    names.take_while(move |(name, _)| name.starts_with(prefix))
}

/// Keeps the index of one field of at most one value.
fn field<'a>(
    index: &mut FieldIndex,
    was: Option<(Placed<'_>, &'a Sensor)>,
    is: Option<(Placed<'_>, &'a Sensor)>,
    value: impl Fn(&'a Sensor) -> Option<&'a str>,
) {
    let old = was.and_then(|(placed, sensor)| Some((placed.label, value(sensor)?)));
    let new = is.and_then(|(placed, sensor)| Some((placed.label, value(sensor)?)));
    if old == new {
        return;
    }
    if let Some((label, value)) = old {
        index.remove(value, label);
    }
    if let Some((label, value)) = new {
        index.insert(value, label);
    }
}

/// Who and what is in one room.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoomTally {
    pub(crate) sensors: usize,
    /// Connections of each person who is there.
    pub(crate) people: OrdMap<ShortText, u32>,
}

/// The rooms that entries name, and the people who are here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whereabouts {
    pub(crate) rooms: OrdMap<ShortText, RoomTally>,
    pub(crate) people: FieldIndex,
}

impl Whereabouts {
    pub(crate) fn people_count(&self) -> usize {
        self.people.len()
    }

    /// Takes in that a sensor was in one room and is in another.
    pub(crate) fn move_sensor(&mut self, was: Option<&Sensor>, is: Option<&Sensor>) {
        let room = |sensor: &'_ Sensor| sensor.room_id.clone();
        let (old, new) = (was.and_then(room), is.and_then(room));
        if old == new {
            return;
        }
        if let Some(room) = old {
            self.in_room(room.as_str(), |tally| tally.sensors = tally.sensors.saturating_sub(1));
        }
        if let Some(room) = new {
            self.in_room(room.as_str(), |tally| tally.sensors += 1);
        }
    }

    /// Takes in that a connection of somebody was one and is another, each with its label.
    pub(crate) fn move_presence(&mut self, was: Option<(Label, &Presence)>, is: Option<(Label, &Presence)>) {
        let place = |(label, presence): (Label, &Presence)| (label, presence.user_id.clone());
        if was.map(place) != is.map(place) {
            if let Some((label, presence)) = was {
                self.people.remove(presence.user_id.as_str(), label);
            }
            if let Some((label, presence)) = is {
                self.people.insert(presence.user_id.as_str(), label);
            }
        }
        let here = |presence: &Presence| (presence.room_id.clone(), presence.user_id.clone());
        let (old, new) = (was.map(|(_, presence)| here(presence)), is.map(|(_, presence)| here(presence)));
        if old == new {
            return;
        }
        if let Some((Some(room), user)) = old {
            self.in_room(room.as_str(), |tally| {
                let left = tally.people.get(&Sought(user.as_str())).map_or(0, |connections| connections - 1);
                if left == 0 {
                    tally.people.remove(&Sought(user.as_str()));
                } else {
                    tally.people.insert(ShortText::new(user.as_str()), left);
                }
            });
        }
        if let Some((Some(room), user)) = new {
            self.in_room(room.as_str(), |tally| {
                let before = tally.people.get(&Sought(user.as_str())).copied().unwrap_or(0);
                tally.people.insert(ShortText::new(user.as_str()), before + 1);
            });
        }
    }

    fn in_room(&mut self, room: &str, change: impl FnOnce(&mut RoomTally)) {
        let mut tally = self.rooms.get(&Sought(room)).cloned().unwrap_or_default();
        change(&mut tally);
        if tally.sensors == 0 && tally.people.is_empty() {
            self.rooms.remove(&Sought(room));
        } else {
            self.rooms.insert(ShortText::new(room), tally);
        }
    }

    /// Takes in that presences got other labels.
    pub(crate) fn relabel<'a>(&mut self, moved: &[Moved], row: impl Fn(Label) -> Option<&'a Row>) {
        let presence = |label| row(label).and_then(|row| row.winner().entry.record()?.as_presence());
        for Moved { from, to } in moved {
            if let Some(presence) = presence(*to) {
                self.people.remove(presence.user_id.as_str(), *from);
            }
        }
        for Moved { to, .. } in moved {
            if let Some(presence) = presence(*to) {
                self.people.insert(presence.user_id.as_str(), *to);
            }
        }
    }
}
