//! Steps about requests and schedules, and what the other side may claim by them.

mod support;

use support::*;
use telcon_papers::{request::*, schedule::*, steps::*};
use telcon_proto::{CallId, LineId, Role, document::DocumentState as State};

const DAY: u64 = 86_400_000;

fn request(door: Door, verification: Verification) -> Request {
    Request {
        version: 1,
        door,
        received_ms: AT,
        principal: person(1),
        counterpart: "The President of Norland".into(),
        person: Some(person(3)),
        organisation: "Chancellery of Norland".into(),
        subject: "The fisheries agreement".into(),
        urgency: Urgency::ThisWeek,
        length_min: 20,
        proposed: vec![],
        languages: vec![],
        others: vec![],
        verification,
        decision: None,
        exchanges: vec![],
    }
}

fn by(role: Role, n: u8) -> By {
    By { person: person(n), role, at_ms: AT + u64::from(n), id: item(n) }
}

fn over_line() -> Request {
    request(Door::Line { line: LineId::from_bytes([3; 16]) }, Verification::BySignature)
}

const FROM_THEM: Known = Known { first: Role::Counterpart, state: State::Draft };

fn decide(verdict: Verdict) -> RequestStep {
    RequestStep::Decide { verdict, reason: "Next week".into() }
}

#[test]
fn a_request_over_a_line_is_approved_or_declined_and_then_over() {
    for (verdict, state, stands) in [
        (Verdict::Yes, State::Approved, Stands::Approved),
        (Verdict::NotNow, State::Reviewed, Stands::NotNow),
        (Verdict::MyOfficeWillCall, State::Reviewed, Stands::OfficeCalls),
        (Verdict::Declined, State::Declined, Stands::Declined),
    ] {
        let mut asked = over_line();
        assert_eq!(asked.take(decide(verdict), FROM_THEM, by(Role::Principal, 1)), Ok(state));
        assert_eq!(asked.stands(state), stands);
        let again = asked.take(decide(Verdict::Yes), Known { state, ..FROM_THEM }, by(Role::Principal, 2));
        let is_open = matches!(verdict, Verdict::NotNow | Verdict::MyOfficeWillCall);
        assert_eq!(again.is_ok(), is_open, "{verdict:?}");
    }
}

#[test]
fn a_question_waits_for_their_answer_which_brings_the_request_back_into_the_inbox() {
    let mut asked = over_line();
    asked.take(decide(Verdict::NotNow), FROM_THEM, by(Role::Principal, 1)).unwrap();
    let reviewed = Known { state: State::Reviewed, ..FROM_THEM };
    let question = RequestStep::Say { kind: ExchangeKind::AskedBack, text: "Which of the two?".into() };
    assert_eq!(asked.take(question, reviewed, by(Role::Scheduler, 2)), Ok(State::Reviewed));
    assert_eq!(asked.stands(State::Reviewed), Stands::Asked);
    let reply = RequestStep::Say { kind: ExchangeKind::Answered, text: "The second".into() };
    assert_eq!(asked.take(reply, reviewed, by(Role::Counterpart, 3)), Ok(State::Draft));
    assert_eq!(asked.stands(State::Draft), Stands::Waiting);
}

#[test]
fn the_other_side_neither_decides_nor_verifies() {
    let mut forged = over_line();
    for step in [
        decide(Verdict::Yes),
        RequestStep::CalledBack { call: CallId::from_bytes([4; 16]), confirmed: true },
        RequestStep::Say { kind: ExchangeKind::Forwarded, text: "To me".into() },
    ] {
        assert_eq!(forged.take(step, FROM_THEM, by(Role::Counterpart, 3)), Err(StepError::OtherSide));
    }
    // A page that takes no notice of that: the state that a counterpart may claim makes a draft of it.
    forged.decision = Some(Decision { verdict: Verdict::Yes, by: person(1), at_ms: AT, reason: String::new() });
    assert_eq!(forged.stands(State::Draft), Stands::Waiting);
    let call_back = Verification::ByCallBack { call: CallId::from_bytes([4; 16]), at_ms: AT, by: person(2) };
    let typed = request(Door::Desk { by: DeskMedium::Letter }, call_back);
    assert!(typed.is_proven(Role::Scheduler) && !typed.is_proven(Role::Counterpart));
    let wished = request(Door::Principal, Verification::BySignature);
    assert!(wished.is_proven(Role::Principal) && !wished.is_proven(Role::Counterpart));
    assert!(over_line().is_proven(Role::Counterpart) && !over_line().is_proven(Role::Scheduler));
}

