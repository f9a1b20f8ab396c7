//! What people do about a request and its schedule. Each step changes the content, and says which state the new version claims.
//!
//! Content is written by several devices, those of the other side among them: what it says of itself counts only as far as the statements
//! of its versions bear it out ([`Known`]). An approval is the state of a version, which only those may claim who may approve.

use crate::request::{Decision, Door, Exchange, ExchangeKind, Request, Verdict, Verification};
use crate::schedule::{MAX_OFFERS, Schedule, ScheduleError, Side, Slot, Standing};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telcon_proto::{CallId, Digest, ItemId, PersonId, Role, document::DocumentState};

/// What the statements of a document's versions prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Who wrote the first version.
    pub first: Role,
    /// The state that the newest version claims.
    pub state: DocumentState,
}

/// Who takes a step, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// The person.
    pub person: PersonId,
    /// Their role.
    pub role: Role,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Identifies what the step adds; drawn at random.
    pub id: ItemId,
}

impl By {
    /// Which side they are on.
    pub fn side(&self) -> Side {
        if self.role == Role::Counterpart { Side::Theirs } else { Side::Ours }
    }
}

/// Why a step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The document is decided, done or withdrawn.
    #[error("this was decided meanwhile")]
    Over,
    /// Nobody knows whether the request is theirs.
    #[error("this request is not verified: call back first")]
    NotVerified,
    /// It is for the other side to do.
    #[error("only the other side does this")]
    OtherSide,
    /// It came over a line, or from the principal: nobody needs to call back.
    #[error("this request needs no call back")]
    NoCallBack,
    /// What the schedule refuses.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// What somebody does about a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum RequestStep {
    /// The principal decides, or somebody for them.
    Decide {
        /// What.
        verdict: Verdict,
        /// Why; needed for a refusal.
        reason: String,
    },
    /// Asks back, answers, or forwards.
    Say {
        /// Which.
        kind: ExchangeKind,
        /// What.
        text: String,
    },
    /// The desk called back over a line that it held.
    CalledBack {
        /// The call.
        call: CallId,
        /// Whether they said that the request is theirs.
        confirmed: bool,
    },
    /// It is done with, or withdrawn.
    Close,
}

/// What became of a request, for who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It waits for a decision.
    Waiting,
    /// The office asked something back, and waits for the answer.
    Asked,
    /// Not now: it stays in the inbox.
    NotNow,
    /// The office will call them.
    OfficeCalls,
    /// Yes: it is to be scheduled.
    Approved,
    /// No.
    Declined,
    /// Done, or withdrawn.
    Closed,
}

impl Request {
    /// Whether it is proven that the request is theirs: by who signed its first version, or by a call that the desk made.
    pub fn is_proven(&self, first: Role) -> bool {
        match &self.door {
            Door::Line { .. } => first == Role::Counterpart,
            Door::Principal => first == Role::Principal,
            // The other side never reads what a desk entered, and cannot have written it.
            Door::Desk { .. } => {
                first != Role::Counterpart && matches!(self.verification, Verification::ByCallBack { .. })
            }
        }
    }

    /// Where it stands. A decision counts only in a version whose state bears it out.
    pub fn stands(&self, state: DocumentState) -> Stands {
        let asked = self.exchanges.last().filter(|last| last.kind == ExchangeKind::AskedBack);
        let decided = self.decision.as_ref().filter(|decision| asked.is_none_or(|asked| asked.at_ms < decision.at_ms));
        match state {
            DocumentState::Approved => Stands::Approved,
            DocumentState::Declined => Stands::Declined,
            DocumentState::Reviewed => match decided.map(|decision| decision.verdict) {
                Some(Verdict::NotNow) => Stands::NotNow,
                Some(Verdict::MyOfficeWillCall) => Stands::OfficeCalls,
                _ if asked.is_some() => Stands::Asked,
                _ => Stands::Waiting,
            },
            DocumentState::Draft if asked.is_some() => Stands::Asked,
            DocumentState::Draft => Stands::Waiting,
            _ => Stands::Closed,
        }
    }

    /// Takes a step; returns the state that the new version claims.
    ///
    /// # Errors
    /// [`StepError`]: nothing was changed.
    pub fn take(&mut self, step: RequestStep, known: Known, by: By) -> Result<DocumentState, StepError> {
        let stands = self.stands(known.state);
        if matches!(stands, Stands::Declined | Stands::Closed) {
            return Err(StepError::Over);
        }
        let is_theirs = by.side() == Side::Theirs;
        match step {
            RequestStep::Close => Ok(DocumentState::Closed),
            // After an approval, times are agreed in the schedule.
            _ if stands == Stands::Approved => Err(StepError::Over),
            RequestStep::Say { kind: ExchangeKind::Answered, text } if is_theirs => {
                self.say(ExchangeKind::Answered, text, by);
                // Only the office claims more: what it had said is for it to say again.
                Ok(DocumentState::Draft)
            }
            _ if is_theirs => Err(StepError::OtherSide),
            RequestStep::Say { kind, text } => {
                self.say(kind, text, by);
                Ok(known.state)
            }
            RequestStep::CalledBack { call, confirmed } => {
                if !matches!(self.door, Door::Desk { .. }) {
                    return Err(StepError::NoCallBack);
                }
                let (at_ms, by) = (by.at_ms, by.person);
                self.verification = match confirmed {
                    true => Verification::ByCallBack { call, at_ms, by },
                    false => Verification::Denied { call, at_ms, by },
                };
                Ok(DocumentState::Reviewed)
            }
            RequestStep::Decide { verdict, reason } => {
                if verdict == Verdict::Yes && !self.is_proven(known.first) {
                    return Err(StepError::NotVerified);
                }
                self.decision = Some(Decision { verdict, by: by.person, at_ms: by.at_ms, reason });
                Ok(match verdict {
                    Verdict::Yes => DocumentState::Approved,
                    Verdict::Declined => DocumentState::Declined,
                    Verdict::NotNow | Verdict::MyOfficeWillCall => DocumentState::Reviewed,
                })
            }
        }
    }

