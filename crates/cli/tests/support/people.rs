//! A crowd in one room, each on a socket of their own, and what they see of each other.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use sensocto_gateway::{SigningKey, UserClaims};
use sensocto_model::UserId;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

/// Sockets that are opened at the same time.
const OPENING_MAX: usize = 64;
const TOPIC: &str = "presence:room:hall";

/// A number that the environment may set.
pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Makes tokens of users.
#[derive(Clone)]
pub(crate) struct Tokens(SigningKey);

impl Tokens {
    pub(crate) fn create(file: &Path) -> Tokens {
        Tokens(SigningKey::create(file).expect("a key"))
    }

    /// Connects a user to the first of some nodes that lets them in.
    pub(crate) async fn connect(&self, user: &str, urls: Vec<String>) -> Client {
        let user_id = UserId::new(user).expect("an id");
        let claims = UserClaims { user_id, name: user.to_owned(), valid_for: Duration::from_secs(3_600) };
        let token = self.0.mint_user(&claims).expect("a token");
        let options = ClientOptions { token: Some(token), ..ClientOptions::new(urls) };
        Client::connect(options).await.expect("connected")
    }
}

pub(crate) async fn join(client: &Client, params: Value) -> Channel {
    client.join(TOPIC, params).await.expect("joined")
}

/// How many viewers see what they should.
pub(crate) struct Board {
    users: usize,
    viewers: usize,
    on_c: AtomicUsize,
    phase: AtomicUsize,
    right: AtomicUsize,
    wrong_leaves: AtomicUsize,
    stayed: AtomicUsize,
    stayed_messages: AtomicUsize,
    stayed_bytes: AtomicUsize,
    changed: Notify,
}

impl Board {
    pub(crate) fn new(users: usize, viewers: usize) -> Board {
        let zero = AtomicUsize::default;
        Board {
            users,
            viewers,
            on_c: zero(),
            phase: zero(),
            right: zero(),
            wrong_leaves: zero(),
            stayed: zero(),
            stayed_messages: zero(),
            stayed_bytes: zero(),
            changed: Notify::new(),
        }
    }

    /// From here on a list is right if so many are on node c, and everybody is there once.
    pub(crate) fn expect_on_c(&self, on_c: usize) {
        self.on_c.store(on_c, SeqCst);
        self.right.store(0, SeqCst);
        self.phase.fetch_add(1, SeqCst);
        self.changed.notify_waiters();
    }

    pub(crate) async fn until_right(&self, within: Duration, what: &str) {
        let waited = tokio::time::timeout(within, async {
            loop {
                let changed = self.changed.notified();
                if self.right.load(SeqCst) >= self.viewers {
                    return;
                }
                changed.await;
            }
        });
        let right = || self.right.load(SeqCst);
        assert!(waited.await.is_ok(), "not within {within:?}: {what}: {} of {} lists are right", right(), self.viewers);
    }

    /// What viewers who stayed where they are were told so far: bytes and messages.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.stayed_bytes.load(SeqCst), self.stayed_messages.load(SeqCst))
    }

    /// Kilobytes and messages for each of them since then.
    pub(crate) fn stayed_bytes(&self, (bytes, messages): (usize, usize)) -> (f64, f64) {
        let stayed = self.stayed.load(SeqCst).max(1) as f64;
        let now = self.bytes();
        ((now.0 - bytes) as f64 / stayed / 1e3, (now.1 - messages) as f64 / stayed)
    }

    pub(crate) fn wrong_leaves(&self) -> usize {
        self.wrong_leaves.load(SeqCst)
    }
}

/// Everybody in the room. Dropping it lets them go.
pub(crate) struct Crowd(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Crowd {
    /// Lets users in, a third on each node; the first of them see the whole list, the others only how many there are.
    pub(crate) async fn gather(
        users: usize,
        viewers: usize,
        tokens: &Tokens,
        urls: impl Fn(usize) -> Vec<String>,
        board: &Arc<Board>,
    ) -> Crowd {
        let opening = Arc::new(Semaphore::new(OPENING_MAX));
        let mut tasks = Vec::new();
        // Whoever sees the list comes last: most of what it would be told by then is in its first state.
        for index in (0..users).rev() {
            let permit = Arc::clone(&opening).acquire_owned().await.expect("open");
            let (tokens, urls, board) = (tokens.clone(), urls(index), Arc::clone(board));
            tasks.push(tokio::spawn(async move {
                let user = format!("u{index}");
                let client = tokens.connect(&user, urls).await;
                let watch = if index < viewers { "list" } else { "count" };
                let channel = join(&client, json!({"watch": watch, "connection": "tab", "device": "web"})).await;
                drop(permit);
                Viewer::new(board, index % 3 != 2 && index < viewers).follow(channel).await;
                drop(client);
            }));
        }
        Crowd(tasks)
    }
}

#[derive(Deserialize)]
struct Presence<'a> {
    #[serde(borrow)]
    metas: Vec<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    phx_ref: Cow<'a, str>,
    #[serde(borrow)]
    node: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Diff<'a> {
    #[serde(borrow)]
    joins: Presences<'a>,
    #[serde(borrow)]
    leaves: Presences<'a>,
}

