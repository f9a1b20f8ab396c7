//! Documents and the keys that they are sealed to: what is written and read of them. Every version is kept. A document's row has what its
//! newest version in the log says, and lists are read from that.

use super::{
    DeviceKeyRow, DocumentRow, DocumentStanding, DocumentsOf, SealedVersion, StoreError, StoredDocument, StoredKey,
    StoredVersion,
    database::{Statements, all},
    document_rows::OpeningRow,
    value::{Row, Value, json, values},
};
use telcon_proto::{
    Blob, Digest, DocumentId, PersonId,
    document::{About, DocumentOpening, DocumentVersion, ListedDocument},
    limits::{MAX_KEYS_LISTED, MAX_OPENINGS_LISTED},
};

fn id(bytes: &[u8; 16]) -> Value {
    Value::from(&Blob(bytes.to_vec()))
}

/// A version is signed, and about to be logged. Of the first, the document's row is made.
pub(super) fn sign(t: &mut dyn Statements, row: &DocumentRow, statement: &str) -> Result<(), StoreError> {
    let content = &row.content;
    if content.version == 1 {
        t.execute(
            "INSERT INTO documents (document, kind, about, made_ms, version) VALUES ($1, $2, $3, $4, 0)",
            &[
                Value::from(&content.document),
                content.kind.as_str().into(),
                content.about.as_ref().map(About::id).map_or(Value::Null, id),
                row.signed_ms.into(),
            ],
        )?;
    }
    t.execute(
        "INSERT INTO document_versions (document, version, content, statement, statement_sha256, signed_by, signed_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            Value::from(&content.document),
            u64::from(content.version).into(),
            json(content),
            statement.into(),
            (&row.sha256).into(),
            (&row.by).into(),
            row.signed_ms.into(),
        ],
    )
    .map(drop)
}

/// The log has a version: it is the document's newest, and its readers are the document's. What the log has and the database lacks is
/// remembered by its digest: no other version of that number is taken.
pub(super) fn logged(
    t: &mut dyn Statements,
    document: &DocumentId,
    version: u32,
    sha256: &Digest,
    index: u64,
) -> Result<(), StoreError> {
    let number = u64::from(version);
    let known = t.execute(
        "UPDATE document_versions SET signed_index = $1 WHERE document = $2 AND version = $3 AND statement_sha256 = $4",
        values![index, document, number, sha256],
    )?;
    if known == 0 {
        // One that was not logged gives way to the one that was.
        t.execute(
            "DELETE FROM document_versions WHERE document = $1 AND version = $2 AND signed_index IS NULL",
            values![document, number],
        )?;
        return t
            .execute(
                "INSERT INTO found_documents (document, version, statement_sha256, log_index) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (document, version) DO NOTHING",
                values![document, number, sha256, index],
            )
            .map(drop);
    }
    t.execute("DELETE FROM found_documents WHERE document = $1 AND version = $2", values![document, number])?;
    let newer = t.execute(
        "UPDATE documents SET version = $1, changed_index = $2 WHERE document = $3 AND version < $1",
        values![number, index, document],
    )?;
    let content = content_of(t, document, version)?.filter(|_| newer > 0);
    let Some((content, _)) = content else { return Ok(()) };
    t.execute("DELETE FROM document_readers WHERE document = $1", values![document])?;
    for reader in &content.readers {
        t.execute(
            "INSERT INTO document_readers (person, document) VALUES ($1, $2)",
            values![reader.to_hex().as_str(), document],
        )?;
    }
    Ok(())
}

/// A copy was opened, as the log says.
pub(super) fn opened(t: &mut dyn Statements, row: &OpeningRow) -> Result<(), StoreError> {
    let (document, version, device, ms, index) = row;
    t.execute(
        "INSERT INTO document_openings (log_index, document, version, device, opened_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (log_index) DO NOTHING",
        values![*index, document, u64::from(*version), device, *ms],
    )
    .map(drop)
}

/// A device stated its key, again perhaps.
pub(super) fn key(t: &mut dyn Statements, row: &DeviceKeyRow, statement: &str) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO device_keys (device, statement, statement_sha256, signed_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device) DO UPDATE SET statement = excluded.statement, statement_sha256 = excluded.statement_sha256,
             signed_ms = excluded.signed_ms, signed_index = NULL",
        values![&row.device, statement, &row.sha256, row.signed_ms],
    )
    .map(drop)
}

