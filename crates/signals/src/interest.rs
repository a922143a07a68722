//! What somebody, or everybody, wants of one sensor.

use std::collections::BTreeMap;

use sensocto_model::AttributeId;
use serde::{Deserialize, Serialize};

use crate::Level;

/// The level for a sensor as a whole, and higher ones for some of its attributes.
///
/// Merging takes the highest of each; it is commutative, associative and idempotent, so it does not matter in which order, or how
/// often, the interest of viewers and nodes is put together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interest {
    whole: Level,
    /// Only levels above `whole`, so that equal interest is equal in bytes.
    attributes: BTreeMap<AttributeId, Level>,
}

impl Interest {
    /// The same for all attributes.
    #[must_use]
    pub fn whole(level: Level) -> Interest {
        Interest { whole: level, attributes: BTreeMap::new() }
    }

    /// For one attribute alone.
    #[must_use]
    pub fn attribute(attribute: AttributeId, level: Level) -> Interest {
        let mut interest = Interest::default();
        interest.raise(Some(&attribute), level);
        interest
    }

    /// Raises the level of one attribute, or of all.
    pub fn raise(&mut self, attribute: Option<&AttributeId>, level: Level) {
        match attribute {
            None => {
                self.whole = self.whole.max(level);
                let whole = self.whole;
                self.attributes.retain(|_, level| *level > whole);
            }
            Some(attribute) if level > self.level_of(attribute) => {
                self.attributes.insert(attribute.clone(), level);
            }
            Some(_) => {}
        }
    }

    /// Takes in somebody else's.
    pub fn merge(&mut self, other: &Interest) {
        self.raise(None, other.whole);
        for (attribute, level) in &other.attributes {
            self.raise(Some(attribute), *level);
        }
    }

    /// The same with no level above `cap`.
    #[must_use]
    pub fn capped(&self, cap: Level) -> Interest {
        let mut capped = Interest::whole(self.whole.min(cap));
        for (attribute, level) in &self.attributes {
            capped.raise(Some(attribute), (*level).min(cap));
        }
        capped
    }

    /// The level of the sensor: the highest of its attributes.
    #[must_use]
    pub fn level(&self) -> Level {
        self.attributes.values().copied().max().unwrap_or_default().max(self.whole)
    }

    /// The level of one attribute.
    #[must_use]
    pub fn level_of(&self, attribute: &AttributeId) -> Level {
        self.attributes.get(attribute).copied().unwrap_or(self.whole)
    }

    /// Whether nobody looks.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.level() == Level::None
    }

    /// Whether samples are sent for any attribute.
    #[must_use]
    pub fn wants_data(&self) -> bool {
        self.level().wants_data()
    }

    /// The parts that it is merged of: the whole, where it is some, and single attributes.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Option<&AttributeId>, Level)> {
        let whole = (self.whole != Level::None).then_some((None, self.whole));
        whole.into_iter().chain(self.attributes.iter().map(|(attribute, level)| (Some(attribute), *level)))
    }

    /// The levels that occur in it.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        std::iter::once(self.whole).chain(self.attributes.values().copied())
    }

    /// Attributes that have a level of their own.
    pub(crate) fn attributes_len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether it could have been made here: what comes from other nodes is held against it.
    pub(crate) fn is_normal(&self) -> bool {
        self.attributes.values().all(|level| *level > self.whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level() -> impl Strategy<Value = Level> {
        (0..5_usize).prop_map(|index| Level::ALL[index])
    }

    pub(crate) fn interest() -> impl Strategy<Value = Interest> {
        let attribute = prop::sample::select(vec!["a", "b", "c"]);
        (level(), prop::collection::vec((attribute, level()), 0..4)).prop_map(|(whole, parts)| {
            let mut interest = Interest::whole(whole);
            for (attribute, level) in parts {
                interest.raise(Some(&AttributeId::new(attribute).unwrap()), level);
            }
            interest
        })
    }

    fn merged(one: &Interest, other: &Interest) -> Interest {
        let mut merged = one.clone();
        merged.merge(other);
        merged
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(a in interest(), b in interest(), c in interest()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert!(merged(&a, &b).is_normal());
        }

        #[test]
        fn each_attribute_has_the_highest_level_of_both(a in interest(), b in interest(), cap in level()) {
            let both = merged(&a, &b);
            for attribute in ["a", "b", "c", "d"] {
                let attribute = AttributeId::new(attribute).unwrap();
                prop_assert_eq!(both.level_of(&attribute), a.level_of(&attribute).max(b.level_of(&attribute)));
                prop_assert_eq!(a.capped(cap).level_of(&attribute), a.level_of(&attribute).min(cap));
            }
            prop_assert_eq!(both.level(), a.level().max(b.level()));
        }
    }
}
