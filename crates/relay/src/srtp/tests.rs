use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

/// RFC 7714 section 16: keys 00 01 02 ..., salt "Quid pro quo".
fn rfc_keys(bytes: usize) -> (Opening, Sealing) {
    let make = || Key { key: std::array::from_fn(|i| i as u8), length: bytes, salt: *b"Quid pro quo" };
    let opening = Opening { media: make().cipher(), reports: make(), replay: ReplayWindow::default() };
    (opening, Sealing { media: make().cipher(), reports: make(), next_report_index: 0x5d4 })
}

const RTP_HEADER: &str = "8040f17b 8041f8d3 5501a0b2";
const GALLIA: &[u8] = b"Gallia est omnis divisa in partes tres";
const RTP_128: &str = "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d \
                       7f27beb1 6a9152cf 765ee439 0cce";
const RTP_256: &str = "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 \
                       db36dfff d6b0f9bb 7878d7a7 6c13";
const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef \
                    deadbeef deadbeef";
const RTCP_128: &str = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda \
                        4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
const RTCP_256: &str = "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be \
                        8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4";

#[test]
fn media_of_rfc_7714_section_16_1() {
    for (bytes, sealed) in [(16, RTP_128), (32, RTP_256)] {
        let (opening, sealing) = rfc_keys(bytes);
        let header = hex(RTP_HEADER);
        let expected = [header.clone(), hex(sealed)].concat();
        let mut out = b"before".to_vec();
        sealing.media(&mut out, header.try_into().unwrap(), 0xf17b, GALLIA);
        assert_eq!(out[6..], expected);

        let mut packet = expected;
        let header = Header::parse(&packet).unwrap();
        let payload = opening.media(&header, 0xf17b, &mut packet).unwrap();
        assert_eq!(&packet[payload], GALLIA);
    }
}

#[test]
fn reports_of_rfc_7714_section_17_1() {
    for (bytes, sealed) in [(16, RTCP_128), (32, RTCP_256)] {
        let (mut opening, mut sealing) = rfc_keys(bytes);
        assert_eq!(sealing.reports(hex(RTCP)), hex(sealed));
        assert_eq!(opening.reports(&mut hex(sealed)), Ok(&hex(RTCP)[..]));
        assert_eq!(opening.reports(&mut hex(sealed)), Err(Rejected), "a replay");
    }
}

