//! Errors of the HTTP API: a status and a sentence that says what happened and what to do. Causes inside the server go to
//! its log and never into a response.

use crate::{
    archive::{ProofError, RecordError},
    objects::ObjectError,
    store::StoreError,
    switchboard::{Refusal, RefusalKind},
};
use axum::{
    Json,
    extract::rejection::{BytesRejection, JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use telcon_proto::http::ApiError;

/// The sentence of a 404 for a path that is not served.
pub(super) const NOTHING_HERE: &str = "there is nothing at this address";

/// An error response: status and sentence.
#[derive(Debug)]
pub(super) struct HttpError(pub StatusCode, pub String);

impl HttpError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(status, message.into())
    }

    /// No bearer token, or one that is not valid any more.
    pub fn unauthorized() -> Self {
        let text = "sign in first: the bearer token is issued at sign-in and is valid while that connection is open";
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// A failure of the server. `what` and `error` go to the process's log, not to the client.
    pub fn internal(error: &dyn std::fmt::Display, what: &'static str) -> Self {
        tracing::error!(%error, what, "an HTTP request failed inside the server");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server failed to process the request: try again later, and tell its operator",
        )
    }

    /// The body could not be read. A parser's message is not passed on: it may quote the body and names our types.
    fn bad_body(status: StatusCode) -> Self {
        let text = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "the body is too long",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "send the body with content-type: application/json",
            StatusCode::UNPROCESSABLE_ENTITY => {
                "the body does not have the documented form: update the program that sent it"
            }
            _ => "the body is not readable: send it again",
        };
        Self::new(status, text)
    }

    /// The switchboard does not answer.
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server is restarting: try again")
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        (self.0, Json(ApiError { error: self.1 })).into_response()
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Gone => StatusCode::GONE,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, refusal.message)
    }
}

impl From<ObjectError> for HttpError {
    fn from(error: ObjectError) -> Self {
        Self::internal(&error, "read or write the archive")
    }
}

impl From<RecordError> for HttpError {
    fn from(error: RecordError) -> Self {
        let status = match &error {
            RecordError::Io(_) | RecordError::Objects(_) => return Self::internal(&error, "read or write the archive"),
            RecordError::NotFound => StatusCode::NOT_FOUND,
            RecordError::Other | RecordError::Busy => StatusCode::CONFLICT,
            RecordError::TooManyParts | RecordError::PartTooLong | RecordError::TooLong => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            RecordError::PartName | RecordError::Seal(_) | RecordError::Part(_) | RecordError::Unlisted(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self(status, error.to_string())
    }
}

impl From<ProofError> for HttpError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Range { .. } => Self(StatusCode::BAD_REQUEST, error.to_string()),
            ProofError::Log(_) => Self::internal(&error, "read the log"),
        }
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error, "read the database")
    }
}

impl From<JsonRejection> for HttpError {
    fn from(rejection: JsonRejection) -> Self {
        Self::bad_body(rejection.status())
    }
}

impl From<BytesRejection> for HttpError {
    fn from(rejection: BytesRejection) -> Self {
        Self::bad_body(rejection.status())
    }
}

/// Runs blocking work (disk, signatures) off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
) -> Result<T, HttpError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(HttpError::internal(&error, "run a blocking task")),
    }
}
