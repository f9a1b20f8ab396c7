//! Files and directories that their owner alone may read, whatever the process's umask: the database names people, and sealed
//! records say who spoke with whom and when.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Creates a directory and the missing ones above it. Existing ones stay as they are.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a directory.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Creates a file, or empties it, for writing.
pub(crate) fn create_empty(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Creates a file if there is none.
pub(crate) fn create_if_missing(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Tells the operator if other users of the machine can read what is at `path`: it was created by somebody else, or by an earlier
/// version.
pub(crate) fn warn_if_readable_by_others(path: &Path) {
    if others_may_read(path) {
        tracing::warn!(
            path = %path.display(),
            "other users of this machine can read the office's data: take their permissions from it and from what is in it or \
             beside it (chmod -R go= PATH), or from the directory above it"
        );
    }
}

/// Whether its own permissions and those of all directories above it let anybody but its owner in.
fn others_may_read(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let mode = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    mode(&path) & 0o055 != 0 && path.ancestors().skip(1).all(|above| mode(above) & 0o011 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_readable_by_others_is_noticed_unless_a_directory_above_it_is_closed() {
        // Its own mode is 0700.
        let home = tempfile::tempdir().unwrap();
        let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let file = home.path().join("file");
        create_if_missing(&file).unwrap();
        chmod(home.path(), 0o755);
        let is_reachable =
            home.path().ancestors().skip(1).all(|above| others_may_read(above) || above == Path::new("/"));
        assert!(!others_may_read(&file));
        chmod(&file, 0o640);
        assert_eq!(others_may_read(&file), is_reachable);
        chmod(home.path(), 0o700);
        assert!(!others_may_read(&file) && !others_may_read(home.path()));
        assert!(!others_may_read(&home.path().join("missing")));
    }
}
