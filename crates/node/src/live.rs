//! Live queries: one task reads the windows of all subscribers anew when something changed inside them.
//!
//! Subscribers of the same window share it: it is read once, and what they are told is made once.

mod cursor;
mod resume;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sensocto_model::Origin;
use sensocto_registry::live::{Difference, Live, WindowId, WindowRow, WindowSpec};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use crate::handle::Handle;
use crate::world::{Next, Subscription, World};
pub use cursor::LiveCursor;

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

/// What a subscriber of a window is told.
#[derive(Debug)]
pub struct LiveUpdate {
    /// The world before which it was told.
    pub before: u64,
    /// The world that it leads to.
    pub world: Arc<World>,
    /// What changed inside the window; `None` where it is the total alone.
    pub difference: Option<Difference>,
    /// How many lines the whole list has.
    pub total: usize,
    /// Where a subscriber stands that has been told this.
    pub cursor: Arc<LiveCursor>,
    /// The form in which clients hear it, made by the first who needs it.
    pub rendered: OnceLock<Arc<str>>,
}

/// What a subscriber starts from.
#[derive(Debug, Clone)]
pub enum LiveStart {
    /// The window as it is.
    Page {
        /// A world of which its lines are.
        world: Arc<World>,
        /// The world that its subscribers last heard of; from there on it is the same.
        stands: u64,
        /// Its lines.
        rows: Arc<[WindowRow]>,
        /// How many lines the whole list has.
        total: usize,
        /// Where a subscriber stands that has been told this.
        cursor: Arc<LiveCursor>,
        /// What the subscriber missed since the moment that it named is not known.
        lost: bool,
    },
    /// What was told, or would have been told, since the moment that the subscriber named; at least one thing. A line may leave that the
    /// subscriber does not have, and one that it has may leave and enter.
    Missed(Vec<Arc<LiveUpdate>>),
}

/// Why a window was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveError {
    /// As many are open as may be.
    Full,
    /// An operator turned live queries off: lists are to be asked for instead.
    Off,
    /// The node is stopping.
    Stopping,
}

/// What comes next.
#[derive(Debug)]
pub enum LiveNext {
    /// A difference.
    Update(Arc<LiveUpdate>),
    /// The subscriber was too slow: it has to open the window anew.
    Behind,
    /// The node stopped, or live queries were turned off.
    Closed,
}

/// A subscriber of a window. Dropping it ends that.
pub struct LiveSubscription {
    start: Option<LiveStart>,
    updates: broadcast::Receiver<Arc<LiveUpdate>>,
    spec: WindowSpec,
    closed: mpsc::UnboundedSender<WindowSpec>,
}

impl fmt::Debug for LiveSubscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LiveSubscription({:?})", self.spec)
    }
}

impl LiveSubscription {
    /// What it starts from; `None` after the first call.
    pub fn take_start(&mut self) -> Option<LiveStart> {
        self.start.take()
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> LiveNext {
        match self.updates.recv().await {
            Ok(update) => LiveNext::Update(update),
            Err(RecvError::Lagged(_)) => LiveNext::Behind,
            Err(RecvError::Closed) => LiveNext::Closed,
        }
    }
}

impl Drop for LiveSubscription {
    fn drop(&mut self) {
        // Nobody counts the subscribers of a node that stopped.
        let _ = self.closed.send(self.spec.clone());
    }
}

/// A request to open a window.
pub(crate) struct Request {
    spec: WindowSpec,
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
    /// Opens a window into a list of sensors. With `resume`, what a subscriber of the same window was last told on any node, it starts
    /// with what was missed after that, if that is known.
    ///
    /// # Errors
    /// Too many windows are open, or the node is stopping.
    pub async fn live(&self, spec: WindowSpec, resume: Option<LiveCursor>) -> Result<LiveSubscription, LiveError> {
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
    id: WindowId,
    stands: u64,
    told_at: Instant,
    subscribers: usize,
    idle_since: Instant,
    updates: broadcast::Sender<Arc<LiveUpdate>>,
    kept: VecDeque<Arc<LiveUpdate>>,
}

/// The task behind all windows of a node.
pub(crate) struct Windows {
    handle: Handle,
    requests: mpsc::Receiver<Request>,
    closed: (mpsc::UnboundedSender<WindowSpec>, mpsc::UnboundedReceiver<WindowSpec>),
    live: Live,
    shared: HashMap<WindowSpec, Shared>,
    specs: HashMap<WindowId, WindowSpec>,
    subscription: Option<Subscription>,
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
            live: Live::default(),
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
                next = next_of(&self.handle, &mut self.subscription) => self.take(next),
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
        let gathered = self.live.has_changes().then(|| self.told_at + GATHER);
        let totals = self.live.has_totals().then(|| self.totals_at + TOTALS);
        let sweep = (!self.shared.is_empty()).then(|| self.swept_at + KEPT_FOR);
        let still = (!self.shared.is_empty()).then(|| self.still_at + STILL / 4);
        gathered.into_iter().chain(totals).chain(still).chain(sweep).min()
    }

