//! What the benchmarks share: entries of a size, times, and how to print them.

use std::fmt;
use std::time::Duration;

use sensocto_model::{Attribute, AttributeId, ConnectorId, Record, Sensor, SensorId};

/// A sensor whose record has about 200 bytes.
///
/// # Panics
/// Never: all its texts are valid.
#[must_use]
pub fn sensor(prefix: &str, number: usize) -> Record {
    let id = |text: &str| SensorId::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let connector = format!("connector-{}", number / 25);
    let attribute = |name: &str, kind: &str| {
        let id = AttributeId::new(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        (id, Attribute { attribute_type: kind.into(), sampling_rate: Some(1.0) })
    };
    Record::Sensor(Sensor {
        sensor_id: id(&format!("{prefix}-{number:07}")),
        sensor_name: format!("Greenhouse sensor {number}").into(),
        sensor_type: ["temperature", "humidity", "heartrate", "battery"][number % 4].into(),
        connector_id: ConnectorId::new(&connector).unwrap_or_else(|error| panic!("{connector}: {error}")),
        connector_name: "Raspberry Pi in the greenhouse".into(),
        sampling_rate: 10.0,
        batch_size: 5,
        username: Some("ana@example.org".into()),
        room_id: None,
        attributes: [attribute("celsius", "temperature"), attribute("battery", "battery")].into_iter().collect(),
        registered_at_ms: 1_767_000_000_000,
    })
}

/// Times, of which the middle and the end count.
#[derive(Debug, Clone)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Sorts what was measured.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Times {
        times.sort();
        Times(times)
    }

    /// The time below which a share of all lies.
    #[must_use]
    pub fn at(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get(((self.0.len() as f64 * share) as usize).min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |share| self.at(share).as_secs_f64() * 1_000.0;
        write!(formatter, "p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms over {}", ms(0.5), ms(0.99), ms(1.0), self.0.len())
    }
}

/// The resident memory of this process in bytes; 0 where the system does not say.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

/// The processor time that a process has taken so far, its own and the system's on its behalf; zero where the system does not say. The
/// system counts in hundredths of a second.
#[must_use]
pub fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the process, in parentheses, may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
