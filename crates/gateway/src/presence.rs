//! Who is here, by topic: one task follows the world for all sockets of this node.
//!
//! Whatever changes is sorted into its topic once, serialized once, and told to that topic's watchers alone; a socket that watches
//! another topic is not even woken. `all` merges every topic: there, the presences of one connection are one.

mod allowance;
mod last_seen;
mod topic;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use sensocto_channels::presence::Meta;
use sensocto_node::{
    Batch, EventKind, Handle, Held, Kind, Next, PeerState, Presence, PresenceTopic, Record, RoomId, Sight, World,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::audience::{Audience, ROOM_TOPIC};
pub(crate) use allowance::{Allowance, Turn};
pub(crate) use last_seen::LastSeen;
pub(crate) use topic::{Count, News, STATE_BYTES_MAX, Shown, Topic};

/// The topic in which everybody is.
pub(crate) const ALL: &str = "all";
/// How long a read waits until what was written before it is sorted in; it takes far less.
const CATCH_UP_MAX: Duration = Duration::from_millis(50);

/// Who is here, for every socket and request of one gateway.
#[derive(Debug)]
pub(crate) struct Hub {
    all: Arc<Mutex<Topic>>,
    // Only those with somebody in them, present or watching.
    topics: RwLock<BTreeMap<PresenceTopic, Arc<Mutex<Topic>>>>,
    last_seen: Mutex<LastSeen>,
    unreachable: Mutex<Arc<[String]>>,
    pub(crate) states: Arc<Allowance>,
    reached: watch::Sender<u64>,
}

/// A watcher of one topic, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watch {
    hub: Arc<Hub>,
    name: PresenceTopic,
    topic: Arc<Mutex<Topic>>,
    id: u64,
}

impl Watch {
    /// See [`Topic::news`].
    pub(crate) fn news(&self, told: Option<u64>, own: Option<&Arc<str>>) -> Option<News> {
        lock(&self.topic).news(told, own)
    }

    /// See [`Topic::count_only`].
    pub(crate) fn count_only(&self) {
        lock(&self.topic).count_only(self.id);
    }

    /// See [`Topic::counted`].
    pub(crate) fn counted(&self) -> Count {
        lock(&self.topic).counted()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut topics = self.hub.topics_mut();
        let mut topic = lock(&self.topic);
        topic.unwatch(self.id);
        if topic.is_idle() {
            topics.remove(&self.name);
        }
    }
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub {
            all: Arc::default(),
            topics: RwLock::default(),
            last_seen: Mutex::default(),
            unreachable: Mutex::new(Arc::from([])),
            states: Arc::default(),
            reached: watch::Sender::new(0),
        }
    }

    /// Watches a topic; `wake` is told when there may be news.
    pub(crate) fn watch(self: &Arc<Hub>, name: &PresenceTopic, wake: Arc<Notify>, listing: bool) -> Watch {
        let mut topics = self.topics_mut();
        let topic = if name.as_str() == ALL {
            Arc::clone(&self.all)
        } else {
            Arc::clone(topics.entry(name.clone()).or_default())
        };
        let id = lock(&topic).watch(wake, listing);
        drop(topics);
        Watch { hub: Arc::clone(self), name: name.clone(), topic, id }
    }

    /// Reads a topic; one with nobody in it is an empty one.
    pub(crate) fn read<T>(&self, name: &str, read: impl FnOnce(&Topic) -> T) -> T {
        let topic = if name == ALL { Some(Arc::clone(&self.all)) } else { self.topics().get(name).map(Arc::clone) };
        match topic {
            Some(topic) => read(&lock(&topic)),
            None => read(&Topic::default()),
        }
    }

    /// The users who left.
    pub(crate) fn last_seen(&self) -> MutexGuard<'_, LastSeen> {
        self.last_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nodes that are unreachable: whoever is there may be gone.
    pub(crate) fn unreachable(&self) -> Arc<[String]> {
        Arc::clone(&self.unreachable.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Topics in which somebody is, or that somebody watches; `all` is not counted.
    pub(crate) fn topics_len(&self) -> usize {
        self.topics().len()
    }

    /// Waits until everything is sorted in that was in the world by `seq`. It gives up rather than hold up a reader.
    pub(crate) async fn caught_up(&self, seq: u64) {
        let mut reached = self.reached.subscribe();
        // A reader that is not waited for reads what there is.
        let _ = tokio::time::timeout(CATCH_UP_MAX, reached.wait_for(|reached| *reached >= seq)).await;
    }

    fn topics(&self) -> RwLockReadGuard<'_, BTreeMap<PresenceTopic, Arc<Mutex<Topic>>>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<PresenceTopic, Arc<Mutex<Topic>>>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &PresenceTopic, key: &Arc<str>, shown: Option<Arc<Shown>>, now: Duration) {
        let mut topics = self.topics_mut();
        let topic = Arc::clone(topics.entry(name.clone()).or_default());
        let mut topic = lock(&topic);
        topic.set(key, shown, now);
        if topic.is_idle() {
            topics.remove(name);
        }
    }

    fn wake_all(&self) {
        lock(&self.all).wake();
        for topic in self.topics().values() {
            lock(topic).wake();
        }
    }
}

