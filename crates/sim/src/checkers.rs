//! What must hold: after each step, and when faults have ended.

pub(crate) mod copies;
pub(crate) mod events;
pub(crate) mod limits;
pub(crate) mod quiet;

use std::fmt;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The rule.
    pub check: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Failure {
    pub(crate) fn new(check: &'static str, detail: String) -> Failure {
        Failure { check, detail }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.check, self.detail)
    }
}

/// What a checker returns.
pub(crate) type Checked = Result<(), Failure>;

/// Fails where `holds` is false.
pub(crate) fn ensure(holds: bool, check: &'static str, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Failure::new(check, detail())) }
}
