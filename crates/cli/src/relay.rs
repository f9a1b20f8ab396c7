//! `telcon relay`: a relay in a process of its own. It has no key to anything that is said.

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
use telcon_client::{socket, upload::get_json};
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

/// Longest token file that is read, bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Messages that wait, each way.
const WAITING: usize = 1024;
/// A connection that lasts no longer was not taken.
const MOMENT: Duration = Duration::from_millis(300);
/// Pause before a switchboard that was lost is looked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Arguments of `telcon relay`.
#[derive(Args)]
#[command(after_help = "Example: telcon relay --server https://office.example --authority 5d1c… --token relay.token \
                        --media 0.0.0.0:3478 --media-addr 203.0.113.8:3478\nThe token is in the file relay.token of the server's directory. \
                        SIGTERM: it takes no new calls, its calls move to another relay, and it ends.")]
pub struct RelayArgs {
    /// The office's server.
    #[arg(long)]
    pub server: String,
    /// File with the office's relay token.
    #[arg(long)]
    pub token: PathBuf,
    /// SHA-256 of the office authority's certificate, as `telcon init` printed it. Without it the server is believed.
    #[arg(long, value_parser = digest)]
    pub authority: Option<[u8; 32]>,
    /// Address of its port, UDP and TCP.
    #[arg(long)]
    pub media: SocketAddr,
    /// Address at which devices reach it, if it is another one.
    #[arg(long)]
    pub media_addr: Option<SocketAddr>,
    /// Where /metrics and /healthz are served.
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
        crate::plain::tell!("without --authority this relay believes {server}, whose authority is {}", hex(&shown));
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
        crate::plain::tell!("so no device of another machine reaches it: give --media 0.0.0.0:3478 and --media-addr");
    }
    if let Some(listen) = args.listen {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        crate::plain::tell!("its numbers are at http://{}/metrics", listener.local_addr()?);
        tokio::spawn(serve_metrics(listener, handle.clone()));
    }
    drain_on_signal(handle.clone())?;
    let (mut known, mut waits, mut trouble) = (false, false, String::new());
    loop {
        let left = tokio::select! {
            left = converse(&mut node, server, &token) => left,
            ended = &mut task => bail!("the relay has stopped: {ended:?}"),
        };
        match left {
            Ok(SessionEnd::Drained) => {
                crate::plain::tell!("the relay has no calls any more and ends");
                return Ok(());
            }
            Ok(SessionEnd::Stopped) => bail!("the relay has stopped"),
            Ok(SessionEnd::Disconnected) => {
                (known, trouble) = (true, String::new());
                if !handle.is_draining() {
                    crate::plain::tell!(
                        "the office's server is lost; calls go on without it, and it is tried until it is back"
                    );
                }
            }
            // At the start it is the operator's mistake; later the switchboard is away, and calls go on without it.
            Err(error) if !known => return Err(error),
            Err(error) => {
                let text = format!("{error:#}");
                if text != trouble && !handle.is_draining() {
                    crate::plain::tell!("this relay is not registered: {}", plain(&text));
                }
                trouble = text;
            }
        }
        if handle.is_draining() {
            let legs = handle.stats().await.map_or(0, |stats| stats.legs);
            if legs == 0 {
                crate::plain::tell!("the relay has no calls any more and ends");
                return Ok(());
            }
            if !waits {
                crate::plain::tell!(
                    "the office's server is away, so that calls cannot move: this relay stays until it is back, or until its calls are over. \
                     Another SIGTERM ends it with them."
                );
                waits = true;
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn converse(node: &mut RelayNode, server: &str, token: &str) -> anyhow::Result<SessionEnd> {
    let socket = socket::connect(server, "/relays", Some(token), MAX_NODE_MESSAGE_BYTES)
        .await
        .context("the switchboard did not take this relay: is the token the one in its directory?")?;
    // A server of another version ends the connection at once.
    let stays = tokio::spawn(async {
        sleep(MOMENT).await;
        crate::plain::tell!("the relay is registered");
    });
    let (out, mut texts) = socket::texts(socket);
    let (say, mut said) = mpsc::channel::<FromNode>(WAITING);
    let (hear, mut heard) = mpsc::channel::<ToNode>(WAITING);
    let reader = tokio::spawn(async move {
        while let Some(text) = texts.recv().await {
            // What this version does not understand is a newer switchboard's: connecting again shows the version.
            let Ok(message) = serde_json::from_str(&text) else { return };
            if hear.send(message).await.is_err() {
                return;
            }
        }
    });
    let writer = tokio::spawn(async move {
        while let Some(message) = said.recv().await {
            let Ok(text) = serde_json::to_string(&message) else { return };
            if out.send(text).await.is_err() {
                return;
            }
        }
    });
    let left = node.serve(&mut heard, &say).await;
    // What was said last still goes out.
    drop(say);
    let _ = writer.await;
    reader.abort();
    if left == SessionEnd::Disconnected && !stays.is_finished() {
        stays.abort();
        bail!("the office's server ended the connection at once: is it of the same version as this relay?");
    }
    Ok(left)
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
        crate::plain::tell!("the relay takes no new calls; those that it has move");
        handle.drain();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(1);
    });
    Ok(())
}
