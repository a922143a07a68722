//! Searching sensors by words: each word that is looked for begins a word of the sensor's name or of its id.
//!
//! Two places know most words already: a name that begins with a word is found in the order of names, an id in that of ids. Only
//! the other words have lines of their own, each as a number and the label of its sensor.

use std::ops::{Bound, RangeInclusive};

use sensocto_model::Sensor;

use super::index::{SensorIndex, fold, named};
use super::sorted::{Edit, Sorted};
use super::table::{Label, Table};

/// Words of a name, and of an id, that are searched. Those behind them are not found.
const WORDS_MAX: usize = 16;
/// Bytes of a word that its number has.
const HEAD_BYTES: usize = size_of::<u64>();
/// Words of a search that are looked up, to read the candidates of the rarest one. The others are only compared.
const LOOKED_UP_MAX: usize = 8;
/// Characters of a word by which live queries are found.
const STEM_CHARACTERS: usize = 6;

/// The words of a search: in lower case, in order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SearchText(Vec<String>);

impl SearchText {
    /// `None` where there is no word in a text, and so nothing to look for.
    #[must_use]
    pub fn new(text: &str) -> Option<SearchText> {
        let mut words: Vec<String> = split(&fold(text)).map(|(_, word)| word.to_owned()).collect();
        words.sort_unstable();
        words.dedup();
        (!words.is_empty()).then_some(SearchText(words))
    }

    /// The words, joined by spaces: the same text for all that mean the same.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.join(" ")
    }

    /// Whether a sensor has a word for each of these.
    #[must_use]
    pub fn matches(&self, sensor: &Sensor) -> bool {
        let (name, id) = (fold(&sensor.sensor_name), fold(sensor.sensor_id.as_str()));
        let begins = |text: &str, wanted: &str| searched(text).any(|(_, word)| word.starts_with(wanted));
        self.0.iter().all(|wanted| begins(&name, wanted) || begins(&id, wanted))
    }

    /// The beginning of its longest word.
    pub(crate) fn stem(&self) -> &str {
        let longest = self.0.iter().max_by_key(|word| word.len());
        longest.and_then(|word| stems(word).last()).unwrap_or_default()
    }

    /// Whether whatever an index finds passes: there is one word, and numbers have all of it.
    pub(super) fn is_exact(&self) -> bool {
        matches!(&self.0[..], [only] if only.len() <= HEAD_BYTES)
    }

    /// The sensors that have the rarest of the words, in the order of their ids; some may lack another one. `None` where each word has
    /// more than `most` lines. Costs a step for each line of the rarest word, times the number of words.
    pub(super) fn candidates(&self, table: &Table, index: &SensorIndex, most: usize) -> Option<Vec<Label>> {
        let mut limit = most.min(64);
        loop {
            for word in self.0.iter().take(LOOKED_UP_MAX) {
                for range in ranges(word) {
                    let mut found = lines(table, index, word, range, limit.saturating_add(1));
                    if found.len() <= limit {
                        found.sort_unstable();
                        found.dedup();
                        return Some(found);
                    }
                }
            }
            if limit == most {
                return None;
            }
            limit = limit.saturating_mul(8).min(most);
        }
    }
}

/// The beginnings of the words of a sensor, by which the live queries that may want it are found.
pub(crate) fn stems_of(sensor: &Sensor, mut each: impl FnMut(&str)) {
    for text in [fold(&sensor.sensor_name), fold(sensor.sensor_id.as_str())] {
        searched(&text).flat_map(|(_, word)| stems(word)).for_each(&mut each);
    }
}

/// The beginnings of a word, the shortest first.
fn stems(word: &str) -> impl Iterator<Item = &str> {
    word.char_indices().take(STEM_CHARACTERS).map(|(at, character)| &word[..at + character.len_utf8()])
}

