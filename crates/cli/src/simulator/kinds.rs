//! The types of sensors, and values that change as theirs would.

use std::f64::consts::TAU;

use serde_json::{Value, json};

use super::random::Random;

/// A type of sensor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its `sensor_type`.
    pub(crate) name: &'static str,
    /// What people call one.
    pub(crate) title: &'static str,
    /// Attribute types, which serve as ids too: the types that nodes know, with the payload fields that go with them.
    pub(crate) attributes: &'static [&'static str],
}

const fn kind(name: &'static str, title: &'static str, attributes: &'static [&'static str]) -> Kind {
    Kind { name, title, attributes }
}

/// Every type that can be simulated, in the order in which `--types N` takes them.
pub(crate) const KINDS: &[Kind] = &[
    kind("heartrate", "Heart rate", &["heartrate", "hrv"]),
    kind("ecg", "ECG", &["ecg"]),
    kind("temperature", "Thermometer", &["temperature"]),
    kind("humidity", "Hygrometer", &["humidity"]),
    kind("battery", "Battery", &["battery"]),
    kind("geolocation", "Tracker", &["geolocation"]),
    kind("imu", "Motion", &["imu"]),
    kind("button", "Button", &["button"]),
    kind("pressure", "Barometer", &["pressure"]),
    kind("respiration", "Breath", &["respiration"]),
    kind("light", "Light", &["light"]),
    kind("steps", "Pedometer", &["steps"]),
    kind("air_quality", "Air", &["air_quality"]),
    kind("spo2", "Oxygen", &["spo2"]),
];

/// Reads `--types`: a number of types, or their names with commas.
///
/// # Errors
/// What is not known, with what is.
pub(crate) fn chosen(text: &str) -> Result<Vec<&'static Kind>, String> {
    if let Ok(count) = text.parse::<usize>() {
        if (1..=KINDS.len()).contains(&count) {
            return Ok(KINDS.iter().take(count).collect());
        }
        return Err(format!("there are {} types of sensors, so --types is 1 to {}", KINDS.len(), KINDS.len()));
    }
    let find = |name: &str| {
        KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("'{name}' of --types is not known; known are {}", known.join(", "))
        })
    };
    text.split(',').map(str::trim).map(find).collect()
}

/// What one simulated sensor measures: a course of its own, set by its seed.
#[derive(Debug)]
pub(crate) struct Course {
    random: Random,
    /// Where in its course it began, in seconds.
    offset: f64,
    /// How it differs from others of its type, from -1 to 1.
    lean: f64,
    steps: f64,
}

