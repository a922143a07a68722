//! What is true: a naive second implementation of the registry, without deltas, digests or copies.
//!
//! It notes what each origin wrote, in order, and which registrations clients hold. Everything that a node shows is held against it.

use std::collections::{BTreeMap, BTreeSet};

use sensocto_model::{Kind, Record, Stamp};

use crate::names::kind_of;

/// Within this time a registration may not have reached everybody in a calm network, in microseconds.
const UNHEARD: u64 = 1_000_000;

/// A start of a node: its number and its generation.
pub(crate) type OriginId = (usize, u64);

/// Where a process runs, and what it is to the others.
pub(crate) type Writer = (usize, OriginId);

/// What an origin wrote.
#[derive(Debug, Clone)]
pub(crate) enum Wrote {
    /// A registration, or a change of its facts.
    Put { stamp: Stamp, record: Record },
    /// Its client took it out.
    Removed,
    /// It was given up to another node.
    Moved,
}

/// One line that an origin wrote.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) entry: u32,
    pub(crate) at: u64,
    pub(crate) wrote: Wrote,
}

/// Everything that one origin ever wrote; the version of a line is its place, from 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    ops: Vec<Op>,
    counts: Vec<[u64; 3]>,
    by_entry: BTreeMap<u32, Vec<u64>>,
}

impl Written {
    pub(crate) fn version(&self) -> u64 {
        self.ops.len() as u64
    }

    /// The line of a version.
    pub(crate) fn op(&self, version: u64) -> Option<&Op> {
        self.ops.get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    /// The last line about an entry at or before a version.
    pub(crate) fn last(&self, entry: u32, version: u64) -> Option<(u64, &Op)> {
        let versions = self.by_entry.get(&entry)?;
        let at = versions.partition_point(|other| *other <= version).checked_sub(1)?;
        Some((versions[at], self.op(versions[at])?))
    }

    /// The first removal of an entry after a version.
    pub(crate) fn removal_after(&self, entry: u32, version: u64) -> Option<&Op> {
        let versions = self.by_entry.get(&entry)?;
        let from = versions.partition_point(|other| *other <= version);
        versions[from..].iter().filter_map(|at| self.op(*at)).find(|op| !matches!(op.wrote, Wrote::Put { .. }))
    }

    pub(crate) fn has(&self, entry: u32) -> bool {
        self.by_entry.contains_key(&entry)
    }

    /// How many entries of each kind it held at a version.
    pub(crate) fn counts(&self, version: u64) -> Option<[u64; 3]> {
        match version.checked_sub(1) {
            None => Some([0; 3]),
            Some(before) => self.counts.get(usize::try_from(before).ok()?).copied(),
        }
    }

    fn push(&mut self, op: Op) {
        let mut counts = self.counts.last().copied().unwrap_or_default();
        let held = self.last(op.entry, u64::MAX).is_some_and(|(_, last)| matches!(last.wrote, Wrote::Put { .. }));
        let holds = matches!(op.wrote, Wrote::Put { .. });
        let count = &mut counts[index(kind_of(op.entry))];
        *count = *count + u64::from(holds) - u64::from(held);
        self.counts.push(counts);
        self.by_entry.entry(op.entry).or_default().push(self.ops.len() as u64 + 1);
        self.ops.push(op);
    }
}

/// The place of a kind in tables by kind.
pub(crate) fn index(kind: Kind) -> usize {
    Kind::ALL.iter().position(|other| *other == kind).unwrap_or(0)
}

/// What is known of an entry in the whole world.
#[derive(Debug, Clone, Default)]
struct Presence {
    /// The last moment at which nobody held it though somebody had: viewers may have seen it leave.
    gap_at: Option<u64>,
    /// Since when nobody holds it because its node crashed.
    down_since: Option<u64>,
    /// When somebody held it again after such a crash, and since when nobody had.
    back: Option<(u64, u64)>,
    /// When a node that held it crashed last.
    crashed_at: Option<u64>,
}

/// A registration that a client holds.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    pub(crate) stamp: Stamp,
    pub(crate) version: u64,
    pub(crate) record: Record,
}

/// The truth.
#[derive(Debug, Default)]
pub(crate) struct Model {
    written: BTreeMap<OriginId, Written>,
    /// By entry, and by the place where the client's process runs.
    holdings: BTreeMap<(u32, usize), Holding>,
    presences: BTreeMap<u32, Presence>,
    hollowed: BTreeSet<OriginId>,
    nothing: Written,
}

impl Model {
    /// What an origin wrote; nothing where there is no such origin.
    pub(crate) fn written(&self, origin: OriginId) -> &Written {
        self.written.get(&origin).unwrap_or(&self.nothing)
    }

    /// A delta of an origin lost its lines on the way: copies of its log may be wrong until they are mended, and so may copies of those.
    pub(crate) fn hollowed(&mut self, origin: OriginId) {
        self.hollowed.insert(origin);
    }

    /// Whether every copy of an origin's log is to be right at each step, and not only in the end.
    pub(crate) fn is_sound(&self, origin: OriginId) -> bool {
        !self.hollowed.contains(&origin)
    }

