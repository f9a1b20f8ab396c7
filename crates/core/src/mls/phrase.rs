//! The short phrase that all screens of a call show.

use bip39::Language;

/// Words in a phrase: 33 bits. Devices verify each other by certificates; the phrase is what people read to each
/// other when they doubt a device, and three words are what people will read.
pub const WORDS: usize = 3;
/// Bytes of exporter output that a phrase is made of.
pub const SECRET_LEN: usize = 8;

/// Three words.
pub type Phrase = [&'static str; WORDS];

/// The phrase of an epoch, from `MLS-Exporter("Telcon phrase", "", 8)`: three words of the BIP-39 English list, whose
/// words differ in their first four letters.
pub fn phrase(secret: &[u8; SECRET_LEN]) -> Phrase {
    let list = Language::English.word_list();
    let mut bits = u64::from_be_bytes(*secret);
    std::array::from_fn(|_| {
        let word = list[(bits >> 53) as usize];
        bits <<= 11;
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_bit_of_the_first_33_shows() {
        assert_eq!(phrase(&[0; 8]), ["abandon"; 3]);
        assert_eq!(phrase(&[0xff; 8]), ["zoo"; 3]);
        let base = phrase(&[0; 8]);
        for bit in 0..33 {
            let secret = (1u64 << (63 - bit)).to_be_bytes();
            assert_ne!(phrase(&secret), base, "bit {bit}");
        }
    }
}
