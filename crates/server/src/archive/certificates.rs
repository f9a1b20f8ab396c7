//! Certificates of all devices there ever were, as files that auditors look for.

use crate::store::DeviceRow;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// `archive/devices` and `archive/issuers`.
pub struct Certificates {
    devices: PathBuf,
    issuers: PathBuf,
}

impl Certificates {
    /// Keeps certificates below `archive`, where it makes its directories.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn open(archive: &Path) -> io::Result<Self> {
        let this = Self { devices: archive.join("devices"), issuers: archive.join("issuers") };
        fs::create_dir_all(&this.devices)?;
        fs::create_dir_all(&this.issuers)?;
        Ok(this)
    }

    /// Writes a device's certificate and the one that signed it, if they are not there.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn keep(&self, device: &DeviceRow) -> io::Result<()> {
        for (dir, der) in [&self.devices, &self.issuers].into_iter().zip(&device.chain) {
            let path = dir.join(format!("{}.der", device.cert_sha256));
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
