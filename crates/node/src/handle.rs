//! The Discovery API: what applications, the gateway and the command line build on.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use sensocto_model::{Connector, Generation, Key, Kind, NodeName, Origin, Presence, Record, Sensor, SensorId, Stamp};
use sensocto_registry::{ChangeError, Mark, Position, RegisterError, Registration, SensorQuery};
use sensocto_signals::Load;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::breakers::{BreakerHealth, Breakers};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::health::{ClusterHealth, Identical, Joining, NodeHealth};
use crate::listing::{self, Page, PinError, Pins, UsersPage, WorldToken};
use crate::live::UserFilter;
use crate::remote::{self, Remote, StateAnswer, StateError};
use crate::signals::{LocalSignals, SignalWatch, Signals};
use crate::world::{Batch, Next, Subscription, World};

/// Writes that wait for the driver. When it is full, further ones wait with their callers.
pub(crate) const COMMANDS_MAX: usize = 4_096;

/// Records of [`Handle::register_many`] that one world and one delta stand for at most. Larger batches go in parts: others wait for no
/// more than that.
pub const BATCH_MAX: usize = 512;

/// What the driver answers to a batch; `None` where it does not run any more.
type Answer = Option<oneshot::Receiver<Vec<Result<LocalEntry, RegisterError>>>>;

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The record is not allowed.
    Refused(RegisterError),
    /// Another registration took the entry's place.
    Superseded,
    /// The node is stopping.
    Stopping,
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Refused(error) => error.fmt(formatter),
            WriteError::Superseded => formatter.write_str("another registration took its place"),
            WriteError::Stopping => formatter.write_str("the node is stopping"),
        }
    }
}

impl std::error::Error for WriteError {}

/// A write on its way to the driver.
pub(crate) enum Command {
    Register { records: Vec<Record>, reply: oneshot::Sender<Vec<Result<LocalEntry, RegisterError>>> },
    Update { record: Record, stamp: Stamp, reply: oneshot::Sender<Result<Mark, ChangeError>> },
    ConfirmLoss { node: NodeName, reply: oneshot::Sender<bool> },
    SetApart { apart: bool, reply: oneshot::Sender<bool> },
}

/// Entries whose holders are gone. There are never more than entries, so it needs no other bound, and nothing here is ever dropped.
#[derive(Debug, Default)]
pub(crate) struct Released {
    entries: Mutex<Vec<(Key, Stamp)>>,
    pub(crate) some: Notify,
}

impl Released {
    fn push(&self, key: Key, stamp: Stamp) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push((key, stamp));
        self.some.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<(Key, Stamp)> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What all handles of a node share.
pub(crate) struct Inner {
    /// The node and the start of this process.
    pub(crate) me: Origin,
    /// The generation under which it goes on.
    pub(crate) generation: std::sync::atomic::AtomicU64,
    pub(crate) clock: Clock,
    pub(crate) world: ArcSwap<World>,
    pub(crate) batches: broadcast::Sender<Batch>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) released: Released,
    pub(crate) signals: Signals,
    pub(crate) remote: Remote,
    pub(crate) breakers: Breakers,
    pub(crate) pins: Pins,
    pub(crate) rooms: Arc<crate::rooms::RoomsShared>,
    pub(crate) hellos: crate::hello::Hellos,
    pub(crate) propagations: crate::propagation::Propagations,
    pub(crate) live: crate::live::Requests,
    pub(crate) history: crate::why::History,
    pub(crate) recent: crate::recent::Recent,
    pub(crate) switches: crate::switches::Switches,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) fresh_for: Duration,
    pub(crate) join: Vec<(String, SocketAddr)>,
    /// Since when an address to join is that of a node of the cluster, or not any more.
    pub(crate) joined: ArcSwap<BTreeMap<SocketAddr, (bool, Duration)>>,
    pub(crate) metrics: crate::metrics::Metrics,
    pub(crate) stopping: CancellationToken,
}