    fn take(&mut self, next: Next) {
        match next {
            Next::Batch(batch) => self.live.take(&batch.events),
            Next::Resync(world) => self.live.start_over(&world.view),
            Next::Closed => self.subscription = None,
        }
    }

    fn take_more(&mut self) {
        while let Some(next) = self.subscription.as_mut().and_then(|subscription| self.handle.try_next(subscription)) {
            let closed = matches!(next, Next::Closed);
            self.take(next);
            if closed {
                return;
            }
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
            self.subscription = Some(self.handle.subscribe());
        }
        // The window is opened into a world of which everybody has been told.
        self.take_more();
        self.tell();
        let Some(world) = self.subscription.as_ref().map(|subscription| Arc::clone(subscription.world())) else {
            return;
        };
        if !self.shared.contains_key(&spec) {
            if self.shared.len() >= WINDOWS_MAX {
                // Whoever asked may have gone away.
                let _ = reply.send(Err(LiveError::Full));
                return;
            }
            let id = self.live.open(&world.view, spec.clone());
            let (updates, _) = broadcast::channel(BEHIND_MAX);
            let kept = VecDeque::new();
            let idle_since = Instant::now();
            let (told_at, stands) = (idle_since, world.seq);
            let shared = Shared { id, stands, told_at, subscribers: 0, idle_since, updates, kept };
            self.specs.insert(id, spec.clone());
            self.shared.insert(spec.clone(), shared);
        }
        let Some(shared) = self.shared.get_mut(&spec) else { return };
        let Some((rows, total)) = self.live.page(shared.id) else { return };
        let page =
            resume::Page { handle: &self.handle, world: &world, spec: &spec, rows, total, stands: shared.stands };
        let lost = lost || resume.is_some();
        let kept = resume.as_ref().and_then(|cursor| missed(shared, self.handle.me(), cursor));
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
        self.live = Live::default();
        self.subscription = None;
    }

    fn left(&mut self, spec: &WindowSpec) {
        if let Some(shared) = self.shared.get_mut(spec) {
            shared.subscribers = shared.subscribers.saturating_sub(1);
            shared.idle_since = Instant::now();
        }
    }

    fn tell(&mut self) {
        self.told_at = Instant::now();
        let Some(world) = self.subscription.as_ref().map(|subscription| Arc::clone(subscription.world())) else {
            return;
        };
        let cursor = Arc::new(LiveCursor::new(self.handle.me(), world.seq, &world));
        for (id, difference) in self.live.differences(&world.view) {
            let total = difference.total;
            self.send(id, &world, &cursor, Some(difference), total);
        }
        if self.live.has_totals() && self.totals_at.elapsed() >= TOTALS {
            self.totals_at = self.told_at;
            for (ids, total) in self.live.totals() {
                ids.into_iter().for_each(|id| self.send(id, &world, &cursor, None, total));
            }
        }
        if self.still_at.elapsed() >= STILL / 4 {
            self.still_at = self.told_at;
            self.tell_still(&world, &cursor);
        }
    }

    /// Tells windows of which nothing was told for long their total, which is what it was, with a new cursor.
    fn tell_still(&mut self, world: &Arc<World>, cursor: &Arc<LiveCursor>) {
        let still = self.shared.values().filter(|shared| shared.subscribers > 0 && shared.told_at.elapsed() >= STILL);
        for id in still.map(|shared| shared.id).collect::<Vec<_>>() {
            if let Some((_, total)) = self.live.page(id) {
                self.send(id, world, cursor, None, total);
            }
        }
    }

    fn send(
        &mut self,
        id: WindowId,
        world: &Arc<World>,
        cursor: &Arc<LiveCursor>,
        difference: Option<Difference>,
        total: usize,
    ) {
        let Some(shared) = self.specs.get(&id).and_then(|spec| self.shared.get_mut(spec)) else { return };
        let (before, world, rendered) = (shared.stands, Arc::clone(world), OnceLock::new());
        shared.stands = world.seq;
        shared.told_at = self.told_at;
        let cursor = Arc::clone(cursor);
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
        let closed: Vec<WindowId> =
            self.shared.extract_if(|_, shared| idle(shared)).map(|(_, shared)| shared.id).collect();
        for id in closed {
            self.specs.remove(&id);
            self.live.close(id);
        }
        if self.shared.is_empty() {
            self.subscription = None;
        }
    }
}

/// What was told of a window after a world, if all of it is kept.
fn missed(shared: &Shared, me: &Origin, cursor: &LiveCursor) -> Option<Vec<Arc<LiveUpdate>>> {
    let since = cursor.seq;
    if cursor.told_by != *me {
        return None;
    }
    if since == shared.stands {
        return Some(Vec::new());
    }
    let from = shared.kept.iter().position(|update| update.before == since)?;
    Some(shared.kept.iter().skip(from).cloned().collect())
}

async fn next_of(handle: &Handle, subscription: &mut Option<Subscription>) -> Next {
    match subscription {
        Some(subscription) => handle.next(subscription).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