fn lock(topic: &Mutex<Topic>) -> MutexGuard<'_, Topic> {
    topic.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a hub up to date until the gateway, or its node, stops.
pub(crate) async fn follow(hub: Arc<Hub>, handle: Handle, stopping: CancellationToken) {
    let mut sights = handle.room_sights();
    let mut subscription = handle.subscribe();
    let mut sorter =
        Sorter { hub: Arc::clone(&hub), entries: BTreeMap::new(), connections: BTreeMap::new(), due: BTreeMap::new() };
    sorter.start_over(subscription.world(), &handle);
    loop {
        hub.reached.send_replace(subscription.world().seq);
        let wake = sorter.flush(handle.clock().mono()).map(|due| handle.clock().at(due));
        let due = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        let mut next = tokio::select! {
            () = stopping.cancelled() => return,
            next = handle.next(&mut subscription) => Some(next),
            sight = sights.next() => {
                sorter.see(&sight, subscription.world(), &handle);
                None
            }
            () = due => None,
        };
        // What else is there already is sorted in as well, so that one difference stands for all of it.
        while let Some(one) = next.take().or_else(|| handle.try_next(&mut subscription)) {
            match one {
                Next::Batch(batch) => sorter.take(&batch, &handle),
                Next::Resync(world) => sorter.start_over(&world, &handle),
                Next::Closed => return,
            }
        }
    }
}

/// Sorts what changes in the world into topics.
struct Sorter {
    hub: Arc<Hub>,
    entries: BTreeMap<Arc<str>, Sorted>,
    /// The presences of each connection, by what decides which one stands for it in `all`.
    connections: BTreeMap<Arc<str>, BTreeMap<Rank, Arc<Shown>>>,
    /// Topics with something to tell, and when; `None` is `all`.
    due: BTreeMap<Option<PresenceTopic>, Duration>,
}

/// Who said `all` stands first, then the oldest.
type Rank = (bool, u64, Arc<str>);

struct Sorted {
    topic: PresenceTopic,
    connection: Arc<str>,
    rank: Rank,
}

impl Sorter {
    fn take(&mut self, batch: &Batch, handle: &Handle) {
        let now = handle.clock().now();
        for event in batch.events.iter().filter(|event| event.key.kind == Kind::Presence) {
            let held = match event.kind {
                EventKind::Registered | EventKind::Updated => Some(&event.held),
                EventKind::Unregistered(_) => None,
            };
            self.set(event.key.id.as_str(), held, &Audience::everybody(handle), (now.mono, now.wall_ms));
        }
        self.nodes(&batch.world);
    }

