//! The switchboard's messages, one by one.

use super::{Call, Engine, Output, PING_EVERY_MS};
use crate::{
    device::{Claim, LogHead},
    view::{AlertLevel, LogState, NoticeView, Phase},
};
use telcon_identity::IdentityError;
use telcon_proto::{
    Blob, CallId, ClientMessage, RecordMode, Role, ServerMessage,
    message::{Logged, Notice, NoticeState, RefusalCode},
};

/// Checkpoints that were relied on and not yet seen to be the log's. A call brings a handful.
const MAX_CLAIMS: usize = 64;
/// Of how many of them the office is asked at once.
const CLAIMS_AT_ONCE: usize = 8;
/// How long the office has to show that its log continues what it proved something by, milliseconds.
const CLAIM_DUE_MS: u64 = 120_000;
/// Finished calls kept in the staff's list.
const MAX_NOTICES: usize = 64;

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
        ServerMessage::SignedIn { people, mode, token, in_call, checkpoint, .. } => {
            engine.phase = Phase::Ready;
            engine.people = people;
            // The server may ask for more than the authority does, never for less.
            engine.mode = mode.max(engine.device.office().floor());
            engine.token = Some(token);
            // The office tells of every call that goes on; one that it does not tell of any more ended meanwhile.
            engine.notices.retain(|_, notice| matches!(notice.state, NoticeState::Ended { .. }));
            first_checkpoint(engine, &checkpoint, now_ms);
            engine.state.claims.iter_mut().for_each(|claim| claim.since_ms = now_ms);
            engine.ping(now_ms);
            come_back(engine, in_call);
        }
        ServerMessage::People { people } => engine.people = people,
        ServerMessage::Checkpoint { checkpoint, from_size, consistency } => {
            // The answer to the ping that follows signing in: what the office had to say before it, it has said.
            engine.caught_up = engine.phase == Phase::Ready;
            engine.with_call(Call::missed_meanwhile);
            next_checkpoint(engine, &checkpoint, from_size, &consistency, now_ms);
        }
        ServerMessage::Ringing { jws, opened, device } => ringing(engine, now_ms, jws, &opened, &device),
        ServerMessage::Notice(notice) => note(engine, notice),
        ServerMessage::RecordKept { call, log_index, partial } => {
            if let Some(notice) = engine.notices.get_mut(&call) {
                (notice.kept_index, notice.partial) = (Some(log_index), partial);
            }
            if let Some(own) = engine.call.as_mut().filter(|own| own.id == call) {
                own.kept = Some((log_index, partial));
            }
        }
        ServerMessage::Revoked { jws } => {
            let (office, me) = (engine.device.office(), engine.device.me().device());
            let word = jws.and_then(|jws| office.verify_revocation(&jws).ok());
            if word.is_none_or(|revocation| revocation.device != me) {
                // A server alone ends nothing on a device: it can only refuse it.
                return engine.alert(
                    AlertLevel::Red,
                    "The office's server says that this device is revoked, and does not show the office's word for it. \
                     Ask your security officer.",
                );
            }
            engine.phase = Phase::Revoked;
            engine.with_call(|call, out| call.end("failed", out));
            // What is told last: whoever erases carries nothing out after it.
            engine.changed();
            engine.out.push_back(Output::Erase);
        }
        ServerMessage::Refused { call, code, message } => {
            if !rung_back(engine, call, code, now_ms) {
                refused(engine, call, code, &message);
            }
        }
        message => {
            let Some(call) = engine.call.as_mut() else { return };
            let relied_on = call.proofs_in(&message);
            let problem = call.handle(&engine.device, now_ms, message, &mut engine.rng, &mut engine.out);
            if let Some(problem) = problem {
                engine.alert(AlertLevel::Red, problem);
            } else {
                claim(engine, relied_on, now_ms);
            }
        }
    }
}

/// Two people rang each other at the same moment, and the other's ring was first: it takes the place of this device's own,
/// answered, when it comes. Says whether that is so.
fn rung_back(engine: &mut Engine, id: Option<CallId>, code: RefusalCode, now_ms: u64) -> bool {
    if code != RefusalCode::RingsYou {
        return false;
    }
    engine.call.as_mut().filter(|call| Some(call.id) == id).is_some_and(|call| call.is_rung_back(now_ms))
}

fn refused(engine: &mut Engine, id: Option<CallId>, code: RefusalCode, message: &str) {
    let mut text: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
    if code == RefusalCode::NotSignedIn {
        engine.phase = Phase::Offline;
    }
    if text.is_empty() {
        text = "The office's server refused.".into();
    }
    let ours = engine.call.as_ref().is_some_and(|call| Some(call.id) == id && !call.is_established());
    if ours {
        engine.with_call(|call, out| call.give_up(text.clone(), out));
    } else {
        engine.alert(AlertLevel::Amber, text);
    }
}

