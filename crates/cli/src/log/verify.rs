//! `telcon log verify`.

use super::{
    NOT_CONSISTENT, StateArgs, evidence,
    source::{Failure, Finding, FindingKind, Source},
    state::{State, StateFile},
};
use crate::{
    archive::{GRACE_MS, OfficeVerifier, read_note},
    office::digest,
    output::{Printable, say, utc},
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};
use telcon_client::endpoint::now_ms;
use telcon_log::{Checkpoint, CosignerKey, Note, NoteError, SignedCheckpoint};
use telcon_record::{LogFindings, LogHistory, Problem};

/// Version of the report for programs.
const REPORT_VERSION: u16 = 1;

/// Arguments of `telcon log verify`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon log verify --office https://office.example --authority 5d1c… --state office.state\n\
                  Exit codes: 0 consistent; 1 forked, rolled back or damaged: the signed checkpoints are kept as evidence; 2 not \
                  verified: wrong usage, or the office cannot be reached."
)]
pub struct VerifyArgs {
    /// Address of the office's server.
    #[arg(long)]
    pub office: String,
    /// The authority's digest (printed by `telcon init`), from a source other than the server.
    #[arg(long, value_parser = digest)]
    pub authority: [u8; 32],
    #[command(flatten)]
    pub state: StateArgs,
    /// File with a checkpoint that somebody else saw (see telcon archive checkpoint): the log must continue it. Can be repeated.
    #[arg(long)]
    pub checkpoint: Vec<PathBuf>,
    /// Key of a witness that must have cosigned the checkpoint. Can be repeated.
    #[arg(long)]
    pub witness: Vec<CosignerKey>,
    /// Print a report for programs, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The report for programs.
#[derive(Serialize)]
struct Report<'a> {
    version: u16,
    /// `consistent`, or what is wrong.
    verdict: &'a str,
    office: String,
    authority_sha256: String,
    log_key: String,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// Where the evidence is.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<PathBuf>,
    /// Since when every verified checkpoint continues the one before, milliseconds since 1970 UTC. None without a state.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    /// Size of the tree that was verified before, in entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries_before: Option<u64>,
    /// What was verified; none if the log does not verify.
    #[serde(flatten)]
    verified: Option<&'a Verified>,
}

/// A log that was verified against its newest checkpoint and those seen before.
#[derive(Serialize)]
struct Verified {
    entries: u64,
    /// Tiles and bundles that were read and recomputed.
    tiles: u64,
    checkpoint: String,
    /// Seconds since the Unix epoch.
    checkpoint_time_s: Option<u64>,
    /// Witnesses that cosigned it, and when, seconds since the Unix epoch.
    witnesses: BTreeMap<String, u64>,
    #[serde(serialize_with = "findings")]
    #[serde(flatten)]
    found: LogFindings,
}

fn findings<S: serde::Serializer>(found: &LogFindings, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Found<'a> {
        entry_types: &'a BTreeMap<String, u64>,
        calls: u64,
        devices: u64,
        devices_of_unknown_people: u64,
        calls_without_record: usize,
        problems: &'a [Problem],
    }
    let LogFindings { entry_types, calls, devices, devices_of_unknown_people, gaps, problems } = found;
    let (calls, devices, devices_of_unknown_people) = (*calls, *devices, *devices_of_unknown_people);
    Found { entry_types, calls, devices, devices_of_unknown_people, calls_without_record: gaps.len(), problems }
        .serialize(serializer)
}

/// `telcon log verify`.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let opened = args.state.state.as_deref().map(|path| StateFile::open(path, &args.authority)).transpose()?;
    let (file, before) = opened.map_or((None, None), |(file, state)| (Some(file), state));
    let source = Source::open(&args.office, &args.authority)?;
    let given = args.checkpoint.iter().map(|path| Ok((path.clone(), read_note(path)?)));
    let given = given.collect::<anyhow::Result<Vec<(PathBuf, String)>>>()?;
    let run = Run { args, source: &source, file: file.as_ref(), before: before.as_ref(), given: &given };
    match run.log() {
        Ok((checkpoint, verified)) => run.conclude(&checkpoint, verified),
        Err(Failure::Finding(finding)) => run.report(&finding, None),
        Err(Failure::Unreachable(error) | Failure::Local(error)) => Err(error),
    }
}

