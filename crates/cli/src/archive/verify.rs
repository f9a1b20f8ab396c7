//! `telcon archive verify`.

use super::{Auditor, DAMAGED, GAPS, KnownArgs, memoranda::print_memorandum};
use crate::output::{Printable, say, tell, utc};
use anyhow::Context as _;
use clap::Args;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};
use telcon_client::endpoint::now_ms;
use telcon_record::{ArchiveReport, ArchiveVerdict, ProblemKind};

/// Most stray files that are named.
const STRAYS_NAMED: usize = 10;

/// Arguments of `telcon archive verify`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon archive verify /srv/telcon/server/archive --authority 5d1c… --json report.json\n\
                  Exit codes: 0 intact and complete; 3 intact, with gaps: a record is incomplete, or a call that should have \
                  one has none; 1 damaged, or not an archive; 2 wrong usage."
)]
pub struct VerifyArgs {
    /// The archive's directory.
    pub archive: PathBuf,
    #[command(flatten)]
    pub known: KnownArgs,
    /// Write the report to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// `telcon archive verify`.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let report = Auditor::new(&args.archive, &args.known.known(), now_ms())?.verify();
    if let Some(path) = &args.json {
        let mut json = serde_json::to_value(&report)?;
        json["verdict"] = serde_json::to_value(report.verdict())?;
        write_report(path, &serde_json::to_vec_pretty(&json)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print_counts(&report);
    report.memoranda.iter().for_each(print_memorandum);
    print_missing(&report);
    if args.known.authority.is_none() {
        say!("note        the authority is the archive's own; --authority verifies that it is yours");
    }
    match args.known.checkpoint.len() {
        0 => say!("note        without --checkpoint a rewritten log cannot be detected"),
        _ if report.verdict() == ArchiveVerdict::Damaged => {}
        1 => say!("log         extends the given checkpoint"),
        many => say!("log         extends the {many} given checkpoints"),
    }
    for problem in &report.problems {
        let about = match (&problem.record, &problem.call) {
            (Some(record), _) => format!("record {}: ", Printable(record)),
            (None, Some(call)) => format!("call {}: ", Printable(call)),
            (None, None) => String::new(),
        };
        let label = if problem.kind == ProblemKind::Gap { "gap        " } else { "PROBLEM    " };
        say!("{label} {about}{}", Printable(&problem.text));
    }
    Ok(conclude(&report))
}

/// Writes or replaces the report, for this user alone: it says which calls took place. A link would lead to a file of somebody
/// else's choice where others can write to the directory.
fn write_report(path: &Path, json: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(io::Error::other("it is a link: name the file itself")),
        // A pipe or a terminal has no content to replace.
        Ok(found) if !found.is_file() && !found.is_dir() => fs::write(path, json),
        _ => telcon_files::replace_private(path, json),
    }
}

fn print_counts(report: &ArchiveReport) {
    say!("log         {} entries; {} tiles and bundles verified", report.entries, report.tiles);
    say!("devices     {}", report.devices);
    if !report.alerts.is_empty() {
        let kinds: Vec<String> =
            report.alerts.iter().map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
        say!("alerts      {}", kinds.join(", "));
    }
    say!("calls       {} opened; {} live or waiting for their record", report.calls, report.pending);
    let (good, all, partial) = (report.records_good, report.records, report.records_partial);
    say!("records     {good} of {all} intact ({partial} incomplete)");
    if report.document_versions > 0 {
        say!("documents   {} of {} versions as signed", report.document_versions_good, report.document_versions);
    }
    if report.arriving > 0 {
        say!("note        {} records or certificates are arriving: the archive is in use", report.arriving);
    }
    if report.unsigned_revocations > 0 {
        let ignored = report.unsigned_revocations;
        say!("note        {ignored} revocations in the log have no statement of the authority and are ignored");
    }
    for stray in report.strays.iter().take(STRAYS_NAMED) {
        say!("stray file  {} belongs to no archive, and harms nothing", Printable(&stray.path));
    }
    if report.strays.len() > STRAYS_NAMED {
        say!("stray file  {} more", report.strays.len() - STRAYS_NAMED);
    }
}

fn print_missing(report: &ArchiveReport) {
    for partial in &report.partial {
        let when = partial.opened_ms.map(|ms| format!(" of {}", utc(ms))).unwrap_or_default();
        let record = Printable(&partial.record);
        say!("incomplete  {record}{when}: its note-taker says so; the opened record says what is missing");
    }
    for gap in &report.gaps {
        let why = gap.why.as_deref().unwrap_or("no reason given");
        say!("no record   {} of {}: {}", Printable(&gap.call), utc(gap.opened_ms), Printable(why));
    }
}

/// The last line, and the exit code.
fn conclude(report: &ArchiveReport) -> ExitCode {
    let count = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        more => Some(format!("{more} {many}")),
    };
    match report.verdict() {
        ArchiveVerdict::Complete => {
            say!("Archive intact.");
            ExitCode::SUCCESS
        }
        ArchiveVerdict::Gaps => {
            let open = report.problems.iter().filter(|problem| problem.kind == ProblemKind::Gap).count();
            let never_ended = open.saturating_sub(report.gaps.iter().filter(|gap| gap.why.is_none()).count());
            let parts = [
                count(report.gaps.len(), "call has no record", "calls have no record"),
                count(report.records_partial as usize, "record is incomplete", "records are incomplete"),
                count(never_ended, "call never ended", "calls never ended"),
            ];
            say!("Archive intact, with gaps: {}.", parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
            ExitCode::from(GAPS)
        }
        ArchiveVerdict::Damaged => {
            let damage = report.problems.iter().filter(|problem| problem.kind != ProblemKind::Gap).count();
            let problems = count(damage, "problem", "problems").unwrap_or_default();
            tell!("telcon: the archive is damaged: {problems}. Keep it as it is, and compare it with a backup.");
            ExitCode::from(DAMAGED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_report_follows_no_link_and_is_this_users_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [report, other, link] = ["report.json", "other", "link.json"].map(|name| dir.path().join(name));
        fs::write(&report, b"of an earlier run").unwrap();
        fs::set_permissions(&report, fs::Permissions::from_mode(0o644)).unwrap();
        write_report(&report, b"{}").unwrap();
        assert_eq!(fs::read(&report).unwrap(), b"{}");
        let mode = fs::metadata(&report).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others can read {mode:o}");
        fs::write(&other, b"precious").unwrap();
        for target in [&other, &dir.path().join("absent")] {
            symlink(target, &link).unwrap();
            assert!(write_report(&link, b"{}").unwrap_err().to_string().contains("is a link"));
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        assert!(!dir.path().join("absent").exists());
    }
}
