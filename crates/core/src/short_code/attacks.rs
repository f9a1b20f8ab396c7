//! Attacks on codes. The attacker is the office's server, which sees, keeps, changes and makes messages as it likes, unless a test
//! says otherwise.

use super::tests::{TEXT, attempt, exchanged, office, other, rng, run, shown};
use super::*;
use telcon_proto::{
    Blob,
    limits::{MAX_CODE_RUNS, MAX_WRONG_CODES},
    short_code::{CodeAnswer, CodeConfirm, CodeOver, CodeSlot, CodeStart, CodeStarted},
};

/// Some codes of the slot, the right one among them.
fn dictionary(code: &ShortCode) -> Vec<ShortCode> {
    let mut all: Vec<_> = (0..60u128).map(|n| ShortCode::new(code.slot(), &(n * 16_661).to_le_bytes())).collect();
    all.retain(|one| one != code);
    all.insert(30, *code);
    all
}

/// The server has everything that two honest devices sent, and all codes. For each code it makes the keys that it could, as
/// either side: with the recorded messages alone, none of them explains the confirmations better than another.
#[test]
fn a_recorded_exchange_does_not_tell_the_code() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    let typed = TypedCode::start(&code, &office(), Purpose::Enrolment, &mut rng(2));
    let start = typed.message().clone();
    let started = exchanged(shown.start(run(1), &start, &mut rng(3)), run(1));
    let (_, confirm) = typed.answer(&started).unwrap();
    let (answer, _) = shown.confirm(run(1), &confirm, &mut rng(3));
    let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
    let fits = |guess: &ShortCode, seed: u8| {
        let (a, b) = identities(&office(), Purpose::Enrolment, guess);
        let (mut one, mut two) = (rng(seed), rng(seed));
        let as_shown = Exchange::start_a_with_rng(&password(guess), &a, &b, Spake2Rng(&mut one)).0;
        let as_typed = Exchange::start_b_with_rng(&password(guess), &a, &b, Spake2Rng(&mut two)).0;
        [as_shown.finish(start.message.as_slice()), as_typed.finish(started.message.as_slice())].into_iter().any(
            |key| {
                let key = AttemptKey::new(
                    key.unwrap(),
                    started.message.as_slice(),
                    start.message.as_slice(),
                    start.key.as_slice(),
                );
                is_same(confirm.confirmation.as_slice(), &key.typed())
                    || is_same(text.confirmation.as_slice(), &key.shown(&text))
            },
        )
    };
    for (n, guess) in dictionary(&code).iter().enumerate() {
        assert!(!fits(guess, n as u8), "a dictionary found the code, or a false one");
    }
}

/// The server types codes itself. Each that is wrong is counted by the device, and the third closes the code.
#[test]
fn the_server_may_guess_three_times() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    for n in 1..=MAX_WRONG_CODES {
        let (_, answer, event) = attempt(&mut shown, &other(&code), n);
        let last = n == MAX_WRONG_CODES;
        assert_eq!(answer, CodeAnswer::Wrong { left: MAX_WRONG_CODES - n });
        assert_eq!(event, if last { CodeEvent::Guessed } else { CodeEvent::Wrong });
    }
    let typed = TypedCode::start(&code, &office(), Purpose::Enrolment, &mut rng(2));
    let right = shown.start(run(9), typed.message(), &mut rng(3)).0;
    assert_eq!(right, CodeAnswer::Over { why: CodeOver::Guessed }, "the right code is too late");
}

/// The attacker has the slot, which anybody may try, and not the code: the officer is not told that somebody else had it, however often
/// it is tried. Whoever has it still shows.
#[test]
fn who_only_tries_the_slot_of_a_used_code_raises_no_alarm() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    assert_eq!(attempt(&mut shown, &code, 0).2, CodeEvent::Delivered);
    // Broken off, and with other digits.
    let typed = TypedCode::start(&other(&code), &office(), Purpose::Enrolment, &mut rng(2));
    exchanged(shown.start(run(1), typed.message(), &mut rng(3)), run(1));
    for n in 2..10 {
        let (_, answer, event) = attempt(&mut shown, &other(&code), n);
        assert_eq!((answer, event), (CodeAnswer::Over { why: CodeOver::Used }, CodeEvent::None));
    }
    assert_eq!((shown.tried(), shown.wrong()), (9, 0));
    assert_eq!(attempt(&mut shown, &code, 10).2, CodeEvent::Late);
    assert_eq!((shown.tried(), shown.over()), (9, Some(CodeOver::Used)));
    // Nor does it cost the device more than attempts before it was used.
    for n in 11..=200 {
        let (answer, event) = shown.start(run(n), typed.message(), &mut rng(3));
        assert_eq!((event, matches!(answer, CodeAnswer::Exchange { .. })), (CodeEvent::None, n <= MAX_CODE_RUNS as u8));
    }
}

