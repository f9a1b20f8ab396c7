//! Builds a [`RecordDocument`] from an opened bag.

use std::collections::BTreeMap;

use serde_json::Value;
use telcon_proto::delegation::Act;
use telcon_proto::participant::{RecordPerson, RecordPrincipal};

use super::*;
use crate::contents::Contents;
use crate::local_time::{Zone, duration, parse_utc};
use crate::transcript::{NO_AUDIO, NO_TRANSCRIPT, NO_TRANSCRIPT_YET, Segment};

/// Shortest loss of single packets that is worth a sentence, packets: a second of sound.
const LOST_PACKETS_SHOWN: u64 = 50;

/// Between what those who prepared a call said, and the call.
const CONNECTED: &str = "The principals were connected. Until then the call was prepared.";

/// What is known of a record beside its content.
pub(crate) struct Facts<'a> {
    pub(crate) call: &'a str,
    pub(crate) partial: bool,
    pub(crate) reason: &'a str,
    pub(crate) bag_info: &'a [(String, String)],
    /// Sound files by device, relative to the document.
    pub(crate) audio: &'a BTreeMap<String, String>,
}

/// The document of a record, without a proof.
pub(crate) fn build(contents: &Contents, facts: &Facts<'_>) -> RecordDocument {
    let (parties, listeners): (Vec<_>, Vec<_>) =
        people(contents, facts).into_iter().partition(|(is_party, _)| *is_party);
    let [parties, listeners] = [parties, listeners].map(|all| all.into_iter().map(|(_, p)| p).collect::<Vec<_>>());
    let answered_ms = answered(contents, facts);
    let ended_ms = ended(contents, facts, answered_ms);
    let zones = zones(&parties);
    let times = answered_ms.map(|from| times(&zones, from, ended_ms)).unwrap_or_default();
    let missing = missing(contents, facts, answered_ms);
    let warnings: Vec<String> = contents.warnings.iter().map(|warning| shown(warning)).collect();
    let state = state(&missing, &warnings);
    let names: Vec<&str> = parties.iter().map(|person| person.name.as_str()).collect();
    RecordDocument {
        version: DOCUMENT_VERSION,
        title: match &names[..] {
            [] => "Record of a call".to_owned(),
            [one] => (*one).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        },
        call: facts.call.to_owned(),
        state,
        transcript: lines(contents, answered_ms, &zones),
        transcript_note: transcript_note(contents),
        ending: ending(contents),
        kept: kept(contents).to_owned(),
        mix: None,
        duration: answered_ms.zip(ended_ms).map(|(from, to)| duration(to.saturating_sub(from))),
        parties,
        listeners,
        times,
        answered_ms,
        ended_ms,
        missing,
        missing_note: "Nothing that the note-taker reported.".to_owned(),
        warnings,
        proof: Proof { summary: "Not verified against a log.".to_owned(), lines: Vec::new() },
    }
}

/// Each person once, with their devices, and whether they were a party: by their role, or because they acted for one.
fn people(contents: &Contents, facts: &Facts<'_>) -> Vec<(bool, DocumentPerson)> {
    let mut people: Vec<(&RecordPerson, DocumentPerson)> = Vec::new();
    for (device, card) in &contents.participants {
        let audio = facts.audio.get(device).cloned();
        let same = |(other, _): &&mut (&RecordPerson, DocumentPerson)| {
            // Each device of a place has shifts of its own.
            !card.place && other.person == card.person && other.office == card.office && other.role == card.role
        };
        if let Some((_, known)) = people.iter_mut().find(same) {
            known.devices.push(shown(device));
            known.audio.extend(audio);
            continue;
        }
        people.push((
            card,
            DocumentPerson {
                name: shown(&card.name),
                organisation: shown(&card.organisation),
                role: role(card),
                office: shown(card.office.as_deref().unwrap_or_default()),
                zone: shown(&card.zone),
                devices: vec![shown(device)],
                audio: audio.into_iter().collect(),
            },
        ));
    }
    people.sort_by(|(_, a), (_, b)| (&a.name, &a.organisation).cmp(&(&b.name, &b.organisation)));
    let is_party = |card: &RecordPerson| card.role.speaks() || card.acted_for.is_some();
    people.into_iter().map(|(card, person)| (is_party(card), person)).collect()
}

