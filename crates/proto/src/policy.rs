//! What each role may do: the one table that clients, servers and relays decide by.
//!
//! A rule is a row. Whether somebody is *in a position* to act (a party of this call, the signer of this record) is state and
//! belongs to the engines; whether their role may act at all is decided here. The table is printed into `docs/policy.md`.
//!
//! ```
//! use telcon_proto::{Role, policy::{Action, allows}};
//!
//! assert!(allows(Role::DutyOfficer, Action::ListenIn));
//! assert!(!allows(Role::DutyOfficer, Action::Speak));
//! ```

use crate::Role;
use Role::{Counterpart, DutyOfficer, NoteTaker, Principal};

/// Something that a role may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Ring a principal of the office.
    RingPrincipal,
    /// Ring a counterpart.
    RingCounterpart,
    /// Be rung, and answer.
    Answer,
    /// Be a party of a call and be heard in it.
    Speak,
    /// Hang up for everybody in a call that one is a party of.
    EndForAll,
    /// Join a call visibly, without being heard.
    ListenIn,
    /// Be told of every call of the office while it takes place.
    WatchCalls,
    /// Read the live captions of a call.
    ReadCaptions,
    /// Transcribe a call, seal its record and bring it to the archive.
    WriteRecord,
    /// See that calls of one's own are on the record, and the proof of it.
    SeeOwnRecords,
    /// See that calls of everybody are on the record, and the proof of it.
    SeeAllRecords,
}

/// Every rule: the action, what it means on a screen or in the manual, and the roles that may.
pub const TABLE: &[(Action, &str, &[Role])] = &[
    (Action::RingPrincipal, "ring a principal of the office", &[Principal, Counterpart]),
    (Action::RingCounterpart, "ring a counterpart", &[Principal]),
    (Action::Answer, "be rung and answer", &[Principal, Counterpart]),
    (Action::Speak, "be a party of a call and be heard", &[Principal, Counterpart]),
    (Action::EndForAll, "hang up for everybody", &[Principal, Counterpart]),
    (Action::ListenIn, "join a call visibly, without being heard", &[DutyOfficer, NoteTaker]),
    (Action::WatchCalls, "be told of every call while it takes place", &[DutyOfficer, NoteTaker]),
    (Action::ReadCaptions, "read the live captions of a call", &[DutyOfficer]),
    (Action::WriteRecord, "transcribe a call and seal its record", &[NoteTaker]),
    (Action::SeeOwnRecords, "see the proof that a call of their own is on the record", &[Principal, Counterpart]),
    (Action::SeeAllRecords, "see the proof that any call is on the record", &[DutyOfficer, NoteTaker]),
];

/// All roles, in the order of the table that is printed.
pub const ROLES: [Role; 4] = [Principal, Counterpart, DutyOfficer, NoteTaker];

impl Role {
    /// Whether people of this role are heard in calls ([`Action::Speak`]); the others join calls as listeners.
    pub fn speaks(self) -> bool {
        allows(self, Action::Speak)
    }
}

/// Whether the role may act so at all.
pub fn allows(role: Role, action: Action) -> bool {
    TABLE.iter().any(|(rule, _, roles)| *rule == action && roles.contains(&role))
}

/// The action of ringing somebody of this role; none where nobody rings them.
pub fn ringing(callee: Role) -> Option<Action> {
    match callee {
        Principal => Some(Action::RingPrincipal),
        Counterpart => Some(Action::RingCounterpart),
        DutyOfficer | NoteTaker => None,
    }
}

/// Whether somebody of role `caller` may ring somebody of role `callee`.
pub fn may_ring(caller: Role, callee: Role) -> bool {
    ringing(callee).is_some_and(|action| allows(caller, action))
}

/// Whether somebody of this role may ring anybody at all.
pub fn may_ring_somebody(caller: Role) -> bool {
    allows(caller, Action::RingPrincipal) || allows(caller, Action::RingCounterpart)
}

/// The table as Markdown, for the manual.
pub fn markdown() -> String {
    let names = ROLES.map(|role| role.as_str().replace('_', " "));
    let mut text = format!("| may | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(ROLES.len()));
    for (_, meaning, roles) in TABLE {
        let marks = ROLES.map(|role| if roles.contains(&role) { "yes" } else { "–" });
        text.push_str(&format!("| {meaning} | {} |\n", marks.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::*;

    /// Every cell of the table, written once more by hand: a change of a rule is a change of two places on purpose.
    const EXPECTED: &[(Role, &[Action])] = &[
        (Principal, &[RingPrincipal, RingCounterpart, Answer, Speak, EndForAll, SeeOwnRecords]),
        (Counterpart, &[RingPrincipal, Answer, Speak, EndForAll, SeeOwnRecords]),
        (DutyOfficer, &[ListenIn, WatchCalls, ReadCaptions, SeeAllRecords]),
        (NoteTaker, &[ListenIn, WatchCalls, WriteRecord, SeeAllRecords]),
    ];

    #[test]
    fn each_role_may_do_exactly_what_is_listed() {
        assert_eq!(
            EXPECTED.iter().map(|(role, _)| *role).collect::<Vec<_>>(),
            [Principal, Counterpart, DutyOfficer, NoteTaker]
        );
        for (role, actions) in EXPECTED {
            for (action, meaning, _) in TABLE {
                assert_eq!(allows(*role, *action), actions.contains(action), "{role:?}: {meaning}");
            }
        }
    }

    #[test]
    fn every_action_has_one_row() {
        for (action, _, roles) in TABLE {
            assert_eq!(TABLE.iter().filter(|(other, ..)| other == action).count(), 1, "{action:?}");
            assert!(!roles.is_empty(), "{action:?}: a rule for nobody");
        }
    }

    #[test]
    fn counterparts_never_ring_each_other_and_listeners_are_never_rung() {
        for caller in ROLES {
            for callee in ROLES {
                let expected =
                    matches!((caller, callee), (Principal, Principal | Counterpart) | (Counterpart, Principal));
                assert_eq!(may_ring(caller, callee), expected, "{caller:?} to {callee:?}");
            }
        }
    }

    #[test]
    fn the_manual_has_this_table() {
        let manual = include_str!("../../../docs/policy.md");
        assert!(manual.contains(&markdown()), "docs/policy.md should contain:\n\n{}", markdown());
    }
}
