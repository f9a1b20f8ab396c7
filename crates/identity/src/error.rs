//! Verification and signing errors, grouped by cause. Each message says what to do.

use telcon_proto::SuiteName;

/// A verification or signing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No honest, correct implementation sends this: close the connection.
    #[error("{0}: do not trust it, and tell the security officer")]
    Hostile(Flaw),
    /// Possibly honest, but of another version, profile or office.
    #[error("{0}")]
    Incompatible(Mismatch),
    /// Authentic, but expired or not yet valid.
    #[error("{0}")]
    Expired(Validity),
    /// Invalid input of the caller of this crate or of the person at the keyboard.
    #[error("{0}")]
    Misuse(Misuse),
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, IdentityError>;

/// The check that hostile input failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Invalid signature.
    #[error("a signature is invalid")]
    Signature,
    /// Malformed public key.
    #[error("a public key is malformed")]
    PublicKey,
    /// Not the canonical encoding of a certificate of our profile.
    #[error("a certificate does not have the profile that an office issues")]
    CertificateForm,
    /// A certificate or a signed text over its size limit.
    #[error("a certificate or signed text is too long")]
    TooLong,
    /// A chain other than a device certificate and its issuer's, or two such pairs where the charter demands two registrars.
    #[error("a certificate chain does not have the certificates that its office's charter requires")]
    ChainLength,
    /// Issued by another authority than the pinned one, whatever its name.
    #[error("a certificate was issued by another office's authority")]
    OtherAuthority,
    /// A certificate's issuer is not the one that follows in the chain.
    #[error("a device certificate was issued by another enrolment")]
    OtherEnrolment,
    /// An end-entity certificate used as an issuer.
    #[error("a certificate that may not issue was used to issue another")]
    NotAnIssuer,
    /// A CA certificate used as a device certificate.
    #[error("an issuer's certificate was shown as a device's")]
    IssuerAsDevice,
    /// The path length constraint is not the one for this position in the chain (RFC 5280 section 4.2.1.9).
    #[error("a certificate allows a longer chain than permitted")]
    PathLength,
    /// The key usage is not the one for this position in the chain (RFC 5280 section 4.2.1.3).
    #[error("a certificate has another key usage than allowed")]
    KeyUsage,
    /// A subject that does not encode a card and an identifier, or an office.
    #[error("a certificate's subject is malformed")]
    Subject,
    /// The serial number is not derived from the identifier in the subject.
    #[error("a certificate's serial number does not match its subject")]
    SerialNumber,
    /// The device certificate has another card than the enrolment certificate.
    #[error("a device certificate names another person than the office enrolled")]
    CardChanged,
    /// The device key is the one-time enrolment key.
    #[error("a device certificate is for the one-time enrolment key")]
    EnrolmentKeyReused,
    /// A validity period longer than allowed, reversed, or outside its issuer's.
    #[error("a certificate's validity period is not allowed")]
    Validity,
    /// The device certificate was not issued within the enrolment key's usage period.
    #[error("a device certificate was not issued while its enrolment link was valid")]
    OutsideEnrolment,
    /// The authority is not the one whose digest was pinned.
    #[error("the server has another office authority than the one in the enrolment link")]
    AuthorityDigest,
    /// The server's description of the office contradicts the authority's certificate.
    #[error("the server's description of the office contradicts the office's certificate")]
    OfficeInfo,
    /// The link's seed does not match its certificate, or the certificate is not an enrolment certificate.
    #[error("the enrolment link is inconsistent")]
    Invitation,
    /// A registrar certificate for a person whose role may not enrol devices.
    #[error("a registrar's certificate is for a person who may not enrol devices")]
    RegistrarRole,
    /// A device certificate of a role that its registrar may not enrol.
    #[error("a device was certified for a role that its registrar may not enrol")]
    RoleNotAllowed,
    /// A device certified by one registrar, where the charter demands two.
    #[error("a device was certified by one registrar, and its office demands two")]
    OneRegistrar,
    /// Two certificates by registrars of one person.
    #[error("a device was certified twice by the same person, and its office demands two people")]
    SameRegistrar,
    /// Two registrars' certificates for another device, key, person or time.
    #[error("two registrars certified different devices, keys, people or times as one")]
    OtherApproval,
    /// A registrar's certificate for another device, key or person than asked.
    #[error("a registrar certified another device, key or person than the one that asked")]
    OtherRequest,
    /// A device's request for another invitation.
    #[error("a device's request names another invitation")]
    OtherInvitation,
    /// The sender of a device's request did not have the link.
    #[error("a device's request was made without the link that it names")]
    InvitationSecret,
    /// Not a compact JWS (RFC 7515 section 7.1) with exactly our header fields.
    #[error("a signed text is malformed")]
    JwsForm,
    /// A JWS of another type.
    #[error("a signed text is of another type than expected")]
    JwsType,
    /// The `alg` header is not the algorithm of the key.
    #[error("a signed text names another algorithm than that of its key")]
    JwsAlgorithm,
    /// The payload is not that of the JWS type.
    #[error("a signed text has malformed content")]
    Payload,
    /// The named office is not the one whose keys verify it.
    #[error("a signed text or a log proof belongs to a different office than expected")]
    OtherOffice,
    /// A second authority with the name of a trusted office.
    #[error("another authority uses the name of an office that this device trusts")]
    SecondAuthority,
    /// The authority of a trusted office, with another log key.
    #[error("an office that this device trusts now has another log key")]
    SecondLog,
    /// Signed by another device than it names.
    #[error("a signed text names another device than the one that signed it")]
    OtherDevice,
    /// The caller's role may not ring.
    #[error("a ring comes from a person who may not ring")]
    RingRole,
    /// A delegation by a person who may not delegate, or to one who may not act for others.
    #[error("a delegation is by a person who may not give one, or to a person who may not act for others")]
    DelegationRole,
    /// A delegation in the name of another person than its signer's, or to oneself.
    #[error("a delegation names another principal than the one who signed it")]
    OtherPrincipal,
    /// No act, one twice, or a term that is reversed or too long.
    #[error("a delegation has no act, or a longer term than allowed")]
    DelegationTerm,
    /// An act that the delegation does not name.
    #[error("a delegation is for another act than this")]
    DelegationAct,
    /// A delegation to another person than the one who acts.
    #[error("a delegation is to another person than the one who acts")]
    OtherDelegate,
    /// A ring on somebody's behalf under another delegation than it names.
    #[error("a ring names another delegation than the one that came with it")]
    OtherDelegation,
    /// A ring on somebody's behalf without the delegation.
    #[error("a ring on somebody's behalf came without their delegation")]
    DelegationMissing,
    /// A line of a person who may not give one, or to one who may not hold one.
    #[error("a line is by a person who may not give one, or to a person who may not hold one")]
    LineRole,
    /// Terms over a limit, or with a record mode below the charter's minimum.
    #[error("a line's terms are malformed, or ask for less of a record than the office requires")]
    LineTerms,
    /// A version that does not follow the one before it.
    #[error("a version of a line does not follow the one before it")]
    LineVersion,
    /// Signed by somebody who may not say this of a line.
    #[error("a line was signed by a person who may not make this change")]
    LineSigner,
    /// A ring over another line, or another version, than it names, or between other people.
    #[error("a ring names another line than the one that came with it, or the line is between other people")]
    OtherLine,
    /// A ring from a device that the line is not bound to.
    #[error("a ring comes from a device that the line is not bound to")]
    LineDevice,
    /// A ring without a line, where the charter demands one.
    #[error("a ring came without a line, and its office demands one")]
    LineMissing,
    /// A line's holder in an office whose charter has no lines.
    #[error("a principal's device certified a line's holder, and its office's charter has no lines")]
    LinesNotUsed,
    /// A version of a line that was logged without its sealed form, where the charter names custodians.
    #[error("a line was logged without its sealed form for the custodians that its office's charter names")]
    LineNotSealed,
    /// A statement of a line with something behind it that is no sealed form.
    #[error("what stands behind a line's statement is no sealed form for custodians")]
    SealedLineForm,
    /// A device that a principal certified as something else than the holder of a line.
    #[error("a principal's device certified a device that is not a counterpart's")]
    HolderRole,
    /// A statement of a key that has not the form of one.
    #[error("a device's encryption key is malformed")]
    DeviceKeyForm,
    /// Numbers or lists of a version that are over a limit, or do not fit together.
    #[error("a version of a document is malformed")]
    DocumentForm,
    /// A version signed in the name of somebody else, or by somebody who could not read the one before.
    #[error("a version of a document was signed by a person who may not write it")]
    DocumentAuthor,
    /// A state that the author's role may not claim.
    #[error("a version of a document claims what its author's role may not")]
    DocumentClaim,
    /// A state that does not follow the one before.
    #[error("a version of a document claims a state that cannot follow the one before it")]
    DocumentState,
    /// A gap, or a version that does not name the one before it.
    #[error("a version of a document does not follow the one before it")]
    DocumentVersion,
    /// Another version under the number that this device has seen.
    #[error("the server shows another version of a document than it did before")]
    DocumentFork,
    /// Older than what this device has seen.
    #[error("the server shows an older version of a document than it did before")]
    DocumentRollback,
    /// The log has versions in another order.
    #[error("the log has the versions of a document in another order than they follow each other")]
    DocumentOrder,
    /// A statement of another document, or one that changes what it is.
    #[error("a version belongs to another document")]
    OtherDocument,
    /// A sealed file, or its content, that is not what was signed.
    #[error("a document's content is not what its author signed")]
    DocumentContent,
    /// Signed by a device after the log had its revocation.
    #[error("a version of a document was signed by a device that had been revoked")]
    RevokedSigner,
    /// Another suite than the office's: there is no negotiation, so no downgrade.
    #[error("a ring asks for another suite than the office's")]
    RingSuite,
    /// The nonce is not that of the challenge.
    #[error("a sign-in answers another challenge")]
    OtherChallenge,
    /// The signature is for another call or another digest.
    #[error("a record's signature is for another call or other content")]
    OtherRecord,
    /// A record signed by a device whose role may not write records.
    #[error("a record was signed by a device that is not a note-taker's")]
    RecordRole,
    /// Malformed log key in the charter.
    #[error("the office's log key is malformed")]
    LogKey,
    /// A ring with a record mode below the charter's minimum.
    #[error("a ring has a lower record mode than the office requires")]
    RingMode,
    /// The checkpoint is not signed by the office's log.
    #[error("a checkpoint is not signed by the office's log")]
    Checkpoint,
    /// An invalid inclusion or consistency proof.
    #[error("a log proof is invalid")]
    LogProof,
    /// The entry is malformed, or of another type than expected.
    #[error("a log entry is malformed or of another type")]
    LogEntry,
    /// The entry does not match the device or ring that it has to prove.
    #[error("a log entry does not match the device or ring that it should prove")]
    OtherEntry,
    /// The entry's time is outside the enrolment or too far from the ring's time.
    #[error("a log entry's time does not match the device or ring that it should prove")]
    EntryTime,
    /// Not the content of an X.509 credential (RFC 9420 section 5.3).
    #[error("a group member's credential is malformed")]
    Credential,
}