/// What somebody was in the call, and for whom.
fn role(card: &RecordPerson) -> String {
    let role = match card.place {
        true => format!("{} (a place){}", capitalised(&card.role.words()), on_shift(card)),
        false => capitalised(&card.role.words()),
    };
    match &card.acted_for {
        Some(RecordPrincipal { name, act: Act::Ring, .. }) => format!("{role}, rang on behalf of {}", shown(name)),
        Some(RecordPrincipal { name, act: Act::Answer, .. }) => {
            format!("{role}, answered on behalf of {}", shown(name))
        }
        // Nobody takes part in a call by signing lines.
        Some(RecordPrincipal { act: Act::Lines, .. }) | None => role,
    }
}

/// Who was on shift at a place, which nothing but the server's word says.
fn on_shift(card: &RecordPerson) -> String {
    let mut names: Vec<String> = card.on_shift.iter().map(|shift| shown(&shift.name)).collect();
    names.dedup();
    match names.is_empty() {
        true => String::new(),
        false => format!("; on shift, as the office's server said: {}", names.join(", then ")),
    }
}

fn info<'a>(facts: &'a Facts<'_>, label: &str) -> Option<&'a str> {
    facts.bag_info.iter().find(|(found, _)| found == label).map(|(_, value)| value.as_str())
}

fn number(event: &Value, field: &str) -> Option<u64> {
    event.get(field).and_then(Value::as_u64)
}

/// When the call was answered. `bag-info.txt` has it to the second, the events to the millisecond.
fn answered(contents: &Contents, facts: &Facts<'_>) -> Option<u64> {
    let exact = contents.events.iter().filter_map(|event| number(event, "live_ms")).min();
    let noticed = contents.events_named("live").filter_map(|event| number(event, "at_ms")).min();
    let stated = info(facts, "Telcon-Answered").and_then(parse_utc);
    exact.or(match (noticed, stated) {
        (Some(noticed), Some(stated)) if noticed / 1000 != stated / 1000 => Some(stated),
        (noticed, stated) => noticed.or(stated),
    })
}

fn ended(contents: &Contents, facts: &Facts<'_>, answered_ms: Option<u64>) -> Option<u64> {
    let noticed = contents.events_named("ended").filter_map(|event| number(event, "at_ms")).max();
    let seconds = info(facts, "Telcon-Seconds").and_then(|text| text.parse::<u64>().ok());
    noticed.or_else(|| answered_ms?.checked_add(seconds?.checked_mul(1000)?))
}

/// The zones of the parties, each once, with whose it is; UTC if none is known.
fn zones(parties: &[DocumentPerson]) -> Vec<(Zone, String)> {
    let mut zones: Vec<(Zone, String)> = Vec::new();
    for person in parties {
        let Some(zone) = Zone::named(&person.zone) else { continue };
        match zones.iter_mut().find(|(known, _)| *known == zone) {
            Some((_, of)) => *of = format!("{of}; {}", person.name),
            None => zones.push((zone, person.name.clone())),
        }
    }
    if zones.is_empty() {
        zones.push((Zone::utc(), String::new()));
    }
    zones
}

fn times(zones: &[(Zone, String)], from_ms: u64, to_ms: Option<u64>) -> Vec<ZoneTimes> {
    let in_zone = |(zone, of): &(Zone, String)| {
        let from = zone.at(from_ms)?;
        let to = to_ms.and_then(|ms| zone.at(ms)).map(|to| match to.date() == from.date() {
            true => to.clock(),
            false => format!("{}, {}", to.long_date(), to.clock()),
        });
        Some(ZoneTimes {
            zone: zone.name().to_owned(),
            of: of.clone(),
            date: from.long_date(),
            from: from.clock(),
            to: to.unwrap_or_default(),
            offset: from.offset(),
        })
    };
    zones.iter().filter_map(in_zone).collect()
}

