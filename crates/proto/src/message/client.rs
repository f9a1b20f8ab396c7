//! Messages of a device to the switchboard of its office.

use super::DeclineReply;
use crate::{
    Blob, CallId, Card, CodeRunId, DeviceId, Digest, InvitationId, PersonId, RecoveryId,
    alert::ReportedAlert,
    delegation::OnBehalf,
    device_policy::ProgramVersion,
    line::LineTerms,
    reach::ReachSettings,
    short_code::{CodeAnswer, CodeSlot},
};
use serde::{Deserialize, Serialize};

/// A message of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// First message: which device this is.
    Hello {
        /// [`crate::WIRE_VERSION`].
        version: u16,
        /// The enrolled device.
        device: DeviceId,
        /// Version of its program, as the program says itself: its own claim, which rules for honest devices may use and no proof may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        program: Option<ProgramVersion>,
    },
    /// Answers [`super::ServerMessage::Challenge`]: a JWS by the device key over the nonce and the office's domain.
    Prove {
        /// Compact JWS, type `telcon-sign-in+jws`.
        jws: String,
        /// The ticket that the office issued when this device's person last unlocked it
        /// ([`crate::protection::IssuedTicket`]). A protected device is refused without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
    },
    /// Rings a person. The switchboard logs the opening of the call before it notifies any other device.
    Ring {
        /// Compact JWS, type `telcon-ring+jws`, with the device's certificates in its `x5c` header.
        jws: String,
    },
    /// This device verified the ring and shows it.
    RingShown {
        /// The call.
        call: CallId,
    },
    /// This device answers. The first answer wins.
    Answer {
        /// The call.
        call: CallId,
        /// A fresh MLS KeyPackage (RFC 9420, section 10) as an MLSMessage.
        key_package: Blob,
    },
    /// Declines the ring, on all devices of the person, or hands it on.
    Decline {
        /// The call.
        call: CallId,
        /// A word to the caller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<DeclineReply>,
    },
    /// Ends a call, or cancels the ring. From a party it ends the call for everybody; a listener only leaves.
    HangUp {
        /// The call.
        call: CallId,
        /// Whether this device aborts the call (a verification failed, or it cannot encrypt).
        failed: bool,
    },
    /// Asks the members to add this device: a listener, or a device that lost its state by a reload.
    AskJoin {
        /// The call.
        call: CallId,
        /// A fresh MLS KeyPackage as an MLSMessage.
        key_package: Blob,
    },
    /// This device leaves a call that its person continues on another of their devices. The call goes on there; without another one
    /// in it this is [`ClientMessage::HangUp`].
    Leave {
        /// The call.
        call: CallId,
    },
    /// Who acts, or acted, for a principal in a call asks them to it: their devices ring
    /// ([`super::Notice::asked`]).
    HandOver {
        /// The call.
        call: CallId,
    },
    /// A commit to be ordered, with the welcome for those it adds.
    Commit {
        /// The call.
        call: CallId,
        /// The epoch the commit was made in. Only the first commit of an epoch is accepted.
        epoch: u64,
        /// MLSMessage with the commit.
        commit: Blob,
        /// MLSMessage with the welcome.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        welcome: Option<Blob>,
        /// Devices that the commit adds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        adds: Vec<DeviceId>,
        /// Devices that it removes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removes: Vec<DeviceId>,
    },
    /// An encrypted application message to all members (captions, heartbeats).
    Application {
        /// The call.
        call: CallId,
        /// MLSMessage with a PrivateMessage.
        message: Blob,
    },
    /// Offers a media leg for this call. A new offer replaces the leg.
    Offer {
        /// The call.
        call: CallId,
        /// WebRTC offer: one sendonly and [`crate::limits::RECEIVE_SLOTS`] recvonly audio sections.
        sdp: String,
    },
    /// After a reconnect: resumes a call whose keys this device still has.
    Resume {
        /// The call.
        call: CallId,
        /// Sequence number of the last handshake message it processed.
        after: u64,
    },
    /// Keeps the connection open, and asks for the newest checkpoint with proof that it continues the one this
    /// device remembers.
    Ping {
        /// Size of the newest tree that this device has verified; 0 when it has none.
        log_size: u64,
    },
    /// Finds people whom this device can ring, beside those that it was sent. Answered by
    /// [`super::ServerMessage::PeopleChanged`].
    FindPeople {
        /// Prefixes of words of their name or organisation.
        name: String,
    },
    /// Silences a caller for this device's person on all their devices, or undoes it. A ring of a silenced caller is logged and
    /// ends as missed; they can still be rung. Answered by [`super::ServerMessage::Silenced`].
    Silence {
        /// The caller.
        person: PersonId,
        /// Whether they are silenced from now on.
        on: bool,
    },
    /// Sets when, and in which order, a principal is reached: by themselves, or by who may answer for them under a delegation. Answered by
    /// [`super::ServerMessage::Reach`].
    SetReach {
        /// The principal.
        person: PersonId,
        /// What holds from now on, whole.
        settings: ReachSettings,
    },
    /// A registrar invites a person to enrol a device. The secret of the link stays on this device. Answered by
    /// [`super::ServerMessage::Invitations`] once it is in the log.
    Invite {
        /// Drawn at random.
        invitation: InvitationId,
        /// The person.
        card: Card,
        /// Until when a device may ask with it, milliseconds since 1970 UTC.
        expires_ms: u64,
        /// SHA-256 of the token that requests with its link carry ([`crate::statement::DeviceRequest::token`]).
        token_sha256: Digest,
        /// From a principal: what the line allows that whoever is approved gets. The line has the invitation's identifier. From a
        /// registrar: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LineTerms>,
    },
    /// A registrar withdraws an invitation, or refuses the device that asked with it.
    CloseInvitation {
        /// Which.
        invitation: InvitationId,
    },
    /// A registrar approves the device that asked with an invitation: the one that made it first, and, where the charter demands
    /// two, then one of another person.
    ApproveDevice {
        /// Which.
        invitation: InvitationId,
        /// DER certificates: the device's, which this registrar issued, and the registrar's.
        chain: Vec<Blob>,
        /// From a principal, with their own invitation: the first version of the line, as [`ClientMessage::SignLine`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<String>,
    },
    /// A registrar revokes a device of a person whom it may enrol. Everybody who may see the device is told
    /// ([`super::ServerMessage::DevicesChanged`]).
    RevokeDevice {
        /// Compact JWS, type `telcon-revocation+jws`, by this device over [`crate::http::Revocation`]; `~`; base64 of this device's
        /// registrar certificate.
        statement: String,
    },
    /// A registrar states that a person lost all devices. All registrars are told ([`super::ServerMessage::Recoveries`]); one of another
    /// person has to confirm it.
    OpenRecovery {
        /// The person.
        person: PersonId,
        /// Compact JWS, type `telcon-recovery+jws`, by this device over [`crate::recovery::RecoveryStatement`]; `~`; base64 of this
        /// device's registrar certificate.
        statement: String,
    },
    /// A registrar of another person confirms a recovery: the person's devices are revoked, and one device may ask.
    ConfirmRecovery {
        /// In the same form, over [`crate::recovery::RecoveryConfirmation`].
        statement: String,
        /// SHA-256 of the token that requests with the link carry, as of [`ClientMessage::Invite`].
        token_sha256: Digest,
        /// Revocations of the person's devices, each with the order to erase, as in [`ClientMessage::RevokeDevice`].
        revocations: Vec<String>,
    },
    /// A registrar withdraws a recovery that it opened, or refuses one.
    CloseRecovery {
        /// Which.
        recovery: RecoveryId,
    },
    /// A principal lets somebody act for them. Those concerned are told once the log has it
    /// ([`super::ServerMessage::DelegationsChanged`]).
    Delegate {
        /// Compact JWS, type `telcon-delegation+jws`, by this device over [`crate::delegation::Delegation`].
        statement: String,
    },
    /// Ends a delegation before its time.
    EndDelegation {
        /// Compact JWS, type `telcon-delegation-end+jws`, by this device over [`crate::delegation::DelegationEnd`].
        statement: String,
    },
    /// The next version of a line, or the first of one to a person whom the office's registrars enrolled. Those concerned are told
    /// once the log has it ([`super::ServerMessage::LinesChanged`]).
    SignLine {
        /// Compact JWS, type `telcon-line+jws`, by this device over [`crate::line::Line`].
        statement: String,
    },
    /// As [`ClientMessage::SignLine`], with a version that is not in use: it pauses, freezes or ends the line, or hands it back.
    StopLine {
        /// As [`ClientMessage::SignLine`].
        statement: String,
    },
    /// A delegate offers a line for a principal, as a principal does with [`ClientMessage::Invite`]. The secret of the link stays on this
    /// device. Answered by [`super::ServerMessage::Invitations`] once it is in the log.
    OfferLine {
        /// Drawn at random; the line has the same identifier.
        invitation: InvitationId,
        /// Who is to hold it.
        card: Card,
        /// Until when a device may ask with it, milliseconds since 1970 UTC.
        expires_ms: u64,
        /// SHA-256 of the token that requests with its link carry.
        token_sha256: Digest,
        /// What it allows.
        line: LineTerms,
        /// The delegation, with the act `lines`.
        on_behalf: OnBehalf,
    },
    /// The delegate whose device made an offer compared the code of the device that asked. The principal has to confirm it.
    AttestHolder {
        /// Which offer.
        invitation: InvitationId,
        /// Compact JWS, type `telcon-holder-attestation+jws`, by this device over [`crate::attestation::HolderAttestation`].
        statement: String,
    },
    /// A registrar, or the giver of a line, wants to show a short code. Answered by [`super::ServerMessage::CodeOpened`].
    OpenCode {},
    /// The device that shows a code answers one step of an attempt ([`super::ServerMessage::CodeTried`]).
    AnswerCode {
        /// The code.
        slot: CodeSlot,
        /// The attempt.
        run: CodeRunId,
        /// What the other device is told.
        answer: CodeAnswer,
    },
    /// The device does not show a code any more.
    CloseCode {
        /// The code.
        slot: CodeSlot,
    },
    /// Something did not verify on this device: the security officer is told ([`super::ServerMessage::Alerts`]).
    ReportAlert {
        /// What.
        kind: ReportedAlert,
        /// The call that it concerns, as far as the device knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
    },
    /// A security officer saw these alerts. It hides none of them.
    SeeAlerts {
        /// Log indices, at most [`crate::limits::MAX_ALERTS_PER_PAGE`].
        alerts: Vec<u64>,
    },
    /// The person read on this device that another device was added in their name. Answered by
    /// [`super::ServerMessage::DevicesAdded`].
    AcknowledgeDevice {
        /// The added device.
        device: DeviceId,
    },
    /// Whoever is on shift at this device of a place ends their shift, or nobody used the device for too long. The connection is closed.
    EndShift {
        /// Whether nobody used it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        idle: bool,
    },
    /// This note-taker is available for assignment ([`super::ServerMessage::Assigned`]).
    Available {},
    /// The key that documents are sealed to for this device, which the server does not have ([`super::ServerMessage::SignedIn`]).
    PublishKey {
        /// A compact JWS over [`crate::device_key::DeviceKeyStatement`].
        statement: String,
    },
}

