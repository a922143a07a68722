//! Zenoh as the engine: peers that know each other directly, found by configured addresses and by what other peers tell.
//!
//! | key | what |
//! |---|---|
//! | `sensocto/<cluster>/alive/<name>/<generation>/<peer address>` | liveliness token, one per node |
//! | `sensocto/<cluster>/log/<name>` | deltas and digests, by publication |
//! | `sensocto/<cluster>/attention/<name>`, `…/samples/<name>` | frames to one node, by publication; one subscription each per node |
//! | `sensocto/<cluster>/ask/<name>`, `…/state/<name>`, `…/hello/<name>` | questions to one node, by query |

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sensocto_model::{Generation, NodeName, Origin};
use tokio::sync::mpsc;
use zenoh::bytes::ZBytes;
use zenoh::config::{Config, WhatAmI};
use zenoh::handlers::FifoChannel;
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Publisher;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::query::{ConsolidationMode, Query, QueryTarget};
use zenoh::sample::{Sample, SampleKind};
use zenoh::{Session, Wait};

use super::{
    Engine, INBOUND_MAX, Inbound, Lane, Purpose, Question, REPLIES_MAX, Received, Replier, Reply, SIGNALS_MAX,
};
use crate::config::PeerConfig;

/// A link on which nothing was heard for this long is closed. The registry doubts a silent node much earlier; a node that hangs for
/// less than this comes back without a new connection.
const LEASE: Duration = Duration::from_secs(5);
/// How long a publication waits for room towards a slow peer before it is dropped for that peer.
const WAIT_BEFORE_DROP: Duration = Duration::from_micros(100);
/// How long an answer waits for room towards a slow asker before the link is closed.
const WAIT_BEFORE_CLOSE: Duration = Duration::from_secs(5);
/// Batches of 64 KiB that wait towards one peer, per priority; 16 is the engine's most.
const QUEUE_BATCHES: u8 = 16;
/// Largest message that is put together from fragments.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// First and longest wait between two tries to reach a configured peer.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));
/// How long to look for another process of this node's name before starting.
const NAME_CHECK: Duration = Duration::from_secs(1);
/// Liveliness changes that wait for the driver.
const LIVELINESS_MAX: usize = 1_024;
/// The end of an answer that is whole; no frame is empty.
const END: &[u8] = &[];

/// Why the engine could not be brought up.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// A node of this name is there.
    NameTaken(Generation),
    /// The engine says why.
    Engine(String),
}

pub(crate) struct ZenohEngine {
    session: Session,
    prefix: String,
    publisher: Publisher<'static>,
    dropped: Arc<AtomicU64>,
    signals_dropped: Arc<AtomicU64>,
    /// The key of the token, and where others reach this node.
    alive: std::sync::Mutex<String>,
    listen: SocketAddr,
    // Undeclared when dropped, which tells the others that this node is gone.
    token: std::sync::Mutex<Option<LivelinessToken>>,
}

impl ZenohEngine {
    /// Opens the engine of `me`. Nobody sees the node before it is known that its name is free.
    pub(crate) async fn open(
        me: &Origin,
        cluster: &str,
        peer: &PeerConfig,
        join: &[String],
    ) -> Result<(ZenohEngine, Received), OpenError> {
        let config = configure(peer, join).map_err(engine_error)?;
        let session = zenoh::open(config).await.map_err(engine_error)?;
        let prefix = format!("sensocto/{cluster}");
        if let Some(taken) = find_namesake(&session, &prefix, me).await? {
            // The session is of no use any more; how its end goes changes nothing.
            let _ = session.close().await;
            return Err(OpenError::NameTaken(taken));
        }
        let dropped = Arc::new(AtomicU64::new(0));
        let (inbound, discovery) = mpsc::channel(INBOUND_MAX);
        let signals_dropped = Arc::new(AtomicU64::new(0));
        let signals = receive_signals(&session, &prefix, me, &signals_dropped).await.map_err(engine_error)?;
        receive_frames(&session, &prefix, &inbound, &dropped).await.map_err(engine_error)?;
        for purpose in Purpose::ALL {
            receive_questions(&session, &prefix, me, purpose, &inbound, &dropped).await.map_err(engine_error)?;
        }
        let publisher = session
            .declare_publisher(format!("{prefix}/log/{}", me.node))
            .congestion_control(CongestionControl::Drop)
            .priority(Priority::InteractiveHigh)
            .express(true)
            .await
            .map_err(engine_error)?;
        let alive = alive_key(&prefix, me, peer.listen);
        let token = session.liveliness().declare_token(alive.clone()).await.map_err(engine_error)?;
        watch_liveliness(&session, &prefix, inbound).await.map_err(engine_error)?;
        let (token, alive) = (std::sync::Mutex::new(Some(token)), std::sync::Mutex::new(alive));
        let listen = peer.listen;
        let engine = ZenohEngine { session, prefix, publisher, dropped, signals_dropped, alive, listen, token };
        Ok((engine, Received { discovery, signals }))
    }
}

