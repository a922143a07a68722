//! What one client looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{AttributeId, FieldError, SensorId, attribute};

use crate::{Interest, Level, LoadLevel};

/// Sensors that one viewer may look at.
pub const VISIBLE_MAX: usize = 2_000;

/// What a person does with a sensor, besides having it in view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// The pointer is over it.
    Hover,
    /// It is the one that is worked with.
    Focus,
    /// It is to stay.
    Pin,
}

impl Act {
    /// How long it counts after it ended.
    fn boost(self, load: LoadLevel) -> Duration {
        let (hover, focus) = match load {
            LoadLevel::Normal => (8, 15),
            LoadLevel::Elevated => (4, 8),
            LoadLevel::High => (2, 5),
            LoadLevel::Critical => (1, 2),
        };
        Duration::from_secs(match self {
            Act::Hover => hover,
            Act::Focus => focus,
            Act::Pin => 0,
        })
    }
}

/// The battery of the device that looks: it decides how much is sent to it at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Battery {
    /// Full enough, or none.
    #[default]
    Normal,
    /// Below 30 %.
    Low,
    /// Below 15 %.
    Critical,
}

impl Battery {
    /// The state that a word names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Battery> {
        match word {
            "normal" => Some(Battery::Normal),
            "low" => Some(Battery::Low),
            "critical" => Some(Battery::Critical),
            _ => None,
        }
    }

    fn cap(self) -> Level {
        match self {
            Battery::Normal => Level::High,
            Battery::Low => Level::Medium,
            Battery::Critical => Level::Low,
        }
    }
}

/// A change of what one viewer wants of one sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The sensor.
    pub sensor: SensorId,
    /// What it wanted.
    pub before: Interest,
    /// What it wants.
    pub after: Interest,
}

/// What one viewer does with one sensor.
#[derive(Debug, Clone, Default)]
struct Watch {
    view: Option<Interest>,
    acts: BTreeSet<(Act, Option<AttributeId>)>,
    boosts: BTreeMap<Option<AttributeId>, Duration>,
    /// What follows from it.
    interest: Interest,
}

impl Watch {
    fn interest(&self, cap: Level) -> Interest {
        let mut interest = self.view.clone().unwrap_or_default();
        let high = self.acts.iter().map(|(_, attribute)| attribute).chain(self.boosts.keys());
        for attribute in high {
            interest.raise(attribute.as_ref(), Level::High);
        }
        interest.capped(cap)
    }

    fn is_empty(&self) -> bool {
        self.view.is_none() && self.acts.is_empty() && self.boosts.is_empty()
    }
}

/// One viewer: a client's view of some sensors.
#[derive(Debug, Clone, Default)]
pub struct Viewer {
    battery: Battery,
    watches: BTreeMap<SensorId, Watch>,
    boosts: BTreeSet<(Duration, SensorId)>,
}

impl Viewer {
    /// Has exactly these sensors in view, or with `keep` these besides those that it has. What it does with them stays; what only still
    /// counted ends with the view.
    ///
    /// # Errors
    /// They would be too many; nothing is changed.
    pub fn show(&mut self, sensors: &[SensorId], interest: &Interest, keep: bool) -> Result<Vec<Change>, FieldError> {
        let shown: BTreeSet<&SensorId> = sensors.iter().collect();
        let stays = |(sensor, watch): &(&SensorId, &Watch)| {
            !shown.contains(sensor) && (!watch.acts.is_empty() || (keep && !watch.is_empty()))
        };
        if self.watches.iter().filter(stays).count() + shown.len() > VISIBLE_MAX {
            return Err(FieldError { field: "sensor_ids", allowed: "at most 2,000 sensors on one channel" });
        }
        let hidden: Vec<SensorId> =
            if keep { Vec::new() } else { self.watches.keys().filter(|id| !shown.contains(id)).cloned().collect() };
        let mut changes = self.hide(&hidden);
        for sensor in shown {
            let watch = self.watches.entry(sensor.clone()).or_default();
            watch.view = Some(interest.clone());
            changes.extend(self.settle(sensor));
        }
        Ok(changes)
    }

