//! Skips work whose inputs have not changed: a stamp is a file that holds the digest of the inputs it was made from.
//! Digests are of contents, never of times, so that a fresh checkout and a touched file change nothing.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Collects the inputs of a piece of work.
#[derive(Default)]
pub struct Inputs(Sha256);

impl Inputs {
    /// An input that is not a file: a version, a flag.
    pub fn value(mut self, value: &str) -> Self {
        self.add(b"value", value.as_bytes());
        self
    }

    /// A file, or all files below a directory except in subdirectories named in `skip`. A missing file is an input too.
    pub fn path(mut self, path: &Path, skip: &[&str]) -> Result<Self> {
        for file in files(path, skip)? {
            let name = file.strip_prefix(path).unwrap_or(&file);
            self.add(b"name", name.as_os_str().as_encoded_bytes());
            self.add(b"file", &fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        }
        self.add(b"end", b"");
        Ok(self)
    }

    /// Each part with its kind and length, so that two different sets of inputs never hash the same bytes.
    fn add(&mut self, kind: &[u8], bytes: &[u8]) {
        self.0.update(kind);
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn digest(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Does `work` unless `stamp` holds the digest of `inputs` and all `outputs` exist. Returns whether it did.
pub fn unless_done(stamp: &Path, inputs: Inputs, outputs: &[&Path], work: impl FnOnce() -> Result<()>) -> Result<bool> {
    let digest = inputs.digest();
    let done = fs::read_to_string(stamp).is_ok_and(|stamped| stamped == digest);
    if done && outputs.iter().all(|output| output.exists()) {
        return Ok(false);
    }
    // Interrupted work must not look done because of an older stamp.
    let _ = fs::remove_file(stamp);
    work()?;
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(true)
}

/// The path of the named stamp.
pub fn place(name: &str) -> PathBuf {
    crate::process::target_dir().join("stamps").join(name)
}

fn files(path: &Path, skip: &[&str]) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(if path.exists() { vec![path.to_owned()] } else { Vec::new() });
    }
    let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let skipped = entry.file_name().and_then(|name| name.to_str()).is_some_and(|name| skip.contains(&name));
        if !skipped {
            found.extend(files(&entry, skip)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(folder: &Path) -> bool {
        let output = folder.join("out");
        let inputs = Inputs::default().value("v1").path(&folder.join("in"), &["skipped"]).unwrap();
        unless_done(&folder.join("stamp"), inputs, &[&output], || Ok(fs::write(&output, "made")?)).unwrap()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("in/skipped")).unwrap();
        fs::write(folder.path().join("in/a"), "one").unwrap();
        folder
    }

    #[test]
    fn unchanged_inputs_skip_the_work() {
        let folder = folder();
        assert!(done(folder.path()));
        assert!(!done(folder.path()));
        // Modification times are not inputs.
        fs::write(folder.path().join("in/a"), "one").unwrap();
        fs::write(folder.path().join("in/skipped/b"), "ignored").unwrap();
        assert!(!done(folder.path()));
    }

    #[test]
    fn changed_added_moved_or_removed_inputs_repeat_the_work() {
        let folder = folder();
        assert!(done(folder.path()));
        fs::write(folder.path().join("in/a"), "two").unwrap();
        assert!(done(folder.path()));
        fs::write(folder.path().join("in/b"), "").unwrap();
        assert!(done(folder.path()));
        fs::rename(folder.path().join("in/b"), folder.path().join("in/c")).unwrap();
        assert!(done(folder.path()));
        fs::remove_file(folder.path().join("in/c")).unwrap();
        assert!(done(folder.path()));
        assert!(!done(folder.path()));
    }

    #[test]
    fn a_missing_output_repeats_the_work() {
        let folder = folder();
        assert!(done(folder.path()));
        fs::remove_file(folder.path().join("out")).unwrap();
        assert!(done(folder.path()));
    }

    #[test]
    fn failed_work_is_repeated() {
        let folder = folder();
        let stamp = folder.path().join("stamp");
        let attempt = |outcome: fn() -> Result<()>| unless_done(&stamp, Inputs::default().value("v1"), &[], outcome);
        assert!(attempt(|| Ok(())).unwrap());
        let other = Inputs::default().value("v2");
        assert!(unless_done(&stamp, other, &[], || anyhow::bail!("no")).is_err());
        assert!(attempt(|| Ok(())).unwrap(), "an older stamp must not survive a failure");
    }
}