/// One verification.
struct Run<'a> {
    args: &'a VerifyArgs,
    source: &'a Source,
    file: Option<&'a StateFile>,
    before: Option<&'a State>,
    /// The files of --checkpoint, and the signed notes in them.
    given: &'a [(PathBuf, String)],
}

impl Run<'_> {
    /// Verifies the log against everything that is known.
    fn log(&self) -> Result<(SignedCheckpoint, Verified), Failure> {
        let checkpoint = self.source.checkpoint()?;
        same_key(self.source, self.before, &checkpoint)?;
        let mut remembered: Vec<Checkpoint> =
            self.given.iter().map(|(path, note)| self.seen(path, note, &checkpoint)).collect::<Result<_, Failure>>()?;
        remembered.extend(remembered_in(self.before).map_err(Failure::Local)?);
        let mut history = LogHistory::default();
        let tree = self.source.verify(&checkpoint, &remembered, |index, entry| history.add(index, entry))?;
        let now = now_ms();
        // That of a witness that is absent or false is reported by `conclude`.
        history.check_dates(checkpoint.time_s(), &self.cosignatures(&checkpoint).unwrap_or_default(), now);
        let (office, grace_since_ms) = (&self.source.office, now.saturating_sub(GRACE_MS));
        let verifier = OfficeVerifier::new(office.clone());
        let found = history.findings(&verifier, office.floor(), office.registrars(), grace_since_ms, now);
        let (entries, tiles, note) = (checkpoint.size(), tree.tiles(), checkpoint.note().to_owned());
        let checkpoint_time_s = checkpoint.time_s();
        let witnesses = BTreeMap::new();
        Ok((checkpoint, Verified { entries, tiles, checkpoint: note, checkpoint_time_s, witnesses, found }))
    }

    /// The witnesses that are required, and when they cosigned the checkpoint, seconds since the Unix epoch.
    fn cosignatures(&self, checkpoint: &SignedCheckpoint) -> Result<BTreeMap<String, u64>, Finding> {
        let cosigned = |witness: &CosignerKey| {
            let time_s = witness.verify(checkpoint).map_err(|error| {
                let text = format!("the checkpoint is not cosigned by the witness {}: {error}", witness.name());
                Finding::new(FindingKind::NotCosigned, text, Some(checkpoint.note()))
            })?;
            Ok((witness.name().to_owned(), time_s))
        };
        self.args.witness.iter().map(cosigned).collect()
    }

    /// The checkpoint in a file of --checkpoint.
    fn seen(&self, path: &Path, note: &str, newest: &SignedCheckpoint) -> Result<Checkpoint, Failure> {
        let key = self.source.office.log_key();
        key.verify_checkpoint(note).map_err(|error| {
            let named = Note::parse(note).and_then(|note| Checkpoint::parse(note.text()));
            let is_of_this_log = named.is_ok_and(|seen| seen.origin == key.origin());
            if is_of_this_log && error == NoteError::UnknownSigner {
                let text = format!(
                    "the checkpoint of this log in {} is signed with another key than the authority certifies now",
                    path.display()
                );
                return Failure::Finding(Finding::new(FindingKind::OtherKey, text, Some(newest.note())));
            }
            let what = format!("{}, given with --checkpoint, is not a checkpoint of this log", path.display());
            Failure::Local(anyhow::Error::from(error).context(what))
        })
    }

    /// Reports a log that verifies, and remembers it if the required witnesses cosigned it. Its entries may still contradict each
    /// other, which weighs more than a witness that is away.
    fn conclude(&self, checkpoint: &SignedCheckpoint, mut verified: Verified) -> anyhow::Result<ExitCode> {
        let cosignatures = self.cosignatures(checkpoint);
        if let Ok(witnesses) = &cosignatures {
            verified.witnesses.clone_from(witnesses);
            if let Some(file) = self.file {
                file.write(&State::after(self.source, self.before, checkpoint, now_ms()))?;
            }
        }
        let verified = &verified;
        let problems = &verified.found.problems;
        if let Some(first) = problems.first() {
            let text = match problems.len() {
                1 => first.text.clone(),
                many => format!("{many} problems, the first of which is: {}", first.text),
            };
            let finding = Finding::new(FindingKind::Contradictory, text, Some(checkpoint.note()));
            return self.report(&finding, Some(verified));
        }
        if let Err(not_cosigned) = cosignatures {
            return self.report(&not_cosigned, None);
        }
        if self.args.json {
            return self.print_json("consistent", None, None, Some(verified)).map(|()| ExitCode::SUCCESS);
        }
        self.print(verified);
        say!("Log consistent.");
        Ok(ExitCode::SUCCESS)
    }

    /// Keeps the evidence, and says what was found and what to do.
    fn report(&self, finding: &Finding, verified: Option<&Verified>) -> anyhow::Result<ExitCode> {
        let state = self.file.map(StateFile::path);
        let path = evidence::keep(self.source, finding, self.before, self.given, state, now_ms())?;
        if self.args.json {
            self.print_json(finding.kind.as_str(), Some(&finding.text), Some(path.clone()), verified)?;
        } else if let Some(verified) = verified {
            self.print(verified);
        }
        evidence::advise(finding, &path);
        Ok(ExitCode::from(NOT_CONSISTENT))
    }

    fn print(&self, verified: &Verified) {
        let signed =
            verified.checkpoint_time_s.map_or_else(String::new, |at| format!(" of {}", utc(at.saturating_mul(1000))));
        let (entries, tiles) = (verified.entries, verified.tiles);
        say!("office      {}", self.source.office.domain());
        say!("log         {entries} entries match the signed checkpoint{signed}; {tiles} tiles and bundles verified");
        match (self.before.map(|before| (before, before.verified().map(|seen| seen.size))), self.file) {
            (Some((before, Ok(size))), _) => {
                let (added, last, since) =
                    (entries.saturating_sub(size), utc(before.verified_ms), utc(before.since_ms));
                say!("history     {added} entries added since {last}; nothing was changed or removed since {since}");
            }
            (_, Some(file)) => {
                let path = file.path().display();
                say!(
                    "note        first use: there is nothing to compare with yet. From now on {path} reveals a rewritten log: keep it"
                );
            }
            (_, None) => say!("note        without --state a log that is rewritten later is not detected"),
        }
        if !self.given.is_empty() {
            say!("history     continues the {} given with --checkpoint", count(self.given.len() as u64, "checkpoint"));
        }
        for (witness, time_s) in &verified.witnesses {
            say!("witness     {} cosigned it at {}", Printable(witness), utc(time_s.saturating_mul(1000)));
        }
        let found = &verified.found;
        say!("entries     {} enrolled, {} opened", count(found.devices, "device"), count(found.calls, "call"));
        if found.devices_of_unknown_people > 0 {
            let unknown = count(found.devices_of_unknown_people, "device");
            say!("note        {unknown} whose entry does not say whose it is: telcon log watch reports each");
        }
        if !found.gaps.is_empty() {
            say!(
                "note        {} without a record: telcon archive verify names them",
                count(found.gaps.len() as u64, "call")
            );
        }
        for problem in &found.problems {
            let about = problem.call.as_ref().map_or_else(String::new, |call| format!("call {}: ", Printable(call)));
            say!("PROBLEM     {about}{}", Printable(&problem.text));
        }
    }

    fn print_json(
        &self,
        verdict: &str,
        text: Option<&str>,
        evidence: Option<PathBuf>,
        verified: Option<&Verified>,
    ) -> anyhow::Result<()> {
        let office = &self.source.office;
        let report = Report {
            version: REPORT_VERSION,
            verdict,
            office: office.domain().to_string(),
            authority_sha256: telcon_proto::hex(&office.authority_sha256()),
            log_key: office.log_key().to_string(),
            text,
            evidence,
            since_ms: self.before.map(|before| before.since_ms),
            entries_before: remembered_in(self.before)?.map(|seen| seen.size),
            verified,
        };
        say!("{}", serde_json::to_string_pretty(&report)?);
        Ok(())
    }
}

/// The checkpoint of a state.
pub(super) fn remembered_in(before: Option<&State>) -> anyhow::Result<Option<Checkpoint>> {
    before.map(State::verified).transpose().context("the state is damaged")
}

/// Checks that the log's key is the one that the authority certified before. The authority certifies one; a second one would let
/// the server begin a second history.
pub(super) fn same_key(source: &Source, before: Option<&State>, checkpoint: &SignedCheckpoint) -> Result<(), Failure> {
    let key = source.office.log_key().to_string();
    match before {
        Some(before) if before.log_key != key => {
            let text =
                "the authority certified another key for the log than before: compare both charters with its records";
            Err(Failure::Finding(Finding::new(FindingKind::OtherKey, text, Some(checkpoint.note()))))
        }
        _ => Ok(()),
    }
}

fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
