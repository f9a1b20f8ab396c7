//! Sealed records on disk. Parts wait in a hidden directory until a seal that lists them, all of them and nothing else,
//! has arrived; only then does the record get its name. The server has no key and no code to open any.

use super::certificates::{sync_parent, write_whole};
use crate::{digest::sha256, limits::MAX_RECORD_BYTES};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use telcon_proto::{
    CallId, DeviceId, Digest,
    limits::{MAX_RECORD_PART_BYTES, MAX_RECORD_PARTS},
    seal::{PartDigest, SEAL_FILE, Seal},
};

const INCOMING: &str = ".incoming";
/// Longest name of a part: `part-000000.tar.age` is 19 characters.
const MAX_PART_NAME: usize = 64;

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A part's name that no note-taker gives.
    #[error("a part is called like part-000000.tar.age: lower-case letters, digits, dots and hyphens")]
    PartName,
    /// More parts than a record has.
    #[error("a record has at most {MAX_RECORD_PARTS} parts")]
    TooManyParts,
    /// A part is larger than allowed.
    #[error("a part has at most {MAX_RECORD_PART_BYTES} bytes: seal more often")]
    PartTooLong,
    /// All parts together are more than a record may have.
    #[error("the record takes more room than a record may have ({MAX_RECORD_BYTES} bytes)")]
    TooLong,
    /// `seal.json` cannot be read.
    #[error("seal.json is not what it should be: {0}")]
    Seal(String),
    /// A part that the seal lists is not there, or is another.
    #[error("{0} is missing or differs from what the seal says: upload it again, then the seal")]
    Part(String),
    /// There are parts that the seal does not list.
    #[error("{0} was uploaded and the seal does not list it")]
    Unlisted(String),
    /// Its seal is being checked at this moment.
    #[error("this record's seal is being checked: wait for the answer, and then send it again")]
    Busy,
    /// Another record of the call by the same note-taker is kept.
    #[error("another record of this call by this note-taker is in the archive already")]
    Other,
    /// No such record or part.
    #[error("no such record or part")]
    NotFound,
    /// The disk failed.
    #[error("the archive's disk failed: {0}")]
    Io(#[from] io::Error),
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

/// `archive/records`, and `archive/.incoming` for what is not whole yet.
pub struct RecordStore {
    dir: PathBuf,
    incoming: PathBuf,
    most_bytes: u64,
    /// Records whose seals are being checked: no part of theirs changes meanwhile.
    busy: Busy,
    /// Numbers uploads, so that two of one part never write to one file.
    uploads: AtomicU64,
}

type Busy = Arc<Mutex<BTreeSet<(CallId, DeviceId)>>>;

/// A record that is one request's alone, until this is dropped.
pub struct Claim {
    busy: Busy,
    of: (CallId, DeviceId),
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.of);
    }
}

