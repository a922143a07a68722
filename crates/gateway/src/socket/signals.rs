//! `signals:<anything>` and `signal:<sensor_id>`: what sensors measure, for whoever looks.

mod payload;

use std::sync::Arc;
use std::time::Duration;

use sensocto_channels::{Json, Payload};
use sensocto_node::model::attribute::ATTRIBUTES_MAX;
use sensocto_node::{Act, AttributeId, Battery, FieldError, Handle, Interest, Level, SensorId, SignalWatch, Windows};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::budget::Budget;
use super::discovery::Told;
use super::params;
use super::sensor::Answer;

/// What the topics of many sensors begin with.
pub(super) const MANY: &str = "signals:";
/// What the topics of one sensor begin with.
pub(super) const ONE: &str = "signal:";
/// Topics of many sensors that one socket may have joined.
pub(super) const MANY_MAX: usize = 10;
/// Topics of one sensor that one socket may have joined.
pub(super) const ONE_MAX: usize = 200;

/// Sensors that one event may name.
const IDS_MAX: usize = 1_000;
/// Most samples of each attribute that are sent first, and how many where nothing is said.
const RECENT: (u64, u64) = (500, 100);
/// Events that a channel may send in a row, and how soon one more.
const EVENTS: (u32, Duration) = (50, Duration::from_millis(50));

const IDS_ERROR: FieldError = FieldError { field: "sensor_ids", allowed: "a list of at most 1,000 ids of sensors" };
const RECENT_ERROR: FieldError = FieldError { field: "recent", allowed: "a whole number from 0 to 500" };
const ATTRIBUTES_ERROR: FieldError = FieldError { field: "attributes", allowed: "a list of 1 to 64 ids of attributes" };
const OBJECT_ERROR: FieldError = FieldError { field: "payload", allowed: "an object" };

/// One viewer.
#[derive(Debug)]
pub(super) struct SignalsChannel {
    watch: SignalWatch,
    /// The sensor of a topic of one.
    only: Option<SensorId>,
    budget: Budget,
}

/// What a viewer says it sees.
struct Shown {
    sensors: Vec<SensorId>,
    interest: Interest,
    mode: ShowMode,
    recent: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShowMode {
    Replace,
    Add,
    Remove,
}

impl SignalsChannel {
    /// Joins `topic`; the reply comes with it.
    pub(super) fn join(
        handle: &Handle,
        wake: &Arc<Notify>,
        topic: &str,
        join: &Payload,
    ) -> Result<(SignalsChannel, Json), Json> {
        let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
        let only = topic.strip_prefix(ONE).map(SensorId::new).transpose().map_err(params::invalid_field)?;
        let shown = read(&join, only.as_ref()).map_err(params::invalid_field)?;
        let watch = handle.watch_signals(Arc::clone(wake));
        let mut channel = SignalsChannel { watch, only, budget: Budget::full(EVENTS.0, EVENTS.1) };
        channel.show(&shown).map_err(params::invalid_field)?;
        let reply = Joined {
            node: handle.me().node.as_str(),
            windows_ms: WindowsJson::of(Windows::CLIENTS),
            watching: channel.watch.len(),
        };
        Ok((channel, Json::of(&reply)))
    }

    /// Whether it is a topic of many sensors.
    pub(super) fn is_of_many(&self) -> bool {
        self.only.is_none()
    }

    /// Does what an event asks for.
    pub(super) fn handle(&mut self, event: &str, payload: &Payload, mono: Duration) -> Answer {
        if !matches!(event, "set_visible" | "hover" | "unhover" | "focus" | "unfocus" | "pin" | "unpin" | "battery") {
            return Answer::Silence;
        }
        if !self.budget.spend(mono) {
            let retry_after = self.budget.next_at().saturating_sub(mono);
            return Answer::Error(Json::of(&RateLimited::after(retry_after)));
        }
        let Ok(payload) = payload.parse::<Map<String, Value>>() else {
            return Answer::Error(params::invalid_field(OBJECT_ERROR));
        };
        let done = match event {
            "set_visible" => self.set_visible(&payload),
            "battery" => self.battery(&payload),
            act => self.act(act, &payload),
        };
        match done {
            Ok(response) => Answer::Ok(response),
            Err(error) => Answer::Error(params::invalid_field(error)),
        }
    }

    fn set_visible(&mut self, payload: &Map<String, Value>) -> Result<Json, FieldError> {
        let shown = read(payload, self.only.as_ref())?;
        let unknown = self.show(&shown)?;
        Ok(Json::of(&Visible { watching: self.watch.len(), unknown }))
    }

    fn show(&mut self, shown: &Shown) -> Result<usize, FieldError> {
        let Shown { sensors, interest, mode, recent } = shown;
        match mode {
            ShowMode::Replace => self.watch.show(sensors, interest, false, *recent),
            ShowMode::Add => self.watch.show(sensors, interest, true, *recent),
            ShowMode::Remove => {
                self.watch.hide(sensors);
                Ok(0)
            }
        }
    }

