//! Signed notes (C2SP signed-note): a text, a blank line, and signature lines.
//!
//! This module only parses notes; [`crate::key`] verifies signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Longest note accepted, in bytes. Verifiers must accept sixteen signatures; sixteen post-quantum ones (under 7 KiB each
/// as text) and the note's text fit.
pub const MAX_NOTE_LEN: usize = 128 * 1024;

/// Most signature lines accepted. The specification requires at least 16.
pub const MAX_SIGNATURES: usize = 32;

/// Longest key name, in bytes: the longest host name (253 bytes) and a path.
pub const MAX_KEY_NAME_LEN: usize = 512;

const SIGNATURE_MARK: &str = "\u{2014} ";

/// A parsed note. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line. Not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The claimed signer.
    pub name: String,
    /// The first four bytes of the hash over name and key.
    pub key_id: [u8; 4],
    /// The bytes after the key id; their format depends on the key type.
    pub signature: Vec<u8>,
}

/// Why a note is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_LEN`], or more than [`MAX_SIGNATURES`].
    #[error("the note is larger than a verifier accepts")]
    TooLarge,
    /// Not the format of a signed note.
    #[error("not a signed note")]
    Malformed,
    /// A well-formed note whose text is not a checkpoint.
    #[error("the note's text is not a checkpoint")]
    NotACheckpoint,
    /// No signature line is by the expected key.
    #[error("the note is not signed by this key")]
    UnknownSigner,
    /// A line names the expected key, and its signature does not verify.
    #[error("the signature is invalid")]
    BadSignature,
    /// The key signed a checkpoint of another origin.
    #[error("the checkpoint belongs to another log")]
    OtherOrigin,
}

impl Note {
    /// A note without signatures.
    pub(crate) fn unsigned(text: String) -> Self {
        Note { text, signatures: Vec::new() }
    }

    /// Parses a note.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`] and [`NoteError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_LEN {
            return Err(NoteError::TooLarge);
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Malformed);
        }
        // The text may contain empty lines; the last empty line of the note ends it.
        let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::TooLarge);
            }
            signatures.push(NoteSignature::parse(line)?);
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line, replacing an earlier one by the same key.
    pub(crate) fn sign(&mut self, signature: NoteSignature) {
        self.signatures.retain(|other| (&other.name, other.key_id) != (&signature.name, signature.key_id));
        self.signatures.push(signature);
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSignature {
    /// Parses a signature line without its newline.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let rest = line.strip_prefix(SIGNATURE_MARK).ok_or(NoteError::Malformed)?;
        let (name, signature) = rest.split_once(' ').ok_or(NoteError::Malformed)?;
        if !is_key_name(name) || signature.len() > MAX_NOTE_LEN {
            return Err(NoteError::Malformed);
        }
        let bytes = STANDARD.decode(signature).map_err(|_| NoteError::Malformed)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
        if signature.is_empty() {
            return Err(NoteError::Malformed);
        }
        Ok(NoteSignature { name: name.to_owned(), key_id: *key_id, signature: signature.to_owned() })
    }
}

/// The signature line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.signature].concat();
        write!(f, "{SIGNATURE_MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Whether this is a valid key name: not empty, no whitespace, no plus sign, no control characters.
pub fn is_key_name(name: &str) -> bool {
    let allowed = |char: char| !char.is_whitespace() && !char.is_control() && char != '+';
    !name.is_empty() && name.len() <= MAX_KEY_NAME_LEN && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
        — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

    #[test]
    fn a_note_is_split_at_its_last_empty_line_and_printed_back() {
        let note = Note::parse(POEM).unwrap();
        assert!(note.text().ends_with("sole:\n\ned è subito sera.\n"));
        assert_eq!(note.signatures().len(), 1);
        assert_eq!(note.signatures()[0].name, "quasimodo.example/salvatore");
        assert_eq!(note.signatures()[0].key_id, [0x36, 0x7b, 0xa0, 0x4b]);
        assert_eq!(note.signatures()[0].signature.len(), 64);
        assert_eq!(note.to_string(), POEM);
    }

    #[test]
    fn malformed_notes_are_refused() {
        for bad in [
            "",
            "\n",
            "\n\n",
            "\n\n\n",
            "text\n",
            "text\n\n",
            "text\n\n\n",
            "text\n\nline\n",
            "text\n\n— a\n",
            "text\n\n— a \n",
            "text\n\n— a AAAA\n",
            "text\n\n— a AAAAAA==\n",
            "text\n\n— a AAAAAAA=",
            "text\n\n- a AAAAAAA=\n",
            "text\n\n—a AAAAAAA=\n",
            "text\n\n— a+b AAAAAAA=\n",
            "text\n\n— a\u{a0}b AAAAAAA=\n",
            "text\n\n— a b AAAAAAA=\n",
            "text\n\n—  AAAAAAA=\n",
            "text\n\n— a AAAAAAA=\nmore\n",
            "text\n\n— a AAAAAAA\n",
            "text\n\n— a AAAAAAB=\n",
            "te\rxt\n\n— a AAAAAAA=\n",
            "te\0xt\n\n— a AAAAAAA=\n",
            "text\t\n\n— a AAAAAAA=\n",
        ] {
            assert_eq!(Note::parse(bad), Err(NoteError::Malformed), "{bad:?}");
        }
        assert!(Note::parse("text\n\n— a AAAAAAA=\n").is_ok());
        assert!(Note::parse("\n\n— a AAAAAAA=\n").is_ok(), "an empty line is a text");
    }

    #[test]
    fn size_and_number_of_signatures_are_bounded() {
        let line = "— a AAAAAAA=\n";
        assert!(Note::parse(&format!("text\n\n{}", line.repeat(MAX_SIGNATURES))).is_ok());
        let many = format!("text\n\n{}", line.repeat(MAX_SIGNATURES + 1));
        assert_eq!(Note::parse(&many), Err(NoteError::TooLarge));
        let long = format!("{}\n\n{line}", "a".repeat(MAX_NOTE_LEN));
        assert_eq!(Note::parse(&long), Err(NoteError::TooLarge));
    }
}
