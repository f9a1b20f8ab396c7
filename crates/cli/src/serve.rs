//! `telcon serve`: the office's server. It has no key to the content of any call.

use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use telcon_client::endpoint::now_ms;
use telcon_identity::{Authority, CharterTerms};
use telcon_proto::{
    device_policy::{DevicePolicy, MAX_DEVICE_POLICY_BYTES},
    http::OfficeInfo,
};
use telcon_server::{
    MAX_TURN_SECRET_BYTES, Network, ProtectionConfig, PushConfig, PushService, Running, Server, ServerConfig,
    SsoConfig, TrustedProxies, Turn, objects::ObjectsLocation, store::StoreLocation,
};
use tokio::signal::unix::{SignalKind, signal};

/// Where an office's database is.
#[derive(Args, Clone)]
pub struct StoreArgs {
    /// The database: postgres://USER@HOST/DATABASE, or sqlite:PATH; by default telcon.db in the server's directory. A
    /// command line is seen by every user of the machine: a password belongs into PGPASSWORD.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
}

impl StoreArgs {
    /// The location that they name.
    ///
    /// # Errors
    /// If they name none.
    pub fn location(&self, data: &Path) -> anyhow::Result<StoreLocation> {
        Ok(self
            .store
            .as_deref()
            .map(StoreLocation::parse)
            .transpose()?
            .unwrap_or_else(|| StoreLocation::default_in(data)))
    }
}

/// Where an office's sealed files are.
#[derive(Args, Clone)]
pub struct ObjectsArgs {
    /// The sealed files: s3://BUCKET/PREFIX, or disk:PATH; by default archive in the server's directory. Credentials,
    /// region and endpoint of S3 are read from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    /// AWS_ENDPOINT_URL). The log stays in the server's directory.
    #[arg(long, value_name = "URL")]
    pub objects: Option<String>,
}

impl ObjectsArgs {
    /// The location that they name.
    ///
    /// # Errors
    /// If they name none.
    pub fn location(&self, data: &Path) -> anyhow::Result<ObjectsLocation> {
        let named = self.objects.as_deref().map(|text| ObjectsLocation::parse(text, data)).transpose()?;
        Ok(named.unwrap_or_else(|| ObjectsLocation::default_in(data)))
    }
}

/// Arguments of `telcon serve`.
#[derive(Args)]
#[command(after_help = "Example: telcon serve --data /srv/telcon/server --listen 127.0.0.1:8080 --media 0.0.0.0:3478 \
                        --media-addr 203.0.113.7:3478 --web web/dist")]
pub struct ServeArgs {
    /// The server's directory: `server` in the directory that `telcon init` created.
    #[arg(long)]
    pub data: PathBuf,
    /// Address of the web page and the API. Browsers require TLS for any address but localhost: put a proxy in front.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of /healthz and /metrics, for the operator's monitoring: keep it from the public. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:9080")]
    pub admin_listen: SocketAddr,
    /// Proxy whose X-Forwarded-For is believed: an address or a network, such as 172.18.0.0/16. Can be repeated. By default
    /// proxies on this machine.
    #[arg(long, value_name = "CIDR")]
    pub trusted_proxy: Vec<Network>,
    /// Address of the embedded relay, for UDP and TCP. Above 64 calls the following ports are used too, one per core. Port 0 selects free ports.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub media: SocketAddr,
    /// Address at which devices reach the relay, if different from --media.
    #[arg(long)]
    pub media_addr: Option<SocketAddr>,
    /// Directory of the built web page (web/dist).
    #[arg(long)]
    pub web: Option<PathBuf>,
    /// TURN server for devices in networks that allow only TLS, for example
    /// turns:turn.office.example:443?transport=tcp. Can be repeated.
    #[arg(long, requires = "turn_secret")]
    pub turn: Vec<String>,
    /// File with the secret shared with the TURN server (coturn: static-auth-secret).
    #[arg(long, requires = "turn")]
    pub turn_secret: Option<PathBuf>,
    /// The web page does not let people go on in a browser whose keys are not protected by a passkey or PIN.
    #[arg(long)]
    pub require_protection: bool,
    /// File with the office's rules for devices, JSON: kinds of device, oldest version, protection, idle lock and number of devices, for everybody
    /// and for single roles (docs/operating.md).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// File about the office's provider for single sign-on (OpenID Connect), JSON: people of some roles sign in there too, after their device
    /// has proven its key (docs/operating.md).
    #[arg(long, value_name = "FILE")]
    pub oidc: Option<PathBuf>,
    /// Origin of the web page, if it is not https:// and the office's domain: a host below that domain, for example
    /// `https://telcon.office.example`. Can be repeated. Passkeys work there too.
    #[arg(long, value_name = "ORIGIN")]
    pub page_origin: Vec<String>,
    /// Push service in a private network to which the server may send: its origin, for example
    /// `https://push.office.example:8443`; http only on loopback. Can be repeated. Public push services need not be listed.
    #[arg(long, value_name = "ORIGIN", conflicts_with = "no_push")]
    pub push_service: Vec<PushService>,
    /// Send no push messages: the server connects to no push service, and security officers see alerts only while the page is open.
    #[arg(long)]
    pub no_push: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub objects: ObjectsArgs,
}

/// A running server.
pub type Serving = Running;

