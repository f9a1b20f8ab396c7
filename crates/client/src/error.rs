//! Errors of the client where it talks to the office's server.

use crate::audio::opus::OpusError;
use std::{io, path::PathBuf, time::Duration};
use telcon_core::{DeviceError, document::DocumentError};
use telcon_record::RecordError;
use tokio_tungstenite::tungstenite;

/// HTTP statuses with which the server refuses a request for good: not found, conflict, used up, not verified.
const FINAL_STATUSES: [u16; 4] = [404, 409, 410, 422];

/// Why something did not work between this device and its office.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There was no complete response, so that the outcome of the request is unknown.
    #[error("no answer from {url}; is the server running? ({cause})")]
    NoAnswer {
        /// What was requested.
        url: String,
        /// The cause.
        cause: Box<ureq::Error>,
    },
    /// The server refused.
    #[error("the office's server refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The response is not what the API defines.
    #[error("the response is not what this program expects; server and program may be of different versions: {0}")]
    Response(serde_json::Error),
    /// The archive did not take one part of a record.
    #[error("the archive refused {part}: {message}")]
    PartRefused {
        /// The part's file name.
        part: String,
        /// The server's message.
        message: String,
    },
    /// The server's proof does not show that this very record is in the log.
    #[error("the server did not prove that the record is in the office's log: {0}")]
    NotLogged(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// There is nothing to verify the server's certificate with.
    #[error(
        "no root certificates to verify the office's server with: install ca-certificates, or set SSL_CERT_FILE to a file of \
         certificates"
    )]
    NoRootCertificates,
    /// The TLS library.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The WebSocket could not be opened.
    #[error("{0}")]
    WebSocket(Box<tungstenite::Error>),
    /// A file of the spool.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A record in the spool.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The device's state.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// What a document has to say is not what its kind may have.
    #[error(transparent)]
    Content(#[from] telcon_papers::ContentError),
    /// Somebody wrote another version than the one that is to be reviewed or approved.
    #[error("version {newest} of this document was written since: read it first")]
    WrittenSince {
        /// The newest version.
        newest: u32,
    },
    /// A memorandum that cannot be approved yet.
    #[error("the memorandum cannot be approved yet: {blockers} things stand in the way")]
    NotReady {
        /// How many.
        blockers: usize,
    },
    /// The person who reviewed a version would approve it themselves.
    #[error("who reviewed a memorandum does not approve it: somebody else does")]
    OwnReview,
    /// The audio codec.
    #[error(transparent)]
    Opus(#[from] OpusError),
    /// The system's random number generator.
    #[error("no randomness from the system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// Connecting again cannot help.
    #[error("cannot connect to the office: {0}")]
    CannotConnect(String),
    /// The endpoint's task ended.
    #[error("the endpoint ended")]
    EndpointEnded,
    /// The note-taker reported a problem, with what to do about it.
    #[error("{0}")]
    NoteTaker(String),
}

impl ClientError {
    /// Whether it is unknown if the office's server carried out a request: there was no answer or an unreadable one, or an error
    /// that is not the office's answer to what was asked (a proxy's, an overload, a restart).
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Response(_) => true,
            Self::Refused { status, .. } => !FINAL_STATUSES.contains(status),
            _ => false,
        }
    }

    /// Why connecting again cannot help until somebody changes something: the certificate is not trusted, or what answers is no
    /// office's server. None where the server may only be away.
    pub(crate) fn needs_a_person(&self) -> Option<String> {
        let Self::WebSocket(error) = self else {
            return matches!(self, Self::Tls(_) | Self::NoRootCertificates).then(|| self.to_string());
        };
        match &**error {
            tungstenite::Error::Tls(_) => Some(format!("its certificate is not trusted: {error}")),
            // rustls reports a refused certificate through the I/O error of the handshake.
            tungstenite::Error::Io(io) if io.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
                Some(format!(
                    "its certificate is not trusted ({io}): install the root certificate of the office's authority, or set SSL_CERT_FILE \
                 to it"
                ))
            }
            tungstenite::Error::Http(response) if response.status().is_client_error() => {
                Some(format!("what answers there is not an office's server (HTTP {})", response.status().as_u16()))
            }
            tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => {
                Some(format!("its address is not valid: {error}"))
            }
            _ => None,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::File { path, cause }
    }
}

impl From<tungstenite::Error> for ClientError {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}
