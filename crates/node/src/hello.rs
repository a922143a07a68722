//! What nodes tell each other about themselves, besides their logs: where their clients connect, how long changes took to them, and how
//! loaded they are.
//!
//! Each node asks every other one when it comes up and every few seconds from then on. The same call is the sign of life behind the
//! circuit breakers and measures the round trip.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sensocto_model::{Generation, NodeName, Origin, Version};
use sensocto_registry::PeerState;
use sensocto_registry::breaker::BreakerState;
use sensocto_signals::{Load, LoadLevel, Reading};
use serde::{Deserialize, Serialize};

use crate::engine::Purpose;
use crate::handle::{Handle, Inner};
use crate::propagation::{Note, Propagation};
use crate::remote;
use sensocto_model::ClientUrl;

/// How often a node that answers is asked.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon a node is asked again that does not know yet where its clients connect.
const INTERVAL_UNKNOWN: Duration = Duration::from_secs(1);
/// How often it is looked who is to be asked.
const TICK: Duration = Duration::from_millis(500);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of nodes that left the cluster which are remembered, the latest ones: pages that came from there are still open.
const GONE_MAX: usize = 64;

/// What a node says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Hello {
    /// Which start of it.
    generation: Generation,
    /// Where its clients connect, where it knows that.
    url: Option<ClientUrl>,
    /// What its clock shows.
    mono: Duration,
    /// When its world first showed versions of its own log, in order.
    changes: Vec<Note>,
    /// The times of the ways to it.
    row: BTreeMap<NodeName, Propagation>,
    /// How loaded it is.
    load: Percents,
}

/// How loaded a node is, in eight bytes: the level's place, whether memory is short, and the reading in percent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Percents {
    level: u8,
    memory_protection: bool,
    parts: [u8; 4],
}

impl Percents {
    fn new(load: Load, reading: Reading) -> Percents {
        let place = LoadLevel::ALL.iter().position(|level| *level == load.level).unwrap_or_default();
        // A processor that is used more than it may is as full as can be.
        let percent = |part: f64| (part.clamp(0.0, 1.0) * 100.0).round() as u8;
        let parts = [reading.cpu, reading.fan_out, reading.queues, reading.memory].map(percent);
        Percents { level: place as u8, memory_protection: load.memory_protection, parts }
    }

    fn load(self, age: Duration) -> NodeLoad {
        let level = LoadLevel::ALL.get(usize::from(self.level)).copied().unwrap_or_default();
        let [cpu_percent, fan_out_percent, queues_percent, memory_percent] = self.parts.map(|part| part.min(100));
        let memory_protection = self.memory_protection;
        NodeLoad { level, memory_protection, cpu_percent, fan_out_percent, queues_percent, memory_percent, age }
    }
}

/// How loaded a node said that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLoad {
    /// The level that follows from the rest.
    pub level: LoadLevel,
    /// Whether its memory is short.
    pub memory_protection: bool,
    /// Processor time that it used of what it may use.
    pub cpu_percent: u8,
    /// How full and how late what fans signals out was.
    pub fan_out_percent: u8,
    /// How full its queue of writes was.
    pub queues_percent: u8,
    /// Memory used of what it may use.
    pub memory_percent: u8,
    /// How long ago it said so.
    pub age: Duration,
}

/// What is asked: the notes of changes after this version of this start are wanted.
type Question = (Generation, Version);

/// The measured times of the ways to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRow {
    /// The node that measured them.
    pub to: NodeName,
    /// By the node that the changes came from.
    pub from: BTreeMap<NodeName, Propagation>,
    /// How long ago it said so.
    pub age: Duration,
}

#[derive(Debug, Default)]
struct Heard {
    hello: Option<(Hello, Duration)>,
    next: Duration,
}

/// What this node says of itself, and what the others said.
#[derive(Debug, Default)]
pub(crate) struct Hellos {
    mine: ArcSwapOption<ClientUrl>,
    others: Mutex<BTreeMap<NodeName, Heard>>,
    gone: Mutex<VecDeque<ClientUrl>>,
}

impl Hellos {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeName, Heard>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a node is to be asked; it is then asked next after the interval.
    fn is_due(&self, node: &NodeName, mono: Duration) -> bool {
        let mut others = self.lock();
        let heard = others.entry(node.clone()).or_default();
        let due = heard.next <= mono;
        if due {
            heard.next = mono + INTERVAL;
        }
        due
    }

    fn take(&self, node: &NodeName, hello: Hello, mono: Duration) {
        let interval = if hello.url.is_some() { INTERVAL } else { INTERVAL_UNKNOWN };
        self.lock().insert(node.clone(), Heard { hello: Some((hello, mono)), next: mono + interval });
    }

    /// Forgets the nodes that are not in the world any more, but for their addresses.
    pub(crate) fn retain(&self, known: impl Fn(&NodeName) -> bool) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().retain(|node, heard| {
            let stays = known(node);
            if let Some(url) = heard.hello.take_if(|_| !stays).and_then(|(hello, _)| hello.url) {
                gone.retain(|other| *other != url);
                gone.push_back(url);
                let over = gone.len().saturating_sub(GONE_MAX);
                gone.drain(..over);
            }
            stays
        });
    }

    /// Where the clients of another node connect, as it last said: a node that is gone is expected back there.
    pub(crate) fn url(&self, node: &NodeName) -> Option<ClientUrl> {
        self.lock().get(node)?.hello.as_ref()?.0.url.clone()
    }
}

