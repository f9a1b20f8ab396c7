//! What the switchboard knows of lines: between whom they are, what they allow, and whether they are in use. Statements stay in the
//! store; the driver reads the one that a ring names.

use super::port::SessionId;
use crate::{
    local_time,
    store::{CallRow, LineRow, LineVersion, SignedLine, Stage},
};
use std::collections::{BTreeSet, HashMap, VecDeque};
use telcon_proto::{
    Card, DeviceId, LineId, PersonId,
    doubt::DoubtedLine,
    limits::MAX_RINGS_PER_DAY,
    line::{ContactLine, Line, LineState, LoggedVersion, OverLine, Reach},
    message::Ring,
};

/// In how long a time rings are counted that a line's terms limit, milliseconds.
pub(super) const RINGS_COUNTED_MS: u64 = 24 * 60 * 60 * 1000;

/// Lines that have not ended, or whose newest version is not in the log.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub rows: HashMap<LineId, Held>,
    by_principal: HashMap<PersonId, BTreeSet<LineId>>,
    by_pair: HashMap<(PersonId, PersonId), BTreeSet<LineId>>,
    /// Principals whose lines a person holds.
    by_holder: HashMap<PersonId, BTreeSet<PersonId>>,
    /// Lines that are frozen, by their holder.
    frozen: HashMap<PersonId, BTreeSet<LineId>>,
    /// Where the answer goes while the log does not have a version.
    pub asked_by: HashMap<LineId, SessionId>,
}

/// A line in memory.
#[derive(Debug)]
pub(super) struct Held {
    pub given_ms: u64,
    /// The newest version that is in the log.
    pub current: Option<LineVersion>,
    /// The next one, which is stored, and of which the log may have the entry.
    pub pending: Option<LineVersion>,
    /// A newer version than the current one, of which only the log's entry is known: not in use until the next version.
    pub found: Option<LoggedVersion>,
    /// When its holder rang over it since this engine was started.
    pub rings_ms: VecDeque<u64>,
}

impl Held {
    fn new(row: LineRow) -> Self {
        let LineRow { given_ms, current, pending, found, .. } = row;
        Self { given_ms, current, pending, found, rings_ms: VecDeque::new() }
    }

    /// What the next version has to follow: number and digest; none before the first is in the log.
    pub fn newest(&self) -> Option<LoggedVersion> {
        let of = |version: &LineVersion| LoggedVersion {
            version: version.content.version,
            state: version.content.state,
            statement_sha256: version.sha256,
        };
        self.found.or_else(|| self.current.as_ref().map(of))
    }

    /// Whether it is in use, as far as is known: a stop counts before the log has it, and nothing else does.
    pub fn state(&self) -> LineState {
        let stopping = self.pending.as_ref().map(|next| next.content.state).filter(|state| *state != LineState::Live);
        let lost = self.found.map(|found| if found.state == LineState::Live { LineState::Paused } else { found.state });
        let current = self.current.as_ref().map_or(LineState::Paused, |version| version.content.state);
        stopping.or(lost).unwrap_or(current)
    }

    fn parties(&self) -> Option<(PersonId, PersonId)> {
        let content = &self.current.as_ref().or(self.pending.as_ref())?.content;
        Some((content.principal.person, content.holder.person))
    }
}

/// Who looks at a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Viewer {
    /// Its holder, on this device, which a principal's device certified or not.
    Holder {
        /// The device.
        device: DeviceId,
        /// Whether a principal's device certified it.
        given: bool,
    },
    /// Its principal, or whoever rings for them.
    Principal,
}

/// Who rings whom, and from which device.
pub(super) struct Ringing<'a> {
    pub ring: &'a Ring,
    /// The caller, or the principal for whom somebody rings.
    pub caller: &'a Card,
    /// Whether it is on behalf of somebody.
    pub on_behalf: bool,
    pub callee: &'a Card,
    pub device: DeviceId,
    /// Whether a principal's device certified that one.
    pub given: bool,
    pub now_ms: u64,
    /// When this engine was started: earlier rings are in the store.
    pub started_ms: u64,
}

impl Lines {
    pub fn insert(&mut self, row: LineRow) {
        let line = row.line;
        let held = Held::new(row);
        if let Some((principal, holder)) = held.parties() {
            self.by_principal.entry(principal).or_default().insert(line);
            self.by_pair.entry((principal, holder)).or_default().insert(line);
            self.by_holder.entry(holder).or_default().insert(principal);
        }
        self.rows.insert(line, held);
        self.state_changed(line);
    }

