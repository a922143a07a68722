//! The network: what becomes of a packet is drawn when it is sent.
//!
//! Two models. As *datagrams*, packets are lost, doubled, and overtake each other. As *streams*, they keep their order on each link;
//! when a connection ends, an unknown number of the last ones is lost. In both, a sender may drop frames when a link is full.

use crate::plan::Rates;
use crate::rng::Rng;

/// Where a packet is on its link: a connection that ended loses those after some place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    from: usize,
    to: usize,
    epoch: u32,
    number: u64,
}

#[derive(Debug, Clone, Default)]
struct Link {
    cut: bool,
    epoch: u32,
    sent: u64,
    arrived: u64,
    /// Of the connection before this one, packets up to here arrive.
    before: u64,
    last_at: u64,
}

/// What kind of packet it is: some are lost in other ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Frame,
    Ask,
    Answer,
}

/// What becomes of a packet: up to two copies, with their times in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fate {
    pub(crate) first: Option<(u64, Place)>,
    pub(crate) second: Option<(u64, Place)>,
    pub(crate) damaged: bool,
}

/// The links between nodes.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) rng: Rng,
    pub(crate) rates: Rates,
    streams: bool,
    nodes: usize,
    links: Vec<Link>,
}

impl Network {
    pub(crate) fn new(seed: u64, nodes: usize, streams: bool, rates: Rates) -> Network {
        Network { rng: Rng::new(seed, 2), rates, streams, nodes, links: vec![Link::default(); nodes * nodes] }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.nodes + to]
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.links[from * self.nodes + to].cut
    }

    /// Sends nothing more from one node to another; returns whether it did before.
    pub(crate) fn cut(&mut self, from: usize, to: usize) -> bool {
        let was = !self.is_cut(from, to);
        self.end_connection(from, to);
        self.link(from, to).cut = true;
        was
    }

    /// Loses an unknown number of the packets that are on their way.
    pub(crate) fn end_connection(&mut self, from: usize, to: usize) {
        let (arrived, sent) = (self.link(from, to).arrived, self.link(from, to).sent);
        let before = self.rng.between(arrived, sent);
        let link = self.link(from, to);
        link.epoch += 1;
        link.before = before;
    }

    /// Sends again; returns whether it did not.
    pub(crate) fn mend(&mut self, from: usize, to: usize) -> bool {
        std::mem::take(&mut self.link(from, to).cut)
    }

    fn delay_us(&mut self) -> u64 {
        let rates = self.rates;
        // A little that differs from packet to packet, as real ones do.
        self.rng.between(rates.delay_min_ms, rates.delay_max_ms) * 1_000 + self.rng.between(20, 120)
    }

    fn place(&mut self, at: u64, from: usize, to: usize) -> (u64, Place) {
        let streams = self.streams;
        let link = self.link(from, to);
        link.sent += 1;
        let at = if streams { at.max(link.last_at + 1) } else { at };
        link.last_at = link.last_at.max(at);
        (at, Place { from, to, epoch: link.epoch, number: link.sent })
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, now: u64, from: usize, to: usize, class: Class) -> Fate {
        let mut fate = Fate::default();
        let loss = match class {
            Class::Frame => self.rates.loss,
            Class::Ask => self.rates.ask_loss,
            Class::Answer => 0,
        };
        if self.is_cut(from, to) || (loss > 0 && self.rng.chance(loss)) {
            return fate;
        }
        let rates = self.rates;
        fate.damaged = rates.damage > 0 && self.rng.chance(rates.damage);
        let at = now + self.delay_us();
        fate.first = Some(self.place(at, from, to));
        if class == Class::Frame && !self.streams && rates.duplicate > 0 && self.rng.chance(rates.duplicate) {
            let at = now + self.delay_us();
            fate.second = Some(self.place(at, from, to));
        }
        fate
    }

    /// Whether a packet arrives that was not lost when it was sent.
    pub(crate) fn arrives(&mut self, place: Place) -> bool {
        if !self.streams {
            return true;
        }
        let link = self.link(place.from, place.to);
        let arrives = place.epoch == link.epoch || (place.epoch + 1 == link.epoch && place.number <= link.before);
        if arrives {
            link.arrived = link.arrived.max(place.number);
        }
        arrives
    }

    /// Damages a frame: from one bit to 64 bytes, or its end is missing.
    pub(crate) fn damage(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut bytes = frame.to_vec();
        if self.rng.chance(200) {
            bytes.truncate(self.rng.index(bytes.len()));
            return bytes;
        }
        let count = if self.rng.chance(500) { 1 } else { self.rng.between(1, 64) };
        for _ in 0..count {
            let at = self.rng.index(bytes.len());
            let bit = 1_u8 << self.rng.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
        bytes
    }
}
