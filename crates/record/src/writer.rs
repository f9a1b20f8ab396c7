//! Writing a record while the call goes on.
//!
//! # Order of a part's commit
//! 1. The part is built and sealed in memory. Plaintext is never written.
//! 2. `part-N.tar.age.tmp` is written and made durable, its name too.
//! 3. The part's line goes into the journal and is made durable. **This is the commit.**
//! 4. The file is renamed to `part-N.tar.age`, and the name made durable.
//!
//! The journal comes before the rename because the writer cannot read its own parts. A part on the disk whose files the
//! journal does not know could not be put into the bag's manifest, so it would have to be thrown away. The other way round
//! nothing is lost: after the commit the complete part is there under one of its two names, and resuming finishes step 4.
//! So a crash never leaves a part that is not in the journal; if there is one all the same, somebody put it there or
//! tampered with the journal, and resuming sets it aside (see [`RecordWriter::set_aside`]).
//!
//! The last part is committed in the same way; `seal.json` follows from the journal alone, and the journal goes last.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telcon_proto::CallId;
use zeroize::Zeroizing;

use crate::bag::{self, BagInfo, FileEntry};
use crate::custodian::CustodianRecipient;
use crate::digest::sha256;
use crate::error::RecordError;
use crate::fs::{DiskFs, SpoolFs};
use crate::journal::{JOURNAL_FILE, Last, Line};
use crate::part::{self, part_name};
use crate::path::is_bag_path;
use crate::payload::Payload;
use crate::seal::{MAX_CUSTODIANS, MAX_RECORD_PARTS, PartDigest, SEAL_FILE, Seal};
use crate::sealed::Sealed;
use crate::tar;

/// Bytes that may wait in memory for the next part. Ten seconds of ten speakers are half a megabyte; the rest is room for a
/// disk that stays full for the better part of an hour.
pub const MAX_BUFFERED_BYTES: usize = 48 << 20;

/// Writes one call's record into its directory, part by part. One owner, no threads of its own; calls block on the disk.
pub struct RecordWriter {
    pub(crate) fs: Arc<dyn SpoolFs>,
    pub(crate) dir: PathBuf,
    pub(crate) call_id: CallId,
    pub(crate) custodians: Vec<CustodianRecipient>,
    pub(crate) session: u32,
    /// Whole lines of the journal.
    pub(crate) journal_bytes: u64,
    /// The journal has a tail that belongs to nothing and must go before anything is appended.
    pub(crate) journal_dirty: bool,
    /// Files in committed parts.
    pub(crate) files: Vec<FileEntry>,
    pub(crate) parts: Vec<PartDigest>,
    /// The last of `parts` is committed but may still have its temporary name.
    pub(crate) unsettled: bool,
    /// The last part is committed: only the seal is left to write.
    pub(crate) last: Option<Last>,
    pub(crate) set_aside: Vec<String>,
    /// Every path in the record, buffered ones too.
    pub(crate) paths: HashSet<String>,
    pub(crate) buffer: Vec<(String, Payload)>,
    pub(crate) buffered_bytes: usize,
    pub(crate) sealed: bool,
}

impl RecordWriter {
    /// Begins a record of the call in `dir`, which is the record's own directory (its last name should be the call id) and
    /// is created. The session is 1.
    ///
    /// # Errors
    /// [`RecordError::Exists`] if `dir` holds a record (then [`RecordWriter::resume`] it), [`RecordError::Misuse`] for a
    /// malformed call id or no, repeated or too many custodians, and failures of the disk. After a failure of the disk
    /// the record may exist already, empty: [`RecordWriter::resume`] tells.
    pub fn create(dir: &Path, custodians: &[CustodianRecipient], call_id: &str) -> Result<Self, RecordError> {
        Self::create_on(Arc::new(DiskFs), dir, custodians, call_id)
    }

    /// [`RecordWriter::create`] on another file system.
    pub fn create_on(
        fs: Arc<dyn SpoolFs>,
        dir: &Path,
        custodians: &[CustodianRecipient],
        call_id: &str,
    ) -> Result<Self, RecordError> {
        let Ok(call_id) = call_id.parse() else {
            return Err(RecordError::Misuse("a call id is 32 lower-case hexadecimal digits"));
        };
        let repeated = custodians.iter().enumerate().any(|(i, c)| custodians[..i].contains(c));
        if custodians.is_empty() || custodians.len() > MAX_CUSTODIANS || repeated {
            return Err(RecordError::Misuse("a record needs custodians, each once, and not too many"));
        }
        if dir.join(JOURNAL_FILE).exists() || dir.join(SEAL_FILE).exists() {
            return Err(RecordError::Exists(dir.to_owned()));
        }
        let writer = Self {
            fs,
            dir: dir.to_owned(),
            call_id,
            custodians: custodians.to_vec(),
            session: 1,
            journal_bytes: 0,
            journal_dirty: false,
            files: Vec::new(),
            parts: Vec::new(),
            unsettled: false,
            last: None,
            set_aside: Vec::new(),
            paths: HashSet::new(),
            buffer: Vec::new(),
            buffered_bytes: 0,
            sealed: false,
        };
        writer.begin()
    }

