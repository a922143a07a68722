//! The JSON forms of rooms, the same over HTTP and over sockets.

use std::collections::BTreeMap;

use sensocto_node::model::Room;
use sensocto_node::{Handle, Kind, Sample, SensorId, UserId};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::App;
use sensocto_tokens::User;

/// Sensors that are listed with one room; beyond it, `GET /sensors?room=` has them all.
const SENSORS_SHOWN_MAX: usize = 200;
/// Longest prefix of a name, in characters: no name in lower case is longer.
pub(crate) const PREFIX_CHARACTERS_MAX: usize = 400;
/// What a prefix may be.
pub(crate) const PREFIX_ALLOWED: &str = "a string of at most 400 characters";
/// The user of clients without a token, where they need none.
const ANONYMOUS: &str = "anonymous";

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomJson<'a> {
    id: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    owner_id: &'a str,
    /// Null for whoever is not in it.
    join_code: Option<&'a str>,
    is_public: bool,
    calls_enabled: bool,
    media_playback_enabled: bool,
    object_3d_enabled: bool,
    whiteboard_enabled: bool,
    /// Whatever the application says.
    #[schema(value_type = Object)]
    configuration: Option<&'a RawValue>,
    /// Of whoever reads it: `owner`, `admin`, `member`, or null where they are not in it.
    role: Option<&'static str>,
    member_count: usize,
    /// The role of each member; null for whoever is not in it. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    members: Option<Option<BTreeMap<&'a str, &'static str>>>,
    sensor_count: usize,
    /// The first 200. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    sensors: Option<Vec<RoomSensorJson>>,
    /// ISO 8601, UTC.
    created_at: String,
    /// When somebody changed it last.
    updated_at: String,
    /// The node that decided last about it.
    home: &'a str,
    /// How often that changed.
    term: u64,
}

/// A sensor of a room, with what the answering node knows of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomSensorJson {
    sensor_id: String,
    sensor_name: String,
    sensor_type: String,
    connector_id: Option<String>,
    connector_name: String,
    /// `unknown`, or `offline` where no node has it.
    activity_status: &'static str,
    attributes: Vec<RoomAttributeJson>,
}

/// One thing that a sensor of a room measures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomAttributeJson {
    id: String,
    attribute_type: String,
    attribute_name: String,
    /// The last one that the answering node knows.
    last_value: Option<RoomValueJson>,
}

/// A measurement, as its connector sent it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomValueJson {
    #[schema(value_type = Value)]
    payload: Box<RawValue>,
    #[schema(value_type = Value)]
    timestamp: Box<RawValue>,
}

/// How much of a room is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A line of a list.
    Line,
    /// With its sensors.
    Sensors,
    /// With its members and sensors.
    Whole,
}

/// The user that a client acts as in rooms; `None` where it has to show a token first.
pub(crate) fn acting(app: &App, user: &User) -> Option<UserId> {
    match user {
        User::Known { id, .. } => Some(id.clone()),
        User::Anonymous => app.is_open().then(|| UserId::new(ANONYMOUS).ok()).flatten(),
    }
}

/// The JSON form of a room, for one reader.
pub(crate) fn room<'a>(handle: &Handle, room: &'a Room, viewer: Option<&str>, detail: Detail) -> RoomJson<'a> {
    if detail == Detail::Line {
        return line(room, handle.room_sensors_total(room), viewer);
    }
    let (sensors, total) = handle.room_sensors(&handle.world(), room, SENSORS_SHOWN_MAX);
    let mut json = line(room, total, viewer);
    json.sensors = Some(sensors.iter().map(|id| sensor(handle, id)).collect());
    if detail == Detail::Whole {
        let members = || room.members.iter().map(|(user, role)| (user.as_str(), role.as_str())).collect();
        json.members = Some(json.role.map(|_| members()));
    }
    json
}

/// The line of a room in a list, for one reader.
pub(crate) fn line<'a>(room: &'a Room, sensors: usize, viewer: Option<&str>) -> RoomJson<'a> {
    let role = viewer.and_then(|viewer| room.role(viewer));
    RoomJson {
        id: room.id.as_str(),
        name: &room.settings.name,
        description: room.settings.description.as_deref(),
        owner_id: room.owner_id.as_str(),
        join_code: role.map(|_| room.join_code.as_str()),
        is_public: room.settings.is_public,
        calls_enabled: room.settings.calls_enabled,
        media_playback_enabled: room.settings.media_playback_enabled,
        object_3d_enabled: room.settings.object_3d_enabled,
        whiteboard_enabled: room.settings.whiteboard_enabled,
        configuration: serde_json::from_str(room.settings.configuration.as_json()).ok(),
        role: role.map(sensocto_node::model::Role::as_str),
        member_count: room.members.len(),
        members: None,
        sensor_count: sensors,
        sensors: None,
        created_at: iso8601(room.created_at_ms),
        updated_at: iso8601(room.updated_at_ms),
        home: room.term.home.node.as_str(),
        term: room.term.number,
    }
}

/// The JSON form of a sensor of a room. No other node is asked.
pub(crate) fn sensor(handle: &Handle, id: &SensorId) -> RoomSensorJson {
    let world = handle.world();
    let held = world.view.get(Kind::Sensor, id.as_str());
    let Some(sensor) = held.and_then(|held| held.entry.record()?.as_sensor()) else {
        return RoomSensorJson {
            sensor_id: id.to_string(),
            sensor_name: "Unknown".to_owned(),
            sensor_type: "generic".to_owned(),
            connector_id: None,
            connector_name: "Unknown".to_owned(),
            activity_status: "offline",
            attributes: Vec::new(),
        };
    };
    let values = handle.known_values(id);
    let attributes = sensor.attributes.iter().map(|(attribute, facts)| RoomAttributeJson {
        id: attribute.to_string(),
        attribute_type: facts.attribute_type.to_string(),
        attribute_name: attribute.to_string(),
        last_value: values.get(attribute).and_then(value),
    });
    RoomSensorJson {
        sensor_id: id.to_string(),
        sensor_name: sensor.sensor_name.to_string(),
        sensor_type: sensor.sensor_type.to_string(),
        connector_id: Some(sensor.connector_id.to_string()),
        connector_name: sensor.connector_name.to_string(),
        activity_status: "unknown",
        attributes: attributes.collect(),
    }
}

fn value(value: &Sample) -> Option<RoomValueJson> {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).ok();
    Some(RoomValueJson { payload: raw(value.payload())?, timestamp: raw(value.timestamp())? })
}

/// Milliseconds since 1970 as people and programs write a moment: `2026-01-05T10:00:00.000Z`.
pub(crate) fn iso8601(ms: u64) -> String {
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    // Days to a date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"), from 1970 on.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, millisecond) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_and_programs_read_them() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_123, "2025-12-31T23:59:59.123Z"),
            (1_767_607_200_000, "2026-01-05T10:00:00.000Z"),
        ];
        for (ms, text) in table {
            assert_eq!(iso8601(ms), text);
        }
    }
}
