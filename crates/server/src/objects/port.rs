//! The port: what an archive needs of an object store.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// Why the object store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The disk failed.
    #[error("the archive's disk failed: {0}")]
    Io(#[from] io::Error),
    /// The object store failed, or could not be reached.
    #[error("the object store failed: {0}")]
    Remote(String),
    /// The location of an object store cannot be understood.
    #[error("{0}")]
    Location(String),
}

/// The name of an object or of a group of objects: segments of printable ASCII with slashes between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Longest key, bytes.
const MAX_KEY: usize = 512;

impl Key {
    /// Reads a key. None if it is not one: then it would lead out of the archive, or is not the same everywhere.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(allowed);
        (text.len() <= MAX_KEY && text.split('/').all(segment)).then(|| Self(text.to_owned()))
    }

    /// The key of this name below this one.
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

    /// This key with the group `from` in front of it exchanged for `to`.
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

/// An object, as a list names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// Its length.
    pub bytes: u64,
    /// When it was stored, milliseconds since 1970 UTC.
    pub modified_ms: u64,
}

/// A file into which an object is written before it is stored. Removed when dropped.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
}

impl Spool {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens the file, empty, for writing. Whoever writes flushes it to disk before it is stored.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(&self) -> io::Result<fs::File> {
        fs::File::create(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // It is gone where it was renamed.
        let _ = fs::remove_file(&self.path);
    }
}

/// An object store. Its calls wait for a disk or a network: none may be made on a thread of an async runtime.
///
/// Objects are never changed once they are in their place. What arrives in parts waits below a key of its own, where objects
/// may be replaced and deleted, and is relocated when it is complete.
pub trait Objects: Send + Sync {
    /// A new file for [`Objects::put`].
    ///
    /// # Errors
    /// [`ObjectError`].
    fn spool(&self) -> Result<Spool, ObjectError>;

    /// Stores what was written to `spool`, and replaces an object of this key. It is durable when this returns.
    ///
    /// # Errors
    /// [`ObjectError`]; the object is the old one or the new one.
    fn put(&self, key: &Key, spool: Spool) -> Result<(), ObjectError>;

    /// Stores an object if there is none of this key, and says whether there was none. It is durable when this returns.
    ///
    /// # Errors
    /// [`ObjectError`]; the object is there as a whole, or not at all.
    fn create(&self, key: &Key, bytes: &[u8]) -> Result<bool, ObjectError>;

    /// An object's bytes, if there is one of this key.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, ObjectError>;

    /// All objects below a key, in the order of their keys.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn list(&self, below: &Key) -> Result<Vec<Listed>, ObjectError>;

    /// Deletes an object; none there is no error. For what has not been relocated to its place.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn delete(&self, key: &Key) -> Result<(), ObjectError>;

    /// Relocates all objects below `from` to below `to`, and replaces what is there. At `to`, the object called `marker`
    /// appears after all others, and at `from` it disappears before all others: wherever the marker is, everything is.
    /// After an error or a crash it may be in both places, and can be repeated.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn relocate(&self, from: &Key, to: &Key, marker: &str) -> Result<(), ObjectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_lead_anywhere_else() {
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
