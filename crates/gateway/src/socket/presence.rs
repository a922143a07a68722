//! `presence:<topic>`: who is here, on any node, and being here oneself.

mod updates;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sensocto_channels::presence::{EVENT_DIFF, EVENT_STATE};
use sensocto_channels::{Json, Payload};
use sensocto_node::{
    ConnectionId, FieldError, Handle, LocalEntry, Presence, PresenceFields, PresenceRef, PresenceTopic, RoomId, UserId,
};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::budget::Budget;
use super::discovery::Told;
use super::sensor::Answer;
use super::{connector, marks, params};
use crate::App;
use crate::audience::{Audience, ROOM_TOPIC};
use crate::presence::{ALL, Count, News, STATE_BYTES_MAX, Topic, Turn, Watch, connection_key};
use sensocto_tokens::User;
use updates::Updates;
pub(super) use updates::{Written, updates_budget};

/// What topics of presences begin with.
pub(super) const PREFIX: &str = "presence:";
/// Topics of presences that one socket may have joined.
pub(super) const TOPICS_MAX: usize = 100;

/// Bytes of the hash that names a presence whose connection the client named.
const REF_BYTES: usize = 16;

/// What a client hears that asked for a list which is too large to be told.
const EVENT_TOO_LARGE: &str = "list_too_large";

/// Why it hears no list, and what comes instead.
#[derive(Serialize)]
struct TooLarge {
    bytes_max: usize,
    instead: &'static str,
    #[serde(flatten)]
    count: Count,
}

/// What a client wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watching {
    List,
    Count,
    Nothing,
}

/// One who watches, and who may be here themselves.
#[derive(Debug)]
pub(super) struct PresenceChannel {
    own: Option<Own>,
    topic: PresenceTopic,
    viewer: Option<UserId>,
    /// Whether it is the topic of a room that this reader must not know of: nobody is in it, and they are not either.
    hidden: bool,
    watching: Watching,
    watch: Option<Watch>,
    told: Option<u64>,
    told_count: Option<Count>,
    told_unreachable: Arc<[String]>,
    wake: Arc<Notify>,
    /// Of the state that is on the way, until the writer has it.
    turn: Option<Turn>,
}

/// The presence of the socket's own user.
#[derive(Debug)]
struct Own {
    // In the world for as long as the channel is joined.
    entry: Arc<LocalEntry>,
    /// Its key in the topic that is watched.
    key: Arc<str>,
    updates: Updates,
}

/// The socket that a channel is joined on.
pub(super) struct JoinedBy<'a> {
    pub(super) user: &'a User,
    /// Names the socket, unlike any other one in the world.
    pub(super) socket: &'a ConnectionId,
    /// Is told when there may be news.
    pub(super) wake: &'a Arc<Notify>,
}

impl PresenceChannel {
    /// Makes a known user present, and an anonymous one a watcher.
    pub(super) async fn join(
        app: &App,
        by: JoinedBy<'_>,
        topic: &str,
        join: &Payload,
    ) -> Result<PresenceChannel, Json> {
        let topic = PresenceTopic::new(topic).map_err(params::invalid_field)?;
        let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
        let watching = watching(&join).map_err(params::invalid_field)?;
        let viewer = crate::rooms::acting(app, by.user);
        let hidden = hides(&app.handle, &topic, viewer.as_ref());
        let presence = read(&app.handle, &by, &topic, &join).map_err(params::invalid_field)?.filter(|_| !hidden);
        // Watching comes first: what the own registration changes is then told like any other change.
        let watch = (watching != Watching::Nothing && !hidden)
            .then(|| app.presence.watch(&topic, Arc::clone(by.wake), watching == Watching::List));
        let own = match presence {
            None => None,
            Some(presence) => {
                let registered = app.handle.register_presence(presence.clone()).await;
                let entry = Arc::new(registered.map_err(|error| connector::refused(&error))?);
                let merged = topic.as_str() == ALL;
                let key = if merged { connection_key(&presence) } else { Arc::from(presence.presence_ref.as_str()) };
                Some(Own { entry, key, updates: Updates::new(presence, marks::are_wanted_in(&join)) })
            }
        };
        let told_unreachable = Arc::from([]);
        let wake = Arc::clone(by.wake);
        Ok(PresenceChannel {
            own,
            topic,
            viewer,
            hidden,
            watching,
            watch,
            told: None,
            told_count: None,
            told_unreachable,
            wake,
            turn: None,
        })
    }

