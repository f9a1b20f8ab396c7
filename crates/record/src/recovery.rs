//! Crash recovery of a record, from any point at which the note-taker can have been killed.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use telcon_files::FileError;

use crate::custodian::CustodianRecipient;
use crate::digest::{sha256, sha256_reader};
use crate::error::RecordError;
use crate::fs::{DiskFs, SpoolFs, replace_file, tmp_name};
use crate::journal::{JOURNAL_FILE, Journal, Line, MAX_JOURNAL_BYTES};
use crate::part::is_part_name;
use crate::seal::{self, PartDigest, SEAL_FILE, Seal};
use crate::sealed::Sealed;
use crate::writer::RecordWriter;

/// The state of a record found in its directory.
pub enum Recovered {
    /// The record is unfinished: continue in the writer's new session, or finish it as partial.
    Unfinished(Box<RecordWriter>),
    /// The record is sealed. Signature and upload may still be pending.
    Sealed(Sealed),
}

impl RecordWriter {
    /// Recovers the record in `dir` after a crash. No sealed part is lost: the rename of a committed part is completed, and an
    /// uncommitted part is removed. All committed parts are read and checked against the journal.
    ///
    /// # Errors
    /// [`RecordError::NoRecord`] if `dir` contains neither journal nor seal (a crash in `create`: nothing was recorded, remove
    /// the directory); [`RecordError::CustodiansDiffer`] if `custodians` are not those of the record, in the same order;
    /// [`RecordError::PartMissing`], [`RecordError::PartChanged`] and [`RecordError::Journal`] for damage that a crash cannot
    /// cause; disk errors.
    pub fn recover(dir: &Path, custodians: &[CustodianRecipient]) -> Result<Recovered, RecordError> {
        Self::recover_on(Arc::new(DiskFs), dir, custodians)
    }

    /// [`RecordWriter::recover`] on another file system.
    pub fn recover_on(
        fs: Arc<dyn SpoolFs>,
        dir: &Path,
        custodians: &[CustodianRecipient],
    ) -> Result<Recovered, RecordError> {
        if dir.join(SEAL_FILE).exists() {
            let seal = seal::load(dir)?;
            remove_leftovers(&*fs, dir, &[])?;
            remove_journal(&*fs, dir)?;
            return Ok(Recovered::Sealed(Sealed::new(fs, dir.to_owned(), seal)));
        }
        let path = dir.join(JOURNAL_FILE);
        let bytes = match telcon_files::read_beneath(dir, JOURNAL_FILE, MAX_JOURNAL_BYTES) {
            Ok(bytes) => bytes,
            Err(e) if e.is_not_found() => return Err(RecordError::NoRecord(dir.to_owned())),
            Err(e) => return Err(RecordError::io(path, e.into())),
        };
        let journal = Journal::parse(&bytes)?;
        let torn = journal.valid_bytes < bytes.len() as u64;
        let mut writer = Self::from_journal(fs, dir, custodians, journal, torn)?;
        writer.finish_commit()?;
        let part_names: Vec<String> = writer.parts.iter().map(|p| p.name.clone()).collect();
        writer.foreign_parts = remove_leftovers(&*writer.fs, dir, &part_names)?;
        if let Some(final_part) = &writer.final_part {
            let seal = Seal::unsigned(
                writer.call_id,
                writer.parts.clone(),
                writer.custodian_texts(),
                final_part.partial,
                sha256,
            );
            replace_file(&*writer.fs, dir, SEAL_FILE, &seal.to_json())?;
            remove_journal(&*writer.fs, dir)?;
            return Ok(Recovered::Sealed(Sealed::new(writer.fs, dir.to_owned(), seal)));
        }
        writer.next_session()?;
        Ok(Recovered::Unfinished(Box::new(writer)))
    }

