//! Approval follows a review of the very same content; changes between versions; two people's edits.

mod support;

use support::*;
use telcon_papers::approval::*;
use telcon_papers::changes::{Part, changes, join};
use telcon_papers::debrief::is_due;
use telcon_papers::draft::{Heard, Transcript};
use telcon_papers::marking::Mark;
use telcon_papers::memorandum::*;
use telcon_papers::notes::Notes;
use telcon_papers::parties::{parties, places};
use telcon_proto::document::DocumentState::{self, Approved, Draft, Reviewed};
use telcon_proto::{Card, OfficeName, RecordMode, Role, http::RecordLine};

/// A memorandum without blockers.
fn complete() -> Memorandum {
    let mut memo = draft(&Notes::default(), &transcript());
    memo.subject.mark = Some(Mark::level("U"));
    for turn in &mut memo.turns {
        turn.confirm();
        turn.mark = Some(Mark::level("U"));
    }
    memo.turns[1].mark = Some(Mark::level("C"));
    memo.classification = Some(ClassificationBlock {
        by: "A. Director".into(),
        basis: Basis::Original { reason: "1.4(b)".into() },
        declassify_on: "29 May 2051".into(),
    });
    assert_eq!(memo.blockers(), []);
    memo
}

fn step(version: u32, state: DocumentState, content: &Memorandum) -> Step {
    Step { version, state, content: Some(content.clone()) }
}

#[test]
fn what_was_reviewed_is_approved() {
    let memo = complete();
    let chain = [step(1, Draft, &memo), step(2, Reviewed, &memo), step(3, Approved, &memo)];
    assert_eq!(approvals(&chain), [Approval { version: 3, review: Review::Same }]);
}

#[test]
fn a_mark_lowered_between_review_and_approval_is_found() {
    let memo = complete();
    let mut lowered = memo.clone();
    lowered.turns[1].mark = Some(Mark::level("U"));
    let chain = [step(1, Draft, &memo), step(2, Reviewed, &memo), step(3, Approved, &lowered)];
    let review = Review::Changed { lowered: vec![memo.turns[1].id] };
    assert_eq!(approvals(&chain), [Approval { version: 3, review }]);
    assert_eq!(review_of(&chain[..2], &lowered), Review::Changed { lowered: vec![memo.turns[1].id] });
    let found = changes(&memo, &lowered);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].lowered
            && found[0].part == Part::Turn { id: memo.turns[1].id, speaker: memo.turns[1].speaker.clone() }
    );
}

fn review_of(chain: &[Step], memo: &Memorandum) -> Review {
    review(chain.last(), Some(memo))
}

#[test]
fn a_word_changed_between_review_and_approval_is_found() {
    let memo = complete();
    let mut changed = memo.clone();
    changed.turns[0].rewrite("Something else.");
    assert_eq!(review_of(&[step(1, Reviewed, &memo)], &changed), Review::Changed { lowered: vec![] });
}

#[test]
fn an_approval_without_a_review_of_its_own_is_none() {
    let memo = complete();
    assert_eq!(review_of(&[step(1, Draft, &memo)], &memo), Review::Missing);
    assert_eq!(review_of(&[], &memo), Review::Missing);
    // A review of an earlier version does not cover a later one: not one further back, and not with a gap between.
    let back = [step(1, Reviewed, &memo), step(2, Draft, &memo), step(3, Approved, &memo)];
    assert_eq!(approvals(&back), [Approval { version: 3, review: Review::Missing }]);
    let gap = [step(1, Reviewed, &memo), step(3, Approved, &memo)];
    assert_eq!(approvals(&gap), [Approval { version: 3, review: Review::Missing }]);
}

#[test]
fn an_approved_memorandum_is_complete_and_an_unread_review_proves_nothing() {
    let mut memo = complete();
    let sealed = Step { version: 1, state: Reviewed, content: None };
    assert_eq!(review(Some(&sealed), Some(&memo)), Review::Unknown);
    memo.turns[0].mark = None;
    assert_eq!(review_of(&[step(1, Reviewed, &memo)], &memo), Review::Incomplete);
}

#[test]
fn a_draft_warns_thirty_days_before_its_end() {
    const DAY: u64 = 86_400_000;
    let memo = complete();
    let age = |days: u64| assess(&memo, memo.drafted_ms + days * DAY).age;
    assert_eq!([age(0), age(149)], [DraftAge::Young; 2]);
    assert_eq!([age(150), age(179)], [DraftAge::Ending { days: 30 }, DraftAge::Ending { days: 1 }]);
    assert_eq!([age(180), age(400)], [DraftAge::Over; 2]);
    let left = destroyed(&memo);
    assert!(left.turns.is_empty() && left.subject.text.is_empty() && left.call == memo.call);
}

