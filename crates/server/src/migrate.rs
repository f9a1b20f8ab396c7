//! Migration of an office to another database and object store: `telcon migrate`.
//!
//! The source is only read, apart from an upgrade of its schema. Every step is idempotent: objects that the target has
//! already are compared and not copied again; the database is copied in one transaction; and `stores.json` names the
//! new stores only after both were compared with the source. From then on a server refuses to start with the old ones,
//! so that no call is written to an abandoned copy. Before that, a server starts with the old ones only, and the next
//! migration replaces what it changed. After an interruption anywhere, both the same command and a start of the server
//! with the stores in `stores.json` go on from there.

use crate::{
    digest::sha256,
    objects::{Key, Listed, ObjectError, Objects, ObjectsLocation},
    places::{Places, PlacesError},
    server::Server,
    start_error::StartError,
    store::{
        StoreError, StoreLocation,
        migration::{self, CopiedTable},
    },
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use telcon_log::{DiskStorage, StorageError};
use tokio::runtime::Handle;

/// Why an office was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The directory contains no office.
    #[error("{0} holds no office: name the `server` directory that `telcon init` made")]
    NoOffice(PathBuf),
    /// A server is running in the directory.
    #[error("a server runs in {0}: stop it first")]
    InUse(PathBuf),
    /// The office's description is damaged.
    #[error(transparent)]
    Office(#[from] StartError),
    /// The log's directory cannot be locked.
    #[error("the log: {0}")]
    Log(StorageError),
    /// `stores.json` cannot be read or written.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object store failed.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The target has an object with this key and other content.
    #[error("{target} has a {key} that differs from the one in {source_place}: name an empty bucket or prefix")]
    Differs {
        /// The name.
        key: Key,
        /// Where it was to be copied from.
        source_place: String,
        /// Where it was to be copied to.
        target: String,
    },
    /// An object of the source was deleted while it was copied.
    #[error("{0} was deleted from the source: run the migration again")]
    Gone(Key),
}

/// Progress, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Objects in the target, and objects in total.
    Copied(usize, usize),
    /// Objects that were compared and are equal, and objects in total.
    Compared(usize, usize),
    /// This table of the database is being copied.
    Table(String),
    /// The copy of the database is committed.
    DatabaseCopied,
    /// `stores.json` names the new places.
    Recorded,
}

/// The result of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Tables of the database; empty if it was not migrated.
    pub tables: Vec<CopiedTable>,
    /// Number of objects, and of their bytes.
    pub objects: (usize, u64),
    /// SHA-256 over the names and digests of all objects, hexadecimal; none if they were not migrated.
    pub objects_sha256: Option<String>,
}

/// Migrates the office in `data_dir`. Blocks: must not be called on a thread of an async runtime.
///
/// # Errors
/// [`MigrateError`]; the source is unchanged and in use.
pub fn migrate(
    data_dir: &Path,
    store: Option<&StoreLocation>,
    objects: Option<&ObjectsLocation>,
    runtime: &Handle,
    mut progress: impl FnMut(Progress),
) -> Result<Report, MigrateError> {
    let (archive, office_file) = (data_dir.join("archive"), data_dir.join("office.json"));
    let office = match telcon_files::read_named(&office_file, crate::limits::MAX_CONFIGURATION_BYTES) {
        Err(error) if error.is_not_found() => {
            return Err(MigrateError::NoOffice(data_dir.to_owned()));
        }
        read => read.map_err(|error| ObjectError::from(io::Error::from(error)))?,
    };
    // The log's lock, held until the end. A server holds it while it runs.
    let _lock = match DiskStorage::open(archive.join("log")) {
        Err(StorageError::InUse) => return Err(MigrateError::InUse(data_dir.to_owned())),
        opened => opened.map_err(MigrateError::Log)?,
    };
    let (digest, home) = (sha256(&office).to_string(), Server::office(data_dir)?);
    let mut places = Places::read(data_dir)?;
    let mut report = Report { tables: Vec::new(), objects: (0, 0), objects_sha256: None };
    if let Some(to) = objects.filter(|to| !places.is_at_objects(data_dir, to)) {
        let from = places.objects(data_dir)?;
        let copying = Copying { from: from.open(runtime.clone())?, to: to.open(runtime.clone())?, names: (&from, to) };
        let found = copying.copy(&mut progress)?;
        copying.compare(&found, &mut report, &mut progress)?;
        places.set_objects(data_dir, to);
    }
    if let Some(to) = store.filter(|to| !places.is_at_store(data_dir, to)) {
        let from = places.store(data_dir)?;
        report.tables =
            migration::copy(&from, to, &home, &digest, |table| progress(Progress::Table(table.to_owned())))?;
        progress(Progress::DatabaseCopied);
        places.set_store(data_dir, to);
    }
    places.write(data_dir)?;
    progress(Progress::Recorded);
    if let Some(to) = store {
        // Also if an earlier run recorded the place and was interrupted here.
        migration::finish(to, &home)?;
    }
    Ok(report)
}

