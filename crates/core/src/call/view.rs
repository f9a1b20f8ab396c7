//! The view model of a call.

use super::{
    Call,
    phase::{Joining, Phase, Placing, Ringing},
};
use crate::{
    mls::phrase::Phrase,
    view::{ActsForView, CallState, CallView, Direction, LineView, LogComparison, MemberView},
};
use telcon_identity::{LoggedDelegation, VerifiedDelegation};
use telcon_proto::{
    DeviceId,
    delegation::{Act, ActsFor},
};

impl Call {
    /// What a screen shows of the call.
    pub(crate) fn view(&self) -> CallView {
        let mut view = match &*self.phase {
            Phase::Ended(ended) => CallView {
                state: self.phase.state(),
                ended: Some(ended.how),
                hung_up_by: ended.hung_up_by.clone(),
                problem: ended.problem.clone(),
                phrase: None,
                epoch: None,
                arriving: false,
                holds: Vec::new(),
                green_room: None,
                ..(*ended.view).clone()
            },
            _ => self.view_of_phase(),
        };
        // The record is reported after the end too.
        view.kept_index = self.record.map(|(index, _)| index);
        view.partial = self.record.is_some_and(|(_, partial)| partial);
        view.reply = self.reply;
        view.continued_on = self.continued_on;
        // Consistency proofs, too, arrive after the end.
        (view.logs, view.invalid_checkpoints) = (self.log_comparison(&view.members), self.invalid_checkpoints);
        view
    }

    /// The same only when the checkpoint of every other member of this office was compared: a server could withhold one member's.
    fn log_comparison(&self, members: &[MemberView]) -> LogComparison {
        let home = &self.me.card().office;
        let mut others = members.iter().filter(|member| !member.you && member.card.office == *home).peekable();
        if self.log_differs {
            LogComparison::Different
        } else if others.peek().is_some() && others.all(|member| self.same_log.contains(&member.device)) {
            LogComparison::Same
        } else {
            LogComparison::Unknown
        }
    }

    fn view_of_phase(&self) -> CallView {
        let (ring, session) = (self.phase.ring(), self.phase.session());
        let (caller, callee) = (ring.map(|ring| ring.caller().clone()), self.verified_callee());
        let callee_verified = callee.is_some();
        let from = caller.or_else(|| self.parties.as_ref().map(|parties| parties.caller.clone()));
        let to = callee.or_else(|| self.parties.as_ref().map(|parties| parties.callee.clone()));
        let acts_for = self.acts_for();
        let rang_for = acts_for.iter().find(|acting| acting.acts.act == Act::Ring);
        let i_rang = match self.direction {
            Direction::Out => true,
            // Of a principal, too, who took over what was rung for them.
            Direction::In => {
                let principal = rang_for.map(|acting| &acting.acts.principal);
                from.iter().chain(principal).any(|card| card.is_same_person(self.me.card()))
            }
            Direction::Listen => false,
        };
        let caller = rang_for.filter(|acting| acting.taken_over).map(|acting| acting.acts.principal.clone());
        let other = if i_rang { to.clone() } else { caller.or_else(|| from.clone()) };
        let note_taker = session.is_some_and(|session| {
            let mut note_takers = session.membership.note_takers(&self.me).into_iter();
            note_takers.any(|device| !session.presence.is_lost(device))
        });
        let opened = ring.map(super::ring::OpenedRing::opened);
        CallView {
            call: self.id,
            direction: self.direction,
            state: self.phase.state(),
            ended: None,
            hung_up_by: None,
            problem: None,
            other,
            from,
            to,
            acts_for,
            line: self.line().map(|line| LineView::of(line.line())),
            reply: None,
            diverted: self.diverted,
            speaks: self.speaks(),
            verified: if i_rang { callee_verified } else { ring.is_some() },
            mode: self.mode(),
            suite: self.suite,
            phrase: self.phrase(),
            members: self.present().into_iter().filter_map(|device| self.member_view(device)).collect(),
            started_ms: self.started_ms(),
            note_taker,
            noted: session.is_some_and(|session| session.noted),
            muted: self.muted,
            arriving: self.arrives(),
            continued_on: None,
            holds: session.map(|session| session.holds.views(self.me.card())).unwrap_or_default(),
            green_room: session.and_then(|session| session.room_view(&self.me)),
            notified: self.notified && self.phase.state() == CallState::Ringing,
            epoch: match &*self.phase {
                Phase::Placing(Placing::Sent(sent)) => Some(sent.group.epoch()),
                _ => session.map(|session| session.membership.group.epoch()),
            },
            opened_index: opened.map(|(index, _)| index),
            opened_ms: opened.map(|(_, time)| time),
            kept_index: None,
            partial: false,
            logs: LogComparison::Unknown,
            invalid_checkpoints: self.invalid_checkpoints,
            captions: session.map(|session| session.captions.lines().to_vec()).unwrap_or_default(),
            captions_behind_ms: session.and_then(|session| session.captions.latency_ms()).filter(|_| note_taker),
        }
    }

