//! Bringing a sealed record into the archive.

use anyhow::{Context as _, bail};
use std::{path::Path, time::Duration};
use telcon_proto::{
    CallId,
    http::{API_PREFIX, RecordKept},
};

/// How long one request may take: a part of an hour of sound on a slow line.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A client for `url`, which needs this machine's root certificates only where there is TLS.
fn agent(url: &str) -> anyhow::Result<ureq::Agent> {
    let mut config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
    if url.starts_with("https:") {
        config = config.tls_config(crate::tls::http()?);
    }
    Ok(config.build().into())
}

/// Whether a request failed without an answer: nobody knows whether the server did what it was asked for.
pub fn is_unanswered(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ureq::Error>().is_some()
}

/// A JSON request to the office's HTTP API.
///
/// # Errors
/// With the server's own words when it refuses.
pub fn post_json<T: serde::de::DeserializeOwned>(url: &str, token: Option<&str>, body: &[u8]) -> anyhow::Result<T> {
    let mut request = agent(url)?.post(url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    read(request.send(body).with_context(|| format!("no answer from {url}; is the server running?"))?)
}

/// Reads JSON from the office's HTTP API.
///
/// # Errors
/// With the server's own words when it refuses.
pub fn get_json<T: serde::de::DeserializeOwned>(url: &str, token: Option<&str>) -> anyhow::Result<T> {
    let mut request = agent(url)?.get(url);
    if let Some(token) = token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    read(request.call().with_context(|| format!("no answer from {url}; is the server running?"))?)
}

fn read<T: serde::de::DeserializeOwned>(mut response: ureq::http::Response<ureq::Body>) -> anyhow::Result<T> {
    let text = response.body_mut().read_to_string()?;
    if !response.status().is_success() {
        bail!("the office's server refused ({}): {}", response.status().as_u16(), said(text));
    }
    Ok(serde_json::from_str(&text)?)
}

/// The server's own words in an answer that refuses.
fn said(text: String) -> String {
    serde_json::from_str::<telcon_proto::http::ApiError>(&text).map(|e| e.error).unwrap_or(text)
}

/// Uploads a record's parts and then its seal; the archive takes all of it or nothing. May be repeated.
///
/// # Errors
/// When a file cannot be read or the server refuses.
pub fn upload(server: &str, token: &str, call: CallId, dir: &Path) -> anyhow::Result<RecordKept> {
    let seal = telcon_record::seal::load(dir)?;
    let finish = || -> anyhow::Result<RecordKept> {
        let text = std::fs::read(dir.join(telcon_record::SEAL_FILE))?;
        post_json(&format!("{server}{API_PREFIX}/calls/{call}/record"), Some(token), &text)
    };
    for part in &seal.parts {
        let bytes = match std::fs::read(dir.join(&part.name)) {
            Ok(bytes) => bytes,
            // An earlier run may have begun to clear what the archive has.
            Err(error) => return finish().map_err(|_| anyhow::anyhow!("cannot read {}: {error}", part.name)),
        };
        let url = format!("{server}{API_PREFIX}/calls/{call}/record/{}", part.name);
        let mut response = agent(&url)?
            .put(&url)
            .header("authorization", &format!("Bearer {token}"))
            .header("content-type", "application/octet-stream")
            .send(&bytes[..])?;
        if !response.status().is_success() {
            let said = said(response.body_mut().read_to_string()?);
            // An archive that has this record already, whose answer was lost, says so to its seal.
            return finish().map_err(|_| anyhow::anyhow!("the archive refused {}: {said}", part.name));
        }
    }
    finish()
}
