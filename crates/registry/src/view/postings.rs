//! Which entries have one value: a sorted set of labels that is small while it has few.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::short_text::{ShortText, Sought};
use super::table::Label;

/// Labels that are kept as one block. Above it, a tree copies less for each change.
const FEW_MAX: usize = 32;

/// The labels of the entries with one value, in order.
#[derive(Debug, Clone)]
pub(crate) enum Postings {
    Few(Arc<[Label]>),
    Many(OrdSet<Label>),
}

impl Postings {
    pub(crate) fn len(&self) -> usize {
        match self {
            Postings::Few(labels) => labels.len(),
            Postings::Many(labels) => labels.len(),
        }
    }

    pub(crate) fn after(&self, after: Option<Label>) -> Box<dyn Iterator<Item = Label> + '_> {
        match self {
            Postings::Few(labels) => {
                let start = after.map_or(0, |after| labels.partition_point(|label| *label <= after));
                Box::new(labels[start..].iter().copied())
            }
            Postings::Many(labels) => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(labels.range::<_, Label>((start, Bound::Unbounded)).copied())
            }
        }
    }

    fn insert(&mut self, label: Label) {
        match self {
            Postings::Few(labels) => {
                let Err(at) = labels.binary_search(&label) else { return };
                if labels.len() == FEW_MAX {
                    let mut many: OrdSet<Label> = labels.iter().copied().collect();
                    many.insert(label);
                    *self = Postings::Many(many);
                } else {
                    *labels = labels[..at].iter().chain([&label]).chain(&labels[at..]).copied().collect();
                }
            }
            Postings::Many(labels) => {
                labels.insert(label);
            }
        }
    }

    fn remove(&mut self, label: Label) {
        match self {
            Postings::Few(labels) => {
                if let Ok(at) = labels.binary_search(&label) {
                    *labels = labels[..at].iter().chain(&labels[at + 1..]).copied().collect();
                }
            }
            Postings::Many(labels) => {
                labels.remove(&label);
                // Half of the limit, so that one entry that comes and goes does not rebuild it each time.
                if labels.len() <= FEW_MAX / 2 {
                    *self = Postings::Few(labels.iter().copied().collect());
                }
            }
        }
    }
}

/// The postings of every value of one field. Values without entries are not kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldIndex(OrdMap<ShortText, Postings>);

impl FieldIndex {
    pub(crate) fn get(&self, value: &str) -> Option<&Postings> {
        self.0.get(&Sought(value))
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn insert(&mut self, value: &str, label: Label) {
        match self.0.get_mut(&Sought(value)) {
            Some(postings) => postings.insert(label),
            None => {
                self.0.insert(ShortText::new(value), Postings::Few(Arc::from([label])));
            }
        }
    }

    pub(crate) fn remove(&mut self, value: &str, label: Label) {
        let Some(postings) = self.0.get_mut(&Sought(value)) else { return };
        postings.remove(label);
        if postings.len() == 0 {
            self.0.remove(&Sought(value));
        }
    }

    /// The values from a start on.
    pub(crate) fn values_after(&self, start: Bound<Sought<'_>>) -> impl Iterator<Item = String> + '_ {
        self.0.range((start, Bound::Unbounded)).map(|(value, _)| value.to_text())
    }

    /// How many entries each value has.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (String, usize)> + '_ {
        self.0.iter().map(|(value, postings)| (value.to_text(), postings.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn postings_are_a_sorted_set_however_many(steps in proptest::collection::vec((any::<bool>(), 0_u64..80), 0..300)) {
            let mut index = FieldIndex::default();
            let mut model = BTreeSet::new();
            for (insert, label) in steps {
                if insert {
                    index.insert("x", label);
                    model.insert(label);
                } else {
                    index.remove("x", label);
                    model.remove(&label);
                }
                prop_assert_eq!(index.get("x").map_or(0, Postings::len), model.len());
            }
            let labels: Vec<Label> = index.get("x").into_iter().flat_map(|postings| postings.after(Some(20))).collect();
            prop_assert_eq!(labels, model.range(21..).copied().collect::<Vec<_>>());
        }
    }
}
