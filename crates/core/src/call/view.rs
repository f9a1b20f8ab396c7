//! What a screen shows of the call.

use super::Call;
use crate::{
    device::Device,
    mls::{group::CallGroup, phrase::Phrase},
    view::{CallView, Direction, MemberView},
};
use telcon_proto::{Card, DeviceId, Role};

impl Call {
    /// Everybody who holds the key that this device seals with, and those on their way out of the call.
    pub(super) fn present(&self) -> impl Iterator<Item = DeviceId> {
        let joining = self.optimistic.iter().flat_map(|optimistic| optimistic.joining.iter().copied());
        let seated: Vec<_> = self.roster.values().map(|member| member.device).collect();
        let joining: Vec<_> = joining.filter(|device| !seated.contains(device)).collect();
        seated.into_iter().chain(joining)
    }

    /// The note-takers in it, `me` among them if it is one. Not those whose commit is not confirmed yet.
    pub(super) fn note_takers(&self, me: DeviceId) -> impl Iterator<Item = DeviceId> {
        let role = move |member| {
            let known = self.verified.get(&member).map(|known| known.device().card().role);
            known.or_else(|| (member == me).then_some(self.own_role))
        };
        self.roster.values().map(|member| member.device).filter(move |member| role(*member) == Some(Role::NoteTaker))
    }

    pub(super) fn card(&self, device: &Device, id: DeviceId) -> Option<Card> {
        if id == device.me().device() {
            return Some(device.me().card().clone());
        }
        Some(self.verified.get(&id)?.device().card().clone())
    }

    pub(crate) fn view(&self, me: DeviceId) -> CallView {
        let from = self.ring.as_ref().map(|ring| ring.ring().device().card().clone());
        let from = from.or_else(|| self.hint.as_ref().map(|hint| hint.0.clone()));
        let callee = self.ring.as_ref().and_then(|ring| {
            let to = ring.ring().ring().to;
            self.verified.values().map(|d| d.device().card()).find(|card| card.person == to).cloned()
        });
        let callee_verified = callee.is_some();
        let to = callee.or_else(|| self.hint.as_ref().map(|hint| hint.1.clone()));
        let own_person = self.verified.get(&me).map(|d| d.device().card().person);
        let i_rang = match self.direction {
            Direction::Out => true,
            Direction::In => own_person.is_some() && own_person == from.as_ref().map(|card| card.person),
            Direction::Listen => false,
        };
        let other = if i_rang { to.clone() } else { from.clone() };
        let verified = if i_rang { callee_verified } else { self.ring.is_some() };
        let note_taker = self.note_takers(me).any(|device| !self.presence.is_lost(device));
        CallView {
            call: self.id,
            direction: self.direction,
            state: self.state,
            ended: self.ended,
            problem: self.problem.clone(),
            other,
            from,
            to,
            verified,
            mode: self.mode,
            suite: self.suite,
            phrase: self.phrase(),
            members: self
                .present()
                .filter_map(|device| {
                    let you = device == me;
                    let card = self.verified.get(&device).map(|d| d.device().card().clone());
                    let card = card.or_else(|| you.then(|| self.own_card()).flatten())?;
                    let said = self.roster.values().any(|member| member.device == device && member.muted);
                    let muted = if you { self.muted } else { said };
                    Some(MemberView { card, device, you, muted, lost: self.presence.is_lost(device) })
                })
                .collect(),
            started_ms: self.started_ms,
            note_taker,
            noted: self.noted,
            muted: self.muted,
            epoch: self.group.as_ref().map(CallGroup::epoch),
            opened_index: self.opened.map(|(index, _)| index),
            opened_ms: self.opened.map(|(_, time)| time),
            kept_index: self.kept.map(|(index, _)| index),
            partial: self.kept.is_some_and(|(_, partial)| partial),
            captions: self.captions.clone(),
            captions_behind_ms: self.behind_ms.filter(|_| note_taker),
        }
    }

    fn phrase(&self) -> Option<Phrase> {
        let optimistic = self.optimistic.as_ref().map(|optimistic| optimistic.phrase);
        optimistic.or_else(|| self.group.as_ref().filter(|_| self.started_ms.is_some())?.phrase().ok())
    }

    fn own_card(&self) -> Option<Card> {
        let hint = self.hint.as_ref()?;
        match self.direction {
            Direction::Out => Some(hint.0.clone()),
            Direction::In => Some(hint.1.clone()),
            Direction::Listen => None,
        }
    }
}
