//! Reading what clients put into joins and events.

use sensocto_channels::{Json, Payload};
use sensocto_node::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};

/// The reason of Phoenix for a join whose parameters do not match.
pub(super) const JOIN_CRASHED: &str = "join crashed";
/// The reason for a token that is missing or wrong.
pub(super) const UNAUTHORIZED: &str = "unauthorized";

/// The answer to a value that is not allowed.
pub(super) fn invalid_field(error: FieldError) -> Json {
    #[derive(Serialize)]
    struct InvalidField {
        reason: &'static str,
        field: &'static str,
        allowed: &'static str,
    }
    Json::of(&InvalidField { reason: "invalid_field", field: error.field, allowed: error.allowed })
}

/// The parameters of a join, all of whose `required` keys are there.
pub(super) fn required(params: &Payload, required: &[&str]) -> Result<Map<String, Value>, Json> {
    let params: Map<String, Value> = params.parse().map_err(|_| Json::reason(JOIN_CRASHED))?;
    if required.iter().all(|key| params.contains_key(*key)) { Ok(params) } else { Err(Json::reason(JOIN_CRASHED)) }
}

/// A text that has to be there.
pub(super) fn text<'a>(params: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, FieldError> {
    params.get(field).and_then(Value::as_str).ok_or(FieldError { field, allowed: "a string" })
}

/// A text that may be absent or null.
pub(super) fn optional_text<'a>(
    params: &'a Map<String, Value>,
    field: &'static str,
) -> Result<Option<&'a str>, FieldError> {
    match params.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(FieldError { field, allowed: "a string" })
        }
    }
}

/// A number that has to be there.
pub(super) fn number(params: &Map<String, Value>, field: &'static str) -> Result<f64, FieldError> {
    params.get(field).and_then(Value::as_f64).ok_or(FieldError { field, allowed: "a number" })
}
