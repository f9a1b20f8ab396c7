//! Storage on a local disk, on a file system with atomic rename and `fsync` of directories (as on any Unix).
//!
//! `checkpoint` and `tile/` under the root are published; `.state/` is not.

use crate::bundle::MAX_BUNDLE_LEN;
use crate::storage::{Reader, Storage, StorageError};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use telcon_files::FileError;

/// Largest file read, in bytes. The largest that a log writes is the staging file of one append: at most
/// [`MAX_APPEND_ENTRIES`](crate::MAX_APPEND_ENTRIES) entries and one partial bundle, 273 MiB with their hashes.
pub const MAX_FILE_LEN: u64 = 18 * MAX_BUNDLE_LEN as u64;

/// Locked by the writing process. Always empty.
const WRITER_PATH: &str = ".state/writer";

/// Files are written completely under this name and a number before they are renamed into place. Leftovers of a crash are
/// removed on opening.
const TEMPORARY_PREFIX: &str = ".state/unfinished";

/// Most flushes in flight. Beyond this, disks and journals gain nothing from more concurrency.
const MAX_FLUSH_THREADS: usize = 16;

/// A log's directory, or a copy of one, opened for reading. Takes no lock.
#[derive(Debug, Clone)]
pub struct DiskReader {
    root: PathBuf,
}

impl DiskReader {
    /// Reads files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        DiskReader { root: root.into() }
    }
}

impl Reader for DiskReader {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        locate(&self.root, path)?;
        match telcon_files::read_beneath(&self.root, path, MAX_FILE_LEN) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(FileError::TooLarge { .. }) => Err(StorageError::TooLarge(path.to_owned())),
            Err(error) => Err(StorageError::io(path, error.into())),
        }
    }
}

/// A log's directory, opened by its one writer.
#[derive(Debug)]
pub struct DiskStorage {
    reader: DiskReader,
    /// Directories known to be durable. One that merely exists may have been created by a process that died before it
    /// flushed the parent.
    durable_dirs: HashSet<PathBuf>,
    /// Announced files, flushed under temporary names.
    prepared: HashMap<String, Prepared>,
    /// Holds the file lock, which the system releases when the process dies.
    _writer: File,
}

impl DiskStorage {
    /// Opens the directory for writing, creating it if needed.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while another process (or another instance in this one) has it open.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        let io = |error| StorageError::io(WRITER_PATH, error);
        fs::create_dir_all(root.join(".state")).map_err(io)?;
        // Neither truncated nor written, so that opening does not disturb the lock's holder.
        let writer = File::options().write(true).create(true).truncate(false).open(root.join(WRITER_PATH));
        let writer = writer.map_err(io)?;
        match writer.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::InUse),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // The directory and its parent may be new.
        for dir in fs::canonicalize(&root).map_err(io)?.ancestors().take(3) {
            sync_dir(dir).map_err(io)?;
        }
        let storage = DiskStorage {
            reader: DiskReader::new(root),
            durable_dirs: HashSet::new(),
            prepared: HashMap::new(),
            _writer: writer,
        };
        storage.remove_temporary_files().map_err(io)?;
        Ok(storage)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.reader.root
    }

    /// Removes what a crash left under temporary names.
    fn remove_temporary_files(&self) -> io::Result<()> {
        let (dir, prefix) = TEMPORARY_PREFIX.split_once('/').expect("invariant: temporary files have a directory");
        for entry in fs::read_dir(self.root().join(dir))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes whole files: each under a temporary name, flushed (unless it was prepared), then renamed into place; then
    /// flushes the directories. Files are flushed in parallel, and so are directories, because a journaling file system
    /// commits concurrent flushes together.
    fn write_durably(&mut self, files: &[(&str, &[u8])]) -> Result<(), StorageError> {
        let mut writes = Vec::with_capacity(files.len());
        let (mut new_dirs, mut unsynced_dirs) = (Vec::new(), BTreeSet::new());
        for (number, &(path, bytes)) in files.iter().enumerate() {
            let target = locate(self.root(), path)?;
            self.create_parents(&target, &mut new_dirs, &mut unsynced_dirs).map_err(|e| StorageError::io(path, e))?;
            let prepared = self.prepared.remove(path).filter(|prepared| prepared.bytes == bytes);
            let flushed = prepared.is_some();
            let temporary = prepared.map(|prepared| prepared.temporary);
            let temporary = temporary.unwrap_or_else(|| self.root().join(format!("{TEMPORARY_PREFIX}{number}")));
            writes.push(Write { path, temporary, target, bytes, flushed });
        }
        in_parallel(&writes, |write| write.flush_temporary().map_err(|e| StorageError::io(write.path, e)))?;
        for write in &writes {
            fs::rename(&write.temporary, &write.target).map_err(|e| StorageError::io(write.path, e))?;
        }
        self.sync_dirs(unsynced_dirs)?;
        self.durable_dirs.extend(new_dirs);
        Ok(())
    }

    /// Creates the directories above `target`. Directories not yet known to be durable are added to `new_dirs`, and the
    /// directories to flush to `unsynced_dirs`.
    fn create_parents(
        &self,
        target: &Path,
        new_dirs: &mut Vec<PathBuf>,
        unsynced_dirs: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let dir = target.parent().expect("invariant: targets are below the root");
        let root = self.root();
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|dir| *dir != root && !self.durable_dirs.contains(*dir)).collect();
        for dir in missing.into_iter().rev() {
            match fs::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            unsynced_dirs.insert(dir.parent().expect("invariant: directories are below the root").to_owned());
            new_dirs.push(dir.to_owned());
        }
        unsynced_dirs.insert(dir.to_owned());
        Ok(())
    }

    fn sync_dirs(&self, dirs: BTreeSet<PathBuf>) -> Result<(), StorageError> {
        let dirs: Vec<PathBuf> = dirs.into_iter().collect();
        in_parallel(&dirs, |dir| sync_dir(dir).map_err(|e| StorageError::io(dir.to_string_lossy(), e)))
    }
}

