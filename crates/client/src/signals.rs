//! What sensors measure, for a viewer: batches, digests and levels of attention, in types.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sensocto_client::signals::{Act, Level, SignalsEvent, View};
//! use sensocto_client::{Client, ClientOptions};
//!
//! let client = Client::connect(ClientOptions::new(["ws://127.0.0.1:4000"])).await?;
//! let mut signals = client.watch_signals("dashboard", &View::of(["greenhouse-1", "greenhouse-2"])).await?;
//! signals.begin(Act::Focus, "greenhouse-1", None).await?;
//! while let Some(event) = signals.next().await? {
//!     match event {
//!         SignalsEvent::Recent { samples, .. } | SignalsEvent::Batch(samples) => {
//!             for (sensor, attributes) in &samples {
//!                 for (attribute, measured) in attributes {
//!                     tracing::info!(sensor, attribute, latest = ?measured.last());
//!                 }
//!             }
//!         }
//!         // This program reads too slowly for every message.
//!         SignalsEvent::Digest(_) => {
//!             signals.show(&View::of(["greenhouse-1"]).at(Level::Low)).await?;
//!         }
//!         SignalsEvent::Disconnected | SignalsEvent::Rejoined | SignalsEvent::Closed => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod event;
mod view;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Channel, ChannelEvent, Client, JoinError, PushError, Reply};
pub use event::{BySensor, Digest, Measurement, SignalsEvent};
use view::Said;
pub use view::{Act, Battery, Level, SENSORS_PER_EVENT_MAX, View};

/// How long to wait at most before something is said again that came too fast for the node.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Why something about signals did not work.
#[derive(Debug)]
pub enum SignalsError {
    /// The node refuses it.
    Refused {
        /// Why, in a word: `invalid_field`, for example.
        reason: String,
        /// The field that is meant, where one is.
        field: Option<String>,
        /// What would have been allowed.
        allowed: Option<String>,
    },
    /// It was not sent, or not answered.
    Push(PushError),
    /// The node said what this program does not know.
    Unreadable(serde_json::Error),
}

impl fmt::Display for SignalsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { reason, field, allowed } => {
                write!(f, "the node refuses it: {reason}")?;
                if let (Some(field), Some(allowed)) = (field, allowed) {
                    write!(f, ", {field} must be {allowed}")?;
                }
                Ok(())
            }
            Self::Push(error) => error.fmt(f),
            Self::Unreadable(error) => write!(f, "the node said what this program does not know: {error}"),
        }
    }
}

impl std::error::Error for SignalsError {}

impl From<PushError> for SignalsError {
    fn from(error: PushError) -> SignalsError {
        SignalsError::Push(error)
    }
}

/// What came of looking at sensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Visible {
    /// At how many sensors the viewer looks.
    pub watching: usize,
    /// How many of those that were named no node has at the moment. They are looked at as soon as there are.
    pub unknown: usize,
}

/// A viewer: what it looks at, and what it is told. After a reconnection it looks at the same again.
#[derive(Debug)]
pub struct Signals {
    channel: Channel,
    said: Said,
    /// Whether it looks at something else than what its join said.
    changed: bool,
    /// What is still to be said after a reconnection.
    again: VecDeque<(&'static str, Value)>,
}

impl Client {
    /// Looks at sensors, on whatever node they are. `name` tells the viewers of one client apart.
    ///
    /// # Errors
    /// As [`Client::join`].
    pub async fn watch_signals(&self, name: &str, view: &View) -> Result<Signals, JoinError> {
        let channel = self.join(format!("signals:{name}"), view.join_params()).await?;
        let mut said = Said::default();
        said.show(view, false);
        let parts = view.events(false).into_iter().skip(1);
        let again = parts.map(|part| ("set_visible", part)).collect();
        Ok(Signals { channel, said, changed: view.sensors.len() > SENSORS_PER_EVENT_MAX, again })
    }
}

impl Signals {
    /// What happens next; `None` after [`SignalsEvent::Closed`]. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The node said something that cannot be read, or refuses what it allowed before. The next call goes on behind that.
    pub async fn next(&mut self) -> Result<Option<SignalsEvent>, SignalsError> {
        loop {
            self.say_again().await?;
            let Some(event) = self.channel.next().await else { return Ok(None) };
            return Ok(Some(match event {
                ChannelEvent::Message { event, payload } => {
                    match SignalsEvent::read(&event, &payload).map_err(SignalsError::Unreadable)? {
                        Some(event) => event,
                        None => continue,
                    }
                }
                // What was missed is told anew after a join.
                ChannelEvent::Lagged => {
                    self.channel.rejoin().await?;
                    continue;
                }
                ChannelEvent::Rejoined { .. } => {
                    if self.changed {
                        self.again = self.said.again();
                    }
                    SignalsEvent::Rejoined
                }
                ChannelEvent::Disconnected => SignalsEvent::Disconnected,
                ChannelEvent::Closed => SignalsEvent::Closed,
                ChannelEvent::Binary { .. } => continue,
            }));
        }
    }

