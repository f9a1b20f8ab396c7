//! The device whose person types a code. Each step takes the one before: an attempt cannot be repeated with the same keys.

use super::{AttemptKey, CodeError, Exchange, LABEL, PrivateKey, Purpose, Spake2Rng, identities, is_same, password};
use chacha20::ChaCha20Rng;
use hpke::{
    Deserializable as _, Kem as _, OpModeR, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing,
};
use telcon_proto::{
    Blob, OfficeName,
    short_code::{CodeConfirm, CodeStart, CodeStarted, SealedText, ShortCode},
};
use zeroize::Zeroizing;

/// A typed code, of which the office was sent the first message.
pub struct TypedCode {
    exchange: Exchange,
    start: CodeStart,
    secret: PrivateKey,
}

impl TypedCode {
    /// Begins an attempt at this office.
    pub fn start(code: &ShortCode, office: &OfficeName, purpose: Purpose, rng: &mut ChaCha20Rng) -> Self {
        let (shown, typed) = identities(office, purpose, code);
        let (exchange, message) = Exchange::start_b_with_rng(&password(code), &shown, &typed, Spake2Rng(rng));
        let (secret, public) = XWing::gen_keypair_with_rng(rng);
        let start = CodeStart { message: Blob(message), key: Blob(public.to_bytes().to_vec()) };
        Self { exchange, start, secret }
    }

    /// What to send.
    pub fn message(&self) -> &CodeStart {
        &self.start
    }

    /// The device that shows the code answered, or somebody in its place.
    ///
    /// # Errors
    /// When the answer is malformed.
    pub fn answer(self, started: &CodeStarted) -> Result<(UnconfirmedCode, CodeConfirm), CodeError> {
        let shown = started.message.as_slice();
        let key = self.exchange.finish(shown).map_err(|_| CodeError::Malformed)?;
        let key = AttemptKey::new(key, shown, self.start.message.as_slice(), self.start.key.as_slice());
        let confirm = CodeConfirm { confirmation: Blob(key.typed().to_vec()) };
        Ok((UnconfirmedCode { key, secret: self.secret }, confirm))
    }
}

/// A typed code that this device has proved, and the other side has not.
pub struct UnconfirmedCode {
    key: AttemptKey,
    secret: PrivateKey,
}

impl UnconfirmedCode {
    /// The text.
    ///
    /// # Errors
    /// When its sender does not know the code.
    pub fn open(self, text: &SealedText) -> Result<Zeroizing<String>, CodeError> {
        if !is_same(text.confirmation.as_slice(), &self.key.shown(text)) {
            return Err(CodeError::NotProved);
        }
        let enc =
            <XWing as hpke::Kem>::EncappedKey::from_bytes(text.enc.as_slice()).map_err(|_| CodeError::Malformed)?;
        let psk = self.key.psk();
        let psk = hpke::PskBundle::new(&*psk, LABEL.as_bytes()).map_err(|_| CodeError::Malformed)?;
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Psk(psk),
            &self.secret,
            &enc,
            &self.key.transcript,
            text.sealed.as_slice(),
            b"",
        );
        let opened = opened.map_err(|_| CodeError::Malformed)?;
        String::from_utf8(opened).map(Zeroizing::new).map_err(|_| CodeError::Malformed)
    }
}
