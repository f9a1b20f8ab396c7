//! The memorandum of a call: the telcon.

use crate::action::Action;
use crate::brief::{Comment, comments};
use crate::content::*;
use crate::marking::{Banner, Mark, Scheme};
use crate::schedule::Place;
use serde::{Deserialize, Serialize};
use telcon_proto::{CallId, ItemId, PersonId};

/// Most turns of a memorandum: one each four seconds for five hours.
pub const MAX_TURNS: usize = 4_500;
/// Most runs of one turn.
pub const MAX_RUNS: usize = 2_000;
/// After how many days a draft has to be finished or destroyed: the rule for working papers (32 CFR 2001.24).
pub const DRAFT_DAYS: u64 = 180;

/// The heading.
pub const TITLE: &str = "MEMORANDUM OF TELEPHONE CONVERSATION";
/// The caution, unless an office has its own.
pub const CAUTION: &str = "CAUTION: A Memorandum of a Telephone Conversation (TELCON) is not a verbatim transcript of a discussion. \
The text in this document records the notes and recollections of those assigned to listen and memorialize the conversation in written \
form while the conversation takes place, and a machine's draft that they confirmed. A number of factors can affect the accuracy of the \
record, including poor connections, variations in accent, and interpretation. The word “inaudible” is used where note-takers were \
unable to hear.";

/// Somebody who took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Attendee {
    /// Name or title.
    pub name: String,
    /// Their organisation.
    pub organisation: String,
    /// The person, if known to this office.
    pub person: Option<PersonId>,
    /// Where the name comes from.
    pub source: AttendeeSource,
}

/// Where a name in a memorandum comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttendeeSource {
    /// From the verified group of the call.
    Call,
    /// Typed: somebody beside a participant, whom no device names.
    Typed,
}

/// A text with its mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Portion {
    /// Its mark; none until somebody marked it.
    pub mark: Option<Mark>,
    /// The text.
    pub text: String,
}

/// How sure a run of words is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Words.
    Plain,
    /// Words of which the recogniser was not certain.
    Uncertain,
    /// A remark in place of words: `inaudible`.
    Remark,
}

/// Words of a turn that are equally sure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// How sure.
    pub kind: RunKind,
    /// The words, or the remark without its brackets.
    pub text: String,
}

/// Who wrote a turn's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Speech recognition.
    Machine,
    /// A person, from notes or memory.
    Person,
}

/// What one speaker said at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Identifies it: comments and copies name it.
    pub id: ItemId,
    /// Milliseconds after the call was answered.
    pub at_ms: u64,
    /// How long, milliseconds.
    pub length_ms: u64,
    /// Who speaks; empty for a remark about the time.
    pub speaker: String,
    /// The words.
    pub runs: Vec<Run>,
    /// Who wrote them.
    pub origin: Origin,
    /// Whether a person signed them off. What a person wrote is.
    pub confirmed: bool,
    /// Whether a note-taker marked the moment as sensitive: shown to the person who marks the portion.
    pub sensitive: bool,
    /// The mark.
    pub mark: Option<Mark>,
}

impl Turn {
    /// The words as text; remarks in brackets, uncertain words as they are.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for run in &self.runs {
            if !text.is_empty() && !text.ends_with(char::is_whitespace) {
                text.push(' ');
            }
            match run.kind {
                RunKind::Plain | RunKind::Uncertain => text.push_str(&run.text),
                RunKind::Remark => text.extend(["[", &run.text, "]"]),
            }
        }
        text
    }

    /// A person signs the words off: uncertain ones are taken as they stand.
    pub fn confirm(&mut self) {
        self.confirmed = true;
        for run in &mut self.runs {
            if run.kind == RunKind::Uncertain {
                run.kind = RunKind::Plain;
            }
        }
    }

    /// A person replaces the words.
    pub fn rewrite(&mut self, text: &str) {
        self.runs = vec![Run { kind: RunKind::Plain, text: text.to_owned() }];
        self.origin = Origin::Person;
        self.confirmed = true;
    }
}

