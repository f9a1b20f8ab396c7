//! Requests, schedules, briefs, profiles, debriefs, circulation and readouts.

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use support::*;
use telcon_papers::Content;
use telcon_papers::action::*;
use telcon_papers::brief::*;
use telcon_papers::circulation::copy_sheet;
use telcon_papers::circulation::*;
use telcon_papers::debrief::*;
use telcon_papers::notes::Notes;
use telcon_papers::profile::*;
use telcon_papers::readout::*;
use telcon_papers::request::*;
use telcon_papers::schedule::*;
use telcon_papers::trace::{Lines, Material, trace};
use telcon_proto::{Digest, LineId};

const DAY: u64 = 86_400_000;

fn request() -> Request {
    Request {
        version: 1,
        door: Door::Line { line: LineId::from_bytes([3; 16]) },
        received_ms: AT,
        principal: person(1),
        counterpart: "The President of Norland".into(),
        person: None,
        organisation: "Office of the President".into(),
        subject: "The fisheries agreement".into(),
        urgency: Urgency::ThisWeek,
        length_min: 20,
        proposed: vec![Slot { start_ms: AT + DAY, length_min: 20 }],
        languages: vec!["en".into(), "nb-NO".into()],
        others: vec!["The minister".into()],
        verification: Verification::BySignature,
        decision: None,
        exchanges: vec![],
    }
}

fn round_trip<C: Content + PartialEq + std::fmt::Debug>(content: &C) {
    let json = content.to_json().unwrap();
    assert_eq!(&C::from_json(&json).unwrap(), content);
    let text = String::from_utf8(json).unwrap();
    assert!(C::from_json(text.replacen('{', "{\"more\":1,", 1).as_bytes()).is_err(), "unknown fields are refused");
    assert!(
        C::from_json(text.replacen("\"version\":1", "\"version\":9", 1).as_bytes()).is_err(),
        "newer versions are refused"
    );
}

fn action(id: u8, side: Side, what: &str) -> Action {
    Action {
        version: 1,
        id: item(id),
        call: Some(call()),
        side,
        who: "Their minister".into(),
        person: None,
        what: what.into(),
        due_ms: Some(AT + DAY),
        remind_ms: None,
        state: ActionState::Open,
    }
}

#[test]
fn what_a_desk_typed_is_verified_by_a_call_back_only() {
    let mut typed = request();
    round_trip(&typed);
    typed.door = Door::Desk { by: DeskMedium::Letter };
    assert!(typed.to_json().is_err(), "a letter carries no device's signature");
    typed.verification = Verification::Unverified;
    assert!(!typed.verification.is_verified());
    round_trip(&typed);
    typed.verification = Verification::ByCallBack { call: call(), at_ms: AT, by: person(2) };
    assert!(typed.verification.is_verified());
    round_trip(&typed);
    typed.verification = Verification::Denied { call: call(), at_ms: AT, by: person(2) };
    assert!(!typed.verification.is_verified());
}

#[test]
fn a_refusal_needs_a_reason_and_the_same_wish_is_recognised() {
    let mut refused = request();
    refused.decision = Some(Decision { verdict: Verdict::Declined, by: person(1), at_ms: AT, reason: " ".into() });
    assert!(refused.to_json().is_err());
    let mut letter = request();
    letter.door = Door::Desk { by: DeskMedium::Letter };
    letter.subject = "Fisheries, and the new agreement".into();
    assert!(request().resembles(&letter) && letter.resembles(&request()));
    letter.subject = "Visit of the opera".into();
    assert!(!request().resembles(&letter));
    letter.subject = request().subject;
    letter.received_ms += 30 * DAY;
    assert!(!request().resembles(&letter));
    for bad in ["", "e", "en_GB", "en-", "english language", "é"] {
        assert!(Request { languages: vec![bad.into()], ..request() }.to_json().is_err(), "{bad}");
    }
}

