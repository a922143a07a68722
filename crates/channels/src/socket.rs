//! The state machine of one connected socket, on the node's side.
//!
//! The caller feeds frames in with `handle_*`, then takes every [`Request`] out of [`Socket::poll_request`], answers, and
//! writes what [`Socket::poll_transmit`] hands over to the network, in that order. Drain both after every call: a socket
//! makes at most one request a frame, and what is queued is bounded only for requests. A caller whose network is slow
//! compares [`Socket::pending_bytes`] with its own limit and drops the socket above it.
//!
//! For each topic the socket holds at most one channel, known by a [`ChannelId`] that is never used twice. Rows are tried
//! top-down, as in `Phoenix.Socket`:
//!
//! | incoming | topic | answer |
//! |---|---|---|
//! | `heartbeat` on `phoenix` | any | reply `ok {}`, join_ref null |
//! | `phx_join` | not joined | [`Request::Join`] |
//! | `phx_join` | joined | the old channel ends, [`Request::Join`] says which; see below for the order |
//! | `phx_leave` | joined, same join | reply `ok {}`, `phx_close`, [`Request::Leave`] |
//! | `phx_leave` | joined, another join | nothing: the client raced a close |
//! | `phx_leave` | not joined | reply `ok {}` |
//! | another event | joined, same join | [`Request::Event`] |
//! | another event | joined, another join | nothing: it is stale |
//! | another event | not joined | reply `error {"reason":"unmatched topic"}`, join_ref null |
//!
//! "Same join" is: equal join_refs, or either of them null.
//!
//! Order on the wire: the reply to a join precedes everything else of its channel; a join that replaces another is
//! answered first, then the old one is closed, then the new one's pushes follow; the reply to a leave precedes the close.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::frame::{
    ClientMessage, DecodeError, EVENT_HEARTBEAT, EVENT_JOIN, EVENT_LEAVE, EncodeError, Frame, ServerMessage, Status,
    TOPIC_PHOENIX,
};
use crate::{Json, Payload, PayloadRef, Vsn};

/// What one socket may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Channels at one time; a join above it is answered `{"reason":"too many channels joined"}`. One connector holds one
    /// channel for each sensor, so a low value cuts big connectors off; each channel costs some 300 bytes.
    pub channels_max: usize,
    /// Requests that the caller has not taken yet. It matters only to a caller that handles several frames before it
    /// polls; above it the socket refuses frames with [`Fatal::RequestsFull`].
    pub requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { channels_max: 10_000, requests_max: 1024 }
    }
}

/// One channel of one socket. The number is unique within its socket, grows, and means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u64);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which message a reply answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    channel: ChannelId,
    reference: Option<String>,
}

impl ReplyTo {
    /// The channel that the message came on.
    #[must_use]
    pub fn channel(&self) -> ChannelId {
        self.channel
    }
}

/// How a channel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelEnd {
    /// As it should: `phx_close`, and the client stays away.
    Normal,
    /// By a mistake of the node: `phx_error`, and the client joins again.
    Crashed,
}

/// What the caller has to decide or to know.
#[derive(Debug)]
pub enum Request {
    /// A client asks to join. Call [`Socket::accept`], [`Socket::refuse`] or [`Socket::refuse_unmatched`] before the next
    /// frame is handled: Phoenix joins serially. A join that is still open by then is refused with "join crashed".
    Join {
        /// The channel as it will be called if it is accepted.
        channel: ChannelId,
        /// The topic; at most [`crate::frame::TOPIC_BYTES_MAX`] bytes, otherwise as the client wrote it.
        topic: String,
        /// The parameters of the join.
        params: Payload,
        /// The channel of the same topic that has just ended. The caller drops its state before it answers.
        replaces: Option<ChannelId>,
    },
    /// A client sent an event on a channel.
    Event {
        /// The channel.
        channel: ChannelId,
        /// The event; at most [`crate::frame::EVENT_BYTES_MAX`] bytes.
        event: String,
        /// What it carries.
        payload: Payload,
        /// Where a reply goes; not answering is allowed.
        reply_to: ReplyTo,
    },
    /// A client has left a channel, and has been answered. The caller drops its state.
    Leave {
        /// The channel, which is gone.
        channel: ChannelId,
    },
}

