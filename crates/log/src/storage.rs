//! The storage interface of the log, and in-memory storage.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Read access, which is all an auditor needs.
pub trait Reader {
    /// The content of the file at `path` (relative, `/`-separated), or `None` if it does not exist.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError>;
}

/// Write access. Each write is atomic, and durable when it returns `Ok`: it survives a power loss. An operation that
/// returns an error may have taken effect or not. There is one writer at a time; the implementation excludes others.
pub trait Storage: Reader {
    /// Announces files that will be written soon, so that the storage can flush their content in advance and together. A
    /// hint without visible effect; the default does nothing.
    ///
    /// # Errors
    /// When the storage fails. Nothing was written.
    fn prepare(&mut self, _files: &[(String, &[u8])]) -> Result<(), StorageError> {
        Ok(())
    }

    /// Writes an immutable file. Idempotent: if the file exists with the same bytes, it is durable on return, even if
    /// another process wrote it.
    ///
    /// # Errors
    /// [`StorageError::Immutable`] if the file exists with other bytes.
    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// [`Storage::write_once`] for several files, in any order. Each file is atomic; all are durable on `Ok`. After an
    /// error, any subset may have been written.
    ///
    /// # Errors
    /// Those of [`Storage::write_once`].
    fn write_all_once(&mut self, files: &[(String, &[u8])]) -> Result<(), StorageError> {
        files.iter().try_for_each(|(path, bytes)| self.write_once(path, bytes))
    }

    /// Writes a file, replacing an existing one.
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// Compare-and-swap: writes the file if its current content is `expected` (`None`: it does not exist).
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the content differs from `expected`.
    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError>;

    /// Removes a file, or a directory with its contents. Succeeds if it does not exist. Not durable: after a power loss
    /// some or all of the removed files may exist again, until they are removed once more.
    fn remove(&mut self, path: &str) -> Result<(), StorageError>;

    /// The names of the files in a directory; empty if it does not exist.
    fn list(&self, dir: &str) -> Result<Vec<String>, StorageError>;
}

/// Why a storage operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// An I/O error: the medium failed, is full, or is not reachable.
    #[error("{path}: {source}")]
    Io {
        /// The file being read or written.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A published file would have been modified.
    #[error("{0} is already published with different content")]
    Immutable(String),
    /// The file does not have the content that the writer left: another process writes too.
    #[error("{0} was modified by another process")]
    Changed(String),
    /// Another process has the log open for writing.
    #[error("the log is open in another process: a server runs over this directory already")]
    InUse,
    /// Not a relative path, or one that could escape the storage's root.
    #[error("not a path in the log: {0}")]
    BadPath(String),
    /// Larger than any file that a log writes.
    #[error("{0} is larger than any file of a log")]
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

impl<R: Reader + ?Sized> Reader for Arc<R> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        (**self).read(path)
    }
}

/// In-memory storage, for tests and for verifying a downloaded log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStorage {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryStorage {
    /// Empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// All files by path, mutable, so that tests can corrupt them.
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
