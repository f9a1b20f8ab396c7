//! Short codes as people type them, and the messages of attempts: whatever comes, a code is read as the digits that it has, and
//! neither side delivers or opens anything.
#![no_main]

use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use libfuzzer_sys::fuzz_target;
use telcon_core::short_code::{Purpose, ShownCode, TypedCode};
use telcon_proto::{
    Blob, CodeRunId, OfficeName,
    short_code::{CodeAnswer, CodeConfirm, CodeSlot, CodeStart, CodeStarted, SealedText, ShortCode},
};

fuzz_target!(|input: (&str, Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (text, one, two, three) = input;
    let slot = CodeSlot::new(42).expect("a slot");
    let code = match ShortCode::parse(text) {
        Ok(code) => {
            assert!(ShortCode::parse(&code.to_text()).is_ok_and(|again| again == code));
            code
        }
        Err(_) => ShortCode::new(slot, &[7; 16]),
    };
    let office = OfficeName::parse("office.example").expect("a name");
    let run = CodeRunId::from_bytes([1; 16]);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut shown = ShownCode::new(slot, office.clone(), Purpose::Enrolment, "text".into(), &mut rng);
    let start = CodeStart { message: Blob(one.clone()), key: Blob(two.clone()) };
    let _ = shown.start(run, &start, &mut rng);
    let confirm = CodeConfirm { confirmation: Blob(three.clone()) };
    assert!(!matches!(shown.confirm(run, &confirm, &mut rng).0, CodeAnswer::Delivered { .. }));
    let typed = TypedCode::start(&code, &office, Purpose::Enrolment, &mut rng);
    if let Ok((unconfirmed, _)) = typed.answer(&CodeStarted { run, message: Blob(one) }) {
        let sealed = SealedText { confirmation: Blob(three.clone()), enc: Blob(two), sealed: Blob(three) };
        assert!(unconfirmed.open(&sealed).is_err());
    }
});
