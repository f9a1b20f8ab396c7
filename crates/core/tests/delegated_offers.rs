//! Lines that the desk offers for a principal: what each device signs, and what a server or a delegate tries that wants another holder,
//! other terms, or no question to the principal.

#[allow(dead_code, reason = "other tests use the rest of the office")]
mod line_office;

use line_office::*;
use telcon_core::{AskingDevice, Engine, Output, UserCommand, io::NewDelegate, io::NewLine};
use telcon_identity::attest_holder;
use telcon_proto::{
    ClientMessage, InvitationId, Role, SuiteName,
    attestation::{Attested, HolderAttestation, OfferedFor},
    delegation::Act,
    line::{LineTerms, Reach, Rings},
    message::OpenInvitation,
};

/// A principal who lets the desk offer lines, and an offer that a guest's device took.
struct World {
    office: Office,
    principal: Engine,
    desk: Engine,
    delegation: String,
    asking: AskingDevice,
    link: String,
    invitation: InvitationId,
    /// As the office shows it before the desk has said who took it.
    open: OpenInvitation,
}

fn delegated(principal: &mut Engine, desk: &Engine, acts: Vec<Act>) -> String {
    let delegate = desk.device().me().card().clone();
    let new = NewDelegate { delegate, acts, not_before_ms: None, not_after_ms: NOW + HOUR };
    principal.command(NOW, UserCommand::Delegate(new));
    let ClientMessage::Delegate { statement } = sent_one(principal, "delegate") else { panic!("a delegation") };
    statement
}

fn new_line(under: Option<String>) -> UserCommand {
    UserCommand::GiveLine(NewLine {
        name: "Guest".into(),
        organisation: "Presidency of Sudland".into(),
        zone: "Europe/Oslo".into(),
        terms: terms(),
        valid_ms: None,
        under,
    })
}

fn alert(engine: &Engine) -> String {
    engine.view().alerts.first().map(|alert| alert.text.clone()).unwrap_or_default()
}

impl World {
    fn new(suite: SuiteName) -> Self {
        let mut office = Office::new(suite, Rings::OverLines);
        let (mut principal, mut desk) = (office.enrol(1, 1, Role::Principal), office.enrol(2, 2, Role::DutyOfficer));
        let delegation = delegated(&mut principal, &desk, vec![Act::Lines]);
        desk.command(NOW, new_line(Some(delegation.clone())));
        let offer = sent_one(&mut desk, "offer_line");
        let ClientMessage::OfferLine { invitation, card, expires_ms, line, on_behalf, .. } = offer else { panic!() };
        let under = principal.device().office().verify_delegation(&delegation).unwrap();
        assert_eq!(on_behalf, under.on_behalf());
        let mut open = OpenInvitation {
            invitation,
            card,
            by: desk.device().me().device(),
            made_ms: NOW,
            expires_ms,
            request: None,
            refused_requests: 0,
            first_approval: None,
            recovery: None,
            line: Some(line),
            offered_for: Some(OfferedFor {
                principal: principal.device().me().card().clone(),
                delegate: desk.device().me().card().clone(),
                attested: None,
            }),
        };
        office.show(&mut desk, open.clone());
        let link = desk.view().invitations[0].link.clone().expect("the desk has the link");
        let asking = office.asks(&link, 9);
        open.request = Some(asking.request().to_owned());
        office.show(&mut desk, open.clone());
        Self { office, principal, desk, delegation, asking, link, invitation, open }
    }

    fn confirm(&self) -> UserCommand {
        UserCommand::ConfirmLine { invitation: self.invitation, code: self.asking.code().unwrap() }
    }

    /// What the desk's device signs.
    fn attested(&mut self) -> String {
        self.desk.command(NOW, self.confirm());
        let ClientMessage::AttestHolder { invitation, statement } = sent_one(&mut self.desk, "attest_holder") else {
            panic!("an attestation")
        };
        assert_eq!(invitation, self.invitation);
        statement
    }

    fn shown(&self, statement: &str, delegation: &str) -> OpenInvitation {
        let mut open = self.open.clone();
        let offered = open.offered_for.as_mut().expect("offered for the principal");
        let (statement, delegation) = (statement.to_owned(), delegation.to_owned());
        offered.attested = Some(Attested { statement, delegation, at_ms: NOW });
        open
    }

    /// What the principal's device sends when its person confirms what the office shows.
    fn confirmed(&mut self, shown: OpenInvitation, code: &str) -> Option<ClientMessage> {
        self.office.show(&mut self.principal, shown);
        let command = UserCommand::ConfirmLine { invitation: self.invitation, code: code.to_owned() };
        self.principal.command(NOW, command);
        sent(&mut self.principal).into_iter().find(|message| message.kind() == "approve_device")
    }
}

