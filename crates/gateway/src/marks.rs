//! Marks that clients ask for: an answer has to have seen certain writes, or it is none.

use std::time::Duration;

use sensocto_node::{FieldError, MARK_ALLOWED, Mark, parse_mark};

/// Marks that one request may wait for.
pub(crate) const MARKS_MAX: usize = 16;
/// Longest wait.
pub(crate) const TIMEOUT_MS_MAX: u64 = 10_000;
/// The wait where the request does not say.
pub(crate) const TIMEOUT_MS_DEFAULT: u64 = 2_000;

/// What has to have been seen, and how long to wait for it.
#[derive(Debug, Clone)]
pub(crate) struct AtLeast {
    pub(crate) marks: Vec<Mark>,
    pub(crate) timeout: Duration,
}

/// Reads texts, each of marks joined by commas.
pub(crate) fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Mark>, FieldError> {
    let marks = texts.into_iter().flat_map(|text| text.split(',')).map(|text| parse_mark(text.trim()));
    let marks = marks.take(MARKS_MAX + 1).collect::<Result<Vec<_>, _>>()?;
    if marks.len() > MARKS_MAX {
        return Err(FieldError { field: "at_least", allowed: "at most 16 marks, joined by commas" });
    }
    Ok(marks)
}

/// What a mark may be, for one that was given by nobody.
pub(crate) const FUTURE_ALLOWED: &str = "marks that a node gave: this one was given by nobody yet";
/// What a mark may be.
pub(crate) const ALLOWED: &str = MARK_ALLOWED;
