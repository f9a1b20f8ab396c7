//! The memorandum: its first draft, what stops its approval, and its exports as text.

mod support;

use support::*;
use telcon_papers::Content;
use telcon_papers::action::Side;
use telcon_papers::brief::Comment;
use telcon_papers::draft::{Transcript, runs};
use telcon_papers::marking::Mark;
use telcon_papers::memorandum::*;
use telcon_papers::notes::{Draft, NoteMark, Notes};
use telcon_papers::plain::{sheet, text};

fn notes() -> Notes {
    let mut notes = Notes::default();
    let mut write = |id: u8, at_ms: u64, speaker: &str, text: &str, kind: NoteMark| {
        notes.write(item(id), Draft { at_ms, speaker: speaker.into(), text: text.into(), kind }, device(1), person(1));
    };
    write(1, 12_000, "Prime Minister", "Joint patrols for three years.", NoteMark::Decision);
    let who = "Their minister".to_owned();
    write(
        2,
        15_000,
        "",
        "List of inspectors.",
        NoteMark::Action { side: Side::Theirs, who, until_ms: Some(AT + 14 * 86_400_000) },
    );
    write(3, 15_500, "Prime Minister", "Announce it together.", NoteMark::Sensitive);
    write(4, 16_000, "Prime Minister", "Perhaps in the spring.", NoteMark::Quote);
    write(5, 17_000, "", "A plain remark.", NoteMark::Plain);
    notes
}

/// A memorandum that everybody did their part of.
fn finished() -> Memorandum {
    let mut memo = draft(&notes(), &transcript());
    memo.subject.mark = Some(Mark::level("U"));
    for turn in &mut memo.turns {
        turn.confirm();
        turn.mark = Some(Mark::level("U"));
    }
    memo.turns[2].mark = Some(Mark::level("C"));
    memo.decisions[0].mark = Some(Mark::level("C"));
    memo.actions_mark = Some(Mark::level("U"));
    memo.classification = Some(ClassificationBlock {
        by: "A. Director, Senior Director for Europe".into(),
        basis: Basis::Original { reason: "1.4(b)".into() },
        declassify_on: "29 May 2051".into(),
    });
    memo
}

#[test]
fn a_draft_has_turns_times_and_uncertain_words_and_decides_nothing() {
    let memo = draft(&notes(), &transcript());
    let turns: Vec<(u64, &str, String)> = memo.turns.iter().map(|t| (t.at_ms, t.speaker.as_str(), t.text())).collect();
    // The first two segments are one turn; the quote that a person wrote is a turn of its own.
    assert_eq!(turns.len(), 5, "{turns:?}");
    assert!(turns[0].2.starts_with("It is good") && turns[0].2.ends_with("vessels."));
    assert_eq!(turns[3].2, "Perhaps in the spring.");
    assert!(turns[4].2.starts_with("[inaudible, 2 s] and thank"));
    let kinds: Vec<RunKind> = memo.turns[0].runs.iter().map(|run| run.kind).collect();
    assert_eq!(kinds, [RunKind::Plain, RunKind::Uncertain]);
    assert!(memo.turns.iter().all(|turn| turn.mark.is_none()) && memo.banner().is_none());
    assert!(memo.turns.iter().all(|turn| turn.confirmed == (turn.origin == Origin::Person)));
    assert!(memo.turns[2].sensitive, "the note marked what the Prime Minister had just said");
    assert_eq!((memo.decisions.len(), memo.actions.len()), (1, 1));
    let times: Vec<String> = memo.times.iter().map(PlaceTime::line).collect();
    assert_eq!(times, ["29 May 2026, 09:28–09:40 EDT, Oval Office", "29 May 2026, 16:28–16:40 EEST"]);
    // The same input gives the same draft.
    assert_eq!(memo.to_json().unwrap(), draft(&notes(), &transcript()).to_json().unwrap());
}

#[test]
fn without_a_transcript_the_notes_are_the_turns() {
    let memo = draft(&notes(), &Transcript::default());
    assert_eq!(memo.turns.len(), 5);
    assert!(memo.turns.iter().all(|turn| turn.origin == Origin::Person && turn.confirmed));
}

#[test]
fn an_unmarked_portion_stops_approval() {
    let memo = finished();
    assert_eq!(memo.blockers(), []);
    assert_eq!(memo.banner().unwrap().text, "CONFIDENTIAL");
    let id = memo.turns[1].id;
    let mut unmarked = memo.clone();
    unmarked.turns[1].mark = None;
    assert_eq!(unmarked.blockers(), [Blocker::TurnUnmarked(id)]);
    unmarked.turns[1].mark = Some(Mark::level("NS"));
    assert_eq!(unmarked.blockers(), [Blocker::MarkUnknown { turn: Some(id), mark: "(NS)".into() }]);
}

#[test]
fn every_other_blocker_is_found() {
    let edit = |edit: &dyn Fn(&mut Memorandum)| {
        let mut memo = finished();
        edit(&mut memo);
        memo.blockers()
    };
    assert_eq!(edit(&|memo| memo.subject.mark = None), [Blocker::SubjectUnmarked]);
    assert_eq!(edit(&|memo| memo.decisions[0].mark = None), [Blocker::DecisionUnmarked(0)]);
    assert_eq!(edit(&|memo| memo.actions_mark = None), [Blocker::ActionsUnmarked]);
    assert_eq!(edit(&|memo| memo.classification = None), [Blocker::NoClassificationBlock]);
    assert_eq!(edit(&|memo| memo.participants.clear()), [Blocker::NoParticipants]);
    assert_eq!(edit(&|memo| memo.times.clear()), [Blocker::NoTimes]);
    let comment =
        Comment { id: item(9), about: None, by: person(1), at_ms: AT, text: "Check.".into(), settled_by: None };
    assert_eq!(edit(&|memo| memo.comments = vec![comment.clone()]), [Blocker::CommentOpen(item(9))]);
    let machine = finished().turns.iter().position(|turn| turn.origin == Origin::Machine).unwrap();
    let id = finished().turns[machine].id;
    assert_eq!(edit(&|memo| memo.turns[machine].confirmed = false), [Blocker::Unconfirmed(id)]);
}

