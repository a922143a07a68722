//! The loop that owns the rooms: apart from the registry's, so that a slow disk holds up nothing but rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use sensocto_model::{JoinCode, NodeName, Origin, RoomError, RoomId};
use sensocto_registry::PeerState;
use sensocto_rooms::{Ack, Change, Config, OpId, Operation, Output, Rooms, What};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::sights::seen_otherwise;
use super::{BATCHES_MAX, COMMANDS_MAX, RoomsBatch, RoomsCommand, RoomsShared, RoomsWorld, random};
use crate::clock::Clock;
use crate::engine::{Purpose, Replier, Reply};
use crate::handle::Handle;
use crate::store::Store;
use crate::world::{Next, World};

/// Questions and news of other nodes that wait. When it is full, further ones are dropped; whoever asked asks again.
const TOLD_MAX: usize = 4_096;
/// Inputs that are taken in before their consequences are drawn.
const TAKEN_AT_ONCE: usize = 256;
/// How long a question may wait for its answer before it is forgotten: longer than anybody waits for one.
const QUESTION_MAX: Duration = Duration::from_secs(10);
/// How long a node that stops may take to finish what it has begun.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(3);

/// The first byte of what goes to another node: news, which have no answer.
const NEWS: u8 = 0;
/// The first byte of a question.
const QUESTION: u8 = 1;

/// What another node sent.
pub(crate) struct Told {
    pub(crate) payload: Vec<u8>,
    pub(crate) replier: Box<dyn Replier>,
}

/// What comes back from tasks.
enum Came {
    Answer { exchange: u64, frame: Option<Vec<u8>> },
    Persisted { batch: u64, stored: bool },
}

/// What the driver is made of, before the handle is there.
pub(crate) struct Parts {
    pub(crate) shared: Arc<RoomsShared>,
    commands: mpsc::Receiver<RoomsCommand>,
    told: mpsc::Receiver<Told>,
    rooms: Rooms,
    store: Option<Store>,
}

/// Reads what is on disk, and makes what readers read before the node is there.
pub(crate) fn start(
    me: &Origin,
    alone: bool,
    directory: Option<&std::path::Path>,
    clock: Clock,
) -> Result<Parts, crate::store::StoreError> {
    let config = Config { on_disk: directory.is_some(), alone, ..Config::default() };
    let mut rooms = Rooms::new(me.clone(), config, clock.now());
    let mut store = None;
    if let Some(directory) = directory {
        let (opened, loaded) = Store::open(directory)?;
        let mut unreadable = loaded.damaged;
        for record in &loaded.records {
            if let Err(error) = rooms.load(record) {
                tracing::warn!(%error, "a room on disk cannot be read");
                unreadable += 1;
            }
        }
        if unreadable > 0 {
            tracing::warn!(unreadable, "rooms on disk are damaged; the other nodes' copies replace them");
        }
        store = Some(opened);
    }
    let (commands, commands_receiver) = mpsc::channel(COMMANDS_MAX);
    let (told, told_receiver) = mpsc::channel(TOLD_MAX);
    let (batches, _) = broadcast::channel(BATCHES_MAX);
    let (sights, _) = broadcast::channel(BATCHES_MAX);
    let world =
        RoomsWorld { seq: 0, view: rooms.view().clone(), health: rooms.health(), counters: rooms.counters().clone() };
    let shared = RoomsShared { world: ArcSwap::from_pointee(world), batches, sights, commands, told };
    Ok(Parts { shared: Arc::new(shared), commands: commands_receiver, told: told_receiver, rooms, store })
}

/// Owns the rooms of one node.
pub(crate) struct RoomsDriver {
    handle: Handle,
    rooms: Rooms,
    store: Option<Arc<Mutex<Store>>>,
    commands: mpsc::Receiver<RoomsCommand>,
    told: mpsc::Receiver<Told>,
    came: mpsc::UnboundedReceiver<Came>,
    back: mpsc::UnboundedSender<Came>,
    questions: BTreeMap<u64, (Duration, Box<dyn Replier>)>,
    requests: BTreeMap<u64, oneshot::Sender<Result<Ack, RoomError>>>,
    draining: Vec<oneshot::Sender<()>>,
    reachable: BTreeSet<Origin>,
    next: u64,
}

