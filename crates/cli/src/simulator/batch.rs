//! When a sensor sends what it has measured: as its node recommends.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

/// A recommendation beyond this would only fill memory, and a frame would grow past what nodes take.
const SIZE_MAX: usize = 100;

/// A sensor that is told to wait longer than this would look as if it were gone.
const WINDOW_MAX: Duration = Duration::from_secs(30);

/// The part of a `backpressure_config` that a sensor acts on.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Recommendation {
    recommended_batch_window: u64,
    recommended_batch_size: u64,
    #[serde(default)]
    paused: bool,
}

/// Measurements that wait to be sent. What a paused sensor measures is dropped but for the newest, which is what anybody
/// would want to see first.
#[derive(Debug)]
pub(crate) struct Batch {
    window: Duration,
    size: usize,
    paused: bool,
    waiting: Vec<Value>,
    since: Option<Instant>,
}

impl Batch {
    /// What holds until the node has recommended something.
    pub(crate) fn new() -> Self {
        Self { window: Duration::from_secs(1), size: 5, paused: false, waiting: Vec::new(), since: None }
    }

    pub(crate) fn follow(&mut self, recommendation: Recommendation) {
        let Recommendation { recommended_batch_window, recommended_batch_size, paused } = recommendation;
        self.window = Duration::from_millis(recommended_batch_window).min(WINDOW_MAX);
        self.size = usize::try_from(recommended_batch_size).unwrap_or(SIZE_MAX).clamp(1, SIZE_MAX);
        self.paused = paused;
    }

    pub(crate) fn push(&mut self, measurement: Value, now: Instant) {
        if self.paused {
            self.waiting.retain(|older| older.get("attribute_id") != measurement.get("attribute_id"));
        }
        self.waiting.push(measurement);
        self.since.get_or_insert(now);
    }

    /// When what waits has to be sent at the latest.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.since.filter(|_| !self.paused).map(|since| since + self.window)
    }

    /// What is to be sent at `now`, if anything.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Vec<Value>> {
        let since = self.since?;
        let due = self.waiting.len() >= self.size || now.saturating_duration_since(since) >= self.window;
        if self.paused || !due {
            return None;
        }
        self.since = None;
        Some(std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recommend(window: u64, size: u64, paused: bool) -> Recommendation {
        Recommendation { recommended_batch_window: window, recommended_batch_size: size, paused }
    }

    #[test]
    fn a_batch_is_sent_when_it_is_full_or_old() {
        let start = Instant::now();
        let mut batch = Batch::new();
        batch.follow(recommend(5_000, 2, false));
        batch.push(json!({"attribute_id": "a"}), start);
        assert_eq!(batch.take_due(start), None);
        batch.push(json!({"attribute_id": "b"}), start);
        assert_eq!(batch.take_due(start).map(|sent| sent.len()), Some(2), "full");
        batch.push(json!({"attribute_id": "a"}), start);
        assert_eq!(batch.due_at(), Some(start + Duration::from_secs(5)));
        assert_eq!(batch.take_due(start + Duration::from_millis(4_999)), None);
        assert_eq!(batch.take_due(start + Duration::from_secs(5)).map(|sent| sent.len()), Some(1), "old");
        assert_eq!(batch.take_due(start + Duration::from_secs(60)), None, "empty");
    }

    #[test]
    fn a_paused_sensor_sends_nothing_and_then_only_the_newest() {
        let start = Instant::now();
        let mut batch = Batch::new();
        batch.follow(recommend(100, 1, true));
        for value in 0..50 {
            batch.push(json!({"attribute_id": "a", "payload": value}), start);
        }
        let later = start + Duration::from_secs(60);
        assert_eq!((batch.take_due(later), batch.due_at()), (None, None));
        batch.follow(recommend(100, 1, false));
        assert_eq!(batch.take_due(later), Some(vec![json!({"attribute_id": "a", "payload": 49})]));
    }

    #[test]
    fn a_senseless_recommendation_is_bounded() {
        let mut batch = Batch::new();
        batch.follow(recommend(u64::MAX, 0, false));
        assert_eq!((batch.size, batch.window), (1, WINDOW_MAX));
        batch.follow(recommend(0, u64::MAX, false));
        assert_eq!(batch.size, SIZE_MAX);
    }
}
