//! What the log asks of storage, and a storage in memory.

use std::collections::BTreeMap;
use std::io;

/// Reading: all an auditor needs.
pub trait Reader {
    /// The whole file at `path` (relative, `/` between parts), or `None` where there is none.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError>;
}

/// Writing. Each operation is atomic, and durable when it returns `Ok`: it survives the loss of power. An operation that
/// returns an error may have happened or not. One writer at a time; the implementation keeps others out.
pub trait Storage: Reader {
    /// Writes a file that never changes again. The same bytes once more are fine (and are durable on return, whoever
    /// wrote them).
    ///
    /// # Errors
    /// [`StorageError::Immutable`] when other bytes are there already.
    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// Writes a file, in place of what may be there.
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// Writes a file if what is there is `expected` (`None`: nothing).
    ///
    /// # Errors
    /// [`StorageError::Changed`] when something else is there.
    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError>;

    /// Removes a file or a directory with all in it. Nothing there is fine.
    fn remove(&mut self, path: &str) -> Result<(), StorageError>;

    /// The names of the files in a directory; none where there is no such directory.
    fn list(&self, dir: &str) -> Result<Vec<String>, StorageError>;
}

/// What went wrong in storage.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The medium failed, is full, or is not reachable.
    #[error("{path}: {source}")]
    Io {
        /// What was being read or written.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A published file was about to be changed.
    #[error("{0} is published and differs from what would be written")]
    Immutable(String),
    /// The file is not what the writer left there: someone else writes too.
    #[error("{0} was changed by someone else")]
    Changed(String),
    /// Another process has the log open for writing.
    #[error("the log is open in another process: a server runs over this directory already")]
    InUse,
    /// The path could lead out of the storage, or is not one.
    #[error("not a path in the log: {0}")]
    BadPath(String),
    /// Larger than any file a log writes.
    #[error("{0} is too large to be part of a log")]
    TooLarge(String),
}

impl StorageError {
    /// An [`StorageError::Io`] for `path`.
    pub fn io(path: impl Into<String>, source: io::Error) -> Self {
        StorageError::Io { path: path.into(), source }
    }
}

impl<R: Reader + ?Sized> Reader for &R {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        (**self).read(path)
    }
}

/// A storage in memory, for tests and for checking a log that was fetched from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStorage {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryStorage {
    /// Nothing stored yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All files by path. Mutable, so that tests can do harm.
    pub fn files_mut(&mut self) -> &mut BTreeMap<String, Vec<u8>> {
        &mut self.files
    }

    /// All files by path.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }
}

impl Reader for MemoryStorage {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.files.get(path).cloned())
    }
}

impl Storage for MemoryStorage {
    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        match self.files.get(path) {
            Some(there) if there == bytes => Ok(()),
            Some(_) => Err(StorageError::Immutable(path.to_owned())),
            None => self.replace(path, bytes),
        }
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.files.insert(path.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError> {
        if self.files.get(path).map(Vec::as_slice) != expected {
            return Err(StorageError::Changed(path.to_owned()));
        }
        self.replace(path, bytes)
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        let inside = format!("{path}/");
        self.files.retain(|file, _| file != path && !file.starts_with(&inside));
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StorageError> {
        let inside = format!("{dir}/");
        let names = self.files.keys().filter_map(|file| file.strip_prefix(&inside));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}
