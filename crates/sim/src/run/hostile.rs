//! A node that speaks nonsense about its own log. It cannot speak for others: the transport would not let it.

use std::rc::Rc;

use sensocto_model::{Generation, Key, Origin, Stamp, Version};
use sensocto_registry::SetHash;
use sensocto_registry::message::{
    self, Ask, Birth, Chunk, Content, Delta, Digest, Message, Part, Piece, Put, Range, Reached, Removal, SetDigest,
    Sets, Want,
};

use super::{Job, Run};
use crate::names::{self, FORGED_FROM};
use crate::network::Class;
use crate::node::Input;
use crate::rng::Rng;

/// The hostile node.
#[derive(Debug)]
pub(super) struct Hostile {
    rng: Rng,
    number: usize,
    generation: u64,
    version: u64,
}

impl Hostile {
    pub(super) fn new(seed: u64, number: usize) -> Hostile {
        Hostile { rng: Rng::new(seed, 4), number, generation: 1, version: 0 }
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin { node: names::node_name(self.number).ok()?, generation: Generation(self.generation) })
    }

    fn key(&mut self) -> Option<(u32, Key)> {
        let entry = FORGED_FROM + u32::try_from(self.rng.below(8)).unwrap_or(0);
        Some((entry, names::record(entry, 0, 0).ok()?.key()))
    }

    fn put(&mut self, version: u64, stamp: Stamp, readable: bool) -> Option<Put> {
        let (entry, key) = self.key()?;
        let body = if readable { names::record(entry, self.rng.bits(), 0).ok()?.encode() } else { vec![0xff; 9] };
        Some(Put { key, version: Version(version), stamp, body: serde_bytes::ByteBuf::from(body) })
    }

    fn sets(&mut self) -> Sets {
        let set = SetDigest { count: self.rng.below(5), hash: SetHash(u128::from(self.rng.bits())) };
        Sets([set; 3])
    }

    fn delta(after: u64, upto: u64, removals: Vec<Removal>, puts: Vec<Put>) -> Message {
        Message::Delta(Delta { after: Version(after), upto: Version(upto), read_at: Version(upto), removals, puts })
    }

    fn digest(&mut self, version: u64, reached: Vec<Reached>) -> Message {
        let sets = if self.rng.chance(500) { Sets::default() } else { self.sets() };
        let reached = Some(reached);
        Message::Digest(Digest { version: Version(version), sets, reached })
    }

    /// Something that it says to everybody. `others` are the origins of the other nodes.
    fn message(&mut self, kind: u64, others: Vec<Origin>) -> Option<Message> {
        let stamp = Stamp { wall_ms: 1_700_000_000_000, counter: 0 };
        let far = Stamp { wall_ms: Stamp::WALL_MS_LIMIT - 1, counter: u32::MAX };
        let version = self.version;
        Some(match kind {
            0 => self.digest(Version::LIMIT.0 - 1, Vec::new()),
            1 => self.digest(u64::MAX, Vec::new()),
            2 => self.digest(version, Vec::new()),
            3 => Hostile::delta(version, Version::LIMIT.0 - 1, Vec::new(), Vec::new()),
            4 => Hostile::delta(version, u64::MAX, Vec::new(), Vec::new()),
            5 => Hostile::delta(version + 5, version + 6, Vec::new(), vec![self.put(version + 6, stamp, true)?]),
            6 => Hostile::delta(version + 3, version, Vec::new(), Vec::new()),
            7 if version.is_multiple_of(2) => {
                let (origin, range) = (self.origin()?, Range { after: None, to: None });
                let content = Content::Pieces(vec![Piece { to: None, set: SetDigest::default() }]);
                let sets = self.sets();
                Message::Part(Part { id: self.rng.below(5), origin, upto: Version(version), sets, range, content })
            }
            7 => {
                let origin = self.origin()?;
                Message::Chunk(Chunk {
                    id: self.rng.below(5),
                    origin,
                    upto: Version(version + 1),
                    sets: self.sets(),
                    number: 0,
                    last: true,
                    moved: vec![],
                    puts: Vec::new(),
                })
            }
            8 if version.is_multiple_of(2) => {
                let never = Stamp { wall_ms: Stamp::WALL_MS_LIMIT, counter: 0 };
                Hostile::delta(version, version + 1, Vec::new(), vec![self.put(version + 1, never, true)?])
            }
            8 => Message::Ask(Ask { id: 1, origin: self.origin()?, want: Want::Whole }),
            9 => {
                let ahead = others.into_iter().map(|origin| Reached { origin, version: Version(1 << 50) }).collect();
                self.digest(version, ahead)
            }
            10 => Hostile::delta(version, version + 1, Vec::new(), vec![self.put(version + 7, stamp, true)?]),
            11 => {
                self.version += 1;
                Hostile::delta(version, version + 1, Vec::new(), vec![self.put(version + 1, far, true)?])
            }
            12 => {
                self.version += 1;
                Hostile::delta(version, version + 1, Vec::new(), vec![self.put(version + 1, stamp, false)?])
            }
            13 => {
                self.generation += 1;
                self.version = 0;
                self.digest(0, Vec::new())
            }
            crate::plan::FORGE_LATER => {
                let later = |origin: Origin| Origin { generation: Generation(origin.generation.0 + 1), ..origin };
                let others: Vec<Origin> = others.into_iter().map(later).collect();
                let births = others.iter().filter(|_| version.is_multiple_of(2));
                let births = births.map(|origin| Birth { origin: origin.clone(), born: Generation(0) }).collect();
                let reached = others.into_iter().map(|origin| Reached { origin, version: Version(0) }).collect();
                let digest = Digest { version: Version(version), sets: Sets::default(), reached: Some(reached) };
                Message::Births(digest, births)
            }
            14 => {
                self.version += 1;
                let removal = Removal { key: self.key()?.1, version: Version(version + 1), moved_to: None };
                Hostile::delta(version, version + 1, vec![removal], Vec::new())
            }
            _ => {
                self.version += 1;
                Hostile::delta(version, version + 1, Vec::new(), vec![self.put(version + 1, stamp, true)?])
            }
        })
    }
}