/// A file on its way to its place.
struct Write<'a> {
    path: &'a str,
    temporary: PathBuf,
    target: PathBuf,
    bytes: &'a [u8],
    /// Whether the temporary file is complete and durable.
    flushed: bool,
}

/// A file that was flushed in advance.
#[derive(Debug)]
struct Prepared {
    temporary: PathBuf,
    bytes: Vec<u8>,
}

impl Write<'_> {
    fn flush_temporary(&self) -> io::Result<()> {
        if self.flushed {
            return Ok(());
        }
        let mut file = File::create(&self.temporary)?;
        file.write_all(self.bytes)?;
        file.sync_all()
    }
}

/// Runs `run` for each item on up to [`MAX_FLUSH_THREADS`] threads; returns the first error of any. If the system gives
/// no thread, the calling one does the work.
#[expect(clippy::disallowed_methods, reason = "drives the disk; engines of this crate start no threads")]
fn in_parallel<T: Sync>(items: &[T], run: impl Fn(&T) -> Result<(), StorageError> + Sync) -> Result<(), StorageError> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            run(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let helpers = MAX_FLUSH_THREADS.min(items.len()).saturating_sub(1);
        let spawned = (0..helpers).map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok());
        let spawned: Vec<_> = spawned.collect();
        let own = work();
        let results = spawned.into_iter().map(|thread| thread.join().expect("invariant: flushing does not panic"));
        results.fold(own, Result::and)
    })
}

impl Reader for DiskStorage {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.read(path)
    }
}

impl Storage for DiskStorage {
    fn prepare(&mut self, files: &[(String, &[u8])]) -> Result<(), StorageError> {
        self.prepared.clear();
        let mut writes = Vec::with_capacity(files.len());
        for (number, (path, bytes)) in files.iter().enumerate() {
            let temporary = self.root().join(format!("{TEMPORARY_PREFIX}-prepared{number}"));
            writes.push(Write { path, temporary, target: locate(self.root(), path)?, bytes, flushed: false });
        }
        in_parallel(&writes, |write| write.flush_temporary().map_err(|e| StorageError::io(write.path, e)))?;
        let prepared = writes
            .into_iter()
            .map(|write| (write.path.to_owned(), Prepared { temporary: write.temporary, bytes: write.bytes.to_vec() }));
        self.prepared.extend(prepared);
        Ok(())
    }

    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_all_once(&[(path.to_owned(), bytes)])
    }

    fn write_all_once(&mut self, files: &[(String, &[u8])]) -> Result<(), StorageError> {
        let (mut missing, mut existing_dirs) = (Vec::new(), BTreeSet::new());
        for (path, bytes) in files {
            match self.read(path)? {
                // Possibly written by a process that died between renaming the file and flushing its directory. The
                // content was flushed before the rename.
                Some(existing) if existing == *bytes => {
                    let target = locate(self.root(), path)?;
                    let made = self.create_parents(&target, &mut Vec::new(), &mut existing_dirs);
                    made.map_err(|error| StorageError::io(path, error))?;
                }
                Some(_) => return Err(StorageError::Immutable(path.clone())),
                None => missing.push((path.as_str(), *bytes)),
            }
        }
        self.sync_dirs(existing_dirs)?;
        self.write_durably(&missing)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_durably(&[(path, bytes)])
    }

    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError> {
        // Compare-then-replace is atomic, because no other process writes while `_writer` is locked.
        if self.read(path)?.as_deref() != expected {
            return Err(StorageError::Changed(path.to_owned()));
        }
        self.write_durably(&[(path, bytes)])
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        let target = locate(self.root(), path)?;
        let remove = || match fs::symlink_metadata(&target) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&target),
            Ok(_) => fs::remove_file(&target),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        let removed = remove().map_err(|error| StorageError::io(path, error));
        self.durable_dirs.retain(|dir| !dir.starts_with(&target));
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

