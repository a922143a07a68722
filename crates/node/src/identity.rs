//! Which start of the node this is: a lock on its data directory, and the generation that it keeps there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use sensocto_model::Generation;

use crate::clock;

/// The data directory of a running node. It is locked for as long as this lives.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) generation: Generation,
    file: Option<File>,
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub(crate) enum IdentityError {
    /// Another process uses it.
    Locked,
    /// It cannot be read or written.
    Io(io::Error),
}

impl Identity {
    /// The next generation, larger than every one before in the same directory.
    ///
    /// Without a directory the wall clock alone says it: a clock that goes back between two starts then makes the other nodes
    /// refuse this one, until it is past its last start again.
    pub(crate) fn open(directory: Option<&Path>) -> Result<Identity, IdentityError> {
        let Some(directory) = directory else {
            return Ok(Identity { generation: Generation(clock::wall_ms()), file: None });
        };
        std::fs::create_dir_all(directory).map_err(IdentityError::Io)?;
        let path = directory.join("generation");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(IdentityError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityError::Locked),
            Err(TryLockError::Error(error)) => return Err(IdentityError::Io(error)),
        }
        let generation = next_generation(&mut file).map_err(IdentityError::Io)?;
        Ok(Identity { generation, file: Some(file) })
    }

    /// Keeps a later generation that the node goes on under: its next start takes one after that.
    pub(crate) fn advance(&self, generation: Generation) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| write(file, generation))
    }
}

fn write(mut file: &File, generation: Generation) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{generation}")?;
    file.sync_all()
}

fn next_generation(file: &mut File) -> io::Result<Generation> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // An empty or damaged file is a lost memory, not a reason to stay down: the clock is the second witness.
    let last: u64 = text.trim().parse().unwrap_or(0);
    let next = Generation(clock::wall_ms().max(last.saturating_add(1)));
    write(file, next)?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_has_a_larger_generation_even_when_the_clock_goes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let far = clock::wall_ms() + 1_000_000;
        std::fs::write(directory.path().join("generation"), format!("{far}\n")).expect("written");
        let first = Identity::open(Some(directory.path())).expect("opened").generation;
        let second = Identity::open(Some(directory.path())).expect("opened").generation;
        assert_eq!((first, second), (Generation(far + 1), Generation(far + 2)));
    }

    #[test]
    fn a_start_comes_after_a_generation_that_was_taken_while_running() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Identity::open(Some(directory.path())).expect("opened");
        let taken = Generation(first.generation.0 + 1_000_000);
        first.advance(taken).expect("written");
        drop(first);
        assert!(Identity::open(Some(directory.path())).expect("opened").generation > taken);
    }

    #[test]
    fn a_directory_serves_one_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Identity::open(Some(directory.path())).expect("opened");
        assert!(matches!(Identity::open(Some(directory.path())), Err(IdentityError::Locked)));
        drop(first);
        assert!(Identity::open(Some(directory.path())).is_ok());
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert!(matches!(Identity::open(Some(&file)), Err(IdentityError::Io(_))));
    }
}
