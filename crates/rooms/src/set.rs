//! Observed-remove sets without tombstones: what was removed is known by what was seen.
//!
//! Each addition is a tag. A [`Context`] says which tags a copy has seen: all of one start of a node up to a stamp, which is so because
//! copies travel whole. An element that one copy has and the other lacks was removed if the other one's context covers its tags, and
//! is new to it otherwise (Bieniusa et al., "An optimized conflict-free replicated set", 2012). The starts of nodes are told apart, so
//! that a node whose disk was lost or replaced never counts as having seen what its former self wrote.

use std::collections::BTreeMap;

use sensocto_model::{Origin, Stamp};
use serde::{Deserialize, Serialize};

use crate::planted::{self, Fault};
use crate::tag::{Register, Tag};

/// Starts of nodes that one room remembers the writes of. Beyond it, those that wrote longest ago are forgotten: a copy that was away
/// since then may bring an element back that was removed meanwhile.
pub(crate) const ACTORS_MAX: usize = 1_024;

/// Which tags a copy has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Context(pub(crate) BTreeMap<Origin, Stamp>);

impl Context {
    pub(crate) fn covers(&self, tag: &Tag) -> bool {
        self.0.get(&tag.origin).is_some_and(|stamp| *stamp >= tag.stamp)
    }

    pub(crate) fn note(&mut self, tag: &Tag) {
        let stamp = self.0.entry(tag.origin.clone()).or_default();
        *stamp = tag.stamp.max(*stamp);
    }

    pub(crate) fn merge(&mut self, other: &Context) {
        for (origin, stamp) in &other.0 {
            let mine = self.0.entry(origin.clone()).or_default();
            *mine = (*stamp).max(*mine);
        }
        while self.0.len() > ACTORS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, stamp)| **stamp).map(|(origin, _)| origin.clone());
            let Some(oldest) = oldest else { return };
            self.0.remove(&oldest);
        }
    }
}

/// The additions of one element, each with a value of which the last write counts.
pub(crate) type Additions<V> = BTreeMap<Tag, Register<V>>;

/// A set whose elements carry a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ObservedSet<K: Ord, V>(pub(crate) BTreeMap<K, Additions<V>>);

impl<K: Ord, V> Default for ObservedSet<K, V> {
    fn default() -> Self {
        ObservedSet(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> ObservedSet<K, V> {
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of an element: that of the last write.
    pub(crate) fn value(&self, key: &K) -> Option<&V> {
        self.0.get(key).and_then(last)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().filter_map(|(key, additions)| Some((key, last(additions)?)))
    }

    /// Adds an element that is not in it. The caller notes the tag in the context.
    pub(crate) fn insert(&mut self, key: K, value: V, tag: &Tag) {
        self.0.entry(key).or_default().insert(tag.clone(), Register::new(value, tag));
    }

    /// Changes the value of an element: an addition that was not seen keeps its own.
    pub(crate) fn set(&mut self, key: &K, value: &V, tag: &Tag) {
        for register in self.0.get_mut(key).into_iter().flat_map(|additions| additions.values_mut()) {
            register.write(value.clone(), tag);
        }
    }

    /// Removes the additions that were seen.
    pub(crate) fn remove(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// Makes this set the merge of two, each with what its copy has seen.
    pub(crate) fn merge(&mut self, mine: &Context, other: &ObservedSet<K, V>, theirs: &Context) {
        let ghost = planted::is(Fault::RemovalForgotten);
        self.0.retain(|key, additions| {
            let others = other.0.get(key);
            additions.retain(|tag, register| match others.and_then(|others| others.get(tag)) {
                Some(same) => {
                    register.merge(same);
                    true
                }
                None => ghost || !theirs.covers(tag),
            });
            !additions.is_empty()
        });
        for (key, additions) in &other.0 {
            for (tag, register) in additions {
                if ghost || !mine.covers(tag) {
                    self.0.entry(key.clone()).or_default().entry(tag.clone()).or_insert_with(|| register.clone());
                }
            }
        }
    }
}

fn last<V>(additions: &Additions<V>) -> Option<&V> {
    additions.values().max_by(|one, other| one.tag.cmp(&other.tag)).map(|register| &register.value)
}