fn kept(contents: &Contents) -> &'static str {
    match contents.events.iter().find_map(|event| event.get("mode").and_then(Value::as_str)) {
        Some("audio") => "Transcript and audio",
        Some("memo") => "Transcript, no audio",
        Some("log_only") => "Only that the call took place",
        _ if contents.audio.is_empty() => "Transcript, no audio",
        _ => "Transcript and audio",
    }
}

/// Whether the note-taker said that it recognized no speech, each time that it joined.
fn was_not_transcribed(contents: &Contents) -> bool {
    let mut said = contents.events.iter().filter_map(|event| event.get("transcript")?.as_str()).peekable();
    said.peek().is_some() && said.all(|how| how.starts_with("none"))
}

fn transcript_note(contents: &Contents) -> String {
    let note = if was_not_transcribed(contents) {
        "There is no transcript: the note-taker could not recognize speech."
    } else if contents.segments.is_empty() {
        "There is no transcript."
    } else {
        "Written by speech recognition: a draft until a person has signed it."
    };
    note.to_owned()
}

fn name_of(contents: &Contents, device: &str) -> String {
    contents.name_of(device).map_or_else(|| "an unnamed participant".to_owned(), shown)
}

fn ending(contents: &Contents) -> String {
    let Some(event) = contents.events_named("ended").last() else {
        return "The note-taker did not see the end of the call.".to_owned();
    };
    let by = event.get("said_by").and_then(Value::as_str).map(|device| name_of(contents, device));
    match (event.get("how").and_then(Value::as_str), by) {
        (Some("hung_up"), Some(by)) => format!("{by} hung up."),
        (Some("interrupted"), _) => "All connections were lost.".to_owned(),
        (Some("revoked"), _) => "The office revoked the device of a party.".to_owned(),
        (Some("failed"), Some(by)) => format!("The device of {by} ended the call: a verification failed."),
        (_, Some(by)) => format!("Ended by {by}."),
        (_, None) => "Only the server announced the end.".to_owned(),
    }
}

/// A time without sound.
struct Gap {
    from_ms: u64,
    to_ms: u64,
    /// Empty: of everybody.
    device: String,
}

/// Times without sound, from the note-taker's `no_media` events; milliseconds since the call was answered.
fn gaps<'a>(events: impl Iterator<Item = &'a Value>, answered_ms: u64) -> Vec<Gap> {
    let gap = |event: &Value| {
        let device = event.get("from").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (since, until) = (number(event, "since_ms")?, number(event, "at_ms")?);
        let [from_ms, to_ms] = [since, until].map(|ms| ms.saturating_sub(answered_ms));
        (from_ms < to_ms).then_some(Gap { from_ms, to_ms, device })
    };
    events.filter_map(gap).collect()
}

