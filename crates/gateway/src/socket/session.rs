//! What one socket does: joins, events, and what it is told.

mod live;
mod presence;
mod rooms;
mod sights;
mod signals;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use sensocto_channels::{ChannelEnd, ChannelId, Frame, Json, Limits, Payload, ReplyTo, Request, Status, Vsn};
use sensocto_node::{ConnectionId, Next, RoomSights, RoomsNext, RoomsSubscription, Subscription};
use tokio::sync::Notify;

use super::budget::Budget;
use super::discovery::live::{Arrived, LiveChannel, is_asked_for};
use super::discovery::{self, DiscoveryChannel, Listed, Told};
use super::members::{Member, Members};
use super::presence::{PREFIX as PRESENCE, updates_budget};
use super::rooms::RoomsChannel;
use super::sensor::{self, Answer, SensorChannel};
use super::signals::{MANY as SIGNALS, ONE as SIGNAL};
use super::{CloseCause, backpressure, connector, marks, params};
use crate::App;
use crate::metrics::{JoinOutcome, TopicKind};
use sensocto_tokens::User;

const SENSOR: &str = "sensocto:sensor:";
const CONNECTOR: &str = "sensocto:connector:";
const LOBBY: &str = "lobby:";
const ROOM: &str = "room:";
/// Takes any join and every event: for the clients' own tests.
const TEST: &str = "sensocto:lvntest:";
/// What else is of this family exists, and lets nobody in.
const OTHER: &str = "sensocto:";

/// Requests for states that one socket may have under way.
const STATE_REQUESTS_MAX: usize = 8;
/// How long a sensor's node may take to answer.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages that are made for one client before the others get their turn.
const TOLD_AT_ONCE: usize = 2;

/// One socket's state.
pub(crate) struct Session {
    app: Arc<App>,
    pub(super) channels: sensocto_channels::Socket,
    explicit_vsn: bool,
    user: User,
    members: Members,
    subscription: Option<Subscription>,
    rooms: Option<RoomsSubscription>,
    /// Tells when somebody may see a room, or may no longer, while some channel names one.
    sights: Option<RoomSights>,
    states: FuturesUnordered<BoxFuture<'static, (ReplyTo, Status, Json)>>,
    superseded: FuturesUnordered<BoxFuture<'static, Option<ChannelId>>>,
    /// This socket among all others; made when the first presence needs it.
    name: Option<ConnectionId>,
    /// Some topic of presences that is watched may have news.
    presence_news: Arc<Notify>,
    presence_budget: Budget,
    /// Updates of presences that waited and are being written.
    presence_writes: FuturesUnordered<BoxFuture<'static, ChannelId>>,
    live: FuturesUnordered<BoxFuture<'static, Arrived>>,
    /// What the connectors on this socket are told.
    advice: backpressure::Advice,
    /// Some sensor that is looked at may have news.
    signals_news: Arc<Notify>,
}

impl Session {
    pub(super) fn new(app: Arc<App>, vsn: Vsn, explicit_vsn: bool, user: User) -> Session {
        Session {
            app,
            channels: sensocto_channels::Socket::new(vsn, Limits::default()),
            explicit_vsn,
            user,
            members: Members::default(),
            subscription: None,
            rooms: None,
            sights: None,
            states: FuturesUnordered::new(),
            superseded: FuturesUnordered::new(),
            name: None,
            presence_news: Arc::default(),
            presence_budget: updates_budget(),
            presence_writes: FuturesUnordered::new(),
            live: FuturesUnordered::new(),
            advice: backpressure::Advice::default(),
            signals_news: Arc::default(),
        }
    }

    /// Takes a frame of the client, and does what it asks.
    pub(super) async fn handle(&mut self, frame: &Frame) -> Result<(), CloseCause> {
        let handled = match frame {
            Frame::Text(text) => self.channels.handle_text(text),
            Frame::Binary(bytes) => self.channels.handle_binary(bytes),
        };
        if let Err(error) = handled {
            tracing::debug!(%error, "a socket sent what is no frame");
            return Err(CloseCause::Malformed);
        }
        while let Some(request) = self.channels.poll_request() {
            match request {
                Request::Join { channel, topic, params, replaces } => {
                    if let Some(old) = replaces {
                        self.forget(old);
                    }
                    self.join(channel, &topic, &params).await;
                }
                Request::Event { channel, event, payload, reply_to } => {
                    self.event(channel, &event, &payload, reply_to).await;
                }
                Request::Leave { channel } => self.forget(channel),
            }
        }
        if !self.members.follows_the_world() {
            self.subscription = None;
        }
        if self.members.rooms().is_empty() {
            self.rooms = None;
        }
        if !self.members.name_rooms() {
            self.sights = None;
        }
        Ok(())
    }

