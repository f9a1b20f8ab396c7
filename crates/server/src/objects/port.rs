//! The port: the interface of an object store that the archive needs.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// Why an operation on the object store failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The disk failed.
    #[error("the archive's disk failed: {0}")]
    Io(#[from] io::Error),
    /// The object store failed, or could not be reached.
    #[error("the object store failed: {0}")]
    Remote(String),
    /// The location of an object store is malformed.
    #[error("{0}")]
    Location(String),
}

/// The name of an object or of a group of objects: segments of printable ASCII with slashes between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Longest key, bytes.
const MAX_KEY: usize = 512;

impl Key {
    /// Parses a key. None for a text that could leave the archive, or that not every store would keep unchanged.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(allowed);
        (text.len() <= MAX_KEY && text.split('/').all(segment)).then(|| Self(text.to_owned()))
    }

    /// The key `name` below this one.
    pub fn child(&self, name: &str) -> Option<Self> {
        Self::parse(&format!("{self}/{name}"))
    }

    /// The key's last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The key without its last segment; none for a key of one segment.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This key with its prefix `from` replaced by `to`.
    pub(super) fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(&from.0)?.strip_prefix('/')?;
        to.child(rest)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// Its length.
    pub bytes: u64,
    /// When it was stored, milliseconds since 1970 UTC.
    pub modified_ms: u64,
}

/// A temporary file in which an object is written before it is stored. Removed on drop.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
}

impl Spool {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Creates the file, empty, for writing, for its owner alone. The caller flushes it to disk before it is stored.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(&self) -> io::Result<fs::File> {
        crate::private::create_empty(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Fails if it was renamed, which is no error.
        let _ = fs::remove_file(&self.path);
    }
}

/// An object store. Its functions block on disk or network: they must not be called on a thread of an async runtime.
///
/// Archived objects are immutable. Uploads that arrive in several objects are stored below a key of their own, where
/// objects may be replaced and deleted, and are relocated when complete.
pub trait Objects: Send + Sync {
    /// A new file for [`Objects::put`].
    ///
    /// # Errors
    /// [`ObjectError`].
    fn spool(&self) -> Result<Spool, ObjectError>;

    /// Stores the content of `spool`, replacing an object with this key. Durable on return.
    ///
    /// # Errors
    /// [`ObjectError`]; the stored object is then the old one or the new one.
    fn put(&self, key: &Key, spool: Spool) -> Result<(), ObjectError>;

    /// Stores an object if none with this key exists; returns whether it was stored. Durable on return.
    ///
    /// # Errors
    /// [`ObjectError`]; the object is then stored completely or not at all.
    fn create(&self, key: &Key, bytes: &[u8]) -> Result<bool, ObjectError>;

    /// The bytes of an object, if it exists.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, ObjectError>;

    /// All objects below a key, in the order of their keys.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn list(&self, below: &Key) -> Result<Vec<Listed>, ObjectError>;

    /// Deletes an object, if it exists. Only for incomplete uploads and markers.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn delete(&self, key: &Key) -> Result<(), ObjectError>;

    /// Moves all objects below `from` to below `to`, replacing existing ones. At `to` the object named `marker` appears
    /// after all others, and at `from` it disappears before all others: where the marker exists, all objects do. After
    /// an error or a crash objects may exist in both places; the call can be repeated.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn relocate(&self, from: &Key, to: &Key, marker: &str) -> Result<(), ObjectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_leave_the_store() {
        for bad in
            ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".", "a/.", "ä", "a b", "a\0", "a\\b", "~", &"a".repeat(513)]
        {
            assert_eq!(Key::parse(bad), None, "{bad:?}");
        }
        let key = Key::parse(".incoming/0a-0b/part-000000.tar.age").unwrap();
        assert_eq!((key.name(), key.parent().unwrap().as_str()), ("part-000000.tar.age", ".incoming/0a-0b"));
        let [from, to] = [".incoming/0a-0b", "records/x"].map(|text| Key::parse(text).unwrap());
        assert_eq!(key.moved(&from, &to).unwrap().as_str(), "records/x/part-000000.tar.age");
        assert_eq!(key.moved(&to, &from), None);
        assert_eq!(key.moved(&Key::parse(".incoming/0a").unwrap(), &to), None);
        assert_eq!(from.child("../x"), None);
    }
}
