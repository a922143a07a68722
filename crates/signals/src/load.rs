//! How loaded a node is: a weighted sum of what it measures of itself.

use std::time::Duration;

/// How often a node measures itself.
pub const LOAD_SAMPLED_EVERY: Duration = Duration::from_secs(1);
/// How many readings one level is drawn from.
const READINGS: usize = 2;
/// Memory use from which, and below which, memory is protected.
const MEMORY_PROTECTED: (f64, f64) = (0.85, 0.80);
/// A level is left only when the sum is this far below its threshold, so that it does not flap.
const SLACK: f64 = 0.05;

/// One look of a node at itself; each value from 0 (idle) to 1 (full).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Processor time used of what it may use.
    pub cpu: f64,
    /// How full what fans signals out is: its queues, and how late it is.
    pub fan_out: f64,
    /// How full the queues of writes and of frames from other nodes are.
    pub queues: f64,
    /// Memory used of what it may use.
    pub memory: f64,
}

impl Reading {
    fn mean(readings: &[Reading]) -> Reading {
        let mean = |part: fn(&Reading) -> f64| readings.iter().map(part).sum::<f64>() / readings.len().max(1) as f64;
        Reading {
            cpu: mean(|reading| reading.cpu),
            fan_out: mean(|reading| reading.fan_out),
            queues: mean(|reading| reading.queues),
            memory: mean(|reading| reading.memory),
        }
    }

    fn weighted(&self) -> f64 {
        let part = |value: f64| if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        part(self.cpu) * 0.45 + part(self.fan_out) * 0.30 + part(self.queues) * 0.15 + part(self.memory) * 0.10
    }
}

/// How loaded a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LoadLevel {
    /// As usual.
    #[default]
    Normal,
    /// Windows are half as long again.
    Elevated,
    /// Windows are three times as long.
    High,
    /// Windows are five times as long, and sensors that nobody watches are asked to pause.
    Critical,
}

impl LoadLevel {
    /// All of them, from the least on.
    pub const ALL: [LoadLevel; 4] = [LoadLevel::Normal, LoadLevel::Elevated, LoadLevel::High, LoadLevel::Critical];

    /// The word for it towards clients, in health and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LoadLevel::Normal => "normal",
            LoadLevel::Elevated => "elevated",
            LoadLevel::High => "high",
            LoadLevel::Critical => "critical",
        }
    }

    /// By how much windows are stretched.
    #[must_use]
    pub fn multiplier(self) -> f64 {
        match self {
            LoadLevel::Normal => 1.0,
            LoadLevel::Elevated => 1.5,
            LoadLevel::High => 3.0,
            LoadLevel::Critical => 5.0,
        }
    }

    /// From which weighted sum on.
    fn threshold(self) -> f64 {
        match self {
            LoadLevel::Normal => 0.0,
            LoadLevel::Elevated => 0.5,
            LoadLevel::High => 0.7,
            LoadLevel::Critical => 0.85,
        }
    }

    fn of(sum: f64, before: LoadLevel) -> LoadLevel {
        let holds = |level: &&LoadLevel| {
            let slack = if **level <= before { SLACK } else { 0.0 };
            **level == LoadLevel::Normal || sum >= level.threshold() - slack
        };
        LoadLevel::ALL.iter().rev().find(holds).copied().unwrap_or_default()
    }
}

/// What a node's load means for its sensors and viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Load {
    /// The level.
    pub level: LoadLevel,
    /// Whether memory is short: connectors are slowed down five times more.
    pub memory_protection: bool,
}

/// Draws levels from readings.
#[derive(Debug, Clone, Default)]
pub struct LoadMeter {
    readings: Vec<Reading>,
    load: Load,
    sum: f64,
    mean: Reading,
}

impl LoadMeter {
    /// Takes in a reading; a load where that changed it. The level is drawn from the mean of two readings.
    pub fn take(&mut self, reading: Reading) -> Option<Load> {
        self.readings.push(reading);
        if self.readings.len() < READINGS {
            return None;
        }
        let count = self.readings.len() as f64;
        self.sum = self.readings.iter().map(Reading::weighted).sum::<f64>() / count;
        self.mean = Reading::mean(&self.readings);
        let memory = self.mean.memory;
        self.readings.clear();
        let limit = if self.load.memory_protection { MEMORY_PROTECTED.1 } else { MEMORY_PROTECTED.0 };
        let load = Load { level: LoadLevel::of(self.sum, self.load.level), memory_protection: memory >= limit };
        let changed = load != self.load;
        self.load = load;
        changed.then_some(load)
    }

    /// The load as it was drawn last.
    #[must_use]
    pub fn load(&self) -> Load {
        self.load
    }

    /// The mean reading that it was drawn from.
    #[must_use]
    pub fn mean(&self) -> Reading {
        self.mean
    }

    /// The weighted sum that it was drawn from.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(part: f64) -> Reading {
        Reading { cpu: part, fan_out: part, queues: part, memory: 0.0 }
    }

    fn after(meter: &mut LoadMeter, reading: Reading) -> Load {
        meter.take(reading);
        meter.take(reading);
        meter.load()
    }

    #[test]
    fn the_thresholds_are_those_of_the_weighted_sum() {
        for (part, level) in [(0.5, "normal"), (0.56, "elevated"), (0.79, "high"), (0.96, "critical")] {
            assert_eq!(after(&mut LoadMeter::default(), full(part)).level.as_str(), level, "{part}");
        }
    }

    #[test]
    fn what_the_load_is_made_of_is_the_mean_of_two_readings() {
        let mut meter = LoadMeter::default();
        meter.take(Reading { cpu: 0.2, memory: 0.4, ..Reading::default() });
        assert_eq!(meter.mean(), Reading::default());
        meter.take(Reading { cpu: 0.6, queues: 0.5, memory: 0.4, ..Reading::default() });
        assert_eq!(meter.mean(), Reading { cpu: 0.4, fan_out: 0.0, queues: 0.25, memory: 0.4 });
    }

    #[test]
    fn a_level_changes_once_every_two_readings_and_is_told_once() {
        let mut meter = LoadMeter::default();
        assert_eq!(meter.take(full(1.0)), None);
        assert!(meter.take(full(1.0)).is_some());
        assert_eq!(meter.take(full(1.0)), None);
        assert_eq!(meter.take(full(1.0)), None);
    }

    #[test]
    fn a_level_is_left_only_well_below_its_threshold() {
        let mut meter = LoadMeter::default();
        assert_eq!(after(&mut meter, full(0.56)).level, LoadLevel::Elevated);
        assert_eq!(after(&mut meter, full(0.52)).level, LoadLevel::Elevated);
        assert_eq!(after(&mut meter, full(0.49)).level, LoadLevel::Normal);
    }

    #[test]
    fn memory_is_protected_by_itself_and_nonsense_counts_as_nothing() {
        let mut meter = LoadMeter::default();
        let load = after(&mut meter, Reading { memory: 0.9, cpu: f64::NAN, ..Reading::default() });
        assert_eq!(load, Load { level: LoadLevel::Normal, memory_protection: true });
        assert!(after(&mut meter, Reading { memory: 0.82, ..Reading::default() }).memory_protection);
        assert!(!after(&mut meter, Reading { memory: 0.79, ..Reading::default() }).memory_protection);
    }
}
