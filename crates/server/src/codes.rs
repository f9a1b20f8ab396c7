//! Short codes: which connection shows which, and which attempts are under way. The server forwards their messages and learns
//! neither secret nor text. Nothing of it is stored: a code ends with the connection of the device that shows it.
//!
//! An engine: times and random numbers are arguments. Wrong codes are counted by the device that shows the code; the limits here are
//! against floods.

use crate::{
    allowance::Allowance,
    limits::{CODE_OPENINGS, CODES_FROM_ONE_ADDRESS, CODES_OF_AN_OFFICE, MAX_OPEN_CODES},
    switchboard::SessionId,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};
use telcon_proto::{
    CodeRunId, DeviceId,
    limits::{CODE_TTL_MS, MAX_CODE_RUNS_AT_ONCE},
    short_code::{CODE_SLOTS, CodeOver, CodeSlot},
};

/// Addresses whose attempts are remembered before those that have all of them again are forgotten.
const REMEMBERED: usize = 512;

/// Why a step of an attempt is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeRefusal {
    /// No code has this slot, or this attempt is not under way.
    Unknown,
    /// The code is over.
    Over(CodeOver),
    /// Too many attempts from this address, or in all.
    TooOften,
}

/// All codes of the office. `W` is what waits for the answer to one step.
///
/// Invariant: `by_age` has each slot of `slots` once, those that end first in front; `by_session` has those whose connection is open.
pub(crate) struct Codes<W> {
    slots: BTreeMap<CodeSlot, Slot<W>>,
    by_age: VecDeque<CodeSlot>,
    by_session: BTreeMap<SessionId, BTreeSet<CodeSlot>>,
    openings: HashMap<DeviceId, Allowance>,
    attempts: Allowance,
    by_address: HashMap<IpAddr, Allowance>,
}

struct Slot<W> {
    /// The connection of the device that shows the code; none once that is over.
    session: Option<SessionId>,
    expires_ms: u64,
    /// Under way, oldest first.
    runs: VecDeque<(CodeRunId, Option<W>)>,
}

impl<W> Default for Codes<W> {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
            by_age: VecDeque::new(),
            by_session: BTreeMap::new(),
            openings: HashMap::new(),
            attempts: Allowance::default(),
            by_address: HashMap::new(),
        }
    }
}

impl<W> Codes<W> {
    /// Allots a slot that no code had in the last [`CODE_TTL_MS`]; none if the device, or all together, opened too many.
    pub fn open(&mut self, session: SessionId, device: DeviceId, random: u64, now_ms: u64) -> Option<CodeSlot> {
        self.forget_expired(now_ms);
        if self.slots.len() >= MAX_OPEN_CODES {
            return None;
        }
        // Registrars' devices: an office has a few.
        if !self.openings.entry(device).or_default().take(CODE_OPENINGS, now_ms) {
            return None;
        }
        // From there on the first that is free: most are.
        let first = random % u64::from(CODE_SLOTS);
        let candidates = (0..u64::from(CODE_SLOTS)).map(|n| (first + n) % u64::from(CODE_SLOTS));
        let mut slots = candidates.filter_map(|number| CodeSlot::new(number as u16));
        let slot = slots.find(|slot| !self.slots.contains_key(slot))?;
        let expires_ms = now_ms + CODE_TTL_MS;
        self.slots.insert(slot, Slot { session: Some(session), expires_ms, runs: VecDeque::new() });
        self.by_age.push_back(slot);
        self.by_session.entry(session).or_default().insert(slot);
        Some(slot)
    }

    /// The device does not show this code any more. What waited for it is dropped. The slot stays taken until it would have ended,
    /// so that who types the code late learns why it does not work, and reaches no other code.
    pub fn close(&mut self, session: SessionId, slot: CodeSlot) {
        if let Some(closed) = self.slots.get_mut(&slot).filter(|open| open.session == Some(session)) {
            closed.session = None;
            closed.runs.clear();
        }
        if let Some(own) = self.by_session.get_mut(&session) {
            own.remove(&slot);
            if own.is_empty() {
                self.by_session.remove(&session);
            }
        }
    }

    /// The connection closed, and its codes with it.
    pub fn disconnected(&mut self, session: SessionId) {
        for slot in self.by_session.remove(&session).unwrap_or_default() {
            self.close(session, slot);
        }
    }

    /// An attempt begins. Returns the connection to which its first step goes. `address` is none behind a proxy that does not tell
    /// addresses.
    ///
    /// # Errors
    /// [`CodeRefusal`].
    pub fn start(
        &mut self,
        slot: CodeSlot,
        address: Option<IpAddr>,
        run: CodeRunId,
        waiter: W,
        now_ms: u64,
    ) -> Result<SessionId, CodeRefusal> {
        // Before it is said whether there is such a code: nobody lists the slots that are in use.
        self.take_attempt(address, now_ms)?;
        let open = self.get(slot, now_ms)?;
        let session = open.session.ok_or(CodeRefusal::Over(CodeOver::Closed))?;
        if open.runs.len() == MAX_CODE_RUNS_AT_ONCE {
            open.runs.pop_front();
        }
        open.runs.push_back((run, Some(waiter)));
        Ok(session)
    }

