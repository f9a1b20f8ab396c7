//! Sound that is sealed into the record and not transcribed yet.
//!
//! A note-taker cannot open the parts that it sealed, so one that is killed could not transcribe what it had received in its last
//! half minute. In records of mode *audio* it therefore keeps that sound a second time, encrypted, beside the record in the spool.
//! The key is in a directory in memory (`XDG_RUNTIME_DIR`, or `/dev/shm`): it survives the process and not the machine, so a thief
//! of the disk cannot read it. Without such a directory nothing is kept, and the transcript says what is missing.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use telcon_proto::{Blob, CallId, DeviceId};
use zeroize::Zeroizing;

/// Version of the file's format: the version, the name of the key, a nonce, AES-256-GCM of JSON.
const VERSION: u8 = 2;
/// The version without the name, of whose files the key is named after the call.
const VERSION_WITHOUT_NAME: u8 = 1;
/// Random bytes in the name of a key.
const NAME_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Suffix of the file, whose name is the call's.
const SUFFIX: &str = "pending";
/// Most packets per speaker: ten minutes. The transcript is not that late unless recognition failed.
const MAX_PACKETS: usize = 50 * 600;
/// Largest file that is read, bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Packets are kept that arrived this long before the time up to which the transcript is complete: the longest reordering.
const ARRIVAL_MARGIN_MS: u64 = 400;

/// A packet as it arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PendingPacket {
    /// The speaker.
    pub(super) from: DeviceId,
    /// Epoch and leaf of its key.
    pub(super) stream: (u64, u32),
    /// Its authenticated frame counter.
    pub(super) counter: u64,
    /// Arrival, milliseconds since the call was answered.
    pub(super) at_ms: u64,
    /// The Opus packet.
    pub(super) packet: Blob,
}

/// The packets of a call that are not transcribed yet.
#[derive(Default)]
pub(super) struct PendingSound(BTreeMap<DeviceId, VecDeque<PendingPacket>>);

/// What an earlier run left.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LeftSound {
    /// The speakers' names.
    pub(super) names: BTreeMap<DeviceId, String>,
    /// The packets, in the order of their arrival.
    pub(super) packets: Vec<PendingPacket>,
}

impl PendingSound {
    /// Adds a packet; the oldest of a speaker is dropped when there are too many.
    pub(super) fn push(&mut self, packet: PendingPacket) {
        let packets = self.0.entry(packet.from).or_default();
        if packets.len() >= MAX_PACKETS {
            packets.pop_front();
        }
        packets.push_back(packet);
    }

    /// Drops what is transcribed: a speaker's packets before `settled_ms`.
    pub(super) fn settle(&mut self, from: DeviceId, settled_ms: u64) {
        let Some(packets) = self.0.get_mut(&from) else { return };
        while packets.front().is_some_and(|packet| packet.at_ms + ARRIVAL_MARGIN_MS < settled_ms) {
            packets.pop_front();
        }
    }

    /// The packets in the order of their arrival.
    fn packets(&self) -> Vec<PendingPacket> {
        let mut packets: Vec<PendingPacket> = self.0.values().flatten().cloned().collect();
        packets.sort_by_key(|packet| packet.at_ms);
        packets
    }
}

/// Where a call's pending sound and its key are.
pub(super) struct PendingStore {
    call: CallId,
    file: PathBuf,
    keys: Option<PathBuf>,
}

/// What a file begins with.
enum Header {
    /// Of the present version: the name of the key.
    Named([u8; NAME_BYTES]),
    /// Of the version before.
    WithoutName,
}

impl Header {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Named(name) => [&[VERSION], &name[..]].concat(),
            Self::WithoutName => vec![VERSION_WITHOUT_NAME],
        }
    }
}

impl PendingStore {
    /// The store of a call. Nothing is created until something is written.
    pub(super) fn new(spool: &Path, call: CallId) -> Self {
        Self::with_key_directory(spool, call, memory_directory())
    }

    pub(super) fn with_key_directory(spool: &Path, call: CallId, keys: Option<PathBuf>) -> Self {
        let file = spool.join(call.to_hex()).with_extension(SUFFIX);
        Self { call, file, keys }
    }

    /// The start of the file; none if there is no file, or it is damaged.
    fn header(&self) -> Option<Header> {
        let (spool, name) = (self.file.parent()?, self.file.file_name()?);
        let mut file = telcon_files::open_beneath(spool, name).ok()?;
        let mut version = [0];
        file.read_exact(&mut version).ok()?;
        match version {
            [VERSION] => {
                let mut name = [0; NAME_BYTES];
                file.read_exact(&mut name).ok()?;
                Some(Header::Named(name))
            }
            [VERSION_WITHOUT_NAME] => Some(Header::WithoutName),
            _ => None,
        }
    }

