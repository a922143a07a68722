//! All records of a node, and the digests that two nodes compare.

use std::collections::{BTreeMap, BTreeSet};

use sensocto_model::{JoinCode, RoomId, Stamp};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::record::Record;

/// Into how many parts the rooms are divided for comparison.
pub(crate) const BUCKETS: usize = 256;

/// One record of a node.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) record: Record,
    hash: u128,
    /// Grows with each change on this node: what is stored and what is sent is named by it.
    pub(crate) version: u64,
}

/// All records of a node.
#[derive(Debug)]
pub(crate) struct Replica {
    slots: BTreeMap<RoomId, Slot>,
    buckets: Vec<u128>,
    hash: u128,
    /// The rooms of each join code: more than one only until that is put right.
    codes: BTreeMap<JoinCode, BTreeSet<RoomId>>,
    /// Codes of more than one room.
    shared: BTreeSet<JoinCode>,
    pub(crate) last_stamp: Stamp,
    versions: u64,
}

impl Replica {
    pub(crate) fn new() -> Replica {
        Replica {
            slots: BTreeMap::new(),
            buckets: vec![0; BUCKETS],
            hash: 0,
            codes: BTreeMap::new(),
            shared: BTreeSet::new(),
            last_stamp: Stamp::default(),
            versions: 0,
        }
    }

    pub(crate) fn get(&self, room: &RoomId) -> Option<&Slot> {
        self.slots.get(room)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }

    pub(crate) fn buckets(&self) -> &[u128] {
        &self.buckets
    }

    /// What is in a bucket, by room.
    pub(crate) fn lines<'a>(&'a self, buckets: &'a BTreeSet<u16>) -> impl Iterator<Item = (&'a RoomId, u128)> {
        self.slots.iter().filter(|(id, _)| buckets.contains(&bucket_number(id))).map(|(id, slot)| (id, slot.hash))
    }

    pub(crate) fn hash_of(&self, room: &RoomId) -> Option<u128> {
        self.slots.get(room).map(|slot| slot.hash)
    }

    /// Puts a record in place of what was there, and returns its version.
    pub(crate) fn put(&mut self, record: Record) -> u64 {
        let id = record.id.clone();
        self.take(&id);
        self.last_stamp = self.last_stamp.max(record.last_stamp());
        if let Some(live) = record.live() {
            let rooms = self.codes.entry(live.join_code.value).or_default();
            rooms.insert(id.clone());
            if rooms.len() > 1 {
                self.shared.insert(live.join_code.value);
            }
        }
        self.versions += 1;
        let version = self.versions;
        let hash = xxh3_128(&record.encode());
        self.hash = self.hash.wrapping_add(hash);
        let bucket = &mut self.buckets[usize::from(bucket_number(&id))];
        *bucket = bucket.wrapping_add(hash);
        self.slots.insert(id, Slot { record, hash, version });
        version
    }

    /// Takes a record out, which only a write that the disk refused does.
    pub(crate) fn take(&mut self, id: &RoomId) {
        let Some(slot) = self.slots.remove(id) else { return };
        self.hash = self.hash.wrapping_sub(slot.hash);
        let bucket = &mut self.buckets[usize::from(bucket_number(id))];
        *bucket = bucket.wrapping_sub(slot.hash);
        let Some(live) = slot.record.live() else { return };
        let code = live.join_code.value;
        if let Some(rooms) = self.codes.get_mut(&code) {
            rooms.remove(id);
            if rooms.len() < 2 {
                self.shared.remove(&code);
            }
            if rooms.is_empty() {
                self.codes.remove(&code);
            }
        }
    }

    /// Whether another room than `room` has a code.
    pub(crate) fn code_is_taken(&self, code: &JoinCode, room: &RoomId) -> bool {
        self.codes.get(code).is_some_and(|rooms| rooms.iter().any(|other| other != room))
    }

    /// The rooms that have to give up their join code, because an older one has the same.
    pub(crate) fn must_change_code(&self) -> Vec<(RoomId, JoinCode)> {
        let losers = |code: &JoinCode| {
            let mut rooms: Vec<&Record> =
                self.codes.get(code).into_iter().flatten().filter_map(|id| Some(&self.get(id)?.record)).collect();
            rooms.sort_by_key(|record| (record.live().map(|live| live.created.clone()), record.id.clone()));
            rooms.into_iter().skip(1).map(|record| (record.id.clone(), *code)).collect::<Vec<_>>()
        };
        self.shared.iter().flat_map(losers).collect()
    }
}

fn bucket_number(room: &RoomId) -> u16 {
    // The remainder is below the number of buckets.
    u16::try_from(xxh3_64(room.as_str().as_bytes()) % BUCKETS as u64).unwrap_or_default()
}
