//! Our relay as a process of its own, controlled by JSON lines on standard input: the same driver that the server runs,
//! without the server.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead, Read, Write},
    net::IpAddr,
};
use telcon_proto::CallId;
use telcon_relay::{
    LegId, OpenedCall, RelayConfig,
    net::{RelayHandle, start},
};
use tokio::sync::mpsc;

/// Longest request, bytes: an escaped SDP offer.
pub const MAX_LINE: usize = 128 * 1024;

/// A request.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A leg joins a call, which is opened if necessary.
    Join {
        /// The call.
        call: u32,
        /// The leg.
        leg: u32,
        /// Its offer.
        offer: String,
    },
    /// The relay's counters.
    Count,
}

/// A reply.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Started.
    Ready,
    /// The SDP answer to a leg's offer.
    Answer(String),
    /// The relay's counters, formatted.
    Counters(String),
    /// The request was refused.
    Refused(String),
}

/// Runs a relay at an address until standard input is closed.
///
/// # Errors
/// When the socket cannot be bound, or a line is not a request.
pub async fn run(address: IpAddr) -> Result<()> {
    let bind = (address, 0).into();
    let (relay, task) = start(bind, RelayConfig::new(vec![bind])).await.context("cannot start the relay")?;
    let mut lines = requests()?;
    send(&Reply::Ready)?;
    while let Some(line) = lines.recv().await {
        let request = serde_json::from_str(&line?).context("not a request")?;
        send(&handle_request(&relay, request).await?)?;
    }
    drop(relay);
    task.await?.context("the relay failed")
}

/// The lines of standard input, read by a blocking thread.
fn requests() -> Result<mpsc::Receiver<Result<String>>> {
    let (sender, lines) = mpsc::channel(1);
    let read = move || {
        let mut input = std::io::stdin().lock();
        loop {
            let line = read_line(&mut input);
            let failed = line.is_err();
            let Some(line) = line.transpose() else { return };
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("requests".into()).spawn(read)?;
    Ok(lines)
}

fn read_line(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    input.take(MAX_LINE as u64).read_line(&mut line)?;
    ensure!(line.is_empty() || line.ends_with('\n'), "a request of more than {MAX_LINE} bytes, or a truncated one");
    Ok(Some(line).filter(|line| !line.is_empty()))
}

fn send(reply: &Reply) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

async fn handle_request(relay: &RelayHandle, request: Request) -> Result<Reply> {
    match request {
        Request::Join { call, leg, offer } => {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&call.to_be_bytes());
            let id = CallId::from_bytes(id);
            let opened = relay.open_call(OpenedCall { call: id, log_index: u64::from(call) }).await;
            let answer = match opened {
                Ok(()) => relay.add_leg(id, LegId(u64::from(leg)), offer).await,
                Err(refused) => Err(refused),
            };
            Ok(answer.map_or_else(|refused| Reply::Refused(refused.to_string()), Reply::Answer))
        }
        Request::Count => Ok(Reply::Counters(format!("{:?}", relay.stats().await?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_terminated_and_limited() {
        let mut input = &b"one\ntwo\n"[..];
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some("one\n"));
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some("two\n"));
        assert_eq!(read_line(&mut input).unwrap(), None);
        assert!(read_line(&mut &b"half"[..]).is_err());
        assert!(read_line(&mut &vec![b'x'; MAX_LINE + 1][..]).is_err());
    }

    #[test]
    fn requests_are_parsed_strictly() {
        let join = Request::Join { call: 1, leg: 2, offer: "v=0\r\n".into() };
        let line = serde_json::to_string(&join).unwrap();
        assert_eq!(line, r#"{"join":{"call":1,"leg":2,"offer":"v=0\r\n"}}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), join);
        assert_eq!(serde_json::from_str::<Request>(r#""count""#).unwrap(), Request::Count);
        for wrong in [r#"{"join":{"call":1,"leg":2}}"#, r#"{"join":{"call":-1,"leg":2,"offer":""}}"#, "{}", "[]", "x"] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }
}
