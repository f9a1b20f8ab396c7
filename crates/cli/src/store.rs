//! Small files with secrets: written atomically, readable by their owner only.

use anyhow::{Context as _, bail};
use std::{fs, os::unix::fs::DirBuilderExt as _, path::Path};

/// Creates a directory that only its owner can access.
pub fn private_dir(dir: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))
}

/// Replaces a file atomically and durably, readable by its owner only.
pub fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    telcon_files::replace_private(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// 32 random bytes.
pub fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    if let Err(error) = getrandom::fill(&mut bytes) {
        bail!("no randomness from the system: {error}");
    }
    Ok(bytes)
}
