//! Writing a record during the call.
//!
//! # Order of a part's commit
//! 1. The part is built and sealed in memory. Plaintext is never written.
//! 2. `part-N.tar.age.tmp` is written; content and name are made durable.
//! 3. The part's line is appended to the journal and made durable. **This is the commit.**
//! 4. The file is renamed to `part-N.tar.age`, and the name is made durable.
//!
//! The journal precedes the rename because the writer cannot decrypt its own parts: a part that the journal does not list could
//! not be added to the bag's manifest and would be lost. In this order nothing is lost: after the commit the complete part
//! exists under one of its two names, and recovery completes step 4. A crash therefore never leaves a part that is not in the
//! journal. If there is one, somebody put it there or tampered with the journal; recovery renames it (see
//! [`RecordWriter::foreign_parts`]).
//!
//! The final part is committed in the same way. `seal.json` is derived from the journal, and the journal is removed last.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telcon_proto::CallId;
use zeroize::Zeroizing;

use crate::bag::{self, BagInfo, FileEntry};
use crate::custodian::CustodianRecipient;
use crate::digest::sha256;
use crate::error::RecordError;
use crate::fs::{DiskFs, SpoolFs, replace_file, tmp_name};
use crate::journal::{FinalPart, JOURNAL_FILE, Line};
use crate::part::{self, part_name};
use crate::path::is_bag_path;
use crate::payload::Payload;
use crate::seal::{MAX_CUSTODIANS, MAX_RECORD_PARTS, PartDigest, SEAL_FILE, Seal};
use crate::sealed::Sealed;
use crate::tar;

/// Maximum size of the buffer for the next part, bytes. Ten seconds of ten speakers are half a megabyte; the rest bridges a
/// full disk for most of an hour.
pub const MAX_BUFFERED_BYTES: usize = 48 << 20;

/// Writes one call's record into its directory, part by part. It has no threads; its functions block on the disk.
///
/// ```
/// use telcon_record::{BagInfo, CustodianIdentity, RecordWriter, Salt, open_record, salted_jsonl};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let root = root.path();
/// let custodian = CustodianIdentity::from_seed(&[7; 32]); // in production: `generate`, offline
/// let call = "00112233445566778899aabbccddeeff";
///
/// let mut writer = RecordWriter::create(&root.join(call), &[custodian.recipient()], call)?;
/// let notes = salted_jsonl(Salt::from_bytes([1; 32]), &["Agreed to meet in May."])?;
/// writer.add("notes/000000.jsonl", notes).map_err(|(error, _)| error)?;
/// writer.flush_part()?; // durable from here on, even if the process is killed
/// let sealed = writer.finish(&BagInfo { date: "2026-11-29".into(), ..BagInfo::default() })?;
/// assert_eq!(sealed.parts().len(), 2);
///
/// let opened = open_record(sealed.dir(), &[custodian], &root.join("opened"))?;
/// assert_eq!((opened.files, opened.partial), (1, false));
/// # Ok(())
/// # }
/// ```
pub struct RecordWriter {
    pub(crate) fs: Arc<dyn SpoolFs>,
    pub(crate) dir: PathBuf,
    pub(crate) call_id: CallId,
    pub(crate) custodians: Vec<CustodianRecipient>,
    pub(crate) session: u32,
    /// Length of the journal's complete lines, bytes.
    pub(crate) journal_bytes: u64,
    /// The journal has a torn tail that must be truncated before the next append.
    pub(crate) journal_torn: bool,
    /// Files in committed parts.
    pub(crate) files: Vec<FileEntry>,
    pub(crate) parts: Vec<PartDigest>,
    /// The newest part is committed, but may still have its temporary name.
    pub(crate) rename_pending: bool,
    /// Set when the final part is committed: only the seal remains to be written.
    pub(crate) final_part: Option<FinalPart>,
    pub(crate) foreign_parts: Vec<String>,
    /// Every path in the record, including buffered files.
    pub(crate) paths: HashSet<String>,
    pub(crate) buffer: Vec<(String, Payload)>,
    pub(crate) buffered_bytes: usize,
    pub(crate) sealed: bool,
}