/// Resolves `path` below `root`. Paths may come from requests, so everything that could escape the root is refused.
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
    fn operations_follow_the_contract() {
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
        let batch: Vec<(String, &[u8])> =
            (0..20).map(|n| (format!("tile/{}/000.p/7", n % 3 * 20 + n), &b"c"[..])).collect();
        disk.write_all_once(&batch[..9]).unwrap();
        disk.write_all_once(&batch).unwrap();
        assert!(batch.iter().all(|(path, bytes)| disk.read(path).unwrap().as_deref() == Some(*bytes)));
        let conflict = [("tile/90/000".to_owned(), &b"d"[..]), (batch[0].0.clone(), b"other")];
        assert!(matches!(disk.write_all_once(&conflict), Err(StorageError::Immutable(_))));
        disk.remove("lock").unwrap();
        assert_eq!(disk.read("lock").unwrap(), None);
    }

    #[test]
    fn prepared_files_become_visible_only_when_written_and_only_with_the_announced_content() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = DiskStorage::open(dir.path()).unwrap();
        let announced = [("a/1".to_owned(), &b"one"[..]), ("a/2".to_owned(), b"two"), ("a/3".to_owned(), b"three")];
        disk.prepare(&announced).unwrap();
        assert_eq!(disk.list("a").unwrap(), [""; 0]);
        disk.replace("a/1", b"one").unwrap();
        disk.replace("a/2", b"another").unwrap();
        // A second announcement replaces the first.
        disk.prepare(&announced[2..]).unwrap();
        disk.write_all_once(&[("a/3".to_owned(), b"three"), ("a/4".to_owned(), b"four")]).unwrap();
        let contents = ["a/1", "a/2", "a/3", "a/4"].map(|path| disk.read(path).unwrap().unwrap());
        assert_eq!(contents, [&b"one"[..], b"another", b"three", b"four"]);
    }

    #[test]
    fn temporary_files_of_a_crash_are_removed_on_opening() {
        let dir = tempfile::tempdir().unwrap();
        drop(DiskStorage::open(dir.path()).unwrap());
        let left = dir.path().join(format!("{TEMPORARY_PREFIX}3"));
        fs::write(&left, b"half a ti").unwrap();
        DiskStorage::open(dir.path()).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn paths_cannot_escape_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let reader = DiskReader::new(dir.path());
        for bad in ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/", "a\\b", "a\0b", "c:x"] {
            assert!(matches!(reader.read(bad), Err(StorageError::BadPath(_))), "{bad:?}");
        }
    }

    #[test]
    fn an_oversized_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("checkpoint")).unwrap().set_len(MAX_FILE_LEN + 1).unwrap();
        let read = DiskReader::new(dir.path()).read("checkpoint");
        assert!(matches!(read, Err(StorageError::TooLarge(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_or_directory_in_place_of_a_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("checkpoint")).unwrap();
        fs::create_dir_all(dir.path().join("elsewhere/0")).unwrap();
        fs::write(dir.path().join("elsewhere/0/000"), b"x").unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("tile")).unwrap();
        let reader = DiskReader::new(dir.path());
        for path in ["checkpoint", "tile/0/000", "elsewhere/0"] {
            assert!(matches!(reader.read(path), Err(StorageError::Io { .. })), "{path}");
        }
    }
}
