//! Permissions by role: the one table that clients and servers use.
//!
//! A permission is a row. Conditions of state (a party of this call, the signer of this record) are checked by the engines;
//! whether a role has the permission at all is decided here. The table is printed into `docs/policy.md`.
//!
//! ```
//! use telcon_proto::{Role, policy::{Action, allows}};
//!
//! assert!(allows(Role::DutyOfficer, Action::ListenIn));
//! assert!(!allows(Role::DutyOfficer, Action::Speak));
//! ```

use crate::Role;
use Role::{
    Auditor, Counterpart, DutyOfficer, Interpreter, NoteTaker, Principal, RecordsOfficer, Scheduler, SecurityOfficer,
};

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Ring a principal of the office.
    RingPrincipal,
    /// Ring a counterpart.
    RingCounterpart,
    /// Be rung, and answer.
    Answer,
    /// Be a party of a call and send audio.
    Speak,
    /// End a call for everybody, as one of its parties.
    EndForAll,
    /// Join a call as a listener: visible to everybody, without sending audio.
    ListenIn,
    /// See every call of the office while it takes place.
    WatchCalls,
    /// Read the live captions of a call.
    ReadCaptions,
    /// Transcribe a call, seal its record and upload it to the archive.
    WriteRecord,
    /// See the records of one's own calls, with their proofs.
    SeeOwnRecords,
    /// See the records of all calls, with their proofs.
    SeeAllRecords,
    /// Download the sealed parts of records that one may see. Only custodians can open them.
    DownloadRecords,
    /// See one's own devices.
    SeeOwnDevices,
    /// Invite people, and approve or refuse their devices, once the authority appointed one's device as a registrar.
    EnrolDevices,
    /// See all people with their devices, and all invitations.
    SeeAllDevices,
    /// Let people of the staff act for oneself, by signed delegations.
    Delegate,
    /// Act for a principal, as far as their delegation says: it makes its holder a party of a call, and this permission alone
    /// does not.
    ActForPrincipal,
    /// See all delegations, and end them.
    EndDelegations,
    /// Decide when, and in which order, one is reached.
    SetReach,
    /// Give lines, and change, pause, freeze and end those that one gave.
    GiveLines,
    /// Hold lines, and hand them back.
    HoldLines,
    /// See all lines, and freeze or end them.
    StopLines,
    /// Write documents, as far as the table of documents says ([`crate::document_policy`]).
    WriteDocuments,
    /// Work in shifts at a device of a place.
    WorkInShifts,
    /// See the office's alerts.
    SeeAlerts,
    /// Mark alerts as seen.
    MarkAlerts,
}

