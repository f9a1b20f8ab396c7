//! Bodies of the HTTP API. Its paths, errors and limits are described in `docs/api/openapi.json`.

use crate::{
    Blob, CallId, Card, DeviceId, Ended, OfficeAlert, PersonId, RecordMode, SuiteName, delegation::ProvenDelegation,
    device_policy::DeviceKind, device_policy::ProgramVersion, line::ProvenLine, line::Rings, message::Logged,
    shift::OnShift, shift::WorkedShift, sso::OfficeAccount,
};
use serde::{Deserialize, Serialize};

/// Prefix of the paths of this version of the API.
pub const API_PREFIX: &str = "/api/v1";

/// `GET /api/v1/office`: the office's description for a new device. The device trusts the authority only if its digest is the
/// one in the enrolment link, which reached the person out of band.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfficeInfo {
    /// Domain that names the office.
    pub domain: String,
    /// Name to show.
    pub name: String,
    /// DER certificate of the office authority.
    pub authority: Blob,
    /// The suite of the office's calls.
    pub suite: SuiteName,
    /// Compact JWS, type `telcon-charter+jws`, by the office authority over [`Charter`].
    pub charter: String,
}

/// The authority's signed decisions that the server cannot change: the log key, the lowest record mode, and how many registrars
/// certify a device. It is signed once, when the office is created. A program that does not know one of its fields refuses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// The office, by domain.
    pub office: String,
    /// C2SP verifier key of the office's log.
    pub log_key: String,
    /// The lowest record mode of the office's calls.
    pub floor: RecordMode,
    /// How many registrars certify a device. Absent in charters that demand one, as all of earlier versions do.
    #[serde(default, skip_serializing_if = "Registrars::is_one")]
    pub registrars: Registrars,
    /// Who may ring whom. Absent in charters of earlier versions, where roles decide.
    #[serde(default, skip_serializing_if = "Rings::is_by_role")]
    pub rings: Rings,
    /// Recipients (age) of the custodians to whom every version of a line is sealed ([`crate::line_seal`]). Absent in charters of earlier
    /// versions, whose lines have no sealed form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custodians: Vec<String>,
    /// Time of signing, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// How many registrars have to certify a device that the authority did not enrol itself. A number in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "u8"))]
#[serde(try_from = "u8", into = "u8")]
pub enum Registrars {
    /// One.
    #[default]
    One,
    /// Two, of different people.
    Two,
}

impl Registrars {
    /// Whether it is one.
    pub fn is_one(&self) -> bool {
        *self == Self::One
    }
}

impl From<Registrars> for u8 {
    fn from(registrars: Registrars) -> Self {
        match registrars {
            Registrars::One => 1,
            Registrars::Two => 2,
        }
    }
}

impl TryFrom<u8> for Registrars {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err("a charter demands one registrar or two: update this program"),
        }
    }
}

/// `POST /api/v1/devices`: enrols a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// DER certificates: the device's, then the enrolment certificate that signed it.
    pub chain: Vec<Blob>,
}

/// Answer to [`EnrolRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enrolled {
    /// The device.
    pub device: DeviceId,
    /// Proof that its certificate is in the log.
    pub logged: Logged,
}

/// `POST /api/v1/invitations`: a person was invited, and the link is about to be handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// Compact JWS, type `telcon-invitation+jws`, by the office authority over [`IssuedInvitation`].
    pub jws: String,
}

/// Payload of the statement that a person was invited. It has no secret of the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuedInvitation {
    /// The office, by domain.
    pub office: String,
    /// The enrolment that the link is for, 32 hexadecimal digits.
    pub enrolment: String,
    /// The person.
    pub card: Card,
    /// People whose names look the same, and of whom the office knows that they are others.
    pub same_name_as: Vec<PersonId>,
    /// Until when the link is valid, milliseconds since 1970 UTC.
    pub expires_ms: u64,
    /// Time of signing, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// Answer to [`InviteRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invited {
    /// The person.
    pub person: PersonId,
}

/// `POST /api/v1/registrars`: appoints a device as a registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AppointRequest {
    /// The registrar certificate, DER, issued by the authority.
    pub certificate: Blob,
}

/// Answer to [`AppointRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Appointed {
    /// The device.
    pub device: DeviceId,
    /// Proof that the appointment is in the log.
    pub logged: Logged,
}

/// `POST /api/v1/device-requests`: a new device asks to be enrolled, and asks again until it is answered. The same request
/// may be sent any number of times; another one with the same invitation is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// Compact JWS, type `telcon-device-request+jws`.
    pub request: String,
}

