//! Lines as devices see them: giving and taking one, rings over it, and what a server tries that wants more than the giver allowed. Runs
//! natively and in WebAssembly.

#[allow(dead_code, reason = "other tests use the rest of the office")]
mod line_office;

use line_office::*;
use telcon_core::{
    AskingDevice, Device, DeviceState, Engine, Output, UserCommand,
    io::{Event, LineChange},
    proof::check_record,
    view::{CallState, Direction},
};
use telcon_identity::{VerifiedLine, certify_holder, sign_delegation, sign_line, sign_ring, verify_request};
use telcon_proto::{
    Blob, ClientMessage, DelegationId, Digest, Ended, LineId, RecordMode, Role, ServerMessage, SuiteName,
    delegation::{Act, Delegation},
    http::{ProvenDevice, RecordLine, RecordProof},
    line::{Hours, Line, LineList, LineState, LineTerms, ListedLine, LoggedVersion, ProvenLine, Reach, Rings, Weekday},
    message::{DeclineReply, Logged, Notice, NoticeState, PersonNamed},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// An office that demands lines, its principal, and a guest who took one.
struct World {
    office: Office,
    principal: Engine,
    guest: Engine,
    line: VerifiedLine,
}

impl World {
    fn new(suite: SuiteName, terms: LineTerms) -> Self {
        let mut office = Office::new(suite, Rings::OverLines);
        let mut principal = office.enrol(1, 1, Role::Principal);
        let (mut guest, line) = office.taken(&mut principal, 9, terms);
        office.tell_of(&mut guest, &line.content().principal, Some(&line));
        office.tell_of(&mut principal, &line.content().holder, Some(&line));
        Self { office, principal, guest, line }
    }

    fn hybrid() -> Self {
        Self::new(SuiteName::Hybrid, terms())
    }

    /// The guest rings, and the office opens the call.
    fn rung(&mut self) -> Rung {
        self.office.rung(&mut self.guest, &self.line.content().principal, NOW)
    }

    /// What the principal's device does when the office sends this line, and then the ring.
    fn shows(&mut self, rung: &Rung, line: Option<&VerifiedLine>) -> Shown {
        shows(&self.office, &mut self.principal, rung, line, NOW)
    }

    fn live(&mut self) -> Rung {
        let (rung, line) = (self.rung(), self.line.clone());
        self.office.tell_caller(&mut self.guest, &rung, Some(&line), NOW);
        self.office.tell_callee(&mut self.principal, &rung, Some(&line), NOW);
        self.principal.command(NOW, UserCommand::Answer { call: None });
        self.office.joined(&mut self.guest, &mut self.principal, &rung, None, NOW);
        let states = [&self.guest, &self.principal].map(|engine| engine.view().call.unwrap().state);
        assert_eq!(states, [CallState::Live, CallState::Live]);
        rung
    }
}

/// What became of a ring on the callee's device.
#[derive(Debug, PartialEq)]
struct Shown {
    rings: bool,
    reported: bool,
}

const RINGS: Shown = Shown { rings: true, reported: false };
/// Refused as an attack: security officers are told.
const ATTACK: Shown = Shown { rings: false, reported: true };
/// Refused, and nobody is accused.
const REFUSED: Shown = Shown { rings: false, reported: false };

fn shows(office: &Office, callee: &mut Engine, rung: &Rung, line: Option<&VerifiedLine>, now_ms: u64) -> Shown {
    outputs(callee);
    office.tell_callee(callee, rung, line, now_ms);
    let sent = sent(callee);
    let shown = sent.iter().any(|message| matches!(message, ClientMessage::RingShown { .. }));
    let rings = callee.view().call.is_some_and(|call| call.call == rung.call && call.state == CallState::Ringing);
    assert_eq!(shown, rings, "{sent:?}");
    Shown { rings, reported: sent.iter().any(|message| matches!(message, ClientMessage::ReportAlert { .. })) }
}

fn alert(engine: &Engine) -> String {
    engine.view().alerts.first().map(|alert| alert.text.clone()).unwrap_or_default()
}

fn office_hours() -> LineTerms {
    let days = Weekday::ALL[..5].to_vec();
    let hours = Hours { zone: "Europe/Oslo".into(), days, from_min: 9 * 60, until_min: 17 * 60 };
    LineTerms { hours: Some(hours), ..terms() }
}

#[test]
fn a_line_is_given_by_a_link_taken_confirmed_and_rung_over_in_both_directions() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = World::new(suite, office_hours());
        let me = world.guest.device().me().clone();
        let giver = world.principal.device().me().device();
        assert_eq!((me.card().role, me.given_by()), (Role::Counterpart, Some(giver)));
        let first = world.line.content();
        assert_eq!((first.version, first.device, first.state), (1, Some(me.device()), LineState::Live));
        assert_eq!((&first.holder, &first.terms), (me.card(), &office_hours()));
        let rung = world.live();
        assert_eq!(rung.ring.over, Some(world.line.over()));
        for engine in [&world.guest, &world.principal] {
            let line = engine.view().call.unwrap().line.expect("the verified line");
            assert_eq!(
                (line.line, line.version, &*line.purpose),
                (world.line.content().line, 1, "Talks on the strait")
            );
            assert_eq!((line.reach, line.mode), (Reach::Direct, RecordMode::Memo));
        }
        let phrases = [&world.guest, &world.principal].map(|engine| engine.view().call.unwrap().phrase);
        assert!(phrases[0].is_some() && phrases[0] == phrases[1]);
        // The record of the call says which line it was over, and who held it.
        let lines: Vec<_> = outputs(&mut world.principal)
            .into_iter()
            .filter_map(|output| if let Output::Event(Event::Epoch { line, .. }) = output { line } else { None })
            .collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| **line == *world.line.content()));
        for engine in [&mut world.guest, &mut world.principal] {
            engine.command(NOW, UserCommand::HangUp);
            engine.command(NOW, UserCommand::Dismiss);
        }
        // The principal rings back at night: hours bind the holder.
        let night = NOW + 14 * HOUR;
        let back = world.office.rung(&mut world.principal, &world.line.content().holder, night);
        let (office, line) = (&world.office, world.line.clone());
        assert_eq!(shows(office, &mut world.guest, &back, Some(&line), night), RINGS);
    }
}

