//! Small files with secrets: written atomically, readable by their owner only.

use anyhow::{Context as _, bail};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// End of the names of temporary files.
const TEMPORARY: &str = ".tmp";
/// Largest seed file read, bytes: a seed has 32, and a longer file is reported as corrupt.
const MAX_SEED_BYTES: u64 = 4096;

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
    let suffix: String = random()?[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let temporary = beside(path, &format!(".{suffix}{TEMPORARY}"));
    let write = || -> std::io::Result<()> {
        write_new(&temporary, bytes)?;
        fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        sync_directory_of(path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file that must not exist, durably, readable by its owner only.
///
/// # Errors
/// When it exists, or cannot be written. What was written of it is removed.
pub fn write_new_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = write_new(path, bytes).and_then(|()| sync_directory_of(path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Gives a file another name, which must be free.
///
/// # Errors
/// When the name is taken: the file keeps its own.
pub fn rename_new(from: &Path, to: &Path) -> anyhow::Result<()> {
    // `rename` would replace an existing file.
    let renamed = fs::hard_link(from, to).and_then(|()| fs::remove_file(from)).and_then(|()| sync_directory_of(to));
    renamed.with_context(|| format!("cannot write {}", to.display()))
}

/// Removes a secret, and what interrupted writes left of it beside it.
///
/// # Errors
/// When a file cannot be removed.
pub fn remove_secret(path: &Path) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let left_over = |other: &str| {
        let random = other.strip_prefix(&name).and_then(|rest| rest.strip_prefix('.'));
        random.and_then(|rest| rest.strip_suffix(TEMPORARY)).is_some_and(|random| random.len() == 16)
    };
    for entry in fs::read_dir(directory_of(path))?.flatten() {
        if left_over(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The file's whole name with a suffix: `x.1` and `x.2` in one directory share no temporary file.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    fs::File::open(directory_of(path))?.sync_all()
}

/// The parent of a bare file name is the working directory.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// 32 random bytes.
pub fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    if let Err(error) = getrandom::fill(&mut bytes) {
        bail!("no randomness from the system: {error}");
    }
    Ok(bytes)
}

/// Reads a 32-byte secret.
pub fn read_seed(path: &Path) -> anyhow::Result<[u8; 32]> {
    let bytes = telcon_files::read_named(path, MAX_SEED_BYTES)
        .with_context(|| format!("cannot read {}; was the office created with `telcon init`?", path.display()))?;
    match bytes.try_into() {
        Ok(seed) => Ok(seed),
        Err(_) => bail!("{} is corrupt: it must contain 32 bytes", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_whose_names_differ_in_their_extension_share_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..8).map(|n| dir.path().join(format!("device.{n}"))).collect();
        std::thread::scope(|scope| {
            for path in &paths {
                scope.spawn(move || {
                    let text = path.display().to_string();
                    (0..50).for_each(|_| write_secret(path, text.as_bytes()).unwrap());
                });
            }
        });
        for path in &paths {
            assert_eq!(fs::read_to_string(path).unwrap(), path.display().to_string());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), paths.len(), "nothing is left over");
    }

    #[test]
    fn a_file_that_exists_is_not_taken_and_a_removed_one_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("key"), dir.path().join("key.json"));
        write_new_secret(&path, b"one").unwrap();
        assert!(write_new_secret(&path, b"two").is_err());
        write_new_secret(&other, b"other").unwrap();
        assert!(rename_new(&other, &path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        // As after a kill in the middle of a write.
        fs::write(beside(&path, ".0011223344556677.tmp"), b"half").unwrap();
        remove_secret(&path).unwrap();
        remove_secret(&path).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["key.json"]);
    }
}
