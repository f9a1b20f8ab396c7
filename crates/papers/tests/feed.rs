//! Calendar feeds from outside the office.

mod support;

use proptest::prelude::*;
use support::*;
use telcon_papers::calendar::*;
use telcon_papers::clock::{Utc, ZoneClock};
use telcon_papers::schedule::{Schedule, Side, Slot};

fn zones(name: &str) -> Option<Box<dyn ZoneClock>> {
    Zone::named(name).map(|zone| Box::new(zone) as Box<dyn ZoneClock>)
}

const DAY: u64 = 86_400_000;

fn read(events: &str) -> Result<Feed, FeedError> {
    let feed = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", events.replace('\n', "\r\n"));
    Feed::read(feed.as_bytes(), (AT - 10 * DAY, AT + 30 * DAY), &Zone::named("America/New_York").unwrap(), &zones)
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:a\n{lines}\nEND:VEVENT\n")
}

fn free(feed: &Feed, start_ms: u64) -> Conflict {
    feed.conflict(&Slot { start_ms, length_min: 20 })
}

#[test]
fn conflicts_are_found_by_the_clock_of_each_event() {
    // 13:28 UTC is 09:28 in New York and 19:13 in Kathmandu.
    for event_lines in [
        "DTSTART:20260529T130000Z\nDTEND:20260529T140000Z",
        "DTSTART;TZID=America/New_York:20260529T090000\nDURATION:PT1H",
        "DTSTART;TZID=Asia/Kathmandu:20260529T190000\nDTEND;TZID=Asia/Kathmandu:20260529T200000",
        "DTSTART:20260529T090000\nDTEND:20260529T100000",
        "DTSTART;VALUE=DATE:20260529",
        "DTSTART;TZID=America/New_York:20260501T090000\nDTEND;TZID=America/New_York:20260501T100000\nRRULE:FREQ=WEEKLY",
        // A rule over a change of the clocks: since March, at nine by the clock.
        "DTSTART;TZID=America/New_York:20260227T090000\nDURATION:PT60M\nRRULE:FREQ=WEEKLY;UNTIL=20260605T130000Z",
    ] {
        let feed = read(&event(event_lines)).unwrap();
        assert_eq!(free(&feed, AT), Conflict::Busy, "{event_lines}");
        assert_eq!(free(&feed, AT - 12 * 3_600_000), Conflict::Free, "{event_lines}");
        assert_eq!(feed.not_understood, 0);
    }
}

#[test]
fn the_last_occurrence_before_an_until_in_utc_is_found_in_summer_time() {
    // Since winter; the last is on 5 June at nine in New York, exactly when the rule ends.
    for (until, expected) in [("20260605T130000Z", Conflict::Busy), ("20260605T125959Z", Conflict::Free)] {
        let series = "DTSTART;TZID=America/New_York:20260227T090000\nDURATION:PT60M\nRRULE:FREQ=WEEKLY;UNTIL=";
        let feed = read(&event(&format!("{series}{until}"))).unwrap();
        // A week after 13:28 UTC on 29 May.
        assert_eq!(free(&feed, AT + 7 * DAY), expected, "{until}");
        assert_eq!(free(&feed, AT + 14 * DAY), Conflict::Free);
    }
}

#[test]
fn a_call_in_the_hour_that_clocks_show_twice_keeps_its_moment() {
    let zone = Zone::named("America/New_York").unwrap();
    let office = "office.example".parse().unwrap();
    // 1 November 2026: 05:30 and 06:30 UTC are both 01:30 in New York.
    for start_ms in [1_793_511_000_000, 1_793_514_600_000] {
        let mut schedule = Schedule::new(item(1), "Private call", vec![place("Ours", "America/New_York", "")]);
        schedule.offer(item(2), Side::Ours, vec![Slot { start_ms, length_min: 20 }], 1).unwrap();
        schedule.pick(Side::Theirs, 0, 2).unwrap();
        let file =
            Invitation { schedule: &schedule, office: &office, organizer: None, attendees: vec![], zones: vec![&zone] };
        let file = invitation(&file).unwrap();
        assert!(!file.contains("METHOD"), "a request needs an organizer: {file}");
        let feed = Feed::read(file.as_bytes(), (start_ms - DAY, start_ms + DAY), &Utc, &zones).unwrap();
        assert_eq!(feed.busy, [Busy { start_ms, end_ms: start_ms + 20 * 60_000 }]);
    }
}

#[test]
fn exceptions_cancelled_and_transparent_events_are_free() {
    let series = "DTSTART;TZID=America/New_York:20260501T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY";
    let without = event(&format!("{series}\nEXDATE;TZID=America/New_York:20260522T090000,20260529T090000"));
    assert_eq!(free(&read(&without).unwrap(), AT), Conflict::Free);
    // The occurrence was moved to the afternoon.
    let moved =
        event("RECURRENCE-ID;TZID=America/New_York:20260529T090000\nDTSTART:20260529T190000Z\nDTEND:20260529T200000Z");
    let feed = read(&(event(series) + &moved)).unwrap();
    assert_eq!(free(&feed, AT), Conflict::Free);
    assert_eq!(free(&feed, AT + 6 * 3_600_000), Conflict::Busy);
    let once = "DTSTART:20260529T130000Z\nDTEND:20260529T140000Z";
    for more in ["STATUS:CANCELLED", "TRANSP:TRANSPARENT"] {
        assert_eq!(free(&read(&event(&format!("{once}\n{more}"))).unwrap(), AT), Conflict::Free);
    }
}