/// A call's date and times at one place, as its clocks showed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlaceTime {
    /// The place.
    pub place: Place,
    /// `29 May 2026`.
    pub date: String,
    /// `09:28`.
    pub from: String,
    /// `09:40`, with the date before it if it is another one.
    pub to: String,
    /// `EDT`, or `UTC-04:00`.
    pub zone: String,
}

impl PlaceTime {
    /// `29 May 2026, 09:28–09:40 EDT, Oval Office`.
    pub fn line(&self) -> String {
        let place = if self.place.place.is_empty() { String::new() } else { format!(", {}", self.place.place) };
        format!("{}, {}–{} {}{place}", self.date, self.from, self.to, self.zone)
    }
}

/// Why and until when a memorandum is classified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassificationBlock {
    /// By whom, name and position.
    pub by: String,
    /// Whether the decision is one's own, or follows from a source.
    pub basis: Basis,
    /// `25 years`, a date or an event.
    pub declassify_on: String,
}

/// On what a classification rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "basis", rename_all = "snake_case", deny_unknown_fields)]
pub enum Basis {
    /// An original decision, with its reason: `1.4(b)`.
    Original {
        /// The reason.
        reason: String,
    },
    /// From another source.
    Derived {
        /// The source.
        from: String,
    },
}

/// A memorandum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Memorandum {
    /// [`Content::VERSION`].
    pub version: u32,
    /// The call.
    pub call: CallId,
    /// The scheme of its marks.
    pub scheme: Scheme,
    /// `OFFICE OF THE PRESIDENT`.
    pub letterhead: String,
    /// The office's number for it; may be empty.
    pub control: String,
    /// When its first draft was made, milliseconds since the Unix epoch.
    pub drafted_ms: u64,
    /// About what.
    pub subject: Portion,
    /// Who spoke.
    pub participants: Vec<Attendee>,
    /// Who interpreted.
    pub interpreters: Vec<Attendee>,
    /// Who wrote.
    pub note_takers: Vec<Attendee>,
    /// Who listened without writing.
    pub listeners: Vec<Attendee>,
    /// When the call was answered, milliseconds since the Unix epoch.
    pub answered_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// Date, time and place, ours first.
    pub times: Vec<PlaceTime>,
    /// What was said.
    pub turns: Vec<Turn>,
    /// What was decided.
    pub decisions: Vec<Portion>,
    /// What was promised; the mark of the section.
    pub actions: Vec<Action>,
    /// The mark of the list of actions; needed if there are any.
    pub actions_mark: Option<Mark>,
    /// [`CAUTION`], or the office's own.
    pub caution: String,
    /// The classification block, where the scheme demands one.
    pub classification: Option<ClassificationBlock>,
    /// Who gets it, in the order of copy numbers.
    pub distribution: Vec<String>,
    /// Remarks of those who work on it; not printed.
    pub comments: Vec<Comment>,
}

/// Why a memorandum cannot be approved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocker {
    /// The subject has no mark.
    SubjectUnmarked,
    /// A turn has no mark.
    TurnUnmarked(ItemId),
    /// A decision has no mark: its position in the list.
    DecisionUnmarked(usize),
    /// There are actions, and their list has no mark.
    ActionsUnmarked,
    /// A mark is not one of the scheme: whose.
    MarkUnknown {
        /// The turn; none for the subject, a decision or the actions.
        turn: Option<ItemId>,
        /// The mark as it would be printed.
        mark: String,
    },
    /// Words of the machine that nobody signed off.
    Unconfirmed(ItemId),
    /// Nobody took part.
    NoParticipants,
    /// The date, time and place are missing.
    NoTimes,
    /// Nothing was said.
    NoTurns,
    /// The level needs a classification block.
    NoClassificationBlock,
    /// A comment is open.
    CommentOpen(ItemId),
}

