//! The description of the API, generated from the code, and a page to read it.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, License, OpenApi, OpenApiBuilder, SecurityRequirement};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::App;

/// The page's own scripts and styles, its icons (`data:` addresses in the style sheet), and the API.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// What the document says before any route.
pub(super) fn info() -> OpenApi {
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "A token of `sensocto token create user`. Not needed while the node listens on loopback only.",
            ))
            .build(),
    );
    let mut components = Components::new();
    components.add_security_scheme("user", bearer);
    let mut info = Info::new("Sensocto", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Which sensors, connectors, rooms and people there are in the cluster, answered by each node from its own copy. Live changes \
         travel over `/socket/websocket`."
            .to_owned(),
    );
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        // Either nothing or a user token.
        .security(Some([SecurityRequirement::default(), SecurityRequirement::new::<_, [_; 0], String>("user", [])]))
        .build()
}

/// `/api/openapi.json`, and the page at `/api/docs`.
pub(super) fn page(document: OpenApi) -> Router<Arc<App>> {
    // The page would otherwise ask a validator on the internet about the document.
    let config = Config::default().validator_url("none").use_base_layout().try_it_out_enabled(true);
    let page = SwaggerUi::new("/api/docs").url("/api/openapi.json", document).config(config);
    Router::from(page).layer(middleware::map_response(with_policy))
}

async fn with_policy(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