#[test]
fn the_giver_signs_what_they_gave_and_not_what_the_server_says_of_it() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let mut principal = office.enrol(1, 1, Role::Principal);
    let (invite, link, invitation) = office.offered(&mut principal, "Guest", terms());
    let shown = principal.view().invitations[0].clone();
    assert_eq!((shown.line.as_ref(), shown.made_here, shown.approvals_needed), (Some(&terms()), true, 1));
    let (asking, by) = (office.asks(&link, 9), principal.device().me().device());
    let honest = office.invited(&invite, by, Some(asking.request().to_owned()));
    let code = asking.code().unwrap();
    let mut confirms = |shown, code: &str| {
        office.show(&mut principal, shown);
        principal.command(NOW, UserCommand::ConfirmLine { invitation, code: code.into() });
        sent(&mut principal).iter().any(|message| matches!(message, ClientMessage::ApproveDevice { .. }))
    };
    let mut other_terms = honest.clone();
    other_terms.line = Some(LineTerms { reach: Reach::Desk, ..terms() });
    let mut other_holder = honest.clone();
    other_holder.card.name = "Somebody else".into();
    let mut no_line = honest.clone();
    no_line.line = None;
    for lie in [other_terms, other_holder, no_line] {
        assert!(!confirms(lie, &code));
    }
    // A request of somebody who had not the link.
    let (_, elsewhere, _) = {
        let mut other = Office::new(SuiteName::Hybrid, Rings::OverLines);
        // Not the first: the seeds of these engines are numbered.
        other.enrol(2, 2, Role::Principal);
        let mut principal = other.enrol(1, 3, Role::Principal);
        other.offered(&mut principal, "Guest", terms())
    };
    let stranger = AskingDevice::ask(&elsewhere, office_info(), "x", &[8; 32], NOW).unwrap();
    let mut forged = honest.clone();
    forged.request = Some(stranger.request().to_owned());
    assert!(!confirms(forged, &stranger.code().unwrap()));
    assert!(!confirms(honest.clone(), "000 000 000 000"), "another code than the one that was compared");
    assert!(confirms(honest, &code));
}

/// The words that a device shows of a line.
fn words(engine: &mut Engine, line: LineId) -> Option<Vec<String>> {
    engine.command(NOW, UserCommand::ShowChallenge { line });
    let shown = engine.view().challenge.expect("shown");
    assert_eq!(shown.line, line);
    engine.command(NOW, UserCommand::HideChallenge);
    assert!(engine.view().challenge.is_none());
    shown.words
}

#[test]
fn giver_and_holder_have_the_same_words_for_a_line_which_no_ring_screen_shows() {
    let mut world = World::hybrid();
    let line = world.line.content().line;
    let theirs = words(&mut world.guest, line);
    assert_eq!(theirs.as_ref().map(Vec::len), Some(4));
    assert_eq!(words(&mut world.principal, line), theirs);
    // They survive a restart of either.
    assert_eq!(words(&mut restarted(&world.guest, NOW), line), theirs);
    assert_eq!(words(&mut restarted(&world.principal, NOW), line), theirs);
    let (mut other, second) = world.office.taken(&mut world.principal, 8, terms());
    let others = words(&mut other, second.content().line);
    assert!(others.is_some() && others != theirs, "each line has its own");
    assert_eq!(words(&mut other, line), None, "and nobody has another's");
    let mut elsewhere = world.office.enrol(1, 4, Role::Principal);
    assert_eq!(words(&mut elsewhere, line), None, "not on a device that did not give it");
    // A ring shows none.
    let rung = world.rung();
    world.shows(&rung, Some(&world.line.clone()));
    assert!(world.principal.view().challenge.is_none());
}

/// Who photographed the link and asks first, or later with a device of their own, has other words than the holder.
#[test]
fn the_words_are_of_the_device_that_was_confirmed() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let mut principal = office.enrol(1, 1, Role::Principal);
    let (invite, link, invitation) = office.offered(&mut principal, "Guest", terms());
    let (holder, thief) = (office.asks(&link, 9), office.asks(&link, 8));
    let by = principal.device().me().device();
    office.show(&mut principal, office.invited(&invite, by, Some(holder.request().to_owned())));
    principal.command(NOW, UserCommand::ConfirmLine { invitation, code: holder.code().unwrap() });
    let ClientMessage::ApproveDevice { chain, .. } = sent_one(&mut principal, "approve_device") else { panic!() };
    let line = LineId::of_offer(invitation);
    let confirmed = words(&mut principal, line);
    assert!(thief.complete(chain.clone(), NOW).is_err());
    let mut holder = office.started(holder.complete(chain, NOW).unwrap());
    assert_eq!(words(&mut holder, line), confirmed);
    let ask = telcon_identity::Ask::parse(&link).unwrap();
    let home = principal.device().office();
    let other = office.asks(&link, 7);
    let request = verify_request(other.request(), home.domain(), &ask).unwrap();
    let again = office.asks(&link, 9);
    let same = verify_request(again.request(), home.domain(), &ask).unwrap();
    assert_ne!(ask.challenge(&request), ask.challenge(&same));
}

fn office_info() -> telcon_proto::http::OfficeInfo {
    Office::new(SuiteName::Hybrid, Rings::OverLines).info()
}

#[test]
fn a_line_is_confirmed_after_a_restart_and_by_no_other_device_of_the_giver() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let (mut principal, mut second) = (office.enrol(1, 1, Role::Principal), office.enrol(1, 2, Role::Principal));
    let (invite, link, invitation) = office.offered(&mut principal, "Guest", terms());
    let (asking, by) = (office.asks(&link, 9), principal.device().me().device());
    let open = office.invited(&invite, by, Some(asking.request().to_owned()));
    let code = asking.code().unwrap();
    office.show(&mut second, open.clone());
    second.command(NOW, UserCommand::ConfirmLine { invitation, code: code.clone() });
    assert!(sent(&mut second).is_empty() && alert(&second).contains("made on another device"), "{}", alert(&second));
    let mut again = restarted(&principal, NOW);
    office.sign_in(&mut again, NOW, &[]);
    office.show(&mut again, open);
    again.command(NOW, UserCommand::ConfirmLine { invitation, code });
    let ClientMessage::ApproveDevice { chain, line, .. } = sent_one(&mut again, "approve_device") else { panic!() };
    assert!(asking.complete(chain, NOW).is_ok() && line.is_some());
}

