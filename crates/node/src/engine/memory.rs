//! An engine within one process: nodes that share a [`Hub`] form a cluster. For tests and for programs that embed several nodes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sensocto_model::{NodeName, Origin};
use tokio::sync::mpsc;

use super::{
    Engine, INBOUND_MAX, Inbound, Lane, Purpose, Question, REPLIES_MAX, Received, Replier, Reply, SIGNALS_MAX,
};

/// What connects the nodes of one process.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    members: Arc<Mutex<BTreeMap<NodeName, Member>>>,
}

#[derive(Debug, Clone)]
struct Member {
    origin: Origin,
    inbound: mpsc::Sender<Inbound>,
    signals: mpsc::Sender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    signals_dropped: Arc<AtomicU64>,
}

impl Member {
    fn send(&self, inbound: Inbound) -> bool {
        let sent = self.inbound.try_send(inbound).is_ok();
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }
}

/// The engine of one node of a [`Hub`].
#[derive(Debug)]
pub struct MemoryEngine {
    hub: Hub,
    me: Mutex<Origin>,
    dropped: Arc<AtomicU64>,
    signals_dropped: Arc<AtomicU64>,
}

impl Hub {
    /// Connects a node with all that are connected.
    #[must_use]
    pub fn connect(&self, me: Origin) -> (MemoryEngine, Received) {
        let (inbound, discovery) = mpsc::channel(INBOUND_MAX);
        let (signals, signals_receiver) = mpsc::channel(SIGNALS_MAX);
        let (dropped, signals_dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let member = Member {
            origin: me.clone(),
            inbound,
            signals,
            dropped: Arc::clone(&dropped),
            signals_dropped: Arc::clone(&signals_dropped),
        };
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for other in members.values() {
            other.send(Inbound::Up(me.clone(), None));
            member.send(Inbound::Up(other.origin.clone(), None));
        }
        members.insert(me.node.clone(), member);
        drop(members);
        let received = Received { discovery, signals: signals_receiver };
        (MemoryEngine { hub: self.clone(), me: Mutex::new(me), dropped, signals_dropped }, received)
    }

    /// A node that was started anew meanwhile stays connected.
    fn disconnect(&self, me: &Origin) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if members.get(&me.node).is_none_or(|member| member.origin != *me) {
            return;
        }
        if let Some(gone) = members.remove(&me.node) {
            for other in members.values() {
                other.send(Inbound::Down(gone.origin.clone()));
            }
        }
    }

    fn renew(&self, old: &Origin, new: &Origin) -> bool {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(member) = members.get_mut(&old.node).filter(|member| member.origin == *old) else { return false };
        member.origin = new.clone();
        for (_, other) in members.iter().filter(|(name, _)| **name != old.node) {
            other.send(Inbound::Up(new.clone(), None));
            other.send(Inbound::Down(old.clone()));
        }
        true
    }

    fn others(&self, me: &NodeName) -> Vec<Member> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.iter().filter(|(name, _)| *name != me).map(|(_, member)| member.clone()).collect()
    }
}

impl MemoryEngine {
    fn me(&self) -> Origin {
        self.me.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct MemoryReplier(mpsc::Sender<Reply>);

impl Replier for MemoryReplier {
    fn frame(&mut self, frame: Vec<u8>) -> bool {
        self.0.blocking_send(Reply::Frame(frame)).is_ok()
    }

    fn complete(self: Box<Self>) {
        // An asker that is gone needs no end.
        let _ = self.0.blocking_send(Reply::End { complete: true });
    }
}

impl Engine for MemoryEngine {
    fn publish(&self, frame: Vec<u8>) {
        for other in self.hub.others(&self.me().node) {
            other.send(Inbound::Frame(frame.clone()));
        }
    }

    fn send(&self, to: &NodeName, _lane: Lane, frame: Vec<u8>) {
        let Some(target) = self.hub.others(&self.me().node).into_iter().find(|member| member.origin.node == *to) else {
            return;
        };
        if target.signals.try_send(frame).is_err() {
            target.signals_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn query(&self, to: &NodeName, purpose: Purpose, payload: Vec<u8>, timeout: Duration) -> mpsc::Receiver<Reply> {
        let (sender, receiver) = mpsc::channel(REPLIES_MAX);
        let (inner, mut replies) = mpsc::channel(REPLIES_MAX);
        let target = self.hub.others(&self.me().node).into_iter().find(|member| member.origin.node == *to);
        if let Some(target) = target {
            target.send(Inbound::Question(Question { purpose, payload, replier: Box::new(MemoryReplier(inner)) }));
        }
        tokio::spawn(async move {
            loop {
                let reply = tokio::time::timeout(timeout, replies.recv()).await.ok().flatten();
                let reply = reply.unwrap_or(Reply::End { complete: false });
                let ended = matches!(reply, Reply::End { .. });
                if sender.send(reply).await.is_err() || ended {
                    return;
                }
            }
        });
        receiver
    }

    fn show(&self, visible: bool) -> futures_util::future::BoxFuture<'_, bool> {
        for other in self.hub.others(&self.me().node) {
            let me = self.me();
            other.send(if visible { Inbound::Up(me, None) } else { Inbound::Down(me) });
        }
        Box::pin(async { true })
    }

    fn renew(&self, origin: Origin) -> futures_util::future::BoxFuture<'_, bool> {
        let old = std::mem::replace(&mut *self.me.lock().unwrap_or_else(PoisonError::into_inner), origin.clone());
        let renewed = self.hub.renew(&old, &origin);
        Box::pin(async move { renewed })
    }

    fn close(&self) -> futures_util::future::BoxFuture<'_, ()> {
        self.hub.disconnect(&self.me());
        Box::pin(async {})
    }

    fn inbound_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn signals_dropped(&self) -> u64 {
        self.signals_dropped.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryEngine {
    fn drop(&mut self) {
        self.hub.disconnect(&self.me());
    }
}
