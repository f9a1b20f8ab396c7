//! A connection between a device and the server.

use telcon_proto::DeviceId;
use telcon_server::switchboard::SessionId;

/// Number of a connection of a device.
pub type ConnectionId = u64;

/// Where a connection stands at the server.
#[derive(Debug)]
pub enum Stage {
    /// Nothing was received.
    Hello,
    /// The challenge was sent.
    Proof(DeviceId, [u8; 32]),
    /// The switchboard was asked to let it in, or has.
    Session(SessionId),
}

/// A connection between a device and the server.
#[derive(Debug)]
pub struct Connection {
    /// The device.
    pub device: usize,
    /// The server's process that accepted it.
    pub boot: u64,
    /// At the server.
    pub stage: Stage,
    /// Whether the device's end is open.
    pub device_open: bool,
    /// Whether the server's end is open.
    pub server_open: bool,
    /// When the last message arrives at the server.
    pub up_at: u64,
    /// When the last message arrives at the device.
    pub down_at: u64,
    /// When the server last received something.
    pub heard_at: u64,
}
