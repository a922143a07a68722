//! The state of sensors on other nodes: a cache, one call under way per node, and a breaker in front of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use sensocto_model::{AttributeId, NodeName, SensorId};
use sensocto_registry::breaker::BreakerState;
use sensocto_registry::{Freshness, NodeView, PeerState};
use sensocto_signals::Sample;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::{Purpose, Reply};
use crate::handle::{Handle, Inner};
use crate::signals::Feeds;
use crate::world::{Next, World};

/// Sensors whose last known state is kept. When it is full, those that nobody asked for lately go first.
pub(crate) const CACHED_MAX: usize = 100_000;
/// Sensors in one question.
pub const IDS_MAX: usize = 200;
/// Largest frame of an answer, in bytes; one sensor more may ride over it.
const FRAME_BYTES: usize = 128 * 1024;

/// Calls to one node that may be under way, whatever for. Above it, a reader has what is cached; repair waits.
pub(crate) const CALLS_MAX: usize = 20;
/// Of these, how many readers leave to repair: without it the copy only gets worse.
const CALLS_OF_REPAIR: usize = 4;
/// Sensors of one node whose states are to be read anew when it answers again. Further ones are read when somebody asks.
const REFRESH_MAX: usize = 1_000;
/// How long a node may take to be reachable again for what waits for it.
const REFRESH_PATIENCE: Duration = Duration::from_secs(60);
/// How long one call in the background may take.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a state came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSource {
    /// The sensor is on this node.
    Local,
    /// It was asked for before.
    Cache,
    /// Its node was asked.
    Origin,
}

/// The last values of one sensor.
#[derive(Debug, Clone)]
pub struct StateAnswer {
    /// By attribute; empty when nothing was measured yet, or the node was never reached.
    pub values: Arc<BTreeMap<AttributeId, Sample>>,
    /// How far they can be trusted.
    pub freshness: Freshness,
    /// How old this node's copy of them is.
    pub age: Duration,
    /// The node that the sensor is on.
    pub node: NodeName,
    /// Where they came from.
    pub source: StateSource,
}

/// Why there is no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// No node has such a sensor.
    NotFound,
    /// This node knows of none, and these nodes, which may have changes that it has not heard of, did not answer.
    Unknown {
        /// Who could know, by name.
        nodes: Vec<NodeName>,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::NotFound => formatter.write_str("no node has such a sensor"),
            StateError::Unknown { nodes } => {
                let nodes: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
                write!(
                    formatter,
                    "no such sensor is known here, and {} may have it and did not answer",
                    nodes.join(", ")
                )
            }
        }
    }
}

impl std::error::Error for StateError {}

/// One sensor in the answer of another node.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    sensor: SensorId,
    values: BTreeMap<AttributeId, Sample>,
}

#[derive(Debug)]
struct Cached {
    values: Arc<BTreeMap<AttributeId, Sample>>,
    fetched_at: Duration,
    from: NodeName,
}

/// What this node knows of the states of sensors elsewhere.
#[derive(Debug)]
pub(crate) struct Remote {
    cache: Cache<SensorId, Arc<Cached>>,
    // One call at a time to each node: whoever comes second finds what the first one fetched.
    calls: Mutex<BTreeMap<NodeName, Call>>,
    /// What is to be read anew, by node. A node that is in it has one task that waits for it.
    stale: Mutex<BTreeMap<NodeName, BTreeSet<SensorId>>>,
}

#[derive(Debug, Clone)]
struct Call {
    turn: Arc<tokio::sync::Mutex<()>>,
    permits: Arc<Semaphore>,
}

impl Default for Call {
    fn default() -> Call {
        Call { turn: Arc::default(), permits: Arc::new(Semaphore::new(CALLS_MAX)) }
    }
}

impl Remote {
    pub(crate) fn new() -> Remote {
        Remote { cache: Cache::new(CACHED_MAX), calls: Mutex::default(), stale: Mutex::default() }
    }