/// What is missing, one sentence each.
fn missing(contents: &Contents, facts: &Facts<'_>, answered_ms: Option<u64>) -> Vec<String> {
    let mut found = Vec::new();
    let mut silent: BTreeMap<String, u64> = BTreeMap::new();
    // Only durations are used, so that the time of the answer may be unknown.
    for gap in gaps(contents.events_named("no_media"), answered_ms.unwrap_or_default()) {
        let total = silent.entry(gap.device).or_default();
        *total = total.saturating_add(gap.to_ms - gap.from_ms);
    }
    for (device, ms) in &silent {
        found.push(match device.as_str() {
            "" => format!("no sound from anybody for {}", duration(*ms)),
            device => format!("no sound from {} for {}", name_of(contents, device), duration(*ms)),
        });
    }
    let untranscribed = contents.events_named("not_transcribed").count();
    if untranscribed > 0 {
        let s = if untranscribed == 1 { "" } else { "s" };
        found.push(format!("{untranscribed} passage{s} could not be transcribed; the sound, if kept, has them"));
    }
    // Earlier versions did not declare such a record partial. The note-taker's own words are below.
    if was_not_transcribed(contents) && !facts.reason.contains(NO_TRANSCRIPT) {
        found.push(NO_TRANSCRIPT.to_owned());
    }
    let omitted = contents.events_named("audio_omitted").filter_map(|event| number(event, "chunks"));
    let omitted = omitted.fold(0, u64::saturating_add);
    if omitted > 0 {
        let (s, were) = if omitted == 1 { ("", "was") } else { ("s", "were") };
        found.push(format!("{omitted} piece{s} of sound {were} left out, because more arrived than a call can have"));
    }
    // `PARTIAL_LOSS_PERCENT` in the client decides when loss makes a record partial: in a whole record, lost packets are too
    // few to lose words.
    for speaker in contents
        .events_named("receive_statistics")
        .filter(|_| facts.partial)
        .filter_map(|event| event.get("speakers")?.as_array())
        .flatten()
    {
        let device = speaker.get("from").and_then(Value::as_str).unwrap_or_default();
        if let Some(lost) = number(speaker, "lost").filter(|lost| *lost >= LOST_PACKETS_SHOWN) {
            let ms = lost.saturating_mul(crate::opus::MS_PER_PACKET);
            found.push(format!("packets of {}, {} in all, did not arrive", name_of(contents, device), duration(ms)));
        }
    }
    if facts.partial {
        found.push(match shown(facts.reason) {
            reason if reason.is_empty() => "its note-taker declared it partial and gave no reason".to_owned(),
            reason => format!("the note-taker says: {reason}"),
        });
    }
    found
}

fn state(missing: &[String], warnings: &[String]) -> DocumentState {
    match missing.iter().chain(warnings).next() {
        None => DocumentState { verdict: RecordVerdict::Complete, text: "Intact and complete".to_owned() },
        Some(what) => {
            DocumentState { verdict: RecordVerdict::Incomplete, text: format!("Intact but incomplete: {what}") }
        }
    }
}

