//! Lists: a filter, a place to start after, a limit.

use std::time::Duration;

use sensocto_model::{Kind, Record, Sensor};
use sensocto_registry::{Freshness, Held, View};

/// Which sensors; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SensorFilter {
    /// Of this type.
    pub sensor_type: Option<String>,
    /// Of this connector.
    pub connector: Option<String>,
    /// On this node.
    pub node: Option<String>,
    /// In this room.
    pub room: Option<String>,
}

impl SensorFilter {
    /// Whether every sensor passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == SensorFilter::default()
    }

    /// Whether a sensor on a node passes.
    #[must_use]
    pub fn matches(&self, held: &Held, sensor: &Sensor) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(&self.sensor_type, Some(&sensor.sensor_type))
            && is(&self.connector, Some(sensor.connector_id.as_str()))
            && is(&self.node, Some(held.origin.node.as_str()))
            && is(&self.room, sensor.room_id.as_ref().map(sensocto_model::RoomId::as_str))
    }

    /// Whether an entry is a sensor that passes.
    #[must_use]
    pub fn matches_held(&self, held: &Held) -> bool {
        held.entry.record().and_then(Record::as_sensor).is_some_and(|sensor| self.matches(held, sensor))
    }
}

/// One line of a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// The entry and whose it is.
    pub held: Held,
    /// How far it can be trusted.
    pub freshness: Freshness,
    /// For how long it has not been proved.
    pub age: Duration,
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The lines, in the order of their ids.
    pub rows: Vec<Row>,
    /// How many lines the whole list has.
    pub total: usize,
    /// The id to start the next page after; `None` on the last page.
    pub next: Option<String>,
}

/// One page of the entries of a kind that pass.
pub(crate) fn page(
    view: &View,
    kind: Kind,
    passes: Option<&dyn Fn(&Held) -> bool>,
    (after, limit): (Option<&str>, usize),
    mono: Duration,
) -> Page {
    let passes_held = |held: &Held| passes.is_none_or(|passes| passes(held));
    let mut found = view.iter_after(kind, after).filter(|(held, _)| passes_held(held)).map(|(held, _)| held);
    let rows: Vec<Row> = found
        .by_ref()
        .take(limit)
        .map(|held| {
            let (freshness, age) = view.freshness(held, mono);
            Row { held: held.clone(), freshness, age }
        })
        .collect();
    let more = found.next().is_some();
    let last = rows.last().and_then(|row| row.held.entry.record()).map(|record| record.key().id.as_str().to_owned());
    let total = match passes {
        None => view.count(kind),
        Some(passes) => view.iter_after(kind, None).filter(|(held, _)| passes(held)).count(),
    };
    Page { rows, total, next: last.filter(|_| more) }
}