    /// The newest version of a line that is in the log is another one: whether it is frozen may have changed.
    pub fn state_changed(&mut self, line: LineId) {
        let Some(held) = self.rows.get(&line) else { return };
        let Some((_, holder)) = held.parties() else { return };
        let frozen = held.newest().is_some_and(|newest| newest.state == LineState::Suspect);
        match frozen {
            true => drop(self.frozen.entry(holder).or_default().insert(line)),
            false => self.unfreeze(line, holder),
        }
    }

    fn unfreeze(&mut self, line: LineId, holder: PersonId) {
        let Some(lines) = self.frozen.get_mut(&holder) else { return };
        lines.remove(&line);
        if lines.is_empty() {
            self.frozen.remove(&holder);
        }
    }

    /// Whether a line of this holder is frozen.
    pub fn is_doubted(&self, holder: PersonId) -> bool {
        self.frozen.contains_key(&holder)
    }

    /// Lines of this principal that are not frozen, of holders of whom another principal's is.
    pub fn doubted(&self, principal: PersonId) -> Vec<DoubtedLine> {
        if self.frozen.is_empty() {
            return Vec::new();
        }
        let own = self.by_principal.get(&principal).into_iter().flatten().filter_map(|line| self.rows.get(line));
        let doubted = own.filter_map(|held| {
            let version = held.current.as_ref()?;
            let newest = held.newest()?;
            let others = self.frozen.get(&version.content.holder.person)?.iter().filter_map(|line| self.rows.get(line));
            let others = others.filter_map(|other| other.current.as_ref());
            let others = others.filter(|other| other.content.principal.person != principal);
            let since_ms = others.map(|other| other.signed_ms).max()?;
            matches!(newest.state, LineState::Live | LineState::Paused).then(|| DoubtedLine {
                line: version.content.line,
                principal: version.content.principal.clone(),
                holder: version.content.holder.clone(),
                since_ms,
            })
        });
        doubted.collect()
    }

    pub fn remove(&mut self, line: LineId) {
        let Some((principal, holder)) = self.rows.remove(&line).and_then(|held| held.parties()) else { return };
        self.unfreeze(line, holder);
        if let Some(lines) = self.by_principal.get_mut(&principal) {
            lines.remove(&line);
            if lines.is_empty() {
                self.by_principal.remove(&principal);
            }
        }
        let Some(lines) = self.by_pair.get_mut(&(principal, holder)) else { return };
        lines.remove(&line);
        if !lines.is_empty() {
            return;
        }
        self.by_pair.remove(&(principal, holder));
        if let Some(principals) = self.by_holder.get_mut(&holder) {
            principals.remove(&principal);
            if principals.is_empty() {
                self.by_holder.remove(&holder);
            }
        }
    }

    /// Whether a call over a line that is in this state cannot go on: a pause stops rings, and the end or a doubt calls too.
    pub fn stops(&self, call: &CallRow) -> bool {
        let Some((line, _)) = call.line else { return false };
        match self.rows.get(&line).map(Held::state) {
            Some(LineState::Live) => false,
            Some(LineState::Paused) => call.stage != Stage::Live,
            Some(LineState::Suspect | LineState::Ended) | None => true,
        }
    }

    /// How many lines of a principal have not ended.
    pub fn count(&self, principal: PersonId) -> usize {
        self.by_principal.get(&principal).map_or(0, BTreeSet::len)
    }

    /// Whether this person holds a line of that principal.
    pub fn is_between(&self, principal: PersonId, holder: PersonId) -> bool {
        self.by_pair.contains_key(&(principal, holder))
    }

    /// Who holds lines of a principal.
    pub fn holders(&self, principal: PersonId) -> BTreeSet<PersonId> {
        let lines = self.by_principal.get(&principal).into_iter().flatten();
        lines.filter_map(|line| self.rows.get(line)?.parties()).map(|(_, holder)| holder).collect()
    }

    /// Principals whose lines a person holds.
    pub fn principals(&self, holder: PersonId) -> BTreeSet<PersonId> {
        self.by_holder.get(&holder).cloned().unwrap_or_default()
    }

    /// The line between two people as one of them sees it: of several the one that may be rung over, the newest of those.
    pub fn shown(&self, principal: PersonId, holder: PersonId, viewer: Viewer) -> Option<ContactLine> {
        let lines = self.by_pair.get(&(principal, holder)).into_iter().flatten();
        let held = lines.filter_map(|line| self.rows.get(line)).filter_map(|held| {
            let version = held.current.as_ref()?;
            let theirs = match viewer {
                Viewer::Principal => true,
                Viewer::Holder { device, given } => is_bound(&version.content, device, given),
            };
            (theirs && held.state() != LineState::Ended).then_some((held, version))
        });
        let (held, version) = held.max_by_key(|(held, _)| (held.state() == LineState::Live, held.given_ms))?;
        let newest = held.newest().map_or(version.sha256, |newest| newest.statement_sha256);
        Some(ContactLine {
            over: OverLine { line: version.content.line, statement_sha256: newest },
            state: held.state(),
            terms: version.content.terms.clone(),
        })
    }

