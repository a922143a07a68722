//! What connectors are told about how fast anybody wants the data of their sensors, and when.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sensocto_channels::{ChannelId, Json};
use sensocto_node::backpressure::Config;
use sensocto_node::{Handle, Level, Load, LocalSignals, Teller};
use serde::Serialize;
use tokio::sync::{Notify, watch};

/// The event that carries it.
pub(super) const EVENT: &str = "backpressure_config";
/// Messages that are made for one client before the others get their turn.
const TOLD_AT_ONCE: usize = 32;

#[derive(Serialize)]
struct ConfigJson {
    attention_level: &'static str,
    // Some clients read it as a number and lose the whole message over the word; they are the ones that write no `vsn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    system_load: Option<&'static str>,
    memory_protection_active: bool,
    paused: bool,
    recommended_batch_window: u64,
    recommended_batch_size: u32,
    load_multiplier: f64,
    timestamp: u64,
}

/// What the connectors of one socket are told.
#[derive(Debug, Default)]
pub(super) struct Advice {
    teller: Teller<ChannelId>,
    /// Changes of attention that were not looked at yet: the latest of each sensor.
    levels: Arc<Levels>,
    load: Option<watch::Receiver<Load>>,
}

#[derive(Debug, Default)]
struct Levels {
    changed: Mutex<BTreeMap<ChannelId, Level>>,
    some: Notify,
}

impl Levels {
    fn note(&self, channel: ChannelId, level: Level) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(channel, level);
        self.some.notify_one();
    }

    fn take(&self) -> BTreeMap<ChannelId, Level> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Advice {
    /// Follows the attention of a sensor; what its connector is told at once.
    pub(super) fn add(&mut self, handle: &Handle, channel: ChannelId, name: &str, signals: &LocalSignals) -> Config {
        let now = handle.clock().mono();
        if self.load.is_none() {
            let mut changes = handle.load_changes();
            self.teller.set_load(*changes.borrow_and_update(), now);
            self.load = Some(changes);
        }
        let levels = Arc::clone(&self.levels);
        let level = signals.listen(move |level| levels.note(channel, level));
        self.teller.add(channel, name, level, now)
    }

    /// Forgets a sensor.
    pub(super) fn remove(&mut self, channel: ChannelId) {
        self.teller.remove(&channel);
    }

    /// Waits for a change of attention or load. Dropping the future loses nothing.
    pub(super) async fn changed(&mut self) {
        let Advice { levels, load, .. } = self;
        match load {
            None => pending().await,
            Some(load) => tokio::select! {
                () = levels.some.notified() => {}
                changed = load.changed() => if changed.is_err() {
                    // The node is gone, and this socket soon.
                    pending().await
                },
            },
        }
    }

    /// Takes in what changed.
    pub(super) fn take(&mut self, now: Duration) {
        for (channel, level) in self.levels.take() {
            self.teller.set_level(&channel, level, now);
        }
        if let Some(load) = &mut self.load
            && load.has_changed().unwrap_or(false)
        {
            self.teller.set_load(*load.borrow_and_update(), now);
        }
    }

    /// When there is something to tell, on the node's clock.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.teller.poll_timeout()
    }

    /// What is to be told now.
    pub(super) fn tell(&mut self, now: Duration) -> Vec<(ChannelId, Config)> {
        std::iter::from_fn(|| self.teller.poll(now)).take(TOLD_AT_ONCE).collect()
    }
}

/// The form of it for a connection that did or did not write a `vsn` of its own.
pub(super) fn json(config: &Config, explicit_vsn: bool, wall_ms: u64) -> Json {
    Json::of(&ConfigJson {
        attention_level: config.level.as_str(),
        system_load: explicit_vsn.then(|| config.load.as_str()),
        memory_protection_active: config.memory_protection,
        paused: config.paused,
        recommended_batch_window: config.window_ms,
        recommended_batch_size: config.batch_size,
        load_multiplier: config.multiplier,
        timestamp: wall_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(explicit_vsn: bool) -> String {
        json(&Config::new(Level::Medium, Load::default()), explicit_vsn, 1).as_str().to_owned()
    }

    #[test]
    fn the_load_is_named_only_to_those_who_wrote_a_version() {
        assert!(medium(true).contains(r#""system_load":"normal""#));
        assert!(!medium(false).contains("system_load"));
    }

    #[test]
    fn counts_are_whole_numbers() {
        assert!(medium(true).contains(r#""recommended_batch_window":500,"recommended_batch_size":5,"#));
    }
}
