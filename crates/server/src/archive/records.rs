//! Sealed records. Uploaded parts are stored below `.incoming/` until a seal that lists exactly them has arrived; only
//! then is the record moved into the archive. The server has neither a key nor code to open one.

use crate::{
    digest::sha256,
    limits::MAX_RECORD_BYTES,
    objects::{Key, Listed, ObjectError, Objects, Spool},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use telcon_proto::{
    CallId, DeviceId, Digest,
    limits::{MAX_RECORD_PART_BYTES, MAX_RECORD_PARTS},
    seal::{PartDigest, SEAL_FILE, Seal},
};
use tokio::io::AsyncWriteExt as _;

const RECORDS: &str = "records";
const INCOMING: &str = ".incoming";
const PENDING: &str = ".pending";
const SCANNED: &str = "scanned";
/// Longest name of a part: `part-000000.tar.age` is 19 characters.
const MAX_PART_NAME: usize = 64;

/// Why a record was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The name of a part is malformed.
    #[error("the name of a part is like part-000000.tar.age: lower-case letters, digits, dots and hyphens")]
    PartName,
    /// More parts than a record has.
    #[error("a record has at most {MAX_RECORD_PARTS} parts")]
    TooManyParts,
    /// A part is larger than allowed.
    #[error("a part has at most {MAX_RECORD_PART_BYTES} bytes: seal more often")]
    PartTooLong,
    /// All parts together are more than a record may have.
    #[error("the record is larger than the limit of {MAX_RECORD_BYTES} bytes")]
    TooLong,
    /// `seal.json` cannot be read.
    #[error("seal.json is not valid: {0}")]
    Seal(String),
    /// A part that the seal lists is missing or differs.
    #[error("{0} is missing or differs from what the seal says: upload it again, then the seal")]
    Part(String),
    /// A part was uploaded that the seal does not list.
    #[error("{0} was uploaded and the seal does not list it")]
    Unlisted(String),
    /// Its seal is being checked at this moment.
    #[error("this record's seal is being checked: wait for the answer, and then send it again")]
    Busy,
    /// Another record of the call by the same note-taker is archived.
    #[error("another record of this call by this note-taker is in the archive already")]
    Other,
    /// No such record or part.
    #[error("no such record or part")]
    NotFound,
    /// The disk failed.
    #[error("the archive's disk failed: {0}")]
    Io(#[from] io::Error),
    /// The object store failed.
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// Reads the seal of a record of this call, signed, and checks all that can be checked without its parts.
///
/// # Errors
/// [`RecordError::Seal`].
pub fn parse_seal(bytes: &[u8], call: CallId) -> Result<Seal, RecordError> {
    let seal = Seal::parse(bytes, sha256).map_err(|error| RecordError::Seal(error.to_string()))?;
    match seal.call_id == call {
        true => Ok(seal),
        false => Err(RecordError::Seal("it is of another call".to_owned())),
    }
}

/// `records/`, `.incoming/` for what is not complete yet, and `.pending/` for what the log may not have yet.
pub struct RecordStore {
    objects: Arc<dyn Objects>,
    most_bytes: u64,
    uploads: Arc<Mutex<Uploads>>,
}

/// The incomplete records, by call and note-taker.
#[derive(Default)]
struct Uploads {
    records: HashMap<(CallId, DeviceId), Incoming>,
    next: u64,
}

/// One incomplete record.
struct Incoming {
    /// Distinguishes it from an earlier upload of the same call and device.
    number: u64,
    /// Whether its seal is being checked: no part changes meanwhile.
    claimed: bool,
    /// Parts that are being stored at this moment.
    storing: BTreeSet<String>,
    /// Parts that are stored; none until they were listed.
    parts: Option<BTreeMap<String, Part>>,
}

/// A part that is stored.
#[derive(Clone)]
struct Part {
    bytes: u64,
    /// SHA-256 of what was received, where it was this process that received it.
    sha256: Option<Digest>,
}

impl Uploads {
    fn record(&mut self, of: (CallId, DeviceId)) -> &mut Incoming {
        let next = &mut self.next;
        self.records.entry(of).or_insert_with(|| {
            *next += 1;
            Incoming { number: *next, claimed: false, storing: BTreeSet::new(), parts: None }
        })
    }
}

/// Exclusive access of one request to a record, until dropped.
pub struct Claim {
    uploads: Arc<Mutex<Uploads>>,
    of: (CallId, DeviceId),
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(record) = lock(&self.uploads).records.get_mut(&self.of) {
            record.claimed = false;
        }
    }
}

/// A part that is being received. Dropping it discards what was received.
pub struct PartUpload {
    spool: Spool,
    file: tokio::fs::File,
    of: (CallId, DeviceId),
    number: u64,
    name: String,
    bytes: u64,
    hash: Sha256,
}

impl PartUpload {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`RecordError::PartTooLong`], or the disk's.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_RECORD_PART_BYTES as u64 {
            return Err(RecordError::PartTooLong);
        }
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes).await?)
    }

    /// Flushes what was received to disk.
    ///
    /// # Errors
    /// The disk's.
    pub async fn sync(&mut self) -> Result<(), RecordError> {
        self.file.flush().await?;
        Ok(self.file.sync_all().await?)
    }
}

