//! `telcon archive list`: the calls in an archive.

use super::{Auditor, KnownArgs};
use crate::{
    custodian::identities,
    output::{Printable, say, tell},
    secret::PassphraseArgs,
};
use anyhow::bail;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use telcon_client::endpoint::now_ms;
use telcon_proto::{Card, RecordMode, printable::printable};
use telcon_record::{
    CallState, CustodianIdentity, ListedCall, Listing,
    local_time::{LocalTime, Zone, duration},
    read_bag_info,
};

/// Arguments of `telcon archive list`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon archive list /srv/telcon/server/archive --from 2026-11-01 --to 2026-11-30 --incomplete\n\
                        Without --identity the caller is named, from the certificate in the archive; who was called is sealed \
                        in the record. The log is verified, the records are not: that does `telcon archive verify`."
)]
pub struct ListArgs {
    /// The archive's directory.
    pub archive: PathBuf,
    /// First day, YYYY-MM-DD.
    #[arg(long, value_parser = day)]
    pub from: Option<String>,
    /// Last day, YYYY-MM-DD.
    #[arg(long, value_parser = day)]
    pub to: Option<String>,
    /// Only calls with a party whose name or organisation contains this text.
    #[arg(long)]
    pub person: Option<String>,
    /// Only calls that should have a record and have none.
    #[arg(long)]
    pub missing: bool,
    /// Only calls whose record is missing or incomplete.
    #[arg(long)]
    pub incomplete: bool,
    /// Zone of the dates, by its IANA name; otherwise that of each call's caller.
    #[arg(long, value_parser = zone)]
    pub zone: Option<Zone>,
    /// File with a custodian's secret key, to name both parties of recorded calls.
    #[arg(long)]
    pub identity: Option<PathBuf>,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// Print JSON instead of lines.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub known: KnownArgs,
}

pub(super) fn day(text: &str) -> Result<String, String> {
    let format = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    let number = |range: std::ops::Range<usize>| text[range].parse::<u8>().unwrap_or(0);
    match format && (1..=12).contains(&number(5..7)) && (1..=31).contains(&number(8..10)) {
        true => Ok(text.to_owned()),
        false => Err("a day is written YYYY-MM-DD".to_owned()),
    }
}

pub(super) fn zone(name: &str) -> Result<Zone, String> {
    Zone::named(name).ok_or_else(|| "unknown time zone: use an IANA name such as Europe/Oslo".to_owned())
}

/// One line.
#[derive(Serialize)]
struct Row {
    call: String,
    date: String,
    time: String,
    zone: String,
    opened_ms: u64,
    /// `;` between parties. Only the caller if `sealed`.
    parties: String,
    /// Whether further parties are sealed in the record.
    sealed: bool,
    duration: Option<String>,
    mode: RecordMode,
    state: CallState,
    /// The state in words.
    text: String,
    records: Vec<String>,
}

/// `telcon archive list`.
pub fn list(args: &ListArgs) -> anyhow::Result<()> {
    let auditor = Auditor::new(&args.archive, &args.known.known(), now_ms())?;
    let keys = args.identity.as_deref().map(|path| identities(path, &args.passphrase));
    let keys = keys.transpose()?.unwrap_or_default();
    let listing = auditor.list();
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    let lacks = |state| matches!(state, CallState::Missing | CallState::NeverEnded | CallState::Lost);
    for call in &listing.calls {
        if args.missing && !lacks(call.state)
            || args.incomplete && !lacks(call.state) && call.state != CallState::Incomplete
        {
            continue;
        }
        let mut row = row(call, &listing, &auditor, args.zone.as_ref());
        if args.from.as_ref().is_some_and(|from| row.date < *from) || args.to.as_ref().is_some_and(|to| *to < row.date)
        {
            continue;
        }
        // Decrypting is the costly part.
        unreadable.extend(name_parties(&mut row, call, &auditor, &keys));
        if args.person.as_ref().is_none_or(|name| row.parties.to_lowercase().contains(&name.to_lowercase())) {
            rows.push(row);
        }
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in &rows {
            let sealed = if row.sealed { "; (sealed)" } else { "" };
            let long = row.duration.as_deref().unwrap_or("–");
            let kept = kept(row.mode);
            say!(
                "{}  {} {}  {long:>8}  {kept:<16}  {}  {}{sealed}",
                row.date,
                row.time,
                row.zone,
                row.text,
                row.parties
            );
            say!("            call {}", Printable(&row.call));
        }
    }
    for problem in &unreadable {
        tell!("{problem}");
    }
    let sealed = rows.iter().filter(|row| row.sealed).count();
    if sealed > 0 && keys.is_empty() {
        let who = if args.person.is_some() { " --person looks only at what is shown." } else { "" };
        tell!(
            "{sealed} of {} calls: who was called is sealed. A custodian's key names them: --identity FILE.{who}",
            rows.len()
        );
    }
    if let Some(problem) = listing.report.problems.first() {
        bail!("the archive is damaged: {}; see `telcon archive verify`", printable(&problem.text));
    }
    Ok(())
}