#[test]
fn a_schedule_goes_from_offers_to_confirmed_moved_and_cancelled() {
    let slot = |day: u64| Slot { start_ms: AT + day * DAY, length_min: 20 };
    let mut schedule = Schedule::new(item(9), "Private call", vec![place("Ours", "Europe/Oslo", "")]);
    assert_eq!(schedule.offer(item(1), Side::Ours, vec![slot(1); 6], AT), Err(ScheduleError::TooMany));
    schedule.offer(item(1), Side::Ours, vec![slot(1), slot(2)], AT).unwrap();
    assert_eq!(schedule.pick(Side::Ours, 0, AT), Err(ScheduleError::OwnOffer));
    assert_eq!(schedule.pick(Side::Theirs, 2, AT), Err(ScheduleError::NotOffered));
    assert_eq!(schedule.cancel(AT), Err(ScheduleError::Standing));
    // They propose another time instead.
    schedule.offer(item(2), Side::Theirs, vec![slot(3)], AT + 1).unwrap();
    assert_eq!(schedule.pick(Side::Ours, 0, AT + 2), Ok(slot(3)));
    assert_eq!(schedule.pick(Side::Ours, 0, AT + 2), Err(ScheduleError::Standing), "once");
    assert_eq!((schedule.sequence, schedule.standing), (0, Standing::Confirmed { slot: slot(3) }));
    schedule.offer(item(3), Side::Ours, vec![slot(4)], AT + 3).unwrap();
    assert_eq!(schedule.standing, Standing::Confirmed { slot: slot(3) }, "until they pick");
    schedule.pick(Side::Theirs, 0, AT + 4).unwrap();
    assert_eq!(schedule.sequence, 1);
    schedule.cancel(AT + 5).unwrap();
    assert_eq!((schedule.sequence, schedule.standing), (2, Standing::Cancelled { slot: slot(4) }));
    assert_eq!(schedule.offer(item(4), Side::Ours, vec![slot(5)], AT), Err(ScheduleError::Standing));
    round_trip(&schedule);
    // A standing that nobody picked is refused.
    schedule.standing = Standing::Confirmed { slot: slot(7) };
    assert!(schedule.to_json().is_err());
}

fn brief() -> Brief {
    let point = |id: u8, when: When, text: &str| Point { id: item(id), when, text: text.into() };
    Brief {
        version: 1,
        template: String::new(),
        counterpart: "The Prime Minister of Estmark".into(),
        purpose: "Close nine of eleven points.".into(),
        they_want: vec!["A date.".into()],
        we_want: vec!["Joint patrols.".into()],
        points: vec![
            point(1, When::Say, "Offer joint patrols."),
            point(2, When::IfAsked, "Three years."),
            point(3, When::Avoid, "Harbour fees."),
        ],
        ticks: BTreeMap::new(),
        background: vec![],
        promised: vec![],
        limits: vec!["No date before June.".into()],
        comments: vec![],
    }
}

#[test]
fn points_are_ticked_once_and_what_was_not_said_is_known() {
    let mut brief = brief();
    assert_eq!(brief.unsaid().count(), 1);
    assert!(brief.tick(item(1), AT) && brief.tick(item(1), AT + 5) && !brief.tick(item(8), AT));
    assert_eq!((brief.ticks[&item(1)], brief.unsaid().count()), (AT, 0));
    round_trip(&brief);
    brief.ticks.insert(item(8), AT);
    assert!(brief.to_json().is_err(), "a tick of no point");
}

