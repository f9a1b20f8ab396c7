//! The rules of protected devices: when a ticket signs one in, which commands need a recent confirmation, how many PINs may be
//! tried, and which WebAuthn ceremonies are under way. Time is an argument.

mod ceremonies;
mod locker;

pub(crate) use ceremonies::{Ceremonies, CeremonyLimits};
pub(crate) use locker::{Attempt, attempt, wait_after};

use crate::store::ProtectionRow;
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    ClientMessage, Digest,
    limits::{CONFIRMATION_MAX_AGE_MS, TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS},
};

/// SHA-256, as it is stored of tickets, lockers and proofs.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Whether a device needs a ticket.
pub(crate) fn is_protected(row: &ProtectionRow) -> bool {
    row.passkeys + row.lockers > 0
}

/// Whether a device may sign in. A protected one needs its newest ticket, which ends by age and by idleness.
pub(crate) fn admits(row: &ProtectionRow, ticket: Option<&str>, now_ms: u64) -> bool {
    if !is_protected(row) {
        return true;
    }
    let (Some(known), Some(presented)) = (row.ticket, ticket) else { return false };
    // Digests of random secrets: comparing them leaks nothing through its time.
    sha256(presented.as_bytes()) == known.sha256
        && now_ms.saturating_sub(known.issued_ms) < TICKET_MAX_AGE_MS
        && now_ms.saturating_sub(known.used_ms) < TICKET_MAX_IDLE_MS
}

/// How long a connected device stays signed in, milliseconds; 0 if its person has to unlock it again.
pub(crate) fn remains_ms(row: &ProtectionRow, now_ms: u64) -> u64 {
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

/// Commands with which an unlocked device that was left alone could do lasting harm.
pub(crate) fn is_dangerous(message: &ClientMessage) -> bool {
    matches!(
        message,
        ClientMessage::Invite { .. }
            | ClientMessage::CloseInvitation { .. }
            | ClientMessage::ApproveDevice { .. }
            | ClientMessage::RevokeDevice { .. }
    )
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
        assert!(admits(&ProtectionRow::default(), None, NOW), "an unprotected device needs none");
        assert!(admits(&row(NOW, NOW), Some("ticket"), NOW));
        for other in [None, Some(""), Some("ticket "), Some("other")] {
            assert!(!admits(&row(NOW, NOW), other, NOW), "{other:?}");
        }
        assert!(!admits(&ProtectionRow { lockers: 1, ..ProtectionRow::default() }, Some("ticket"), NOW));
    }

    #[test]
    fn a_ticket_ends_by_age_and_by_idleness() {
        let at = |issued_ago, used_ago| admits(&row(NOW - issued_ago, NOW - used_ago), Some("ticket"), NOW);
        assert!(at(TICKET_MAX_AGE_MS - 1, 0) && !at(TICKET_MAX_AGE_MS, 0), "age");
        assert!(
            at(TICKET_MAX_IDLE_MS, TICKET_MAX_IDLE_MS - 1) && !at(TICKET_MAX_IDLE_MS, TICKET_MAX_IDLE_MS),
            "idleness"
        );
        assert_eq!(remains_ms(&row(NOW - TICKET_MAX_AGE_MS + 7, NOW), NOW), 7);
        assert_eq!(remains_ms(&row(NOW - TICKET_MAX_AGE_MS - 7, NOW), NOW), 0);
    }

    #[test]
    fn a_confirmation_lasts_five_minutes() {
        assert!(is_confirmed(&ProtectionRow::default(), NOW), "an unprotected device cannot be asked");
        assert!(is_confirmed(&row(NOW - CONFIRMATION_MAX_AGE_MS + 1, NOW), NOW));
        assert!(!is_confirmed(&row(NOW - CONFIRMATION_MAX_AGE_MS, NOW), NOW));
        assert!(!is_confirmed(&ProtectionRow { passkeys: 1, ..ProtectionRow::default() }, NOW));
    }
}