impl RecordStore {
    /// Keeps records below `archive`, where it makes its directories.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn open(archive: &Path) -> io::Result<Self> {
        let (dir, incoming) = (archive.join("records"), archive.join(INCOMING));
        let (busy, uploads) = (Busy::default(), AtomicU64::new(0));
        let this = Self { dir, incoming, most_bytes: MAX_RECORD_BYTES, busy, uploads };
        fs::create_dir_all(&this.dir)?;
        fs::create_dir_all(&this.incoming)?;
        Ok(this)
    }

    /// Claims a record, to check its seal and to have it logged.
    ///
    /// # Errors
    /// [`RecordError::Busy`].
    pub fn claim(&self, call: CallId, device: DeviceId) -> Result<Claim, RecordError> {
        let of = (call, device);
        match self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(of) {
            true => Ok(Claim { busy: self.busy.clone(), of }),
            false => Err(RecordError::Busy),
        }
    }

    /// Takes the name of a record from it that the log does not have, and will not: its note-taker may bring it again. To be
    /// called with its claim held.
    ///
    /// # Errors
    /// The disk's.
    pub fn withdraw(&self, call: CallId, device: Option<DeviceId>) -> io::Result<()> {
        let place = self.place(call, device);
        if !place.exists() {
            return Ok(());
        }
        let incoming = self.incoming.join(place.file_name().unwrap_or_default());
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&place, &incoming)?;
        sync_parent(&place)
    }

    /// Records in their place whose names are not among `known`, as a process leaves them that was killed before the log had
    /// them. Without a device: of an older program.
    ///
    /// # Errors
    /// The disk's.
    pub fn unknown(&self, known: &BTreeSet<String>) -> io::Result<Vec<(CallId, Option<DeviceId>)>> {
        let mut unknown = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            let (call, device) = name.split_once('-').map_or((&*name, None), |(call, device)| (call, Some(device)));
            let (Ok(call), device) = (call.parse(), device.map(str::parse).transpose()) else { continue };
            if let Ok(device) = device.map_err(drop)
                && !known.contains(&name)
            {
                unknown.push((call, device));
            }
        }
        Ok(unknown)
    }

    /// Removes what was uploaded once more of records that are kept, and of those that never came whole in all the time
    /// since `before`. Gives how many were removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn tidy(&self, before: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.incoming)? {
            let entry = entry?;
            let kept = self.dir.join(entry.file_name()).exists();
            // A directory changes whenever a part is added to it.
            if kept || entry.metadata()?.modified()? < before {
                // One that cannot be removed keeps no other.
                removed += usize::from(fs::remove_dir_all(entry.path()).is_ok());
            }
        }
        Ok(removed)
    }

    /// Where to write a part before [`RecordStore::keep_part`]: a file of this upload alone, in the directory of this call and
    /// device.
    ///
    /// # Errors
    /// [`RecordError::PartName`], [`RecordError::TooManyParts`], [`RecordError::TooLong`], or the disk's.
    pub fn part_file(&self, call: CallId, device: DeviceId, name: &str) -> Result<PathBuf, RecordError> {
        if !is_part_name(name) {
            return Err(RecordError::PartName);
        }
        let dir = self.incoming(call, device);
        fs::create_dir_all(&dir)?;
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            files += 1;
            // What is sent again replaces what was there.
            let replaced = entry.file_name().to_str().is_some_and(|old| named(old) == name);
            bytes += if replaced { 0 } else { entry.metadata()?.len() };
        }
        // Twice as many as parts: each may have an unfinished twin.
        if files > 2 * MAX_RECORD_PARTS {
            return Err(RecordError::TooManyParts);
        }
        if bytes > self.most_bytes {
            return Err(RecordError::TooLong);
        }
        let upload = self.uploads.fetch_add(1, Ordering::Relaxed);
        Ok(dir.join(format!(".{name}{UPLOAD}{upload}")))
    }

    /// Gives a part its name, once all of it is on disk. An older part of the same name is replaced.
    ///
    /// # Errors
    /// [`RecordError::Busy`], or the disk's.
    pub fn keep_part(&self, call: CallId, device: DeviceId, unfinished: &Path) -> Result<(), RecordError> {
        let name = unfinished.file_name().and_then(|n| n.to_str()).map(named).ok_or(RecordError::PartName)?;
        // Held while it gets its name: a seal is checked before it, or after.
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.contains(&(call, device)) {
            let _ = fs::remove_file(unfinished);
            return Err(RecordError::Busy);
        }
        fs::rename(unfinished, unfinished.with_file_name(name))?;
        Ok(())
    }

    /// Takes the record: checks the uploaded parts against the seal, stores the seal, and gives the record its name.
    /// The same record again is no error.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn finish(&self, claim: &Claim, seal: &Seal, text: &[u8]) -> Result<(), RecordError> {
        let (call, device) = claim.of;
        if call != seal.call_id {
            return Err(RecordError::Seal("it is of another call".into()));
        }
        let place = self.place(call, Some(device));
        if place.exists() {
            let same = fs::read(place.join(SEAL_FILE))? == text;
            return if same { Ok(()) } else { Err(RecordError::Other) };
        }
        let incoming = self.incoming(seal.call_id, device);
        for part in &seal.parts {
            check_part(&incoming, part)?;
        }
        let listed: BTreeSet<&str> = seal.parts.iter().map(|p| p.name.as_str()).collect();
        for entry in fs::read_dir(&incoming)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == SEAL_FILE || name.ends_with(".unfinished") {
                if name != SEAL_FILE {
                    fs::remove_file(incoming.join(&name))?;
                }
            } else if !listed.contains(name.as_str()) {
                return Err(RecordError::Unlisted(name));
            }
        }
        write_whole(&incoming.join(SEAL_FILE), text)?;
        fs::rename(&incoming, &place)?;
        sync_parent(&place)?;
        Ok(())
    }

    /// The text of the seal of the record that `device` brought; see [`crate::store::RecordRow::device`].
    ///
    /// # Errors
    /// [`RecordError::NotFound`] and the disk's.
    pub fn seal_text(&self, call: CallId, device: Option<DeviceId>) -> Result<String, RecordError> {
        fs::read_to_string(self.place(call, device).join(SEAL_FILE)).map_err(missing)
    }

    /// Where a part of a kept record is.
    ///
    /// # Errors
    /// [`RecordError::NotFound`].
    pub fn part_path(&self, call: CallId, device: Option<DeviceId>, name: &str) -> Result<PathBuf, RecordError> {
        let path = self.place(call, device).join(name);
        if is_part_name(name) && path.is_file() { Ok(path) } else { Err(RecordError::NotFound) }
    }

    fn incoming(&self, call: CallId, device: DeviceId) -> PathBuf {
        self.incoming.join(format!("{call}-{device}"))
    }

    fn place(&self, call: CallId, device: Option<DeviceId>) -> PathBuf {
        self.dir.join(device.map_or_else(|| call.to_hex(), |device| format!("{call}-{device}")))
    }
}