impl Handle {
    /// Says where this node's clients connect, to them and to the other nodes.
    pub fn advertise(&self, url: ClientUrl) {
        self.0.hellos.mine.store(Some(Arc::new(url)));
    }

    /// Where the clients of a node connect; `None` where it did not say.
    #[must_use]
    pub fn client_url(&self, node: &NodeName) -> Option<ClientUrl> {
        if *node == self.me().node {
            return self.0.hellos.mine.load().as_deref().cloned();
        }
        self.0.hellos.url(node)
    }

    /// How loaded a node is, as it last said; `None` where it did not say.
    #[must_use]
    pub fn node_load(&self, node: &NodeName) -> Option<NodeLoad> {
        let inner = &self.0;
        if *node == inner.me.node {
            return Some(own_load(inner).load(Duration::ZERO));
        }
        let others = inner.hellos.lock();
        let (hello, at) = others.get(node)?.hello.as_ref()?;
        Some(hello.load.load(self.clock().mono().saturating_sub(*at)))
    }

    /// The measured times from every node to every other one: this node's own, and what the others said of theirs.
    #[must_use]
    pub fn propagation(&self) -> Vec<MatrixRow> {
        let (inner, mono) = (&self.0, self.clock().mono());
        let mine = MatrixRow { to: inner.me.node.clone(), from: inner.propagations.row(mono), age: Duration::ZERO };
        let mut rows = vec![mine];
        for (node, heard) in inner.hellos.lock().iter() {
            let Some((hello, at)) = &heard.hello else { continue };
            rows.push(MatrixRow { to: node.clone(), from: hello.row.clone(), age: mono.saturating_sub(*at) });
        }
        rows.sort_by(|one, other| one.to.cmp(&other.to));
        rows
    }

    /// Where the clients of nodes connected that left the cluster lately.
    #[must_use]
    pub fn client_urls_of_gone(&self) -> Vec<ClientUrl> {
        self.0.hellos.gone.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn own_load(inner: &Inner) -> Percents {
    Percents::new(inner.signals.load(), inner.signals.load_reading())
}

/// Asks one node, and tells its breaker how it went.
pub(crate) async fn ask(inner: &Inner, node: &NodeName) -> bool {
    let question: Question = inner.propagations.measured(node);
    let Ok(payload) = postcard::to_allocvec(&question) else { return false };
    let mut hello = None;
    let exchange = remote::call(inner, node, Purpose::Hello, payload, TIMEOUT, |frame| {
        hello = postcard::from_bytes::<Hello>(frame).ok();
    });
    let exchange = exchange.await;
    let Some((exchange, hello)) = exchange.zip(hello) else {
        tracing::debug!(%node, answered = exchange.is_some(), "a node did not say anything of itself");
        return exchange.is_some();
    };
    let from = Origin { node: node.clone(), generation: hello.generation };
    inner.propagations.measure(&from, exchange, hello.mono, &hello.changes);
    inner.hellos.take(node, hello, exchange.1);
    true
}

/// The frame that answers another node.
pub(crate) fn answer(inner: &Inner, payload: &[u8]) -> Option<Vec<u8>> {
    let question: Question = postcard::from_bytes(payload).ok()?;
    let mono = inner.clock.mono();
    let generation = inner.origin().generation;
    let hello = Hello {
        generation,
        url: inner.hellos.mine.load().as_deref().cloned(),
        row: inner.propagations.row(mono),
        changes: inner.propagations.own_after(generation, question),
        load: own_load(inner),
        // Read last: it is taken for the middle of the way there and back.
        mono: inner.clock.mono(),
    };
    postcard::to_allocvec(&hello).ok()
}

/// Asks every node that is there now and then, so that its round trip is known, and a node that hangs is found before a reader meets it.
pub(crate) async fn run(handle: Handle) {
    let inner = &handle.0;
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = inner.stopping.cancelled() => return,
            _ = interval.tick() => {}
        }
        let mono = inner.clock.mono();
        inner.pins.expire(mono);
        let world = inner.world.load_full();
        let there = world.view.nodes().values().filter(|node| node.state == PeerState::Alive);
        let trusted = there
            .map(|node| &node.origin.node)
            .filter(|node| inner.breakers.state(node, mono).0 == BreakerState::Closed);
        for node in trusted.filter(|node| inner.hellos.is_due(node, mono)) {
            let (handle, node) = (handle.clone(), node.clone());
            tokio::spawn(async move { ask(&handle.0, &node).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_travels_in_percent_and_nonsense_is_no_load() {
        let load = Load { level: LoadLevel::High, memory_protection: true };
        let reading = Reading { cpu: 1.7, fan_out: 0.333, queues: 0.0, memory: f64::NAN };
        let heard = Percents::new(load, reading).load(Duration::from_secs(3));
        assert_eq!((heard.level, heard.memory_protection, heard.age), (LoadLevel::High, true, Duration::from_secs(3)));
        assert_eq!(
            (heard.cpu_percent, heard.fan_out_percent, heard.queues_percent, heard.memory_percent),
            (100, 33, 0, 0)
        );
        let strange = Percents { level: 9, memory_protection: false, parts: [255; 4] }.load(Duration::ZERO);
        assert_eq!((strange.level, strange.cpu_percent), (LoadLevel::Normal, 100));
    }
}
