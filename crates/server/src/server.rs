//! Assembly of the server: `telcon serve` as a library.

use crate::{
    archive::{
        ArchivedDevices, Certificates, LogEvent, LogWriter, PublishedReadouts, RecordStore, SealedDocuments,
        SealedLines, now_ms,
    },
    device_policy::log_device_policy,
    hub::{self, Hub, HubHandle, Input, Parts},
    limits::{INCOMING_KEPT_MS, MAX_ARCHIVING, MAX_CONFIGURATION_BYTES, RECORD_DUE_MS},
    media,
    objects::ObjectsLocation,
    places::Places,
    push::{self, PushService, Services, Vapid},
    reconcile::reconcile,
    sso::SsoConfig,
    start_error::StartError,
    store::StoreLocation,
    switchboard::Policy,
    web::{
        self, App, CodeRelay, ConnectionLimits, Counters, Liveness, Page, Protection, ProtectionConfig, RecordReader,
        RefusedOrigins, RelayToken, Shifts, Sso, Tokens, TrustedProxies, Turn, router, serve,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use telcon_identity::{IdentityError, Office};
use telcon_log::{KeyError, LogSigner};
use telcon_proto::{OfficeName, device_policy::DevicePolicy, http::OfficeInfo};
use telcon_relay::RelayConfig;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle as Task,
};

/// Configuration of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Directory created by [`Server::init`].
    pub data_dir: PathBuf,
    /// The database.
    pub store: StoreLocation,
    /// Where sealed files are kept.
    pub objects: ObjectsLocation,
    /// Address of HTTP and WebSockets. A proxy in front of it terminates TLS.
    pub listen: SocketAddr,
    /// Address of `/healthz` and `/metrics`: not the page's, so that they are not public.
    pub admin_listen: SocketAddr,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// Bind address of the relay.
    pub media: SocketAddr,
    /// Addresses announced to devices for media; port 0 stands for the port of `media`. Empty: the address of
    /// `media`, which then must not be unspecified.
    pub media_addrs: Vec<SocketAddr>,
    /// The web page's files.
    pub web_dir: Option<PathBuf>,
    /// How long a record may take to arrive after its call, milliseconds.
    pub record_due_ms: u64,
    /// Limits of HTTP connections.
    pub connections: ConnectionLimits,
    /// The office's TURN servers, if it has any.
    pub turn: Option<Turn>,
    /// What the office wants of devices in browsers.
    pub protection: ProtectionConfig,
    /// Web Push.
    pub push: PushConfig,
    /// The office's rules for devices.
    pub device_policy: DevicePolicy,
    /// The office's provider for single sign-on, if it has one.
    pub sso: Option<SsoConfig>,
}

/// Web Push: how devices whose page is closed are notified of alerts.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// Whether push messages are sent. Then the server connects to the push services of the devices' browsers.
    pub enabled: bool,
    /// Push services that may be in a private network.
    pub services: Vec<PushService>,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self { enabled: true, services: Vec::new() }
    }
}

impl ServerConfig {
    /// A server on loopback only, at free ports, over `data_dir`.
    pub fn local(data_dir: impl Into<PathBuf>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let data_dir = data_dir.into();
        Self {
            store: StoreLocation::default_in(&data_dir),
            objects: ObjectsLocation::default_in(&data_dir),
            data_dir,
            listen: any,
            admin_listen: any,
            trusted_proxies: TrustedProxies::default(),
            media: any,
            media_addrs: Vec::new(),
            web_dir: None,
            record_due_ms: RECORD_DUE_MS,
            connections: ConnectionLimits::default(),
            turn: None,
            protection: ProtectionConfig::default(),
            push: PushConfig::default(),
            device_policy: DevicePolicy::default(),
            sso: None,
        }
    }
}

/// Creates and starts servers.
pub struct Server;

const OFFICE_FILE: &str = "office.json";
/// Version of `office.json`.
const OFFICE_VERSION: u64 = 1;
const SEED_FILE: &str = "log.seed";
const RELAY_TOKEN_FILE: &str = "relay.token";
const PUSH_KEY_FILE: &str = "push.key";

