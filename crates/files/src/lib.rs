//! Opens files that others wrote, such as those of an archive that an auditor is handed, a spool, or a configuration; and
//! replaces this program's own private files ([`replace_private`]).
//!
//! A plain `open` of such a file can hang (a FIFO without a writer), never end (a link to `/dev/zero`) or leave the directory
//! (a link anywhere on the path). Here a file is opened without blocking, must be regular, and is read up to a limit.
//!
//! | the path | function | symbolic links |
//! |---|---|---|
//! | below a directory that others wrote | [`open_beneath`], [`read_beneath`], [`list_beneath`] | refused in every component below that directory |
//! | named by the user or the operator | [`open_named`], [`read_named`], [`read_text_named`] | followed: the name is their choice, and secret stores publish files as links |

mod private;

#[cfg(unix)]
pub use private::open_lock;
pub use private::{
    beside, create_private, is_in_memory, remove_left_over, remove_private, rename_new, replace_private,
};

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path};

/// Most entries of a directory that [`list_beneath`] returns: a year of calls by a thousand people fits.
pub const MAX_ENTRIES: usize = 4_000_000;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It, or a directory on the way to it, is a symbolic link.
    #[error("it is, or lies below, a symbolic link, which is not followed")]
    Link,
    /// It is something else than a regular file.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// The path leaves the directory that it is relative to.
    #[error("the path is not below the directory that it is relative to")]
    Outside,
    /// It has more bytes than it may have.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The largest size allowed, bytes.
        limit: u64,
    },
    /// It is not UTF-8.
    #[error("it is not a text file (UTF-8)")]
    NotText,
    /// The operating system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileError {
    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error,
            FileError::TooLarge { .. } => Self::new(io::ErrorKind::FileTooLarge, error.to_string()),
            FileError::NotText => Self::new(io::ErrorKind::InvalidData, error.to_string()),
            other => Self::new(io::ErrorKind::InvalidInput, other.to_string()),
        }
    }
}

/// What an entry of a directory is. A link is a link, whatever it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A link, device, socket or FIFO.
    Other,
}

/// Opens a regular file below `root` for reading. `root` itself may be reached through links: the user named it.
///
/// # Errors
/// [`FileError`].
pub fn open_beneath(root: &Path, relative: impl AsRef<Path>) -> Result<File, FileError> {
    system::open_beneath(root, &components(relative.as_ref())?)
}

/// Reads a regular file below `root` of at most `limit` bytes.
///
/// # Errors
/// [`FileError`].
pub fn read_beneath(root: &Path, relative: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>, FileError> {
    read(open_beneath(root, relative)?, limit)
}

/// The entries of a directory below `root`, sorted by name. `relative` may be empty.
///
/// # Errors
/// [`FileError`]; [`FileError::Io`] with `NotADirectory` where it is none.
pub fn list_beneath(root: &Path, relative: impl AsRef<Path>) -> Result<Vec<(OsString, EntryKind)>, FileError> {
    let mut found = system::list_beneath(root, &components(relative.as_ref())?)?;
    found.sort();
    Ok(found)
}

/// Opens a regular file that the user named. Links are followed.
///
/// # Errors
/// [`FileError`].
pub fn open_named(path: &Path) -> Result<File, FileError> {
    system::open_named(path)
}

/// Reads a regular file of at most `limit` bytes that the user named. Links are followed.
///
/// # Errors
/// [`FileError`].
pub fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read(open_named(path)?, limit)
}

/// Reads a text of at most `limit` bytes that the user named, without the byte order mark that some editors write.
///
/// # Errors
/// [`FileError`].
pub fn read_text_named(path: &Path, limit: u64) -> Result<String, FileError> {
    text(read_named(path, limit)?)
}

