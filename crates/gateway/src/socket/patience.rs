//! How long a client may say nothing, and how long it may take nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::CloseCause;
use crate::limits::Limits;

/// The patience with one client: told what happens and what time it is, it says when it is over.
#[derive(Debug)]
pub(super) struct Patience {
    silent: Duration,
    undrained: Duration,
    heard_at: Instant,
    drained_at: Instant,
}

impl Patience {
    pub(super) fn new(limits: &Limits, now: Instant) -> Patience {
        Patience { silent: limits.silent, undrained: limits.undrained, heard_at: now, drained_at: now }
    }

    /// Something came from the client, be it a pong.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The client took something, or there was nothing for it to take.
    pub(super) fn drained(&mut self, now: Instant) {
        self.drained_at = now;
    }

    /// Why it is over. A client that takes nothing is not read either once its replies wait: that is its own doing, and said so.
    pub(super) fn is_over(&self, now: Instant) -> Option<CloseCause> {
        if now.duration_since(self.drained_at) > self.undrained {
            return Some(CloseCause::Undrained);
        }
        (now.duration_since(self.heard_at) > self.silent).then_some(CloseCause::Silent)
    }

    /// The longest time after which it has to be looked at again.
    pub(super) fn look_every(&self) -> Duration {
        self.silent.min(self.undrained) / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_given_up_after_a_minute_of_silence_or_half_a_minute_of_taking_nothing() {
        let limits = Limits::default();
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let mut patience = Patience::new(&limits, began);
        patience.drained(at(59));
        assert_eq!(patience.is_over(at(60)), None);
        patience.heard(at(60));
        patience.drained(at(119));
        assert_eq!(patience.is_over(at(120)), None);
        assert_eq!(patience.is_over(at(121)), Some(CloseCause::Silent));
        patience.heard(at(121));
        patience.drained(at(121));
        assert_eq!(patience.is_over(at(151)), None);
        patience.heard(at(152));
        assert_eq!(patience.is_over(at(152)), Some(CloseCause::Undrained), "it talks, and takes nothing");
        assert_eq!((CloseCause::Silent.code(), CloseCause::Undrained.code()), (1012, 1012));
    }
}
