//! The one task that carries out what the exchange decides: frames to and from other nodes, and the streams of samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sensocto_model::{Kind, NodeName, SensorId};
use sensocto_registry::PeerState;
use sensocto_signals::message::{self, Message};
use sensocto_signals::{Interest, Output};
use tokio::sync::mpsc;

use super::stream::Stream;
use super::{Counters, Signals, owner};
use crate::engine::Lane;
use crate::handle::{Handle, Inner};
use crate::world::{Batch, Next, Subscription, World};

/// Frames that are taken in before what follows from them is done.
const TAKEN_AT_ONCE: usize = 64;

/// Carries signals between this node and the others.
pub(crate) struct Traffic {
    handle: Handle,
    frames: mpsc::Receiver<Vec<u8>>,
    subscription: Subscription,
    streams: BTreeMap<NodeName, Stream>,
    /// The nodes that are there.
    there: BTreeMap<NodeName, sensocto_model::Generation>,
}

impl Traffic {
    /// `frames` are those of other nodes.
    pub(crate) fn new(handle: Handle, frames: mpsc::Receiver<Vec<u8>>) -> Traffic {
        let subscription = handle.subscribe();
        Traffic { handle, frames, subscription, streams: BTreeMap::new(), there: BTreeMap::new() }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        let inner = Arc::clone(&self.handle.0);
        loop {
            let wake = inner.clock.at(self.due_at());
            tokio::select! {
                biased;
                () = inner.stopping.cancelled() => return,
                next = self.subscription.next(|| inner.world.load_full()) => match next {
                    Next::Batch(batch) => self.follow(&batch),
                    Next::Resync(world) => self.follow_anew(&world),
                    Next::Closed => return,
                },
                () = inner.signals.wake.notified() => {}
                Some(frame) = self.frames.recv() => self.take(&frame),
                () = tokio::time::sleep_until(wake) => {}
            }
            for _ in 0..TAKEN_AT_ONCE {
                let Ok(frame) = self.frames.try_recv() else { break };
                self.take(&frame);
            }
            inner.signals.counters.frames_waiting.store(self.frames.len() as u64, Ordering::Relaxed);
            self.settle();
        }
    }

    fn due_at(&mut self) -> Duration {
        let inner = &self.handle.0;
        let (load, now) = (inner.signals.load().level, inner.clock.mono());
        let streams = self.streams.values_mut().map(|stream| stream.due_at(load, now)).min();
        let exchange = inner.signals.exchange().poll_timeout();
        // Nothing is due: an hour is as good as never.
        streams.into_iter().chain(exchange).min().unwrap_or(Duration::MAX).min(now + Duration::from_secs(3_600))
    }

    /// Takes in what changed in the world: where sensors are, and who is there.
    fn follow(&mut self, batch: &Batch) {
        let inner = Arc::clone(&self.handle.0);
        let now = inner.clock.mono();
        let mut exchange = inner.signals.exchange();
        for event in batch.events.iter().filter(|event| event.key.kind == Kind::Sensor) {
            if !exchange.is_watched(event.key.id.as_str()) {
                continue;
            }
            if let Ok(sensor) = SensorId::new(event.key.id.as_str()) {
                exchange.handle_owner(&sensor, owner(&batch.world, &sensor).as_ref(), now);
            }
        }
        drop(exchange);
        self.follow_nodes(&batch.world);
    }

    /// Some changes were not told: everything that is watched is looked up.
    fn follow_anew(&mut self, world: &Arc<World>) {
        let inner = Arc::clone(&self.handle.0);
        let now = inner.clock.mono();
        let mut exchange = inner.signals.exchange();
        for sensor in exchange.watched() {
            exchange.handle_owner(&sensor, owner(world, &sensor).as_ref(), now);
        }
        drop(exchange);
        self.follow_nodes(world);
    }

