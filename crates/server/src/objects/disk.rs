//! Objects as files below a directory, on a file system where renaming is atomic and a directory can be flushed (any Unix
//! one). Files that a killed process left half written are in `.spool`, which is emptied at the next start.

use super::{Key, Listed, ObjectError, Objects, Spool};
use crate::private;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};
use telcon_files::FileError;
use telcon_proto::limits::MAX_RECORD_PART_BYTES;

const SPOOL: &str = ".spool";

/// The directory.
#[derive(Debug)]
pub struct DiskObjects {
    root: PathBuf,
    /// Number of the next spool file: file names are unique.
    spools: AtomicU64,
}

impl DiskObjects {
    /// Stores objects below `root`, for the one process that writes there. Creates the directory if it is missing, for its owner alone.
    ///
    /// # Errors
    /// If it cannot be created, or its spool cannot be emptied.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let spool = root.join(SPOOL);
        match fs::remove_dir_all(&spool) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private::create_dir_all(&spool)?;
        private::warn_if_readable_by_others(&root);
        Ok(Self { root, spools: AtomicU64::new(0) })
    }

    fn place(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Creates the directories of an object durably; returns the innermost.
    fn make_parent(&self, place: &Path) -> io::Result<PathBuf> {
        let dir = place.parent().unwrap_or(&self.root);
        let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
        for dir in missing.into_iter().rev() {
            match private::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            sync_parent(dir)?;
        }
        Ok(dir.to_owned())
    }

    fn collect(&self, dir: &Path, key: &Key, found: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(dir) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // A file whose name is not a valid key is not ours.
            let Some(key) = entry.file_name().to_str().and_then(|name| key.child(name)) else { continue };
            let metadata = match entry.metadata() {
                // Relocated or deleted concurrently.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_dir() {
                self.collect(&entry.path(), &key, found)?;
            } else if metadata.is_file() {
                let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                found.push(Listed { key, bytes: metadata.len(), modified_ms: modified.as_millis() as u64 });
            }
        }
        Ok(())
    }
}

impl Objects for DiskObjects {
    fn spool(&self) -> Result<Spool, ObjectError> {
        let number = self.spools.fetch_add(1, Ordering::Relaxed);
        Ok(Spool::at(self.root.join(SPOOL).join(number.to_string())))
    }

    fn put(&self, key: &Key, spool: Spool) -> Result<(), ObjectError> {
        let place = self.place(key);
        self.make_parent(&place)?;
        fs::rename(spool.path(), &place)?;
        Ok(sync_parent(&place)?)
    }

    fn create(&self, key: &Key, bytes: &[u8]) -> Result<bool, ObjectError> {
        let place = self.place(key);
        if place.exists() {
            return Ok(false);
        }
        let spool = self.spool()?;
        let mut file = spool.create()?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.make_parent(&place)?;
        // Unlike a rename, this fails if the target exists.
        match fs::hard_link(spool.path(), &place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            linked => linked?,
        }
        sync_parent(&place)?;
        Ok(true)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, ObjectError> {
        match telcon_files::read_named(&self.place(key), MAX_RECORD_PART_BYTES as u64) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::NotRegular("a directory")) => Ok(None),
            Err(FileError::Io(error))
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    fn list(&self, below: &Key) -> Result<Vec<Listed>, ObjectError> {
        let mut found = Vec::new();
        self.collect(&self.place(below), below, &mut found)?;
        found.sort();
        Ok(found)
    }

    fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        let place = self.place(key);
        match fs::remove_file(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed?,
        }
        if let Some(parent) = place.parent().filter(|parent| *parent != self.root) {
            // Fails, as intended, if the directory has other files.
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }

    fn relocate(&self, from: &Key, to: &Key, _marker: &str) -> Result<(), ObjectError> {
        let (from, to) = (self.place(from), self.place(to));
        // Checked before anything is removed: a repeated call must not lose what the first one moved.
        fs::metadata(&from)?;
        self.make_parent(&to)?;
        match fs::remove_dir_all(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // One atomic rename, so the order of the marker is irrelevant.
        fs::rename(&from, &to)?;
        sync_parent(&to)?;
        Ok(sync_parent(&from)?)
    }
}

/// Flushes the directory of `path`, which makes renames in it durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// The attacker is another user of the machine, and the objects are outside the data directory.
    #[test]
    fn objects_and_their_directories_are_readable_by_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("new/objects");
        let objects = DiskObjects::open(&root).unwrap();
        let spool = objects.spool().unwrap();
        spool.create().unwrap().write_all(b"sealed").unwrap();
        objects.put(&Key::parse("records/a/part").unwrap(), spool).unwrap();
        assert!(objects.create(&Key::parse("devices/b").unwrap(), b"certificate").unwrap());
        let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
        for directory in ["..", "", SPOOL, "records", "records/a", "devices"] {
            assert_eq!(mode(directory), 0o700, "{directory}");
        }
        for file in ["records/a/part", "devices/b"] {
            assert_eq!(mode(file), 0o600, "{file}");
        }
    }
}