#[test]
fn derivation_of_rfc_3711_appendix_b_3() {
    let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let mut key = [0; 16];
    derive(&master, &salt, 0, &mut key);
    assert_eq!(key[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
    let mut session_salt = [0; 14];
    derive(&master, &salt, 2, &mut session_salt);
    assert_eq!(session_salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
    // More than one block: the authentication key, which AEAD profiles do not use.
    let mut long = [0; 94];
    derive(&master, &salt, 1, &mut long);
    assert_eq!(long[..16], hex("CEBE321F6FF7716B6FD4AB49AF256A15"));
    assert_eq!(long[16..32], hex("6D38BAA48F0A0ACF3C34E2359E6CDBCE"));
}

#[test]
fn every_bit_of_a_packet_is_authenticated() {
    let (mut opening, mut sealing) = rfc_keys(16);
    let mut packet = Vec::new();
    sealing.media(&mut packet, header(true, 111, 7, 960, 0xabcd), 7, b"media");
    for bit in 0..packet.len() * 8 {
        let mut forged = packet.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let opened = Header::parse(&forged).ok_or(Rejected).and_then(|h| opening.media(&h, 7, &mut forged));
        assert_eq!(opened, Err(Rejected), "bit {bit}");
    }
    let reports = sealing.reports(hex(RTCP));
    for bit in 0..reports.len() * 8 {
        let mut forged = reports.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opening.reports(&mut forged), Err(Rejected), "bit {bit}");
    }
    let header = Header::parse(&packet).unwrap();
    assert_eq!(opening.media(&header, 7 + (1 << 16), &mut packet.clone()), Err(Rejected), "another rollover counter");
    assert!(opening.media(&header, 7, &mut packet).is_ok());
}

#[test]
fn keying_material_is_split_as_in_rfc_5764() {
    for (profile, key) in [(Profile::Aes128Gcm, 16), (Profile::Aes256Gcm, 32)] {
        let material: Vec<u8> = (0..2 * (key + SALT) as u8).collect();
        let keys = Keys::from_handshake(profile, &material).unwrap();
        assert!(Keys::from_handshake(profile, &material[1..]).is_none());
        // The context of a client.
        let client = Sealing {
            media: Key::derive(&material[..key], &material[2 * key..][..SALT], LABEL_SRTP).cipher(),
            reports: Key::derive(&material[..key], &material[2 * key..][..SALT], LABEL_SRTCP),
            next_report_index: 0,
        };
        let mut packet = Vec::new();
        client.media(&mut packet, header(false, 111, 1, 2, 3), 1, b"up");
        let parsed = Header::parse(&packet).unwrap();
        let payload = keys.opening.media(&parsed, 1, &mut packet).unwrap();
        assert_eq!(&packet[payload], b"up");
        packet.clear();
        keys.sealing.media(&mut packet, header(false, 111, 1, 2, 3), 1, b"down");
        assert_eq!(keys.opening.media(&parsed, 1, &mut packet), Err(Rejected), "each direction has its own key");
    }
}

#[test]
fn headers_are_parsed() {
    let parse = |text: &str| Header::parse(&[hex(text), vec![0; TAG]].concat());
    let plain = parse("80ef0001 00000002 00000003").unwrap();
    let expected =
        Header { length: 12, padded: false, marker: true, payload_type: 111, sequence: 1, timestamp: 2, ssrc: 3 };
    assert_eq!(plain, expected);
    assert_eq!(header(true, 111, 1, 2, 3)[..], hex("80ef0001 00000002 00000003"));
    assert_eq!(parse("b26f0001 00000002 00000003 00000004 00000005 bede0001 10ff0000").unwrap().length, 28);
    assert_eq!(parse("906f0001 00000002 00000003 bedeffff"), None, "an extension longer than the packet");
    assert_eq!(parse("8f6f0001 00000002 00000003"), None, "fifteen missing CSRCs");
    assert_eq!(parse("406f0001 00000002 00000003"), None, "another version");
    assert_eq!(Header::parse(&[0x80; HEADER + TAG - 1]), None);
}

#[test]
fn padding_is_removed_and_bounded_by_the_payload() {
    let (opening, sealing) = rfc_keys(16);
    let open = |payload: &[u8]| {
        let mut head = header(false, 111, 1, 2, 3);
        head[0] |= 0x20;
        let mut packet = Vec::new();
        sealing.media(&mut packet, head, 1, payload);
        let range = opening.media(&Header::parse(&packet).unwrap(), 1, &mut packet)?;
        Ok(packet[range].to_vec())
    };
    assert_eq!(open(b"abc\0\0\x03"), Ok(b"abc".to_vec()));
    assert_eq!(open(b"\x01"), Ok(Vec::new()));
    assert_eq!(open(b"abc\x05"), Err(Rejected));
    assert_eq!(open(b"abc\0"), Err(Rejected));
    assert_eq!(open(b""), Err(Rejected));
}

#[test]
fn sequence_numbers_roll_over() {
    let mut window = ReplayWindow::default();
    assert_eq!(window.extend(65_535), Some(65_535));
    window.accept(65_535);
    assert_eq!(window.extend(0), Some(65_536));
    assert_eq!(window.extend(65_500), Some(65_500));
    window.accept(65_536);
    assert_eq!(window.extend(65_535), Some(65_535));
    let mut early = ReplayWindow::default();
    early.accept(3);
    assert_eq!(early.extend(65_535), None, "no index before the first rollover");
}

#[test]
fn replayed_and_old_indices_are_refused() {
    let mut window = ReplayWindow::default();
    for index in [1_000, 1_002, 1_001, 1_100] {
        assert!(window.is_new(index));
        window.accept(index);
        assert!(!window.is_new(index), "{index} again");
    }
    assert!(window.is_new(1_003) && window.is_new(999));
    assert!(!window.is_new(1_100 - ReplayWindow::WIDTH) && window.is_new(1_100 - ReplayWindow::WIDTH + 1));
    window.accept(1_000_000);
    assert!(!window.is_new(1_100) && !window.is_new(1_003), "a jump ahead expires all older indices");
    assert!(window.is_new(999_999) && !window.is_new(1_000_000));
}

proptest::proptest! {
    /// Compares the window with a set of all accepted indices.
    #[test]
    fn no_order_accepts_an_index_twice(indices in proptest::collection::vec(0u64..600, 0..400)) {
        let mut window = ReplayWindow::default();
        let mut accepted = std::collections::HashSet::new();
        for index in indices {
            let recent = window.newest().is_none_or(|n| index + ReplayWindow::WIDTH > n);
            proptest::prop_assert_eq!(window.is_new(index), recent && !accepted.contains(&index));
            if window.is_new(index) {
                window.accept(index);
                accepted.insert(index);
            }
        }
    }
}

proptest::proptest! {
    /// Arbitrary bytes are refused without a panic.
    #[test]
    fn arbitrary_packets_are_refused(first in proptest::prelude::any::<u8>(), noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let (mut opening, _) = rfc_keys(16);
        let mut packet = [&[0x80 | first & 0x3f][..], &noise].concat();
        if let Some(header) = Header::parse(&packet) {
            proptest::prop_assert_eq!(opening.media(&header, 1, &mut packet.clone()), Err(Rejected));
        }
        proptest::prop_assert_eq!(opening.reports(&mut packet), Err(Rejected));
    }
}