    /// Whether it is the topic of a room.
    pub(super) fn names_a_room(&self) -> bool {
        self.topic.as_str().starts_with(ROOM_TOPIC)
    }

    /// Whether this reader may see the room of the topic, and could not when they joined, or the other way round.
    pub(super) fn sees_otherwise(&self, app: &App) -> bool {
        hides(&app.handle, &self.topic, self.viewer.as_ref()) != self.hidden
    }

    /// The entry of the own user.
    pub(super) fn entry(&self) -> Option<&LocalEntry> {
        self.own.as_ref().map(|own| &*own.entry)
    }

    /// Does what an event asks for.
    pub(super) async fn handle(&mut self, app: &App, event: &str, payload: &Payload, budget: &mut Budget) -> Answer {
        match (event, &mut self.own) {
            ("count", _) if self.hidden => Answer::Ok(Json::of(&Count::default())),
            ("count", _) => {
                app.presence.caught_up(app.handle.world().seq).await;
                Answer::Ok(Json::of(&app.presence.read(self.topic.as_str(), Topic::count)))
            }
            ("update", None) => Answer::Error(Json::reason("not_present")),
            ("update", Some(own)) => own.updates.take(app, &own.entry, payload, budget).await,
            _ => Answer::Silence,
        }
    }

    /// An update that waited and may be written by now.
    pub(super) fn due_update(&mut self, app: &App, budget: &mut Budget) -> Option<Written> {
        let own = self.own.as_mut()?;
        own.updates.due(app, &own.entry, budget)
    }

    /// A write of an update that waited ended.
    pub(super) fn written(&mut self) {
        if let Some(own) = &mut self.own {
            own.updates.written();
        }
    }

    /// Whether an update waits.
    pub(super) fn has_update(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.updates.waits())
    }

    /// What to tell a client that has room for it.
    pub(super) fn tell(&mut self, app: &App) -> Option<Told> {
        if self.hidden {
            return self.tell_nobody();
        }
        match self.watching {
            Watching::Nothing => None,
            Watching::Count => {
                let count = self.watch.as_ref()?.counted();
                let news = self.told_count != Some(count);
                self.told_count = Some(count);
                news.then(|| ("count", Json::of(&count)))
            }
            Watching::List => self.tell_list(app),
        }
    }

    /// What is held until the last message has been written.
    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        self.turn.take()
    }

    /// What is told of a topic in which nobody is.
    fn tell_nobody(&mut self) -> Option<Told> {
        let first = self.told.replace(0).is_none();
        match self.watching {
            Watching::Nothing => None,
            Watching::Count => first.then(|| ("count", Json::of(&Count::default()))),
            Watching::List => first.then(|| (EVENT_STATE, Json::empty())),
        }
    }

    fn tell_list(&mut self, app: &App) -> Option<Told> {
        let had_state = self.told.is_some();
        match self.watch.as_ref()?.news(self.told, self.own.as_ref().map(|own| &own.key)) {
            Some(News::State(state, position)) => {
                self.turn = Some(app.presence.states.turn(state.as_str().len(), &self.wake)?);
                if had_state {
                    app.metrics.resync();
                }
                self.told = Some(position);
                Some((EVENT_STATE, state))
            }
            Some(News::Diff(diff, position)) => {
                self.told = Some(position);
                Some((EVENT_DIFF, diff))
            }
            Some(News::TooLarge) => {
                app.metrics.presence_list_too_large();
                let watch = self.watch.as_ref()?;
                watch.count_only();
                self.watching = Watching::Count;
                let count = watch.counted();
                self.told_count = Some(count);
                Some((EVENT_TOO_LARGE, Json::of(&TooLarge { bytes_max: STATE_BYTES_MAX, instead: "count", count })))
            }
            None if had_state => self.tell_nodes(app),
            None => None,
        }
    }

    fn tell_nodes(&mut self, app: &App) -> Option<Told> {
        #[derive(Serialize)]
        struct Nodes<'a> {
            unreachable: &'a [String],
        }
        let unreachable = app.presence.unreachable();
        if unreachable == self.told_unreachable {
            return None;
        }
        self.told_unreachable = unreachable;
        Some(("nodes", Json::of(&Nodes { unreachable: &self.told_unreachable })))
    }
}