#[test]
fn what_differs_is_shown_between_the_words_that_do_not() {
    let memo = complete();
    let mut later = memo.clone();
    later.turns[0].rewrite("one two three four");
    let mut last = memo.clone();
    last.turns[0].rewrite("one two five four");
    let found = changes(&later, &last);
    let (before, after) = (found[0].before.as_ref().unwrap(), found[0].after.as_ref().unwrap());
    assert_eq!([&*before.same_before, &before.differs, &before.same_after], ["one two", "three", "four"]);
    assert_eq!(after.differs, "five");
    assert_eq!(changes(&memo, &memo), []);
}

#[test]
fn edits_of_two_people_are_joined_and_what_both_changed_is_named() {
    let base = complete();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.turns[0].rewrite("Ours.");
    theirs.turns[1].rewrite("Theirs.");
    theirs.subject.text = "Fisheries".into();
    let joined = join(&base, &ours, &theirs);
    assert_eq!(joined.both, []);
    assert_eq!([joined.memo.turns[0].text(), joined.memo.turns[1].text()], ["Ours.", "Theirs."]);
    assert_eq!(joined.memo.subject.text, "Fisheries");
    theirs.turns[0].rewrite("Theirs, too.");
    let joined = join(&base, &ours, &theirs);
    assert_eq!(joined.both.len(), 1);
    assert_eq!(joined.memo.turns[0].text(), "Ours.");
    // What they removed is gone, unless it was changed here.
    theirs.turns.remove(0);
    let joined = join(&base, &ours, &theirs);
    assert_eq!((joined.memo.turns[0].text(), joined.both.len()), ("Ours.".to_owned(), 1));
}

fn card(n: u8, role: Role, zone: &str) -> Card {
    Card {
        person: person(n),
        office: OfficeName::parse("office.example").unwrap(),
        name: format!("Person {n}"),
        organisation: "Office".into(),
        role,
        zone: zone.into(),
        place: false,
    }
}

fn line() -> RecordLine {
    RecordLine {
        call: call(),
        from: card(1, Role::Principal, "America/New_York"),
        to: card(2, Role::Counterpart, "Europe/Helsinki"),
        mode: RecordMode::LogOnly,
        opened_ms: AT,
        answered_ms: Some(AT + 9_000),
        ended_ms: Some(AT + 60_000),
        how: None,
        records: 0,
        partial: false,
        missing: false,
        on_behalf_of: None,
        answered_by: None,
    }
}

#[test]
fn people_of_a_call_come_from_its_record() {
    let aide = card(3, Role::DutyOfficer, "America/New_York");
    let other = card(4, Role::DutyOfficer, "America/New_York");
    let people = [
        aide.clone(),
        other,
        line().to,
        line().from,
        card(5, Role::Interpreter, "UTC"),
        card(6, Role::NoteTaker, "UTC"),
    ];
    let found = parties(&line(), &people, &[aide.person].into());
    let names = |list: &[Attendee]| list.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found.participants), ["Person 1", "Person 2"]);
    assert_eq!(names(&found.interpreters), ["Person 5"]);
    assert_eq!(names(&found.note_takers), ["Person 3", "Person 6"]);
    assert_eq!(names(&found.listeners), ["Person 4"]);
    assert!(found.participants.iter().all(|one| one.source == AttendeeSource::Call));
    // An aide who answered for the principal spoke.
    let answered = RecordLine { answered_by: Some(aide), ..line() };
    assert!(names(&parties(&answered, &people, &Default::default()).participants).contains(&"Person 3".to_owned()));
    assert_eq!(places(&line(), &person(2))[0].zone, "Europe/Helsinki");
    assert_eq!(places(&line(), &person(9))[0].zone, "America/New_York");
}

#[test]
fn a_debrief_is_due_of_a_call_that_left_nothing() {
    assert!(is_due(&line(), false) && !is_due(&line(), true));
    let not_answered = RecordLine { answered_ms: None, ..line() };
    let goes_on = RecordLine { ended_ms: None, ..line() };
    let sealed = RecordLine { mode: RecordMode::Memo, records: 1, ..line() };
    let missing = RecordLine { mode: RecordMode::Memo, missing: true, ..line() };
    assert!(![not_answered, goes_on, sealed].iter().any(|line| is_due(line, false)));
    assert!(is_due(&missing, false));
}

#[test]
fn captions_become_a_transcript_of_the_call() {
    let heard =
        |start_ms: u64, text: &str| Heard { start_ms, speaker: "a".into(), name: "A".into(), text: text.into() };
    let transcript = Transcript::of_captions(&[heard(AT + 1_000, "Good [morning?]"), heard(AT - 5, "Early")], AT);
    assert_eq!((transcript.segments[0].start_ms, transcript.segments[1].start_ms), (1_000, 0));
    assert!(transcript.segments[0].end_ms > 1_000);
}
