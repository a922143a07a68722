//! The accept loop: from a TCP connection to requests, with a limit on everything that a stranger can hold on to.

mod client;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::App;
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX};
use crate::metrics::Cut;
use client::Client;

/// What a client hears that does not fit in. Written before its request is read, so it cannot depend on it.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The other end of a connection, in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerAddress(pub(crate) SocketAddr);

/// Takes in connections until the gateway stops.
pub(crate) struct Listener {
    app: Arc<App>,
    router: Router,
    slots: Arc<Semaphore>,
    connections: TaskTracker,
    cut: CancellationToken,
    http: http1::Builder,
}

impl Listener {
    /// `connections` counts what is open, and `cut` ends what is left of it.
    pub(crate) fn new(app: Arc<App>, router: Router, connections: TaskTracker, cut: CancellationToken) -> Listener {
        let mut http = http1::Builder::new();
        // Without a timer, the header timeout would be none.
        http.timer(TokioTimer::new())
            .header_read_timeout(app.limits.head)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(HEAD_BYTES_MAX);
        let slots = Arc::new(Semaphore::new(app.limits.connections));
        Listener { app, router, slots, connections, cut, http }
    }

    /// Accepts until the gateway stops.
    pub(crate) async fn run(self, listener: TcpListener) {
        let this = Arc::new(self);
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = this.app.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    failing = false;
                    this.admit(stream, address);
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    this.app.metrics.connection_cut(Cut::OutOfFiles);
                    if !failing {
                        tracing::warn!(%error, "no connection can be accepted at the moment: raise the limit of open files");
                    }
                    failing = true;
                    // The connection stays in the queue and accept would fail again at once: without a pause this loop would spin.
                    this.pause().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.app.stopping.cancelled() => {}
            () = tokio::time::sleep(self.app.limits.accept_pause) => {}
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.app.metrics.connection_cut(Cut::Full);
            turn_away(stream);
            return;
        };
        let this = Arc::clone(self);
        self.connections.spawn(async move {
            tokio::select! {
                biased;
                () = this.cut.cancelled() => {}
                () = this.serve(stream, address, slot) => {}
            }
        });
    }

    async fn serve(&self, stream: TcpStream, address: SocketAddr, slot: OwnedSemaphorePermit) {
        // Frames of a socket are small and each should leave at once.
        if stream.set_nodelay(true).is_err() || !self.speaks(&stream).await {
            return;
        }
        let open = self.app.metrics.connection_opened();
        let client = Client::new(stream, self.app.limits.unread, (slot, open, self.connections.token()));
        let service = service_fn(move |request| answer(self.router.clone(), request, address));
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(client), service).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.app.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            if error.is_parse() || error.is_timeout() {
                self.app.metrics.connection_cut(Cut::Malformed);
            }
            tracing::debug!(%error, %address, "a connection ended early");
        }
    }

    /// Waits for the first byte.
    async fn speaks(&self, stream: &TcpStream) -> bool {
        // Looked at and left there: being readable alone may be a false alarm.
        let mut first = [0];
        tokio::select! {
            peeked = tokio::time::timeout(self.app.limits.first_byte, stream.peek(&mut first)) => {
                if peeked.is_err() {
                    self.app.metrics.connection_cut(Cut::Silent);
                }
                matches!(peeked, Ok(Ok(1)))
            }
            () = self.app.stopping.cancelled() => false,
        }
    }
}

async fn answer(
    mut router: Router,
    mut request: hyper::Request<Incoming>,
    address: SocketAddr,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(PeerAddress(address));
    router.call(request.map(Body::new)).await
}

/// Tells a client to come back later, if that fits into the buffer of its connection: nobody waits for it.
fn turn_away(stream: TcpStream) {
    let Ok(mut stream) = stream.into_std() else { return };
    // The connection ends either way.
    let _ = stream.write(FULL);
}

/// Whether accepting failed because of the one connection, so that the next may be accepted at once.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
