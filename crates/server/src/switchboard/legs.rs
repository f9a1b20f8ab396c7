//! Legs: which devices may have one, and the relay's events about them.

use super::{
    Switchboard,
    call::Call,
    context::Context,
    port::{Effects, LegRefusal, RelayCommand, SessionId},
};
use telcon_proto::{CallId, DeviceId, ServerMessage, limits::MAX_SDP_BYTES, message::RefusalCode};

impl Switchboard {
    /// The relay answered the offer of a leg, or refused it with a reason.
    pub fn leg_added(
        &mut self,
        call: CallId,
        device: DeviceId,
        session: SessionId,
        answer: Result<String, LegRefusal>,
        now_ms: u64,
    ) -> Effects {
        let here = self.context.directory.session_of(&device) == Some(session);
        match (answer, self.calls.get_mut(&call)) {
            (Ok(sdp), Some(found)) if found.may_have_leg(&device, &self.context) => {
                found.legs.insert(device);
                if here {
                    self.context.send(session, ServerMessage::MediaAnswer { call, sdp });
                }
            }
            // The call ended, or the device left it, before the relay answered.
            (Ok(_), _) => self.context.relay(RelayCommand::RemoveLeg(call, device)),
            (Err(refusal), Some(_)) if here => {
                let (code, text) = match refusal {
                    LegRefusal::TooMany => (
                        RefusalCode::TooMany,
                        "this device asks for an audio connection too often: wait a second, then try again",
                    ),
                    LegRefusal::NotPlaced => {
                        (RefusalCode::Unavailable, "the call is on no relay: try again in a moment")
                    }
                    // The relay's reason is for the operator; the person gets a sentence of the server's.
                    LegRefusal::Relay(why) => {
                        tracing::warn!(%call, ?why, "all relays refused a leg: if repeated, check relay limits and the device's version");
                        (RefusalCode::NotAllowed, "the relay refused the audio connection of this device")
                    }
                };
                self.context.refuse(session, Some(call), code, text);
            }
            (Err(_), _) => {}
        }
        self.finish(now_ms)
    }

    /// The relay lost a leg, or an offer of one.
    pub fn leg_lost(&mut self, call: CallId, device: DeviceId, now_ms: u64) -> Effects {
        if let Some(found) = self.calls.get_mut(&call)
            && (found.legs.remove(&device) || found.may_have_leg(&device, &self.context))
        {
            self.context.tell(&device, ServerMessage::MediaLost { call });
        }
        self.finish(now_ms)
    }
}

impl Call {
    /// Whether the device may have a leg: participants, and devices that may become members. Forwarded media is useless
    /// without keys, and setting the leg up before the answer loses no audio after it.
    fn may_have_leg(&self, device: &DeviceId, context: &Context) -> bool {
        let rings = self.row.stage == crate::store::Stage::Ringing
            && (context.directory.is_person(device, self.row.to.person)
                || self.may_answer_for_callee(device, context).is_some())
            && !self.failed.contains(device);
        self.takes_part(device) || self.is_waiting(device) || rings
    }

    pub(super) fn offer(&mut self, session: SessionId, from: DeviceId, sdp: String, context: &mut Context) {
        let id = self.row.call;
        if !self.may_have_leg(&from, context) {
            let text = "this device is not in the call";
            return context.refuse(session, Some(id), RefusalCode::NotAllowed, text);
        }
        if sdp.len() > MAX_SDP_BYTES {
            return context.refuse(session, Some(id), RefusalCode::Malformed, "the offer is too long");
        }
        // SDP is lines of text (RFC 8866, section 5).
        if sdp.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
            return context.refuse(session, Some(id), RefusalCode::Malformed, "the offer is not valid text");
        }
        context.relay(RelayCommand::AddLeg { call: id, device: from, session, sdp });
    }
}