    fn battery(&mut self, payload: &Map<String, Value>) -> Result<Json, FieldError> {
        let word = params::text(payload, "state")?;
        let allowed = FieldError { field: "state", allowed: "normal, low or critical" };
        self.watch.set_battery(Battery::of_word(word).ok_or(allowed)?);
        Ok(Json::empty())
    }

    fn act(&mut self, act: &str, payload: &Map<String, Value>) -> Result<Json, FieldError> {
        let sensor = match &self.only {
            Some(only) => only.clone(),
            None => SensorId::new(params::text(payload, "sensor_id")?)?,
        };
        let attribute = params::optional_text(payload, "attribute_id")?.map(AttributeId::new).transpose()?;
        let (act, begins) = match act {
            "hover" => (Act::Hover, true),
            "unhover" => (Act::Hover, false),
            "focus" => (Act::Focus, true),
            "unfocus" => (Act::Focus, false),
            "pin" => (Act::Pin, true),
            _ => (Act::Pin, false),
        };
        let level = self.watch.act(&sensor, attribute, act, begins)?;
        Ok(Json::of(&LevelJson { level: level.as_str() }))
    }

    /// When there is something to tell, on the node's clock.
    pub(super) fn due_at(&mut self) -> Option<Duration> {
        self.watch.due_at()
    }

    /// When its attention changes by time alone, on the node's clock.
    pub(super) fn attention_due_at(&self) -> Option<Duration> {
        self.watch.attention_due_at()
    }

    /// Lets go of attention that only still counted.
    pub(super) fn handle_tick(&mut self) {
        self.watch.handle_tick();
    }

    /// What to tell a client that has room for it.
    pub(super) fn tell(&mut self) -> Vec<Told> {
        self.watch.tell().iter().map(payload::of).collect()
    }
}

/// The answer to what comes too fast.
#[derive(Serialize)]
pub(super) struct RateLimited {
    reason: &'static str,
    retry_after_ms: u64,
}

impl RateLimited {
    pub(super) fn after(time: Duration) -> RateLimited {
        RateLimited { reason: "rate_limited", retry_after_ms: crate::wire::millis(time).max(1) }
    }
}

#[derive(Serialize)]
struct Joined<'a> {
    node: &'a str,
    windows_ms: WindowsJson,
    watching: usize,
}

#[derive(Serialize)]
struct WindowsJson {
    high: u64,
    medium: u64,
    low: u64,
}

impl WindowsJson {
    fn of(windows: Windows) -> WindowsJson {
        let [high, medium, low] = [windows.high, windows.medium, windows.low].map(crate::wire::millis);
        WindowsJson { high, medium, low }
    }
}

#[derive(Serialize)]
struct Visible {
    watching: usize,
    unknown: usize,
}

#[derive(Serialize)]
struct LevelJson {
    level: &'static str,
}

/// Reads what a viewer sees; `only` is the sensor of a topic of one.
fn read(payload: &Map<String, Value>, only: Option<&SensorId>) -> Result<Shown, FieldError> {
    let level_error = FieldError { field: "level", allowed: "high, medium or low" };
    let level = params::optional_text(payload, "level").map_err(|_| level_error)?.unwrap_or("medium");
    let level = Level::of_word(level).ok_or(level_error)?;
    let mut interest = Interest::default();
    match attributes(payload)? {
        None => interest.raise(None, level),
        Some(attributes) => attributes.iter().for_each(|attribute| interest.raise(Some(attribute), level)),
    }
    let mode = match params::optional_text(payload, "mode")? {
        _ if only.is_some() => ShowMode::Replace,
        None | Some("replace") => ShowMode::Replace,
        Some("add") => ShowMode::Add,
        Some("remove") => ShowMode::Remove,
        Some(_) => return Err(FieldError { field: "mode", allowed: "replace, add or remove" }),
    };
    let recent = match payload.get("recent") {
        None | Some(Value::Null) => RECENT.1,
        Some(recent) => recent.as_u64().filter(|recent| *recent <= RECENT.0).ok_or(RECENT_ERROR)?,
    };
    let sensors = match only {
        Some(only) => vec![only.clone()],
        None => sensors(payload)?,
    };
    Ok(Shown { sensors, interest, mode, recent: usize::try_from(recent).unwrap_or(usize::MAX) })
}

fn sensors(payload: &Map<String, Value>) -> Result<Vec<SensorId>, FieldError> {
    match payload.get("sensor_ids") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) if ids.len() <= IDS_MAX => {
            ids.iter().map(|id| SensorId::new(id.as_str().ok_or(IDS_ERROR)?)).collect()
        }
        Some(_) => Err(IDS_ERROR),
    }
}

fn attributes(payload: &Map<String, Value>) -> Result<Option<Vec<AttributeId>>, FieldError> {
    match payload.get("attributes") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(ids)) if (1..=ATTRIBUTES_MAX).contains(&ids.len()) => ids
            .iter()
            .map(|id| AttributeId::new(id.as_str().ok_or(ATTRIBUTES_ERROR)?))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(ATTRIBUTES_ERROR),
    }
}

#[cfg(test)]
mod tests;