    /// Has these sensors no more in view.
    pub fn hide(&mut self, sensors: &[SensorId]) -> Vec<Change> {
        let mut changes = Vec::new();
        for sensor in sensors {
            let Some(watch) = self.watches.get_mut(sensor) else { continue };
            watch.view = None;
            for until in std::mem::take(&mut watch.boosts).into_values() {
                self.boosts.remove(&(until, sensor.clone()));
            }
            changes.extend(self.settle(sensor));
        }
        changes
    }

    /// Begins or ends to do something with a sensor, or with one of its attributes.
    ///
    /// # Errors
    /// It does too much at one time; nothing is changed.
    pub fn act(
        &mut self,
        sensor: &SensorId,
        attribute: Option<AttributeId>,
        act: Act,
        begins: bool,
        load: LoadLevel,
        now: Duration,
    ) -> Result<Option<Change>, FieldError> {
        if begins {
            let full = !self.watches.contains_key(sensor) && self.watches.len() >= VISIBLE_MAX;
            let many = self.watches.get(sensor).is_some_and(|watch| watch.acts.len() >= attribute::ATTRIBUTES_MAX);
            if full || many {
                return Err(FieldError {
                    field: "sensor_id",
                    allowed: "at most 2,000 sensors, each with 64 attributes",
                });
            }
            self.watches.entry(sensor.clone()).or_default().acts.insert((act, attribute));
            return Ok(self.settle(sensor));
        }
        let Some(watch) = self.watches.get_mut(sensor) else { return Ok(None) };
        let boost = act.boost(load);
        if watch.acts.remove(&(act, attribute.clone())) && !boost.is_zero() {
            let until = watch.boosts.entry(attribute).or_default();
            *until = (*until).max(now + boost);
            // An earlier end that is noted for this sensor is looked at and changes nothing.
            self.boosts.insert((*until, sensor.clone()));
        }
        Ok(self.settle(sensor))
    }

    /// Takes in the state of the device's battery.
    pub fn set_battery(&mut self, battery: Battery) -> Vec<Change> {
        self.battery = battery;
        let sensors: Vec<SensorId> = self.watches.keys().cloned().collect();
        sensors.iter().filter_map(|sensor| self.settle(sensor)).collect()
    }

    /// When something that only still counts ends.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.boosts.first().map(|(until, _)| *until)
    }

    /// Ends what only still counted.
    pub fn handle_tick(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.boosts.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, sensor)) = self.boosts.pop_first() else { break };
            if let Some(watch) = self.watches.get_mut(&sensor) {
                watch.boosts.retain(|_, until| *until > now);
            }
            changes.extend(self.settle(&sensor));
        }
        changes
    }

    /// What it wants of one sensor.
    #[must_use]
    pub fn interest(&self, sensor: &SensorId) -> Interest {
        self.watches.get(sensor).map(|watch| watch.interest.clone()).unwrap_or_default()
    }

    /// How many sensors it looks at.
    #[must_use]
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether it looks at none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Looks at nothing any more.
    pub fn clear(&mut self) -> Vec<Change> {
        self.boosts.clear();
        let watches = std::mem::take(&mut self.watches);
        let ends =
            |(sensor, watch): (SensorId, Watch)| Change { sensor, before: watch.interest, after: Interest::default() };
        watches.into_iter().map(ends).filter(|change| change.before != change.after).collect()
    }

    /// Draws the consequences for one sensor.
    fn settle(&mut self, sensor: &SensorId) -> Option<Change> {
        let cap = self.battery.cap();
        let watch = self.watches.get_mut(sensor)?;
        let after = watch.interest(cap);
        let before = std::mem::replace(&mut watch.interest, after.clone());
        if watch.is_empty() {
            self.watches.remove(sensor);
        }
        (before != after).then(|| Change { sensor: sensor.clone(), before, after })
    }
}

#[cfg(test)]
mod tests;
