//! One WebSocket: the loop that reads, decides, and writes as fast as its client reads.
//!
//! Each socket is one task that owns everything of it. What changes in the world is kept as keys until the client has room for it,
//! so a slow client costs a set of keys, and nobody waits for it.

mod backpressure;
mod budget;
mod connector;
mod discovery;
mod handshake;
mod marks;
mod members;
mod params;
mod patience;
mod presence;
mod rooms;
mod sensor;
mod session;
mod signals;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use sensocto_channels::Frame;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::App;
use crate::presence::Turn;
pub(crate) use handshake::upgrade;
use patience::Patience;
use session::Session;

/// Largest frame in bytes that a client may send.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Largest message in bytes that a client may send.
pub(crate) const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Buffer in bytes per socket and direction: it is held also by the many sockets that are idle most of the time. Longer messages are
/// read in several steps, and written as they are.
pub(crate) const BUFFER_BYTES: usize = 2 * 1024;
/// Frames that wait for the writer. What does not fit is not made yet.
const WRITER_FRAMES_MAX: usize = 4;
/// Bytes of replies that wait for a client; above it the client is not read until it has read them.
const REPLY_BYTES_MAX: usize = 256 * 1024;
/// How often it is looked what time alone changed, where a channel follows the world: the freshness of nodes, for one.
const TICK: Duration = Duration::from_millis(250);
/// The same for all others, of which there are many: silence alone.
const TICK_IDLE: Duration = Duration::from_secs(5);
/// How long the goodbye may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Why the node ends a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCause {
    /// The node stops.
    Stopping,
    /// The client takes nothing of what is sent to it.
    Undrained,
    /// Nothing was heard for too long.
    Silent,
    /// What came is no frame of the serializer.
    Malformed,
    /// A frame or message over the limit.
    TooLarge,
}

impl CloseCause {
    /// The close code of WebSockets (RFC 6455, 7.4.1). Never 1000: clients do not come back after it.
    pub(crate) fn code(self) -> u16 {
        match self {
            // Come back, here or elsewhere.
            CloseCause::Stopping | CloseCause::Undrained | CloseCause::Silent => 1012,
            CloseCause::Malformed => 1011,
            CloseCause::TooLarge => 1009,
        }
    }

    /// What the client is told besides, for whoever reads its log; at most 123 bytes.
    fn in_words(self) -> &'static str {
        match self {
            CloseCause::Stopping => "the node stops: connect again, here or elsewhere",
            CloseCause::Undrained => "nothing was read for 30 s: connect again",
            CloseCause::Silent => "nothing was heard for 60 s: send a heartbeat every 30 s",
            CloseCause::Malformed => "what came is no frame of this serializer",
            CloseCause::TooLarge => "a frame may have 64 KiB and a message 256 KiB",
        }
    }

    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CloseCause::Stopping => "stopping",
            CloseCause::Undrained => "undrained",
            CloseCause::Silent => "silent",
            CloseCause::Malformed => "malformed",
            CloseCause::TooLarge => "too_large",
        }
    }
}

/// A message on its way to the client, and what is given back once the client has taken it.
struct Outgoing {
    message: Message,
    turns: Vec<Turn>,
}

/// What the client's side of the socket brought.
enum Incoming {
    Frame(Frame),
    /// Alive, and nothing to do.
    Sign,
    End(Option<CloseCause>),
}

/// Runs one socket to its end.
pub(crate) async fn run(app: Arc<App>, mut session: Session, socket: WebSocket) {
    let (sink, mut stream) = socket.split();
    let (writer, frames) = mpsc::channel(WRITER_FRAMES_MAX);
    let mut writing = tokio::spawn(write(sink, frames));
    app.metrics.socket_opened();
    let mut ticked_at = Instant::now();
    let mut patience = Patience::new(&app.limits, ticked_at);
    let cause = loop {
        let backlog = session.channels.pending_frames() > 0;
        // Only a client with an empty backlog is told more: until then, what changes collapses into what it will be told.
        let ready = !backlog && writer.capacity() > 0;
        if ready {
            patience.drained(Instant::now());
        }
        let listening = session.channels.pending_bytes() < REPLY_BYTES_MAX;
        let tick = if session.follows_time() || !ready { TICK } else { TICK_IDLE };
        let tick = ticked_at + tick.min(patience.look_every());
        tokio::select! {
            biased;
            () = app.stopping.cancelled() => break Some(CloseCause::Stopping),
            permit = writer.reserve(), if !ready => {
                let Ok(permit) = permit else { break None };
                patience.drained(Instant::now());
                if let Some(frame) = session.channels.poll_transmit() {
                    app.metrics.frame_out();
                    let last = session.channels.pending_frames() == 0;
                    let turns = if last { session.take_turns() } else { Vec::new() };
                    permit.send(Outgoing { message: message(frame), turns });
                }
            }
            incoming = stream.next(), if listening => {
                patience.heard(Instant::now());
                match read(incoming) {
                    Incoming::Frame(frame) => {
                        app.metrics.frame_in();
                        // What a join needs while it lasts is large, and would otherwise be part of every socket that waits.
                        if let Err(cause) = Box::pin(session.handle(&frame)).await {
                            break Some(cause);
                        }
                    }
                    Incoming::Sign => {}
                    Incoming::End(cause) => break cause,
                }
            }
            () = session.something_happened(ready) => {}
            () = tokio::time::sleep_until(tick) => {
                ticked_at = Instant::now();
                if let Some(cause) = patience.is_over(ticked_at) {
                    break Some(cause);
                }
            }
        }
        if session.channels.pending_frames() == 0 && writer.capacity() > 0 {
            session.tell();
        }
    };
    // What the socket registered leaves the world before the goodbye, which may take its time.
    drop(session);
    if let Some(cause) = cause {
        app.metrics.socket_closed(cause);
        let close = Message::Close(Some(CloseFrame { code: cause.code(), reason: cause.in_words().into() }));
        // A writer that does not take it is ended below.
        let _ = tokio::time::timeout(CLOSE_MAX, writer.send(Outgoing { message: close, turns: Vec::new() })).await;
    }
    drop(writer);
    if tokio::time::timeout(CLOSE_MAX, &mut writing).await.is_err() {
        writing.abort();
    }
    app.metrics.socket_ended();
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::Text(text.into()),
        Frame::Binary(bytes) => Message::Binary(bytes.into()),
    }
}

fn read(incoming: Option<Result<Message, axum::Error>>) -> Incoming {
    match incoming {
        Some(Ok(Message::Text(text))) => Incoming::Frame(Frame::Text(text.as_str().to_owned())),
        Some(Ok(Message::Binary(bytes))) => Incoming::Frame(Frame::Binary(bytes.to_vec())),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Sign,
        Some(Ok(Message::Close(_))) | None => Incoming::End(None),
        Some(Err(error)) => Incoming::End(handshake::close_code(error)),
    }
}

/// Writes frames, several at a time where several wait.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut frames: mpsc::Receiver<Outgoing>) {
    while let Some(Outgoing { message, mut turns }) = frames.recv().await {
        if sink.feed(message).await.is_err() {
            return;
        }
        while let Ok(more) = frames.try_recv() {
            turns.extend(more.turns);
            if sink.feed(more.message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
    // The other side may be gone already.
    let _ = sink.close().await;
}
