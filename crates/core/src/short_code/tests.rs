//! What honest devices do with a code.

use super::*;
use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use telcon_proto::{
    CodeRunId,
    limits::{MAX_CODE_MESSAGE_BYTES, MAX_CODE_RUNS, MAX_CODE_TEXT_BYTES, MAX_WRONG_CODES},
    short_code::{CodeAnswer, CodeOver, CodeSlot, CodeStarted},
};

pub(super) const TEXT: &str = "A1-what-a-link-holds";

pub(super) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(super) fn office() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

pub(super) fn run(n: u8) -> CodeRunId {
    CodeRunId::from_bytes([n; 16])
}

pub(super) fn shown(rng: &mut ChaCha20Rng) -> ShownCode {
    ShownCode::new(CodeSlot::new(42).unwrap(), office(), Purpose::Enrolment, TEXT.to_owned(), rng)
}

/// Another code of the same slot.
pub(super) fn other(code: &ShortCode) -> ShortCode {
    let text = code.to_text();
    let last = if text.ends_with('0') { "1" } else { "0" };
    ShortCode::parse(&format!("{}{last}", &text[..text.len() - 1])).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn exchanged(answer: (CodeAnswer, CodeEvent), run: CodeRunId) -> CodeStarted {
    match answer {
        (CodeAnswer::Exchange { message }, CodeEvent::None) => CodeStarted { run, message },
        other => panic!("{other:?}"),
    }
}

/// One attempt, until the device that shows the code has answered the confirmation.
pub(super) fn attempt(shown: &mut ShownCode, typed: &ShortCode, n: u8) -> (UnconfirmedCode, CodeAnswer, CodeEvent) {
    let (mut theirs, mut ours) = (rng(100 + n), rng(200));
    let typed = TypedCode::start(typed, &office(), Purpose::Enrolment, &mut theirs);
    let started = exchanged(shown.start(run(n), typed.message(), &mut ours), run(n));
    let (unconfirmed, confirm) = typed.answer(&started).unwrap();
    let (answer, event) = shown.confirm(run(n), &confirm, &mut ours);
    (unconfirmed, answer, event)
}

#[test]
fn the_right_code_delivers_the_text_once() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    let (unconfirmed, answer, event) = attempt(&mut shown, &code, 1);
    let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
    assert_eq!((event, shown.over()), (CodeEvent::Delivered, Some(CodeOver::Used)));
    assert!(text.sealed.0.len() + text.enc.0.len() < MAX_CODE_TEXT_BYTES);
    assert_eq!(*unconfirmed.open(&text).unwrap(), TEXT);
    let typed = TypedCode::start(&code, &office(), Purpose::Enrolment, &mut rng(3));
    assert!(typed.message().key.0.len() < MAX_CODE_MESSAGE_BYTES);
    let (_, late, event) = attempt(&mut shown, &code, 2);
    assert_eq!((late, event), (CodeAnswer::Over { why: CodeOver::Used }, CodeEvent::Late));
    assert_eq!(shown.tried(), 0);
}

#[test]
fn a_mistyped_code_can_be_corrected_twice() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    for left in (1..MAX_WRONG_CODES).rev() {
        let (_, answer, event) = attempt(&mut shown, &other(&code), left);
        assert_eq!((answer, event), (CodeAnswer::Wrong { left }, CodeEvent::Wrong));
    }
    let (unconfirmed, answer, _) = attempt(&mut shown, &code, 9);
    let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
    assert_eq!(*unconfirmed.open(&text).unwrap(), TEXT);
}

/// Two devices have the code; both attempts are under way when one is finished.
#[test]
fn of_two_devices_with_the_code_one_gets_the_text_and_both_people_are_told() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    let mut ours = rng(200);
    let mut begin = |n: u8, shown: &mut ShownCode| {
        let typed = TypedCode::start(&code, &office(), Purpose::Enrolment, &mut rng(n));
        let started = exchanged(shown.start(run(n), typed.message(), &mut ours), run(n));
        typed.answer(&started).unwrap()
    };
    let [(first, first_confirm), (_, second_confirm)] = [1, 2].map(|n| begin(n, &mut shown));
    let (answer, event) = shown.confirm(run(1), &first_confirm, &mut rng(9));
    let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
    assert_eq!((event, first.open(&text).unwrap().as_str()), (CodeEvent::Delivered, TEXT));
    let second = shown.confirm(run(2), &second_confirm, &mut rng(9));
    assert_eq!(second, (CodeAnswer::Over { why: CodeOver::Used }, CodeEvent::Late));
}

#[test]
fn attempts_are_limited_also_those_that_are_broken_off() {
    let mut shown = shown(&mut rng(1));
    let typed = TypedCode::start(&shown.code().clone(), &office(), Purpose::Enrolment, &mut rng(2));
    for n in 0..MAX_CODE_RUNS as u8 {
        exchanged(shown.start(run(n), typed.message(), &mut rng(3)), run(n));
    }
    let one_more = shown.start(run(255), typed.message(), &mut rng(3));
    assert_eq!(one_more, (CodeAnswer::Over { why: CodeOver::TooMany }, CodeEvent::TooMany));
    assert_eq!(shown.over(), Some(CodeOver::TooMany));
}

#[test]
fn a_closed_code_delivers_nothing() {
    let mut shown = shown(&mut rng(1));
    let typed = TypedCode::start(&shown.code().clone(), &office(), Purpose::Enrolment, &mut rng(2));
    let started = exchanged(shown.start(run(1), typed.message(), &mut rng(3)), run(1));
    let (_, confirm) = typed.answer(&started).unwrap();
    shown.close(CodeOver::Expired);
    assert_eq!(shown.confirm(run(1), &confirm, &mut rng(3)).0, CodeAnswer::Over { why: CodeOver::Expired });
}
