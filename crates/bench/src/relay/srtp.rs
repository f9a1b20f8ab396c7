//! Minimal SRTP with AES-GCM (RFC 7714), to keep the generator's cost per packet low.
//!
//! Keys come from the DTLS handshake. Sent packets have no header extension; received extensions are skipped. Packets
//! with CSRCs, padding or MKI are refused: none of the measured servers sends them.

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
};
use dimpl::SrtpProfile;

/// Bytes of an RTP header without extensions (RFC 3550 section 5.1).
pub const HEADER: usize = 12;
/// Bytes of the authentication tag.
pub const TAG: usize = 16;
const SALT: usize = 12;
/// Key derivation labels (RFC 3711 section 4.3.2).
const LABEL_KEY: u8 = 0;
const LABEL_SALT: u8 = 2;

/// Why key derivation failed or a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpError {
    /// A suite other than the two of RFC 7714, or key material of the wrong length.
    Suite,
    /// Not a plain RTP packet.
    Malformed,
    /// Authentication failed.
    Forged,
}

impl std::fmt::Display for SrtpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Suite => "the peer chose a suite other than AES-GCM",
            Self::Malformed => "not a plain RTP packet",
            Self::Forged => "the packet failed authentication",
        })
    }
}

impl std::error::Error for SrtpError {}

/// Context of one direction.
pub struct Session {
    key: LessSafeKey,
    salt: [u8; SALT],
}

/// Contexts of both directions, from the handshake's keying material (RFC 5764 section 4.2).
pub struct Keys {
    /// For sent packets.
    pub send: Session,
    /// For received packets.
    pub receive: Session,
}

impl Keys {
    /// `client`: whether we are the DTLS client.
    ///
    /// # Errors
    /// [`SrtpError::Suite`].
    pub fn derive(profile: SrtpProfile, material: &[u8], client: bool) -> Result<Self, SrtpError> {
        let length = match profile {
            SrtpProfile::AEAD_AES_128_GCM => 16,
            SrtpProfile::AEAD_AES_256_GCM => 32,
            _ => return Err(SrtpError::Suite),
        };
        if material.len() != 2 * (length + SALT) {
            return Err(SrtpError::Suite);
        }
        let (keys, salts) = material.split_at(2 * length);
        let session = |index: usize| Session::derive(&keys[index * length..][..length], &salts[index * SALT..][..SALT]);
        let (clients, servers) = (session(0)?, session(1)?);
        let (send, receive) = if client { (clients, servers) } else { (servers, clients) };
        Ok(Self { send, receive })
    }
}

impl Session {
    /// From a master key (16 or 32 bytes) and a master salt of 12 bytes.
    ///
    /// # Errors
    /// [`SrtpError::Suite`] for other lengths.
    pub fn derive(master_key: &[u8], master_salt: &[u8]) -> Result<Self, SrtpError> {
        // RFC 7714 section 11: the salt is padded on the right.
        let mut padded = [0; 14];
        padded[..SALT].copy_from_slice(master_salt.get(..SALT).ok_or(SrtpError::Suite)?);
        let mut key = vec![0; master_key.len()];
        derive(master_key, &padded, LABEL_KEY, &mut key)?;
        let mut salt = [0; SALT];
        derive(master_key, &padded, LABEL_SALT, &mut salt)?;
        Self::new(&key, salt)
    }

    fn new(key: &[u8], salt: [u8; SALT]) -> Result<Self, SrtpError> {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| SrtpError::Suite)?;
        Ok(Self { key: LessSafeKey::new(key), salt })
    }

    /// Encrypts in place. `packet` consists of header, payload, and [`TAG`] bytes for the tag.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`] if it is shorter than that.
    pub fn protect(&self, packet: &mut [u8], index: u64) -> Result<(), SrtpError> {
        let body = packet.len().checked_sub(HEADER + TAG).ok_or(SrtpError::Malformed)?;
        let (header, rest) = packet.split_at_mut(HEADER);
        let (payload, tag) = rest.split_at_mut(body);
        let nonce = self.nonce(header, index);
        let made = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        tag.copy_from_slice(made.map_err(|_| SrtpError::Malformed)?.as_ref());
        Ok(())
    }

    /// Decrypts in place and returns the payload. `header` is the result of [`read_header`].
    ///
    /// # Errors
    /// [`SrtpError::Forged`].
    pub fn open<'a>(&self, packet: &'a mut [u8], header: Header, index: u64) -> Result<&'a mut [u8], SrtpError> {
        let (header, rest) = packet.split_at_mut_checked(header.length).ok_or(SrtpError::Forged)?;
        let nonce = self.nonce(header, index);
        self.key.open_in_place(nonce, Aad::from(&*header), rest).map_err(|_| SrtpError::Forged)
    }

    /// RFC 7714 section 8.1. `index` is the rollover counter and the sequence number.
    fn nonce(&self, header: &[u8], index: u64) -> Nonce {
        let mut nonce = self.salt;
        nonce[2..6].iter_mut().zip(&header[8..12]).for_each(|(n, byte)| *n ^= byte);
        nonce[6..].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(n, byte)| *n ^= byte);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The key derivation of RFC 3711 section 4.3, at a rate of zero.
