//! Rows of passkeys, lockers and tickets of devices, and their changes.

use telcon_proto::{Blob, DeviceId, Digest, PersonId, device_policy::DeviceKind, device_policy::ProgramVersion};

/// A passkey of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRow {
    /// The credential's identifier, base64url.
    pub credential: String,
    /// The device.
    pub device: DeviceId,
    /// Public key and counter, as JSON of the WebAuthn library.
    pub passkey: String,
    /// When it was registered, milliseconds since 1970 UTC.
    pub added_ms: u64,
}

/// The ticket of a device. It has one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// SHA-256 of the ticket.
    pub sha256: Digest,
    /// When the passkey or PIN was used, milliseconds since 1970 UTC.
    pub issued_ms: u64,
    /// When the device was last connected with it.
    pub used_ms: u64,
}

/// A sign-in with an account at the office's provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUse {
    /// The device that has proven its key.
    pub device: DeviceId,
    /// Its person.
    pub person: PersonId,
    /// The provider's issuer identifier.
    pub issuer: String,
    /// What names the person there.
    pub subject: String,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// What the office holds for one PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockerRow {
    /// SHA-256 of its secret identifier.
    pub locker: Digest,
    /// The device that made it.
    pub device: DeviceId,
    /// SHA-256 of the proof of the PIN.
    pub proof: Digest,
    /// The secret; none once it was erased.
    pub secret: Option<Blob>,
    /// Wrong PINs since the last right one.
    pub failures: u64,
    /// Until when no attempt is looked at, milliseconds since 1970 UTC.
    pub retry_ms: u64,
    /// Whether it was ever opened. Until then it protects nothing.
    pub confirmed: bool,
    /// When it was made.
    pub made_ms: u64,
}

/// What is known of the protection of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectionRow {
    /// Number of its passkeys.
    pub passkeys: u64,
    /// Number of its confirmed lockers, also of those whose secret was erased: they still demand a ticket.
    pub lockers: u64,
    /// Its ticket.
    pub ticket: Option<TicketRow>,
}

/// A change of the protection of a device. Some have a condition, which is decided in the transaction that applies them, because
/// parallel requests read the same state. The first of a request ([`super::Write::Protection`]) decides about all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtectionWrite {
    /// A passkey was registered. Condition: the credential is new, the device is not revoked and has fewer passkeys than
    /// [`telcon_proto::limits::MAX_PASSKEYS_PER_DEVICE`].
    PasskeyAdded(Box<PasskeyRow>),
    /// A passkey was used, and is stored anew with its counter. Condition: it is stored as it was when the counter was compared.
    PasskeyUsed {
        /// The credential.
        credential: String,
        /// [`PasskeyRow::passkey`] as it was read.
        before: String,
        /// The same with the new counter.
        passkey: String,
    },
    /// A passkey was removed, if it was there. Condition: the device can still be unlocked with another passkey or PIN.
    PasskeyRemoved(DeviceId, String),
    /// A ticket was issued. The one before is not valid any more.
    TicketIssued(DeviceId, TicketRow),
    /// A person signed in on a device with their account at the office's provider. The first time it becomes theirs. Condition: the
    /// device is not revoked, the person has no other account there, and the account is nobody else's.
    AccountUsed(Box<AccountUse>),
    /// It is forgotten which accounts are a person's, and that they signed in with them.
    AccountsForgotten(PersonId),
    /// The version of a device's program, as it says.
    ProgramSeen(DeviceId, ProgramVersion),
    /// A device signed in: since when it is connected, milliseconds since 1970 UTC.
    SignedIn(DeviceId, DeviceKind, u64),
    /// These devices were connected until this time, those with a ticket by that.
    Connected(Vec<DeviceId>, u64),
    /// A locker was made. Of the device's earlier ones, those that were never opened are removed. Condition: its identifier is
    /// new, the device is not revoked and has fewer confirmed lockers than [`crate::limits::MAX_LOCKERS_PER_DEVICE`].
    LockerMade(Box<LockerRow>),
    /// The PIN was wrong. The secret is erased with the last of [`telcon_proto::limits::MAX_PIN_ATTEMPTS`] failures.
    /// Condition: the locker exists.
    LockerFailed {
        /// The locker.
        locker: Digest,
        /// Its failures, this one included.
        failures: u64,
        /// As [`LockerRow::retry_ms`].
        retry_ms: u64,
    },
    /// The PIN was correct. Condition: the locker has its secret.
    LockerOpened(Digest),
    /// The locker was removed, if it was there. Condition: as of [`ProtectionWrite::PasskeyRemoved`].
    LockerRemoved(DeviceId, Digest),
}
