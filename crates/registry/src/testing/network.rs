//! The network between the nodes of a test: loss, duplicates, delay with overtaking, and one-way cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sensocto_model::NodeName;

use super::{Rng, ms};

/// Something on its way.
#[derive(Debug, Clone)]
pub(crate) enum Packet {
    /// A frame that was published.
    Frame(Vec<u8>),
    /// A frame of the answer to a question; the generation that asked has to be there still.
    AnswerFrame { generation: u64, id: u64, bytes: Vec<u8> },
    /// A question.
    Ask { from: NodeName, generation: u64, id: u64, frame: Vec<u8> },
    /// The end of an answer.
    AnswerEnd { generation: u64, id: u64, complete: bool },
}

/// Faults are in 1,000 cases; delays in milliseconds.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) rng: Rng,
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) delay_min: u64,
    pub(crate) delay_max: u64,
    /// How often an answer is cut in the middle.
    pub(crate) answer_cut: u64,
    cuts: BTreeSet<(NodeName, NodeName)>,
    in_flight: BTreeMap<(Duration, u64), (NodeName, Packet)>,
    sequence: u64,
    /// Frames that were published, times the nodes that they went to.
    pub(crate) frames: u64,
    /// Bytes of answers.
    pub(crate) answer_bytes: u64,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Network {
        Network {
            rng: Rng::new(seed),
            loss: 0,
            duplicate: 0,
            delay_min: 1,
            delay_max: 1,
            answer_cut: 0,
            cuts: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            sequence: 0,
            frames: 0,
            answer_bytes: 0,
        }
    }

    /// Makes every fault but the cuts go away, or come back.
    pub(crate) fn set_faults(&mut self, loss: u64, duplicate: u64, delay_max: u64, answer_cut: u64) {
        (self.loss, self.duplicate, self.delay_max, self.answer_cut) = (loss, duplicate, delay_max, answer_cut);
    }

    pub(crate) fn cut(&mut self, from: &NodeName, to: &NodeName) {
        self.cuts.insert((from.clone(), to.clone()));
    }

    pub(crate) fn mend(&mut self, from: &NodeName, to: &NodeName) {
        self.cuts.remove(&(from.clone(), to.clone()));
    }

    pub(crate) fn is_cut(&self, from: &NodeName, to: &NodeName) -> bool {
        self.cuts.contains(&(from.clone(), to.clone()))
    }

    fn put_at(&mut self, time: Duration, to: &NodeName, packet: Packet) {
        self.sequence += 1;
        self.in_flight.insert((time, self.sequence), (to.clone(), packet));
    }

    fn delay(&mut self) -> Duration {
        let spread = self.delay_max.saturating_sub(self.delay_min);
        ms(self.delay_min + self.rng.below(spread + 1))
    }

    /// A frame that may be lost, doubled or overtaken.
    pub(crate) fn send_frame(&mut self, now: Duration, from: &NodeName, to: &NodeName, frame: &[u8]) {
        self.frames += 1;
        if self.is_cut(from, to) || self.rng.chance(self.loss) {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(self.duplicate));
        for _ in 0..copies {
            let time = now + self.delay();
            self.put_at(time, to, Packet::Frame(frame.to_vec()));
        }
    }

    /// A question: it arrives or it does not.
    pub(crate) fn send_ask(&mut self, now: Duration, to: &NodeName, packet: Packet) {
        let from = match &packet {
            Packet::Ask { from, .. } => from.clone(),
            Packet::Frame(_) | Packet::AnswerFrame { .. } | Packet::AnswerEnd { .. } => return,
        };
        if !self.is_cut(&from, to) && !self.rng.chance(self.loss) {
            let time = now + self.delay();
            self.put_at(time, to, packet);
        }
    }

    /// The frames of an answer in their order, perhaps cut in the middle, and its end.
    pub(crate) fn send_answer(
        &mut self,
        now: Duration,
        (from, to): (&NodeName, &NodeName),
        (generation, id): (u64, u64),
        frames: impl Iterator<Item = Vec<u8>>,
    ) {
        if self.is_cut(from, to) {
            return;
        }
        let cut = self.rng.chance(self.answer_cut).then(|| self.rng.below(4));
        let mut time = now;
        let mut complete = true;
        for (number, bytes) in frames.enumerate() {
            if cut == Some(number as u64) {
                complete = false;
                break;
            }
            self.answer_bytes += bytes.len() as u64;
            time += self.delay();
            self.put_at(time, to, Packet::AnswerFrame { generation, id, bytes });
        }
        time += self.delay();
        self.put_at(time, to, Packet::AnswerEnd { generation, id, complete });
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.in_flight.keys().next().map(|(time, _)| *time)
    }

    /// The next packet that has arrived by `now`.
    pub(crate) fn arrived(&mut self, now: Duration) -> Option<(NodeName, Packet)> {
        let first = self.in_flight.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
