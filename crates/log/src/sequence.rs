//! The order in which one step of the log becomes history. Appending and recovering run the same code: a step that was
//! committed is finished by doing its second half once more, and each part of that half may be done twice.
//!
//! 1. *Stage.* Everything to be published is durable in one file, named after the new tree. Nothing is promised yet;
//!    a step that dies here never was.
//! 2. *Commit.* The lock file changes from the last signed checkpoint to the new one, atomically, if it still is the
//!    last one. From here the new tree is the log's history: it was signed, and may have been seen. Nothing else of
//!    that size may ever be signed, so whatever happens the step has to be finished, never undone.
//! 3. *Publish.* Tiles and entries, then the checkpoint that promises them.
//! 4. *Tidy.* Partial tiles that a full one replaces go, and last the stage, which until then says "not finished".

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::stage::Stage;
use crate::storage::{Storage, StorageError};
use crate::tile::CHECKPOINT_PATH;

/// The last signed checkpoint. Not for publication: beside it are the parts of steps that are not history yet.
pub(crate) const LOCK_PATH: &str = ".state/lock";

/// Where steps are staged.
pub(crate) const STAGE_DIR: &str = ".state/stage";

/// The stage of the step that leads to this tree. Two steps lead to the same tree only if they publish the same files,
/// or if the second adds no entries.
pub(crate) fn stage_path(tree: &Checkpoint) -> String {
    format!("{STAGE_DIR}/{}-{}", tree.size, tree.root.hex())
}

/// Part 1. An error means that the step never was.
pub(crate) fn stage<S: Storage>(storage: &mut S, next: &Checkpoint, stage: &Stage) -> Result<(), StorageError> {
    storage.replace(&stage_path(next), &stage.encode())
}

/// Parts 2 and 3. After an error the step may or may not be history; [`crate::Log::recover`] finds out.
///
/// `previous` is what the lock holds. In recovery that is `next` already: writing it again makes durable a rename that
/// was seen but perhaps not flushed, before anything is published on the strength of it.
pub(crate) fn commit_and_publish<S: Storage>(
    storage: &mut S,
    previous: Option<&str>,
    next: &SignedCheckpoint,
    stage: &Stage,
) -> Result<(), StorageError> {
    storage.swap(LOCK_PATH, previous.map(str::as_bytes), next.note().as_bytes())?;
    for (tile, bytes) in &stage.files {
        storage.write_once(&tile.to_string(), bytes)?;
    }
    storage.replace(CHECKPOINT_PATH, next.note().as_bytes())
}

/// Part 4. An error costs only disk space; the step is finished without it.
pub(crate) fn tidy<S: Storage>(storage: &mut S, next: &Checkpoint, stage: &Stage) -> Result<(), StorageError> {
    for (tile, _) in stage.files.iter().filter(|(tile, _)| tile.is_full()) {
        storage.remove(&tile.partial_dir())?;
    }
    storage.remove(&stage_path(next))
}