/// An incompatibility that is nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// A ring of another wire version.
    #[error("the other device uses version {0} of the protocol: update the older one")]
    WireVersion(u16),
    /// An enrolment link of another version.
    #[error("the enrolment link is of version {0}: update this device, or ask for a link from an updated office")]
    InvitationVersion(u8),
    /// A certificate with a role that this version does not have. It grants nothing here.
    #[error("a certificate names a role that this version does not know: update this device")]
    UnknownRole,
    /// The office is not in the trust store.
    #[error("it belongs to an office that this device does not trust: ask your security officer whether to add it")]
    UnknownOffice,
    /// A ring whose caller, callee and call do not all belong to the home office.
    #[error(
        "a ring is from or to another office, and this office is not connected to others: only its own people can be rung"
    )]
    BetweenOffices,
    /// A certificate or link of another suite than the office's.
    #[error("the office uses {office:?} and this is for {other:?}: enrol this device again")]
    Suite {
        /// The office's suite.
        office: SuiteName,
        /// The other suite.
        other: SuiteName,
    },
}

/// Expired or not yet valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Validity {
    /// An expired device certificate.
    #[error("a device certificate has expired: enrol the device again")]
    Device,
    /// A device certificate that is not valid yet.
    #[error("a device certificate is not valid yet: check both devices' clocks")]
    DeviceNotYet,
    /// An expired enrolment link.
    #[error("the enrolment link has expired: ask the office for a new one")]
    Invitation,
    /// An enrolment link that is not valid yet.
    #[error("the enrolment link is not valid yet: check this device's clock")]
    InvitationNotYet,
    /// A ring signed too long ago.
    #[error(
        "a ring is too old to be answered: the caller should ring again; if this recurs, check both devices' clocks"
    )]
    Ring,
    /// A ring signed in the future.
    #[error("a ring is dated in the future: check both devices' clocks")]
    RingFuture,
    /// A delegation whose time is over.
    #[error("a delegation has ended: ask the principal for another")]
    Delegation,
    /// A delegation whose time has not begun.
    #[error("a delegation is not valid yet: check both devices' clocks")]
    DelegationNotYet,
    /// A line that ended, or whose time is over.
    #[error("the line has ended: ask for a new one")]
    LineEnded,
    /// A line that is not in use now.
    #[error("the line is paused: ask again later, or ask for a planned call")]
    LinePaused,
    /// A line that was frozen because somebody doubted its holder.
    #[error("the line is frozen, because somebody doubted who holds it: its giver has to look into that")]
    LineSuspect,
    /// A line over which only planned calls are made.
    #[error("the line is for planned calls only: ask for one")]
    LinePlanned,
    /// A ring outside the line's hours.
    #[error("the line may not be rung over at this hour")]
    LineHours,
    /// A recovery that was opened too long before it was confirmed, or after that.
    #[error("the recovery was opened too long ago, or by another clock: open it again")]
    Recovery,
    /// The registrar's year is over, or has not begun.
    #[error("this device is not a registrar any more: ask the holder of the office's authority to appoint it again")]
    Registrar,
    /// The registrar was appointed after the time that it would have to certify from.
    #[error(
        "this device was appointed after the first security officer approved: ask them to approve once more, then approve"
    )]
    SecondRegistrar,
    /// The first approval is too old, or in the future.
    #[error("the first security officer's approval is too old or dated in the future: ask them to approve once more")]
    FirstApproval,
    /// The authority's certificate expires before the one to be issued would.
    #[error("the office authority's certificate expires too soon: create a new authority")]
    Authority,
}

