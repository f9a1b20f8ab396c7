//! Errors of the HTTP API: a status and a sentence that says what to do.

use crate::{
    archive::{ProofError, RecordError},
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

/// What a request gets instead of what it asked for.
#[derive(Debug)]
pub(super) struct Failure(pub StatusCode, pub String);

impl Failure {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(status, message.into())
    }

    pub fn unauthorized() -> Self {
        let text = "sign in first: the bearer token comes with the sign-in and holds while that connection is open";
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// Our own fault; the operator finds the reason in the log of the process.
    pub fn internal(error: &dyn std::fmt::Display, what: &'static str) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}: try again later, and tell who runs the server"))
    }

    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the switchboard is starting again: try again")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(ApiError { error: self.1 })).into_response()
    }
}

impl From<Refusal> for Failure {
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

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        let status = match &error {
            RecordError::Io(_) => return Self::internal(&error, "the archive's disk failed"),
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

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Range { .. } => Self(StatusCode::BAD_REQUEST, error.to_string()),
            ProofError::Log(_) => Self::internal(&error, "the log cannot be read"),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::internal(&error, "the database cannot be read")
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<BytesRejection> for Failure {
    fn from(rejection: BytesRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

/// Runs something that waits for the disk, off the async threads.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Failure::internal(&error, "a task of the server failed")),
    }
}
