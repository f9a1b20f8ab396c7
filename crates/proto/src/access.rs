//! Who may send which message and which request: the rules of [`policy`](crate::policy), applied to the interface.
//!
//! A server looks here before anything else is done with a message or request, and refuses what has no row. Conditions of state (a
//! member of this call, the registrar of this invitation) are checked afterwards, by the engines. `docs/policy.md` shows both tables.

use crate::{
    ClientMessage, Role,
    policy::{Action, allows, refusal},
};

/// Which signed-in devices may send a message or request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All of them.
    SignedIn,
    /// Those whose role has one of these permissions.
    Any(&'static [Action]),
}

impl Rule {
    /// Whether devices of this role may send it.
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::SignedIn => true,
            Self::Any(actions) => actions.iter().any(|action| allows(role, *action)),
        }
    }

    /// Why devices of this role may not send it; none if they may.
    pub fn refuses(self, role: Role) -> Option<String> {
        match self {
            _ if self.admits(role) => None,
            Self::Any(actions) => Some(refusal(actions)),
            Self::SignedIn => Some(refusal(&[])),
        }
    }
}

/// Who may send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: what it answers is public, or what it carries is proof enough (a signature, a link, a PIN).
    Everybody,
    /// A standalone relay with the office's relay token.
    Relay,
    /// A signed-in device.
    Device(Rule),
}

/// Devices that are notified by push messages ([`crate::push`]): of rings, or of alerts.
pub const NOTIFIED: Rule = Rule::Any(&[Action::Answer, Action::ActForPrincipal, Action::MarkAlerts]);
const IN_CALLS: Rule = Rule::Any(&[Action::Speak, Action::ListenIn, Action::ActForPrincipal]);
const RINGS: Rule = Rule::Any(&[Action::RingPrincipal, Action::RingCounterpart, Action::ActForPrincipal]);
const ANSWERS: Rule = Rule::Any(&[Action::Answer, Action::ActForPrincipal]);
const DELEGATES: Rule = Rule::Any(&[Action::Delegate]);
const ENDS_DELEGATIONS: Rule = Rule::Any(&[Action::Delegate, Action::EndDelegations]);
const SEES_DELEGATIONS: Rule = Rule::Any(&[Action::Delegate, Action::ActForPrincipal, Action::EndDelegations]);
const INVITES: Rule = Rule::Any(&[Action::EnrolDevices, Action::GiveLines]);
const OFFERS: Rule = Rule::Any(&[Action::EnrolDevices, Action::GiveLines, Action::ActForPrincipal]);
const ACTS: Rule = Rule::Any(&[Action::ActForPrincipal]);
const GIVES_LINES: Rule = Rule::Any(&[Action::GiveLines, Action::ActForPrincipal]);
const STOPS_LINES: Rule =
    Rule::Any(&[Action::GiveLines, Action::HoldLines, Action::ActForPrincipal, Action::StopLines]);
const ENROLS: Rule = Rule::Any(&[Action::EnrolDevices]);
const SHIFTS: Rule = Rule::Any(&[Action::WorkInShifts]);
const WRITES: Access = Access::Device(Rule::Any(&[Action::WriteRecord]));
const SEES_RECORDS: Access = Access::Device(Rule::Any(&[Action::SeeAllRecords, Action::SeeOwnRecords]));
const WRITES_DOCUMENTS: Access = Access::Device(Rule::Any(&[Action::WriteDocuments]));
const SIGNED_IN: Access = Access::Device(Rule::SignedIn);

