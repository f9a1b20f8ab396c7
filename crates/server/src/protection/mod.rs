//! The rules of protected devices: when a ticket signs one in and counts as a recent confirmation, how many PINs may be tried, and
//! which WebAuthn ceremonies are under way. Time is an argument. Which commands need a confirmation is defined with the messages
//! ([`telcon_proto::ClientMessage::needs_confirmation`]).

mod ceremonies;
mod locker;
mod turns;

pub(crate) use ceremonies::{Ceremonies, CeremonyLimits, Origin};
pub(crate) use locker::{Attempt, attempt};
pub(crate) use turns::{TurnLimits, Turns};

use crate::{digest::sha256, store::ProtectionRow};
use telcon_proto::limits::{CONFIRMATION_MAX_AGE_MS, TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS};

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
        && (in_use >= InUse::InCall || now_ms.saturating_sub(known.issued_ms) < TICKET_MAX_AGE_MS)
        && (in_use >= InUse::Connected || now_ms.saturating_sub(known.used_ms) < TICKET_MAX_IDLE_MS)
}

/// How long a connected device stays signed in, milliseconds; 0 if its person has to unlock it again.
pub(crate) fn session_remaining_ms(row: &ProtectionRow, now_ms: u64) -> u64 {
    match row.ticket {
        _ if !is_protected(row) => TICKET_MAX_AGE_MS,
        Some(ticket) => TICKET_MAX_AGE_MS.saturating_sub(now_ms.saturating_sub(ticket.issued_ms)),
        None => 0,
    }
}

/// Whether the person of a device confirmed recently that they are there. Devices without protection cannot be asked.
pub(crate) fn is_confirmed(row: &ProtectionRow, now_ms: u64) -> bool {
    !is_protected(row)
        || row.ticket.is_some_and(|ticket| now_ms.saturating_sub(ticket.issued_ms) < CONFIRMATION_MAX_AGE_MS)
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

    #[test]
    fn a_confirmation_lasts_five_minutes() {
        assert!(is_confirmed(&ProtectionRow::default(), NOW), "an unprotected device cannot be asked");
        assert!(is_confirmed(&row(NOW - CONFIRMATION_MAX_AGE_MS + 1, NOW), NOW));
        assert!(!is_confirmed(&row(NOW - CONFIRMATION_MAX_AGE_MS, NOW), NOW));
        assert!(!is_confirmed(&ProtectionRow { passkeys: 1, ..ProtectionRow::default() }, NOW));
    }
}
