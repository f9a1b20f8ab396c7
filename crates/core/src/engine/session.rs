//! Dispatch of the switchboard's messages: sign-in, rings, refusals; a message about a call goes to the call.

use super::{Engine, Event, Output, log_audit, notices};
use crate::{
    call::Call,
    view::{AlertLevel, ConnectionState},
};
use telcon_proto::{
    CallId, ClientMessage, PersonId, ServerMessage,
    message::{Logged, NoticeState, RefusalCode},
    words::Contact,
};

pub(super) fn handle(engine: &mut Engine, now_ms: u64, message: ServerMessage) {
    match message {
        ServerMessage::Challenge { nonce } => {
            let device = &engine.device;
            let jws = telcon_identity::sign_in(
                device.key(),
                device.office().domain(),
                device.me().device(),
                nonce.as_slice(),
            );
            engine.send(ClientMessage::Prove { jws });
        }
        ServerMessage::SignedIn { people, people_more, mode, token, in_call, checkpoint, .. } => {
            engine.phase = ConnectionState::Ready;
            (engine.people, engine.people_more) = (people, people_more);
            // The server may ask for more than the authority does, never for less.
            engine.mode = mode.max(engine.device.office().floor());
            engine.token = Some(token);
            // The office sends a notice of every open call; one without a notice ended while this device was away.
            engine.notices.retain(|_, notice| matches!(notice.state, NoticeState::Ended { .. }));
            log_audit::on_sign_in_checkpoint(engine, &checkpoint, now_ms);
            engine.state.claims.iter_mut().for_each(|claim| claim.since_ms = now_ms);
            engine.ping(now_ms);
            rejoin(engine, in_call);
        }
        ServerMessage::PeopleChanged { changed, removed } => people_changed(engine, changed, &removed),
        ServerMessage::Assigned { call } => engine.out.push_back(Output::Event(Event::Assigned { call })),
        ServerMessage::Checkpoint { checkpoint, from_size, consistency } => {
            // The answer to the ping after signing in: everything that the office sends at sign-in came before it.
            engine.caught_up = engine.phase == ConnectionState::Ready;
            engine.with_call(Call::end_unconfirmed_ring);
            log_audit::on_checkpoint(engine, &checkpoint, from_size, &consistency, now_ms);
        }
        ServerMessage::Ringing { jws, opened, device } => on_ring(engine, now_ms, jws, &opened, &device),
        ServerMessage::Notice(notice) => notices::on_notice(engine, notice),
        ServerMessage::RecordKept { call, log_index, partial } => {
            if let Some(notice) = engine.notices.get_mut(&call) {
                (notice.kept_index, notice.partial) = (Some(log_index), partial);
            }
            if let Some(own) = engine.call.as_mut().filter(|own| own.id == call) {
                own.record = Some((log_index, partial));
            }
        }
        ServerMessage::Revoked { jws } => {
            let (office, me) = (engine.device.office(), engine.device.me().device());
            let word = jws.and_then(|jws| office.verify_revocation(&jws).ok());
            if word.is_none_or(|revocation| revocation.device != me) {
                // Without the authority's signature a server cannot erase a device, only refuse it.
                return engine.alert(
                    AlertLevel::Red,
                    "The office's server says that this device is revoked, and does not show the office's word for it. \
                     Ask your security officer.",
                );
            }
            engine.phase = ConnectionState::Revoked;
            engine.with_call(|call, context| call.end("failed", context));
            // Erasing is the last output: nothing is carried out after it.
            engine.view_changed();
            engine.out.push_back(Output::Erase);
        }
        ServerMessage::Refused { call, code, message } => {
            if !yield_to_glare(engine, call, code, now_ms) {
                refused(engine, call, code, &message);
            }
        }
        message => {
            if let ServerMessage::Ended { call, .. } | ServerMessage::TakenElsewhere { call } = &message {
                engine.told_over = Some(*call);
            }
            let Some(call) = &engine.call else { return };
            let relied_on = call.checkpoints_in(&message);
            let mut problem = None;
            engine.with_call(|call, context| problem = call.handle(context, message));
            if let Some(problem) = problem {
                engine.alert(AlertLevel::Red, problem);
            } else {
                log_audit::record_claims(engine, relied_on, now_ms);
            }
        }
    }
}

/// Glare: two people rang each other at the same moment, and the other ring was first. It replaces this device's own ring,
/// and is answered when it arrives. Returns whether the refusal was glare.
fn yield_to_glare(engine: &mut Engine, id: Option<CallId>, code: RefusalCode, now_ms: u64) -> bool {
    if code != RefusalCode::RingsYou {
        return false;
    }
    engine.call.as_mut().filter(|call| Some(call.id) == id).is_some_and(|call| call.yield_to_glare(now_ms))
}

