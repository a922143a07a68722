//! The API, version 1: everything in it is about the whole cluster, answered from this node's own copy.

mod cluster;
mod connectors;
mod counts;
mod live;
mod mark;
mod propagation;
mod refusals;
mod rooms;
mod sensors;
mod switches;
mod texts;
mod users;
mod why;

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::middleware;
use sensocto_node::{Generation, World, WorldToken};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::texts::MarksText;
use crate::App;
use crate::audience::Audience;
use crate::error::ApiError;
use crate::http::query::{Parameters, Values};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::marks::{TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX};

/// The routes below `/api/v1`.
pub(super) fn router(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(sensors::list))
        .routes(routes!(sensors::get))
        .routes(routes!(connectors::list))
        .routes(routes!(users::list))
        .routes(routes!(users::get))
        .routes(routes!(users::count))
        .merge(rooms::router())
        .routes(routes!(cluster::health))
        .routes(routes!(cluster::nodes))
        .routes(routes!(cluster::forget))
        .routes(routes!(propagation::propagation))
        .routes(routes!(switches::leave))
        .routes(routes!(switches::join))
        .routes(routes!(switches::live_on, switches::live_off))
        .routes(routes!(counts::counts))
        .routes(routes!(live::sensors))
        .routes(routes!(live::connectors))
        .routes(routes!(live::users))
        .routes(routes!(live::of_rooms))
        .routes(routes!(mark::mark))
        .routes(routes!(why::why))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), super::marks::wait))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), super::readers_only))
}

/// Who asks, as far as private rooms are concerned.
fn audience(app: &App, headers: &HeaderMap) -> Audience {
    Audience::of(&app.handle, rooms::viewer(app, headers).as_ref())
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The id after which to go on: `next` of the page before.
    pub(super) after: Option<String>,
    /// How many lines at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
    /// Marks, joined by commas: the answer has seen at least these. The header `x-sensocto-mark` says the same.
    #[param(value_type = Option<MarksText>, inline)]
    pub(super) at_least: Option<String>,
    /// How many milliseconds to wait for that.
    #[param(required = false, minimum = 1, maximum = 10000, default = 2000)]
    pub(super) timeout_ms: u64,
}

impl Parameters for PageQuery {
    const NAMES: &'static [&'static str] = &["after", "limit", "at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let ReadQuery { at_least, timeout_ms } = ReadQuery::read(values)?;
        Ok(PageQuery {
            after: values.text("after"),
            limit: values.number("limit", 1..=PAGE_MAX, PAGE_DEFAULT)?,
            at_least,
            timeout_ms,
        })
    }
}

/// What every read takes. The wait itself is [`super::marks::wait`].
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadQuery {
    /// Marks, joined by commas: the answer has seen at least these. The header `x-sensocto-mark` says the same.
    #[param(value_type = Option<MarksText>, inline)]
    at_least: Option<String>,
    /// How many milliseconds to wait for that.
    #[param(required = false, minimum = 1, maximum = 10000, default = 2000)]
    timeout_ms: u64,
}

impl Parameters for ReadQuery {
    const NAMES: &'static [&'static str] = &["at_least", "timeout_ms"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let timeout_ms = values.number("timeout_ms", 1..=TIMEOUT_MS_MAX, TIMEOUT_MS_DEFAULT)?;
        Ok(ReadQuery { at_least: values.text("at_least"), timeout_ms })
    }
}

/// Whether several pages are to be of one world.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PinQuery {
    /// `true` keeps the world that this page is of; `world` of the answer names it.
    #[param(required = false, default = false)]
    pin: bool,
    /// The `world` of an earlier page: this one is of the same world.
    #[param(required = false, pattern = r"^[0-9]{1,19}\.[0-9]{1,19}$")]
    world: Option<String>,
}

impl Parameters for PinQuery {
    const NAMES: &'static [&'static str] = &["pin", "world"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        let pin = match values.text("pin").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::invalid("pin", "true or false")),
        };
        Ok(PinQuery { pin, world: values.text("world") })
    }
}

impl PinQuery {
    /// The world that a page is of, and the text that names it where it is kept.
    pub(super) fn world(&self, app: &App) -> Result<(Arc<World>, Option<String>), ApiError> {
        if let Some(text) = &self.world {
            let wrong = || ApiError::invalid("world", "the `world` of an earlier page");
            let (generation, seq) = text.split_once('.').ok_or_else(wrong)?;
            let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
            let token = WorldToken { generation: Generation(number(generation)?), seq: number(seq)? };
            let world = app.handle.pinned(token).map_err(|_| ApiError::Gone { what: "world" })?;
            return Ok((world, Some(text.clone())));
        }
        if !self.pin {
            return Ok((app.handle.world(), None));
        }
        let (token, world) = app.handle.pin().map_err(|_| ApiError::Busy { what: "world to be kept" })?;
        Ok((world, Some(format!("{}.{}", token.generation.0, token.seq))))
    }
}
