//! Live queries: one task reads the windows of all subscribers anew when something changed inside them.
//!
//! Subscribers of the same window share it: it is read once, and what they are told is made once.

mod by_ids;
mod cursor;
mod list;
mod lists;
mod resume;
mod rooms;
mod told;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sensocto_model::Origin;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use crate::handle::Handle;
use crate::rooms::{RoomsNext, RoomsSubscription, RoomsWorld};
use crate::world::{Next, Subscription, World};
pub use by_ids::WINDOWS_BY_ID_MAX;
pub use cursor::LiveCursor;
pub use list::{
    ConnectorFilter, ListDifference, ListLeft, ListQuery, ListRow, ListSpec, PersonRow, RoomRow, UserFilter, Worlds,
};
use lists::{Id, Lists};
pub use rooms::WINDOWS_OF_ROOMS_MAX;
pub(crate) use rooms::{place as room_place, position as room_position};
pub use told::{LiveError, LiveNext, LiveStart, LiveSubscription, LiveUpdate, Rendered};

/// Windows that may be open at one time. Further ones are refused.
pub const WINDOWS_MAX: usize = 20_000;
/// Differences that a subscriber may be behind before it gets a fresh page.
const BEHIND_MAX: usize = 16;
/// Differences of one window that are kept for subscribers that come back.
const KEPT_MAX: usize = 64;
/// How long a window is kept without a subscriber, so that one that lost its connection finds it again.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Changes within this time are told together.
const GATHER: Duration = Duration::from_millis(2);
/// A window of which nothing was told for this long is told its total, so that its subscribers' cursors do not grow old.
const STILL: Duration = Duration::from_secs(15);
/// How often the total of a list is told where nothing changed inside a window.
const TOTALS: Duration = Duration::from_millis(250);
/// Requests to open windows that wait. When it is full, further ones wait with their callers.
const REQUESTS_MAX: usize = 1_024;

/// A request to open a window.
pub(crate) struct Request {
    spec: ListSpec,
    resume: Option<LiveCursor>,
    lost: bool,
    reply: oneshot::Sender<Result<LiveSubscription, LiveError>>,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Requests(mpsc::Sender<Request>);

pub(crate) fn requests() -> (Requests, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
    (Requests(sender), receiver)
}

impl Handle {
    /// Opens a window into a list. With `resume`, what a subscriber of the same window was last told on any node, it starts
    /// with what was missed after that, if that is known.
    ///
    /// # Errors
    /// Too many windows are open, or the node is stopping.
    pub async fn live(&self, spec: ListSpec, resume: Option<LiveCursor>) -> Result<LiveSubscription, LiveError> {
        let asked = resume.is_some();
        let resume = self.caught_up_with(resume).await;
        let (reply, answer) = oneshot::channel();
        let request = Request { lost: asked && resume.is_none(), spec, resume, reply };
        self.0.live.0.send(request).await.map_err(|_| LiveError::Stopping)?;
        answer.await.map_err(|_| LiveError::Stopping)?
    }
}

/// One window and its subscribers.
struct Shared {
    id: Id,
    stands: u64,
    told_at: Instant,
    subscribers: usize,
    idle_since: Instant,
    updates: broadcast::Sender<Arc<LiveUpdate>>,
    kept: VecDeque<Arc<LiveUpdate>>,
}

/// What the windows are read from, while there are any.
struct Following {
    entries: Subscription,
    rooms: RoomsSubscription,
}

/// What is there of both.
struct Both {
    world: Arc<World>,
    rooms: Arc<RoomsWorld>,
}

impl Both {
    fn lists(&self) -> Worlds<'_> {
        Worlds { view: &self.world.view, rooms: &self.rooms.view }
    }

    /// The place in what is told of a window: a world's number, or, as either world may change what rooms say, the sum of both numbers.
    fn seq(&self, id: Id) -> u64 {
        match id {
            Id::Sensors(_) | Id::ByIds(_) => self.world.seq,
            Id::OfRooms(_) => self.world.seq + self.rooms.seq,
        }
    }
}

/// What comes next of either.
enum Came {
    Entries(Next),
    Rooms(RoomsNext),
}

/// The task behind all windows of a node.
pub(crate) struct Windows {
    handle: Handle,
    requests: mpsc::Receiver<Request>,
    closed: (mpsc::UnboundedSender<ListSpec>, mpsc::UnboundedReceiver<ListSpec>),
    lists: Lists,
    shared: HashMap<ListSpec, Shared>,
    specs: HashMap<Id, ListSpec>,
    subscription: Option<Following>,
    told_at: Instant,
    totals_at: Instant,
    still_at: Instant,
    swept_at: Instant,
}