/// Speech and gaps in order.
fn lines(contents: &Contents, answered_ms: Option<u64>, zones: &[(Zone, String)]) -> Vec<DocumentLine> {
    let clocks = |start_ms: u64| -> Vec<String> {
        let at = answered_ms.map(|ms| ms.saturating_add(start_ms));
        let clock = |(zone, _): &(Zone, String)| at.and_then(|at| zone.at(at)).map(|at| at.clock()).unwrap_or_default();
        zones.iter().map(clock).collect()
    };
    let line = |segment: &Segment| {
        let speaker = match (segment.name.is_empty(), segment.speaker.is_empty()) {
            (false, _) => shown(&segment.name),
            (true, false) => name_of(contents, &segment.speaker),
            (true, true) => String::new(),
        };
        let long = duration(segment.end_ms.saturating_sub(segment.start_ms));
        let (kind, text) = match segment.text.as_str() {
            NO_AUDIO => (LineKind::Gap, format!("No sound arrived for {long}.")),
            NO_TRANSCRIPT_YET => {
                (LineKind::Gap, format!("Not transcribed for {long}: the note-taker was interrupted."))
            }
            words => (LineKind::Speech, shown(words)),
        };
        let (start_ms, end_ms) = (segment.start_ms, segment.end_ms);
        DocumentLine { start_ms, end_ms, clocks: clocks(start_ms), kind, speaker, text }
    };
    let mut lines: Vec<DocumentLine> = contents.segments.iter().map(line).collect();
    // Their events have the time of day, so that their place in the call is unknown without the time of the answer.
    if let Some(answered_ms) = answered_ms {
        lines.extend(gaps(contents.unmarked_gaps.iter(), answered_ms).into_iter().map(|gap| DocumentLine {
            start_ms: gap.from_ms,
            end_ms: gap.to_ms,
            clocks: clocks(gap.from_ms),
            kind: LineKind::Gap,
            speaker: if gap.device.is_empty() { String::new() } else { name_of(contents, &gap.device) },
            text: format!("No sound arrived for {}.", duration(gap.to_ms - gap.from_ms)),
        }));
    }
    lines.extend(contents.events_named("not_transcribed").filter_map(|event| {
        let ms = |field: &str| Some((event.get(field)?.as_f64()?.max(0.0) * 1000.0) as u64);
        let (start_ms, end_ms) = (ms("from_s")?, ms("to_s")?);
        let text =
            format!("Not understood for {}: speech recognition failed.", duration(end_ms.saturating_sub(start_ms)));
        let (clocks, speaker) = (clocks(start_ms), String::new());
        Some(DocumentLine { start_ms, end_ms, clocks, kind: LineKind::Gap, speaker, text })
    }));
    if let Some(answered_ms) = answered_ms {
        let mark = |from_ms: u64, to_ms: u64, speaker: String, text: String| {
            let [start_ms, end_ms] = [from_ms, to_ms].map(|ms| ms.saturating_sub(answered_ms));
            DocumentLine { start_ms, end_ms, clocks: clocks(start_ms), kind: LineKind::Gap, speaker, text }
        };
        lines.extend(absences(contents).into_iter().map(|(name, from_ms, to_ms)| {
            let text = format!("Was not in the call for {}.", duration(to_ms.saturating_sub(from_ms)));
            mark(from_ms, to_ms, name, text)
        }));
        // A note-taker that joins again sees them connected again.
        let connected = contents.events_named("principals_connected").filter_map(|event| number(event, "at_ms")).min();
        lines.extend(connected.map(|at_ms| mark(at_ms, at_ms, String::new(), CONNECTED.to_owned())));
    }
    lines.sort_by_key(|line| (line.start_ms, line.end_ms));
    lines
}

