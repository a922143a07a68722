//! The attention of all viewers of one node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::{AttributeId, SensorId};

use crate::{Change, Interest, Level, LoadLevel};

/// Sensors whose viewers went without a word and that are remembered. Of further ones it is known at once that nobody looks.
pub(crate) const LINGERING_MAX: usize = 10_000;

/// How long a viewer that went without a word may take to come back.
pub(crate) fn linger(load: LoadLevel) -> Duration {
    Duration::from_secs(match load {
        LoadLevel::Normal => 120,
        LoadLevel::Elevated => 60,
        LoadLevel::High => 30,
        LoadLevel::Critical => 15,
    })
}

/// The highest interest of the viewers of one node, sensor by sensor.
///
/// It counts how many viewers have which level, so that a change costs the same whether one or 15,000 look at a sensor.
#[derive(Debug, Clone, Default)]
pub struct Attention {
    tallies: BTreeMap<SensorId, Tally>,
    lingering: BTreeSet<(Duration, SensorId)>,
    /// Sensors that were to be remembered, and were too many.
    forgotten: u64,
    changed: BTreeSet<SensorId>,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    /// Viewers by attribute (none is the whole sensor) and level.
    counts: BTreeMap<Option<AttributeId>, [u32; Level::ALL.len()]>,
    lingers_until: Option<Duration>,
    told: Interest,
}

impl Tally {
    fn count(&mut self, interest: &Interest, one: impl Fn(u32) -> u32) {
        for (attribute, level) in interest.parts() {
            let key = attribute.cloned();
            let counts = self.counts.entry(key.clone()).or_default();
            counts[level.index()] = one(counts[level.index()]);
            if counts.iter().all(|count| *count == 0) {
                self.counts.remove(&key);
            }
        }
    }

    fn interest(&self) -> Interest {
        let mut interest = Interest::default();
        for (attribute, counts) in &self.counts {
            let highest = Level::ALL.iter().rev().find(|level| counts[level.index()] > 0);
            interest.raise(attribute.as_ref(), highest.copied().unwrap_or_default());
        }
        if interest.is_none() && self.lingers_until.is_some() {
            interest.raise(None, Level::Lingering);
        }
        interest
    }
}

impl Attention {
    /// Takes in a change of one viewer. A viewer that was `lost` may come back: the sensor is not forgotten at once.
    pub fn change(&mut self, change: &Change, lost: bool, load: LoadLevel, now: Duration) {
        let lingering = self.lingering.len();
        let tally = self.tallies.entry(change.sensor.clone()).or_default();
        tally.count(&change.before, |count| count.saturating_sub(1));
        tally.count(&change.after, |count| count.saturating_add(1));
        if let Some(until) = tally.lingers_until.take() {
            self.lingering.remove(&(until, change.sensor.clone()));
        }
        if tally.counts.is_empty() && lost {
            if lingering < LINGERING_MAX {
                let until = now + linger(load);
                tally.lingers_until = Some(until);
                self.lingering.insert((until, change.sensor.clone()));
            } else {
                self.forgotten += 1;
            }
        }
        self.changed.insert(change.sensor.clone());
    }

