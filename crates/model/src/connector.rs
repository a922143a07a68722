//! A connector: the program or device that brings sensors in.

use serde::{Deserialize, Serialize};

use crate::{ConnectorId, FieldError, text};

/// Most features of one connector.
pub const FEATURES_MAX: usize = 32;

/// The facts about one connector, for as long as its channel is joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// The connector.
    pub connector_id: ConnectorId,
    /// Its name, for people.
    pub connector_name: String,
    /// Free text, for example `python`.
    pub connector_type: String,
    /// What it says it can do.
    pub features: Vec<String>,
    /// Milliseconds since 1970 by its node's clock; only shown, never compared.
    pub registered_at_ms: u64,
}

impl Connector {
    /// Checks what the types do not: lengths and counts.
    ///
    /// # Errors
    /// Names the field that is not allowed.
    pub fn validate(&self) -> Result<(), FieldError> {
        text::check_name("connector_name", &self.connector_name)?;
        text::check_name("connector_type", &self.connector_type)?;
        if self.features.len() > FEATURES_MAX {
            return Err(FieldError { field: "features", allowed: "at most 32 texts" });
        }
        self.features.iter().try_for_each(|feature| text::check_name("features", feature))
    }
}
