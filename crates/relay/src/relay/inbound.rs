//! Inbound datagrams: demultiplexing by protocol and address, connectivity checks, and the forwarding hot path.

use super::Relay;
use crate::{
    api::LegEnd,
    leg::LegIndex,
    limits::{ADDRESS_STALE_AFTER, MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES, MIN_DATAGRAM_BYTES},
    rtcp::ticks,
    stream::InboundPacket,
    stun::{self, Extras},
    tcp_conn::TcpConnId,
};
use is::stun::StunMessage;
use std::{
    hint::black_box,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// The protocol of a datagram, by its first two bytes (RFC 9443 section 3, RFC 5761 section 4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Relay {
    /// Handles a datagram from `src` with arbitrary content. `dst` is ignored: an ICE-lite agent answers from whatever
    /// address the peer reached.
    pub fn handle_packet(&mut self, now: Instant, src: SocketAddr, _dst: SocketAddr, datagram: &[u8]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(&datagram[..datagram.len().min(MAX_DATAGRAM_BYTES + 1)]);
        self.handle_datagram(now, src, &mut scratch);
        self.scratch = scratch;
    }

    /// Like [`Relay::handle_packet`], without a copy: the datagram is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, src: SocketAddr, datagram: &mut [u8]) {
        if TcpConnId::from_address(src).is_some() {
            // Spoofed: the discard-only prefix is not routed.
            self.stats.datagrams_in += 1;
            self.stats.dropped_unknown_source += 1;
            return;
        }
        self.handle(now, src, src, datagram);
    }

    /// Handles a packet that arrived over a TCP connection from `peer`. Packets to be sent over the connection have its
    /// [`TcpConnId::address`] as their destination.
    pub fn handle_tcp_packet(&mut self, now: Instant, conn: TcpConnId, peer: SocketAddr, packet: &mut [u8]) {
        self.handle(now, conn.address(), peer, packet);
    }

    /// Whether a TCP connection has proved the ICE password of an existing leg.
    pub fn is_authenticated(&self, conn: TcpConnId) -> bool {
        self.by_address.contains_key(&conn.address())
    }

    /// A TCP connection was closed: its path is removed from its leg.
    pub fn remove_tcp_conn(&mut self, conn: TcpConnId) {
        let address = conn.address();
        if let Some(leg) = self.by_address.remove(&address).and_then(|index| self.legs.get_mut(index)) {
            leg.lose_address(address);
        }
    }

    /// `src` identifies the path; `reflexive` is the device's address as seen by the relay.
    fn handle(&mut self, now: Instant, src: SocketAddr, reflexive: SocketAddr, datagram: &mut [u8]) {
        self.advance_clock(now);
        self.stats.datagrams_in += 1;
        if datagram.len() > MAX_DATAGRAM_BYTES {
            self.stats.dropped_oversized += 1;
            return;
        }
        let Some(protocol) = protocol_of(datagram) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        if protocol == Protocol::Stun {
            // A panic costs only the datagram that caused it.
            let done = catch_unwind(AssertUnwindSafe(|| self.handle_stun(src, reflexive, datagram)));
            self.stats.contained_panics += u64::from(done.is_err());
            return;
        }
        let Some(&index) = self.by_address.get(&src) else {
            self.stats.dropped_unknown_source += 1;
            return;
        };
        let leg = &mut self.legs[index];
        if !leg.datagram_rate.take(self.now) {
            self.stats.dropped_flood += 1;
            return;
        }
        match protocol {
            Protocol::Rtp => {
                // A panic ends only the leg whose packet caused it.
                let done = catch_unwind(AssertUnwindSafe(|| self.handle_media(index, src, datagram)));
                if done.is_err() {
                    self.end(index, LegEnd::Bug);
                }
            }
            Protocol::Rtcp => {
                let now = self.now;
                match catch_unwind(AssertUnwindSafe(|| leg.read_reports(datagram, now).is_err())) {
                    Ok(refused) => self.stats.dropped_refused += u64::from(refused),
                    Err(_) => self.end(index, LegEnd::Bug),
                }
            }
            Protocol::Dtls => {
                let progress = leg.advance_handshake(self.now, Some((src, datagram)), &mut self.batches);
                self.apply(index, progress);
            }
            Protocol::Stun => {}
        }
    }

    /// Authenticates a media packet of a leg and forwards it to the other legs of its call.
    fn handle_media(&mut self, from: LegIndex, src: SocketAddr, packet: &mut [u8]) {
        let now = self.now;
        let uptime = now.saturating_duration_since(self.started);
        // With many legs, each receiver is a cache miss. Prefetch all of them while the packet is decrypted.
        let receivers = &self.calls[self.legs[from].call].legs;
        black_box(receivers.iter().fold(0, |all, leg| all ^ self.legs[*leg].prefetch()));
        let leg = &mut self.legs[from];
        let Ok(opened) = leg.open(packet, ticks(uptime)) else {
            self.stats.dropped_refused += 1;
            return;
        };
        leg.last_received = now;
        leg.follow_media(&opened, src, now);
        self.stats.media_in += 1;
        if leg.interrupted {
            self.resume(from);
        }
        let payload = &packet[opened.payload.clone()];
        if payload.is_empty() || payload.len() > MAX_FRAME_BYTES {
            self.stats.dropped_frame_size += 1;
            return;
        }
        if !self.legs[from].media_rate.take(now) {
            self.stats.dropped_rate += 1;
            return;
        }
        #[cfg(feature = "test-tap")]
        if let Some(tap) = &mut self.tap {
            tap(payload);
        }
        self.fan_out(from, &opened, payload, uptime);
    }

    fn fan_out(&mut self, from: LegIndex, packet: &InboundPacket, payload: &[u8], uptime: Duration) {
        let call = self.legs[from].call;
        for &to in &self.calls[call].legs {
            let leg = &mut self.legs[to];
            if to != from {
                leg.forward(self.now, packet, payload, &mut self.batches, &mut self.stats);
            }
            if leg.report_due(self.now)
                && let Some((dst, bytes)) = leg.report(self.now, uptime)
            {
                self.batches.push_single(dst, bytes);
            }
        }
    }

    /// Handles a connectivity check (RFC 8445 section 7.3).
    fn handle_stun(&mut self, src: SocketAddr, reflexive: SocketAddr, datagram: &[u8]) {
        let Ok(request) = StunMessage::parse(datagram) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        let extras = stun::extras(datagram);
        if extras == Extras::Malformed {
            self.stats.dropped_malformed += 1;
            return;
        }
        // An ICE-lite agent sends no requests, so it expects no responses.
        let user = request.split_username().filter(|_| request.is_binding_request()).map(|(ours, _)| ours);
        let Some(index) = user.and_then(|user| self.by_user.get(user).copied()) else {
            self.stats.dropped_unknown_user += 1;
            return;
        };
        let holder = self.by_address.get(&src).filter(|holder| **holder != index);
        if holder.is_some_and(|holder| self.now < self.legs[*holder].last_received + ADDRESS_STALE_AFTER) {
            self.stats.dropped_address_taken += 1;
            return;
        }
        let leg = &mut self.legs[index];
        if !leg.stun_rate.take(self.now) {
            self.stats.dropped_flood += 1;
            return;
        }
        // An ICE-lite agent has the controlled role; its peer must have the controlling role (RFC 8445 section 6.1.1).
        let response = match extras {
            _ if request.ice_controlled().is_some() || !leg.ice.verify(&request) => None,
            Extras::Unknown(unknown) => {
                // Proves nothing: the address is not learned.
                let refusal = stun::unknown_attributes_reply(datagram, &unknown, leg.ice.password.as_bytes());
                if let Some(refusal) = refusal {
                    self.batches.push_single(src, refusal);
                }
                None
            }
            Extras::None | Extras::Malformed => leg.ice.respond(&request, reflexive),
        };
        let Some(response) = response else {
            self.stats.dropped_refused += 1;
            return;
        };
        // An on-path observer can replay a check from an address of its choice.
        if leg.is_replay(transaction_digest(datagram), src) {
            self.stats.dropped_refused += 1;
            return;
        }
        self.batches.push_single(src, response);
        leg.last_received = self.now;
        leg.select_path(src, request.use_candidate(), self.now);
        if leg.interrupted {
            self.resume(index);
        }
        self.learn_address(index, src);
    }
}

