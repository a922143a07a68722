//! What the client says and remembers, apart from the socket: channels, awaited replies, the heartbeat.
//!
//! It is told the time, holds what is to be written in `outbox`, and answers callers through the channels they gave.

mod delivery;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sensocto_channels::frame::{
    ClientMessage, DecodeError, EVENT_HEARTBEAT, EVENT_JOIN, EVENT_LEAVE, EncodeError, ServerMessage, TOPIC_PHOENIX,
};
use sensocto_channels::{Frame, Json, Payload, PayloadRef, Status, Vsn};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::{CHANNELS_MAX, ChannelEvent, ClientOptions, EVENTS_MAX, JoinError, PENDING_MAX, PushError, Reply};
use delivery::Delivery;

/// Refusals and timeouts in a row after which a channel is not joined again. With the usual delays this takes half a
/// minute: enough for a node to start, short enough that a revoked token does not knock for ever.
const REJOINS_MAX: u32 = 10;
/// A crash counts as this many refusals for the delay: a channel that crashes after every join must not loop quickly.
const SETBACKS_OF_A_CRASH: u32 = 3;

/// One channel of one client, for as long as the client lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelKey(u64);

/// What handles ask of the background task.
#[derive(Debug)]
pub(crate) enum Command {
    Join { topic: String, params: Box<RawValue>, answer: oneshot::Sender<Result<Joined, JoinError>> },
    Push { channel: ChannelKey, event: String, payload: Box<RawValue>, answer: Option<Answer<Reply>> },
    Leave { channel: ChannelKey, answer: Option<Answer<()>> },
    Rejoin { channel: ChannelKey },
    Close { answer: oneshot::Sender<()> },
}

type Answer<T> = oneshot::Sender<Result<T, PushError>>;

/// What an accepted join hands to its channel.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) key: ChannelKey,
    pub(crate) live: Arc<AtomicBool>,
    pub(crate) events: mpsc::Receiver<ChannelEvent>,
    pub(crate) response: Box<RawValue>,
}

/// Whether the node still answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Alive,
    Silent,
}

/// Whether there is a socket to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Up,
    Down,
}

/// Where a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first join is awaited.
    Joining,
    /// Messages may be sent.
    Joined,
    /// A join is awaited again.
    Rejoining,
    /// The next join is due at this time.
    Waiting { until: Instant },
    /// There is no connection.
    Offline,
}

#[derive(Debug)]
struct Entry {
    topic: String,
    params: Box<RawValue>,
    join_ref: u64,
    stage: Stage,
    /// Joins in a row that were refused or not answered.
    setbacks: u32,
    live: Arc<AtomicBool>,
    delivery: Delivery,
}

impl Entry {
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.live.store(stage == Stage::Joined, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.live.store(false, Ordering::Relaxed);
    }
}

/// Who waits for a reply.
#[derive(Debug)]
enum Waiter {
    Join {
        channel: ChannelKey,
        events: mpsc::Receiver<ChannelEvent>,
        answer: oneshot::Sender<Result<Joined, JoinError>>,
    },
    Rejoin {
        channel: ChannelKey,
    },
    Push {
        answer: Answer<Reply>,
    },
    Leave {
        answer: Answer<()>,
    },
}

#[derive(Debug)]
struct Pending {
    deadline: Instant,
    waiter: Waiter,
}

#[derive(Debug)]
pub(crate) struct Protocol {
    vsn: Vsn,
    reply_timeout: Duration,
    heartbeat: Duration,
    backoff: Backoff,
    line: Line,
    /// Frames that wait for the network.
    pub(crate) outbox: VecDeque<Frame>,
    channels: BTreeMap<ChannelKey, Entry>,
    topics: HashMap<String, ChannelKey>,
    /// By ref. Refs grow and every reply has the same time, so the first one is due first.
    pending: BTreeMap<u64, Pending>,
    rejoins: BTreeSet<(Instant, ChannelKey)>,
    heartbeat_at: Instant,
    /// The ref of the heartbeat that is not answered.
    heartbeat_ref: Option<u64>,
    /// Never used twice, over all connections: a late reply finds nobody.
    last_ref: u64,
    last_key: u64,
}