struct Copying<'a> {
    from: std::sync::Arc<dyn Objects>,
    to: std::sync::Arc<dyn Objects>,
    names: (&'a ObjectsLocation, &'a ObjectsLocation),
}

/// The groups of an office's objects.
const GROUPS: [&str; 6] = ["devices", "documents", "issuers", "records", INCOMING, PENDING];
const INCOMING: &str = ".incoming";
/// Records that the log may not have yet, and the mark that this list is complete.
const PENDING: &str = ".pending";
/// Groups whose objects are replaced and deleted while a server runs: those of an earlier, interrupted copy give way.
const CHANGING: [&str; 2] = [INCOMING, PENDING];

fn is_changing(key: &Key) -> bool {
    CHANGING.iter().any(|name| key.as_str().split('/').next() == Some(name))
}

impl Copying<'_> {
    fn copy(&self, progress: &mut impl FnMut(Progress)) -> Result<Vec<Listed>, MigrateError> {
        let (mut source, there) = (all(&*self.from)?, all(&*self.to)?);
        let there: BTreeMap<&Key, u64> = there.iter().map(|found| (&found.key, found.bytes)).collect();
        // The seal marks a record as complete, so seals are copied last.
        source.sort_by_key(|object| object.key.name() == "seal.json");
        let total = source.len();
        progress(Progress::Copied(0, total));
        for (done, object) in source.iter().enumerate() {
            if there.get(&object.key) != Some(&object.bytes) || is_changing(&object.key) {
                let bytes = self.from.get(&object.key)?.ok_or_else(|| MigrateError::Gone(object.key.clone()))?;
                if is_changing(&object.key) {
                    let spool = self.to.spool()?;
                    let mut file = spool.create().map_err(ObjectError::from)?;
                    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(ObjectError::from)?;
                    self.to.put(&object.key, spool)?;
                } else if !self.to.create(&object.key, &bytes)? {
                    self.same(&object.key, &bytes)?;
                }
            }
            progress(Progress::Copied(done + 1, total));
        }
        Ok(source)
    }

    /// Reads and compares all objects of both sides.
    fn compare(
        &self,
        source: &[Listed],
        report: &mut Report,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), MigrateError> {
        let mut hash = Sha256::new();
        let mut sorted: Vec<&Listed> = source.iter().collect();
        sorted.sort();
        for (done, object) in sorted.iter().enumerate() {
            let bytes = self.from.get(&object.key)?.ok_or_else(|| MigrateError::Gone(object.key.clone()))?;
            self.same(&object.key, &bytes)?;
            hash.update(format!("{} {}\n", object.key, sha256(&bytes)));
            report.objects.0 += 1;
            report.objects.1 += bytes.len() as u64;
            progress(Progress::Compared(done + 1, sorted.len()));
        }
        // What only the target has of these groups was left by an interrupted copy.
        for name in CHANGING {
            for stale in self.to.list(&group(name))? {
                if !source.iter().any(|object| object.key == stale.key) {
                    self.to.delete(&stale.key)?;
                }
            }
        }
        report.objects_sha256 = Some(telcon_proto::hex(&hash.finalize()));
        Ok(())
    }

    fn same(&self, key: &Key, bytes: &[u8]) -> Result<(), MigrateError> {
        if self.to.get(key)?.as_deref() == Some(bytes) {
            return Ok(());
        }
        let (from, to) = self.names;
        Err(MigrateError::Differs { key: key.clone(), source_place: from.to_string(), target: to.to_string() })
    }
}

fn all(objects: &dyn Objects) -> Result<Vec<Listed>, MigrateError> {
    let mut found = Vec::new();
    for name in GROUPS {
        found.extend(objects.list(&group(name))?);
    }
    Ok(found)
}

fn group(name: &str) -> Key {
    Key::parse(name).expect("invariant: the constant is a valid key")
}
