//! Rooms on disk: redb, one record a room, each with a checksum of its own.
//!
//! A write is synced before it counts. One that the disk refused leaves what was there, and the database is opened anew before the
//! next try, because after such an error it no longer says what is in it.

use std::fmt;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use sensocto_model::RoomId;
use xxhash_rust::xxh3::xxh3_64;

/// The file in the data directory.
const FILE: &str = "rooms.redb";
const ROOMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rooms");
/// Written with each batch, so that an empty one shows whether the disk takes writes.
const BATCHES: TableDefinition<'_, &str, u64> = TableDefinition::new("batches");
const LAST: &str = "last";
const CHECKSUM_BYTES: usize = 8;
/// Pages that are kept in memory: records are read once, at the start.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Why the disk does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> StoreError {
        StoreError(error.into().to_string())
    }
}

/// What was on disk at the start.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The bytes of each record.
    pub(crate) records: Vec<Vec<u8>>,
    /// Records whose bytes are damaged. Other nodes have them.
    pub(crate) damaged: usize,
}

/// The rooms of one node on its disk.
pub(crate) struct Store {
    path: PathBuf,
    /// `None` after an error, until it is opened anew.
    database: Option<Database>,
    batches: u64,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database of a data directory, and reads what is in it.
    pub(crate) fn open(directory: &Path) -> Result<(Store, Loaded), StoreError> {
        let path = directory.join(FILE);
        let database = open(&path)?;
        let (loaded, batches) = read(&database)?;
        Ok((Store { path, database: Some(database), batches }, loaded))
    }

    /// Writes records, all or none, and returns when they are on the disk. `None` takes a record away.
    pub(crate) fn write(&mut self, records: &[(RoomId, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        self.batches += 1;
        write(&database, records, self.batches)?;
        self.database = Some(database);
        Ok(())
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    Ok(builder.create(path)?)
}

fn read(database: &Database) -> Result<(Loaded, u64), StoreError> {
    // The tables are there after the first write.
    write(database, &[], 0)?;
    let transaction = database.begin_read()?;
    let batches = transaction.open_table(BATCHES)?.get(LAST)?.map_or(0, |last| last.value());
    let mut loaded = Loaded::default();
    for line in transaction.open_table(ROOMS)?.iter()? {
        let (_, value) = line?;
        match unseal(value.value()) {
            Some(record) => loaded.records.push(record.to_vec()),
            None => loaded.damaged += 1,
        }
    }
    Ok((loaded, batches))
}

fn write(database: &Database, records: &[(RoomId, Option<Vec<u8>>)], batch: u64) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    {
        let mut rooms = transaction.open_table(ROOMS)?;
        for (room, record) in records {
            match record {
                Some(record) => drop(rooms.insert(room.as_str(), seal(record).as_slice())?),
                None => drop(rooms.remove(room.as_str())?),
            }
        }
        transaction.open_table(BATCHES)?.insert(LAST, batch)?;
    }
    transaction.commit()?;
    Ok(())
}

fn seal(record: &[u8]) -> Vec<u8> {
    let mut sealed = xxh3_64(record).to_le_bytes().to_vec();
    sealed.extend_from_slice(record);
    sealed
}

fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (checksum, record) = sealed.split_at_checked(CHECKSUM_BYTES)?;
    (xxh3_64(record).to_le_bytes() == *checksum).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RoomId {
        RoomId::new(text).expect("an id")
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut store, loaded) = Store::open(directory.path()).expect("opened");
        assert_eq!(loaded.records.len(), 0);
        let record = |text: &str| Some(text.as_bytes().to_vec());
        store.write(&[(id("a"), record("one")), (id("b"), record("two"))]).expect("written");
        store.write(&[(id("a"), None), (id("c"), record("three"))]).expect("written");
        drop(store);
        let (_, loaded) = Store::open(directory.path()).expect("opened");
        assert_eq!(loaded.records, [b"two".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn a_damaged_record_is_put_aside_and_the_others_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut store, _) = Store::open(directory.path()).expect("opened");
        store.write(&[(id("a"), Some(b"one".to_vec())), (id("b"), Some(b"two".to_vec()))]).expect("written");
        let database = store.database.take().expect("open");
        let transaction = database.begin_write().expect("begun");
        {
            let mut rooms = transaction.open_table(ROOMS).expect("a table");
            let mut damaged = seal(b"one");
            damaged[9] ^= 4;
            rooms.insert("a", damaged.as_slice()).expect("inserted");
        }
        transaction.commit().expect("committed");
        drop(database);
        let (_, loaded) = Store::open(directory.path()).expect("opened");
        assert_eq!((loaded.records, loaded.damaged), (vec![b"two".to_vec()], 1));
    }
}