    /// The callee's card, once a device of the person who was rung is verified.
    fn verified_callee(&self) -> Option<telcon_proto::Card> {
        let session = self.phase.session()?;
        let to = &session.ring.logged.ring().ring().to;
        let mut cards = session.membership.verified.values().map(|logged| logged.device().card());
        let answered_for = session.answers.as_ref().map(LoggedDelegation::principal);
        cards.find(|card| card.is_of(to)).or(answered_for).cloned()
    }

    /// Who acts in it for a party, as this device verified it.
    fn acts_for(&self) -> Vec<ActsForView> {
        let view = |delegation: &VerifiedDelegation, act, taken_over| ActsForView {
            acts: ActsFor {
                principal: delegation.principal().clone(),
                delegate: delegation.content().delegate.clone(),
                act,
            },
            taken_over,
        };
        if let Some(session) = self.phase.session() {
            return session.acting().map(|(known, act, taken)| view(known.delegation(), act, taken)).collect();
        }
        let (mut rang, mut answering) = (None, None);
        match &*self.phase {
            Phase::Placing(Placing::Sent(sent)) => rang = sent.on_behalf.as_ref(),
            Phase::Ringing(Ringing::Incoming(incoming)) => answering = incoming.answering.as_ref(),
            Phase::Joining(Joining::AwaitingWelcome(waiting)) => answering = waiting.answering.as_ref(),
            _ => {}
        }
        let rang =
            rang.or(self.phase.ring().and_then(|ring| ring.on_behalf.as_ref()).map(LoggedDelegation::delegation));
        let rang = rang.map(|delegation| view(delegation, Act::Ring, false));
        let answering = answering.map(|known| view(known.delegation(), Act::Answer, false));
        rang.into_iter().chain(answering).collect()
    }

    /// All holders of the key that this device seals with, and those whose removal is not confirmed yet.
    fn present(&self) -> Vec<DeviceId> {
        let Some(session) = self.phase.session() else { return Vec::new() };
        let mut present: Vec<_> = session.membership.devices().collect();
        if let Phase::Live(live) = &*self.phase {
            let joining = live.optimistic.iter().flat_map(|optimistic| &optimistic.members);
            let joining: Vec<_> = joining.copied().filter(|device| !present.contains(device)).collect();
            present.extend(joining);
        }
        present
    }

    fn member_view(&self, device: DeviceId) -> Option<MemberView> {
        let session = self.phase.session()?;
        let you = device == self.me.device();
        let card = session.membership.card(&self.me, device)?;
        // Only a place's certificate says that somebody else is there.
        let on_shift = self.on_shift.get(&device).filter(|_| card.place).cloned();
        Some(MemberView {
            speaks: session.speaks(&card),
            card,
            device,
            you,
            muted: if you { self.muted } else { session.membership.is_muted(device) },
            lost: session.presence.is_lost(device),
            on_shift,
        })
    }

    fn phrase(&self) -> Option<Phrase> {
        let Phase::Live(live) = &*self.phase else { return None };
        let optimistic = live.optimistic.as_ref().map(|optimistic| optimistic.phrase);
        optimistic.or_else(|| live.session.membership.phrase.filter(|_| live.started_ms.is_some()))
    }
}
