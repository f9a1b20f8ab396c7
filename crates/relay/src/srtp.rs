//! SRTP of one leg: keys from the DTLS handshake, packets decrypted and encrypted in place.
//!
//! RFC 3711 with the AEAD transforms of RFC 7714 only: a device that offers neither AES-128-GCM nor AES-256-GCM gets no
//! leg. MKI and key derivation rate are not supported; WebRTC uses neither.
//!
//! A nonce is derived from the SSRC and the packet index, so an index must never be encrypted twice under one SSRC of
//! one leg. For media, `Slot::map` guarantees this: it is called once per index, because [`ReplayWindow`] accepts each
//! index once, and its mapping is injective. For reports, [`Sealing`] has its own counter.

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
};
use std::ops::Range;

/// Authentication tag of an RTP packet, bytes (RFC 7714 section 13.1).
pub(crate) const TAG: usize = 16;
/// RTP header that this relay writes, bytes: no CSRCs, no extension.
pub(crate) const HEADER: usize = 12;
const SALT: usize = 12;
/// Unencrypted header and trailing index of an SRTCP packet, bytes (RFC 7714 section 9.2).
const RTCP_CLEAR: usize = 8;
const RTCP_INDEX: usize = 4;
/// The E flag in the word of the SRTCP index: the packet is encrypted.
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Key derivation labels (RFC 3711 section 4.3.2): encryption keys of SRTP and SRTCP, and the offset to the salts.
const LABEL_SRTP: u8 = 0;
const LABEL_SRTCP: u8 = 3;
const LABEL_SALT_OFFSET: u8 = 2;

/// The packet was rejected: malformed, not authentic, or a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected;

/// Accepted protection profiles (RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Aes128Gcm,
    Aes256Gcm,
}

impl Profile {
    fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }
}

/// SRTP contexts of both directions, from the side of the DTLS server.
pub(crate) struct Keys {
    pub(crate) opening: Opening,
    pub(crate) sealing: Sealing,
}

impl Keys {
    /// Derives the contexts from exported keying material (RFC 5764 section 4.2: client key, server key, client salt,
    /// server salt). `None` if the length does not match the profile.
    pub(crate) fn from_handshake(profile: Profile, material: &[u8]) -> Option<Self> {
        let key = profile.key_bytes();
        if material.len() != 2 * (key + SALT) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key);
        let (client, server) = keys.split_at(key);
        let (client_salt, server_salt) = salts.split_at(SALT);
        Some(Self {
            opening: Opening {
                media: Key::derive(client, client_salt, LABEL_SRTP).cipher(),
                reports: Key::derive(client, client_salt, LABEL_SRTCP),
                replay: ReplayWindow::default(),
            },
            sealing: Sealing {
                media: Key::derive(server, server_salt, LABEL_SRTP).cipher(),
                reports: Key::derive(server, server_salt, LABEL_SRTCP),
                next_report_index: 0,
            },
        })
    }
}

/// Decrypts packets from a device.
pub(crate) struct Opening {
    media: Cipher,
    reports: Key,
    replay: ReplayWindow,
}

impl Opening {
    /// Decrypts a media packet in place. Returns the range of its payload.
    pub(crate) fn media(&self, header: &Header, index: u64, packet: &mut [u8]) -> Result<Range<usize>, Rejected> {
        let (clear, sealed) = packet.split_at_mut_checked(header.length).ok_or(Rejected)?;
        let nonce = self.media.nonce(header.ssrc, index);
        let mut length = self.media.key.open_in_place(nonce, Aad::from(&*clear), sealed).map_err(|_| Rejected)?.len();
        if header.padded {
            let padding = sealed[..length].last().copied().ok_or(Rejected)?;
            length = length.checked_sub(padding.into()).filter(|_| padding > 0).ok_or(Rejected)?;
        }
        Ok(header.length..header.length + length)
    }

