//! One joined topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sensocto_channels::{Payload, PayloadError, Status};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{mpsc, oneshot};

use crate::PushError;
use crate::protocol::{ChannelKey, Command, Joined};

/// What happens on a channel.
#[derive(Debug)]
pub enum ChannelEvent {
    /// The node sent an event.
    Message {
        /// Its name.
        event: String,
        /// Its payload, valid JSON that is parsed where its type is known.
        payload: Box<RawValue>,
    },
    /// The node sent an event with bytes.
    Binary {
        /// Its name.
        event: String,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// The channel is joined again; what the node told before may be outdated.
    Rejoined {
        /// The reply to the new join.
        response: Box<RawValue>,
    },
    /// The connection was lost, or the node's side of the channel crashed. The channel will be joined again.
    Disconnected,
    /// The reader was too slow: events are missing from here on, possibly also `Disconnected` and `Rejoined`. A reader
    /// that keeps a copy of the node's state calls [`Channel::rejoin`] to have it sent anew.
    Lagged,
    /// The channel has ended: the node closed it, refused too many rejoins, or the client was closed. Nothing follows.
    Closed,
}

/// The answer to a push.
#[derive(Debug)]
pub struct Reply {
    /// Done or refused.
    pub status: Status,
    /// Details.
    pub response: Payload,
}

impl Reply {
    /// Whether the node did what it was asked.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Parses the details; `T` may borrow from them.
    ///
    /// # Errors
    /// The response is binary or has another shape.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        self.response.parse()
    }
}

/// The sending half of a channel, for tasks that do not read it. It keeps the connection open, not the channel.
#[derive(Debug, Clone)]
pub struct Pusher {
    topic: Arc<str>,
    key: ChannelKey,
    /// Whether the channel is joined at this moment; written by the background task.
    live: Arc<AtomicBool>,
    commands: mpsc::Sender<Command>,
}

impl Pusher {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether the channel is joined at this moment.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Sends an event and waits for its reply.
    ///
    /// # Errors
    /// No reply in time, no connection, or the channel has ended. A refusal by the node is a reply, not an error.
    pub async fn push(&self, event: &str, payload: impl Serialize) -> Result<Reply, PushError> {
        let (answer, answered) = oneshot::channel();
        self.command(event, payload, Some(answer)).await?;
        answered.await.map_err(|_| PushError::Closed)?
    }

    /// Sends an event without waiting for a reply: returns as soon as it is queued, which takes as long as the network is
    /// slow. An event that is queued when the connection is lost is lost with it.
    ///
    /// # Errors
    /// The channel is not joined at this moment, or has ended.
    pub async fn send(&self, event: &str, payload: impl Serialize) -> Result<(), PushError> {
        if !self.is_joined() {
            let error = if self.commands.is_closed() { PushError::Closed } else { PushError::Disconnected };
            return Err(error);
        }
        self.command(event, payload, None).await
    }

    async fn command(
        &self,
        event: &str,
        payload: impl Serialize,
        answer: Option<oneshot::Sender<Result<Reply, PushError>>>,
    ) -> Result<(), PushError> {
        let payload = to_raw_value(&payload).map_err(PushError::Payload)?;
        let command = Command::Push { channel: self.key, event: event.to_owned(), payload, answer };
        self.commands.send(command).await.map_err(|_| PushError::Closed)
    }
}

/// One joined topic. Dropping it leaves the topic.
#[derive(Debug)]
pub struct Channel {
    pusher: Pusher,
    events: mpsc::Receiver<ChannelEvent>,
    response: Box<RawValue>,
    ended: bool,
}

impl Channel {
    pub(crate) fn new(topic: String, joined: Joined, commands: mpsc::Sender<Command>) -> Self {
        let Joined { key, live, events, response } = joined;
        let pusher = Pusher { topic: topic.into(), key, live, commands };
        Self { pusher, events, response, ended: false }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.pusher.topic()
    }

    /// What the node said to the first join.
    #[must_use]
    pub fn response(&self) -> &RawValue {
        &self.response
    }

    /// A handle that sends on this channel from another task.
    #[must_use]
    pub fn pusher(&self) -> Pusher {
        self.pusher.clone()
    }

    /// Sends an event and waits for its reply; see [`Pusher::push`].
    ///
    /// # Errors
    /// As [`Pusher::push`].
    pub async fn push(&self, event: &str, payload: impl Serialize) -> Result<Reply, PushError> {
        self.pusher.push(event, payload).await
    }

    /// Sends an event without waiting for a reply; see [`Pusher::send`].
    ///
    /// # Errors
    /// As [`Pusher::send`].
    pub async fn send(&self, event: &str, payload: impl Serialize) -> Result<(), PushError> {
        self.pusher.send(event, payload).await
    }

    /// The next event; none after [`ChannelEvent::Closed`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ChannelEvent> {
        if self.ended {
            return None;
        }
        let event = self.events.recv().await;
        self.ended = event.is_none();
        Some(event.unwrap_or(ChannelEvent::Closed))
    }

    /// Joins again with the same parameters, so that the node sends anew what it sends after a join. The events that
    /// follow [`ChannelEvent::Rejoined`] are those of the new join. Without a connection there is nothing to do: the
    /// channel will be joined again anyway.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn rejoin(&self) -> Result<(), PushError> {
        let command = Command::Rejoin { channel: self.pusher.key };
        self.pusher.commands.send(command).await.map_err(|_| PushError::Closed)
    }

    /// Leaves the topic and waits until the node has confirmed it. Without a connection it is left at once.
    ///
    /// # Errors
    /// The node did not confirm in time, or the connection was lost before it did. The channel is gone all the same.
    pub async fn leave(self) -> Result<(), PushError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Leave { channel: self.pusher.key, answer: Some(answer) };
        self.pusher.commands.send(command).await.map_err(|_| PushError::Closed)?;
        answered.await.map_err(|_| PushError::Closed)?
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // With a full queue the background task finds out at the next event, from the closed receiver.
        let _ = self.pusher.commands.try_send(Command::Leave { channel: self.pusher.key, answer: None });
    }
}
