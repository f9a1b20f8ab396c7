//! The file system operations the writer needs, as a trait, so that tests can inject a failure or crash at any of them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

use crate::error::RecordError;

/// A file system with explicit durability. An operation that returned `Ok` survives power loss; creation, renaming and removal
/// of names become durable with [`SpoolFs::sync_dir`].
pub trait SpoolFs: Send + Sync {
    /// Creates a directory and its parents with access for this user only.
    fn create_dir(&self, dir: &Path) -> Result<()>;
    /// Creates or replaces a file and waits until its content is durable.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Appends to a file and waits until the content is durable.
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Truncates a file to `length` bytes and waits until that is durable.
    fn truncate(&self, path: &Path, length: u64) -> Result<()>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Waits until the names in a directory are durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFs;

impl SpoolFs for DiskFs {
    fn create_dir(&self, dir: &Path) -> Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(dir)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn truncate(&self, path: &Path, length: u64) -> Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        // Windows cannot open a directory as a file; there, names become durable with the file.
        if cfg!(windows) { Ok(()) } else { File::open(dir)?.sync_all() }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path)
    }
}

/// The temporary name of a file that is being written.
pub(crate) fn tmp_name(name: &str) -> String {
    format!("{name}.tmp")
}

/// Writes a file atomically: it exists completely or not at all.
pub(crate) fn replace_file(
    fs: &dyn SpoolFs,
    dir: &Path,
    name: &str,
    bytes: &[u8],
) -> std::result::Result<(), RecordError> {
    let (own, tmp) = (dir.join(name), dir.join(tmp_name(name)));
    let written = fs.write(&tmp, bytes).and_then(|()| fs.rename(&tmp, &own)).and_then(|()| fs.sync_dir(dir));
    written.map_err(|e| {
        let _ = fs.remove(&tmp);
        RecordError::io(own, e)
    })
}