#[test]
fn the_desk_says_who_took_a_line_and_the_principal_s_device_binds_it() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = World::new(suite);
        let statement = world.attested();
        let shown = world.shown(&statement, &world.delegation.clone());
        world.office.show(&mut world.principal, shown.clone());
        let view = world.principal.view().invitations[0].clone();
        let (offered, request) = (view.offered_for.unwrap(), view.request.unwrap());
        assert_eq!(offered.delegate, *world.desk.device().me().card());
        assert_eq!((offered.attested_ms, view.made_here, view.link), (Some(NOW), false, None));
        assert_eq!(request.code, Some(world.asking.code().unwrap()));
        let code = world.asking.code().unwrap();
        let approval = world.confirmed(shown, &code);
        let Some(ClientMessage::ApproveDevice { chain, line: Some(line), .. }) = approval else {
            panic!("{approval:?}")
        };
        let line = world.principal.device().office().verify_line(&line).unwrap();
        // It is the principal's in every way: nothing of it depends on the delegation afterwards.
        assert_eq!(line.content().principal, *world.principal.device().me().card());
        assert_eq!((line.content().on_behalf, &line.content().holder), (None, &world.open.card));
        let state = world.asking.complete(chain, NOW).unwrap();
        let mut holder = world.office.started(state);
        // The words are of the link, which the desk's device has and the principal's has not.
        let line_id = line.content().line;
        let words = |engine: &mut Engine| {
            engine.command(NOW, UserCommand::ShowChallenge { line: line_id });
            engine.view().challenge.and_then(|shown| shown.words)
        };
        assert!(words(&mut holder).is_some());
        assert_eq!((words(&mut world.desk), words(&mut world.principal)), (words(&mut holder), None));
        assert_eq!(line.content().device, Some(holder.device().me().device()));
        assert_eq!(holder.device().me().given_by(), Some(world.principal.device().me().device()));
    }
}

#[test]
fn the_desk_certifies_nobody_and_compares_the_code() {
    let mut world = World::new(SuiteName::Hybrid);
    let wrong = UserCommand::ConfirmLine { invitation: world.invitation, code: "000 000 000 000".into() };
    world.desk.command(NOW, wrong);
    assert!(sent(&mut world.desk).is_empty() && alert(&world.desk).contains("not the one that you compared"));
    // The delegation ran out meanwhile.
    world.desk.command(NOW + 2 * HOUR, world.confirm());
    assert!(sent(&mut world.desk).iter().all(|message| message.kind() != "attest_holder"));
    world.desk.command(NOW, world.confirm());
    let kinds: Vec<_> = sent(&mut world.desk).iter().map(ClientMessage::kind).collect();
    assert_eq!(kinds, ["attest_holder"]);
    // The link's secret and what was offered survive a restart of the desk's device.
    let mut again = restarted(&world.desk, NOW);
    world.office.sign_in(&mut again, NOW, &[]);
    world.office.show(&mut again, world.open.clone());
    again.command(NOW, world.confirm());
    assert!(matches!(sent_one(&mut again, "attest_holder"), ClientMessage::AttestHolder { .. }));
}

#[test]
fn a_delegate_without_that_act_or_without_a_delegation_offers_nothing() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let (mut principal, mut desk) = (office.enrol(1, 1, Role::Principal), office.enrol(2, 2, Role::DutyOfficer));
    let mut other = office.enrol(3, 3, Role::Scheduler);
    let rings = delegated(&mut principal, &desk, vec![Act::Ring, Act::Answer]);
    let lines = delegated(&mut principal, &desk, vec![Act::Lines]);
    for under in [Some(rings), None] {
        desk.command(NOW, new_line(under));
        assert!(sent(&mut desk).is_empty(), "{}", alert(&desk));
    }
    other.command(NOW, new_line(Some(lines)));
    assert!(sent(&mut other).is_empty(), "{}", alert(&other));
}

