//! Which entries have one value.

use std::collections::BTreeMap;
use std::ops::Bound;

use imbl::OrdMap;

use super::short_text::{ShortText, Sought};
use super::sorted::{Edit, Sorted};
use super::table::Label;

/// The labels of the entries with one value, in order.
pub(crate) type Postings = Sorted<Label>;

/// The labels of a set behind one of them.
pub(crate) fn labels_after(labels: &Sorted<Label>, after: Option<Label>) -> impl Iterator<Item = Label> + '_ {
    labels.from(move |label| after.is_some_and(|after| *label <= after)).copied()
}

/// Changes of the postings of one field that wait to be taken in, by value.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldEdits(BTreeMap<ShortText, Vec<Edit<Label>>>);

impl FieldEdits {
    pub(crate) fn add(&mut self, value: &str, edit: Edit<Label>) {
        self.0.entry(ShortText::new(value)).or_default().push(edit);
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

    /// Takes in what has changed.
    pub(crate) fn take(&mut self, edits: FieldEdits) {
        for (value, edits) in edits.0 {
            self.edit(value, edits);
        }
    }

    /// Takes in one change at once.
    pub(crate) fn change(&mut self, value: &str, edit: Edit<Label>) {
        self.edit(ShortText::new(value), vec![edit]);
    }

    fn edit(&mut self, value: ShortText, edits: Vec<Edit<Label>>) {
        let Some(postings) = self.0.get_mut(&value) else {
            let mut postings = Postings::default();
            postings.edit(edits);
            if postings.len() > 0 {
                self.0.insert(value, postings);
            }
            return;
        };
        postings.edit(edits);
        if postings.len() == 0 {
            self.0.remove(&value);
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
    use super::*;

    #[test]
    fn a_value_is_there_while_an_entry_has_it() {
        let mut index = FieldIndex::default();
        index.change("x", (7, true));
        let mut edits = FieldEdits::default();
        edits.add("x", (9, true));
        edits.add("y", (9, true));
        edits.add("x", (7, false));
        edits.add("y", (9, false));
        edits.add("z", (3, false));
        index.take(edits);
        assert_eq!(index.counts().collect::<Vec<_>>(), [("x".to_owned(), 1)]);
        let labels: Vec<Label> = index.get("x").into_iter().flat_map(|labels| labels_after(labels, Some(7))).collect();
        assert_eq!(labels, [9]);
        index.change("x", (9, false));
        assert_eq!(index.len(), 0);
    }
}
