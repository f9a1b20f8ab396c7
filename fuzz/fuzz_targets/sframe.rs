//! SFrame from a relay: no frame decrypts that a member did not encrypt, and headers round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_core::media::{keyring::Keyring, sframe::Header};
use zeroize::Zeroizing;

fuzz_target!(|frame: &[u8]| {
    if let Ok((header, length)) = Header::decode(frame) {
        let mut again = Vec::new();
        header.encode(&mut again);
        assert_eq!(Header::decode(&again).map(|(header, _)| (header.kid, header.ctr)), Ok((header.kid, header.ctr)));
        assert!(length <= frame.len());
    }
    let mut keys = Keyring::new();
    keys.enter(1, Box::new(Zeroizing::new([7; 32])), 0, vec![0, 1], 0);
    assert!(keys.open(frame).is_err());
});
