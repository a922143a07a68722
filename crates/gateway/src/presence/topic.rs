//! One topic: who is in it, and what its watchers were told.
//!
//! Changes are kept as keys with what the watchers were last told of each: a *flush* compares that with what is there and makes one
//! difference, serialized once for everybody. So no change can overtake another one, a burst is one message, and what was undone in
//! between is none. A state is always that of the last flush: with the differences after it, nothing is missing and nothing is told
//! twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sensocto_channels::Json;
use sensocto_channels::presence::{self, Diff, Meta};
use sensocto_node::{Held, UserId};
use tokio::sync::Notify;

/// The shortest time between two differences of one topic; after a quiet time the first one goes out at once.
const WINDOW_MIN: Duration = Duration::from_millis(10);
/// The longest time between two differences.
const WINDOW_MAX: Duration = Duration::from_millis(200);
/// What the time grows by with each watcher: one topic makes a node write at most 20,000 messages a second, and with more than 4,000
/// watchers five a second to each.
const WINDOW_PER_WATCHER: Duration = Duration::from_micros(50);
/// The shortest time between two counts that are told to who only wants to know how many are here: everybody else in a large room.
const COUNT_WINDOW: Duration = Duration::from_millis(500);
/// How long the leave of a user's last connection is held back: who comes back within it, here or elsewhere, never left. Low: a user
/// who moves to another node flickers; high: a closed tab is seen for longer, and it must be gone everywhere within 500 ms.
const LINGER: Duration = Duration::from_millis(250);
/// Differences that a watcher may be behind before it gets the state instead.
const DIFFS_MAX: usize = 256;
/// Bytes of a state that one message may have. A state has to be whole: what a client has besides, its `Presence` takes for people who
/// left. So a list that is larger is not told, and whoever asked for it is told how many are here. Low: large rooms have no list; high: a
/// client has to hold and read as much at once, and the node to write it, for each who comes.
pub(crate) const STATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of differences that are kept for watchers who are behind; the newest one is kept whatever its size.
const DIFFS_BYTES_MAX: usize = 1024 * 1024;

/// One presence as it is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) user: UserId,
    /// Orders the connections of a user, older first.
    pub(crate) online_at_ms: u64,
    pub(crate) held: Held,
    pub(crate) meta: Meta,
}

/// How many are in a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Count {
    /// Users, each counted once.
    pub(crate) users: usize,
    /// Their connections.
    pub(crate) connections: usize,
}

/// What a watcher is told next.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// Everything, as of a position.
    State(Json, u64),
    /// Everything would be more than [`STATE_BYTES_MAX`].
    TooLarge,
    /// What led to a position.
    Diff(Json, u64),
}

/// What the watchers were last told of a key.
#[derive(Debug)]
struct Before {
    shown: Option<Arc<Shown>>,
    since: Duration,
}

#[derive(Debug)]
struct Watcher {
    wake: Arc<Notify>,
    /// Whether it is told who is here, or only how many.
    listing: bool,
}

/// One user's presences by key, older first.
type Metas = Vec<(Arc<str>, Arc<Shown>)>;

/// Who is in one topic.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    metas: BTreeMap<Arc<str>, Arc<Shown>>,
    users: BTreeMap<UserId, Metas>,
    before: BTreeMap<Arc<str>, Before>,
    position: u64,
    flushed_at: Option<Duration>,
    diffs: VecDeque<(u64, Json)>,
    diffs_bytes: usize,
    state: Option<Json>,
    /// How many were here as those know who count, and since when.
    counted: Count,
    counted_at: Option<Duration>,
    watchers: BTreeMap<u64, Watcher>,
    /// How many of them are told who is here.
    listing: usize,
    next_watcher: u64,
}

impl Topic {
    pub(crate) fn is_idle(&self) -> bool {
        self.metas.is_empty() && self.watchers.is_empty()
    }

    pub(crate) fn watch(&mut self, wake: Arc<Notify>, listing: bool) -> u64 {
        let id = self.next_watcher;
        self.next_watcher += 1;
        if !listing && self.listing == self.watchers.len() {
            self.counted = self.count();
        }
        self.listing += usize::from(listing);
        self.watchers.insert(id, Watcher { wake, listing });
        id
    }

    pub(crate) fn unwatch(&mut self, id: u64) {
        let watcher = self.watchers.remove(&id);
        self.listing -= usize::from(watcher.is_some_and(|watcher| watcher.listing));
        if self.listing == 0 {
            self.nobody_was_told();
        }
    }

