//! Why a server could not be created or started.

use crate::{
    archive::RecordError, objects::ObjectError, places::PlacesError, reconcile::ReconcileError, store::StoreError,
    web::OriginError,
};
use std::{io, net::SocketAddr, path::PathBuf};
use telcon_identity::IdentityError;
use telcon_log::{KeyError, log::Error as LogError};

/// Why a server could not be created or started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory already contains an office.
    #[error("{0} already contains an office; nothing was changed")]
    AlreadyThere(PathBuf),
    /// The directory does not exist.
    #[error("{0} does not exist: name the server's directory with --data")]
    NoDirectory(PathBuf),
    /// The directory contains no office.
    #[error("{0} holds no office: make one with `telcon init`")]
    NoOffice(PathBuf),
    /// The directory contains an office without this file of it.
    #[error("{0} is missing: restore it from your backup. Do not create a new office here")]
    Missing(PathBuf),
    /// A file of the office is damaged.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An address cannot be used.
    #[error("cannot listen at {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// Randomness or a thread is not available.
    #[error("the operating system refused randomness or a thread: {0}")]
    System(io::Error),
    /// The authority's certificate does not fit the office.
    #[error("the office's authority: {0}")]
    Identity(#[from] IdentityError),
    /// The charter names another log key.
    #[error("the authority signed another log key than the one in log.seed: put the right log.seed back")]
    OtherLog,
    /// The log's key is invalid.
    #[error("the log's key: {0}")]
    Key(#[from] KeyError),
    /// The log cannot be opened.
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The office uses other stores than those given.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// The object store cannot be opened.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Records in the object store cannot be listed.
    #[error("the archive's records: {0}")]
    Records(#[from] RecordError),
    /// The origin of the web page does not fit the office.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// Log and database are inconsistent.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}