/// After signing in: goes on with a call, or comes back to it with fresh keys.
fn come_back(engine: &mut Engine, in_call: Option<CallId>) {
    let known = engine.call.as_ref().filter(|call| !call.is_over()).map(|call| call.id);
    match (known, in_call) {
        (Some(have), Some(id)) if have == id => {
            engine.with_call(|call, out| call.resume(out));
        }
        (Some(_), Some(_)) => {
            engine.with_call(Call::unknown_to_office);
            engine.alert(
                AlertLevel::Red,
                "The office's server took this device for one in another call than it is in. Tell the security officer.",
            );
        }
        // It ended here, and the office did not hear of it. Nobody is brought back into a call that they left.
        (None, Some(id)) if engine.has_left(id) => engine.send(ClientMessage::HangUp { call: id, failed: false }),
        (None, Some(id)) => {
            // Nobody is put into a call that no person took up here, whatever the server says.
            let Some(engaged) = engine.state.engaged.clone().filter(|engaged| engaged.call == id) else {
                return engine.alert(
                    AlertLevel::Red,
                    "The office's server would put this device into a call that nobody took up here. Tell the security officer.",
                );
            };
            match Call::join(&engine.device, id, engine.mode, None, engine.state.muted_in == Some(id), &mut engine.out)
            {
                Ok(mut call) => {
                    call.comes_back_to = engaged.ring;
                    engine.call = Some(call);
                }
                Err(error) => {
                    engine.alert(AlertLevel::Red, format!("This device could not make keys for a call: {error}."));
                }
            }
        }
        (Some(_), None) => engine.with_call(Call::unknown_to_office),
        (None, None) => {}
    }
}

fn ringing(engine: &mut Engine, now_ms: u64, jws: String, opened: &Logged, device: &Logged) {
    if let Some(call) = engine.call.as_mut().filter(|call| !call.is_over()).and_then(|call| call.rings_again(&jws)) {
        return engine.send(ClientMessage::RingShown { call });
    }
    if engine.in_call() && !engine.call.as_ref().is_some_and(Call::gives_way) {
        return;
    }
    match Call::rung(&engine.device, jws, opened, device, now_ms) {
        Ok(call) if engine.state.rung.contains(&call.id) => {
            engine.alert(AlertLevel::Red, "A ring of an earlier call came again. It was not shown.");
        }
        Ok(call) => {
            claim(engine, [opened.checkpoint.clone(), device.checkpoint.clone()], now_ms);
            let meant = engine.call.as_ref().filter(|own| own.gives_way()).map(|own| own.waits_for(&call));
            if meant == Some(false) {
                return;
            }
            engine.send(ClientMessage::RingShown { call: call.id });
            call.open_leg(&mut engine.out);
            engine.call = Some(call);
            if meant == Some(true) {
                engine.with_call(|call, out| call.answer(out));
            }
        }
        Err(error) => engine.alert(
            AlertLevel::Red,
            format!("A ring was refused because it could not be verified: {error}. Tell the security officer."),
        ),
    }
}

fn note(engine: &mut Engine, notice: Notice) {
    let staff = !engine.device.me().card().role.speaks();
    let role = engine.device.me().card().role;
    let open = !matches!(notice.state, NoticeState::Ended { .. });
    let keeps = notice.mode != RecordMode::LogOnly || role == Role::DutyOfficer;
    let old = engine.notices.get(&notice.call);
    let (kept_index, partial) = old.map_or((None, false), |old| (old.kept_index, old.partial));
    let view = NoticeView {
        call: notice.call,
        from: notice.from,
        to: notice.to.card,
        mode: notice.mode,
        state: notice.state,
        members: notice.members.len(),
        opened_ms: notice.opened_ms,
        kept_index,
        partial,
        can_listen: staff && open && keeps,
        noted: !notice.note_taker_silent && notice.members.iter().any(|member| member.card.role == Role::NoteTaker),
        note_taker_asks: notice.note_taker_asks,
    };
    engine.notices.insert(notice.call, view);
    while engine.notices.len() > MAX_NOTICES {
        let oldest = engine.notices.values().min_by_key(|n| n.opened_ms).map(|n| n.call);
        let Some(oldest) = oldest else { break };
        engine.notices.remove(&oldest);
    }
}

/// The checkpoint of the sign-in: believed at once only by a device that has seen none before.
fn first_checkpoint(engine: &mut Engine, checkpoint: &str, now_ms: u64) {
    match engine.device.office().verify_checkpoint(checkpoint) {
        Ok(size) if engine.state.log.is_none() => remember(engine, size, checkpoint, now_ms),
        Ok(_) => {}
        Err(error) => distrust(engine, format!("The log's checkpoint does not hold: {error}."), now_ms),
    }
}

