//! Lines in an archive: the sealed forms of their versions, held to the log, and what a custodian opens.

use super::Audit;
use crate::{
    archive::ArchiveOptions,
    custodian::CustodianIdentity,
    digest::{Digest, sha256},
    report::{ArchiveReport, ProblemKind},
    signature::SignatureVerifier,
};
use std::{fmt, path::Path};
use telcon_proto::{
    DeviceId, InvitationId, LineId,
    entry::InvitationClosed,
    line::LineState,
    line_seal::{LINE_FORM_VERSION, LineForm, MAX_SEALED_LINE_BYTES, SEALED_LINES_DIR, sealed_line_name},
};
use telcon_sealing::{OpenError, open};

/// Largest header of a sealed form, bytes: that of the most custodians.
const MAX_HEADER_BYTES: usize = 128 * 1024;

/// A version of a line as its log entry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedLineVersion {
    /// Its entry.
    pub index: u64,
    /// When it was logged, milliseconds since the Unix epoch. It holds until the next one of its line.
    pub time_ms: u64,
    /// The line.
    pub line: LineId,
    /// Its number.
    pub version: u32,
    /// Whether the line was in use by it.
    pub state: LineState,
    /// The device that signed it.
    pub by: DeviceId,
    /// SHA-256 of the signed statement.
    pub statement_sha256: Digest,
    /// SHA-256 of the sealed form; none of an office whose charter named no custodians.
    pub sealed_sha256: Option<Digest>,
}

/// An offer of a line, which nobody held before it was confirmed. Who was to hold it, no entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedOffer {
    /// When, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The offer; its line has the same identifier.
    pub offer: InvitationId,
    /// The device that made or closed it; none if it expired.
    pub by: Option<DeviceId>,
    /// How it was closed; none while it was made.
    pub closed: Option<InvitationClosed>,
}

/// What the log says of lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineEntries {
    /// All versions of all lines, in the log's order.
    pub versions: Vec<LoggedLineVersion>,
    /// Offers made and closed, in the log's order.
    pub offers: Vec<LoggedOffer>,
    /// Rings over lines: when, and over which.
    pub rings: Vec<(u64, LineId)>,
}

/// The lines of an archive.
#[derive(Debug, Clone)]
pub struct LineListing {
    /// What was found wrong with the log, the certificates and the sealed forms.
    pub report: ArchiveReport,
    /// The entries.
    pub entries: LineEntries,
}

/// Why there is no statement of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFlaw {
    /// The log has no digest of a sealed form.
    NotSealed,
    /// The archive lacks the sealed form.
    Absent,
    /// The file in the archive is not the one that was logged, or cannot be read.
    Exchanged,
    /// It is sealed to other keys than those given.
    OtherKey,
    /// It does not open, or has not the form of one.
    Damaged,
    /// It is written by a newer program.
    Newer,
    /// It is of another version or line than its log entry: its statement has another digest.
    OtherVersion,
}

impl LineFlaw {
    /// Whether it is merely not there, rather than another than it should be.
    pub fn is_gap(self) -> bool {
        matches!(self, Self::NotSealed | Self::OtherKey | Self::Newer)
    }
}

impl fmt::Display for LineFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSealed => "was logged without a sealed form",
            Self::Absent => "has no sealed form in the archive, and the log has its digest",
            Self::Exchanged => "has another file in the archive than the sealed form that was logged",
            Self::OtherKey => "is sealed to other custodians than those whose keys were given",
            Self::Damaged => "has a sealed form that does not open",
            Self::Newer => "has a sealed form of a newer program: update this one",
            Self::OtherVersion => "has the sealed form of something else than was logged",
        })
    }
}

/// Reads the sealed form of a version, as it was logged.
fn read(dir: &Path, version: &LoggedLineVersion) -> Result<Vec<u8>, LineFlaw> {
    let digest = version.sealed_sha256.ok_or(LineFlaw::NotSealed)?;
    let path = format!("{SEALED_LINES_DIR}/{}", sealed_line_name(&digest));
    match telcon_files::read_beneath(dir, path, MAX_SEALED_LINE_BYTES as u64) {
        Ok(bytes) if sha256(&bytes) == digest => Ok(bytes),
        Err(error) if error.is_not_found() => Err(LineFlaw::Absent),
        Ok(_) | Err(_) => Err(LineFlaw::Exchanged),
    }
}

/// Opens the sealed form of a version in the archive `dir` with custodians' keys. Returns the statement, whose digest is the logged one.
///
/// # Errors
/// [`LineFlaw`].
pub fn open_line(
    dir: &Path,
    version: &LoggedLineVersion,
    identities: &[CustodianIdentity],
) -> Result<String, LineFlaw> {
    let sealed = read(dir, version)?;
    let plaintext = open(&sealed, identities, MAX_HEADER_BYTES).map_err(|error| match error {
        OpenError::OtherKey => LineFlaw::OtherKey,
        OpenError::Header(_) | OpenError::Damaged(_) => LineFlaw::Damaged,
    })?;
    let form: serde_json::Value = serde_json::from_slice(&plaintext).map_err(|_| LineFlaw::Damaged)?;
    if form["version"].as_u64().is_some_and(|number| number > u64::from(LINE_FORM_VERSION)) {
        return Err(LineFlaw::Newer);
    }
    let LineForm { statement, .. } = serde_json::from_value(form).map_err(|_| LineFlaw::Damaged)?;
    if sha256(statement.as_bytes()) != version.statement_sha256 {
        return Err(LineFlaw::OtherVersion);
    }
    Ok(statement)
}

