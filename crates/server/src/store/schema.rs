//! The schema, by version, in the dialect of each database. All other SQL text is shared.

use super::{StoreError, database::Statements, value::values};

/// Version that this program writes.
pub(super) const VERSION: i64 = 27;

/// A table, common to all databases: the unit of a migration between databases.
pub(super) struct Table {
    pub name: &'static str,
    /// Its columns, those of the primary key first.
    pub columns: &'static [&'static str],
    /// Number of primary key columns.
    pub key: usize,
}

/// All tables of [`VERSION`].
pub(super) const TABLES: [Table; 36] = [
    Table {
        name: "devices",
        columns: &[
            "device",
            "card",
            "role",
            "certificate",
            "issuer",
            "cert_sha256",
            "enrolment",
            "enrolled_ms",
            "revoked_ms",
            "log_index",
            "revoked_index",
            "revocation",
            "person",
            "second_certificate",
            "second_issuer",
            "erase_ordered_ms",
            "erased_ms",
            "above_issuer",
        ],
        key: 1,
    },
    Table {
        name: "lost_devices",
        columns: &[
            "cert_sha256",
            "device",
            "enrolment",
            "enrolled_ms",
            "log_index",
            "revoked_ms",
            "revocation",
            "revoked_index",
            "second_cert_sha256",
        ],
        key: 1,
    },
    Table {
        name: "calls",
        columns: &[
            "call",
            "ring",
            "from_device",
            "from_card",
            "to_card",
            "mode",
            "stage",
            "epoch",
            "answerer",
            "noted",
            "opened_ms",
            "answered_ms",
            "ended_ms",
            "how",
            "opened_index",
            "ended_index",
            "missing_index",
            "settled",
            "from_person",
            "to_person",
            "delegation",
            "for_card",
            "for_person",
            "answered_under",
            "line",
            "line_version",
            "diverted",
            "desk_from_ms",
        ],
        key: 1,
    },
    Table { name: "members", columns: &["call", "device", "place", "leaving"], key: 2 },
    Table { name: "participants", columns: &["call", "device"], key: 2 },
    Table { name: "asks", columns: &["call", "device", "key_package", "answer"], key: 2 },
    Table {
        name: "handshakes",
        columns: &["call", "seq", "from_device", "commit_message", "welcome", "adds", "members"],
        key: 2,
    },
    Table { name: "records", columns: &["call", "log_index", "digest", "device", "kept_ms", "partial"], key: 2 },
    Table { name: "silenced", columns: &["person", "caller", "card", "since_ms"], key: 2 },
    Table { name: "reach", columns: &["person", "settings", "set_by", "set_ms"], key: 1 },
    Table { name: "issued_links", columns: &["enrolment", "card", "same_name_as", "expires_ms"], key: 1 },
    Table {
        name: "registrars",
        columns: &["device", "certificate", "cert_sha256", "roles", "appointed_ms", "log_index"],
        key: 1,
    },
    Table {
        name: "invitations",
        columns: &[
            "invitation",
            "card",
            "made_by",
            "token_sha256",
            "made_ms",
            "made_expires_ms",
            "expires_ms",
            "request",
            "device",
            "refused_requests",
            "closed",
            "closed_by",
            "closed_ms",
            "made_index",
            "closed_index",
            "approved_by",
            "approved_ms",
            "approval",
            "approval_issuer",
            "second_approved_by",
            "recovery",
            "line_terms",
            "offered_for",
            "attestation",
        ],
        key: 1,
    },
    Table {
        name: "recoveries",
        columns: &[
            "recovery",
            "card",
            "person",
            "reason",
            "opened_by",
            "opened_ms",
            "expires_ms",
            "statement",
            "opened_index",
            "confirmed_by",
            "confirmed_ms",
            "confirmation",
            "invitation",
            "confirmed_index",
            "closed",
            "closed_by",
            "closed_ms",
            "device",
            "closed_index",
        ],
        key: 1,
    },
    Table { name: "passkeys", columns: &["credential", "device", "passkey", "added_ms"], key: 1 },
    Table { name: "tickets", columns: &["device", "ticket_sha256", "issued_ms", "used_ms"], key: 1 },
    Table {
        name: "lockers",
        columns: &["locker", "device", "proof", "secret", "failures", "retry_ms", "confirmed", "made_ms"],
        key: 1,
    },
    Table {
        name: "alerts",
        columns: &[
            "kind",
            "subject",
            "time_ms",
            "device",
            "invitation",
            "call",
            "count",
            "log_index",
            "seen_by",
            "seen_ms",
        ],
        key: 3,
    },
    Table { name: "added_devices", columns: &["told", "device", "label", "approved_by", "enrolled_ms"], key: 2 },
    Table {
        name: "push_subscriptions",
        columns: &["device", "endpoint", "browser_key", "auth", "notified_below"],
        key: 1,
    },
    Table {
        name: "delegations",
        columns: &[
            "delegation",
            "principal",
            "delegate",
            "device",
            "delegate_card",
            "acts",
            "statement",
            "statement_sha256",
            "not_before_ms",
            "not_after_ms",
            "given_ms",
            "given_index",
            "ended_ms",
            "ended_by",
            "end_sha256",
            "ended_index",
        ],
        key: 1,
    },
    Table { name: "office_accounts", columns: &["person", "issuer", "subject", "linked_ms"], key: 2 },
    Table { name: "account_sessions", columns: &["device", "issuer", "signed_in_ms"], key: 1 },
    Table { name: "programs", columns: &["device", "version"], key: 1 },
    Table { name: "sign_ins", columns: &["device", "from_ms", "until_ms", "times", "kind", "arrival"], key: 2 },
    Table {
        name: "lines",
        columns: &[
            "line",
            "principal",
            "holder",
            "given_ms",
            "version",
            "ended",
            "found_version",
            "found_state",
            "found_sha256",
        ],
        key: 1,
    },
    Table {
        name: "line_versions",
        columns: &[
            "line",
            "version",
            "content",
            "statement",
            "statement_sha256",
            "signed_by",
            "signed_ms",
            "signed_index",
            "sealed_sha256",
        ],
        key: 2,
    },
    Table { name: "ring_pushes", columns: &["call", "device", "until_ms", "taken", "missed"], key: 2 },
    Table {
        name: "shifts",
        columns: &[
            "shift",
            "device",
            "person",
            "card",
            "begun_with",
            "started_ms",
            "until_ms",
            "started_index",
            "ended_ms",
            "how",
            "ended_index",
        ],
        key: 1,
    },
    Table { name: "documents", columns: &["document", "kind", "about", "made_ms", "version", "changed_index"], key: 1 },
    Table {
        name: "document_versions",
        columns: &[
            "document",
            "version",
            "content",
            "statement",
            "statement_sha256",
            "signed_by",
            "signed_ms",
            "signed_index",
        ],
        key: 2,
    },
    Table { name: "document_readers", columns: &["person", "document"], key: 2 },
    Table { name: "document_openings", columns: &["log_index", "document", "version", "device", "opened_ms"], key: 1 },
    Table { name: "found_documents", columns: &["document", "version", "statement_sha256", "log_index"], key: 2 },
    Table {
        name: "device_keys",
        columns: &["device", "statement", "statement_sha256", "signed_ms", "signed_index"],
        key: 1,
    },
    Table { name: "marks", columns: &["name", "value"], key: 1 },
];