/// The bytes as text, without a byte order mark.
///
/// # Errors
/// [`FileError::NotText`].
pub fn text(bytes: Vec<u8>) -> Result<String, FileError> {
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotText)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads an open file of at most `limit` bytes, however long it says it is.
///
/// # Errors
/// [`FileError`].
pub fn read(file: File, limit: u64) -> Result<Vec<u8>, FileError> {
    let length = file.metadata()?.len();
    if length > limit {
        return Err(FileError::TooLarge { limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // Bounded again, because it may have grown since.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(FileError::TooLarge { limit }) } else { Ok(bytes) }
}

/// The names on a relative path.
fn components(relative: &Path) -> Result<Vec<OsString>, FileError> {
    relative
        .components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| match component {
            Component::Normal(name) => Ok(name.to_owned()),
            _ => Err(FileError::Outside),
        })
        .collect()
}

#[cfg(unix)]
mod system {
    use super::{EntryKind, File, FileError, MAX_ENTRIES, OsString, Path, io};
    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
    use rustix::io::Errno;
    use std::ffi::OsStr;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt as _;

    /// Never blocks, and never becomes this process's terminal.
    const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

    pub(super) fn open_beneath(root: &Path, names: &[OsString]) -> Result<File, FileError> {
        let Some((name, dirs)) = names.split_last() else { return Err(FileError::NotRegular("a directory")) };
        let dir = directory(root, dirs)?;
        let file = openat(&dir, name.as_os_str(), READ | OFlags::NOFOLLOW, Mode::empty());
        regular(file.map_err(|errno| refused(&dir, name, errno))?)
    }

    pub(super) fn open_named(path: &Path) -> Result<File, FileError> {
        regular(openat(CWD, path, READ, Mode::empty()).map_err(other)?)
    }

    pub(super) fn list_beneath(root: &Path, names: &[OsString]) -> Result<Vec<(OsString, EntryKind)>, FileError> {
        let dir = directory(root, names)?;
        let mut found = Vec::new();
        for entry in Dir::read_from(&dir).map_err(other)? {
            let entry = entry.map_err(other)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                known => known,
            };
            if found.len() == MAX_ENTRIES {
                return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries")).into());
            }
            found.push((
                name.to_owned(),
                match kind {
                    FileType::Directory => EntryKind::Directory,
                    FileType::RegularFile => EntryKind::File,
                    _ => EntryKind::Other,
                },
            ));
        }
        Ok(found)
    }

    /// Opens a directory below `root`, one name at a time, so that no name on the way can be a link.
    fn directory(root: &Path, names: &[OsString]) -> Result<OwnedFd, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let mut dir = openat(CWD, root, flags, Mode::empty()).map_err(other)?;
        for name in names {
            let next = openat(&dir, name.as_os_str(), flags | OFlags::NOFOLLOW, Mode::empty());
            dir = next.map_err(|errno| refused(&dir, name, errno))?;
        }
        Ok(dir)
    }

    /// Linux says ELOOP or ENOTDIR of a link that is not followed, BSD EMLINK.
    fn refused(dir: &OwnedFd, name: &OsStr, errno: Errno) -> FileError {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Symlink) => FileError::Link,
            Ok(FileType::Socket) => FileError::NotRegular("a socket"),
            _ => other(errno),
        }
    }

    fn regular(file: OwnedFd) -> Result<File, FileError> {
        let kind = FileType::from_raw_mode(fstat(file.as_fd()).map_err(other)?.st_mode);
        Err(FileError::NotRegular(match kind {
            FileType::RegularFile => return Ok(File::from(file)),
            FileType::Directory => "a directory",
            FileType::Fifo => "a FIFO",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            _ => "something else",
        }))
    }

    fn other(errno: Errno) -> FileError {
        FileError::Io(errno.into())
    }
}

#[cfg(not(unix))]
mod system {
    use super::{EntryKind, File, FileError, MAX_ENTRIES, OsString, Path, io};
    use std::path::PathBuf;

    pub(super) fn open_beneath(root: &Path, names: &[OsString]) -> Result<File, FileError> {
        open_named(&checked(root, names)?)
    }

    pub(super) fn open_named(path: &Path) -> Result<File, FileError> {
        if !std::fs::metadata(path)?.is_file() {
            return Err(FileError::NotRegular("something else"));
        }
        Ok(File::open(path)?)
    }

