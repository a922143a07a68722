//! How closely somebody looks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How closely anybody looks at a sensor, or at one of its attributes.
///
/// The order is that of closeness, and the order of the variants is part of the protocol between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Level {
    /// Nobody.
    #[default]
    None,
    /// Somebody did until lately and went without a word: they may come back. Nothing is sent; connectors are told `low`.
    Lingering,
    /// Somebody wants to know now and then.
    Low,
    /// It is in somebody's view.
    Medium,
    /// Somebody hovers over it, focuses it or has pinned it.
    High,
}

impl Level {
    /// All of them, from the least on.
    pub const ALL: [Level; 5] = [Level::None, Level::Lingering, Level::Low, Level::Medium, Level::High];

    /// The word for it towards clients.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Lingering | Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
        }
    }

    /// The level that a client asks for by its word; `none` and what is no level are none of them.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Level> {
        [Level::Low, Level::Medium, Level::High].into_iter().find(|level| level.as_str() == word)
    }

    /// Whether samples are sent for it.
    #[must_use]
    pub fn wants_data(self) -> bool {
        self >= Level::Low
    }

    /// The window for which a connector gathers, before load stretches it.
    pub(crate) fn connector_window(self) -> Duration {
        Duration::from_millis(match self {
            Level::High => 100,
            Level::Medium => 500,
            Level::Low | Level::Lingering => 2_000,
            Level::None => 5_000,
        })
    }

    /// How many samples a connector sends at a time.
    pub(crate) fn batch_size(self) -> u32 {
        match self {
            Level::High => 1,
            Level::Medium => 5,
            Level::Low | Level::Lingering => 10,
            Level::None => 20,
        }
    }

    /// A small number for tables: its place in [`Level::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}