/// Lists what the log of the archive in `dir` says of lines, and holds the sealed forms to it. Verifies log and certificates, and no record.
pub fn list_lines(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> LineListing {
    let mut audit = Audit::begin(dir, verifier, options);
    audit.sealed_lines(dir, verifier);
    let Audit { mut history, mut report, .. } = audit;
    let entries = std::mem::take(&mut history.line_entries);
    report.problems = history.into_problems();
    LineListing { report, entries }
}

impl Audit {
    /// Reports sealed forms that are missing or exchanged. It needs no key: the log has their digests.
    pub(super) fn sealed_lines(&mut self, dir: &Path, verifier: &dyn SignatureVerifier) {
        let flaw_of = |version: &LoggedLineVersion| match read(dir, version) {
            Err(LineFlaw::NotSealed) if !verifier.seals_lines() => None,
            read => read.err(),
        };
        let versions = &self.history.line_entries.versions;
        let flaws: Vec<String> = versions
            .iter()
            .filter_map(|version| {
                let LoggedLineVersion { index, line, version: number, .. } = version;
                flaw_of(version).map(|flaw| format!("entry {index}: version {number} of line {line} {flaw}"))
            })
            .collect();
        flaws.into_iter().for_each(|text| self.problem(ProblemKind::Line, None, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_sealing::seal;

    fn custodian() -> CustodianIdentity {
        CustodianIdentity::from_seed(&[1; 32])
    }

    /// A version whose statement is this, with a sealed form in `dir` that the log has.
    fn logged(dir: &Path, statement: &str, plaintext: &[u8]) -> LoggedLineVersion {
        let sealed = seal(plaintext, &[custodian().recipient()]).unwrap();
        logged_as(dir, statement, &sealed)
    }

    fn logged_as(dir: &Path, statement: &str, sealed: &[u8]) -> LoggedLineVersion {
        let digest = sha256(sealed);
        std::fs::create_dir_all(dir.join(SEALED_LINES_DIR)).unwrap();
        std::fs::write(dir.join(SEALED_LINES_DIR).join(sealed_line_name(&digest)), sealed).unwrap();
        LoggedLineVersion {
            index: 1,
            time_ms: 1,
            line: LineId::from_bytes([1; 16]),
            version: 1,
            state: LineState::Live,
            by: DeviceId::from_bytes([2; 16]),
            statement_sha256: sha256(statement.as_bytes()),
            sealed_sha256: Some(digest),
        }
    }

    fn form(statement: &str) -> Vec<u8> {
        serde_json::to_vec(&LineForm { version: LINE_FORM_VERSION, statement: statement.into() }).unwrap()
    }

    #[test]
    fn a_custodian_opens_the_statement_that_was_logged() {
        let dir = tempfile::tempdir().unwrap();
        let version = logged(dir.path(), "a.b.c", &form("a.b.c"));
        assert_eq!(open_line(dir.path(), &version, &[custodian()]), Ok("a.b.c".to_owned()));
        let stranger = CustodianIdentity::from_seed(&[2; 32]);
        assert_eq!(open_line(dir.path(), &version, &[stranger]), Err(LineFlaw::OtherKey));
        let unsealed = LoggedLineVersion { sealed_sha256: None, ..version };
        assert_eq!(open_line(dir.path(), &unsealed, &[custodian()]), Err(LineFlaw::NotSealed));
    }

    /// A server that exchanges the form before it logs the digest: the log agrees with the file, and the statement does not.
    #[test]
    fn the_sealed_form_of_another_line_is_found_though_the_log_has_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let other = logged(dir.path(), "of another line", &form("of another line"));
        let version = LoggedLineVersion { statement_sha256: sha256(b"a.b.c"), ..other };
        assert_eq!(open_line(dir.path(), &version, &[custodian()]), Err(LineFlaw::OtherVersion));
    }

    #[test]
    fn what_is_no_sealed_form_is_damaged_and_a_newer_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let open = |plaintext: &[u8]| open_line(dir.path(), &logged(dir.path(), "a", plaintext), &[custodian()]);
        assert_eq!(open(b"no JSON"), Err(LineFlaw::Damaged));
        assert_eq!(open(br#"{"version":1}"#), Err(LineFlaw::Damaged));
        assert_eq!(open(br#"{"version":2,"what":"else"}"#), Err(LineFlaw::Newer));
        let junk = logged_as(dir.path(), "a", b"not an age file");
        assert_eq!(open_line(dir.path(), &junk, &[custodian()]), Err(LineFlaw::Damaged));
    }
}