fn next_checkpoint(engine: &mut Engine, checkpoint: &str, from_size: u64, proof: &[Blob], now_ms: u64) {
    let Some(head) = engine.state.log.clone() else { return };
    settle_claims(engine, &head, checkpoint, from_size, proof, now_ms);
    if head.size != from_size {
        return;
    }
    match continues(engine, &head, checkpoint, proof) {
        Ok(size) => remember(engine, size, checkpoint, now_ms),
        Err(error) => distrust(
            engine,
            format!(
                "The office's log does not continue what this device saw before: {error}. Tell the security officer."
            ),
            now_ms,
        ),
    }
    engine.next_ping_ms = Some(now_ms + PING_EVERY_MS);
}

/// A proof was believed that rests on this checkpoint: the log must turn out to continue it. A server that showed this
/// device another log than everybody else cannot give that proof, now or after the device came back to the true one.
pub(super) fn claim(engine: &mut Engine, checkpoints: impl IntoIterator<Item = String>, now_ms: u64) {
    for checkpoint in checkpoints {
        let known = engine.state.log.as_ref().is_some_and(|head| head.checkpoint == checkpoint)
            || engine.state.claims.iter().any(|claim| claim.checkpoint == checkpoint);
        let Ok(size) = engine.device.office().verify_checkpoint(&checkpoint) else { continue };
        if known {
            continue;
        }
        // What was relied on first stays: a flood must not push the evidence of a fork out.
        if engine.state.claims.len() == MAX_CLAIMS {
            return broken(engine, "more was proven than the log was seen to continue", now_ms);
        }
        engine.state.claims.push(Claim { size, checkpoint, since_ms: now_ms });
        engine.out.push_back(Output::Persist);
    }
}

/// Asks for the proof that the log continues what was believed; says if it was asked for in vain. Follows the ping for
/// the newest tree, so that the answers are about that one.
pub(super) fn ask_about_claims(engine: &mut Engine, now_ms: u64) {
    let sizes: Vec<u64> = engine.state.claims.iter().map(|claim| claim.size).take(CLAIMS_AT_ONCE).collect();
    for log_size in sizes {
        engine.send(ClientMessage::Ping { log_size });
    }
    if engine.state.claims.iter().any(|claim| now_ms.saturating_sub(claim.since_ms) > CLAIM_DUE_MS) {
        broken(engine, "no proof came", now_ms);
    }
}

fn settle_claims(engine: &mut Engine, head: &LogHead, newest: &str, from_size: u64, proof: &[Blob], now_ms: u64) {
    let office = engine.device.office();
    let Ok(newest_size) = office.verify_checkpoint(newest) else { return };
    let mut forked = None;
    let mut settled = Vec::new();
    for claim in engine.state.claims.iter().filter(|claim| claim.size == from_size) {
        // The newest tree must be the one that this device follows, or the proof says nothing about it.
        let followed = newest_size == head.size && office.verify_continues(&head.checkpoint, newest, &[]).is_ok();
        match office.verify_continues(&claim.checkpoint, newest, proof) {
            Ok(_) if followed => settled.push(claim.checkpoint.clone()),
            Ok(_) => {}
            Err(error) => forked = Some(error.to_string()),
        }
    }
    engine.state.claims.retain(|claim| !settled.contains(&claim.checkpoint));
    if !settled.is_empty() {
        engine.out.push_back(Output::Persist);
    }
    if let Some(error) = forked {
        broken(engine, &error, now_ms);
    }
}

/// Something was proven to this device by another log than the office's. That stays so.
fn broken(engine: &mut Engine, why: &str, now_ms: u64) {
    engine.log_broken = true;
    let text = "A call or a device was shown to this device from another log than the office's";
    distrust(engine, format!("{text}: {why}. Tell the security officer."), now_ms);
}

fn continues(engine: &Engine, head: &LogHead, checkpoint: &str, proof: &[Blob]) -> Result<u64, IdentityError> {
    engine.device.office().verify_continues(&head.checkpoint, checkpoint, proof)
}

fn remember(engine: &mut Engine, size: u64, checkpoint: &str, now_ms: u64) {
    let grown = engine.state.log.as_ref().is_none_or(|head| head.size != size);
    engine.state.log = Some(LogHead { size, checkpoint: checkpoint.to_owned() });
    let problem = engine.log.take().and_then(|log| log.problem).filter(|_| engine.log_broken);
    engine.log = Some(LogState { size, checked_ms: now_ms, ok: !engine.log_broken, problem });
    if grown {
        engine.out.push_back(Output::Persist);
    }
}

fn distrust(engine: &mut Engine, problem: String, now_ms: u64) {
    let size = engine.state.log.as_ref().map_or(0, |head| head.size);
    engine.log = Some(LogState { size, checked_ms: now_ms, ok: false, problem: Some(problem.clone()) });
    engine.alert(AlertLevel::Red, problem);
}
