//! What a room's owner and admins decide about it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{FieldError, text};

/// Longest name of a room, in characters.
pub const ROOM_NAME_CHARACTERS_MAX: usize = 100;
/// Longest description of a room, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 2_000;
/// Largest JSON text of a room's configuration, in bytes.
pub const CONFIGURATION_BYTES_MAX: usize = 4_096;
/// Deepest nesting of a room's configuration; the object itself is the first level.
const CONFIGURATION_DEPTH_MAX: usize = 16;
/// The name of a room whose owner gave it none.
pub const UNTITLED: &str = "Untitled Room";

const NAME_ERROR: FieldError =
    FieldError { field: "name", allowed: "1 to 100 characters, no control or text-direction characters" };
const DESCRIPTION_ERROR: FieldError = FieldError {
    field: "description",
    allowed: "at most 2000 bytes, no control characters but line ends and tabs, no text-direction characters",
};
const CONFIGURATION_ERROR: FieldError =
    FieldError { field: "configuration", allowed: "a JSON object of at most 4096 bytes, with at most 16 levels" };

/// What a room's owner and admins decide about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSettings {
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether everybody may see and join it. Nobody who is not in a private room hears of it.
    pub is_public: bool,
    /// Whether people may call each other in it.
    pub calls_enabled: bool,
    /// Whether media may be played in it.
    pub media_playback_enabled: bool,
    /// Whether it shows an object in three dimensions.
    pub object_3d_enabled: bool,
    /// Whether it has a whiteboard.
    pub whiteboard_enabled: bool,
    /// Whatever the application says.
    pub configuration: Configuration,
}

impl Default for RoomSettings {
    fn default() -> RoomSettings {
        RoomSettings {
            name: UNTITLED.to_owned(),
            description: None,
            is_public: true,
            calls_enabled: true,
            media_playback_enabled: true,
            object_3d_enabled: false,
            whiteboard_enabled: false,
            configuration: Configuration::default(),
        }
    }
}

impl RoomSettings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        check_name(&self.name)?;
        self.description.as_deref().map_or(Ok(()), check_description)?;
        self.configuration.validate()
    }
}

/// Changes of settings; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomPatch {
    /// See [`RoomSettings::name`].
    pub name: Option<String>,
    /// See [`RoomSettings::description`]; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// See [`RoomSettings::is_public`].
    pub is_public: Option<bool>,
    /// See [`RoomSettings::calls_enabled`].
    pub calls_enabled: Option<bool>,
    /// See [`RoomSettings::media_playback_enabled`].
    pub media_playback_enabled: Option<bool>,
    /// See [`RoomSettings::object_3d_enabled`].
    pub object_3d_enabled: Option<bool>,
    /// See [`RoomSettings::whiteboard_enabled`].
    pub whiteboard_enabled: Option<bool>,
    /// See [`RoomSettings::configuration`].
    pub configuration: Option<Configuration>,
}

impl RoomPatch {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        self.name.as_deref().map_or(Ok(()), check_name)?;
        self.description.as_ref().and_then(Option::as_deref).map_or(Ok(()), check_description)?;
        self.configuration.as_ref().map_or(Ok(()), Configuration::validate)
    }

    /// Settings with these changes.
    #[must_use]
    pub fn applied_to(&self, before: &RoomSettings) -> RoomSettings {
        RoomSettings {
            name: self.name.clone().unwrap_or_else(|| before.name.clone()),
            description: self.description.clone().unwrap_or_else(|| before.description.clone()),
            is_public: self.is_public.unwrap_or(before.is_public),
            calls_enabled: self.calls_enabled.unwrap_or(before.calls_enabled),
            media_playback_enabled: self.media_playback_enabled.unwrap_or(before.media_playback_enabled),
            object_3d_enabled: self.object_3d_enabled.unwrap_or(before.object_3d_enabled),
            whiteboard_enabled: self.whiteboard_enabled.unwrap_or(before.whiteboard_enabled),
            configuration: self.configuration.clone().unwrap_or_else(|| before.configuration.clone()),
        }
    }
}

fn check_name(name: &str) -> Result<(), FieldError> {
    let characters = name.chars().count();
    let valid = (1..=ROOM_NAME_CHARACTERS_MAX).contains(&characters) && !name.chars().any(text::is_forbidden);
    if valid { Ok(()) } else { Err(NAME_ERROR) }
}

fn check_description(description: &str) -> Result<(), FieldError> {
    let forbidden = |character: char| !matches!(character, '\n' | '\r' | '\t') && text::is_forbidden(character);
    let valid = description.len() <= DESCRIPTION_BYTES_MAX && !description.chars().any(forbidden);
    if valid { Ok(()) } else { Err(DESCRIPTION_ERROR) }
}

/// A JSON object within limits, kept as its text. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Configuration(Option<Arc<str>>);

impl Configuration {
    /// The configuration that an object is; an empty one is none.
    ///
    /// # Errors
    /// It is larger than is allowed.
    pub fn new(object: &Map<String, Value>) -> Result<Configuration, FieldError> {
        if object.is_empty() {
            return Ok(Configuration(None));
        }
        let json = serde_json::to_string(object).map_err(|_| CONFIGURATION_ERROR)?;
        let configuration = Configuration(Some(Arc::from(json)));
        configuration.validate()?;
        Ok(configuration)
    }

    /// The configuration that a client sent: an object, or nothing.
    ///
    /// # Errors
    /// It is something else, or larger than is allowed.
    pub fn of_value(value: &Value) -> Result<Configuration, FieldError> {
        match value {
            Value::Null => Ok(Configuration(None)),
            Value::Object(object) => Configuration::new(object),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(CONFIGURATION_ERROR),
        }
    }

    /// The JSON text of the object.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.as_deref().unwrap_or("{}")
    }

    fn validate(&self) -> Result<(), FieldError> {
        let Some(json) = &self.0 else { return Ok(()) };
        let known = json.len() <= CONFIGURATION_BYTES_MAX && serde_json::from_str::<Map<String, Value>>(json).is_ok();
        if known && depth(json) <= CONFIGURATION_DEPTH_MAX { Ok(()) } else { Err(CONFIGURATION_ERROR) }
    }
}

/// How deep a text that is JSON is nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
