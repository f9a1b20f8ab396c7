//! RTP streams of a leg: one from the device (uplink), and one per slot to it (downlinks).

use crate::{
    api::LegId,
    ice,
    offer::{CheckedOffer, OfferError},
    rtcp::Reception,
    slot::{Slot, Source},
    srtp::{Header, Opening, Rejected, ReplayWindow},
};
use std::ops::Range;

/// An authenticated media packet, decrypted in place.
pub(crate) struct InboundPacket {
    pub(crate) source: Source,
    /// SRTP packet index: rollover counter and sequence number.
    pub(crate) index: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// Range of the payload in the datagram.
    pub(crate) payload: Range<usize>,
    /// Whether its index is the highest so far.
    pub(crate) newest: bool,
}

/// The stream that the device sends.
pub(crate) struct Uplink {
    payload_type: u8,
    /// Signalled in the offer, or else taken from the first authenticated packet.
    ssrc: Option<u32>,
    /// See [`Source`].
    stream: u64,
    replay: ReplayWindow,
    reception: Reception,
}

impl Uplink {
    /// `stream` is the number of this stream, see [`Source`].
    pub(crate) fn new(offer: &CheckedOffer, stream: u64) -> Result<Self, OfferError> {
        let sending = offer.sending().ok_or(OfferError::Directions)?;
        let payload_type = sending.payload_type.ok_or(OfferError::NoOpus)?;
        let (replay, reception) = (ReplayWindow::default(), Reception::default());
        Ok(Self { payload_type, ssrc: sending.ssrc, stream, replay, reception })
    }

    /// Applies a renegotiation: a different SSRC starts a new stream.
    pub(crate) fn renegotiate(&mut self, offered: Self) {
        if offered.ssrc.is_some() && offered.ssrc != self.ssrc {
            *self = offered;
        } else {
            self.payload_type = offered.payload_type;
        }
    }

    /// Authenticates and decrypts a packet of `leg` in place. `clock` is its arrival time in RTP ticks.
    pub(crate) fn open(
        &mut self,
        keys: &Opening,
        leg: LegId,
        packet: &mut [u8],
        clock: u32,
    ) -> Result<InboundPacket, Rejected> {
        let header = Header::parse(packet).ok_or(Rejected)?;
        if header.payload_type != self.payload_type || self.ssrc.is_some_and(|ssrc| ssrc != header.ssrc) {
            return Err(Rejected);
        }
        let index = self.replay.extend(header.sequence).filter(|i| self.replay.is_new(*i)).ok_or(Rejected)?;
        let payload = keys.media(&header, index, packet)?;
        self.ssrc = Some(header.ssrc);
        let newest = self.replay.accept(index);
        self.reception.count(index, header.timestamp, clock);
        let source = Source { leg, stream: self.stream };
        Ok(InboundPacket { source, index, timestamp: header.timestamp, marker: header.marker, payload, newest })
    }

    /// SSRC and reception statistics, once the SSRC is known.
    pub(crate) fn reception(&mut self) -> Option<(u32, &mut Reception)> {
        self.ssrc.map(|ssrc| (ssrc, &mut self.reception))
    }
}

/// An outgoing stream: one `recvonly` section of the device.
pub(crate) struct Downlink {
    pub(crate) mid: Box<str>,
    pub(crate) payload_type: u8,
    pub(crate) ssrc: u32,
    pub(crate) slot: Slot,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

impl Downlink {
    /// The downlinks of an offer. Sections that exist in `existing` are continued; a new section gets a new SSRC, so that
    /// its packet indices start afresh.
    pub(crate) fn negotiate(mut existing: Vec<Self>, offer: &CheckedOffer) -> Result<Vec<Self>, OfferError> {
        let mut downlinks = Vec::new();
        downlinks.reserve_exact(offer.receiving().count());
        for section in offer.receiving() {
            let payload_type = section.payload_type.ok_or(OfferError::NoOpus)?;
            let known = existing.iter().position(|d| *d.mid == *section.mid).map(|i| existing.swap_remove(i));
            let downlink = known.unwrap_or_else(|| Self {
                mid: section.mid.as_str().into(),
                payload_type,
                ssrc: ice::random_ssrc(),
                slot: Slot::default(),
                packets: 0,
                octets: 0,
            });
            downlinks.push(Self { payload_type, ..downlink });
        }
        Ok(downlinks)
    }
}
