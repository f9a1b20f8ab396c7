//! `telcon archive lines`: who could reach whom on a day of the past, for the records officer.

use super::{
    Auditor, DAMAGED, GAPS, KnownArgs,
    list::{day, zone},
};
use crate::{
    custodian::identities,
    output::{Printable, say, tell},
    secret::PassphraseArgs,
};
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};
use telcon_client::endpoint::now_ms;
use telcon_identity::VerifiedLine;
use telcon_proto::{
    Card, DeviceId, LineId,
    entry::InvitationClosed,
    line::{LineState, LineTerms, Reach},
    printable::printable,
};
use telcon_record::{
    CustodianIdentity, LineFlaw, LoggedLineVersion, LoggedOffer,
    local_time::{LocalTime, Zone},
    open_line,
};

/// Arguments of `telcon archive lines`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon archive lines archive --on 2026-11-03 --identity custodian/identity.txt --principal Halvorsen\n\
                  Prints the lines that could be rung over on that day, whether anybody did or not: their rings may have been refused \
                  for another reason, such as a revoked device.\n\
                  Exit codes: 0 complete and as logged; 3 something is missing that could have been a line; 1 damaged, not genuine, or \
                  not opened; 2 wrong usage."
)]
pub struct LinesArgs {
    /// The archive's directory.
    pub archive: PathBuf,
    /// The day, YYYY-MM-DD.
    #[arg(long, value_parser = day)]
    pub on: String,
    /// Only lines of a principal whose name or organisation contains this text.
    #[arg(long)]
    pub principal: Option<String>,
    /// Zone of the day and the times, by its IANA name; otherwise UTC.
    #[arg(long, value_parser = zone)]
    pub zone: Option<Zone>,
    /// File with the custodian's secret key (AGE-SECRET-KEY-PQ-1…), as telcon custodian new writes it.
    #[arg(long)]
    pub identity: PathBuf,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// Print JSON instead of lines.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub known: KnownArgs,
}

/// What the archive says of a day.
#[derive(Default, Serialize)]
struct Day {
    on: String,
    zone: String,
    /// For how long each line could be rung over, in the order of its versions.
    reachable: Vec<Reachable>,
    /// What was done to lines on that day.
    acts: Vec<Acted>,
    /// Offers that were made or closed on that day. Who was to hold them, nobody recorded.
    offers: Vec<Offered>,
    /// Versions of which nobody can say anything.
    missing: Vec<String>,
    /// What is not as it was logged.
    problems: Vec<String>,
}

/// A version of a line that was in use on the day.
#[derive(Serialize)]
struct Reachable {
    line: LineId,
    version: u32,
    /// From when on this day.
    from: String,
    /// Until when on this day; none if it was in use at its end.
    until: Option<String>,
    principal: Person,
    holder: Person,
    /// The holder's device that it is bound to; none if it is for all of them.
    device: Option<DeviceId>,
    terms: LineTerms,
    /// How often somebody rang over the line on this day.
    rings: usize,
}

/// A version that was signed on the day.
#[derive(Serialize)]
struct Acted {
    at: String,
    line: LineId,
    version: u32,
    act: &'static str,
    by: Person,
    device: DeviceId,
    /// The delegation under which the signer acted for the principal.
    delegation: Option<String>,
    principal: Person,
    holder: Person,
    log_index: u64,
}

#[derive(Serialize)]
struct Offered {
    at: String,
    offer: String,
    what: &'static str,
    device: Option<DeviceId>,
}

#[derive(Clone, Serialize)]
struct Person {
    name: String,
    organisation: String,
}

impl From<&Card> for Person {
    fn from(card: &Card) -> Self {
        Self { name: printable(&card.name), organisation: printable(&card.organisation) }
    }
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", Printable(&self.name), Printable(&self.organisation))
    }
}

/// `telcon archive lines`.
pub fn lines(args: &LinesArgs) -> anyhow::Result<ExitCode> {
    let keys = identities(&args.identity, &args.passphrase)?;
    let auditor = Auditor::new(&args.archive, &args.known.known(), now_ms())?;
    let day =
        Asked { args, auditor: &auditor, zone: args.zone.clone().unwrap_or_else(Zone::utc), keys: &keys }.answer();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&day)?);
    } else {
        print(&day);
    }
    if let Some(problem) = day.problems.first() {
        tell!("telcon: the archive is damaged: {}", printable(problem));
        for problem in &day.problems[1..] {
            tell!("        {}", printable(problem));
        }
        return Ok(ExitCode::from(DAMAGED));
    }
    if auditor.office().custodians().is_empty() && day.missing.is_empty() {
        tell!("This office's charter names no custodians: its lines have no sealed forms.");
    }
    Ok(if day.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(GAPS) })
}