#[test]
fn a_portion_whose_mark_was_lowered_between_review_and_approval_is_named() {
    let reviewed = finished();
    let mut later = reviewed.clone();
    later.turns[2].mark = Some(Mark::level("U"));
    assert_eq!(reviewed.lowered(&later), [reviewed.turns[2].id]);
    // Turning the words into two turns, or dropping the turn, does not hide it.
    later.turns.remove(2);
    assert_eq!(reviewed.lowered(&later), [reviewed.turns[2].id]);
    let mut caveat = reviewed.clone();
    caveat.turns[1].mark.as_mut().unwrap().caveats.insert("NF".into());
    assert_eq!(caveat.lowered(&reviewed), [reviewed.turns[1].id]);
    assert_eq!(reviewed.lowered(&caveat), []);
    let mut other = reviewed.clone();
    other.scheme = telcon_papers::marking::Scheme::named("uk").unwrap();
    assert_eq!(reviewed.lowered(&other).len(), reviewed.turns.len(), "levels of two schemes cannot be compared");
}

#[test]
fn the_banner_of_a_partly_marked_draft_says_that_it_may_rise() {
    let banner = |memo: &Memorandum| telcon_papers::plain::sheet(memo, &colophon(), None, 0, &|_| None).banner;
    let mut memo = finished();
    let whole = banner(&memo);
    assert!(!whole.contains("NOT YET"), "{whole}");
    for mark in [None, Some(Mark::level("NS"))] {
        memo.turns[2].mark = mark;
        assert!(banner(&memo).ends_with(" (NOT YET FULLY MARKED)"), "{}", banner(&memo));
    }
    assert_eq!(banner(&draft(&Notes::default(), &transcript())), "NOT YET MARKED");
}

#[test]
fn words_in_brackets_are_read_as_the_transcript_means_them() {
    let kinds = |text: &str| runs(text).into_iter().map(|run| (run.kind, run.text)).collect::<Vec<_>>();
    let plain = |text: &str| (RunKind::Plain, text.to_owned());
    let unsure = |text: &str| (RunKind::Uncertain, text.to_owned());
    assert_eq!(kinds("a [b?] [c?], d"), [plain("a"), unsure("b c,"), plain("d")]);
    assert_eq!(kinds("[inaudible]"), [(RunKind::Remark, "inaudible".to_owned())]);
    assert_eq!(kinds("open [bracket"), [plain("open [bracket")]);
    assert_eq!(kinds(" [] [?] "), []);
}

#[test]
fn plain_text_has_everything_in_order_and_the_banner_at_both_ends() {
    let memo = finished();
    let shown = text(&sheet(&memo, &colophon(), Some(3), -4 * 3600, &|_| None));
    assert!(shown.starts_with("CONFIDENTIAL\n") && shown.ends_with("CONFIDENTIAL\n"));
    let mut at = 0;
    for expected in [
        "OFFICE OF THE PRESIDENT",
        "MEMORANDUM OF TELEPHONE CONVERSATION",
        "SUBJECT: (U) Call with",
        "PARTICIPANTS: The President;",
        "INTERPRETERS:",
        "NOTE-TAKERS:",
        "09:28–09:40 EDT",
        "(U) 09:28:01 Prime Minister:",
        "(C) 09:28:10",
        "DECISIONS",
        "(C) Joint patrols",
        "ACTIONS",
        "Their minister: List of inspectors., by 12 June 2026",
        "CAUTION",
        "Declassify on: 29 May 2051",
        "log entry 1204",
        "Copy 3",
    ] {
        let found = shown[at..].find(expected);
        at += found.unwrap_or_else(|| panic!("{expected} is missing or out of order in:\n{shown}"));
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn hostile_names_do_not_act_on_the_text() {
    let mut memo = finished();
    memo.participants[0].name = "A\u{202e}evil\u{1b}[2J".into();
    memo.turns[0].runs[0].text = "x\nDECLASSIFIED".into();
    let shown = text(&sheet(&memo, &colophon(), None, 0, &|_| None));
    assert!(!shown.contains(['\u{202e}', '\u{1b}']) && !shown.contains("\nDECLASSIFIED"));
}

#[test]
fn limits_and_unknown_fields_are_refused() {
    let memo = finished();
    let json = String::from_utf8(memo.to_json().unwrap()).unwrap();
    assert_eq!(Memorandum::from_json(json.as_bytes()).unwrap(), memo);
    let more = json.replacen('{', "{\"approved\":true,", 1);
    assert!(Memorandum::from_json(more.as_bytes()).is_err());
    let newer = json.replacen("\"version\":1", "\"version\":2", 1);
    let error = Memorandum::from_json(newer.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    let mut long = memo.clone();
    long.turns[0].runs[0].text = "x".repeat(100_000);
    assert!(long.to_json().is_err());
    let mut twice = memo;
    twice.turns[1].id = twice.turns[0].id;
    assert!(twice.to_json().is_err());
}
