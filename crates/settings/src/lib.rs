//! What a node is to do, settled once: defaults < file < environment < flags.
//!
//! This crate reads files and decides; flags and the environment are the command line's, and a [`Layer`] by the time they come here.
//!
//! A [`Settings`] that exists can be acted on. In particular it never listens beyond this machine by accident: that
//! takes credentials, or the word of the operator that none are wanted.

mod duration_text;
mod error;
mod layer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sensocto_model::{ClientUrl, NodeName};
use serde::{Deserialize, Serialize};

pub use duration_text::DurationText;
pub use error::SettingsError;
pub use layer::Layer;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The settings of one node.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The node.
    pub name: NodeName,
    /// Its cluster.
    pub cluster: NodeName,
    /// Where it listens for clients.
    pub http: SocketAddr,
    /// Where clients reach it, if that is somewhere else.
    pub http_advertise: Option<ClientUrl>,
    /// How it takes part in a cluster.
    pub peer: Option<PeerSettings>,
    /// Its data directory.
    pub data: Option<PathBuf>,
    /// The key of tokens.
    pub signing_key_file: Option<PathBuf>,
    /// Everybody who reaches the node is let in.
    pub open: bool,
    /// Origins of pages on other sites that may open sockets.
    pub allowed_origins: Vec<String>,
    /// How long what an unreachable node left stays readable.
    pub grace: Duration,
    /// The form of the log.
    pub log_format: LogFormat,
}

/// How the node takes part in a cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Where other nodes reach this one.
    pub listen: SocketAddr,
    /// `host:port` each; the names are looked up when the node starts.
    pub join: Vec<String>,
    /// What nodes prove to each other.
    pub tls: Option<TlsFiles>,
}

/// Files in PEM.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority.
    pub ca: PathBuf,
    /// This node's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Shorter, and a node that only pauses would be forgotten; longer, and what is gone for good would stay for hours.
const GRACE_ALLOWED: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

impl Settings {
    /// Settles what was given, by whatever it was given.
    ///
    /// # Errors
    /// The first thing that is wrong, with what to do about it.
    pub fn settle(given: Layer) -> Result<Self, SettingsError> {
        let open = given.insecure_open.unwrap_or(false);
        let http = given.http.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4000)));
        if !http.ip().is_loopback() && given.signing_key_file.is_none() && !open {
            return Err(SettingsError::HttpBeyondLoopback { address: http });
        }
        let grace = given.grace.map_or(Duration::from_secs(30), |grace| grace.0);
        if !GRACE_ALLOWED.contains(&grace) {
            return Err(SettingsError::Grace { given: DurationText(grace) });
        }
        let tls = tls_files(given.peer_ca, given.peer_cert, given.peer_key)?;
        Ok(Self {
            name: named(given.name, "a"),
            cluster: named(given.cluster, "sensocto"),
            http,
            http_advertise: given.http_advertise,
            peer: peer(given.peer, given.join.unwrap_or_default(), tls, open)?,
            data: given.data,
            signing_key_file: given.signing_key_file,
            open,
            // The gateway knows what an origin is, and refuses what is none.
            allowed_origins: given.allowed_origins.unwrap_or_default(),
            grace,
            log_format: given.log_format.unwrap_or_default(),
        })
    }

    /// These settings in the form that `--config` reads. Files are named, never shown.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let tls = self.peer.as_ref().and_then(|peer| peer.tls.as_ref());
        let layer = Layer {
            name: Some(self.name.clone()),
            cluster: Some(self.cluster.clone()),
            http: Some(self.http),
            http_advertise: self.http_advertise.clone(),
            peer: self.peer.as_ref().map(|peer| peer.listen),
            join: self.peer.as_ref().map(|peer| peer.join.clone()),
            data: self.data.clone(),
            signing_key_file: self.signing_key_file.clone(),
            insecure_open: Some(self.open),
            peer_ca: tls.map(|tls| tls.ca.clone()),
            peer_cert: tls.map(|tls| tls.certificate.clone()),
            peer_key: tls.map(|tls| tls.key.clone()),
            allowed_origins: Some(self.allowed_origins.clone()),
            grace: Some(DurationText(self.grace)),
            log_format: Some(self.log_format),
        };
        layer.to_toml()
    }
}

fn named(given: Option<NodeName>, default: &str) -> NodeName {
    given.unwrap_or_else(|| NodeName::new(default).expect("the default is a valid name"))
}

fn tls_files(
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<TlsFiles>, SettingsError> {
    match (ca, certificate, key) {
        (Some(ca), Some(certificate), Some(key)) => Ok(Some(TlsFiles { ca, certificate, key })),
        (None, None, None) => Ok(None),
        (ca, certificate, key) => {
            let flags =
                [("--peer-ca", ca.is_none()), ("--peer-cert", certificate.is_none()), ("--peer-key", key.is_none())];
            let missing = flags.into_iter().filter(|(_, missing)| *missing).map(|(flag, _)| flag).collect();
            Err(SettingsError::TlsIncomplete { missing })
        }
    }
}

fn peer(
    listen: Option<SocketAddr>,
    join: Vec<String>,
    tls: Option<TlsFiles>,
    open: bool,
) -> Result<Option<PeerSettings>, SettingsError> {
    let Some(listen) = listen else {
        return match (join.first(), tls) {
            (Some(address), _) => Err(SettingsError::WithoutPeer { flag: format!("--join {address}") }),
            (None, Some(_)) => Err(SettingsError::WithoutPeer { flag: "--peer-ca".to_owned() }),
            (None, None) => Ok(None),
        };
    };
    if listen.port() == 0 {
        return Err(SettingsError::PeerPort);
    }
    if !listen.ip().is_loopback() && tls.is_none() && !open {
        return Err(SettingsError::PeerBeyondLoopback { address: listen });
    }
    if let Some(address) = join.iter().find(|address| !is_host_and_port(address)) {
        return Err(SettingsError::Join { given: address.clone() });
    }
    Ok(Some(PeerSettings { listen, join, tls }))
}

/// `127.0.0.1:7401`, `[::1]:7401` or `nodes.example.org:7401`.
fn is_host_and_port(text: &str) -> bool {
    if text.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0) {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let label = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    // A name of digits and dots alone is an address with a mistake in it, not something to look up.
    let is_name =
        !host.is_empty() && host.chars().all(label) && host.chars().any(|letter| letter.is_ascii_alphabetic());
    is_name && port.parse::<u16>().is_ok_and(|port| port != 0)
}
