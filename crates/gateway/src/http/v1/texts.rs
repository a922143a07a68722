//! The forms of texts in paths, parameters and bodies, each written once: the document of the API says what the code checks.

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// What no text that a person reads may have in it: control characters, and those that turn the direction of writing.
macro_rules! but_forbidden {
    ($most:literal) => {
        concat!("^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]{1,", $most, "}$")
    };
}

macro_rules! mark {
    () => {
        "[A-Za-z0-9][A-Za-z0-9._-]{0,62}@[0-9]{1,19}:[0-9]{1,19}"
    };
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $pattern:expr $(, $method:ident($value:expr))*) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern))$(.$method(Some($value)))*.into()
            }
        }

        impl ToSchema for $name {}
    };
}

text!(
    /// An id: at most 128 bytes.
    IdText, but_forbidden!("128")
);
text!(
    /// The name of a node.
    NodeNameText, "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
);
text!(
    /// Marks, joined by commas.
    MarksText, concat!("^", mark!(), "(,", mark!(), "){0,15}$"), max_length(2_048)
);
text!(
    /// The id of a room. What is none is that of no room.
    RoomIdText,
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    format(SchemaFormat::Custom("uuid".to_owned()))
);
text!(
    /// A join code, in either case.
    JoinCodeText, "^[A-HJ-NP-Za-hj-np-z2-9]{8}$"
);
text!(
    /// The name of a room.
    RoomNameText, but_forbidden!("100")
);
text!(
    /// The description of a room: at most 2,000 bytes.
    DescriptionText,
    "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]{0,2000}$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_says_its_pattern() {
        let schema = serde_json::to_value(IdText::schema()).expect("JSON");
        assert_eq!(schema["type"], "string");
        assert!(schema["pattern"].as_str().is_some_and(|pattern| pattern.ends_with("{1,128}$")), "{schema}");
        let schema = serde_json::to_value(MarksText::schema()).expect("JSON");
        assert_eq!(schema["maxLength"], 2_048);
    }
}