/// The question and what answers it.
struct Asked<'a> {
    args: &'a LinesArgs,
    auditor: &'a Auditor,
    zone: Zone,
    keys: &'a [CustodianIdentity],
}

impl Asked<'_> {
    fn answer(&self) -> Day {
        let listing = self.auditor.lines();
        let mut day = Day { on: self.args.on.clone(), zone: self.zone.name().to_owned(), ..Day::default() };
        day.problems.extend(listing.report.problems.into_iter().map(|problem| problem.text));
        let mut by_line: BTreeMap<LineId, Vec<LoggedLineVersion>> = BTreeMap::new();
        for version in listing.entries.versions {
            by_line.entry(version.line).or_default().push(version);
        }
        for versions in by_line.values() {
            let rings = listing.entries.rings.iter();
            let rings = rings.filter(|(at, line)| *line == versions[0].line && self.is_on_day(*at)).count();
            self.line(versions, rings, &mut day);
        }
        day.offers.extend(listing.entries.offers.iter().filter(|offer| self.is_on_day(offer.time_ms)).map(|offer| {
            let LoggedOffer { time_ms, offer, by, closed } = offer;
            let what = match closed {
                None => "offered",
                Some(InvitationClosed::Approved) => "taken and confirmed",
                Some(InvitationClosed::Refused) => "refused",
                Some(InvitationClosed::Withdrawn) => "withdrawn",
                Some(InvitationClosed::Expired) => "expired",
            };
            Offered { at: self.clock(*time_ms), offer: offer.to_hex(), what, device: *by }
        }));
        day.reachable
            .sort_by(|a, b| (&a.principal.name, a.line, a.version).cmp(&(&b.principal.name, b.line, b.version)));
        day
    }

    /// What one line's versions say of the day. Each holds until the next one.
    fn line(&self, versions: &[LoggedLineVersion], rings: usize, day: &mut Day) {
        let mut before: Option<LineState> = None;
        for (at, version) in versions.iter().enumerate() {
            let until_ms = versions.get(at + 1).map(|next| next.time_ms);
            let state_before = before.replace(version.state);
            let (began, over) = (self.date(version.time_ms), until_ms.map(|until| self.date(until)));
            if began > self.args.on || over.is_some_and(|over| over < self.args.on) {
                continue;
            }
            let (signed_today, in_use) = (began == self.args.on, version.state == LineState::Live);
            // A line that stood paused or ended all day reached nobody.
            if !signed_today && !in_use {
                continue;
            }
            let verified = match self.open(version) {
                Ok(verified) => verified,
                Err(why) => {
                    let text = format!("version {} of line {} {why}", version.version, version.line);
                    // What is exchanged or absent is a problem of the archive already.
                    if !day.problems.iter().any(|problem| problem.ends_with(&text)) {
                        match why {
                            Unread::Flaw(flaw) if flaw.is_gap() => day.missing.push(text),
                            Unread::Flaw(_) | Unread::NotGenuine(_) => day.problems.push(text),
                        }
                    }
                    continue;
                }
            };
            let content = verified.content();
            if !self.is_of_principal(&content.principal) {
                continue;
            }
            let (principal, holder) = (Person::from(&content.principal), Person::from(&content.holder));
            if signed_today {
                let signer = verified.device().card();
                day.acts.push(Acted {
                    at: self.clock(version.time_ms),
                    line: version.line,
                    version: version.version,
                    act: act(&verified, state_before),
                    by: Person::from(signer),
                    device: version.by,
                    delegation: content.on_behalf.map(|under| under.delegation.to_hex()),
                    principal: principal.clone(),
                    holder: holder.clone(),
                    log_index: version.index,
                });
            }
            let term_ms = content.terms.until_ms;
            let ended_before = term_ms.is_some_and(|term| term <= version.time_ms || self.date(term) < self.args.on);
            if !in_use || ended_before {
                continue;
            }
            let stopped_ms = until_ms.into_iter().chain(term_ms).min();
            let stopped = stopped_ms.filter(|at| self.is_on_day(*at));
            day.reachable.push(Reachable {
                line: version.line,
                version: version.version,
                from: if signed_today { self.clock(version.time_ms) } else { "00:00:00".to_owned() },
                until: stopped.map(|at| self.clock(at)),
                principal,
                holder,
                device: content.device,
                terms: content.terms.clone(),
                rings,
            });
        }
    }

    /// The signed statement of a version, if it is what the log says.
    fn open(&self, version: &LoggedLineVersion) -> Result<VerifiedLine, Unread> {
        let statement = open_line(self.auditor.dir(), version, self.keys).map_err(Unread::Flaw)?;
        let verified = self.auditor.office().verify_line(&statement);
        let verified = verified.map_err(|error| Unread::NotGenuine(error.to_string()))?;
        let content = verified.content();
        let same = content.line == version.line
            && content.version == version.version
            && content.state == version.state
            && verified.device().device() == version.by;
        if same { Ok(verified) } else { Err(Unread::Flaw(LineFlaw::OtherVersion)) }
    }

    fn is_of_principal(&self, card: &Card) -> bool {
        self.args.principal.as_ref().is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            [&card.name, &card.organisation].iter().any(|text| text.to_lowercase().contains(&wanted))
        })
    }

    fn local(&self, ms: u64) -> Option<LocalTime> {
        self.zone.at(ms)
    }

    fn date(&self, ms: u64) -> String {
        self.local(ms).map_or_else(|| "9999-12-31".to_owned(), |at| at.date())
    }

    fn clock(&self, ms: u64) -> String {
        self.local(ms).map_or_else(|| "24:00:00".to_owned(), |at| at.clock())
    }

    fn is_on_day(&self, ms: u64) -> bool {
        self.date(ms) == self.args.on
    }
}

