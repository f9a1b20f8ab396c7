//! The office's HTTP API: JSON requests and record uploads.

use crate::error::ClientError;
use std::{path::Path, time::Duration};
use telcon_proto::{
    CallId,
    http::{API_PREFIX, RecordKept},
    printable::printable,
};

/// Timeout of a request: the largest record part over a slow line.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Most of a server's message that is told, characters.
const MAX_MESSAGE_CHARS: usize = 500;

/// An HTTP client for `url`. Root certificates are needed only for `https`. It follows no redirect: what another address says is
/// not what the office says that was named.
pub(crate) fn agent(url: &str) -> Result<ureq::Agent, ClientError> {
    let mut config =
        ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).max_redirects(0);
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

/// Reads a resource as it is, at most as large as a sealed document.
///
/// # Errors
/// When there is no response, or the server refuses, with the server's message.
pub fn get_bytes(url: &str, token: &str) -> Result<Vec<u8>, ClientError> {
    let request = agent(url)?.get(url).header("authorization", &format!("Bearer {token}"));
    bytes(url, request.call().map_err(no_answer(url))?)
}

/// Sends a body with PUT, and returns that of the answer.
///
/// # Errors
/// When there is no response, or the server refuses, with the server's message.
pub fn put(url: &str, token: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, ClientError> {
    let request =
        agent(url)?.put(url).header("authorization", &format!("Bearer {token}")).header("content-type", content_type);
    bytes(url, request.send(body).map_err(no_answer(url))?)
}

fn bytes(url: &str, mut response: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>, ClientError> {
    let limit = telcon_proto::limits::MAX_DOCUMENT_BYTES as u64;
    let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(no_answer(url))?;
    if !response.status().is_success() {
        let message = error_message(String::from_utf8_lossy(&body).into_owned());
        return Err(ClientError::Refused { status: response.status().as_u16(), message });
    }
    Ok(body)
}

fn parse<T: serde::de::DeserializeOwned>(
    url: &str,
    mut response: ureq::http::Response<ureq::Body>,
) -> Result<T, ClientError> {
    let text = response.body_mut().read_to_string().map_err(no_answer(url))?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        let elsewhere = response.headers().get("location").filter(|_| response.status().is_redirection());
        let message = match elsewhere {
            Some(address) => {
                let address = shown(&String::from_utf8_lossy(address.as_bytes()));
                format!("it refers to {address}; if the office is there, give that address")
            }
            None => error_message(text),
        };
        return Err(ClientError::Refused { status, message });
    }
    // The flaw can repeat names in the response.
    serde_json::from_str(&text)
        .map_err(|flaw| ClientError::Response(serde::de::Error::custom(shown(&flaw.to_string()))))
}

/// The server's message in an error response, on one line.
fn error_message(text: String) -> String {
    shown(&serde_json::from_str::<telcon_proto::http::ApiError>(&text).map(|e| e.error).unwrap_or(text))
}

/// Text of a server as it can be shown: its line breaks would forge lines on a terminal.
fn shown(text: &str) -> String {
    printable(text.trim()).chars().take(MAX_MESSAGE_CHARS).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use telcon_proto::printable::is_active;

    /// A server that gives one answer, and its address.
    fn answering(answer: String) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::<u8>::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                let mut bytes = [0; 1024];
                let read = stream.read(&mut bytes).unwrap();
                assert_ne!(read, 0, "the request ended early");
                request.extend(&bytes[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        (address, server)
    }

    /// What is told of this answer to a request for a `T`.
    fn told<T: serde::de::DeserializeOwned + std::fmt::Debug>(head: &str, body: &str) -> String {
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        let (address, server) = answering(answer);
        let error = get_json::<T>(&address, None).unwrap_err();
        server.join().unwrap();
        error.to_string()
    }

    #[test]
    fn no_answer_of_a_server_forges_a_line() {
        let forged = r#"{"error":"gone\nentries     everything fine\nLog consistent."}"#;
        let plain = "gone\r\nLog consistent.\u{1b}[2J";
        let long = "x".repeat(100_000);
        for (head, body) in [("410 Gone", forged), ("502 Bad Gateway", plain), ("500 Error", &long)] {
            let text = told::<String>(head, body);
            assert!(!text.contains(is_active), "{text:?}");
            assert!(text.len() < 1000, "{} bytes", text.len());
        }
        // The flaw of a response repeats what is in it.
        let text = told::<telcon_proto::RecordMode>("200 OK", r#""gone\nLog consistent.""#);
        assert!(text.contains("Log consistent.") && !text.contains(is_active), "{text:?}");
    }

    #[test]
    fn a_redirect_is_not_followed_and_where_it_leads_is_told() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let address = elsewhere.local_addr().unwrap();
        for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let text = told::<String>(&format!("{status}\r\nlocation: http://{address}/api"), "");
            assert!(text.contains(&address.to_string()), "{text}");
            assert!(elsewhere.accept().is_err(), "{status} was followed");
        }
    }
}