fn derive(master_key: &[u8], salt: &[u8; 14], label: u8, out: &mut [u8]) -> Result<(), SrtpError> {
    let cipher = match master_key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return Err(SrtpError::Suite),
    };
    let mut counter = [0; 16];
    counter[..14].copy_from_slice(salt);
    counter[7] ^= label;
    let key = UnboundCipherKey::new(cipher, master_key).map_err(|_| SrtpError::Suite)?;
    let key = EncryptingKey::ctr(key).map_err(|_| SrtpError::Suite)?;
    out.fill(0);
    let context = EncryptionContext::Iv128(FixedLength::from(counter));
    key.less_safe_encrypt(out, context).map(drop).map_err(|_| SrtpError::Suite)
}

/// The highest packet index of each stream of one receiver (RFC 3711 section 3.3.1).
#[derive(Default)]
pub struct Streams {
    // A handful per call: a linear search is faster than hashing.
    newest: Vec<(u32, u64)>,
}

/// The fields of an RTP header that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// SSRC of the stream.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Bytes of the header, including its extension.
    pub length: usize,
}

/// Maximum number of streams per receiver.
const MAX_STREAMS: usize = 64;

impl Streams {
    /// Estimates the index of a packet.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`] for too many streams.
    pub fn estimate_index(&self, header: Header) -> Result<u64, SrtpError> {
        let sequence = u64::from(header.sequence);
        let Some((_, newest)) = self.newest.iter().find(|(ssrc, _)| *ssrc == header.ssrc) else {
            return if self.newest.len() < MAX_STREAMS { Ok(sequence) } else { Err(SrtpError::Malformed) };
        };
        let around = (newest & !0xffff) | sequence;
        Ok(match around.abs_diff(*newest) {
            0..=0x8000 => around,
            _ if around < *newest => around + 0x1_0000,
            _ => around.checked_sub(0x1_0000).unwrap_or(around),
        })
    }

    /// Records the index of an authentic packet.
    pub fn record(&mut self, ssrc: u32, index: u64) {
        match self.newest.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, newest)) => *newest = index.max(*newest),
            None => self.newest.push((ssrc, index)),
        }
    }
}

/// Parses a header without padding and CSRCs (RFC 3550 section 5.1).
///
/// # Errors
/// [`SrtpError::Malformed`] for any other header, and for a packet without a tag.
pub fn read_header(packet: &[u8]) -> Result<Header, SrtpError> {
    const PLAIN: u8 = 0x80;
    const EXTENDED: u8 = 0x90;
    let extension = match packet.first() {
        Some(&PLAIN) => 0,
        Some(&EXTENDED) => {
            let words = packet.get(HEADER + 2..HEADER + 4).ok_or(SrtpError::Malformed)?;
            4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]))
        }
        _ => return Err(SrtpError::Malformed),
    };
    let length = HEADER + extension;
    if packet.len() < length + TAG {
        return Err(SrtpError::Malformed);
    }
    Ok(Header {
        ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
        sequence: u16::from_be_bytes([packet[2], packet[3]]),
        length,
    })
}

