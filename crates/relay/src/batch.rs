//! Datagrams that wait to be sent, those of one size for one device side by side.
//!
//! A system call costs seven times as much as a packet's encryption. Frames have constant size, so what several
//! speakers have for one receiver becomes one call, which the kernel cuts into packets (generic segmentation).

use std::net::SocketAddr;

/// Most packets in one piece: what Linux takes (UDP_MAX_SEGMENTS was 64 before version 6.9).
const MAX_SEGMENTS: usize = 60;
/// Most bytes in one piece: below the 65,507 of a datagram.
const MAX_BYTES: usize = 60_000;
/// Emptied buffers that are kept, so that a busy relay does not allocate. One more is given back.
const SPARE: usize = 256;
/// A kept buffer has at most this many bytes.
const SPARE_BYTES: usize = 4_096;

/// Datagrams for one address: `bytes` cut every `segment` bytes, the last one as long as what is left.
pub(crate) struct Batch {
    pub(crate) dst: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) segment: usize,
    /// Nothing may follow, because the last datagram is shorter.
    closed: bool,
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Batches {
    waiting: Vec<Batch>,
    spare: Vec<Vec<u8>>,
}

impl Batches {
    /// Adds a datagram of `length` bytes, which `write` appends. `place` is the receiver's memory of where its last
    /// one is; any value will do.
    pub(crate) fn push(&mut self, place: &mut u32, dst: SocketAddr, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let fits = |b: &&mut Batch| {
            !b.closed
                && b.dst == dst
                && length <= b.segment
                && b.bytes.len() + length <= MAX_BYTES
                && b.bytes.len() < b.segment * MAX_SEGMENTS
        };
        if let Some(batch) = self.waiting.get_mut(*place as usize).filter(fits) {
            batch.closed = length < batch.segment;
            return write(&mut batch.bytes);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        write(&mut bytes);
        *place = self.waiting.len() as u32;
        self.waiting.push(Batch { dst, bytes, segment: length, closed: false });
    }

    /// Adds a datagram that nothing joins.
    pub(crate) fn alone(&mut self, dst: SocketAddr, bytes: Vec<u8>) {
        let segment = bytes.len();
        self.waiting.push(Batch { dst, bytes, segment, closed: true });
    }

    /// Takes everything out, in order.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(&Batch)) {
        for mut batch in self.waiting.drain(..) {
            take(&batch);
            if self.spare.len() < SPARE && batch.bytes.capacity() <= SPARE_BYTES {
                batch.bytes.clear();
                self.spare.push(batch.bytes);
            }
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn pieces(batches: &mut Batches) -> Vec<(u16, usize, usize)> {
        let mut out = Vec::new();
        batches.drain(|b| out.push((b.dst.port(), b.segment, b.bytes.len())));
        out
    }

    #[test]
    fn equal_datagrams_for_one_address_are_one_piece() {
        let mut batches = Batches::default();
        let (mut one, mut two) = (0, 0);
        for _ in 0..3 {
            batches.push(&mut one, to(1), 100, |b| b.extend([1; 100]));
            batches.push(&mut two, to(2), 100, |b| b.extend([2; 100]));
        }
        assert_eq!(pieces(&mut batches), [(1, 100, 300), (2, 100, 300)]);
        assert!(batches.is_empty());
        // What was remembered leads nowhere now.
        batches.push(&mut two, to(2), 100, |b| b.extend([2; 100]));
        batches.push(&mut one, to(1), 100, |b| b.extend([1; 100]));
        assert_eq!(pieces(&mut batches), [(2, 100, 100), (1, 100, 100)]);
    }

    #[test]
    fn a_shorter_one_is_the_last_and_a_longer_one_is_another_piece() {
        let mut batches = Batches::default();
        let mut place = 0;
        for length in [100, 100, 40, 40, 100] {
            batches.push(&mut place, to(1), length, |b| b.extend(vec![0; length]));
        }
        assert_eq!(pieces(&mut batches), [(1, 100, 240), (1, 40, 40), (1, 100, 100)]);
    }

    #[test]
    fn a_device_that_moves_gets_nothing_at_the_old_address() {
        let mut batches = Batches::default();
        let mut place = 0;
        batches.push(&mut place, to(1), 10, |b| b.extend([0; 10]));
        batches.push(&mut place, to(2), 10, |b| b.extend([0; 10]));
        assert_eq!(pieces(&mut batches), [(1, 10, 10), (2, 10, 10)]);
    }

    #[test]
    fn a_piece_is_never_more_than_the_kernel_takes() {
        let mut batches = Batches::default();
        let mut place = 0;
        for _ in 0..200 {
            batches.push(&mut place, to(1), 1_400, |b| b.extend([0; 1_400]));
        }
        for _ in 0..200 {
            batches.push(&mut place, to(1), 100, |b| b.extend([0; 100]));
        }
        let pieces = pieces(&mut batches);
        assert!(pieces.iter().all(|(_, segment, bytes)| *bytes <= MAX_BYTES && bytes / segment <= MAX_SEGMENTS));
        assert_eq!(pieces.iter().map(|p| p.2).sum::<usize>(), 200 * 1_500);
    }
}