/// Why a version is not read.
enum Unread {
    Flaw(LineFlaw),
    NotGenuine(String),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flaw(flaw) => flaw.fmt(f),
            Self::NotGenuine(why) => write!(f, "was not signed by somebody who may: {why}"),
        }
    }
}

/// What a version did to its line, by its state and the one before.
fn act(verified: &VerifiedLine, before: Option<LineState>) -> &'static str {
    let content = verified.content();
    match (content.state, before) {
        (LineState::Live, None) if content.device.is_some() => "given and bound",
        (LineState::Live, None) => "given",
        (LineState::Live, Some(LineState::Live)) => "changed",
        (LineState::Live, Some(_)) => "used again",
        (LineState::Paused, _) => "paused",
        (LineState::Suspect, _) => "frozen",
        (LineState::Ended, _) if verified.device().card().person == content.holder.person => "handed back",
        (LineState::Ended, _) => "ended",
    }
}

fn print(day: &Day) {
    let Day { on, zone, reachable, acts, offers, missing, problems: _ } = day;
    say!("{on} ({zone}): {} in use", counted(reachable.len(), "version of a line", "versions of lines"));
    for one in reachable {
        let until = one.until.as_deref().unwrap_or("the day's end");
        say!("  {} {} {}", one.holder, could(one.terms.reach), one.principal);
        say!("      {} to {until}: {}; {}", one.from, terms(&one.terms), counted(one.rings, "ring", "rings"));
        let device =
            one.device.map_or_else(|| "every device of the holder".to_owned(), |device| format!("device {device}"));
        say!("      line {}, version {}, {device}", one.line, one.version);
    }
    if !acts.is_empty() {
        say!("Signed that day");
    }
    for one in acts {
        let under = one.delegation.as_ref().map(|id| format!(" under delegation {id}")).unwrap_or_default();
        say!("  {} {}: {} to {}, by {}{under}", one.at, one.act, one.principal, one.holder, one.by);
        say!("      line {}, version {}, device {}, log entry {}", one.line, one.version, one.device, one.log_index);
    }
    if !offers.is_empty() {
        say!("Offers that day, of which nobody recorded for whom");
    }
    for one in offers {
        let by = one.device.map(|device| format!(" by device {device}")).unwrap_or_default();
        say!("  {} {}: {}{by}", one.at, one.what, one.offer);
    }
    for text in missing {
        say!("missing: {}", Printable(text));
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// What a line in use let its holder do.
fn could(reach: Reach) -> &'static str {
    match reach {
        Reach::Direct => "could reach",
        Reach::Desk => "could reach the desk of",
        Reach::Planned => "could ask for planned calls with",
    }
}

fn terms(terms: &LineTerms) -> String {
    let mut words = Vec::new();
    if let Some(hours) = &terms.hours {
        let minute = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let (from, until, zone) = (minute(hours.from_min), minute(hours.until_min), Printable(&hours.zone));
        words.push(format!("{from} to {until} in {zone} on {} days a week", hours.days.len()));
    }
    if let Some(rings) = terms.rings_per_day {
        words.push(format!("{rings} times a day"));
    }
    words.push(format!("recorded as {}", terms.mode.as_str()));
    if !terms.purpose.is_empty() {
        words.push(format!("\u{201c}{}\u{201d}", Printable(&terms.purpose)));
    }
    words.join(", ")
}