impl RecordStore {
    /// Stores records in `objects`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, most_bytes: MAX_RECORD_BYTES, uploads: Arc::default() }
    }

    /// Claims a record, to check its seal and log it.
    ///
    /// # Errors
    /// [`RecordError::Busy`].
    pub fn claim(&self, call: CallId, device: DeviceId) -> Result<Claim, RecordError> {
        let (of, mut uploads) = ((call, device), lock(&self.uploads));
        let record = uploads.record(of);
        if record.claimed || !record.storing.is_empty() {
            return Err(RecordError::Busy);
        }
        record.claimed = true;
        Ok(Claim { uploads: self.uploads.clone(), of })
    }

    /// Moves a record that the log does not have, and will not get, back out of the archive, so that its note-taker can
    /// deliver it again. The caller holds its claim.
    ///
    /// # Errors
    /// The object store's.
    pub fn withdraw(&self, call: CallId, device: Option<DeviceId>) -> Result<(), RecordError> {
        let place = place(call, device);
        if self.objects.get(&seal_of(&place))?.is_some() {
            let incoming = Key::parse(&format!("{INCOMING}/{}", place.name())).expect("invariant: ids are hexadecimal");
            self.objects.relocate(&place, &incoming, SEAL_FILE)?;
        }
        self.objects.delete(&pending(&place))?;
        if let Some(device) = device {
            // The stored parts were not hashed on receipt: list and hash them again.
            let mut uploads = lock(&self.uploads);
            uploads.record((call, device)).parts = None;
        }
        Ok(())
    }

    /// The log has this record: removes it from the pending list.
    ///
    /// # Errors
    /// The object store's.
    pub fn logged(&self, call: CallId, device: DeviceId) -> Result<(), RecordError> {
        Ok(self.objects.delete(&pending(&place(call, Some(device))))?)
    }

    /// Whether [`RecordStore::scan`] has to be called: earlier versions kept no list of pending records.
    ///
    /// # Errors
    /// The object store's.
    pub fn needs_scan(&self) -> Result<bool, RecordError> {
        Ok(self.objects.get(&scanned())?.is_none())
    }

    /// Adds all archived records whose names are not among `known` to the pending list.
    ///
    /// # Errors
    /// The object store's.
    pub fn scan(&self, known: &BTreeSet<String>) -> Result<(), RecordError> {
        for object in self.objects.list(&records())? {
            let Some(record) = object.key.parent().filter(|_| object.key.name() == SEAL_FILE) else { continue };
            if ids_of(record.name()).is_some() && !known.contains(record.name()) {
                self.objects.create(&pending(&record), b"")?;
            }
        }
        self.objects.create(&scanned(), b"")?;
        Ok(())
    }

    /// Archived records that may not be in the log, because a process was killed between archiving and logging them.
    /// Without a device: archived by an earlier version.
    ///
    /// # Errors
    /// The object store's.
    pub fn pending(&self) -> Result<Vec<(CallId, Option<DeviceId>)>, RecordError> {
        let mut found = Vec::new();
        for object in self.objects.list(&Key::parse(PENDING).expect("invariant: the constant is a valid key"))? {
            let Some((call, device)) = ids_of(object.key.name()) else { continue };
            if self.objects.get(&seal_of(&place(call, device)))?.is_some() {
                found.push((call, device));
            } else {
                // It was not archived yet: its note-taker sends the seal again.
                self.objects.delete(&object.key)?;
            }
        }
        Ok(found)
    }

    /// Removes repeated uploads of archived records, and abandoned uploads, of which nothing arrived since `before_ms`
    /// (milliseconds since 1970 UTC). Returns the number of uploads removed.
    ///
    /// # Errors
    /// The object store's.
    pub fn remove_stale_uploads(&self, before_ms: u64) -> Result<usize, RecordError> {
        let incoming = Key::parse(INCOMING).expect("invariant: the constant is a valid key");
        let mut groups: BTreeMap<Key, Vec<Listed>> = BTreeMap::new();
        for object in self.objects.list(&incoming)? {
            if let Some(record) = object.key.parent() {
                groups.entry(record).or_default().push(object);
            }
        }
        let mut removed = 0;
        for (record, objects) in groups {
            let kept = Key::parse(&format!("{RECORDS}/{}/{SEAL_FILE}", record.name()));
            let kept = kept.map(|seal| self.objects.get(&seal)).transpose()?.flatten().is_some();
            if !kept && objects.iter().any(|object| object.modified_ms >= before_ms) {
                continue;
            }
            let of = record
                .name()
                .split_once('-')
                .and_then(|(call, device)| Some((call.parse().ok()?, device.parse().ok()?)));
            let claim = match of.map(|(call, device)| self.claim(call, device)) {
                Some(Err(_)) => continue,
                claim => claim,
            };
            for object in &objects {
                self.objects.delete(&object.key)?;
            }
            removed += 1;
            if let Some(of) = of {
                lock(&self.uploads).records.remove(&of);
            }
            drop(claim);
        }
        Ok(removed)
    }

    /// Begins to receive a part of the record of this call and device, for [`RecordStore::store_part`].
    ///
    /// # Errors
    /// [`RecordError::PartName`], [`RecordError::TooManyParts`], [`RecordError::TooLong`], or the object store's.
    pub fn begin_part(&self, call: CallId, device: DeviceId, name: &str) -> Result<PartUpload, RecordError> {
        if !is_part_name(name) {
            return Err(RecordError::PartName);
        }
        let of = (call, device);
        let parts = self.parts(of)?;
        if parts.len() >= MAX_RECORD_PARTS && !parts.contains_key(name) {
            return Err(RecordError::TooManyParts);
        }
        // A repeated upload replaces the earlier one.
        if parts.iter().filter(|(part, _)| *part != name).map(|(_, part)| part.bytes).sum::<u64>() > self.most_bytes {
            return Err(RecordError::TooLong);
        }
        let number = lock(&self.uploads).record(of).number;
        let spool = self.objects.spool()?;
        let file = tokio::fs::File::from_std(spool.create()?);
        Ok(PartUpload { spool, file, of, number, name: name.to_owned(), bytes: 0, hash: Sha256::new() })
    }

    /// Stores a part, once all of it was received and flushed. An older part of the same name is replaced.
    ///
    /// # Errors
    /// [`RecordError::Busy`], or the object store's.
    pub fn store_part(&self, upload: PartUpload) -> Result<(), RecordError> {
        let PartUpload { spool, of, number, name, bytes, hash, .. } = upload;
        {
            let mut uploads = lock(&self.uploads);
            let record = uploads.record(of);
            // A different number: the record was completed or removed meanwhile.
            if record.claimed || record.number != number || !record.storing.insert(name.clone()) {
                return Err(RecordError::Busy);
            }
        }
        let key = incoming(of).child(&name).expect("invariant: a part name is a valid key segment");
        let stored = self.objects.put(&key, spool);
        let mut uploads = lock(&self.uploads);
        let record = uploads.record(of);
        record.storing.remove(&name);
        match stored {
            Ok(()) => {
                let part = Part { bytes, sha256: Some(Digest::from_bytes(hash.finalize().into())) };
                if let Some(parts) = &mut record.parts {
                    parts.insert(name, part);
                }
                Ok(())
            }
            Err(error) => {
                // Unknown whether the old or the new part is stored.
                record.parts = None;
                Err(error.into())
            }
        }
    }

    /// Archives the record: checks the uploaded parts against the seal, stores the seal, and moves the record into the
    /// archive. Idempotent.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn finish(&self, claim: &Claim, seal: &Seal, text: &[u8]) -> Result<(), RecordError> {
        let of @ (call, device) = claim.of;
        if call != seal.call_id {
            return Err(RecordError::Seal("it is of another call".into()));
        }
        let place = place(call, Some(device));
        if let Some(kept) = self.objects.get(&seal_of(&place))? {
            return if kept == text { Ok(()) } else { Err(RecordError::Other) };
        }
        let parts = self.parts(of)?;
        for part in &seal.parts {
            self.check_part(of, part, parts.get(&part.name))?;
        }
        let listed: BTreeSet<&str> = seal.parts.iter().map(|p| p.name.as_str()).collect();
        if let Some(unlisted) = parts.keys().find(|name| !listed.contains(name.as_str())) {
            return Err(RecordError::Unlisted(unlisted.clone()));
        }
        let incoming = incoming(of);
        let spool = self.objects.spool()?;
        let mut file = spool.create()?;
        file.write_all(text)?;
        file.sync_all()?;
        self.objects.put(&seal_of(&incoming), spool)?;
        // Listed as pending from before it is archived until the log has it: if the process is killed in between, the
        // next start finds it.
        self.objects.create(&pending(&place), b"")?;
        self.objects.relocate(&incoming, &place, SEAL_FILE)?;
        lock(&self.uploads).records.remove(&of);
        Ok(())
    }

    /// The text of the seal of the record that `device` delivered; see [`crate::store::RecordRow::device`].
    ///
    /// # Errors
    /// [`RecordError::NotFound`] and the object store's.
    pub fn seal_text(&self, call: CallId, device: Option<DeviceId>) -> Result<String, RecordError> {
        let bytes = self.objects.get(&seal_of(&place(call, device)))?.ok_or(RecordError::NotFound)?;
        String::from_utf8(bytes).map_err(|_| RecordError::Seal("it is not UTF-8".into()))
    }

    /// A part of an archived record.
    ///
    /// # Errors
    /// [`RecordError::NotFound`] and the object store's.
    pub fn part(&self, call: CallId, device: Option<DeviceId>, name: &str) -> Result<Vec<u8>, RecordError> {
        let place = place(call, device);
        let key = place.child(name).filter(|_| is_part_name(name)).ok_or(RecordError::NotFound)?;
        // Without its seal it is still being moved into the archive.
        if self.objects.get(&seal_of(&place))?.is_none() {
            return Err(RecordError::NotFound);
        }
        self.objects.get(&key)?.ok_or(RecordError::NotFound)
    }

    /// The parts of an incomplete record.
    fn parts(&self, of: (CallId, DeviceId)) -> Result<BTreeMap<String, Part>, RecordError> {
        if let Some(parts) = &lock(&self.uploads).record(of).parts {
            return Ok(parts.clone());
        }
        let listed = self.objects.list(&incoming(of))?.into_iter();
        let parts = listed.filter(|object| is_part_name(object.key.name()));
        let parts: BTreeMap<String, Part> =
            parts.map(|object| (object.key.name().to_owned(), Part { bytes: object.bytes, sha256: None })).collect();
        Ok(lock(&self.uploads).record(of).parts.get_or_insert(parts).clone())
    }

    fn check_part(&self, of: (CallId, DeviceId), part: &PartDigest, stored: Option<&Part>) -> Result<(), RecordError> {
        let wrong = || RecordError::Part(part.name.clone());
        let stored = stored.filter(|stored| stored.bytes == part.bytes).ok_or_else(wrong)?;
        let digest = match &stored.sha256 {
            Some(digest) => *digest,
            // An earlier run of this process received it.
            None => {
                let key = incoming(of).child(&part.name).ok_or_else(wrong)?;
                let bytes =
                    self.objects.get(&key)?.filter(|bytes| bytes.len() as u64 == part.bytes).ok_or_else(wrong)?;
                sha256(&bytes)
            }
        };
        if digest == part.sha256 { Ok(()) } else { Err(wrong()) }
    }
}

