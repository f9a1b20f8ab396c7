//! Who may claim which state of which kind of document: the one table that servers and devices use. It is printed into `docs/policy.md`.
//!
//! ```
//! use telcon_proto::{Role, document::{DocumentKind, DocumentState}, document_policy::may_claim};
//!
//! assert!(may_claim(Role::Principal, DocumentKind::Memorandum, DocumentState::Approved));
//! assert!(!may_claim(Role::NoteTaker, DocumentKind::Memorandum, DocumentState::Approved));
//! ```

use crate::{
    Role,
    document::{DocumentKind, DocumentState},
};
use DocumentKind::{
    Actions, Brief, Circulation, Copy, Debrief, Memorandum, Notes, Profile, Readout, Request, Schedule,
};
use DocumentState::{Approved, Closed, Declined, Destroyed, Draft, Published, Recalled, Reviewed};
use Role::{Counterpart, DutyOfficer, Interpreter, NoteTaker, Principal, RecordsOfficer, Scheduler};

/// The desk and the principal whom it works for.
const DESK: &[Role] = &[Principal, Scheduler, DutyOfficer];
/// Those who give copies to readers, and recall them.
const ISSUERS: &[Role] = &[Principal, Scheduler, DutyOfficer, RecordsOfficer];

/// Every claim that exists, and the roles that may make it. What a principal alone may claim, a delegate claims for them under a delegation
/// to answer.
pub const TABLE: &[(DocumentKind, DocumentState, &[Role])] = &[
    (Request, Draft, &[Principal, Counterpart, Scheduler, DutyOfficer]),
    (Request, Reviewed, DESK),
    (Request, Approved, &[Principal]),
    (Request, Declined, &[Principal]),
    (Request, Closed, &[Principal, Counterpart, Scheduler, DutyOfficer]),
    (Brief, Draft, DESK),
    (Brief, Reviewed, DESK),
    (Brief, Approved, &[Principal, Scheduler]),
    (Brief, Closed, DESK),
    (Profile, Draft, DESK),
    (Profile, Closed, DESK),
    (Notes, Draft, &[Principal, Scheduler, DutyOfficer, NoteTaker, Interpreter]),
    (Notes, Closed, &[Principal, Scheduler, DutyOfficer, NoteTaker, Interpreter]),
    (Memorandum, Draft, &[Principal, Scheduler, DutyOfficer, NoteTaker]),
    (Memorandum, Reviewed, DESK),
    (Memorandum, Approved, &[Principal, Scheduler]),
    (Memorandum, Destroyed, &[Principal, Scheduler, RecordsOfficer]),
    (Copy, Approved, ISSUERS),
    (Copy, Recalled, ISSUERS),
    (Debrief, Draft, DESK),
    (Debrief, Reviewed, DESK),
    (Debrief, Approved, &[Principal]),
    (Readout, Draft, DESK),
    (Readout, Reviewed, DESK),
    (Readout, Approved, &[Principal]),
    (Readout, Published, &[Principal, Scheduler]),
    (Readout, Recalled, &[Principal, Scheduler]),
    (Actions, Draft, DESK),
    (Actions, Closed, DESK),
    // The other side picks a time or offers others, which is a draft; the office confirms what was picked.
    (Schedule, Draft, &[Principal, Counterpart, Scheduler, DutyOfficer]),
    (Schedule, Approved, DESK),
    (Schedule, Closed, &[Principal, Counterpart, Scheduler, DutyOfficer]),
    // The registry of the copies: a draft as long as copies may be added or recalled.
    (Circulation, Draft, ISSUERS),
    (Circulation, Closed, ISSUERS),
];

/// Whether people of this role may claim the state in their own right.
pub fn may_claim(role: Role, kind: DocumentKind, state: DocumentState) -> bool {
    TABLE.iter().any(|(of, claim, roles)| (*of, *claim) == (kind, state) && roles.contains(&role))
}