    /// Whether a version of the other side's `author` is what they may make of the version before, or of nothing: a request of their own, to
    /// which they add answers in their own name. What the office said, asked and decided is the office's to write. Their versions are held
    /// to this before anybody of the office reads, decides or passes on what the request says.
    pub fn is_their_version(&self, before: Option<&Self>, author: PersonId) -> bool {
        let Some(before) = before else {
            return matches!(self.door, Door::Line { .. })
                && self.person.is_none_or(|person| person == author)
                && self.verification == Verification::BySignature
                && self.decision.is_none()
                && self.exchanges.is_empty();
        };
        let Some((kept, added)) = self.exchanges.split_at_checked(before.exchanges.len()) else { return false };
        let answers = added.iter().all(|one| one.kind == ExchangeKind::Answered && one.by == author);
        let rest = Self { exchanges: kept.to_vec(), ..self.clone() };
        answers && rest == *before
    }

    fn say(&mut self, kind: ExchangeKind, text: String, by: By) {
        self.exchanges.push(Exchange { id: by.id, kind, by: by.person, at_ms: by.at_ms, text });
    }
}

/// What somebody does about a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleStep {
    /// Offers times.
    Offer {
        /// The times.
        slots: Vec<Slot>,
    },
    /// Picks one of the other side's.
    Pick {
        /// Which, from 0.
        choice: u8,
    },
    /// Writes down what the other side, which is not on this system, picked.
    PickForThem {
        /// Which, from 0.
        choice: u8,
    },
    /// The office confirms what the other side picked.
    Confirm,
    /// Cancels the call, or gives the offers up.
    Cancel,
}

impl Schedule {
    /// Takes a step; returns the state that the new version claims. `state` is that of the version before; none for a new schedule.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn take(
        &mut self,
        step: ScheduleStep,
        state: Option<DocumentState>,
        by: By,
    ) -> Result<DocumentState, StepError> {
        if !matches!(state, None | Some(DocumentState::Draft | DocumentState::Approved)) {
            return Err(StepError::Over);
        }
        let side = by.side();
        match step {
            ScheduleStep::Offer { slots } => {
                self.offer(by.id, side, slots, by.at_ms)?;
                Ok(DocumentState::Draft)
            }
            ScheduleStep::Pick { choice } => {
                self.pick(side, choice, by.at_ms)?;
                // Their choice is confirmed by the office, which alone may claim it.
                Ok(if side == Side::Ours { DocumentState::Approved } else { DocumentState::Draft })
            }
            ScheduleStep::Cancel => {
                match self.cancel(by.at_ms) {
                    // There is nothing to cancel yet.
                    Ok(()) | Err(ScheduleError::Standing) => Ok(DocumentState::Closed),
                    Err(error) => Err(error.into()),
                }
            }
            _ if side == Side::Theirs => Err(StepError::OtherSide),
            ScheduleStep::PickForThem { choice } => {
                self.pick(Side::Theirs, choice, by.at_ms)?;
                Ok(DocumentState::Approved)
            }
            ScheduleStep::Confirm if self.is_picked() => Ok(DocumentState::Approved),
            ScheduleStep::Confirm => Err(ScheduleError::Standing.into()),
        }
    }

    /// Whether the newest round's choice is the time that holds.
    fn is_picked(&self) -> bool {
        matches!(self.standing, Standing::Confirmed { .. })
            && self.rounds.last().is_some_and(|last| last.picked.is_some())
    }

    /// Whether a version of `side` is one step of theirs after the version before: they offered, picked or cancelled, and changed nothing
    /// else. The other side's versions are held to this before the office acts on them.
    pub fn is_step_of(&self, before: &Self, side: Side) -> bool {
        let after = |step: &dyn Fn(&mut Self) -> Result<(), ScheduleError>| {
            let mut next = before.clone();
            step(&mut next).is_ok() && next == *self
        };
        let offered = |next: &mut Self| {
            let round = self.rounds.last().ok_or(ScheduleError::NotOffered)?;
            next.offer(round.id, side, round.slots.clone(), round.at_ms)
        };
        self == before
            || after(&offered)
            || after(&|next| next.cancel(self.changed_ms))
            || (0..MAX_OFFERS as u8).any(|choice| after(&|next| next.pick(side, choice, self.changed_ms).map(drop)))
    }
}

/// The digest by which a version names the delegation under which it is written.
pub fn statement_sha256(statement: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(statement).into())
}