#[test]
fn what_one_kind_of_link_asks_for_is_not_answered_by_the_other() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let (mut principal, officer) = (office.enrol(1, 1, Role::Principal), office.enrol(2, 2, Role::SecurityOfficer));
    let (_, link, id) = office.offered(&mut principal, "Guest", terms());
    let ask = telcon_identity::Ask::parse(&link).unwrap();
    assert!(ask.is_line() && telcon_core::device::is_ask(&link));
    let (asking, home) = (office.asks(&link, 9), principal.device().office().clone());
    assert!(asking.takes_line());
    let request = verify_request(asking.request(), home.domain(), &ask).unwrap();
    let (card, officer) = (office.card(9, Role::Counterpart), stolen(&officer));
    let der = office.authority().appoint(officer.me(), &[Role::Counterpart], NOW).unwrap();
    let registrar = home.verify_registrar(&der, NOW).unwrap();
    let chain = |certified: Vec<Vec<u8>>| certified.into_iter().map(Blob).collect::<Vec<_>>();
    // Whoever holds the server and a registrar cannot have the guest's device be another person's.
    let by_registrar = registrar.certify(officer.key(), &request, &card, NOW).unwrap();
    let why = asking.complete(chain(by_registrar), NOW).err().expect("refused").to_string();
    assert!(why.contains("certified another device"), "{why}");
    // Nor does a device that a registrar invited take a principal's word.
    let secret = [7; 32];
    let ask = telcon_identity::Ask::new(home.suite(), secret, home.authority_sha256(), id);
    let asking = AskingDevice::ask(&ask.to_fragment(), office.info(), "x", &[8; 32], NOW).unwrap();
    assert!(!asking.takes_line());
    let request = verify_request(asking.request(), home.domain(), &ask).unwrap();
    let giver = stolen(&principal);
    let by_principal = certify_holder(giver.key(), giver.me(), giver.chain(), &request, &card, NOW).unwrap();
    assert!(asking.complete(chain(by_principal), NOW).is_err());
}

#[test]
fn only_principals_give_lines_and_only_within_their_office_s_rules() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let mut engines =
        [(1, Role::Principal), (2, Role::DutyOfficer), (3, Role::SecurityOfficer), (4, Role::Counterpart)]
            .map(|(n, role)| office.enrol(n, n, role));
    let gives = |engine: &mut Engine, terms: LineTerms| {
        let new = telcon_core::io::NewLine {
            name: "Guest".into(),
            organisation: "Presidency".into(),
            zone: "UTC".into(),
            terms,
            valid_ms: None,
            under: None,
        };
        engine.command(NOW, UserCommand::GiveLine(new));
        sent(engine).into_iter().find_map(|message| match message {
            ClientMessage::Invite { line, .. } => line,
            _ => None,
        })
    };
    let given: Vec<bool> = engines.iter_mut().map(|engine| gives(engine, terms()).is_some()).collect();
    assert_eq!(given, [true, false, false, false]);
    let principal = &mut engines[0];
    let unknown = Hours { zone: "Europe/Nowhere".into(), ..office_hours().hours.unwrap() };
    assert_eq!(gives(principal, LineTerms { hours: Some(unknown), ..terms() }), None);
    assert_eq!(gives(principal, LineTerms { rings_per_day: Some(0), ..terms() }), None);
    // No less of a record than the office keeps.
    let raised = gives(principal, LineTerms { mode: RecordMode::LogOnly, ..terms() }).unwrap();
    assert_eq!(raised.mode, RecordMode::Memo);
}

#[test]
fn a_ring_without_its_line_or_over_another_one_is_not_shown() {
    let mut world = World::hybrid();
    let (_, others) = world.office.taken(&mut world.principal, 11, terms());
    let rung = world.rung();
    assert_eq!(world.shows(&rung, None), ATTACK, "the server keeps the line back");
    assert_eq!(world.shows(&rung, Some(&others)), ATTACK, "it sends another guest's");
    // A guest whose program does not follow its rules rings over it.
    let device = stolen(&world.guest);
    let mut forge = |change: &dyn Fn(&mut telcon_proto::message::Ring)| {
        let mut ring = rung.ring.clone();
        change(&mut ring);
        world.office.ring_of(sign_ring(device.key(), device.chain(), &ring), device.me().device(), NOW)
    };
    let over_others = forge(&|ring| ring.over = Some(others.over()));
    let over_none = forge(&|ring| ring.over = None);
    let less_record = forge(&|ring| ring.mode = RecordMode::LogOnly);
    let line = world.line.clone();
    assert_eq!(world.shows(&over_others, Some(&others)), ATTACK);
    assert_eq!(world.shows(&over_none, None), ATTACK);
    assert_eq!(world.shows(&less_record, Some(&line)), ATTACK);
    assert_eq!(world.shows(&rung, Some(&line)), RINGS, "and the right one rings");
}

#[test]
fn a_line_that_came_counts_for_one_message() {
    let mut world = World::hybrid();
    let (first, line) = (world.rung(), world.line.clone());
    world.office.tell_callee(&mut world.principal, &first, Some(&line), NOW);
    world.principal.command(NOW, UserCommand::Decline { call: None, reply: None });
    world.guest.command(NOW, UserCommand::HangUp);
    let second = world.rung();
    assert_eq!(world.shows(&second, None), ATTACK);
}

#[test]
fn a_line_is_of_use_to_the_device_that_took_it_alone() {
    let mut world = World::hybrid();
    let (rung, line) = (world.rung(), world.line.clone());
    // A second device of the same person, which the registrars enrolled, or the principal certified for another line.
    let (person, holder) = (world.line.content().holder.clone(), world.line.content());
    assert_eq!(holder.device, Some(world.guest.device().me().device()));
    let giver = stolen(&world.principal);
    let ask = telcon_identity::Ask::new(
        SuiteName::Hybrid,
        [4; 32],
        giver.office().authority_sha256(),
        telcon_proto::InvitationId::from_bytes([4; 16]),
    )
    .for_line(true);
    let asking = AskingDevice::ask(&ask.to_fragment(), world.office.info(), "x", &[44; 32], NOW).unwrap();
    let request = verify_request(asking.request(), giver.office().domain(), &ask).unwrap();
    let chain = certify_holder(giver.key(), giver.me(), giver.chain(), &request, &person, NOW).unwrap();
    let state = asking.complete(chain.into_iter().map(Blob).collect(), NOW).unwrap();
    let second = world.office.started(state);
    let device = stolen(&second);
    let mut ring = rung.ring.clone();
    ring.from = device.me().qualified();
    let from_second = world.office.ring_of(sign_ring(device.key(), device.chain(), &ring), device.me().device(), NOW);
    assert_eq!(world.shows(&from_second, Some(&line)), ATTACK);
}