fn refused(engine: &mut Engine, id: Option<CallId>, code: RefusalCode, message: &str) {
    let mut text: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
    if code == RefusalCode::NoSuchCall && id.is_some_and(|id| engine.has_finished(id)) {
        // Both sides agree.
        return;
    }
    if code == RefusalCode::NotSignedIn {
        engine.phase = ConnectionState::Offline;
    }
    if text.is_empty() {
        text = "The office's server refused.".into();
    }
    let ours = engine.call.as_ref().is_some_and(|call| Some(call.id) == id && call.ends_when_refused(code));
    if ours {
        // A party that cannot come back ends the call for the other one too, which would wait for it.
        if let Some(call) = engine.call.as_ref().filter(|call| call.waits_as_party() && code != RefusalCode::NoSuchCall)
        {
            engine.send(ClientMessage::HangUp { call: call.id, failed: true });
        }
        engine.with_call(|call, context| call.give_up(text.clone(), context));
    } else {
        engine.alert(AlertLevel::Amber, text);
    }
}

/// After signing in: resumes the call, or rejoins it with fresh keys.
fn rejoin(engine: &mut Engine, in_call: Option<CallId>) {
    let known = engine.call.as_ref().filter(|call| !call.is_over()).map(|call| call.id);
    // It ended here while this device was disconnected, and its person has gone on to another call.
    if let Some(id) = in_call.filter(|id| known.is_some_and(|have| have != *id) && engine.has_finished(*id)) {
        engine.send(ClientMessage::HangUp { call: id, failed: false });
        return engine.with_call(Call::on_unknown_to_office);
    }
    match (known, in_call) {
        (Some(have), Some(id)) if have == id => {
            engine.with_call(Call::resume);
        }
        (Some(_), Some(_)) => {
            engine.with_call(Call::on_unknown_to_office);
            engine.alert(
                AlertLevel::Red,
                "The office's server took this device for one in another call than it is in. Tell the security officer.",
            );
        }
        // It ended here while disconnected: the office learns of it now. Nobody is brought back into a call that they left.
        (None, Some(id)) if engine.has_finished(id) => engine.send(ClientMessage::HangUp { call: id, failed: false }),
        (None, Some(id)) => {
            // The server cannot put a device into a call that no person engaged in on it.
            let Some(engaged) = engine.state.engaged.clone().filter(|engaged| engaged.call == id) else {
                return engine.alert(
                    AlertLevel::Red,
                    "The office's server would put this device into a call that nobody took up here. Tell the security officer.",
                );
            };
            let (mode, muted) = (engine.mode, engine.state.muted_in == Some(id));
            match Call::rejoin(&mut engine.context(), id, mode, engaged.ring, muted) {
                Ok(call) => engine.call = Some(call),
                Err(error) => {
                    engine.alert(AlertLevel::Red, format!("This device could not make keys for a call: {error}."));
                }
            }
        }
        (Some(_), None) => engine.with_call(Call::on_unknown_to_office),
        (None, None) => {}
    }
}

/// The office rings this device.
fn on_ring(engine: &mut Engine, now_ms: u64, jws: String, opened: &Logged, device: &Logged) {
    let repeated = engine.call.as_mut().and_then(|call| call.on_ring_repeated(&jws).then_some(call.id));
    if let Some(call) = repeated {
        return engine.send(ClientMessage::RingShown { call });
    }
    let glare = engine.call.as_ref().is_some_and(Call::yields_on_glare);
    if engine.in_call() && !glare {
        return;
    }
    match Call::incoming(&engine.device, jws, opened, device, now_ms) {
        // It ended here while the office could not be told, and so it still rings there.
        Ok(call) if engine.state.finished_rings.last() == Some(&call.id) && engine.told_over != Some(call.id) => {
            let own = engine.call.as_ref().filter(|own| own.id == call.id);
            let (known, declined) = (own.is_some(), own.is_some_and(Call::was_declined));
            let call = call.id;
            engine.send(match declined {
                true => ClientMessage::Decline { call },
                false => ClientMessage::HangUp { call, failed: true },
            });
            if !known {
                engine.alert(AlertLevel::Amber, "A ring of an earlier call came again. It was not shown.");
            }
        }
        Ok(call) if engine.state.finished_rings.contains(&call.id) => {
            engine.alert(AlertLevel::Red, "A ring of an earlier call came again. It was not shown.");
        }
        Ok(call) => {
            log_audit::record_claims(engine, [opened.checkpoint.clone(), device.checkpoint.clone()], now_ms);
            // Glare is resolved by the ring that this device waits for, and by no other.
            if glare && !engine.call.as_ref().is_some_and(|own| own.matches_glare(&call)) {
                return;
            }
            engine.send(ClientMessage::RingShown { call: call.id });
            engine.call = Some(call);
            engine.with_call(|call, context| call.open_leg(context));
            if glare {
                engine.with_call(Call::answer);
            }
        }
        Err(error) => engine.alert(
            AlertLevel::Red,
            format!("A ring was refused because it could not be verified: {error}. Tell the security officer."),
        ),
    }
}

/// Applies changes to the list of people, which stays sorted by name.
fn people_changed(engine: &mut Engine, changed: Vec<Contact>, removed: &[PersonId]) {
    let unchanged = |contact: &Contact| {
        let person = contact.card.person;
        !removed.contains(&person) && changed.iter().all(|new| new.card.person != person)
    };
    engine.people.retain(unchanged);
    engine.people.extend(changed);
    engine.people.sort_by(|a, b| (&a.card.name, a.card.person).cmp(&(&b.card.name, b.card.person)));
}
