//! What the lists are answered from: the entries by type, connector, node, room and attribute, by name and by last change, and the
//! people and rooms that entries name. Nothing of it is computed by a reader: what changed is gathered, and taken in before a reader
//! gets the view.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use sensocto_model::{Attributes, Origin, Presence, Sensor};

use super::Held;
use super::postings::{FieldEdits, FieldIndex};
use super::query::room_of;
use super::short_text::{ShortText, Sought};
use super::sorted::{Edit, Sorted};
use super::table::{Label, Moved, Row};
use super::words::{self, WordIndex};

/// A name as names are ordered and looked for: in lower case.
#[must_use]
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Changed entries whose lines are gathered at most; then they are taken in although nobody has asked for the view.
const GATHERED_MAX: usize = 4_096;

/// The sensors by everything that lists ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct SensorIndex {
    pub(crate) types: FieldIndex,
    pub(crate) connectors: FieldIndex,
    pub(crate) rooms: FieldIndex,
    pub(crate) attributes: FieldIndex,
    pub(crate) origins: OrdMap<Arc<Origin>, Sorted<Label>>,
    pub(crate) names: Sorted<(ShortText, Label)>,
    pub(crate) words: WordIndex,
    pub(crate) changes: Sorted<(u64, Label)>,
    /// What a batch of changes makes of one leaf is written once: nothing here is in the indexes yet.
    gathered: Gathered,
}

/// Lines of the indexes that come and go.
#[derive(Debug, Clone, Default)]
struct Gathered {
    entries: usize,
    types: FieldEdits,
    connectors: FieldEdits,
    rooms: FieldEdits,
    attributes: FieldEdits,
    origins: BTreeMap<Arc<Origin>, Vec<Edit<Label>>>,
    names: Vec<Edit<(ShortText, Label)>>,
    words: Vec<Edit<(u64, Label)>>,
    changes: Vec<Edit<(u64, Label)>>,
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
    /// Notes that a sensor was at one place and is at another; `None` is nowhere. What is the same in both is not touched.
    pub(crate) fn update<'a>(&mut self, before: Option<Placed<'a>>, after: Option<Placed<'a>>) {
        let gathered = &mut self.gathered;
        gathered.entries += 1;
        let was = before.and_then(|placed| Some((placed, placed.sensor()?)));
        let is = after.and_then(|placed| Some((placed, placed.sensor()?)));
        field(&mut gathered.types, was, is, |sensor| Some(&sensor.sensor_type));
        field(&mut gathered.connectors, was, is, |sensor| Some(sensor.connector_id.as_str()));
        field(&mut gathered.rooms, was, is, |sensor| Some(room_of(sensor)));
        gathered.update_attributes(was, is);
        gathered.update_origin(before, after);
        gathered.update_name(was, is);
        let labelled = |(placed, sensor): (Placed<'a>, &'a Sensor)| (placed.label, sensor);
        words::note(&mut gathered.words, was.map(labelled), is.map(labelled));
        let change = |placed: Placed<'_>| (placed.changed, placed.label);
        if before.map(change) != after.map(change) {
            gathered.changes.extend(before.map(|placed| (change(placed), false)));
            gathered.changes.extend(after.map(|placed| (change(placed), true)));
        }
        if gathered.entries >= GATHERED_MAX {
            self.settle();
        }
    }

    /// Takes in everything that was noted: after this the indexes are those of the table.
    pub(crate) fn settle(&mut self) {
        if self.gathered.entries == 0 {
            return;
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.types.take(gathered.types);
        self.connectors.take(gathered.connectors);
        self.rooms.take(gathered.rooms);
        self.attributes.take(gathered.attributes);
        for (origin, edits) in gathered.origins {
            let mut labels = self.origins.remove(&origin).unwrap_or_default();
            labels.edit(edits);
            if labels.len() > 0 {
                self.origins.insert(origin, labels);
            }
        }
        self.names.edit(gathered.names);
        self.words.take(gathered.words);
        self.changes.edit(gathered.changes);
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.gathered.entries == 0
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
    let names = index.names.from(|line| match &start {
        Bound::Unbounded => false,
        Bound::Included(place) => line < place,
        Bound::Excluded(place) => line <= place,
    });
    names.take_while(move |(name, _)| name.starts_with(prefix))
}

impl Gathered {
    fn update_attributes(&mut self, was: Option<(Placed<'_>, &Sensor)>, is: Option<(Placed<'_>, &Sensor)>) {
        let moved = was.map(|(placed, _)| placed.label) != is.map(|(placed, _)| placed.label);
        let (old, new) = (was.map(|(_, sensor)| &sensor.attributes), is.map(|(_, sensor)| &sensor.attributes));
        let had =
            |attributes: Option<&Attributes>, id| attributes.is_some_and(|attributes| attributes.get(id).is_some());
        if let Some((placed, sensor)) = was {
            for (id, _) in sensor.attributes.iter().filter(|(id, _)| moved || !had(new, id)) {
                self.attributes.add(id.as_str(), (placed.label, false));
            }
        }
        if let Some((placed, sensor)) = is {
            for (id, _) in sensor.attributes.iter().filter(|(id, _)| moved || !had(old, id)) {
                self.attributes.add(id.as_str(), (placed.label, true));
            }
        }
    }

    fn update_origin(&mut self, before: Option<Placed<'_>>, after: Option<Placed<'_>>) {
        let place = |placed: &Placed<'_>| (placed.label, Arc::as_ptr(&placed.held.origin));
        if before.as_ref().map(place) == after.as_ref().map(place) {
            return;
        }
        for (placed, there) in
            before.map(|placed| (placed, false)).into_iter().chain(after.map(|placed| (placed, true)))
        {
            self.origins.entry(Arc::clone(&placed.held.origin)).or_default().push((placed.label, there));
        }
    }

    fn update_name(&mut self, was: Option<(Placed<'_>, &Sensor)>, is: Option<(Placed<'_>, &Sensor)>) {
        let same = |(one, other): ((Placed<'_>, &Sensor), (Placed<'_>, &Sensor))| {
            one.0.label == other.0.label && one.1.sensor_name == other.1.sensor_name
        };
        if was.zip(is).is_some_and(same) {
            return;
        }
        let line = |(placed, sensor): (Placed<'_>, &Sensor)| (ShortText::new(&fold(&sensor.sensor_name)), placed.label);
        self.names.extend(was.map(|was| (line(was), false)));
        self.names.extend(is.map(|is| (line(is), true)));
    }
}

/// Notes what changes in the index of one field of at most one value.
fn field<'a>(
    edits: &mut FieldEdits,
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
        edits.add(value, (label, false));
    }
    if let Some((label, value)) = new {
        edits.add(value, (label, true));
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
                self.people.change(presence.user_id.as_str(), (label, false));
            }
            if let Some((label, presence)) = is {
                self.people.change(presence.user_id.as_str(), (label, true));
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
                self.people.change(presence.user_id.as_str(), (*from, false));
            }
        }
        for Moved { to, .. } in moved {
            if let Some(presence) = presence(*to) {
                self.people.change(presence.user_id.as_str(), (*to, true));
            }
        }
    }
}