impl ZenohEngine {
    async fn declare(&self, alive: String) -> Option<LivelinessToken> {
        let declared = self.session.liveliness().declare_token(alive).await;
        declared.inspect_err(|error| tracing::warn!(%error, "this node cannot be shown to the others")).ok()
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn engine_error(error: zenoh::Error) -> OpenError {
    OpenError::Engine(error.to_string())
}

fn configure(peer: &PeerConfig, join: &[String]) -> Result<Config, zenoh::Error> {
    let scheme = if peer.tls.is_some() { "tls" } else { "tcp" };
    let listen = vec![format!("{scheme}/{}", peer.listen)];
    let connect: Vec<String> = join.iter().map(|address| format!("{scheme}/{address}")).collect();
    let mut config = Config::default();
    let mut set = |key: &str, value: serde_json::Value| {
        config.insert_json5(key, &value.to_string()).map_err(|error| zenoh::Error::from(format!("{key}: {error}")))
    };
    set("mode", serde_json::to_value(WhatAmI::Peer.to_str())?)?;
    set("listen/endpoints", serde_json::to_value(listen)?)?;
    set("connect/endpoints", serde_json::to_value(connect)?)?;
    let retry = serde_json::json!({
        "period_init_ms": millis(RETRY.0), "period_max_ms": millis(RETRY.1), "period_increase_factor": 2
    });
    set("connect/retry", retry)?;
    set("scouting/multicast/enabled", false.into())?;
    set("scouting/gossip/autoconnect_strategy", serde_json::json!({"peer": {"to_peer": "greater-zid"}}))?;
    set("transport/link/tx/lease", millis(LEASE))?;
    set("transport/link/rx/max_message_size", MESSAGE_BYTES_MAX.into())?;
    set("transport/link/tx/queue/congestion_control/drop/wait_before_drop", micros(WAIT_BEFORE_DROP))?;
    set("transport/link/tx/queue/congestion_control/block/wait_before_close", micros(WAIT_BEFORE_CLOSE))?;
    for lane in ["interactive_high", "interactive_low", "data_low"] {
        set(&format!("transport/link/tx/queue/size/{lane}"), QUEUE_BATCHES.into())?;
    }
    set("adminspace/enabled", false.into())?;
    if let Some(tls) = &peer.tls {
        set("transport/link/tls/enable_mtls", true.into())?;
        set("transport/link/tls/root_ca_certificate", path(&tls.ca))?;
        for side in ["listen", "connect"] {
            set(&format!("transport/link/tls/{side}_certificate"), path(&tls.certificate))?;
            set(&format!("transport/link/tls/{side}_private_key"), path(&tls.key))?;
        }
        set("transport/link/tls/close_link_on_expiration", true.into())?;
    }
    Ok(config)
}

fn millis(duration: Duration) -> serde_json::Value {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into()
}

fn micros(duration: Duration) -> serde_json::Value {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).into()
}

fn path(path: &std::path::Path) -> serde_json::Value {
    path.to_string_lossy().into_owned().into()
}

/// The generation of another process that has this node's name and can be reached now.
async fn find_namesake(session: &Session, prefix: &str, me: &Origin) -> Result<Option<Generation>, OpenError> {
    let replies = session
        .liveliness()
        .get(format!("{prefix}/alive/{}/**", me.node))
        .timeout(NAME_CHECK)
        .await
        .map_err(engine_error)?;
    while let Ok(reply) = replies.recv_async().await {
        let Ok(sample) = reply.result() else { continue };
        if let Some((origin, _)) = parse_alive(sample.key_expr().as_str(), prefix) {
            return Ok(Some(origin.generation));
        }
    }
    Ok(None)
}

fn alive_key(prefix: &str, me: &Origin, listen: SocketAddr) -> String {
    format!("{prefix}/alive/{}/{}/{listen}", me.node, me.generation)
}

/// Reads a liveliness key; `None` for one that no node of this version declares.
fn parse_alive(key: &str, prefix: &str) -> Option<(Origin, Option<SocketAddr>)> {
    let mut parts = key.strip_prefix(prefix)?.strip_prefix("/alive/")?.split('/');
    let node = NodeName::new(parts.next()?).ok()?;
    let generation = Generation(parts.next()?.parse().ok()?);
    let address = parts.next().and_then(|text| text.parse().ok());
    Some((Origin { node, generation }, address))
}

async fn receive_frames(
    session: &Session,
    prefix: &str,
    inbound: &mpsc::Sender<Inbound>,
    dropped: &Arc<AtomicU64>,
) -> Result<(), zenoh::Error> {
    let (inbound, dropped) = (inbound.clone(), Arc::clone(dropped));
    session
        .declare_subscriber(format!("{prefix}/log/*"))
        .allowed_origin(zenoh::sample::Locality::Remote)
        .callback(move |sample| {
            if inbound.try_send(Inbound::Frame(sample.payload().to_bytes().into_owned())).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        })
        .background()
        .await
}

/// Takes in what is sent to this node, on whatever lane.
async fn receive_signals(
    session: &Session,
    prefix: &str,
    me: &Origin,
    dropped: &Arc<AtomicU64>,
) -> Result<mpsc::Receiver<Vec<u8>>, zenoh::Error> {
    let (signals, receiver) = mpsc::channel(SIGNALS_MAX);
    for lane in Lane::ALL {
        let (signals, dropped) = (signals.clone(), Arc::clone(dropped));
        session
            .declare_subscriber(format!("{prefix}/{}/{}", lane.as_str(), me.node))
            .allowed_origin(zenoh::sample::Locality::Remote)
            .callback(move |sample| {
                if signals.try_send(sample.payload().to_bytes().into_owned()).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            })
            .background()
            .await?;
    }
    Ok(receiver)
}

/// Behind the deltas, which travel as `InteractiveHigh`, and samples behind the answers that repair copies, which travel as `Data`.
fn priority(lane: Lane) -> Priority {
    match lane {
        Lane::Attention => Priority::InteractiveLow,
        Lane::Samples => Priority::DataLow,
    }
}

async fn receive_questions(
    session: &Session,
    prefix: &str,
    me: &Origin,
    purpose: Purpose,
    inbound: &mpsc::Sender<Inbound>,
    dropped: &Arc<AtomicU64>,
) -> Result<(), zenoh::Error> {
    let (inbound, dropped) = (inbound.clone(), Arc::clone(dropped));
    session
        .declare_queryable(format!("{prefix}/{}/{}", purpose.as_str(), me.node))
        .complete(true)
        .callback(move |query| {
            let payload = query.payload().map(|payload| payload.to_bytes().into_owned()).unwrap_or_default();
            let question = Question { purpose, payload, replier: Box::new(ZenohReplier(query)) };
            if inbound.try_send(Inbound::Question(question)).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        })
        .background()
        .await
}

async fn watch_liveliness(session: &Session, prefix: &str, inbound: mpsc::Sender<Inbound>) -> Result<(), zenoh::Error> {
    let subscriber = session
        .liveliness()
        .declare_subscriber(format!("{prefix}/alive/**"))
        .history(true)
        .with(FifoChannel::new(LIVELINESS_MAX))
        .await?;
    let prefix = prefix.to_owned();
    // Ends when the session is closed, or when the driver is gone.
    tokio::spawn(async move {
        while let Ok(sample) = subscriber.recv_async().await {
            let Some(change) = liveliness_change(&sample, &prefix) else { continue };
            // Who is there is never dropped: it waits, and the engine's own channel behind it.
            if inbound.send(change).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn liveliness_change(sample: &Sample, prefix: &str) -> Option<Inbound> {
    let (origin, address) = parse_alive(sample.key_expr().as_str(), prefix)?;
    Some(match sample.kind() {
        SampleKind::Put => Inbound::Up(origin, address),
        SampleKind::Delete => Inbound::Down(origin),
    })
}

struct ZenohReplier(Query);

impl Replier for ZenohReplier {
    fn frame(&mut self, frame: Vec<u8>) -> bool {
        self.0.reply(self.0.key_expr().clone(), ZBytes::from(frame)).wait().is_ok()
    }

    fn complete(self: Box<Self>) {
        // An asker that is gone needs no end.
        let _ = self.0.reply(self.0.key_expr().clone(), ZBytes::from(END)).wait();
    }
}

impl Engine for ZenohEngine {
    fn publish(&self, frame: Vec<u8>) {
        if let Err(error) = self.publisher.put(frame).wait() {
            tracing::debug!(%error, "a frame was not published");
        }
    }

    fn send(&self, to: &NodeName, lane: Lane, frame: Vec<u8>) {
        let sent = self
            .session
            .put(format!("{}/{}/{to}", self.prefix, lane.as_str()), frame)
            .congestion_control(CongestionControl::Drop)
            .priority(priority(lane))
            .express(true)
            .wait();
        if let Err(error) = sent {
            tracing::debug!(%error, "a frame was not sent");
        }
    }

    fn query(&self, to: &NodeName, purpose: Purpose, payload: Vec<u8>, timeout: Duration) -> mpsc::Receiver<Reply> {
        let (sender, receiver) = mpsc::channel(REPLIES_MAX);
        let session = self.session.clone();
        let key = format!("{}/{}/{to}", self.prefix, purpose.as_str());
        tokio::spawn(async move {
            let complete = run_query(&session, key, payload, timeout, &sender).await;
            // Whoever asked may be gone.
            let _ = sender.send(Reply::End { complete }).await;
        });
        receiver
    }

    fn show(&self, visible: bool) -> futures_util::future::BoxFuture<'_, bool> {
        Box::pin(async move {
            let held = lock(&self.token).take();
            match (held, visible) {
                (Some(token), false) => token.undeclare().await.is_ok(),
                (None, false) => true,
                (Some(token), true) => {
                    *lock(&self.token) = Some(token);
                    true
                }
                (None, true) => {
                    let alive = lock(&self.alive).clone();
                    self.declare(alive).await.is_some_and(|token| lock(&self.token).replace(token).is_none())
                }
            }
        })
    }

    fn renew(&self, origin: Origin) -> futures_util::future::BoxFuture<'_, bool> {
        let alive = alive_key(&self.prefix, &origin, self.listen);
        alive.clone_into(&mut lock(&self.alive));
        let visible = lock(&self.token).is_some();
        Box::pin(async move {
            if !visible {
                return true;
            }
            // The new one first: nobody sees this node gone.
            let Some(token) = self.declare(alive).await else { return false };
            let old = lock(&self.token).replace(token);
            match old {
                Some(old) => old.undeclare().await.is_ok(),
                None => true,
            }
        })
    }

    fn close(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async {
            let token = lock(&self.token).take();
            if let Some(token) = token {
                // The session's end tells the others as well.
                let _ = token.undeclare().await;
            }
            if let Err(error) = self.session.close().await {
                tracing::warn!(%error, "the engine did not close cleanly");
            }
        })
    }

    fn inbound_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn signals_dropped(&self) -> u64 {
        self.signals_dropped.load(Ordering::Relaxed)
    }
}

/// Asks, passes the frames on, and says whether the answer is whole.
async fn run_query(
    session: &Session,
    key: String,
    payload: Vec<u8>,
    timeout: Duration,
    sender: &mpsc::Sender<Reply>,
) -> bool {
    let replies = session
        .get(key)
        .payload(payload)
        .target(QueryTarget::All)
        .consolidation(ConsolidationMode::None)
        .timeout(timeout)
        .with(FifoChannel::new(REPLIES_MAX))
        .await;
    let Ok(replies) = replies else { return false };
    while let Ok(reply) = replies.recv_async().await {
        let Ok(sample) = reply.result() else { return false };
        let frame = sample.payload().to_bytes();
        if frame.is_empty() {
            return true;
        }
        if sender.send(Reply::Frame(frame.into_owned())).await.is_err() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liveliness_key_names_node_generation_and_address() {
        let (origin, address) = parse_alive("sensocto/c/alive/a/17/127.0.0.1:7401", "sensocto/c").expect("read");
        assert_eq!((origin.node.as_str(), origin.generation), ("a", Generation(17)));
        assert_eq!(address, Some(SocketAddr::from(([127, 0, 0, 1], 7401))));
    }

    #[test]
    fn a_strange_liveliness_key_is_nobody() {
        for key in
            ["", "sensocto/d/alive/a/1/x", "sensocto/c/alive/a", "sensocto/c/alive/a/x/y", "sensocto/c/alive//1/y"]
        {
            assert!(parse_alive(key, "sensocto/c").is_none(), "{key}");
        }
    }
}