    /// Where the key of a file is. None if there is no directory for keys.
    fn key_file(&self, header: &Header) -> Option<PathBuf> {
        let name = match header {
            Header::Named(name) => telcon_proto::hex(name),
            Header::WithoutName => self.call.to_hex(),
        };
        Some(self.keys.as_ref()?.join(format!("telcon-note-{name}.key")))
    }

    /// Replaces what is kept.
    ///
    /// # Errors
    /// When it cannot be written: then the transcript of a killed note-taker has a gap.
    pub(super) fn write(&self, sound: &PendingSound, names: BTreeMap<DeviceId, String>) -> std::io::Result<()> {
        let header = match self.header() {
            Some(header @ Header::Named(_)) => header,
            left => {
                // Of the version before: what is written now replaces it.
                if let Some(key_file) = left.and_then(|header| self.key_file(&header)) {
                    let _ = telcon_files::remove_private(&key_file);
                }
                Header::Named(random()?)
            }
        };
        let Some(key_file) = self.key_file(&header) else { return Ok(()) };
        let key = match read_key(&key_file)? {
            Some(key) => key,
            None => create_key(&key_file)?,
        };
        let header = header.to_bytes();
        let plain = Zeroizing::new(serde_json::to_vec(&LeftSound { names, packets: sound.packets() })?);
        let nonce = random::<NONCE_BYTES>()?;
        let sealed = cipher(&key)
            .encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &self.authenticated() })
            .map_err(|_| std::io::Error::other("the pending sound is too long to encrypt"))?;
        telcon_files::replace_private(&self.file, &[&header[..], &nonce, &sealed].concat())
    }

    /// What an earlier run left; nothing if there is none, if its key is gone, or if it is damaged.
    pub(super) fn read(&self) -> Option<LeftSound> {
        let header = self.header()?;
        let key = read_key(&self.key_file(&header)?).ok()??;
        let (spool, name) = (self.file.parent()?, self.file.file_name()?);
        let bytes = telcon_files::read_beneath(spool, name, MAX_FILE_BYTES).ok()?;
        let (nonce, sealed) = bytes.strip_prefix(&header.to_bytes()[..])?.split_first_chunk::<NONCE_BYTES>()?;
        let plain =
            cipher(&key).decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &self.authenticated() }).ok()?;
        let left: LeftSound = serde_json::from_slice(&Zeroizing::new(plain)).ok()?;
        Some(left).filter(|left| !left.packets.is_empty())
    }

    /// Deletes sound and key: everything is transcribed, or the record is sealed.
    pub(super) fn delete(&self) {
        // The key first: without it, the rest is nothing.
        let key_file = self.header().and_then(|header| self.key_file(&header));
        for file in key_file.iter().chain([&self.file]) {
            if let Err(error) = telcon_files::remove_private(file) {
                tracing::warn!(call = %self.call, %error, "cannot delete {}: delete it by hand", file.display());
            }
        }
    }

    /// What is authenticated besides the sound.
    fn authenticated(&self) -> Vec<u8> {
        [b"telcon pending sound v1 ".as_slice(), self.call.to_hex().as_bytes()].concat()
    }
}

fn cipher(key: &[u8; KEY_BYTES]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

/// A directory that is in memory, and private to this user or one in which files can be.
fn memory_directory() -> Option<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.into_iter().chain([PathBuf::from("/dev/shm")]).find(|dir| telcon_files::is_in_memory(dir))
}