    pub(super) fn list_beneath(root: &Path, names: &[OsString]) -> Result<Vec<(OsString, EntryKind)>, FileError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(checked(root, names)?)? {
            let entry = entry?;
            if found.len() == MAX_ENTRIES {
                return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries")).into());
            }
            let kind = entry.file_type()?;
            found.push((
                entry.file_name(),
                match (kind.is_dir(), kind.is_file()) {
                    (true, _) => EntryKind::Directory,
                    (_, true) => EntryKind::File,
                    _ => EntryKind::Other,
                },
            ));
        }
        Ok(found)
    }

    /// Without `openat`, links are looked for before opening.
    fn checked(root: &Path, names: &[OsString]) -> Result<PathBuf, FileError> {
        let mut path = root.to_owned();
        for name in names {
            path.push(name);
            if std::fs::symlink_metadata(&path)?.file_type().is_symlink() {
                return Err(FileError::Link);
            }
        }
        Ok(path)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const LIMIT: u64 = 1000;

    fn dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("in/good"), b"good").unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/secret"), b"secret").unwrap();
        dir
    }

    fn fifo(path: &Path) {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
    }

    #[test]
    fn regular_files_are_read_and_listed() {
        let dir = dir();
        assert_eq!(read_beneath(dir.path(), "in/good", LIMIT).unwrap(), b"good");
        assert_eq!(read_beneath(dir.path(), "./in/./good", 4).unwrap(), b"good");
        assert!(read_beneath(dir.path(), "in/absent", LIMIT).unwrap_err().is_not_found());
        assert!(read_beneath(dir.path(), "absent/good", LIMIT).unwrap_err().is_not_found());
        let listed = list_beneath(dir.path(), "").unwrap();
        assert_eq!(listed, [("in".into(), EntryKind::Directory), ("outside".into(), EntryKind::Directory)]);
        assert_eq!(list_beneath(dir.path(), "in").unwrap(), [("good".into(), EntryKind::File)]);
    }

    #[test]
    fn links_fifos_devices_directories_and_large_files_are_refused_at_once() {
        let dir = dir();
        let at = |name: &str| dir.path().join("in").join(name);
        symlink("/dev/zero", at("zero")).unwrap();
        symlink("good", at("link")).unwrap();
        fifo(&at("fifo"));
        fs::create_dir(at("directory")).unwrap();
        fs::File::create(at("sparse")).unwrap().set_len(1 << 40).unwrap();
        for name in ["in/zero", "in/link"] {
            assert!(matches!(read_beneath(dir.path(), name, LIMIT), Err(FileError::Link)), "{name}");
        }
        assert!(matches!(read_beneath(dir.path(), "in/fifo", LIMIT), Err(FileError::NotRegular("a FIFO"))));
        assert!(matches!(read_beneath(dir.path(), "in/directory", LIMIT), Err(FileError::NotRegular("a directory"))));
        assert!(matches!(read_beneath(dir.path(), "in/sparse", LIMIT), Err(FileError::TooLarge { limit: LIMIT })));
        assert!(matches!(read_beneath(dir.path(), "in/good", 3), Err(FileError::TooLarge { limit: 3 })));
        // A name that the user chose may be a link, and may still not hang or be endless.
        assert_eq!(read_named(&at("link"), LIMIT).unwrap(), b"good");
        assert!(matches!(read_named(&at("zero"), LIMIT), Err(FileError::NotRegular("a device"))));
        assert!(matches!(read_named(&at("fifo"), LIMIT), Err(FileError::NotRegular("a FIFO"))));
        assert!(matches!(read_named(&at("sparse"), LIMIT), Err(FileError::TooLarge { .. })));
        assert!(list_beneath(dir.path(), "in").unwrap().contains(&("fifo".into(), EntryKind::Other)));
    }

    #[test]
    fn a_link_in_a_parent_is_refused_and_one_in_the_root_is_not() {
        let dir = dir();
        symlink("../outside", dir.path().join("in/sub")).unwrap();
        assert!(matches!(read_beneath(dir.path(), "in/sub/secret", LIMIT), Err(FileError::Link)));
        assert!(matches!(list_beneath(dir.path(), "in/sub"), Err(FileError::Link)));
        for path in ["../in/good", "in/../in/good", "/etc/passwd"] {
            assert!(matches!(read_beneath(dir.path(), path, LIMIT), Err(FileError::Outside)), "{path}");
        }
        symlink("in", dir.path().join("current")).unwrap();
        assert_eq!(read_beneath(&dir.path().join("current"), "good", LIMIT).unwrap(), b"good");
    }

    #[test]
    fn text_loses_its_byte_order_mark_and_binary_is_named() {
        let dir = dir();
        let path = dir.path().join("in/text");
        fs::write(&path, "\u{feff}AGE-…\n").unwrap();
        assert_eq!(read_text_named(&path, LIMIT).unwrap(), "AGE-…\n");
        fs::write(&path, [0xff, 0xfe, b'A', 0]).unwrap();
        assert!(matches!(read_text_named(&path, LIMIT), Err(FileError::NotText)));
    }
}