/// Writes a header.
pub fn write_header(packet: &mut [u8; HEADER], payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) {
    packet[0] = 0x80;
    packet[1] = payload_type;
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// The packet and the session salt of RFC 7714 section 16.
    const PACKET: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
                          61727465 73207472 6573";
    const SALT_HEX: &str = "51756964 2070726f 2071756f";

    fn vector(key: &str, sealed: &str) {
        let salt = hex(SALT_HEX).try_into().unwrap();
        let session = Session::new(&hex(key), salt).unwrap();
        let clear = hex(PACKET);
        let mut packet = [clear.clone(), vec![0; TAG]].concat();
        session.protect(&mut packet, 0xf17b).unwrap();
        assert_eq!(packet[HEADER..], hex(sealed));
        let header = Header { ssrc: 0x5501_a0b2, sequence: 0xf17b, length: HEADER };
        assert_eq!(session.open(&mut packet.clone(), header, 0xf17b).unwrap(), &clear[HEADER..]);
        for index in 0..packet.len() {
            let mut forged = packet.clone();
            forged[index] ^= 1;
            assert_eq!(session.open(&mut forged, header, 0xf17b), Err(SrtpError::Forged), "byte {index}");
        }
        assert_eq!(
            session.open(&mut packet, header, 0x1_f17b),
            Err(SrtpError::Forged),
            "the rollover counter is authenticated"
        );
    }

    #[test]
    fn rfc_7714_section_16_1_1() {
        vector(
            "000102030405060708090a0b0c0d0e0f",
            "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833
             899d7f27 beb16a91 52cf765e e4390cce",
        );
    }

    #[test]
    fn rfc_7714_section_16_2_1() {
        vector(
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b
             7aa3db36 dfffd6b0 f9bb7878 d7a76c13",
        );
    }

    #[test]
    fn rfc_3711_section_b_3() {
        let salt: [u8; 14] = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let mut key = [0; 16];
        derive(&master, &salt, LABEL_KEY, &mut key).unwrap();
        assert_eq!(key[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let mut session_salt = [0; 14];
        derive(&master, &salt, LABEL_SALT, &mut session_salt).unwrap();
        assert_eq!(session_salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
    }

    #[test]
    fn client_and_server_understand_each_other() {
        for (profile, length) in [(SrtpProfile::AEAD_AES_128_GCM, 56), (SrtpProfile::AEAD_AES_256_GCM, 88)] {
            let material: Vec<u8> = (0..length).collect();
            let client = Keys::derive(profile, &material, true).unwrap();
            let server = Keys::derive(profile, &material, false).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let mut packet = [hex(PACKET), vec![0; TAG]].concat();
                from.send.protect(&mut packet, 7).unwrap();
                let header = Header { ssrc: 0, sequence: 7, length: HEADER };
                assert!(to.receive.open(&mut packet.clone(), header, 7).is_ok());
                assert_eq!(
                    from.receive.open(&mut packet, header, 7),
                    Err(SrtpError::Forged),
                    "each direction has its key"
                );
            }
            assert!(matches!(Keys::derive(profile, &material[1..], true), Err(SrtpError::Suite)));
        }
        let refused = Keys::derive(SrtpProfile::AES128_CM_SHA1_80, &[0; 60], true);
        assert!(matches!(refused, Err(SrtpError::Suite)));
    }

    #[test]
    fn indices_follow_the_stream_around() {
        let mut streams = Streams::default();
        let mut at = |sequence: u16, expected: u64| {
            let header = Header { ssrc: 5, sequence, length: HEADER };
            assert_eq!(streams.estimate_index(header), Ok(expected), "{sequence}");
            streams.record(5, expected);
        };
        at(65_534, 65_534);
        at(65_535, 65_535);
        at(1, 65_537);
        // One that was overtaken.
        at(65_533, 65_533);
        at(0, 65_536);
        at(40_000 - 30_000, 75_536);
        at(30_000, 95_536);
        at(50_000, 115_536);
        at(3, 131_075);
        assert_eq!(streams.newest.len(), 1);
    }

    #[test]
    fn a_receiver_of_endless_streams_gives_up() {
        let mut streams = Streams::default();
        for ssrc in 0..MAX_STREAMS as u32 {
            assert!(streams.estimate_index(Header { ssrc, sequence: 1, length: HEADER }).is_ok());
            streams.record(ssrc, 1);
        }
        assert_eq!(streams.estimate_index(Header { ssrc: 99, sequence: 1, length: HEADER }), Err(SrtpError::Malformed));
    }

    #[test]
    fn headers() {
        let mut packet = [0; HEADER + TAG];
        write_header((&mut packet[..HEADER]).try_into().unwrap(), 111, 0xf17b, 0x8041_f8d3, 0x5501_a0b2);
        assert_eq!(packet[..HEADER], hex("806ff17b 8041f8d3 5501a0b2"));
        assert_eq!(read_header(&packet), Ok(Header { ssrc: 0x5501_a0b2, sequence: 0xf17b, length: HEADER }));
        assert_eq!(read_header(&packet[1..]), Err(SrtpError::Malformed));
        for first in [0x00, 0x81, 0xa0, 0xb0] {
            packet[0] = first;
            assert_eq!(read_header(&packet), Err(SrtpError::Malformed));
        }
    }

    #[test]
    fn an_extension_is_authenticated_and_passed_over() {
        let session = Session::derive(&[1; 16], &[2; SALT]).unwrap();
        let mut packet = [0; HEADER + 8 + 5 + TAG];
        write_header((&mut packet[..HEADER]).try_into().unwrap(), 111, 7, 0, 9);
        packet[0] = 0x90;
        packet[HEADER..HEADER + 8].copy_from_slice(b"\xbe\xde\x00\x01\x10abc");
        packet[HEADER + 8..HEADER + 13].copy_from_slice(b"hello");
        let header = read_header(&packet).unwrap();
        assert_eq!(header, Header { ssrc: 9, sequence: 7, length: HEADER + 8 });
        let (start, end) = packet.split_at_mut(header.length);
        let (payload, tag) = end.split_at_mut(5);
        let nonce = session.nonce(start, 7);
        tag.copy_from_slice(
            session.key.seal_in_place_separate_tag(nonce, Aad::from(&*start), payload).unwrap().as_ref(),
        );
        assert_eq!(session.open(&mut packet.clone(), header, 7).unwrap(), b"hello");
        packet[HEADER + 5] ^= 1;
        assert_eq!(session.open(&mut packet, header, 7), Err(SrtpError::Forged));
        packet[HEADER + 3] = 200;
        assert_eq!(read_header(&packet), Err(SrtpError::Malformed), "longer than the packet");
    }
}
