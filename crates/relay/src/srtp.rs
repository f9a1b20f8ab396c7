//! SRTP of one leg: keys from the handshake, packets opened and sealed in place.
//!
//! RFC 3711 with the AEAD transforms of RFC 7714, and no others: an endpoint that offers neither AES-128-GCM nor
//! AES-256-GCM gets no leg. There is no master key identifier and no key derivation rate, as WebRTC has neither.
//!
//! A nonce is made of the SSRC and the packet's index, so an index must never be sealed twice under one SSRC of one
//! leg. For media that is [`crate::slot::Slot::place`]'s promise: it gives each index once, because an index that it
//! is given was let through a [`Window`] once. For reports it is [`Sealing`]'s own counter.

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
};
use std::ops::Range;

/// Bytes that sealing adds to an RTP packet (RFC 7714 section 13.1).
pub(crate) const TAG: usize = 16;
/// Bytes of the RTP header that this relay writes: no contributing sources, no extension.
pub(crate) const HEADER: usize = 12;
const SALT: usize = 12;
/// Bytes at the head of an SRTCP packet that stay in the clear, and the index at its end (RFC 7714 section 9.2).
const RTCP_CLEAR: usize = 8;
const RTCP_INDEX: usize = 4;
/// The bit beside the index that says that the packet is encrypted.
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Labels of key derivation (RFC 3711 section 4.3.2): the keys', and how far from them the salts' are.
const MEDIA: u8 = 0;
const REPORTS: u8 = 3;
const LABEL_OF_SALT: u8 = 2;

/// The packet is not what it says: wrong key, seen before, or no packet at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// The profiles that are accepted (RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Aes128Gcm,
    Aes256Gcm,
}

impl Profile {
    fn key(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }
}

/// What opens a device's packets, and what seals those for it. The DTLS server's side.
pub(crate) struct Keys {
    pub(crate) opening: Opening,
    pub(crate) sealing: Sealing,
}

impl Keys {
    /// From a handshake's exported keying material (RFC 5764 section 4.2: client key, server key, client salt, server
    /// salt), as the server. `None` if its length is not that of the profile.
    pub(crate) fn from_handshake(profile: Profile, material: &[u8]) -> Option<Self> {
        let key = profile.key();
        if material.len() != 2 * (key + SALT) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key);
        let (client, server) = keys.split_at(key);
        let (client_salt, server_salt) = salts.split_at(SALT);
        Some(Self {
            opening: Opening {
                media: Key::derive(client, client_salt, MEDIA).cipher(),
                reports: Key::derive(client, client_salt, REPORTS),
                seen: Window::default(),
            },
            sealing: Sealing {
                media: Key::derive(server, server_salt, MEDIA).cipher(),
                reports: Key::derive(server, server_salt, REPORTS),
                next: 0,
            },
        })
    }
}

/// Opens what a device sends.
pub(crate) struct Opening {
    media: Cipher,
    reports: Key,
    seen: Window,
}

impl Opening {
    /// Opens a media packet in place, and gives where its payload is.
    pub(crate) fn media(&self, header: &Header, index: u64, packet: &mut [u8]) -> Result<Range<usize>, Refused> {
        let (clear, sealed) = packet.split_at_mut_checked(header.length).ok_or(Refused)?;
        let nonce = self.media.nonce(header.ssrc, index);
        let mut length = self.media.key.open_in_place(nonce, Aad::from(&*clear), sealed).map_err(|_| Refused)?.len();
        if header.padded {
            let padding = sealed[..length].last().copied().ok_or(Refused)?;
            length = length.checked_sub(padding.into()).filter(|_| padding > 0).ok_or(Refused)?;
        }
        Ok(header.length..header.length + length)
    }

    /// Opens a compound of reports in place, once.
    pub(crate) fn reports<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p [u8], Refused> {
        let at = packet.len().checked_sub(RTCP_INDEX).filter(|at| *at >= RTCP_CLEAR + TAG).ok_or(Refused)?;
        let word = u32::from_be_bytes(packet[at..].try_into().map_err(|_| Refused)?);
        let index = u64::from(word & !RTCP_ENCRYPTED);
        if word & RTCP_ENCRYPTED == 0 || !self.seen.is_new(index) {
            return Err(Refused);
        }
        let mut aad = [0; RTCP_CLEAR + RTCP_INDEX];
        aad[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
        aad[RTCP_CLEAR..].copy_from_slice(&packet[at..]);
        let cipher = self.reports.cipher();
        let nonce = cipher.nonce(be32(&packet[4..8]), index);
        let length = cipher.key.open_in_place(nonce, Aad::from(aad), &mut packet[RTCP_CLEAR..at]);
        let length = length.map_err(|_| Refused)?.len();
        self.seen.accept(index);
        Ok(&packet[..RTCP_CLEAR + length])
    }
}

/// Seals what goes to a device.
pub(crate) struct Sealing {
    media: Cipher,
    reports: Key,
    next: u32,
}

impl Sealing {
    /// Reads what [`Sealing::media`] reads first.
    pub(crate) fn touch(&self) -> u32 {
        self.media.salt[0].into()
    }