impl Server {
    /// Creates the directory of an office's server: the log with its key (`log.seed`, readable by its owner only), the
    /// archive.
    /// `charter` has the office's authority describe the office with that key (`telcon_identity::Authority::office`).
    ///
    /// # Errors
    /// If the directory already contains an office, the charter does not match, or the disk fails.
    pub fn init(
        data_dir: &Path,
        domain: &str,
        charter: impl FnOnce(&str) -> Result<OfficeInfo, IdentityError>,
    ) -> Result<OfficeInfo, StartError> {
        let place = data_dir.join(OFFICE_FILE);
        if place.exists() {
            return Err(StartError::AlreadyThere(data_dir.to_owned()));
        }
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| StartError::File { path, source }
        };
        let archive = data_dir.join("archive");
        // Readable by its owner only: the database contains names.
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(data_dir).map_err(at(data_dir))?;
        fs::create_dir_all(&archive).map_err(at(&archive))?;
        let seed = crate::random::random().map_err(|e| StartError::System(io::Error::other(e)))?;
        let signer = signer(domain, &seed)?;
        let info = charter(&signer.verifier_key().to_string())?;
        let pinned = Office::pin(&info, None)?;
        fits(&pinned, &signer)?;
        write_private(&data_dir.join(SEED_FILE), &seed).map_err(at(&data_dir.join(SEED_FILE)))?;
        LogWriter::open(&archive.join("log"), signer, pinned.domain().clone(), now_ms())?;
        let public = archive.join(OFFICE_FILE);
        write_private(&public, &office_text(&info)).map_err(at(&public))?;
        // Written last: it marks the office as complete.
        write_private(&place, &office_text(&info)).map_err(at(&place))?;
        Ok(info)
    }

    /// The name of the office in `data_dir`.
    ///
    /// # Errors
    /// If the directory contains no office, or its files are damaged.
    pub fn office(data_dir: &Path) -> Result<OfficeName, StartError> {
        let (info, _) = read_office(data_dir)?;
        OfficeName::parse(&info.domain)
            .map_err(|error| StartError::Damaged { path: data_dir.join(OFFICE_FILE), what: error.to_string() })
    }

    /// Starts the server of the office in [`ServerConfig::data_dir`].
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: ServerConfig) -> Result<Running, StartError> {
        let (info, seed) = read_office(&config.data_dir)?;
        let pinned = Office::pin(&info, None)?;
        let signer = signer(&info.domain, &seed)?;
        fits(&pinned, &signer)?;
        let protection = Protection::new(&info, &config.protection, config.device_policy.clone())?;
        let sso = config.sso.clone().map(Sso::new).transpose().map_err(StartError::System)?;
        let archive = config.data_dir.join("archive");
        let log_dir = archive.join("log");
        let mut writer = LogWriter::open(&log_dir, signer, pinned.domain().clone(), now_ms())?;
        Places::check(&config.data_dir, &config.store, &config.objects, writer.size() == 0)?;
        let prover = writer.prover();
        let runtime = tokio::runtime::Handle::current();
        let (objects, mut store, reader, record_reader, archived) = {
            let (location, at, on) = (config.store.clone(), config.objects.clone(), runtime.clone());
            let (prover, office) = (prover.clone(), pinned.clone());
            blocking(move || {
                let mut store = location.writer(office.domain())?;
                let objects = at.open(on)?;
                let archived = ArchivedDevices::new(Certificates::new(objects.clone()), office.clone());
                reconcile(&mut *store, &prover, &archived, true)?;
                let (reader, record_reader) = (location.reader(office.domain())?, location.reader(office.domain())?);
                Ok((objects, store, reader, record_reader, archived))
            })
            .await?
        };

        let (dir, rules) = (config.data_dir.clone(), config.device_policy.clone());
        let (writer, store) = blocking(move || {
            log_device_policy(&dir, &rules, &mut writer, &mut *store)?;
            Ok((writer, store))
        })
        .await?;

        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen { addr: config.listen, source })?;
        let http_addr = listener.local_addr().map_err(|source| StartError::Listen { addr: config.listen, source })?;
        let no_admin = |source| StartError::Listen { addr: config.admin_listen, source };
        let admin = TcpListener::bind(config.admin_listen).await.map_err(no_admin)?;
        let admin_addr = admin.local_addr().map_err(no_admin)?;
        let no_media = |source| StartError::Listen { addr: config.media, source };
        let mut media_addrs =
            if config.media_addrs.is_empty() { vec![config.media] } else { config.media_addrs.clone() };
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let relay_config = RelayConfig { workers, ..RelayConfig::new(media_addrs.clone()) };
        let (relay, relay_task) = telcon_relay::net::start(config.media, relay_config).await.map_err(no_media)?;
        media_addrs.iter_mut().filter(|at| at.port() == 0).for_each(|at| at.set_port(relay.port()));

        let (records, documents, sealed_lines, readouts, certificates, pending, reader) = blocking(move || {
            let records = RecordStore::new(objects.clone());
            if records.needs_scan()? {
                records.scan(&reader.record_names()?)?;
            }
            let pending = records.pending()?;
            let documents = SealedDocuments::new(objects.clone());
            let sealed_lines = SealedLines::new(objects.clone());
            let readouts = PublishedReadouts::new(objects.clone());
            Ok((records, documents, sealed_lines, readouts, Certificates::new(objects), pending, reader))
        })
        .await?;

        let relay_token = relay_token(&config.data_dir.join(RELAY_TOKEN_FILE))?;
        let push = push_client(&config, &info.domain)?;
        let (push_commands, for_push) = push::channel();
        let (hub, inputs) = hub::channel();
        let for_log = hub.clone();
        let (log, log_thread) = writer
            .spawn(move |event| {
                // Fails only while the server stops; the next start reconciles the store with the log.
                for_log.send_blocking(match event {
                    LogEvent::Appended(append, index) => Input::Logged(append, index),
                    LogEvent::Reported(size) => Input::LogReported(size),
                });
            })
            .map_err(StartError::System)?;
        // Leg numbers start at a multiple of the time, above all numbers of earlier runs.
        let media_handle = media::spawn(relay.clone(), hub.clone(), prover.clone(), now_ms() << 16);
        let policy = Policy {
            domain: pinned.domain().clone(),
            suite: info.suite,
            floor: pinned.floor(),
            record_due_ms: config.record_due_ms,
            devices: config.device_policy.clone(),
            rings: pinned.rings(),
        };
        let parts = Parts {
            store,
            policy,
            log,
            prover: prover.clone(),
            archive: Box::new(archived),
            relay: media_handle.commands,
            push: push_commands,
        };
        let engine = blocking(move || Ok(Hub::new(parts, now_ms())?)).await?;
        let hub_thread = std::thread::Builder::new()
            .name("switchboard".into())
            .spawn(move || engine.run(inputs, &runtime))
            .map_err(StartError::System)?;

        let archiving = Arc::new(Semaphore::new(MAX_ARCHIVING));
        let app = Arc::new(App {
            hub: hub.clone(),
            codes: CodeRelay::default(),
            liveness: Liveness::new(std::time::Instant::now()),
            tokens: Tokens::default(),
            reader,
            record_reader: RecordReader::new(record_reader),
            prover,
            records,
            documents,
            sealed_lines,
            readouts,
            certificates,
            office: pinned,
            info: info.clone(),
            log_dir,
            page: config.web_dir.map(Page::new),
            relay,
            relay_token: RelayToken::new(&relay_token),
            relays: media_handle.relays,
            media: media_handle.numbers,
            counters: Counters::default(),
            unauthenticated: App::unauthenticated_slots(),
            refused_origins: RefusedOrigins::new(std::time::Instant::now()),
            turn: config.turn.clone(),
            protection,
            shifts: Shifts::default(),
            sso,
            archiving: archiving.clone(),
            push: push.clone(),
        });
        let to_hub = hub.clone();
        let pushes = tokio::spawn(push::run(push, for_push, move |event| report_push(to_hub.clone(), event)));
        tokio::spawn(web::adopt_records(app.clone(), pending));
        let for_certificates = app.clone();
        tokio::task::spawn_blocking(move || store_missing_certificates(&for_certificates));
        let cleanup = tokio::spawn(remove_stale_uploads_daily(app.clone()));
        let connected = tokio::spawn(web::store_connected(app.clone()));
        let (probed, for_probes) = (app.clone(), hub.clone());
        let probes = tokio::spawn(async move { probed.liveness.probe(for_probes).await });
        let (stop, stopped) = oneshot::channel::<()>();
        let (stop_admin, admin_stopped) = oneshot::channel::<()>();
        let proxies = TrustedProxies::new(Vec::new());
        let admin_task =
            tokio::spawn(serve(admin, web::admin_router(app.clone()), config.connections, proxies, admin_stopped));
        let http_task = tokio::spawn(serve(listener, router(app), config.connections, config.trusted_proxies, stopped));
        let (relay_task, relay_failure) = watch_relay(relay_task);
        tracing::info!("server started");
        Ok(Running {
            http_addr,
            admin_addr,
            media_addrs,
            office: info,
            hub,
            stop,
            stop_admin,
            threads: vec![hub_thread, log_thread],
            http_task,
            admin_task,
            tasks: vec![media_handle.task, cleanup, connected, probes, pushes],
            relay_task,
            relay_failure,
            archiving,
        })
    }
}

