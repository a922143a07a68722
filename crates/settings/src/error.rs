//! What can be wrong with settings. Each message ends with what to do.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::DurationText;

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself what it is about")]
pub enum SettingsError {
    HttpBeyondLoopback { address: SocketAddr },
    PeerBeyondLoopback { address: SocketAddr },
    TlsIncomplete { missing: Vec<&'static str> },
    WithoutPeer { flag: String },
    PeerPort,
    Join { given: String },
    Grace { given: DurationText },
    FileUnreadable { path: PathBuf, problem: String },
    FileInvalid { path: PathBuf, line: usize, problem: String },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HttpBeyondLoopback { address } => write!(
                formatter,
                "clients beyond this machine could reach {address}: give --signing-key-file FILE to let only holders of a token \
                 in (safe; `sensocto token key create FILE` makes one), or --insecure-open to let everybody in (open)"
            ),
            Self::PeerBeyondLoopback { address } => write!(
                formatter,
                "nodes beyond this machine could reach {address}: give --peer-ca, --peer-cert and --peer-key to let only nodes \
                 with a certificate in (safe), or --insecure-open to let every node in (open)"
            ),
            Self::TlsIncomplete { missing } => write!(
                formatter,
                "--peer-ca, --peer-cert and --peer-key belong together: {} is missing",
                missing.join(" and ")
            ),
            Self::WithoutPeer { flag } => {
                write!(formatter, "{flag} needs --peer ADDR:PORT, the address where other nodes reach this one")
            }
            Self::PeerPort => {
                formatter.write_str("--peer needs a port other than 0, because other nodes have to know it")
            }
            Self::Join { given } => {
                write!(
                    formatter,
                    "'{given}' of --join is not an address: write 127.0.0.1:7401, [::1]:7401 or name:7401"
                )
            }
            Self::Grace { given } => write!(formatter, "{given} of --grace is not allowed: use 1s to 1h"),
            Self::FileUnreadable { path, problem } => {
                write!(formatter, "{} of --config cannot be read: {problem}", path.display())
            }
            Self::FileInvalid { path, line, problem } => {
                write!(formatter, "{} line {line}: {problem}", path.display())
            }
        }
    }
}
