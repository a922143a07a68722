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

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::Json;

/// The event that carries a [`state`].
pub const EVENT_STATE: &str = "presence_state";
/// The event that carries a [`Diff`].
pub const EVENT_DIFF: &str = "presence_diff";

const PHX_REF: &str = "phx_ref";
const PHX_REF_PREV: &str = "phx_ref_prev";

/// One device of a user: a unique reference and whatever else there is to say. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    phx_ref: Arc<str>,
    fields: Arc<Map<String, Value>>,
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
                Ok(Self { phx_ref: Arc::from(phx_ref), fields: Arc::new(fields) })
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
    let mut keys: BTreeMap<&str, Metas<Line<'_>>> = BTreeMap::new();
    for (key, meta) in presences {
        keys.entry(key).or_default().metas.push(Line { meta, previous: None });
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
            joins: BTreeMap<&'a str, Metas<Line<'a>>>,
            leaves: BTreeMap<&'a str, Metas<Line<'a>>>,
        }
        Json::of(&Payload {
            joins: lines(&self.joins, |joined| Line { meta: &joined.meta, previous: joined.previous.as_deref() }),
            leaves: lines(&self.leaves, |meta| Line { meta, previous: None }),
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

fn lines<'a, T>(
    changes: &'a BTreeMap<Arc<str>, Vec<T>>,
    line: impl Fn(&'a T) -> Line<'a>,
) -> BTreeMap<&'a str, Metas<Line<'a>>> {
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
struct Line<'a> {
    meta: &'a Meta,
    previous: Option<&'a str>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(PHX_REF, &*self.meta.phx_ref)?;
        if let Some(previous) = self.previous {
            map.serialize_entry(PHX_REF_PREV, previous)?;
        }
        for (key, value) in self.meta.fields.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