/// Every message of a device, by its type.
pub const MESSAGES: &[(&str, Rule)] = &[
    ("hello", Rule::SignedIn),
    ("prove", Rule::SignedIn),
    ("ping", Rule::SignedIn),
    ("ring", RINGS),
    ("ring_shown", ANSWERS),
    ("answer", ANSWERS),
    ("decline", ANSWERS),
    ("hang_up", IN_CALLS),
    ("ask_join", IN_CALLS),
    ("leave", IN_CALLS),
    ("hand_over", Rule::Any(&[Action::ActForPrincipal])),
    ("commit", IN_CALLS),
    ("application", IN_CALLS),
    ("offer", IN_CALLS),
    ("resume", IN_CALLS),
    ("find_people", RINGS),
    ("silence", Rule::Any(&[Action::Answer])),
    ("set_reach", Rule::Any(&[Action::SetReach, Action::ActForPrincipal])),
    ("invite", INVITES),
    ("close_invitation", OFFERS),
    ("approve_device", INVITES),
    ("revoke_device", ENROLS),
    ("open_recovery", ENROLS),
    ("confirm_recovery", ENROLS),
    ("close_recovery", ENROLS),
    ("delegate", DELEGATES),
    ("end_delegation", ENDS_DELEGATIONS),
    ("sign_line", GIVES_LINES),
    ("stop_line", STOPS_LINES),
    ("offer_line", ACTS),
    ("attest_holder", ACTS),
    ("open_code", OFFERS),
    ("answer_code", OFFERS),
    ("close_code", OFFERS),
    ("report_alert", Rule::SignedIn),
    ("see_alerts", Rule::Any(&[Action::MarkAlerts])),
    ("acknowledge_device", Rule::Any(&[Action::SeeOwnDevices])),
    ("end_shift", SHIFTS),
    ("publish_key", Rule::SignedIn),
    ("available", Rule::Any(&[Action::WriteRecord])),
];

/// Every request: method, path as in `docs/api/openapi.json`, and who may send it.
pub const REQUESTS: &[(&str, &str, Access)] = &[
    ("GET", "/api/v1/openapi.json", Access::Everybody),
    ("GET", "/api/v1/office", Access::Everybody),
    ("POST", "/api/v1/invitations", Access::Everybody),
    ("POST", "/api/v1/devices", Access::Everybody),
    ("POST", "/api/v1/revocations", Access::Everybody),
    ("POST", "/api/v1/orders", Access::Everybody),
    ("POST", "/api/v1/erasures", Access::Everybody),
    ("POST", "/api/v1/registrars", Access::Everybody),
    ("POST", "/api/v1/device-requests", Access::Everybody),
    ("POST", "/api/v1/codes/{slot}", Access::Everybody),
    ("POST", "/api/v1/codes/{slot}/{run}", Access::Everybody),
    ("GET", "/api/v1/devices", Access::Device(Rule::Any(&[Action::SeeOwnDevices, Action::SeeAllDevices]))),
    ("GET", "/api/v1/delegations", Access::Device(SEES_DELEGATIONS)),
    ("GET", "/api/v1/lines", Access::Device(STOPS_LINES)),
    ("GET", "/api/v1/documents", SIGNED_IN),
    ("GET", "/api/v1/documents/{document}", SIGNED_IN),
    ("GET", "/api/v1/documents/{document}/{version}", SIGNED_IN),
    ("PUT", "/api/v1/documents/{document}/{version}", WRITES_DOCUMENTS),
    ("PUT", "/api/v1/documents/{document}/{version}/seals/{device}", SIGNED_IN),
    ("GET", "/api/v1/people/{person}/keys", SIGNED_IN),
    ("PUT", "/api/v1/readouts/{readout}", WRITES_DOCUMENTS),
    ("GET", "/api/v1/sign-ins", Access::Device(Rule::Any(&[Action::SeeOwnDevices]))),
    ("GET", "/api/v1/alerts", Access::Device(Rule::Any(&[Action::SeeAlerts]))),
    ("GET", "/api/v1/push", Access::Device(NOTIFIED)),
    ("PUT", "/api/v1/push", Access::Device(NOTIFIED)),
    ("DELETE", "/api/v1/push", SIGNED_IN),
    ("GET", "/api/v1/protection", Access::Everybody),
    ("POST", "/api/v1/protection/remove", SIGNED_IN),
    ("POST", "/api/v1/passkeys/registration", SIGNED_IN),
    ("POST", "/api/v1/passkeys", SIGNED_IN),
    ("POST", "/api/v1/passkeys/challenge", Access::Everybody),
    ("POST", "/api/v1/passkeys/assertion", Access::Everybody),
    ("POST", "/api/v1/lockers", SIGNED_IN),
    ("POST", "/api/v1/lockers/open", Access::Everybody),
    ("POST", "/api/v1/sso/start", SIGNED_IN),
    ("POST", "/api/v1/sso/finish", SIGNED_IN),
    ("POST", "/api/v1/sso/unlink", Access::Device(ENROLS)),
    ("POST", "/api/v1/shifts/challenge", Access::Device(SHIFTS)),
    ("POST", "/api/v1/shifts", Access::Device(SHIFTS)),
    ("GET", "/api/v1/log/consistency", Access::Everybody),
    ("GET", "/api/v1/ice-servers", Access::Device(IN_CALLS)),
    ("GET", "/api/v1/records", SEES_RECORDS),
    ("GET", "/api/v1/records/{call}", SEES_RECORDS),
    ("GET", "/api/v1/records/{call}/{index}/{part}", Access::Device(Rule::Any(&[Action::DownloadRecords]))),
    ("PUT", "/api/v1/calls/{call}/record/{part}", WRITES),
    ("POST", "/api/v1/calls/{call}/record", WRITES),
    ("GET", "/log/{path}", Access::Everybody),
    ("GET", "/readouts/{readout}", Access::Everybody),
    ("GET", "/ws", Access::Everybody),
    ("GET", "/relays", Access::Relay),
];