/// What a switchboard starts from: versions that the log may not have.
pub(super) fn pending(t: &mut dyn Statements) -> Result<Vec<DocumentRow>, StoreError> {
    let sql = "SELECT content, statement_sha256, signed_by, signed_ms FROM document_versions
         WHERE signed_index IS NULL ORDER BY document, version";
    all(t, sql, &[], |row| {
        Ok(DocumentRow {
            content: row.json(0, "document")?,
            sha256: row.digest(1)?,
            by: row.device(2)?,
            signed_ms: row.number(3)?,
        })
    })
}

/// The keys of devices, each with the index of its entry.
pub(super) fn keys(t: &mut dyn Statements) -> Result<Vec<(DeviceKeyRow, Option<u64>)>, StoreError> {
    let sql = "SELECT device, statement_sha256, signed_ms, signed_index FROM device_keys ORDER BY device";
    all(t, sql, &[], |row| {
        let key = DeviceKeyRow { device: row.device(0)?, sha256: row.digest(1)?, signed_ms: row.number(2)? };
        Ok((key, row.optional_number(3)?))
    })
}

pub(super) fn standing(
    t: &mut dyn Statements,
    document: &DocumentId,
    version: u32,
) -> Result<DocumentStanding, StoreError> {
    let newest = "SELECT version, statement_sha256, content, signed_index FROM document_versions
         WHERE document = $1 ORDER BY version DESC LIMIT 1";
    let newest = all(t, newest, values![document], |row| {
        let content: DocumentVersion = row.json(2, "document")?;
        Ok((number(row, 0)?, row.digest(1)?, content.readers, row.optional_number(3)?))
    })?;
    let found = "SELECT statement_sha256, log_index FROM found_documents WHERE document = $1 AND version = $2";
    let found = all(t, found, values![document, u64::from(version)], |row| Ok((row.digest(0)?, row.number(1)?)))?;
    Ok(DocumentStanding { newest: newest.into_iter().next(), found: found.into_iter().next() })
}

fn number(row: &Row, column: usize) -> Result<u32, StoreError> {
    u32::try_from(row.number(column)?).map_err(|_| StoreError::Damaged("version of a document"))
}

/// The newest statement of a document, in the log or not: what its next version is verified with.
pub(super) fn newest(t: &mut dyn Statements, document: &DocumentId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT statement FROM document_versions WHERE document = $1 ORDER BY version DESC LIMIT 1";
    Ok(all(t, sql, values![document], |row| row.text(0))?.pop())
}

fn content_of(
    t: &mut dyn Statements,
    document: &DocumentId,
    version: u32,
) -> Result<Option<(DocumentVersion, Digest)>, StoreError> {
    let sql = "SELECT content, statement_sha256 FROM document_versions
         WHERE document = $1 AND version = $2 AND signed_index IS NOT NULL";
    let found = all(t, sql, values![document, u64::from(version)], |row| {
        Ok((row.json::<DocumentVersion>(0, "document")?, row.digest(1)?))
    })?;
    Ok(found.into_iter().next())
}

fn readers(t: &mut dyn Statements, document: &DocumentId) -> Result<Vec<PersonId>, StoreError> {
    let sql = "SELECT person FROM document_readers WHERE document = $1 ORDER BY person";
    all(t, sql, values![document], |row| row.person(0))
}

pub(super) fn sealed(
    t: &mut dyn Statements,
    document: &DocumentId,
    version: u32,
) -> Result<Option<SealedVersion>, StoreError> {
    let Some((content, sha256)) = content_of(t, document, version)? else { return Ok(None) };
    Ok(Some(SealedVersion { readers: readers(t, document)?, content, sha256 }))
}

