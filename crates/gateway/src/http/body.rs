//! JSON bodies of requests, read so that a mistake is answered with what would have been right.

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Largest body in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
const ALLOWED: &str = "a JSON object of at most 64 KiB";

/// The fields of a body that is a JSON object; without a body, or with null, there are none.
pub(super) struct Body(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let invalid = || ApiError::invalid("body", ALLOWED);
        let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| invalid())?;
        if bytes.is_empty() {
            return Ok(Body(Map::new()));
        }
        // Programs that always send a body write null for none.
        let fields: Option<Map<String, Value>> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        Ok(Body(fields.unwrap_or_default()))
    }
}

impl Body {
    /// Takes a field out; null is a value.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field)
    }

    /// A field that may be absent or null.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, ApiError> {
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(ApiError::invalid(field, "a string"))
            }
        }
    }

    /// A field that may be absent.
    pub(super) fn flag(&mut self, field: &str) -> Result<Option<bool>, ApiError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::Null | Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(ApiError::invalid(field, "true or false"))
            }
        }
    }

    /// Refuses what was not taken: a misspelt field must not look like one that was heard.
    pub(super) fn end(self, known: &[&str]) -> Result<(), ApiError> {
        self.0.keys().next().map_or(Ok(()), |field| Err(ApiError::unknown_parameter(field, known)))
    }
}
