//! A sensor's attributes: what it measures, and the four shapes in which clients write them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::id::Checked;
use crate::{FieldError, text};

/// Most attributes of one sensor.
pub const ATTRIBUTES_MAX: usize = 64;

const ALLOWED_ID: &str = "1 to 64 of the characters A-Z a-z 0-9 _ - and a letter or digit first";
const ALLOWED_SHAPE: &str =
    "{}, [], a list of names, a list of objects with attribute_id, or a map; at most 64 attributes";

/// The name of an attribute: `^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeId(Arc<str>);

impl AttributeId {
    /// Makes an attribute id of a text.
    ///
    /// # Errors
    /// Names `attribute_id` and what it may hold.
    pub fn new(text: &str) -> Result<Self, FieldError> {
        let bytes = text.as_bytes();
        let starts_well = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
        let all_well = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if starts_well && all_well && bytes.len() <= 64 {
            Ok(Self(Arc::from(text)))
        } else {
            Err(FieldError { field: "attribute_id", allowed: ALLOWED_ID })
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for AttributeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for AttributeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for AttributeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AttributeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked(Self::new))
    }
}

/// One thing that a sensor measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// What kind of measurement it is (`heartrate`, `geolocation`, …). Unknown types are allowed.
    pub attribute_type: Arc<str>,
    /// Samples per second, where the client said it.
    pub sampling_rate: Option<f64>,
}

impl Attribute {
    /// An attribute that a client named without saying more.
    #[must_use]
    pub fn inferred(id: &AttributeId, payload: Option<&Value>) -> Attribute {
        Attribute { attribute_type: infer_type(id.as_str(), payload).into(), sampling_rate: Some(1.0) }
    }

    /// Reads what a client says about an attribute: an object with, perhaps, `attribute_type` and `sampling_rate`.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn from_metadata(id: &AttributeId, metadata: &Value) -> Result<Attribute, FieldError> {
        let attribute_type = match metadata.get("attribute_type") {
            None | Some(Value::Null) => infer_type(id.as_str(), None).into(),
            Some(Value::String(text)) => text.as_str().into(),
            Some(_) => return Err(FieldError { field: "attribute_type", allowed: text::NAME_ALLOWED }),
        };
        let sampling_rate = match metadata.get("sampling_rate") {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_f64().ok_or(SAMPLING_RATE_ERROR)?),
        };
        let attribute = Attribute { attribute_type, sampling_rate };
        attribute.validate()?;
        Ok(attribute)
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        text::check_name("attribute_type", &self.attribute_type)?;
        self.sampling_rate.map_or(Ok(()), check_sampling_rate)
    }
}

const SAMPLING_RATE_ERROR: FieldError =
    FieldError { field: "sampling_rate", allowed: "a number of Hz from 0 to 1,000,000" };

/// Checks a sampling rate in Hz.
///
/// # Errors
/// Names `sampling_rate`.
pub fn check_sampling_rate(rate: f64) -> Result<(), FieldError> {
    if (0.0..=1_000_000.0).contains(&rate) { Ok(()) } else { Err(SAMPLING_RATE_ERROR) }
}

/// What a sensor measures, in the order of the ids. Sensors that measure the same share it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Option<Arc<[(AttributeId, Attribute)]>>);

impl Attributes {
    fn as_slice(&self) -> &[(AttributeId, Attribute)] {
        self.0.as_deref().unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeId, &Attribute)> {
        self.as_slice().iter().map(|(id, attribute)| (id, attribute))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: &AttributeId) -> Option<&Attribute> {
        let all = self.as_slice();
        let at = all.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
        all.get(at).map(|(_, attribute)| attribute)
    }

    /// Adds one, or puts it in the place of the one with its id.
    pub fn insert(&mut self, id: AttributeId, attribute: Attribute) {
        let mut all = self.to_map();
        all.insert(id, attribute);
        *self = all.into_iter().collect();
    }

    /// Takes one away, where it is there.
    pub fn remove(&mut self, id: &AttributeId) {
        let mut all = self.to_map();
        if all.remove(id).is_some() {
            *self = all.into_iter().collect();
        }
    }

    /// Whether anybody else has it.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|all| Arc::strong_count(all) > 1)
    }

    fn to_map(&self) -> BTreeMap<AttributeId, Attribute> {
        self.as_slice().iter().cloned().collect()
    }

    /// Reads the bytes of a record's attributes; `None` where they are none, or not in order.
    pub(crate) fn decode(bytes: &[u8], mut text: impl FnMut(&str) -> Arc<str>) -> Option<Attributes> {
        let (lines, rest): (Vec<(&str, &str, Option<f64>)>, _) = postcard::take_from_bytes(bytes).ok()?;
        let ascending = lines.windows(2).all(|pair| matches!(pair, [(one, ..), (next, ..)] if one < next));
        if !rest.is_empty() || !ascending {
            return None;
        }
        let read = lines.into_iter().map(|(id, attribute_type, sampling_rate)| {
            AttributeId::new(id).ok()?;
            Some((AttributeId(text(id)), Attribute { attribute_type: text(attribute_type), sampling_rate }))
        });
        read.collect()
    }
}