    /// Decrypts an RTCP compound in place, and refuses replays.
    pub(crate) fn reports<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p [u8], Rejected> {
        let at = packet.len().checked_sub(RTCP_INDEX).filter(|at| *at >= RTCP_CLEAR + TAG).ok_or(Rejected)?;
        let word = u32::from_be_bytes(packet[at..].try_into().map_err(|_| Rejected)?);
        let index = u64::from(word & !RTCP_ENCRYPTED);
        if word & RTCP_ENCRYPTED == 0 || !self.replay.is_new(index) {
            return Err(Rejected);
        }
        let mut aad = [0; RTCP_CLEAR + RTCP_INDEX];
        aad[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
        aad[RTCP_CLEAR..].copy_from_slice(&packet[at..]);
        let cipher = self.reports.cipher();
        let nonce = cipher.nonce(be32(&packet[4..8]), index);
        let length = cipher.key.open_in_place(nonce, Aad::from(aad), &mut packet[RTCP_CLEAR..at]);
        let length = length.map_err(|_| Rejected)?.len();
        self.replay.accept(index);
        Ok(&packet[..RTCP_CLEAR + length])
    }
}

/// Encrypts packets for a device.
pub(crate) struct Sealing {
    media: Cipher,
    reports: Key,
    next_report_index: u32,
}

impl Sealing {
    /// Reads the memory that [`Sealing::media`] reads first, to bring it into the cache.
    pub(crate) fn prefetch(&self) -> u32 {
        self.media.salt[0].into()
    }

    /// Appends a media packet to `out`: header, encrypted payload and tag.
    pub(crate) fn media(&self, out: &mut Vec<u8>, header: [u8; HEADER], index: u64, payload: &[u8]) {
        let start = out.len() + HEADER;
        out.extend_from_slice(&header);
        out.extend_from_slice(payload);
        let nonce = self.media.nonce(be32(&header[8..]), index);
        let tag = self.media.key.seal_in_place_separate_tag(nonce, Aad::from(header), &mut out[start..]);
        let tag = tag.expect("invariant: a packet is far below AES-GCM's limit of length");
        out.extend_from_slice(tag.as_ref());
    }

    /// Encrypts an RTCP compound of at least eight bytes.
    pub(crate) fn reports(&mut self, mut compound: Vec<u8>) -> Vec<u8> {
        let index = self.next_report_index;
        // At one compound per two seconds, 31 bits last for a century.
        self.next_report_index = (self.next_report_index + 1) & !RTCP_ENCRYPTED;
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        let mut aad = [0; RTCP_CLEAR + RTCP_INDEX];
        aad[..RTCP_CLEAR].copy_from_slice(&compound[..RTCP_CLEAR]);
        aad[RTCP_CLEAR..].copy_from_slice(&word);
        let cipher = self.reports.cipher();
        let nonce = cipher.nonce(be32(&compound[4..8]), index.into());
        let tag = cipher.key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut compound[RTCP_CLEAR..]);
        let tag = tag.expect("invariant: a compound is far below AES-GCM's limit of length");
        compound.extend_from_slice(tag.as_ref());
        compound.extend_from_slice(&word);
        compound
    }
}

struct Cipher {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl Cipher {
    /// RFC 7714 sections 8.1 and 9.1: the SRTP index (rollover counter and sequence number) has 48 bits, the SRTCP index
    /// 31, so the same layout serves both.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = self.salt;
        let unique = (u128::from(ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff)).to_be_bytes();
        nonce.iter_mut().zip(&unique[4..]).for_each(|(n, u)| *n ^= u);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Session key and salt. The expanded cipher takes fifteen times the memory, and is cheap to construct for one report
/// every two seconds.
struct Key {
    key: [u8; 32],
    length: usize,
    salt: [u8; SALT],
}

impl Key {
    /// Derives the session key and salt from the master key and salt.
    fn derive(master: &[u8], master_salt: &[u8], label: u8) -> Self {
        let mut session = Self { key: [0; 32], length: master.len(), salt: [0; SALT] };
        derive(master, master_salt, label, &mut session.key[..master.len()]);
        derive(master, master_salt, label + LABEL_SALT_OFFSET, &mut session.salt);
        session
    }

