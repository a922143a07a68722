//! JSON text that is known to be valid, and cheap to hand to many sockets.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// Valid JSON text behind a shared pointer: one serialization can be pushed to thousands of sockets.
///
/// Clients expect an object wherever a node sends one of these (a reply's `response`, a push's `payload`); nothing here
/// checks that it is one.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Serializes `value`.
    ///
    /// Types that always serialize are the point of this constructor: a `Serialize` that fails (a map whose keys are not
    /// strings, say) is a mistake in the program. It stops a debug build and gives `{}` in a release build; use
    /// [`Json::try_of`] where failing is possible.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let json = Self::try_of(value);
        debug_assert!(json.is_ok(), "a value that cannot be written as JSON: {json:?}");
        json.unwrap_or_default()
    }

    /// Serializes `value`.
    ///
    /// # Errors
    /// The value has no JSON form: a map key is not a string, or its `Serialize` fails.
    pub fn try_of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        to_raw_value(value).map(Self::from)
    }

    /// The empty object, `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from(RawValue::from_string("{}".to_owned()).unwrap_or_default()))
    }

    /// `{"reason": reason}`, the form of every refusal.
    #[must_use]
    pub fn reason(reason: &str) -> Self {
        #[derive(Serialize)]
        struct Reason<'a> {
            reason: &'a str,
        }
        Self::of(&Reason { reason })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text as a type that says it is valid JSON.
    #[must_use]
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(Arc::from(raw))
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(Arc::from(raw.to_owned()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_raw().serialize(serializer)
    }
}

impl PartialEq for Json {
    /// Equal text; the same object with its keys in another order is another text.
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_becomes_its_text_and_the_empty_object_is_braces() {
        assert_eq!(Json::of(&[1, 2]).as_str(), "[1,2]");
        assert_eq!(Json::empty().as_str(), "{}");
        assert_eq!(Json::reason("a \"b\"").as_str(), r#"{"reason":"a \"b\""}"#);
    }

    #[test]
    fn json_inside_json_is_not_quoted_again() {
        assert_eq!(Json::of(&[Json::empty(), Json::reason("r")]).as_str(), r#"[{},{"reason":"r"}]"#);
    }

    #[test]
    fn a_value_without_a_json_form_is_an_error() {
        let map = std::collections::BTreeMap::from([(vec![1], 2)]);
        assert!(Json::try_of(&map).is_err());
    }
}