    /// Whether a later generation of the node wrote about an entry.
    pub(crate) fn wrote_later(&self, (node, generation): OriginId, entry: u32) -> bool {
        self.written.range((node, generation + 1)..(node + 1, 0)).any(|(_, written)| written.has(entry))
    }

    pub(crate) fn holding(&self, node: usize, entry: u32) -> Option<&Holding> {
        self.holdings.get(&(entry, node))
    }

    /// The entries that a node's clients hold.
    pub(crate) fn held_by(&self, node: usize) -> Vec<u32> {
        self.holdings.keys().filter(|(_, holder)| *holder == node).map(|(entry, _)| *entry).collect()
    }

    /// A client's registration or change.
    pub(crate) fn put(&mut self, by: Writer, entry: u32, stamp: Stamp, record: Record, now: u64, grace: u64) {
        let (place, origin) = by;
        let written = self.written.entry(origin).or_default();
        written.push(Op { entry, at: now, wrote: Wrote::Put { stamp, record: record.clone() } });
        let version = written.version();
        self.holdings.insert((entry, place), Holding { stamp, version, record });
        let presence = self.presences.entry(entry).or_default();
        if let Some(since) = presence.down_since.take() {
            presence.back = Some((now, since));
            if now >= since.saturating_add(grace) {
                presence.gap_at = Some(now);
            }
        }
    }

    /// A client took its entry out.
    pub(crate) fn removed(&mut self, (place, origin): Writer, entry: u32, now: u64) {
        self.written.entry(origin).or_default().push(Op { entry, at: now, wrote: Wrote::Removed });
        self.holdings.remove(&(entry, place));
        // Whoever does not know of another holder yet sees it leave, whether there is one or not.
        self.presences.entry(entry).or_default().gap_at = Some(now);
    }

    /// A node gave an entry up; `false` where it did not hold it by that registration.
    pub(crate) fn moved(&mut self, (place, origin): Writer, entry: u32, stamp: Stamp, now: u64) -> bool {
        let held = self.holdings.get(&(entry, place)).is_some_and(|holding| holding.stamp == stamp);
        if held {
            self.written.entry(origin).or_default().push(Op { entry, at: now, wrote: Wrote::Moved });
            self.holdings.remove(&(entry, place));
            let nobody = self.holders(entry).next().is_none();
            let presence = self.presences.entry(entry).or_default();
            if nobody {
                // It was given up to a client that had gone by then, or whose node had: those who see it late see it leave.
                presence.gap_at = Some(now);
            }
        }
        held
    }

    /// A process goes on under a later generation: its log goes on as it is.
    pub(crate) fn renewed(&mut self, from: OriginId, to: OriginId) {
        let written = self.written(from).clone();
        self.written.insert(to, written);
    }

    /// A process ended: returns the entries whose clients it threw out.
    pub(crate) fn crashed(&mut self, node: usize, now: u64) -> Vec<u32> {
        let lost = self.held_by(node);
        for entry in &lost {
            self.holdings.remove(&(*entry, node));
            let nobody = self.holders(*entry).next().is_none();
            let presence = self.presences.entry(*entry).or_default();
            presence.crashed_at = Some(now);
            if nobody {
                // A registration that its node took with it before anybody heard of it ended no absence.
                let unheard = presence.back.filter(|(back, _)| now < back + UNHEARD);
                presence.down_since = Some(unheard.map_or(now, |(_, since)| since));
            }
        }
        lost
    }

    fn holders(&self, entry: u32) -> impl Iterator<Item = (usize, &Holding)> {
        self.holdings.range((entry, 0)..(entry + 1, 0)).map(|((_, node), holding)| (*node, holding))
    }

    /// Whether a node that held an entry crashed after `since`: who has not seen it there sees the entry leave its node before.
    pub(crate) fn crashed_since(&self, entry: u32, since: u64) -> bool {
        self.presences.get(&entry).and_then(|presence| presence.crashed_at).is_some_and(|at| at >= since)
    }

    /// Whether viewers may have seen an entry leave after it was written at `since`.
    pub(crate) fn may_have_left(&self, entry: u32, since: u64, now: u64, grace: u64) -> bool {
        self.presences.get(&entry).is_some_and(|presence| {
            presence.gap_at.is_some_and(|gap_at| gap_at >= since)
                || presence.down_since.is_some_and(|down_since| now >= down_since + grace)
        })
    }

    /// The world as it should be seen everywhere: for each entry, the newest registration that a client holds, and how many hold one.
    pub(crate) fn world(&self, origin_of: impl Fn(usize) -> OriginId) -> BTreeMap<u32, (OriginId, &Holding, usize)> {
        let mut world: BTreeMap<u32, (OriginId, &Holding, usize)> = BTreeMap::new();
        for ((entry, node), holding) in &self.holdings {
            let origin = origin_of(*node);
            let holders = world.get(entry).map_or(0, |(_, _, holders)| *holders) + 1;
            let best = world.get(entry).filter(|(other, best, _)| (best.stamp, other) > (holding.stamp, &origin));
            let (origin, holding) = best.map_or((origin, holding), |(origin, holding, _)| (*origin, *holding));
            world.insert(*entry, (origin, holding, holders));
        }
        world
    }
}