    /// Says what is still to be said. A connection that is lost meanwhile is found out by the event that says so.
    async fn say_again(&mut self) -> Result<(), SignalsError> {
        while let Some((event, payload)) = self.again.front() {
            let said = self.say(event, payload).await;
            if !matches!(said, Err(SignalsError::Push(PushError::Disconnected | PushError::Timeout))) {
                self.again.pop_front();
                said?;
                continue;
            }
            self.again.clear();
        }
        Ok(())
    }

    /// Looks at exactly these sensors.
    ///
    /// # Errors
    /// The node refuses it, or there is no connection; see [`SignalsError`].
    pub async fn show(&mut self, view: &View) -> Result<Visible, SignalsError> {
        self.set_visible(view, false).await
    }

    /// Looks at these sensors besides the others.
    ///
    /// # Errors
    /// As [`Signals::show`].
    pub async fn show_also(&mut self, view: &View) -> Result<Visible, SignalsError> {
        self.set_visible(view, true).await
    }

    /// Looks at these sensors no more.
    ///
    /// # Errors
    /// As [`Signals::show`].
    pub async fn hide(&mut self, sensors: &[String]) -> Result<Visible, SignalsError> {
        self.changed = true;
        self.said.hide(sensors);
        let mut visible = Visible { watching: 0, unknown: 0 };
        for sensors in sensors.chunks(SENSORS_PER_EVENT_MAX) {
            visible = self.ask("set_visible", &json!({"sensor_ids": sensors, "mode": "remove"})).await?;
        }
        Ok(visible)
    }

    async fn set_visible(&mut self, view: &View, adds: bool) -> Result<Visible, SignalsError> {
        self.changed = true;
        let mut visible = Visible { watching: 0, unknown: 0 };
        for part in view.events(adds) {
            let Visible { watching, unknown } = self.ask("set_visible", &part).await?;
            visible = Visible { watching, unknown: visible.unknown + unknown };
        }
        // What is refused is not said again.
        self.said.show(view, adds);
        Ok(visible)
    }

    /// Begins to do something with a sensor, or with one of its attributes; how closely the viewer looks at it then.
    ///
    /// # Errors
    /// As [`Signals::show`].
    pub async fn begin(
        &mut self,
        act: Act,
        sensor: &str,
        attribute: Option<&str>,
    ) -> Result<Option<Level>, SignalsError> {
        self.act(act, sensor, attribute, true).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// As [`Signals::show`].
    pub async fn end(
        &mut self,
        act: Act,
        sensor: &str,
        attribute: Option<&str>,
    ) -> Result<Option<Level>, SignalsError> {
        self.act(act, sensor, attribute, false).await
    }

    async fn act(
        &mut self,
        act: Act,
        sensor: &str,
        attribute: Option<&str>,
        begins: bool,
    ) -> Result<Option<Level>, SignalsError> {
        #[derive(Deserialize)]
        struct Acted {
            level: String,
        }
        self.changed = true;
        let Acted { level } = self.ask(act.event(begins), &view::acted(sensor, attribute)).await?;
        self.said.act(act, sensor, attribute, begins);
        Ok(Level::of_word(&level))
    }

    /// Says how full the battery of the viewer's device is.
    ///
    /// # Errors
    /// As [`Signals::show`].
    pub async fn set_battery(&mut self, battery: Battery) -> Result<(), SignalsError> {
        self.changed = true;
        self.say("battery", &json!({"state": battery.as_str()})).await?;
        self.said.set_battery(battery);
        Ok(())
    }

    /// Looks at nothing any more, and waits until the node has confirmed it.
    ///
    /// # Errors
    /// As [`Channel::leave`].
    pub async fn leave(self) -> Result<(), PushError> {
        self.channel.leave().await
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&self, event: &str, payload: &Value) -> Result<T, SignalsError> {
        let reply = self.say(event, payload).await?;
        let response = reply.response.as_json().map_or("null", |json| json.get());
        serde_json::from_str(response).map_err(SignalsError::Unreadable)
    }

    /// Says something until the node takes it, or refuses it for another reason than haste.
    async fn say(&self, event: &str, payload: &Value) -> Result<Reply, SignalsError> {
        #[derive(Deserialize)]
        struct Refusal {
            reason: String,
            field: Option<String>,
            allowed: Option<String>,
            retry_after_ms: Option<u64>,
        }
        loop {
            let reply = self.channel.push(event, payload).await?;
            if reply.is_ok() {
                return Ok(reply);
            }
            let response = reply.response.as_json().map_or("null", |json| json.get());
            let refusal: Refusal = serde_json::from_str(response).map_err(SignalsError::Unreadable)?;
            let Refusal { reason, field, allowed, retry_after_ms } = refusal;
            match retry_after_ms.filter(|_| reason == "rate_limited") {
                Some(retry_after) => tokio::time::sleep(Duration::from_millis(retry_after).min(RETRY_MAX)).await,
                None => return Err(SignalsError::Refused { reason, field, allowed }),
            }
        }
    }
}
