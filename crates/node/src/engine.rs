//! What carries frames between nodes, behind a small trait.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use sensocto_model::{NodeName, Origin};
use tokio::sync::mpsc;

pub mod memory;
pub(crate) mod zenoh;

/// Frames that wait for the driver. When it is full, further ones are dropped and counted: the registry repairs what they said.
pub const INBOUND_MAX: usize = 8_192;
/// Frames about signals that wait to be taken in. When it is full, further ones are dropped and counted: what they said is said again.
pub const SIGNALS_MAX: usize = 512;
/// Frames of one answer that wait for whoever asked.
pub const REPLIES_MAX: usize = 64;

/// The lanes on which frames travel to one node, each behind that of discovery: data never delays facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// What is wanted of whom: little, and soon.
    Attention,
    /// Samples: much, and later than everything else.
    Samples,
}

impl Lane {
    /// All of them.
    pub const ALL: [Lane; 2] = [Lane::Attention, Lane::Samples];

    /// The word for it in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Attention => "attention",
            Lane::Samples => "samples",
        }
    }
}

/// Where what comes from other nodes arrives.
#[derive(Debug)]
pub struct Received {
    /// Facts, questions, and who is there.
    pub discovery: mpsc::Receiver<Inbound>,
    /// Frames about signals, of all lanes: they never stand in the way of facts.
    pub signals: mpsc::Receiver<Vec<u8>>,
}

impl Received {
    /// Of a node to which nothing comes.
    pub(crate) fn nothing() -> Received {
        Received { discovery: mpsc::channel(1).1, signals: mpsc::channel(1).1 }
    }
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The part of a log that the asker misses.
    Ask,
    /// The last values of sensors.
    State,
    /// What a node says of itself.
    Hello,
    /// Rooms: operations, copies, news.
    Rooms,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 4] = [Purpose::Ask, Purpose::State, Purpose::Hello, Purpose::Rooms];

    /// The word for it in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Ask => "ask",
            Purpose::State => "state",
            Purpose::Hello => "hello",
            Purpose::Rooms => "rooms",
        }
    }
}

/// Part of an answer.
#[derive(Debug)]
pub enum Reply {
    /// A frame.
    Frame(Vec<u8>),
    /// The end. It is complete if whoever was asked said so itself.
    End {
        /// Whether the answer is whole.
        complete: bool,
    },
}

/// What comes from other nodes.
#[derive(Debug)]
pub enum Inbound {
    /// A published frame.
    Frame(Vec<u8>),
    /// A question.
    Question(Question),
    /// A node is there, and where it listens.
    Up(Origin, Option<SocketAddr>),
    /// A node is gone.
    Down(Origin),
}

/// A question from another node. Dropping it unanswered tells the asker that no answer comes.
pub struct Question {
    /// What it is about.
    pub purpose: Purpose,
    /// What is asked.
    pub payload: Vec<u8>,
    /// Takes the answer.
    pub replier: Box<dyn Replier>,
}

impl fmt::Debug for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Question").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// Takes the frames of an answer. The calls may block for a slow asker: make them on a thread that may wait.
pub trait Replier: Send {
    /// Sends one frame; `false` when the asker is gone.
    fn frame(&mut self, frame: Vec<u8>) -> bool;
    /// Says that the answer is whole.
    fn complete(self: Box<Self>);
}

/// The engine of one node.
pub trait Engine: Send + Sync + 'static {
    /// Sends a frame to every connected node. It waits for nobody: to a node that does not keep up it is lost.
    fn publish(&self, frame: Vec<u8>);
    /// Sends a frame to one node. It waits for nobody: where the node does not keep up, or is not there, the frame is lost.
    fn send(&self, to: &NodeName, lane: Lane, frame: Vec<u8>);
    /// Asks one node. The last reply is always [`Reply::End`], at the latest after `timeout` without one.
    fn query(&self, to: &NodeName, purpose: Purpose, payload: Vec<u8>, timeout: Duration) -> mpsc::Receiver<Reply>;
    /// Lets the other nodes see this one, or not. Questions and frames may still come while they do not. `false` where that did not work.
    fn show(&self, visible: bool) -> futures_util::future::BoxFuture<'_, bool>;
    /// This node goes on under a later generation: the others see that one instead. `false` where that did not work.
    fn renew(&self, origin: Origin) -> futures_util::future::BoxFuture<'_, bool>;
    /// Leaves the cluster for good. Frames that were published before still leave.
    fn close(&self) -> futures_util::future::BoxFuture<'_, ()>;
    /// Frames that were dropped because the driver did not keep up.
    fn inbound_dropped(&self) -> u64;
    /// Frames about signals that were dropped because nobody took them in soon enough.
    fn signals_dropped(&self) -> u64;
}

/// Brings the engine up without a registry on it, for whoever wants to measure what it carries.
///
/// # Errors
/// As [`crate::Node::start`].
pub async fn connect(
    me: &Origin,
    cluster: &str,
    peer: &crate::PeerConfig,
) -> Result<(std::sync::Arc<dyn Engine>, mpsc::Receiver<Inbound>), crate::StartError> {
    let (engine, received, _) = crate::node::connect(me, cluster, peer).await?;
    Ok((engine, received.discovery))
}

/// A node alone: nobody hears it, nobody answers.
#[derive(Debug, Default)]
pub struct NoEngine;

impl Engine for NoEngine {
    fn publish(&self, _frame: Vec<u8>) {}

    fn send(&self, _to: &NodeName, _lane: Lane, _frame: Vec<u8>) {}

    fn query(&self, _to: &NodeName, _purpose: Purpose, _payload: Vec<u8>, _timeout: Duration) -> mpsc::Receiver<Reply> {
        // A channel whose sender is gone: whoever reads it sees the end at once.
        mpsc::channel(1).1
    }

    fn show(&self, _visible: bool) -> futures_util::future::BoxFuture<'_, bool> {
        Box::pin(async { true })
    }

    fn renew(&self, _origin: Origin) -> futures_util::future::BoxFuture<'_, bool> {
        Box::pin(async { true })
    }

    fn close(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn inbound_dropped(&self) -> u64 {
        0
    }

    fn signals_dropped(&self) -> u64 {
        0
    }
}