/// The words of a text, and where they begin.
fn split(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

fn searched(text: &str) -> impl Iterator<Item = (usize, &str)> {
    split(text).take(WORDS_MAX)
}

/// The first bytes of a word as a number of the same order. The rest is filled up.
fn head(word: &[u8], fill: u8) -> u64 {
    let mut bytes = [fill; HEAD_BYTES];
    let length = word.len().min(HEAD_BYTES);
    bytes[..length].copy_from_slice(&word[..length]);
    u64::from_be_bytes(bytes)
}

/// What follows the head of a long word, as a number. The first byte, which no text has, keeps them apart from heads.
fn tail(word: &[u8], fill: u8) -> u64 {
    let mut bytes = vec![u8::MAX];
    bytes.extend(word.get(HEAD_BYTES..).unwrap_or_default());
    head(&bytes, fill)
}

/// The numbers that a word which begins with this one can have: of its head, and for a long word also of its tail, which tells
/// numbers with many zeros in front apart.
fn ranges(word: &str) -> impl Iterator<Item = RangeInclusive<u64>> {
    let word = word.as_bytes();
    let long = (word.len() > HEAD_BYTES).then(|| tail(word, 0)..=tail(word, u8::MAX));
    [Some(head(word, 0)..=head(word, u8::MAX)), long].into_iter().flatten()
}

/// The sensors that have a word of which only the number is compared, at most `limit`; one may come several times.
fn lines(table: &Table, index: &SensorIndex, word: &str, range: RangeInclusive<u64>, limit: usize) -> Vec<Label> {
    let begin_names = named(index, word, Bound::Unbounded).map(|(_, label)| *label);
    begin_names.chain(table.labels_beginning(word)).chain(index.words.within(range)).take(limit).collect()
}

/// The words of sensors that neither the order of names nor that of ids leads to.
#[derive(Debug, Clone, Default)]
pub(crate) struct WordIndex(Sorted<(u64, Label)>);

impl WordIndex {
    /// Takes in what was noted.
    pub(super) fn take(&mut self, edits: Vec<Edit<(u64, Label)>>) {
        self.0.edit(edits);
    }

    fn within(&self, range: RangeInclusive<u64>) -> impl Iterator<Item = Label> + '_ {
        let (first, last) = range.into_inner();
        let lines = self.0.from(move |(number, _)| *number < first);
        lines.take_while(move |(number, _)| *number <= last).map(|(_, label)| *label)
    }
}

/// Notes that a sensor was there and is there; what is the same in both is not touched.
pub(super) fn note(edits: &mut Vec<Edit<(u64, Label)>>, was: Option<(Label, &Sensor)>, is: Option<(Label, &Sensor)>) {
    fn facts((label, sensor): (Label, &Sensor)) -> (Label, &str, &str) {
        (label, sensor.sensor_id.as_str(), &sensor.sensor_name)
    }
    if was.map(facts) == is.map(facts) {
        return;
    }
    edits.extend(was.into_iter().flat_map(numbers).map(|line| (line, false)));
    edits.extend(is.into_iter().flat_map(numbers).map(|line| (line, true)));
}

/// The lines of a sensor, in order and each once.
fn numbers((label, sensor): (Label, &Sensor)) -> Vec<(u64, Label)> {
    let id = sensor.sensor_id.as_str();
    let (name, folded) = (fold(&sensor.sensor_name), fold(id));
    let behind_name = searched(&name).filter(|(at, _)| *at > 0);
    // The order of ids is that of the ids as they are written.
    let behind_id = searched(&folded).filter(|(at, word)| *at > 0 || !id.starts_with(word));
    let mut numbers = Vec::new();
    for (_, word) in behind_name.chain(behind_id) {
        let word = word.as_bytes();
        numbers.push((head(word, 0), label));
        if word.len() > HEAD_BYTES {
            numbers.push((tail(word, 0), label));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sensor;

    fn found(text: &str, id: &str, name: &str) -> bool {
        let record = sensor(id, name);
        SearchText::new(text).is_some_and(|text| text.matches(record.as_sensor().expect("a sensor")))
    }

    #[test]
    fn each_word_begins_a_word_of_the_name_or_the_id() {
        assert!(found("north", "s1", "Greenhouse 17 North"));
        assert!(found("nor green", "s1", "Greenhouse 17 North"), "in whatever order");
        assert!(found("GREEN s1", "S1", "Greenhouse 17 North"), "one in the name, one in the id");
        assert!(!found("north 18", "s1", "Greenhouse 17 North"));
        assert!(!found("house", "s1", "Greenhouse 17 North"), "inside of a word");
        assert!(found("öl <img", "s1", "<img src=x>Öl"));
        assert!(SearchText::new(" -_/ ").is_none());
        let many = "w ".repeat(WORDS_MAX) + "last";
        assert!(!found("last", "s1", &many));
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        assert_eq!(SearchText::new("North  17"), SearchText::new("17/north north"));
        assert_eq!(SearchText::new("Greenhouse 17").expect("words").stem(), "greenh");
        assert_eq!(SearchText::new("ö").expect("words").stem(), "ö");
    }
}
