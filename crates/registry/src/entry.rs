//! Entries, and sets of them that know their own hash.

use std::sync::Arc;

use imbl::OrdMap;
use sensocto_model::{DecodeError, Interner, Key, Kind, Record, Stamp, Version};

use crate::message::{Put, Range, SetDigest, Sets};
use crate::planted::{self, Fault};
use crate::set_hash::SetHash;

/// One entry of an origin log.
#[derive(Debug)]
pub struct Entry {
    /// The place of its last change in its origin's log.
    pub version: Version,
    /// When it was registered; a later change of its facts keeps it.
    pub stamp: Stamp,
    /// What it says.
    pub body: Body,
    hash: SetHash,
}

/// What an entry says, where it can be read.
#[derive(Debug)]
pub enum Body {
    /// The record.
    Readable(Record),
    /// Bytes that this node cannot read: they are kept, so that digests agree and others can be helped, and shown to nobody.
    Unreadable(Box<[u8]>, DecodeError),
}

impl Entry {
    /// An entry of this node.
    pub(crate) fn new(record: Record, version: Version, stamp: Stamp) -> Entry {
        let bytes = record.encode();
        Entry::encoded(record, &bytes, version, stamp)
    }

    /// An entry of this node, whose record has these bytes.
    pub(crate) fn encoded(record: Record, bytes: &[u8], version: Version, stamp: Stamp) -> Entry {
        let hash = SetHash::of(&record.key(), version, stamp, bytes);
        Entry { version, stamp, body: Body::Readable(record), hash }
    }

    /// An entry of another node, as it came.
    pub(crate) fn received(put: Put, interner: &mut Interner) -> (Key, Entry) {
        let hash = SetHash::of(&put.key, put.version, put.stamp, &put.body);
        let body = match Record::decode(&put.key, &put.body, interner) {
            Ok(record) => Body::Readable(record),
            Err(error) => Body::Unreadable(put.body.into_vec().into_boxed_slice(), error),
        };
        (put.key, Entry { version: put.version, stamp: put.stamp, body, hash })
    }

    /// The record, where it can be read.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match &self.body {
            Body::Readable(record) => Some(record),
            Body::Unreadable(..) => None,
        }
    }

    /// Whether it is the same state of the same entry.
    pub(crate) fn is_same(&self, other: &Entry) -> bool {
        self.version == other.version && self.hash == other.hash
    }

    /// The line that tells another node of it.
    pub(crate) fn to_put(&self, key: &Key) -> Put {
        let body = match &self.body {
            Body::Readable(record) => record.encode(),
            Body::Unreadable(bytes, _) => bytes.to_vec(),
        };
        Put { key: key.clone(), version: self.version, stamp: self.stamp, body: serde_bytes::ByteBuf::from(body) }
    }
}

/// The entries of one origin, with count and hash by kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct EntrySet {
    entries: OrdMap<Key, Arc<Entry>>,
    sets: Sets,
    unreadable: usize,
}

impl EntrySet {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Entry>)> {
        self.entries.iter()
    }

    /// The entries from the first key after `after` on.
    pub(crate) fn after(&self, after: Option<&Key>) -> impl Iterator<Item = (&Key, &Arc<Entry>)> {
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.entries.range::<_, Key>((start, std::ops::Bound::Unbounded))
    }

    /// The entries of a range of keys.
    pub(crate) fn within(&self, range: &Range) -> impl Iterator<Item = (&Key, &Arc<Entry>)> {
        self.entries.range::<_, Key>(range.bounds())
    }

    /// Number and hash of the entries of a range, of all kinds together. It looks at each of them.
    pub(crate) fn sum_within(&self, range: &Range) -> SetDigest {
        let mut sum = SetDigest::default();
        for (_, entry) in self.within(range) {
            sum.count += 1;
            sum.hash.add(entry.hash);
        }
        sum
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Count and hash by kind.
    pub(crate) fn sets(&self) -> &Sets {
        &self.sets
    }

    pub(crate) fn unreadable(&self) -> usize {
        self.unreadable
    }

    pub(crate) fn insert(&mut self, key: Key, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let set = &mut self.sets.0[key.kind.index()];
        set.count += 1;
        set.hash.add(entry.hash);
        self.unreadable += usize::from(entry.record().is_none());
        let kind = key.kind;
        let old = self.entries.insert(key, entry);
        if let Some(old) = &old {
            self.forget(kind, old);
        }
        old
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Entry>> {
        let old = self.entries.remove(key)?;
        self.forget(key.kind, &old);
        Some(old)
    }

    fn forget(&mut self, kind: Kind, old: &Entry) {
        let set = &mut self.sets.0[kind.index()];
        set.count -= 1;
        if !planted::is(Fault::HashKeepsRemoved) {
            set.hash.subtract(old.hash);
        }
        self.unreadable -= usize::from(old.record().is_none());
    }
}
