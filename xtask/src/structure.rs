//! Rules about the source text of the workspace: imports between files, where formats are defined, which errors a crate may use,
//! and that documents name files and commands that exist.

mod documents;
mod engines;
mod formats;
mod imports;
mod source;

use std::path::{Path, PathBuf};

/// The repository's root directory.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("invariant: xtask is below the root").to_owned()
}

/// All files with this extension below `dir` (relative to the root), sorted; relative to the root.
fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    const SKIPPED: &[&str] = &["target", "node_modules", "dist", ".git"];
    let (root, mut found) = (root(), Vec::new());
    let mut waiting = vec![root.join(dir)];
    while let Some(dir) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(&root).expect("invariant: below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The source directories of all crates, relative to the root.
fn source_dirs() -> Vec<String> {
    let crates = std::fs::read_dir(root().join("crates")).expect("the crates directory");
    let mut dirs: Vec<String> =
        crates.flatten().map(|entry| format!("crates/{}/src", entry.file_name().to_string_lossy())).collect();
    dirs.push("xtask/src".to_owned());
    dirs.sort();
    dirs
}