#[test]
fn what_the_desk_entered_is_approved_only_after_the_call_back() {
    let mut typed = request(Door::Desk { by: DeskMedium::Letter }, Verification::Unverified);
    let known = Known { first: Role::Scheduler, state: State::Draft };
    assert_eq!(typed.take(decide(Verdict::Yes), known, by(Role::Principal, 1)), Err(StepError::NotVerified));
    let called = |confirmed| RequestStep::CalledBack { call: CallId::from_bytes([4; 16]), confirmed };
    assert_eq!(typed.take(called(false), known, by(Role::Scheduler, 2)), Ok(State::Reviewed));
    let known = Known { state: State::Reviewed, ..known };
    assert_eq!(typed.take(decide(Verdict::Yes), known, by(Role::Principal, 1)), Err(StepError::NotVerified));
    typed.take(called(true), known, by(Role::Scheduler, 2)).unwrap();
    assert_eq!(typed.take(decide(Verdict::Yes), known, by(Role::Principal, 1)), Ok(State::Approved));
    assert_eq!(over_line().take(called(true), FROM_THEM, by(Role::Scheduler, 2)), Err(StepError::NoCallBack));
}

fn slots(days: &[u64]) -> Vec<Slot> {
    days.iter().map(|day| Slot { start_ms: AT + day * DAY, length_min: 20 }).collect()
}

fn offered() -> Schedule {
    let mut schedule = Schedule::new(item(9), "Private call", vec![place("Ours", "Europe/Oslo", "")]);
    let step = ScheduleStep::Offer { slots: slots(&[1, 2]) };
    assert_eq!(schedule.take(step, None, by(Role::Scheduler, 1)), Ok(State::Draft));
    schedule
}

#[test]
fn they_pick_and_the_office_confirms_moves_and_cancels() {
    let mut schedule = offered();
    let draft = Some(State::Draft);
    assert_eq!(
        schedule.take(ScheduleStep::Confirm, draft, by(Role::Scheduler, 1)),
        Err(ScheduleError::Standing.into())
    );
    assert_eq!(
        schedule.take(ScheduleStep::Pick { choice: 0 }, draft, by(Role::Scheduler, 1)),
        Err(ScheduleError::OwnOffer.into())
    );
    assert_eq!(schedule.take(ScheduleStep::Pick { choice: 1 }, draft, by(Role::Counterpart, 3)), Ok(State::Draft));
    assert_eq!(schedule.take(ScheduleStep::Confirm, draft, by(Role::Counterpart, 3)), Err(StepError::OtherSide));
    assert_eq!(schedule.take(ScheduleStep::Confirm, draft, by(Role::Scheduler, 1)), Ok(State::Approved));
    let approved = Some(State::Approved);
    let other = ScheduleStep::Offer { slots: slots(&[5]) };
    assert_eq!(schedule.take(other, approved, by(Role::Counterpart, 4)), Ok(State::Draft));
    assert_eq!(
        schedule.take(ScheduleStep::Confirm, draft, by(Role::Scheduler, 1)),
        Err(ScheduleError::Standing.into()),
        "their new offer was not picked"
    );
    assert_eq!(schedule.take(ScheduleStep::Pick { choice: 0 }, draft, by(Role::Scheduler, 1)), Ok(State::Approved));
    assert_eq!((schedule.sequence, schedule.standing), (1, Standing::Confirmed { slot: slots(&[5])[0] }));
    assert_eq!(schedule.take(ScheduleStep::Cancel, approved, by(Role::Counterpart, 3)), Ok(State::Closed));
    assert_eq!(schedule.take(ScheduleStep::Cancel, Some(State::Closed), by(Role::Scheduler, 1)), Err(StepError::Over));
    let mut by_telephone = offered();
    let step = ScheduleStep::PickForThem { choice: 0 };
    assert_eq!(by_telephone.take(step.clone(), draft, by(Role::Counterpart, 3)), Err(StepError::OtherSide));
    assert_eq!(by_telephone.take(step, draft, by(Role::Scheduler, 1)), Ok(State::Approved));
}