    fn begin(mut self) -> Result<Self, RecordError> {
        let texts = self.custodian_texts();
        let mut lines = Line::Begin { version: 1, call_id: self.call_id, custodians: texts }.to_bytes();
        lines.extend(Line::Session(1).to_bytes());
        self.fs.create_dir(&self.dir).map_err(|e| RecordError::io(&self.dir, e))?;
        if let Some(parent) = self.dir.parent().filter(|p| !p.as_os_str().is_empty()) {
            self.fs.sync_dir(parent).map_err(|e| RecordError::io(parent, e))?;
        }
        replace_file(&*self.fs, &self.dir, JOURNAL_FILE, &lines)?;
        self.journal_bytes = lines.len() as u64;
        Ok(self)
    }

    /// The run of the note-taker that this writer belongs to, from 1. Files go under `data/session-<N>/`.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// The call.
    pub fn call_id(&self) -> CallId {
        self.call_id
    }

    /// Bytes waiting for the next part.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Parts sealed so far.
    pub fn parts(&self) -> &[PartDigest] {
        &self.parts
    }

    /// Parts that resuming found on the disk and not in the journal. They are not of this record (the order of writing does
    /// not allow it); they were renamed to `….foreign`, nothing was deleted. Report them.
    pub fn set_aside(&self) -> &[String] {
        &self.set_aside
    }

    /// Adds a file at `data/session-<N>/<path>`, with N = [`RecordWriter::session`]; in memory only, until
    /// [`RecordWriter::flush_part`]. For example `audio/<speaker>/000003.opus`.
    ///
    /// A [`Payload`] is salted by construction, because the journal holds its digest in clear text: see the
    /// documentation of [`crate::payload`].
    ///
    /// # Errors
    /// [`RecordError::BufferFull`] (nothing changed: flush, then add again), [`RecordError::Path`],
    /// [`RecordError::Duplicate`], [`RecordError::TooLong`], [`RecordError::Misuse`] after `finish`.
    pub fn add(&mut self, path: &str, payload: Payload) -> Result<(), (RecordError, Payload)> {
        match self.admit(path, &payload) {
            Ok(full) => {
                self.buffered_bytes += tar::member_bytes(payload.bytes().len());
                self.paths.insert(full.clone());
                self.buffer.push((full, payload));
                Ok(())
            }
            Err(e) => Err((e, payload)),
        }
    }

    fn admit(&self, path: &str, payload: &Payload) -> Result<String, RecordError> {
        if self.last.is_some() {
            return Err(RecordError::Misuse("the record is finished"));
        }
        let full = format!("data/session-{}/{path}", self.session);
        if !is_bag_path(&full) {
            return Err(RecordError::Path(path.to_owned()));
        }
        if self.paths.contains(&full) {
            return Err(RecordError::Duplicate(full));
        }
        // Room for the four tag files.
        if self.paths.len() >= tar::MAX_MEMBERS - 4 {
            return Err(RecordError::TooLong);
        }
        if self.buffered_bytes + tar::member_bytes(payload.bytes().len()) > MAX_BUFFERED_BYTES {
            return Err(RecordError::BufferFull);
        }
        Ok(full)
    }