    fn cipher(&self) -> Cipher {
        let algorithm = if self.length == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, &self.key[..self.length]);
        Cipher { key: LessSafeKey::new(key.expect("invariant: the profile gives the key's length")), salt: self.salt }
    }
}

/// RFC 3711 section 4.3.3: AES in counter mode over the salt combined with the label. A 12-byte salt is padded with two
/// zero bytes (RFC 7714 section 11).
fn derive(master: &[u8], salt: &[u8], label: u8, out: &mut [u8]) {
    let algorithm = if master.len() == 16 { &AES_128 } else { &AES_256 };
    let key = UnboundCipherKey::new(algorithm, master).expect("invariant: the profile gives the key's length");
    let key = EncryptingKey::ecb(key).expect("invariant: AES has an ECB mode");
    let mut input = [0; 16];
    input[..salt.len()].copy_from_slice(salt);
    input[7] ^= label;
    for (counter, chunk) in out.chunks_mut(16).enumerate() {
        let mut block = input;
        block[15] = counter as u8;
        key.less_safe_encrypt(&mut block, EncryptionContext::None).expect("invariant: one whole block");
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
}

/// The fields of an RTP header that are used (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes, including CSRCs and extension.
    pub(crate) length: usize,
    pub(crate) padded: bool,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl Header {
    /// Parses a header. `None` if it is invalid or longer than the packet.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; HEADER] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut length = HEADER + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(length + 2..length + 4)?;
            length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        (packet.len() >= length + TAG).then_some(Self {
            length,
            padded: fixed[0] & 0x20 != 0,
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: be32(&fixed[4..8]),
            ssrc: be32(&fixed[8..]),
        })
    }
}

/// Writes an RTP header without CSRCs and extension.
pub(crate) fn header(marker: bool, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[0] = 0x80;
    out[1] = u8::from(marker) << 7 | payload_type & 0x7f;
    out[2..4].copy_from_slice(&sequence.to_be_bytes());
    out[4..8].copy_from_slice(&timestamp.to_be_bytes());
    out[8..].copy_from_slice(&ssrc.to_be_bytes());
    out
}

/// Replay protection (RFC 3711 section 3.3.2). An index older than the window is treated as a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReplayWindow {
    newest: Option<u64>,
    /// Bit n: `newest - n` was received.
    received: u128,
}

impl ReplayWindow {
    /// Width of the window in packets: 2.5 s of 20 ms frames.
    const WIDTH: u64 = u128::BITS as u64;

    /// The newest accepted index.
    #[cfg(test)]
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Estimates the packet index of a sequence number (RFC 3711 section 3.3.1). `None` if it would be negative.
    pub(crate) fn extend(&self, sequence: u16) -> Option<u64> {
        let Some(newest) = self.newest else { return Some(sequence.into()) };
        let step = sequence.wrapping_sub(newest as u16) as i16;
        newest.checked_add_signed(step.into())
    }

    /// Whether an index was not accepted before and lies within the window.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        match self.newest {
            None => true,
            Some(newest) if index > newest => true,
            Some(newest) => newest - index < Self::WIDTH && self.received >> (newest - index) & 1 == 0,
        }
    }

    /// Records an authenticated index. Returns whether it is the newest.
    pub(crate) fn accept(&mut self, index: u64) -> bool {
        match self.newest {
            Some(newest) if index <= newest => {
                self.received |= 1u128.checked_shl((newest - index) as u32).unwrap_or(0);
                return false;
            }
            Some(newest) => {
                let step = u32::try_from(index - newest).unwrap_or(u32::MAX);
                self.received = self.received.checked_shl(step).unwrap_or(0) | 1;
            }
            None => self.received = 1,
        }
        self.newest = Some(index);
        true
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |b| u32::from_be_bytes(*b))
}

#[cfg(test)]
mod tests;
