//! The state of sensors on other nodes: a cache, one call under way per node, and a breaker in front of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use sensocto_model::{AttributeId, NodeName, SensorId};
use sensocto_registry::Freshness;
use serde::{Deserialize, Serialize};

use crate::engine::{Purpose, Reply};
use crate::handle::Inner;
use crate::values::{LastValue, LocalValues};

/// Sensors whose last known state is kept. When it is full, those that nobody asked for lately go first.
pub(crate) const CACHED_MAX: usize = 100_000;
/// Sensors in one question.
pub const IDS_MAX: usize = 200;
/// Largest frame of an answer, in bytes; one sensor more may ride over it.
const FRAME_BYTES: usize = 128 * 1024;

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
    pub values: Arc<BTreeMap<AttributeId, LastValue>>,
    /// How far they can be trusted.
    pub freshness: Freshness,
    /// How old this node's copy of them is.
    pub age: Duration,
    /// The node that the sensor is on.
    pub node: NodeName,
    /// Where they came from.
    pub source: StateSource,
}

/// One sensor in the answer of another node.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    sensor: SensorId,
    values: BTreeMap<AttributeId, LastValue>,
}

#[derive(Debug)]
struct Cached {
    values: Arc<BTreeMap<AttributeId, LastValue>>,
    fetched_at: Duration,
    from: NodeName,
}

/// What this node knows of the states of sensors elsewhere.
#[derive(Debug)]
pub(crate) struct Remote {
    cache: Cache<SensorId, Arc<Cached>>,
    // One call at a time to each node: whoever comes second finds what the first one fetched.
    calls: Mutex<BTreeMap<NodeName, Arc<tokio::sync::Mutex<()>>>>,
}

impl Remote {
    pub(crate) fn new() -> Remote {
        Remote { cache: Cache::new(CACHED_MAX), calls: Mutex::default() }
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

    fn call(&self, node: &NodeName) -> Arc<tokio::sync::Mutex<()>> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(calls.entry(node.clone()).or_default())
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
    }
    let asked = wanted.clone();
    let calls = wanted.into_iter().map(|(node, ids)| refresh(inner, node, ids, max_age, timeout));
    futures_util::future::join_all(calls).await;
    for (id, (node, freshness)) in owners {
        let was_asked = asked.get(&node).is_some_and(|ids| ids.contains(&id));
        answers.insert(id.clone(), remote(inner, &id, node, freshness, max_age, was_asked));
    }
    answers
}

fn local(inner: &Inner, id: &SensorId) -> StateAnswer {
    let (values, changed_at) = inner.local_values.get(id).map(|values| values.get()).unwrap_or_default();
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

/// Asks one node for the states of its sensors, unless somebody else just did.
async fn refresh(inner: &Arc<Inner>, node: NodeName, ids: Vec<SensorId>, max_age: Duration, timeout: Duration) {
    let call = inner.remote.call(&node);
    let Ok(_turn) = tokio::time::timeout(timeout, call.lock()).await else { return };
    let mono = inner.clock.mono();
    let missing: Vec<SensorId> =
        ids.into_iter().filter(|id| inner.remote.cached(id, &node, max_age, mono).is_none()).collect();
    for ids in missing.chunks(IDS_MAX) {
        if !inner.breakers.allow(&node, inner.clock.mono()) || !ask(inner, &node, ids, timeout).await {
            return;
        }
    }
}

/// Asks one node once, and tells its breaker how it went. Without ids it is a probe.
pub(crate) async fn ask(inner: &Inner, node: &NodeName, ids: &[SensorId], timeout: Duration) -> bool {
    let Ok(payload) = postcard::to_allocvec(ids) else { return false };
    let mut replies = inner.engine.query(node, Purpose::State, payload, timeout);
    let mut complete = false;
    while let Some(reply) = replies.recv().await {
        match reply {
            Reply::Frame(frame) => take_answer(inner, node, &frame),
            Reply::End { complete: whole } => {
                complete = whole;
                break;
            }
        }
    }
    if complete {
        inner.breakers.succeeded(node);
    } else {
        inner.breakers.failed(node, inner.clock.mono());
    }
    complete
}

fn take_answer(inner: &Inner, node: &NodeName, frame: &[u8]) {
    let Ok(lines) = postcard::from_bytes::<Vec<Line>>(frame) else {
        tracing::warn!(%node, "an answer about the state of sensors could not be read");
        return;
    };
    let world = inner.world.load();
    let fetched_at = inner.clock.mono();
    for line in lines {
        // Only the owner speaks for a sensor.
        let owned = world.view.get(sensocto_model::Kind::Sensor, line.sensor.as_str());
        if owned.is_some_and(|held| held.origin.node == *node) {
            let cached = Cached { values: Arc::new(line.values), fetched_at, from: node.clone() };
            inner.remote.cache.insert(line.sensor, Arc::new(cached));
        }
    }
}

/// The frames that answer another node's question; `None` where it is no question.
pub(crate) fn answer(local: &LocalValues, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let ids: Vec<SensorId> = postcard::from_bytes(payload).ok()?;
    if ids.len() > IDS_MAX {
        return None;
    }
    let mut frames = Vec::new();
    let mut lines = Vec::new();
    let mut bytes = 0;
    for sensor in ids {
        let Some(values) = local.get(&sensor) else { continue };
        let (values, _) = values.get();
        bytes += values.values().map(|value| value.payload.len() + value.timestamp.len() + 64).sum::<usize>();
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