    /// An attempt goes on.
    ///
    /// # Errors
    /// [`CodeRefusal`].
    pub fn go_on(&mut self, slot: CodeSlot, run: CodeRunId, waiter: W, now_ms: u64) -> Result<SessionId, CodeRefusal> {
        let open = self.get(slot, now_ms)?;
        let session = open.session.ok_or(CodeRefusal::Over(CodeOver::Closed))?;
        match open.runs.iter_mut().find(|(known, _)| *known == run) {
            // The step before is answered.
            Some((_, waiting @ None)) => {
                *waiting = Some(waiter);
                Ok(session)
            }
            _ => Err(CodeRefusal::Unknown),
        }
    }

    /// The device that shows the code answers a step. Returns who waits for it; `last`: the attempt is over with this.
    pub fn answer(&mut self, session: SessionId, slot: CodeSlot, run: CodeRunId, last: bool) -> Option<W> {
        let open = self.slots.get_mut(&slot).filter(|open| open.session == Some(session))?;
        let at = open.runs.iter().position(|(known, _)| *known == run)?;
        match last {
            true => open.runs.remove(at)?.1,
            false => open.runs.get_mut(at)?.1.take(),
        }
    }

    fn get(&mut self, slot: CodeSlot, now_ms: u64) -> Result<&mut Slot<W>, CodeRefusal> {
        self.forget_expired(now_ms);
        self.slots.get_mut(&slot).ok_or(CodeRefusal::Unknown)
    }

    fn take_attempt(&mut self, address: Option<IpAddr>, now_ms: u64) -> Result<(), CodeRefusal> {
        let mut own = address.and_then(|address| self.by_address.get(&address)).copied().unwrap_or_default();
        // An address that has none left takes none of the others'.
        if address.is_some() && !own.take(CODES_FROM_ONE_ADDRESS, now_ms)
            || !self.attempts.take(CODES_OF_AN_OFFICE, now_ms)
        {
            return Err(CodeRefusal::TooOften);
        }
        if let Some(address) = address {
            if self.by_address.len() >= REMEMBERED {
                self.by_address.retain(|_, allowance| !allowance.is_full(now_ms));
            }
            self.by_address.insert(address, own);
        }
        Ok(())
    }