impl Inner {
    /// What this node is to the others now.
    pub(crate) fn origin(&self) -> Origin {
        let generation = Generation(self.generation.load(std::sync::atomic::Ordering::Relaxed));
        Origin { node: self.me.node.clone(), generation }
    }
}

/// The Discovery API of one node. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Inner>);

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handle({})", self.0.me)
    }
}

impl Handle {
    /// This node and its start. It names the process.
    #[must_use]
    pub fn me(&self) -> &Origin {
        &self.0.me
    }

    /// What this node is to the others now: under a later generation than that of its start where another process of its name was there
    /// for a while.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin()
    }

    /// The node's clock: what the times in views are measured on.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// How long a copy counts as fresh after it was proved.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        self.0.fresh_for
    }

    /// Is cancelled when the node begins to stop.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// The world as it is. It does not change under its reader; the next call may return a later one.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.0.world.load_full()
    }

    /// The node's metrics in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> &crate::metrics::Metrics {
        &self.0.metrics
    }

    /// One page of the sensors that a query finds in a world, behind a place.
    #[must_use]
    pub fn list_sensors(
        &self,
        world: &World,
        query: &SensorQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Page<Position> {
        listing::sensors(world, query, (after, limit), self.0.clock.mono())
    }

    /// One page of the connectors of a world, of one node where it is given, from the first id after `after` on.
    #[must_use]
    pub fn list_connectors(
        &self,
        world: &World,
        node: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<String> {
        listing::connectors(world, node, (after, limit), self.0.clock.mono())
    }

    /// One page of the people of a world who are here, on any node, from the first id after `after` on. The presences of one connection
    /// in several topics are one connection.
    #[must_use]
    pub fn list_users(&self, world: &World, filter: &UserFilter, after: Option<&str>, limit: usize) -> UsersPage {
        listing::users(world, filter, (after, limit))
    }

    /// One page of the presences (connections of people), from the first reference after `after` on.
    #[must_use]
    pub fn list_presences(&self, after: Option<&str>, limit: usize) -> Page<String> {
        listing::presences(&self.world(), (after, limit), self.0.clock.mono())
    }

    /// Keeps the present world, so that several pages of a list are of one world.
    ///
    /// # Errors
    /// As many worlds are kept as may be.
    pub fn pin(&self) -> Result<(WorldToken, Arc<World>), PinError> {
        self.0.pins.pin(&self.0)
    }

    /// A world that is kept.
    ///
    /// # Errors
    /// It was not read for too long, or is another node's.
    pub fn pinned(&self, token: WorldToken) -> Result<Arc<World>, PinError> {
        self.0.pins.get(&self.0, token)
    }

    /// The state of one sensor. See [`Handle::get_sensor_states`]; a sensor that is not in this node's world is asked for where it
    /// could be.
    ///
    /// # Errors
    /// Nobody who could know it has it, or not all of them answered.
    pub async fn get_sensor_state(
        &self,
        id: &SensorId,
        max_age: Duration,
        timeout: Duration,
    ) -> Result<StateAnswer, StateError> {
        remote::get_state(self, id, max_age, timeout).await
    }

    /// The last values of sensors. Those of sensors on other nodes come from the cache where it is younger than `max_age`, else from
    /// their node, and where that does not answer within `timeout` from the cache again, marked stale. Sensors that no node holds are
    /// left out.
    pub async fn get_sensor_states(
        &self,
        ids: &[SensorId],
        max_age: Duration,
        timeout: Duration,
    ) -> BTreeMap<SensorId, StateAnswer> {
        remote::get_states(&self.0, ids, max_age, timeout).await
    }

    /// Looks at sensors, on whatever node they are; `wake` is told when there may be something to tell.
    #[must_use]
    pub fn watch_signals(&self, wake: Arc<Notify>) -> SignalWatch {
        SignalWatch::new(self.clone(), wake)
    }

    /// How loaded this node is.
    #[must_use]
    pub fn load(&self) -> Load {
        self.0.signals.load()
    }

    /// How loaded this node is, and every change of it.
    #[must_use]
    pub fn load_changes(&self) -> watch::Receiver<Load> {
        self.0.signals.load_changes()
    }

    /// Follows the world from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let batches = self.0.batches.subscribe();
        Subscription::new(self.world(), batches)
    }

    /// What comes next on a subscription of this node.
    pub async fn next(&self, subscription: &mut Subscription) -> Next {
        subscription.next(|| self.world()).await
    }

    /// What is there already on a subscription of this node.
    pub fn try_next(&self, subscription: &mut Subscription) -> Option<Next> {
        subscription.try_next(|| self.world())
    }

    /// Registers a sensor on this node, for as long as what it returns lives.
    ///
    /// # Errors
    /// The sensor is not allowed, or the node is stopping.
    pub async fn register_sensor(&self, sensor: Sensor) -> Result<LocalEntry, WriteError> {
        self.register(Record::Sensor(sensor)).await
    }

    /// Registers a connector on this node, for as long as what it returns lives.
    ///
    /// # Errors
    /// The connector is not allowed, or the node is stopping.
    pub async fn register_connector(&self, connector: Connector) -> Result<LocalEntry, WriteError> {
        self.register(Record::Connector(connector)).await
    }

    /// Registers a presence on this node, for as long as what it returns lives.
    ///
    /// # Errors
    /// The presence is not allowed, or the node is stopping.
    pub async fn register_presence(&self, presence: Presence) -> Result<LocalEntry, WriteError> {
        self.register(Record::Presence(presence)).await
    }

    /// Registers many entries on this node, each for as long as what is returned for it lives. The results are in the order of the
    /// records; each record is taken or refused by itself. For applications that bring in much at once: it costs a fraction of as many
    /// single calls, because one world and one delta stand for up to [`BATCH_MAX`] records.
    pub async fn register_many(&self, records: Vec<Record>) -> Vec<Result<LocalEntry, WriteError>> {
        let mut results = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        let mut under_way: Option<(usize, Answer)> = None;
        loop {
            let batch: Vec<Record> = records.by_ref().take(BATCH_MAX).collect();
            let count = batch.len();
            // The next batch is on its way before the last one is answered: the driver need not wait for this task.
            let next = if count > 0 { Some((count, self.send_batch(batch).await)) } else { None };
            if let Some((count, answer)) = std::mem::replace(&mut under_way, next) {
                results.extend(self.take_answer(count, answer).await);
            }
            if under_way.is_none() {
                return results;
            }
        }
    }

    async fn register(&self, record: Record) -> Result<LocalEntry, WriteError> {
        let answer = self.send_batch(vec![record]).await;
        self.take_answer(1, answer).await.pop().unwrap_or(Err(WriteError::Stopping))
    }

    /// `None` where the node is stopping.
    async fn send_batch(&self, records: Vec<Record>) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(Command::Register { records, reply }).await.ok().map(|()| answer)
    }

    async fn take_answer(&self, count: usize, answer: Answer) -> Vec<Result<LocalEntry, WriteError>> {
        let registered = match answer {
            Some(answer) => answer.await.ok(),
            None => None,
        };
        let Some(registered) = registered else { return (0..count).map(|_| Err(WriteError::Stopping)).collect() };
        let with_signals = |mut entry: LocalEntry| {
            if let Some(id) = entry.key.sensor_id() {
                entry.signals = Some(LocalSignals::new(self.clone(), &id, entry.registration.stamp));
            }
            entry
        };
        registered.into_iter().map(|entry| entry.map(with_signals).map_err(WriteError::Refused)).collect()
    }

    /// An operator says that an unreachable node will not come back: its entries leave this node's world now, instead of after the
    /// grace. `false` where the node is not unreachable.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn confirm_loss(&self, node: NodeName) -> Result<bool, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(Command::ConfirmLoss { node, reply }).await.map_err(|_| WriteError::Stopping)?;
        answer.await.map_err(|_| WriteError::Stopping)
    }

    /// The breaker in front of calls to a node; `None` before the first call.
    #[must_use]
    pub fn breaker(&self, node: &NodeName) -> Option<BreakerHealth> {
        self.0.breakers.health(node, self.0.clock.mono())
    }

    /// The health of the cluster as this node sees it.
    #[must_use]
    pub fn cluster_health(&self) -> ClusterHealth {
        let world = self.world();
        let mono = self.0.clock.mono();
        let nodes: Vec<NodeHealth> = world.view.nodes().values().map(|node| self.node_health(node, mono)).collect();
        let fresh = nodes.iter().filter(|node| node.freshness == sensocto_registry::Freshness::Fresh).count();
        let joined = self.0.joined.load();
        let joining = self
            .0
            .join
            .iter()
            .map(|(address, resolved)| {
                let (connected, at) = joined.get(resolved).copied().unwrap_or_default();
                Joining { address: address.clone(), connected, since: mono.saturating_sub(at) }
            })
            .collect();
        ClusterHealth {
            me: self.0.origin(),
            sensors: world.view.count(Kind::Sensor),
            connectors: world.view.count(Kind::Connector),
            rooms: self.rooms().health.clone(),
            users: world.view.people_total(),
            identical: Identical { nodes: fresh, of: nodes.len() },
            nodes,
            joining,
            apart: self.is_apart(),
            live_queries: self.answers_live_queries(),
        }
    }

    fn node_health(&self, node: &sensocto_registry::NodeView, mono: Duration) -> NodeHealth {
        let (breaker, failures) = self.0.breakers.state(&node.origin.node, mono);
        NodeHealth {
            origin: Origin::clone(&node.origin),
            state: node.state,
            freshness: node.freshness(mono, self.0.fresh_for).0,
            since: mono.saturating_sub(node.since),
            digest_age: node.digest_at.map(|digest_at| mono.saturating_sub(digest_at)),
            cause: node.cause.in_words(),
            counts: node.counts,
            versions_behind: node.claimed.0.saturating_sub(node.version.0),
            unreadable: node.unreadable,
            retired: node.retired,
            url: self.client_url(&node.origin.node),
            load: self.node_load(&node.origin.node),
            breaker,
            failures,
            breaker_health: self.0.breakers.health(&node.origin.node, mono),
            calls: self.0.remote.in_flight(&node.origin.node),
        }
    }
}

