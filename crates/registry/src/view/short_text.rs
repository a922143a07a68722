//! Texts as keys of the large maps: compared and copied without following a pointer where they are short.
//!
//! A node of a persistent map is copied when one of its lines changes after a snapshot. Were its keys pointers, each copy would
//! touch the reference count of every neighbour, and each comparison would wait for memory.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use equivalent::{Comparable, Equivalent};

/// Bytes that are kept in place.
const INLINE_BYTES: usize = 22;
/// Bytes of a longer text that are kept in place, for comparisons.
const HEAD_BYTES: usize = 7;

/// A text of any length in 24 bytes.
#[derive(Clone)]
pub(crate) enum ShortText {
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    Long { head: [u8; HEAD_BYTES], text: Arc<[u8]> },
}

impl ShortText {
    pub(crate) fn new(text: &str) -> ShortText {
        let text = text.as_bytes();
        if text.len() <= INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            bytes[..text.len()].copy_from_slice(text);
            // At most INLINE_BYTES.
            ShortText::Inline { length: text.len() as u8, bytes }
        } else {
            let mut head = [0; HEAD_BYTES];
            head.copy_from_slice(&text[..HEAD_BYTES]);
            ShortText::Long { head, text: Arc::from(text) }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            ShortText::Inline { length, bytes } => &bytes[..usize::from(*length)],
            ShortText::Long { text, .. } => text,
        }
    }

    pub(crate) fn to_text(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        self.as_bytes().starts_with(prefix.as_bytes())
    }

    /// The bytes behind the texts that are too long to be kept in place.
    #[cfg(test)]
    pub(crate) fn is_inline(&self) -> bool {
        matches!(self, ShortText::Inline { .. })
    }
}

impl Ord for ShortText {
    fn cmp(&self, other: &ShortText) -> Ordering {
        match (self, other) {
            // Zeros fill the rest: where the padded bytes are equal, the shorter text comes first.
            (ShortText::Inline { length, bytes }, ShortText::Inline { length: other_length, bytes: other_bytes }) => {
                bytes.cmp(other_bytes).then(length.cmp(other_length))
            }
            (ShortText::Long { head, text }, ShortText::Long { head: other_head, text: other_text }) => {
                head.cmp(other_head).then_with(|| text.cmp(other_text))
            }
            (ShortText::Inline { .. }, ShortText::Long { .. }) | (ShortText::Long { .. }, ShortText::Inline { .. }) => {
                self.as_bytes().cmp(other.as_bytes())
            }
        }
    }
}

impl PartialOrd for ShortText {
    fn partial_cmp(&self, other: &ShortText) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ShortText {
    fn eq(&self, other: &ShortText) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ShortText {}

impl fmt::Debug for ShortText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.to_text())
    }
}

/// A text to look for, without a copy of it.
pub(crate) struct Sought<'a>(pub(crate) &'a str);

impl Equivalent<ShortText> for Sought<'_> {
    fn equivalent(&self, key: &ShortText) -> bool {
        self.0.as_bytes() == key.as_bytes()
    }
}

impl Comparable<ShortText> for Sought<'_> {
    fn compare(&self, key: &ShortText) -> Ordering {
        self.0.as_bytes().cmp(key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_three_words() {
        assert_eq!(size_of::<ShortText>(), 24);
        assert!(ShortText::new("0123456789012345678901").is_inline());
        assert!(!ShortText::new("01234567890123456789012").is_inline());
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_texts(a in "[\0a-cö]{0,30}", b in "[\0a-cö]{0,30}") {
            let (short_a, short_b) = (ShortText::new(&a), ShortText::new(&b));
            prop_assert_eq!(short_a.cmp(&short_b), a.cmp(&b));
            prop_assert_eq!(Sought(&a).compare(&short_b), a.cmp(&b));
            prop_assert_eq!(Sought(&a).equivalent(&short_b), a == b);
            prop_assert_eq!(short_a.to_text(), a);
        }
    }
}
