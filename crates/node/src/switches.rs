//! What an operator may switch while a node runs: whether it takes part in the cluster, and whether it answers live queries.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{oneshot, watch};

use crate::handle::{Command, Handle, WriteError};

/// How the switches stand.
#[derive(Debug)]
pub(crate) struct Switches {
    apart: AtomicBool,
    live: watch::Sender<bool>,
    /// Who switches does it alone, to the end.
    turn: tokio::sync::Mutex<()>,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches { apart: AtomicBool::new(false), live: watch::Sender::new(true), turn: tokio::sync::Mutex::default() }
    }
}

impl Handle {
    /// Whether this node left the cluster and works alone.
    #[must_use]
    pub fn is_apart(&self) -> bool {
        self.0.switches.apart.load(Ordering::Acquire)
    }

    /// Whether this node answers live queries.
    #[must_use]
    pub fn answers_live_queries(&self) -> bool {
        *self.0.switches.live.borrow()
    }

    /// Leaves the cluster and works alone, or joins it again. Clients stay connected: what other nodes left here is shown, marked orphaned,
    /// however long it takes. The other nodes see this one as gone, and remove its entries after their grace; it brings them back.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn set_apart(&self, apart: bool) -> Result<(), WriteError> {
        let _turn = self.0.switches.turn.lock().await;
        if self.is_apart() == apart {
            return Ok(());
        }
        tracing::warn!(apart, "an operator switched whether this node works alone");
        // Alone first, and back last: what comes in between is not taken, and repaired.
        if apart {
            self.tell_driver(true).await?;
        }
        if !self.0.engine.show(!apart).await {
            // The others find out by its silence.
            tracing::warn!(apart, "the other nodes could not be told at once");
        }
        if !apart {
            self.tell_driver(false).await?;
        }
        self.0.switches.apart.store(apart, Ordering::Release);
        Ok(())
    }

    async fn tell_driver(&self, apart: bool) -> Result<(), WriteError> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(Command::SetApart { apart, reply }).await.map_err(|_| WriteError::Stopping)?;
        answer.await.map(drop).map_err(|_| WriteError::Stopping)
    }

    /// Turns live queries on or off. Those that are open end with a reason, and no further one is opened.
    pub fn set_live_queries(&self, on: bool) {
        if self.0.switches.live.send_replace(on) != on {
            tracing::warn!(on, "an operator switched live queries");
        }
    }

    /// Follows the switch of live queries.
    pub(crate) fn live_switch(&self) -> watch::Receiver<bool> {
        self.0.switches.live.subscribe()
    }
}
