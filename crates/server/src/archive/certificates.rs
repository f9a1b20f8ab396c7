//! Certificates of all devices there ever were, as files that auditors look for.

use crate::store::DeviceRow;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// `archive/devices`.
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Keeps certificates in `dir`, which it makes.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// Writes a device's certificate and the one that signed it, if they are not there.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn keep(&self, device: &DeviceRow) -> io::Result<()> {
        for (name, der) in ["der", "issuer.der"].iter().zip(&device.chain) {
            let path = self.dir.join(format!("{}.{name}", device.cert_sha256));
            if !path.exists() {
                write_whole(&path, der.as_slice())?;
            }
        }
        Ok(())
    }
}

/// Writes a file under another name first, so that nobody ever sees half of it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_parent(path)
}

/// Makes a rename into the directory of `path` durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