fn row(call: &ListedCall, listing: &Listing, auditor: &Auditor, zone: Option<&Zone>) -> Row {
    let caller = call.callers.iter().find_map(|device| listing.certificates.get(device));
    let caller: Option<Card> = caller.and_then(|certificate| auditor.person(certificate));
    let local = caller.as_ref().and_then(|card| Zone::named(&card.zone)).unwrap_or_else(Zone::utc);
    let zone = zone.unwrap_or(&local);
    let at = zone.at(call.opened_ms);
    let parties = caller.map(|card| format!("{}, {}", card.name, card.organisation));
    let ended_ms = call.ended.map(|(at, _)| at);
    let spoken = call.answered_ms.zip(ended_ms).map(|(from, to)| duration(to.saturating_sub(from)));
    Row {
        call: call.call.clone(),
        date: at.as_ref().map_or_else(|| "unknown".to_owned(), LocalTime::date),
        time: at.map(|at| at.minute()).unwrap_or_default(),
        zone: zone.name().to_owned(),
        opened_ms: call.opened_ms,
        parties: printable(parties.as_deref().unwrap_or("(the caller's certificate is missing)")),
        sealed: call.records.iter().any(|record| record.exists),
        duration: spoken,
        mode: call.mode,
        state: call.state,
        text: state(call),
        records: call.records.iter().map(|record| record.name.clone()).collect(),
    }
}

/// Names both parties, if a custodian's key opens one of the call's records. Gives what is wrong with those that it does not open.
fn name_parties(row: &mut Row, call: &ListedCall, auditor: &Auditor, keys: &[CustodianIdentity]) -> Vec<String> {
    let mut problems = Vec::new();
    for record in call.records.iter().filter(|record| record.exists && !keys.is_empty()) {
        match read_bag_info(auditor.dir(), record, keys) {
            Ok(info) => {
                if let Some((_, value)) = info.into_iter().find(|(label, _)| label == "Telcon-Parties") {
                    (row.parties, row.sealed) = (printable(&value), false);
                    return Vec::new();
                }
            }
            Err(error) => {
                problems.push(format!("record {} cannot be opened with these keys: {error}", Printable(&record.name)));
            }
        }
    }
    problems
}

fn kept(mode: RecordMode) -> &'static str {
    match mode {
        RecordMode::LogOnly => "log only",
        RecordMode::Memo => "transcript",
        RecordMode::Audio => "transcript+audio",
    }
}

fn state(call: &ListedCall) -> String {
    let ended = call.ended.map_or("", |(_, how)| how.as_str());
    match call.state {
        CallState::Recorded => "recorded".to_owned(),
        CallState::Incomplete => "recorded, incomplete".to_owned(),
        CallState::Missing => {
            format!("NO RECORD: {}", printable(call.missing.as_deref().unwrap_or("no reason given")))
        }
        CallState::Lost => "RECORD LOST: it was logged, and is not in the archive".to_owned(),
        CallState::NotAnswered => format!("not answered ({ended})"),
        CallState::NeverEnded => "NEVER ENDED: opened, and its end is not in the log".to_owned(),
        CallState::LogOnly => "not recorded, as agreed".to_owned(),
        CallState::Pending => "live, or its record is on the way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_checked() {
        assert!(day("2026-11-30").is_ok());
        for bad in ["2026-13-01", "2026-00-01", "2026-01-32", "30.11.2026", "2026-1-1", "2026-11-3é", "éééééé"] {
            assert!(day(bad).is_err(), "{bad}");
        }
    }
}