/// Whether people of this role may be readers of a kind. The other side reads what it agrees with the office, and nothing that the office
/// writes for itself.
pub const fn may_read(role: Role, kind: DocumentKind) -> bool {
    !matches!(role, Counterpart) || matches!(kind, Request | Schedule)
}

/// Whether a version of this state may follow one of that state. A change after an approval is a draft again, of its own version; what is
/// declined, recalled, closed or destroyed stays that.
pub const fn may_follow(before: DocumentState, next: DocumentState) -> bool {
    match before {
        Draft | Reviewed => !matches!(next, Published | Recalled),
        Approved => matches!(next, Draft | Published | Recalled | Closed),
        Published => matches!(next, Draft | Recalled),
        Declined | Recalled | Closed | Destroyed => false,
    }
}

/// Whether a document may begin in this state.
pub fn may_begin(kind: DocumentKind, state: DocumentState) -> bool {
    // Copies are issued; everything else is written.
    state == if kind == Copy { Approved } else { Draft }
}

/// The table as Markdown, for the manual.
pub fn markdown() -> String {
    let mut text = "| document | state | claimed by |\n|---|---|---|\n".to_owned();
    for (kind, state, roles) in TABLE {
        let roles: Vec<_> = roles.iter().map(|role| role.words()).collect();
        text.push_str(&format!("| {} | {} | {} |\n", kind.as_str(), state.as_str(), roles.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, ROLES, allows};

    #[test]
    fn every_kind_begins_and_no_claim_has_two_rows() {
        for kind in DocumentKind::ALL {
            let begins =
                TABLE.iter().filter(|(of, state, roles)| *of == kind && may_begin(kind, *state) && !roles.is_empty());
            assert_eq!(begins.count(), 1, "{kind:?}");
        }
        for (n, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..n].iter().all(|other| (other.0, other.1) != (row.0, row.1)), "{row:?}");
        }
    }

    #[test]
    fn the_other_side_reads_what_it_agrees_with_the_office_and_nothing_else() {
        for kind in DocumentKind::ALL {
            assert_eq!(may_read(Counterpart, kind), matches!(kind, Request | Schedule), "{kind:?}");
            let begins = ROLES.into_iter().filter(|role| may_claim(*role, kind, Draft));
            assert!(begins.into_iter().all(|role| may_read(role, kind)), "who writes {kind:?} reads it");
        }
    }

    #[test]
    fn nobody_approves_without_being_named_here() {
        let approves = |role| -> Vec<_> {
            DocumentKind::ALL.into_iter().filter(|kind| may_claim(role, *kind, Approved)).collect()
        };
        assert_eq!(approves(Principal), [Request, Brief, Memorandum, Copy, Debrief, Readout, Schedule]);
        assert_eq!(approves(Scheduler), [Brief, Memorandum, Copy, Schedule]);
        assert_eq!(approves(DutyOfficer), [Copy, Schedule]);
        assert_eq!(approves(RecordsOfficer), [Copy]);
        for role in [Counterpart, NoteTaker, Interpreter, Role::SecurityOfficer, Role::Auditor] {
            assert_eq!(approves(role), [], "{role:?}");
        }
    }

    #[test]
    fn an_approved_version_is_not_followed_by_a_changed_approved_one() {
        assert!(!may_follow(Approved, Approved) && !may_follow(Approved, Reviewed) && may_follow(Approved, Draft));
        for end in [Declined, Recalled, Closed, Destroyed] {
            assert!(DocumentState::ALL.into_iter().all(|next| !may_follow(end, next)), "{end:?}");
        }
        assert!(!may_follow(Draft, Published), "published without approval");
    }

    #[test]
    fn who_may_claim_anything_may_write_documents() {
        for role in ROLES {
            let claims = TABLE.iter().any(|(.., roles)| roles.contains(&role));
            assert_eq!(allows(role, Action::WriteDocuments), claims, "{role:?}");
        }
    }

    #[test]
    fn the_manual_has_this_table() {
        let manual = include_str!("../../../docs/policy.md");
        assert!(manual.contains(&markdown()), "docs/policy.md should contain:\n\n{}", markdown());
    }
}
