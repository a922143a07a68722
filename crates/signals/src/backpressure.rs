//! What a connector is told: how fast anybody wants the data of its sensor.

use crate::{Level, Load, LoadLevel};

/// By how much short memory slows connectors down.
const MEMORY_FACTOR: f64 = 5.0;

/// What a connector is told of one sensor. Two that are equal are told once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// The highest attention of anybody, on any node.
    pub level: Level,
    /// The load of the sensor's node.
    pub load: LoadLevel,
    /// Whether memory is short on that node.
    pub memory_protection: bool,
    /// Whether to send nothing for the time being: nobody looks, and the node has more than enough to do.
    pub paused: bool,
    /// For how many milliseconds to gather.
    pub window_ms: u64,
    /// How many samples to send at a time.
    pub batch_size: u32,
    /// By how much load stretches the window.
    pub multiplier: f64,
}

impl Config {
    /// What follows from attention and load.
    #[must_use]
    pub fn new(level: Level, load: Load) -> Config {
        let memory = if load.memory_protection { MEMORY_FACTOR } else { 1.0 };
        let multiplier = load.level.multiplier() * memory;
        let unwatched = level <= Level::Low;
        Config {
            // Connectors do not tell apart why it is low.
            level: if level == Level::Lingering { Level::Low } else { level },
            load: load.level,
            memory_protection: load.memory_protection,
            paused: unwatched && (load.memory_protection || load.level == LoadLevel::Critical),
            window_ms: (level.connector_window().as_millis() as f64 * multiplier) as u64,
            batch_size: level.batch_size(),
            multiplier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medium_under_high_load_with_short_memory() {
        let config = Config::new(Level::Medium, Load { level: LoadLevel::High, memory_protection: true });
        assert_eq!((config.window_ms, config.batch_size, config.multiplier, config.paused), (7_500, 5, 15.0, false));
    }

    #[test]
    fn the_windows_and_sizes_of_the_levels() {
        let told = |level| Config::new(level, Load::default());
        let table = Level::ALL.map(|level| (told(level).level.as_str(), told(level).window_ms, told(level).batch_size));
        let expected =
            [("none", 5_000, 20), ("low", 2_000, 10), ("low", 2_000, 10), ("medium", 500, 5), ("high", 100, 1)];
        assert_eq!(table, expected);
        assert_eq!(told(Level::Lingering), told(Level::Low));
    }

    #[test]
    fn only_what_nobody_watches_is_paused() {
        for level in Level::ALL {
            let critical = Load { level: LoadLevel::Critical, memory_protection: false };
            assert_eq!(Config::new(level, critical).paused, level <= Level::Low);
            let short = Load { level: LoadLevel::Normal, memory_protection: true };
            assert_eq!(Config::new(level, short).paused, level <= Level::Low);
            assert!(!Config::new(level, Load::default()).paused);
        }
    }
}
