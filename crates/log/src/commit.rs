//! The commit protocol of one append. Appending and recovery run the same code: a committed append is completed by
//! repeating the second half, and every operation of that half is idempotent.
//!
//! 1. *Stage.* All files to be published are written durably as one staging file, named after the new tree. Nothing is
//!    promised yet: a crash here leaves the log unchanged.
//! 2. *Commit.* The lock file is replaced atomically: compare-and-swap from the last signed checkpoint to the new one.
//!    From here the new tree is history, because its signature exists and may have been seen. No other tree of that
//!    size may ever be signed, so the append must be completed and can never be rolled back.
//! 3. *Publish.* Tiles and entry bundles in any order; when all of them are durable, the checkpoint that promises them.
//! 4. *Clean up.* Partial tiles superseded by full ones are removed, and last the staging file, whose presence means
//!    "possibly not published yet". A removal may be undone by a power loss; recovery repeats it.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::staging::StagedFiles;
use crate::storage::{Storage, StorageError};
use crate::tile::CHECKPOINT_PATH;

/// The last signed checkpoint. Not for publication: appends that are not history yet are staged beside it.
pub(crate) const LOCK_PATH: &str = ".state/lock";

/// Directory of staging files.
pub(crate) const STAGING_DIR: &str = ".state/stage";

/// The staging file of the append that leads to this tree. Two appends lead to the same tree only if they publish the
/// same files, or if the second adds no entries.
pub(crate) fn staging_path(tree: &Checkpoint) -> String {
    format!("{STAGING_DIR}/{}-{}", tree.size, tree.root.hex())
}

/// Announces all files of the append to the storage, which flushes them together: the append then waits for one flush of
/// content and one directory flush per part. After an error the append did not happen.
pub(crate) fn prepare<S: Storage>(
    storage: &mut S,
    next: &SignedCheckpoint,
    files: &StagedFiles,
    staging_file: &[u8],
) -> Result<(), StorageError> {
    let note = next.note().as_bytes();
    let mut all: Vec<(String, &[u8])> = vec![
        (staging_path(next.checkpoint()), staging_file),
        (LOCK_PATH.to_owned(), note),
        (CHECKPOINT_PATH.to_owned(), note),
    ];
    all.extend(files.files.iter().map(|(tile, bytes)| (tile.to_string(), bytes.as_slice())));
    storage.prepare(&all)
}

/// Part 1: writes the encoded [`StagedFiles`]. After an error the append did not happen.
pub(crate) fn stage<S: Storage>(storage: &mut S, next: &Checkpoint, staging_file: &[u8]) -> Result<(), StorageError> {
    storage.replace(&staging_path(next), staging_file)
}

/// Parts 2 and 3. After an error the append may or may not be history; [`crate::Log::recover`] finds out.
///
/// `previous` is the content of the lock. During recovery that is `next` already: writing it again makes a rename
/// durable that was visible but possibly not flushed, before anything is published that relies on it.
pub(crate) fn commit_and_publish<S: Storage>(
    storage: &mut S,
    previous: Option<&str>,
    next: &SignedCheckpoint,
    files: &StagedFiles,
) -> Result<(), StorageError> {
    storage.swap(LOCK_PATH, previous.map(str::as_bytes), next.note().as_bytes())?;
    let tiles: Vec<(String, &[u8])> =
        files.files.iter().map(|(tile, bytes)| (tile.to_string(), bytes.as_slice())).collect();
    storage.write_all_once(&tiles)?;
    storage.replace(CHECKPOINT_PATH, next.note().as_bytes())
}

/// Part 4. An error only costs disk space: the append is complete without it.
pub(crate) fn clean_up<S: Storage>(
    storage: &mut S,
    next: &Checkpoint,
    files: &StagedFiles,
) -> Result<(), StorageError> {
    for (tile, _) in files.files.iter().filter(|(tile, _)| tile.is_full()) {
        storage.remove(&tile.partial_dir())?;
    }
    storage.remove(&staging_path(next))
}