/// Answer to [`AskRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Asked {
    /// A registrar has to approve it.
    Waiting {
        /// Until when, milliseconds since 1970 UTC.
        expires_ms: u64,
        /// How many of two registrars have approved it. Absent where one is enough, and before the first.
        #[serde(default, skip_serializing_if = "is_zero")]
        approvals: u8,
    },
    /// The device is enrolled.
    Approved {
        /// DER certificates: the device's and the registrar's; where the charter demands two registrars, then the device's by
        /// the second and that registrar's. The device verifies them.
        chain: Vec<Blob>,
    },
    /// A registrar refused it, or it was withdrawn.
    Refused {},
    /// Nobody answered in time.
    Expired {},
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// `GET /api/v1/devices`: enrolled devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceList {
    /// Sorted by person's name, then by time of enrolment.
    pub devices: Vec<ListedDevice>,
}

/// An enrolled device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedDevice {
    /// Which.
    pub device: DeviceId,
    /// Whose.
    pub card: Card,
    /// What it said it was when it was enrolled; none of devices enrolled by the authority's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The registrar's device that approved it; none if it was enrolled by the authority's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<DeviceId>,
    /// The registrar's device that approved it before, where the charter demands two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_approved_by: Option<DeviceId>,
    /// Whether it is a registrar.
    #[serde(default)]
    pub registrar: bool,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
    /// When a security officer ordered it to erase itself, as part of the revocation or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_ordered_ms: Option<u64>,
    /// When it reported that it erased itself. A device whose keys are locked cannot report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_ms: Option<u64>,
    /// Whether it is connected now.
    #[serde(default)]
    pub connected: bool,
    /// The version of its program at its last sign-in, as the program said; none of one that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramVersion>,
    /// Its person's account at the office's provider, if they have signed in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<OfficeAccount>,
    /// When its person last signed in on it with their account at the office's provider, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_used_ms: Option<u64>,
    /// When it was last connected, milliseconds since 1970 UTC, to within a few minutes; none if it never was, or not since the
    /// server keeps this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<u64>,
    /// What kind of program last signed in with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeviceKind>,
    /// Who is on shift at it, if it is a device of a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_shift: Option<OnShift>,
}

/// `GET /api/v1/sign-ins`: when the devices of one's own person were connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignInList {
    /// Newest first, at most [`crate::limits::MAX_SIGN_INS_PER_DEVICE`] of each device.
    pub sign_ins: Vec<SignIn>,
    /// Newest first: attempts in the name of these devices without proof of their keys.
    pub failed: Vec<FailedSignIns>,
    /// Newest first: when this person was on shift at devices of places, at most [`crate::limits::MAX_SIGN_INS_PER_DEVICE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<WorkedShift>,
}

/// A time in which a device was connected. Reconnections shortly after each other are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignIn {
    /// Which.
    pub device: DeviceId,
    /// When it signed in first, milliseconds since 1970 UTC.
    pub from_ms: u64,
    /// When it was last connected, to within a few minutes.
    pub until_ms: u64,
    /// How often it signed in from first to last.
    pub times: u64,
    /// What kind of program it was.
    pub kind: DeviceKind,
}

/// Attempts to sign in that failed, in the name of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailedSignIns {
    /// Which.
    pub device: DeviceId,
    /// When the first of them was made, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// How many there were.
    pub count: u64,
}

/// `GET /api/v1/alerts`: the office's alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertList {
    /// Newest first.
    pub alerts: Vec<OfficeAlert>,
    /// How many in all no security officer has seen.
    pub unseen: u64,
}

/// `POST /api/v1/revocations`: revokes a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Compact JWS, type `telcon-revocation+jws`, by the office authority over [`Revocation`].
    pub jws: String,
}

/// Payload of a revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The office, by domain.
    pub office: String,
    /// The device.
    pub device: DeviceId,
    /// Time of signing, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// The registrar's device that signed; none if the authority did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<DeviceId>,
    /// Whether the device erases its keys and data when it learns of it. Absent: it stops, and keeps them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erase: bool,
}

/// `POST /api/v1/orders`: a device that cannot sign in, because its keys are locked or it was revoked, asks whether it is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// The device.
    pub device: DeviceId,
    /// Its DER certificate. It is not in the log: who has only read that learns nothing.
    pub certificate: Blob,
}

/// Answer to [`OrderRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Orders {
    /// The signed revocation, as in [`crate::ServerMessage::Revoked`]; none if the device is not revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
}

/// `POST /api/v1/erasures`: a device reports that it erased itself as ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ErasureReport {
    /// Compact JWS, type `telcon-erasure+jws`, by the device over [`crate::statement::Erasure`].
    pub jws: String,
}

