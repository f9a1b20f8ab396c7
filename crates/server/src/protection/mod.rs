//! The rules of protected devices: when a ticket signs one in and counts as a recent confirmation, how many PINs may be tried, and
//! which WebAuthn ceremonies are under way. Time is an argument. Which commands need a confirmation is defined with the messages
//! ([`telcon_proto::ClientMessage::needs_confirmation`]).

mod ceremonies;
mod locker;
mod turns;

pub(crate) use ceremonies::{Ceremonies, CeremonyLimits, Client, Origin};
pub(crate) use locker::{Attempt, attempt};
pub(crate) use turns::{TurnLimits, Turns};

use crate::{digest::sha256, store::ProtectionRow};
use telcon_proto::limits::{CONFIRMATION_MAX_AGE_MS, TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS};

/// How far ahead of the clock a stored time may be, milliseconds: more than [`crate::clock::Clock`] follows without calling it a step.
/// A time beyond it was stored while the clock was wrong.
pub(crate) const MAX_AHEAD_MS: u64 = 5_000;

/// Whether less than `max_age_ms` passed since `then_ms`. A time in the future proves nothing: the clock was set back since.
fn is_younger(then_ms: u64, max_age_ms: u64, now_ms: u64) -> bool {
    remaining_ms(then_ms, max_age_ms, now_ms) > 0
}

/// How much is left of `max_age_ms` since `then_ms`, milliseconds; nothing if that is in the future.
pub(crate) fn remaining_ms(then_ms: u64, max_age_ms: u64, now_ms: u64) -> u64 {
    if then_ms > now_ms.saturating_add(MAX_AHEAD_MS) {
        return 0;
    }
    max_age_ms.saturating_sub(now_ms.saturating_sub(then_ms))
}

/// Whether a device needs a ticket.
pub(crate) fn is_protected(row: &ProtectionRow) -> bool {
    row.passkeys + row.lockers > 0
}

/// What a device that signs in is doing already. Each waives what those before it waive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InUse {
    /// Nothing.
    No,
    /// It is connected: its network changed, and the server has not noticed the end of the former connection. The stored use of its
    /// ticket is older than its last use, so that idleness cannot be measured.
    Connected,
    /// It is in a call, during which no device is locked, whatever the age of its ticket.
    InCall,
}

/// Whether a device may sign in. A protected one needs its newest ticket, which ends by age and by idleness unless the device is in
/// use.
pub(crate) fn admits(row: &ProtectionRow, ticket: Option<&str>, in_use: InUse, now_ms: u64) -> bool {
    if !is_protected(row) {
        return true;
    }
    let (Some(known), Some(presented)) = (row.ticket, ticket) else { return false };
    // Digests of random secrets: comparing them leaks nothing through its time.
    sha256(presented.as_bytes()) == known.sha256
        && (in_use >= InUse::InCall || is_younger(known.issued_ms, TICKET_MAX_AGE_MS, now_ms))
        && (in_use >= InUse::Connected || is_younger(known.used_ms, TICKET_MAX_IDLE_MS, now_ms))
}

/// How long a connected device stays signed in, milliseconds; 0 if its person has to unlock it again.
pub(crate) fn session_remaining_ms(row: &ProtectionRow, now_ms: u64) -> u64 {
    match row.ticket {
        _ if !is_protected(row) => TICKET_MAX_AGE_MS,
        Some(ticket) => remaining_ms(ticket.issued_ms, TICKET_MAX_AGE_MS, now_ms),
        None => 0,
    }
}

