//! `telcon serve`: the office's server. It holds no key to anything that is said.

use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use telcon_client::endpoint::now_ms;
use telcon_identity::Authority;
use telcon_proto::{RecordMode, http::OfficeInfo};
use telcon_server::{
    MAX_TURN_SECRET_BYTES, Running, Server, ServerConfig, Turn, objects::ObjectsLocation, store::StoreLocation,
};

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
    /// The server's directory (`server` in the directory of `telcon init`).
    #[arg(long)]
    pub data: PathBuf,
    /// Address of the page and the API. Put a TLS proxy in front of any other than localhost: browsers demand it.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of the relay's port, UDP, and TCP for devices whose network lets no UDP through. Above 64 calls the next ports are used too, one for each core. Port 0 takes free ones.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub media: SocketAddr,
    /// Address at which devices reach the relay, if it is another one.
    #[arg(long)]
    pub media_addr: Option<SocketAddr>,
    /// The built page (web/dist).
    #[arg(long)]
    pub web: Option<PathBuf>,
    /// A TURN server of the office, for devices whose network lets nothing through but TLS, as
    /// turns:turn.office.example:443?transport=tcp. May be given several times.
    #[arg(long, requires = "turn_secret")]
    pub turn: Vec<String>,
    /// File with the secret that this server shares with the TURN server (coturn: static-auth-secret).
    #[arg(long, requires = "turn")]
    pub turn_secret: Option<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub objects: ObjectsArgs,
}

/// A running server.
pub type Serving = Running;

/// Prepares a server's directory: its log key and its empty archive. Gives what devices will be told of the office.
pub fn init(dir: &Path, authority: &Authority, floor: RecordMode) -> anyhow::Result<OfficeInfo> {
    Ok(Server::init(dir, authority.domain(), |log_key| authority.office(log_key, floor, now_ms()))?)
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

/// Whether what is said to be the built page is one.
///
/// # Errors
/// If not.
pub fn check_page(web: Option<&Path>) -> anyhow::Result<()> {
    if let Some(web) = web.filter(|web| !web.join("index.html").is_file()) {
        bail!("{} has no index.html: build the page with `make build`, or leave --web out", web.display());
    }
    Ok(())
}

/// `telcon serve`.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    check_page(args.web.as_deref())?;
    let inner = args.data.join("server");
    if !args.data.join("office.json").exists() && inner.join("office.json").exists() {
        bail!("{} is the whole office: give the server only its part, --data {}", args.data.display(), inner.display());
    }
    let turn = args.turn_secret.as_deref().map(|secret| turn(args.turn.clone(), secret)).transpose()?;
    let config = ServerConfig {
        store: args.store.location(&args.data)?,
        objects: args.objects.location(&args.data)?,
        listen: args.listen,
        media: args.media,
        media_addrs: args.media_addr.into_iter().collect(),
        web_dir: args.web,
        turn,
        ..ServerConfig::local(&args.data)
    };
    let running = start_with(config).await?;
    crate::plain::tell!("the office {} answers at http://{}", running.office.domain, running.http_addr);
    let told: Vec<String> = running.media_addrs.iter().map(SocketAddr::to_string).collect();
    crate::plain::tell!("devices send their sound to {} (UDP, or TCP where their network has no UDP)", told.join(", "));
    if !running.http_addr.ip().is_loopback() && running.media_addrs.iter().all(|addr| addr.ip().is_loopback()) {
        crate::plain::tell!(
            "so no call from another machine will have sound: give --media 0.0.0.0:3478 and --media-addr"
        );
    }
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}

/// The office's TURN servers, with the secret in a file: a command line is seen by every user of the machine.
fn turn(urls: Vec<String>, secret: &Path) -> anyhow::Result<Turn> {
    let mut text = String::new();
    let file = std::fs::File::open(secret).with_context(|| format!("cannot read {}", secret.display()))?;
    file.take(MAX_TURN_SECRET_BYTES as u64 + 2)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", secret.display()))?;
    Ok(Turn::new(urls, text.trim_end_matches(['\r', '\n']))?)
}
