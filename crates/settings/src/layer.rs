//! One source of settings, in which everything may be absent.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sensocto_model::{ClientUrl, NodeName};
use serde::{Deserialize, Serialize};

use crate::{DurationText, LogFormat, SettingsError};

/// The keys of a settings file, which are the flags with `_` for `-`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// As the flag.
    pub name: Option<NodeName>,
    /// As the flag.
    pub cluster: Option<NodeName>,
    /// As the flag.
    pub http: Option<SocketAddr>,
    /// As the flag.
    pub http_advertise: Option<ClientUrl>,
    /// As the flag.
    pub peer: Option<SocketAddr>,
    /// As the flag.
    pub join: Option<Vec<String>>,
    /// As the flag.
    pub data: Option<PathBuf>,
    /// As the flag.
    pub signing_key_file: Option<PathBuf>,
    /// As the flag.
    pub insecure_open: Option<bool>,
    /// As the flag.
    pub peer_ca: Option<PathBuf>,
    /// As the flag.
    pub peer_cert: Option<PathBuf>,
    /// As the flag.
    pub peer_key: Option<PathBuf>,
    /// As the flag.
    pub allowed_origins: Option<Vec<String>>,
    /// As the flag.
    pub grace: Option<DurationText>,
    /// As the flag.
    pub log_format: Option<LogFormat>,
}

impl Layer {
    /// Reads a settings file.
    ///
    /// # Errors
    /// Names the file, and the line of what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path)
            .map_err(|error| SettingsError::FileUnreadable { path: path.to_owned(), problem: error.to_string() })?;
        Self::parse(&text, path)
    }

    /// Reads the text of a settings file. Paths in it are relative to the file, so that it can be moved together with its keys.
    ///
    /// # Errors
    /// Names the file, and the line of what is wrong in it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let mut layer: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let problem = error.message().lines().collect::<Vec<_>>().join("; ");
            SettingsError::FileInvalid { path: path.to_owned(), line: before.matches('\n').count() + 1, problem }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = [
            &mut layer.data,
            &mut layer.signing_key_file,
            &mut layer.peer_ca,
            &mut layer.peer_cert,
            &mut layer.peer_key,
        ];
        for file in files.into_iter().flatten() {
            *file = folder.join(&*file);
        }
        Ok(layer)
    }

    /// This layer, and `lower` where this one says nothing.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            name: self.name.or(lower.name),
            cluster: self.cluster.or(lower.cluster),
            http: self.http.or(lower.http),
            http_advertise: self.http_advertise.or(lower.http_advertise),
            peer: self.peer.or(lower.peer),
            join: self.join.or(lower.join),
            data: self.data.or(lower.data),
            signing_key_file: self.signing_key_file.or(lower.signing_key_file),
            insecure_open: self.insecure_open.or(lower.insecure_open),
            peer_ca: self.peer_ca.or(lower.peer_ca),
            peer_cert: self.peer_cert.or(lower.peer_cert),
            peer_key: self.peer_key.or(lower.peer_key),
            allowed_origins: self.allowed_origins.or(lower.allowed_origins),
            grace: self.grace.or(lower.grace),
            log_format: self.log_format.or(lower.log_format),
        }
    }

    /// In the form that [`Layer::parse`] reads.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "paths are the only values without a form, and they were texts")]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every value of a layer has a form in TOML")
    }
}