impl Memorandum {
    /// All marks that there are.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        let turns = self.turns.iter().filter_map(|turn| turn.mark.as_ref());
        let decisions = self.decisions.iter().filter_map(|decision| decision.mark.as_ref());
        self.subject.mark.iter().chain(turns).chain(decisions).chain(&self.actions_mark)
    }

    /// Whether each portion has a mark, and each mark is one of the scheme. Until then, the banner may still rise.
    pub fn is_fully_marked(&self) -> bool {
        let is_mark = |blocker: &Blocker| {
            matches!(
                blocker,
                Blocker::SubjectUnmarked
                    | Blocker::TurnUnmarked(_)
                    | Blocker::DecisionUnmarked(_)
                    | Blocker::ActionsUnmarked
                    | Blocker::MarkUnknown { .. }
            )
        };
        !self.blockers().iter().any(is_mark)
    }

    /// The banner: the highest portion that is marked. None while no portion is.
    pub fn banner(&self) -> Option<Banner> {
        self.scheme.banner(self.marks())
    }

    /// Everything that stands in the way of approval. Empty: it may be approved.
    pub fn blockers(&self) -> Vec<Blocker> {
        let mut found = Vec::new();
        let mut mark = |mark: &Option<Mark>, turn: Option<ItemId>, missing: Blocker| match mark {
            None => found.push(missing),
            Some(mark) if self.scheme.rank(mark).is_none() => {
                found.push(Blocker::MarkUnknown { turn, mark: self.scheme_free_portion(mark) });
            }
            Some(_) => {}
        };
        mark(&self.subject.mark, None, Blocker::SubjectUnmarked);
        for turn in &self.turns {
            mark(&turn.mark, Some(turn.id), Blocker::TurnUnmarked(turn.id));
        }
        for (number, decision) in self.decisions.iter().enumerate() {
            mark(&decision.mark, None, Blocker::DecisionUnmarked(number));
        }
        if !self.actions.is_empty() {
            mark(&self.actions_mark, None, Blocker::ActionsUnmarked);
        }
        let unsure = |turn: &&Turn| {
            !turn.confirmed
                && (turn.origin == Origin::Machine || turn.runs.iter().any(|run| run.kind == RunKind::Uncertain))
        };
        found.extend(self.turns.iter().filter(unsure).map(|turn| Blocker::Unconfirmed(turn.id)));
        let missing = [
            (self.participants.is_empty(), Blocker::NoParticipants),
            (self.times.is_empty(), Blocker::NoTimes),
            (self.turns.is_empty(), Blocker::NoTurns),
            (self.needs_block() && self.classification.is_none(), Blocker::NoClassificationBlock),
        ];
        found.extend(missing.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, blocker)| blocker));
        let open = self.comments.iter().filter(|comment| comment.settled_by.is_none());
        found.extend(open.map(|comment| Blocker::CommentOpen(comment.id)));
        found
    }

    fn needs_block(&self) -> bool {
        let from = self.scheme.block_from.map(usize::from);
        from.is_some_and(|from| self.banner().is_some_and(|banner| banner.rank >= from))
    }

    /// A mark of another scheme, as its author wrote it.
    fn scheme_free_portion(&self, mark: &Mark) -> String {
        let parts: Vec<&str> = std::iter::once(&mark.level).chain(&mark.caveats).map(String::as_str).collect();
        format!("({})", parts.join(&self.scheme.separator))
    }

    /// Turns whose mark is lower in `later`, has fewer caveats, or is gone with its turn: what a reviewer of the later version has to see.
    /// All marked turns if the scheme is another one: levels of two schemes cannot be compared.
    pub fn lowered(&self, later: &Self) -> Vec<ItemId> {
        let rank = |memo: &Self, mark: &Option<Mark>| mark.as_ref().and_then(|mark| memo.scheme.rank(mark));
        let lower = |turn: &&Turn| {
            let now = later.turns.iter().find(|known| known.id == turn.id);
            let before = rank(self, &turn.mark);
            before.is_some()
                && (self.scheme != later.scheme
                    || now.is_none_or(|now| {
                        let caveats =
                            |turn: &Turn| turn.mark.as_ref().map(|mark| mark.caveats.clone()).unwrap_or_default();
                        rank(later, &now.mark) < before || !caveats(now).is_superset(&caveats(turn))
                    }))
        };
        self.turns.iter().filter(lower).map(|turn| turn.id).collect()
    }

    /// Until when a draft has to be finished or destroyed, milliseconds since the Unix epoch.
    pub fn draft_until_ms(&self) -> u64 {
        self.drafted_ms.saturating_add(DRAFT_DAYS * 24 * 60 * 60 * 1000)
    }
}