/// Whether a topic is that of a room that a reader must not know of.
fn hides(handle: &Handle, topic: &PresenceTopic, viewer: Option<&UserId>) -> bool {
    topic.as_str().strip_prefix(ROOM_TOPIC).is_some_and(|room| Audience::of(handle, viewer).must_not_know(room))
}

/// A name for a socket, unlike any other one in the world.
pub(super) fn socket_name(handle: &Handle) -> Result<ConnectionId, FieldError> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let me = handle.me();
    ConnectionId::new(&format!("{}.{:x}.{:x}", me.node, me.generation.0, NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn watching(join: &Map<String, Value>) -> Result<Watching, FieldError> {
    match params::optional_text(join, "watch")? {
        None | Some("list") => Ok(Watching::List),
        Some("count") => Ok(Watching::Count),
        Some("none") => Ok(Watching::Nothing),
        Some(_) => Err(FieldError { field: "watch", allowed: "list, count or none" }),
    }
}

fn read(
    handle: &Handle,
    by: &JoinedBy<'_>,
    topic: &PresenceTopic,
    join: &Map<String, Value>,
) -> Result<Option<Presence>, FieldError> {
    check_user(by.user, join)?;
    let present = match join.get("present") {
        None | Some(Value::Null) => true,
        Some(present) => present.as_bool().ok_or(FieldError { field: "present", allowed: "true or false" })?,
    };
    let User::Known { id, name } = by.user else { return Ok(None) };
    if !present {
        return Ok(None);
    }
    let named = params::optional_text(join, "connection")?.map(ConnectionId::new).transpose()?;
    // The same connection of the same user takes its own place, wherever it comes back.
    let presence_ref = match &named {
        Some(connection) => reference(&[id.as_str(), topic.as_str(), connection.as_str()]),
        None => reference(&[topic.as_str(), by.socket.as_str()]),
    };
    let room = topic.as_str().strip_prefix(ROOM_TOPIC).map(RoomId::new).transpose()?;
    Ok(Some(Presence {
        presence_ref: PresenceRef::new(&presence_ref)?,
        topic: topic.clone(),
        connection: named.unwrap_or_else(|| by.socket.clone()),
        user_id: id.clone(),
        user_name: params::optional_text(join, "user_name")?.unwrap_or(name).to_owned(),
        device: params::optional_text(join, "device")?.map(str::to_owned),
        room_id: params::optional_text(join, "room_id")?.map(RoomId::new).transpose()?.or(room),
        mode: params::optional_text(join, "mode")?.map(str::to_owned),
        online_at_ms: handle.clock().now().wall_ms,
        fields: PresenceFields::of_value(join.get("fields"))?,
    }))
}

/// Whoever names a user names their own.
fn check_user(user: &User, named: &Map<String, Value>) -> Result<(), FieldError> {
    let own = match user {
        User::Known { id, .. } => Some(id.as_str()),
        User::Anonymous => None,
    };
    match params::optional_text(named, "user_id")? {
        Some(named) if own != Some(named) => {
            Err(FieldError { field: "user_id", allowed: "the user of the socket's token, or nothing" })
        }
        Some(_) | None => Ok(()),
    }
}

fn reference(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // No id holds a line break, so that no two lists have the same text.
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..REF_BYTES])
}
