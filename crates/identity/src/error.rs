//! Errors by blame: who is at fault decides what to do, and every message says it.

use telcon_proto::SuiteName;

/// Why something was not believed, or not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No honest, undamaged party sends this. Cut it off.
    #[error("{0}: trust nothing of it and tell the security officer")]
    Hostile(Flaw),
    /// Honest perhaps, but of another version or another profile.
    #[error("{0}")]
    Incompatible(Mismatch),
    /// Right, but not at this time.
    #[error("{0}")]
    Expired(Lapse),
    /// The caller of this crate, or the person at the keyboard, asked for something that cannot be.
    #[error("{0}")]
    Misuse(Misuse),
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, IdentityError>;

/// What is wrong with something hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// A signature does not hold.
    #[error("a signature does not hold")]
    Signature,
    /// A public key that is none.
    #[error("a public key is malformed")]
    PublicKey,
    /// Bytes that are not the one encoding of a certificate that this system issues.
    #[error("a certificate is not of the form that an office issues")]
    CertificateForm,
    /// A certificate or a signed text over its size limit.
    #[error("a certificate or signed text is too long")]
    TooLong,
    /// A chain that is not device certificate, enrolment certificate.
    #[error("a certificate chain is not a device certificate and its enrolment certificate")]
    ChainLength,
    /// Issued by another authority than the one pinned, whatever it calls itself.
    #[error("a certificate was issued by another office's authority")]
    OtherAuthority,
    /// A certificate's issuer is not the one that follows in the chain.
    #[error("a device certificate was issued by another enrolment")]
    OtherEnrolment,
    /// An end certificate in an issuer's place.
    #[error("a certificate that may not issue was used to issue another")]
    NotAnIssuer,
    /// An issuer's certificate in a device's place.
    #[error("an issuer's certificate was shown as a device's")]
    IssuerAsDevice,
    /// The path length is not the one of this place in the chain (RFC 5280 section 4.2.1.9).
    #[error("a certificate allows a longer chain than it may")]
    PathLength,
    /// The key usage is not the one of this place in the chain (RFC 5280 section 4.2.1.3).
    #[error("a certificate allows its key another use than it may")]
    KeyUsage,
    /// A subject that is not a card and an identifier, or not an office.
    #[error("a certificate's subject is malformed")]
    Subject,
    /// The serial number does not repeat the identifier in the subject.
    #[error("a certificate's serial number is not that of its subject")]
    SerialNumber,
    /// The device certificate names somebody else than the enrolment certificate.
    #[error("a device certificate names somebody else than the office enrolled")]
    CardChanged,
    /// The device kept the one-time enrolment key as its own.
    #[error("a device certificate is for the one-time enrolment key")]
    EnrolmentKeyReused,
    /// A validity longer than allowed, reversed, or outside its issuer's.
    #[error("a certificate is valid for longer than it may be")]
    Validity,
    /// The device certificate was not made while the enrolment key might be used.
    #[error("a device certificate was not made within the time of its enrolment")]
    OutsideEnrolment,
    /// The authority is not the one whose digest was pinned.
    #[error("the server shows another office authority than the enrolment link names")]
    AuthorityDigest,
    /// The authority's certificate contradicts what the server says of the office.
    #[error("the server calls the office otherwise than its authority does")]
    OfficeInfo,
    /// The invitation's seed and certificate do not belong together, or are no enrolment.
    #[error("the enrolment link is inconsistent")]
    Invitation,
    /// Not a compact JWS (RFC 7515 section 7.1) with exactly the header we write.
    #[error("a signed text is malformed")]
    JwsForm,
    /// A signed text of another kind.
    #[error("a signed text is of another kind than its place calls for")]
    JwsType,
    /// Signed with another algorithm than the key's.
    #[error("a signed text names another algorithm than its key has")]
    JwsAlgorithm,
    /// The content signed is not what this type carries.
    #[error("a signed text has malformed content")]
    Payload,
    /// Of another office than the one whose keys it was to be verified with.
    #[error("a signed text or a log proof is of another office than it has to be")]
    OtherOffice,
    /// A second authority under the name of an office that is trusted already.
    #[error("another authority calls itself by the name of an office that this device trusts")]
    SecondAuthority,
    /// The authority of a trusted office, with another log.
    #[error("an office that this device trusts is described with another log than before")]
    SecondLog,
    /// Signed by another device than it names.
    #[error("a signed text names another device than the one that signed it")]
    OtherDevice,
    /// A listener's device rings.
    #[error("a ring comes from somebody who may not ring")]
    RingRole,
    /// Weaker or stronger than the office's suite: there is no negotiation, so no downgrade.
    #[error("a ring asks for another suite than the office's")]
    RingSuite,
    /// The answer to another challenge.
    #[error("a sign-in answers another challenge")]
    OtherChallenge,
    /// About another call or another digest.
    #[error("a record's signature is about another call or another content")]
    OtherRecord,
    /// A record signed by somebody who keeps none.
    #[error("a record was signed by somebody who does not keep records")]
    RecordRole,
    /// The log key in the charter is none.
    #[error("the office's log key is malformed")]
    LogKey,
    /// A ring that asks for less to be kept than the charter demands.
    #[error("a ring asks for less to be kept than the office keeps of every call")]
    RingMode,
    /// The checkpoint is not signed by the office's log.
    #[error("a checkpoint is not signed by the office's log")]
    Checkpoint,
    /// The proof does not lead from the entry to the checkpoint.
    #[error("a log proof does not hold")]
    LogProof,
    /// The entry is not JSON of the kind expected.
    #[error("a log entry is malformed or of another kind")]
    LogEntry,
    /// The entry is about something else.
    #[error("a log entry is about something else than what it is to prove")]
    OtherEntry,
    /// The entry's time and what it proves do not fit.
    #[error("a log entry was made at another time than what it is to prove")]
    EntryTime,
    /// Not the content of an X.509 credential (RFC 9420 section 5.3).
    #[error("a group member's credential is malformed")]
    Credential,
}