/// Requests with which a device is protected: they are all that a device may send that the office wants protected first.
pub const PROTECTS: &[&str] =
    &["/api/v1/passkeys/registration", "/api/v1/passkeys", "/api/v1/lockers", "/api/v1/protection/remove"];

/// Requests with which a person signs in with their office account: they are all that a device may send which has proven its key and
/// waits for that ([`crate::ServerMessage::SsoRequired`]).
pub const SIGNS_ON: &[&str] = &["/api/v1/sso/start", "/api/v1/sso/finish"];

/// Requests with which a person begins a shift at a device of a place.
pub const BEGINS_SHIFT: &[&str] = &["/api/v1/shifts/challenge", "/api/v1/shifts"];

/// Whether a device of a place may send a request while nobody is on shift at it: to be protected, and to begin a shift. It has proven
/// its key then, and sends no message ([`crate::ServerMessage::ShiftRequired`]).
pub fn needs_no_shift(path: &str) -> bool {
    PROTECTS.contains(&path) || BEGINS_SHIFT.contains(&path)
}

/// Why a signed-in device of this role may not send a message; none if it may.
pub fn refuses_message(role: Role, message: &ClientMessage) -> Option<String> {
    let kind = message.kind();
    match MESSAGES.iter().find(|(name, _)| *name == kind) {
        Some((_, rule)) => rule.refuses(role),
        None => Some("no device may send this message".to_owned()),
    }
}

/// Who may send a request; none if it has no row, and is refused.
pub fn request(method: &str, path: &str) -> Option<Access> {
    // A server answers HEAD where it answers GET.
    let method = if method == "HEAD" { "GET" } else { method };
    REQUESTS.iter().find(|row| (row.0, row.1) == (method, path)).map(|row| row.2)
}

/// Both tables as Markdown, for the manual.
pub fn markdown() -> String {
    let mut text = "| message | sent by |\n|---|---|\n".to_owned();
    for (name, rule) in MESSAGES {
        text.push_str(&format!("| `{name}` | {} |\n", roles(*rule)));
    }
    text.push_str("\n| request | sent by |\n|---|---|\n");
    for (method, path, access) in REQUESTS {
        let who = match access {
            Access::Everybody => "everybody".to_owned(),
            Access::Relay => "relays".to_owned(),
            Access::Device(rule) => roles(*rule),
        };
        text.push_str(&format!("| `{method} {path}` | {who} |\n"));
    }
    text
}

