//! The event of a planned call, as a calendar takes it (iTIP, RFC 5546).

use super::line::{quoted, text, write};
use crate::clock::{Shown, ZoneClock, moment};
use crate::schedule::{Schedule, Standing};
use telcon_proto::OfficeName;

/// A person or desk that the event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// As shown: `Office of the President`.
    pub name: String,
    /// A mail address.
    pub address: String,
}

/// A schedule, and what its `.ics` file needs beside it.
pub struct Invitation<'a> {
    /// The schedule, confirmed or cancelled.
    pub schedule: &'a Schedule,
    /// The office, whose domain makes the event's identifier unique.
    pub office: &'a OfficeName,
    /// Who invites: the desk, not the principal. None: no people are named at all.
    pub organizer: Option<Party>,
    /// Who is invited. Needs an organizer. Without attendees the file is an event to import, and no message that can be answered.
    pub attendees: Vec<Party>,
    /// The clocks of the places, ours first. The event is in the first one's time; a calendar gets the rules of all.
    pub zones: Vec<&'a dyn ZoneClock>,
}

const HOUR_MS: i64 = 3_600_000;
/// Most changes of a zone's clock that are written. Two a year are usual; a zone that changes each day is not a zone.
const MAX_CHANGES: usize = 8;

/// The file for where the schedule stands; none while it is open. Byte for byte the same for the same schedule.
pub fn invitation(invitation: &Invitation<'_>) -> Option<String> {
    let schedule = invitation.schedule;
    let (is_cancelled, slot) = match schedule.standing {
        Standing::Confirmed { slot } => (false, slot),
        Standing::Cancelled { slot } => (true, slot),
        Standing::Offering => return None,
    };
    let mut out = String::new();
    let mut line = |name: &str, value: &str| write(&mut out, name, value);
    line("BEGIN", "VCALENDAR");
    line("VERSION", "2.0");
    line("PRODID", "-//Telcon//Planned calls//EN");
    line("CALSCALE", "GREGORIAN");
    // Both methods demand an organizer and attendees (RFC 5546, sections 3.2.2 and 3.2.5).
    if invitation.organizer.is_some() && !invitation.attendees.is_empty() {
        line("METHOD", if is_cancelled { "CANCEL" } else { "REQUEST" });
    }
    let mut written: Vec<&str> = Vec::new();
    for zone in &invitation.zones {
        if zone.name() != "UTC" && !written.contains(&zone.name()) {
            written.push(zone.name());
            time_zone(&mut line, *zone, slot.start_ms);
        }
    }
    line("BEGIN", "VEVENT");
    line("UID", &format!("{}@{}", schedule.uid.to_hex(), invitation.office));
    line("SEQUENCE", &schedule.sequence.to_string());
    line("DTSTAMP", &utc(schedule.changed_ms));
    line("LAST-MODIFIED", &utc(schedule.changed_ms));
    // When clocks are set back, a local time means the first of two moments (RFC 5545, section 3.3.5): the second one is written in UTC.
    let is_unambiguous = |zone: &dyn ZoneClock| {
        [slot.start_ms, slot.end_ms()]
            .iter()
            .all(|at_ms| moment(zone, &Shown::of(zone, *at_ms)) == i64::try_from(at_ms / 1000 * 1000).ok())
    };
    match invitation.zones.first().filter(|zone| zone.name() != "UTC" && is_unambiguous(**zone)) {
        Some(zone) => {
            let id = format!(";TZID={}", zone.name());
            line(&format!("DTSTART{id}"), &Shown::of(*zone, slot.start_ms).basic());
            line(&format!("DTEND{id}"), &Shown::of(*zone, slot.end_ms()).basic());
        }
        None => {
            line("DTSTART", &utc(slot.start_ms));
            line("DTEND", &utc(slot.end_ms()));
        }
    }
    let title = text(&schedule.title);
    line("SUMMARY", &if is_cancelled { format!("Cancelled: {title}") } else { title });
    line("STATUS", if is_cancelled { "CANCELLED" } else { "CONFIRMED" });
    line("CLASS", "PRIVATE");
    line("TRANSP", if is_cancelled { "TRANSPARENT" } else { "OPAQUE" });
    if let Some(organizer) = &invitation.organizer {
        line(&format!("ORGANIZER;CN={}", quoted(&organizer.name)), &address(organizer));
        for attendee in &invitation.attendees {
            let status = if is_cancelled { "" } else { ";PARTSTAT=NEEDS-ACTION;RSVP=TRUE" };
            line(&format!("ATTENDEE;CN={};ROLE=REQ-PARTICIPANT{status}", quoted(&attendee.name)), &address(attendee));
        }
    }
    line("END", "VEVENT");
    line("END", "VCALENDAR");
    Some(out)
}

fn address(party: &Party) -> String {
    let safe: String = party.address.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    format!("mailto:{safe}")
}

fn utc(at_ms: u64) -> String {
    format!("{}Z", Shown::of(&crate::clock::Utc, at_ms).basic())
}

/// The rules of a zone around a moment: the offset a year before, and each change until a year after.
fn time_zone(line: &mut impl FnMut(&str, &str), zone: &dyn ZoneClock, around_ms: u64) {
    const YEAR_MS: i64 = 366 * 24 * HOUR_MS;
    let around = i64::try_from(around_ms).unwrap_or(0);
    let (start, end) = (around - YEAR_MS, around + YEAR_MS);
    line("BEGIN", "VTIMEZONE");
    line("TZID", zone.name());
    let first = zone.offset_seconds(start);
    let mut changes = vec![(start, first, first)];
    let (mut at, mut known) = (start, first);
    // Zones change at most a few times a year: a week's step finds each change, bisection its second.
    while at < end && changes.len() <= MAX_CHANGES {
        let next = at + 7 * 24 * HOUR_MS;
        let offset = zone.offset_seconds(next);
        if offset != known {
            let (mut low, mut high) = (at, next);
            while high - low > 1000 {
                let middle = (low + (high - low) / 2).div_euclid(1000) * 1000;
                if middle <= low {
                    break;
                }
                if zone.offset_seconds(middle) == known { low = middle } else { high = middle }
            }
            let high = high.div_euclid(1000) * 1000;
            changes.push((high, known, zone.offset_seconds(high)));
            known = offset;
        }
        at = next;
    }
    let standard = changes.iter().map(|(_, _, to)| *to).min().unwrap_or(first);
    for (at, from, to) in changes {
        let kind = if to == standard { "STANDARD" } else { "DAYLIGHT" };
        line("BEGIN", kind);
        // The local time before the change (section 3.6.5).
        line("DTSTART", &Shown::at(at, from).basic());
        line("TZOFFSETFROM", &offset(from));
        line("TZOFFSETTO", &offset(to));
        if let Some(letters) = zone.abbreviation(at) {
            line("TZNAME", &text(&letters));
        }
        line("END", kind);
    }
    line("END", "VTIMEZONE");
}

fn offset(seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let rest = if size % 60 == 0 { String::new() } else { format!("{:02}", size % 60) };
    format!("{sign}{:02}{:02}{rest}", size / 3600, size / 60 % 60)
}
