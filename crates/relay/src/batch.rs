//! Send batches: outgoing datagrams, grouped by destination and size.
//!
//! A system call costs seven times as much as the encryption of a packet. Frames have constant size, so the packets of
//! several speakers for one receiver are sent with one system call, which the kernel segments (UDP GSO).

use std::net::SocketAddr;

/// Maximum packets per batch: the limit of Linux (UDP_MAX_SEGMENTS was 64 before version 6.9).
const MAX_SEGMENTS: usize = 60;
/// Maximum bytes per batch: below the 65,507 of a UDP datagram.
const MAX_BYTES: usize = 60_000;
/// Free buffers that are kept for reuse, so that a busy relay does not allocate.
const MAX_FREE: usize = 256;
/// Maximum capacity of a buffer that is kept for reuse, bytes.
const MAX_FREE_BYTES: usize = 4_096;

/// Datagrams for one address: `bytes` in segments of `segment` bytes, of which the last may be shorter.
pub(crate) struct Batch {
    pub(crate) dst: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) segment: usize,
    /// No datagram may be appended, because the last one is shorter than the segment size.
    closed: bool,
}

/// All pending batches, in order.
#[derive(Default)]
pub(crate) struct Batches {
    pending: Vec<Batch>,
    free: Vec<Vec<u8>>,
}

impl Batches {
    /// Appends a datagram of `length` bytes, which `write` produces. `hint` is the index of the receiver's latest batch,
    /// kept by the receiver; a stale value costs a new batch and nothing else.
    pub(crate) fn push(&mut self, hint: &mut u32, dst: SocketAddr, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let fits = |b: &&mut Batch| {
            !b.closed
                && b.dst == dst
                && length <= b.segment
                && b.bytes.len() + length <= MAX_BYTES
                && b.bytes.len() < b.segment * MAX_SEGMENTS
        };
        if let Some(batch) = self.pending.get_mut(*hint as usize).filter(fits) {
            batch.closed = length < batch.segment;
            return write(&mut batch.bytes);
        }
        let mut bytes = self.free.pop().unwrap_or_default();
        write(&mut bytes);
        *hint = self.pending.len() as u32;
        self.pending.push(Batch { dst, bytes, segment: length, closed: false });
    }

    /// Appends a datagram in a batch of its own (control traffic).
    pub(crate) fn push_single(&mut self, dst: SocketAddr, bytes: Vec<u8>) {
        let segment = bytes.len();
        self.pending.push(Batch { dst, bytes, segment, closed: true });
    }

    /// Removes all batches, in order.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(&Batch)) {
        for mut batch in self.pending.drain(..) {
            take(&batch);
            if self.free.len() < MAX_FREE && batch.bytes.capacity() <= MAX_FREE_BYTES {
                batch.bytes.clear();
                self.free.push(batch.bytes);
            }
        }
    }

    /// Whether nothing is pending.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn drained(batches: &mut Batches) -> Vec<(u16, usize, usize)> {
        let mut out = Vec::new();
        batches.drain(|b| out.push((b.dst.port(), b.segment, b.bytes.len())));
        out
    }

    #[test]
    fn equal_datagrams_for_one_address_are_one_batch() {
        let mut batches = Batches::default();
        let (mut one, mut two) = (0, 0);
        for _ in 0..3 {
            batches.push(&mut one, to(1), 100, |b| b.extend([1; 100]));
            batches.push(&mut two, to(2), 100, |b| b.extend([2; 100]));
        }
        assert_eq!(drained(&mut batches), [(1, 100, 300), (2, 100, 300)]);
        assert!(batches.is_empty());
        // The hints are stale now.
        batches.push(&mut two, to(2), 100, |b| b.extend([2; 100]));
        batches.push(&mut one, to(1), 100, |b| b.extend([1; 100]));
        assert_eq!(drained(&mut batches), [(2, 100, 100), (1, 100, 100)]);
    }

    #[test]
    fn a_shorter_datagram_closes_its_batch_and_a_longer_one_starts_another() {
        let mut batches = Batches::default();
        let mut hint = 0;
        for length in [100, 100, 40, 40, 100] {
            batches.push(&mut hint, to(1), length, |b| b.extend(vec![0; length]));
        }
        assert_eq!(drained(&mut batches), [(1, 100, 240), (1, 40, 40), (1, 100, 100)]);
    }

    #[test]
    fn a_change_of_address_starts_another_batch() {
        let mut batches = Batches::default();
        let mut hint = 0;
        batches.push(&mut hint, to(1), 10, |b| b.extend([0; 10]));
        batches.push(&mut hint, to(2), 10, |b| b.extend([0; 10]));
        assert_eq!(drained(&mut batches), [(1, 10, 10), (2, 10, 10)]);
    }

    #[test]
    fn a_batch_never_exceeds_the_limits_of_the_kernel() {
        let mut batches = Batches::default();
        let mut hint = 0;
        for _ in 0..200 {
            batches.push(&mut hint, to(1), 1_400, |b| b.extend([0; 1_400]));
        }
        for _ in 0..200 {
            batches.push(&mut hint, to(1), 100, |b| b.extend([0; 100]));
        }
        let drained = drained(&mut batches);
        assert!(drained.iter().all(|(_, segment, bytes)| *bytes <= MAX_BYTES && bytes / segment <= MAX_SEGMENTS));
        assert_eq!(drained.iter().map(|p| p.2).sum::<usize>(), 200 * 1_500);
    }
}
