//! The payloads of `presence_state` and `presence_diff`, as the `Presence` object of the JavaScript client expects them.
//!
//! A presence is a key (a user) with one *meta* for each of its devices. A client gets `presence_state` once for each join
//! and then diffs. It applies the joins of a diff before its leaves, ignores a join that it already has and a leave that it
//! does not know; so a diff may repeat what the state already said, but a leave must never travel before its own join: the
//! join would then stay for ever. [`Diff`] keeps that rule within one diff; across diffs it holds if changes are written
//! down in the order in which they happened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::Json;

/// The event that carries a [`state`].
pub const EVENT_STATE: &str = "presence_state";
/// The event that carries a [`Diff`].
pub const EVENT_DIFF: &str = "presence_diff";

const PHX_REF: &str = "phx_ref";
const PHX_REF_PREV: &str = "phx_ref_prev";

/// One device of a user: a unique reference and whatever else there is to say. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Meta {
    phx_ref: Arc<str>,
    // As it is written, once for all states and diffs that it will be in.
    line: Arc<RawValue>,
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.line.get() == other.line.get()
    }
}

impl Meta {
    /// A meta with the fields of `fields`. The keys `phx_ref` and `phx_ref_prev` are the protocol's and are taken out.
    ///
    /// `phx_ref` is unique among all metas of the topic: a client tells metas apart by nothing else. Changed fields need a
    /// new one.
    ///
    /// # Errors
    /// `fields` is not written as a JSON object.
    pub fn new<T: Serialize + ?Sized>(phx_ref: &str, fields: &T) -> Result<Self, NotAnObject> {
        match serde_json::to_value(fields) {
            Ok(Value::Object(mut fields)) => {
                fields.remove(PHX_REF);
                fields.remove(PHX_REF_PREV);
                let line = Line { phx_ref, phx_ref_prev: None, fields: &fields };
                let line = to_raw_value(&line).map_err(|_| NotAnObject)?;
                Ok(Self { phx_ref: Arc::from(phx_ref), line: Arc::from(line) })
            }
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                Err(NotAnObject)
            }
        }
    }

    /// The reference that tells this meta from all others.
    #[must_use]
    pub fn phx_ref(&self) -> &str {
        &self.phx_ref
    }
}

/// The fields of a meta are not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnObject;

impl fmt::Display for NotAnObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of a presence meta are not a JSON object")
    }
}

impl std::error::Error for NotAnObject {}

/// The payload of `presence_state`: everybody who is here. Send it once for each join, `{}` included.
///
/// `presences` are (key, meta) in the order in which they joined; the metas of one key keep that order, older first.
#[must_use]
pub fn state<'a>(presences: impl IntoIterator<Item = (&'a str, &'a Meta)>) -> Json {
    let mut keys: BTreeMap<&str, Metas<&RawValue>> = BTreeMap::new();
    for (key, meta) in presences {
        keys.entry(key).or_default().metas.push(&meta.line);
    }
    Json::of(&keys)
}

/// The changes since the last diff, for the payload of `presence_diff`. Changes that undo each other cancel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    joins: BTreeMap<Arc<str>, Vec<Joined>>,
    leaves: BTreeMap<Arc<str>, Vec<Meta>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Joined {
    meta: Meta,
    previous: Option<Arc<str>>,
}

impl Diff {
    /// No change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.leaves.is_empty()
    }

    /// A meta appeared. If the same reference left in this diff, the viewers still have it, and neither is sent.
    pub fn join(&mut self, key: &str, meta: &Meta) {
        if take(&mut self.leaves, key, |left| left.phx_ref == meta.phx_ref).is_none() {
            self.add_join(key, meta, None);
        }
    }

    /// A meta disappeared. If it joined in this diff, the viewers never saw it, and neither is sent.
    pub fn leave(&mut self, key: &str, meta: &Meta) {
        if take(&mut self.joins, key, |joined| joined.meta.phx_ref == meta.phx_ref).is_none() {
            self.add_leave(key, meta);
        }
    }

    /// A meta changed: `new` joins with `phx_ref_prev` set to the reference of `old`, which leaves.
    ///
    /// Viewers never see steps between two diffs: if `old` itself joined in this diff, `new` takes its place.
    pub fn update(&mut self, key: &str, old: &Meta, new: &Meta) {
        if old.phx_ref == new.phx_ref {
            return;
        }
        match take(&mut self.joins, key, |joined| joined.meta.phx_ref == old.phx_ref) {
            Some(unseen) => self.add_join(key, new, unseen.previous),
            None => {
                self.add_leave(key, old);
                self.add_join(key, new, Some(Arc::clone(&old.phx_ref)));
            }
        }
    }

    /// The payload: `{"joins": {key: {"metas": [..]}}, "leaves": {..}}`, keys in order.
    #[must_use]
    pub fn to_json(&self) -> Json {
        #[derive(Serialize)]
        struct Payload<'a> {
            joins: BTreeMap<&'a str, Metas<&'a Joined>>,
            leaves: BTreeMap<&'a str, Metas<&'a RawValue>>,
        }
        Json::of(&Payload {
            joins: lines(&self.joins, |joined| joined),
            leaves: lines(&self.leaves, |meta| &*meta.line),
        })
    }

    fn add_join(&mut self, key: &str, meta: &Meta, previous: Option<Arc<str>>) {
        let joins = self.joins.entry(Arc::from(key)).or_default();
        if joins.iter().all(|joined| joined.meta.phx_ref != meta.phx_ref) {
            joins.push(Joined { meta: meta.clone(), previous });
        }
    }

    fn add_leave(&mut self, key: &str, meta: &Meta) {
        let leaves = self.leaves.entry(Arc::from(key)).or_default();
        if leaves.iter().all(|left| left.phx_ref != meta.phx_ref) {
            leaves.push(meta.clone());
        }
    }
}

/// Takes out one line of a key, and the key with its last line.
fn take<T>(lines: &mut BTreeMap<Arc<str>, Vec<T>>, key: &str, wanted: impl Fn(&T) -> bool) -> Option<T> {
    let of_key = lines.get_mut(key)?;
    let index = of_key.iter().position(wanted)?;
    let taken = of_key.remove(index);
    if of_key.is_empty() {
        lines.remove(key);
    }
    Some(taken)
}

fn lines<'a, T, L>(changes: &'a BTreeMap<Arc<str>, Vec<T>>, line: impl Fn(&'a T) -> L) -> BTreeMap<&'a str, Metas<L>> {
    changes.iter().map(|(key, of_key)| (&**key, Metas { metas: of_key.iter().map(&line).collect() })).collect()
}

#[derive(Serialize)]
struct Metas<T> {
    metas: Vec<T>,
}

impl<T> Default for Metas<T> {
    fn default() -> Self {
        Self { metas: Vec::new() }
    }
}

/// A meta as it is written: the protocol's keys first, then the fields.
#[derive(Serialize)]
struct Line<'a, F> {
    phx_ref: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phx_ref_prev: Option<&'a str>,
    #[serde(flatten)]
    fields: F,
}

impl Serialize for Joined {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(previous) = self.previous.as_deref() else { return self.meta.line.serialize(serializer) };
        // The line is an object by construction.
        let mut fields: Map<String, Value> = serde_json::from_str(self.meta.line.get()).unwrap_or_default();
        fields.remove(PHX_REF);
        Line { phx_ref: &self.meta.phx_ref, phx_ref_prev: Some(previous), fields: &fields }.serialize(serializer)
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
