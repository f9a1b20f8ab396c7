//! Finds words in bytes, through every encoding that a signature or certificate wraps them in.

use std::path::Path;

/// Shortest run of characters that is tried as an encoding: shorter ones hold no word.
const MIN_RUN: usize = 8;
/// Encodings inside each other: a certificate in base64, in a JWS header in base64, and one more.
const DEPTH: u32 = 3;

/// The value of a character in an encoding.
type Digit = fn(u8) -> Option<u8>;

/// The first of `words` that `bytes` contain: in UTF-8 or UTF-16, plainly or in base64 or hexadecimal, nested.
pub fn find_word<'a>(bytes: &[u8], words: &[&'a str]) -> Option<&'a str> {
    find(bytes, words, DEPTH)
}

/// The first of `words` in any file below a directory, with the file.
pub fn find_word_below<'a>(dir: &Path, words: &[&'a str]) -> Option<(std::path::PathBuf, &'a str)> {
    std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() {
            return find_word_below(&path, words);
        }
        let word = find_word(&std::fs::read(&path).unwrap(), words)?;
        Some((path, word))
    })
}

fn find<'a>(bytes: &[u8], words: &[&'a str], depth: u32) -> Option<&'a str> {
    let contains = |word: &str| {
        let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_be_bytes).collect();
        bytes.windows(word.len()).any(|w| w == word.as_bytes()) || bytes.windows(wide.len()).any(|w| w == wide)
    };
    if let Some(word) = words.iter().find(|word| contains(word)) {
        return Some(word);
    }
    if depth == 0 {
        return None;
    }
    let encodings: [(Digit, u32); 2] = [(base64_digit, 6), (hex_digit, 4)];
    encodings.iter().find_map(|(digit, bits)| {
        bytes.split(|byte| digit(*byte).is_none()).filter(|run| run.len() >= MIN_RUN).find_map(|run| {
            // Where in a run an encoding begins is unknown: one of these offsets is that of its groups.
            (0..4).find_map(|from| find(&decoded(&run[from..], *digit, *bits), words, depth - 1))
        })
    })
}

fn base64_digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn decoded(run: &[u8], digit: Digit, bits: u32) -> Vec<u8> {
    let (mut out, mut held, mut have) = (Vec::with_capacity(run.len()), 0u32, 0);
    for value in run.iter().filter_map(|byte| digit(*byte)) {
        held = (held << bits | u32::from(value)) & 0xffff;
        have += bits;
        if have >= 8 {
            have -= 8;
            out.push((held >> have) as u8);
        }
    }
    out
}