impl Content for Memorandum {
    const MAX_BYTES: usize = 8 * 1024 * 1024;

    fn check(&self) -> Result<(), Invalid> {
        self.scheme.check()?;
        optional("letterhead", &self.letterhead, MAX_SHORT_CHARS)?;
        optional("control", &self.control, MAX_SHORT_CHARS)?;
        time("drafted_ms", self.drafted_ms)?;
        time("answered_ms", self.answered_ms)?;
        time("ended_ms", self.ended_ms)?;
        ensure(self.answered_ms <= self.ended_ms, "ended_ms", Reason::Contradiction)?;
        optional("subject", &self.subject.text, MAX_PARAGRAPH_CHARS)?;
        for people in [&self.participants, &self.interpreters, &self.note_takers, &self.listeners] {
            count("participants", people, MAX_ITEMS)?;
            for attendee in people {
                short("name", &attendee.name)?;
                optional("organisation", &attendee.organisation, MAX_SHORT_CHARS)?;
            }
        }
        count("times", &self.times, 8)?;
        for at in &self.times {
            at.place.check()?;
            [&at.date, &at.from, &at.to, &at.zone].iter().try_for_each(|text| short("times", text))?;
        }
        count("turns", &self.turns, MAX_TURNS)?;
        unique("turns", self.turns.iter().map(|turn| turn.id))?;
        for turn in &self.turns {
            time("at_ms", turn.at_ms)?;
            time("length_ms", turn.length_ms)?;
            optional("speaker", &turn.speaker, MAX_SHORT_CHARS)?;
            count("runs", &turn.runs, MAX_RUNS)?;
            turn.runs.iter().try_for_each(|run| required("text", &run.text, MAX_PARAGRAPH_CHARS))?;
            let chars: usize = turn.runs.iter().map(|run| run.text.len()).sum();
            ensure(chars <= 4 * MAX_PARAGRAPH_CHARS, "runs", Reason::TooLong(MAX_PARAGRAPH_CHARS))?;
            ensure(turn.confirmed || turn.origin == Origin::Machine, "confirmed", Reason::Contradiction)?;
        }
        for mark in self.marks() {
            short("mark", &mark.level)?;
            ensure(
                mark.caveats.len() <= crate::marking::MAX_LEVELS,
                "caveats",
                Reason::TooMany(crate::marking::MAX_LEVELS),
            )?;
            mark.caveats.iter().try_for_each(|caveat| short("caveats", caveat))?;
        }
        count("decisions", &self.decisions, MAX_ITEMS)?;
        self.decisions.iter().try_for_each(|portion| required("decisions", &portion.text, MAX_PARAGRAPH_CHARS))?;
        count("actions", &self.actions, MAX_ITEMS)?;
        unique("actions", self.actions.iter().map(|action| action.id))?;
        self.actions.iter().try_for_each(Content::check)?;
        required("caution", &self.caution, MAX_PARAGRAPH_CHARS)?;
        if let Some(block) = &self.classification {
            short("by", &block.by)?;
            let (Basis::Original { reason: basis } | Basis::Derived { from: basis }) = &block.basis;
            short("basis", basis)?;
            short("declassify_on", &block.declassify_on)?;
        }
        shorts("distribution", &self.distribution)?;
        comments(&self.comments, |id| self.turns.iter().any(|turn| turn.id == id))
    }
}

/// Where a memorandum comes from, printed at its end. Known only after it was sealed and logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Colophon {
    /// The record's identifier.
    pub record: String,
    /// The version of the document.
    pub document_version: u32,
    /// `draft`, `reviewed`, `approved`.
    pub state: String,
    /// The digest of the content, hexadecimal.
    pub digest: String,
    /// Its index in the log; none before it is logged.
    pub log_index: Option<u64>,
    /// Size and root of the checkpoint by which it was proven; empty before.
    pub checkpoint: String,
}

impl Colophon {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        short("record", &self.record)?;
        short("state", &self.state)?;
        short("digest", &self.digest)?;
        optional("checkpoint", &self.checkpoint, MAX_SHORT_CHARS)
    }
}
