//! Shared by the tests: keys, files, fault injection, and forged records.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use telcon_record::fs::{DiskFs, SpoolFs};
use telcon_record::part::part_name;
use telcon_record::*;

pub const CALL: &str = "00112233445566778899aabbccddeeff";

pub fn identity(n: u8) -> CustodianIdentity {
    CustodianIdentity::from_seed(&[n; 32])
}

pub fn custodians() -> Vec<CustodianRecipient> {
    vec![identity(1).recipient(), identity(2).recipient()]
}

pub fn salt(n: u8) -> Salt {
    Salt::from_bytes([n; 32])
}

/// A payload whose content shows `text`.
pub fn payload(n: u8, text: &str) -> Payload {
    salted_jsonl(salt(n), &[text]).unwrap()
}

pub fn info(partial: bool) -> BagInfo {
    let reason = if partial { "the note-taker was restarted" } else { "" };
    BagInfo { date: "2026-11-22".into(), partial, reason: reason.into(), extra: vec![] }
}

/// All files below `dir` by their relative path.
pub fn files_below(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(|e| e.unwrap().path()) {
            match entry.is_dir() {
                true => dirs.push(entry),
                false => {
                    let name = entry.strip_prefix(dir).unwrap().to_string_lossy().replace('\\', "/");
                    found.insert(name, std::fs::read(&entry).unwrap());
                }
            }
        }
    }
    found
}

/// What a failing operation has already done to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// Half of the data is written.
    Half,
    /// The operation completed; only its result is lost.
    All,
}

pub const EFFECTS: [Effect; 3] = [Effect::Nothing, Effect::Half, Effect::All];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed: no later operation happens.
    Kill,
    /// The disk is full for this number of operations.
    Full(usize),
}

/// The real file system, except that operation number `at` (from 0) fails.
pub struct FaultyFs {
    at: usize,
    effect: Effect,
    fault: Fault,
    count: Mutex<usize>,
}

impl FaultyFs {
    pub fn new(at: usize, effect: Effect, fault: Fault) -> Self {
        Self { at, effect, fault, count: Mutex::new(0) }
    }

    /// Whether the fault was triggered.
    pub fn hit(&self) -> bool {
        *self.count.lock().unwrap() > self.at
    }

    fn step(&self, all: impl FnOnce() -> Result<()>, half: impl FnOnce() -> Result<()>) -> Result<()> {
        let number = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        let over = matches!(self.fault, Fault::Full(times) if number >= self.at + times);
        if number < self.at || over {
            return all();
        }
        if number == self.at {
            match self.effect {
                Effect::Nothing => {}
                Effect::Half => half()?,
                Effect::All => all()?,
            }
        }
        Err(match self.fault {
            Fault::Kill => Error::other("killed"),
            Fault::Full(_) => Error::from(ErrorKind::StorageFull),
        })
    }
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

impl SpoolFs for FaultyFs {
    fn create_dir(&self, dir: &Path) -> Result<()> {
        self.step(|| DiskFs.create_dir(dir), || Ok(()))
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.step(|| DiskFs.write(path, bytes), || DiskFs.write(path, half(bytes)))
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.step(|| DiskFs.append(path, bytes), || DiskFs.append(path, half(bytes)))
    }
    fn truncate(&self, path: &Path, length: u64) -> Result<()> {
        self.step(|| DiskFs.truncate(path, length), || Ok(()))
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(|| DiskFs.rename(from, to), || Ok(()))
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.step(|| DiskFs.sync_dir(dir), || Ok(()))
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.step(|| DiskFs.remove(path), || Ok(()))
    }
}

/// A disk that is full while the flag is set, and then writes half of the data.
pub struct FullFs(pub std::sync::atomic::AtomicBool);

impl FullFs {
    fn check_space(&self) -> Result<()> {
        match self.0.load(std::sync::atomic::Ordering::SeqCst) {
            true => Err(ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl SpoolFs for FullFs {
    fn create_dir(&self, dir: &Path) -> Result<()> {
        DiskFs.create_dir(dir)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.check_space().inspect_err(|_| DiskFs.write(path, half(bytes)).unwrap())?;
        DiskFs.write(path, bytes)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.check_space().inspect_err(|_| DiskFs.append(path, half(bytes)).unwrap())?;
        DiskFs.append(path, bytes)
    }
    fn truncate(&self, path: &Path, length: u64) -> Result<()> {
        DiskFs.truncate(path, length)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        DiskFs.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        DiskFs.sync_dir(dir)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        DiskFs.remove(path)
    }
}

/// Seals with age directly, without this crate's code.
pub fn age_seal(plaintext: &[u8], recipients: &[&dyn age::Recipient]) -> Vec<u8> {
    let mut sealed = Vec::new();
    let encryptor = age::Encryptor::with_recipients(recipients.iter().copied()).unwrap();
    let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
    writer.write_all(plaintext).unwrap();
    writer.finish().unwrap();
    sealed
}

/// Writes a consistent record directory around these sealed parts, as a malicious note-taker could. The listing is written
/// from the documentation, not with the crate's code.
pub fn forge(dir: &Path, parts: &[Vec<u8>], custodians: &[CustodianRecipient], partial: bool) {
    std::fs::create_dir_all(dir).unwrap();
    let mut listing = format!("telcon-record-v1\ncall {CALL}\npartial {partial}\n");
    custodians.iter().for_each(|c| listing += &format!("custodian {c}\n"));
    let mut listed = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let (name, digest) = (part_name(index), sha256(part));
        std::fs::write(dir.join(&name), part).unwrap();
        listing += &format!("part {name} {} {digest}\n", part.len());
        listed.push(PartDigest { name, sha256: digest, bytes: part.len() as u64 });
    }
    let seal = serde_json::json!({
        "version": 1, "call_id": CALL, "parts": listed, "record_digest": sha256(listing.as_bytes()),
        "custodians": custodians.iter().map(ToString::to_string).collect::<Vec<_>>(), "partial": partial,
    });
    std::fs::write(dir.join("seal.json"), serde_json::to_vec(&seal).unwrap()).unwrap();
}

/// Writes a small record of three parts to `root/<call>`; returns its directory.
pub fn small_record(root: &Path) -> PathBuf {
    let dir = root.join(CALL);
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    for n in 0..2u8 {
        writer.add(&format!("events/00000{n}.jsonl"), payload(n, &format!("event {n}"))).unwrap();
        writer.flush_part().unwrap();
    }
    writer.add("participants.json", salted_json(salt(9), &["A", "B"]).unwrap()).unwrap();
    writer.finish(&info(false)).unwrap();
    dir
}
