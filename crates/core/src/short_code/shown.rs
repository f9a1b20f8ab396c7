//! The device that shows a code. It alone counts wrong ones.

use super::{AttemptKey, Exchange, LABEL, PublicKey, Purpose, Spake2Rng, identities, is_same, password};
use chacha20::{ChaCha20Rng, rand_core::Rng as _};
use hpke::{Deserializable as _, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing};
use std::collections::VecDeque;
use telcon_proto::{
    Blob, CodeRunId, OfficeName,
    limits::{MAX_CODE_MESSAGE_BYTES, MAX_CODE_RUNS, MAX_CODE_RUNS_AT_ONCE, MAX_WRONG_CODES},
    short_code::{CodeAnswer, CodeConfirm, CodeOver, CodeSlot, CodeStart, SealedText, ShortCode},
};
use zeroize::Zeroizing;

/// What an answer means for the person who reads the code out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeEvent {
    /// Nothing yet.
    None,
    /// The text was delivered.
    Delivered,
    /// A wrong code was typed.
    Wrong,
    /// A wrong code was typed, and it was the last one that is accepted.
    Guessed,
    /// It was tried too often, right or wrong.
    TooMany,
    /// A device that knows the code tried it after the text was delivered. An attempt with the slot alone, which is no secret, does
    /// not count.
    Late,
}

/// A code and the text that it carries, until it was used or is closed.
pub struct ShownCode {
    code: ShortCode,
    office: OfficeName,
    purpose: Purpose,
    text: Zeroizing<String>,
    over: Option<CodeOver>,
    wrong: u8,
    /// Attempts, since the text was delivered if it was.
    started: usize,
    /// Attempts after the delivery whose devices have not proven that they have the code.
    tried: u32,
    /// Under way, oldest first.
    runs: VecDeque<(CodeRunId, Run)>,
}

struct Run {
    key: AttemptKey,
    to: PublicKey,
}