/// Every rule: the action, its meaning as the words after "may", and the roles that have the permission.
pub const TABLE: &[(Action, &str, &[Role])] = &[
    (Action::RingPrincipal, "ring a principal of the office", &[Principal, Counterpart]),
    (Action::RingCounterpart, "ring a counterpart", &[Principal]),
    (Action::Answer, "be rung and answer", &[Principal, Counterpart]),
    (Action::Speak, "be a party of a call and send audio", &[Principal, Counterpart]),
    (Action::EndForAll, "end a call for everybody", &[Principal, Counterpart]),
    (
        Action::ListenIn,
        "join a call as a visible listener, without sending audio",
        &[DutyOfficer, NoteTaker, Interpreter],
    ),
    (Action::WatchCalls, "see every call while it takes place", &[Scheduler, DutyOfficer, NoteTaker, Interpreter]),
    (Action::ReadCaptions, "read the live captions of a call", &[DutyOfficer]),
    (Action::WriteRecord, "transcribe a call and seal its record", &[NoteTaker]),
    (Action::SeeOwnRecords, "see the records of one's own calls, with proofs", &[Principal, Counterpart]),
    (
        Action::SeeAllRecords,
        "see the records of all calls, with proofs",
        &[Scheduler, DutyOfficer, NoteTaker, RecordsOfficer, Auditor],
    ),
    (
        Action::DownloadRecords,
        "download sealed files of records, which only custodians can open",
        &[Principal, Counterpart, DutyOfficer, NoteTaker, RecordsOfficer],
    ),
    (Action::SeeOwnDevices, "see one's own devices", &ROLES),
    (Action::EnrolDevices, "invite people, and approve or refuse devices, as a registrar", &[SecurityOfficer]),
    (Action::SeeAllDevices, "see all people, their devices and all invitations", &[SecurityOfficer]),
    (Action::Delegate, "let staff ring, answer or change lines for oneself, by a signed delegation", &[Principal]),
    (
        Action::ActForPrincipal,
        "ring, answer or change lines for a principal, under their delegation",
        &[Scheduler, DutyOfficer],
    ),
    (Action::EndDelegations, "see all delegations, and end them", &[SecurityOfficer]),
    (Action::SetReach, "decide when one is reached", &[Principal]),
    (Action::GiveLines, "give lines to counterparts, and change, pause and end them", &[Principal]),
    (Action::HoldLines, "hold lines, and hand them back", &[Counterpart]),
    (Action::StopLines, "see all lines, and freeze or end them", &[SecurityOfficer]),
    (
        Action::WriteDocuments,
        "write documents, as the table of documents says",
        &[Principal, Counterpart, Scheduler, DutyOfficer, NoteTaker, Interpreter, RecordsOfficer],
    ),
    (Action::WorkInShifts, "work in shifts at a device of a place", &[Scheduler, DutyOfficer, NoteTaker, Interpreter]),
    (Action::SeeAlerts, "see the office's alerts", &[SecurityOfficer, Auditor]),
    (Action::MarkAlerts, "mark the office's alerts as seen", &[SecurityOfficer]),
];

/// All roles, in the order of the printed table's columns.
pub const ROLES: [Role; 9] = Role::ALL;

impl Role {
    /// Whether people of this role are heard in calls ([`Action::Speak`]); the others join calls as listeners.
    pub fn speaks(self) -> bool {
        allows(self, Action::Speak)
    }
}

/// Whether the role has the permission.
pub fn allows(role: Role, action: Action) -> bool {
    TABLE.iter().any(|(rule, _, roles)| *rule == action && roles.contains(&role))
}

/// The sentence of a refusal where each of these permissions would suffice: what they allow, and the roles that have any of them.
pub fn refusal(actions: &[Action]) -> String {
    let rows = || TABLE.iter().filter(|(rule, ..)| actions.contains(rule));
    let meanings: Vec<&str> = rows().map(|(_, meaning, _)| *meaning).collect();
    let admitted = ROLES.into_iter().filter(|role| rows().any(|(.., roles)| roles.contains(role)));
    let names: Vec<String> = admitted.map(Role::words).collect();
    let or = |words: String, other: &str| if words.is_empty() { other.to_owned() } else { words };
    let (meanings, names) = (or(meanings.join(" or "), "do this"), or(names.join(", "), "none"));
    format!("this device's role may not {meanings}; roles that may: {names}")
}

/// The permission needed to ring a callee of this role; none if the role is never rung.
pub fn ringing(callee: Role) -> Option<Action> {
    match callee {
        Principal => Some(Action::RingPrincipal),
        Counterpart => Some(Action::RingCounterpart),
        Scheduler | DutyOfficer | NoteTaker | Interpreter | SecurityOfficer | RecordsOfficer | Auditor => None,
    }
}

/// Whether a person of role `caller` may ring a person of role `callee`.
pub fn may_ring(caller: Role, callee: Role) -> bool {
    ringing(callee).is_some_and(|action| allows(caller, action))
}

/// Whether a person of this role may ring anybody.
pub fn may_ring_somebody(caller: Role) -> bool {
    allows(caller, Action::RingPrincipal) || allows(caller, Action::RingCounterpart)
}

