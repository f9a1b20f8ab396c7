//! Files of this program that only their owner may read, replaced atomically and durably.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What is written first: it has the file's whole name, so that `x.1` and `x.2` in one directory share nothing.
const TEMPORARY: &str = ".tmp";

/// Replaces a file: a reader, and a machine that stops at any moment, find the old content or the new one. One process at a time
/// may write a file; what an interrupted one left beside it is replaced.
///
/// # Errors
/// When it cannot be written. The old content stays.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, TEMPORARY);
    remove(&temporary)?;
    create(&temporary, bytes)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    sync_directory_of(path)
}

/// Writes a file that must not exist.
///
/// # Errors
/// When it exists, or cannot be written. What was written of it is removed.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path, bytes).and_then(|()| sync_directory_of(path))
}

/// Gives a file another name in the same directory, which must be free.
///
/// # Errors
/// When the name is taken, or the file system cannot do it: the file keeps its own.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_without_replacing(from, to)?;
    sync_directory_of(to)
}

/// Removes a file, if it is there, and what an interrupted write left beside it.
///
/// # Errors
/// When one of them cannot be removed.
pub fn remove_private(path: &Path) -> io::Result<()> {
    remove_left_over(path)?;
    remove(path)?;
    sync_directory_of(path)
}

/// Removes what an interrupted write of a file left beside it. Only for the one process that writes the file.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_left_over(path: &Path) -> io::Result<()> {
    remove(&beside(path, TEMPORARY))
}

/// The file's whole name with a suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file to lock, and creates it if it is not there. A symbolic link in its place is not followed.
///
/// # Errors
/// When it cannot be opened.
#[cfg(unix)]
pub fn open_lock(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Whether a directory is in memory: nothing in it reaches a disk, except by swapping.
#[cfg(target_os = "linux")]
pub fn is_in_memory(directory: &Path) -> bool {
    /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of Linux.
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    rustix::fs::statfs(directory).is_ok_and(|system| IN_MEMORY.contains(&(system.f_type as u64 & 0xffff_ffff)))
}

/// Whether a directory is in memory. Not known here.
#[cfg(not(target_os = "linux"))]
pub fn is_in_memory(_: &Path) -> bool {
    false
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system has the flag.
        Err(Errno::INVAL | Errno::NOSYS) => link_and_remove(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    link_and_remove(from, to)
}

/// A link fails where the name is taken, as a rename does not.
fn link_and_remove(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// A name is durable once its directory is.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    // The parent of a bare file name is the working directory.
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_whose_names_differ_in_their_extension_share_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..8).map(|n| dir.path().join(format!("device.{n}"))).collect();
        std::thread::scope(|scope| {
            for path in &paths {
                scope.spawn(move || {
                    let text = path.display().to_string();
                    (0..50).for_each(|_| replace_private(path, text.as_bytes()).unwrap());
                });
            }
        });
        for path in &paths {
            assert_eq!(fs::read_to_string(path).unwrap(), path.display().to_string());
        }
        assert_eq!(names(dir.path()).len(), paths.len(), "nothing is left over");
    }

    #[test]
    fn what_an_interrupted_write_left_is_replaced_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let half = || fs::write(beside(&path, TEMPORARY), b"half").unwrap();
        half();
        replace_private(&path, b"one").unwrap();
        assert_eq!((names(dir.path()), fs::read(&path).unwrap()), (vec!["key".to_owned()], b"one".to_vec()));
        half();
        remove_left_over(&path).unwrap();
        assert_eq!(names(dir.path()), ["key"]);
        half();
        remove_private(&path).unwrap();
        remove_private(&path).unwrap();
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_name_that_is_taken_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (key, other) = (dir.path().join("key"), dir.path().join("key.json"));
        create_private(&key, b"one").unwrap();
        assert!(create_private(&key, b"two").is_err());
        create_private(&other, b"other").unwrap();
        for rename in [rename_new, link_and_remove] {
            assert!(rename(&other, &key).is_err());
            assert_eq!(fs::read(&key).unwrap(), b"one");
        }
        rename_new(&other, &dir.path().join("free")).unwrap();
        assert_eq!(names(dir.path()), ["free", "key"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_file_is_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, elsewhere) = (dir.path().join("lock"), dir.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
        assert!(open_lock(&lock).is_err());
        assert!(!elsewhere.exists());
        fs::remove_file(&lock).unwrap();
        open_lock(&lock).unwrap();
        open_lock(&lock).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        replace_private(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
