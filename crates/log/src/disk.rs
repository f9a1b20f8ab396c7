//! The log on a local disk, on a file system where renaming is atomic and a directory can be flushed (any Unix one).
//!
//! `checkpoint` and `tile/` under the root are for publication; `.state/` is not.

use crate::bundle::MAX_BUNDLE_LEN;
use crate::storage::{Reader, Storage, StorageError};
use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Largest file read, in bytes. The largest that a log writes is the stage of one append: at most
/// [`MAX_APPEND_ENTRIES`](crate::MAX_APPEND_ENTRIES) entries and one bundle begun before, 84 MiB with their hashes.
pub const MAX_FILE_LEN: u64 = 8 * MAX_BUNDLE_LEN as u64;

/// Locked by the one process that writes. Its content means nothing.
const WRITER_PATH: &str = ".state/writer";

/// Where a file is while it is not whole yet. One is enough for one writer, and what a crash leaves is overwritten.
const UNFINISHED_PATH: &str = ".state/unfinished";

/// A log's directory, for reading only: an auditor's view, also of a copy. Takes no lock.
#[derive(Debug, Clone)]
pub struct DiskReader {
    root: PathBuf,
}

impl DiskReader {
    /// Reads below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        DiskReader { root: root.into() }
    }
}

impl Reader for DiskReader {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let file = match File::open(locate(&self.root, path)?) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io(path, error)),
        };
        let length = file.metadata().map_err(|error| StorageError::io(path, error))?.len();
        if length > MAX_FILE_LEN {
            return Err(StorageError::TooLarge(path.to_owned()));
        }
        let mut bytes = Vec::new();
        // The bound once more: the file may have grown.
        file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes).map_err(|error| StorageError::io(path, error))?;
        if bytes.len() as u64 > MAX_FILE_LEN { Err(StorageError::TooLarge(path.to_owned())) } else { Ok(Some(bytes)) }
    }
}

/// A log's directory, for its one writer.
#[derive(Debug)]
pub struct DiskStorage {
    reader: DiskReader,
    /// Directories that this process knows to be on the disk. One that merely exists may be from a process that died
    /// before it flushed it.
    durable_dirs: HashSet<PathBuf>,
    /// Unlocked when dropped, and by the system when the process dies.
    _writer: File,
}

impl DiskStorage {
    /// Opens the directory for writing; makes it if needed.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while another process (or another value in this one) has it open.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        let io = |error| StorageError::io(WRITER_PATH, error);
        fs::create_dir_all(root.join(".state")).map_err(io)?;
        // Not truncated and never written: opening must not disturb whoever holds the lock.
        let writer = File::options().write(true).create(true).truncate(false).open(root.join(WRITER_PATH));
        let writer = writer.map_err(io)?;
        match writer.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::InUse),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // The directory itself may be new, in a new parent.
        for dir in fs::canonicalize(&root).map_err(io)?.ancestors().take(3) {
            sync_dir(dir).map_err(io)?;
        }
        Ok(DiskStorage { reader: DiskReader::new(root), durable_dirs: HashSet::new(), _writer: writer })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.reader.root
    }

    /// Writes a whole file under another name, flushes it, gives it its name, flushes that.
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let (place, unfinished) = (locate(self.root(), path)?, self.root().join(UNFINISHED_PATH));
        let dir = self.make_parent(&place, path)?;
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &place)?;
            sync_dir(&dir)
        };
        write().map_err(|error| StorageError::io(path, error))
    }

    /// Makes the directories above `place` and flushes each into its parent; returns the lowest.
    fn make_parent(&mut self, place: &Path, path: &str) -> Result<PathBuf, StorageError> {
        let dir = place.parent().expect("invariant: places are below the root").to_owned();
        let root = self.root().to_owned();
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|dir| **dir != root && !self.durable_dirs.contains(*dir)).collect();
        for dir in missing.into_iter().rev() {
            let make = || {
                match fs::create_dir(dir) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    Ok(()) | Err(_) => {}
                }
                sync_dir(dir.parent().expect("invariant: directories are below the root"))
            };
            make().map_err(|error| StorageError::io(path, error))?;
            self.durable_dirs.insert(dir.to_owned());
        }
        Ok(dir)
    }
}