    /// Shows those anew who are in a room that other people may see than before.
    fn see(&mut self, sight: &Sight, world: &World, handle: &Handle) {
        let (now, audience) = (handle.clock().now(), Audience::everybody(handle));
        let named = |presence: &Presence| presence.room_id.as_ref().is_some_and(|room| sight.concerns(room.as_str()));
        let in_it = |(held, record): (&Held, &Record)| {
            let presence = record.as_presence().filter(|presence| named(presence))?;
            Some((presence.presence_ref.to_string(), held.clone()))
        };
        let touched: Vec<(String, Held)> = match sight {
            Sight::Of(rooms) => {
                let people = rooms.iter().map(|room| world.view.people(Some(room.as_str()), None, None, usize::MAX).0);
                let connections = people.flatten().flat_map(|person| person.connections);
                let connections = connections.filter(|(_, presence)| named(presence));
                connections.map(|(held, presence)| (presence.presence_ref.to_string(), held.clone())).collect()
            }
            Sight::OfAny => world.view.iter_after(Kind::Presence, None).filter_map(in_it).collect(),
        };
        for (id, held) in touched {
            self.set(&id, Some(&held), &audience, (now.mono, now.wall_ms));
        }
    }

    /// Compares what is known with the world as it is: the watchers are told only what differs.
    fn start_over(&mut self, world: &World, handle: &Handle) {
        let (now, audience) = (handle.clock().now(), Audience::everybody(handle));
        let gone: Vec<Arc<str>> =
            self.entries.keys().filter(|id| world.view.get(Kind::Presence, id).is_none()).cloned().collect();
        for id in gone {
            self.set(&id, None, &audience, (now.mono, now.wall_ms));
        }
        for (held, record) in world.view.iter_after(Kind::Presence, None) {
            self.set(record.key().id.as_str(), Some(held), &audience, (now.mono, now.wall_ms));
        }
        self.nodes(world);
    }

    fn set(&mut self, id: &str, held: Option<&Held>, audience: &Audience, (mono, wall_ms): (Duration, u64)) {
        let new =
            held.and_then(|held| Some((held.entry.record().and_then(Record::as_presence)?, shown(held, audience)?)));
        let id: Arc<str> = Arc::from(id);
        let old = self.entries.remove(&id);
        let mut touched: Vec<Arc<str>> = Vec::new();
        if let Some(old) = &old {
            let stays = new.as_ref().is_some_and(|(presence, _)| presence.topic == old.topic);
            if !stays {
                self.set_in_topic(&old.topic, &id, None, mono);
            }
            if let Some(of_connection) = self.connections.get_mut(&old.connection) {
                of_connection.remove(&old.rank);
            }
            touched.push(Arc::clone(&old.connection));
        }
        if let Some((presence, (in_topic, shown))) = new {
            self.set_in_topic(&presence.topic, &id, Some(in_topic), mono);
            let connection = connection_key(presence);
            let rank = (presence.topic.as_str() != ALL, presence.online_at_ms, Arc::clone(&id));
            let of_connection = self.connections.entry(Arc::clone(&connection)).or_default();
            of_connection.insert(rank.clone(), shown);
            if !touched.contains(&connection) {
                touched.push(Arc::clone(&connection));
            }
            self.entries.insert(id, Sorted { topic: presence.topic.clone(), connection, rank });
        }
        for connection in touched {
            self.merge(&connection, mono, wall_ms);
        }
    }

    fn set_in_topic(&mut self, topic: &PresenceTopic, id: &Arc<str>, shown: Option<Arc<Shown>>, mono: Duration) {
        // Who is in `all` is there by its connection.
        if topic.as_str() != ALL {
            self.hub.set(topic, id, shown, mono);
            self.due.insert(Some(topic.clone()), mono);
        }
    }

