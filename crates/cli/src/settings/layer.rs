//! One source of settings, in which everything may be absent.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sensocto_model::NodeName;
use sensocto_node::ClientUrl;
use serde::{Deserialize, Serialize};

use super::{LogFormat, SettingsError};
use crate::args::ServeArgs;
use crate::duration_text::DurationText;

/// The keys of a settings file, which are the flags with `_` for `-`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layer {
    pub(crate) name: Option<NodeName>,
    pub(crate) cluster: Option<NodeName>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) http_advertise: Option<ClientUrl>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) join: Option<Vec<String>>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) signing_key_file: Option<PathBuf>,
    pub(crate) insecure_open: Option<bool>,
    pub(crate) peer_ca: Option<PathBuf>,
    pub(crate) peer_cert: Option<PathBuf>,
    pub(crate) peer_key: Option<PathBuf>,
    pub(crate) allowed_origins: Option<Vec<String>>,
    pub(crate) grace: Option<DurationText>,
    pub(crate) log_format: Option<LogFormat>,
}

impl Layer {
    /// What came by flag or environment; of these two, `clap` has let the flag win.
    pub(crate) fn typed(args: &ServeArgs) -> Self {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        Self {
            name: args.name.clone(),
            cluster: args.cluster.clone(),
            http: args.http,
            http_advertise: args.http_advertise.clone(),
            peer: args.peer,
            join: some(&args.join),
            data: args.data.clone(),
            signing_key_file: args.signing_key_file.clone(),
            insecure_open: args.insecure_open.then_some(true),
            peer_ca: args.peer_ca.clone(),
            peer_cert: args.peer_cert.clone(),
            peer_key: args.peer_key.clone(),
            allowed_origins: some(&args.allowed_origin),
            grace: args.grace,
            log_format: args.log_format,
        }
    }

    /// Reads a settings file. Paths in it are relative to the file, so that it can be moved together with its keys.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path)
            .map_err(|error| SettingsError::FileUnreadable { path: path.to_owned(), problem: error.to_string() })?;
        let mut layer: Self = toml::from_str(&text).map_err(|error| {
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
    pub(crate) fn over(self, lower: Self) -> Self {
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

    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("every value of a layer has a form in TOML")
    }
}
