//! The one loop that owns the registry: what comes in is taken in, then everything that follows from it is done, then it sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sensocto_model::{Generation, Key, NodeName, Origin, Record, Stamp};
use sensocto_registry::{
    ChangeError, Event, EventKind, FrameError, Mark, Now, Output, RegisterError, Registry, message,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::{Inbound, Purpose, Question, Reply};
use crate::handle::{BATCH_MAX, Command, Handle, Inner, LocalEntry};
use crate::identity::Identity;
use crate::node::EndCause;
use crate::world::{Batch, World};
use crate::{hello, remote};

/// Inputs that are taken in before their consequences are drawn: more make larger batches, and later ones. A batch of records counts as
/// so many inputs.
const TAKEN_AT_ONCE: usize = BATCH_MAX;
/// Questions of other nodes that are answered at the same time. Further ones are turned away; their askers come back.
const ANSWERS_MAX: usize = 20;
/// Frames of answers that wait to be taken in. When it is full, the answer waits.
const ANSWER_FRAMES_MAX: usize = 64;
/// The time between two lines that say that a node of another version is there.
const FORMAT_SAID_EVERY: Duration = Duration::from_secs(10);
/// The longest that one whole answer may take; the registry gives up earlier on one that stands still.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Something of an answer to a question of this node.
enum Answered {
    Frame { id: u64, frame: Vec<u8> },
    End { id: u64, complete: bool },
}

/// Replies to writes, held until the world that they led to is out: who has a mark can read what it stands for.
enum Done {
    Registered(oneshot::Sender<Vec<Result<LocalEntry, RegisterError>>>, Vec<Result<LocalEntry, RegisterError>>),
    Updated(oneshot::Sender<Result<Mark, ChangeError>>, Result<Mark, ChangeError>),
    Confirmed(oneshot::Sender<bool>, bool),
}

pub(crate) struct Driver {
    inner: Arc<Inner>,
    registry: Registry,
    commands: mpsc::Receiver<Command>,
    inbound: mpsc::Receiver<Inbound>,
    answered: mpsc::Receiver<Answered>,
    answers: mpsc::Sender<Answered>,
    answering: Arc<Semaphore>,
    holders: BTreeMap<Key, (Stamp, CancellationToken)>,
    done: Vec<Done>,
    addresses: BTreeMap<NodeName, (Generation, Option<SocketAddr>)>,
    ended: watch::Sender<Option<EndCause>>,
    identity: Weak<Identity>,
    /// When it was last said that a node of another version is there.
    format_said_at: Option<Duration>,
    /// This node works alone: nothing is sent, and nothing is taken in.
    apart: bool,
    dirty: bool,
}

impl Driver {
    pub(crate) fn new(
        inner: Arc<Inner>,
        registry: Registry,
        (commands, inbound): (mpsc::Receiver<Command>, mpsc::Receiver<Inbound>),
        ended: watch::Sender<Option<EndCause>>,
        identity: Weak<Identity>,
    ) -> Driver {
        let (answers, answered) = mpsc::channel(ANSWER_FRAMES_MAX);
        Driver {
            inner,
            registry,
            commands,
            inbound,
            answered,
            answers,
            answering: Arc::new(Semaphore::new(ANSWERS_MAX)),
            holders: BTreeMap::new(),
            done: Vec::new(),
            addresses: BTreeMap::new(),
            ended,
            identity,
            format_said_at: None,
            apart: false,
            dirty: true,
        }
    }

    /// Runs until `stop`, and then lets what was released by then leave.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let wake = self.inner.clock.at(self.registry.poll_timeout());
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = self.commands.recv() => self.take_command(command),
                Some(inbound) = self.inbound.recv() => self.take_inbound(inbound),
                Some(answered) = self.answered.recv() => self.take_answered(answered),
                () = self.inner.released.some.notified() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            self.take_more();
            self.settle();
        }
        self.settle();
        self.inner.engine.close().await;
    }

    /// Takes in what has come meanwhile, so that one world and one delta stand for all of it.
    fn take_more(&mut self) {
        let mut taken = 0;
        while taken < TAKEN_AT_ONCE {
            taken += 1;
            let mut some = false;
            if let Ok(command) = self.commands.try_recv() {
                if let Command::Register { records, .. } = &command {
                    taken += records.len();
                }
                self.take_command(command);
                some = true;
            }
            if let Ok(inbound) = self.inbound.try_recv() {
                self.take_inbound(inbound);
                some = true;
            }
            if let Ok(answered) = self.answered.try_recv() {
                self.take_answered(answered);
                some = true;
            }
            if !some {
                return;
            }
        }
    }

    /// Draws the consequences of everything that was taken in.
    fn settle(&mut self) {
        let now = self.inner.clock.now();
        for (key, stamp) in self.inner.released.take() {
            if self.holders.get(&key).is_some_and(|(held, _)| *held == stamp) {
                self.holders.remove(&key);
            }
            self.registry.unregister(&key, stamp);
        }
        if self.inner.propagations.is_beat_due(now.mono) {
            self.registry.beat();
            self.dirty = true;
        }
        let due = self.registry.poll_timeout() <= now.mono;
        if due {
            self.registry.handle_tick(now);
            self.dirty = true;
            self.probe(now.mono);
        }
        let mut events = Vec::new();
        while let Some(output) = self.registry.poll_output() {
            self.carry_out(output, &mut events);
        }
        if self.dirty || !events.is_empty() {
            self.publish_world(events);
            self.dirty = false;
        }
        for done in self.done.drain(..) {
            // Whoever asked may have gone away.
            match done {
                Done::Registered(reply, result) => drop(reply.send(result)),
                Done::Updated(reply, result) => drop(reply.send(result)),
                Done::Confirmed(reply, result) => drop(reply.send(result)),
            }
        }
    }

    fn publish_world(&mut self, events: Vec<Event>) {
        let seq = self.inner.world.load().seq + 1;
        let view = self.registry.view().clone();
        let (counters, sizes) = (self.registry.counters().clone(), self.registry.sizes());
        let world = Arc::new(World { seq, view, counters, sizes });
        self.inner.world.store(Arc::clone(&world));
        let mono = self.inner.clock.mono();
        self.inner.propagations.note(&world, mono);
        let batch = Batch { world, events: events.into() };
        self.inner.history.note(&batch, mono);
        self.inner.recent.note(&batch.world, &batch.events, mono);
        // Nobody may be subscribed.
        let _ = self.inner.batches.send(batch);
    }

    fn carry_out(&mut self, output: Output, events: &mut Vec<Event>) {
        match output {
            // Digests show what was not sent, once the others hear them again.
            Output::Publish(_) if self.apart => {}
            Output::Publish(frame) => {
                self.inner.metrics.published(frame.len());
                self.inner.engine.publish(frame);
            }
            Output::Ask { to, id, frame } => self.ask(&to, id, frame),
            Output::Event(event) => {
                if matches!(event.kind, EventKind::Unregistered(_))
                    && let Some(id) = event.key.sensor_id()
                {
                    self.inner.remote.forget(&id);
                }
                events.push(event);
            }
            Output::Superseded { key, stamp, by } => {
                tracing::debug!(%key, %by, "an entry moved to another node");
                if let Some((held, token)) = self.holders.get(&key)
                    && *held == stamp
                {
                    token.cancel();
                    self.holders.remove(&key);
                }
            }
            Output::NameTaken { generation } => self.give_the_name_up(generation),
            Output::Overtaken { generation } => self.renew(generation),
        }
    }

    /// Of two processes with one name, the one that was started later goes: this one.
    fn give_the_name_up(&mut self, generation: Generation) {
        self.ended.send_replace(Some(EndCause::NameTaken { generation }));
    }

    /// Others have heard of a process that was started later under this node's name: this one goes on under a generation after that one.
    fn renew(&mut self, after: Generation) {
        let now = self.inner.clock.now();
        let generation = Generation(after.0.saturating_add(1).max(now.wall_ms));
        if let Some(Err(error)) = self.identity.upgrade().map(|identity| identity.advance(generation)) {
            tracing::warn!(%error, "the next start of this node may be refused for a while: its generation was not kept");
        }
        if !self.registry.renew(generation, now) {
            return;
        }
        self.inner.generation.store(generation.0, std::sync::atomic::Ordering::Relaxed);
        tracing::warn!(other = %after, %generation, "another process was started under this node's name; this one goes on under a later generation");
        let origin = self.inner.origin();
        self.inner.signals.exchange().renew(origin.clone(), now.mono);
        self.dirty = true;
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.engine.renew(origin).await });
    }

    /// The engine sees or loses a process of this node's name.
    fn see_namesake(&mut self, generation: Generation, up: bool) {
        if up && generation < self.inner.me.generation {
            self.give_the_name_up(generation);
        } else if up && generation > self.inner.origin().generation {
            // What it says tells whether it was there first, under a later generation by now.
            tracing::warn!(%generation, "another process runs under this node's name; one of the two has to go");
        }
    }

    fn ask(&self, to: &NodeName, id: u64, frame: Vec<u8>) {
        let (inner, to, answers) = (Arc::clone(&self.inner), to.clone(), self.answers.clone());
        tokio::spawn(async move {
            // Readers leave some of the calls to one node to repair.
            let _permit = inner.remote.repair_permit(&to).await;
            let mut replies = inner.engine.query(&to, Purpose::Ask, frame, ANSWER_MAX);
            while let Some(reply) = replies.recv().await {
                let answered = match reply {
                    Reply::Frame(frame) => Answered::Frame { id, frame },
                    Reply::End { complete } => Answered::End { id, complete },
                };
                let ended = matches!(answered, Answered::End { .. });
                if answers.send(answered).await.is_err() || ended {
                    return;
                }
            }
            // The driver may be gone.
            let _ = answers.send(Answered::End { id, complete: false }).await;
        });
    }

    fn take_command(&mut self, command: Command) {
        let now = self.inner.clock.now();
        match command {
            Command::Register { records, reply } => {
                let results = records.into_iter().map(|record| self.register(record, now)).collect();
                self.done.push(Done::Registered(reply, results));
            }
            Command::Update { record, stamp, reply } => {
                let result = self.registry.update(record, stamp);
                self.done.push(Done::Updated(reply, result));
            }
            Command::SetApart { apart, reply } => {
                self.set_apart(apart);
                self.done.push(Done::Confirmed(reply, apart));
            }
            Command::ConfirmLoss { node, reply } => {
                let confirmed = self.registry.confirm_loss(&node, now);
                tracing::info!(%node, confirmed, "an operator said that a node will not come back");
                self.dirty = true;
                self.done.push(Done::Confirmed(reply, confirmed));
            }
        }
    }

    fn register(&mut self, record: Record, now: Now) -> Result<LocalEntry, RegisterError> {
        let key = record.key();
        let registration = self.registry.register(record, now)?;
        let superseded = CancellationToken::new();
        if let Some((_, token)) = self.holders.insert(key.clone(), (registration.stamp, superseded.clone())) {
            token.cancel();
        }
        Ok(LocalEntry::new(Handle(Arc::clone(&self.inner)), key, registration, superseded))
    }

    /// Who is there is known all the time; the registry is told of it while this node takes part.
    fn set_apart(&mut self, apart: bool) {
        let now = self.inner.clock.now();
        self.apart = apart;
        self.registry.set_apart(apart, now);
        for (node, (generation, _)) in &self.addresses {
            let origin = Origin { node: node.clone(), generation: *generation };
            if apart {
                self.registry.handle_peer_down(&origin, now);
                self.inner.breakers.open(node, now.mono);
            } else {
                self.registry.handle_peer_up(&origin, now);
                self.spawn_probe(node.clone());
            }
        }
        self.dirty = true;
    }

    fn take_answered(&mut self, answered: Answered) {
        let now = self.inner.clock.now();
        match answered {
            Answered::Frame { id, frame } => {
                self.inner.metrics.received(frame.len());
                if let Err(error) = self.registry.handle_answer_frame(id, &frame, now) {
                    tracing::debug!(%error, "a frame of an answer was refused");
                }
            }
            Answered::End { id, complete } => self.registry.handle_answer_end(id, complete, now),
        }
        self.dirty = true;
    }

    fn take_frame(&mut self, frame: &[u8]) {
        self.inner.metrics.received(frame.len());
        if let Err(error) = self.registry.handle_frame(frame, self.inner.clock.now()) {
            self.note_refused(error, frame, "frame");
        }
    }

    /// Says, not too often, that a node of another version is there: neither side takes anything of the other.
    fn note_refused(&mut self, error: FrameError, bytes: &[u8], what: &str) {
        let mono = self.inner.clock.mono();
        let due = self.format_said_at.is_none_or(|at| mono >= at + FORMAT_SAID_EVERY);
        match bytes.first() {
            Some(format) if error == FrameError::Format && due => {
                self.format_said_at = Some(mono);
                tracing::warn!(
                    format,
                    mine = message::FORMAT,
                    "a {what} of another format was refused: a node of another version is in this cluster, and nothing goes between it and this one"
                );
            }
            Some(_) | None => tracing::debug!(%error, "a {what} was refused"),
        }
    }

    fn take_inbound(&mut self, inbound: Inbound) {
        let now = self.inner.clock.now();
        self.dirty = true;
        match inbound {
            Inbound::Frame(_) | Inbound::Question(_) if self.apart => {}
            Inbound::Frame(frame) => self.take_frame(&frame),
            Inbound::Question(question) => self.answer(question),
            Inbound::Up(origin, _) if origin.node == self.inner.me.node => self.see_namesake(origin.generation, true),
            Inbound::Down(origin) if origin.node == self.inner.me.node => self.see_namesake(origin.generation, false),
            Inbound::Up(origin, address) => {
                tracing::info!(node = %origin.node, generation = %origin.generation, "a node is there");
                self.inner.breakers.meet(&origin.node, now.mono);
                if !self.apart {
                    self.registry.handle_peer_up(&origin, now);
                    self.spawn_probe(origin.node.clone());
                }
                self.addresses.insert(origin.node, (origin.generation, address));
                self.show_addresses();
            }
            Inbound::Down(origin) => {
                tracing::info!(node = %origin.node, generation = %origin.generation, "a node is gone");
                self.registry.handle_peer_down(&origin, now);
                if self.addresses.get(&origin.node).is_some_and(|(generation, _)| *generation == origin.generation) {
                    self.addresses.remove(&origin.node);
                    self.inner.breakers.open(&origin.node, now.mono);
                }
                self.show_addresses();
            }
        }
    }

    fn show_addresses(&self) {
        let there: BTreeSet<SocketAddr> = self.addresses.values().filter_map(|(_, address)| *address).collect();
        let mut joined = self.inner.joined.load().as_ref().clone();
        for (_, address) in &self.inner.join {
            let (connected, since) = joined.entry(*address).or_default();
            if *connected != there.contains(address) {
                *connected = !*connected;
                *since = self.inner.clock.mono();
            }
        }
        self.inner.joined.store(Arc::new(joined));
    }

    /// Answers a question of another node, on a thread that may wait for it.
    fn answer(&mut self, question: Question) {
        if question.purpose == Purpose::Rooms {
            let told = crate::rooms::Told { payload: question.payload, replier: question.replier };
            if self.inner.rooms.told.try_send(told).is_err() {
                self.inner.metrics.turned_away();
            }
            return;
        }
        let Ok(permit) = Arc::clone(&self.answering).try_acquire_owned() else {
            self.inner.metrics.turned_away();
            return;
        };
        let Question { purpose, payload, mut replier } = question;
        let inner = Arc::clone(&self.inner);
        let log = match purpose {
            Purpose::Ask => match self.registry.answer(&payload) {
                Ok(Some(answer)) => Some(answer),
                Ok(None) => return,
                Err(error) => return self.note_refused(error, &payload, "question"),
            },
            Purpose::State | Purpose::Hello | Purpose::Rooms => None,
        };
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let sent = match (log, purpose) {
                (Some(mut frames), _) => frames.all(|frame| replier.frame(frame)),
                (None, Purpose::Hello) => hello::answer(&inner, &payload).is_some_and(|frame| replier.frame(frame)),
                (None, Purpose::Ask | Purpose::State | Purpose::Rooms) => {
                    remote::answer(&inner.signals.feeds, &payload)
                        .is_some_and(|frames| frames.into_iter().all(|frame| replier.frame(frame)))
                }
            };
            if sent {
                replier.complete();
            }
        });
    }

    /// Finds out whether nodes that did not answer do so again. A node that came back is not called before it has passed this.
    fn probe(&self, mono: Duration) {
        let world = self.inner.world.load();
        self.inner.breakers.retain(|node| world.view.nodes().contains_key(node));
        self.inner.remote.retain(|node| world.view.nodes().contains_key(node));
        self.inner.hellos.retain(|node| world.view.nodes().contains_key(node));
        let reachable = |node: &NodeName| !self.apart && self.addresses.contains_key(node);
        for node in self.inner.breakers.due_probes(mono).into_iter().filter(reachable) {
            self.spawn_probe(node);
        }
    }

    fn spawn_probe(&self, node: NodeName) {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let answered = hello::ask(&inner, &node).await;
            tracing::debug!(%node, answered, "probed");
        });
    }
}

/// The world before anything was taken in.
pub(crate) fn first_world(registry: &mut Registry) -> World {
    let sizes = registry.sizes();
    World { seq: 0, view: registry.view().clone(), counters: registry.counters().clone(), sizes }
}
