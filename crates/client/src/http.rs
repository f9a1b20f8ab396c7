//! The office's HTTP API: JSON requests and record uploads.

use crate::error::ClientError;
use std::{path::Path, time::Duration};
use telcon_proto::{
    CallId,
    http::{API_PREFIX, RecordKept},
};

/// Timeout of a request: the largest record part over a slow line.
const TIMEOUT: Duration = Duration::from_secs(120);

/// An HTTP client for `url`. Root certificates are needed only for `https`.
pub(crate) fn agent(url: &str) -> Result<ureq::Agent, ClientError> {
    let mut config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
    if url.starts_with("https:") {
        config = config.tls_config(crate::tls::http()?);
    }
    Ok(config.build().into())
}

fn no_answer(url: &str) -> impl FnOnce(ureq::Error) -> ClientError {
    move |cause| ClientError::NoAnswer { url: url.to_owned(), cause: Box::new(cause) }
}

/// Sends a JSON request.
///
/// # Errors
/// When there is no response, or the server refuses, with the server's message.
pub fn post_json<T: serde::de::DeserializeOwned>(
    url: &str,
    token: Option<&str>,
    body: &[u8],
) -> Result<T, ClientError> {
    let mut request = agent(url)?.post(url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    parse(url, request.send(body).map_err(no_answer(url))?)
}

/// Reads a JSON resource.
///
/// # Errors
/// When there is no response, or the server refuses, with the server's message.
pub fn get_json<T: serde::de::DeserializeOwned>(url: &str, token: Option<&str>) -> Result<T, ClientError> {
    let mut request = agent(url)?.get(url);
    if let Some(token) = token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    parse(url, request.call().map_err(no_answer(url))?)
}

fn parse<T: serde::de::DeserializeOwned>(
    url: &str,
    mut response: ureq::http::Response<ureq::Body>,
) -> Result<T, ClientError> {
    let text = response.body_mut().read_to_string().map_err(no_answer(url))?;
    if !response.status().is_success() {
        return Err(ClientError::Refused { status: response.status().as_u16(), message: error_message(text) });
    }
    serde_json::from_str(&text).map_err(ClientError::Response)
}

/// The server's message in an error response.
fn error_message(text: String) -> String {
    serde_json::from_str::<telcon_proto::http::ApiError>(&text).map(|e| e.error).unwrap_or(text)
}

/// Uploads a record: its parts, then its seal. The archive accepts all of it or nothing. Idempotent.
///
/// # Errors
/// When a file cannot be read or the server refuses.
pub fn upload(server: &str, token: &str, call: CallId, dir: &Path) -> Result<RecordKept, ClientError> {
    let seal = telcon_record::seal::load(dir)?;
    let finish = || -> Result<RecordKept, ClientError> {
        let seal = dir.join(telcon_record::SEAL_FILE);
        let limit = telcon_record::seal::MAX_SEAL_BYTES as u64;
        let text = telcon_files::read_beneath(dir, telcon_record::SEAL_FILE, limit);
        let text = text.map_err(|error| ClientError::file(seal)(error.into()))?;
        post_json(&format!("{server}{API_PREFIX}/calls/{call}/record"), Some(token), &text)
    };
    for part in &seal.parts {
        let bytes = match telcon_files::read_beneath(dir, &part.name, part.bytes) {
            Ok(bytes) => bytes,
            // An interrupted earlier run may have deleted parts that the archive already has.
            Err(error) => return finish().map_err(|_| ClientError::file(dir.join(&part.name))(error.into())),
        };
        let url = format!("{server}{API_PREFIX}/calls/{call}/record/{}", part.name);
        let mut response = agent(&url)?
            .put(&url)
            .header("authorization", &format!("Bearer {token}"))
            .header("content-type", "application/octet-stream")
            .send(&bytes[..])
            .map_err(no_answer(&url))?;
        if !response.status().is_success() {
            let message = error_message(response.body_mut().read_to_string().map_err(no_answer(&url))?);
            // If the archive already has this record and its response was lost, it accepts the seal again.
            return finish().map_err(|_| ClientError::PartRefused { part: part.name.clone(), message });
        }
    }
    finish()
}
