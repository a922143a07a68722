//! The API, version 1: everything in it is about the whole cluster, answered from this node's own copy.

mod cluster;
mod connectors;
mod rooms;
mod sensors;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::middleware;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::error::ApiError;
use crate::http::query::{Parameters, Values};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};

/// The routes below `/api/v1`.
pub(super) fn router(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(sensors::list))
        .routes(routes!(sensors::get))
        .routes(routes!(connectors::list))
        .routes(routes!(users::list))
        .routes(routes!(users::get))
        .routes(routes!(users::count))
        .routes(routes!(rooms::list))
        .routes(routes!(cluster::health))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), super::readers_only))
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
}

impl Parameters for PageQuery {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn read(values: &mut Values) -> Result<Self, ApiError> {
        Ok(PageQuery { after: values.text("after"), limit: values.number("limit", 1..=PAGE_MAX, PAGE_DEFAULT)? })
    }
}

/// One page of what was gathered under ids, and the id to start the next one after.
fn page<T>(all: BTreeMap<&str, T>, query: &PageQuery) -> (Vec<T>, Option<String>) {
    let mut rest =
        all.into_iter().skip_while(|(id, _)| query.after.as_deref().is_some_and(|after| *id <= after)).peekable();
    let mut lines = Vec::new();
    let mut last = None;
    while lines.len() < query.limit {
        let Some((id, line)) = rest.next() else { break };
        lines.push(line);
        last = Some(id.to_owned());
    }
    (lines, last.filter(|_| rest.peek().is_some()))
}
