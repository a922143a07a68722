//! The lobby: a page that is built from `web/` and carried in the binary.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::RustEmbed;

use crate::error::ApiError;

const INDEX: &str = "index.html";
/// Where the bundler puts files whose names change with their content.
const ASSETS: &str = "assets/";

/// Everything from this node and nothing from elsewhere; no inline script or style. `'self'` covers sockets to this node as well
/// (CSP Level 3, 6.7.2.8: Chromium since 71, Safari since 16, Firefox). The other nodes follow: the page goes on with one of them
/// when its own is gone.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'";
/// A name that changes with the content never needs to be asked for twice.
const KEEP: &str = "public, max-age=31536000, immutable";
/// Ask every time whether it is still the same.
const ASK: &str = "no-cache";

/// What stands in place of the lobby in a binary that was built without it.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Sensocto</title>
<h1>This node runs, its lobby page was not built</h1>
<p>Run <code>cargo xtask demo</code>, or <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, and build the node again.</p>
<p>The API is here all the same: <a href=\"/api/docs/\">read about it</a>.</p>
</html>
";

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// A file of the lobby.
struct File {
    bytes: Cow<'static, [u8]>,
    hash: [u8; 32],
}

/// Finds a file by its path below `web/dist`. Only what was embedded can be found: there is no file system behind it.
fn embedded(path: &str) -> Option<File> {
    let file = Files::get(path)?;
    Some(File { bytes: file.data, hash: file.metadata.sha256_hash() })
}

/// Answers a request for a page or one of its files. `places` are the addresses that the page may talk to, besides this node's own.
pub(crate) fn serve(method: &Method, path: &str, headers: &HeaderMap, places: &[String]) -> Response {
    allow_places(respond(method, path, headers, embedded), places)
}

fn allow_places(mut response: Response, places: &[String]) -> Response {
    let policy = [&[POLICY.to_owned()], places].concat().join(" ");
    if let (Some(own), Ok(policy)) =
        (response.headers_mut().get_mut(header::CONTENT_SECURITY_POLICY), HeaderValue::from_str(&policy))
    {
        *own = policy;
    }
    response
}

fn respond(method: &Method, path: &str, headers: &HeaderMap, find: impl Fn(&str) -> Option<File>) -> Response {
    // Names are compared as they are, nothing is decoded or resolved.
    let path = path.strip_prefix('/').unwrap_or(path);
    let name = if path.is_empty() { INDEX } else { path };
    let Some(file) = find(name) else { return absent(method, name) };
    if !reads(method) {
        return method_not_allowed();
    }
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(file.hash));
    let cache = if name.starts_with(ASSETS) { KEEP } else { ASK };
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
        ([(header::CONTENT_TYPE, kind)], file.bytes).into_response()
    };
    let own = response.headers_mut();
    own.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        own.insert(header::ETAG, tag);
    }
    response
}

fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// The answer for what is not embedded.
fn absent(method: &Method, name: &str) -> Response {
    match (name == INDEX, reads(method)) {
        (true, true) => {
            let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (headers, NOT_BUILT).into_response()
        }
        (true, false) => method_not_allowed(),
        (false, _) => ApiError::UnknownPath.into_text(),
    }
}

fn method_not_allowed() -> Response {
    let mut response = ApiError::MethodNotAllowed.into_text();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
    response
}

/// Whether the client has the very same file (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(','))
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests;