impl RoomsDriver {
    pub(crate) fn new(handle: Handle, parts: Parts) -> RoomsDriver {
        // Never more than exchanges and one write: it needs no other bound.
        let (back, came) = mpsc::unbounded_channel();
        let Parts { rooms, store, commands, told, .. } = parts;
        RoomsDriver {
            handle,
            rooms,
            store: store.map(|store| Arc::new(Mutex::new(store))),
            commands,
            told,
            came,
            back,
            questions: BTreeMap::new(),
            requests: BTreeMap::new(),
            draining: Vec::new(),
            reachable: BTreeSet::new(),
            next: 0,
        }
    }

    /// Runs until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let handle = self.handle.clone();
        let mut subscription = handle.subscribe();
        self.see(&subscription.world().clone());
        loop {
            let wake = handle.clock().at(self.rooms.poll_timeout());
            tokio::select! {
                () = stop.cancelled() => return,
                Some(command) = self.commands.recv() => self.take_command(command),
                Some(told) = self.told.recv() => self.take_told(told),
                Some(came) = self.came.recv() => self.take_came(came),
                next = handle.next(&mut subscription) => match next {
                    Next::Batch(batch) => self.see(&batch.world),
                    Next::Resync(world) => self.see(&world),
                    Next::Closed => return,
                },
                () = tokio::time::sleep_until(wake) => self.rooms.handle_tick(handle.clock().now()),
            }
            self.take_more();
            self.settle();
        }
    }

    fn take_more(&mut self) {
        for _ in 0..TAKEN_AT_ONCE {
            let mut some = false;
            if let Ok(command) = self.commands.try_recv() {
                self.take_command(command);
                some = true;
            }
            if let Ok(told) = self.told.try_recv() {
                self.take_told(told);
                some = true;
            }
            if let Ok(came) = self.came.try_recv() {
                self.take_came(came);
                some = true;
            }
            if !some {
                return;
            }
        }
    }

    /// Looks whom the registry sees.
    fn see(&mut self, world: &World) {
        let me = self.handle.me();
        let alive = world.view.nodes().values().filter(|node| node.state == PeerState::Alive);
        // Rooms know a process by the generation that it was started with.
        let process =
            |node: &sensocto_registry::NodeView| Origin { generation: node.born, ..Origin::clone(&node.origin) };
        let alive: BTreeSet<Origin> = alive.map(process).filter(|origin| origin.node != me.node).collect();
        if alive != self.reachable {
            self.rooms.handle_reachable(&alive, self.handle.clock().now());
            self.reachable = alive;
        }
    }

    fn take_command(&mut self, command: RoomsCommand) {
        let now = self.handle.clock().now();
        match command {
            RoomsCommand::Submit { operation, reply } => {
                self.next += 1;
                match self.rooms.submit(self.next, operation, now) {
                    Ok(()) => drop(self.requests.insert(self.next, reply)),
                    // Whoever asked may be gone.
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            RoomsCommand::Drain { reply } => {
                self.rooms.handle_drain(now);
                self.draining.push(reply);
            }
        }
    }

    fn take_told(&mut self, told: Told) {
        let now = self.handle.clock().now();
        let Told { payload, replier } = told;
        let taken = match payload.split_first() {
            Some((&NEWS, frame)) => self.rooms.handle_frame(frame, now),
            Some((&QUESTION, frame)) => {
                self.next += 1;
                self.questions.retain(|_, (until, _)| *until > now.mono);
                self.questions.insert(self.next, (now.mono + QUESTION_MAX, replier));
                self.rooms.handle_question(self.next, frame, now)
            }
            Some(_) | None => return,
        };
        if let Err(error) = taken {
            tracing::debug!(%error, "a frame about rooms was refused");
        }
    }

    fn take_came(&mut self, came: Came) {
        let now = self.handle.clock().now();
        match came {
            Came::Answer { exchange, frame: Some(frame) } => {
                if let Err(error) = self.rooms.handle_answer(exchange, &frame, now) {
                    tracing::debug!(%error, "an answer about rooms was refused");
                }
            }
            Came::Answer { exchange, frame: None } => self.rooms.handle_unanswered(exchange, now),
            Came::Persisted { batch, stored } => self.rooms.handle_persisted(batch, stored, now),
        }
    }

    /// Draws the consequences of everything that was taken in: first what readers see, then the answers.
    fn settle(&mut self) {
        let mut changes = Vec::new();
        let mut done = Vec::new();
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Publish(frame) => self.publish(&frame),
                Output::Ask { to, exchange, frame, timeout } => self.ask(to, exchange, &frame, timeout),
                Output::Answer { question, frame } => self.answer(question, frame),
                Output::Persist { batch, records } => self.persist(batch, records),
                Output::Changed(change) => changes.push(change),
                Output::Done { request, result } => done.push((request, result)),
                Output::NeedsCode { room, code } => self.replace_code(room, code),
            }
        }
        self.show(changes);
        for (request, result) in done {
            if let Some(reply) = self.requests.remove(&request) {
                // Whoever asked may be gone.
                let _ = reply.send(result);
            }
        }
        if !self.draining.is_empty() && self.rooms.is_idle() {
            for reply in self.draining.drain(..) {
                let _ = reply.send(());
            }
        }
    }

    fn show(&self, changes: Vec<Change>) {
        let shared = &self.handle.0.rooms;
        let before = shared.world.load();
        let health = self.rooms.health();
        if changes.is_empty() && before.health == health && before.counters == *self.rooms.counters() {
            return;
        }
        let seq = before.seq + u64::from(!changes.is_empty());
        let world =
            RoomsWorld { seq, view: self.rooms.view().clone(), health, counters: self.rooms.counters().clone() };
        let world = Arc::new(world);
        shared.world.store(Arc::clone(&world));
        if !changes.is_empty() {
            let seen = seen_otherwise(&changes);
            if !seen.is_empty() {
                // Nobody may be subscribed.
                let _ = shared.sights.send(seen);
            }
            // Nobody may be subscribed.
            let _ = shared.batches.send(RoomsBatch { world, changes: changes.into() });
        }
    }

    fn publish(&self, frame: &[u8]) {
        for origin in &self.reachable {
            // News have no answer; the receiver of one is of no use.
            drop(self.handle.0.engine.query(&origin.node, Purpose::Rooms, tagged(NEWS, frame), QUESTION_MAX));
        }
    }

    fn ask(&self, to: NodeName, exchange: u64, frame: &[u8], timeout: Duration) {
        let mut replies = self.handle.0.engine.query(&to, Purpose::Rooms, tagged(QUESTION, frame), timeout);
        let back = self.back.clone();
        tokio::spawn(async move {
            let frame = match replies.recv().await {
                Some(Reply::Frame(frame)) => Some(frame),
                Some(Reply::End { .. }) | None => None,
            };
            // The driver may be gone.
            let _ = back.send(Came::Answer { exchange, frame });
        });
    }

    fn answer(&mut self, question: u64, frame: Vec<u8>) {
        let Some((_, mut replier)) = self.questions.remove(&question) else { return };
        // Sending may wait for a slow asker.
        tokio::task::spawn_blocking(move || {
            if replier.frame(frame) {
                replier.complete();
            }
        });
    }

    fn persist(&self, batch: u64, records: Vec<(RoomId, Option<Vec<u8>>)>) {
        let back = self.back.clone();
        let Some(store) = self.store.clone() else {
            let _ = back.send(Came::Persisted { batch, stored: true });
            return;
        };
        tokio::task::spawn_blocking(move || {
            let written = store.lock().unwrap_or_else(PoisonError::into_inner).write(&records);
            if let Err(error) = &written {
                tracing::warn!(%error, "the disk does not take rooms: this node decides about none until it does");
            }
            // The driver may be gone.
            let _ = back.send(Came::Persisted { batch, stored: written.is_ok() });
        });
    }

    /// Two rooms have the same join code: the newer one gets another.
    fn replace_code(&mut self, room: RoomId, from: JoinCode) {
        let (Ok(to), Ok(op)) = (random(), random()) else { return };
        let what = What::ReplaceCode { from, to: JoinCode::from_random(to) };
        let operation = Operation { room, op: OpId(u64::from_le_bytes(op)), what };
        self.next += 1;
        // Nobody waits for it. If it is turned away, it is asked for again.
        let _ = self.rooms.submit(self.next, operation, self.handle.clock().now());
    }
}

fn tagged(tag: u8, frame: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(frame.len() + 1);
    payload.push(tag);
    payload.extend_from_slice(frame);
    payload
}
