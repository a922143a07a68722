//! What clients talk to: sockets, HTTP, and the lobby page.
//!
//! [`Gateway::start`] listens beside a running node and serves its [`Handle`]. `listener` turns connections into requests, `http`
//! answers them one resource a file, `socket` drives the channels of one WebSocket, `error` is the only place that maps what went
//! wrong to a status.
//!
//! Absent from this crate: the registry, the engine between nodes, anything that outlives a connection.

mod audience;
mod error;
mod http;
mod limits;
mod listener;
mod live;
mod lobby;
mod marks;
mod metrics;
mod origins;
mod presence;
mod rooms;
mod socket;
#[cfg(test)]
mod testing;
mod wire;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use sensocto_node::{ClientUrl, Handle};
use sensocto_tokens::{Auth, User};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::Limits;
use crate::metrics::GatewayMetrics;
use crate::origins::Origins;

pub use sensocto_tokens::{KeyError, MintError, SigningKey, UserClaims};

/// What a gateway is told at its start.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where it listens for clients. Port 0 is any free one.
    pub http: SocketAddr,
    /// Where other nodes and clients are told that it is; otherwise where it listens.
    pub advertise: Option<ClientUrl>,
    /// Signs and checks tokens; without one there are only anonymous clients.
    pub signing_key: Option<SigningKey>,
    /// Lets everybody read and bring in sensors who can reach the listener, wherever it listens.
    pub open: bool,
    /// Origins of web pages on other sites that may open sockets, each like `https://app.example`.
    pub allowed_origins: Vec<String>,
}

/// Why a gateway does not start. Each says what to do about it.
#[derive(Debug)]
pub enum StartError {
    /// It cannot listen.
    HttpAddress {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// An allowed origin is none.
    Origin {
        /// As it was given.
        text: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::HttpAddress { address, error } if error.kind() == io::ErrorKind::AddrInUse => write!(
                formatter,
                "cannot listen for clients on {address}, another process does: stop that one, or name another address by --http"
            ),
            StartError::HttpAddress { address, error } => {
                write!(formatter, "cannot listen for clients on {address} ({error}): name another address by --http")
            }
            StartError::Origin { text } => {
                write!(formatter, "{text:?} is no origin: write it like https://app.example or http://10.0.0.7:8080")
            }
        }
    }
}

impl std::error::Error for StartError {}

/// What every request and every socket shares.
pub(crate) struct App {
    /// The node.
    pub(crate) handle: Handle,
    /// Checks tokens.
    pub(crate) auth: Auth,
    /// What a client may cost.
    pub(crate) limits: Limits,
    /// Which web pages may open sockets.
    pub(crate) origins: Origins,
    /// Who is here, by topic.
    pub(crate) presence: Arc<presence::Hub>,
    /// Counters.
    pub(crate) metrics: GatewayMetrics,
    /// Is cancelled when the gateway, or its node, begins to stop.
    pub(crate) stopping: CancellationToken,
    /// Whether the listener is reached from this machine only.
    pub(crate) local_only: bool,
    /// Whether the operator lets in everybody.
    pub(crate) open: bool,
}

impl App {
    fn new(config: GatewayConfig, address: SocketAddr, handle: Handle, limits: Limits) -> Result<App, StartError> {
        let local_only = address.ip().to_canonical().is_loopback();
        let origins = Origins::new(&config.allowed_origins, local_only && !config.open);
        Ok(App {
            auth: Auth::new(config.signing_key, local_only || config.open),
            limits,
            origins: origins.map_err(|text| StartError::Origin { text })?,
            presence: Arc::new(presence::Hub::new()),
            metrics: GatewayMetrics::new(&handle),
            stopping: handle.stopping().child_token(),
            local_only,
            open: config.open,
            handle,
        })
    }

    /// Whether clients need no token: nobody else can reach the listener, or the operator chose so.
    pub(crate) fn is_open(&self) -> bool {
        self.local_only || self.open
    }

    /// Whether a request comes from a page of this node, of another one of the cluster, or of an origin that the operator allowed.
    pub(crate) fn allows_page(&self, headers: &HeaderMap) -> bool {
        let (origin, host) = (headers.get(header::ORIGIN), headers.get(header::HOST));
        // A page goes on with another node when its own one is gone.
        let of_the_cluster = || {
            // So do pages of a node that left the cluster while they were open.
            let urls = [self.urls_of_nodes(), self.handle.client_urls_of_gone()].concat();
            self.origins.allows_host(host) && origins::is_of(origin, urls.iter().map(ClientUrl::as_str))
        };
        self.origins.allows(origin, host) || of_the_cluster()
    }

    /// Where the clients of the nodes connect, this one's included.
    pub(crate) fn urls_of_nodes(&self) -> Vec<ClientUrl> {
        self.handle.world().view.nodes().keys().filter_map(|node| self.handle.client_url(node)).collect()
    }

    /// Whether a user may see the world.
    pub(crate) fn may_read(&self, user: &User) -> bool {
        match user {
            User::Known { .. } => true,
            User::Anonymous => self.is_open(),
        }
    }
}

/// A gateway that serves.
pub struct Gateway {
    app: Arc<App>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    following: JoinHandle<()>,
    connections: TaskTracker,
    cut: CancellationToken,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Gateway({})", self.address)
    }
}

impl Gateway {
    /// Listens for clients of a node and serves them.
    ///
    /// # Errors
    /// Says what stands in the way and what to do about it. Nothing is left running.
    pub async fn start(config: GatewayConfig, handle: Handle) -> Result<Gateway, StartError> {
        Gateway::start_within(Limits::default(), config, handle).await
    }

    pub(crate) async fn start_within(
        limits: Limits,
        config: GatewayConfig,
        handle: Handle,
    ) -> Result<Gateway, StartError> {
        let wanted = config.http;
        let failed = |error| StartError::HttpAddress { address: wanted, error };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let url = config.advertise.clone().or_else(|| ClientUrl::of_listener(address));
        let app = Arc::new(App::new(config, address, handle, limits)?);
        match url {
            Some(url) => app.handle.advertise(url),
            None => {
                tracing::info!("clients of other nodes are not sent here: --http-advertise says under which address")
            }
        }
        let followed = presence::follow(Arc::clone(&app.presence), app.handle.clone(), app.stopping.clone());
        let following = tokio::spawn(followed);
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let router = http::router(Arc::clone(&app));
        let accepting = listener::Listener::new(Arc::clone(&app), router, connections.clone(), cut.clone());
        let accepting = tokio::spawn(accepting.run(listener));
        Ok(Gateway { app, address, accepting, following, connections, cut })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops: no new connections, requests are answered, sockets are closed with a code that lets their clients come back, and what
    /// has not ended after a few seconds is cut.
    pub async fn shutdown(self) {
        self.app.stopping.cancel();
        if let Err(error) = self.accepting.await {
            tracing::warn!(%error, "the listener did not end cleanly");
        }
        if let Err(error) = self.following.await {
            tracing::warn!(%error, "what follows who is here did not end cleanly");
        }
        self.connections.close();
        if tokio::time::timeout(self.app.limits.shutdown, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "connections did not end in time and are cut");
        }
        self.cut.cancel();
    }
}
