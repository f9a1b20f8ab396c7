//! The published files of an office's log over HTTP (C2SP tlog-tiles), for whoever verifies it from outside.

use crate::{error::ClientError, http::agent};
use std::io;
use telcon_log::{
    bundle::MAX_BUNDLE_LEN,
    note::MAX_NOTE_LEN,
    storage::{Reader, StorageError},
    tile::CHECKPOINT_PATH,
};

/// Reads the log below `/log` of an office's server. Nothing that it returns is verified.
#[derive(Debug)]
pub struct LogFiles {
    agent: ureq::Agent,
    /// With `/log/`.
    base: String,
}

impl LogFiles {
    /// The log of the office at `server`: scheme, host and port. Sends nothing yet.
    ///
    /// # Errors
    /// [`ClientError::NoRootCertificates`] for `https`.
    pub fn new(server: &str) -> Result<Self, ClientError> {
        // One agent for all files: their connections are reused.
        Ok(Self { agent: agent(server)?, base: format!("{server}/log/") })
    }

    /// Reads a file of at most `limit` bytes; none if the server does not have it.
    fn get(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, StorageError> {
        let url = format!("{}{path}", self.base);
        let failed = |cause: io::Error| StorageError::io(&url, cause);
        let mut response = self.agent.get(&url).call().map_err(|error| failed(error.into_io()))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => return Err(failed(io::Error::other(format!("the server answered with HTTP status {status}")))),
        }
        match response.body_mut().with_config().limit(limit).read_to_vec() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ureq::Error::BodyExceedsLimit(_)) => Err(StorageError::TooLarge(url)),
            Err(error) => Err(failed(error.into_io())),
        }
    }
}

impl Reader for LogFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        // A bundle is the largest file.
        let limit = if path == CHECKPOINT_PATH { MAX_NOTE_LEN } else { MAX_BUNDLE_LEN };
        self.get(path, limit as u64)
    }
}
