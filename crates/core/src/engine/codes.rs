//! The short code that this device shows, as a registrar or the giver of a line: it carries an invitation's link to the device on
//! which the code is typed. It is in memory only: after a reload, or when the connection closes, its person makes another one.

use crate::{
    Engine,
    short_code::{CodeEvent, Purpose, ShownCode},
    view::{AlertLevel, CodeView},
};
use telcon_proto::{
    ClientMessage, CodeRunId, InvitationId,
    alert::ReportedAlert,
    limits::CODE_TTL_MS,
    short_code::{CodeOver, CodeSlot, CodeStep},
};

/// What this device knows of codes: it shows one at a time.
#[derive(Default)]
pub(super) struct Codes {
    /// The invitation for which a slot was asked for.
    wanted: Option<InvitationId>,
    shown: Option<Shown>,
}

struct Shown {
    invitation: InvitationId,
    code: ShownCode,
    expires_ms: u64,
    /// Another device tried the code after it was used.
    late: bool,
}

impl Engine {
    pub(super) fn show_code(&mut self, invitation: InvitationId) {
        if self.link_of(invitation).is_none() {
            let text = "A code can only be shown for an open invitation, on the device that made it.";
            return self.alert(AlertLevel::Amber, text);
        }
        self.hide_code();
        self.codes.wanted = Some(invitation);
        self.send(ClientMessage::OpenCode {});
    }

    pub(super) fn hide_code(&mut self) {
        self.codes.wanted = None;
        if let Some(shown) = self.codes.shown.take()
            && shown.code.over().is_none_or(|why| why == CodeOver::Used)
        {
            self.send(ClientMessage::CloseCode { slot: shown.code.code().slot() });
        }
    }

    /// A message was refused: it may have been the one for a code.
    pub(super) fn no_code_opened(&mut self) {
        self.codes.wanted = None;
    }

    /// The office allotted a slot. The secret is drawn here.
    pub(super) fn on_code_opened(&mut self, slot: CodeSlot, ttl_ms: u64, now_ms: u64) {
        let Some(invitation) = self.codes.wanted.take() else { return };
        let Some(link) = self.link_of(invitation) else { return };
        let office = self.device.office().domain().clone();
        let code = ShownCode::new(slot, office, Purpose::Enrolment, link, &mut self.rng);
        let expires_ms = now_ms + ttl_ms.min(CODE_TTL_MS);
        self.codes.shown = Some(Shown { invitation, code, expires_ms, late: false });
    }

    /// Somebody typed a code with this device's slot.
    pub(super) fn on_code_tried(&mut self, slot: CodeSlot, run: CodeRunId, step: &CodeStep, now_ms: u64) {
        self.end_code(now_ms);
        let Some(shown) = self.codes.shown.as_mut().filter(|shown| shown.code.code().slot() == slot) else { return };
        let (answer, event) = match step {
            CodeStep::Start(start) => shown.code.start(run, start, &mut self.rng),
            CodeStep::Confirm(confirm) => shown.code.confirm(run, confirm, &mut self.rng),
        };
        let first_late = event == CodeEvent::Late && !std::mem::replace(&mut shown.late, true);
        self.send(ClientMessage::AnswerCode { slot, run, answer });
        if first_late {
            let text =
                "The code was typed on another device, too: refuse the device that asks unless its code is the same.";
            self.alert(AlertLevel::Red, text);
        }
        if event == CodeEvent::Guessed {
            self.report(ReportedAlert::CodeGuessed, None);
        }
    }

    /// A code is of no use once its link is: a device asked with it, or the invitation is closed. A used one stays, so that who types it
    /// late learns that, and this person learns of it.
    pub(super) fn end_code_of_closed_invitation(&mut self) {
        let Some(shown) = &self.codes.shown else { return };
        if shown.code.over().is_none() && self.link_of(shown.invitation).is_none() {
            self.hide_code();
        }
    }

    /// Ends a code whose time is over. The office forgets it by itself.
    pub(super) fn end_code(&mut self, now_ms: u64) -> bool {
        match &mut self.codes.shown {
            Some(shown) if shown.code.over().is_none() && now_ms >= shown.expires_ms => {
                shown.code.close(CodeOver::Expired);
                true
            }
            _ => false,
        }
    }

    pub(super) fn code_ends_ms(&self) -> Option<u64> {
        self.codes.shown.as_ref().filter(|shown| shown.code.over().is_none()).map(|shown| shown.expires_ms)
    }

    /// The connection is lost, and the office's slot with it.
    pub(super) fn code_lost(&mut self) {
        self.codes.wanted = None;
        if let Some(shown) = &mut self.codes.shown {
            shown.code.close(CodeOver::Closed);
        }
    }

    pub(super) fn code_view(&self) -> Option<CodeView> {
        if let Some(invitation) = self.codes.wanted {
            return Some(CodeView {
                invitation,
                code: None,
                expires_ms: None,
                wrong: 0,
                over: None,
                tried: 0,
                late: false,
            });
        }
        let shown = self.codes.shown.as_ref()?;
        let over = shown.code.over();
        Some(CodeView {
            invitation: shown.invitation,
            code: over.is_none().then(|| shown.code.code().to_text()),
            expires_ms: Some(shown.expires_ms),
            wrong: shown.code.wrong(),
            over,
            tried: shown.code.tried(),
            late: shown.late,
        })
    }
}