fn roles(rule: Rule) -> String {
    let admitted: Vec<_> = Role::ALL.into_iter().filter(|role| rule.admits(*role)).map(Role::words).collect();
    if admitted.len() == Role::ALL.len() { "all roles".to_owned() } else { admitted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_row_is_refused() {
        assert_eq!(request("GET", "/api/v1/nothing"), None);
        assert_eq!(request("DELETE", "/api/v1/records"), None);
        assert_eq!(request("HEAD", "/api/v1/records"), Some(SEES_RECORDS));
    }

    #[test]
    fn nothing_has_two_rows() {
        for (n, (name, _)) in MESSAGES.iter().enumerate() {
            assert!(MESSAGES[..n].iter().all(|(other, _)| other != name), "{name}");
        }
        for (n, (method, path, _)) in REQUESTS.iter().enumerate() {
            assert!(REQUESTS[..n].iter().all(|row| (row.0, row.1) != (*method, *path)), "{method} {path}");
        }
    }

    #[test]
    fn every_signed_in_device_may_protect_itself() {
        for path in PROTECTS {
            assert_eq!(request("POST", path), Some(SIGNED_IN), "{path}");
        }
    }

    #[test]
    fn every_signed_in_device_may_sign_in_with_its_office_account() {
        for path in SIGNS_ON {
            assert_eq!(request("POST", path), Some(SIGNED_IN), "{path}");
        }
    }

    #[test]
    fn without_a_shift_a_place_may_protect_its_device_and_begin_one() {
        let free: Vec<_> =
            REQUESTS.iter().filter(|(_, path, access)| *access != Access::Everybody && needs_no_shift(path)).collect();
        assert_eq!(free.len(), PROTECTS.len() + BEGINS_SHIFT.len());
        for path in BEGINS_SHIFT {
            assert_eq!(request("POST", path), Some(Access::Device(SHIFTS)), "{path}");
        }
    }

    #[test]
    fn a_refusal_names_the_roles_that_may() {
        let message = ClientMessage::SeeAlerts { alerts: Vec::new() };
        assert_eq!(refuses_message(Role::SecurityOfficer, &message), None);
        let text = refuses_message(Role::Auditor, &message).unwrap();
        assert!(text.ends_with("; roles that may: security officer"), "{text}");
    }

    #[test]
    fn a_refusal_names_every_permission_that_would_suffice_and_all_their_roles() {
        let in_calls = IN_CALLS.refuses(Role::Auditor).unwrap();
        assert!(in_calls.contains("send audio or join a call as a visible listener"), "{in_calls}");
        assert!(
            in_calls.ends_with(
                "; roles that may: principal, counterpart, scheduler, duty officer, note-taker, interpreter"
            ),
            "{in_calls}"
        );
        let Access::Device(records) = SEES_RECORDS else { panic!("{SEES_RECORDS:?}") };
        let records = records.refuses(Role::Interpreter).unwrap();
        assert!(
            records.contains("records of one's own calls, with proofs or see the records of all calls"),
            "{records}"
        );
        assert!(records.contains("; roles that may: principal, "), "{records}");
        for (rule, role) in [(IN_CALLS, Role::DutyOfficer), (Rule::SignedIn, Role::Auditor)] {
            assert_eq!(rule.refuses(role), None);
        }
    }

    #[test]
    fn a_rule_without_any_permission_refuses_everybody() {
        for role in Role::ALL {
            let text = Rule::Any(&[]).refuses(role).unwrap();
            assert_eq!(text, "this device's role may not do this; roles that may: none");
        }
    }

    #[test]
    fn the_manual_has_these_tables() {
        let manual = include_str!("../../../docs/policy.md");
        assert!(manual.contains(&markdown()), "docs/policy.md should contain:\n\n{}", markdown());
    }
}
