//! Evidence that an office's log was forked, rolled back or damaged, kept for the security officer.

use super::{
    source::{Finding, FindingKind, Fork, Source},
    state::State,
};
use crate::output::{Printable, tell};
use anyhow::Context as _;
use serde::Serialize;
use std::path::{Path, PathBuf};
use telcon_files::{beside, create_private};
use telcon_log::Checkpoint;
use telcon_proto::Blob;

/// Version of the file.
const VERSION: u16 = 1;
/// Name of the file where there is no state to write it beside.
const STEM: &str = "telcon-log";

/// The file's content. Everything that is needed to show others what the log signed is in it, and nothing secret.
#[derive(Serialize)]
struct Evidence<'a> {
    version: u16,
    kind: FindingKind,
    text: &'a str,
    /// When it was found, milliseconds since 1970 UTC.
    found_ms: u64,
    office: String,
    /// DER certificate of the authority, which signed the charters.
    authority: &'a Blob,
    authority_sha256: String,
    /// What was verified before; none at the first use.
    older: Option<Signed<'a>>,
    /// Further checkpoints that the auditor was given, signed notes.
    given: Vec<&'a str>,
    /// What the server shows now.
    newer: Signed<'a>,
    /// Of a fork, the proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<&'a Fork>,
}

/// A checkpoint and the charter that certifies its key.
#[derive(Serialize)]
struct Signed<'a> {
    charter: &'a str,
    log_key: String,
    /// The signed note. None if the server shows no checkpoint.
    checkpoint: Option<&'a str>,
}

/// Keeps the evidence beside the state, or in the working directory, and tells the auditor what to do. Returns the file.
///
/// # Errors
/// When it cannot be written.
pub fn keep(
    source: &Source,
    finding: &Finding,
    older: Option<&State>,
    given: &[(PathBuf, String)],
    state: Option<&Path>,
    now_ms: u64,
) -> anyhow::Result<PathBuf> {
    let evidence = Evidence {
        version: VERSION,
        kind: finding.kind,
        text: &finding.text,
        found_ms: now_ms,
        office: source.office.domain().to_string(),
        authority: &source.info.authority,
        authority_sha256: telcon_proto::hex(&source.office.authority_sha256()),
        older: older.map(|state| Signed {
            charter: &state.charter,
            log_key: state.log_key.clone(),
            checkpoint: Some(&state.checkpoint),
        }),
        given: given.iter().map(|(_, note)| note.as_str()).collect(),
        newer: Signed {
            charter: &source.info.charter,
            log_key: source.office.log_key().to_string(),
            checkpoint: finding.newer.as_deref(),
        },
        fork: finding.fork.as_ref(),
    };
    let json = serde_json::to_vec_pretty(&evidence)?;
    let base = state.unwrap_or(Path::new(STEM));
    // The same evidence has the same name, so that a check that is repeated every hour keeps it once; other evidence has another one,
    // also of the same checkpoint.
    let named =
        finding.newer.as_deref().and_then(|note| Checkpoint::parse(telcon_log::Note::parse(note).ok()?.text()).ok());
    let suffix = match named {
        // It stays in the log, so that one file is enough however much the log grows.
        _ if finding.kind == FindingKind::Contradictory => "entries".to_owned(),
        Some(Checkpoint { size, root, .. }) => format!("{size}-{}", &telcon_proto::hex(root.as_bytes())[..8]),
        None => format!("{now_ms}"),
    };
    let path = beside(base, &format!(".evidence-{}-{suffix}.json", finding.kind.as_str()));
    match create_private(&path, &json) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            // Not lost: a server that shows another history once may not do it again.
            tell!("{}", Printable(&String::from_utf8_lossy(&json)));
            Err(error)
                .with_context(|| format!("cannot write the evidence to {}: keep what is printed above", path.display()))
        }
        _ => Ok(path),
    }
}

/// What to do, for people.
pub fn advise(finding: &Finding, evidence: &Path) {
    let what = match finding.kind {
        FindingKind::Forked => "THE LOG WAS REWRITTEN",
        FindingKind::RolledBack => "THE LOG WAS ROLLED BACK",
        FindingKind::OtherKey => "THE LOG HAS ANOTHER KEY",
        FindingKind::Damaged => "THE LOG IS DAMAGED",
        FindingKind::Contradictory => "THE LOG CONTRADICTS ITSELF",
        FindingKind::NotCosigned => {
            return tell!(
                "telcon: NOT COSIGNED: {}. The log itself verifies. Ask the witness and the office why, and try again: until then a \
                 history that only you are shown is possible. The checkpoint is kept in {}.",
                Printable(&finding.text),
                evidence.display()
            );
        }
    };
    tell!(
        "telcon: {what}: {}. Tell the security officer, over another channel than this server, and hand over the file {}, which has \
         what the log signed. Keep the state file.",
        Printable(&finding.text),
        evidence.display()
    );
}