fn lock(uploads: &Mutex<Uploads>) -> MutexGuard<'_, Uploads> {
    uploads.lock().unwrap_or_else(PoisonError::into_inner)
}

fn records() -> Key {
    Key::parse(RECORDS).expect("invariant: the constant is a valid key")
}

fn incoming((call, device): (CallId, DeviceId)) -> Key {
    Key::parse(&format!("{INCOMING}/{call}-{device}")).expect("invariant: ids are hexadecimal")
}

fn place(call: CallId, device: Option<DeviceId>) -> Key {
    let name = device.map_or_else(|| call.to_hex(), |device| format!("{call}-{device}"));
    records().child(&name).expect("invariant: ids are hexadecimal")
}

/// The marker of a record that is archived, or being archived, and may not be in the log.
fn pending(record: &Key) -> Key {
    Key::parse(&format!("{PENDING}/{}", record.name())).expect("invariant: the name is a valid key segment")
}

fn scanned() -> Key {
    Key::parse(&format!("{PENDING}/{SCANNED}")).expect("invariant: the constant is a valid key")
}

/// Parses the name of a record into its call and device.
fn ids_of(name: &str) -> Option<(CallId, Option<DeviceId>)> {
    match name.split_once('-') {
        Some((call, device)) => Some((call.parse().ok()?, Some(device.parse().ok()?))),
        None => Some((name.parse().ok()?, None)),
    }
}