/// The migration of an SQLite database from version `i` to `i + 1`. A released step is never edited.
pub(super) const SQLITE: [&str; VERSION as usize] = [
    "
CREATE TABLE devices (
    device BLOB PRIMARY KEY CHECK (length(device) = 16),
    card TEXT NOT NULL,
    certificate BLOB NOT NULL,
    issuer BLOB NOT NULL,
    cert_sha256 TEXT NOT NULL UNIQUE,
    enrolment TEXT NOT NULL UNIQUE,
    enrolled_ms INTEGER NOT NULL,
    revoked_ms INTEGER,
    log_index INTEGER,
    revoked_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE calls (
    call BLOB PRIMARY KEY CHECK (length(call) = 16),
    ring TEXT NOT NULL,
    from_device BLOB NOT NULL,
    from_card TEXT NOT NULL,
    to_card TEXT NOT NULL,
    mode TEXT NOT NULL,
    stage TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    answerer BLOB,
    noted INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    answered_ms INTEGER,
    ended_ms INTEGER,
    how TEXT,
    opened_index INTEGER,
    ended_index INTEGER,
    missing_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_active ON calls (stage) WHERE stage <> 'ended';
CREATE INDEX calls_opened ON calls (opened_ms);
CREATE TABLE members (
    call BLOB NOT NULL, device BLOB NOT NULL, place INTEGER NOT NULL, leaving INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (call, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE participants (
    call BLOB NOT NULL, device BLOB NOT NULL,
    PRIMARY KEY (call, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE asks (
    call BLOB NOT NULL, device BLOB NOT NULL, key_package BLOB NOT NULL, answer INTEGER NOT NULL,
    PRIMARY KEY (call, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE handshakes (
    call BLOB NOT NULL, seq INTEGER NOT NULL, from_device BLOB NOT NULL, commit_message BLOB NOT NULL,
    welcome BLOB, adds TEXT NOT NULL, members TEXT NOT NULL,
    PRIMARY KEY (call, seq)
) STRICT;
CREATE TABLE records (
    call BLOB PRIMARY KEY, digest TEXT NOT NULL, kept_ms INTEGER NOT NULL, log_index INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
",
    // Which records are partial is in the log: requests that it be read again from the start.
    "
ALTER TABLE records ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;
INSERT INTO marks VALUES ('log_again', 1);
",
    // A call has one record per note-taker that recorded some of it.
    "
ALTER TABLE records RENAME TO one_record;
CREATE TABLE records (
    call BLOB NOT NULL, digest TEXT NOT NULL, device BLOB, kept_ms INTEGER NOT NULL, log_index INTEGER NOT NULL,
    partial INTEGER NOT NULL,
    PRIMARY KEY (call, log_index)
) STRICT, WITHOUT ROWID;
INSERT INTO records SELECT call, digest, NULL, kept_ms, log_index, partial FROM one_record;
DROP TABLE one_record;
",
    // The authority's signed revocation, for devices that are disconnected when they are revoked.
    "
ALTER TABLE devices ADD COLUMN revocation TEXT;
",
    // Columns that queries filter by; calls that are settled are not loaded at start.
    "
ALTER TABLE devices ADD COLUMN role TEXT NOT NULL DEFAULT '';
UPDATE devices SET role = json_extract(card, '$.role');
ALTER TABLE calls ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
UPDATE calls SET settled = 1 WHERE stage = 'ended' AND NOT (opened_index IS NOT NULL AND (
    ended_index IS NULL
    OR (mode <> 'log_only' AND missing_index IS NULL
        AND (answered_ms IS NOT NULL OR how IN ('failed', 'interrupted', 'revoked'))
        AND NOT EXISTS (SELECT 1 FROM records WHERE records.call = calls.call))
    OR (mode <> 'log_only' AND answered_ms IS NOT NULL AND noted = 1 AND EXISTS (
        SELECT 1 FROM participants JOIN devices ON devices.device = participants.device
        WHERE participants.call = calls.call AND devices.role = 'note_taker' AND NOT EXISTS (
            SELECT 1 FROM records WHERE records.call = calls.call
            AND (records.device IS NULL OR records.device = participants.device))))));
DROP INDEX calls_active;
CREATE INDEX calls_unsettled ON calls (call) WHERE settled = 0;
",
    // Devices that the log has and the database lacks. Earlier versions did not look for them: the log is read again.
    "
CREATE TABLE lost_devices (
    cert_sha256 TEXT PRIMARY KEY,
    device BLOB NOT NULL CHECK (length(device) = 16),
    enrolment TEXT NOT NULL,
    enrolled_ms INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    revoked_ms INTEGER,
    revocation TEXT,
    revoked_index INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO marks VALUES ('log_again', 1) ON CONFLICT DO NOTHING;
-- Calls are listed in the order of the log: times go back when a clock is corrected.
DROP INDEX calls_opened;
CREATE INDEX calls_logged ON calls (opened_index);
",
    // The list of one person's calls is read by an index, newest first.
    "
ALTER TABLE calls ADD COLUMN from_person TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN to_person TEXT NOT NULL DEFAULT '';
UPDATE calls SET from_person = json_extract(from_card, '$.person'), to_person = json_extract(to_card, '$.person');
CREATE INDEX calls_from ON calls (from_person, opened_index);
CREATE INDEX calls_to ON calls (to_person, opened_index);
",
    // Callers whom a person has silenced.
    "
CREATE TABLE silenced (
    person TEXT NOT NULL, caller TEXT NOT NULL, card TEXT NOT NULL, since_ms INTEGER NOT NULL,
    PRIMARY KEY (person, caller)
) STRICT, WITHOUT ROWID;
",
    // Invitations whose links have not expired, with the people of whom the office knows that they are others.
    "
CREATE TABLE issued_links (
    enrolment TEXT PRIMARY KEY, card TEXT NOT NULL, same_name_as TEXT NOT NULL, expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    // Registrars and their invitations.
    "
CREATE TABLE registrars (
    device BLOB PRIMARY KEY, certificate BLOB NOT NULL, cert_sha256 TEXT NOT NULL, roles TEXT NOT NULL,
    appointed_ms INTEGER NOT NULL, log_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE invitations (
    invitation BLOB PRIMARY KEY, card TEXT NOT NULL, made_by BLOB NOT NULL, token_sha256 TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    made_expires_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, request TEXT, device BLOB,
    refused_requests INTEGER NOT NULL, closed TEXT, closed_by BLOB, closed_ms INTEGER, made_index INTEGER,
    closed_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_pending ON invitations (invitation) WHERE closed_index IS NULL;
CREATE INDEX invitations_device ON invitations (device);
",
    // The devices of one person are read by an index.
    "
ALTER TABLE devices ADD COLUMN person TEXT NOT NULL DEFAULT '';
UPDATE devices SET person = json_extract(card, '$.person');
CREATE INDEX devices_person ON devices (person);
",
    // Devices that two registrars certify.
    "
ALTER TABLE devices ADD COLUMN second_certificate BLOB;
ALTER TABLE devices ADD COLUMN second_issuer BLOB;
ALTER TABLE lost_devices ADD COLUMN second_cert_sha256 TEXT;
ALTER TABLE invitations ADD COLUMN approved_by BLOB;
ALTER TABLE invitations ADD COLUMN approved_ms INTEGER;
ALTER TABLE invitations ADD COLUMN approval BLOB;
ALTER TABLE invitations ADD COLUMN approval_issuer BLOB;
ALTER TABLE invitations ADD COLUMN second_approved_by BLOB;
",
    // Passkeys, lockers for PINs, and the tickets that both give.
    "
CREATE TABLE passkeys (
    credential TEXT PRIMARY KEY, device BLOB NOT NULL, passkey TEXT NOT NULL, added_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_device ON passkeys (device);
CREATE TABLE tickets (
    device BLOB PRIMARY KEY, ticket_sha256 TEXT NOT NULL, issued_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE lockers (
    locker TEXT PRIMARY KEY, device BLOB NOT NULL, proof TEXT NOT NULL, secret BLOB, failures INTEGER NOT NULL,
    retry_ms INTEGER NOT NULL, confirmed INTEGER NOT NULL, made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lockers_device ON lockers (device);
",
    // Alerts, of which `subject` is what entries about the same are counted by; devices added in somebody's name, and which of
    // their other devices are to tell them.
    "
CREATE TABLE alerts (
    kind TEXT NOT NULL, subject BLOB NOT NULL, time_ms INTEGER NOT NULL, device BLOB, invitation BLOB, call BLOB,
    count INTEGER NOT NULL, log_index INTEGER, seen_by BLOB, seen_ms INTEGER,
    PRIMARY KEY (kind, subject, time_ms)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alerts_logged ON alerts (log_index);
CREATE INDEX alerts_unseen ON alerts (log_index) WHERE seen_ms IS NULL;
CREATE TABLE added_devices (
    told BLOB NOT NULL, device BLOB NOT NULL, label TEXT, approved_by BLOB, enrolled_ms INTEGER NOT NULL,
    PRIMARY KEY (told, device)
) STRICT, WITHOUT ROWID;
",
    // Web Push subscriptions.
    "
CREATE TABLE push_subscriptions (
    device BLOB PRIMARY KEY, endpoint TEXT NOT NULL, browser_key BLOB NOT NULL, auth BLOB NOT NULL,
    notified_below INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    // Orders to erase, and recoveries of people who lost all devices.
    "
ALTER TABLE devices ADD COLUMN erase_ordered_ms INTEGER;
ALTER TABLE devices ADD COLUMN erased_ms INTEGER;
ALTER TABLE invitations ADD COLUMN recovery BLOB;
CREATE TABLE recoveries (
    recovery BLOB PRIMARY KEY CHECK (length(recovery) = 16), card TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
    opened_by BLOB NOT NULL, opened_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, statement TEXT NOT NULL,
    opened_index INTEGER, confirmed_by BLOB, confirmed_ms INTEGER, confirmation TEXT, invitation BLOB, confirmed_index INTEGER,
    closed TEXT, closed_by BLOB, closed_ms INTEGER, device BLOB, closed_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX recoveries_pending ON recoveries (recovery) WHERE closed_index IS NULL;
",
    // Delegations, and the calls that were rung or answered under them.
    "
CREATE TABLE delegations (
    delegation BLOB PRIMARY KEY, principal TEXT NOT NULL, delegate TEXT NOT NULL, device BLOB NOT NULL,
    delegate_card TEXT NOT NULL, acts TEXT NOT NULL, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    not_before_ms INTEGER NOT NULL, not_after_ms INTEGER NOT NULL, given_ms INTEGER NOT NULL, given_index INTEGER,
    ended_ms INTEGER, ended_by BLOB, end_sha256 TEXT, ended_index INTEGER
) STRICT, WITHOUT ROWID;
ALTER TABLE calls ADD COLUMN delegation BLOB;
ALTER TABLE calls ADD COLUMN for_card TEXT;
ALTER TABLE calls ADD COLUMN for_person TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN answered_under BLOB;
CREATE INDEX delegations_open ON delegations (delegation) WHERE ended_index IS NULL;
CREATE INDEX delegations_principal ON delegations (principal);
CREATE INDEX delegations_delegate ON delegations (delegate);
CREATE INDEX calls_for ON calls (for_person, opened_index);
",
    // Accounts at the office's provider, and when devices were last signed in to with them; versions of devices' programs.
    "
CREATE TABLE office_accounts (
    person TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, linked_ms INTEGER NOT NULL,
    PRIMARY KEY (person, issuer)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX office_accounts_subject ON office_accounts (issuer, subject);
CREATE TABLE account_sessions (
    device BLOB PRIMARY KEY, issuer TEXT NOT NULL, signed_in_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE programs (device BLOB PRIMARY KEY, version TEXT NOT NULL) STRICT, WITHOUT ROWID;
",
    // When devices were connected.
    "
CREATE TABLE sign_ins (
    device BLOB NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, times INTEGER NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (device, from_ms)
) STRICT, WITHOUT ROWID;
",
    // The order in which they arrived: a clock that was ahead has made rows that would stay the newest.
    "
ALTER TABLE sign_ins ADD COLUMN arrival INTEGER NOT NULL DEFAULT 0;
UPDATE sign_ins SET arrival = ranked.place FROM (
    SELECT device, from_ms, ROW_NUMBER() OVER (ORDER BY until_ms, device, from_ms) AS place FROM sign_ins
) AS ranked WHERE ranked.device = sign_ins.device AND ranked.from_ms = sign_ins.from_ms;
CREATE INDEX sign_ins_arrival ON sign_ins (arrival);
",
    // Lines, the calls over them, and the certificates above that of a principal's device.
    "
CREATE TABLE lines (
    line BLOB PRIMARY KEY, principal TEXT NOT NULL, holder TEXT NOT NULL, given_ms INTEGER NOT NULL, version INTEGER NOT NULL,
    ended INTEGER NOT NULL, found_version INTEGER, found_state TEXT, found_sha256 TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE line_versions (
    line BLOB NOT NULL, version INTEGER NOT NULL, content TEXT NOT NULL, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    signed_by BLOB NOT NULL, signed_ms INTEGER NOT NULL, signed_index INTEGER,
    PRIMARY KEY (line, version)
) STRICT;
CREATE INDEX lines_open ON lines (line) WHERE ended = 0;
CREATE INDEX lines_given ON lines (given_ms);
CREATE INDEX lines_principal ON lines (principal, given_ms);
CREATE INDEX lines_holder ON lines (holder, given_ms);
ALTER TABLE calls ADD COLUMN line BLOB;
ALTER TABLE calls ADD COLUMN line_version INTEGER;
ALTER TABLE calls ADD COLUMN diverted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX calls_line ON calls (line, opened_ms) WHERE line IS NOT NULL;
ALTER TABLE invitations ADD COLUMN line_terms TEXT;
ALTER TABLE devices ADD COLUMN above_issuer TEXT;
",
    // Rings that devices are notified of.
    "
CREATE TABLE ring_pushes (
    call BLOB NOT NULL, device BLOB NOT NULL, until_ms INTEGER NOT NULL, taken INTEGER NOT NULL, missed INTEGER,
    PRIMARY KEY (call, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX ring_pushes_device ON ring_pushes (device);
",
    // Shifts at devices of places.
    "
CREATE TABLE shifts (
    shift BLOB PRIMARY KEY, device BLOB NOT NULL, person TEXT NOT NULL, card TEXT, begun_with BLOB, started_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL, started_index INTEGER, ended_ms INTEGER, how TEXT, ended_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX shifts_open ON shifts (shift) WHERE ended_index IS NULL;
CREATE INDEX shifts_device ON shifts (device) WHERE ended_ms IS NULL;
CREATE INDEX shifts_person ON shifts (person, started_ms);
",
    // Documents, and the keys that they are sealed to.
    "
CREATE TABLE documents (
    document BLOB PRIMARY KEY, kind TEXT NOT NULL, about BLOB, made_ms INTEGER NOT NULL, version INTEGER NOT NULL,
    changed_index INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE document_versions (
    document BLOB NOT NULL, version INTEGER NOT NULL, content TEXT NOT NULL, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    signed_by BLOB NOT NULL, signed_ms INTEGER NOT NULL, signed_index INTEGER,
    PRIMARY KEY (document, version)
) STRICT;
CREATE INDEX document_versions_pending ON document_versions (document) WHERE signed_index IS NULL;
CREATE TABLE document_readers (
    person TEXT NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY (person, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_readers_document ON document_readers (document);
CREATE TABLE document_openings (
    log_index INTEGER PRIMARY KEY, document BLOB NOT NULL, version INTEGER NOT NULL, device BLOB NOT NULL, opened_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX document_openings_document ON document_openings (document, log_index);
CREATE TABLE found_documents (
    document BLOB NOT NULL, version INTEGER NOT NULL, statement_sha256 TEXT NOT NULL, log_index INTEGER NOT NULL,
    PRIMARY KEY (document, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE device_keys (
    device BLOB PRIMARY KEY, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL, signed_ms INTEGER NOT NULL,
    signed_index INTEGER
) STRICT;
",
    // When principals are reached, and rings that their office joins later.
    "
CREATE TABLE reach (
    person TEXT PRIMARY KEY, settings TEXT NOT NULL, set_by TEXT, set_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE calls ADD COLUMN desk_from_ms INTEGER;
",
    // Lines that delegates offer for principals.
    "
ALTER TABLE invitations ADD COLUMN offered_for TEXT;
ALTER TABLE invitations ADD COLUMN attestation TEXT;
",
    // Sealed forms of lines.
    "
ALTER TABLE line_versions ADD COLUMN sealed_sha256 TEXT;
",
];

/// PostgreSQL databases begin with version 5, in which they are created; the version is a mark. `COLLATE "C"` orders as
/// SQLite does.
const POSTGRES: &str = "
CREATE TABLE devices (
    device BYTEA PRIMARY KEY CHECK (length(device) = 16),
    card TEXT NOT NULL,
    role TEXT NOT NULL,
    certificate BYTEA NOT NULL,
    issuer BYTEA NOT NULL,
    cert_sha256 TEXT NOT NULL UNIQUE,
    enrolment TEXT NOT NULL UNIQUE,
    enrolled_ms BIGINT NOT NULL,
    revoked_ms BIGINT,
    log_index BIGINT,
    revoked_index BIGINT,
    revocation TEXT
);
CREATE TABLE calls (
    call BYTEA PRIMARY KEY CHECK (length(call) = 16),
    ring TEXT NOT NULL,
    from_device BYTEA NOT NULL,
    from_card TEXT NOT NULL,
    to_card TEXT NOT NULL,
    mode TEXT NOT NULL,
    stage TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    answerer BYTEA,
    noted BIGINT NOT NULL,
    opened_ms BIGINT NOT NULL,
    answered_ms BIGINT,
    ended_ms BIGINT,
    how TEXT,
    opened_index BIGINT,
    ended_index BIGINT,
    missing_index BIGINT,
    settled BIGINT NOT NULL
);
CREATE INDEX calls_unsettled ON calls (call) WHERE settled = 0;
CREATE INDEX calls_opened ON calls (opened_ms);
CREATE TABLE members (
    call BYTEA NOT NULL, device BYTEA NOT NULL, place BIGINT NOT NULL, leaving BIGINT NOT NULL,
    PRIMARY KEY (call, device)
);
CREATE TABLE participants (
    call BYTEA NOT NULL, device BYTEA NOT NULL,
    PRIMARY KEY (call, device)
);
CREATE TABLE asks (
    call BYTEA NOT NULL, device BYTEA NOT NULL, key_package BYTEA NOT NULL, answer BIGINT NOT NULL,
    PRIMARY KEY (call, device)
);
CREATE TABLE handshakes (
    call BYTEA NOT NULL, seq BIGINT NOT NULL, from_device BYTEA NOT NULL, commit_message BYTEA NOT NULL,
    welcome BYTEA, adds TEXT NOT NULL, members TEXT NOT NULL,
    PRIMARY KEY (call, seq)
);
CREATE TABLE records (
    call BYTEA NOT NULL, digest TEXT NOT NULL, device BYTEA, kept_ms BIGINT NOT NULL, log_index BIGINT NOT NULL,
    partial BIGINT NOT NULL,
    PRIMARY KEY (call, log_index)
);
CREATE TABLE marks (name TEXT COLLATE \"C\" PRIMARY KEY, value BIGINT NOT NULL);
";

/// The migration of a PostgreSQL database from version `i + 5` to `i + 6`.
const POSTGRES_STEPS: [&str; VERSION as usize - 5] = ["
CREATE TABLE lost_devices (
    cert_sha256 TEXT COLLATE \"C\" PRIMARY KEY,
    device BYTEA NOT NULL CHECK (length(device) = 16),
    enrolment TEXT NOT NULL,
    enrolled_ms BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    revoked_ms BIGINT,
    revocation TEXT,
    revoked_index BIGINT
);
INSERT INTO marks VALUES ('log_again', 1) ON CONFLICT DO NOTHING;
DROP INDEX calls_opened;
CREATE INDEX calls_logged ON calls (opened_index);
",
    "
ALTER TABLE calls ADD COLUMN from_person TEXT COLLATE \"C\" NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN to_person TEXT COLLATE \"C\" NOT NULL DEFAULT '';
UPDATE calls SET from_person = from_card::json ->> 'person', to_person = to_card::json ->> 'person';
CREATE INDEX calls_from ON calls (from_person, opened_index);
CREATE INDEX calls_to ON calls (to_person, opened_index);
",
    "
CREATE TABLE silenced (
    person TEXT COLLATE \"C\" NOT NULL, caller TEXT COLLATE \"C\" NOT NULL, card TEXT NOT NULL, since_ms BIGINT NOT NULL,
    PRIMARY KEY (person, caller)
);
",
    "
CREATE TABLE issued_links (
    enrolment TEXT COLLATE \"C\" PRIMARY KEY, card TEXT NOT NULL, same_name_as TEXT NOT NULL, expires_ms BIGINT NOT NULL
);
",
    "
CREATE TABLE registrars (
    device BYTEA PRIMARY KEY, certificate BYTEA NOT NULL, cert_sha256 TEXT NOT NULL, roles TEXT NOT NULL,
    appointed_ms BIGINT NOT NULL, log_index BIGINT
);
CREATE TABLE invitations (
    invitation BYTEA PRIMARY KEY, card TEXT NOT NULL, made_by BYTEA NOT NULL, token_sha256 TEXT NOT NULL,
    made_ms BIGINT NOT NULL,
    made_expires_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, request TEXT, device BYTEA,
    refused_requests BIGINT NOT NULL, closed TEXT, closed_by BYTEA, closed_ms BIGINT, made_index BIGINT,
    closed_index BIGINT
);
CREATE INDEX invitations_pending ON invitations (invitation) WHERE closed_index IS NULL;
CREATE INDEX invitations_device ON invitations (device);
",
    "
ALTER TABLE devices ADD COLUMN person TEXT COLLATE \"C\" NOT NULL DEFAULT '';
UPDATE devices SET person = card::json ->> 'person';
CREATE INDEX devices_person ON devices (person);
",
    "
ALTER TABLE devices ADD COLUMN second_certificate BYTEA;
ALTER TABLE devices ADD COLUMN second_issuer BYTEA;
ALTER TABLE lost_devices ADD COLUMN second_cert_sha256 TEXT;
ALTER TABLE invitations ADD COLUMN approved_by BYTEA;
ALTER TABLE invitations ADD COLUMN approved_ms BIGINT;
ALTER TABLE invitations ADD COLUMN approval BYTEA;
ALTER TABLE invitations ADD COLUMN approval_issuer BYTEA;
ALTER TABLE invitations ADD COLUMN second_approved_by BYTEA;
",
    "
CREATE TABLE passkeys (
    credential TEXT COLLATE \"C\" PRIMARY KEY, device BYTEA NOT NULL, passkey TEXT NOT NULL, added_ms BIGINT NOT NULL
);
CREATE INDEX passkeys_device ON passkeys (device);
CREATE TABLE tickets (
    device BYTEA PRIMARY KEY, ticket_sha256 TEXT NOT NULL, issued_ms BIGINT NOT NULL, used_ms BIGINT NOT NULL
);
CREATE TABLE lockers (
    locker TEXT COLLATE \"C\" PRIMARY KEY, device BYTEA NOT NULL, proof TEXT NOT NULL, secret BYTEA, failures BIGINT NOT NULL,
    retry_ms BIGINT NOT NULL, confirmed BIGINT NOT NULL, made_ms BIGINT NOT NULL
);
CREATE INDEX lockers_device ON lockers (device);
",
    "
CREATE TABLE alerts (
    kind TEXT COLLATE \"C\" NOT NULL, subject BYTEA NOT NULL, time_ms BIGINT NOT NULL, device BYTEA, invitation BYTEA,
    call BYTEA, count BIGINT NOT NULL, log_index BIGINT, seen_by BYTEA, seen_ms BIGINT,
    PRIMARY KEY (kind, subject, time_ms)
);
CREATE UNIQUE INDEX alerts_logged ON alerts (log_index);
CREATE INDEX alerts_unseen ON alerts (log_index) WHERE seen_ms IS NULL;
CREATE TABLE added_devices (
    told BYTEA NOT NULL, device BYTEA NOT NULL, label TEXT, approved_by BYTEA, enrolled_ms BIGINT NOT NULL,
    PRIMARY KEY (told, device)
);
",
    // Web Push subscriptions.
    "
CREATE TABLE push_subscriptions (
    device BYTEA PRIMARY KEY, endpoint TEXT NOT NULL, browser_key BYTEA NOT NULL, auth BYTEA NOT NULL,
    notified_below BIGINT NOT NULL
);
",
    // Orders to erase, and recoveries of people who lost all devices.
    "
ALTER TABLE devices ADD COLUMN erase_ordered_ms BIGINT;
ALTER TABLE devices ADD COLUMN erased_ms BIGINT;
ALTER TABLE invitations ADD COLUMN recovery BYTEA;
CREATE TABLE recoveries (
    recovery BYTEA PRIMARY KEY CHECK (length(recovery) = 16), card TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
    opened_by BYTEA NOT NULL, opened_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, statement TEXT NOT NULL,
    opened_index BIGINT, confirmed_by BYTEA, confirmed_ms BIGINT, confirmation TEXT, invitation BYTEA, confirmed_index BIGINT,
    closed TEXT, closed_by BYTEA, closed_ms BIGINT, device BYTEA, closed_index BIGINT
);
CREATE INDEX recoveries_pending ON recoveries (recovery) WHERE closed_index IS NULL;
",
    // Delegations, and the calls that were rung or answered under them.
    "
CREATE TABLE delegations (
    delegation BYTEA PRIMARY KEY, principal TEXT COLLATE \"C\" NOT NULL, delegate TEXT COLLATE \"C\" NOT NULL, device BYTEA NOT NULL,
    delegate_card TEXT NOT NULL, acts TEXT NOT NULL, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    not_before_ms BIGINT NOT NULL, not_after_ms BIGINT NOT NULL, given_ms BIGINT NOT NULL, given_index BIGINT,
    ended_ms BIGINT, ended_by BYTEA, end_sha256 TEXT, ended_index BIGINT
);
ALTER TABLE calls ADD COLUMN delegation BYTEA;
ALTER TABLE calls ADD COLUMN for_card TEXT;
ALTER TABLE calls ADD COLUMN for_person TEXT COLLATE \"C\" NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN answered_under BYTEA;
CREATE INDEX delegations_open ON delegations (delegation) WHERE ended_index IS NULL;
CREATE INDEX delegations_principal ON delegations (principal);
CREATE INDEX delegations_delegate ON delegations (delegate);
CREATE INDEX calls_for ON calls (for_person, opened_index);
",
    // Office accounts, and versions of programs.
    "
CREATE TABLE office_accounts (
    person TEXT COLLATE \"C\" NOT NULL, issuer TEXT COLLATE \"C\" NOT NULL, subject TEXT COLLATE \"C\" NOT NULL, linked_ms BIGINT NOT NULL,
    PRIMARY KEY (person, issuer)
);
CREATE UNIQUE INDEX office_accounts_subject ON office_accounts (issuer, subject);
CREATE TABLE account_sessions (
    device BYTEA PRIMARY KEY, issuer TEXT COLLATE \"C\" NOT NULL, signed_in_ms BIGINT NOT NULL
);
CREATE TABLE programs (device BYTEA PRIMARY KEY, version TEXT NOT NULL);
",
    // When devices were connected.
    "
CREATE TABLE sign_ins (
    device BYTEA NOT NULL, from_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL, times BIGINT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (device, from_ms)
);
",
    // The order in which they arrived: a clock that was ahead has made rows that would stay the newest.
    "
ALTER TABLE sign_ins ADD COLUMN arrival BIGINT NOT NULL DEFAULT 0;
UPDATE sign_ins SET arrival = ranked.place FROM (
    SELECT device, from_ms, ROW_NUMBER() OVER (ORDER BY until_ms, device, from_ms) AS place FROM sign_ins
) AS ranked WHERE ranked.device = sign_ins.device AND ranked.from_ms = sign_ins.from_ms;
CREATE INDEX sign_ins_arrival ON sign_ins (arrival);
",
    // Lines, the calls over them, and the certificates above that of a principal's device.
    "
CREATE TABLE lines (
    line BYTEA PRIMARY KEY, principal TEXT COLLATE \"C\" NOT NULL, holder TEXT COLLATE \"C\" NOT NULL, given_ms BIGINT NOT NULL, version BIGINT NOT NULL,
    ended BIGINT NOT NULL, found_version BIGINT, found_state TEXT, found_sha256 TEXT
);
CREATE TABLE line_versions (
    line BYTEA NOT NULL, version BIGINT NOT NULL, content TEXT NOT NULL, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    signed_by BYTEA NOT NULL, signed_ms BIGINT NOT NULL, signed_index BIGINT,
    PRIMARY KEY (line, version)
);
CREATE INDEX lines_open ON lines (line) WHERE ended = 0;
CREATE INDEX lines_given ON lines (given_ms);
CREATE INDEX lines_principal ON lines (principal, given_ms);
CREATE INDEX lines_holder ON lines (holder, given_ms);
ALTER TABLE calls ADD COLUMN line BYTEA;
ALTER TABLE calls ADD COLUMN line_version BIGINT;
ALTER TABLE calls ADD COLUMN diverted BIGINT NOT NULL DEFAULT 0;
CREATE INDEX calls_line ON calls (line, opened_ms) WHERE line IS NOT NULL;
ALTER TABLE invitations ADD COLUMN line_terms TEXT;
ALTER TABLE devices ADD COLUMN above_issuer TEXT;
",
    // Rings that devices are notified of.
    "
CREATE TABLE ring_pushes (
    call BYTEA NOT NULL, device BYTEA NOT NULL, until_ms BIGINT NOT NULL, taken BIGINT NOT NULL, missed BIGINT,
    PRIMARY KEY (call, device)
);
CREATE INDEX ring_pushes_device ON ring_pushes (device);
",
    // Shifts at devices of places.
    "
CREATE TABLE shifts (
    shift BYTEA PRIMARY KEY, device BYTEA NOT NULL, person TEXT COLLATE \"C\" NOT NULL, card TEXT, begun_with BYTEA,
    started_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL, started_index BIGINT, ended_ms BIGINT, how TEXT, ended_index BIGINT
);
CREATE INDEX shifts_open ON shifts (shift) WHERE ended_index IS NULL;
CREATE INDEX shifts_device ON shifts (device) WHERE ended_ms IS NULL;
CREATE INDEX shifts_person ON shifts (person, started_ms);
",
    // Documents, and the keys that they are sealed to.
    "
CREATE TABLE documents (
    document BYTEA PRIMARY KEY, kind TEXT NOT NULL, about BYTEA, made_ms BIGINT NOT NULL, version BIGINT NOT NULL,
    changed_index BIGINT
);
CREATE TABLE document_versions (
    document BYTEA NOT NULL, version BIGINT NOT NULL, content TEXT NOT NULL, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    signed_by BYTEA NOT NULL, signed_ms BIGINT NOT NULL, signed_index BIGINT,
    PRIMARY KEY (document, version)
);
CREATE INDEX document_versions_pending ON document_versions (document) WHERE signed_index IS NULL;
CREATE TABLE document_readers (
    person TEXT COLLATE \"C\" NOT NULL, document BYTEA NOT NULL,
    PRIMARY KEY (person, document)
);
CREATE INDEX document_readers_document ON document_readers (document);
CREATE TABLE document_openings (
    log_index BIGINT PRIMARY KEY, document BYTEA NOT NULL, version BIGINT NOT NULL, device BYTEA NOT NULL, opened_ms BIGINT NOT NULL
);
CREATE INDEX document_openings_document ON document_openings (document, log_index);
CREATE TABLE found_documents (
    document BYTEA NOT NULL, version BIGINT NOT NULL, statement_sha256 TEXT NOT NULL, log_index BIGINT NOT NULL,
    PRIMARY KEY (document, version)
);
CREATE TABLE device_keys (
    device BYTEA PRIMARY KEY, statement TEXT NOT NULL, statement_sha256 TEXT NOT NULL, signed_ms BIGINT NOT NULL,
    signed_index BIGINT
);
",
    // When principals are reached, and rings that their office joins later.
    "
CREATE TABLE reach (
    person TEXT COLLATE \"C\" PRIMARY KEY, settings TEXT NOT NULL, set_by TEXT, set_ms BIGINT NOT NULL
);
ALTER TABLE calls ADD COLUMN desk_from_ms BIGINT;
",
    // Lines that delegates offer for principals.
    "
ALTER TABLE invitations ADD COLUMN offered_for TEXT;
ALTER TABLE invitations ADD COLUMN attestation TEXT;
",
    // Sealed forms of lines.
    "
ALTER TABLE line_versions ADD COLUMN sealed_sha256 TEXT;
"];

/// Creates the tables of a PostgreSQL database, or migrates older ones to [`VERSION`], inside a transaction.
pub(super) fn upgrade_postgres(t: &mut dyn Statements) -> Result<(), StoreError> {
    let before = postgres_version(t)?;
    let found = match before {
        Some(found) if found > VERSION => return Err(StoreError::Newer { found, known: VERSION }),
        Some(found) => found,
        None => {
            t.batch(POSTGRES)?;
            5
        }
    };
    for step in POSTGRES_STEPS.iter().skip((found - 5) as usize) {
        t.batch(step)?;
    }
    if before.is_none() {
        // A new database has nothing to add from earlier log entries, so they need not be read again.
        t.batch("DELETE FROM marks WHERE name = 'log_again'")?;
    }
    let mark = "INSERT INTO marks (name, value) VALUES ('version', $1)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    t.execute(mark, values![VERSION as u64])?;
    Ok(())
}

/// The version of a PostgreSQL database; none if it has no tables.
pub(super) fn postgres_version(t: &mut dyn Statements) -> Result<Option<i64>, StoreError> {
    let tables = "SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = 'marks' AND schemaname = current_schema()";
    if t.query(tables, &[])?.is_empty() {
        return Ok(None);
    }
    let found = t.query("SELECT value FROM marks WHERE name = 'version'", &[])?;
    found.first().map(|row| row.int(0)).transpose()?.ok_or(StoreError::Damaged("version")).map(Some)
}
