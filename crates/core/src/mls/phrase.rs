//! The short phrase that all screens of a call show.

/// Words in a phrase: 36 bits. Devices verify each other by certificates; the phrase is what people read to each other when they
/// doubt a device.
pub const WORDS: usize = 4;
/// Bytes of exporter output that a phrase is made of.
pub const SECRET_LEN: usize = 8;
/// Bits of a word.
const WORD_BITS: u32 = 9;
/// The 512 words, one a line: concrete things that nobody minds saying to a head of state, told apart by their first four letters.
/// They are part of the protocol: all devices of a call must have the same list.
const LIST: &str = include_str!("words.txt");

/// The words.
pub type Phrase = [&'static str; WORDS];

/// The phrase of an epoch, from `MLS-Exporter("Telcon phrase", "", 8)`.
pub fn phrase(secret: &[u8; SECRET_LEN]) -> Phrase {
    let mut bits = u64::from_be_bytes(*secret);
    std::array::from_fn(|_| {
        let index = (bits >> (u64::BITS - WORD_BITS)) as usize;
        bits <<= WORD_BITS;
        LIST.lines().nth(index).expect("invariant: there is a word for each value of nine bits")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_list_has_a_word_for_each_value_and_no_two_are_alike() {
        let words: Vec<_> = LIST.lines().collect();
        assert_eq!(words.len(), 1 << WORD_BITS);
        let is_plain = |word: &&str| (3..=10).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(words.iter().all(is_plain));
        let starts: std::collections::BTreeSet<_> = words.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(starts.len(), words.len());
        // What a review of the former list found.
        for unfit in ["crazy", "siege", "donkey", "potato", "tongue"] {
            assert!(!words.contains(&unfit));
        }
    }

    #[test]
    fn every_bit_of_the_first_36_shows() {
        assert_eq!(phrase(&[0; 8]), ["acorn"; WORDS]);
        assert_eq!(phrase(&[0xff; 8]), ["zither"; WORDS]);
        let base = phrase(&[0; 8]);
        for bit in 0..36 {
            let secret = (1u64 << (63 - bit)).to_be_bytes();
            assert_ne!(phrase(&secret), base, "bit {bit}");
        }
    }
}
