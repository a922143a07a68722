//! Marks over HTTP: a request may ask for an answer that has seen certain writes, and every answer says what it has seen.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sensocto_node::{MARK_ALLOWED, MarkError, mark_text};

use crate::App;
use crate::error::ApiError;
use crate::marks::{self, AtLeast, FUTURE_ALLOWED, MARKS_MAX, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX};

/// The header, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-sensocto-mark");

/// Waits until this node has seen what the request asks for, and puts this node's own mark on the answer.
pub(super) async fn wait(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reached = match wanted(&request) {
        Ok(AtLeast { marks, timeout }) => app.handle.reach(&marks, timeout).await.map_err(|error| refusal(&app, error)),
        Err(error) => Err(error),
    };
    if let Err(error) = reached {
        return error.into_response();
    }
    let mut response = next.run(request).await;
    if let Ok(mark) = HeaderValue::try_from(mark_text(&app.handle.mark())) {
        response.headers_mut().insert(HEADER, mark);
    }
    response
}

/// The marks that a request names, and how long it waits for them.
fn wanted(request: &Request) -> Result<AtLeast, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    let value =
        |wanted| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value);
    let mut texts: Vec<String> = value("at_least").map(|text| text.into_owned()).into_iter().collect();
    for header in request.headers().get_all(HEADER) {
        texts.push(header.to_str().map_err(|_| ApiError::invalid("at_least", MARK_ALLOWED))?.to_owned());
    }
    let timeout = value("timeout_ms").and_then(|text| text.parse().ok()).unwrap_or(TIMEOUT_MS_DEFAULT);
    // A wrong timeout is refused by whoever reads the parameters, with its name.
    let timeout = Duration::from_millis(timeout.clamp(1, TIMEOUT_MS_MAX));
    Ok(AtLeast { marks: marks::parse(texts.iter().map(String::as_str))?, timeout })
}

fn refusal(app: &App, error: MarkError) -> ApiError {
    match error {
        MarkError::UnknownNode(_) => {
            let world = app.handle.world();
            let known: Vec<&str> = world.view.nodes().keys().map(|name| name.as_str()).take(MARKS_MAX).collect();
            ApiError::invalid("at_least", format!("marks of nodes that are known here: {}", known.join(", ")))
        }
        MarkError::FromTheFuture(_) => ApiError::invalid("at_least", FUTURE_ALLOWED),
        MarkError::TimedOut { .. } => ApiError::MarkNotReached { message: error.to_string() },
        MarkError::Stopping => ApiError::Stopping,
    }
}