/// Devices need an address to send to: one that means "all of this machine's" is none.
fn check_media(media: SocketAddr, public: Option<SocketAddr>) -> anyhow::Result<()> {
    let sent_to = public.unwrap_or(media);
    if sent_to.ip().is_unspecified() {
        let port = if media.port() == 0 { 3478 } else { media.port() };
        bail!(
            "{sent_to} is every address of this machine, and devices need the one that they can reach: add --media-addr, such as \
             --media-addr 203.0.113.7:{port}"
        );
    }
    Ok(())
}

/// Creates a server's directory with its log key and an empty archive. Returns the office as devices will see it.
pub fn init(
    dir: &Path,
    authority: &Authority,
    terms: CharterTerms,
    custodians: Vec<String>,
) -> anyhow::Result<OfficeInfo> {
    let office = |log_key: &str| authority.office_with(log_key, terms, custodians, now_ms());
    Ok(Server::init(dir, authority.domain().as_str(), office)?)
}

/// Starts a server on this machine's loopback, or where `listen` says.
pub async fn start(
    dir: &Path,
    listen: SocketAddr,
    media: Option<(SocketAddr, Option<SocketAddr>)>,
    web: Option<PathBuf>,
    turn: Option<Turn>,
) -> anyhow::Result<Running> {
    let mut config = ServerConfig::local(dir);
    config.listen = listen;
    config.web_dir = web;
    config.turn = turn;
    if let Some((media, public)) = media {
        config.media = media;
        config.media_addrs = public.into_iter().collect();
    }
    start_with(config).await
}

async fn start_with(config: ServerConfig) -> anyhow::Result<Running> {
    let dir = config.data_dir.clone();
    Server::start(config).await.with_context(|| format!("the server could not start from {}", dir.display()))
}

/// Checks that `web` contains a built page.
///
/// # Errors
/// If not.
pub fn check_page(web: Option<&Path>) -> anyhow::Result<()> {
    if let Some(web) = web.filter(|web| !web.join("index.html").is_file()) {
        bail!("{} has no index.html: build the page with `make build`, or omit --web", web.display());
    }
    Ok(())
}

fn device_policy(path: &Path) -> anyhow::Result<DevicePolicy> {
    let text = telcon_files::read_text_named(path, MAX_DEVICE_POLICY_BYTES as u64)
        .with_context(|| format!("cannot read {}", path.display()))?;
    DevicePolicy::parse(&text).with_context(|| format!("cannot use the device policy in {}", path.display()))
}

fn sso(path: &Path) -> anyhow::Result<SsoConfig> {
    SsoConfig::read(path).with_context(|| format!("cannot use the file about the provider, {}", path.display()))
}

/// `telcon serve`.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    check_page(args.web.as_deref())?;
    let inner = args.data.join("server");
    if !args.data.join("office.json").exists() && inner.join("office.json").exists() {
        bail!(
            "{} is the whole office directory: give the server only its part, --data {}",
            args.data.display(),
            inner.display()
        );
    }
    check_media(args.media, args.media_addr)?;
    let turn = args.turn_secret.as_deref().map(|secret| turn(args.turn.clone(), secret)).transpose()?;
    let device_policy = args.policy.as_deref().map(device_policy).transpose()?.unwrap_or_default();
    let sso = args.oidc.as_deref().map(sso).transpose()?;
    let config = ServerConfig {
        device_policy,
        sso,
        store: args.store.location(&args.data)?,
        objects: args.objects.location(&args.data)?,
        listen: args.listen,
        admin_listen: args.admin_listen,
        trusted_proxies: match args.trusted_proxy {
            none if none.is_empty() => TrustedProxies::default(),
            networks => TrustedProxies::new(networks),
        },
        media: args.media,
        media_addrs: args.media_addr.into_iter().collect(),
        web_dir: args.web,
        turn,
        push: PushConfig { enabled: !args.no_push, services: args.push_service },
        protection: ProtectionConfig { required: args.require_protection, origins: args.page_origin },
        ..ServerConfig::local(&args.data)
    };
    // Before the server says that it is ready: from then on it stops in order.
    let handler = |kind| signal(kind).context("cannot install a signal handler");
    let (mut interrupt, mut terminate) = (handler(SignalKind::interrupt())?, handler(SignalKind::terminate())?);
    let mut running = start_with(config).await?;
    crate::output::tell!("office {} ready at http://{}", running.office.domain, running.http_addr);
    crate::output::tell!("health and metrics at http://{}", running.admin_addr);
    let addresses: Vec<String> = running.media_addrs.iter().map(SocketAddr::to_string).collect();
    crate::output::tell!("media at {} (UDP and TCP)", addresses.join(", "));
    if !running.http_addr.ip().is_loopback() && running.media_addrs.iter().all(|addr| addr.ip().is_loopback()) {
        crate::output::tell!(
            "warning: media is on the loopback address, so calls from other machines have no audio: use --media 0.0.0.0:3478 and --media-addr"
        );
    }
    let failure = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        error = running.relay_failed() => Some(error),
    };
    crate::output::tell!("stopping: what was accepted is written, devices reconnect when the server is back");
    running.shutdown().await;
    match failure {
        None => Ok(()),
        // Whoever runs the server starts it again.
        Some(error) => Err(error).context("the relay has failed"),
    }
}

/// The office's TURN servers. The secret is in a file, because every user of the machine can read command lines.
fn turn(urls: Vec<String>, secret: &Path) -> anyhow::Result<Turn> {
    let text = telcon_files::read_text_named(secret, MAX_TURN_SECRET_BYTES as u64 + 2);
    let text = text.with_context(|| format!("cannot read {}", secret.display()))?;
    Ok(Turn::new(urls, text.trim_end_matches(['\r', '\n']))?)
}