    pub(crate) fn forget(&self, id: &SensorId) {
        self.cache.remove(id);
    }

    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    pub(crate) fn retain(&self, known: impl Fn(&NodeName) -> bool) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).retain(|node, _| known(node));
    }

    fn call(&self, node: &NodeName) -> Call {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.entry(node.clone()).or_default().clone()
    }

    /// What a call to a node needs that repairs a copy. It waits for one of the others to end.
    pub(crate) async fn repair_permit(&self, node: &NodeName) -> Option<OwnedSemaphorePermit> {
        self.call(node).permits.acquire_owned().await.ok()
    }

    /// What a call of a reader needs; `None` where there are too many under way.
    fn read_permit(&self, node: &NodeName) -> Option<OwnedSemaphorePermit> {
        let permits = self.call(node).permits;
        if permits.available_permits() <= CALLS_OF_REPAIR { None } else { permits.try_acquire_owned().ok() }
    }

    /// Calls under way to a node.
    pub(crate) fn in_flight(&self, node: &NodeName) -> usize {
        CALLS_MAX - self.call(node).permits.available_permits()
    }

    /// Sensors whose states wait to be read anew.
    pub(crate) fn stale_len(&self) -> usize {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).values().map(BTreeSet::len).sum()
    }

    /// What is in the cache, however old it is.
    pub(crate) fn known(&self, id: &SensorId) -> Option<Arc<BTreeMap<AttributeId, Sample>>> {
        self.cache.get(id).map(|cached| Arc::clone(&cached.values))
    }

    fn cached(&self, id: &SensorId, owner: &NodeName, max_age: Duration, mono: Duration) -> Option<Arc<Cached>> {
        let young = |cached: &Arc<Cached>| mono.saturating_sub(cached.fetched_at) <= max_age && cached.from == *owner;
        self.cache.get(id).filter(young)
    }
}

/// The states of sensors, those of other nodes at most `max_age` old if their nodes answer within `timeout`. Sensors that are not in
/// the world are left out.
pub(crate) async fn get_states(
    inner: &Arc<Inner>,
    ids: &[SensorId],
    max_age: Duration,
    timeout: Duration,
) -> BTreeMap<SensorId, StateAnswer> {
    let world = inner.world.load_full();
    let mono = inner.clock.mono();
    let mut answers = BTreeMap::new();
    let mut wanted: BTreeMap<NodeName, Vec<SensorId>> = BTreeMap::new();
    let mut unasked: BTreeMap<NodeName, Vec<SensorId>> = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for id in ids {
        let Some(held) = world.view.get(sensocto_model::Kind::Sensor, id.as_str()) else { continue };
        let node = &held.origin.node;
        if *node == inner.me.node {
            answers.insert(id.clone(), local(inner, id));
            continue;
        }
        let freshness = world.view.freshness(held, mono).0;
        owners.insert(id.clone(), (node.clone(), freshness));
        // A node that is known to be silent or gone is not asked: whoever wants to read it does not wait for nothing.
        let answers = matches!(freshness, Freshness::Fresh | Freshness::Warming);
        if answers && inner.remote.cached(id, node, max_age, mono).is_none() {
            wanted.entry(node.clone()).or_default().push(id.clone());
        }
        if !answers {
            unasked.entry(node.clone()).or_default().push(id.clone());
        }
    }
    let asked = wanted.clone();
    let calls = wanted.into_iter().map(|(node, ids)| async move {
        let answered = refresh(inner, node.clone(), ids.clone(), max_age, timeout).await;
        (!answered).then_some((node, ids))
    });
    unasked.extend(futures_util::future::join_all(calls).await.into_iter().flatten());
    for (node, ids) in unasked {
        refresh_later(inner, &node, ids);
    }
    for (id, (node, freshness)) in owners {
        let was_asked = asked.get(&node).is_some_and(|ids| ids.contains(&id));
        answers.insert(id.clone(), remote(inner, &id, node, freshness, max_age, was_asked));
    }
    answers
}

fn local(inner: &Inner, id: &SensorId) -> StateAnswer {
    let (values, changed_at) = inner.signals.feeds.latest(id).unwrap_or_default();
    StateAnswer {
        age: if values.is_empty() { Duration::ZERO } else { inner.clock.mono().saturating_sub(changed_at) },
        values: Arc::new(values),
        freshness: Freshness::Fresh,
        node: inner.me.node.clone(),
        source: StateSource::Local,
    }
}

fn remote(
    inner: &Inner,
    id: &SensorId,
    node: NodeName,
    freshness: Freshness,
    max_age: Duration,
    was_asked: bool,
) -> StateAnswer {
    let mono = inner.clock.mono();
    let Some(cached) = inner.remote.cache.get(id) else {
        let freshness = freshness.max(Freshness::Stale);
        let values = Arc::default();
        return StateAnswer { values, freshness, age: Duration::ZERO, node, source: StateSource::Cache };
    };
    let age = mono.saturating_sub(cached.fetched_at);
    let proved = age <= max_age && cached.from == node;
    StateAnswer {
        values: Arc::clone(&cached.values),
        freshness: if proved { Freshness::Fresh } else { freshness.max(Freshness::Stale) },
        age,
        node,
        source: if proved && was_asked { StateSource::Origin } else { StateSource::Cache },
    }
}