impl FromIterator<(AttributeId, Attribute)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (AttributeId, Attribute)>>(attributes: I) -> Attributes {
        let map: BTreeMap<AttributeId, Attribute> = attributes.into_iter().collect();
        Attributes((!map.is_empty()).then(|| map.into_iter().collect()))
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (id, attribute) in self.iter() {
            map.serialize_entry(id, attribute)?;
        }
        map.end()
    }
}

/// Reads the `attributes` of a sensor's join: `{}` or a map of objects, `[]`, a list of names, or a list of objects.
///
/// # Errors
/// Names the field that is not allowed.
pub fn from_join(value: &Value) -> Result<Attributes, FieldError> {
    let shape = FieldError { field: "attributes", allowed: ALLOWED_SHAPE };
    let mut attributes = BTreeMap::new();
    match value {
        Value::Object(map) => {
            for (name, metadata) in map {
                let id = AttributeId::new(name)?;
                attributes.insert(id.clone(), Attribute::from_metadata(&id, metadata)?);
            }
        }
        Value::Array(list) => {
            for element in list {
                let (name, metadata) = match element {
                    Value::String(name) => (name.as_str(), &Value::Null),
                    Value::Object(map) => (map.get("attribute_id").and_then(Value::as_str).ok_or(shape)?, element),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return Err(shape),
                };
                let id = AttributeId::new(name)?;
                attributes.insert(id.clone(), Attribute::from_metadata(&id, metadata)?);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(shape),
    }
    if attributes.len() > ATTRIBUTES_MAX { Err(shape) } else { Ok(attributes.into_iter().collect()) }
}

/// The type of an attribute that appears without one: by its name, else by what its first payload holds, else `numeric`.
#[must_use]
pub fn infer_type(id: &str, payload: Option<&Value>) -> &'static str {
    let by_name = match id {
        "battery" | "battery_level" => "battery",
        "geolocation" | "location" | "gps" => "geolocation",
        "button" | "buttons" => "button",
        "ecg" | "heart" | "heartbeat" => "ecg",
        "heartrate" | "heart_rate" | "hr" | "bpm" => "heartrate",
        "imu" | "accelerometer" | "gyroscope" | "motion" => "imu",
        "respiration" | "breathing" | "breath" => "respiration",
        "hrv" | "heart_rate_variability" => "hrv",
        "eye_gaze" | "gaze" => "eye_gaze",
        "temperature" | "temp" => "temperature",
        "humidity" => "humidity",
        "pressure" | "barometer" => "pressure",
        "rich_presence" | "media" | "now_playing" => "rich_presence",
        "skeleton" | "pose_skeleton" | "pose" | "body_pose" => "skeleton",
        _ => "",
    };
    if !by_name.is_empty() {
        return by_name;
    }
    let has = |key: &str| payload.is_some_and(|payload| payload.get(key).is_some());
    if has("level") && has("charging") {
        "battery"
    } else if has("latitude") {
        "geolocation"
    } else if has("artist") {
        "rich_presence"
    } else if has("landmarks") {
        "skeleton"
    } else {
        "numeric"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(value: &Value) -> Vec<String> {
        from_join(value).expect("accepted").iter().map(|(id, _)| id.to_string()).collect()
    }

    #[test]
    fn the_four_shapes_of_attributes_give_one_map() {
        assert!(names(&json!({})).is_empty());
        assert!(names(&json!([])).is_empty());
        assert_eq!(names(&json!(["celsius"])), ["celsius"]);
        assert_eq!(names(&json!([{"attribute_id": "celsius", "attribute_type": "temperature"}])), ["celsius"]);
        let map = json!({"hr": {"attribute_id": "hr", "attribute_type": "heartrate", "sampling_rate": 1}});
        let attributes = from_join(&map).expect("accepted");
        let hr = AttributeId::new("hr").expect("valid");
        assert_eq!(
            attributes.get(&hr),
            Some(&Attribute { attribute_type: "heartrate".into(), sampling_rate: Some(1.0) })
        );
    }

    #[test]
    fn wrong_attributes_name_the_field() {
        assert_eq!(from_join(&json!("x")).expect_err("refused").field, "attributes");
        assert_eq!(from_join(&json!([1])).expect_err("refused").field, "attributes");
        assert_eq!(from_join(&json!(["_x"])).expect_err("refused").field, "attribute_id");
        assert_eq!(from_join(&json!({"a": {"sampling_rate": "fast"}})).expect_err("refused").field, "sampling_rate");
        let many: Vec<String> = (0..65).map(|number| format!("a{number}")).collect();
        assert_eq!(from_join(&json!(many)).expect_err("refused").field, "attributes");
    }

    #[test]
    fn a_type_is_inferred_by_name_and_then_by_payload() {
        assert_eq!(infer_type("bpm", None), "heartrate");
        assert_eq!(infer_type("x", Some(&json!({"level": 1, "charging": true}))), "battery");
        assert_eq!(infer_type("x", Some(&json!({"latitude": 1.0}))), "geolocation");
        assert_eq!(infer_type("x", Some(&json!(3))), "numeric");
    }
}