    fn forget_expired(&mut self, now_ms: u64) {
        while let Some(slot) = self.by_age.front().copied()
            && self.slots.get(&slot).is_none_or(|open| open.expires_ms <= now_ms)
        {
            self.by_age.pop_front();
            if let Some(session) = self.slots.get(&slot).and_then(|open| open.session) {
                self.close(session, slot);
            }
            self.slots.remove(&slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const ONE: SessionId = SessionId(1);
    const TWO: SessionId = SessionId(2);

    fn device(n: u16) -> DeviceId {
        DeviceId::from_bytes(std::array::from_fn(|at| if at < 2 { n.to_be_bytes()[at] } else { 0 }))
    }

    fn run(n: u8) -> CodeRunId {
        CodeRunId::from_bytes([n; 16])
    }

    fn from(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    fn sizes<W>(codes: &Codes<W>) -> [usize; 3] {
        [codes.slots.len(), codes.by_age.len(), codes.by_session.values().map(BTreeSet::len).sum()]
    }

    #[test]
    fn an_attempt_goes_to_the_device_that_shows_the_code_and_back() {
        let mut codes = Codes::default();
        let slot = codes.open(ONE, device(1), 42, NOW).unwrap();
        assert_eq!(slot.number(), 42);
        assert_eq!(codes.start(slot, from(1), run(1), "first", NOW), Ok(ONE));
        assert_eq!(
            codes.go_on(slot, run(1), "early", NOW),
            Err(CodeRefusal::Unknown),
            "the first step is not answered"
        );
        assert_eq!(codes.answer(TWO, slot, run(1), false), None, "another device does not answer");
        assert_eq!(codes.answer(ONE, slot, run(1), false), Some("first"));
        assert_eq!(codes.answer(ONE, slot, run(1), false), None, "nobody waits");
        assert_eq!(codes.go_on(slot, run(2), "other", NOW), Err(CodeRefusal::Unknown));
        assert_eq!(codes.go_on(slot, run(1), "second", NOW), Ok(ONE));
        assert_eq!(codes.answer(ONE, slot, run(1), true), Some("second"));
        assert_eq!(codes.go_on(slot, run(1), "third", NOW), Err(CodeRefusal::Unknown), "it is over");
    }

    #[test]
    fn no_two_codes_have_one_slot_and_it_stays_taken_after_the_code() {
        let mut codes = Codes::<()>::default();
        let first = codes.open(ONE, device(1), 9_999, NOW).unwrap();
        let second = codes.open(TWO, device(2), 9_999, NOW).unwrap();
        assert_eq!((first.number(), second.number()), (9_999, 0));
        codes.close(TWO, first);
        assert_eq!(codes.start(first, from(1), run(1), (), NOW), Ok(ONE), "only its device closes it");
        codes.close(ONE, first);
        assert_eq!(codes.start(first, from(1), run(1), (), NOW), Err(CodeRefusal::Over(CodeOver::Closed)));
        assert_ne!(codes.open(ONE, device(1), 9_999, NOW).unwrap(), first);
        let later = NOW + CODE_TTL_MS;
        assert_eq!(codes.start(first, from(1), run(1), (), later), Err(CodeRefusal::Unknown));
        assert_eq!(codes.open(ONE, device(1), 9_999, later), Some(first));
    }

    #[test]
    fn codes_end_with_the_connection_and_with_time() {
        let mut codes = Codes::default();
        let slots: Vec<_> = (0..3).map(|n| codes.open(ONE, device(1), n, NOW).unwrap()).collect();
        let other = codes.open(TWO, device(2), 7, NOW + 1).unwrap();
        codes.start(slots[0], from(1), run(1), "waits", NOW).unwrap();
        codes.disconnected(ONE);
        assert_eq!(codes.answer(ONE, slots[0], run(1), false), None);
        for slot in slots {
            assert_eq!(codes.start(slot, from(1), run(2), "late", NOW), Err(CodeRefusal::Over(CodeOver::Closed)));
        }
        assert_eq!(codes.start(other, from(1), run(3), "other", NOW), Ok(TWO));
        assert_eq!(sizes(&codes), [4, 4, 1]);
        assert_eq!(codes.start(other, from(2), run(4), "late", NOW + 1 + CODE_TTL_MS), Err(CodeRefusal::Unknown));
        assert_eq!(sizes(&codes), [0; 3]);
    }

    /// A registrar's device that opens codes without end fills neither the memory nor the slots.
    #[test]
    fn a_device_opens_a_bounded_number_of_codes() {
        let mut codes = Codes::<()>::default();
        let opened = (0..100_000).filter(|n| codes.open(ONE, device(1), *n, NOW + n).is_some()).count();
        assert!((10..50).contains(&opened), "{opened}");
        let all = (2..30_000).filter(|n| codes.open(ONE, device(*n), u64::from(*n), NOW).is_some()).count();
        assert_eq!(all + opened, MAX_OPEN_CODES);
    }

    /// Somebody tries one slot after the other, from one address and from many.
    #[test]
    fn attempts_are_limited_for_each_address_and_in_all() {
        let mut codes = Codes::default();
        let slot = codes.open(ONE, device(1), 42, NOW).unwrap();
        let mut count = |address: Option<IpAddr>, at: u64| {
            (0..1_000).filter(|_| codes.start(slot, address, run(1), (), at) != Err(CodeRefusal::TooOften)).count()
        };
        assert_eq!(count(from(1), NOW), CODES_FROM_ONE_ADDRESS.burst() as usize);
        assert_eq!(count(from(2), NOW), CODES_FROM_ONE_ADDRESS.burst() as usize, "another address has its own");
        let rest: usize = (3..=250).map(|n| count(from(n), NOW)).sum();
        assert_eq!(rest + 2 * CODES_FROM_ONE_ADDRESS.burst() as usize, CODES_OF_AN_OFFICE.burst() as usize);
        assert_eq!(count(from(251), NOW), 0, "the office's are used up");
        assert!(count(from(251), NOW + 60_000) > 0);
        // Sweeping all slots takes longer than a code lives.
        let in_a_life = u64::from(CODES_OF_AN_OFFICE.burst()) + CODE_TTL_MS / CODES_OF_AN_OFFICE.interval_ms();
        assert!(in_a_life < u64::from(CODE_SLOTS));
        assert!(codes.by_address.len() <= REMEMBERED);
    }

    #[test]
    fn the_oldest_of_too_many_attempts_at_once_gives_way() {
        let mut codes = Codes::default();
        let slot = codes.open(ONE, device(1), 42, NOW).unwrap();
        for n in 0..=MAX_CODE_RUNS_AT_ONCE as u8 {
            codes.start(slot, from(1), run(n), n, NOW).unwrap();
        }
        assert_eq!(codes.answer(ONE, slot, run(0), false), None);
        assert_eq!(codes.answer(ONE, slot, run(1), false), Some(1));
    }
}