/// A running server.
pub struct Running {
    /// Address of HTTP.
    pub http_addr: SocketAddr,
    /// Address of `/healthz` and `/metrics`.
    pub admin_addr: SocketAddr,
    /// Media addresses announced to devices.
    pub media_addrs: Vec<SocketAddr>,
    /// The office's public description.
    pub office: OfficeInfo,
    hub: HubHandle,
    stop: oneshot::Sender<()>,
    stop_admin: oneshot::Sender<()>,
    threads: Vec<JoinHandle<()>>,
    http_task: Task<io::Result<()>>,
    admin_task: Task<io::Result<()>>,
    tasks: Vec<Task<()>>,
    relay_task: Task<()>,
    relay_failure: mpsc::Receiver<io::Error>,
    archiving: Arc<Semaphore>,
}

impl Running {
    /// Waits until the embedded relay fails, which is logged: calls on it have no media until the server is restarted, so
    /// that a program should shut the server down and end with an error. Waits for ever while the relay works.
    pub async fn relay_failed(&mut self) -> io::Error {
        match self.relay_failure.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Shuts down: closes connections and completes writes in progress. Calls continue at the next start, if that is
    /// before their devices give up.
    pub async fn shutdown(self) {
        let Self { hub, stop, stop_admin, threads, http_task, admin_task, tasks, relay_task, archiving, .. } = self;
        let _ = stop.send(());
        let _ = stop_admin.send(());
        hub.send(Input::Stop).await;
        drop(hub);
        // The hub's end drops all outboxes, which closes connections; those that linger are aborted.
        if tokio::time::timeout(SHUTDOWN_GRACE, http_task).await.is_err() {
            tracing::warn!("connections aborted: they did not close in time");
        }
        let stored = tokio::time::timeout(SHUTDOWN_GRACE, archiving.acquire_many(MAX_ARCHIVING as u32)).await.is_ok();
        if !stored {
            tracing::warn!("certificates of approved devices are not in the archive yet: the next start stores them");
        }
        admin_task.abort();
        for task in tasks {
            task.abort();
        }
        relay_task.abort();
        // They end when their channels close; joining them waits until the disk has been flushed.
        let _ = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|t| drop(t.join()))).await;
    }
}