    fn from_journal(
        fs: Arc<dyn SpoolFs>,
        dir: &Path,
        custodians: &[CustodianRecipient],
        mut journal: Journal,
        mut torn: bool,
    ) -> Result<Self, RecordError> {
        if !custodians.iter().map(ToString::to_string).eq(journal.custodians.iter().cloned()) {
            return Err(RecordError::CustodiansDiffer);
        }
        let mut rename_pending = false;
        let mut rolled_back = None;
        let newest = journal.parts.len().checked_sub(1).filter(|_| journal.part_is_newest_line && !torn);
        for (index, part) in journal.parts.iter().enumerate() {
            let name = &part.digest.name;
            match file_matches(dir, name, &part.digest)? {
                Some(true) => {}
                Some(false) => return Err(RecordError::PartChanged(name.clone())),
                None if newest != Some(index) => return Err(RecordError::PartMissing(name.clone())),
                // Either committed and not renamed yet; or appending the line failed, the part was rolled back, and the writer
                // was killed before the line was. In that case the part's files were still in memory, and the caller had not
                // been told that they are durable.
                None if file_matches(dir, &tmp_name(name), &part.digest)? == Some(true) => rename_pending = true,
                None => rolled_back = Some(part.line_start),
            }
        }
        if let Some(line_start) = rolled_back {
            journal.parts.pop();
            journal.final_part = None;
            journal.valid_bytes = line_start;
            torn = true;
        }
        let (parts, files): (Vec<_>, Vec<_>) = journal.parts.into_iter().map(|p| (p.digest, p.files)).unzip();
        let files: Vec<_> = files.into_iter().flatten().collect();
        let paths: HashSet<String> = files.iter().map(|f| f.path.clone()).collect();
        if paths.len() != files.len() {
            return Err(RecordError::Journal { line: 0, what: "a file is listed twice".to_owned() });
        }
        Ok(Self {
            fs,
            dir: dir.to_owned(),
            call_id: journal.call_id,
            custodians: custodians.to_vec(),
            session: journal.session,
            journal_bytes: journal.valid_bytes,
            journal_torn: torn,
            files,
            parts,
            rename_pending,
            final_part: journal.final_part,
            foreign_parts: Vec::new(),
            paths,
            buffer: Vec::new(),
            buffered_bytes: 0,
            sealed: false,
        })
    }

    fn next_session(&mut self) -> Result<(), RecordError> {
        let line = Line::Session(self.session + 1).to_bytes();
        let journal = self.dir.join(JOURNAL_FILE);
        self.fs.append(&journal, &line).map_err(|e| RecordError::io(journal, e))?;
        self.journal_bytes += line.len() as u64;
        self.session += 1;
        Ok(())
    }
}

/// Whether the file has this length and digest; `None` if it does not exist.
pub(crate) fn file_matches(dir: &Path, file: &str, expected: &PartDigest) -> Result<Option<bool>, RecordError> {
    let path = dir.join(file);
    let file = match telcon_files::open_beneath(dir, file) {
        Ok(file) => file,
        Err(e) if e.is_not_found() => return Ok(None),
        Err(FileError::Io(e)) => return Err(RecordError::io(path, e)),
        Err(_) => return Ok(Some(false)),
    };
    // One byte more than expected shows a longer file.
    let read = sha256_reader(file.take(expected.bytes.saturating_add(1)));
    let (digest, bytes) = read.map_err(|e| RecordError::io(path, e))?;
    Ok(Some(digest == expected.sha256 && bytes == expected.bytes))
}

/// Removes temporary files. In an unsealed record, also renames parts that the journal does not list.
fn remove_leftovers(fs: &dyn SpoolFs, dir: &Path, parts: &[String]) -> Result<Vec<String>, RecordError> {
    let sealed = dir.join(SEAL_FILE).exists();
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| RecordError::io(dir, e))? {
        let entry = entry.map_err(|e| RecordError::io(dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = dir.join(&name);
        if name.ends_with(".tmp") {
            fs.remove(&path).map_err(|e| RecordError::io(&path, e))?;
        } else if !sealed && is_part_name(&name) && !parts.contains(&name) {
            fs.rename(&path, &dir.join(format!("{name}.foreign"))).map_err(|e| RecordError::io(&path, e))?;
            foreign.push(name);
        }
    }
    fs.sync_dir(dir).map_err(|e| RecordError::io(dir, e))?;
    foreign.sort();
    Ok(foreign)
}

fn remove_journal(fs: &dyn SpoolFs, dir: &Path) -> Result<(), RecordError> {
    let journal = dir.join(JOURNAL_FILE);
    if journal.exists() {
        fs.remove(&journal).and_then(|()| fs.sync_dir(dir)).map_err(|e| RecordError::io(journal, e))?;
    }
    Ok(())
}