/// What does not fit together, with nobody to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// A ring of another wire version.
    #[error("the other side speaks version {0} of the protocol: update the older one")]
    WireVersion(u16),
    /// An enrolment link of another version.
    #[error("the enrolment link is of version {0}: update this device, or ask for a link from an updated office")]
    InvitationVersion(u8),
    /// Of an office that is not in the trust store.
    #[error("it is of an office that this device does not trust: ask your security officer whether it should be added")]
    UnknownOffice,
    /// A ring whose caller, callee and call are not all of the home office.
    #[error(
        "a ring leads to or from another office, and this office is not connected to others: only its own people can be rung"
    )]
    BetweenOffices,
    /// A certificate or link of another suite than the office's.
    #[error("the office uses {office:?} and this is for {other:?}: enrol this device anew")]
    Suite {
        /// The office's suite.
        office: SuiteName,
        /// The suite met.
        other: SuiteName,
    },
}

/// What is not valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Lapse {
    /// A device certificate after its validity.
    #[error("a device certificate has expired: enrol the device anew")]
    Device,
    /// A device certificate before its validity.
    #[error("a device certificate is not valid yet: check both devices' clocks")]
    DeviceNotYet,
    /// An enrolment link after its time.
    #[error("the enrolment link has expired: ask the office for a new one")]
    Invitation,
    /// An enrolment link before its time.
    #[error("the enrolment link is not valid yet: check this device's clock")]
    InvitationNotYet,
    /// A ring signed too long ago.
    #[error("a ring is too old to be answered: let them ring again, and if it recurs check both devices' clocks")]
    Ring,
    /// A ring signed in the future.
    #[error("a ring is dated in the future: check both devices' clocks")]
    RingFuture,
    /// An office authority whose certificate ends before what it shall issue.
    #[error("the office authority's certificate ends too soon: create a new authority")]
    Authority,
}

/// What cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A name, organisation or office name that cannot stand in a certificate.
    #[error(
        "a name is empty, longer than 64 characters, or has control, direction or outer blank characters: change it"
    )]
    Name,
    /// A zone that is not an IANA name.
    #[error("a time zone is not written as an IANA name such as Europe/Oslo: change it")]
    Zone,
    /// Not a domain in lower-case ASCII.
    #[error("the office's domain is not a lower-case ASCII domain name such as office.example: change it")]
    Domain,
    /// A card of another office than the authority's.
    #[error(
        "a card names another office than the authority that is to certify it: invite the person at their own office"
    )]
    CardOffice,
    /// A time that no certificate can carry.
    #[error("a time is out of range: check this computer's clock")]
    Time,
    /// A link that would be valid for nothing or too long.
    #[error("an enrolment link may be valid for 1 second to 30 days: choose another time")]
    InvitationTtl,
    /// The seed does not belong to the certificate.
    #[error("the authority's key does not belong to its certificate: use the two files that were created together")]
    AuthorityKey,
    /// The device's seed is the enrolment's.
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

impl From<Lapse> for IdentityError {
    fn from(lapse: Lapse) -> Self {
        Self::Expired(lapse)
    }
}

impl From<Misuse> for IdentityError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}
