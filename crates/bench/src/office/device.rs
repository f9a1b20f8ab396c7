//! One device of the fleet: its identity, and the task that keeps it connected.

use super::protocol::{self, Incoming, PING_INTERVAL_MS, SOCKET_PATH};
use anyhow::{Context, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use telcon_identity::DeviceKey;
use telcon_proto::{Card, DeviceId};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// First reconnect delay, doubled up to [`RECONNECT_MAX`]: the backoff of the clients.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
/// Longest reconnect delay.
const RECONNECT_MAX: Duration = Duration::from_secs(2);
/// Time limit of connecting and signing in.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(60);

/// An enrolled device.
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) card: Card,
    pub(super) key: DeviceKey,
    /// DER: device, enrolment.
    pub(super) chain: Vec<Vec<u8>>,
}

/// What a device's task reports to the coordinator.
pub(super) enum Event {
    /// Signed in.
    Online,
    /// The connection was lost; the task reconnects.
    Offline,
    /// The server refused the sign-in or sent an invalid message; the task reconnects.
    Failed(String),
    /// A message, with the time of its arrival.
    Message(Incoming, Instant),
}

/// Context that all device tasks share.
pub(super) struct Shared {
    pub(super) server: SocketAddr,
    pub(super) domain: String,
    pub(super) events: mpsc::UnboundedSender<(u32, Event)>,
}

/// Keeps the device connected until `commands` is closed. `number` is its index in the fleet.
pub(super) async fn run(
    device: Rc<Device>,
    number: u32,
    shared: Rc<Shared>,
    mut commands: mpsc::UnboundedReceiver<String>,
) {
    let mut delay = RECONNECT_MIN;
    loop {
        let event = match timeout(SIGN_IN_TIMEOUT, sign_in(&device, &shared)).await {
            Ok(Ok(socket)) => {
                delay = RECONNECT_MIN;
                if shared.events.send((number, Event::Online)).is_err() {
                    return;
                }
                match serve(socket, number, &shared, &mut commands).await {
                    Ok(()) => return,
                    Err(_) => Event::Offline,
                }
            }
            Ok(Err(error)) => Event::Failed(format!("{error:#}")),
            Err(_) => Event::Failed("the sign-in timed out".to_owned()),
        };
        if shared.events.send((number, event)).is_err() {
            return;
        }
        sleep(delay + jitter(number, delay)).await;
        delay = (delay * 2).min(RECONNECT_MAX);
    }
}

/// Up to half the delay, different per device.
fn jitter(number: u32, delay: Duration) -> Duration {
    delay.mul_f64(f64::from(number.wrapping_mul(0x9e37_79b9) >> 16) / f64::from(1 << 17))
}

type Socket = WebSocketStream<TcpStream>;

async fn sign_in(device: &Device, shared: &Shared) -> Result<Socket> {
    let stream = TcpStream::connect(shared.server).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    // Small buffers, and no limit on the size of contact lists: the limits of the clients are not measured here.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_message_size(None)
        .max_frame_size(None);
    let request = format!("ws://{}{SOCKET_PATH}", shared.server);
    let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await.context("cannot upgrade")?;
    socket.send(Message::Text(protocol::hello(device.id).into())).await?;
    loop {
        match read(&mut socket).await? {
            Incoming::Challenge(nonce) => {
                let proof = protocol::prove(&device.key, &shared.domain, device.id, &nonce);
                socket.send(Message::Text(proof.into())).await?;
            }
            Incoming::SignedIn => return Ok(socket),
            Incoming::Refused(_, code) => bail!("the sign-in was refused: {code:?}"),
            _ => {}
        }
    }
}

async fn read(socket: &mut Socket) -> Result<Incoming> {
    loop {
        match socket.next().await.context("the connection was closed")?? {
            Message::Text(text) => return protocol::parse(&text),
            Message::Close(_) => bail!("the server closed the connection"),
            _ => {}
        }
    }
}

/// Exchanges messages until the connection fails (an error) or `commands` is closed.
async fn serve(
    mut socket: Socket,
    number: u32,
    shared: &Shared,
    commands: &mut mpsc::UnboundedReceiver<String>,
) -> Result<()> {
    let interval = Duration::from_millis(PING_INTERVAL_MS);
    // Devices do not ping in step.
    let first = interval.mul_f64(f64::from(number.wrapping_mul(0x9e37_79b9) >> 8) / f64::from(1 << 24));
    let mut next_ping = tokio::time::Instant::now() + first;
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(text) => socket.send(Message::Text(text.into())).await?,
                None => {
                    let _ = socket.close(None).await;
                    return Ok(());
                }
            },
            message = read(&mut socket) => {
                let (message, at) = (message?, Instant::now());
                if message != Incoming::Other && shared.events.send((number, Event::Message(message, at))).is_err() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep_until(next_ping) => {
                next_ping += interval;
                socket.send(Message::Text(protocol::ping().into())).await?;
            }
        }
    }
}