    /// Drops what a channel held.
    fn forget(&mut self, channel: ChannelId) {
        self.members.remove(channel);
        self.advice.remove(channel);
    }

    async fn join(&mut self, channel: ChannelId, topic: &str, join: &Payload) {
        let kind = topic_kind(topic);
        let joined = match kind {
            TopicKind::Sensor => {
                let id = topic.strip_prefix(SENSOR).unwrap_or_default();
                SensorChannel::join(&self.app, id, join).await.map(|sensor| Member::Sensor(Box::new(sensor)))
            }
            TopicKind::Connector => {
                let id = topic.strip_prefix(CONNECTOR).unwrap_or_default();
                connector::join(&self.app, id, join).await.map(Member::Connector)
            }
            TopicKind::Discovery => self.join_discovery(topic, join).await,
            TopicKind::Presence if !self.app.may_read(&self.user) => Err(Json::reason(params::UNAUTHORIZED)),
            TopicKind::Presence => {
                let topic = topic.strip_prefix(PRESENCE).unwrap_or_default();
                self.join_presence(topic, join).await.map(|presence| Member::Presence(Box::new(presence)))
            }
            TopicKind::Signals => return self.join_signals(channel, topic, join),
            TopicKind::Rooms => self.join_rooms(topic).map(|rooms| Member::Rooms(Box::new(rooms))),
            TopicKind::Unknown if topic.starts_with(TEST) => Ok(Member::Test),
            TopicKind::Unknown if topic.starts_with(OTHER) => Err(Json::reason(params::JOIN_CRASHED)),
            TopicKind::Unknown => {
                self.app.metrics.join(kind, JoinOutcome::Refused);
                self.channels.refuse_unmatched(channel);
                return;
            }
        };
        match joined {
            Ok(member) => {
                self.app.metrics.join(kind, JoinOutcome::Joined);
                self.accept(channel, member, marks::are_wanted(join));
            }
            Err(response) => {
                self.app.metrics.join(kind, JoinOutcome::Refused);
                self.channels.refuse(channel, response);
            }
        }
    }

    async fn join_discovery(&mut self, topic: &str, join: &Payload) -> Result<Member, Json> {
        if !self.app.may_read(&self.user) {
            return Err(Json::reason(params::UNAUTHORIZED));
        }
        marks::reach(&self.app.handle, join).await?;
        let listed = discovery::listed(topic).unwrap_or(Listed::Sensors);
        let viewer = crate::rooms::acting(&self.app, &self.user);
        if listed != Listed::Sensors || is_asked_for(join) {
            return LiveChannel::new(&self.app.handle, listed, viewer, join).map(|live| Member::Live(Box::new(live)));
        }
        let filter = discovery::filter(join)?;
        Ok(Member::Discovery(Box::new(DiscoveryChannel::new(&self.app.handle, filter, viewer))))
    }

    fn accept(&mut self, channel: ChannelId, member: Member, with_mark: bool) {
        let response = match (&member, member.entry().filter(|_| with_mark)) {
            (Member::Discovery(_) | Member::Live(_), _) => self.about_this_node(),
            (_, Some(entry)) => marks::reply(entry.mark()),
            (_, None) => Json::empty(),
        };
        self.channels.accept(channel, response);
        if let Member::Sensor(sensor) = &member
            && let Some(signals) = sensor.entry.signals()
        {
            let config = self.advice.add(&self.app.handle, channel, sensor.id(), signals);
            self.advise(channel, &config);
        }
        if matches!(member, Member::Discovery(_)) && self.subscription.is_none() {
            self.subscription = Some(self.app.handle.subscribe());
        }
        if let Member::Rooms(rooms) = &member {
            if self.rooms.is_none() {
                self.rooms = Some(self.app.handle.subscribe_rooms());
            }
            if rooms.follows_the_world() && self.subscription.is_none() {
                self.subscription = Some(self.app.handle.subscribe());
            }
        }
        let superseded = member.entry().map(|entry| entry.superseded().clone());
        let gone = self.members.insert(channel, member);
        self.open_window(channel);
        self.follow_sights();
        if let Some(superseded) = superseded {
            let wait = async move {
                tokio::select! {
                    () = superseded.cancelled() => Some(channel),
                    () = gone.cancelled() => None,
                }
            };
            self.superseded.push(wait.boxed());
        }
    }