/// Attempts at once do not give more guesses: all are over with the third wrong confirmation.
#[test]
fn guesses_at_the_same_time_count_each() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    let mut wrong = Vec::new();
    for n in 0..4 {
        let guess = if n == 3 { code } else { other(&code) };
        let typed = TypedCode::start(&guess, &office(), Purpose::Enrolment, &mut rng(n + 50));
        let started = exchanged(shown.start(run(n), typed.message(), &mut rng(3)), run(n));
        wrong.push(typed.answer(&started).unwrap().1);
    }
    for (n, confirm) in wrong.iter().take(3).enumerate() {
        assert!(matches!(shown.confirm(run(n as u8), confirm, &mut rng(3)).0, CodeAnswer::Wrong { .. }));
    }
    let fourth = shown.confirm(run(3), &wrong[3], &mut rng(3)).0;
    assert_eq!(fourth, CodeAnswer::Over { why: CodeOver::Guessed });
}

/// One attempt is one guess: the confirmation of another code does not leave the attempt open for the right one.
#[test]
fn an_attempt_is_over_with_its_first_confirmation() {
    let mut shown = shown(&mut rng(1));
    let typed = TypedCode::start(&shown.code().clone(), &office(), Purpose::Enrolment, &mut rng(2));
    let started = exchanged(shown.start(run(1), typed.message(), &mut rng(3)), run(1));
    let (_, right) = typed.answer(&started).unwrap();
    let wrong = CodeConfirm { confirmation: Blob(vec![7; 32]) };
    assert_eq!(shown.confirm(run(1), &wrong, &mut rng(3)).0, CodeAnswer::Wrong { left: MAX_WRONG_CODES - 1 });
    assert_eq!(shown.confirm(run(1), &right, &mut rng(3)).0, CodeAnswer::Over { why: CodeOver::Unknown });
}

/// The server answers in the place of the device that shows the code, with a guess.
#[test]
fn a_man_in_the_middle_who_guesses_wrong_is_found() {
    let real = shown(&mut rng(1));
    let typed = TypedCode::start(real.code(), &office(), Purpose::Enrolment, &mut rng(2));
    let guess = other(real.code());
    let (a, b) = identities(&office(), Purpose::Enrolment, &guess);
    let (exchange, message) = Exchange::start_a_with_rng(&password(&guess), &a, &b, Spake2Rng(&mut rng(3)));
    let start = typed.message().clone();
    let key = exchange.finish(start.message.as_slice()).unwrap();
    let key = AttemptKey::new(key, &message, start.message.as_slice(), start.key.as_slice());
    let (unconfirmed, confirm) = typed.answer(&CodeStarted { run: run(1), message: Blob(message) }).unwrap();
    assert!(!is_same(confirm.confirmation.as_slice(), &key.typed()), "the guess is wrong");
    let forged = forge(&key, &start.key, "somebody else's link");
    assert_eq!(unconfirmed.open(&forged).err(), Some(CodeError::NotProved));
}

/// What a device that shows a code makes of a key.
fn forge(key: &AttemptKey, to: &Blob, text: &str) -> SealedText {
    use hpke::{Deserializable as _, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256};
    let to = PublicKey::from_bytes(to.as_slice()).unwrap();
    let psk = key.psk();
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Psk(hpke::PskBundle::new(&*psk, LABEL.as_bytes()).unwrap()),
        &to,
        &key.transcript,
        text.as_bytes(),
        b"",
        &mut rng(77),
    )
    .unwrap();
    let mut forged =
        SealedText { confirmation: Blob::default(), enc: Blob(enc.to_bytes().to_vec()), sealed: Blob(sealed) };
    forged.confirmation = Blob(key.shown(&forged).to_vec());
    forged
}