#[test]
fn what_was_promised_is_in_the_next_brief_by_itself() {
    let mut profile = Profile {
        version: 1,
        name: "The Prime Minister of Estmark".into(),
        name_to_use: "Ingrid".into(),
        languages: vec!["en".into()],
        background: vec!["Prefers numbers in Norlandic.".into()],
        calls: vec![],
        promises: vec![],
    };
    let past = PastCall { call: call(), at_ms: AT, subject: "Quota".into() };
    profile.add_call(
        past.clone(),
        &[action(1, Side::Theirs, "List of inspectors"), action(2, Side::Ours, "Answer on the quota")],
    );
    // Again, after the memorandum was corrected: the same call and the same promises.
    let done = Action { state: ActionState::Done, ..action(2, Side::Ours, "Answer on the quota") };
    profile.add_call(past, &[done]);
    assert_eq!((profile.calls.len(), profile.promises.len()), (1, 2));
    let mut next = Brief::from_template("usual", &brief(), "The Prime Minister of Estmark", || item(40));
    profile.fill(&mut next);
    profile.fill(&mut next);
    assert_eq!(next.promised, ["Their minister: List of inspectors"]);
    assert_eq!(next.background.len(), 3);
    round_trip(&profile);
    assert_eq!(action(1, Side::Theirs, "x").due(AT + 3 * DAY), Due::Overdue(2 * DAY));
}

#[test]
fn the_law_s_twenty_days_count_from_the_call() {
    let outside = OutsideCall {
        at_ms: AT,
        within_min: 30,
        length_min: Some(10),
        over: "my own telephone".into(),
        with: vec!["The President of Norland".into()],
        reported_ms: AT + 19 * DAY,
    };
    assert_eq!(outside.countdown(None, AT + 19 * DAY), Countdown::DaysLeft { days: 1 });
    assert_eq!(outside.countdown(None, AT + 20 * DAY), Countdown::DaysLeft { days: 0 });
    assert_eq!(outside.countdown(None, AT + 20 * DAY + 1), Countdown::Overdue { days: 0 });
    assert_eq!(outside.countdown(Some(AT + 20 * DAY), AT + 90 * DAY), Countdown::Met);
    assert_eq!(outside.countdown(Some(AT + 25 * DAY), AT + 90 * DAY), Countdown::Late { days: 5 });
    let mut debrief = Debrief {
        version: 1,
        call: DebriefOf::Outside(outside.clone()),
        by: person(1),
        source: DebriefSource::Spoken,
        at_ms: AT + 19 * DAY,
        remembered: vec!["We spoke of the boundary.".into()],
        actions: vec![action(1, Side::Theirs, "List of inspectors")],
    };
    round_trip(&debrief);
    debrief.call = DebriefOf::Outside(OutsideCall { at_ms: AT + 30 * DAY, ..outside });
    assert!(debrief.to_json().is_err(), "a call of the future");
}

fn circulation(portions: u8, wordings: usize) -> Circulation {
    let alternatives = (0..portions).map(|portion| Alternatives {
        portion: item(portion),
        wordings: (0..wordings).map(|wording| format!("Wording {wording}.")).collect(),
    });
    Circulation {
        version: 1,
        memorandum: Digest::from_bytes([1; 32]),
        memorandum_version: 3,
        group: String::new(),
        policy: POLICY.into(),
        alternatives: alternatives.collect(),
        copies: vec![],
    }
}

fn reader(n: u8) -> Reader {
    Reader { person: person(n), name: format!("Reader {n}"), printing: Printing::Marked, expires_ms: Some(AT) }
}

proptest! {
    #[test]
    fn copies_differ_from_each_other_and_from_the_record_copy(seed in any::<[u8; 32]>()) {
        let mut circulation = circulation(10, 3);
        for n in 1..=8 {
            let mut random = seed;
            random[0] = random[0].wrapping_add(n);
            circulation.add(reader(n), random);
        }
        circulation.check().unwrap();
        let record = vec![0u8; 10];
        let all: Vec<&Vec<u8>> = circulation.copies.iter().map(|copy| &copy.choices).chain([&record]).collect();
        for (at, a) in all.iter().enumerate() {
            for b in &all[..at] {
                let distance = a.iter().zip(b.iter()).filter(|(a, b)| a != b).count();
                prop_assert!(distance >= 3, "{a:?} and {b:?}");
            }
        }
        let keys: Vec<_> = circulation.copies.iter().map(|copy| (0..6).map(|p| copy.layout_key.marks(item(p)).narrower).collect::<Vec<_>>()).collect();
        prop_assert!(keys[0] != keys[1] || keys[1] != keys[2]);
    }
}

