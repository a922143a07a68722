//! The background task: one loop that owns the socket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::backoff::Backoff;
use crate::client::Connected;
use crate::link::{self, Link, Reader, Writer};
use crate::protocol::{Command, Health, Protocol};
use crate::{ClientOptions, OUTBOX_FRAMES_MAX};

/// How long a goodbye may take on a network that is slow or gone.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the conversation on one link is over.
enum Ended {
    /// The connection is gone.
    Lost,
    /// Nobody needs the connection any more, and the goodbye is written.
    Closed,
}

/// What came from the link.
enum Heard {
    Message,
    Lost,
}

pub(crate) struct Driver {
    options: Arc<ClientOptions>,
    protocol: Protocol,
    commands: mpsc::Receiver<Command>,
    connected: Connected,
    backoff: Backoff,
    url: usize,
    /// Attempts since the last message of a node.
    setbacks: u32,
}

impl Driver {
    pub(crate) fn new(
        options: Arc<ClientOptions>,
        commands: mpsc::Receiver<Command>,
        connected: Connected,
        url: usize,
    ) -> Self {
        let protocol = Protocol::new(&options);
        let backoff = Backoff::new(options.reconnect);
        Self { options, protocol, commands, connected, backoff, url, setbacks: 0 }
    }

    pub(crate) async fn run(mut self, link: Link) {
        let mut link = link;
        loop {
            self.connected.set(Some(self.url));
            let ended = self.converse(link).await;
            self.connected.set(None);
            match ended {
                Ended::Closed => return,
                Ended::Lost => self.protocol.disconnected(),
            }
            match self.reconnect().await {
                Some(next) => link = next,
                None => return,
            }
        }
    }

    /// Speaks on one link until it or the client ends.
    async fn converse(&mut self, link: Link) -> Ended {
        let (mut writer, mut reader) = link.split();
        self.protocol.connected(Instant::now());
        let mut flushed = true;
        loop {
            flushed &= self.protocol.outbox.is_empty();
            let takes_commands = self.protocol.outbox.len() < OUTBOX_FRAMES_MAX;
            let deadline = self.protocol.deadline();
            tokio::select! {
                message = reader.next() => match self.heard(message) {
                    Heard::Message => self.setbacks = 0,
                    Heard::Lost => return Ended::Lost,
                },
                written = link::write(&mut writer, &mut self.protocol.outbox), if !flushed => match written {
                    Ok(()) => flushed = true,
                    Err(error) => {
                        tracing::debug!(%error, "writing failed");
                        return Ended::Lost;
                    }
                },
                command = self.commands.recv(), if takes_commands => match command {
                    None | Some(Command::Close { .. }) => {
                        // The answer of a close goes with the command, after the goodbye.
                        self.say_goodbye(&mut writer, &mut reader).await;
                        return Ended::Closed;
                    }
                    Some(command) => self.protocol.command(command, Instant::now()),
                },
                () = sleep_until(deadline) => match self.protocol.expire(Instant::now()) {
                    Health::Alive => {}
                    Health::Silent => {
                        tracing::debug!("a heartbeat was not answered");
                        return Ended::Lost;
                    }
                },
            }
        }
    }

    fn heard(&mut self, message: Option<Result<Message, Error>>) -> Heard {
        let now = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => self.protocol.received_text(text.as_str(), now),
            Some(Ok(Message::Binary(bytes))) => self.protocol.received_binary(&bytes, now),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                tracing::debug!(code, "the node closed the connection");
                return Heard::Lost;
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "reading failed");
                return Heard::Lost;
            }
            None => return Heard::Lost,
        }
        Heard::Message
    }

    /// Writes what waits, closes with 1000 and reads until the node has closed too: a socket that is dropped with
    /// unread bytes resets the connection, and the node might lose the last frames.
    async fn say_goodbye(&mut self, writer: &mut Writer, reader: &mut Reader) {
        let goodbye = async {
            link::write(writer, &mut self.protocol.outbox).await?;
            writer.close().await?;
            while let Some(Ok(_)) = reader.next().await {}
            Ok::<(), Error>(())
        };
        if !matches!(timeout(CLOSE_TIMEOUT, goodbye).await, Ok(Ok(()))) {
            tracing::debug!("the connection ended before its goodbye was answered");
        }
    }

    /// Tries one node after the other. None if there is to be no connection any more.
    async fn reconnect(&mut self) -> Option<Link> {
        loop {
            self.url = (self.url + 1) % self.options.urls.len();
            let delay = self.backoff.delay(self.setbacks)?;
            self.setbacks = self.setbacks.saturating_add(1);
            let options = Arc::clone(&self.options);
            let url = self.options.urls.get(self.url)?;
            let attempt = async move {
                sleep(delay).await;
                link::connect(&options, url).await
            };
            tokio::pin!(attempt);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut attempt => break outcome,
                    command = self.commands.recv() => match command {
                        None | Some(Command::Close { .. }) => return None,
                        Some(command) => self.protocol.command(command, Instant::now()),
                    },
                }
            };
            match outcome {
                Ok(link) => return Some(link),
                Err(attempt) => tracing::debug!(url = attempt.url, reason = attempt.reason, "no connection"),
            }
        }
    }
}