    /// Appends a media packet: header, sealed payload and tag.
    pub(crate) fn media(&self, out: &mut Vec<u8>, header: [u8; HEADER], index: u64, payload: &[u8]) {
        let start = out.len() + HEADER;
        out.extend_from_slice(&header);
        out.extend_from_slice(payload);
        let nonce = self.media.nonce(be32(&header[8..]), index);
        let tag = self.media.key.seal_in_place_separate_tag(nonce, Aad::from(header), &mut out[start..]);
        let tag = tag.expect("invariant: a packet is far below AES-GCM's limit of length");
        out.extend_from_slice(tag.as_ref());
    }

    /// Seals a compound of reports, at least its first eight bytes long.
    pub(crate) fn reports(&mut self, mut compound: Vec<u8>) -> Vec<u8> {
        let index = self.next;
        // At one compound in two seconds the 31 bits last for a century.
        self.next = (self.next + 1) & !RTCP_ENCRYPTED;
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
    /// RFC 7714 sections 8.1 and 9.1: for media the index is rollover counter and sequence number, 48 bits; for
    /// reports it has 31, so the same layout serves both.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = self.salt;
        let unique = (u128::from(ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff)).to_be_bytes();
        nonce.iter_mut().zip(&unique[4..]).for_each(|(n, u)| *n ^= u);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// A session's key and salt. A cipher is fifteen times as large, and quickly made for a report every other second.
struct Key {
    key: [u8; 32],
    length: usize,
    salt: [u8; SALT],
}

impl Key {
    /// From the master key, for media or for reports.
    fn derive(master: &[u8], master_salt: &[u8], label: u8) -> Self {
        let mut session = Self { key: [0; 32], length: master.len(), salt: [0; SALT] };
        derive(master, master_salt, label, &mut session.key[..master.len()]);
        derive(master, master_salt, label + LABEL_OF_SALT, &mut session.salt);
        session
    }

    fn cipher(&self) -> Cipher {
        let algorithm = if self.length == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, &self.key[..self.length]);
        Cipher { key: LessSafeKey::new(key.expect("invariant: the profile gives the key's length")), salt: self.salt }
    }
}

/// RFC 3711 section 4.3.3: AES in counter mode over the salt with the label in it. A salt of 12 bytes is used as if
/// two zero bytes followed (RFC 7714 section 11).
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

/// What is needed of an RTP header (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// With contributing sources and extension.
    pub(crate) length: usize,
    pub(crate) padded: bool,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl Header {
    /// Reads a header. `None` if it is none, or longer than the packet.
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

/// The header that this relay writes.
pub(crate) fn header(marker: bool, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[0] = 0x80;
    out[1] = u8::from(marker) << 7 | payload_type & 0x7f;
    out[2..4].copy_from_slice(&sequence.to_be_bytes());
    out[4..8].copy_from_slice(&timestamp.to_be_bytes());
    out[8..].copy_from_slice(&ssrc.to_be_bytes());
    out
}

/// Which indices were seen (RFC 3711 section 3.3.2). One that is older than the window counts as seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    newest: Option<u64>,
    /// Bit n: `newest - n` was seen.
    seen: u128,
}

impl Window {
    /// Width of the window: 2.5 s of 20 ms packets, more than any network reorders.
    const WIDTH: u64 = u128::BITS as u64;

    /// The newest index seen.
    #[cfg(test)]
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The index that a sequence number most probably stands for (RFC 3711 section 3.3.1). `None` before the first.
    pub(crate) fn extend(&self, sequence: u16) -> Option<u64> {
        let Some(newest) = self.newest else { return Some(sequence.into()) };
        let step = sequence.wrapping_sub(newest as u16) as i16;
        newest.checked_add_signed(step.into())
    }

    /// Whether an index may be accepted.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        match self.newest {
            None => true,
            Some(newest) if index > newest => true,
            Some(newest) => newest - index < Self::WIDTH && self.seen >> (newest - index) & 1 == 0,
        }
    }

    /// Marks an index that was authenticated. Gives whether it is the newest.
    pub(crate) fn accept(&mut self, index: u64) -> bool {
        match self.newest {
            Some(newest) if index <= newest => {
                self.seen |= 1u128.checked_shl((newest - index) as u32).unwrap_or(0);
                return false;
            }
            Some(newest) => {
                let step = u32::try_from(index - newest).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(step).unwrap_or(0) | 1;
            }
            None => self.seen = 1,
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