    fn follow_nodes(&mut self, world: &World) {
        let inner = &self.handle.0;
        let now = inner.clock.mono();
        let there = |node: &&sensocto_registry::NodeView| matches!(node.state, PeerState::Alive | PeerState::Suspect);
        let present: BTreeMap<NodeName, sensocto_model::Generation> = world
            .view
            .nodes()
            .values()
            .filter(there)
            .map(|node| (node.origin.node.clone(), node.origin.generation))
            .collect();
        if present == self.there {
            return;
        }
        let mut exchange = inner.signals.exchange();
        for gone in self.there.keys().filter(|node| !present.contains_key(*node)) {
            exchange.handle_peer_down(gone, now);
        }
        for (node, generation) in &present {
            if self.there.get(node) != Some(generation) {
                exchange.handle_peer_up(node, now);
            }
        }
        drop(exchange);
        self.there = present;
    }

    fn take(&mut self, frame: &[u8]) {
        let inner = &self.handle.0;
        let signals = &inner.signals;
        Counters::add(&signals.counters.frames_in, 1);
        let (from, message) = match message::decode(frame) {
            Ok(read) => read,
            Err(error) => {
                Counters::add(&signals.counters.frames_refused, 1);
                tracing::debug!(%error, "a frame about signals was refused");
                return;
            }
        };
        let now = inner.clock.mono();
        let mut exchange = signals.exchange();
        if !exchange.handle_message(&from, &message, now) {
            return;
        }
        let Message::Samples { mut lines, .. } = message else { return };
        // Only the node that a sensor is on speaks for it, and only where somebody listens.
        lines.retain(|line| exchange.awaits(&line.sensor, &from.node));
        drop(exchange);
        for line in lines {
            let given = signals.feeds.apply(line, now);
            Counters::add(&signals.counters.samples_received, given.taken);
            Counters::add(&signals.counters.samples_refused, given.refused);
        }
    }

    /// Does everything that follows.
    fn settle(&mut self) {
        let inner = Arc::clone(&self.handle.0);
        let (signals, now) = (&inner.signals, inner.clock.mono());
        let mut outputs = Vec::new();
        {
            let mut exchange = signals.exchange();
            exchange.handle_tick(now);
            while let Some(output) = exchange.poll_output() {
                // Under the lock, so that levels arrive in the order in which they changed.
                if let Output::Level { sensor, level } = &output {
                    if let Some(feed) = signals.feeds.get(sensor) {
                        feed.state().set_level(*level);
                    }
                } else {
                    outputs.push(output);
                }
            }
        }
        for output in outputs {
            match output {
                Output::Send { to, frame } => inner.engine.send(&to, Lane::Attention, frame),
                Output::Stream { to, sensor, interest } => self.stream(signals, &to, &sensor, interest),
                Output::Repeat { to } => {
                    if let Some(stream) = self.streams.get_mut(&to) {
                        stream.repeat();
                    }
                }
                Output::Level { .. } => {}
            }
        }
        self.send(&inner, now);
    }

    fn stream(&mut self, signals: &Signals, to: &NodeName, sensor: &SensorId, interest: Interest) {
        let wake = || Stream::new(Arc::clone(&signals.wake));
        let stream = self.streams.entry(to.clone()).or_insert_with(wake);
        stream.set(&signals.feeds, sensor, interest);
        if stream.is_empty()
            && let Some(stream) = self.streams.remove(to)
        {
            stream.end(&signals.feeds);
        }
    }

    fn send(&mut self, inner: &Inner, now: Duration) {
        let load = inner.signals.load().level;
        for (to, stream) in &mut self.streams {
            let (messages, samples) = stream.poll(load, now);
            Counters::add(&inner.signals.counters.samples_out, samples);
            Counters::add(&inner.signals.counters.put_off, usize::from(!messages.is_empty() && stream.put_off()));
            for message in messages {
                let frame = message::encode(&inner.origin(), &message);
                Counters::add(&inner.signals.counters.frames_out, 1);
                Counters::add(&inner.signals.counters.bytes_out, frame.len());
                inner.engine.send(to, Lane::Samples, frame);
            }
        }
    }
}
