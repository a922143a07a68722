//! Which answers of the API a page of another node may read (the CORS protocol of the Fetch standard).
//!
//! A page goes on with another node when its own one is gone, and then asks that one. Pages of the cluster and of the origins that the
//! operator allowed may read what pages of this node may; to all others nothing is said, and their browser keeps the answer from them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::App;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "authorization, content-type, x-sensocto-mark, last-event-id";
const EXPOSED: &str = "x-sensocto-mark";
/// Seconds for which a browser need not ask again whether it may ask.
const ASK_AGAIN: &str = "600";

/// The origin of a request that may read the answer.
pub(super) fn reader(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    app.allows_page(headers).then(|| origin.clone())
}

/// Whether a browser asks whether it may ask.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that.
pub(super) fn preflight() -> Response {
    let answer: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, ASK_AGAIN),
    ];
    (StatusCode::NO_CONTENT, answer).into_response()
}

/// Lets pages of this origin read an answer. Caches are told that it is not the same for all of them.
pub(super) fn open(response: &mut Response, reader: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