impl Protocol {
    pub(crate) fn new(options: &ClientOptions) -> Self {
        Self {
            vsn: options.vsn,
            reply_timeout: options.reply_timeout,
            heartbeat: options.heartbeat,
            backoff: Backoff::new(options.reconnect),
            line: Line::Down,
            outbox: VecDeque::new(),
            channels: BTreeMap::new(),
            topics: HashMap::new(),
            pending: BTreeMap::new(),
            rejoins: BTreeSet::new(),
            heartbeat_at: Instant::now(),
            heartbeat_ref: None,
            last_ref: 0,
            last_key: 0,
        }
    }

    /// A socket is open: every channel is joined again.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.line = Line::Up;
        self.heartbeat_ref = None;
        // Clients that connected together should not beat together.
        self.heartbeat_at = now + self.backoff.at_least_half_of(self.heartbeat);
        let keys: Vec<ChannelKey> = self.channels.keys().copied().collect();
        for key in keys {
            self.join_again(key, now);
        }
    }

    /// The socket is gone: whoever waits is told, and channels wait for the next one.
    pub(crate) fn disconnected(&mut self) {
        self.line = Line::Down;
        self.outbox.clear();
        self.rejoins.clear();
        for pending in std::mem::take(&mut self.pending).into_values() {
            match pending.waiter {
                Waiter::Join { channel, answer, .. } => {
                    self.remove(channel);
                    let _ = answer.send(Err(JoinError::Disconnected));
                }
                Waiter::Rejoin { .. } => {}
                Waiter::Push { answer } => drop(answer.send(Err(PushError::Disconnected))),
                Waiter::Leave { answer } => drop(answer.send(Err(PushError::Disconnected))),
            }
        }
        for entry in self.channels.values_mut() {
            entry.enter(Stage::Offline);
            entry.delivery.deliver(ChannelEvent::Disconnected);
        }
        self.forget_abandoned();
    }

    /// When [`Protocol::expire`] has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        let reply = self.pending.first_key_value().map(|(_, pending)| pending.deadline);
        let rejoin = self.rejoins.first().map(|&(at, _)| at);
        [reply, rejoin].into_iter().flatten().fold(self.heartbeat_at, Instant::min)
    }

    /// Does what is due: timeouts, rejoins, the heartbeat.
    pub(crate) fn expire(&mut self, now: Instant) -> Health {
        while let Some(first) = self.pending.first_entry().filter(|first| first.get().deadline <= now) {
            let waiter = first.remove().waiter;
            self.timed_out(waiter, now);
        }
        while let Some((at, key)) = self.rejoins.pop_first() {
            if at > now {
                self.rejoins.insert((at, key));
                break;
            }
            self.join_again(key, now);
        }
        if now < self.heartbeat_at {
            return Health::Alive;
        }
        if self.heartbeat_ref.is_some() {
            return Health::Silent;
        }
        self.heartbeat_at = now + self.heartbeat;
        let reference = self.next_ref();
        self.heartbeat_ref = Some(reference);
        let sent = self.transmit(None, reference, TOPIC_PHOENIX, EVENT_HEARTBEAT, Json::empty().as_raw());
        debug_assert!(sent.is_ok(), "{sent:?}");
        Health::Alive
    }

    /// Does what a handle asks. [`Command::Close`] is the driver's own.
    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Join { topic, params, answer } => self.join(topic, params, answer, now),
            Command::Push { channel, event, payload, answer } => self.push(channel, &event, &payload, answer, now),
            Command::Leave { channel, answer } => self.leave(channel, answer, now),
            Command::Rejoin { channel } => {
                if self.channels.get(&channel).is_some_and(|entry| entry.stage == Stage::Joined) {
                    self.join_again(channel, now);
                }
            }
            Command::Close { answer } => drop(answer),
        }
    }

    /// Handles a text frame. One that is no message is logged and left.
    pub(crate) fn received_text(&mut self, text: &str, now: Instant) {
        self.received(ServerMessage::decode_text(self.vsn, text), now);
    }

    /// Handles a binary frame. One that is no message is logged and left.
    pub(crate) fn received_binary(&mut self, bytes: &[u8], now: Instant) {
        self.received(ServerMessage::decode_binary(self.vsn, bytes), now);
    }

    fn received(&mut self, message: Result<ServerMessage<'_>, DecodeError>, now: Instant) {
        match message {
            Err(error) => tracing::warn!(%error, "the node sent something that is no message"),
            Ok(ServerMessage::Reply { reference, status, response, .. }) => {
                if let Some(reference) = reference.and_then(|reference| reference.parse().ok()) {
                    self.answered(reference, status, response, now);
                }
            }
            Ok(ServerMessage::Push { join_ref, topic, event, payload }) => {
                self.event(join_ref.as_deref(), &topic, event, payload);
            }
            Ok(ServerMessage::Broadcast { topic, event, payload }) => self.event(None, &topic, event, payload),
            Ok(ServerMessage::Close { join_ref, topic }) => {
                if let Some(key) = self.current(join_ref.as_deref(), &topic) {
                    self.remove(key);
                }
            }
            Ok(ServerMessage::Crash { join_ref, topic }) => {
                if let Some(key) = self.current(join_ref.as_deref(), &topic) {
                    self.crashed(key, now);
                }
            }
        }
    }

    fn join(
        &mut self,
        topic: String,
        params: Box<RawValue>,
        answer: oneshot::Sender<Result<Joined, JoinError>>,
        now: Instant,
    ) {
        let refused = match (self.line, self.topics.contains_key(&topic)) {
            (Line::Down, _) => Some(JoinError::Disconnected),
            (Line::Up, true) => Some(JoinError::AlreadyJoined),
            (Line::Up, false) => (self.channels.len() >= CHANNELS_MAX).then_some(JoinError::TooManyChannels),
        };
        if let Some(error) = refused {
            let _ = answer.send(Err(error));
            return;
        }
        let join_ref = self.next_ref();
        if let Err(error) = self.transmit(Some(join_ref), join_ref, &topic, EVENT_JOIN, &params) {
            let _ = answer.send(Err(JoinError::Frame(error)));
            return;
        }
        self.last_key += 1;
        let channel = ChannelKey(self.last_key);
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        self.topics.insert(topic.clone(), channel);
        let entry = Entry {
            topic,
            params,
            join_ref,
            stage: Stage::Joining,
            setbacks: 0,
            live: Arc::new(AtomicBool::new(false)),
            delivery: Delivery::new(sender),
        };
        self.channels.insert(channel, entry);
        self.wait_for(join_ref, Waiter::Join { channel, events, answer }, now);
    }

    fn join_again(&mut self, key: ChannelKey, now: Instant) {
        let reference = self.next_ref();
        let Some(entry) = self.channels.get_mut(&key) else {
            return;
        };
        entry.join_ref = reference;
        entry.enter(Stage::Rejoining);
        let message = message(Some(reference), reference, &entry.topic, EVENT_JOIN, &entry.params).encode(self.vsn);
        // The first join had the same strings, so the frame exists.
        debug_assert!(message.is_ok(), "{message:?}");
        self.outbox.extend(message.ok());
        self.wait_for(reference, Waiter::Rejoin { channel: key }, now);
    }

    fn push(
        &mut self,
        channel: ChannelKey,
        event: &str,
        payload: &RawValue,
        answer: Option<Answer<Reply>>,
        now: Instant,
    ) {
        let reference = self.next_ref();
        let sent = match self.channels.get(&channel) {
            None => Err(PushError::Closed),
            Some(entry) if entry.stage != Stage::Joined => Err(PushError::Disconnected),
            Some(_) if answer.is_some() && self.pending.len() >= PENDING_MAX => Err(PushError::TooManyPending),
            Some(entry) => message(Some(entry.join_ref), reference, &entry.topic, event, payload)
                .encode(self.vsn)
                .map_err(PushError::Frame),
        };
        match (sent, answer) {
            (Ok(frame), answer) => {
                self.outbox.push_back(frame);
                if let Some(answer) = answer {
                    self.wait_for(reference, Waiter::Push { answer }, now);
                }
            }
            (Err(error), Some(answer)) => drop(answer.send(Err(error))),
            (Err(error), None) => tracing::debug!(%error, "an event was not sent"),
        }
    }

    fn leave(&mut self, key: ChannelKey, answer: Option<Answer<()>>, now: Instant) {
        let entry = self.remove(key);
        let done = |answer: Option<Answer<()>>| {
            if let Some(answer) = answer {
                let _ = answer.send(Ok(()));
            }
        };
        match (entry, self.line) {
            (None, _) | (Some(_), Line::Down) => done(answer),
            (Some(entry), Line::Up) => {
                let reference = self.say_leave(&entry);
                match answer {
                    Some(answer) => self.wait_for(reference, Waiter::Leave { answer }, now),
                    None => done(None),
                }
            }
        }
    }

    fn say_leave(&mut self, entry: &Entry) -> u64 {
        let reference = self.next_ref();
        let sent = self.transmit(Some(entry.join_ref), reference, &entry.topic, EVENT_LEAVE, Json::empty().as_raw());
        debug_assert!(sent.is_ok(), "{sent:?}");
        reference
    }

    fn answered(&mut self, reference: u64, status: Status, response: PayloadRef<'_>, now: Instant) {
        if self.heartbeat_ref == Some(reference) {
            self.heartbeat_ref = None;
            return;
        }
        let Some(Pending { waiter, .. }) = self.pending.remove(&reference) else {
            return;
        };
        match (waiter, status) {
            (Waiter::Join { channel, events, answer }, Status::Ok) => {
                self.first_joined(channel, events, answer, raw(response), now);
            }
            (Waiter::Join { channel, answer, .. }, Status::Error) => {
                self.remove(channel);
                let response = serde_json::from_str(raw(response).get()).unwrap_or(Value::Null);
                let _ = answer.send(Err(JoinError::Refused { response }));
            }
            (Waiter::Rejoin { channel }, Status::Ok) => self.rejoined(channel, reference, raw(response)),
            (Waiter::Rejoin { channel }, Status::Error) => {
                if self.channels.get(&channel).is_some_and(|entry| entry.join_ref == reference) {
                    self.set_back(channel, now);
                }
            }
            (Waiter::Push { answer }, status) => {
                let _ = answer.send(Ok(Reply { status, response: response.to_payload() }));
            }
            (Waiter::Leave { answer }, Status::Ok | Status::Error) => drop(answer.send(Ok(()))),
        }
    }

    fn first_joined(
        &mut self,
        channel: ChannelKey,
        events: mpsc::Receiver<ChannelEvent>,
        answer: oneshot::Sender<Result<Joined, JoinError>>,
        response: Box<RawValue>,
        now: Instant,
    ) {
        let Some(entry) = self.channels.get_mut(&channel) else {
            let _ = answer.send(Err(JoinError::Disconnected));
            return;
        };
        entry.enter(Stage::Joined);
        let joined = Joined { key: channel, live: Arc::clone(&entry.live), events, response };
        // Whoever asked may have given up: then nobody will read this channel, and nobody will leave it.
        if answer.send(Ok(joined)).is_err() {
            self.leave(channel, None, now);
        }
    }

    fn rejoined(&mut self, channel: ChannelKey, join_ref: u64, response: Box<RawValue>) {
        if let Some(entry) = self.channels.get_mut(&channel).filter(|entry| entry.join_ref == join_ref) {
            entry.setbacks = 0;
            entry.enter(Stage::Joined);
            entry.delivery.deliver(ChannelEvent::Rejoined { response });
        }
    }

    fn timed_out(&mut self, waiter: Waiter, now: Instant) {
        match waiter {
            Waiter::Join { channel, answer, .. } => {
                // The node may still accept: leave, so that it does not keep a channel that nobody reads.
                self.leave(channel, None, now);
                let _ = answer.send(Err(JoinError::Timeout));
            }
            Waiter::Rejoin { channel } => self.set_back(channel, now),
            Waiter::Push { answer } => drop(answer.send(Err(PushError::Timeout))),
            Waiter::Leave { answer } => drop(answer.send(Err(PushError::Timeout))),
        }
    }

    fn crashed(&mut self, key: ChannelKey, now: Instant) {
        if let Some(entry) = self.channels.get_mut(&key).filter(|entry| entry.stage == Stage::Joined) {
            entry.delivery.deliver(ChannelEvent::Disconnected);
            entry.setbacks = entry.setbacks.max(SETBACKS_OF_A_CRASH);
            self.set_back(key, now);
        }
    }

    /// A join failed, or a channel crashed: try later, or give the channel up.
    fn set_back(&mut self, key: ChannelKey, now: Instant) {
        let Some(entry) = self.channels.get_mut(&key) else {
            return;
        };
        match self.backoff.delay(entry.setbacks) {
            Some(delay) if entry.setbacks < REJOINS_MAX => {
                entry.setbacks += 1;
                let until = now + delay;
                entry.enter(Stage::Waiting { until });
                self.rejoins.insert((until, key));
            }
            Some(_) | None => {
                tracing::warn!(topic = entry.topic, "a channel was given up: it could not be joined again");
                self.remove(key);
            }
        }
    }

    fn event(&mut self, join_ref: Option<&str>, topic: &str, event: Cow<'_, str>, payload: PayloadRef<'_>) {
        let Some(key) = self.current(join_ref, topic) else {
            return;
        };
        let Some(entry) = self.channels.get_mut(&key) else {
            return;
        };
        let event = event.into_owned();
        entry.delivery.deliver(match payload.to_payload() {
            Payload::Json(payload) => ChannelEvent::Message { event, payload },
            Payload::Binary(bytes) => ChannelEvent::Binary { event, bytes },
        });
        if entry.delivery.is_abandoned()
            && let Some(entry) = self.remove(key)
        {
            self.say_leave(&entry);
        }
    }

    /// The channel that a message belongs to: its topic's, unless the message is of an earlier join.
    fn current(&self, join_ref: Option<&str>, topic: &str) -> Option<ChannelKey> {
        let key = *self.topics.get(topic)?;
        let ours = self.channels.get(&key)?.join_ref;
        join_ref.is_none_or(|join_ref| join_ref.parse() == Ok(ours)).then_some(key)
    }

    fn remove(&mut self, key: ChannelKey) -> Option<Entry> {
        let entry = self.channels.remove(&key)?;
        self.topics.remove(&entry.topic);
        if let Stage::Waiting { until } = entry.stage {
            self.rejoins.remove(&(until, key));
        }
        Some(entry)
    }

    /// Channels that were dropped while the command queue was full.
    fn forget_abandoned(&mut self) {
        let abandoned: Vec<ChannelKey> =
            self.channels.iter().filter(|(_, entry)| entry.delivery.is_abandoned()).map(|(&key, _)| key).collect();
        for key in abandoned {
            self.remove(key);
        }
    }

    fn wait_for(&mut self, reference: u64, waiter: Waiter, now: Instant) {
        self.pending.insert(reference, Pending { deadline: now + self.reply_timeout, waiter });
    }

    fn next_ref(&mut self) -> u64 {
        self.last_ref += 1;
        self.last_ref
    }

    fn transmit(
        &mut self,
        join_ref: Option<u64>,
        reference: u64,
        topic: &str,
        event: &str,
        payload: &RawValue,
    ) -> Result<(), EncodeError> {
        self.outbox.push_back(message(join_ref, reference, topic, event, payload).encode(self.vsn)?);
        Ok(())
    }
}

fn message<'a>(
    join_ref: Option<u64>,
    reference: u64,
    topic: &'a str,
    event: &'a str,
    payload: &'a RawValue,
) -> ClientMessage<'a> {
    ClientMessage {
        join_ref: join_ref.map(|join_ref| Cow::Owned(join_ref.to_string())),
        reference: Some(Cow::Owned(reference.to_string())),
        topic: Cow::Borrowed(topic),
        event: Cow::Borrowed(event),
        payload: PayloadRef::Json(payload),
    }
}

/// The JSON of a join's reply; nodes do not answer joins with bytes.
fn raw(response: PayloadRef<'_>) -> Box<RawValue> {
    match response {
        PayloadRef::Json(raw) => raw.to_owned(),
        PayloadRef::Binary(_) => Json::empty().as_raw().to_owned(),
    }
}
