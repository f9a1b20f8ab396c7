//! Received audio frames.

use crate::media::{repacketize::repacketize, silence::silence};
use telcon_proto::DeviceId;

/// An opened frame, with its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// The member whose key sealed it. (Any member could forge another's frames: SFrame keys are symmetric.)
    pub device: DeviceId,
    /// Epoch and leaf of the key.
    pub stream: (u64, u32),
    /// The sender's frame counter, one per 20 ms, continuing across epochs.
    pub counter: u64,
    /// The Opus packet.
    pub packet: Vec<u8>,
    /// Whether that packet was received before, as a redundant copy.
    pub duplicate: bool,
    /// Earlier packets that were not received before, each with its counter, oldest first.
    pub earlier: Vec<(u64, Vec<u8>)>,
    /// Whether the earlier packets were sent here for the first time, to be played with this one.
    pub aggregated: bool,
}

impl ReceivedFrame {
    /// Puts silence of the same length in place of its sound: what it carried is not to be played here.
    pub(crate) fn silence(&mut self) {
        for packet in self.earlier.iter_mut().map(|(_, packet)| packet).chain([&mut self.packet]) {
            *packet = silence(packet.len());
        }
    }

    /// The packet to play where the player takes exactly one packet per frame: a browser.
    pub fn into_single_packet(self) -> Vec<u8> {
        let mut packets: Vec<&[u8]> = self.earlier.iter().map(|(_, packet)| &packet[..]).collect();
        packets.push(&self.packet);
        let combined = self.aggregated.then(|| repacketize(&packets)).flatten();
        combined.unwrap_or(self.packet)
    }
}