/// What comes between the name of a part and the number of its upload.
const UPLOAD: &str = "~";

/// The part that a file is of, or will be.
fn named(file: &str) -> &str {
    let name = file.trim_start_matches('.');
    name.split_once(UPLOAD).map_or(name, |(name, _)| name)
}

fn check_part(dir: &Path, part: &PartDigest) -> Result<(), RecordError> {
    let wrong = || RecordError::Part(part.name.clone());
    let mut file = File::open(dir.join(&part.name)).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => wrong(),
        _ => e.into(),
    })?;
    if file.metadata()?.len() != part.bytes {
        return Err(wrong());
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    let found = Digest::from_bytes(hash.finalize().into());
    if found == part.sha256 { Ok(()) } else { Err(wrong()) }
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

fn missing(error: io::Error) -> RecordError {
    if error.kind() == io::ErrorKind::NotFound { RecordError::NotFound } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn upload(store: &RecordStore, name: &str, bytes: &[u8]) {
        let path = store.part_file(CALL, DEVICE, name).unwrap();
        fs::write(&path, bytes).unwrap();
        store.keep_part(CALL, DEVICE, &path).unwrap();
    }

    fn finish(store: &RecordStore, text: &[u8]) -> Result<(), RecordError> {
        store.finish(&store.claim(CALL, DEVICE)?, &parse_seal(text, CALL)?, text)
    }

    #[test]
    fn a_record_gets_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = RecordStore::open(dir.path()).unwrap();
        let text = seal(&[("part-000000.tar.age", b"one"), ("part-000001.tar.age", b"two")]);
        upload(&store, "part-000000.tar.age", b"one");
        assert!(matches!(finish(&store, &text), Err(RecordError::Part(p)) if p == "part-000001.tar.age"));
        upload(&store, "part-000001.tar.age", b"twO");
        assert!(matches!(finish(&store, &text), Err(RecordError::Part(_))));
        upload(&store, "part-000001.tar.age", b"two");
        upload(&store, "part-000002.tar.age", b"more");
        assert!(matches!(finish(&store, &text), Err(RecordError::Unlisted(_))));
        assert!(matches!(store.part_path(CALL, Some(DEVICE), "part-000000.tar.age"), Err(RecordError::NotFound)));
        fs::remove_file(store.incoming(CALL, DEVICE).join("part-000002.tar.age")).unwrap();
        finish(&store, &text).unwrap();
        finish(&store, &text).expect("the same again is no error");
        assert_eq!(fs::read(store.part_path(CALL, Some(DEVICE), "part-000001.tar.age").unwrap()).unwrap(), b"two");
        assert_eq!(store.seal_text(CALL, Some(DEVICE)).unwrap().as_bytes(), text);
        let other = seal(&[("part-000000.tar.age", b"other")]);
        assert!(matches!(finish(&store, &other), Err(RecordError::Other)));
    }

    #[test]
    fn a_record_has_a_size_and_what_never_became_one_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = RecordStore::open(dir.path()).unwrap();
        store.most_bytes = 4;
        upload(&store, "part-000000.tar.age", b"12345");
        assert!(matches!(store.part_file(CALL, DEVICE, "part-000001.tar.age"), Err(RecordError::TooLong)));
        upload(&store, "part-000000.tar.age", b"one");

        let now = SystemTime::now();
        let hour = std::time::Duration::from_secs(3600);
        assert_eq!(store.tidy(now - hour).unwrap(), 0, "somebody may still bring the rest");
        let other = DeviceId::from_bytes([4; 16]);
        store.part_file(CALL, other, "part-000000.tar.age").unwrap();
        finish(&store, &seal(&[("part-000000.tar.age", b"one")])).unwrap();
        assert_eq!(store.tidy(now - hour).unwrap(), 0, "another note-taker still brings its own record of the call");
        store.part_file(CALL, DEVICE, "part-000000.tar.age").unwrap();
        assert_eq!(store.tidy(now - hour).unwrap(), 1, "this one is kept already");
        let later = CallId::from_bytes([1; 16]);
        store.part_file(later, DEVICE, "part-000000.tar.age").unwrap();
        assert_eq!(store.tidy(now + hour).unwrap(), 2);
        assert!(store.part_path(CALL, Some(DEVICE), "part-000000.tar.age").is_ok(), "records stay");
    }

    #[test]
    fn names_do_not_lead_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let store = RecordStore::open(dir.path()).unwrap();
        for bad in ["", "..", "../x", "a/b", ".hidden", "seal.json", "A", "a..b", "x\0", &"a".repeat(65)] {
            assert!(matches!(store.part_file(CALL, DEVICE, bad), Err(RecordError::PartName)), "{bad:?}");
            assert!(matches!(store.part_path(CALL, Some(DEVICE), bad), Err(RecordError::NotFound)), "{bad:?}");
        }
    }

    #[test]
    fn a_seal_must_be_of_this_call_and_consistent() {
        let good = seal(&[("part-000000.tar.age", b"one")]);
        assert!(parse_seal(&good, CALL).is_ok());
        assert!(parse_seal(&good, CallId::from_bytes([0; 16])).is_err());
        let changed = String::from_utf8(good).unwrap().replace("\"partial\":false", "\"partial\":true");
        assert!(
            matches!(parse_seal(changed.as_bytes(), CALL), Err(RecordError::Seal(w)) if w.contains("record_digest"))
        );
        assert!(parse_seal(b"{}", CALL).is_err());
        assert!(parse_seal(&seal(&[]), CALL).is_err());
        assert!(parse_seal(&seal(&[("part-000000.tar.age", b"a"), ("part-000000.tar.age", b"b")]), CALL).is_err());
    }

    #[test]
    fn while_a_seal_is_checked_no_part_changes() {
        let dir = tempfile::tempdir().unwrap();
        let store = RecordStore::open(dir.path()).unwrap();
        let name = "part-000000.tar.age";
        upload(&store, name, b"one");
        // Two uploads of one part, and one of them is slow.
        let [slow, other] = [0, 1].map(|_| store.part_file(CALL, DEVICE, name).unwrap());
        assert_ne!(slow, other, "never the same file");
        fs::write(&slow, b"changed").unwrap();
        let claim = store.claim(CALL, DEVICE).unwrap();
        assert!(matches!(store.claim(CALL, DEVICE), Err(RecordError::Busy)), "one at a time");
        assert!(matches!(store.keep_part(CALL, DEVICE, &slow), Err(RecordError::Busy)));
        let text = seal(&[(name, b"one")]);
        store.finish(&claim, &parse_seal(&text, CALL).unwrap(), &text).unwrap();
        drop(claim);
        assert!(store.keep_part(CALL, DEVICE, &other).is_err(), "its place is gone");
        assert_eq!(fs::read(store.part_path(CALL, Some(DEVICE), name).unwrap()).unwrap(), b"one");
    }

    #[test]
    fn a_record_that_the_log_does_not_have_is_found_and_may_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = RecordStore::open(dir.path()).unwrap();
        let (name, other) = ("part-000000.tar.age", CallId::from_bytes([1; 16]));
        let text = seal(&[(name, b"one")]);
        let bring = || {
            upload(&store, name, b"one");
            finish(&store, &text).unwrap();
        };
        bring();
        // An older program, and somebody's notes.
        for stray in [&other.to_hex(), "notes", "notes-of-mine"] {
            fs::create_dir(dir.path().join("records").join(stray)).unwrap();
        }
        let known = BTreeSet::from([format!("{CALL}-{DEVICE}")]);
        assert_eq!(store.unknown(&known).unwrap(), [(other, None)]);
        assert_eq!(store.unknown(&BTreeSet::new()).unwrap().len(), 2);
        store.withdraw(other, None).unwrap();
        store.withdraw(CALL, Some(DEVICE)).unwrap();
        assert!(matches!(store.seal_text(CALL, Some(DEVICE)), Err(RecordError::NotFound)));
        assert_eq!(store.unknown(&BTreeSet::new()).unwrap(), []);
        bring();
    }

    #[test]
    fn a_seal_that_auditors_could_not_read_is_none() {
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