#[test]
fn what_is_not_understood_is_never_free() {
    for lines in [
        "DTSTART:20260529T130000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY",
        "DTSTART:20260529T130000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO",
        "DTSTART;TZID=Nowhere/Else:20260529T090000\nDURATION:PT1H",
        "DTSTART:20260230T090000\nDURATION:PT1H",
        "DTSTART:20260529T130000Z\nDURATION:P99999999999999999999D",
        "DTSTART:20260601T130000Z\nDTEND:20260529T140000Z",
        "DTEND:20260529T140000Z",
    ] {
        let feed = read(&event(lines)).unwrap();
        assert_eq!((feed.not_understood, free(&feed, AT)), (1, Conflict::Unsure), "{lines}");
    }
}

#[test]
fn damaged_and_oversized_feeds_are_refused() {
    let refused = |bytes: &[u8]| Feed::read(bytes, (0, 1), &Utc, &zones).unwrap_err();
    assert_eq!(refused(b""), FeedError::NotACalendar);
    assert_eq!(refused(b"<html>not a calendar</html>"), FeedError::NotACalendar);
    assert_eq!(refused(&[0xff, 0xfe]), FeedError::NotText);
    assert_eq!(refused(&vec![b'x'; MAX_FEED_BYTES + 1]), FeedError::TooLarge);
    assert_eq!(refused(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n"), FeedError::Damaged);
    assert_eq!(refused(b"BEGIN:VCALENDAR\n"), FeedError::Damaged);
    let deep = format!("BEGIN:VCALENDAR\n{}", "BEGIN:X\n".repeat(1000));
    assert_eq!(refused(deep.as_bytes()), FeedError::Damaged);
    let many = format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", "BEGIN:VEVENT\nEND:VEVENT\n".repeat(MAX_EVENTS + 1));
    assert_eq!(refused(many.as_bytes()), FeedError::TooManyEvents);
}

#[test]
fn a_feed_of_rules_without_end_stays_within_its_budget() {
    // 20,000 series, each counted from 1970: without a budget these are 400 million steps and more.
    let bomb = "BEGIN:VEVENT\nUID:a\nDTSTART:19700101T000000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU,-1MO;COUNT=4000000000\nEND:VEVENT\n";
    let feed = read(&bomb.repeat(MAX_EVENTS)).unwrap();
    assert!(feed.not_understood > 10_000 && free(&feed, AT) != Conflict::Free);
    // One line that never ends, and exceptions without number.
    let long = format!(
        "BEGIN:VEVENT\nDTSTART:20260529T130000Z\nDURATION:PT1H\nATTACH:{}\nEND:VEVENT\n",
        "x".repeat(3_000_000)
    );
    assert_eq!(free(&read(&long).unwrap(), AT), Conflict::Busy);
    let exceptions = format!(
        "DTSTART:20260529T130000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:{}",
        "20260529T130000Z,".repeat(3_000)
    );
    assert_eq!(read(&event(&exceptions)).unwrap().not_understood, 1);
}

#[test]
fn our_own_invitation_is_read_as_the_time_it_is_for() {
    let zone = Zone::named("America/New_York").unwrap();
    let mut schedule = Schedule::new(item(1), "Private call", vec![place("Ours", "America/New_York", "")]);
    let slot = Slot { start_ms: AT, length_min: 20 };
    schedule.offer(item(2), Side::Ours, vec![slot], 1).unwrap();
    schedule.pick(Side::Theirs, 0, 2).unwrap();
    let office = "office.example".parse().unwrap();
    let file = |schedule: &Schedule| {
        invitation(&Invitation { schedule, office: &office, organizer: None, attendees: vec![], zones: vec![&zone] })
            .unwrap()
    };
    let read = |file: &str| Feed::read(file.as_bytes(), (AT - DAY, AT + DAY), &Utc, &zones).unwrap();
    assert_eq!(read(&file(&schedule)).busy, [Busy { start_ms: AT, end_ms: AT + 20 * 60_000 }]);
    schedule.cancel(3).unwrap();
    assert_eq!(read(&file(&schedule)).busy, []);
}

proptest! {
    #[test]
    fn arbitrary_bytes_neither_panic_nor_run_away(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Feed::read(&bytes, (AT - DAY, AT + DAY), &Utc, &zones);
    }

    #[test]
    fn arbitrary_properties_neither_panic_nor_run_away(
        start in "[0-9]{8}(T[0-9]{6}Z?)?",
        rule in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY))?(;(BYDAY|BYMONTHDAY|COUNT|INTERVAL|UNTIL|WKST)=[-0-9MOTUSA,é]{0,12}){0,3}",
        length in "P?[-+]?[0-9]{0,19}[WDTHMS]{0,3}[0-9]{0,4}[HMS]?",
    ) {
        let _ = read(&event(&format!("DTSTART:{start}\nDURATION:{length}\nRRULE:{rule}")));
    }
}
