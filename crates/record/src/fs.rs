//! The few file-system operations the writer needs, as a trait, so that tests can make any of them fail or be the last.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

/// What the writer does to its disk. An operation that returned `Ok` survives a loss of power, except a rename, creation or
/// removal of a name, which does after [`SpoolFs::sync_dir`].
pub trait SpoolFs: Send + Sync {
    /// Creates a directory and its parents, for this user only.
    fn create_dir(&self, dir: &Path) -> Result<()>;
    /// Creates or replaces a file and waits until its content is on the disk.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Appends to a file and waits until it is on the disk.
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Cuts a file to `length` bytes and waits until that is on the disk.
    fn truncate(&self, path: &Path, length: u64) -> Result<()>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Waits until the names in a directory are on the disk.
    fn sync_dir(&self, dir: &Path) -> Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<()>;
}

/// The real disk.
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
        // Windows cannot open a directory as a file and makes names durable with the file itself.
        if cfg!(windows) { Ok(()) } else { File::open(dir)?.sync_all() }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path)
    }
}
