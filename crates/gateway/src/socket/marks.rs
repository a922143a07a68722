//! Marks over sockets: what a write returns, and what a read waits for.

use std::time::Duration;

use sensocto_channels::{Json, Payload};
use sensocto_node::{FieldError, Handle, Mark, MarkError, mark_text};
use serde::Serialize;
use serde_json::{Map, Value};

use super::params;
use crate::marks::{self, AtLeast, FUTURE_ALLOWED, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX};

const TIMEOUT_ERROR: FieldError = FieldError { field: "timeout_ms", allowed: "a whole number from 1 to 10000" };

/// Whether a join asks for marks in the replies of its channel.
pub(super) fn are_wanted(join: &Payload) -> bool {
    join.parse::<Map<String, Value>>().is_ok_and(|join| are_wanted_in(&join))
}

/// The same of a join that has been read.
pub(super) fn are_wanted_in(join: &Map<String, Value>) -> bool {
    join.get("marks") == Some(&Value::Bool(true))
}

/// A reply that says what was written.
pub(super) fn reply(mark: &Mark) -> Json {
    #[derive(Serialize)]
    struct Written {
        mark: String,
    }
    Json::of(&Written { mark: mark_text(mark) })
}

/// Waits for what a join or an event asks to have been seen.
pub(super) async fn reach(handle: &Handle, payload: &Payload) -> Result<(), Json> {
    let Ok(asked) = payload.parse::<Map<String, Value>>() else { return Ok(()) };
    let Some(at_least) = read(&asked).map_err(params::invalid_field)? else { return Ok(()) };
    handle.reach(&at_least.marks, at_least.timeout).await.map_err(|error| refusal(&error))
}

fn read(asked: &Map<String, Value>) -> Result<Option<AtLeast>, FieldError> {
    let timeout = match asked.get("timeout_ms") {
        None | Some(Value::Null) => TIMEOUT_MS_DEFAULT,
        Some(millis) => millis.as_u64().filter(|millis| (1..=TIMEOUT_MS_MAX).contains(millis)).ok_or(TIMEOUT_ERROR)?,
    };
    let text = params::optional_text(asked, "at_least")
        .map_err(|_| FieldError { field: "at_least", allowed: marks::ALLOWED })?;
    let Some(text) = text else { return Ok(None) };
    Ok(Some(AtLeast { marks: marks::parse([text])?, timeout: Duration::from_millis(timeout) }))
}

fn refusal(error: &MarkError) -> Json {
    let invalid = |allowed| params::invalid_field(FieldError { field: "at_least", allowed });
    match error {
        MarkError::UnknownNode(_) => invalid("marks of nodes that are known here"),
        MarkError::FromTheFuture(_) => invalid(FUTURE_ALLOWED),
        MarkError::TimedOut { stands, .. } => {
            #[derive(Serialize)]
            struct NotReached {
                reason: &'static str,
                stands: String,
            }
            Json::of(&NotReached { reason: "mark_not_reached", stands: mark_text(stands) })
        }
        MarkError::Stopping => Json::reason("stopping"),
    }
}
