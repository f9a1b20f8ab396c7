//! Going on with a record after the note-taker was killed, at any moment.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::custodian::CustodianRecipient;
use crate::digest::{sha256, sha256_reader};
use crate::error::RecordError;
use crate::fs::{DiskFs, SpoolFs};
use crate::journal::{JOURNAL_FILE, Journal, Line};
use crate::part::is_part_name;
use crate::seal::{self, PartDigest, SEAL_FILE, Seal};
use crate::sealed::Sealed;
use crate::writer::{RecordWriter, replace_file, tmp_name};

/// What was found in a record's directory.
pub enum Resumed {
    /// The record is not finished: go on in the writer's new session, or finish it as partial.
    Writing(Box<RecordWriter>),
    /// The record is sealed; perhaps the signature or the upload is left to do.
    Sealed(Sealed),
}

impl RecordWriter {
    /// Takes up the record in `dir` after a crash. No sealed part is lost: a part whose commit was reached is brought to
    /// its place, a half-written one is removed. Everything committed is read again and checked against the journal.
    ///
    /// # Errors
    /// [`RecordError::NoRecord`] if `dir` has neither journal nor seal (a crash in `create`: nothing was recorded, remove the
    /// directory); [`RecordError::OtherCustodians`] if `custodians` are not those it was begun with, in the same order;
    /// [`RecordError::PartMissing`], [`RecordError::PartChanged`] and [`RecordError::Journal`] for damage that no crash
    /// causes; failures of the disk.
    pub fn resume(dir: &Path, custodians: &[CustodianRecipient]) -> Result<Resumed, RecordError> {
        Self::resume_on(Arc::new(DiskFs), dir, custodians)
    }

    /// [`RecordWriter::resume`] on another file system.
    pub fn resume_on(
        fs: Arc<dyn SpoolFs>,
        dir: &Path,
        custodians: &[CustodianRecipient],
    ) -> Result<Resumed, RecordError> {
        if dir.join(SEAL_FILE).exists() {
            let seal = seal::load(dir)?;
            tidy(&*fs, dir, &[])?;
            remove_journal(&*fs, dir)?;
            return Ok(Resumed::Sealed(Sealed::new(fs, dir.to_owned(), seal)));
        }
        let path = dir.join(JOURNAL_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(RecordError::NoRecord(dir.to_owned())),
            Err(e) => return Err(RecordError::io(path, e)),
        };
        let journal = Journal::parse(&bytes)?;
        let torn = journal.good_bytes < bytes.len() as u64;
        let mut writer = Self::from_journal(fs, dir, custodians, journal, torn)?;
        writer.settle()?;
        let part_names: Vec<String> = writer.parts.iter().map(|p| p.name.clone()).collect();
        writer.set_aside = tidy(&*writer.fs, dir, &part_names)?;
        if let Some(last) = &writer.last {
            let seal =
                Seal::unsigned(writer.call_id, writer.parts.clone(), writer.custodian_texts(), last.partial, sha256);
            replace_file(&*writer.fs, dir, SEAL_FILE, &seal.to_json())?;
            remove_journal(&*writer.fs, dir)?;
            return Ok(Resumed::Sealed(Sealed::new(writer.fs, dir.to_owned(), seal)));
        }
        writer.next_session()?;
        Ok(Resumed::Writing(Box::new(writer)))
    }

    fn from_journal(
        fs: Arc<dyn SpoolFs>,
        dir: &Path,
        custodians: &[CustodianRecipient],
        mut journal: Journal,
        mut torn: bool,
    ) -> Result<Self, RecordError> {
        if !custodians.iter().map(ToString::to_string).eq(journal.custodians.iter().cloned()) {
            return Err(RecordError::OtherCustodians);
        }
        let mut unsettled = false;
        let mut taken_back = None;
        let newest = journal.parts.len().checked_sub(1).filter(|_| journal.ends_with_part && !torn);
        for (index, part) in journal.parts.iter().enumerate() {
            let name = &part.digest.name;
            match matches(dir, name, &part.digest)? {
                Some(true) => {}
                Some(false) => return Err(RecordError::PartChanged(name.clone())),
                None if newest != Some(index) => return Err(RecordError::PartMissing(name.clone())),
                // Committed and not renamed yet; or the writer could not write the line properly, took the part back, and
                // was killed before it could take back the line (it still held the part's files in memory then, and
                // had not told its caller that they are safe).
                None if matches(dir, &tmp_name(name), &part.digest)? == Some(true) => unsettled = true,
                None => taken_back = Some(part.line_start),
            }
        }
        if let Some(line_start) = taken_back {
            journal.parts.pop();
            journal.last = None;
            journal.good_bytes = line_start;
            torn = true;
        }
        let (parts, files): (Vec<_>, Vec<_>) = journal.parts.into_iter().map(|p| (p.digest, p.files)).unzip();
        let files: Vec<_> = files.into_iter().flatten().collect();
        let paths: HashSet<String> = files.iter().map(|f| f.path.clone()).collect();
        if paths.len() != files.len() {
            return Err(RecordError::Journal { line: 0, what: "a file is there twice".to_owned() });
        }
        Ok(Self {
            fs,
            dir: dir.to_owned(),
            call_id: journal.call_id,
            custodians: custodians.to_vec(),
            session: journal.session,
            journal_bytes: journal.good_bytes,
            journal_dirty: torn,
            files,
            parts,
            unsettled,
            last: journal.last,
            set_aside: Vec::new(),
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

/// Whether the file has this length and digest; `None` if it is not there.
pub(crate) fn matches(dir: &Path, file: &str, expected: &PartDigest) -> Result<Option<bool>, RecordError> {
    let path = dir.join(file);
    match File::open(&path).and_then(sha256_reader) {
        Ok((digest, bytes)) => Ok(Some(digest == expected.sha256 && bytes == expected.bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(RecordError::io(path, e)),
    }
}

/// Removes temporary files. With an unsealed record (`parts` not empty or no seal) also sets parts aside that are not ours.
fn tidy(fs: &dyn SpoolFs, dir: &Path, parts: &[String]) -> Result<Vec<String>, RecordError> {
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