#[test]
fn a_holder_s_state_does_not_open_with_another_device_s_key() {
    let mut world = World::hybrid();
    let (other, _) = world.office.taken(&mut world.principal, 12, terms());
    let texts = [&world.guest, &other].map(|engine| engine.state_text().to_string());
    let [mut copied, own] = texts.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    // The certificates copied from a backup, beside the key that the other device has.
    copied["seed"] = own["seed"].clone();
    let state = DeviceState::parse(&copied.to_string()).unwrap();
    let why = Device::open(&state, NOW).err().expect("refused").to_string();
    assert!(why.contains("does not match"), "{why}");
}

#[test]
fn a_server_that_hides_an_end_does_not_ring_the_device_that_signed_it() {
    for state in [LineState::Paused, LineState::Suspect, LineState::Ended] {
        let mut world = World::hybrid();
        let (rung, line, statement) = (world.rung(), world.line.clone(), world.office.statement(&world.line));
        world
            .principal
            .command(NOW, UserCommand::SignLineChange { statement, lost: None, change: stop(state), under: None });
        let out = outputs(&mut world.principal);
        let persisted = out.iter().position(|output| *output == Output::Persist);
        let signed = out.iter().position(|output| matches!(output, Output::Send(ClientMessage::StopLine { .. })));
        assert!(persisted.is_some() && persisted < signed, "durable before it is sent");
        assert_eq!(world.shows(&rung, Some(&line)), REFUSED, "{state:?}: the office may not have it yet");
        // After a restart too.
        let mut again = restarted(&world.principal, NOW);
        world.office.sign_in(&mut again, NOW, &[]);
        assert_eq!(shows(&world.office, &mut again, &rung, Some(&line), NOW), REFUSED, "{state:?}");
    }
}

#[test]
fn a_server_cannot_bring_back_an_older_version_to_a_device_that_has_seen_a_newer_one() {
    let mut world = World::hybrid();
    let line = world.line.clone();
    let desk_only = LineTerms { reach: Reach::Desk, ..terms() };
    let change = LineChange { terms: Some(desk_only), state: None };
    let newer = world.office.changed(&mut world.principal, &line, change);
    assert_eq!((newer.content().version, newer.content().previous), (2, Some(line.sha256())));
    // Until the office shows that it has it, the present version is the one before.
    let rung = world.rung();
    assert_eq!(world.shows(&rung, Some(&line)), RINGS);
    world.principal.command(NOW, UserCommand::Decline { call: None, reply: None });
    world.guest.command(NOW, UserCommand::HangUp);
    let by_message = |world: &mut World| {
        world.principal.handle(NOW, ServerMessage::Line(Box::new(world.office.proven(&newer))));
    };
    let by_list = |world: &mut World| {
        let list = LineList { lines: vec![world.office.listed(&newer, NOW)], more: false };
        world.principal.command(NOW, UserCommand::SeeLines { list });
    };
    for see in [&by_message as &dyn Fn(&mut World), &by_list] {
        let fresh = restarted_in(&world, NOW);
        let device = std::mem::replace(&mut world.principal, fresh);
        see(&mut world);
        assert!(outputs(&mut world.principal).contains(&Output::Persist));
        let rung = world.rung();
        assert_eq!(world.shows(&rung, Some(&line)), ATTACK, "the log had the newer one when the call was opened");
        let mut again = restarted(&world.principal, NOW);
        world.office.sign_in(&mut again, NOW, &[]);
        assert_eq!(shows(&world.office, &mut again, &rung, Some(&line), NOW), ATTACK, "after a restart");
        world.guest.command(NOW, UserCommand::HangUp);
        world.principal = device;
    }
    // A list with the older one is told from one with the newer.
    by_list(&mut world);
    let list = LineList { lines: vec![world.office.listed(&line, NOW)], more: false };
    world.principal.command(NOW, UserCommand::SeeLines { list });
    assert!(alert(&world.principal).contains("older version"), "{}", alert(&world.principal));
}

#[test]
fn a_list_whose_words_are_not_what_was_signed_is_reported() {
    let mut world = World::hybrid();
    type Lie = fn(&mut telcon_proto::line::ListedLine);
    let lies: [Lie; 3] = [
        |listed| listed.line.terms.purpose = "Something else".into(),
        |listed| listed.statement_sha256 = telcon_proto::Digest::from_bytes([0; 32]),
        |listed| listed.statement.push('A'),
    ];
    for lie in lies {
        let mut listed = world.office.listed(&world.line, NOW);
        lie(&mut listed);
        let list = LineList { lines: vec![listed], more: false };
        let mut device = restarted(&world.principal, NOW);
        world.office.sign_in(&mut device, NOW, &[]);
        device.command(NOW, UserCommand::SeeLines { list });
        assert!(sent(&mut device).iter().any(|message| matches!(message, ClientMessage::ReportAlert { .. })));
    }
    let list = LineList { lines: vec![world.office.listed(&world.line, NOW)], more: false };
    let alerts = world.principal.view().alerts_raised;
    world.principal.command(NOW, UserCommand::SeeLines { list });
    assert_eq!(world.principal.view().alerts_raised, alerts);
}

#[test]
fn hours_are_judged_by_the_callee_s_clock_whatever_time_the_server_says() {
    let mut world = World::new(SuiteName::Hybrid, office_hours());
    let line = world.line.clone();
    // It is three in the morning. Guest and server say that it is noon, and the ring is dated as late as it may be.
    let night = NOW + 15 * HOUR;
    let device = stolen(&world.guest);
    let daytime = world.rung();
    assert_eq!(shows(&world.office, &mut restarted_in(&world, night), &daytime, Some(&line), night), REFUSED);
    let mut ring = daytime.ring.clone();
    ring.at_ms = night;
    let jws = sign_ring(device.key(), device.chain(), &ring);
    let (ring, opened) = world.office.opened_at(&jws, night);
    let rung = Rung { call: ring.call.id, ring, jws, opened, from: device.me().device() };
    let mut callee = restarted_in(&world, night);
    assert_eq!(shows(&world.office, &mut callee, &rung, Some(&line), night), REFUSED);
    assert!(alert(&callee).contains("at this hour"), "{}", alert(&callee));
    // Without a database of zones there are no hours to be within.
    let state = DeviceState::parse(&world.principal.state_text()).unwrap();
    let mut blind = Engine::new(state, [5; 32], NOW).unwrap();
    world.office.sign_in(&mut blind, NOW, &[]);
    assert_eq!(shows(&world.office, &mut blind, &daytime, Some(&line), NOW), REFUSED);
    assert_eq!(world.shows(&daytime, Some(&line)), RINGS);
}