impl RecordWriter {
    /// Creates the directory `dir` with an empty record of the call; its last name should be the call id. The session is 1.
    ///
    /// # Errors
    /// [`RecordError::Exists`] if `dir` contains a record (use [`RecordWriter::recover`]); [`RecordError::Misuse`] for a
    /// malformed call id, or no, repeated or too many custodians; disk errors, after which an empty record may exist
    /// ([`RecordWriter::recover`] tells).
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
            return Err(RecordError::Misuse(
                "a record needs custodians without repetition, and no more than the maximum",
            ));
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
            journal_torn: false,
            files: Vec::new(),
            parts: Vec::new(),
            rename_pending: false,
            final_part: None,
            foreign_parts: Vec::new(),
            paths: HashSet::new(),
            buffer: Vec::new(),
            buffered_bytes: 0,
            sealed: false,
        };
        writer.write_journal_header()
    }

    fn write_journal_header(mut self) -> Result<Self, RecordError> {
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

    /// The recording session of this writer, from 1. Files are stored below `data/session-<N>/`.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// The call.
    pub fn call_id(&self) -> CallId {
        self.call_id
    }

    /// Size of the buffer for the next part, bytes.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// The parts sealed so far.
    pub fn parts(&self) -> &[PartDigest] {
        &self.parts
    }

    /// Parts that recovery found on disk and not in the journal. The write order rules them out as parts of this record; they
    /// were renamed to `….foreign`, not deleted. The caller should report them.
    pub fn foreign_parts(&self) -> &[String] {
        &self.foreign_parts
    }

    /// Adds a file at `data/session-<N>/<path>`, with N = [`RecordWriter::session`]; in memory only, until
    /// [`RecordWriter::flush_part`]. For example `audio/<speaker>/000003.opus`.
    ///
    /// A [`Payload`] is salted by construction, because the journal contains its digest unencrypted: see [`crate::payload`].
    ///
    /// # Errors
    /// The payload is returned with [`RecordError::BufferFull`] (flush, then retry), [`RecordError::InvalidPath`],
    /// [`RecordError::Duplicate`], [`RecordError::LimitExceeded`], [`RecordError::Misuse`] after `finish`.
    pub fn add(&mut self, path: &str, payload: Payload) -> Result<(), (RecordError, Payload)> {
        match self.check_admission(path, &payload) {
            Ok(full) => {
                self.buffered_bytes += tar::member_bytes(payload.bytes().len());
                self.paths.insert(full.clone());
                self.buffer.push((full, payload));
                Ok(())
            }
            Err(e) => Err((e, payload)),
        }
    }

    fn check_admission(&self, path: &str, payload: &Payload) -> Result<String, RecordError> {
        if self.final_part.is_some() {
            return Err(RecordError::Misuse("the record is finished"));
        }
        let full = format!("data/session-{}/{path}", self.session);
        if !is_bag_path(&full) {
            return Err(RecordError::InvalidPath(path.to_owned()));
        }
        if self.paths.contains(&full) {
            return Err(RecordError::Duplicate(full));
        }
        // Space for the four tag files.
        if self.paths.len() >= tar::MAX_MEMBERS - 4 {
            return Err(RecordError::LimitExceeded);
        }
        if self.buffered_bytes + tar::member_bytes(payload.bytes().len()) > MAX_BUFFERED_BYTES {
            return Err(RecordError::BufferFull);
        }
        Ok(full)
    }

    /// Seals the buffer as the next part and makes it durable. `None` if the buffer was empty.
    ///
    /// # Errors
    /// [`RecordError::DiskFull`] and [`RecordError::Io`]: the part is either committed (and no longer buffered) or not (and
    /// still buffered). Retrying is correct in both cases.
    pub fn flush_part(&mut self) -> Result<Option<PartDigest>, RecordError> {
        self.finish_commit()?;
        if self.final_part.is_some() {
            return Err(RecordError::Misuse("the record is finished"));
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        // The final part with the manifests must still fit.
        if self.parts.len() + 1 >= MAX_RECORD_PARTS {
            return Err(RecordError::LimitExceeded);
        }
        self.commit(self.buffered_entries(), &[], None)?;
        self.finish_commit()?;
        Ok(self.parts.last().cloned())
    }

    /// Seals the buffer and the bag's manifests as the final part, writes `seal.json` and removes the journal.
    ///
    /// # Errors
    /// [`RecordError::Misuse`] if the record is sealed or `info` is invalid; disk errors, after which the call can be retried.
    /// Once the final part is committed, `info` is ignored.
    pub fn finish(&mut self, info: &BagInfo) -> Result<Sealed, RecordError> {
        if self.sealed {
            return Err(RecordError::Misuse("the record is sealed"));
        }
        self.finish_commit()?;
        if self.final_part.is_none() {
            let entries = self.buffered_entries();
            let all: Vec<FileEntry> = self.files.iter().chain(&entries).cloned().collect();
            let tags = bag::tag_files(&self.call_id.to_hex(), self.session, &all, info)?;
            self.commit(entries, &tags, Some(FinalPart { partial: info.partial }))?;
            self.finish_commit()?;
        }
        let partial = self.final_part.as_ref().expect("invariant: the final part was just committed").partial;
        let seal = Seal::unsigned(self.call_id, self.parts.clone(), self.custodian_texts(), partial, sha256);
        replace_file(&*self.fs, &self.dir, SEAL_FILE, &seal.to_json())?;
        self.sealed = true;
        // The record is complete without this; recovery removes a journal that remains.
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

    /// Steps 1 to 3 of the commit. On success the buffer is empty and `rename_pending` is set.
    fn commit(
        &mut self,
        entries: Vec<FileEntry>,
        tags: &[(&str, Vec<u8>)],
        final_part: Option<FinalPart>,
    ) -> Result<(), RecordError> {
        let sealed = self.seal_buffer(tags, final_part.is_some())?;
        let name = part_name(self.parts.len());
        let digest = PartDigest { name, sha256: sha256(&sealed), bytes: sealed.len() as u64 };
        let tmp = self.dir.join(tmp_name(&digest.name));
        let written = self.fs.write(&tmp, &sealed).and_then(|()| self.fs.sync_dir(&self.dir));
        if let Err(e) = written {
            let _ = self.fs.remove(&tmp);
            return Err(RecordError::io(tmp, e));
        }
        let line =
            Line::Part { digest: digest.clone(), files: entries.clone(), final_part: final_part.clone() }.to_bytes();
        let journal = self.dir.join(JOURNAL_FILE);
        if let Err(e) = self.fs.append(&journal, &line) {
            // The line may have been written partially, or completely if only the sync failed. Remove it before its part: a
            // line without a part would be a loss, a part without a line is only a temporary file.
            self.journal_torn = true;
            if self.truncate_journal().is_ok() {
                let _ = self.fs.remove(&tmp);
            }
            return Err(RecordError::io(journal, e));
        }
        self.journal_bytes += line.len() as u64;
        self.parts.push(digest);
        self.files.extend(entries);
        self.final_part = final_part;
        self.rename_pending = true;
        self.buffer.clear();
        self.buffered_bytes = 0;
        Ok(())
    }

    fn seal_buffer(&self, tags: &[(&str, Vec<u8>)], last: bool) -> Result<Vec<u8>, RecordError> {
        let tag_bytes: usize = tags.iter().map(|(_, bytes)| tar::member_bytes(bytes.len())).sum();
        // Allocated once: reallocation would leave copies of the plaintext in freed memory.
        let capacity = self.buffered_bytes + tag_bytes + tar::END_OF_ARCHIVE.len();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(capacity));
        let call_id = self.call_id.to_hex();
        for (path, payload) in &self.buffer {
            tar::append_member(&mut plaintext, &call_id, path, payload.bytes())?;
        }
        for (path, bytes) in tags {
            tar::append_member(&mut plaintext, &call_id, path, bytes)?;
        }
        if last {
            plaintext.extend_from_slice(&tar::END_OF_ARCHIVE);
        }
        debug_assert!(plaintext.len() <= capacity, "the plaintext buffer was reallocated");
        part::seal(&plaintext, &self.custodians)
    }

    /// Completes a commit: truncates a torn journal, and gives the newest committed part its final name.
    pub(crate) fn finish_commit(&mut self) -> Result<(), RecordError> {
        self.truncate_journal()?;
        if self.rename_pending {
            let part = self.parts.last().expect("invariant: a rename is pending only for a committed part");
            let (own, tmp) = (self.dir.join(&part.name), self.dir.join(tmp_name(&part.name)));
            // A rename can report an error and still have happened.
            if tmp.exists() {
                self.fs.rename(&tmp, &own).map_err(|e| RecordError::io(&own, e))?;
            } else if !own.exists() {
                return Err(RecordError::PartMissing(part.name.clone()));
            }
            self.fs.sync_dir(&self.dir).map_err(|e| RecordError::io(&self.dir, e))?;
            self.rename_pending = false;
        }
        Ok(())
    }

    fn truncate_journal(&mut self) -> Result<(), RecordError> {
        if self.journal_torn {
            let journal = self.dir.join(JOURNAL_FILE);
            self.fs.truncate(&journal, self.journal_bytes).map_err(|e| RecordError::io(journal, e))?;
            self.journal_torn = false;
        }
        Ok(())
    }
}