impl Run<'_> {
    /// The hostile node says something to everybody.
    pub(super) fn forge(&mut self, kind: u64) {
        if !self.plan.setup.hostile {
            return;
        }
        self.points.reach("forged");
        let others = self.nodes.iter().filter_map(|node| node.process.as_ref());
        let others = others.map(|process| Origin::clone(&process.origin)).collect();
        let Some(message) = self.hostile.message(kind, others) else { return };
        let Some(origin) = self.hostile.origin() else { return };
        let (from, generation) = (self.around.hostile, origin.generation.0);
        let frame: Rc<[u8]> = message::encode(&origin, &message).into();
        for to in 0..self.nodes.len() {
            let fate = self.network.send(self.now, from, to, Class::Frame);
            if let Some((at, place)) = fate.first {
                let input = Input::Frame { from, generation, bytes: Rc::clone(&frame), damaged: false };
                self.queue_at(at, Job::Arrive { to, place: Some(place), input });
            }
        }
    }

    /// The hostile node is asked: it says nothing, or something else.
    pub(super) fn ask_the_hostile_node(&mut self, input: &Input) {
        let Input::Ask { from: to, process, id, frame } = input else { return };
        let asked = match message::decode(frame) {
            Ok((_, Message::Ask(ask))) => ask.origin,
            Ok(_) | Err(_) => return,
        };
        self.points.reach("hostile_asked");
        let Some(origin) = self.hostile.origin() else { return };
        let from = self.around.hostile;
        let kind = self.hostile.rng.below(crate::plan::FORGE_KINDS);
        // About the logs of others it says nothing, and lets the asker wait.
        if asked == origin
            && !self.quiet
            && let Some(message) = self.hostile.message(kind, Vec::new())
        {
            let bytes: Rc<[u8]> = message::encode(&origin, &message).into();
            let generation = origin.generation.0;
            let input = Input::AnswerFrame { from, generation, process: *process, id: *id, bytes, damaged: false };
            self.queue_at(self.now + 1_000, Job::Arrive { to: *to, place: None, input });
            let input = Input::AnswerEnd { process: *process, id: *id, complete: kind.is_multiple_of(2) };
            self.queue_at(self.now + 2_000, Job::Arrive { to: *to, place: None, input });
        }
    }
}