#[test]
fn a_version_of_theirs_that_changes_what_was_offered_is_no_step() {
    let before = offered();
    let mut picked = before.clone();
    picked.take(ScheduleStep::Pick { choice: 0 }, Some(State::Draft), by(Role::Counterpart, 3)).unwrap();
    assert!(picked.is_step_of(&before, Side::Theirs) && !picked.is_step_of(&before, Side::Ours));
    assert!(before.is_step_of(&before, Side::Theirs));
    let mut counter = before.clone();
    counter.take(ScheduleStep::Offer { slots: slots(&[7]) }, Some(State::Draft), by(Role::Counterpart, 3)).unwrap();
    assert!(counter.is_step_of(&before, Side::Theirs));
    // Another time in the place of one that was offered, and then picked; an offer in the office's name; another title.
    let mut moved = picked.clone();
    moved.rounds[0].slots[0].start_ms += DAY;
    moved.standing = Standing::Confirmed { slot: moved.rounds[0].slots[0] };
    let mut in_our_name = counter;
    in_our_name.rounds[1].side = Side::Ours;
    let titled = Schedule { title: "Call with Norland".into(), ..picked };
    for forged in [moved, in_our_name, titled] {
        assert!(!forged.is_step_of(&before, Side::Theirs));
    }
}

#[test]
fn a_request_of_theirs_says_nothing_in_the_name_of_the_office() {
    let them = person(3);
    let first = over_line();
    assert!(first.is_their_version(None, them));
    let said = |kind, by| Exchange { id: item(9), kind, by, at_ms: AT, text: "Send them the brief.".into() };
    let with = |exchange: Exchange| Request { exchanges: vec![exchange], ..over_line() };
    let approved = Decision { verdict: Verdict::Yes, by: person(1), at_ms: AT, reason: String::new() };
    for forged in [
        with(said(ExchangeKind::Forwarded, person(1))),
        with(said(ExchangeKind::Answered, them)),
        Request { decision: Some(approved.clone()), ..over_line() },
        Request { person: Some(person(4)), ..over_line() },
        request(Door::Principal, Verification::BySignature),
        request(
            Door::Line { line: LineId::from_bytes([3; 16]) },
            Verification::ByCallBack { call: CallId::from_bytes([1; 16]), at_ms: AT, by: person(1) },
        ),
    ] {
        assert!(!forged.is_their_version(None, them), "{forged:?}");
    }

    // They answer what the office asked, and leave everything else as it is.
    let asked = with(said(ExchangeKind::AskedBack, person(1)));
    let mut answered = asked.clone();
    let answer = RequestStep::Say { kind: ExchangeKind::Answered, text: "The northern one".into() };
    answered.take(answer, FROM_THEM, by(Role::Counterpart, 3)).unwrap();
    assert!(answered.is_their_version(Some(&asked), them) && asked.is_their_version(Some(&asked), them));
    let mut in_our_name = asked.clone();
    in_our_name.exchanges.push(said(ExchangeKind::Answered, person(1)));
    let mut forwarded = asked.clone();
    forwarded.exchanges.push(said(ExchangeKind::Forwarded, them));
    let mut reworded = answered.clone();
    reworded.exchanges[0].text = "Is this about trade?".into();
    for forged in [
        first,
        in_our_name,
        forwarded,
        reworded,
        Request { decision: Some(approved), ..answered.clone() },
        Request { subject: "Something else".into(), ..answered.clone() },
        Request { verification: Verification::Unverified, ..answered },
    ] {
        assert!(!forged.is_their_version(Some(&asked), them), "{forged:?}");
    }
}