/// A frame after which the socket cannot go on: the caller closes it with 1011. The state is as before the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fatal {
    /// The bytes are not a message of the socket's serializer. Phoenix crashes its transport here.
    Malformed(DecodeError),
    /// The caller did not take the requests of earlier frames.
    RequestsFull,
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::RequestsFull => f.write_str("too many requests wait"),
        }
    }
}

impl std::error::Error for Fatal {}

impl From<DecodeError> for Fatal {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// The refs of a join.
#[derive(Debug, Clone)]
struct JoinRefs {
    /// The join_ref as the client wrote it: decides what is stale, and names the join in its reply and its end.
    join_ref: Option<String>,
    /// The `ref` of the join.
    reference: Option<String>,
}

impl JoinRefs {
    /// What replies and pushes of the channel carry: the `ref` of the join stands in for a join_ref that was null.
    fn of_messages(&self) -> Option<&str> {
        self.join_ref.as_deref().or(self.reference.as_deref())
    }

    fn belongs(&self, join_ref: Option<&str>) -> bool {
        match (self.join_ref.as_deref(), join_ref) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        }
    }
}

#[derive(Debug)]
struct Channel {
    topic: Arc<str>,
    refs: JoinRefs,
}

/// A join that the caller has not answered.
#[derive(Debug)]
struct Joining {
    id: ChannelId,
    channel: Channel,
    /// The join_ref of the channel that ended for it.
    replaced: Option<Option<String>>,
    /// Frames of the new channel: they follow the reply.
    held: Vec<Frame>,
}

/// The state of one socket.
#[derive(Debug)]
pub struct Socket {
    vsn: Vsn,
    limits: Limits,
    channels: BTreeMap<ChannelId, Channel>,
    topics: BTreeMap<Arc<str>, ChannelId>,
    joining: Option<Joining>,
    channels_made: u64,
    requests: VecDeque<Request>,
    outbox: VecDeque<Frame>,
    outbox_bytes: usize,
}

impl Socket {
    /// A socket that has just connected and has joined nothing.
    #[must_use]
    pub fn new(vsn: Vsn, limits: Limits) -> Self {
        Self {
            vsn,
            limits,
            channels: BTreeMap::new(),
            topics: BTreeMap::new(),
            joining: None,
            channels_made: 0,
            requests: VecDeque::new(),
            outbox: VecDeque::new(),
            outbox_bytes: 0,
        }
    }

    /// The serializer.
    #[must_use]
    pub fn vsn(&self) -> Vsn {
        self.vsn
    }

    /// Handles a text frame.
    ///
    /// # Errors
    /// The socket cannot go on and must be closed with 1011; nothing of it was changed.
    pub fn handle_text(&mut self, text: &str) -> Result<(), Fatal> {
        self.handle(ClientMessage::decode_text(self.vsn, text)?)
    }

    /// Handles a binary frame.
    ///
    /// # Errors
    /// The socket cannot go on and must be closed with 1011; nothing of it was changed.
    pub fn handle_binary(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.handle(ClientMessage::decode_binary(self.vsn, bytes)?)
    }

    /// The oldest request that was not taken.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// The oldest frame that was not written.
    pub fn poll_transmit(&mut self) -> Option<Frame> {
        let frame = self.outbox.pop_front()?;
        self.outbox_bytes -= frame.len_bytes();
        Some(frame)
    }