impl ClientMessage {
    /// Types of the messages that a protected device sends only after its person confirmed within
    /// [`crate::limits::CONFIRMATION_MAX_AGE_MS`] that they are there: with them an unlocked device that was left alone could do
    /// lasting harm, because they decide who is enrolled and who acts for whom. Acknowledging an added device is not among them: it ends a reminder on
    /// that device alone, while the log, the list of devices and the person's other devices still show what was added.
    pub const NEED_CONFIRMATION: [&'static str; 11] = [
        "approve_device",
        "attest_holder",
        "close_invitation",
        "close_recovery",
        "confirm_recovery",
        "delegate",
        "invite",
        "offer_line",
        "open_recovery",
        "revoke_device",
        "sign_line",
    ];

    /// The message's type, as on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Prove { .. } => "prove",
            Self::Ring { .. } => "ring",
            Self::RingShown { .. } => "ring_shown",
            Self::Answer { .. } => "answer",
            Self::Decline { .. } => "decline",
            Self::HangUp { .. } => "hang_up",
            Self::AskJoin { .. } => "ask_join",
            Self::Leave { .. } => "leave",
            Self::HandOver { .. } => "hand_over",
            Self::Commit { .. } => "commit",
            Self::Application { .. } => "application",
            Self::Offer { .. } => "offer",
            Self::Resume { .. } => "resume",
            Self::Ping { .. } => "ping",
            Self::FindPeople { .. } => "find_people",
            Self::Silence { .. } => "silence",
            Self::SetReach { .. } => "set_reach",
            Self::Invite { .. } => "invite",
            Self::CloseInvitation { .. } => "close_invitation",
            Self::ApproveDevice { .. } => "approve_device",
            Self::RevokeDevice { .. } => "revoke_device",
            Self::OpenRecovery { .. } => "open_recovery",
            Self::ConfirmRecovery { .. } => "confirm_recovery",
            Self::CloseRecovery { .. } => "close_recovery",
            Self::Delegate { .. } => "delegate",
            Self::EndDelegation { .. } => "end_delegation",
            Self::SignLine { .. } => "sign_line",
            Self::StopLine { .. } => "stop_line",
            Self::OfferLine { .. } => "offer_line",
            Self::AttestHolder { .. } => "attest_holder",
            Self::OpenCode {} => "open_code",
            Self::AnswerCode { .. } => "answer_code",
            Self::CloseCode { .. } => "close_code",
            Self::ReportAlert { .. } => "report_alert",
            Self::SeeAlerts { .. } => "see_alerts",
            Self::AcknowledgeDevice { .. } => "acknowledge_device",
            Self::EndShift { .. } => "end_shift",
            Self::Available {} => "available",
            Self::PublishKey { .. } => "publish_key",
        }
    }

    /// The call that the message names; not that of a ring, which is signed text.
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Self::RingShown { call }
            | Self::Answer { call, .. }
            | Self::Decline { call, .. }
            | Self::HangUp { call, .. }
            | Self::AskJoin { call, .. }
            | Self::Leave { call }
            | Self::HandOver { call }
            | Self::Commit { call, .. }
            | Self::Application { call, .. }
            | Self::Offer { call, .. }
            | Self::Resume { call, .. } => Some(*call),
            Self::ReportAlert { call, .. } => *call,
            _ => None,
        }
    }

    /// Whether the message is of one of [`ClientMessage::NEED_CONFIRMATION`].
    pub fn needs_confirmation(&self) -> bool {
        Self::NEED_CONFIRMATION.contains(&self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_messages_that_need_a_confirmation_is_the_rule() {
        let (id, other) = ("00".repeat(16), "00".repeat(32));
        let card = format!(
            r#"{{"person":"{id}","office":"office.example","name":"A","organisation":"B","role":"principal","zone":"UTC"}}"#
        );
        let messages = [
            format!(r#"{{"type":"approve_device","invitation":"{id}","chain":[]}}"#),
            format!(r#"{{"type":"close_invitation","invitation":"{id}"}}"#),
            format!(r#"{{"type":"invite","invitation":"{id}","card":{card},"expires_ms":0,"token_sha256":"{other}"}}"#),
            r#"{"type":"revoke_device","statement":""}"#.to_owned(),
            format!(r#"{{"type":"open_recovery","person":"{id}","statement":""}}"#),
            format!(r#"{{"type":"confirm_recovery","statement":"","token_sha256":"{other}","revocations":[]}}"#),
            format!(r#"{{"type":"close_recovery","recovery":"{id}"}}"#),
            r#"{"type":"delegate","statement":""}"#.to_owned(),
            r#"{"type":"end_delegation","statement":""}"#.to_owned(),
            r#"{"type":"sign_line","statement":""}"#.to_owned(),
            r#"{"type":"stop_line","statement":""}"#.to_owned(),
            format!(
                r#"{{"type":"offer_line","invitation":"{id}","card":{card},"expires_ms":0,"token_sha256":"{other}","line":{{"reach":"direct","mode":"log_only"}},"on_behalf":{{"delegation":"{id}","statement_sha256":"{other}"}}}}"#
            ),
            format!(r#"{{"type":"attest_holder","invitation":"{id}","statement":""}}"#),
            r#"{"type":"ring","jws":""}"#.to_owned(),
            r#"{"type":"see_alerts","alerts":[]}"#.to_owned(),
            format!(r#"{{"type":"acknowledge_device","device":"{id}"}}"#),
            format!(r#"{{"type":"silence","person":"{id}","on":true}}"#),
            format!(r#"{{"type":"set_reach","person":"{id}","settings":{{"desk_after_s":10}}}}"#),
            r#"{"type":"available"}"#.to_owned(),
        ];
        let mut found = Vec::new();
        for text in &messages {
            let message: ClientMessage = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let value = serde_json::to_value(&message).unwrap();
            let name = value["type"].as_str().unwrap().to_owned();
            assert_eq!(message.kind(), name);
            let expected = [
                "approve_device",
                "close_invitation",
                "delegate",
                "invite",
                "revoke_device",
                "open_recovery",
                "confirm_recovery",
                "close_recovery",
                "sign_line",
                "offer_line",
                "attest_holder",
            ]
            .contains(&&*name);
            assert_eq!(message.needs_confirmation(), expected, "{name}");
            found.push(name);
        }
        assert!(ClientMessage::NEED_CONFIRMATION.iter().all(|name| found.iter().any(|other| other == name)));
    }

    #[test]
    fn what_needs_a_confirmation_is_a_message() {
        for name in ClientMessage::NEED_CONFIRMATION {
            assert!(crate::access::MESSAGES.iter().any(|(message, _)| *message == name), "{name}");
        }
    }
}