/// Invalid input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Custodians that a charter cannot name.
    #[error("a charter names at most 32 custodians, each once, as post-quantum age recipients (age1pq1…)")]
    Custodians,
    /// A person's, organisation's or office's name that is not allowed in a certificate.
    #[error(
        "a name is empty, longer than 64 characters, or contains control or direction characters or outer blanks: change it"
    )]
    Name,
    /// A zone that is not an IANA name.
    #[error("a time zone is not written as an IANA name such as Europe/Oslo: change it")]
    Zone,
    /// Not a domain in lower-case ASCII.
    #[error("the office's domain is not a lower-case ASCII domain name such as office.example: change it")]
    Domain,
    /// A place with a role whose people do not work in shifts.
    #[error("a place has a role that works in shifts: scheduler, duty officer, note-taker or interpreter")]
    Place,
    /// A card of another office than the authority's.
    #[error("a card names another office than the certifying authority's: invite the person at their own office")]
    CardOffice,
    /// No role, or one twice.
    #[error("a registrar is appointed for at least one role, and for each once")]
    Roles,
    /// The registrar was not appointed for people of this role.
    #[error("this registrar may not enrol people of that role: ask the holder of the office's authority")]
    RoleNotAllowed,
    /// The second approval by the person of the first.
    #[error("you approved this device already: a second security officer has to approve it")]
    SamePerson,
    /// A time that certificates cannot encode.
    #[error("a time is out of range: check this computer's clock")]
    Time,
    /// A lifetime of zero, or above the limit.
    #[error("an enrolment link may be valid for 1 second to 30 days: choose another time")]
    InvitationTtl,
    /// The seed does not match the certificate.
    #[error("the authority's key does not match its certificate: use the two files that were created together")]
    AuthorityKey,
    /// The key is not the one of the registrar certificate.
    #[error(
        "the key does not match the registrar's certificate: ask the holder of the office's authority to appoint this device"
    )]
    RegistrarKey,
    /// A line's holder is certified by a principal's device, as a counterpart.
    #[error("only a principal's device gives a line, and only to a counterpart")]
    HolderRole,
    /// The key is not the device's own.
    #[error("the key does not match this device's certificate: enrol the device again")]
    DeviceKey,
    /// The device's seed equals the enrolment's.
    #[error("a device needs a key of its own: draw a fresh seed")]
    SeedReused,
}

impl From<Flaw> for IdentityError {
    fn from(flaw: Flaw) -> Self {
        Self::Hostile(flaw)
    }
}

impl From<Mismatch> for IdentityError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Incompatible(mismatch)
    }
}

impl From<Validity> for IdentityError {
    fn from(lapse: Validity) -> Self {
        Self::Expired(lapse)
    }
}

impl From<Misuse> for IdentityError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}