fn protocol_of(datagram: &[u8]) -> Option<Protocol> {
    if datagram.len() < MIN_DATAGRAM_BYTES {
        return None;
    }
    match (datagram[0], datagram[1] & 0x7f) {
        (0..=1, _) if datagram.len() >= 20 => Some(Protocol::Stun),
        (20..=63, _) => Some(Protocol::Dtls),
        (128..=191, 64..=95) => Some(Protocol::Rtcp),
        (128..=191, _) => Some(Protocol::Rtp),
        _ => None,
    }
}

/// A 32-bit digest of a check's transaction id (RFC 8489 section 5). New ids require the ICE password, so an attacker
/// without it cannot choose them.
fn transaction_digest(datagram: &[u8]) -> u32 {
    let id = datagram.get(8..20).unwrap_or_default();
    id.chunks_exact(4).fold(0, |all, word| all ^ u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_demultiplexed_by_their_first_bytes() {
        let protocol = |first: u8, second: u8, length: usize| {
            let mut bytes = vec![0; length];
            (bytes[0], bytes[1]) = (first, second);
            protocol_of(&bytes)
        };
        assert!(protocol(0, 1, 20) == Some(Protocol::Stun));
        assert!(protocol(0, 1, 19).is_none());
        assert!(protocol(22, 0xfe, 13) == Some(Protocol::Dtls));
        assert!(protocol(0x80, 111, 12) == Some(Protocol::Rtp));
        assert!(protocol(0x80, 0x80 | 111, 12) == Some(Protocol::Rtp), "with the marker bit");
        assert!(protocol(0x80, 200, 12) == Some(Protocol::Rtcp), "a sender report");
        assert!(protocol(0x80, 111, 11).is_none());
        assert!(protocol(2, 0, 40).is_none() && protocol(64, 0, 40).is_none() && protocol(192, 0, 40).is_none());
    }
}
