//! The words that the giver of a line and its holder may ask each other for, when one doubts the other's voice or face.
//!
//! Both devices make them of the link's secret when the line is bound, and keep them: the server has neither. They are no key, and prove
//! nothing to a program: certificates do.

use crate::{mls::phrase, view::ChallengeView};
use serde::{Deserialize, Serialize};
use telcon_identity::{Ask, VerifiedRequest};
use telcon_proto::{InvitationId, LineId, limits::MAX_LINES_PER_PRINCIPAL};
use zeroize::Zeroizing;

/// The words of the lines that were bound on this device, the oldest first.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenges(Vec<Challenge>);

/// The words of one line.
#[derive(Clone, Serialize, Deserialize)]
struct Challenge {
    line: LineId,
    words: Zeroizing<String>,
}

impl Challenges {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the words of a line that is bound to the device that asked. The oldest make room.
    pub(crate) fn keep(&mut self, invitation: InvitationId, words: Zeroizing<String>) {
        let line = LineId::of_offer(invitation);
        self.0.retain(|one| one.line != line);
        self.0.push(Challenge { line, words });
        let over = self.0.len().saturating_sub(MAX_LINES_PER_PRINCIPAL);
        self.0.drain(..over);
    }

    /// What the screen shows of a line's words.
    pub(crate) fn view(&self, line: LineId) -> ChallengeView {
        let found = self.0.iter().find(|one| one.line == line);
        let words = found.map(|one| one.words.split(' ').map(str::to_owned).collect());
        ChallengeView { line, words }
    }
}

/// The words for the device that asked with a link.
pub(crate) fn words(ask: &Ask, request: &VerifiedRequest) -> Zeroizing<String> {
    Zeroizing::new(phrase::phrase(&ask.challenge(request)).join(" "))
}