/// Logs and reports a failure of the embedded relay's workers. That they end with their last handle is none.
fn watch_relay(workers: Task<io::Result<()>>) -> (Task<()>, mpsc::Receiver<io::Error>) {
    let (failed, failure) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        if let Err(error) = workers.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::error!(%error, "the embedded relay failed: calls on it have no media; restart the server");
            // Fails only if nobody waits for it.
            let _ = failed.send(error).await;
        }
    });
    (task, failure)
}

/// The client of push services; none if the office sends no push messages.
fn push_client(config: &ServerConfig, domain: &str) -> Result<Option<Arc<push::Client>>, StartError> {
    if !config.push.enabled {
        return Ok(None);
    }
    let path = config.data_dir.join(PUSH_KEY_FILE);
    let vapid = Vapid::open(&path, domain).map_err(|source| StartError::File { path, source })?;
    let client = push::Client::new(Services::new(config.push.services.clone()), Arc::new(vapid));
    Ok(Some(Arc::new(client.map_err(StartError::System)?)))
}

/// Reports the result of a push message to the switchboard.
async fn report_push(hub: HubHandle, event: push::Event) {
    // Fails only while the server stops; after the next start it is stated again.
    hub.send(match event {
        push::Event::Settled(device, about) => Input::Pushed(device, about),
        push::Event::Gone(device, endpoint) => Input::PushGone(device, endpoint),
    })
    .await;
}