    /// Shows one presence of a connection in `all`, or none.
    fn merge(&mut self, connection: &Arc<str>, mono: Duration, wall_ms: u64) {
        let first = self.connections.get(connection).and_then(|of_connection| of_connection.first_key_value());
        let first = first.map(|(_, shown)| Arc::clone(shown));
        if first.is_none() {
            self.connections.remove(connection);
        }
        let mut all = lock(&self.hub.all);
        let mut last_seen = self.hub.last_seen();
        match &first {
            Some(shown) => last_seen.is_back(&shown.user),
            None => {
                if let Some(user) = all.sole_connection_of(connection) {
                    last_seen.left(&user, wall_ms);
                }
            }
        }
        all.set(connection, first, mono);
        self.due.insert(None, mono);
    }

    fn nodes(&self, world: &World) {
        let nodes = world.view.nodes().values().filter(|node| node.state == PeerState::Unreachable);
        let unreachable: Vec<String> = nodes.map(|node| node.origin.node.to_string()).collect();
        let mut known = self.hub.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        if **known != *unreachable {
            *known = Arc::from(unreachable);
            drop(known);
            self.hub.wake_all();
        }
    }

    /// Tells what is due, and says when there is more to tell.
    fn flush(&mut self, mono: Duration) -> Option<Duration> {
        let due: Vec<_> = self.due.iter().filter(|(_, at)| **at <= mono).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.due.remove(&name);
            let topic = match &name {
                None => Some(Arc::clone(&self.hub.all)),
                Some(name) => self.hub.topics().get(name).map(Arc::clone),
            };
            let Some(topic) = topic else { continue };
            let mut topic = lock(&topic);
            topic.flush(mono);
            if let Some(at) = topic.due_at() {
                self.due.insert(name, at);
            }
        }
        self.due.values().min().copied()
    }
}

/// A connection's key in `all`: two users may name theirs alike.
pub(crate) fn connection_key(presence: &Presence) -> Arc<str> {
    Arc::from(format!("{}\n{}", presence.user_id, presence.connection))
}

/// A presence as it is shown in its topic, and in `all`. Its reference is that of its last change: `<node>.<generation>.<version>`, unlike
/// any other in the world, and the same on every node. What is told to everybody does not say which private room somebody is in; only
/// the topic of that room does, which its members alone are told. Such a form has a reference of its own, so that who hears of the
/// other one afterwards hears of a change.
fn shown(held: &Held, audience: &Audience) -> Option<(Arc<Shown>, Arc<Shown>)> {
    let presence = held.entry.record().and_then(Record::as_presence)?;
    let room = presence.room_id.as_ref().map(RoomId::as_str);
    let said = audience.room(presence.room_id.as_ref());
    let everywhere = with_room(held, presence, said, said != room)?;
    let own_topic = presence.topic.as_str().strip_prefix(ROOM_TOPIC);
    let in_topic = match own_topic == room && said != room {
        true => with_room(held, presence, room, false)?,
        false => Arc::clone(&everywhere),
    };
    Some((in_topic, everywhere))
}

fn with_room(held: &Held, presence: &Presence, room_id: Option<&str>, leaves_out: bool) -> Option<Arc<Shown>> {
    #[derive(Serialize)]
    struct Fields<'a> {
        user_id: &'a str,
        user_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<&'a str>,
        online_at: u64,
        node: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        fields: Option<&'a RawValue>,
    }
    let fields = Fields {
        user_id: presence.user_id.as_str(),
        user_name: &presence.user_name,
        device: presence.device.as_deref(),
        room_id,
        mode: presence.mode.as_deref(),
        online_at: presence.online_at_ms,
        node: held.origin.node.as_str(),
        fields: presence.fields.as_json().and_then(|json| serde_json::from_str(json).ok()),
    };
    let (node, generation, version) = (&held.origin.node, held.origin.generation.0, held.entry.version.0);
    let phx_ref = format!("{node}.{generation:x}.{version}{}", if leaves_out { ".x" } else { "" });
    let meta = Meta::new(&phx_ref, &fields).ok()?;
    let (user, online_at_ms) = (presence.user_id.clone(), presence.online_at_ms);
    Some(Arc::new(Shown { user, online_at_ms, held: held.clone(), meta }))
}

#[cfg(test)]
mod tests;