fn restarted_in(world: &World, now_ms: u64) -> Engine {
    let mut engine = restarted(&world.principal, now_ms);
    world.office.sign_in(&mut engine, now_ms, &[]);
    engine
}

#[test]
fn a_clock_that_is_wrong_by_a_day_refuses_rings_and_accuses_nobody() {
    let until_ms = Some(NOW + 12 * HOUR);
    let mut world = World::new(SuiteName::Hybrid, LineTerms { until_ms, ..terms() });
    let (rung, line) = (world.rung(), world.line.clone());
    for wrong in [NOW + 24 * HOUR, NOW - 24 * HOUR] {
        // A day before, its own certificate is not valid yet: such a device does not even start.
        let state = DeviceState::parse(&world.principal.state_text()).unwrap();
        let Ok(mut callee) = Engine::new(state, [5; 32], wrong) else { continue };
        callee.set_zones(zones);
        world.office.sign_in(&mut callee, wrong, &[]);
        assert_eq!(shows(&world.office, &mut callee, &rung, Some(&line), wrong), REFUSED);
    }
    // The right clock, after the line's time: a guest and a server who agree that it is not over do not ring.
    let late = NOW + 13 * HOUR;
    let device = stolen(&world.guest);
    let mut ring = rung.ring.clone();
    ring.at_ms = late;
    let jws = sign_ring(device.key(), device.chain(), &ring);
    let (ring, opened) = world.office.opened_at(&jws, late);
    let after = Rung { call: ring.call.id, ring, jws, opened, from: device.me().device() };
    assert_eq!(shows(&world.office, &mut restarted_in(&world, late), &after, Some(&line), late), REFUSED);
    assert_eq!(world.shows(&rung, Some(&line)), RINGS);
}

#[test]
fn a_line_that_is_not_in_use_or_reaches_nobody_does_not_ring() {
    for state in [LineState::Paused, LineState::Suspect, LineState::Ended] {
        let mut world = World::hybrid();
        let line = world.line.clone();
        let stopped = world.office.changed(&mut world.principal, &line, stop(state));
        let device = stolen(&world.guest);
        let mut ring = world.rung().ring;
        ring.over = Some(stopped.over());
        let jws = sign_ring(device.key(), device.chain(), &ring);
        let rung = world.office.ring_of(jws, device.me().device(), NOW);
        assert_eq!(world.shows(&rung, Some(&stopped)), REFUSED, "{state:?}");
        // The holder's own device says so before it rings.
        let mut guest = restarted(&world.guest, NOW);
        world.office.sign_in(&mut guest, NOW, &[]);
        world.office.tell_of(&mut guest, &line.content().principal, Some(&stopped));
        guest.command(NOW, UserCommand::Ring { person: line.content().principal.person, mode: None });
        assert!(sent(&mut guest).is_empty() && alert(&guest).starts_with("This line"), "{}", alert(&guest));
    }
    let mut world = World::new(SuiteName::Hybrid, LineTerms { reach: Reach::Planned, ..terms() });
    let principal = world.line.content().principal.clone();
    world.guest.command(NOW, UserCommand::Ring { person: principal.person, mode: None });
    assert!(sent(&mut world.guest).is_empty() && alert(&world.guest).contains("planned"));
    // The principal rings over it.
    let holder = world.line.content().holder.clone();
    let back = world.office.rung(&mut world.principal, &holder, NOW);
    let line = world.line.clone();
    assert_eq!(shows(&world.office, &mut world.guest, &back, Some(&line), NOW), RINGS);
}

#[test]
fn without_a_line_nobody_is_rung_where_the_charter_demands_one() {
    let mut world = World::hybrid();
    let principal = world.line.content().principal.clone();
    let mut guest = restarted(&world.guest, NOW);
    world.office.sign_in(&mut guest, NOW, &[]);
    world.office.tell_of(&mut guest, &principal, None);
    guest.command(NOW, UserCommand::Ring { person: principal.person, mode: None });
    assert!(sent(&mut guest).is_empty() && alert(&guest).contains("no line"), "{}", alert(&guest));
    // Principals of one office need none among themselves; and nobody does where the charter says so.
    let mut other = world.office.enrol(2, 2, Role::Principal);
    world.office.tell_of(&mut other, &principal, None);
    let rung = world.office.rung(&mut other, &principal, NOW);
    assert_eq!(world.shows(&rung, None), RINGS);
    let mut office = Office::new(SuiteName::Hybrid, Rings::ByRole);
    let (mut callee, mut caller) = (office.enrol(1, 1, Role::Principal), office.enrol(4, 4, Role::Counterpart));
    let card = callee.device().me().card().clone();
    office.tell_of(&mut caller, &card, None);
    let rung = office.rung(&mut caller, &card, NOW);
    assert_eq!(shows(&office, &mut callee, &rung, None, NOW), RINGS);
}

#[test]
fn a_caller_s_device_holds_the_server_to_the_line_that_it_named() {
    for (line, holds) in [(true, true), (false, false)] {
        let mut world = World::hybrid();
        let rung = world.rung();
        let sent_line = world.line.clone();
        world.office.tell_caller(&mut world.guest, &rung, line.then_some(&sent_line), NOW);
        let call = world.guest.view().call.unwrap();
        assert_eq!(call.state == CallState::Ringing, holds, "{:?}", call.problem);
    }
}

#[test]
fn a_ring_in_flight_ends_when_its_line_is_stopped() {
    for state in [LineState::Paused, LineState::Suspect, LineState::Ended] {
        let mut world = World::hybrid();
        let (rung, line) = (world.rung(), world.line.clone());
        assert_eq!(world.shows(&rung, Some(&line)), RINGS);
        // The desk stopped it: the list says so before the server's own end of the ring arrives.
        let mut desk = restarted(&world.principal, NOW);
        world.office.sign_in(&mut desk, NOW, &[]);
        let stopped = world.office.changed(&mut desk, &line, stop(state));
        let list = LineList { lines: vec![world.office.listed(&stopped, NOW)], more: false };
        world.principal.command(NOW, UserCommand::SeeLines { list });
        let call = world.principal.view().call.unwrap();
        assert_eq!((call.state, call.ended), (CallState::Ended, Some("revoked")));
        world.principal.command(NOW, UserCommand::Answer { call: Some(rung.call) });
        assert!(sent(&mut world.principal).iter().all(|message| message.kind() != "answer"));
    }
}