    /// Whether a ring is over a line that allows it: the version that it names, or what to tell its caller. `signed` is what the store
    /// has of that version.
    pub fn check_ring(&self, ringing: &Ringing<'_>, signed: Option<&SignedLine>) -> Result<(LineId, u32), String> {
        let &Ringing { ring, caller, on_behalf, callee, device, given, now_ms, started_ms } = ringing;
        let over = ring.over.ok_or("the ring names no line")?;
        let none = "there is no such line, or it has ended: ask the person for another";
        let held = self.rows.get(&over.line).ok_or(none)?;
        let version = held.current.as_ref().ok_or("this line is not in the office's log yet: try again in a moment")?;
        let line = &version.content;
        let by_principal = caller.person == line.principal.person && callee.person == line.holder.person;
        let by_holder = !on_behalf && caller.person == line.holder.person && callee.person == line.principal.person;
        if !by_principal && !by_holder {
            return Err("this line is between other people".into());
        }
        if by_holder && !is_bound(line, device, given) {
            return Err(
                "this line belongs to another device: ring from that one, or ask the person for another line".into()
            );
        }
        if held.found.is_some() && held.state() != LineState::Ended {
            let text = "the office's server was restored from a backup that is older than this line's last change: ask the person to \
                        confirm the line again";
            return Err(text.into());
        }
        match held.state() {
            LineState::Live => {}
            LineState::Paused => {
                return Err("this line is paused: the person does not want to be rung over it now".into());
            }
            LineState::Suspect => {
                return Err("this line is frozen until the office has cleared a doubt: ask the office".into());
            }
            LineState::Ended => return Err(none.into()),
        }
        // Who has signed the next version refuses a ring over this one.
        if held.pending.is_some() {
            return Err("this line is being changed: ring again in a moment".into());
        }
        if version.sha256 != over.statement_sha256 {
            return Err("this line has changed since: ring again".into());
        }
        if line.terms.until_ms.is_some_and(|until_ms| now_ms > until_ms) {
            return Err("this line's time is over: ask the person for another".into());
        }
        if ring.mode < line.terms.mode {
            return Err("this line demands a higher record mode: ring with that one".into());
        }
        let signed = signed.filter(|signed| signed.sha256 == version.sha256);
        let signed = signed.ok_or("the server could not read this line: ring again")?;
        if by_holder {
            check_terms(line, held, signed, now_ms, started_ms)?;
        }
        Ok((over.line, line.version))
    }

    /// A ring over a line is opened.
    pub fn rung(&mut self, line: LineId, caller: PersonId, now_ms: u64) {
        let Some(held) = self.rows.get_mut(&line) else { return };
        if held.current.as_ref().is_some_and(|version| version.content.holder.person == caller) {
            held.rings_ms.push_back(now_ms);
            // The most that any terms name.
            if held.rings_ms.len() > usize::from(MAX_RINGS_PER_DAY) {
                held.rings_ms.pop_front();
            }
        }
    }
}

/// Whether a device of the holder may ring over a line. A device that a principal certified counts for the line that names it, and for
/// no other.
fn is_bound(line: &Line, device: DeviceId, given: bool) -> bool {
    line.device.map_or(!given, |bound| bound == device)
}

/// What binds the holder alone: whom a ring reaches, when, and how often.
fn check_terms(line: &Line, held: &Held, signed: &SignedLine, now_ms: u64, started_ms: u64) -> Result<(), String> {
    if line.terms.reach == Reach::Planned {
        return Err("this line is for planned calls: ask for a time instead of ringing".into());
    }
    if let Some(hours) = &line.terms.hours {
        let within = local_time::minute(&hours.zone, now_ms).is_some_and(|at| hours.contains(at));
        if !within {
            return Err(format!(
                "this line may be rung over at certain hours only, in the zone {}: ring then",
                hours.zone
            ));
        }
    }
    let Some(most) = line.terms.rings_per_day else { return Ok(()) };
    let since = now_ms.saturating_sub(RINGS_COUNTED_MS);
    let before = signed.rings_ms.iter().filter(|at| **at < started_ms && **at > since).count();
    let rings = before + held.rings_ms.iter().filter(|at| **at > since).count();
    if rings >= usize::from(most) {
        return Err(format!("this line may be rung over {most} times in 24 hours, which is used up: ring later"));
    }
    Ok(())
}

/// Whether a call over a version reaches only those who may answer for the principal.
pub(super) fn reaches_desk_alone(line: &Line, caller: PersonId) -> bool {
    line.terms.reach == Reach::Desk && caller == line.holder.person
}
