//! Texts that many records say alike, kept once.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::attribute::Attributes;

/// Below this many texts nothing is swept.
const SWEEP_FIRST: usize = 4_096;

/// Keeps one copy of each text, and of each set of attributes, for all records of one node.
///
/// It finds by hash and compares: two texts with one hash only means that the later one is not shared. What no record uses any more is
/// swept whenever the number of texts has doubled, so it never holds more than twice what is in use, or [`SWEEP_FIRST`].
#[derive(Debug, Clone, Default)]
pub struct Interner {
    texts: BTreeMap<u64, Arc<str>>,
    attributes: BTreeMap<u64, (Box<[u8]>, Attributes)>,
    sweep_at: usize,
}

impl Interner {
    /// The text, shared with all who said it before.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        let hash = xxh3_64(text.as_bytes());
        if let Some(known) = self.texts.get(&hash) {
            return if **known == *text { Arc::clone(known) } else { Arc::from(text) };
        }
        self.sweep();
        let shared: Arc<str> = Arc::from(text);
        self.texts.insert(hash, Arc::clone(&shared));
        shared
    }

    /// The attributes that some bytes stand for, shared with all who said the same before; `None` where the bytes are none.
    pub(crate) fn attributes(&mut self, bytes: &[u8]) -> Option<Attributes> {
        let hash = xxh3_64(bytes);
        if let Some((known, attributes)) = self.attributes.get(&hash)
            && **known == *bytes
        {
            return Some(attributes.clone());
        }
        let attributes = Attributes::decode(bytes, |text| self.text(text))?;
        self.sweep();
        self.attributes.insert(hash, (Box::from(bytes), attributes.clone()));
        Some(attributes)
    }

    fn sweep(&mut self) {
        if self.texts.len() + self.attributes.len() < self.sweep_at.max(SWEEP_FIRST) {
            return;
        }
        self.attributes.retain(|_, (_, attributes)| attributes.is_shared());
        self.texts.retain(|_, text| Arc::strong_count(text) > 1);
        self.sweep_at = 2 * (self.texts.len() + self.attributes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_kept_once_and_forgotten_when_nobody_uses_it() {
        let mut interner = Interner::default();
        let one = interner.text("temperature");
        assert!(Arc::ptr_eq(&one, &interner.text("temperature")));
        for number in 0..3 * SWEEP_FIRST {
            interner.text(&number.to_string());
        }
        assert!(interner.texts.len() <= SWEEP_FIRST);
        assert!(Arc::ptr_eq(&one, &interner.text("temperature")));
    }
}