/// The key in a file; none if there is no file.
///
/// # Errors
/// When it cannot be read, or somebody else could have.
fn read_key(file: &Path) -> std::io::Result<Option<Zeroizing<[u8; KEY_BYTES]>>> {
    let metadata = match std::fs::symlink_metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let own = std::fs::metadata("/proc/self").map_or(metadata.uid(), |process| process.uid());
    if !metadata.is_file() || metadata.mode() & 0o077 != 0 || metadata.uid() != own {
        return Err(std::io::Error::other(format!("{} is not private to this user: delete it", file.display())));
    }
    let (directory, name) = (file.parent().unwrap_or(Path::new(".")), file.file_name().unwrap_or_default());
    let bytes = Zeroizing::new(telcon_files::read_beneath(directory, name, KEY_BYTES as u64)?);
    // One that is incomplete opens nothing: it is replaced.
    Ok(<[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new))
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

fn create_key(file: &Path) -> std::io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let key = Zeroizing::new(random::<KEY_BYTES>()?);
    telcon_files::replace_private(file, &*key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const CALL: CallId = CallId::from_bytes([7; 16]);

    fn packet(from: u8, at_ms: u64) -> PendingPacket {
        let from = DeviceId::from_bytes([from; 16]);
        PendingPacket { from, stream: (3, 1), counter: at_ms / 20, at_ms, packet: Blob(b"words".to_vec()) }
    }

    fn store(dir: &Path, call: CallId) -> PendingStore {
        PendingStore::with_key_directory(dir, call, Some(dir.to_owned()))
    }

    /// The key's file of what was written.
    fn key_file(store: &PendingStore) -> PathBuf {
        store.key_file(&store.header().unwrap()).unwrap()
    }

    #[test]
    fn nobody_who_knows_the_call_can_take_the_name_of_its_key() {
        let (spool, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = PendingStore::with_key_directory(spool.path(), CALL, Some(keys.path().to_owned()));
        // What another user can put there who read the call's identifier in the log.
        let named = keys.path().join(format!("telcon-note-{}.key", CALL.to_hex()));
        std::fs::write(&named, [1; KEY_BYTES]).unwrap();
        std::fs::set_permissions(&named, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::create_dir(keys.path().join(format!("telcon-note-{}.key.tmp", CALL.to_hex()))).unwrap();
        let mut sound = PendingSound::default();
        sound.push(packet(1, 20));
        store.write(&sound, BTreeMap::new()).unwrap();
        assert!(!key_file(&store).to_string_lossy().contains(&CALL.to_hex()));
        // The same key again, so that keys do not accumulate in memory.
        let first = key_file(&store);
        store.write(&sound, BTreeMap::new()).unwrap();
        assert_eq!(key_file(&store), first);
        assert_eq!(store.read().unwrap().packets, [packet(1, 20)]);
        store.delete();
        assert!(!first.exists() && named.exists());
    }

    #[test]
    fn what_the_version_before_left_is_read_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), CALL);
        let left = LeftSound { names: BTreeMap::new(), packets: vec![packet(1, 20)] };
        let key_file = dir.path().join(format!("telcon-note-{}.key", CALL.to_hex()));
        let (key, nonce) = ([9; KEY_BYTES], [3; NONCE_BYTES]);
        telcon_files::replace_private(&key_file, &key).unwrap();
        let aad = [b"telcon pending sound v1 ".as_slice(), CALL.to_hex().as_bytes()].concat();
        let plain = serde_json::to_vec(&left).unwrap();
        let sealed = cipher(&key).encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad }).unwrap();
        std::fs::write(&store.file, [&[1][..], &nonce, &sealed].concat()).unwrap();
        assert_eq!(store.read(), Some(left));
        store.delete();
        assert!(!store.file.exists() && !key_file.exists());
    }

    #[test]
    fn what_was_kept_is_read_by_the_next_run_and_only_of_the_same_call() {
        let dir = tempfile::tempdir().unwrap();
        let mut sound = PendingSound::default();
        [packet(2, 40), packet(1, 20)].into_iter().for_each(|packet| sound.push(packet));
        store(dir.path(), CALL).write(&sound, BTreeMap::new()).unwrap();
        let left = store(dir.path(), CALL).read().unwrap();
        assert_eq!(left.packets, [packet(1, 20), packet(2, 40)]);
        let other = CallId::from_bytes([8; 16]);
        assert_eq!(store(dir.path(), other).read(), None);
        // Not under another call's name either.
        // Nor with its key, which the file names.
        let (from, to) = (store(dir.path(), CALL), store(dir.path(), other));
        std::fs::copy(from.file, to.file).unwrap();
        assert_eq!(store(dir.path(), other).read(), None);
    }

    #[test]
    fn the_spool_alone_shows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut sound = PendingSound::default();
        sound.push(packet(1, 20));
        let written = store(dir.path(), CALL);
        written.write(&sound, BTreeMap::new()).unwrap();
        let bytes = std::fs::read(&written.file).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"words" || window == b"at_ms"));
        let key = key_file(&written);
        std::fs::remove_file(&key).unwrap();
        assert_eq!(written.read(), None);
        // A key that others could have read is not used.
        std::fs::write(&key, [1; KEY_BYTES]).unwrap();
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&key, readable).unwrap();
        assert!(written.write(&sound, BTreeMap::new()).unwrap_err().to_string().contains("is not private"));
    }

    #[test]
    fn a_damaged_file_is_no_sound() {
        let dir = tempfile::tempdir().unwrap();
        let mut sound = PendingSound::default();
        sound.push(packet(1, 20));
        let written = store(dir.path(), CALL);
        written.write(&sound, BTreeMap::new()).unwrap();
        let whole = std::fs::read(&written.file).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..5], &[], &[2]] {
            std::fs::write(&written.file, damaged).unwrap();
            assert_eq!(written.read(), None);
        }
        std::fs::write(&written.file, &whole).unwrap();
        let key = key_file(&written);
        written.delete();
        assert!(!written.file.exists() && !key.exists());
    }

    #[test]
    fn transcribed_packets_are_dropped_and_the_number_is_bounded() {
        let mut sound = PendingSound::default();
        (0..100).for_each(|i| sound.push(packet(1, 20 * i)));
        sound.settle(DeviceId::from_bytes([1; 16]), 1_400);
        assert_eq!(sound.packets()[0].at_ms, 1_000);
        (0..MAX_PACKETS as u64 + 10).for_each(|i| sound.push(packet(2, i)));
        assert_eq!(sound.0[&DeviceId::from_bytes([2; 16])].len(), MAX_PACKETS);
    }
}
