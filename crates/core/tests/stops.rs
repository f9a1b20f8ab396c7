//! A line that was stopped while the office did not get to know it: the device sends the stop again until the office has answered.

#[allow(dead_code, reason = "other tests use the rest of the office")]
mod line_office;

use line_office::*;
use telcon_core::{DeviceState, Engine, UserCommand, view::AlertLevel};
use telcon_identity::VerifiedLine;
use telcon_proto::{
    ClientMessage, Role, ServerMessage, SuiteName,
    line::{LineList, LineState, Rings},
    message::RefusalCode,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Longer than a version of a line may be on its way to the log.
const LATER: u64 = NOW + HOUR;

struct World {
    office: Office,
    principal: Engine,
    guest: Engine,
    line: VerifiedLine,
}

impl World {
    fn new() -> Self {
        let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
        let mut principal = office.enrol(1, 1, Role::Principal);
        let (mut guest, line) = office.taken(&mut principal, 9, terms());
        office.tell_of(&mut principal, &line.content().holder, Some(&line));
        office.tell_of(&mut guest, &line.content().principal, Some(&line));
        Self { office, principal, guest, line }
    }

    /// The principal stops the line. Gives what the device sends.
    fn stop(&mut self, state: LineState) -> Vec<ClientMessage> {
        stop_line(&self.office, &mut self.principal, &self.line, state)
    }
}

fn stop_line(office: &Office, engine: &mut Engine, line: &VerifiedLine, state: LineState) -> Vec<ClientMessage> {
    let statement = office.statement(line);
    engine.command(NOW, UserCommand::SignLineChange { statement, lost: None, change: stop(state), under: None });
    sent(engine)
}

/// Signs in, and gives what the device sends then.
fn signed_in(office: &Office, engine: &mut Engine) -> Vec<ClientMessage> {
    engine.disconnected(LATER);
    office.sign_in_to(engine, LATER, &[], None);
    sent(engine)
}

fn stops(sent: &[ClientMessage]) -> Vec<String> {
    let statement = |message: &ClientMessage| match message {
        ClientMessage::StopLine { statement } => Some(statement.clone()),
        _ => None,
    };
    sent.iter().filter_map(statement).collect()
}

fn told(engine: &Engine) -> (AlertLevel, String) {
    engine.view().alerts.first().map(|alert| (alert.level, alert.text.clone())).expect("an alert")
}

#[test]
fn a_stop_that_a_lost_connection_swallowed_is_sent_again_until_a_ping_after_it_is_answered() {
    for state in [LineState::Paused, LineState::Suspect, LineState::Ended] {
        let mut world = World::new();
        world.stop(state);
        for _ in 0..2 {
            let all = signed_in(&world.office, &mut world.principal);
            let again = stops(&all);
            let [statement] = &again[..] else { panic!("{again:?}") };
            let first_ping = all.iter().position(|message| message.kind() == "ping");
            let stop = all.iter().position(|message| message.kind() == "stop_line");
            assert!(stop < first_ping, "its answer has to come after the stop");
            let signed = world.principal.device().office().verify_line(statement).unwrap();
            let content = signed.content();
            assert_eq!((content.version, content.state, content.at_ms), (2, state, LATER));
            assert!(world.line.check_next(&signed).is_ok());
        }
        let all = signed_in(&world.office, &mut world.principal);
        world.office.answer_pings(&mut world.principal, &all, LATER);
        assert_eq!(stops(&signed_in(&world.office, &mut world.principal)), [""; 0], "the office has answered");
        let mut again = restarted(&world.principal, LATER);
        assert_eq!(stops(&signed_in(&world.office, &mut again)), [""; 0]);
    }
}

#[test]
fn the_answer_to_an_earlier_ping_is_none_to_a_stop() {
    let mut world = World::new();
    let before = signed_in(&world.office, &mut world.principal);
    let after = world.stop(LineState::Paused);
    assert_eq!(stops(&after).len(), 1);
    world.office.answer_pings(&mut world.principal, &before, NOW);
    assert_eq!(stops(&signed_in(&world.office, &mut restarted(&world.principal, LATER))).len(), 1);
    world.office.answer_pings(&mut world.principal, &after, NOW);
    assert_eq!(stops(&signed_in(&world.office, &mut world.principal)), [""; 0]);
}

#[test]
fn a_stop_is_sent_again_after_a_restart_of_the_device_until_the_log_is_seen_to_have_it() {
    let mut world = World::new();
    world.stop(LineState::Paused);
    let mut again = restarted(&world.principal, LATER);
    let statement = stops(&signed_in(&world.office, &mut again)).pop().expect("sent again");
    let paused = world.office.log_line(&statement);
    let list = LineList { lines: vec![world.office.listed(&paused, LATER)], more: false };
    again.command(LATER, UserCommand::SeeLines { list });
    assert_eq!(stops(&signed_in(&world.office, &mut again)), [""; 0]);
    // The holder's hand back too.
    let statement = world.office.statement(&world.line);
    world.guest.command(NOW, UserCommand::HandBack { statement });
    let mut guest = restarted(&world.guest, LATER);
    let again = stops(&signed_in(&world.office, &mut guest));
    assert_eq!(again.len(), 1);
    let handed_back = guest.device().office().verify_line(&again[0]).unwrap();
    assert_eq!(handed_back.content().state, LineState::Ended);
}

#[test]
fn a_stop_that_another_version_overtook_is_refused_told_and_forgotten() {
    let mut world = World::new();
    world.stop(LineState::Paused);
    let all = signed_in(&world.office, &mut world.principal);
    assert_eq!(stops(&all).len(), 1);
    let message = "this line has changed meanwhile: look at it again".to_owned();
    world.principal.handle(LATER, ServerMessage::Refused { call: None, code: RefusalCode::NotAllowed, message });
    let text = "A stop that this device sent again was refused: this line has changed meanwhile: look at it again. Look at your lines.";
    assert_eq!(told(&world.principal), (AlertLevel::Amber, text.to_owned()));
    world.office.answer_pings(&mut world.principal, &all, LATER);
    assert_eq!(stops(&signed_in(&world.office, &mut world.principal)), [""; 0]);
    // What the list shows instead, this device rings over.
    let mut desk = world.office.enrol(1, 3, Role::Principal);
    let changed = telcon_core::io::LineChange { terms: Some(terms()), state: None };
    let newer = world.office.changed(&mut desk, &world.line, changed);
    world.office.tell_of(&mut world.principal, &newer.content().holder, Some(&newer));
    let person = newer.content().holder.person;
    world.principal.command(LATER, UserCommand::Ring { person, mode: None });
    sent_one(&mut world.principal, "ring");
}

#[test]
fn the_newest_stop_of_a_line_is_sent_again_and_of_many_lines_the_newest() {
    let mut world = World::new();
    world.stop(LineState::Paused);
    world.stop(LineState::Ended);
    let again = stops(&signed_in(&world.office, &mut world.principal));
    let verified = |statement: &String| world.office.verify(statement).content().clone();
    assert_eq!(again.iter().map(|statement| verified(statement).state).collect::<Vec<_>>(), [LineState::Ended]);
    let mut others = Vec::new();
    for n in 10..18 {
        let (_, line) = world.office.taken(&mut world.principal, n, terms());
        stop_line(&world.office, &mut world.principal, &line, LineState::Paused);
        others.push(line.content().line);
    }
    let again = stops(&signed_in(&world.office, &mut world.principal));
    assert_eq!(again.iter().map(|statement| world.office.verify(statement).content().line).collect::<Vec<_>>(), others);
}

#[test]
fn nobody_rings_over_a_line_that_their_own_device_stopped() {
    let mut world = World::new();
    world.stop(LineState::Paused);
    let person = world.line.content().holder.person;
    // The office's list shows it as it was.
    for mut engine in [restarted(&world.principal, NOW), world.principal] {
        world.office.sign_in(&mut engine, NOW, &[]);
        world.office.tell_of(&mut engine, &world.line.content().holder, Some(&world.line));
        engine.command(NOW, UserCommand::Ring { person, mode: None });
        assert!(sent(&mut engine).iter().all(|message| message.kind() != "ring") && engine.view().call.is_none());
        assert_eq!(told(&engine), (AlertLevel::Amber, "You stopped this line on this device.".to_owned()));
    }
}

#[test]
fn a_call_that_crossed_the_stop_of_its_line_ends_without_an_accusation() {
    let mut world = World::new();
    let holder = world.line.content().holder.clone();
    let rung = world.office.rung(&mut world.principal, &holder, NOW);
    world.stop(LineState::Paused);
    world.office.tell_caller(&mut world.principal, &rung, Some(&world.line), NOW);
    let text = "The call was ended: its line was stopped or changed while it was on its way.";
    assert_eq!(told(&world.principal), (AlertLevel::Amber, text.to_owned()));
    assert_eq!(world.principal.view().call.unwrap().problem.as_deref(), Some(text));
    let all = sent(&mut world.principal);
    assert!(all.contains(&ClientMessage::HangUp { call: rung.call, failed: true }), "{all:?}");
    assert!(all.iter().all(|message| message.kind() != "report_alert"), "{all:?}");
}

#[test]
fn a_state_from_before_stops_were_kept_opens() {
    let mut world = World::new();
    world.stop(LineState::Paused);
    let mut state: serde_json::Value = serde_json::from_str(&world.principal.state_text()).unwrap();
    assert!(state["lines"][0].as_object_mut().unwrap().remove("stop").is_some());
    let state = DeviceState::parse(&state.to_string()).unwrap();
    let mut again = Engine::new(state, [5; 32], LATER).unwrap();
    assert_eq!(stops(&signed_in(&world.office, &mut again)), [""; 0]);
}