/// Whether the person of a device confirmed recently that they are there. Devices without protection cannot be asked.
pub(crate) fn is_confirmed(row: &ProtectionRow, now_ms: u64) -> bool {
    !is_protected(row) || row.ticket.is_some_and(|ticket| is_younger(ticket.issued_ms, CONFIRMATION_MAX_AGE_MS, now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TicketRow;

    const NOW: u64 = 1_800_000_000_000;

    fn row(issued_ms: u64, used_ms: u64) -> ProtectionRow {
        let ticket = TicketRow { sha256: sha256(b"ticket"), issued_ms, used_ms };
        ProtectionRow { passkeys: 1, lockers: 0, ticket: Some(ticket) }
    }

    #[test]
    fn a_protected_device_needs_its_newest_ticket() {
        assert!(admits(&ProtectionRow::default(), None, InUse::No, NOW), "an unprotected device needs none");
        assert!(admits(&row(NOW, NOW), Some("ticket"), InUse::No, NOW));
        let never_unlocked = ProtectionRow { lockers: 1, ..ProtectionRow::default() };
        for in_use in [InUse::No, InUse::Connected, InUse::InCall] {
            for other in [None, Some(""), Some("ticket "), Some("other")] {
                assert!(!admits(&row(NOW, NOW), other, in_use, NOW), "{other:?} {in_use:?}");
            }
            assert!(!admits(&never_unlocked, Some("ticket"), in_use, NOW), "{in_use:?}");
        }
    }

    #[test]
    fn a_ticket_ends_by_age_and_by_idleness() {
        let used =
            |issued_ago, used_ago, in_use| admits(&row(NOW - issued_ago, NOW - used_ago), Some("ticket"), in_use, NOW);
        let at = |issued_ago, used_ago| used(issued_ago, used_ago, InUse::No);
        assert!(at(TICKET_MAX_AGE_MS - 1, 0) && !at(TICKET_MAX_AGE_MS, 0), "age");
        assert!(
            at(TICKET_MAX_IDLE_MS, TICKET_MAX_IDLE_MS - 1) && !at(TICKET_MAX_IDLE_MS, TICKET_MAX_IDLE_MS),
            "idleness"
        );
        assert!(used(TICKET_MAX_AGE_MS - 1, TICKET_MAX_IDLE_MS, InUse::Connected), "connected is not idle");
        assert!(!used(TICKET_MAX_AGE_MS, 0, InUse::Connected), "and ages");
        assert!(used(2 * TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS, InUse::InCall), "a call is not interrupted");
        assert_eq!(session_remaining_ms(&row(NOW - TICKET_MAX_AGE_MS + 7, NOW), NOW), 7);
        assert_eq!(session_remaining_ms(&row(NOW - TICKET_MAX_AGE_MS - 7, NOW), NOW), 0);
    }

    /// The server's clock was ahead for a moment, and is right again.
    #[test]
    fn a_ticket_of_the_future_signs_nobody_in_and_confirms_nothing() {
        for ahead_ms in [MAX_AHEAD_MS + 1, TICKET_MAX_AGE_MS, 30 * 86_400_000] {
            let issued = row(NOW + ahead_ms, NOW);
            assert!(!admits(&issued, Some("ticket"), InUse::Connected, NOW), "{ahead_ms}");
            assert!(!is_confirmed(&issued, NOW), "{ahead_ms}");
            assert_eq!(session_remaining_ms(&issued, NOW), 0, "{ahead_ms}");
            assert!(admits(&issued, Some("ticket"), InUse::InCall, NOW), "a call is not interrupted");
            let used = row(NOW, NOW + ahead_ms);
            assert!(!admits(&used, Some("ticket"), InUse::No, NOW), "{ahead_ms}");
            assert!(admits(&used, Some("ticket"), InUse::Connected, NOW), "{ahead_ms}");
        }
        let slewed = row(NOW + MAX_AHEAD_MS, NOW + MAX_AHEAD_MS);
        assert!(admits(&slewed, Some("ticket"), InUse::No, NOW) && is_confirmed(&slewed, NOW));
        assert_eq!(session_remaining_ms(&slewed, NOW), TICKET_MAX_AGE_MS);
    }

    #[test]
    fn a_confirmation_lasts_five_minutes() {
        assert!(is_confirmed(&ProtectionRow::default(), NOW), "an unprotected device cannot be asked");
        assert!(is_confirmed(&row(NOW - CONFIRMATION_MAX_AGE_MS + 1, NOW), NOW));
        assert!(!is_confirmed(&row(NOW - CONFIRMATION_MAX_AGE_MS, NOW), NOW));
        assert!(!is_confirmed(&ProtectionRow { passkeys: 1, ..ProtectionRow::default() }, NOW));
    }
}
