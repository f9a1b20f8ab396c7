//! Enrols the fleet through the server's own API, and a minimal HTTP client for it.

use super::{device::Device, protocol};
use anyhow::{Context, Result, bail, ensure};
use std::{
    net::SocketAddr,
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};
use telcon_identity::{Authority, InviteSpec};
use telcon_proto::{Card, DeviceId, PersonId, Role};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    task::JoinSet,
};

/// Concurrent enrolments: the server batches log appends of requests that arrive together.
const CONCURRENT: usize = 64;
/// Longest response that is accepted, bytes.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("no randomness")?;
    Ok(bytes)
}

/// Issues an invitation to a new person and creates a device from it.
fn create(authority: &Authority, role: Role) -> Result<Device> {
    let person = PersonId::from_bytes(random()?);
    let card = Card {
        person,
        office: authority.domain().clone(),
        // Fleets are enrolled one after the other: each person needs a name that looks like no other.
        name: format!("Person {}", person.to_hex()),
        organisation: "Benchmark".into(),
        role,
        zone: "Etc/UTC".into(),
        place: false,
    };
    let spec = InviteSpec {
        card: card.clone(),
        enrolment_id: random()?,
        enrolment_seed: random()?,
        now_ms: now_ms(),
        ttl_ms: 3_600_000,
    };
    let id = DeviceId::from_bytes(random()?);
    let (key, chain) = authority.invite(&spec)?.enrol(&random()?, id, now_ms())?;
    Ok(Device { id, card, key, chain })
}

/// Enrols one device per role, in this order.
///
/// # Errors
/// When the server refuses one.
pub(super) async fn enrol(
    server: SocketAddr,
    authority: &Authority,
    mut roles: impl Iterator<Item = Role>,
) -> Result<Vec<Rc<Device>>> {
    let mut devices: Vec<Rc<Device>> = Vec::new();
    let mut idle: Vec<HttpConnection> = Vec::new();
    let mut running: JoinSet<Result<HttpConnection>> = JoinSet::new();
    loop {
        while running.len() < CONCURRENT
            && let Some(role) = roles.next()
        {
            let device = create(authority, role)?;
            let body = protocol::enrolment(&device.chain)?;
            devices.push(Rc::new(device));
            let connection = idle.pop();
            running.spawn(async move {
                let mut connection = match connection {
                    Some(connection) => connection,
                    None => HttpConnection::open(server).await?,
                };
                let (status, answer) = connection.request("POST", protocol::ENROL_PATH, &body).await?;
                ensure!(status == 201, "an enrolment was refused: {status} {}", String::from_utf8_lossy(&answer));
                Ok(connection)
            });
        }
        match running.join_next().await {
            Some(done) => idle.push(done??),
            None => return Ok(devices),
        }
    }
}

/// A kept-alive HTTP/1.1 connection.
pub(super) struct HttpConnection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl HttpConnection {
    pub(super) async fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host: server.to_string() })
    }

    /// Sends a request. Returns the status and the body. Only responses with a `content-length` are supported.
    pub(super) async fn request(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let request = protocol::request(method, path, &self.host, body);
        self.stream.get_mut().write_all(&request).await?;
        let mut line = String::new();
        self.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("not an HTTP response")?;
        let mut length = None;
        loop {
            self.read_line(&mut line).await?;
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        let length: usize = length.context("a response without content-length")?;
        if length > MAX_RESPONSE_BYTES {
            bail!("a response of {length} bytes");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((status, body))
    }

    async fn read_line(&mut self, line: &mut String) -> Result<()> {
        line.clear();
        ensure!(self.stream.read_line(line).await? > 0, "the server closed the connection");
        Ok(())
    }
}