fn seal_of(record: &Key) -> Key {
    record.child(SEAL_FILE).expect("invariant: the name is a valid key segment")
}

fn is_part_name(name: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    !name.is_empty()
        && name.len() <= MAX_PART_NAME
        && name.bytes().all(allowed)
        && !name.starts_with('.')
        && !name.contains("..")
        && name != SEAL_FILE
        && !name.ends_with(".unfinished")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::DiskObjects;
    use std::path::Path;

    const CALL: CallId = CallId::from_bytes([0xca; 16]);
    const DEVICE: DeviceId = DeviceId::from_bytes([3; 16]);

    fn seal(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let part = |(name, bytes): &(&str, &[u8])| PartDigest {
            name: (*name).to_owned(),
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
        };
        let parts = parts.iter().map(part).collect();
        let mut seal = Seal::unsigned(CALL, parts, vec!["age1pq1x".into()], false, sha256);
        seal.jws = Some("j".into());
        seal.to_json()
    }

    fn store(dir: &Path) -> RecordStore {
        RecordStore::new(Arc::new(DiskObjects::open(dir).unwrap()))
    }

    fn receive(store: &RecordStore, device: DeviceId, name: &str, bytes: &[u8]) -> PartUpload {
        let mut upload = store.begin_part(CALL, device, name).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            upload.write(bytes).await.unwrap();
            upload.sync().await.unwrap();
        });
        upload
    }

    fn upload(store: &RecordStore, name: &str, bytes: &[u8]) {
        store.store_part(receive(store, DEVICE, name, bytes)).unwrap();
    }

    fn finish(store: &RecordStore, text: &[u8]) -> Result<(), RecordError> {
        store.finish(&store.claim(CALL, DEVICE)?, &parse_seal(text, CALL)?, text)
    }

    #[test]
    fn a_record_is_archived_only_when_complete() {
        let dir = tempfile::tempdir().unwrap();
        let records = store(dir.path());
        let text = seal(&[("part-000000.tar.age", b"one"), ("part-000001.tar.age", b"two")]);
        upload(&records, "part-000000.tar.age", b"one");
        assert!(matches!(finish(&records, &text), Err(RecordError::Part(p)) if p == "part-000001.tar.age"));
        upload(&records, "part-000001.tar.age", b"twO");
        assert!(matches!(finish(&records, &text), Err(RecordError::Part(_))));
        // After a restart, received parts are hashed again.
        let records = store(dir.path());
        assert!(matches!(finish(&records, &text), Err(RecordError::Part(_))));
        upload(&records, "part-000001.tar.age", b"two");
        upload(&records, "part-000002.tar.age", b"more");
        assert!(matches!(finish(&records, &text), Err(RecordError::Unlisted(_))));
        assert!(matches!(records.part(CALL, Some(DEVICE), "part-000000.tar.age"), Err(RecordError::NotFound)));
        records.objects.delete(&incoming((CALL, DEVICE)).child("part-000002.tar.age").unwrap()).unwrap();
        let records = store(dir.path());
        finish(&records, &text).unwrap();
        finish(&records, &text).expect("idempotent");
        assert_eq!(records.part(CALL, Some(DEVICE), "part-000001.tar.age").unwrap(), b"two");
        assert_eq!(records.seal_text(CALL, Some(DEVICE)).unwrap().as_bytes(), text);
        let other = seal(&[("part-000000.tar.age", b"other")]);
        assert!(matches!(finish(&records, &other), Err(RecordError::Other)));
    }

    #[test]
    fn record_size_is_limited_and_abandoned_uploads_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut records = store(dir.path());
        records.most_bytes = 4;
        upload(&records, "part-000000.tar.age", b"12345");
        assert!(matches!(records.begin_part(CALL, DEVICE, "part-000001.tar.age"), Err(RecordError::TooLong)));
        upload(&records, "part-000000.tar.age", b"one");

        let now = crate::archive::now_ms();
        let hour = 3_600_000;
        assert_eq!(records.remove_stale_uploads(now - hour).unwrap(), 0, "the rest may still arrive");
        let other = DeviceId::from_bytes([4; 16]);
        records.store_part(receive(&records, other, "part-000000.tar.age", b"two")).unwrap();
        finish(&records, &seal(&[("part-000000.tar.age", b"one")])).unwrap();
        assert_eq!(
            records.remove_stale_uploads(now - hour).unwrap(),
            0,
            "another note-taker may still deliver its own record of the call"
        );
        upload(&records, "part-000000.tar.age", b"one");
        assert_eq!(records.remove_stale_uploads(now - hour).unwrap(), 1, "this one is archived already");
        assert_eq!(records.remove_stale_uploads(now + hour).unwrap(), 1, "abandoned");
        assert!(records.part(CALL, Some(DEVICE), "part-000000.tar.age").is_ok(), "records stay");
        upload(&records, "part-000000.tar.age", b"one");
    }

    #[test]
    fn names_cannot_leave_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let records = store(dir.path());
        for bad in ["", "..", "../x", "a/b", ".hidden", "seal.json", "A", "a..b", "x\0", &"a".repeat(65)] {
            assert!(matches!(records.begin_part(CALL, DEVICE, bad), Err(RecordError::PartName)), "{bad:?}");
            assert!(matches!(records.part(CALL, Some(DEVICE), bad), Err(RecordError::NotFound)), "{bad:?}");
        }
    }

    #[test]
    fn a_seal_must_be_of_this_call_and_consistent() {
        let good = seal(&[("part-000000.tar.age", b"one")]);
        assert!(parse_seal(&good, CALL).is_ok());
        assert!(parse_seal(&good, CallId::from_bytes([0; 16])).is_err());
        let changed = String::from_utf8(good).unwrap().replace("\"partial\": false", "\"partial\": true");
        assert!(
            matches!(parse_seal(changed.as_bytes(), CALL), Err(RecordError::Seal(w)) if w.contains("record_digest"))
        );
        assert!(parse_seal(b"{}", CALL).is_err());
        assert!(parse_seal(&seal(&[]), CALL).is_err());
        assert!(parse_seal(&seal(&[("part-000000.tar.age", b"a"), ("part-000000.tar.age", b"b")]), CALL).is_err());
    }

    #[test]
    fn parts_are_immutable_while_the_seal_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let records = store(dir.path());
        let name = "part-000000.tar.age";
        upload(&records, name, b"one");
        // Two uploads of one part, and both are slow.
        let [slow, other] = [b"changed", b"another"].map(|bytes| receive(&records, DEVICE, name, bytes));
        let claim = records.claim(CALL, DEVICE).unwrap();
        assert!(matches!(records.claim(CALL, DEVICE), Err(RecordError::Busy)), "one at a time");
        assert!(matches!(records.store_part(slow), Err(RecordError::Busy)));
        let text = seal(&[(name, b"one")]);
        records.finish(&claim, &parse_seal(&text, CALL).unwrap(), &text).unwrap();
        drop(claim);
        assert!(matches!(records.store_part(other), Err(RecordError::Busy)), "the record is complete");
        assert_eq!(records.part(CALL, Some(DEVICE), name).unwrap(), b"one");
    }

    #[test]
    fn an_oversized_part_is_refused_while_it_arrives() {
        let dir = tempfile::tempdir().unwrap();
        let records = store(dir.path());
        let mut upload = records.begin_part(CALL, DEVICE, "part-000000.tar.age").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let half = vec![0; MAX_RECORD_PART_BYTES / 2];
        runtime.block_on(async {
            upload.write(&half).await.unwrap();
            upload.write(&half).await.unwrap();
            assert!(matches!(upload.write(&[0]).await, Err(RecordError::PartTooLong)));
        });
        drop(upload);
        assert_eq!(std::fs::read_dir(dir.path().join(".spool")).unwrap().count(), 0);
    }

    #[test]
    fn an_unlogged_record_is_found_and_can_be_delivered_again() {
        let dir = tempfile::tempdir().unwrap();
        let records = store(dir.path());
        let (name, other) = ("part-000000.tar.age", CallId::from_bytes([1; 16]));
        let text = seal(&[(name, b"one")]);
        let bring = || {
            upload(&records, name, b"one");
            finish(&records, &text).unwrap();
        };
        bring();
        // A record archived by an earlier version, and a file that is not ours.
        for stray in [&other.to_hex(), "notes", "notes-of-mine"] {
            let stray = dir.path().join("records").join(stray);
            std::fs::create_dir(&stray).unwrap();
            std::fs::write(stray.join(SEAL_FILE), "{}").unwrap();
        }
        assert_eq!(records.pending().unwrap(), [(CALL, Some(DEVICE))]);
        records.logged(CALL, DEVICE).unwrap();
        assert_eq!(records.pending().unwrap(), []);
        // The first start of this version scans all records; later starts read the pending list.
        assert!(records.needs_scan().unwrap());
        records.scan(&BTreeSet::from([format!("{CALL}-{DEVICE}")])).unwrap();
        assert!(!records.needs_scan().unwrap());
        assert_eq!(records.pending().unwrap(), [(other, None)]);
        records.withdraw(other, None).unwrap();
        records.withdraw(CALL, Some(DEVICE)).unwrap();
        records.withdraw(CALL, Some(DEVICE)).expect("idempotent");
        assert!(matches!(records.seal_text(CALL, Some(DEVICE)), Err(RecordError::NotFound)));
        assert_eq!(records.pending().unwrap(), []);
        finish(&records, &text).expect("its parts are still there");
        records.withdraw(CALL, Some(DEVICE)).unwrap();
        bring();
        assert_eq!(records.pending().unwrap(), [(CALL, Some(DEVICE))]);
        // Killed before it was archived.
        records.objects.relocate(&place(CALL, Some(DEVICE)), &incoming((CALL, DEVICE)), SEAL_FILE).unwrap();
        assert_eq!(records.pending().unwrap(), []);
    }

    #[test]
    fn a_seal_that_auditors_could_not_read_is_refused() {
        let change = |edit: &dyn Fn(&mut Seal)| {
            let mut seal: Seal = serde_json::from_slice(&seal(&[("part-000000.tar.age", b"one")])).unwrap();
            edit(&mut seal);
            let jws = seal.jws;
            let Seal { call_id, parts, custodians, partial, .. } = seal;
            let seal = Seal { jws, ..Seal::unsigned(call_id, parts, custodians, partial, sha256) };
            parse_seal(&seal.to_json(), CALL)
        };
        assert!(change(&|seal| seal.parts[0].name = "x".into()).is_err());
        assert!(change(&|seal| seal.parts[0].name = "part-000001.tar.age".into()).is_err());
        assert!(change(&|seal| seal.parts[0].bytes = u64::MAX).is_err());
        assert!(change(&|seal| seal.custodians.clear()).is_err());
        assert!(change(&|seal| seal.custodians = vec!["nobody".into()]).is_err());
        assert!(change(&|seal| seal.custodians.push(seal.custodians[0].clone())).is_err());
        assert!(change(&|seal| seal.custodians = (0..33).map(|n| format!("age1pq1{n}")).collect()).is_err());
    }
}
