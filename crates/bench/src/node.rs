//! Our relay as a process of its own, told about legs by lines of JSON: the driver that the server runs, and nothing of
//! the server around it.

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

/// Longest line that is read, bytes: an offer, escaped.
pub const MAX_LINE: usize = 128 * 1024;

/// What a node is asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A leg joins a call, which is opened if it is not.
    Join {
        /// The call.
        call: u32,
        /// The leg.
        leg: u32,
        /// Its offer.
        offer: String,
    },
    /// What has the relay counted?
    Count,
}

/// What it says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It runs.
    Ready,
    /// The answer to a leg's offer.
    Answer(String),
    /// The relay's counters, as it prints them.
    Counters(String),
    /// It was refused.
    Refused(String),
}

/// Runs a relay on an address until standard input ends.
///
/// # Errors
/// When the socket cannot be had, or a line is not a request.
pub async fn run(address: IpAddr) -> Result<()> {
    let bind = (address, 0).into();
    let (relay, task) = start(bind, RelayConfig::new(vec![bind])).await.context("the relay does not start")?;
    let mut lines = requests()?;
    say(&Reply::Ready)?;
    while let Some(line) = lines.recv().await {
        let request = serde_json::from_str(&line?).context("not a request")?;
        say(&obey(&relay, request).await?)?;
    }
    drop(relay);
    task.await?.context("the relay failed")
}

/// The lines of standard input, from a thread that waits for them.
fn requests() -> Result<mpsc::Receiver<Result<String>>> {
    let (found, lines) = mpsc::channel(1);
    let read = move || {
        let mut input = std::io::stdin().lock();
        loop {
            let line = next(&mut input);
            let over = line.is_err();
            let Some(line) = line.transpose() else { return };
            if found.blocking_send(line).is_err() || over {
                return;
            }
        }
    };
    std::thread::Builder::new().name("requests".into()).spawn(read)?;
    Ok(lines)
}

fn next(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    input.take(MAX_LINE as u64).read_line(&mut line)?;
    ensure!(line.is_empty() || line.ends_with('\n'), "a request of more than {MAX_LINE} bytes, or half of one");
    Ok(Some(line).filter(|line| !line.is_empty()))
}

fn say(reply: &Reply) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

async fn obey(relay: &RelayHandle, request: Request) -> Result<Reply> {
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
    fn lines_end_and_are_not_endless() {
        let mut input = &b"one\ntwo\n"[..];
        assert_eq!(next(&mut input).unwrap().as_deref(), Some("one\n"));
        assert_eq!(next(&mut input).unwrap().as_deref(), Some("two\n"));
        assert_eq!(next(&mut input).unwrap(), None);
        assert!(next(&mut &b"half"[..]).is_err());
        assert!(next(&mut &vec![b'x'; MAX_LINE + 1][..]).is_err());
    }

    #[test]
    fn requests_are_read_strictly() {
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