impl Reader for DiskStorage {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.read(path)
    }
}

impl Storage for DiskStorage {
    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        match self.read(path)? {
            // Written by a process that may have died between renaming and flushing the name. The bytes were flushed
            // before the rename.
            Some(there) if there == bytes => {
                let place = locate(self.root(), path)?;
                let dir = self.make_parent(&place, path)?;
                sync_dir(&dir).map_err(|error| StorageError::io(path, error))
            }
            Some(_) => Err(StorageError::Immutable(path.to_owned())),
            None => self.put(path, bytes),
        }
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.put(path, bytes)
    }

    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError> {
        // Nobody else writes while `_writer` is locked, so comparing first and replacing then is one operation.
        if self.read(path)?.as_deref() != expected {
            return Err(StorageError::Changed(path.to_owned()));
        }
        self.put(path, bytes)
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        let place = locate(self.root(), path)?;
        let remove = || {
            let is_dir = match fs::symlink_metadata(&place) {
                Ok(found) => found.is_dir(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            if is_dir {
                fs::remove_dir_all(&place)?
            } else {
                fs::remove_file(&place)?
            }
            sync_dir(place.parent().expect("invariant: places are below the root"))
        };
        let removed = remove().map_err(|error| StorageError::io(path, error));
        self.durable_dirs.retain(|dir| !dir.starts_with(&place));
        removed
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StorageError> {
        let io = |error| StorageError::io(dir, error);
        let entries = match fs::read_dir(locate(self.root(), dir)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io)?;
            if entry.file_type().map_err(io)?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }
}

/// The place of `path` under `root`, and never elsewhere: paths may come from a request.
fn locate(root: &Path, path: &str) -> Result<PathBuf, StorageError> {
    let allowed = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    if path.split('/').all(allowed) { Ok(root.join(path)) } else { Err(StorageError::BadPath(path.to_owned())) }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DiskStorage::open(dir.path()).unwrap();
        assert!(matches!(DiskStorage::open(dir.path()), Err(StorageError::InUse)));
        drop(first);
        DiskStorage::open(dir.path()).unwrap();
    }

    #[test]
    fn operations_do_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = DiskStorage::open(dir.path().join("new/log")).unwrap();
        disk.write_once("tile/0/000.p/1", b"a").unwrap();
        disk.write_once("tile/0/000.p/1", b"a").unwrap();
        assert!(matches!(disk.write_once("tile/0/000.p/1", b"b"), Err(StorageError::Immutable(_))));
        assert_eq!(disk.read("tile/0/000.p/1").unwrap().as_deref(), Some(&b"a"[..]));
        assert!(matches!(disk.swap("lock", Some(b"x"), b"y"), Err(StorageError::Changed(_))));
        disk.swap("lock", None, b"y").unwrap();
        assert!(matches!(disk.swap("lock", None, b"z"), Err(StorageError::Changed(_))));
        disk.swap("lock", Some(b"y"), b"z").unwrap();
        disk.replace("tile/0/000.p/2", b"b").unwrap();
        let mut names = disk.list("tile/0/000.p").unwrap();
        names.sort();
        assert_eq!(names, ["1", "2"]);
        disk.remove("tile/0/000.p").unwrap();
        disk.remove("tile/0/000.p").unwrap();
        assert_eq!(disk.list("tile/0/000.p").unwrap(), [""; 0]);
        assert_eq!(disk.read("tile/0/000.p/1").unwrap(), None);
        disk.write_once("tile/0/000.p/1", b"again").unwrap();
        disk.remove("lock").unwrap();
        assert_eq!(disk.read("lock").unwrap(), None);
    }

    #[test]
    fn paths_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let reader = DiskReader::new(dir.path());
        for bad in ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/", "a\\b", "a\0b", "c:x"] {
            assert!(matches!(reader.read(bad), Err(StorageError::BadPath(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_file_no_log_wrote_is_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("checkpoint")).unwrap().set_len(MAX_FILE_LEN + 1).unwrap();
        let read = DiskReader::new(dir.path()).read("checkpoint");
        assert!(matches!(read, Err(StorageError::TooLarge(_))));
    }
}