/// Users by their numbers. With ten thousand viewers of ten thousand users, nothing may be made that is not needed.
struct Presences<'a>(Vec<(usize, Presence<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Presences<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Users;
        impl<'de> Visitor<'de> for Users {
            type Value = Presences<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("users")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Presences<'de>, A::Error> {
                let mut users = Vec::new();
                while let Some((user, presence)) = map.next_entry::<Cow<'de, str>, Presence<'de>>()? {
                    users.push((user[1..].parse().expect("a number"), presence));
                }
                Ok(Presences(users))
            }
        }
        deserializer.deserialize_map(Users)
    }
}

/// A meta as a viewer keeps it: its reference, hashed, and whether it is on node c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept(u64, bool);

impl Kept {
    fn of(meta: &Meta<'_>) -> Kept {
        let mut hasher = DefaultHasher::new();
        meta.phx_ref.hash(&mut hasher);
        Kept(hasher.finish(), meta.node == "c")
    }
}

/// What one of them sees.
struct Viewer {
    board: Arc<Board>,
    stays: bool,
    list: Vec<Vec<Kept>>,
    users: usize,
    metas: usize,
    on_c: usize,
    right: (usize, bool),
}

impl Viewer {
    fn new(board: Arc<Board>, stays: bool) -> Viewer {
        board.stayed.fetch_add(usize::from(stays), SeqCst);
        Viewer { board, stays, list: Vec::new(), users: 0, metas: 0, on_c: 0, right: (0, false) }
    }

    async fn follow(mut self, mut channel: Channel) {
        let board = Arc::clone(&self.board);
        loop {
            let changed = board.changed.notified();
            let event = tokio::select! {
                event = channel.next() => event,
                () = changed, if self.right.0 != board.phase.load(SeqCst) => {
                    self.judge();
                    continue;
                }
            };
            match event {
                None => return,
                Some(ChannelEvent::Lagged) => channel.rejoin().await.expect("open"),
                Some(ChannelEvent::Message { event, payload }) => self.hear(&event, payload.get()),
                Some(_) => {}
            }
        }
    }

    fn hear(&mut self, event: &str, payload: &str) {
        match event {
            "presence_state" => {
                let Presences(state) = serde_json::from_str(payload).expect("a state");
                let mut list = vec![Vec::new(); self.board.users];
                for (user, presence) in &state {
                    list[*user] = presence.metas.iter().map(Kept::of).collect();
                }
                let left = self.list.iter().zip(&list).filter(|(before, after)| !before.is_empty() && after.is_empty());
                self.board.wrong_leaves.fetch_add(left.count(), SeqCst);
                self.users = list.iter().filter(|metas| !metas.is_empty()).count();
                self.metas = list.iter().map(Vec::len).sum();
                self.on_c = list.iter().flatten().filter(|kept| kept.1).count();
                self.list = list;
            }
            "presence_diff" => {
                let Diff { joins, leaves } = serde_json::from_str(payload).expect("a difference");
                self.apply(&joins, &leaves);
            }
            _ => return,
        }
        if self.stays {
            self.board.stayed_bytes.fetch_add(payload.len(), SeqCst);
            self.board.stayed_messages.fetch_add(1, SeqCst);
        }
        self.judge();
    }

    fn apply(&mut self, Presences(joins): &Presences<'_>, Presences(leaves): &Presences<'_>) {
        for (user, presence) in joins {
            let metas = &mut self.list[*user];
            self.users += usize::from(metas.is_empty());
            for kept in presence.metas.iter().map(Kept::of) {
                if !metas.contains(&kept) {
                    self.metas += 1;
                    self.on_c += usize::from(kept.1);
                    metas.push(kept);
                }
            }
        }
        for (user, presence) in leaves {
            let metas = &mut self.list[*user];
            for kept in presence.metas.iter().map(Kept::of) {
                let at = metas.iter().position(|known| *known == kept).expect("no leave before its join");
                metas.remove(at);
                self.metas -= 1;
                self.on_c -= usize::from(kept.1);
            }
            if metas.is_empty() {
                self.users -= 1;
                self.board.wrong_leaves.fetch_add(1, SeqCst);
            }
        }
    }

    fn judge(&mut self) {
        let phase = self.board.phase.load(SeqCst);
        let users = self.board.users;
        let right = self.users == users && self.metas == users && self.on_c == self.board.on_c.load(SeqCst);
        let was = self.right == (phase, true);
        self.right = (phase, right);
        match (was, right) {
            (false, true) => drop(self.board.right.fetch_add(1, SeqCst)),
            (true, false) => drop(self.board.right.fetch_sub(1, SeqCst)),
            (true, true) | (false, false) => return,
        }
        self.board.changed.notify_waiters();
    }
}