impl Windows {
    pub(crate) fn new(handle: Handle, requests: mpsc::Receiver<Request>) -> Windows {
        let now = Instant::now();
        Windows {
            handle,
            requests,
            closed: mpsc::unbounded_channel(),
            lists: Lists::default(),
            shared: HashMap::new(),
            specs: HashMap::new(),
            subscription: None,
            told_at: now,
            totals_at: now,
            still_at: now,
            swept_at: now,
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        let stopping = self.handle.stopping().clone();
        let mut switch = self.handle.live_switch();
        loop {
            let wake = self.wake();
            tokio::select! {
                () = stopping.cancelled() => return,
                // Its sender lives as long as the handle here does.
                _ = switch.changed() => {
                    if !*switch.borrow_and_update() {
                        self.end_all();
                    }
                }
                Some(request) = self.requests.recv() => self.open(request),
                Some(spec) = self.closed.1.recv() => self.left(&spec),
                came = next_of(&self.handle, &mut self.subscription) => self.take_came(came),
                () = sleep_until(wake) => {}
            }
            self.take_more();
            if self.told_at.elapsed() >= GATHER {
                self.tell();
            }
            self.sweep();
        }
    }

    /// When there is something to do that nobody will wake this task for.
    fn wake(&self) -> Option<Instant> {
        let gathered = self.lists.has_changes().then(|| self.told_at + GATHER);
        let totals = self.lists.has_totals().then(|| self.totals_at + TOTALS);
        let sweep = (!self.shared.is_empty()).then(|| self.swept_at + KEPT_FOR);
        let still = (!self.shared.is_empty()).then(|| self.still_at + STILL / 4);
        gathered.into_iter().chain(totals).chain(still).chain(sweep).min()
    }

    fn take_came(&mut self, came: Came) {
        let Some(both) = self.both() else { return };
        match came {
            Came::Entries(Next::Batch(batch)) => self.lists.take(&batch.events),
            Came::Entries(Next::Resync(_)) => self.lists.start_over(both.lists()),
            Came::Rooms(RoomsNext::Batch(batch)) => self.lists.take_rooms(&batch.changes),
            Came::Rooms(RoomsNext::Resync(_)) => self.lists.start_over_rooms(both.lists()),
            Came::Entries(Next::Closed) | Came::Rooms(RoomsNext::Closed) => self.subscription = None,
        }
    }

    /// What everything was taken in of.
    fn both(&self) -> Option<Both> {
        let following = self.subscription.as_ref()?;
        Some(Both { world: Arc::clone(following.entries.world()), rooms: Arc::clone(following.rooms.world()) })
    }

    fn take_more(&mut self) {
        while let Some(following) = &mut self.subscription {
            let came = match self.handle.try_next(&mut following.entries) {
                Some(next) => Came::Entries(next),
                None => match following.rooms.try_next() {
                    Some(next) => Came::Rooms(next),
                    None => return,
                },
            };
            self.take_came(came);
        }
    }

    fn open(&mut self, request: Request) {
        let Request { spec, resume, lost, reply } = request;
        if !self.handle.answers_live_queries() {
            // Whoever asked may have gone away.
            let _ = reply.send(Err(LiveError::Off));
            return;
        }
        if self.subscription.is_none() {
            self.subscription =
                Some(Following { entries: self.handle.subscribe(), rooms: self.handle.subscribe_rooms() });
        }
        // The window is opened into a world of which everybody has been told.
        self.take_more();
        self.tell();
        let Some(both) = self.both() else { return };
        if !self.shared.contains_key(&spec) {
            if self.shared.len() >= WINDOWS_MAX {
                // Whoever asked may have gone away.
                let _ = reply.send(Err(LiveError::Full));
                return;
            }
            let Some(id) = self.lists.open(both.lists(), &spec) else {
                // Whoever asked may have gone away.
                let _ = reply.send(Err(LiveError::Full));
                return;
            };
            let (updates, _) = broadcast::channel(BEHIND_MAX);
            let kept = VecDeque::new();
            let idle_since = Instant::now();
            let (told_at, stands) = (idle_since, both.seq(id));
            let shared = Shared { id, stands, told_at, subscribers: 0, idle_since, updates, kept };
            self.specs.insert(id, spec.clone());
            self.shared.insert(spec.clone(), shared);
        }
        let Some(shared) = self.shared.get_mut(&spec) else { return };
        let Some((rows, total)) = self.lists.page(shared.id) else { return };
        let page = resume::Page {
            handle: &self.handle,
            world: &both.world,
            rooms: &both.rooms.view,
            spec: &spec,
            rows: &rows,
            total,
            stands: shared.stands,
            digest: self.lists.digest(shared.id),
        };
        let lost = lost || resume.is_some();
        let kept = resume.as_ref().and_then(|cursor| missed(shared, self.handle.me(), cursor, page.digest));
        let start = match kept.or_else(|| Some(vec![Arc::new(page.missed(resume.as_ref()?)?)])) {
            Some(missed) if missed.is_empty() => LiveStart::Missed(vec![Arc::new(page.nothing_missed())]),
            Some(missed) => LiveStart::Missed(missed),
            None => page.start(lost),
        };
        shared.subscribers += 1;
        let updates = shared.updates.subscribe();
        let subscription = LiveSubscription { start: Some(start), updates, spec, closed: self.closed.0.clone() };
        // A subscription that nobody takes is dropped, and so counted as gone.
        let _ = reply.send(Ok(subscription));
    }

    /// Ends every window; its subscribers see that no more comes.
    fn end_all(&mut self) {
        self.shared.clear();
        self.specs.clear();
        self.lists = Lists::default();
        self.subscription = None;
    }

    fn left(&mut self, spec: &ListSpec) {
        if let Some(shared) = self.shared.get_mut(spec) {
            shared.subscribers = shared.subscribers.saturating_sub(1);
            shared.idle_since = Instant::now();
        }
    }

    fn tell(&mut self) {
        self.told_at = Instant::now();
        let Some(both) = self.both() else { return };
        let cursor = Arc::new(LiveCursor::new(self.handle.me(), both.world.seq, &both.world, None));
        for (id, difference, total) in self.lists.differences(both.lists()) {
            self.send(id, &both, &cursor, Some(difference), total);
        }
        if self.lists.has_totals() && self.totals_at.elapsed() >= TOTALS {
            self.totals_at = self.told_at;
            for (ids, total) in self.lists.totals(both.lists()) {
                ids.into_iter().for_each(|id| self.send(id, &both, &cursor, None, total));
            }
        }
        if self.still_at.elapsed() >= STILL / 4 {
            self.still_at = self.told_at;
            self.tell_still(&both, &cursor);
        }
    }

    /// Tells windows of which nothing was told for long their total, which is what it was, with a new cursor.
    fn tell_still(&mut self, both: &Both, cursor: &Arc<LiveCursor>) {
        let still = self.shared.values().filter(|shared| shared.subscribers > 0 && shared.told_at.elapsed() >= STILL);
        for id in still.map(|shared| shared.id).collect::<Vec<_>>() {
            if let Some((_, total)) = self.lists.page(id) {
                self.send(id, both, cursor, None, total);
            }
        }
    }

    fn send(
        &mut self,
        id: Id,
        both: &Both,
        cursor: &Arc<LiveCursor>,
        difference: Option<ListDifference>,
        total: usize,
    ) {
        let cursor = match self.lists.digest(id) {
            None => Arc::clone(cursor),
            digest => Arc::new(LiveCursor::new(self.handle.me(), both.seq(id), &both.world, digest)),
        };
        let Some(shared) = self.specs.get(&id).and_then(|spec| self.shared.get_mut(spec)) else { return };
        let (before, world, rendered) = (shared.stands, Arc::clone(&both.world), OnceLock::new());
        shared.stands = both.seq(id);
        shared.told_at = self.told_at;
        let update = Arc::new(LiveUpdate { before, world, difference, total, cursor, rendered });
        if shared.kept.len() >= KEPT_MAX {
            shared.kept.pop_front();
        }
        shared.kept.push_back(Arc::clone(&update));
        // Nobody may be listening, for the time that the window is kept.
        let _ = shared.updates.send(update);
    }

    /// Closes the windows that nobody came back to.
    fn sweep(&mut self) {
        if self.swept_at.elapsed() < KEPT_FOR / 4 {
            return;
        }
        self.swept_at = Instant::now();
        let idle = |shared: &Shared| shared.subscribers == 0 && shared.idle_since.elapsed() >= KEPT_FOR;
        let closed: Vec<Id> = self.shared.extract_if(|_, shared| idle(shared)).map(|(_, shared)| shared.id).collect();
        for id in closed {
            self.specs.remove(&id);
            self.lists.close(id);
        }
        if self.shared.is_empty() {
            self.subscription = None;
        }
    }
}

/// What was told of a window after a world, if all of it is kept.
fn missed(shared: &Shared, me: &Origin, cursor: &LiveCursor, digest: Option<u64>) -> Option<Vec<Arc<LiveUpdate>>> {
    let since = cursor.seq;
    if cursor.told_by != *me {
        return None;
    }
    // Somebody else's window into the rooms may stand at the same place.
    if since == shared.stands && cursor.digest == digest {
        return Some(Vec::new());
    }
    let from = shared.kept.iter().position(|update| update.before == since)?;
    Some(shared.kept.iter().skip(from).cloned().collect())
}

async fn next_of(handle: &Handle, following: &mut Option<Following>) -> Came {
    match following {
        Some(following) => tokio::select! {
            next = handle.next(&mut following.entries) => Came::Entries(next),
            next = following.rooms.next() => Came::Rooms(next),
        },
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