impl Course {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (offset, lean) = (random.between(0.0, 3_600.0), random.between(-1.0, 1.0));
        Self { random, offset, lean, steps: 0.0 }
    }

    /// The value of an attribute, `seconds` after the sensor began.
    pub(crate) fn value(&mut self, attribute: &str, seconds: f64) -> Value {
        let now = self.offset + seconds;
        match attribute {
            "heartrate" => json!({"bpm": round(72.0 + 12.0 * self.lean + self.drift(now, 90.0, 8.0), 0)}),
            "hrv" => json!({
                "rmssd": round(42.0 + self.drift(now, 60.0, 9.0), 1),
                "sdnn": round(55.0 + self.drift(now, 75.0, 10.0), 1)
            }),
            "ecg" => json!({"values": self.heartbeat(now)}),
            "temperature" => json!({"value": round(20.0 + 4.0 * self.lean + self.drift(now, 600.0, 1.5), 2)}),
            "humidity" => json!({"value": round(48.0 + 10.0 * self.lean + self.drift(now, 900.0, 6.0), 1)}),
            "pressure" => json!({"value": round(1_013.0 + 8.0 * self.lean + self.drift(now, 1_800.0, 2.0), 1)}),
            "respiration" => json!({"value": round(50.0 + 45.0 * (now * TAU / 4.0).sin() + self.noise(1.0), 1)}),
            "light" => json!({"value": round((300.0 + 200.0 * self.lean + self.drift(now, 300.0, 90.0)).max(0.0), 0)}),
            "spo2" => json!({"value": round((97.0 + self.lean + self.drift(now, 120.0, 1.0)).min(100.0), 0)}),
            "battery" => self.battery(now),
            "button" => json!({"pressed": self.random.unit() < 0.1}),
            "geolocation" => self.place(now),
            "imu" => self.motion(now),
            "steps" => {
                self.steps += self.random.between(0.0, 3.0).floor();
                json!({"count": round(self.steps, 0)})
            }
            "air_quality" => json!({
                "eco2": round(620.0 + 100.0 * self.lean + self.drift(now, 400.0, 80.0), 0),
                "tvoc": round(90.0 + self.drift(now, 400.0, 30.0), 0)
            }),
            _ => json!({"value": round(self.drift(now, 60.0, 1.0), 3)}),
        }
    }

    /// A slow wave with a little noise on it.
    fn drift(&mut self, now: f64, period: f64, amplitude: f64) -> f64 {
        amplitude * (now * TAU / period).sin() + self.noise(amplitude / 20.0)
    }

    fn noise(&mut self, amplitude: f64) -> f64 {
        self.random.between(-amplitude, amplitude)
    }

    /// A fifth of a second of millivolts: a flat line with a spike at every beat.
    fn heartbeat(&mut self, now: f64) -> Vec<f64> {
        let beats_per_second = (72.0 + 12.0 * self.lean) / 60.0;
        let sample = |index: i32, noise: f64| {
            let phase = ((now + f64::from(index) / 125.0) * beats_per_second).fract();
            let wave = |at: f64, width: f64, height: f64| height * (-((phase - at) / width).powi(2)).exp();
            round(wave(0.2, 0.03, 0.12) + wave(0.4, 0.012, 1.1) + wave(0.65, 0.05, 0.25) + noise, 3)
        };
        (0..25).map(|index| sample(index, self.random.between(-0.01, 0.01))).collect()
    }

    /// An hour down and half an hour up again.
    fn battery(&self, now: f64) -> Value {
        let place = (now / 5_400.0).fract();
        let charging = place > 2.0 / 3.0;
        let level = if charging { 20.0 + 80.0 * (place * 3.0 - 2.0) } else { 100.0 - 80.0 * place * 1.5 };
        json!({"level": round(level, 0), "charging": charging})
    }

    /// A walk around a place in Vienna.
    fn place(&mut self, now: f64) -> Value {
        let turn = now * TAU / 1_200.0;
        json!({
            "latitude": round(48.2082 + 0.02 * self.lean + 0.004 * turn.sin(), 6),
            "longitude": round(16.3738 + 0.03 * self.lean + 0.006 * turn.cos(), 6),
            "accuracy": round(self.random.between(3.0, 12.0), 1)
        })
    }

    fn motion(&mut self, now: f64) -> Value {
        let mut axes = |amplitude: f64, z: f64| {
            let (turn, noise) = (now * TAU / 3.0, amplitude / 10.0);
            json!({
                "x": round(amplitude * turn.sin() + self.noise(noise), 3),
                "y": round(amplitude * turn.cos() + self.noise(noise), 3),
                "z": round(z + self.noise(noise), 3)
            })
        };
        json!({"accelerometer": axes(0.6, 9.81), "gyroscope": axes(20.0, 0.0)})
    }
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_chosen_by_number_or_by_name() {
        let names = |text: &str| chosen(text).map(|kinds| kinds.into_iter().map(|kind| kind.name).collect::<Vec<_>>());
        assert_eq!(names("2"), Ok(vec!["heartrate", "ecg"]));
        assert_eq!(names("light, imu"), Ok(vec!["light", "imu"]));
        assert_eq!(names("12").map(|names| names.len()), Ok(12));
        assert!(names("0").is_err() && names("99").is_err());
        assert!(
            names("light,sonar").expect_err("unknown").contains("'sonar' of --types is not known; known are heartrate")
        );
    }

    #[test]
    fn every_attribute_has_a_value_that_changes() {
        for attribute in KINDS.iter().flat_map(|kind| kind.attributes) {
            let mut course = Course::new(7);
            let values: Vec<Value> = (0..600).map(|second| course.value(attribute, f64::from(second))).collect();
            assert!(values.iter().any(|value| *value != values[0]), "{attribute} never changes");
            assert!(values.iter().all(Value::is_object), "{attribute}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_course() {
        let (mut one, mut other) = (Course::new(3), Course::new(3));
        for second in 0..100 {
            assert_eq!(one.value("imu", f64::from(second)), other.value("imu", f64::from(second)));
        }
    }

    #[test]
    fn values_stay_plausible() {
        for seed in 0..50 {
            let mut course = Course::new(seed);
            for second in (0..7_200).step_by(60) {
                let now = f64::from(second);
                let number = |value: &Value, key: &str| value[key].as_f64().expect("a number");
                let beats = number(&course.value("heartrate", now), "bpm");
                assert!((45.0..=100.0).contains(&beats), "{beats}");
                let level = number(&course.value("battery", now), "level");
                assert!((0.0..=100.0).contains(&level), "{level}");
                let latitude = number(&course.value("geolocation", now), "latitude");
                assert!((48.0..=48.4).contains(&latitude), "{latitude}");
            }
        }
    }
}
