//! Every limit of the wire, with its reason.

use crate::SuiteName;

/// Longest WebSocket message, bytes. The largest honest one is a `cnsa2` welcome for eight members, whose leaves each
/// carry two ML-DSA-87 certificates (about 15 KB): 180 KB, and base64 adds a third.
pub const MAX_MESSAGE_BYTES: usize = 384 * 1024;
/// Most members of a call: two principals, two interpreters, and listeners of both offices.
pub const MAX_MEMBERS: usize = 8;
/// Receive slots that each media leg offers: one for each other participant.
pub const RECEIVE_SLOTS: usize = MAX_MEMBERS - 1;
/// Longest SDP, bytes: eight audio sections of a browser are about 20 KB.
pub const MAX_SDP_BYTES: usize = 64 * 1024;
/// Longest name or organisation in a certificate, characters: RFC 5280's upper bound for both (`ub-common-name`).
pub const MAX_NAME_CHARS: usize = 64;
/// Most devices of one person. A person has a phone, a desk and a car; more than this is a mistake or an attack.
pub const MAX_DEVICES_PER_PERSON: usize = 8;
/// Timeout of an unanswered ring, milliseconds. Long enough for an aide to carry the phone into a room.
pub const RING_TIMEOUT_MS: u64 = 45_000;
/// How old a signed ring may be when a device shows it, milliseconds. It covers the ring's whole life and a minute
/// of difference between two clocks; an older one is a replay.
pub const RING_MAX_AGE_MS: u64 = RING_TIMEOUT_MS + 60_000;
/// How long a call outlives the last connection to all of its members, milliseconds, before it is closed as
/// interrupted. One minute covers a server upgrade or a tunnel.
pub const ABANDONED_AFTER_MS: u64 = 60_000;
/// How long a sign-in challenge is valid, milliseconds.
pub const CHALLENGE_TTL_MS: u64 = 30_000;
/// Cap for unauthenticated connections (not signed in yet), per server: a flood of them cannot exhaust the server for
/// signed-in devices.
pub const MAX_UNSIGNED_CONNECTIONS: usize = 256;
/// Rings that one person is shown at once; a caller beyond them is told that the person is busy.
pub const MAX_RINGS_AT_ONCE: usize = 8;
/// Callers that one person can silence. The list is sent at each sign-in.
pub const MAX_SILENCED: usize = 64;
/// Invitations that are open at once. Registrars are sent all of them when they sign in.
pub const MAX_OPEN_INVITATIONS: usize = 200;
/// Longest life of an invitation, milliseconds: seven days. What is not used by then is forgotten in a drawer.
pub const MAX_INVITATION_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How long a device's request waits for a registrar, milliseconds: a day, for offices in other time zones.
pub const DEVICE_REQUEST_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest device request, characters. One with an ML-DSA-87 key and signature takes 11,000.
pub const MAX_DEVICE_REQUEST_CHARS: usize = 16 * 1024;
/// Longest label of a device, characters.
pub const MAX_LABEL_CHARS: usize = 64;
/// Most passkeys of one device.
pub const MAX_PASSKEYS_PER_DEVICE: usize = 8;
/// How long a ticket signs a protected device in after its person unlocked it, milliseconds: a working day.
pub const TICKET_MAX_AGE_MS: u64 = 12 * 60 * 60 * 1000;
/// How long a ticket stays valid while its device is not connected, milliseconds: a closed laptop's meeting.
pub const TICKET_MAX_IDLE_MS: u64 = 60 * 60 * 1000;
/// How long after a passkey or PIN was used dangerous commands are accepted, milliseconds.
pub const CONFIRMATION_MAX_AGE_MS: u64 = 5 * 60 * 1000;
/// Wrong PINs in a row after which a locker's secret is erased.
pub const MAX_PIN_ATTEMPTS: u64 = 10;
/// Sustained rate limit of a signed-in device, messages per second; above it the connection is closed. A call's busiest moment,
/// eight members joining, needs about forty.
pub const MAX_MESSAGES_PER_SECOND: u32 = 100;
/// Sustained rate limit of a signed-in device, bytes of messages per second; above it the connection is closed.
pub const MAX_BYTES_PER_SECOND: u32 = 256 * 1024;
/// Bytes of messages that a device may send at once: ten of the largest commits, as when eight members join.
pub const MAX_BYTE_BURST: u32 = 4 * 1024 * 1024;
/// Handshake messages kept for one call, for devices that reconnect. A call with more has been re-keyed every few
/// seconds for hours; its oldest members must rejoin.
pub const MAX_HANDSHAKES_KEPT: usize = 4096;
/// Longest key package in calls of a suite, bytes. A test in `telcon-core` compares it with real ones, whose certificates hold the
/// longest names.
pub const fn max_key_package_bytes(suite: SuiteName) -> usize {
    match suite {
        SuiteName::Hybrid => 8 * 1024,
        SuiteName::Cnsa2 => 48 * 1024,
    }
}
/// Longest commit and welcome together, bytes. The largest honest ones are about 200 kB; base64 and the proofs that the server
/// adds keep the message to the other members below [`MAX_MESSAGE_BYTES`].
pub const MAX_COMMIT_BYTES: usize = 256 * 1024;
/// Longest opaque application message (captions, heartbeats), bytes.
pub const MAX_APPLICATION_BYTES: usize = 16 * 1024;
/// Opus frame, milliseconds.
pub const FRAME_MS: u64 = 20;
/// Opus bit rate, bits per second, constant. 32 kbit/s mono is transparent for speech with room for in-band FEC.
pub const OPUS_BITRATE: u32 = 32_000;
/// Largest SFrame payload, bytes: an Opus packet (at most 1275), SFrame header (at most 17) and tag (16).
pub const MAX_FRAME_BYTES: usize = 1275 + 17 + 16;
/// Size of one uploaded record part, bytes. A note-taker seals every few seconds; this is hours of sound.
pub const MAX_RECORD_PART_BYTES: usize = 64 * 1024 * 1024;
/// Parts of one record: two days at one part each five seconds.
pub const MAX_RECORD_PARTS: usize = 34_560;
/// Longest `seal.json`, bytes: [`MAX_RECORD_PARTS`] lines of about 130 bytes, and the signature.
pub const MAX_SEAL_BYTES: usize = 6 * 1024 * 1024;
/// Most custodians of a record; each adds 1.6 kB to every part.
pub const MAX_CUSTODIANS: usize = 32;
/// Longest signature of a seal, bytes: with two ML-DSA-87 certificates inside it has 34 KB, and a log entry holds 64 KB.
pub const MAX_SEAL_JWS_BYTES: usize = 48 * 1024;
