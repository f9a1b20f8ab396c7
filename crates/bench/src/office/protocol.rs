//! The wire protocol of the switchboard as far as the load generator speaks it. No other module of the benchmark knows
//! message formats or paths.

use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use telcon_identity::{DeviceKey, sign_in, sign_line, sign_ring, with_sealed_form};
use telcon_proto::{
    Blob, CallId, ClientMessage, DeviceId, Digest, OfficeName, PersonId, RecordMode, SuiteName, WIRE_VERSION,
    http::EnrolRequest,
    line::{Line, OverLine},
    message::{RefusalCode, Ring},
};

/// Path of the WebSocket.
pub(super) const SOCKET_PATH: &str = "/ws";
/// Path for enrolments (`POST`).
pub(super) const ENROL_PATH: &str = "/api/v1/devices";
/// Path of the office's description, which is answered when the server is ready.
pub(super) const OFFICE_PATH: &str = "/api/v1/office";
/// Path of the metrics.
pub(super) const METRICS_PATH: &str = "/metrics";
/// Metric with the number of log entries.
pub(super) const LOG_ENTRIES_METRIC: &str = "telcon_log_entries";
/// Ping interval of the clients, milliseconds.
pub(super) const PING_INTERVAL_MS: u64 = 20_000;

/// A message of the server, reduced to what the generator reacts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Sign in with this nonce.
    Challenge(Vec<u8>),
    /// Signed in.
    SignedIn,
    /// A ring arrived at the callee. A device has at most one call, so the call is not parsed.
    Ringing,
    /// The caller's call was logged.
    Opened,
    /// The caller is asked to commit the callee's KeyPackage.
    JoinAsked(CallId),
    /// A commit was ordered.
    Committed(CallId),
    /// The call ended.
    Ended(CallId),
    /// A message was refused.
    Refused(Option<CallId>, RefusalCode),
    /// Anything else: presence, checkpoints, notices.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    call: Option<CallId>,
    nonce: Option<Blob>,
    code: Option<RefusalCode>,
}

/// Parses a message.
///
/// # Errors
/// When it is not JSON, or lacks a field that is needed.
pub(super) fn parse(text: &str) -> Result<Incoming> {
    // The bulk of the traffic. Their tag comes first, so the rest need not be parsed.
    for frequent in ["people", "checkpoint", "contact"] {
        if text.strip_prefix("{\"type\":\"").is_some_and(|rest| rest.starts_with(frequent)) {
            return Ok(Incoming::Other);
        }
    }
    if text.starts_with("{\"type\":\"signed_in\"") {
        return Ok(Incoming::SignedIn);
    }
    if text.starts_with("{\"type\":\"ringing\"") {
        return Ok(Incoming::Ringing);
    }
    let message: Envelope<'_> = serde_json::from_str(text).context("the server sent an unknown message")?;
    let call = || message.call.context("the server's message names no call");
    Ok(match &*message.kind {
        "challenge" => Incoming::Challenge(message.nonce.context("a challenge without a nonce")?.0),
        "signed_in" => Incoming::SignedIn,
        "ringing" => Incoming::Ringing,
        "opened" => Incoming::Opened,
        "join_asked" => Incoming::JoinAsked(call()?),
        "committed" => Incoming::Committed(call()?),
        "ended" => Incoming::Ended(call()?),
        "refused" => Incoming::Refused(message.call, message.code.context("a refusal without a code")?),
        _ => Incoming::Other,
    })
}

fn text(message: &ClientMessage) -> String {
    serde_json::to_string(message).expect("invariant: messages have no map keys that JSON cannot hold")
}

/// The first message of a connection.
pub(super) fn hello(device: DeviceId) -> String {
    text(&ClientMessage::Hello { version: WIRE_VERSION, device, program: None })
}

/// Answers a challenge.
pub(super) fn prove(key: &DeviceKey, domain: &str, device: DeviceId, nonce: &[u8]) -> String {
    text(&ClientMessage::Prove { jws: sign_in(key, domain, device, nonce), ticket: None })
}

/// Keepalive. Asks for a checkpoint, without a consistency proof as of a device that has none.
pub(super) fn ping() -> String {
    text(&ClientMessage::Ping { log_size: 0 })
}

/// What a ring is signed over.
pub(super) struct RingSpec<'a> {
    pub(super) office: &'a OfficeName,
    pub(super) suite: SuiteName,
    pub(super) call: CallId,
    pub(super) from: DeviceId,
    pub(super) to: PersonId,
    pub(super) at_ms: u64,
    pub(super) over: Option<OverLine>,
}