#[test]
fn a_circulation_is_of_its_memorandum_and_copies_end() {
    let memo = draft(&Notes::default(), &transcript());
    let mut circulation = circulation(0, 0);
    let turn = &memo.turns[1];
    circulation
        .alternatives
        .push(Alternatives { portion: turn.id, wordings: vec![turn.text(), "Are joint patrols acceptable?".into()] });
    circulation.fits(&memo).unwrap();
    circulation.add(reader(1), [1; 32]);
    let copy = circulation.add(reader(2), [2; 32]).clone();
    assert_eq!(copy.number, 2);
    assert!(copy.is_open(AT - 1) && !copy.is_open(AT));
    let wording = circulation.wording(&copy, turn.id).unwrap();
    assert!(circulation.alternatives[0].wordings.iter().any(|known| known == wording));
    assert_eq!(circulation.wording(&copy, item(77)), None);
    round_trip(&circulation);
    assert!(format!("{copy:?}").contains("LayoutKey(…)"), "the key is never formatted");
    let mut last = circulation.clone();
    last.copies[0].number = u32::MAX;
    assert!(last.check().is_err(), "no number could follow");
    // A copy has its reader's number and wording, and can be traced by it.
    let sheet = copy_sheet(&memo, &colophon(), (&circulation, &copy), 0);
    let text = telcon_papers::plain::text(&sheet);
    assert!(text.contains("Copy 2") && text.contains(wording) && copy.choices == [1], "not the record copy's: {text}");
    let found = trace(&Material::of(&circulation, &memo, |_| vec![]), &text, Lines::Reflowed);
    assert!(found.telling == 1 && (found.fits[0].chance - 0.5).abs() < 1e-9, "{found:?}");
    // The author changed the memorandum: the first wording is no longer its own.
    circulation.alternatives[0].wordings[0] = "Something else.".into();
    assert!(circulation.fits(&memo).is_err());
}

#[test]
fn a_readout_is_a_page_without_anything_active_and_bytes_to_sign() {
    let mut readout = Readout {
        version: 1,
        kind: ReadoutType::TelconReadout,
        id: item(1),
        office: "office.example".parse().unwrap(),
        published_ms: AT,
        language: "en".into(),
        title: "Call with <script>alert(1)</script> \"Estmark\"".into(),
        says: Says::Text { paragraphs: vec!["They discussed fisheries & agreed.".into(), "محمد".into()] },
        corrects: None,
    };
    round_trip(&readout);
    assert_eq!(readout.payload().unwrap(), readout.payload().unwrap());
    let page = readout.html("readout.jws", Some(1204));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("fisheries &amp; agreed"));
    assert!(page.contains("href=\"readout.jws\"") && page.contains("entry 1204") && page.contains("29 May 2026"));
    let first = readout.clone();
    readout.corrects = Some(Corrects { id: item(1), digest: Digest::from_bytes([2; 32]) });
    assert!(readout.to_json().is_err(), "nothing corrects itself");
    readout.id = item(2);
    readout.says = Says::NoComment;
    assert!(readout.html("x", None).contains("no comment") && readout.html("x", None).contains("corrects an earlier"));
    let enquiry = |id: u8, answered_ms| Enquiry {
        id: item(id),
        from: "A paper".into(),
        at_ms: AT,
        question: "Did they speak?".into(),
        answered_ms,
    };
    let mut file = ReadoutFile {
        version: 1,
        title: "Call with Norland".into(),
        draft: None,
        shown_to_them: None,
        approved: None,
        published: vec![first, readout],
        enquiries: vec![enquiry(1, Some(AT)), enquiry(2, None)],
    };
    round_trip(&file);
    assert_eq!(file.unanswered().iter().map(|enquiry| enquiry.id).collect::<Vec<_>>(), [item(2)]);
    file.published.swap(0, 1);
    assert!(file.to_json().is_err(), "a correction of what was not published");
}