#[test]
fn a_server_cannot_have_the_principal_bind_another_device_or_other_terms_than_the_desk_attested() {
    let mut world = World::new(SuiteName::Hybrid);
    let (statement, delegation) = (world.attested(), world.delegation.clone());
    let honest = world.shown(&statement, &delegation);
    let code = world.asking.code().unwrap();
    // Another device that has the link, too, or whose request the server made.
    let thief = AskingDevice::ask(&world.link, world.office.info(), "Safari on a phone", &[8; 32], NOW).unwrap();
    let mut other_device = honest.clone();
    other_device.request = Some(thief.request().to_owned());
    let mut other_holder = honest.clone();
    other_holder.card.name = "Somebody else".into();
    let mut other_terms = honest.clone();
    other_terms.line = Some(LineTerms { reach: Reach::Desk, ..terms() });
    let mut unattested = honest.clone();
    unattested.offered_for.as_mut().unwrap().attested = None;
    let mut nobody = honest.clone();
    nobody.offered_for = None;
    for lie in [other_device, other_holder, other_terms, unattested, nobody] {
        for code in [code.clone(), thief.code().unwrap()] {
            assert!(world.confirmed(lie.clone(), &code).is_none(), "{lie:?}");
        }
        assert_eq!(world.principal.view().invitations[0].request.as_ref().unwrap().code, None);
    }
    // The same attestation for another offer.
    let mut replayed = honest.clone();
    replayed.invitation = InvitationId::from_bytes([7; 16]);
    world.office.show(&mut world.principal, replayed);
    world
        .principal
        .command(NOW, UserCommand::ConfirmLine { invitation: InvitationId::from_bytes([7; 16]), code: code.clone() });
    assert!(!sent(&mut world.principal).iter().any(|message| message.kind() == "approve_device"));
    assert!(world.confirmed(honest.clone(), "000 000 000 000").is_none(), "another code than the one compared");
    assert!(world.confirmed(honest, &code).is_some());
}

#[test]
fn an_attestation_counts_only_from_a_delegate_for_lines_of_this_principal() {
    let mut world = World::new(SuiteName::Hybrid);
    let statement = world.attested();
    let office = world.principal.device().office().clone();
    let content = office.verify_attestation(&statement).unwrap().content().clone();
    let mut other = world.office.enrol(5, 5, Role::Principal);
    let rings = delegated(&mut world.principal, &world.desk, vec![Act::Ring]);
    let others = delegated(&mut other, &world.desk, vec![Act::Lines]);
    let stranger = world.office.enrol(6, 6, Role::DutyOfficer);
    let signs = |engine: &Engine, under: &str, change: &dyn Fn(&mut HolderAttestation)| {
        let on_behalf = office.verify_delegation(under).unwrap().on_behalf();
        let mut content = HolderAttestation { on_behalf, ..content.clone() };
        change(&mut content);
        let device = engine.stored_device();
        attest_holder(device.key(), device.chain(), &content)
    };
    let own = world.delegation.clone();
    let late = |content: &mut HolderAttestation| content.at_ms = NOW + 2 * HOUR;
    let same = |_: &mut HolderAttestation| {};
    let forged = [
        (signs(&world.desk, &rings, &same), rings.clone()),
        (signs(&world.desk, &others, &same), others.clone()),
        (signs(&world.desk, &own, &late), own.clone()),
        (signs(&stranger, &own, &same), own.clone()),
        (signs(&world.principal, &own, &same), own.clone()),
        // Named one delegation, shown with another.
        (statement.clone(), rings),
        (statement[..statement.len() - 4].to_owned(), own.clone()),
    ];
    let code = world.asking.code().unwrap();
    for (n, (statement, delegation)) in forged.iter().enumerate() {
        let shown = world.shown(statement, delegation);
        assert!(world.confirmed(shown, &code).is_none(), "forgery {n}");
    }
    // What is genuine is not another principal's to confirm.
    let shown = world.shown(&statement, &own);
    world.office.show(&mut other, shown.clone());
    other.command(NOW, world.confirm());
    assert!(sent(&mut other).is_empty() && alert(&other).contains("made on another device"), "{}", alert(&other));
    assert!(world.confirmed(shown, &code).is_some());
}

/// Reads what a device stores: a thief of it can sign anything.
trait Stored {
    fn stored_device(&self) -> telcon_core::Device;
}

impl Stored for Engine {
    fn stored_device(&self) -> telcon_core::Device {
        let state = telcon_core::DeviceState::parse(&self.state_text()).unwrap();
        telcon_core::Device::open(&state, NOW).unwrap()
    }
}

#[test]
fn what_is_kept_of_an_offer_for_a_principal_is_durable_before_anything_is_sent() {
    let mut office = Office::new(SuiteName::Hybrid, Rings::OverLines);
    let (mut principal, mut desk) = (office.enrol(1, 1, Role::Principal), office.enrol(2, 2, Role::DutyOfficer));
    let under = delegated(&mut principal, &desk, vec![Act::Lines]);
    desk.command(NOW, new_line(Some(under)));
    let outputs = outputs(&mut desk);
    let at = |what: &dyn Fn(&Output) -> bool| outputs.iter().position(what).unwrap();
    let kept = at(&|output| matches!(output, Output::Persist));
    let sent = at(&|output| matches!(output, Output::Send(ClientMessage::OfferLine { .. })));
    assert!(kept < sent);
}