/// Answer to [`ErasureReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureNoted {
    /// The device.
    pub device: DeviceId,
}

/// `POST /api/v1/calls/{call}/record`: the record is complete; its parts were uploaded before with
/// `PUT /api/v1/calls/{call}/record/{part name}`. The body is the record's `seal.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordKept {
    /// Proof that the record's digest is in the log.
    pub logged: Logged,
}

/// One line of `GET /api/v1/records`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordLine {
    /// The call.
    pub call: CallId,
    /// Who rang.
    pub from: Card,
    /// Whom.
    pub to: Card,
    /// What was to be kept.
    pub mode: RecordMode,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<Ended>,
    /// Number of its sealed records in the archive: one per note-taker that recorded some of it.
    pub records: usize,
    /// Whether there are records, and all of them are partial.
    #[serde(default)]
    pub partial: bool,
    /// Whether there is no record, and the log has a *record missing* entry.
    #[serde(default)]
    pub missing: bool,
    /// The principal for whom `from` rang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Card>,
    /// Who answered for `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Card>,
}

/// `GET /api/v1/ice-servers`: the office's TURN servers, for signed-in devices whose network blocks the relay's own address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IceServers {
    /// TURN servers; none where the office has none.
    pub ice_servers: Vec<IceServer>,
    /// Remaining lifetime of the credentials, milliseconds. Relative, because the device's clock may differ from the office's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// A TURN server, with the fields of WebRTC's `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IceServer {
    /// Its addresses (RFC 7065).
    pub urls: Vec<String>,
    /// The user name of the credential.
    pub username: String,
    /// The password.
    pub credential: String,
}

/// `GET /api/v1/records/{call}`: the proofs of the records of one call, which the requesting device verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordProof {
    /// The line in the list.
    pub line: RecordLine,
    /// The ring as the caller's device signed it.
    pub ring: String,
    /// Proof of the opening.
    pub opened: Logged,
    /// Proof of the end, once it has ended.
    pub ended: Option<Logged>,
    /// The sealed records that are in the archive.
    pub records: Vec<ProvenRecord>,
    /// Proof of the *record missing* entry with its reason, if the log has one. Records may have arrived after it.
    #[serde(default)]
    pub missing: Option<Logged>,
    /// Device certificate chains (DER) of all participants of the call, note-takers included.
    pub devices: Vec<ProvenDevice>,
    /// The delegations under which somebody rang or answered for a party.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<ProvenDelegation>,
    /// The version of the line that the ring is over, if it is over one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Box<ProvenLine>>,
    /// Size of the tree that the device follows, as it asked (`log_size`).
    #[serde(default)]
    pub from_size: u64,
    /// RFC 6962 proof that the tree of the checkpoint, which is one for all entries here, continues that one; base64 hashes.
    #[serde(default)]
    pub consistency: Vec<Blob>,
}

impl RecordProof {
    /// All entries of the log in it.
    pub fn entries(&self) -> impl Iterator<Item = &Logged> {
        let records = self.records.iter().map(|record| &record.logged);
        let devices = self.devices.iter().map(|device| &device.logged);
        let delegations = self.delegations.iter().flat_map(|proven| [&proven.given, &proven.device]);
        let over = self.over.iter().flat_map(|proven| proven.proofs());
        [&self.opened]
            .into_iter()
            .chain(&self.ended)
            .chain(&self.missing)
            .chain(records)
            .chain(devices)
            .chain(delegations)
            .chain(over)
    }
}

/// The query of `GET /api/v1/records/{call}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordProofQuery {
    /// Size of the tree that the device follows: the proof continues it.
    #[serde(default)]
    pub log_size: u64,
}

/// A sealed record and the proof that it is in the log. Its parts are at
/// `GET /api/v1/records/{call}/{index of its log entry}/{part name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenRecord {
    /// Proof of the entry that has its digest.
    pub logged: Logged,
    /// The record's `seal.json` as text.
    pub seal: String,
}

/// `GET /api/v1/log/consistency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Consistency {
    /// Size of the older tree.
    pub from: u64,
    /// Size of the newer tree.
    pub to: u64,
    /// RFC 6962 consistency proof, base64 hashes.
    pub consistency: Vec<Blob>,
}

/// A device certificate chain and the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenDevice {
    /// DER: device, then what certified it; twice where two registrars did.
    pub chain: Vec<Blob>,
    /// Its entry.
    pub logged: Logged,
}

/// Any error of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiError {
    /// What happened and what to do.
    pub error: String,
}
