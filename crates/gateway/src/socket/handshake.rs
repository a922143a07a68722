//! The upgrade of an HTTP request to a socket, and who is behind it.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sensocto_channels::Vsn;
use tokio_tungstenite::tungstenite;

use super::session::Session;
use super::{BUFFER_BYTES, CloseCause, FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::App;

/// The subprotocol that clients offer together with a token.
const SUBPROTOCOL: &str = "phoenix";
/// The subprotocol that carries a token, in base64url.
const TOKEN_SUBPROTOCOL: &str = "base64url.bearer.phx.";

/// `GET /socket/websocket`: 101, or 403 with an empty body where the origin or `vsn` is not allowed, or 400 for what is no upgrade.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else { return StatusCode::BAD_REQUEST.into_response() };
    let query = query.unwrap_or_default();
    let parameter = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let written_vsn = parameter("vsn");
    let Ok(vsn) = Vsn::from_query(written_vsn.as_deref()) else { return StatusCode::FORBIDDEN.into_response() };
    if !app.allows_page(&headers) {
        app.metrics.socket_refused();
        return StatusCode::FORBIDDEN.into_response();
    }
    let token = parameter("token").or_else(|| token_of_subprotocol(&headers));
    let user = app.auth.identify(token.as_deref(), sensocto_tokens::now_s());
    let session = Session::new(Arc::clone(&app), vsn, written_vsn.is_some(), user);
    upgrade
        .protocols([SUBPROTOCOL])
        .max_frame_size(FRAME_BYTES_MAX)
        .max_message_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .on_upgrade(move |socket| super::run(app, session, socket))
}

fn token_of_subprotocol(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
    let encoded =
        offered.flat_map(|value| value.split(',')).find_map(|offer| offer.trim().strip_prefix(TOKEN_SUBPROTOCOL))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// How to close a socket on which reading failed; `None` where it is gone already.
pub(super) fn close_code(error: axum::Error) -> Option<CloseCause> {
    let error = error.into_inner();
    let error = error.downcast_ref::<tungstenite::Error>()?;
    if matches!(error, tungstenite::Error::Capacity(_)) {
        Some(CloseCause::TooLarge)
    } else if matches!(error, tungstenite::Error::Utf8(_)) {
        Some(CloseCause::Malformed)
    } else {
        None
    }
}