/// The state of one sensor, asking around for one that this node does not know of.
pub(crate) async fn get_state(
    handle: &Handle,
    id: &SensorId,
    max_age: Duration,
    timeout: Duration,
) -> Result<StateAnswer, StateError> {
    let inner = &handle.0;
    let ids = std::slice::from_ref(id);
    if let Some(answer) = get_states(inner, ids, max_age, timeout).await.remove(id) {
        return Ok(answer);
    }
    let may_know = who_may_know(&inner.world.load(), inner.clock.mono(), inner.fresh_for);
    if may_know.is_empty() {
        return Err(StateError::NotFound);
    }
    let asked = may_know.into_iter().map(|node| async move {
        let answer =
            if inner.breakers.allow(&node, inner.clock.mono()) { ask(inner, &node, ids, timeout).await } else { None };
        (node, answer)
    });
    let answers = futures_util::future::join_all(asked).await;
    let has_it =
        |(_, answer): &(NodeName, Option<BTreeSet<SensorId>>)| answer.as_ref().is_some_and(|found| found.contains(id));
    if answers.iter().any(has_it) {
        // Its facts are on their way.
        let known = |world: &World| world.view.get(sensocto_model::Kind::Sensor, id.as_str()).is_some();
        let _ = tokio::time::timeout(timeout, follow_until(handle, known)).await;
        let answer = get_states(inner, ids, max_age, timeout).await.remove(id);
        return answer
            .ok_or_else(|| StateError::Unknown { nodes: answers.into_iter().map(|(node, _)| node).collect() });
    }
    let nodes: Vec<NodeName> =
        answers.into_iter().filter(|(_, answer)| answer.is_none()).map(|(node, _)| node).collect();
    Err(if nodes.is_empty() { StateError::NotFound } else { StateError::Unknown { nodes } })
}

/// Nodes that are there and whose copies here may miss something.
fn who_may_know(world: &World, mono: Duration, fresh_for: Duration) -> Vec<NodeName> {
    let may_know = |node: &&NodeView| {
        let there = matches!(node.state, PeerState::Alive | PeerState::Suspect);
        there && (node.claimed > node.version || node.freshness(mono, fresh_for).0 != Freshness::Fresh)
    };
    world.view.nodes().values().filter(may_know).map(|node| node.origin.node.clone()).collect()
}

/// Waits until a world is as wanted, or the node stops.
async fn follow_until(handle: &Handle, mut wanted: impl FnMut(&World) -> bool) {
    let mut subscription = handle.subscribe();
    while !wanted(subscription.world()) && !matches!(handle.next(&mut subscription).await, Next::Closed) {}
}

/// Asks one node for the states of its sensors, unless somebody else just did. `false` where it did not answer.
async fn refresh(inner: &Inner, node: NodeName, ids: Vec<SensorId>, max_age: Duration, timeout: Duration) -> bool {
    let call = inner.remote.call(&node);
    let Ok(_turn) = tokio::time::timeout(timeout, call.turn.lock()).await else { return false };
    let mono = inner.clock.mono();
    let missing: Vec<SensorId> =
        ids.into_iter().filter(|id| inner.remote.cached(id, &node, max_age, mono).is_none()).collect();
    for ids in missing.chunks(IDS_MAX) {
        if !inner.breakers.allow(&node, inner.clock.mono()) || ask(inner, &node, ids, timeout).await.is_none() {
            return false;
        }
    }
    true
}

/// Notes that states are to be read anew when their node answers again: one task for each node, however many readers ask.
fn refresh_later(inner: &Arc<Inner>, node: &NodeName, ids: Vec<SensorId>) {
    let mut stale = inner.remote.stale.lock().unwrap_or_else(PoisonError::into_inner);
    let waits = stale.contains_key(node);
    let noted = stale.entry(node.clone()).or_default();
    let room = REFRESH_MAX.saturating_sub(noted.len());
    noted.extend(ids.into_iter().take(room));
    drop(stale);
    if !waits {
        tokio::spawn(refresh_when_it_answers(Handle(Arc::clone(inner)), node.clone()));
    }
}