/// The server puts its own key in the place of the one to which the text is to be sealed, or changes any other part.
#[test]
fn whatever_is_changed_on_the_way_the_text_is_not_delivered() {
    let change = |blob: &Blob, at: usize| {
        let mut bytes = blob.0.clone();
        bytes[at] ^= 1;
        Blob(bytes)
    };
    // Messages to the device that shows the code.
    let mine = TypedCode::start(
        &ShortCode::parse("0042-000-000").unwrap_or_else(|e| panic!("{e}")),
        &office(),
        Purpose::Enrolment,
        &mut rng(60),
    );
    for case in 0..3 {
        let mut shown = shown(&mut rng(1));
        let typed = TypedCode::start(&shown.code().clone(), &office(), Purpose::Enrolment, &mut rng(2));
        let sent = typed.message().clone();
        let arrived = match case {
            0 => CodeStart { key: mine.message().key.clone(), ..sent },
            1 => CodeStart { message: mine.message().message.clone(), ..sent },
            _ => CodeStart { key: change(&sent.key, 0), ..sent },
        };
        let started = match shown.start(run(1), &arrived, &mut rng(3)).0 {
            CodeAnswer::Exchange { message } => CodeStarted { run: run(1), message },
            // Not a key at all.
            other => {
                assert_eq!(other, CodeAnswer::Over { why: CodeOver::Unknown });
                continue;
            }
        };
        let (_, confirm) = typed.answer(&started).unwrap();
        let answer = shown.confirm(run(1), &confirm, &mut rng(3)).0;
        assert_eq!(answer, CodeAnswer::Wrong { left: MAX_WRONG_CODES - 1 }, "{case}");
    }
    // Messages to the device that typed it.
    for case in 0..4 {
        let mut shown = shown(&mut rng(1));
        let code = *shown.code();
        let (unconfirmed, answer, _) = attempt(&mut shown, &code, 1);
        let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
        let arrived = match case {
            0 => SealedText { sealed: change(&text.sealed, 0), ..text },
            1 => SealedText { enc: change(&text.enc, 0), ..text },
            2 => SealedText { confirmation: change(&text.confirmation, 31), ..text },
            _ => SealedText { confirmation: Blob(text.confirmation.0[..31].to_vec()), ..text },
        };
        assert_eq!(unconfirmed.open(&arrived).err(), Some(CodeError::NotProved), "{case}");
    }
}

/// The server repeats the messages of an attempt with this code, or answers with those of another code's.
#[test]
fn messages_of_an_earlier_attempt_are_of_no_use() {
    let mut first = shown(&mut rng(1));
    let code = *first.code();
    let typed = TypedCode::start(&code, &office(), Purpose::Enrolment, &mut rng(2));
    let start = typed.message().clone();
    let started = exchanged(first.start(run(1), &start, &mut rng(3)), run(1));
    let (_, confirm) = typed.answer(&started).unwrap();
    // Under the same name while it is under way, then under another one.
    assert_eq!(first.start(run(1), &start, &mut rng(4)).0, CodeAnswer::Over { why: CodeOver::Unknown });
    exchanged(first.start(run(2), &start, &mut rng(4)), run(2));
    assert_eq!(first.confirm(run(2), &confirm, &mut rng(4)).0, CodeAnswer::Wrong { left: MAX_WRONG_CODES - 1 });
    let (answer, _) = first.confirm(run(1), &confirm, &mut rng(4));
    let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
    // A second device types the same code, and is answered with what the first was sent.
    let again = TypedCode::start(&code, &office(), Purpose::Enrolment, &mut rng(5));
    let (unconfirmed, _) = again.answer(&started).unwrap();
    assert_eq!(unconfirmed.open(&text).err(), Some(CodeError::NotProved));
}

/// The same digits at another office, or in another slot: the server joins two meetings.
#[test]
fn the_same_digits_elsewhere_are_another_code() {
    let mut shown = shown(&mut rng(1));
    let digits = shown.code().to_text();
    let elsewhere = OfficeName::parse("other.example").unwrap();
    let other_slot = ShortCode::parse(&format!("0043{}", &digits[4..])).unwrap_or_else(|error| panic!("{error}"));
    for (n, (code, office)) in [(*shown.code(), elsewhere), (other_slot, office())].into_iter().enumerate() {
        let typed = TypedCode::start(&code, &office, Purpose::Enrolment, &mut rng(2));
        let started = exchanged(shown.start(run(n as u8), typed.message(), &mut rng(3)), run(n as u8));
        let (_, confirm) = typed.answer(&started).unwrap();
        assert!(matches!(shown.confirm(run(n as u8), &confirm, &mut rng(3)).0, CodeAnswer::Wrong { .. }), "{n}");
    }
}

