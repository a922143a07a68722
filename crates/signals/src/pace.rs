//! When a reader is due, and what it gets when it is late.
//!
//! The first news after a quiet time is due at once, further ones when the window of their level is over. A reader that is not taken up
//! when it is due is late; how late decides whether it gets samples, digests, or everything anew.

use std::time::Duration;

use crate::{Level, LoadLevel};

/// A reader that is later than this gets digests.
pub const SLOW_AFTER: Duration = Duration::from_millis(500);
/// A reader that is later than this gets the recent samples anew.
const RESYNC_AFTER: Duration = Duration::from_secs(5);
/// The window of a reader that was late.
const SLOW_WINDOW: Duration = Duration::from_secs(1);
/// How often in a row a reader that was late has to be in time before it gets samples again.
const ON_TIME_AGAIN: u8 = 3;

/// The levels for which samples are sent.
const SENT: [Level; 3] = [Level::Low, Level::Medium, Level::High];

/// The windows of the levels. A short one costs messages, a long one freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Of [`Level::High`].
    pub high: Duration,
    /// Of [`Level::Medium`].
    pub medium: Duration,
    /// Of [`Level::Low`].
    pub low: Duration,
}

impl Windows {
    /// Those of clients: together with the way between two nodes they stay below 50 ms and 150 ms.
    pub const CLIENTS: Windows = Windows::of_millis(20, 80, 1_000);
    /// Those between nodes.
    pub const NODES: Windows = Windows::of_millis(5, 10, 250);

    const fn of_millis(high: u64, medium: u64, low: u64) -> Windows {
        Windows {
            high: Duration::from_millis(high),
            medium: Duration::from_millis(medium),
            low: Duration::from_millis(low),
        }
    }

    fn of(&self, level: Level) -> Duration {
        match level {
            Level::High => self.high,
            Level::Medium => self.medium,
            Level::Low | Level::Lingering | Level::None => self.low,
        }
    }
}

/// What a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Samples.
    Batch,
    /// What became of them.
    Digest,
    /// The recent samples anew, in the place of everything before.
    Resync,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    levels: u8,
    mode: Mode,
}

impl Due {
    /// Every level.
    #[must_use]
    pub fn all(mode: Mode) -> Due {
        Due { levels: SENT.iter().fold(0, |levels, level| levels | bit(*level)), mode }
    }

    /// Whether a level is due.
    #[must_use]
    pub fn includes(self, level: Level) -> bool {
        level.wants_data() && self.levels & bit(level) != 0
    }

    /// The levels that are due, as a set of [`Pace::bit`]s.
    #[must_use]
    pub fn levels(self) -> u8 {
        self.levels
    }

    /// What the reader gets.
    #[must_use]
    pub fn mode(self) -> Mode {
        self.mode
    }
}

/// The bit of a level in a set of levels.
fn bit(level: Level) -> u8 {
    1 << level.index()
}

/// The pace of one reader.
#[derive(Debug, Clone)]
pub struct Pace {
    windows: Windows,
    told_at: [Option<Duration>; SENT.len()],
    news_since: [Option<Duration>; SENT.len()],
    /// How often it still has to be in time.
    slow: u8,
}

impl Pace {
    /// A reader that was told nothing yet.
    #[must_use]
    pub fn new(windows: Windows) -> Pace {
        Pace { windows, told_at: [None; SENT.len()], news_since: [None; SENT.len()], slow: 0 }
    }

    /// The bit of a level in what [`Pace::note`] takes; 0 for levels that get nothing.
    #[must_use]
    pub fn bit(level: Level) -> u8 {
        if level.wants_data() { bit(level) } else { 0 }
    }

    /// Notes that there is news for a set of levels.
    pub fn note(&mut self, levels: u8, now: Duration) {
        for (level, since) in SENT.iter().zip(&mut self.news_since) {
            if levels & bit(*level) != 0 {
                since.get_or_insert(now);
            }
        }
    }

