//! The handle of one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::value::to_raw_value;
use tokio::sync::{mpsc, oneshot};

use crate::channel::Channel;
use crate::driver::Driver;
use crate::protocol::Command;
use crate::{COMMANDS_MAX, ClientOptions, ConnectError, JoinError, link};

/// The value of [`Connected`] while there is no connection.
const NOWHERE: usize = usize::MAX;

/// Which of the URLs the socket is connected to; shared with the background task.
#[derive(Debug, Clone)]
pub(crate) struct Connected(Arc<AtomicUsize>);

impl Connected {
    pub(crate) fn set(&self, url: Option<usize>) {
        self.0.store(url.unwrap_or(NOWHERE), Ordering::Relaxed);
    }
}

/// One connection to one of several nodes. Cheap to clone; every clone is the same connection.
#[derive(Debug, Clone)]
pub struct Client {
    options: Arc<ClientOptions>,
    commands: mpsc::Sender<Command>,
    connected: Connected,
}

impl Client {
    /// Connects to the first of the nodes that answers, and starts the background task on the current Tokio runtime.
    ///
    /// # Errors
    /// No node answers. Each is tried once: only a connection that existed is made again.
    pub async fn connect(options: ClientOptions) -> Result<Self, ConnectError> {
        if options.urls.is_empty() {
            return Err(ConnectError::NoUrls);
        }
        let mut attempts = Vec::new();
        for (index, url) in options.urls.iter().enumerate() {
            match link::connect(&options, url).await {
                Ok(link) => {
                    let options = Arc::new(options);
                    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
                    let connected = Connected(Arc::new(AtomicUsize::new(index)));
                    let driver = Driver::new(Arc::clone(&options), inbox, connected.clone(), index);
                    tokio::spawn(driver.run(link));
                    return Ok(Self { options, commands, connected });
                }
                Err(attempt) => attempts.push(attempt),
            }
        }
        Err(ConnectError::Unreachable { attempts })
    }

    /// Joins a topic. The parameters are kept, and used again after a reconnection.
    ///
    /// # Errors
    /// The node refuses or stays silent, there is no connection, or the topic is joined on this client already.
    pub async fn join(&self, topic: impl Into<String>, params: impl Serialize) -> Result<Channel, JoinError> {
        let topic = topic.into();
        let params = to_raw_value(&params).map_err(JoinError::Params)?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Join { topic: topic.clone(), params, answer };
        self.commands.send(command).await.map_err(|_| JoinError::Disconnected)?;
        let joined = answered.await.map_err(|_| JoinError::Disconnected)??;
        Ok(Channel::new(topic, joined, self.commands.clone()))
    }

    /// The node that the socket is connected to, as its URL was given; none while it is being looked for.
    #[must_use]
    pub fn connected_to(&self) -> Option<&str> {
        self.options.urls.get(self.connected.0.load(Ordering::Relaxed)).map(String::as_str)
    }

    /// Closes the connection for every clone and every channel, and waits until the background task has said goodbye.
    pub async fn close(self) {
        let (answer, answered) = oneshot::channel::<()>();
        if self.commands.send(Command::Close { answer }).await.is_ok() {
            // The task drops its end when it is done; that is the answer.
            let _ = answered.await;
        }
    }
}