/// Times in which a speaker who had been in the call, and came back, was on no device in it: name, from and until when, milliseconds
/// since 1970 UTC. From the note-taker's epochs.
fn absences(contents: &Contents) -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    let mut left: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for event in contents.events_named("epoch") {
        let (Some(at_ms), Some(members)) = (number(event, "at_ms"), event.get("members").and_then(Value::as_array))
        else {
            continue;
        };
        let members = members.iter().filter_map(|device| contents.participants.get(device.as_str()?));
        let here: BTreeMap<&str, &RecordPerson> =
            members.filter(|card| card.role.speaks()).map(|card| (card.person.as_str(), card)).collect();
        for (person, since) in &mut left {
            if !here.contains_key(person) {
                since.get_or_insert(at_ms);
            }
        }
        for (person, card) in here {
            if let Some(since_ms) = left.insert(person, None).flatten() {
                found.push((shown(&card.name), since_ms, at_ms));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use telcon_proto::{Role, participant::RecordShift, printable::is_active};

    fn person(name: &str, role: Role, zone: &str) -> RecordPerson {
        let (person, organisation) = (name.to_lowercase(), format!("Office of {name}"));
        RecordPerson {
            person,
            name: name.into(),
            organisation,
            role,
            zone: zone.into(),
            office: Some("office.example".into()),
            acted_for: None,
            on_shift: Vec::new(),
            place: false,
        }
    }

    #[test]
    fn a_place_is_listed_with_who_was_on_shift_and_who_says_so() {
        let mut contents = contents();
        let shift = |name: &str, since_ms| RecordShift { person: "p".into(), name: name.into(), since_ms };
        let room = RecordPerson {
            place: true,
            on_shift: vec![shift("Ana Ruiz", 1), shift("Ben Ito", 2)],
            ..person("Operations room", Role::DutyOfficer, "America/New_York")
        };
        contents.participants.insert("d9".into(), room);
        let facts = Facts { call: "c", partial: false, reason: "", bag_info: &[], audio: &BTreeMap::new() };
        let document = build(&contents, &facts);
        let everybody = document.parties.iter().chain(&document.listeners);
        let room = everybody.clone().find(|person| person.name == "Operations room").expect("listed");
        assert_eq!(room.role, "Duty officer (a place); on shift, as the office's server said: Ana Ruiz, then Ben Ito");
    }

    #[test]
    fn who_acted_for_a_party_is_listed_as_one_with_both_names() {
        let mut contents = contents();
        let president = RecordPrincipal { person: "p".into(), name: "The President".into(), act: Act::Ring };
        let desk = RecordPerson {
            acted_for: Some(president),
            ..person("Duty officer", Role::DutyOfficer, "America/New_York")
        };
        contents.participants.insert("d9".into(), desk);
        let facts = Facts { call: "c", partial: false, reason: "", bag_info: &[], audio: &BTreeMap::new() };
        let document = build(&contents, &facts);
        let desk = document.parties.iter().find(|person| person.name == "Duty officer").expect("a party");
        assert_eq!(desk.role, "Duty officer, rang on behalf of The President");
    }

    #[test]
    fn a_speaker_who_dropped_and_came_back_is_an_interruption_and_so_is_the_preparation_an_end() {
        let mut contents = contents();
        let second = person("The President", Role::Principal, "America/New_York");
        contents.participants.insert("d4".into(), second);
        let epoch = |s: u64, members: &[&str]| json!({ "at_ms": 1_795_995_128_487u64 + 1_000 * s, "what": "epoch", "members": members });
        contents.events.extend([
            json!({ "at_ms": 1_795_995_129_487u64, "what": "principals_connected" }),
            epoch(2, &["d1", "d2", "d3"]),
            // The note-taker comes and goes without being missed, and so does a speaker who does not come back.
            epoch(5, &["d1", "d2"]),
            epoch(10, &["d2", "d3"]),
            epoch(20, &["d2", "d3"]),
            epoch(31, &["d2", "d3", "d4"]),
            epoch(40, &["d4", "d3"]),
        ]);
        let facts = Facts { call: "c", partial: false, reason: "", bag_info: &[], audio: &BTreeMap::new() };
        let transcript = build(&contents, &facts).transcript;
        let away: Vec<_> = transcript.iter().filter(|line| line.text.starts_with("Was not in the call")).collect();
        let [line] = &away[..] else { panic!("{away:?}") };
        assert_eq!((line.speaker.as_str(), line.start_ms, line.end_ms), ("The President", 10_000, 31_000));
        assert_eq!(line.text, "Was not in the call for 21 s.");
        assert!(transcript.iter().any(|line| line.text == CONNECTED && line.start_ms == 1_000));
    }

    fn contents() -> Contents {
        let segment = |start_ms: u64, speaker: &str, name: &str, text: &str| Segment {
            start_ms,
            end_ms: start_ms + 2_000,
            speaker: speaker.into(),
            name: name.into(),
            text: text.into(),
            confidence: Vec::new(),
            language: None,
        };
        Contents {
            participants: BTreeMap::from([
                ("d1".into(), person("The President", Role::Principal, "America/New_York")),
                ("d2".into(), person("Prime\u{202e} Minister\u{1b}[2J", Role::Principal, "Europe/Tallinn")),
                ("d3".into(), person("Note-taker", Role::NoteTaker, "Asia/Tokyo")),
            ]),
            events: vec![
                json!({ "at_ms": 1_795_995_128_000u64, "what": "note_taker_joined", "mode": "audio", "transcript": "by machine" }),
                json!({ "at_ms": 1_795_995_128_487u64, "what": "live" }),
                json!({ "at_ms": 1_795_995_158_487u64, "what": "no_media", "from": "d1", "since_ms": 1_795_995_133_487u64 }),
                json!({ "at_ms": 1_795_995_188_487u64, "what": "ended", "how": "hung_up", "said_by": "d1" }),
            ],
            segments: vec![
                segment(1_000, "d1", "The President", "Good\u{7} evening.\nSecond\u{200b} line"),
                segment(5_000, "d1", "The President", NO_AUDIO),
            ],
            ..Contents::default()
        }
    }

    #[test]
    fn the_document_has_names_local_times_clock_times_and_gaps() {
        let audio = BTreeMap::from([("d1".to_owned(), "audio/president.opus".to_owned())]);
        let info = [("Telcon-Answered".to_owned(), "2026-11-29T23:32:08Z".to_owned())];
        let facts = Facts { call: "ab", partial: true, reason: "x", bag_info: &info, audio: &audio };
        let document = build(&contents(), &facts);
        assert_eq!(document.answered_ms, Some(1_795_995_128_487));
        assert_eq!(document.duration.as_deref(), Some("1 min 00 s"));
        assert_eq!(document.ending, "The President hung up.");
        assert_eq!(document.kept, "Transcript and audio");
        let times: Vec<_> = document.times.iter().map(|t| (t.of.as_str(), t.date.as_str(), t.from.as_str())).collect();
        assert!(times.contains(&("The President", "29 November 2026", "18:32:08")), "{times:?}");
        assert_eq!(times.len(), 2, "the note-taker's zone is no party's");
        assert_eq!(document.transcript[0].clocks.len(), 2);
        assert!(document.transcript[0].clocks.contains(&"18:32:09".to_owned()));
        assert_eq!(document.transcript[1].kind, LineKind::Gap);
        assert_eq!(document.state.text, "Intact but incomplete: no sound from The President for 25 s");
        assert_eq!(document.listeners[0].name, "Note-taker");
        let president = document.parties.iter().find(|p| p.name == "The President").unwrap();
        assert_eq!(president.audio, ["audio/president.opus"]);
    }

    #[test]
    fn nothing_hostile_reaches_the_document_or_its_page() {
        let facts = Facts {
            call: "ab",
            partial: true,
            reason: "<b>\u{9b}<script>alert(1)</script>",
            bag_info: &[],
            audio: &BTreeMap::new(),
        };
        let mut contents = contents();
        contents.segments[0].text.push_str(" <script src=x></script>");
        contents.participants.get_mut("d1").unwrap().organisation.push_str("<script>");
        let mut document = build(&contents, &facts);
        document.proof.summarize("Not verified: enrolment x\nVerified: \u{202e}all");
        document.warn("part\u{7}\n1");
        document.refuse("a\nb");
        let json = String::from_utf8(document.to_json()).unwrap();
        let html = document.to_html();
        for text in [&json, &html] {
            assert!(!text.chars().any(|c| is_active(c) && c != '\n'), "{text}");
        }
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"), "{html}");
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script").count(), 3, "{html}");
        assert!(!document.proof.summary.contains('\n') && !document.state.text.contains('\n'));
    }

    #[test]
    fn a_record_is_complete_only_if_nothing_is_missing_from_the_document() {
        let audio = BTreeMap::new();
        let facts = |partial| Facts { call: "ab", partial, reason: "", bag_info: &[], audio: &audio };
        let verdict = |events: Vec<Value>, warnings: &[&str]| {
            let warnings = warnings.iter().map(|text| (*text).to_owned()).collect();
            build(&Contents { events, warnings, ..Contents::default() }, &facts(false)).state.verdict
        };
        assert_eq!(verdict(vec![], &[]), RecordVerdict::Complete);
        assert_eq!(verdict(vec![], &["a chunk cannot be read"]), RecordVerdict::Incomplete);
        for event in [
            serde_json::json!({"what": "no_media", "from": "d1", "since_ms": 0, "at_ms": 9}),
            serde_json::json!({"what": "not_transcribed"}),
            serde_json::json!({"what": "audio_omitted", "chunks": 1}),
        ] {
            assert_eq!(verdict(vec![event.clone()], &[]), RecordVerdict::Incomplete, "{event}");
        }
        // As earlier versions sealed it: without its note-taker's word that it is partial.
        let joined = |how: &str| serde_json::json!({"what": "note_taker_joined", "mode": "memo", "transcript": how});
        let none = "none: no speech model was configured";
        assert_eq!(verdict(vec![joined("by machine")], &[]), RecordVerdict::Complete);
        assert_eq!(verdict(vec![joined(none), joined("by machine")], &[]), RecordVerdict::Complete);
        let document = build(&Contents { events: vec![joined(none)], ..Contents::default() }, &facts(false));
        assert_eq!(
            (document.state.verdict, &*document.missing),
            (RecordVerdict::Incomplete, &[NO_TRANSCRIPT.to_owned()][..])
        );
        let document = build(&Contents::default(), &facts(true));
        assert_eq!(document.state.verdict, RecordVerdict::Incomplete);
        assert_eq!(document.missing, ["its note-taker declared it partial and gave no reason"]);
        let few = serde_json::json!({"what": "receive_statistics", "speakers": [{"from": "d1", "lost": 60}]});
        assert_eq!(verdict(vec![few.clone()], &[]), RecordVerdict::Complete);
        let partial = build(&Contents { events: vec![few], ..Contents::default() }, &facts(true));
        assert!(partial.missing.iter().any(|text| text.contains("did not arrive")), "{:?}", partial.missing);
    }

    #[test]
    fn numbers_that_an_event_may_have_do_not_overflow() {
        let gap = serde_json::json!({"what": "no_media", "from": "d1", "since_ms": 0, "at_ms": u64::MAX});
        let omitted = serde_json::json!({"what": "audio_omitted", "chunks": u64::MAX});
        let live = serde_json::json!({"what": "live", "at_ms": u64::MAX});
        let info = [("Telcon-Seconds".to_owned(), (u64::MAX / 1000).to_string())];
        let events = vec![gap.clone(), gap, omitted.clone(), omitted, live];
        let facts = Facts { call: "ab", partial: true, reason: "", bag_info: &info, audio: &BTreeMap::new() };
        let document = build(&Contents { events, ..Contents::default() }, &facts);
        assert!(!document.missing.is_empty());
    }
    #[test]
    fn one_piece_of_sound_is_singular() {
        let facts = Facts { call: "ab", partial: false, reason: "", bag_info: &[], audio: &BTreeMap::new() };
        let missing = |chunks: u64| {
            let events = vec![json!({ "what": "audio_omitted", "chunks": chunks })];
            build(&Contents { events, ..Contents::default() }, &facts).missing.concat()
        };
        assert!(missing(1).starts_with("1 piece of sound was left out"), "{}", missing(1));
        assert!(missing(2).starts_with("2 pieces of sound were left out"), "{}", missing(2));
    }

    #[test]
    fn a_gap_that_no_transcript_marks_is_a_line_if_the_time_of_the_answer_is_known() {
        let facts = Facts { call: "ab", partial: false, reason: "", bag_info: &[], audio: &BTreeMap::new() };
        let gap = json!({ "at_ms": 1_795_995_158_487u64, "what": "no_media", "since_ms": 1_795_995_133_487u64 });
        let live = json!({ "at_ms": 1_795_995_128_487u64, "what": "live" });
        let document = |events: Vec<Value>| {
            build(&Contents { events, unmarked_gaps: vec![gap.clone()], ..Contents::default() }, &facts)
        };
        let times = |document: &RecordDocument| -> Vec<(u64, u64)> {
            document.transcript.iter().map(|line| (line.start_ms, line.end_ms)).collect()
        };
        assert_eq!(times(&document(vec![live, gap.clone()])), [(5_000, 30_000)]);
        let unanswered = document(vec![gap.clone()]);
        assert!(unanswered.transcript.is_empty(), "{:?}", unanswered.transcript);
        assert_eq!(unanswered.missing, ["no sound from anybody for 25 s"]);
    }
}