    /// When a sensor is forgotten.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.lingering.first().map(|(until, _)| *until)
    }

    /// Forgets the sensors whose viewers did not come back.
    pub fn handle_tick(&mut self, now: Duration) {
        while self.lingering.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, sensor)) = self.lingering.pop_first() else { return };
            if let Some(tally) = self.tallies.get_mut(&sensor) {
                tally.lingers_until = None;
                self.changed.insert(sensor);
            }
        }
    }

    /// A sensor whose highest interest is another one than it was when it was last asked for.
    pub fn poll_change(&mut self) -> Option<(SensorId, Interest)> {
        while let Some(sensor) = self.changed.pop_first() {
            let Some(tally) = self.tallies.get_mut(&sensor) else { continue };
            let interest = tally.interest();
            let news = interest != tally.told;
            tally.told = interest.clone();
            if interest.is_none() {
                self.tallies.remove(&sensor);
            }
            if news {
                return Some((sensor, interest));
            }
        }
        None
    }

    /// The highest interest in a sensor.
    #[must_use]
    pub fn interest(&self, sensor: &SensorId) -> Interest {
        self.tallies.get(sensor).map(Tally::interest).unwrap_or_default()
    }

    /// Whether anybody looks at a sensor, or did until lately.
    #[must_use]
    pub fn knows(&self, sensor: &str) -> bool {
        self.tallies.contains_key(sensor)
    }

    /// The sensors that anybody looks at, or did until lately.
    pub fn sensors(&self) -> impl Iterator<Item = &SensorId> {
        self.tallies.keys()
    }

    /// How many sensors were forgotten at once because as many as may be were remembered already.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many sensors anybody looks at, or did until lately.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Whether nobody looks at anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> SensorId {
        SensorId::new("s").unwrap()
    }

    fn change(before: Level, after: Level) -> Change {
        Change { sensor: id(), before: Interest::whole(before), after: Interest::whole(after) }
    }

    fn told(attention: &mut Attention) -> Vec<Level> {
        std::iter::from_fn(|| attention.poll_change()).map(|(_, interest)| interest.level()).collect()
    }

    #[test]
    fn who_leaves_with_a_word_is_forgotten_and_who_is_lost_is_waited_for() {
        let mut attention = Attention::default();
        let load = LoadLevel::Normal;
        attention.change(&change(Level::None, Level::High), false, load, Duration::ZERO);
        attention.change(&change(Level::High, Level::None), false, load, Duration::ZERO);
        assert_eq!(told(&mut attention), []);
        assert!(attention.is_empty());
        attention.change(&change(Level::None, Level::High), false, load, Duration::ZERO);
        assert_eq!(told(&mut attention), [Level::High]);
        attention.change(&change(Level::High, Level::None), true, load, Duration::ZERO);
        assert_eq!(told(&mut attention), [Level::Lingering]);
        assert_eq!(attention.poll_timeout(), Some(Duration::from_secs(120)));
        attention.handle_tick(Duration::from_secs(120));
        assert_eq!(told(&mut attention), [Level::None]);
        assert!(attention.is_empty() && attention.poll_timeout().is_none());
    }

    #[test]
    fn who_comes_back_in_time_was_never_away() {
        let mut attention = Attention::default();
        attention.change(&change(Level::None, Level::High), false, LoadLevel::Normal, Duration::ZERO);
        assert_eq!(told(&mut attention), [Level::High]);
        attention.change(&change(Level::High, Level::None), true, LoadLevel::Normal, Duration::ZERO);
        attention.change(&change(Level::None, Level::High), false, LoadLevel::Normal, Duration::ZERO);
        assert_eq!(told(&mut attention), []);
        assert_eq!(attention.poll_timeout(), None);
    }

    #[test]
    fn beyond_as_many_as_are_remembered_the_next_are_forgotten_at_once_and_counted() {
        let mut attention = Attention::default();
        for number in 0..LINGERING_MAX + 3 {
            let sensor = SensorId::new(&format!("s{number}")).unwrap();
            let gone = Change { sensor, before: Interest::default(), after: Interest::default() };
            attention.change(&gone, true, LoadLevel::Normal, Duration::ZERO);
        }
        assert_eq!((attention.forgotten(), told(&mut attention).len()), (3, LINGERING_MAX));
        assert_eq!(attention.len(), LINGERING_MAX);
    }

    proptest! {
        #[test]
        fn the_tally_is_the_highest_of_all_viewers(
            steps in prop::collection::vec((0..5_usize, 0..5_usize, prop::option::of(0..2_usize)), 1..40)
        ) {
            let names = ["ecg", "hr"].map(|name| AttributeId::new(name).unwrap());
            let mut viewers: Vec<Interest> = vec![Interest::default(); 5];
            let mut attention = Attention::default();
            for (viewer, level, attribute) in steps {
                let after = match attribute {
                    None => Interest::whole(Level::ALL[level]),
                    Some(which) => Interest::attribute(names[which].clone(), Level::ALL[level]),
                };
                let before = std::mem::replace(&mut viewers[viewer], after.clone());
                attention.change(&Change { sensor: id(), before, after }, false, LoadLevel::Normal, Duration::ZERO);
                let mut highest = Interest::default();
                viewers.iter().for_each(|interest| highest.merge(interest));
                prop_assert_eq!(attention.interest(&id()), highest);
            }
        }
    }
}