#[test]
fn a_request_is_theirs_if_the_holder_of_its_line_signed_it() {
    let request = request();
    let holder = |line| (line == LineId::from_bytes([3; 16])).then(|| person(9));
    assert_eq!(request.verified_by(person(9), holder), Verification::BySignature);
    assert_eq!(request.verified_by(person(8), holder), Verification::Unverified);
    assert_eq!(request.verified_by(person(9), |_| None), Verification::Unverified, "the line is not in use");
    let typed = Request { door: Door::Desk { by: DeskMedium::Letter }, ..request.clone() };
    assert_eq!(typed.verified_by(person(9), holder), Verification::Unverified);
    let own = Request { door: Door::Principal, ..request };
    assert_eq!(own.verified_by(own.principal, holder), Verification::BySignature);
}

#[test]
fn the_other_side_changes_its_own_part_of_a_schedule_alone() {
    let slot = |day: u64| Slot { start_ms: AT + day * DAY, length_min: 20 };
    let mut offered = Schedule::new(item(5), "Private call", vec![place("The President", "America/New_York", "")]);
    offered.offer(item(1), Side::Ours, vec![slot(1), slot(2)], AT).unwrap();
    let change = |act: &dyn Fn(&mut Schedule)| {
        let mut next = offered.clone();
        act(&mut next);
        (next.may_follow(&offered, Side::Theirs), next.may_follow(&offered, Side::Ours))
    };
    let offer = |side| move |next: &mut Schedule| next.offer(item(2), side, vec![slot(3)], AT + 1).unwrap();
    assert_eq!(change(&|next| assert!(next.pick(Side::Theirs, 1, AT + 1).is_ok())), (true, true));
    assert_eq!(change(&offer(Side::Theirs)), (true, true));
    let forged: [&dyn Fn(&mut Schedule); 5] = [
        &|next| next.title = "Surrender".into(),
        &|next| next.rounds[0].slots[0] = slot(4),
        &|next| next.rounds.clear(),
        &offer(Side::Ours),
        &|next| next.standing = Standing::Confirmed { slot: slot(2) },
    ];
    for (number, forge) in forged.into_iter().enumerate() {
        assert!(!change(forge).0, "{number}");
    }
    assert!(!change(&|next| next.uid = item(6)).1, "another event");
}

#[test]
fn an_issued_copy_has_its_own_wordings_and_nobody_else_s() {
    let mut memo = draft(&Notes::default(), &transcript());
    let text = "Between ourselves".into();
    memo.comments.push(Comment { id: item(1), about: None, by: person(1), at_ms: AT, text, settled_by: None });
    let alternatives = memo.turns.iter().map(|turn| Alternatives {
        portion: turn.id,
        wordings: vec![turn.text(), format!("Other words of {}", turn.id.to_hex())],
    });
    let mut circulation = Circulation { alternatives: alternatives.collect(), ..circulation(0, 2) };
    for n in 1..=3 {
        circulation.add(reader(n), [n; 32]);
    }
    circulation.fits(&memo).unwrap();
    let issued: Vec<_> = circulation.issue(&memo, &colophon()).collect();
    assert_eq!(issued.len(), 3);
    for (copy, issued) in circulation.copies.iter().zip(&issued) {
        round_trip(issued);
        assert_eq!((issued.copy.number, issued.copy.reader), (copy.number, copy.reader));
        // As the author's device lays it out.
        assert_eq!(issued.sheet(0), copy_sheet(&memo, &colophon(), (&circulation, copy), 0));
        assert!(issued.memorandum.comments.is_empty());
        let json = String::from_utf8(issued.to_json().unwrap()).unwrap();
        for (alternatives, choice) in circulation.alternatives.iter().zip(&copy.choices) {
            assert_eq!(json.contains(&alternatives.wordings[1]), *choice == 1);
        }
    }
}
