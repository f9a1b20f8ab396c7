//! Limits of this server that are not part of the wire protocol.

use crate::allowance::Rate;

pub use crate::assignment::{ASSIGNMENT_TIMEOUT_MS, HEARTBEAT_TIMEOUT_MS, REQUEST_TIMEOUT_MS, UNATTENDED_MS};

/// How long after a call's end its record may take to arrive, milliseconds, before the log says that it is missing.
/// A note-taker seals audio during the call, but its speech recognition may lag by as long as the call was.
pub const RECORD_DUE_MS: u64 = 60 * 60 * 1000;
/// How long after that a record is awaited in memory, milliseconds: a month, in which somebody can repair the note-taker. Later it is
/// accepted too, and the call is looked up in the store.
pub const LATE_RECORD_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// How long a call is in memory that was looked up for such a record, milliseconds: each part that is uploaded looks it up again.
pub const RECALLED_MS: u64 = 60 * 60 * 1000;
/// Delay before a failed log append is retried, milliseconds. The end of a call must reach the log.
pub const LOG_RETRY_MS: u64 = 5_000;
/// Bytes of handshake messages kept for one call, for devices that reconnect. The largest honest commit and welcome
/// are about 475 kB together; a member that sends more than this only makes others rejoin.
pub const MAX_HANDSHAKE_BYTES: usize = 16 * 1024 * 1024;
/// Ended calls whose end is kept in memory, for devices that were disconnected when they ended.
pub const RECENT_ENDS: usize = 256;
/// People in the list of a device that signs in; the others are found by name. A principal's list of favourites fits, and a
/// sign-in costs the same in an office of ten thousand.
pub const CONTACTS_AT_SIGN_IN: usize = 64;
/// People in the answer to one search.
pub const CONTACTS_FOUND: usize = 32;
/// Shortest time between two messages about changes of people to one device, milliseconds.
pub const CONTACTS_INTERVAL_MS: u64 = 1_000;
/// Links of the authority that have not expired. An office that invites a whole ministry in a week stays below it.
pub const MAX_ISSUED_LINKS: usize = 16_384;
/// Alerts that are in memory: the newest, for security officers who sign in and to count those about the same together.
pub const RECENT_ALERTS: usize = 64;
/// Alerts of one kind that get an entry of their own at once. What comes beyond it is counted in one further entry for each
/// [`telcon_proto::limits::ALERT_INTERVAL_MS`], so that nobody fills the log by raising alerts about many devices.
pub const ALERTS_OF_A_KIND: u32 = 32;
/// Sustained interval between alerts of one kind about different devices or invitations, milliseconds: at most 240 entries a day
/// of each kind, by whomever.
pub const ALERT_PAUSE_MS: u64 = 6 * 60 * 1000;
/// Notices that staff is sent at sign-in: as many as their list shows.
pub const NOTICES_AT_SIGN_IN: usize = 64;
/// Send queue of one connection, messages. One that is full belongs to a slow consumer, which is closed. A resume replays
/// fewer handshakes than this in any call that people hold.
pub const OUTBOX_MESSAGES: usize = 512;
/// Send queue of one connection, bytes: the largest replay of missed handshakes ([`MAX_HANDSHAKE_BYTES`] in base64) fits.
pub const MAX_OUTBOX_BYTES: usize = 24 * 1024 * 1024;
/// Queue of inputs of the switchboard, bytes; while it is full, connections are not read.
pub const MAX_INBOX_BYTES: usize = 64 * 1024 * 1024;
/// Queue of inputs of the switchboard. While it is full, connections are not read (backpressure).
pub const INBOX_MESSAGES: usize = 4096;
/// Most inputs in one transaction of the store.
pub const MAX_BATCH: usize = 256;
/// Read buffer of a WebSocket, bytes. Most messages are shorter, and idle connections hold it.
pub const SOCKET_READ_BUFFER_BYTES: usize = 4 * 1024;
/// Longest body of `POST /api/v1/devices` and `POST /api/v1/revocations`, bytes: two ML-DSA-87 certificates in base64.
pub const MAX_JSON_BODY_BYTES: usize = 64 * 1024;
/// How long a connection may wait until somebody begins a shift at a place's device, milliseconds. Then the device connects again, so
/// that one that is gone is noticed.
pub const SHIFT_WAIT_MS: u64 = 10 * 60 * 1000;
/// How long a connection may stay silent, milliseconds. Clients ping every 20 s or so.
pub const IDLE_TIMEOUT_MS: u64 = 75_000;
/// How long a connection has to sign in before a newer one may take its place, milliseconds: a slow network's round trips. Who
/// wants to keep devices out has to open all slots anew as often.
pub const SIGN_IN_GRACE_MS: u64 = 250;
/// Connections from one address that have not signed in. An office behind one address has fewer people who sign in within
/// the same seconds; one more takes the place of the oldest.
pub const MAX_UNSIGNED_FROM_ONE_ADDRESS: usize = 32;
/// Bits of an IPv6 address that count as one address: what networks assign to a household or a small site.
pub const IPV6_PREFIX: u32 = 56;
/// The same for connections that have not signed in: a site, or a customer of a tunnel broker. Whoever is pushed out by another
/// one there tries again.
pub const UNSIGNED_IPV6_PREFIX: u32 = 48;
/// How long a connection may take to its first message, milliseconds. A device sends it at once; the time covers a slow
/// network.
pub const FIRST_MESSAGE_TIMEOUT_MS: u64 = 5_000;
/// How long an upload may stall, milliseconds.
pub const UPLOAD_PAUSE_MS: u64 = 30_000;
/// Total size of the parts of one record, bytes: a day of eight speakers.
pub const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// How long incomplete uploads of a record are kept, milliseconds: a week, in which somebody can repair the note-taker.
pub const INCOMING_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Largest file of the office's description, locations or secrets that is read at start, bytes: certificates with
/// post-quantum keys have some 10 kB.
pub const MAX_CONFIGURATION_BYTES: u64 = 1 << 20;
/// How long a WebAuthn ceremony (for an unlock or a shift) may take, milliseconds: browsers give people as long (WebAuthn, section 5.4).
pub const CEREMONY_TTL_MS: u64 = 5 * 60 * 1000;
/// WebAuthn ceremonies under way.
pub const MAX_CEREMONIES: usize = 4096;
/// WebAuthn ceremonies under way from one address: an office behind one address unlocks its devices in the morning.
pub const MAX_CEREMONIES_FROM_ONE_ADDRESS: usize = 64;
/// WebAuthn ceremonies under way for one device from one address, or from a proxy that does not tell addresses: several tabs, and
/// attempts that were given up.
pub const MAX_CEREMONIES_OF_ONE_DEVICE: usize = 8;
/// Attempts at the PIN of one locker that wait for the one before: a person makes one at a time, a page that is reloaded a few.
pub const MAX_WAITING_PIN_ATTEMPTS: usize = 32;
/// Attempts at all PINs that wait, each with a task and an open request.
pub const MAX_WAITING_PIN_ATTEMPTS_TOTAL: usize = 1024;
/// How soon after its last connection a device that signs in again counts as reconnected, milliseconds. More than
/// [`TICKET_USE_STORED_MS`], so that a server that was killed makes no new sign-in of it.
pub const RECONNECTED_WITHIN_MS: u64 = 10 * 60 * 1000;
/// How often it is stored that a device is still connected, milliseconds: what a server that is killed loses of it counts as
/// idle. Far below [`telcon_proto::limits::TICKET_MAX_IDLE_MS`], so that restarting the server locks nobody.
pub const TICKET_USE_STORED_MS: u64 = 5 * 60 * 1000;
/// Approved devices whose certificates are stored in the archive at the same time. More wait; registrars do not wait for it.
pub const MAX_ARCHIVING: usize = 4;
/// Lockers of one device: the one of its PIN, and the one of the next while it is changed.
pub const MAX_LOCKERS_PER_DEVICE: u64 = 2;
/// How often a device whose ticket has expired is looked at again, milliseconds, while it is in a call or the record of one is
/// expected from it: it is not locked during that.
pub const EXPIRED_IN_USE_MS: u64 = 60_000;
/// Short codes whose slots are taken, the last ten minutes' closed ones too. Of ten thousand slots most are free.
pub const MAX_OPEN_CODES: usize = 1_000;
/// How often one device may open a short code: for a few people at once, then one in half a minute.
pub(crate) const CODE_OPENINGS: Rate = Rate::every_ms(30_000, 10);
/// How often somebody may type a code from one address: a few people behind it, who mistype it, then one in five seconds.
pub(crate) const CODES_FROM_ONE_ADDRESS: Rate = Rate::every_ms(5_000, 10);
/// How often codes may be typed at one office, from all addresses. To try all slots once takes more than an hour, and a code is valid
/// for ten minutes.
pub(crate) const CODES_OF_AN_OFFICE: Rate = Rate::every_ms(500, 100);
/// How long a device that shows a code may take to answer a step, milliseconds: a phone's slow network, and its person waits.
pub const CODE_ANSWER_TIMEOUT_MS: u64 = 10_000;
/// Steps of attempts that wait to be sent to the device that shows a code. Beyond it attempts are refused.
pub const WAITING_CODE_STEPS: usize = 16;
/// Web Push subscriptions of the office: of everybody who is rung, and of security officers. All are in memory, about 500 bytes each.
pub const MAX_PUSH_SUBSCRIPTIONS: usize = 32 * 1024;
/// How long a push message about an alert is of use, milliseconds: an officer whose devices were off for longer sees the list.
pub const ALERT_PUSH_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// How long the message is of use that a ring was missed, milliseconds: whose phone was off sees it when it is on again.
pub const MISSED_RING_PUSH_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// How long the message is of use that a ring is over which was not missed, milliseconds: the device that shows the ring was
/// connected to its push service a moment ago.
pub const RING_OVER_PUSH_TTL_MS: u64 = 60_000;
/// After how long connected devices are notified of a ring that do not say that they show it, milliseconds: phones freeze pages whose
/// connection is noticed as lost only after [`IDLE_TIMEOUT_MS`].
pub const NOTIFIED_UNLESS_SHOWN_MS: u64 = 3_000;
/// After how long devices are notified of a ring that have not reconnected since a restart, milliseconds: open pages reconnect sooner.
pub const NOTIFIED_AFTER_RESTART_MS: u64 = 5_000;
/// Devices that are notified of one ring: the callee's first, then those of people who may answer for them.
pub const MAX_DEVICES_NOTIFIED_OF_A_RING: usize = 16;
/// Push messages that wait for one device. A further one replaces the oldest: the page that they lead to shows all.
pub const MAX_PUSHES_PER_DEVICE: usize = 8;
/// Push messages about alerts under way at the same time.
pub const MAX_CONCURRENT_PUSHES: usize = 16;
/// Push messages about rings under way at the same time. Alerts do not count: a ring waits for none of them.
pub const MAX_CONCURRENT_RING_PUSHES: usize = 64;
/// Sustained interval between push messages about alerts to one device, milliseconds.
pub const PUSH_INTERVAL_MS: u64 = 30_000;
/// How many push messages about alerts one device is sent without that interval.
pub const PUSH_BURST: u32 = 10;
/// Sustained interval between push messages about rings to one device, milliseconds. A ring has two, and people may ring each other
/// as often as the switchboard's limits of rings allow: this bounds what several callers cause together.
pub const RING_PUSH_INTERVAL_MS: u64 = 5_000;
/// How many push messages about rings one device is sent without that interval.
pub const RING_PUSH_BURST: u32 = 20;
/// How long one request to a push service may take, milliseconds, from the resolution of its name to its answer.
pub const PUSH_TIMEOUT_MS: u64 = 15_000;
/// Delay before a push message is sent again, milliseconds: the first, which doubles each time, and the longest. A push service may
/// ask for a longer one, up to the time for which the message is of use.
pub const PUSH_RETRY_MS: u64 = 5_000;
/// [`PUSH_RETRY_MS`] of messages about rings: a ring is over soon.
pub const RING_PUSH_RETRY_MS: u64 = 1_000;
/// See [`PUSH_RETRY_MS`].
pub const MAX_PUSH_RETRY_MS: u64 = 60 * 60 * 1000;
/// How long a person may take to sign in at the office's provider, milliseconds: with a second factor from another room.
pub const SSO_TTL_MS: u64 = 10 * 60 * 1000;
/// Sign-ins at the provider under way of one device: attempts that were given up.
pub const MAX_SSO_OF_ONE_DEVICE: usize = 4;
/// How often one device may begin or end a sign-in at the provider: a person who tries it again and again, and then one request in five
/// seconds. Each costs the provider one.
pub(crate) const SSO_REQUESTS: Rate = Rate::every_ms(5_000, 20);
/// How long one request to the provider may take, milliseconds, from the resolution of its name to the end of its answer.
pub const SSO_TIMEOUT_MS: u64 = 10_000;
/// Longest answer of the provider, bytes: its keys and a token take some kilobytes.
pub const MAX_SSO_ANSWER_BYTES: usize = 256 * 1024;
/// How long the provider's description and keys are used before they are read again, milliseconds.
pub const SSO_METADATA_MS: u64 = 60 * 60 * 1000;
/// How often they are read anew at most, milliseconds: because a key is not known, or the provider did not answer.
pub const SSO_RETRY_MS: u64 = 5_000;
