//! Extractors whose rejections are documented errors of the API: axum's are plain text, and quote what was sent.

use super::error::HttpError;
use axum::{
    body::Bytes,
    extract::{self, FromRequest, FromRequestParts, Request, rejection::PathRejection, ws::WebSocketUpgrade},
    http::{StatusCode, request::Parts},
};
use serde::{
    Deserialize as _, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use telcon_proto::message::Object;

/// Parameters in the path; 400 if one is malformed.
pub(super) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let read: Result<extract::Path<T>, PathRejection> = extract::Path::from_request_parts(parts, state).await;
        read.map(|extract::Path(value)| Self(value))
            .map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, "a parameter in the path is malformed"))
    }
}

/// Parameters in the query; 400 if it does not have the documented form.
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let text = "the query does not have the documented form: see /api/v1/openapi.json";
        let read = extract::Query::from_request_parts(parts, state).await;
        read.map(|extract::Query(value)| Self(value)).map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, text))
    }
}

/// Deserializes where a list goes on: a time or an index, at most what the API's `int64` holds, which is what databases hold.
///
/// # Errors
/// If it is no number, or greater.
pub(super) fn position<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let position = u64::deserialize(from)?;
    i64::try_from(position).map(|_| Some(position)).map_err(D::Error::custom)
}

/// How many lines of a list a request asks for; none if not between 1 and `most`.
pub(super) fn page_limit(asked: Option<u32>, default: u32, most: u32) -> Option<u32> {
    Some(asked.unwrap_or(default)).filter(|limit| (1..=most).contains(limit))
}

/// Whether JSON text holds the character NUL, which no text of Telcon has and PostgreSQL does not store. In JSON it is an escape; as a
/// byte it is not valid there.
pub(super) fn holds_nul(json: &[u8]) -> bool {
    json.windows(NUL.len()).any(|window| window == NUL)
}

const NUL: &[u8] = b"\\u0000";

/// A JSON body, an object. 422 if it holds NUL or does not have the documented form.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await?;
        if holds_nul(&bytes) {
            let text = "the body holds the character NUL, which no text may have: remove it";
            return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        let axum::Json(Object(value)) =
            axum::Json::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(value))
    }
}

/// A request to open a WebSocket, if it is one: whether its sender may is checked first.
pub(super) struct Upgrade(Option<WebSocketUpgrade>);

impl Upgrade {
    /// The upgrade.
    ///
    /// # Errors
    /// 400 if the request is an ordinary one.
    pub fn checked(self) -> Result<WebSocketUpgrade, HttpError> {
        self.0.ok_or_else(|| HttpError::new(StatusCode::BAD_REQUEST, "this address is for WebSocket connections"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(WebSocketUpgrade::from_request_parts(parts, state).await.ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::{IntoDeserializer as _, value};

    #[test]
    fn a_position_that_no_database_holds_is_refused() {
        let read = |number: u64| {
            let from: value::U64Deserializer<value::Error> = number.into_deserializer();
            position(from)
        };
        assert_eq!(read(i64::MAX as u64).unwrap(), Some(i64::MAX as u64));
        assert!(read(i64::MAX as u64 + 1).is_err());
    }
}
