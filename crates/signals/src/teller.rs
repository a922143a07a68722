//! When a connector is told: once for each real change, the first at once, many at once one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backpressure::Config;
use crate::{Level, Load, spread};

/// The least time between two messages about one sensor. What changes and changes back within it is not told.
const GAP: Duration = Duration::from_millis(100);
/// From how many waiting messages on attention is spread, by how much for each, and how far at most.
const ATTENTION: (usize, Duration, Duration) = (100, Duration::from_micros(100), Duration::from_millis(150));
/// By how much a change of load, which concerns every sensor, is spread for each, and how far at most.
const LOAD: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(2));

/// What the connectors of one socket were told of their sensors, and what they have to be told. `K` names a sensor on the socket.
#[derive(Debug, Clone)]
pub struct Teller<K> {
    load: Load,
    sensors: BTreeMap<K, Told>,
    due: BTreeSet<(Duration, K)>,
}

#[derive(Debug, Clone)]
struct Told {
    name: Box<str>,
    level: Level,
    config: Config,
    at: Duration,
    due: Option<Duration>,
}

impl<K> Default for Teller<K> {
    fn default() -> Teller<K> {
        Teller { load: Load::default(), sensors: BTreeMap::new(), due: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Teller<K> {
    /// Adds a sensor, and says what it is told with the reply to its join.
    pub fn add(&mut self, key: K, name: &str, level: Level, now: Duration) -> Config {
        self.remove(&key);
        let config = Config::new(level, self.load);
        self.sensors.insert(key, Told { name: name.into(), level, config, at: now, due: None });
        config
    }

    /// Forgets a sensor.
    pub fn remove(&mut self, key: &K) {
        if let Some(Told { due: Some(due), .. }) = self.sensors.remove(key) {
            self.due.remove(&(due, key.clone()));
        }
    }

    /// Whether it has no sensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sensors.is_empty()
    }

    /// Takes in the attention of a sensor.
    pub fn set_level(&mut self, key: &K, level: Level, now: Duration) {
        let waiting = self.due.len();
        let (load, Some(told)) = (self.load, self.sensors.get_mut(key)) else { return };
        told.level = level;
        let (crowd, each, longest) = ATTENTION;
        let wait = if waiting < crowd { Duration::ZERO } else { spread::wait(&told.name, waiting, each, longest) };
        schedule(&mut self.due, key, told, load, now + wait);
    }

    /// Takes in the load of the node.
    pub fn set_load(&mut self, load: Load, now: Duration) {
        self.load = load;
        let crowd = self.sensors.len();
        for (key, told) in &mut self.sensors {
            let wait = spread::wait(&told.name, crowd, LOAD.0, LOAD.1);
            schedule(&mut self.due, key, told, load, now + wait);
        }
    }

    /// When there is something to tell.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// What is to be told now.
    pub fn poll(&mut self, now: Duration) -> Option<(K, Config)> {
        self.due.first().filter(|(due, _)| *due <= now)?;
        let (_, key) = self.due.pop_first()?;
        let told = self.sensors.get_mut(&key)?;
        told.due = None;
        told.at = now;
        told.config = Config::new(told.level, self.load);
        Some((key, told.config))
    }
}

/// Sets when a sensor is told: not at all where it was told the same, otherwise as early as anything asked for.
fn schedule<K: Ord + Clone>(due: &mut BTreeSet<(Duration, K)>, key: &K, told: &mut Told, load: Load, at: Duration) {
    let before = told.due.take();
    if let Some(before) = before {
        due.remove(&(before, key.clone()));
    }
    if Config::new(told.level, load) == told.config {
        return;
    }
    let at = before.map_or(at, |before| before.min(at)).max(told.at + GAP);
    told.due = Some(at);
    due.insert((at, key.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LoadLevel;

    const HIGH: Load = Load { level: LoadLevel::High, memory_protection: false };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn all(teller: &mut Teller<u32>, now: Duration) -> Vec<(u32, &'static str)> {
        std::iter::from_fn(|| teller.poll(now)).map(|(key, config)| (key, config.level.as_str())).collect()
    }

    #[test]
    fn a_change_is_told_once() {
        let mut teller = Teller::default();
        assert_eq!(teller.add(1, "s1", Level::None, ms(0)).level, Level::None);
        teller.set_level(&1, Level::High, ms(1_000));
        assert_eq!(all(&mut teller, ms(1_000)), [(1, "high")]);
        teller.set_level(&1, Level::High, ms(2_000));
        assert_eq!(teller.poll_timeout(), None);
    }

    #[test]
    fn what_changes_back_in_time_is_not_told() {
        let mut teller = Teller::default();
        teller.add(1, "s1", Level::Medium, ms(0));
        teller.set_level(&1, Level::High, ms(10));
        teller.set_level(&1, Level::Medium, ms(20));
        assert_eq!(teller.poll_timeout(), None);
        teller.set_level(&1, Level::Low, ms(30));
        teller.set_level(&1, Level::Lingering, ms(40));
        assert_eq!(all(&mut teller, ms(100)), [(1, "low")]);
        teller.set_level(&1, Level::Low, ms(500));
        assert_eq!(teller.poll_timeout(), None, "a connector does not tell lingering from low");
    }

    #[test]
    fn a_change_of_load_reaches_a_thousand_sensors_one_after_the_other() {
        let mut teller = Teller::default();
        for key in 0..1_000 {
            teller.add(key, &format!("s{key}"), Level::Medium, ms(0));
        }
        teller.set_load(HIGH, ms(1_000));
        let mut told = 0;
        for tenth in 1..=10 {
            let now = all(&mut teller, ms(1_000 + tenth * 100)).len();
            assert!((60..140).contains(&now), "{now} in one tenth of a second");
            told += now;
        }
        assert_eq!(told, 1_000);
    }

    #[test]
    fn thousands_whose_attention_changes_are_told_within_the_bound() {
        let mut teller = Teller::default();
        for key in 0..5_000 {
            teller.add(key, &format!("s{key}"), Level::None, ms(0));
        }
        (0..5_000).for_each(|key| teller.set_level(&key, Level::High, ms(1_000)));
        assert_eq!(all(&mut teller, ms(1_000)).len(), 100, "the first ones at once");
        let rest = all(&mut teller, ms(1_075)).len();
        assert!((1_500..3_500).contains(&rest), "half of the others after half of the time, not {rest}");
        all(&mut teller, ms(1_151));
        assert_eq!(teller.poll_timeout(), None);
    }

    #[test]
    fn a_sensor_that_left_is_told_nothing() {
        let mut teller = Teller::default();
        teller.add(1, "s1", Level::None, ms(0));
        teller.set_level(&1, Level::High, ms(500));
        teller.remove(&1);
        assert!(teller.is_empty() && teller.poll(ms(1_000)).is_none());
    }
}
