//! What a viewer looks at, kept so that it can be said again after a reconnection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};

/// Sensors that one event may name.
pub const SENSORS_PER_EVENT_MAX: usize = 1_000;

/// How closely somebody looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A message each second.
    Low,
    /// Each 80 ms.
    #[default]
    Medium,
    /// Each 20 ms.
    High,
}

impl Level {
    pub(super) fn of_word(word: &str) -> Option<Level> {
        [Level::Low, Level::Medium, Level::High].into_iter().find(|level| level.as_str() == word)
    }

    /// The word for it in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
        }
    }
}

/// What somebody does with a sensor; all of it is looking closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// The pointer is over it. It counts 8 s longer.
    Hover,
    /// It is what the page is about. It counts 15 s longer.
    Focus,
    /// It is kept in sight.
    Pin,
}

impl Act {
    pub(super) fn event(self, begins: bool) -> &'static str {
        match (self, begins) {
            (Act::Hover, true) => "hover",
            (Act::Hover, false) => "unhover",
            (Act::Focus, true) => "focus",
            (Act::Focus, false) => "unfocus",
            (Act::Pin, true) => "pin",
            (Act::Pin, false) => "unpin",
        }
    }
}

/// How full the battery of the viewer's device is: a low one caps what the device asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Battery {
    /// Nothing is capped.
    Normal,
    /// At most medium.
    Low,
    /// At most low.
    Critical,
}

impl Battery {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Battery::Normal => "normal",
            Battery::Low => "low",
            Battery::Critical => "critical",
        }
    }
}

/// Sensors that are in view, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Ids of sensors.
    pub sensors: Vec<String>,
    /// Ids of attributes; all of them where it is `None`.
    pub attributes: Option<Vec<String>>,
    /// How closely.
    pub level: Level,
    /// How many recent samples of each attribute come first, at most 500.
    pub recent: u32,
}

impl View {
    /// All attributes of these sensors, at medium, with 100 recent samples of each.
    pub fn of<S: Into<String>>(sensors: impl IntoIterator<Item = S>) -> View {
        let sensors = sensors.into_iter().map(Into::into).collect();
        View { sensors, attributes: None, level: Level::default(), recent: 100 }
    }

    /// The same at another level.
    #[must_use]
    pub fn at(self, level: Level) -> View {
        View { level, ..self }
    }

    /// The events that say it, each of as many sensors as one may name. The first one is also what a join says.
    pub(super) fn events(&self, adds: bool) -> Vec<Value> {
        let how = How { attributes: self.attributes.clone(), level: self.level, recent: self.recent };
        let mut events: Vec<Value> = self
            .sensors
            .chunks(SENSORS_PER_EVENT_MAX)
            .enumerate()
            .map(|(number, sensors)| how.event(sensors, adds || number > 0))
            .collect();
        if events.is_empty() && !adds {
            events.push(how.event::<&str>(&[], false));
        }
        events
    }

    /// The parameters of a join that shows it; of more sensors than one event may name, the first ones.
    #[must_use]
    pub fn join_params(&self) -> Value {
        self.events(false).swap_remove(0)
    }
}

/// How a sensor is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct How {
    attributes: Option<Vec<String>>,
    level: Level,
    recent: u32,
}

impl How {
    fn event<S: Serialize>(&self, sensors: &[S], adds: bool) -> Value {
        let mode = if adds { "add" } else { "replace" };
        let mut event = json!({"sensor_ids": sensors, "level": self.level, "recent": self.recent, "mode": mode});
        if let (Some(attributes), Value::Object(event)) = (&self.attributes, &mut event) {
            event.insert("attributes".to_owned(), json!(attributes));
        }
        event
    }
}

/// Everything that a viewer has said.
#[derive(Debug, Default)]
pub(super) struct Said {
    sensors: BTreeMap<String, How>,
    acts: BTreeSet<(Act, String, Option<String>)>,
    battery: Option<Battery>,
}

