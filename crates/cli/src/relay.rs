//! `telcon relay`: a standalone relay. It has no key to the content of any call.

use crate::{
    office::{digest, server_url},
    output::Printable,
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
    http::{API_PREFIX, OfficeInfo},
    node::{FromNode, MAX_NODE_MESSAGE_BYTES, ToNode},
};
use telcon_server::node::{NodeHandle, RelayNode, SessionEnd, serve_metrics};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::sleep,
};

/// Maximum size of the token file, bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Queue length in each direction, messages.
const QUEUE: usize = 1024;
/// A connection that ends sooner was rejected by the server.
const REJECTED_WITHIN: Duration = Duration::from_millis(300);
/// Delay between attempts to reconnect.
const RECONNECT_DELAY: Duration = Duration::from_millis(300);

/// Arguments of `telcon relay`.
#[derive(Args)]
#[command(after_help = "Example: telcon relay --server https://office.example --authority 5d1c… --token relay.token \
                        --media 0.0.0.0:3478 --media-addr 203.0.113.8:3478\nThe token is the file relay.token in the server's directory.\n\
                        SIGTERM drains: no new calls, current calls move to other relays, then the relay exits.")]
pub struct RelayArgs {
    /// The office's server.
    #[arg(long)]
    pub server: String,
    /// File with the office's relay token.
    #[arg(long)]
    pub token: PathBuf,
    /// The authority's digest, as printed by `telcon init`. Without it the relay trusts the server's statement.
    #[arg(long, value_parser = digest)]
    pub authority: Option<[u8; 32]>,
    /// Address of the relay's port, for UDP and TCP.
    #[arg(long)]
    pub media: SocketAddr,
    /// Address at which devices reach the relay, if different from --media.
    #[arg(long)]
    pub media_addr: Option<SocketAddr>,
    /// Address of /metrics and /healthz.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
}

/// `telcon relay`.
pub async fn run(args: RelayArgs) -> anyhow::Result<()> {
    let server = &server_url(&args.server)?;
    let token = read_token(&args.token)?;
    let info: OfficeInfo = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
    let office = Office::pin(&info, None).context("--server is not a Telcon office")?;
    let shown = office.authority_sha256();
    if args.authority.is_some_and(|known| known != shown) {
        bail!(
            "the authority of {server} is {}, not the one given with --authority: if `telcon init` did not print this digest, this is not your \
             office's server",
            telcon_proto::hex(&shown)
        );
    }
    if args.authority.is_none() {
        crate::output::tell!(
            "warning: without --authority this relay trusts {server}; its authority is {}",
            telcon_proto::hex(&shown)
        );
    }
    if args.media_addr.is_some_and(|at| at.port() == 0) {
        bail!("--media-addr needs a port other than 0");
    }
    let (mut node, handle, mut task) =
        RelayNode::start(office, args.media, args.media_addr.into_iter().collect()).await.map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::AddrInUse => "the port is in use: choose another one",
                ErrorKind::AddrNotAvailable => "this machine does not have that address",
                ErrorKind::PermissionDenied => "ports below 1024 need root",
                _ => "is it an address that devices can reach? If they use another one, give --media-addr",
            };
            anyhow::Error::from(error).context(format!("cannot use {} for media: {advice}", args.media))
        })?;
    let at = handle.address();
    if at.port() > 0 {
        crate::output::tell!("media at {at} (UDP and TCP)");
    }
    if at.ip().is_loopback() {
        crate::output::tell!(
            "warning: that is the loopback address, which other machines cannot reach: use --media 0.0.0.0:3478 and --media-addr"
        );
    }
    if let Some(listen) = args.listen {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        crate::output::tell!("metrics at http://{}/metrics", listener.local_addr()?);
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
                crate::output::tell!("no calls left; the relay exits");
                return Ok(());
            }
            Ok(SessionEnd::Stopped) => bail!("the relay has stopped"),
            Ok(SessionEnd::ConnectionLost) => {
                (registered_once, last_error) = (true, String::new());
                if !handle.is_draining() {
                    crate::output::tell!("lost the connection to the office's server; calls continue, reconnecting");
                }
            }
            // At the start this is a configuration error; later the server is away, and calls continue.
            Err(error) if !registered_once => return Err(error),
            Err(error) => {
                let text = format!("{error:#}");
                if text != last_error && !handle.is_draining() {
                    crate::output::tell!("not registered: {}", Printable(&text));
                }
                last_error = text;
            }
        }
        if handle.is_draining() {
            let legs = handle.stats().await.map_or(0, |stats| stats.legs);
            if legs == 0 {
                crate::output::tell!("no calls left; the relay exits");
                return Ok(());
            }
            if !told_waiting {
                crate::output::tell!(
                    "the office's server is away, so calls cannot move: waiting for the server or for the end of the calls. A second SIGTERM \
                     ends both."
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
        .context("the office's server rejected this relay: is the token the one in its directory?")?;
    // A server of another version closes the connection immediately.
    let accepted = tokio::spawn(async {
        sleep(REJECTED_WITHIN).await;
        crate::output::tell!("registered with the office's server");
    });
    let (out, mut texts) = socket::texts(socket);
    let (outgoing, mut to_send) = mpsc::channel::<FromNode>(QUEUE);
    let (received, mut incoming) = mpsc::channel::<ToNode>(QUEUE);
    let reader = tokio::spawn(async move {
        while let Some(text) = texts.recv().await {
            // An unknown message comes from a newer server: reconnecting shows the version.
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
    // Queued messages are still sent.
    drop(outgoing);
    let _ = writer.await;
    reader.abort();
    if end == SessionEnd::ConnectionLost && !accepted.is_finished() {
        accepted.abort();
        bail!("the office's server closed the connection immediately: does it have the same version as this relay?");
    }
    Ok(end)
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = telcon_files::read_text_named(path, MAX_TOKEN_BYTES as u64);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let token = text.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if token.is_empty() || text.len() > MAX_TOKEN_BYTES || !plain {
        bail!("{} is not a relay token: copy relay.token from the server's directory", path.display());
    }
    Ok(token.to_owned())
}

fn drain_on_signal(handle: NodeHandle) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        crate::output::tell!("draining: no new calls, current calls move");
        handle.drain();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(1);
    });
    Ok(())
}
