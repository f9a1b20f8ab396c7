//! Legs: who may have one, and what becomes of it.

use super::{
    Switchboard,
    call::Call,
    desk::Desk,
    port::{Effects, RelayCommand, SessionId},
};
use telcon_proto::{CallId, DeviceId, ServerMessage, limits::MAX_SDP_BYTES, message::RefusalCode};

impl Switchboard {
    /// The relay took a leg and answers its offer, or refused it and says why.
    pub fn leg_added(
        &mut self,
        call: CallId,
        device: DeviceId,
        session: SessionId,
        answer: Result<String, String>,
        now_ms: u64,
    ) -> Effects {
        let here = self.desk.online.get(&device) == Some(&session);
        match (answer, self.calls.get_mut(&call)) {
            (Ok(sdp), Some(found)) if found.may_have_leg(&device, &self.desk) => {
                found.legs.insert(device);
                if here {
                    self.desk.send(session, ServerMessage::MediaAnswer { call, sdp });
                }
            }
            // The call ended, or the device left it, while the relay was at work.
            (Ok(_), _) => self.desk.relay(RelayCommand::RemoveLeg(call, device)),
            (Err(why), Some(_)) if here => {
                // What a relay says is for the operator; on a leader's screen stands a sentence of ours.
                tracing::warn!(%call, ?why, "a relay did not take a leg");
                self.desk.refuse(session, Some(call), RefusalCode::NotAllowed, "the relay did not take the sound");
            }
            (Err(_), _) => {}
        }
        self.finish(now_ms)
    }

    /// The relay lost a leg, or an offer of one.
    pub fn leg_lost(&mut self, call: CallId, device: DeviceId, now_ms: u64) -> Effects {
        if let Some(found) = self.calls.get_mut(&call)
            && (found.legs.remove(&device) || found.may_have_leg(&device, &self.desk))
        {
            self.desk.tell(&device, ServerMessage::MediaLost { call });
        }
        self.finish(now_ms)
    }
}

impl Call {
    /// Members have legs, and so have the devices that may become members in a moment: what is forwarded to them is
    /// of no use without keys, and the first word is not lost to the setting up of a leg.
    fn may_have_leg(&self, device: &DeviceId, desk: &Desk) -> bool {
        let rings = self.row.stage == crate::store::Stage::Ringing
            && desk.is_person(device, self.row.to.person)
            && !self.failed.contains(device);
        self.takes_part(device) || self.is_waiting(device) || rings
    }

    pub(super) fn offer(&mut self, session: SessionId, from: DeviceId, sdp: String, desk: &mut Desk) {
        let id = self.row.call;
        if !self.may_have_leg(&from, desk) {
            let text = "this device is not in the call";
            return desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        if sdp.len() > MAX_SDP_BYTES {
            return desk.refuse(session, Some(id), RefusalCode::Malformed, "the offer is too long");
        }
        // SDP is lines of text (RFC 8866, section 5).
        if sdp.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
            return desk.refuse(session, Some(id), RefusalCode::Malformed, "the offer is no text");
        }
        desk.relay(RelayCommand::AddLeg { call: id, device: from, session, sdp });
    }
}