/// A slot is allotted again: the code of the one before opens nothing.
#[test]
fn a_slot_that_is_used_again_has_another_secret() {
    let mut source = rng(1);
    let (before, mut now) = (shown(&mut source), shown(&mut source));
    assert_eq!(before.code().slot(), CodeSlot::new(42).unwrap());
    assert!(before.code() != now.code());
    let (_, answer, _) = attempt(&mut now, &before.code().clone(), 1);
    assert_eq!(answer, CodeAnswer::Wrong { left: MAX_WRONG_CODES - 1 });
}

/// The server withholds the last message: the device that typed the code has nothing, and nobody else gets the text later.
#[test]
fn a_text_whose_delivery_is_withheld_is_not_delivered_to_another() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    let (_, answer, _) = attempt(&mut shown, &code, 1);
    assert!(matches!(answer, CodeAnswer::Delivered { .. }));
    assert_eq!(attempt(&mut shown, &code, 2).1, CodeAnswer::Over { why: CodeOver::Used });
}

/// Points outside of the prime-order subgroup, the identity, and bytes that are no point, from either side.
#[test]
fn degenerate_messages_give_no_key_that_the_attacker_knows() {
    let points = ["0100", "ecff", "00", "ff"].map(|start| {
        let mut bytes = vec![if start == "ecff" { 0xff } else { 0 }; 32];
        match start {
            "0100" => bytes[0] = 1,
            "ecff" => (bytes[0], bytes[31]) = (0xec, 0x7f),
            "ff" => bytes.fill(0xff),
            _ => {}
        }
        bytes
    });
    for point in points {
        let mut shown = shown(&mut rng(1));
        let honest = TypedCode::start(&shown.code().clone(), &office(), Purpose::Enrolment, &mut rng(2));
        let sent = CodeStart { message: Blob([b"B".as_slice(), &point].concat()), ..honest.message().clone() };
        if let CodeAnswer::Exchange { message } = shown.start(run(1), &sent, &mut rng(3)).0 {
            // The key that a product with such a point would give.
            for known in [[0u8; 32], std::array::from_fn(|n| u8::from(n == 0))] {
                let key = AttemptKey::new(known.to_vec(), &message.0, &sent.message.0, &sent.key.0);
                assert!(!is_same(&*key.typed(), &[0; 32]));
            }
            let guess = CodeConfirm { confirmation: Blob(vec![0; 32]) };
            assert!(matches!(shown.confirm(run(1), &guess, &mut rng(3)).0, CodeAnswer::Wrong { .. }));
        }
        let answer = CodeStarted { run: run(1), message: Blob([b"A".as_slice(), &point].concat()) };
        if let Ok((unconfirmed, _)) = honest.answer(&answer) {
            let text =
                SealedText { confirmation: Blob(vec![0; 32]), enc: Blob(vec![0; 1120]), sealed: Blob(vec![0; 64]) };
            assert_eq!(unconfirmed.open(&text).err(), Some(CodeError::NotProved));
        }
    }
}

#[test]
fn messages_of_any_length_are_refused_without_a_panic() {
    for length in [0, 1, 32, 33, 34, 1_216, 100_000] {
        for first in [b'A', b'B', b'S', 0] {
            let mut bytes = vec![3; length];
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let mut shown = shown(&mut rng(1));
            let start = CodeStart { message: Blob(bytes.clone()), key: Blob(bytes.clone()) };
            assert_eq!(shown.start(run(1), &start, &mut rng(3)).0, CodeAnswer::Over { why: CodeOver::Unknown });
            assert_eq!(shown.wrong(), 0);
            let confirm = CodeConfirm { confirmation: Blob(bytes.clone()) };
            assert_eq!(shown.confirm(run(1), &confirm, &mut rng(3)).0, CodeAnswer::Over { why: CodeOver::Unknown });
            let code = *shown.code();
            let (unconfirmed, _, _) = attempt(&mut shown, &code, 9);
            let text = SealedText { confirmation: Blob(bytes.clone()), enc: Blob(bytes.clone()), sealed: Blob(bytes) };
            assert!(unconfirmed.open(&text).is_err());
        }
    }
}

/// The text stays out of everything that the server carries.
#[test]
fn the_server_carries_neither_code_nor_text() {
    let mut shown = shown(&mut rng(1));
    let code = *shown.code();
    let (_, answer, _) = attempt(&mut shown, &code, 1);
    let json = serde_json::to_string(&answer).unwrap();
    let CodeAnswer::Delivered { text } = answer else { panic!("{answer:?}") };
    let secret = std::str::from_utf8(code.secret()).unwrap();
    assert!(!json.contains(secret) && !json.contains(TEXT));
    assert!(!text.sealed.0.windows(TEXT.len()).any(|window| window == TEXT.as_bytes()));
}