/// At start, stores certificates that a killed process did not: those of devices and registrars are archived after their log
/// entries.
fn store_missing_certificates(app: &App) {
    let stored = || -> Result<usize, Box<dyn std::error::Error>> {
        Ok(app.certificates.store_missing(&app.reader.devices()?, &app.reader.registrars()?)?)
    };
    match stored() {
        Ok(0) => {}
        Ok(missing) => tracing::info!(missing, "missing certificates were stored in the archive"),
        Err(error) => {
            tracing::error!(
                %error,
                "certificates may be missing from the archive: check archive/devices or the bucket; retried at the next start"
            )
        }
    }
}

/// At start and daily, removes abandoned uploads.
async fn remove_stale_uploads_daily(app: Arc<App>) {
    let mut days = tokio::time::interval(Duration::from_hours(24));
    loop {
        days.tick().await;
        let app = app.clone();
        let before = now_ms().saturating_sub(INCOMING_KEPT_MS);
        match tokio::task::spawn_blocking(move || app.records.remove_stale_uploads(before)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "abandoned uploads were removed: check the note-taker's spool"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "abandoned uploads could not be removed: check the disk or the bucket; retried in a day")
            }
        }
    }
}

/// Runs blocking work (disk, network) off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StartError::System(io::Error::other(error)))?
}

/// How long open connections may take to close at shutdown.
const SHUTDOWN_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

fn signer(domain: &str, seed: &[u8; 32]) -> Result<LogSigner, KeyError> {
    LogSigner::from_seed(seed, &format!("{domain}/log"))
}

/// Checks that the charter names the key in `log.seed`: devices would reject any other log.
fn fits(office: &Office, signer: &LogSigner) -> Result<(), StartError> {
    if office.log_key() == signer.verifier_key() { Ok(()) } else { Err(StartError::OtherLog) }
}

fn read_office(dir: &Path) -> Result<(OfficeInfo, [u8; 32]), StartError> {
    let read = |name: &str| {
        let path = dir.join(name);
        match telcon_files::read_named(&path, MAX_CONFIGURATION_BYTES) {
            Ok(bytes) => Ok((path, bytes)),
            Err(e) if e.is_not_found() => Err(absent(dir, path)),
            Err(error) => Err(StartError::File { path, source: error.into() }),
        }
    };
    let (path, bytes) = read(OFFICE_FILE)?;
    let office = office_of(&bytes).map_err(|what| StartError::Damaged { path, what })?;
    let (path, seed) = read(SEED_FILE)?;
    let seed = seed.try_into().map_err(|_| StartError::Damaged { path, what: "it must hold 32 bytes".into() })?;
    Ok((office, seed))
}

/// Why a file that every office has is not there. Nobody who lost a file is told to make another office.
fn absent(dir: &Path, file: PathBuf) -> StartError {
    let holds_some = [OFFICE_FILE, SEED_FILE, "archive"].iter().any(|name| dir.join(name).exists());
    match (dir.exists(), holds_some) {
        (false, _) => StartError::NoDirectory(dir.to_owned()),
        (true, false) => StartError::NoOffice(dir.to_owned()),
        (true, true) => StartError::Missing(file),
    }
}