/// A document's versions from number `from`, at most `limit`.
pub(super) fn document(
    t: &mut dyn Statements,
    document: &DocumentId,
    from: u32,
    limit: u32,
) -> Result<Option<StoredDocument>, StoreError> {
    let row = "SELECT kind, version FROM documents WHERE document = $1 AND version > 0";
    let row = all(t, row, values![document], |row| Ok((row.word(0, "kind of a document")?, number(row, 1)?)))?;
    let Some((kind, newest)) = row.into_iter().next() else { return Ok(None) };
    let sql = "SELECT v.statement, v.signed_index, devices.log_index, devices.revoked_index, v.content
         FROM document_versions v JOIN devices ON devices.device = v.signed_by
         WHERE v.document = $1 AND v.version >= $2 AND v.signed_index IS NOT NULL AND devices.log_index IS NOT NULL
         ORDER BY v.version LIMIT $3";
    let rows = all(t, sql, values![document, u64::from(from), u64::from(limit)], |row| {
        let content: DocumentVersion = row.json(4, "document")?;
        let version = StoredVersion {
            statement: row.text(0)?,
            signed: row.number(1)?,
            signer: row.number(2)?,
            revoked: row.optional_number(3)?,
            delegation: None,
        };
        Ok((version, content.on_behalf))
    })?;
    let mut versions = Vec::with_capacity(rows.len());
    for (mut version, under) in rows {
        if let Some(under) = under {
            let sql = "SELECT g.statement, g.given_index, devices.log_index
                 FROM delegations g JOIN devices ON devices.device = g.device
                 WHERE g.delegation = $1 AND g.statement_sha256 = $2 AND g.given_index IS NOT NULL
                     AND devices.log_index IS NOT NULL";
            version.delegation = all(t, sql, values![&under.delegation, &under.statement_sha256], |row| {
                Ok((row.text(0)?, row.number(1)?, row.number(2)?))
            })?
            .pop();
        }
        versions.push(version);
    }
    let openings = format!(
        "SELECT o.version, devices.person, o.device, o.opened_ms, o.log_index
         FROM document_openings o JOIN devices ON devices.device = o.device
         WHERE o.document = $1 ORDER BY o.log_index DESC LIMIT {MAX_OPENINGS_LISTED}"
    );
    let opened = all(t, &openings, values![document], |row| {
        Ok(DocumentOpening {
            version: number(row, 0)?,
            person: row.person(1)?,
            device: row.device(2)?,
            at_ms: row.number(3)?,
            log_index: row.number(4)?,
        })
    })?;
    Ok(Some(StoredDocument { readers: readers(t, document)?, kind, newest, versions, opened }))
}

/// A page of documents, newest first, below the log index `before`; and whether there are more.
pub(super) fn listed(
    t: &mut dyn Statements,
    of: DocumentsOf,
    before: Option<u64>,
    limit: u32,
) -> Result<(Vec<ListedDocument>, bool), StoreError> {
    let mut values = vec![Value::from(of.person.to_hex().as_str()), before.unwrap_or(i64::MAX as u64).into()];
    let mut conditions = String::new();
    if let Some(kind) = of.kind {
        values.push(kind.as_str().into());
        conditions.push_str(&format!(" AND d.kind = ${}", values.len()));
    }
    if let Some(about) = &of.about {
        values.push(id(about));
        conditions.push_str(&format!(" AND d.about = ${}", values.len()));
    }
    let sql = format!(
        "SELECT v.content, v.statement_sha256, v.signed_ms, v.signed_index
         FROM document_readers r JOIN documents d ON d.document = r.document
             JOIN document_versions v ON v.document = d.document AND v.version = d.version
         WHERE r.person = $1 AND d.changed_index < $2{conditions} ORDER BY d.changed_index DESC LIMIT {}",
        u64::from(limit) + 1
    );
    let mut documents = all(t, &sql, &values, |row| {
        let content: DocumentVersion = row.json(0, "document")?;
        let DocumentVersion { document, kind, about, version, state, readers, author, due_ms, .. } = content;
        Ok(ListedDocument {
            document,
            kind,
            about,
            version,
            statement_sha256: row.digest(1)?,
            state,
            readers,
            author,
            due_ms,
            changed_ms: row.number(2)?,
            log_index: row.number(3)?,
        })
    })?;
    let more = documents.len() > limit as usize;
    documents.truncate(limit as usize);
    Ok((documents, more))
}

/// The keys of a person's devices that are not revoked, newest first.
pub(super) fn keys_of(t: &mut dyn Statements, person: PersonId) -> Result<Vec<StoredKey>, StoreError> {
    let sql = format!(
        "SELECT k.statement, k.signed_index, devices.log_index
         FROM devices JOIN device_keys k ON k.device = devices.device
         WHERE devices.person = $1 AND devices.revoked_ms IS NULL AND devices.log_index IS NOT NULL
             AND k.signed_index IS NOT NULL
         ORDER BY k.signed_index DESC LIMIT {MAX_KEYS_LISTED}"
    );
    all(t, &sql, values![person.to_hex().as_str()], |row| Ok((row.text(0)?, row.number(1)?, row.number(2)?)))
}