/// An entry of this node. It is in the world until this is dropped.
#[derive(Debug)]
pub struct LocalEntry {
    handle: Handle,
    key: Key,
    registration: Registration,
    superseded: CancellationToken,
    signals: Option<LocalSignals>,
}

impl LocalEntry {
    /// Made by the driver together with the registration: whoever asked may have gone away meanwhile, and then this is dropped on its
    /// way, which takes the entry out again.
    pub(crate) fn new(
        handle: Handle,
        key: Key,
        registration: Registration,
        superseded: CancellationToken,
    ) -> LocalEntry {
        LocalEntry { handle, key, registration, superseded, signals: None }
    }

    /// The change that registered it.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.registration.mark
    }

    /// Is cancelled when another registration of the same key, here or on another node, took its place.
    #[must_use]
    pub fn superseded(&self) -> &CancellationToken {
        &self.superseded
    }

    /// Where the samples of a sensor go; `None` for what is no sensor.
    #[must_use]
    pub fn signals(&self) -> Option<&LocalSignals> {
        self.signals.as_ref()
    }

    /// Changes the facts.
    ///
    /// # Errors
    /// The record is not allowed, another registration took its place, or the node is stopping.
    pub async fn update(&self, record: Record) -> Result<Mark, WriteError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Update { record, stamp: self.registration.stamp, reply };
        self.handle.0.commands.send(command).await.map_err(|_| WriteError::Stopping)?;
        answer.await.map_err(|_| WriteError::Stopping)?.map_err(|error| match error {
            ChangeError::Superseded => WriteError::Superseded,
            ChangeError::Refused(error) => WriteError::Refused(error),
        })
    }
}

impl Drop for LocalEntry {
    fn drop(&mut self) {
        self.handle.0.released.push(self.key.clone(), self.registration.stamp);
    }
}
