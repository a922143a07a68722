//! `sensocto:connector:<connector_id>`: a connector is registered for as long as it is joined.

use sensocto_channels::{Json, Payload};
use sensocto_node::{Connector, ConnectorId, FieldError, Handle, LocalEntry, WriteError};
use serde_json::{Map, Value};

use super::params;
use crate::App;

const KEYS: [&str; 5] = ["connector_id", "connector_name", "connector_type", "features", "bearer_token"];

/// Registers the connector of a join, or says why not.
pub(super) async fn join(app: &App, id: &str, join: &Payload) -> Result<LocalEntry, Json> {
    let join = params::required(join, &KEYS)?;
    if join.get("connector_id").and_then(Value::as_str) != Some(id) {
        return Err(Json::reason(params::JOIN_CRASHED));
    }
    // Where anybody may connect from elsewhere, a connector shows who it is; on loopback it need not.
    let token = join.get("bearer_token").and_then(Value::as_str).unwrap_or_default();
    if !app.is_open() && app.auth.check_bearer(token, sensocto_tokens::now_s()).is_err() {
        return Err(Json::reason(params::UNAUTHORIZED));
    }
    let connector = read(&join, app.handle.clock().now().wall_ms).map_err(params::invalid_field)?;
    register(&app.handle, connector).await
}

async fn register(handle: &Handle, connector: Connector) -> Result<LocalEntry, Json> {
    handle.register_connector(connector).await.map_err(|error| refused(&error))
}

fn read(join: &Map<String, Value>, wall_ms: u64) -> Result<Connector, FieldError> {
    let features = FieldError { field: "features", allowed: "a list of at most 32 strings" };
    let list = join.get("features").and_then(Value::as_array).ok_or(features)?;
    let texts = list.iter().map(|feature| feature.as_str().map(str::to_owned));
    Ok(Connector {
        connector_id: ConnectorId::new(params::text(join, "connector_id")?)?,
        connector_name: params::text(join, "connector_name")?.to_owned(),
        connector_type: params::text(join, "connector_type")?.to_owned(),
        features: texts.collect::<Option<_>>().ok_or(features)?,
        registered_at_ms: wall_ms,
    })
}

/// The answer to a registration that the node refused.
pub(super) fn refused(error: &WriteError) -> Json {
    use sensocto_node::RegisterError;
    match error {
        WriteError::Refused(RegisterError::Invalid(error)) => params::invalid_field(*error),
        WriteError::Refused(RegisterError::TooLarge { .. }) => Json::reason("too_large"),
        WriteError::Superseded => Json::reason("superseded"),
        WriteError::Stopping => Json::reason("stopping"),
    }
}
