//! A presence: one user's one connection to one topic.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ConnectionId, FieldError, PresenceRef, PresenceTopic, RoomId, UserId, text};

/// Largest JSON text of the free fields of a presence, in bytes.
pub const FIELDS_BYTES_MAX: usize = 4 * 1024;
/// Most keys in the free fields of a presence, those of objects inside included.
pub const FIELDS_KEYS_MAX: usize = 64;
/// Deepest nesting of the free fields of a presence; the object itself is the first level.
pub const FIELDS_DEPTH_MAX: usize = 16;

const FIELDS_ERROR: FieldError = FieldError {
    field: "fields",
    allowed: "a JSON object of at most 4096 bytes, with at most 64 keys in all and at most 16 levels",
};

/// One connection of a user to one topic. A user is online while at least one of these is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// What the entry is found by.
    pub presence_ref: PresenceRef,
    /// Where it is seen, besides `all`.
    pub topic: PresenceTopic,
    /// The connection: the presences of one user with the same one are one connection wherever topics are merged.
    pub connection: ConnectionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's name, for people.
    pub user_name: String,
    /// What they use, for example `web`.
    pub device: Option<String>,
    /// Where they are.
    pub room_id: Option<RoomId>,
    /// What they do there, free text.
    pub mode: Option<String>,
    /// Milliseconds since 1970 by its node's clock; only shown, never compared.
    pub online_at_ms: u64,
    /// What the application says about it.
    pub fields: PresenceFields,
}

impl Presence {
    /// Checks what the types do not: lengths, and the free fields.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        text::check_name("user_name", &self.user_name)?;
        self.device.as_deref().map_or(Ok(()), |device| text::check_name("device", device))?;
        self.mode.as_deref().map_or(Ok(()), |mode| text::check_name("mode", mode))?;
        self.fields.validate()
    }
}

/// The free fields of a presence: a JSON object within limits, kept as its text. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PresenceFields(Option<Arc<str>>);

impl PresenceFields {
    /// The fields of an object; an empty one is none.
    ///
    /// # Errors
    /// The object is larger than is allowed.
    pub fn new(object: &Map<String, Value>) -> Result<PresenceFields, FieldError> {
        if object.is_empty() {
            return Ok(PresenceFields(None));
        }
        check(object)?;
        let json = serde_json::to_string(object).map_err(|_| FIELDS_ERROR)?;
        if json.len() > FIELDS_BYTES_MAX {
            return Err(FIELDS_ERROR);
        }
        Ok(PresenceFields(Some(Arc::from(json))))
    }

    /// The fields of what a client sent: an object, or nothing.
    ///
    /// # Errors
    /// It is something else, or larger than is allowed.
    pub fn of_value(value: Option<&Value>) -> Result<PresenceFields, FieldError> {
        match value {
            None | Some(Value::Null) => Ok(PresenceFields(None)),
            Some(Value::Object(object)) => PresenceFields::new(object),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => Err(FIELDS_ERROR),
        }
    }

    /// The JSON text of the object; `None` where there are no fields.
    #[must_use]
    pub fn as_json(&self) -> Option<&str> {
        self.0.as_deref()
    }

    fn validate(&self) -> Result<(), FieldError> {
        let Some(json) = &self.0 else { return Ok(()) };
        if json.len() > FIELDS_BYTES_MAX {
            return Err(FIELDS_ERROR);
        }
        let object: Map<String, Value> = serde_json::from_str(json).map_err(|_| FIELDS_ERROR)?;
        check(&object)
    }
}

fn check(object: &Map<String, Value>) -> Result<(), FieldError> {
    let mut keys = object.len();
    let mut level: Vec<&Value> = object.values().collect();
    for _ in 1..=FIELDS_DEPTH_MAX {
        if keys > FIELDS_KEYS_MAX {
            return Err(FIELDS_ERROR);
        }
        let mut below = Vec::new();
        let mut deeper = false;
        for value in level {
            match value {
                Value::Object(object) => {
                    deeper = true;
                    keys += object.len();
                    below.extend(object.values());
                }
                Value::Array(list) => {
                    deeper = true;
                    below.extend(list);
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        if !deeper {
            return Ok(());
        }
        level = below;
    }
    Err(FIELDS_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).expect("an object")
    }

    fn keys(count: usize) -> Map<String, Value> {
        (0..count).map(|key| (format!("k{key}"), Value::Bool(true))).collect()
    }

    fn nested(levels: usize) -> Map<String, Value> {
        object(&format!("{}{}", r#"{"a":"#.repeat(levels - 1) + "{}", "}".repeat(levels - 1)))
    }

    #[test]
    fn free_fields_hold_what_the_limits_allow_and_nothing_beyond() {
        for good in [keys(0), keys(64), nested(16), object(r#"{"x":[1.5,null,{"y":"z"}]}"#)] {
            let fields = PresenceFields::new(&good).expect("within the limits");
            assert_eq!(fields.validate(), Ok(()));
            assert_eq!(fields.as_json().map(object).unwrap_or_default(), good);
        }
        let inner = Map::from_iter([("list".to_owned(), Value::Array(vec![Value::Object(keys(64))]))]);
        let long = |bytes: usize| Map::from_iter([("a".to_owned(), Value::String("x".repeat(bytes)))]);
        assert!(PresenceFields::new(&long(FIELDS_BYTES_MAX - 8)).is_ok(), "4096 bytes with the key and the quotes");
        for bad in [keys(65), inner, nested(17), long(FIELDS_BYTES_MAX - 7)] {
            assert_eq!(PresenceFields::new(&bad), Err(FIELDS_ERROR));
        }
    }

    #[test]
    fn what_is_no_object_is_refused_and_nothing_is_no_fields() {
        for bad in ["1", "[]", r#""text""#, "true"] {
            let value: Value = serde_json::from_str(bad).expect("JSON");
            assert_eq!(PresenceFields::of_value(Some(&value)), Err(FIELDS_ERROR), "{bad}");
        }
        assert_eq!(PresenceFields::of_value(None), Ok(PresenceFields::default()));
        assert_eq!(PresenceFields::of_value(Some(&Value::Null)), Ok(PresenceFields::default()));
    }

    #[test]
    fn a_text_from_another_node_is_held_to_the_same_limits() {
        for bad in ["", "1", "[]", "{", r#"{"a":1e999}"#, &format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000))] {
            assert_eq!(PresenceFields(Some(Arc::from(bad))).validate(), Err(FIELDS_ERROR), "{bad}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(600), "}".repeat(600));
        assert_eq!(PresenceFields(Some(Arc::from(deep))).validate(), Err(FIELDS_ERROR));
    }
}
