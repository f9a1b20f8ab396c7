//! A flood of unsolicited datagrams beside calls, as in a denial-of-service attack.

use crate::relay::ice::{self, Credentials};
use anyhow::{Context, Result};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Number of source addresses.
const SOURCES: usize = 64;
/// Interval between bursts.
const SEND_INTERVAL: Duration = Duration::from_millis(1);

/// A thread that floods an address until it is stopped, on the core of the thread that starts it.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
    began: Instant,
}

impl Flood {
    /// Starts to send `per_second` datagrams from `here` to `to`: RTP, connectivity checks, DTLS records and noise in
    /// turn.
    ///
    /// # Errors
    /// When the system refuses sockets, randomness or a thread.
    pub(crate) fn start(here: IpAddr, to: SocketAddr, per_second: u32) -> Result<Self> {
        let socket = |_| UdpSocket::bind((here, 0));
        let sockets: Vec<UdpSocket> = (0..SOURCES).map(socket).collect::<Result<_, _>>().context("no sockets")?;
        let kinds = kinds()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, began) = (stop.clone(), Instant::now());
        let thread = thread::Builder::new().name("flood".into()).spawn(move || {
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
                for number in sent..due {
                    let (socket, kind) = (&sockets[number as usize % SOURCES], &kinds[number as usize % kinds.len()]);
                    // A datagram that cannot be sent is not repeated.
                    let _ = socket.send_to(kind, to);
                }
                sent = due;
                thread::sleep(SEND_INTERVAL);
            }
            sent
        })?;
        Ok(Self { stop, thread, began })
    }

    /// Stops it. Returns the datagrams sent per second.
    pub(crate) fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        self.thread.join().map_or(0.0, |sent| sent as f64 / seconds)
    }
}

/// An RTP packet (RFC 3550), a check for an unknown user (RFC 8489), a truncated DTLS record (RFC 6347), and noise.
fn kinds() -> Result<[Vec<u8>; 4]> {
    let rtp = [&[0x80, 111][..], &[7; 126]].concat();
    let check = ice::check(&Credentials::random()?, &Credentials::random()?)?;
    let handshake = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1][..], &[0; 99]].concat();
    Ok([rtp, check, handshake, vec![0xff; 1_200]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, net::Ipv4Addr};

    #[test]
    fn a_flood_uses_all_kinds_and_sources() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let measure_under_flood = UdpSocket::bind((here, 0)).unwrap();
        let flood = Flood::start(here, measure_under_flood.local_addr().unwrap(), 2_000).unwrap();
        let (mut from, mut first_bytes, mut buffer) = (BTreeSet::new(), BTreeSet::new(), [0; 1_500]);
        while from.len() < SOURCES || first_bytes.len() < 4 {
            let (length, source) = measure_under_flood.recv_from(&mut buffer).unwrap();
            assert!(length > 0);
            from.insert(source);
            first_bytes.insert(buffer[0]);
        }
        assert!(flood.stop() > 0.0);
        assert_eq!(first_bytes, [0, 22, 0x80, 0xff].into());
    }
}
