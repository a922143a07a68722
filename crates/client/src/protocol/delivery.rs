//! The queue to the reader of one channel.

use tokio::sync::mpsc;

use crate::ChannelEvent;

/// A bounded queue that never blocks the background task.
///
/// The last place is kept for [`ChannelEvent::Lagged`]. Once it is taken, events are dropped until the reader has emptied
/// half of the queue; so there is exactly one `Lagged` at the place of each gap, and the reader meets it when it gets there.
#[derive(Debug)]
pub(super) struct Delivery {
    events: mpsc::Sender<ChannelEvent>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// `Lagged` is queued, and what comes is dropped.
    Dropping,
}

impl Delivery {
    pub(super) fn new(events: mpsc::Sender<ChannelEvent>) -> Self {
        Self { events, state: State::Flowing }
    }

    /// Queues an event, or drops it if the reader is too slow.
    pub(super) fn deliver(&mut self, event: ChannelEvent) {
        if self.state == State::Dropping && self.events.capacity() >= self.events.max_capacity() / 2 {
            self.state = State::Flowing;
        }
        match (self.state, self.events.capacity()) {
            (State::Dropping, _) => {}
            (State::Flowing, 0 | 1) => {
                self.state = State::Dropping;
                // A failure means that the reader is gone, which the caller asks for itself.
                let _ = self.events.try_send(ChannelEvent::Lagged);
            }
            (State::Flowing, _) => {
                let _ = self.events.try_send(event);
            }
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> ChannelEvent {
        ChannelEvent::Binary { event: number.to_string(), bytes: Vec::new() }
    }

    fn read(events: &mut mpsc::Receiver<ChannelEvent>) -> Option<String> {
        match events.try_recv() {
            Ok(ChannelEvent::Binary { event, .. }) => Some(event),
            Ok(event) => Some(format!("{event:?}")),
            Err(_) => None,
        }
    }

    #[test]
    fn a_slow_reader_meets_one_lagged_at_each_gap() {
        let (sender, mut events) = mpsc::channel(4);
        let mut delivery = Delivery::new(sender);
        (0..6).for_each(|number| delivery.deliver(message(number)));
        assert_eq!(read(&mut events).as_deref(), Some("0"));
        delivery.deliver(message(6));
        assert_eq!(read(&mut events).as_deref(), Some("1"));
        delivery.deliver(message(7));
        let rest: Vec<_> = std::iter::from_fn(|| read(&mut events)).collect();
        assert_eq!(rest, ["2", "Lagged", "7"]);
        delivery.deliver(message(8));
        assert_eq!(read(&mut events).as_deref(), Some("8"));
    }

    #[test]
    fn a_dropped_reader_is_noticed() {
        let (sender, events) = mpsc::channel(4);
        let mut delivery = Delivery::new(sender);
        assert!(!delivery.is_abandoned());
        drop(events);
        delivery.deliver(message(0));
        assert!(delivery.is_abandoned());
    }
}