impl Said {
    pub(super) fn show(&mut self, view: &View, adds: bool) {
        if !adds {
            self.sensors.clear();
        }
        let how = How { attributes: view.attributes.clone(), level: view.level, recent: view.recent };
        self.sensors.extend(view.sensors.iter().map(|sensor| (sensor.clone(), how.clone())));
    }

    pub(super) fn hide(&mut self, sensors: &[String]) {
        for sensor in sensors {
            self.sensors.remove(sensor);
        }
    }

    pub(super) fn act(&mut self, act: Act, sensor: &str, attribute: Option<&str>, begins: bool) {
        let act = (act, sensor.to_owned(), attribute.map(str::to_owned));
        if begins {
            self.acts.insert(act);
        } else {
            self.acts.remove(&act);
        }
    }

    pub(super) fn set_battery(&mut self, battery: Battery) {
        self.battery = Some(battery);
    }

    /// The events that say all of it again, after a join that may have said something else.
    pub(super) fn again(&self) -> VecDeque<(&'static str, Value)> {
        let mut by_how: BTreeMap<&How, Vec<&str>> = BTreeMap::new();
        for (sensor, how) in &self.sensors {
            by_how.entry(how).or_default().push(sensor);
        }
        let mut events = VecDeque::new();
        for (how, sensors) in by_how {
            for sensors in sensors.chunks(SENSORS_PER_EVENT_MAX) {
                let adds = !events.is_empty();
                events.push_back(("set_visible", how.event(sensors, adds)));
            }
        }
        if events.is_empty() {
            events.push_back(("set_visible", json!({"sensor_ids": [], "mode": "replace"})));
        }
        let battery = self.battery.map(|battery| ("battery", json!({"state": battery.as_str()})));
        events.extend(battery);
        events.extend(
            self.acts.iter().map(|(act, sensor, attribute)| (act.event(true), acted(sensor, attribute.as_deref()))),
        );
        events
    }
}

/// The payload of an act.
pub(super) fn acted(sensor: &str, attribute: Option<&str>) -> Value {
    match attribute {
        Some(attribute) => json!({"sensor_id": sensor, "attribute_id": attribute}),
        None => json!({"sensor_id": sensor}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_of_many_sensors_is_said_in_parts() {
        let view = View::of((0..2_001).map(|number| format!("s{number}"))).at(Level::High);
        let events = view.events(false);
        let said: Vec<(usize, &Value)> =
            events.iter().map(|event| (event["sensor_ids"].as_array().unwrap().len(), &event["mode"])).collect();
        assert_eq!(said, [(1_000, &json!("replace")), (1_000, &json!("add")), (1, &json!("add"))]);
        assert_eq!(view.join_params()["level"], "high");
        assert_eq!(View::of(Vec::<String>::new()).join_params()["sensor_ids"], json!([]));
    }

    #[test]
    fn what_was_said_is_said_again_by_how_it_was_said() {
        let mut said = Said::default();
        said.show(&View::of(["gone"]), false);
        said.show(&View::of(["a", "b"]), false);
        said.show(&View::of(["c"]).at(Level::High), true);
        said.hide(&["b".to_owned()]);
        said.act(Act::Pin, "a", Some("ecg"), true);
        said.act(Act::Hover, "a", None, true);
        said.act(Act::Hover, "a", None, false);
        said.set_battery(Battery::Low);
        let again: Vec<(&str, Value)> = said.again().into();
        let names: Vec<&str> = again.iter().map(|(event, _)| *event).collect();
        assert_eq!(names, ["set_visible", "set_visible", "battery", "pin"]);
        assert_eq!((&again[0].1["sensor_ids"], &again[0].1["mode"]), (&json!(["a"]), &json!("replace")));
        assert_eq!((&again[1].1["sensor_ids"], &again[1].1["mode"]), (&json!(["c"]), &json!("add")));
        assert_eq!(again[3].1, json!({"sensor_id": "a", "attribute_id": "ecg"}));
        assert_eq!(Said::default().again().len(), 1, "who looks at nothing says so");
    }
}