    fn about_this_node(&self) -> Json {
        #[derive(serde::Serialize)]
        struct ThisNode<'a> {
            node: &'a str,
            generation: u64,
        }
        let me = self.app.handle.me();
        Json::of(&ThisNode { node: me.node.as_str(), generation: me.generation.0 })
    }

    async fn event(&mut self, channel: ChannelId, event: &str, payload: &Payload, reply_to: ReplyTo) {
        let mono = self.app.handle.clock().mono();
        let answer = match self.members.get_mut(channel) {
            Some(Member::Sensor(sensor)) => sensor.handle(&self.app, event, payload).await,
            Some(Member::Signals(signals)) => signals.handle(event, payload, mono),
            Some(Member::Connector(_)) => match event {
                "ping" => sensor::echo(payload).map_or(Answer::Silence, Answer::Ok),
                "shout" => sensor::echo(payload).map_or(Answer::Silence, Answer::Broadcast),
                _ => Answer::Silence,
            },
            Some(Member::Discovery(_) | Member::Live(_)) if event == "get_states" => {
                return self.get_states(payload, reply_to);
            }
            Some(Member::Live(_)) if event == "set_window" => self.set_window(channel, payload).await,
            Some(Member::Presence(presence)) => {
                presence.handle(&self.app, event, payload, &mut self.presence_budget).await
            }
            Some(Member::Discovery(_) | Member::Live(_) | Member::Rooms(_) | Member::Test) | None => Answer::Silence,
        };
        match answer {
            Answer::Silence => {}
            Answer::Ok(response) => self.channels.reply(reply_to, Status::Ok, response),
            Answer::Error(response) => self.channels.reply(reply_to, Status::Error, response),
            Answer::Broadcast(payload) => self.channels.broadcast(channel, event, payload),
        }
    }

    fn get_states(&mut self, payload: &Payload, reply_to: ReplyTo) {
        let request = match discovery::state_request(payload) {
            Ok(request) => request,
            Err(response) => return self.channels.reply(reply_to, Status::Error, response),
        };
        if self.states.len() >= STATE_REQUESTS_MAX {
            return self.channels.reply(reply_to, Status::Error, Json::reason("too_many_requests"));
        }
        let handle = self.app.handle.clone();
        let ((ids, max_age), payload) = (request, payload.clone());
        let states = async move {
            match marks::reach(&handle, &payload).await {
                Ok(()) => (reply_to, Status::Ok, discovery::states(handle, ids, max_age, STATE_TIMEOUT).await),
                Err(refused) => (reply_to, Status::Error, refused),
            }
        };
        self.states.push(states.boxed());
    }

    /// Waits until there may be something to tell the client; what is due does not wake one that is not `ready` for it. Dropping the
    /// future loses nothing.
    pub(super) async fn something_happened(&mut self, ready: bool) {
        self.write_due_updates();
        let due = self
            .due_at()
            .filter(|_| ready)
            .into_iter()
            .chain(self.update_due_at())
            .chain(self.attention_due_at())
            .min();
        let Session {
            app,
            channels,
            members,
            subscription,
            rooms,
            sights,
            states,
            superseded,
            presence_news,
            presence_writes,
            live,
            advice,
            signals_news,
            ..
        } = self;
        tokio::select! {
            next = next_of(app, subscription) => match next {
                Next::Batch(batch) => members.take(&batch),
                Next::Resync(_) => {
                    app.metrics.resync();
                    members.start_over();
                }
                Next::Closed => *subscription = None,
            },
            next = next_of_rooms(rooms) => match next {
                RoomsNext::Batch(batch) => members.each_of_rooms(|rooms| rooms.take(&batch.changes)),
                RoomsNext::Resync(_) => {
                    app.metrics.resync();
                    members.each_of_rooms(RoomsChannel::start_over);
                }
                RoomsNext::Closed => *rooms = None,
            },
            () = next_of_sights(sights) => self.see_rooms(),
            Some((reply_to, status, response)) = states.next() => channels.reply(reply_to, status, response),
            () = presence_news.notified() => {}
            () = signals_news.notified() => {}
            () = advice.changed() => {}
            Some(channel) = presence_writes.next() => {
                if let Some(Member::Presence(presence)) = members.get_mut(channel) {
                    presence.written();
                }
            }
            Some(taken_over) = superseded.next() => {
                if let Some(channel) = taken_over {
                    channels.close(channel, ChannelEnd::Normal);
                    members.remove(channel);
                    advice.remove(channel);
                }
            }
            Some(arrived) = live.next() => {
                let channel = arrived.channel;
                if let Some(Member::Live(window)) = members.get_mut(channel)
                    && window.arrived(&app.handle, arrived)
                {
                    app.metrics.resync();
                    live.push(window.open(&app.handle, channel));
                }
            }
            () = sleep_until(app, due) => {}
        }
        let mono = self.app.handle.clock().mono();
        self.advice.take(mono);
        self.members.each_signals(|_, signals| {
            if signals.attention_due_at().is_some_and(|due| due <= mono) {
                signals.handle_tick();
            }
        });
        // What else is there already is taken in as well, so that one message stands for all of it.
        while let Some(next) =
            self.subscription.as_mut().and_then(|subscription| self.app.handle.try_next(subscription))
        {
            match next {
                Next::Batch(batch) => self.members.take(&batch),
                Next::Resync(_) => {
                    self.app.metrics.resync();
                    self.members.start_over();
                }
                Next::Closed => {
                    self.subscription = None;
                    return;
                }
            }
        }
    }

    /// When a channel has something to tell that it gathers more for, on the node's clock.
    fn due_at(&mut self) -> Option<Duration> {
        let mut signals = None;
        self.members.each_signals(|_, channel| signals = signals.into_iter().chain(channel.due_at()).min());
        let due = self.members.watching().iter().filter_map(|channel| {
            let Some(Member::Discovery(discovery)) = self.members.get(*channel) else { return None };
            discovery.due_at()
        });
        let live = self.members.live().iter().filter_map(|channel| {
            let Some(Member::Live(live)) = self.members.get(*channel) else { return None };
            live.due_at()
        });
        due.chain(live).chain(signals).chain(self.advice.due_at()).min()
    }

    /// Whether time alone may change what there is to tell.
    pub(super) fn follows_time(&self) -> bool {
        self.members.follow_time()
    }

    /// Makes messages for a client that has room for them.
    pub(super) fn tell(&mut self) {
        self.tell_windows();
        self.tell_signals();
        self.tell_of_rooms();
        let world = self.subscription.as_ref().map(|subscription| Arc::clone(subscription.world()));
        let watching: Vec<ChannelId> = self.members.watching().to_vec();
        for channel in watching {
            for _ in 0..TOLD_AT_ONCE {
                let told: ControlFlow<(), Option<Told>> = match self.members.get_mut(channel) {
                    Some(Member::Discovery(discovery)) => match &world {
                        Some(world) => discovery.tell(&self.app.handle, world),
                        None => ControlFlow::Break(()),
                    },
                    Some(Member::Presence(presence)) => match presence.tell(&self.app) {
                        Some(told) => ControlFlow::Continue(Some(told)),
                        None => ControlFlow::Break(()),
                    },
                    Some(
                        Member::Connector(_)
                        | Member::Sensor(_)
                        | Member::Live(_)
                        | Member::Signals(_)
                        | Member::Rooms(_)
                        | Member::Test,
                    )
                    | None => ControlFlow::Break(()),
                };
                match told {
                    ControlFlow::Continue(Some((event, payload))) => self.channels.push(channel, event, payload),
                    ControlFlow::Continue(None) => {}
                    ControlFlow::Break(()) => break,
                }
            }
        }
    }
}