#[test]
fn a_call_ends_with_its_line_and_goes_on_when_that_is_paused() {
    for (state, ends) in [(LineState::Paused, false), (LineState::Suspect, true), (LineState::Ended, true)] {
        let mut world = World::hybrid();
        let rung = world.live();
        outputs(&mut world.principal);
        let statement = world.office.statement(&world.line);
        world
            .principal
            .command(NOW, UserCommand::SignLineChange { statement, lost: None, change: stop(state), under: None });
        let sent = sent(&mut world.principal);
        let hung_up = sent.contains(&ClientMessage::HangUp { call: rung.call, failed: false });
        let call = world.principal.view().call.unwrap();
        assert_eq!((hung_up, call.state == CallState::Ended), (ends, ends), "{state:?}");
    }
}

/// The office's database was restored from a backup that is older than the line's last change.
#[test]
fn a_principal_signs_a_line_again_after_the_version_that_the_office_lost() {
    let mut world = World::hybrid();
    let statement = world.office.statement(&world.line);
    let lost = LoggedVersion { version: 4, state: LineState::Paused, statement_sha256: Digest::from_bytes([7; 32]) };
    let alerts = world.principal.view().alerts_raised;
    let listed = ListedLine { lost: Some(lost), ..world.office.listed(&world.line, NOW) };
    world.principal.command(NOW, UserCommand::SeeLines { list: LineList { lines: vec![listed], more: false } });
    assert_eq!(world.principal.view().alerts_raised, alerts, "an honest office is not accused");
    let sign = |engine: &mut Engine, lost, state| {
        let (statement, change) = (statement.clone(), stop(state));
        engine.command(NOW, UserCommand::SignLineChange { statement, lost: Some(lost), change, under: None });
        sent(engine).into_iter().find_map(|message| match message {
            ClientMessage::SignLine { statement } | ClientMessage::StopLine { statement } => Some(statement),
            _ => None,
        })
    };
    for state in [LineState::Live, LineState::Ended] {
        let signed = sign(&mut world.principal, lost, state).expect("a signed version");
        let signed = world.principal.device().office().verify_line(&signed).unwrap();
        let (old, new) = (world.line.content(), signed.content());
        assert_eq!((new.version, new.previous, new.state), (5, Some(lost.statement_sha256), state));
        assert_eq!((&new.terms, new.device, &new.holder), (&old.terms, old.device, &old.holder));
    }
    let older = LoggedVersion { version: world.line.content().version, ..lost };
    assert_eq!(sign(&mut world.principal, older, LineState::Live), None, "it takes the place of no known version");
    assert!(alert(&world.principal).contains("is not newer"), "{}", alert(&world.principal));
    let ended = LoggedVersion { state: LineState::Ended, ..lost };
    assert_eq!(sign(&mut world.principal, ended, LineState::Live), None, "what has ended stays so");
    let mut officer = world.office.enrol(3, 3, Role::SecurityOfficer);
    assert_eq!(sign(&mut officer, lost, LineState::Ended), None, "it answers for all that the line says");
}

#[test]
fn whoever_doubts_a_caller_freezes_the_line_from_the_ring_itself() {
    let mut world = World::hybrid();
    let (rung, line) = (world.rung(), world.line.clone());
    assert_eq!(world.shows(&rung, Some(&line)), RINGS);
    world.principal.command(NOW, UserCommand::Suspect { call: Some(rung.call) });
    let ClientMessage::StopLine { statement } = sent_one(&mut world.principal, "stop_line") else { panic!() };
    let frozen = world.office.log_line(&statement);
    assert_eq!((frozen.content().state, frozen.content().version), (LineState::Suspect, 2));
    assert!(line.check_next(&frozen).is_ok());
    assert_eq!(world.principal.view().call.unwrap().ended, Some("revoked"));
}

/// What a device sends when its person changes a line: a version that is in use, or one that is not.
type Signs<'a> = &'a mut dyn FnMut(&mut Engine, &LineChange, Option<&str>) -> Option<&'static str>;

#[test]
fn a_line_is_changed_by_those_who_may_and_in_no_other_way() {
    let mut world = World::hybrid();
    let (line, statement) = (world.line.clone(), world.office.statement(&world.line));
    let (mut other, mut officer, mut desk) = (
        world.office.enrol(2, 2, Role::Principal),
        world.office.enrol(3, 3, Role::SecurityOfficer),
        world.office.enrol(4, 4, Role::DutyOfficer),
    );
    let mut guest = restarted(&world.guest, NOW);
    world.office.sign_in(&mut guest, NOW, &[]);
    let terms = LineChange { terms: Some(LineTerms { reach: Reach::Desk, ..terms() }), state: None };
    let mut signs = |engine: &mut Engine, change: &LineChange, under: Option<&str>| {
        let (statement, change) = (statement.clone(), change.clone());
        engine.command(
            NOW,
            UserCommand::SignLineChange { statement, lost: None, change, under: under.map(str::to_owned) },
        );
        sent(engine).into_iter().find_map(|message| match message {
            ClientMessage::SignLine { .. } => Some("sign"),
            ClientMessage::StopLine { .. } => Some("stop"),
            _ => None,
        })
    };
    let [paused, frozen, ended] = [LineState::Paused, LineState::Suspect, LineState::Ended].map(stop);
    let all = |engine: &mut Engine, signs: Signs<'_>, under| {
        [&terms, &paused, &frozen, &ended].map(|change| signs(engine, change, under))
    };
    let (sign, stopped) = (Some("sign"), Some("stop"));
    assert_eq!(all(&mut world.principal, &mut signs, None), [sign, stopped, stopped, stopped]);
    assert_eq!(all(&mut other, &mut signs, None), [None; 4], "another principal");
    assert_eq!(all(&mut officer, &mut signs, None), [None, None, stopped, stopped]);
    assert_eq!(all(&mut guest, &mut signs, None), [None, None, None, stopped], "the holder hands it back");
    assert_eq!(all(&mut desk, &mut signs, None), [None; 4]);
    // The desk, under a delegation that says so.
    let principal = stolen(&world.principal);
    let delegation = |acts: &[Act]| {
        let content = Delegation {
            office: principal.me().office().clone(),
            delegation: DelegationId::from_bytes([5; 16]),
            principal: principal.me().card().person,
            delegate: desk.device().me().card().clone(),
            acts: acts.to_vec(),
            not_before_ms: NOW - HOUR,
            not_after_ms: NOW + HOUR,
            at_ms: NOW,
        };
        sign_delegation(principal.key(), principal.chain(), &content)
    };
    let (rings, lines) = (delegation(&[Act::Ring]), delegation(&[Act::Ring, Act::Lines]));
    let mut desk = desk;
    assert_eq!(all(&mut desk, &mut signs, Some(&rings)), [None; 4]);
    assert_eq!(all(&mut desk, &mut signs, Some(&lines)), [sign, stopped, stopped, stopped]);
    // What has ended stays so.
    let over = {
        let device = stolen(&world.principal);
        let next =
            Line { version: 2, previous: Some(line.sha256()), state: LineState::Ended, ..line.content().clone() };
        sign_line(device.key(), device.chain(), &next)
    };
    let change = stop(LineState::Live);
    world.principal.command(NOW, UserCommand::SignLineChange { statement: over, lost: None, change, under: None });
    assert!(sent(&mut world.principal).is_empty() && alert(&world.principal).contains("has ended"));
}

