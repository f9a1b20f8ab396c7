//! Every limit of the wire, with its reason.

use crate::SuiteName;

/// Longest WebSocket message, bytes. The largest honest one is a `cnsa2` welcome for eight members, whose leaves each
/// carry four ML-DSA-87 certificates (about 30 KB) where two registrars certify a device: 475 KB with its commit and the longest
/// names, and base64 adds a third. A test in `telcon-core` measures it.
pub const MAX_MESSAGE_BYTES: usize = 704 * 1024;
/// Most members of a call: two principals, two interpreters, and listeners of both offices.
pub const MAX_MEMBERS: usize = 8;
/// Receive slots that each media leg offers: one for each other participant.
pub const RECEIVE_SLOTS: usize = MAX_MEMBERS - 1;
/// Longest SDP, bytes: eight audio sections of a browser are about 20 KB.
pub const MAX_SDP_BYTES: usize = 64 * 1024;
/// Longest name or organisation in a certificate, characters: RFC 5280's upper bound for both (`ub-common-name`).
pub const MAX_NAME_CHARS: usize = 64;
/// Longest shift at a device of a place, milliseconds: 12 hours, after which whoever is there signs in again.
pub const MAX_SHIFT_MS: u64 = 12 * 60 * 60 * 1000;
/// Longest free words with which a call is held, characters: one line on a phone's screen, or two.
pub const MAX_HOLD_CHARS: usize = 120;
/// Most lines of each list in a call's green room (who is present, who listens, interpreters): a delegation, not an audience.
pub const MAX_ROOM_LINES: usize = 8;
/// Longest of these lines, characters: a name with its title.
pub const MAX_ROOM_LINE_CHARS: usize = 60;
/// Most minutes that a side asks the other one to wait in a green room.
pub const MAX_ROOM_MINUTES: u8 = 30;
/// Most devices of one person. A person has a phone, a desk and a car; more than this is a mistake or an attack.
pub const MAX_DEVICES_PER_PERSON: usize = 8;
/// Timeout of an unanswered ring, milliseconds. Long enough for an aide to carry the phone into a room.
pub const RING_TIMEOUT_MS: u64 = 45_000;
/// How often a device may ask to be let into one call, milliseconds, beyond a few requests at once: each is stored and sent to a
/// member with its key package, which has tens of kilobytes.
pub const JOIN_REQUEST_INTERVAL_MS: u64 = 2_000;
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
/// Recoveries that are open at once: each is a person without any device, so more is an attack or a mistake.
pub const MAX_OPEN_RECOVERIES: usize = 16;
/// How long a recovery may take in all, milliseconds: a day, for officers in other time zones. Then it is opened anew.
pub const RECOVERY_MS: u64 = 24 * 60 * 60 * 1000;
/// How long others are shown that a person was recovered, milliseconds: thirty days, so that whoever talks to them seldom sees it too.
pub const RECOVERY_SHOWN_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// How long alerts about the same are counted together, milliseconds: each adds at most one entry to the log in that time.
pub const ALERT_INTERVAL_MS: u64 = 10 * 60 * 1000;
/// Alerts of one page of the list, and alerts that one message marks as seen.
pub const MAX_ALERTS_PER_PAGE: usize = 100;
/// Alerts that a security officer is sent at sign-in: the newest. The others are in the list.
pub const ALERTS_AT_SIGN_IN: usize = 16;
/// Added devices that one device keeps telling its person of, until they are acknowledged. More than the devices that a person may
/// have at once ([`MAX_DEVICES_PER_PERSON`]) several times over.
pub const MAX_ADDED_DEVICES: usize = 32;
/// Longest address of a Web Push subscription, bytes. Those of push services in use have up to about 600.
pub const MAX_PUSH_ENDPOINT_BYTES: usize = 2048;
/// Longest time for which a principal lets somebody act for them, milliseconds: 90 days, so that what was forgotten ends by itself.
pub const MAX_DELEGATION_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// Delegations of one principal, and to one delegate, that have not ended.
pub const MAX_DELEGATIONS_PER_PERSON: usize = 16;
/// Delegations in the list of all, and people in the list of those who may be chosen.
pub const MAX_DELEGATIONS_LISTED: usize = 200;
/// Longest purpose of a line, characters: it stands on one line of a ringing phone.
pub const MAX_LINE_PURPOSE_CHARS: usize = 80;
/// Most rings a day that a line's terms can name: more than that is no limit.
pub const MAX_RINGS_PER_DAY: u16 = 100;
/// Most people whom a principal lets ring although they are not to be disturbed: more is no quiet. Sent at each sign-in.
pub const MAX_REACH_EXCEPTIONS: usize = 50;
/// Most people who may ring while a principal is in a call.
pub const MAX_CALL_WAITING: usize = 50;
/// After how many seconds of a ring the principal's office rings as well: time to take out a phone, and before the caller gives up.
pub const DESK_AFTER_S: std::ops::RangeInclusive<u16> = 5..=40;
/// Longest statement of a line, characters. One with four ML-DSA-87 certificates and the longest names takes 52,000.
pub const MAX_LINE_STATEMENT_CHARS: usize = 64 * 1024;
/// Lines of one principal that have not ended.
pub const MAX_LINES_PER_PRINCIPAL: usize = 2000;
/// Offers of one principal that nobody has taken, or that wait for their answer: people whom they meet in a day.
pub const MAX_OPEN_OFFERS_PER_PRINCIPAL: usize = 32;
/// Longest time after which a person can promise to call back while it rings, minutes: by the end of the day.
pub const MAX_LATER_MINUTES: u16 = 12 * 60;
/// Versions of one line: whoever changes one more often gives another.
pub const MAX_LINE_VERSIONS: u32 = 1000;
/// Lines in one page of the list.
pub const MAX_LINES_LISTED: usize = 50;
/// Largest sealed version of a document, bytes: text, and the stanzas of some hundred devices.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// Readers of one document: a broad circulation gets a copy each.
pub const MAX_DOCUMENT_READERS: usize = 100;
/// Versions of one document: after that many, another document is begun.
pub const MAX_DOCUMENT_VERSIONS: u32 = 1000;
/// Statements of a document in one answer, each of some 20 kB with its certificates, and up to 100 in the CNSA 2.0 profile.
pub const MAX_VERSIONS_LISTED: usize = 50;
/// Documents in one page of the list.
pub const MAX_DOCUMENTS_LISTED: usize = 100;
/// Openings of a copy that are listed.
pub const MAX_OPENINGS_LISTED: usize = 200;
/// Devices of a person whose keys are listed: more than anybody uses.
pub const MAX_KEYS_LISTED: usize = 32;
/// Longest encryption key of a device, characters: an `age1pq1…` recipient has 1,959.
pub const MAX_RECIPIENT_CHARS: usize = 2048;
/// Longest life of an invitation, milliseconds: seven days. What is not used by then is forgotten in a drawer.
pub const MAX_INVITATION_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Digits of a short code that name its slot: an office has at most a few hundred codes at a time.
pub const CODE_SLOT_DIGITS: usize = 4;
/// Digits of a short code that are its secret. With [`MAX_WRONG_CODES`] a guesser finds one code in 333,333.
pub const CODE_SECRET_DIGITS: usize = 6;
/// How long a short code is valid, milliseconds: two people are on the telephone.
pub const CODE_TTL_MS: u64 = 10 * 60 * 1000;
/// Wrong codes with which a short code is closed. The device that shows it counts them, not the server. A person who mistypes it
/// twice can still correct that.
pub const MAX_WRONG_CODES: u8 = 3;
/// Attempts with one short code, finished or not. Those that are broken off tell nothing about the code; each costs the device that
/// shows it some elliptic-curve operations.
pub const MAX_CODE_RUNS: usize = 32;
/// Attempts with one short code that are under way at once; one more takes the place of the oldest.
pub const MAX_CODE_RUNS_AT_ONCE: usize = 4;
/// Longest message, key or confirmation of an attempt, bytes: a public key of X-Wing has 1,216.
pub const MAX_CODE_MESSAGE_BYTES: usize = 2 * 1024;
/// Longest text that a short code carries, sealed, bytes. A registrar's link has about 110.
pub const MAX_CODE_TEXT_BYTES: usize = 4 * 1024;
/// How long a device's request waits for a registrar, milliseconds: a day, for offices in other time zones.
pub const DEVICE_REQUEST_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest device request, characters. One with an ML-DSA-87 key and signature takes 11,000.
pub const MAX_DEVICE_REQUEST_CHARS: usize = 16 * 1024;
/// Longest label of a device, characters.
pub const MAX_LABEL_CHARS: usize = 64;
/// Most passkeys of one device.
pub const MAX_PASSKEYS_PER_DEVICE: usize = 8;
/// Most sign-ins that the office keeps of one device with one kind of program: the newest.
pub const MAX_SIGN_INS_PER_DEVICE: usize = 20;
/// How long a ticket signs a protected device in after its person unlocked it, milliseconds: a working day.
pub const TICKET_MAX_AGE_MS: u64 = 12 * 60 * 60 * 1000;
/// How long a ticket stays valid while its device is not connected and in no call, milliseconds: a closed laptop's meeting.
pub const TICKET_MAX_IDLE_MS: u64 = 60 * 60 * 1000;
/// How long after a passkey or PIN was used dangerous commands are accepted, milliseconds.
pub const CONFIRMATION_MAX_AGE_MS: u64 = 5 * 60 * 1000;
/// Longest message of a device that has not signed in, bytes: a signature with ML-DSA-87 takes 6 kB in base64url.
pub const MAX_SIGN_IN_MESSAGE_BYTES: usize = 32 * 1024;
/// Wrong PINs in a row after which a locker's secret is erased.
pub const MAX_PIN_ATTEMPTS: u64 = 10;
/// Sustained rate limit of a signed-in device, messages per second; above it the connection is closed. A call's busiest moment,
/// eight members joining, needs about forty.
pub const MAX_MESSAGES_PER_SECOND: u32 = 100;
/// Sustained rate limit of a signed-in device, bytes of messages per second; above it the connection is closed.
pub const MAX_BYTES_PER_SECOND: u32 = 256 * 1024;
/// Bytes of messages that a device may send at once: ten of the largest commits, as when eight members join.
pub const MAX_BYTE_BURST: u32 = 7 * 1024 * 1024;
/// Handshake messages kept for one call, for devices that reconnect. A call with more has been re-keyed every few
/// seconds for hours; its oldest members must rejoin.
pub const MAX_HANDSHAKES_KEPT: usize = 4096;
/// Longest key package in calls of a suite, bytes. A test in `telcon-core` compares it with real ones, whose certificates hold the
/// longest names.
pub const fn max_key_package_bytes(suite: SuiteName) -> usize {
    match suite {
        SuiteName::Hybrid => 10 * 1024,
        SuiteName::Cnsa2 => 56 * 1024,
    }
}
/// Longest commit and welcome together, bytes. The largest honest ones are about 475 kB; base64 and the proofs that the server
/// adds keep the message to the other members below [`MAX_MESSAGE_BYTES`].
pub const MAX_COMMIT_BYTES: usize = 512 * 1024;
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
/// Longest signature of a seal, bytes: with four ML-DSA-87 certificates inside it has 65 KB. The log has its digest only.
pub const MAX_SEAL_JWS_BYTES: usize = 96 * 1024;
/// How much older the checkpoint of an inclusion proof may be than the log that a device has verified over the same connection,
/// milliseconds. Servers prove under their newest checkpoint and devices ask for it every 20 s, so that an honest proof is a
/// round trip old; a server cannot keep a device on an old tree for longer than this.
pub const MAX_PROOF_AGE_MS: u64 = 120_000;
/// Least time between two checkpoints that a device sends to the members of its call, milliseconds. The log of a busy office
/// grows every second, and any checkpoint of the interval shows the same fork.
pub const CHECKPOINT_GOSSIP_INTERVAL_MS: u64 = 10_000;
/// Checkpoints of one member that are accepted at once; one more for each half of [`CHECKPOINT_GOSSIP_INTERVAL_MS`]. After a
/// stalled connection several come together.
pub const CHECKPOINT_GOSSIP_BURST: u32 = 4;
/// Longest checkpoint of a member that is read, bytes: the log's signature and those of 20 witnesses with Ed25519.
pub const MAX_GOSSIP_CHECKPOINT_BYTES: usize = 4 * 1024;
/// Checkpoints of members that wait for a consistency proof: for each member one whose proof was asked for and one that waits.
pub const MAX_PEER_CHECKPOINTS: usize = 2 * MAX_MEMBERS;
/// Least time between two consistency proofs that a device asks for because of members' checkpoints, milliseconds. One is asked
/// for at a time, so that members cannot have a device load its server.
pub const PEER_PROOF_INTERVAL_MS: u64 = 2_000;
/// Number of wrong consistency proofs for one checkpoint of a member with which the person is alerted.
pub const MAX_REFUSED_PEER_PROOFS: u32 = 3;
/// Longest wait for the server's proof of a member's checkpoint, milliseconds while the device is connected, summed over its
/// connections: longer than a restart of the log's storage.
pub const PEER_PROOF_TIMEOUT_MS: u64 = 60_000;
/// Forks of a log that a device keeps the evidence of. The first one proves it; the oldest are kept, and two roots of one size evict
/// a missing proof.
pub const MAX_LOG_FORKS: usize = 4;
