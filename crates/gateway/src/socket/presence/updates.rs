//! Changes of a presence by its own user, as fast as one socket may make them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sensocto_channels::{Json, Payload};
use sensocto_node::{FieldError, LocalEntry, Presence, PresenceFields, Record, RoomId};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::budget::Budget;
use super::super::sensor::Answer;
use super::super::{connector, marks, params};
use crate::App;

/// Updates of presences that one socket may make in a row. What comes faster is not lost: the latest of it is made when the time comes.
const UPDATES_BURST: u32 = 20;
/// How long it takes until the socket may make one more.
const UPDATE_EVERY: Duration = Duration::from_millis(100);

const KEYS: [&str; 6] = ["user_id", "user_name", "device", "room_id", "mode", "fields"];
const KEYS_ERROR: FieldError =
    FieldError { field: "payload", allowed: "an object of user_name, device, room_id, mode and fields" };

/// How many updates a socket may make, over all its channels.
pub(in crate::socket) fn updates_budget() -> Budget {
    Budget::full(UPDATES_BURST, UPDATE_EVERY)
}

/// A write that is under way; its end has to be told by `written`.
pub(in crate::socket) type Written = BoxFuture<'static, ()>;

/// What the user last said of themselves, and whether it is in the world.
#[derive(Debug)]
pub(super) struct Updates {
    wanted: Presence,
    /// Whether replies say what was written.
    marks: bool,
    waits: bool,
    writing: bool,
}

impl Updates {
    pub(super) fn new(presence: Presence, marks: bool) -> Updates {
        Updates { wanted: presence, marks, waits: false, writing: false }
    }

    /// Whether there is something to write, and nothing in its way but the budget.
    pub(super) fn waits(&self) -> bool {
        self.waits && !self.writing
    }

    /// Takes an update in: it is written at once, or else its latest state when the socket may make one again.
    pub(super) async fn take(
        &mut self,
        app: &App,
        entry: &LocalEntry,
        payload: &Payload,
        budget: &mut Budget,
    ) -> Answer {
        let wanted = match self.read(payload) {
            Ok(wanted) => wanted,
            Err(error) => return Answer::Error(params::invalid_field(error)),
        };
        if wanted == self.wanted && !self.waits {
            return Answer::Ok(Json::empty());
        }
        self.wanted = wanted;
        if self.writing || self.waits || !budget.spend(app.handle.clock().mono()) {
            self.waits = true;
            app.metrics.presence_update_coalesced();
            return Answer::Ok(coalesced());
        }
        match entry.update(Record::Presence(self.wanted.clone())).await {
            Ok(mark) if self.marks => Answer::Ok(marks::reply(&mark)),
            Ok(_) => Answer::Ok(Json::empty()),
            Err(error) => Answer::Error(connector::refused(&error)),
        }
    }

    /// A write of what waited, where the socket may make one again.
    pub(super) fn due(&mut self, app: &App, entry: &Arc<LocalEntry>, budget: &mut Budget) -> Option<Written> {
        if !self.waits() || !budget.spend(app.handle.clock().mono()) {
            return None;
        }
        self.waits = false;
        self.writing = true;
        let (entry, record) = (Arc::clone(entry), Record::Presence(self.wanted.clone()));
        let write = async move {
            // An entry that was taken over is nobody's to change any more, and its channel is being closed.
            let _ = entry.update(record).await;
        };
        Some(write.boxed())
    }

    pub(super) fn written(&mut self) {
        self.writing = false;
    }

    fn read(&self, payload: &Payload) -> Result<Presence, FieldError> {
        let given: Map<String, Value> = payload.parse().map_err(|_| KEYS_ERROR)?;
        if given.keys().any(|key| !KEYS.contains(&key.as_str())) {
            return Err(KEYS_ERROR);
        }
        let mut wanted = self.wanted.clone();
        if params::optional_text(&given, "user_id")?.is_some_and(|named| named != wanted.user_id.as_str()) {
            return Err(FieldError { field: "user_id", allowed: "the user of the socket's token, or nothing" });
        }
        if let Some(name) = params::optional_text(&given, "user_name")? {
            name.clone_into(&mut wanted.user_name);
        }
        if given.contains_key("device") {
            wanted.device = params::optional_text(&given, "device")?.map(str::to_owned);
        }
        if given.contains_key("room_id") {
            wanted.room_id = params::optional_text(&given, "room_id")?.map(RoomId::new).transpose()?;
        }
        if given.contains_key("mode") {
            wanted.mode = params::optional_text(&given, "mode")?.map(str::to_owned);
        }
        if let Some(fields) = given.get("fields") {
            wanted.fields = PresenceFields::of_value(Some(fields))?;
        }
        wanted.validate()?;
        Ok(wanted)
    }
}

fn coalesced() -> Json {
    #[derive(Serialize)]
    struct Coalesced {
        coalesced: bool,
    }
    Json::of(&Coalesced { coalesced: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_a_burst_and_then_a_steady_rate_and_saves_no_more_than_a_burst() {
        let mut budget = updates_budget();
        let mut made = |mono: Duration| (0..1_000).filter(|_| budget.spend(mono)).count();
        assert_eq!(made(Duration::from_secs(10)), 20);
        assert_eq!(made(Duration::from_secs(11)), 10);
        assert_eq!(made(Duration::from_secs(3_600)), 20);
    }
}