#[test]
fn a_version_that_the_desk_signed_counts_with_its_delegation_alone() {
    let mut world = World::hybrid();
    let mut desk = world.office.enrol(4, 4, Role::DutyOfficer);
    let (principal, giver) = (stolen(&world.principal), world.principal.device().me().device());
    let content = Delegation {
        office: principal.me().office().clone(),
        delegation: DelegationId::from_bytes([5; 16]),
        principal: principal.me().card().person,
        delegate: desk.device().me().card().clone(),
        acts: vec![Act::Lines],
        not_before_ms: NOW - HOUR,
        not_after_ms: NOW + HOUR,
        at_ms: NOW,
    };
    let under = sign_delegation(principal.key(), principal.chain(), &content);
    let (statement, purpose) = (world.office.statement(&world.line), "Talks on fishing".to_owned());
    let change = LineChange { terms: Some(LineTerms { purpose, ..terms() }), state: None };
    desk.command(NOW, UserCommand::SignLineChange { statement, lost: None, change, under: Some(under.clone()) });
    let ClientMessage::SignLine { statement } = sent_one(&mut desk, "sign_line") else { panic!() };
    let newer = world.office.log_line(&statement);
    world.office.tell_of(&mut world.guest, principal.me().card(), Some(&newer));
    let rung = world.rung();
    let proven = world.office.log_delegation(&under, &content, giver);
    for (delegation, shown) in [(None, ATTACK), (Some(Box::new(proven)), RINGS)] {
        let line = ProvenLine { delegation, ..world.office.proven(&newer) };
        world.principal.handle(NOW, ServerMessage::Line(Box::new(line)));
        assert_eq!(world.shows(&rung, None), shown);
    }
    assert_eq!(world.principal.view().call.unwrap().line.unwrap().purpose, "Talks on fishing");
}

#[test]
fn a_line_to_an_enrolled_guest_needs_no_link_and_is_for_all_their_devices() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let (mut principal, mut guest) = (office.enrol(1, 1, Role::Principal), office.enrol(4, 4, Role::Counterpart));
    let mut second = office.enrol(4, 5, Role::Counterpart);
    let (card, holder) = (principal.device().me().card().clone(), guest.device().me().card().clone());
    office.tell_of(&mut principal, &holder, None);
    principal.command(NOW, UserCommand::GiveLineTo { person: holder.person, terms: terms(), under: None });
    let ClientMessage::SignLine { statement } = sent_one(&mut principal, "sign_line") else { panic!() };
    let line = office.log_line(&statement);
    assert_eq!((line.content().device, &line.content().holder), (None, &holder));
    for caller in [&mut guest, &mut second] {
        office.tell_of(caller, &card, Some(&line));
        let rung = office.rung(caller, &card, NOW);
        assert_eq!(shows(&office, &mut principal, &rung, Some(&line), NOW), RINGS);
        principal.command(NOW, UserCommand::Decline { call: None, reply: None });
    }
    outputs(&mut principal);
    let person = office.enrol(5, 6, Role::Principal).device().me().card().clone();
    office.tell_of(&mut principal, &person, None);
    principal.command(NOW, UserCommand::GiveLineTo { person: person.person, terms: terms(), under: None });
    assert!(sent(&mut principal).is_empty(), "to somebody who needs none");
}

#[test]
fn a_holder_hands_back_their_own_lines_alone() {
    let mut world = World::hybrid();
    let (mut other, _) = world.office.taken(&mut world.principal, 11, terms());
    let statement = world.office.statement(&world.line);
    other.command(NOW, UserCommand::HandBack { statement: statement.clone() });
    assert!(sent(&mut other).is_empty());
    world.guest.command(NOW, UserCommand::HandBack { statement });
    let ClientMessage::StopLine { statement } = sent_one(&mut world.guest, "stop_line") else { panic!() };
    let ended = world.office.log_line(&statement);
    assert!(world.line.check_next(&ended).is_ok() && ended.content().state == LineState::Ended);
}

#[test]
fn a_listener_verifies_the_line_of_the_call_that_they_join() {
    let without = |line: Option<bool>| {
        let mut world = World::hybrid();
        let mut desk = world.office.enrol(4, 4, Role::DutyOfficer);
        let (_, others) = world.office.taken(&mut world.principal, 11, terms());
        let rung = world.live();
        desk.handle(
            NOW,
            ServerMessage::Notice(Notice {
                call: rung.call,
                from: world.line.content().holder.clone(),
                to: PersonNamed { card: world.line.content().principal.clone() },
                mode: RecordMode::Memo,
                state: NoticeState::Live { since_ms: NOW },
                members: Vec::new(),
                note_taker_asks: false,
                note_taker_silent: false,
                opened_ms: NOW,
                acts_for: Vec::new(),
                reply: None,
                asked: Vec::new(),
            }),
        );
        outputs(&mut desk);
        desk.command(NOW, UserCommand::Listen { call: rung.call });
        let sent_line = line.map(|own| if own { world.line.clone() } else { others });
        world.office.joined(&mut world.guest, &mut desk, &rung, sent_line.as_ref(), NOW);
        let call = desk.view().call.unwrap();
        assert_eq!(call.direction, Direction::Listen);
        (call.state, call.line.map(|line| line.line == world.line.content().line))
    };
    assert_eq!(without(Some(true)), (CallState::Live, Some(true)));
    assert_eq!(without(Some(false)).0, CallState::Ended, "another guest's line");
    assert_eq!(without(None).0, CallState::Ended, "no line");
}

