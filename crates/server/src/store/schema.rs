//! The database's tables, by version.

use super::StoreError;
use rusqlite::Connection;

/// Version that this program writes.
pub(super) const VERSION: i64 = 4;

/// What brings a database from version `i` to `i + 1`. A step that was released is never edited.
const STEPS: [&str; VERSION as usize] = [
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
    // Which records are partial stands in the log: it is read from its beginning once more.
    "
ALTER TABLE records ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;
INSERT INTO marks VALUES ('log_again', 1);
",
    // A call has a record of each note-taker that heard some of it.
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
    // A device that was away when it was revoked is given the authority's word for it when it comes.
    "
ALTER TABLE devices ADD COLUMN revocation TEXT;
",
];

/// Makes the tables, or brings older ones to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        return Err(StoreError::Newer { found, known: VERSION });
    }
    for (from, step) in STEPS.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", from as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