/// A ring with its signature.
pub(super) fn ring(key: &DeviceKey, chain: &[Vec<u8>], spec: &RingSpec<'_>) -> String {
    let ring = Ring {
        version: WIRE_VERSION,
        call: spec.call.at(spec.office),
        from: spec.from.at(spec.office),
        to: spec.to.at(spec.office),
        mode: RecordMode::LogOnly,
        suite: spec.suite,
        at_ms: spec.at_ms,
        on_behalf: None,
        over: spec.over,
    };
    text(&ClientMessage::Ring { jws: sign_ring(key, chain, &ring) })
}

/// The first version of a line, signed by its principal's device, and what rings over it name.
pub(super) fn give_line(key: &DeviceKey, chain: &[Vec<u8>], line: &Line) -> (String, OverLine) {
    let statement = sign_line(key, chain, line);
    let statement_sha256 = Digest::from_bytes(Sha256::digest(&statement).into());
    // As long as what a device seals to custodians. The server cannot open it, and here nobody does.
    let sent = with_sealed_form(&statement, statement.as_bytes());
    (text(&ClientMessage::SignLine { statement: sent }), OverLine { line: line.line, statement_sha256 })
}

/// The callee's device shows the ring.
pub(super) fn ring_shown(call: CallId) -> String {
    text(&ClientMessage::RingShown { call })
}

/// The callee declines.
pub(super) fn decline(call: CallId) -> String {
    text(&ClientMessage::Decline { call, reply: None })
}

/// The caller cancels.
pub(super) fn cancel(call: CallId) -> String {
    text(&ClientMessage::HangUp { call, failed: false })
}

/// The callee answers. The server cannot read a KeyPackage, so its content does not matter, only its usual size.
pub(super) fn answer(call: CallId) -> String {
    text(&ClientMessage::Answer { call, key_package: Blob(vec![1; 3_000]) })
}

/// The caller adds the callee. As with [`answer`], the server does not read the content.
pub(super) fn commit(call: CallId, adds: DeviceId) -> String {
    let (commit, welcome) = (Blob(vec![2; 5_000]), Some(Blob(vec![3; 8_000])));
    text(&ClientMessage::Commit { call, epoch: 0, commit, welcome, adds: vec![adds], removes: Vec::new() })
}

/// Body of an enrolment.
pub(super) fn enrolment(chain: &[Vec<u8>]) -> Result<Vec<u8>> {
    let chain = chain.iter().cloned().map(Blob).collect();
    Ok(serde_json::to_vec(&EnrolRequest { chain })?)
}

/// An HTTP/1.1 request on a kept-alive connection.
pub(super) fn request(method: &str, path: &str, host: &str, body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", body.len());
    if !body.is_empty() {
        let _ = write!(head, "content-type: application/json\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::ServerMessage;

    fn parsed(message: &ServerMessage) -> Incoming {
        parse(&serde_json::to_string(message).unwrap()).unwrap()
    }

    #[test]
    fn messages_of_the_server_are_recognized() {
        let call = CallId::from_bytes([7; 16]);
        assert_eq!(
            parsed(&ServerMessage::Challenge { nonce: Blob(vec![1, 2]), now_ms: 0 }),
            Incoming::Challenge(vec![1, 2])
        );
        let how = telcon_proto::Ended::Declined;
        assert_eq!(parsed(&ServerMessage::Ended { call, how, reply: None }), Incoming::Ended(call));
        let (code, message) = (RefusalCode::TooMany, "wait".to_owned());
        let refused = ServerMessage::Refused { call: Some(call), code, message };
        assert_eq!(parsed(&refused), Incoming::Refused(Some(call), RefusalCode::TooMany));
        let devices = Vec::new();
        assert_eq!(parsed(&ServerMessage::RemoveAsked { call, devices }), Incoming::Other);
        assert!(parse("{").is_err());
    }

    #[test]
    fn own_messages_are_valid() {
        let call = CallId::from_bytes([7; 16]);
        let device = DeviceId::from_bytes([8; 16]);
        for text in
            [hello(device), ping(), ring_shown(call), decline(call), cancel(call), answer(call), commit(call, device)]
        {
            assert!(serde_json::from_str::<ClientMessage>(&text).is_ok(), "{text}");
        }
        let request = request("POST", "/x", "localhost", b"{}");
        assert!(request.starts_with(b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"));
        assert!(request.ends_with(b"\r\n\r\n{}"));
    }
}