#[test]
fn a_party_that_lost_its_keys_verifies_the_line_again_as_of_the_opening() {
    for (sends, state) in [(true, CallState::Live), (false, CallState::Ended)] {
        let mut world = World::new(SuiteName::Hybrid, office_hours());
        let (rung, line) = (world.live(), world.line.clone());
        // Office hours are over, and the line was paused; the call goes on.
        let evening = NOW + 6 * HOUR;
        let mut desk = restarted_in(&world, NOW);
        let paused = world.office.changed(&mut desk, &line, stop(LineState::Paused));
        let mut again = restarted(&world.principal, evening);
        world.office.sign_in_to(&mut again, evening, &[], Some(rung.call));
        let list = LineList { lines: vec![world.office.listed(&paused, NOW + HOUR)], more: false };
        again.command(evening, UserCommand::SeeLines { list });
        world.office.joined(&mut world.guest, &mut again, &rung, sends.then_some(&line), evening);
        assert_eq!(again.view().call.unwrap().state, state);
    }
}

#[test]
fn a_word_to_the_caller_is_shown_as_the_callee_sent_it() {
    for reply in [DeclineReply::Later { minutes: 10 }, DeclineReply::Office {}] {
        let mut world = World::hybrid();
        let (rung, line) = (world.rung(), world.line.clone());
        world.office.tell_caller(&mut world.guest, &rung, Some(&line), NOW);
        assert_eq!(world.shows(&rung, Some(&line)), RINGS);
        world.principal.command(NOW, UserCommand::Decline { call: Some(rung.call), reply: Some(reply) });
        let declined = sent_one(&mut world.principal, "decline");
        assert_eq!(declined, ClientMessage::Decline { call: rung.call, reply: Some(reply) });
        assert_eq!(world.principal.view().call.unwrap().reply, Some(reply));
        world.guest.handle(NOW, ServerMessage::Diverted { call: rung.call });
        let call = world.guest.view().call.unwrap();
        assert_eq!((call.state, call.diverted, call.reply), (CallState::Ringing, true, None));
        let ended = ServerMessage::Ended { call: rung.call, how: Ended::Declined, reply: Some(reply) };
        world.guest.handle(NOW, ended);
        let call = world.guest.view().call.unwrap();
        assert_eq!((call.ended, call.reply), (Some("declined"), Some(reply)));
    }
    // A call that ended otherwise has no such word, whatever the server says.
    let mut world = World::hybrid();
    let (rung, line) = (world.rung(), world.line.clone());
    world.office.tell_caller(&mut world.guest, &rung, Some(&line), NOW);
    let reply = Some(DeclineReply::Office {});
    world.guest.handle(NOW, ServerMessage::Ended { call: rung.call, how: Ended::Missed, reply });
    assert_eq!(world.guest.view().call.unwrap().reply, None);
}

#[test]
fn the_proof_of_a_record_has_the_line_that_its_ring_names() {
    let mut world = World::new(SuiteName::Hybrid, office_hours());
    let (_, others) = world.office.taken(&mut world.principal, 11, terms());
    let rung = world.rung();
    let late = world.office.ring_of(rung.jws.clone(), rung.from, NOW + 1_000);
    let device = |engine: &Engine, office: &Office| ProvenDevice {
        chain: engine.device().chain().iter().cloned().map(Blob).collect(),
        logged: office.proof_of(engine.device().me().device()),
    };
    let prove = |over: Option<&VerifiedLine>| {
        let office = &world.office;
        let opened: Logged = office.prove(rung.opened.index);
        RecordProof {
            line: RecordLine {
                call: rung.call,
                from: world.line.content().holder.clone(),
                to: world.line.content().principal.clone(),
                mode: rung.ring.mode,
                opened_ms: NOW,
                answered_ms: None,
                ended_ms: None,
                how: None,
                records: 0,
                partial: false,
                missing: false,
                on_behalf_of: None,
                answered_by: None,
            },
            ring: rung.jws.clone(),
            opened,
            ended: None,
            records: Vec::new(),
            missing: None,
            devices: vec![device(&world.guest, office), device(&world.principal, office)],
            delegations: Vec::new(),
            over: over.map(|line| Box::new(office.proven(line))),
            from_size: 0,
            consistency: Vec::new(),
        }
    };
    let trust = world.principal.device().trust();
    let opened = |proof: &RecordProof, zones| check_record(trust, proof, zones).checks[0].clone();
    let right = opened(&prove(Some(&world.line)), zones);
    assert!(right.ok, "{}", right.detail);
    assert!(prove(Some(&world.line)).entries().count() > prove(None).entries().count());
    for (over, why) in [(None, "without a line"), (Some(&others), "another line")] {
        let check = opened(&prove(over), zones);
        assert!(!check.ok && check.detail.contains(why), "{}", check.detail);
    }
    assert!(!opened(&prove(Some(&world.line)), |_, _| None).ok, "without the time in its zone");
    // Its hours are judged by the opening, and not by the date that the caller chose.
    let late = RecordProof { opened: world.office.prove(late.opened.index), ..prove(Some(&world.line)) };
    let check = opened(&late, zones);
    assert!(check.ok, "{}", check.detail);
    assert!(!opened(&late, |zone, at_ms| zones(zone, at_ms).filter(|_| at_ms <= NOW)).ok);
}

#[test]
fn a_state_from_before_lines_opens_and_one_with_them_is_read_again() {
    let mut world = World::hybrid();
    let line = world.line.clone();
    world.office.offered(&mut world.principal, "Another guest", terms());
    world.office.changed(&mut world.principal, &line, stop(LineState::Ended));
    let text = world.principal.state_text().to_string();
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state["lines"].as_array().unwrap().len(), 1);
    assert!(!state["invitations"][0]["line"].is_null());
    let again = restarted(&world.principal, NOW);
    assert_eq!(*again.state_text(), text);
    state.as_object_mut().unwrap().remove("lines");
    state["invitations"][0].as_object_mut().unwrap().remove("line");
    assert!(DeviceState::parse(&state.to_string()).is_ok());
}