/// Reads `office.json` of any version up to [`OFFICE_VERSION`]. The first ones did not say their version, and were 1.
fn office_of(bytes: &[u8]) -> Result<OfficeInfo, String> {
    let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let version = match value.as_object_mut().and_then(|fields| fields.remove("version")) {
        None => OFFICE_VERSION,
        Some(version) => version.as_u64().ok_or("its version is not a number")?,
    };
    if version != OFFICE_VERSION {
        return Err(format!("it has version {version}, this program supports {OFFICE_VERSION}: run the newer program"));
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// `office.json` as this program writes it.
fn office_text(info: &OfficeInfo) -> Vec<u8> {
    let mut value = serde_json::to_value(info).expect("invariant: an office has no map keys that JSON cannot hold");
    value["version"] = OFFICE_VERSION.into();
    serde_json::to_vec_pretty(&value).expect("invariant: it is a JSON value")
}

/// The token of standalone relays, created when a server first needs it.
fn relay_token(path: &Path) -> Result<String, StartError> {
    let at = |source| StartError::File { path: path.to_owned(), source };
    match telcon_files::read_text_named(path, MAX_CONFIGURATION_BYTES) {
        // Created but not written before a crash: no relay has it.
        Ok(token) if token.is_empty() => new_relay_token(path),
        Ok(token) if token.trim().len() >= MIN_TOKEN_CHARS => Ok(token.trim().to_owned()),
        Ok(_) => Err(StartError::Damaged {
            path: path.to_owned(),
            what: format!(
                "a token has at least {MIN_TOKEN_CHARS} characters: delete the file, and the server creates a new one"
            ),
        }),
        Err(error) if error.is_not_found() => new_relay_token(path),
        Err(error) => Err(at(error.into())),
    }
}

fn new_relay_token(path: &Path) -> Result<String, StartError> {
    let token = URL_SAFE_NO_PAD.encode(crate::random::random().map_err(|e| StartError::System(io::Error::other(e)))?);
    write_private(path, token.as_bytes()).map_err(|source| StartError::File { path: path.to_owned(), source })?;
    Ok(token)
}

/// Shortest relay token, characters.
const MIN_TOKEN_CHARS: usize = 32;

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).or_else(|e| {
        // Left by an interrupted `init`: it was never used.
        if e.kind() != io::ErrorKind::AlreadyExists {
            return Err(e);
        }
        fs::remove_file(path)?;
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    })?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{Blob, SuiteName};

    #[tokio::test]
    async fn a_failure_of_the_embedded_relay_is_reported_and_its_regular_end_is_not() {
        let (_, mut failure) = watch_relay(tokio::spawn(async { Err(io::Error::other("relay worker 1: lost")) }));
        assert_eq!(failure.recv().await.unwrap().to_string(), "relay worker 1: lost");
        let (_, mut failure) = watch_relay(tokio::spawn(async { Ok(()) }));
        assert!(failure.recv().await.is_none());
    }

    #[test]
    fn office_json_has_a_version_and_older_versions_are_read() {
        let info = OfficeInfo {
            domain: "office.example".into(),
            name: "Office".into(),
            authority: Blob(vec![1]),
            suite: SuiteName::Hybrid,
            charter: "jws".into(),
        };
        let text = String::from_utf8(office_text(&info)).unwrap();
        assert!(text.contains("\"version\": 1"), "{text}");
        assert_eq!(office_of(text.as_bytes()).unwrap(), info);
        // The format before it had a version.
        assert_eq!(office_of(&serde_json::to_vec(&info).unwrap()).unwrap(), info);
        let newer = text.replace("\"version\": 1", "\"version\": 2");
        assert!(office_of(newer.as_bytes()).unwrap_err().contains("newer"));
        assert!(office_of(b"{}").is_err() && office_of(b"[]").is_err());
    }
}