    /// Whether it is told digests.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.slow > 0
    }

    fn due_of(&self, index: usize, load: LoadLevel) -> Option<Duration> {
        let since = self.news_since[index]?;
        let window = self.windows.of(SENT[index]).mul_f64(load.multiplier());
        let window = if self.is_slow() { window.max(SLOW_WINDOW) } else { window };
        Some(self.told_at[index].map_or(since, |told_at| since.max(told_at + window)))
    }

    /// When the reader is due.
    #[must_use]
    pub fn due_at(&self, load: LoadLevel) -> Option<Duration> {
        (0..SENT.len()).filter_map(|index| self.due_of(index, load)).min()
    }

    /// What a reader that can be told something now is told; `None` where nothing is due.
    pub fn take(&mut self, now: Duration, load: LoadLevel) -> Option<Due> {
        let mut levels = 0;
        let mut late = Duration::ZERO;
        for (index, level) in SENT.into_iter().enumerate() {
            let Some(due) = self.due_of(index, load).filter(|due| *due <= now) else { continue };
            late = late.max(now - due);
            levels |= bit(level);
            self.told_at[index] = Some(now);
            self.news_since[index] = None;
        }
        if levels == 0 {
            return None;
        }
        if late > RESYNC_AFTER {
            self.slow = ON_TIME_AGAIN;
            return Some(Due { levels: Due::all(Mode::Resync).levels, mode: Mode::Resync });
        }
        if late > SLOW_AFTER {
            self.slow = ON_TIME_AGAIN;
        } else {
            let mode = if self.is_slow() { Mode::Digest } else { Mode::Batch };
            self.slow = self.slow.saturating_sub(1);
            return Some(Due { levels, mode });
        }
        Some(Due { levels, mode: Mode::Digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: u8 = 1 << Level::High as u8;
    const MEDIUM: u8 = 1 << Level::Medium as u8;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pace() -> Pace {
        Pace::new(Windows::CLIENTS)
    }

    #[test]
    fn the_first_news_are_due_at_once_and_the_next_after_the_window() {
        let mut pace = pace();
        pace.note(MEDIUM, ms(1_000));
        assert_eq!(pace.due_at(LoadLevel::Normal), Some(ms(1_000)));
        assert!(pace.take(ms(1_000), LoadLevel::Normal).unwrap().includes(Level::Medium));
        pace.note(MEDIUM, ms(1_010));
        assert_eq!(pace.due_at(LoadLevel::Normal), Some(ms(1_080)));
        assert_eq!(pace.take(ms(1_079), LoadLevel::Normal), None);
        assert_eq!(pace.due_at(LoadLevel::High), Some(ms(1_240)));
    }

    #[test]
    fn levels_do_not_wait_for_each_other() {
        let mut pace = pace();
        pace.note(MEDIUM | HIGH, ms(0));
        assert!(pace.take(ms(0), LoadLevel::Normal).unwrap().includes(Level::High));
        pace.note(MEDIUM | HIGH, ms(1));
        let due = pace.take(ms(20), LoadLevel::Normal).unwrap();
        assert!(due.includes(Level::High) && !due.includes(Level::Medium));
        assert_eq!(pace.due_at(LoadLevel::Normal), Some(ms(80)));
    }

    #[test]
    fn a_late_reader_gets_digests_until_it_was_in_time_three_times() {
        let mut pace = pace();
        pace.note(HIGH, ms(0));
        assert_eq!(pace.take(ms(501), LoadLevel::Normal).unwrap().mode(), Mode::Digest);
        let mut now = 501;
        for _ in 0..3 {
            pace.note(HIGH, ms(now));
            assert_eq!(pace.due_at(LoadLevel::Normal), Some(ms(now + 1_000)));
            now += 1_000;
            assert_eq!(pace.take(ms(now), LoadLevel::Normal).unwrap().mode(), Mode::Digest);
        }
        pace.note(HIGH, ms(now));
        assert_eq!(pace.take(ms(now + 20), LoadLevel::Normal).unwrap().mode(), Mode::Batch);
    }

    #[test]
    fn a_very_late_reader_gets_everything_anew() {
        let mut pace = pace();
        pace.note(HIGH, ms(0));
        let due = pace.take(ms(5_001), LoadLevel::Normal).unwrap();
        assert_eq!(due.mode(), Mode::Resync);
        assert!(due.includes(Level::Low) && due.includes(Level::High));
    }
}
