//! What a node is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;

use sensocto_model::NodeName;
pub use sensocto_registry::Config as RegistryConfig;

/// Everything that a node needs to know.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its name, unique in the cluster.
    pub name: NodeName,
    /// The cluster's name: nodes of another one on the same network do not see this one.
    pub cluster: String,
    /// How it meets other nodes; `None` is a node alone.
    pub peer: Option<PeerConfig>,
    /// Where it keeps what it has to remember; `None` is nothing.
    pub data: Option<PathBuf>,
    /// Intervals and limits of the registry.
    pub registry: RegistryConfig,
}

/// How a node meets other nodes.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Where it listens for them.
    pub listen: SocketAddr,
    /// Where it looks for them: `host:port`, where `host` may be a DNS name of several addresses. One node that is there is enough:
    /// the others are learnt from it.
    pub join: Vec<String>,
    /// Mutual TLS between nodes; `None` is plain TCP.
    pub tls: Option<PeerTls>,
}

/// PEM files for mutual TLS between nodes.
#[derive(Debug, Clone)]
pub struct PeerTls {
    /// The authority that signed the certificates of all nodes.
    pub ca: PathBuf,
    /// This node's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}