    /// The bytes of the frames that [`Socket::poll_transmit`] still holds, without WebSocket headers.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.outbox_bytes
    }

    /// The number of frames that [`Socket::poll_transmit`] still holds.
    #[must_use]
    pub fn pending_frames(&self) -> usize {
        self.outbox.len()
    }

    /// Accepts a join: the reply, the close of the channel it replaced, then what was pushed meanwhile.
    ///
    /// A V1 client cannot tell the close of a replaced channel from one of the new channel, so it is spared the former.
    /// A channel whose join is not open is left as it is.
    pub fn accept(&mut self, channel: ChannelId, response: Json) {
        let Some(joining) = self.take_joining(channel) else {
            return;
        };
        let Joining { id, channel, replaced, held } = joining;
        self.answer_join(&channel, channel.refs.join_ref.as_deref(), Status::Ok, &response);
        if let (Some(old), Vsn::V2) = (&replaced, self.vsn) {
            self.transmit_end(&channel.topic, old.as_deref(), ChannelEnd::Normal);
        }
        for frame in held {
            self.enqueue(frame);
        }
        self.topics.insert(Arc::clone(&channel.topic), id);
        self.channels.insert(id, channel);
    }

    /// Refuses a join: the error reply, then the close of the channel it would have replaced.
    ///
    /// A channel whose join is not open is left as it is.
    pub fn refuse(&mut self, channel: ChannelId, response: Json) {
        if let Some(joining) = self.take_joining(channel) {
            let join_ref = joining.channel.refs.join_ref.as_deref();
            self.end_refused_join(&joining, join_ref, &response);
        }
    }

    /// Refuses a join because there is nothing behind its topic: `{"reason":"unmatched topic"}`, join_ref null.
    pub fn refuse_unmatched(&mut self, channel: ChannelId) {
        if let Some(joining) = self.take_joining(channel) {
            self.end_refused_join(&joining, None, &Json::reason("unmatched topic"));
        }
    }

    /// Answers an event. Nothing is sent if its channel is gone.
    pub fn reply(&mut self, to: ReplyTo, status: Status, response: Json) {
        let sent = self.transmit_reply(&to, status, PayloadRef::Json(response.as_raw()));
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    /// Answers an event with bytes. Nothing is sent if its channel is gone.
    ///
    /// # Errors
    /// The socket is V1, or the topic is longer than a binary frame can say; nothing was sent.
    pub fn reply_binary(&mut self, to: ReplyTo, status: Status, response: &[u8]) -> Result<(), EncodeError> {
        self.transmit_reply(&to, status, PayloadRef::Binary(response))
    }

    /// Sends an event on one channel, under its join_ref. Nothing is sent if the channel is gone; if its join is open, the
    /// event waits for the answer.
    ///
    /// `event` has at most [`crate::frame::EVENT_BYTES_MAX`] bytes: a longer one stops a debug build and is dropped in a
    /// release build.
    pub fn push(&mut self, channel: ChannelId, event: &str, payload: Json) {
        let sent = self.transmit_push(channel, event, PayloadRef::Json(payload.as_raw()));
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    /// Sends an event with bytes on one channel, as [`Socket::push`] does.
    ///
    /// # Errors
    /// The socket is V1, or the topic or the event is longer than a binary frame can say; nothing was sent.
    pub fn push_binary(&mut self, channel: ChannelId, event: &str, payload: &[u8]) -> Result<(), EncodeError> {
        self.transmit_push(channel, event, PayloadRef::Binary(payload))
    }

    /// Sends this socket's copy of an event that goes to everybody on the channel's topic: no refs. Otherwise as
    /// [`Socket::push`].
    pub fn broadcast(&mut self, channel: ChannelId, event: &str, payload: Json) {
        let sent = self.transmit_broadcast(channel, event, PayloadRef::Json(payload.as_raw()));
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    /// Sends this socket's copy of a broadcast with bytes.
    ///
    /// # Errors
    /// The socket is V1, or the topic or the event is longer than a binary frame can say; nothing was sent.
    pub fn broadcast_binary(&mut self, channel: ChannelId, event: &str, payload: &[u8]) -> Result<(), EncodeError> {
        self.transmit_broadcast(channel, event, PayloadRef::Binary(payload))
    }

    /// Ends a channel from the node's side, and tells the client how. A join that is still open is refused with "join
    /// crashed". A channel that is gone stays so.
    pub fn close(&mut self, channel: ChannelId, how: ChannelEnd) {
        if self.joining.as_ref().is_some_and(|joining| joining.id == channel) {
            self.refuse(channel, Json::reason("join crashed"));
        } else if let Some(ended) = self.remove(channel) {
            self.transmit_end(&ended.topic, ended.refs.join_ref.as_deref(), how);
        }
    }

    /// The channels that are joined, with their topics, oldest first.
    pub fn channels(&self) -> impl Iterator<Item = (ChannelId, &str)> {
        self.channels.iter().map(|(&id, channel)| (id, &*channel.topic))
    }

    /// The topic of a channel that is joined.
    #[must_use]
    pub fn topic(&self, channel: ChannelId) -> Option<&str> {
        self.channels.get(&channel).map(|channel| &*channel.topic)
    }

    /// The channel that is joined to a topic.
    #[must_use]
    pub fn channel(&self, topic: &str) -> Option<ChannelId> {
        self.topics.get(topic).copied()
    }

    fn handle(&mut self, message: ClientMessage<'_>) -> Result<(), Fatal> {
        if self.requests.len() >= self.limits.requests_max {
            return Err(Fatal::RequestsFull);
        }
        if let Some(forgotten) = self.joining.as_ref().map(|joining| joining.id) {
            self.refuse(forgotten, Json::reason("join crashed"));
        }
        let joined = self.topics.get(&*message.topic).copied();
        match (&*message.event, joined) {
            (EVENT_HEARTBEAT, _) if message.topic == TOPIC_PHOENIX => {
                self.answer(&message, None, Status::Ok, &Json::empty());
            }
            (EVENT_JOIN, joined) => self.handle_join(message, joined),
            (EVENT_LEAVE, Some(channel)) => self.handle_leave(&message, channel),
            (EVENT_LEAVE, None) => {
                self.answer(&message, message.join_ref.as_deref(), Status::Ok, &Json::empty());
            }
            (_, Some(channel)) => self.handle_event(message, channel),
            (_, None) => self.answer(&message, None, Status::Error, &Json::reason("unmatched topic")),
        }
        Ok(())
    }

    fn handle_join(&mut self, message: ClientMessage<'_>, replaces: Option<ChannelId>) {
        if replaces.is_none() && self.channels.len() >= self.limits.channels_max {
            let response = Json::reason("too many channels joined");
            self.answer(&message, message.join_ref.as_deref(), Status::Error, &response);
            return;
        }
        let replaced = replaces.and_then(|old| self.remove(old)).map(|old| old.refs.join_ref);
        self.channels_made += 1;
        let id = ChannelId(self.channels_made);
        let params = message.payload.to_payload();
        let topic = message.topic.into_owned();
        let refs = JoinRefs {
            join_ref: message.join_ref.map(Cow::into_owned),
            reference: message.reference.map(Cow::into_owned),
        };
        let channel = Channel { topic: Arc::from(topic.as_str()), refs };
        self.joining = Some(Joining { id, channel, replaced, held: Vec::new() });
        self.requests.push_back(Request::Join { channel: id, topic, params, replaces });
    }

    fn handle_leave(&mut self, message: &ClientMessage<'_>, channel: ChannelId) {
        if !self.belongs(channel, message.join_ref.as_deref()) {
            return;
        }
        let Some(ended) = self.remove(channel) else {
            return;
        };
        self.answer(message, ended.refs.of_messages(), Status::Ok, &Json::empty());
        self.transmit_end(&ended.topic, ended.refs.join_ref.as_deref(), ChannelEnd::Normal);
        self.requests.push_back(Request::Leave { channel });
    }

    fn handle_event(&mut self, message: ClientMessage<'_>, channel: ChannelId) {
        if self.belongs(channel, message.join_ref.as_deref()) {
            self.requests.push_back(Request::Event {
                channel,
                event: message.event.into_owned(),
                payload: message.payload.to_payload(),
                reply_to: ReplyTo { channel, reference: message.reference.map(Cow::into_owned) },
            });
        }
    }

    fn belongs(&self, channel: ChannelId, join_ref: Option<&str>) -> bool {
        self.channels.get(&channel).is_some_and(|channel| channel.refs.belongs(join_ref))
    }

    fn remove(&mut self, channel: ChannelId) -> Option<Channel> {
        let ended = self.channels.remove(&channel)?;
        self.topics.remove(&ended.topic);
        Some(ended)
    }

    fn take_joining(&mut self, channel: ChannelId) -> Option<Joining> {
        self.joining.take_if(|joining| joining.id == channel)
    }

    fn end_refused_join(&mut self, joining: &Joining, join_ref: Option<&str>, response: &Json) {
        self.answer_join(&joining.channel, join_ref, Status::Error, response);
        if let Some(old) = &joining.replaced {
            self.transmit_end(&joining.channel.topic, old.as_deref(), ChannelEnd::Normal);
        }
    }

    fn answer_join(&mut self, channel: &Channel, join_ref: Option<&str>, status: Status, response: &Json) {
        self.transmit(&ServerMessage::Reply {
            join_ref: join_ref.map(Cow::Borrowed),
            reference: channel.refs.reference.as_deref().map(Cow::Borrowed),
            topic: Cow::Borrowed(&channel.topic),
            status,
            response: PayloadRef::Json(response.as_raw()),
        });
    }

    /// Answers a message that no channel has to see.
    fn answer(&mut self, message: &ClientMessage<'_>, join_ref: Option<&str>, status: Status, response: &Json) {
        self.transmit(&ServerMessage::Reply {
            join_ref: join_ref.map(Cow::Borrowed),
            reference: message.reference.as_deref().map(Cow::Borrowed),
            topic: Cow::Borrowed(&message.topic),
            status,
            response: PayloadRef::Json(response.as_raw()),
        });
    }

    fn transmit_end(&mut self, topic: &str, join_ref: Option<&str>, how: ChannelEnd) {
        let (join_ref, topic) = (join_ref.map(Cow::Borrowed), Cow::Borrowed(topic));
        self.transmit(&match how {
            ChannelEnd::Normal => ServerMessage::Close { join_ref, topic },
            ChannelEnd::Crashed => ServerMessage::Crash { join_ref, topic },
        });
    }

    fn transmit_reply(&mut self, to: &ReplyTo, status: Status, response: PayloadRef<'_>) -> Result<(), EncodeError> {
        let Some(channel) = self.channels.get(&to.channel) else {
            return Ok(());
        };
        let frame = ServerMessage::Reply {
            join_ref: channel.refs.of_messages().map(Cow::Borrowed),
            reference: to.reference.as_deref().map(Cow::Borrowed),
            topic: Cow::Borrowed(&channel.topic),
            status,
            response,
        }
        .encode(self.vsn)?;
        self.enqueue(frame);
        Ok(())
    }

    fn transmit_push(&mut self, id: ChannelId, event: &str, payload: PayloadRef<'_>) -> Result<(), EncodeError> {
        let Some(channel) = self.joined_or_joining(id) else {
            return Ok(());
        };
        let frame = ServerMessage::Push {
            join_ref: channel.refs.of_messages().map(Cow::Borrowed),
            topic: Cow::Borrowed(&channel.topic),
            event: Cow::Borrowed(event),
            payload,
        }
        .encode(self.vsn)?;
        self.enqueue_for(id, frame);
        Ok(())
    }

    fn transmit_broadcast(&mut self, id: ChannelId, event: &str, payload: PayloadRef<'_>) -> Result<(), EncodeError> {
        let Some(channel) = self.joined_or_joining(id) else {
            return Ok(());
        };
        let topic = Cow::Borrowed(&*channel.topic);
        let frame = ServerMessage::Broadcast { topic, event: Cow::Borrowed(event), payload }.encode(self.vsn)?;
        self.enqueue_for(id, frame);
        Ok(())
    }

    fn joined_or_joining(&self, id: ChannelId) -> Option<&Channel> {
        let joining = self.joining.as_ref().filter(|joining| joining.id == id);
        self.channels.get(&id).or(joining.map(|joining| &joining.channel))
    }

    /// Writes a message that always has a frame: its strings came from a frame, and its payload is JSON.
    fn transmit(&mut self, message: &ServerMessage<'_>) {
        let frame = message.encode(self.vsn);
        debug_assert!(frame.is_ok(), "{frame:?}");
        if let Ok(frame) = frame {
            self.enqueue(frame);
        }
    }

    fn enqueue_for(&mut self, id: ChannelId, frame: Frame) {
        match &mut self.joining {
            Some(joining) if joining.id == id => joining.held.push(frame),
            Some(_) | None => self.enqueue(frame),
        }
    }

    fn enqueue(&mut self, frame: Frame) {
        self.outbox_bytes += frame.len_bytes();
        self.outbox.push_back(frame);
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
