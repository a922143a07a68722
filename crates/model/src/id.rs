//! Ids: short texts, cheap to clone, valid by construction.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Makes an id of the text where it lies, without a copy in between.
pub(crate) struct Checked<T>(pub(crate) fn(&str) -> Result<T, FieldError>);

impl<T> de::Visitor<'_> for Checked<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text that is allowed here")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

use crate::{FieldError, text};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Makes an id of a text.
            ///
            /// # Errors
            /// Names the field and what it may hold.
            pub fn new(text: &str) -> Result<Self, FieldError> {
                $check($field, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// An id of a text that was checked by the same rule.
            #[allow(dead_code, reason = "not every kind of id is made this way")]
            pub(crate) fn of_checked(text: Arc<str>) -> Self {
                Self(text)
            }

            /// The text, shared.
            #[must_use]
            pub fn shared(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &*self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = FieldError;
            fn from_str(text: &str) -> Result<Self, FieldError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Checked(Self::new))
            }
        }
    };
}

id!(
    /// A sensor, unique in the world. It may hold colons (`bridge:0:left`).
    SensorId, "sensor_id", text::check_id
);
id!(
    /// A connector: the program or device that brings sensors in.
    ConnectorId, "connector_id", text::check_id
);
id!(
    /// A room.
    RoomId, "room_id", text::check_id
);
id!(
    /// A person, or a guest.
    UserId, "user_id", text::check_id
);
id!(
    /// One connection of one user to one topic, unique in the world.
    PresenceRef, "phx_ref", text::check_id
);
id!(
    /// A group of people who see one another: `all`, a room as `room:<id>`, or whatever an application names.
    PresenceTopic, "topic", text::check_id
);
id!(
    /// One tab or device of one user: a socket, or what a client names so that it is the same one on its next socket.
    ConnectionId, "connection", text::check_id
);
id!(
    /// The name of a node, unique in its cluster and the same after a restart.
    NodeName, "name", check_node_name
);

/// Longest node name, in bytes: it is part of keys between nodes and of labels of metrics.
pub const NODE_NAME_BYTES_MAX: usize = 63;

fn check_node_name(field: &'static str, text: &str) -> Result<(), FieldError> {
    let bytes = text.as_bytes();
    let starts_well = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    let valid = bytes.len() <= NODE_NAME_BYTES_MAX
        && starts_well
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if valid {
        Ok(())
    } else {
        Err(FieldError { field, allowed: "1 to 63 of the characters A-Z a-z 0-9 - _ . and a letter or digit first" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_colons_and_other_alphabets_but_no_control_characters() {
        for good in ["s1", "bridge:0:left", "Gewächshaus", "a b"] {
            assert!(SensorId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\u{0}b", "\u{1b}[31m", "a\u{202e}b", &"x".repeat(129)] {
            assert_eq!(SensorId::new(bad).expect_err("refused").field, "sensor_id");
        }
    }

    #[test]
    fn a_node_name_is_a_plain_label() {
        for good in ["a", "node-1.eu_west", "9"] {
            assert!(NodeName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a/b", "a*", "a b", "ä", &"x".repeat(64)] {
            assert!(NodeName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn decoding_checks_as_making_does() {
        assert!(serde_json::from_str::<SensorId>(r#""s1""#).is_ok());
        assert!(serde_json::from_str::<SensorId>(r#""a\u0000""#).is_err());
    }
}