/// Whether a place can have this role: its people work in shifts.
pub fn is_role_of_places(role: Role) -> bool {
    allows(role, Action::WorkInShifts)
}

/// Whether a person of role `person` may work at a place of role `place`: if it gives them no permission that they do not have.
pub fn may_work_at(person: Role, place: Role) -> bool {
    is_role_of_places(place) && TABLE.iter().all(|(_, _, roles)| !roles.contains(&place) || roles.contains(&person))
}

/// The table as Markdown, for the manual.
pub fn markdown() -> String {
    let names = ROLES.map(Role::words);
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

    /// Every cell of the table, repeated by hand: a change of a permission has to be made in two places on purpose.
    const EXPECTED: &[(Role, &[Action])] = &[
        (
            Principal,
            &[
                RingPrincipal,
                RingCounterpart,
                Answer,
                Speak,
                EndForAll,
                SeeOwnRecords,
                DownloadRecords,
                SeeOwnDevices,
                Delegate,
                SetReach,
                GiveLines,
                WriteDocuments,
            ],
        ),
        (
            Counterpart,
            &[
                RingPrincipal,
                Answer,
                Speak,
                EndForAll,
                SeeOwnRecords,
                DownloadRecords,
                SeeOwnDevices,
                HoldLines,
                WriteDocuments,
            ],
        ),
        (Scheduler, &[WatchCalls, SeeAllRecords, SeeOwnDevices, ActForPrincipal, WriteDocuments, WorkInShifts]),
        (
            DutyOfficer,
            &[
                ListenIn,
                WatchCalls,
                ReadCaptions,
                SeeAllRecords,
                DownloadRecords,
                SeeOwnDevices,
                ActForPrincipal,
                WriteDocuments,
                WorkInShifts,
            ],
        ),
        (
            NoteTaker,
            &[
                ListenIn,
                WatchCalls,
                WriteRecord,
                SeeAllRecords,
                DownloadRecords,
                SeeOwnDevices,
                WriteDocuments,
                WorkInShifts,
            ],
        ),
        (Interpreter, &[ListenIn, WatchCalls, SeeOwnDevices, WriteDocuments, WorkInShifts]),
        (
            SecurityOfficer,
            &[SeeOwnDevices, EnrolDevices, SeeAllDevices, EndDelegations, StopLines, SeeAlerts, MarkAlerts],
        ),
        (RecordsOfficer, &[SeeAllRecords, DownloadRecords, SeeOwnDevices, WriteDocuments]),
        (Auditor, &[SeeAllRecords, SeeOwnDevices, SeeAlerts]),
    ];

    #[test]
    fn each_role_may_do_exactly_what_is_listed() {
        assert_eq!(EXPECTED.iter().map(|(role, _)| *role).collect::<Vec<_>>(), ROLES);
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
            assert!(!roles.is_empty(), "{action:?}: a permission that no role has");
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
    fn nobody_gains_a_permission_by_working_at_a_place() {
        for (person, places) in [
            (Scheduler, &[Scheduler][..]),
            (DutyOfficer, &[Scheduler, DutyOfficer, Interpreter]),
            (NoteTaker, &[NoteTaker, Interpreter]),
            (Interpreter, &[Interpreter]),
        ] {
            for place in ROLES {
                assert_eq!(may_work_at(person, place), places.contains(&place), "{person:?} at {place:?}");
            }
        }
        for person in [Principal, Counterpart, SecurityOfficer, RecordsOfficer, Auditor] {
            assert!(ROLES.into_iter().all(|place| !may_work_at(person, place)), "{person:?}");
        }
    }

    #[test]
    fn the_manual_has_this_table() {
        let manual = include_str!("../../../docs/policy.md");
        assert!(manual.contains(&markdown()), "docs/policy.md should contain:\n\n{}", markdown());
    }
}