    /// A watcher is told how many are here from now on, and who no more.
    pub(crate) fn count_only(&mut self, id: u64) {
        let Some(watcher) = self.watchers.get_mut(&id).filter(|watcher| watcher.listing) else { return };
        watcher.listing = false;
        if self.listing == self.watchers.len() {
            self.counted = self.count();
        }
        self.listing -= 1;
        if self.listing == 0 {
            self.nobody_was_told();
        }
    }

    /// Wakes everybody who is told who is here.
    pub(crate) fn wake(&self) {
        self.wake_those(|watcher| watcher.listing);
    }

    fn wake_those(&self, which: impl Fn(&Watcher) -> bool) {
        for watcher in self.watchers.values().filter(|watcher| which(watcher)) {
            watcher.wake.notify_one();
        }
    }

    /// Puts a presence in, changes it, or takes it out.
    pub(crate) fn set(&mut self, key: &Arc<str>, shown: Option<Arc<Shown>>, now: Duration) {
        let old = self.metas.get(key).cloned();
        if phx_ref(old.as_ref()) == phx_ref(shown.as_ref()) {
            return;
        }
        if let Some(old) = &old {
            self.remove_meta(key, old);
        }
        if let Some(shown) = &shown {
            self.insert_meta(key, shown);
        }
        if self.listing == 0 {
            return self.nobody_was_told();
        }
        let before = self.before.entry(Arc::clone(key)).or_insert(Before { shown: old, since: now });
        before.since = now;
        if phx_ref(before.shown.as_ref()) == phx_ref(shown.as_ref()) {
            self.before.remove(key);
        }
    }

    fn insert_meta(&mut self, key: &Arc<str>, shown: &Arc<Shown>) {
        self.metas.insert(Arc::clone(key), Arc::clone(shown));
        let metas = self.users.entry(shown.user.clone()).or_default();
        let at = metas.partition_point(|(other, meta)| (meta.online_at_ms, other) < (shown.online_at_ms, key));
        metas.insert(at, (Arc::clone(key), Arc::clone(shown)));
    }

    fn remove_meta(&mut self, key: &Arc<str>, old: &Shown) {
        self.metas.remove(key);
        let Some(metas) = self.users.get_mut(&old.user) else { return };
        metas.retain(|(other, _)| other != key);
        if metas.is_empty() {
            self.users.remove(&old.user);
        }
    }

    /// Nobody has anything that differences could be told from.
    fn nobody_was_told(&mut self) {
        self.before.clear();
        self.diffs.clear();
        self.diffs_bytes = 0;
        self.state = None;
        self.position += 1;
    }

