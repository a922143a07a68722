//! Routes, and what is the same for all of them.

mod body;
mod cors;
pub(crate) mod cursor;
mod health;
mod marks;
mod metrics;
mod openapi;
mod query;
mod v1;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::FutureExt as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::error::ApiError;
use crate::{lobby, socket};
use sensocto_tokens::User;

/// In the count of requests, what matched no route.
const NO_ROUTE: &str = "none";

/// What stands on every answer that does not say otherwise. Nothing here is a page, unless its handler makes it one.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    // Pages of other sites must not load the world into themselves. Whose pages may read it all the same is in `cors`.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Everything that is served.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (documented, document) = OpenApiRouter::with_openapi(openapi::info())
        .nest("/api/v1", v1::router(&app))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .split_for_parts();
    let router = documented
        .merge(openapi::page(document))
        // Every method: what is no upgrade is the socket's to refuse.
        .route("/socket/websocket", any(socket::upgrade))
        .fallback(elsewhere)
        .method_not_allowed_fallback(method_not_allowed);
    around(router, Arc::clone(&app)).with_state(app)
}

/// Puts around every route, and around what matches none, what all of them have in common.
fn around(router: Router<Arc<App>>, app: Arc<App>) -> Router<Arc<App>> {
    router.layer(middleware::from_fn_with_state(app, common))
}

async fn common(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let reader = is_of_the_api(request.uri().path()).then(|| cors::reader(&app, request.headers())).flatten();
    let mut response = if !names_this_node(&app, request.headers()) {
        ApiError::Misdirected.into_response()
    } else if reader.is_some() && cors::is_preflight(request.method(), request.headers()) {
        cors::preflight()
    } else {
        answer_whatever_happens(&app, request, next).await
    };
    if let Some(reader) = reader {
        cors::open(&mut response, reader);
    }
    app.metrics.request(route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str), response.status());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        for (name, value) in HEADERS {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
    response
}

fn names_this_node(app: &App, headers: &HeaderMap) -> bool {
    // Two names are a way to make two readers of one request disagree.
    headers.get_all(header::HOST).iter().count() <= 1 && app.origins.allows_host(headers.get(header::HOST))
}

/// A defect in one handler costs one answer, not the connection or the node.
async fn answer_whatever_happens(app: &App, request: Request, next: Next) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        app.metrics.panicked();
        tracing::error!("a request ended in a panic: this is a defect");
        ApiError::Internal.into_response()
    })
}

/// Lets only those through who may see the world.
async fn readers_only(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.may_read(&user(&app, request.headers())) {
        return next.run(request).await;
    }
    ApiError::Unauthorized.into_response()
}

/// Who a request is from.
fn user(app: &App, headers: &HeaderMap) -> User {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    app.auth.identify(token.map(|(_, token)| token.trim()), sensocto_tokens::now_s())
}

fn is_of_the_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// What no route matches: a file of the lobby, or nothing.
async fn elsewhere(State(app): State<Arc<App>>, request: Request) -> Response {
    if is_of_the_api(request.uri().path()) {
        return ApiError::UnknownPath.into_response();
    }
    let places = app.urls_of_nodes().into_iter().flat_map(|url| [url.for_sockets(), url.into()]).collect::<Vec<_>>();
    lobby::serve(request.method(), request.uri().path(), request.headers(), &places)
}

async fn method_not_allowed(request: Request) -> Response {
    if is_of_the_api(request.uri().path()) {
        return ApiError::MethodNotAllowed.into_response();
    }
    ApiError::MethodNotAllowed.into_text()
}