async fn sleep_until(app: &App, due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep_until(app.handle.clock().at(due)).await,
        None => std::future::pending().await,
    }
}

async fn next_of_rooms(subscription: &mut Option<RoomsSubscription>) -> RoomsNext {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

async fn next_of_sights(sights: &mut Option<RoomSights>) {
    match sights {
        Some(sights) => drop(sights.next().await),
        None => std::future::pending().await,
    }
}

async fn next_of(app: &App, subscription: &mut Option<Subscription>) -> Next {
    match subscription {
        Some(subscription) => app.handle.next(subscription).await,
        None => std::future::pending().await,
    }
}

fn topic_kind(topic: &str) -> TopicKind {
    if topic.starts_with(SENSOR) {
        TopicKind::Sensor
    } else if topic.starts_with(CONNECTOR) {
        TopicKind::Connector
    } else if discovery::listed(topic).is_some() {
        TopicKind::Discovery
    } else if topic.starts_with(PRESENCE) {
        TopicKind::Presence
    } else if topic.starts_with(SIGNALS) || topic.starts_with(SIGNAL) {
        TopicKind::Signals
    } else if topic.starts_with(LOBBY) || topic.starts_with(ROOM) {
        TopicKind::Rooms
    } else {
        TopicKind::Unknown
    }
}