    /// When a flush has something to tell; `None` while there is nothing.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        let difference = self.difference_due_at();
        difference.into_iter().chain(self.count_due_at()).min()
    }

    fn count_due_at(&self) -> Option<Duration> {
        let told = self.listing < self.watchers.len() && self.counted != self.count();
        told.then(|| self.counted_at.map_or(Duration::ZERO, |counted_at| counted_at + COUNT_WINDOW))
    }

    fn difference_due_at(&self) -> Option<Duration> {
        let prompt = self.flushed_at.map_or(Duration::ZERO, |flushed_at| flushed_at + self.window());
        let due = self
            .before
            .iter()
            .map(|(key, before)| if self.lingers(key, before) { before.since + LINGER } else { prompt });
        due.min().map(|due| due.max(prompt))
    }

    fn window(&self) -> Duration {
        let watchers = u32::try_from(self.listing).unwrap_or(u32::MAX);
        WINDOW_PER_WATCHER.saturating_mul(watchers).clamp(WINDOW_MIN, WINDOW_MAX)
    }

    /// Whether it is the leave of a user of whom nothing is left.
    fn lingers(&self, key: &Arc<str>, before: &Before) -> bool {
        before
            .shown
            .as_ref()
            .is_some_and(|shown| !self.metas.contains_key(key) && !self.users.contains_key(&shown.user))
    }

    /// Tells the watchers what is due.
    pub(crate) fn flush(&mut self, now: Duration) {
        if self.count_due_at().is_some_and(|due| due <= now) {
            self.counted = self.count();
            self.counted_at = Some(now);
            self.wake_those(|watcher| !watcher.listing);
        }
        if self.difference_due_at().is_some_and(|due| due <= now) {
            self.flush_difference(now);
            self.wake_those(|watcher| watcher.listing);
        }
    }

    fn flush_difference(&mut self, now: Duration) {
        let told = |key: &Arc<str>, before: &Before| !self.lingers(key, before) || before.since + LINGER <= now;
        let keys: Vec<Arc<str>> =
            self.before.iter().filter(|(key, before)| told(key, before)).map(|(key, _)| Arc::clone(key)).collect();
        let mut diff = Diff::new();
        for key in keys {
            let before = self.before.remove(&key).and_then(|before| before.shown);
            add(&mut diff, before.as_deref(), self.metas.get(&key).map(|shown| &**shown));
        }
        self.flushed_at = Some(now);
        self.state = None;
        self.position += 1;
        let json = diff.to_json();
        self.diffs_bytes += json.as_str().len();
        self.diffs.push_back((self.position, json));
        while self.diffs.len() > DIFFS_MAX || (self.diffs_bytes > DIFFS_BYTES_MAX && self.diffs.len() > 1) {
            self.diffs_bytes -= self.diffs.pop_front().map_or(0, |(_, json)| json.as_str().len());
        }
    }

    /// What a watcher that was told up to a position hears next; `None` while there is nothing. Whoever has not been told anything hears
    /// nothing before the presence of `own` is part of what it would be told.
    pub(crate) fn news(&mut self, told: Option<u64>, own: Option<&Arc<str>>) -> Option<News> {
        let Some(told) = told else {
            let has_own = own.is_none_or(|own| match self.before.get(own) {
                Some(before) => before.shown.is_some(),
                None => self.metas.contains_key(own),
            });
            return has_own.then(|| self.state());
        };
        if told == self.position {
            return None;
        }
        let next = self.diffs.iter().find(|(position, _)| *position == told + 1);
        Some(next.map(|(position, json)| News::Diff(json.clone(), *position)).unwrap_or_else(|| self.state()))
    }

    fn state(&mut self) -> News {
        if self.state.is_none() {
            self.state = Some(self.state_json());
        }
        match &self.state {
            Some(state) if state.as_str().len() > STATE_BYTES_MAX => News::TooLarge,
            state => News::State(state.clone().unwrap_or_default(), self.position),
        }
    }

    fn state_json(&self) -> Json {
        let unchanged = self.users.values().flatten().filter(|(key, _)| !self.before.contains_key(key));
        let before = self.before.iter().filter_map(|(key, before)| Some((key, before.shown.as_ref()?)));
        let mut shown: Vec<(&Arc<str>, &Arc<Shown>)> =
            unchanged.map(|(key, shown)| (key, shown)).chain(before).collect();
        if !self.before.is_empty() {
            shown.sort_by_key(|(key, shown)| (shown.online_at_ms, Arc::clone(key)));
        }
        presence::state(shown.into_iter().map(|(_, shown)| (shown.user.as_str(), &shown.meta)))
    }

    /// How many are here as those know who count.
    pub(crate) fn counted(&self) -> Count {
        self.counted
    }

    /// How many are here.
    pub(crate) fn count(&self) -> Count {
        Count { users: self.users.len(), connections: self.metas.len() }
    }

    /// A user's connections, older first; `None` for who is not here.
    pub(crate) fn user(&self, user: &str) -> Option<Vec<Arc<Shown>>> {
        self.users.get(user).map(|metas| metas.iter().map(|(_, shown)| Arc::clone(shown)).collect())
    }

    /// Whether a presence is here.
    #[cfg(test)]
    pub(crate) fn has(&self, key: &str) -> bool {
        self.metas.contains_key(key)
    }

    /// The user of whom this connection is all that is here.
    pub(crate) fn sole_connection_of(&self, key: &str) -> Option<UserId> {
        let user = &self.metas.get(key)?.user;
        (self.users.get(user)?.len() == 1).then(|| user.clone())
    }

    /// The users from the first id after `after` on, each with all of their connections.
    pub(crate) fn users_after<'a>(
        &'a self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a UserId, impl Iterator<Item = &'a Arc<Shown>> + use<'a>)> + use<'a> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let users = self.users.range::<str, _>((start, Bound::Unbounded));
        users.map(|(user, metas)| (user, metas.iter().map(|(_, shown)| shown)))
    }
}

fn phx_ref(shown: Option<&Arc<Shown>>) -> Option<&str> {
    shown.map(|shown| shown.meta.phx_ref())
}

fn add(diff: &mut Diff, before: Option<&Shown>, after: Option<&Shown>) {
    match (before, after) {
        (None, None) => {}
        (None, Some(after)) => diff.join(after.user.as_str(), &after.meta),
        (Some(before), None) => diff.leave(before.user.as_str(), &before.meta),
        (Some(before), Some(after)) if before.user == after.user => {
            diff.update(after.user.as_str(), &before.meta, &after.meta);
        }
        (Some(before), Some(after)) => {
            diff.join(after.user.as_str(), &after.meta);
            diff.leave(before.user.as_str(), &before.meta);
        }
    }
}

#[cfg(test)]
mod tests;
