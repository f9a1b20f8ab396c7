//! `telcon relay`: a standalone relay. It has no media keys.

use crate::{
    office::{digest, hex, server_url},
    plain::plain,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use telcon_client::{http::get_json, socket};
use telcon_identity::Office;
use telcon_proto::{
    http::OfficeInfo,
    node::{FromNode, MAX_NODE_MESSAGE_BYTES, ToNode},
};
use telcon_server::node::{NodeHandle, RelayNode, SessionEnd, serve_metrics};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::sleep,
};

/// Longest token file, bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Messages queued in each direction.
const QUEUE: usize = 1024;
/// A connection that lasts no longer was rejected.
const ACCEPTED_AFTER: Duration = Duration::from_millis(300);
/// Delay before reconnecting to the switchboard.
const RECONNECT_DELAY: Duration = Duration::from_millis(300);

/// Arguments of `telcon relay`.
#[derive(Args)]
#[command(after_help = "Example: telcon relay --server https://office.example --authority 5d1c… --token relay.token \
                        --media 0.0.0.0:3478 --media-addr 203.0.113.8:3478\nThe token is in the file relay.token of the server's directory. \
                        SIGTERM drains it: it takes no new calls, its calls move to another relay, and it ends.")]
pub struct RelayArgs {
    /// The office's server.
    #[arg(long)]
    pub server: String,
    /// File with the office's relay token.
    #[arg(long)]
    pub token: PathBuf,
    /// SHA-256 of the office authority's certificate, as `telcon init` printed it. Without it the server is trusted on first use.
    #[arg(long, value_parser = digest)]
    pub authority: Option<[u8; 32]>,
    /// Address of its media port, UDP and TCP.
    #[arg(long)]
    pub media: SocketAddr,
    /// Address at which devices reach it, if different.
    #[arg(long)]
    pub media_addr: Option<SocketAddr>,
    /// Address for /metrics and /healthz.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
}

/// `telcon relay`.
pub async fn run(args: RelayArgs) -> anyhow::Result<()> {
    let server = &server_url(&args.server)?;
    let token = read_token(&args.token)?;
    let info: OfficeInfo = get_json(&format!("{server}/api/office"), None)?;
    let office = Office::pin(&info, None).context("what --server shows is no office")?;
    let shown = office.authority_sha256();
    if args.authority.is_some_and(|known| known != shown) {
        bail!(
            "--authority is not the digest that {server} shows, which is {}: if that is not the one that `telcon init` printed, this is not \
             your office's server",
            hex(&shown)
        );
    }
    if args.authority.is_none() {
        crate::plain::tell!("without --authority this relay trusts {server}, whose authority is {}", hex(&shown));
    }
    if args.media_addr.is_some_and(|at| at.port() == 0) {
        bail!("--media-addr needs the port at which devices reach this relay");
    }
    let (mut node, handle, mut task) =
        RelayNode::start(office, args.media, args.media_addr.into_iter().collect()).await.map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::AddrInUse => "something else has this port: choose another, or end that",
                ErrorKind::AddrNotAvailable => "this machine does not have that address",
                ErrorKind::PermissionDenied => "ports below 1024 are for root",
                _ => "is it an address that devices can send to? If they reach it at another one: --media-addr",
            };
            anyhow::Error::from(error).context(format!("the relay cannot be at {}: {advice}", args.media))
        })?;
    let at = handle.address();
    if at.port() > 0 {
        crate::plain::tell!("devices send their sound to {at} (UDP, or TCP where their network has no UDP)");
    }
    if at.ip().is_loopback() {
        crate::plain::tell!(
            "no device on another machine reaches this address: give --media 0.0.0.0:3478 and --media-addr"
        );
    }
    if let Some(listen) = args.listen {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        crate::plain::tell!("metrics are at http://{}/metrics", listener.local_addr()?);
        tokio::spawn(serve_metrics(listener, handle.clone()));
    }
    drain_on_signal(handle.clone())?;
    let (mut registered_once, mut told_waiting, mut last_error) = (false, false, String::new());
    loop {
        let end = tokio::select! {
            end = run_session(&mut node, server, &token) => end,
            ended = &mut task => bail!("the relay has stopped: {ended:?}"),
        };
        match end {
            Ok(SessionEnd::Drained) => {
                crate::plain::tell!("the relay is drained and ends");
                return Ok(());
            }
            Ok(SessionEnd::Stopped) => bail!("the relay has stopped"),
            Ok(SessionEnd::ConnectionLost) => {
                (registered_once, last_error) = (true, String::new());
                if !handle.is_draining() {
                    crate::plain::tell!(
                        "the connection to the office's server is lost; calls continue, and it is retried until it is back"
                    );
                }
            }
            // Fatal at the start, when it is a configuration error; later the server is down, and calls continue.
            Err(error) if !registered_once => return Err(error),
            Err(error) => {
                let text = format!("{error:#}");
                if text != last_error && !handle.is_draining() {
                    crate::plain::tell!("this relay is not registered: {}", plain(&text));
                }
                last_error = text;
            }
        }
        if handle.is_draining() {
            let legs = handle.stats().await.map_or(0, |stats| stats.legs);
            if legs == 0 {
                crate::plain::tell!("the relay is drained and ends");
                return Ok(());
            }
            if !told_waiting {
                crate::plain::tell!(
                    "the office's server is down, so calls cannot be moved: this relay runs until it is back, or until its calls have ended. \
                     Another SIGTERM ends it and its calls now."
                );
                told_waiting = true;
            }
        }
        sleep(RECONNECT_DELAY).await;
    }
}

async fn run_session(node: &mut RelayNode, server: &str, token: &str) -> anyhow::Result<SessionEnd> {
    let socket = socket::connect(server, "/relays", Some(token), MAX_NODE_MESSAGE_BYTES)
        .await
        .context("the server did not accept this relay: is the token that of relay.token in its directory?")?;
    // A server of another version closes the connection at once.
    let accepted = tokio::spawn(async {
        sleep(ACCEPTED_AFTER).await;
        crate::plain::tell!("the relay is registered");
    });
    let (out, mut texts) = socket::texts(socket);
    let (outgoing, mut to_send) = mpsc::channel::<FromNode>(QUEUE);
    let (received, mut incoming) = mpsc::channel::<ToNode>(QUEUE);
    let reader = tokio::spawn(async move {
        while let Some(text) = texts.recv().await {
            // An unknown message is from a newer server: reconnecting reports the version mismatch.
            let Ok(message) = serde_json::from_str(&text) else { return };
            if received.send(message).await.is_err() {
                return;
            }
        }
    });
    let writer = tokio::spawn(async move {
        while let Some(message) = to_send.recv().await {
            let Ok(text) = serde_json::to_string(&message) else { return };
            if out.send(text).await.is_err() {
                return;
            }
        }
    });
    let end = node.run_session(&mut incoming, &outgoing).await;
    // Flushes the last messages.
    drop(outgoing);
    let _ = writer.await;
    reader.abort();
    if end == SessionEnd::ConnectionLost && !accepted.is_finished() {
        accepted.abort();
        bail!("the office's server closed the connection at once: is it of the same version as this relay?");
    }
    Ok(end)
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let token = text.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if token.is_empty() || text.len() > MAX_TOKEN_BYTES || !plain {
        bail!("{} holds no relay token: copy relay.token from the server's directory", path.display());
    }
    Ok(token.to_owned())
}

fn drain_on_signal(handle: NodeHandle) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        crate::plain::tell!("draining: the relay takes no new calls, and its calls are moved");
        handle.drain();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(1);
    });
    Ok(())
}