impl ShownCode {
    /// A code for a slot that the office's server allotted, with a secret that is drawn here.
    pub fn new(slot: CodeSlot, office: OfficeName, purpose: Purpose, text: String, rng: &mut ChaCha20Rng) -> Self {
        let mut random = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *random);
        Self {
            code: ShortCode::new(slot, &random),
            office,
            purpose,
            text: Zeroizing::new(text),
            over: None,
            wrong: 0,
            started: 0,
            tried: 0,
            runs: VecDeque::new(),
        }
    }

    /// The code, to be read out.
    pub fn code(&self) -> &ShortCode {
        &self.code
    }

    /// How many wrong codes were typed.
    pub fn wrong(&self) -> u8 {
        self.wrong
    }

    /// How often somebody tried the slot after the text was delivered, without showing that they have the code.
    pub fn tried(&self) -> u32 {
        self.tried
    }

    /// Why it is of no use any more.
    pub fn over(&self) -> Option<CodeOver> {
        self.over
    }

    /// Ends it: nothing is delivered from now on, and the text is erased.
    pub fn close(&mut self, why: CodeOver) {
        self.over.get_or_insert(why);
        self.text = Zeroizing::default();
        self.runs.clear();
    }

    /// An attempt begins.
    pub fn start(&mut self, run: CodeRunId, start: &CodeStart, rng: &mut ChaCha20Rng) -> (CodeAnswer, CodeEvent) {
        // After the delivery attempts go on to their confirmation, which tells who has the code from who tries slots.
        let used = self.over == Some(CodeOver::Used);
        if let Some(why) = self.over.filter(|_| !used) {
            return (CodeAnswer::Over { why }, CodeEvent::None);
        }
        // An attempt has one start: a second one would be another try against the same confirmation.
        if self.runs.iter().any(|(known, _)| *known == run) || start.key.0.len() > MAX_CODE_MESSAGE_BYTES {
            return (CodeAnswer::Over { why: CodeOver::Unknown }, CodeEvent::None);
        }
        self.tried = self.tried.saturating_add(u32::from(used));
        if used && self.started == MAX_CODE_RUNS {
            return (CodeAnswer::Over { why: CodeOver::Used }, CodeEvent::None);
        }
        if self.started == MAX_CODE_RUNS {
            self.close(CodeOver::TooMany);
            return (CodeAnswer::Over { why: CodeOver::TooMany }, CodeEvent::TooMany);
        }
        self.started += 1;
        let (shown, typed) = identities(&self.office, self.purpose, &self.code);
        let (exchange, message) = Exchange::start_a_with_rng(&password(&self.code), &shown, &typed, Spake2Rng(rng));
        let key = exchange.finish(start.message.as_slice());
        let (Ok(key), Ok(to)) = (key, PublicKey::from_bytes(start.key.as_slice())) else {
            return (CodeAnswer::Over { why: CodeOver::Unknown }, CodeEvent::None);
        };
        let key = AttemptKey::new(key, &message, start.message.as_slice(), start.key.as_slice());
        if self.runs.len() == MAX_CODE_RUNS_AT_ONCE {
            self.runs.pop_front();
        }
        self.runs.push_back((run, Run { key, to }));
        (CodeAnswer::Exchange { message: Blob(message) }, CodeEvent::None)
    }

    /// An attempt goes on. It is over with this: right or wrong, nothing can be tried against it again.
    pub fn confirm(&mut self, run: CodeRunId, confirm: &CodeConfirm, rng: &mut ChaCha20Rng) -> (CodeAnswer, CodeEvent) {
        let over = |why| CodeAnswer::Over { why };
        let Some(at) = self.runs.iter().position(|(known, _)| *known == run) else {
            return (over(self.over.unwrap_or(CodeOver::Unknown)), CodeEvent::None);
        };
        let Some((_, Run { key, to })) = self.runs.remove(at) else { unreachable!("invariant: it was found there") };
        if !is_same(confirm.confirmation.as_slice(), &key.typed()) {
            // After the delivery there is nothing to be guessed any more, and whoever guesses has not got the code.
            if self.over.is_some() {
                return (over(CodeOver::Used), CodeEvent::None);
            }
            self.wrong += 1;
            if self.wrong == MAX_WRONG_CODES {
                self.close(CodeOver::Guessed);
                return (CodeAnswer::Wrong { left: 0 }, CodeEvent::Guessed);
            }
            return (CodeAnswer::Wrong { left: MAX_WRONG_CODES - self.wrong }, CodeEvent::Wrong);
        }
        if self.over.is_some() {
            self.tried = self.tried.saturating_sub(1);
            return (over(CodeOver::Used), CodeEvent::Late);
        }
        let Some(text) = seal(&key, &to, &self.text, rng) else { return (over(CodeOver::Unknown), CodeEvent::None) };
        // Commit: from here on nobody else gets it, whether or not this answer arrives. Attempts that are under way stay, so that
        // the person learns that another device had the code.
        self.over = Some(CodeOver::Used);
        self.text = Zeroizing::default();
        self.started = 0;
        (CodeAnswer::Delivered { text }, CodeEvent::Delivered)
    }
}

/// Seals the text for the device that made `to`, under a key that only who knows the code has.
fn seal(key: &AttemptKey, to: &PublicKey, text: &str, rng: &mut ChaCha20Rng) -> Option<SealedText> {
    let psk = key.psk();
    let psk = hpke::PskBundle::new(&*psk, LABEL.as_bytes()).ok()?;
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Psk(psk),
        to,
        &key.transcript,
        text.as_bytes(),
        b"",
        rng,
    )
    .ok()?;
    let mut text =
        SealedText { confirmation: Blob::default(), enc: Blob(enc.to_bytes().to_vec()), sealed: Blob(sealed) };
    text.confirmation = Blob(key.shown(&text).to_vec());
    Some(text)
}