async fn refresh_when_it_answers(handle: Handle, node: NodeName) {
    let inner = &handle.0;
    let answers = |world: &World| {
        let mono = inner.clock.mono();
        let there = world.view.nodes().get(&node);
        let fresh = there.is_none_or(|there| there.freshness(mono, inner.fresh_for).0 == Freshness::Fresh);
        // A node that left the world is waited for no longer.
        there.is_none() || (fresh && inner.breakers.state(&node, mono).0 == BreakerState::Closed)
    };
    let stopping = inner.stopping.clone();
    let answered = tokio::select! {
        answered = tokio::time::timeout(REFRESH_PATIENCE, follow_until(&handle, answers)) => answered.is_ok(),
        () = stopping.cancelled() => false,
    };
    let ids = inner.remote.stale.lock().unwrap_or_else(PoisonError::into_inner).remove(&node).unwrap_or_default();
    if answered {
        refresh(inner, node, ids.into_iter().collect(), Duration::ZERO, REFRESH_TIMEOUT).await;
    }
}

/// Asks one node for the states of its sensors. Those that it answered for; `None` where it did not answer.
async fn ask(inner: &Inner, node: &NodeName, ids: &[SensorId], timeout: Duration) -> Option<BTreeSet<SensorId>> {
    let payload = postcard::to_allocvec(ids).ok()?;
    let mut found = BTreeSet::new();
    call(inner, node, Purpose::State, payload, timeout, |frame| found.extend(take_answer(inner, node, frame))).await?;
    Some(found)
}

/// Calls one node once, and tells its breaker how it went. When it was called and when it had answered; `None` where it did not, or as
/// many calls are under way as may be.
pub(crate) async fn call(
    inner: &Inner,
    node: &NodeName,
    purpose: Purpose,
    payload: Vec<u8>,
    timeout: Duration,
    mut take: impl FnMut(&[u8]),
) -> Option<(Duration, Duration)> {
    let _permit = inner.remote.read_permit(node)?;
    let asked_at = inner.clock.mono();
    let mut replies = inner.engine.query(node, purpose, payload, timeout);
    let mut complete = false;
    while let Some(reply) = replies.recv().await {
        match reply {
            Reply::Frame(frame) => take(&frame),
            Reply::End { complete: whole } => {
                complete = whole;
                break;
            }
        }
    }
    let answered_at = inner.clock.mono();
    if complete {
        inner.breakers.succeeded(node, answered_at, answered_at.saturating_sub(asked_at));
        Some((asked_at, answered_at))
    } else {
        inner.breakers.failed(node, answered_at);
        None
    }
}

/// Keeps what a node says of its sensors.
fn take_answer(inner: &Inner, node: &NodeName, frame: &[u8]) -> BTreeSet<SensorId> {
    let Ok(lines) = postcard::from_bytes::<Vec<Line>>(frame) else {
        tracing::warn!(%node, "an answer about the state of sensors could not be read");
        return BTreeSet::new();
    };
    let world = inner.world.load();
    let fetched_at = inner.clock.mono();
    let mut found = BTreeSet::new();
    for line in lines {
        found.insert(line.sensor.clone());
        // Only the owner speaks for a sensor.
        let owned = world.view.get(sensocto_model::Kind::Sensor, line.sensor.as_str());
        if owned.is_some_and(|held| held.origin.node == *node) {
            let cached = Cached { values: Arc::new(line.values), fetched_at, from: node.clone() };
            inner.remote.cache.insert(line.sensor, Arc::new(cached));
        }
    }
    found
}

/// The frames that answer another node's question; `None` where it is no question.
pub(crate) fn answer(feeds: &Feeds, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let ids: Vec<SensorId> = postcard::from_bytes(payload).ok()?;
    if ids.len() > IDS_MAX {
        return None;
    }
    let mut frames = Vec::new();
    let mut lines = Vec::new();
    let mut bytes = 0;
    for sensor in ids {
        let Some((values, _)) = feeds.latest(&sensor) else { continue };
        bytes += values.values().map(|sample| sample.cost() + 16).sum::<usize>();
        lines.push(Line { sensor, values });
        if bytes >= FRAME_BYTES {
            frames.push(postcard::to_allocvec(&std::mem::take(&mut lines)).ok()?);
            bytes = 0;
        }
    }
    if !lines.is_empty() {
        frames.push(postcard::to_allocvec(&lines).ok()?);
    }
    Some(frames)
}