    /// Seals everything buffered as the next part and makes it durable. `None` if nothing was buffered.
    ///
    /// # Errors
    /// [`RecordError::DiskFull`] and [`RecordError::Io`]: the part is either committed whole (and no longer buffered) or
    /// not at all (and still buffered); repeat the call later in both cases.
    pub fn flush_part(&mut self) -> Result<Option<PartDigest>, RecordError> {
        self.settle()?;
        if self.last.is_some() {
            return Err(RecordError::Misuse("the record is finished"));
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        // One more must fit for the manifests.
        if self.parts.len() + 1 >= MAX_RECORD_PARTS {
            return Err(RecordError::TooLong);
        }
        self.commit(self.buffered_entries(), &[], None)?;
        self.settle()?;
        Ok(self.parts.last().cloned())
    }

    /// Seals what is buffered together with the bag's manifests as the last part, then writes `seal.json` and removes
    /// the journal. After an error the call may be repeated; once the last part is committed, `info` is no longer looked at.
    pub fn finish(&mut self, info: &BagInfo) -> Result<Sealed, RecordError> {
        if self.sealed {
            return Err(RecordError::Misuse("the record is sealed"));
        }
        self.settle()?;
        if self.last.is_none() {
            let entries = self.buffered_entries();
            let all: Vec<FileEntry> = self.files.iter().chain(&entries).cloned().collect();
            let tags = bag::tag_files(&self.call_id.to_hex(), self.session, &all, info)?;
            self.commit(entries, &tags, Some(Last { partial: info.partial }))?;
            self.settle()?;
        }
        let partial = self.last.as_ref().expect("invariant: the last part was just committed").partial;
        let seal = Seal::unsigned(self.call_id, self.parts.clone(), self.custodian_texts(), partial, sha256);
        replace_file(&*self.fs, &self.dir, SEAL_FILE, &seal.to_json())?;
        self.sealed = true;
        // The record is complete without this; a journal that stays is removed by the next `resume`.
        let _ = self.fs.remove(&self.dir.join(JOURNAL_FILE)).and_then(|()| self.fs.sync_dir(&self.dir));
        Ok(Sealed::new(self.fs.clone(), self.dir.clone(), seal))
    }

    fn buffered_entries(&self) -> Vec<FileEntry> {
        let entry = |(path, payload): &(String, Payload)| FileEntry {
            path: path.clone(),
            sha256: payload.digest(),
            bytes: payload.bytes().len() as u64,
        };
        self.buffer.iter().map(entry).collect()
    }

    pub(crate) fn custodian_texts(&self) -> Vec<String> {
        self.custodians.iter().map(ToString::to_string).collect()
    }

    /// Steps 1 to 3. On success the buffer is empty and `unsettled` is set.
    fn commit(
        &mut self,
        entries: Vec<FileEntry>,
        tags: &[(&str, Vec<u8>)],
        last: Option<Last>,
    ) -> Result<(), RecordError> {
        let sealed = self.seal_buffer(tags, last.is_some())?;
        let name = part_name(self.parts.len());
        let digest = PartDigest { name, sha256: sha256(&sealed), bytes: sealed.len() as u64 };
        let tmp = self.dir.join(tmp_name(&digest.name));
        let written = self.fs.write(&tmp, &sealed).and_then(|()| self.fs.sync_dir(&self.dir));
        if let Err(e) = written {
            let _ = self.fs.remove(&tmp);
            return Err(RecordError::io(tmp, e));
        }
        let line = Line::Part { digest: digest.clone(), files: entries.clone(), last: last.clone() }.to_bytes();
        let journal = self.dir.join(JOURNAL_FILE);
        if let Err(e) = self.fs.append(&journal, &line) {
            // The line may be there in part or, if only the waiting failed, whole. Take it back before its part: a line
            // without a part would be a loss, a part without a line is only a temporary file.
            self.journal_dirty = true;
            if self.clean_journal().is_ok() {
                let _ = self.fs.remove(&tmp);
            }
            return Err(RecordError::io(journal, e));
        }
        self.journal_bytes += line.len() as u64;
        self.parts.push(digest);
        self.files.extend(entries);
        self.last = last;
        self.unsettled = true;
        self.buffer.clear();
        self.buffered_bytes = 0;
        Ok(())
    }

    fn seal_buffer(&self, tags: &[(&str, Vec<u8>)], last: bool) -> Result<Vec<u8>, RecordError> {
        let tag_bytes: usize = tags.iter().map(|(_, bytes)| tar::member_bytes(bytes.len())).sum();
        // Allocated once: a growing Vec would leave copies of the plaintext in freed memory.
        let capacity = self.buffered_bytes + tag_bytes + tar::END.len();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(capacity));
        let call_id = self.call_id.to_hex();
        for (path, payload) in &self.buffer {
            tar::append_member(&mut plaintext, &call_id, path, payload.bytes())?;
        }
        for (path, bytes) in tags {
            tar::append_member(&mut plaintext, &call_id, path, bytes)?;
        }
        if last {
            plaintext.extend_from_slice(&tar::END);
        }
        debug_assert!(plaintext.len() <= capacity, "the plaintext's memory moved");
        part::seal(&plaintext, &self.custodians)
    }

    /// Brings the disk to where the journal is: a clean journal, and the last committed part under its own name.
    pub(crate) fn settle(&mut self) -> Result<(), RecordError> {
        self.clean_journal()?;
        if self.unsettled {
            let part = self.parts.last().expect("invariant: only a committed part is unsettled");
            let (own, tmp) = (self.dir.join(&part.name), self.dir.join(tmp_name(&part.name)));
            // A rename may have failed and happened all the same.
            if tmp.exists() {
                self.fs.rename(&tmp, &own).map_err(|e| RecordError::io(&own, e))?;
            } else if !own.exists() {
                return Err(RecordError::PartMissing(part.name.clone()));
            }
            self.fs.sync_dir(&self.dir).map_err(|e| RecordError::io(&self.dir, e))?;
            self.unsettled = false;
        }
        Ok(())
    }

    fn clean_journal(&mut self) -> Result<(), RecordError> {
        if self.journal_dirty {
            let journal = self.dir.join(JOURNAL_FILE);
            self.fs.truncate(&journal, self.journal_bytes).map_err(|e| RecordError::io(journal, e))?;
            self.journal_dirty = false;
        }
        Ok(())
    }
}

pub(crate) fn tmp_name(name: &str) -> String {
    format!("{name}.tmp")
}

/// Writes a whole file so that it is there complete or not at all.
pub(crate) fn replace_file(fs: &dyn SpoolFs, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), RecordError> {
    let (own, tmp) = (dir.join(name), dir.join(tmp_name(name)));
    let written = fs.write(&tmp, bytes).and_then(|()| fs.rename(&tmp, &own)).and_then(|()| fs.sync_dir(dir));
    written.map_err(|e| {
        let _ = fs.remove(&tmp);
        RecordError::io(own, e)
    })
}
