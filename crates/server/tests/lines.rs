//! Lines on real sockets, with real certificates: given, asked for, approved, rung over, stopped, handed back; and attacks on each.

mod common;
#[path = "lines/sealed.rs"]
mod sealed;

use common::{Answer, Client, Device, Office, now_ms};
use telcon_identity::{
    Ask, CharterTerms, DeviceKey, attest_holder, certify_holder, request_sha256, sign_delegation, sign_delegation_end,
    sign_line, sign_ring, verify_request,
};
use telcon_proto::{
    AlertKind, Blob, CallId, Card, ClientMessage as C, DelegationId, DeviceId, Digest, Ended, InvitationId, LineId,
    PersonId, RecordMode, Role, ServerMessage as S, SuiteName, WIRE_VERSION,
    attestation::HolderAttestation,
    contact::Contact,
    delegation::{Act, Delegation, DelegationEnd, OnBehalf},
    entry::{Entry, InvitationClosed},
    http::{AskRequest, Asked, EnrolRequest, Registrars},
    line::{Hours, Line, LineList, LineState, LineTerms, OverLine, ProvenLine, Reach, Rings, Weekday},
    message::{DeclineReply, OpenInvitation, RefusalCode, Ring},
};

const SECRET: [u8; 32] = [3; 32];
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

async fn over_lines() -> Office {
    over_lines_with(Registrars::One).await
}

async fn over_lines_with(registrars: Registrars) -> Office {
    let terms = CharterTerms { floor: RecordMode::LogOnly, registrars, rings: Rings::OverLines };
    Office::start_with(terms, SuiteName::Hybrid).await
}

fn terms() -> LineTerms {
    LineTerms {
        reach: Reach::Direct,
        hours: None,
        until_ms: None,
        rings_per_day: None,
        mode: RecordMode::LogOnly,
        purpose: "about the summit".into(),
    }
}

/// Every hour of every day except those of the present one and its neighbours.
fn other_hours() -> Hours {
    let at = (now_ms() / 60_000 % 1_440) as u16;
    let from_min = (at + 600) % 1_440;
    Hours { zone: "UTC".into(), days: Weekday::ALL.to_vec(), from_min, until_min: from_min + 1 }
}

fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

fn ask(office: &Office, invitation: InvitationId) -> Ask {
    Ask::new(office.info.suite, SECRET, office.authority.certificate_sha256(), invitation)
}

/// A principal and a connection of theirs.
struct Giver {
    device: Device,
    client: Client,
}

impl Giver {
    async fn new(office: &Office) -> Self {
        let device = office.person(Role::Principal).await;
        let client = Client::sign_in(office.addr(), &device).await;
        Self { device, client }
    }

    /// Offers a line, and waits until the log has it.
    async fn offer(&mut self, office: &Office, n: u8, terms: LineTerms) -> (InvitationId, Card) {
        let (invitation, card) = (InvitationId::from_bytes([n; 16]), office.card(Role::Counterpart));
        self.client.send(&invite(office, invitation, &card, Some(terms))).await;
        assert_eq!(changed(&mut self.client).await.invitation, invitation);
        (invitation, card)
    }

    /// The first version of a line, and the certificates of its holder's device, for what was asked.
    fn bind(&self, office: &Office, asked: &OpenInvitation) -> C {
        let jws = asked.request.clone().expect("a device asked");
        let verified = verify_request(&jws, office.anchor.domain(), &ask(office, asked.invitation)).unwrap();
        let giver = office.anchor.verify_chain(&self.device.chain, now_ms()).unwrap();
        let chain =
            certify_holder(&self.device.key, &giver, &self.device.chain, &verified, &asked.card, now_ms()).unwrap();
        let line = first(self, asked, verified.request().device);
        C::ApproveDevice {
            invitation: asked.invitation,
            chain: chain.into_iter().map(Blob).collect(),
            line: Some(sign_line(&self.device.key, &self.device.chain, &line)),
        }
    }

    /// Gives a line to a guest who has nothing but a browser.
    async fn give(&mut self, office: &Office, n: u8, terms: LineTerms) -> Holder {
        let (invitation, card) = self.offer(office, n, terms).await;
        let (device, jws) = request(office, invitation, n, card);
        assert!(matches!(send(office, &jws).await.json(), Asked::Waiting { .. }));
        let asked = changed(&mut self.client).await;
        let approve = self.bind(office, &asked);
        self.client.send(&approve).await;
        assert_eq!(closed(&mut self.client).await, invitation);
        lines_changed(&mut self.client).await;
        let Asked::Approved { chain } = send(office, &jws).await.json() else { panic!("not approved") };
        let device = Device { chain: chain.into_iter().map(|der| der.0).collect(), ..device };
        let (client, contacts) = sign_in(office, &device).await;
        let [contact] = &contacts[..] else { panic!("{contacts:?}") };
        assert_eq!(contact.card, self.device.card, "nobody but who gave the line");
        let over = contact.line.as_ref().expect("its line").over;
        Holder { device, client, over }
    }

    /// The next version of a line.
    async fn next(&self, office: &Office, line: LineId, change: impl FnOnce(&mut Line)) -> (Line, String) {
        next_by(office, &self.client, &self.device, line, change).await
    }

    async fn stop(&mut self, office: &Office, line: LineId, state: LineState) {
        let (_, statement) = self.next(office, line, |line| line.state = state).await;
        self.client.send(&C::StopLine { statement }).await;
        lines_changed(&mut self.client).await;
    }

    async fn change(&mut self, office: &Office, line: LineId, change: impl FnOnce(&mut Line)) -> OverLine {
        let (_, statement) = self.next(office, line, change).await;
        self.client.send(&C::SignLine { statement: statement.clone() }).await;
        lines_changed(&mut self.client).await;
        office.anchor.verify_line(&statement).unwrap().over()
    }
}

/// Who holds a line.
struct Holder {
    device: Device,
    client: Client,
    over: OverLine,
}

impl Holder {
    fn ring(&self, office: &Office, to: PersonId, n: u8) -> C {
        ring(office, &self.device, to, call(n), Some(self.over))
    }

    async fn rings(&mut self, office: &Office, to: PersonId, n: u8) -> (RefusalCode, String) {
        let ring = self.ring(office, to, n);
        self.client.send(&ring).await;
        refused(&mut self.client).await
    }
}

fn first(giver: &Giver, asked: &OpenInvitation, device: DeviceId) -> Line {
    Line {
        office: giver.device.card.office.clone(),
        line: LineId::from_bytes(*asked.invitation.as_bytes()),
        version: 1,
        previous: None,
        principal: giver.device.card.clone(),
        holder: asked.card.clone(),
        device: Some(device),
        terms: asked.line.clone().expect("the offer of a line"),
        state: LineState::Live,
        at_ms: now_ms(),
        on_behalf: None,
    }
}

async fn next_by(
    office: &Office,
    client: &Client,
    by: &Device,
    line: LineId,
    change: impl FnOnce(&mut Line),
) -> (Line, String) {
    let listed = list(office, client).await.lines.into_iter().find(|listed| listed.line.line == line).expect("listed");
    let mut next = Line {
        version: listed.line.version + 1,
        previous: Some(listed.statement_sha256),
        at_ms: now_ms(),
        on_behalf: None,
        ..listed.line
    };
    change(&mut next);
    let statement = sign_line(&by.key, &by.chain, &next);
    (next, statement)
}

fn invite(office: &Office, invitation: InvitationId, card: &Card, line: Option<LineTerms>) -> C {
    let token_sha256 = ask(office, invitation).token_sha256();
    C::Invite { invitation, card: card.clone(), expires_ms: now_ms() + DAY_MS, token_sha256, line }
}

fn request(office: &Office, invitation: InvitationId, n: u8, card: Card) -> (Device, String) {
    let key = DeviceKey::from_seed(office.info.suite, &[n + 50; 32]);
    let id = DeviceId::from_bytes([n + 50; 16]);
    let jws = ask(office, invitation).request(&key, id, office.anchor.domain(), "Safari on a phone", now_ms()).unwrap();
    (Device { key, chain: Vec::new(), id, card }, jws)
}

async fn send(office: &Office, jws: &str) -> Answer {
    let body = serde_json::to_vec(&AskRequest { request: jws.to_owned() }).unwrap();
    office.post("/api/v1/device-requests", &body).await
}

fn ring(office: &Office, from: &Device, to: PersonId, call: CallId, over: Option<OverLine>) -> C {
    let ring = Ring {
        version: WIRE_VERSION,
        call: call.at(office.anchor.domain()),
        from: from.id.at(office.anchor.domain()),
        to: to.at(office.anchor.domain()),
        mode: RecordMode::LogOnly,
        suite: office.info.suite,
        at_ms: now_ms(),
        on_behalf: None,
        over,
    };
    C::Ring { jws: sign_ring(&from.key, &from.chain, &ring) }
}

async fn sign_in(office: &Office, device: &Device) -> (Client, Vec<Contact>) {
    let client = Client::sign_in(office.addr(), device).await;
    let Some(S::SignedIn { people, .. }) = &client.signed_in else { panic!("signed in") };
    let people = people.clone();
    (client, people)
}

async fn changed(client: &mut Client) -> OpenInvitation {
    let changed = |message| match message {
        S::Invitations { mut changed, .. } => changed.pop(),
        _ => None,
    };
    client.until(changed).await
}

async fn closed(client: &mut Client) -> InvitationId {
    let closed = |message| match message {
        S::Invitations { mut closed, .. } => closed.pop(),
        _ => None,
    };
    client.until(closed).await
}

async fn refused(client: &mut Client) -> (RefusalCode, String) {
    let refusal = |message| match message {
        S::Refused { code, message, .. } => Some((code, message)),
        S::Opened { .. } => panic!("the ring was accepted"),
        _ => None,
    };
    client.until(refusal).await
}

async fn lines_changed(client: &mut Client) {
    let done = |message| match message {
        S::LinesChanged {} => Some(()),
        S::Refused { message, .. } => panic!("{message}"),
        _ => None,
    };
    client.until(done).await;
}

async fn ended(client: &mut Client) -> (Ended, Option<DeclineReply>) {
    let end = |message| match message {
        S::Ended { how, reply, .. } => Some((how, reply)),
        S::Refused { message, .. } => panic!("{message}"),
        _ => None,
    };
    client.until(end).await
}

/// The line and the ring, in this order.
async fn ringing(client: &mut Client) -> (Box<ProvenLine>, String) {
    let line = |message| match message {
        S::Line(line) => Some(line),
        S::Ringing { .. } => panic!("a ring before its line"),
        _ => None,
    };
    let line = client.until(line).await;
    let jws = |message| match message {
        S::Ringing { jws, .. } => Some(jws),
        _ => None,
    };
    (line, client.until(jws).await)
}

async fn alert(client: &mut Client, kind: AlertKind) -> Option<DeviceId> {
    let of_kind = |message| match message {
        S::Alerts { changed, .. } => changed.into_iter().find(|alert| alert.kind == kind).map(|alert| alert.device),
        _ => None,
    };
    client.until(of_kind).await
}

async fn list(office: &Office, client: &Client) -> LineList {
    let answer = office.http("GET", "/api/v1/lines", &[("authorization", &client.bearer())], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_line_is_given_rung_over_paused_and_ended_in_a_call() {
    let mut office = over_lines().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    let mut giver = Giver::new(&office).await;
    let stranger = office.person(Role::Principal).await;
    let (of_stranger, _) = sign_in(&office, &stranger).await;
    let mut holder = giver.give(&office, 1, terms()).await;
    let line = holder.over.line;
    let principal = giver.device.person();
    // The security officer saw the offer, who asked, and the line.
    assert!(changed(&mut of_officer).await.line.is_some());
    assert_eq!(alert(&mut of_officer, AlertKind::DeviceAsked).await, Some(holder.device.id));
    lines_changed(&mut of_officer).await;
    for client in [&giver.client, &of_officer, &holder.client] {
        let listed = list(&office, client).await;
        let [one] = &listed.lines[..] else { panic!("{listed:?}") };
        assert_eq!((one.line.version, one.line.state, one.reachable), (1, LineState::Live, true));
        assert_eq!(office.anchor.verify_line(&one.statement).unwrap().sha256(), one.statement_sha256);
    }
    assert_eq!(list(&office, &of_stranger).await.lines, []);

    // A ring, which both verify without believing the server.
    let rings = holder.ring(&office, principal, 1);
    holder.client.send(&rings).await;
    let (proven, jws) = ringing(&mut giver.client).await;
    let logged = office.anchor.verify_line_logged(&proven).unwrap();
    let rung = office.anchor.verify_ring(&jws, now_ms()).unwrap();
    let no_hours = |_: &str, _| None;
    rung.check_line(Rings::OverLines, None, Role::Principal, Some(logged.line()), now_ms(), &no_hours).unwrap();
    let own = |message| match message {
        S::Line(line) => Some(line),
        S::Opened { .. } => panic!("opened before its line"),
        _ => None,
    };
    assert_eq!(holder.client.until(own).await.statement, proven.statement);
    // Paused while it rings.
    giver.stop(&office, line, LineState::Paused).await;
    assert_eq!(ended(&mut holder.client).await.0, Ended::Revoked);
    lines_changed(&mut holder.client).await;
    assert!(holder.rings(&office, principal, 2).await.1.contains("is paused"));
    assert_eq!(list(&office, &holder.client).await.lines[0].line.state, LineState::Paused);

    // In use again: the ring names the new version, after a restart of the server too.
    let over = giver.change(&office, line, |line| line.state = LineState::Live).await;
    assert!(holder.rings(&office, principal, 3).await.1.contains("has changed"));
    office.stop().await;
    office.run().await;
    giver.client = Client::sign_in(office.addr(), &giver.device).await;
    let (client, contacts) = sign_in(&office, &holder.device).await;
    assert_eq!(contacts[0].line.as_ref().unwrap().over, over);
    let mut holder = Holder { client, over, ..holder };
    let rings = holder.ring(&office, principal, 4);
    holder.client.send(&rings).await;
    ringing(&mut giver.client).await;
    giver.client.send(&C::Answer { call: call(4), key_package: Blob(vec![1]) }).await;
    let joins = |message| matches!(message, S::JoinAsked { .. }).then_some(());
    holder.client.until(joins).await;
    // A pause lets a call go on that was answered; the end of the line does not.
    giver.stop(&office, line, LineState::Paused).await;
    giver.stop(&office, line, LineState::Ended).await;
    assert_eq!(ended(&mut holder.client).await.0, Ended::Revoked);
    let gone = |message| match message {
        S::PeopleChanged { removed, .. } => removed.contains(&principal).then_some(()),
        _ => None,
    };
    holder.client.until(gone).await;
    assert!(holder.rings(&office, principal, 5).await.1.contains("has ended"));
    office.stop().await;
    let log = office.log_entries();
    let versions: Vec<_> = log
        .iter()
        .filter_map(|entry| match entry {
            Entry::LineSigned { version, state, .. } => Some((*version, *state)),
            _ => None,
        })
        .collect();
    use LineState::{Ended as Over, Live, Paused};
    assert_eq!(versions, [(1, Live), (2, Paused), (3, Live), (4, Paused), (5, Over)]);
    let opened: Vec<_> = log
        .iter()
        .filter_map(|entry| match entry {
            Entry::CallOpened { line, .. } => Some(*line),
            _ => None,
        })
        .collect();
    assert_eq!(opened, [Some(line), Some(line)]);
    let kinds: Vec<&str> = log.iter().map(Entry::kind).collect();
    let enrolled = kinds.iter().rposition(|kind| *kind == "device_enrolled").unwrap();
    let first = kinds.iter().position(|kind| *kind == "line_signed").unwrap();
    let closed = kinds.iter().position(|kind| *kind == "invitation_closed").unwrap();
    assert!(enrolled < first && first < closed, "{kinds:?}");
}

#[tokio::test]
async fn a_holder_hands_a_line_back_and_may_change_nothing_else() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let mut holder = giver.give(&office, 1, terms()).await;
    let line = holder.over.line;
    let more = |line: &mut Line| line.terms.rings_per_day = Some(9);
    let (_, statement) = next_by(&office, &holder.client, &holder.device, line, more).await;
    holder.client.send(&C::SignLine { statement }).await;
    assert_eq!(refused(&mut holder.client).await.0, RefusalCode::NotAllowed);
    let more = |line: &mut Line| (line.state, line.terms.purpose) = (LineState::Ended, "other".into());
    let (_, statement) = next_by(&office, &holder.client, &holder.device, line, more).await;
    holder.client.send(&C::StopLine { statement }).await;
    assert!(refused(&mut holder.client).await.1.contains("does not verify"));
    let end = |line: &mut Line| line.state = LineState::Ended;
    let (_, statement) = next_by(&office, &holder.client, &holder.device, line, end).await;
    holder.client.send(&C::StopLine { statement }).await;
    lines_changed(&mut holder.client).await;
    let principal = giver.device.person();
    assert!(holder.rings(&office, principal, 1).await.1.contains("has ended"));
    // And nobody brings it back.
    let (_, statement) = giver.next(&office, line, |line| line.state = LineState::Live).await;
    giver.client.send(&C::SignLine { statement }).await;
    assert!(refused(&mut giver.client).await.1.contains("ended"));
}

/// The attacker has the link, and is faster than the person whom it is for.
#[tokio::test]
async fn a_link_that_was_stolen_before_it_was_used_gives_nothing_without_the_givers_consent() {
    let office = over_lines().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    let mut giver = Giver::new(&office).await;
    let (invitation, card) = giver.offer(&office, 1, terms()).await;
    let (thief, stolen) = request(&office, invitation, 1, card.clone());
    assert!(matches!(send(&office, &stolen).await.json(), Asked::Waiting { .. }));
    let asked = changed(&mut giver.client).await;
    assert_eq!(asked.request.as_ref(), Some(&stolen), "the giver sees who asked");
    // The rightful holder finds the link used, and the office hears of it.
    let (_, honest) = request(&office, invitation, 2, card.clone());
    assert_eq!(send(&office, &honest).await.status, 410);
    alert(&mut of_officer, AlertKind::LinkOpenedAgain).await;
    giver.client.send(&C::CloseInvitation { invitation }).await;
    assert_eq!(closed(&mut giver.client).await, invitation);
    assert!(matches!(send(&office, &stolen).await.json(), Asked::Refused {}));
    assert_eq!(alert(&mut of_officer, AlertKind::DeviceRefused).await, Some(thief.id));
    // They take another.
    let holder = giver.give(&office, 3, terms()).await;
    assert_eq!(list(&office, &holder.client).await.lines.len(), 1);
    // The refused one is approved no more, by nobody.
    let approve = giver.bind(&office, &asked);
    giver.client.send(&approve).await;
    assert!(refused(&mut giver.client).await.1.contains("closed"));
}

/// The attacker has a photograph of the QR code.
#[tokio::test]
async fn a_link_that_was_used_opens_nothing_and_the_office_hears_of_it() {
    let office = over_lines().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    let mut giver = Giver::new(&office).await;
    let holder = giver.give(&office, 1, terms()).await;
    let invitation = InvitationId::from_bytes(*holder.over.line.as_bytes());
    let (_, stolen) = request(&office, invitation, 2, holder.device.card.clone());
    assert_eq!(send(&office, &stolen).await.status, 410);
    alert(&mut of_officer, AlertKind::LinkOpenedAgain).await;
    // Nor does the principal's own device enrol anybody without an invitation.
    let chain = holder.device.chain.iter().cloned().map(Blob).collect();
    let body = serde_json::to_vec(&EnrolRequest { chain }).unwrap();
    assert_eq!(office.post("/api/v1/devices", &body).await.status, 422);
    assert_eq!(list(&office, &of_officer).await.lines.len(), 1);
}

#[tokio::test]
async fn of_two_holders_at_once_one_asks_and_the_other_is_refused() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let (invitation, card) = giver.offer(&office, 1, terms()).await;
    let (_, one) = request(&office, invitation, 1, card.clone());
    let (_, other) = request(&office, invitation, 2, card);
    let (first, second) = tokio::join!(send(&office, &one), send(&office, &other));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
}

#[tokio::test]
async fn only_the_device_that_offered_a_line_approves_and_only_what_it_offered() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let mut other = Giver::new(&office).await;
    // Another device of the same principal, and another principal.
    let second =
        office.device(giver.device.card.clone(), &office.invite(giver.device.card.clone(), now_ms()), now_ms());
    assert_eq!(office.post("/api/v1/devices", &second.enrol_request()).await.status, 201);
    let second = Giver { client: Client::sign_in(office.addr(), &second).await, device: second };
    let (invitation, card) = giver.offer(&office, 1, terms()).await;
    let (device, jws) = request(&office, invitation, 1, card.clone());
    send(&office, &jws).await;
    let asked = changed(&mut giver.client).await;
    let mut second = second;
    for by in [&mut second, &mut other] {
        let approve = by.bind(&office, &asked);
        by.client.send(&approve).await;
        refused(&mut by.client).await;
    }
    // Another line than was offered, or none.
    let C::ApproveDevice { chain, .. } = giver.bind(&office, &asked) else { panic!("an approval") };
    type Change = fn(&mut Line);
    let changes: [Change; 4] = [
        |line| line.terms.purpose = "other".into(),
        |line| line.state = LineState::Paused,
        |line| line.device = None,
        |line| line.line = LineId::from_bytes([9; 16]),
    ];
    for change in changes {
        let mut line = first(&giver, &asked, device.id);
        change(&mut line);
        let line = Some(sign_line(&giver.device.key, &giver.device.chain, &line));
        giver.client.send(&C::ApproveDevice { invitation, chain: chain.clone(), line }).await;
        assert!(refused(&mut giver.client).await.1.contains("not the one that was offered"));
    }
    giver.client.send(&C::ApproveDevice { invitation, chain, line: None }).await;
    assert!(refused(&mut giver.client).await.1.contains("line is missing"));
    assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { .. }), "nothing of it counted");
    let approve = giver.bind(&office, &asked);
    giver.client.send(&approve).await;
    assert_eq!(closed(&mut giver.client).await, invitation);
}

#[tokio::test]
async fn what_a_line_does_not_allow_is_refused_with_its_reason() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let other = Giver::new(&office).await;
    let principal = giver.device.person();
    let mut holder = giver.give(&office, 1, terms()).await;
    let line = holder.over.line;
    // Without a line, to somebody else, and over somebody else's.
    holder.client.send(&ring(&office, &holder.device, principal, call(1), None)).await;
    assert!(refused(&mut holder.client).await.1.contains("over a line"));
    assert!(holder.rings(&office, other.device.person(), 2).await.1.contains("between other people"));
    let unknown = OverLine { line: LineId::from_bytes([9; 16]), ..holder.over };
    holder.client.send(&ring(&office, &holder.device, principal, call(3), Some(unknown))).await;
    assert!(refused(&mut holder.client).await.1.contains("no such line"));
    let forged = OverLine { statement_sha256: Digest::from_bytes([9; 32]), ..holder.over };
    holder.client.send(&ring(&office, &holder.device, principal, call(4), Some(forged))).await;
    assert!(refused(&mut holder.client).await.1.contains("has changed"));
    let mut second = giver.give(&office, 2, terms()).await;
    second.client.send(&ring(&office, &second.device, principal, call(5), Some(holder.over))).await;
    assert!(refused(&mut second.client).await.1.contains("between other people"));

    type Change = Box<dyn FnOnce(&mut Line)>;
    let planned: Change = Box::new(|line| line.terms.reach = Reach::Planned);
    let hours: Change = Box::new(|line| (line.terms.reach, line.terms.hours) = (Reach::Direct, Some(other_hours())));
    let over: Change = Box::new(|line| (line.terms.hours, line.terms.until_ms) = (None, Some(now_ms() - 1)));
    let mode: Change = Box::new(|line| (line.terms.until_ms, line.terms.mode) = (None, RecordMode::Audio));
    let cases = [(planned, "planned calls"), (hours, "certain hours"), (over, "time is over"), (mode, "record mode")];
    for (n, (change, text)) in (10..).zip(cases) {
        holder.over = giver.change(&office, line, change).await;
        let (code, refusal) = holder.rings(&office, principal, n).await;
        assert!(code == RefusalCode::NotAllowed && refusal.contains(text), "{refusal}");
    }
    // Too often: twice in a day, counted after a change and a restart too.
    let twice = |line: &mut Line| (line.terms.mode, line.terms.rings_per_day) = (RecordMode::LogOnly, Some(2));
    holder.over = giver.change(&office, line, twice).await;
    for n in 20..22 {
        let rings = holder.ring(&office, principal, n);
        holder.client.send(&rings).await;
        ringing(&mut giver.client).await;
        giver.client.send(&C::Decline { call: call(n), reply: None }).await;
        assert_eq!(ended(&mut holder.client).await, (Ended::Declined, None));
    }
    let (_, refusal) = holder.rings(&office, principal, 22).await;
    assert!(refusal.contains("2 times in 24 hours"), "{refusal}");
    let mut office = office;
    office.stop().await;
    office.run().await;
    let mut giver = Giver { client: Client::sign_in(office.addr(), &giver.device).await, ..giver };
    holder.client = Client::sign_in(office.addr(), &holder.device).await;
    let (_, refusal) = holder.rings(&office, principal, 23).await;
    assert!(refusal.contains("2 times in 24 hours"), "{refusal}");
    // The principal rings back whenever they like, over the same line.
    giver.client.send(&ring(&office, &giver.device, holder.device.person(), call(24), Some(holder.over))).await;
    ringing(&mut holder.client).await;
    giver.client.send(&C::HangUp { call: call(24), failed: false }).await;
    ended(&mut holder.client).await;
    ended(&mut giver.client).await;

    // A ring that the attacker recorded is of a call that was opened before.
    let replayed = ring(&office, &giver.device, holder.device.person(), call(24), Some(holder.over));
    giver.client.send(&replayed).await;
    let gone = |message| match message {
        S::Ended { .. } | S::Refused { .. } => Some(()),
        S::Opened { .. } => panic!("a call was opened twice"),
        _ => None,
    };
    giver.client.until(gone).await;
    // Frozen by the principal.
    giver.stop(&office, line, LineState::Suspect).await;
    assert!(holder.rings(&office, principal, 30).await.1.contains("is frozen"));
}

#[tokio::test]
async fn a_security_officer_freezes_and_ends_a_line_and_the_office_is_alerted() {
    let office = over_lines().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let mut of_officer = Client::sign_in(office.addr(), &officer).await;
    let mut giver = Giver::new(&office).await;
    let mut holder = giver.give(&office, 1, terms()).await;
    let (line, principal) = (holder.over.line, giver.device.person());
    let rings = holder.ring(&office, principal, 1);
    holder.client.send(&rings).await;
    ringing(&mut giver.client).await;
    giver.client.send(&C::Answer { call: call(1), key_package: Blob(vec![1]) }).await;
    holder.client.until(|message| matches!(message, S::JoinAsked { .. }).then_some(())).await;
    let freeze = |line: &mut Line| line.state = LineState::Suspect;
    let (_, statement) = next_by(&office, &of_officer, &officer, line, freeze).await;
    of_officer.send(&C::StopLine { statement }).await;
    assert_eq!(ended(&mut holder.client).await.0, Ended::Revoked, "the call too");
    assert_eq!(alert(&mut of_officer, AlertKind::LineSuspect).await, Some(officer.id));
    lines_changed(&mut giver.client).await;
    // They put nothing in use, and change nothing.
    let live = |line: &mut Line| line.state = LineState::Live;
    let (_, statement) = next_by(&office, &of_officer, &officer, line, live).await;
    of_officer.send(&C::SignLine { statement }).await;
    assert_eq!(refused(&mut of_officer).await.0, RefusalCode::NotAllowed);
    let wider = |line: &mut Line| (line.state, line.terms.purpose) = (LineState::Ended, "x".into());
    let (_, statement) = next_by(&office, &of_officer, &officer, line, wider).await;
    of_officer.send(&C::StopLine { statement }).await;
    assert!(refused(&mut of_officer).await.1.contains("does not verify"));
    // The principal does.
    holder.over = giver.change(&office, line, |line| line.state = LineState::Live).await;
    let rings = holder.ring(&office, principal, 2);
    holder.client.send(&rings).await;
    ringing(&mut giver.client).await;
}

/// The attacker signs with keys of their own, replays what others signed, or is faster than another change.
#[tokio::test]
async fn versions_that_were_replayed_forked_or_signed_by_others_are_refused() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let mut other = Giver::new(&office).await;
    let holder = giver.give(&office, 1, terms()).await;
    let line = holder.over.line;
    let (_, paused) = giver.next(&office, line, |line| line.state = LineState::Paused).await;
    let (_, forked) = giver.next(&office, line, |line| line.terms.purpose = "fork".into()).await;
    giver.client.send(&C::StopLine { statement: paused.clone() }).await;
    lines_changed(&mut giver.client).await;
    // The same again, which changes nothing; another one of the same number, and one that does not name the newest.
    giver.client.send(&C::StopLine { statement: paused.clone() }).await;
    giver.client.send(&C::SignLine { statement: forked }).await;
    assert!(refused(&mut giver.client).await.1.contains("changed meanwhile"));
    let wrong = |line: &mut Line| (line.state, line.previous) = (LineState::Live, Some(Digest::from_bytes([1; 32])));
    let (_, statement) = giver.next(&office, line, wrong).await;
    giver.client.send(&C::SignLine { statement }).await;
    assert!(refused(&mut giver.client).await.1.contains("changed meanwhile"));
    // Sent by another device than its signer, and signed by another principal.
    let (_, statement) = giver.next(&office, line, |line| line.state = LineState::Live).await;
    other.client.send(&C::SignLine { statement: statement.clone() }).await;
    assert!(refused(&mut other.client).await.1.contains("sent by the device that signed it"));
    let theirs = next_by(&office, &giver.client, &other.device, line, |line| line.state = LineState::Live).await;
    other.client.send(&C::SignLine { statement: theirs.1 }).await;
    assert!(refused(&mut other.client).await.1.contains("does not verify"));
    // In the wrong message: a stop needs no confirmation, so nothing else may come as one.
    giver.client.send(&C::StopLine { statement }).await;
    assert!(refused(&mut giver.client).await.1.contains("stop_line"));
    // To other people.
    let moved = |line: &mut Line| line.holder.person = PersonId::from_bytes([0x77; 16]);
    let (_, statement) = giver.next(&office, line, moved).await;
    giver.client.send(&C::SignLine { statement }).await;
    refused(&mut giver.client).await;
    // By a clock that is wrong.
    let (_, statement) = giver.next(&office, line, |line| line.at_ms -= HOUR_MS).await;
    giver.client.send(&C::StopLine { statement }).await;
    let text = refused(&mut giver.client).await.1;
    assert!(text.contains("clock"), "{text}");
    assert_eq!(list(&office, &giver.client).await.lines[0].line.version, 2);
}

#[tokio::test]
async fn a_delegate_changes_lines_only_under_that_act() {
    let office = over_lines().await;
    let desk = office.person(Role::DutyOfficer).await;
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    let mut giver = Giver::new(&office).await;
    let holder = giver.give(&office, 1, terms()).await;
    let line = holder.over.line;
    let delegate = |n: u8, acts: Vec<Act>| Delegation {
        office: office.anchor.domain().clone(),
        delegation: DelegationId::from_bytes([n; 16]),
        principal: giver.device.person(),
        delegate: desk.card.clone(),
        acts,
        not_before_ms: now_ms(),
        not_after_ms: now_ms() + HOUR_MS,
        at_ms: now_ms(),
    };
    assert_eq!(list(&office, &of_desk).await.lines, []);
    let mut allowed = Vec::new();
    for (n, acts) in [(1, vec![Act::Ring]), (2, vec![Act::Lines])] {
        let statement = sign_delegation(&giver.device.key, &giver.device.chain, &delegate(n, acts));
        giver.client.send(&C::Delegate { statement: statement.clone() }).await;
        of_desk.until(|message| matches!(message, S::DelegationsChanged {}).then_some(())).await;
        let under = office.anchor.verify_delegation(&statement).unwrap().on_behalf();
        let pause = |line: &mut Line| (line.state, line.on_behalf) = (LineState::Paused, Some(under));
        let (_, statement) = next_by(&office, &of_desk, &desk, line, pause).await;
        of_desk.send(&C::StopLine { statement }).await;
        let answer = |message| match message {
            S::LinesChanged {} => Some(true),
            S::Refused { .. } => Some(false),
            _ => None,
        };
        allowed.push(of_desk.until(answer).await);
    }
    assert_eq!(allowed, [false, true]);
    // Without naming it, nothing.
    let (_, statement) = next_by(&office, &of_desk, &desk, line, |line| line.state = LineState::Ended).await;
    of_desk.send(&C::StopLine { statement }).await;
    assert!(refused(&mut of_desk).await.1.contains("does not verify"));
    let newest = &list(&office, &giver.client).await.lines[0];
    assert_eq!((newest.line.version, newest.line.state), (2, LineState::Paused));
    // Whoever verifies the line gets the delegation with it.
    giver.change(&office, line, |line| line.state = LineState::Live).await;
}

#[tokio::test]
async fn a_counterpart_without_a_line_finds_and_rings_nobody() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let counterpart = office.person(Role::Counterpart).await;
    let (mut client, contacts) = sign_in(&office, &counterpart).await;
    assert_eq!(contacts, []);
    client.send(&C::FindPeople { name: "secretperson".into() }).await;
    let found = |message| match message {
        S::PeopleChanged { changed, .. } => Some(changed),
        _ => None,
    };
    assert_eq!(client.until(found).await, []);
    client.send(&ring(&office, &counterpart, giver.device.person(), call(1), None)).await;
    assert!(refused(&mut client).await.1.contains("over a line"));
    // The principal does not ring them either.
    giver.client.send(&ring(&office, &giver.device, counterpart.person(), call(2), None)).await;
    assert!(refused(&mut giver.client).await.1.contains("over a line"));
    // The principal finds them, to give them a line.
    giver.client.send(&C::FindPeople { name: "secretperson".into() }).await;
    let shown = giver.client.until(found).await;
    let known = shown.iter().find(|contact| contact.card == counterpart.card).expect("the principal finds them");
    assert!(known.needs_line && known.line.is_none());
    // A line to a person whom registrars enrolled is for all of their devices.
    let line = Line {
        office: office.anchor.domain().clone(),
        line: LineId::from_bytes([7; 16]),
        version: 1,
        previous: None,
        principal: giver.device.card.clone(),
        holder: counterpart.card.clone(),
        device: None,
        terms: terms(),
        state: LineState::Live,
        at_ms: now_ms(),
        on_behalf: None,
    };
    let statement = sign_line(&giver.device.key, &giver.device.chain, &line);
    giver.client.send(&C::SignLine { statement: statement.clone() }).await;
    lines_changed(&mut giver.client).await;
    let now = giver.client.until(found).await;
    assert!(now.iter().any(|contact| contact.card == counterpart.card && !contact.needs_line));
    let shown = client.until(found).await;
    assert_eq!(shown[0].card, giver.device.card);
    let over = shown[0].line.as_ref().unwrap().over;
    client.send(&C::FindPeople { name: "secretperson".into() }).await;
    client.send(&ring(&office, &counterpart, giver.device.person(), call(3), Some(over))).await;
    ringing(&mut giver.client).await;
    // It is given once.
    giver.client.send(&C::SignLine { statement }).await;
    refused(&mut giver.client).await;
    // A guest's device counts for its own line alone.
    let mut guest = giver.give(&office, 8, terms()).await;
    guest.client.send(&ring(&office, &guest.device, giver.device.person(), call(4), Some(over))).await;
    assert!(refused(&mut guest.client).await.1.contains("between other people"));
}

#[tokio::test]
async fn who_is_rung_promises_a_call_or_hands_it_to_their_office() {
    let office = over_lines().await;
    let desk = office.person(Role::DutyOfficer).await;
    let mut of_desk = Client::sign_in(office.addr(), &desk).await;
    let mut giver = Giver::new(&office).await;
    let principal = giver.device.person();
    let mut holder = giver.give(&office, 1, terms()).await;
    let rings = holder.ring(&office, principal, 1);
    holder.client.send(&rings).await;
    ringing(&mut giver.client).await;
    let later = DeclineReply::Later { minutes: 0 };
    giver.client.send(&C::Decline { call: call(1), reply: Some(later) }).await;
    assert_eq!(refused(&mut giver.client).await.0, RefusalCode::Malformed);
    let later = DeclineReply::Later { minutes: 10 };
    giver.client.send(&C::Decline { call: call(1), reply: Some(later) }).await;
    assert_eq!(ended(&mut holder.client).await, (Ended::Declined, Some(later)));
    let reply = |message| match message {
        S::Notice(notice) => notice.reply,
        _ => None,
    };
    assert_eq!(of_desk.until(reply).await, later);

    // Nobody may answer: the office missed it.
    let rings = holder.ring(&office, principal, 2);
    holder.client.send(&rings).await;
    ringing(&mut giver.client).await;
    giver.client.send(&C::Decline { call: call(2), reply: Some(DeclineReply::Office {}) }).await;
    let diverted = |message| match message {
        S::Diverted { call } => Some(call),
        S::Ended { .. } => panic!("ended before the caller was told"),
        _ => None,
    };
    assert_eq!(holder.client.until(diverted).await, call(2));
    assert_eq!(ended(&mut holder.client).await, (Ended::Missed, Some(DeclineReply::Office {})));

    let content = Delegation {
        office: office.anchor.domain().clone(),
        delegation: DelegationId::from_bytes([1; 16]),
        principal,
        delegate: desk.card.clone(),
        acts: vec![Act::Answer],
        not_before_ms: now_ms(),
        not_after_ms: now_ms() + HOUR_MS,
        at_ms: now_ms(),
    };
    let statement = sign_delegation(&giver.device.key, &giver.device.chain, &content);
    giver.client.send(&C::Delegate { statement }).await;
    of_desk.until(|message| matches!(message, S::DelegationsChanged {}).then_some(())).await;
    let rings = holder.ring(&office, principal, 3);
    holder.client.send(&rings).await;
    ringing(&mut giver.client).await;
    giver.client.send(&C::Decline { call: call(3), reply: Some(DeclineReply::Office {}) }).await;
    let taken = |message| match message {
        S::TakenElsewhere { call } => Some(call),
        _ => None,
    };
    assert_eq!(giver.client.until(taken).await, call(3));
    assert_eq!(holder.client.until(diverted).await, call(3));
    ringing(&mut of_desk).await;
    // The principal's devices do not answer it any more; the desk does.
    giver.client.send(&C::Answer { call: call(3), key_package: Blob(vec![1]) }).await;
    refused(&mut giver.client).await;
    of_desk.send(&C::Answer { call: call(3), key_package: Blob(vec![1]) }).await;
    holder.client.until(|message| matches!(message, S::JoinAsked { .. }).then_some(())).await;
    holder.client.send(&C::HangUp { call: call(3), failed: false }).await;
    ended(&mut holder.client).await;

    // A line that reaches the desk alone does not ring at the principal's.
    let to_desk = |line: &mut Line| line.terms.reach = Reach::Desk;
    holder.over = giver.change(&office, holder.over.line, to_desk).await;
    let rings = holder.ring(&office, principal, 4);
    holder.client.send(&rings).await;
    ringing(&mut of_desk).await;
    let another = Client::sign_in(office.addr(), &giver.device).await;
    giver.client = another;
    of_desk.send(&C::Decline { call: call(4), reply: None }).await;
    assert_eq!(ended(&mut holder.client).await.0, Ended::Declined);
    giver.client.send(&C::Ping { log_size: 0 }).await;
    let rung = |message| match message {
        S::Ringing { .. } => Some(true),
        S::Checkpoint { .. } => Some(false),
        _ => None,
    };
    assert!(!giver.client.until(rung).await, "the principal's device was rung");
}

#[tokio::test]
async fn one_principal_cannot_use_up_the_offices_invitations() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let mut refusals = Vec::new();
    for n in 0..=telcon_proto::limits::MAX_OPEN_OFFERS_PER_PRINCIPAL as u8 {
        let invitation = InvitationId::from_bytes([n; 16]);
        let mut card = office.card(Role::Counterpart);
        card.name = format!("Guest {}", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJK".chars().nth(usize::from(n)).unwrap());
        card.person = PersonId::from_bytes([n + 100; 16]);
        giver.client.send(&invite(&office, invitation, &card, Some(terms()))).await;
        let answer = |message| match message {
            S::Invitations { changed, .. } => (!changed.is_empty()).then_some(None),
            S::Refused { code, message, .. } => Some(Some((code, message))),
            _ => None,
        };
        refusals.extend(giver.client.until(answer).await);
    }
    let [(code, text)] = &refusals[..] else { panic!("{refusals:?}") };
    assert!(*code == RefusalCode::TooMany && text.contains("withdraw some"), "{text}");
    // Only to new people, as counterparts, within limits; not by others.
    let known = office.person(Role::Counterpart).await;
    let (id, mut bad) = (InvitationId::from_bytes([0xee; 16]), terms());
    let mut other = Giver::new(&office).await;
    other.client.send(&invite(&office, id, &known.card, Some(terms()))).await;
    assert!(refused(&mut other.client).await.1.contains("known to the office"));
    other.client.send(&invite(&office, id, &office.card(Role::Principal), Some(terms()))).await;
    assert!(refused(&mut other.client).await.1.contains("to a counterpart"));
    bad.hours = Some(Hours { zone: "Europe/Atlantis".into(), ..other_hours() });
    other.client.send(&invite(&office, id, &office.card(Role::Counterpart), Some(bad))).await;
    assert!(refused(&mut other.client).await.1.contains("no such time zone"));
    other.client.send(&invite(&office, id, &office.card(Role::Counterpart), None)).await;
    assert_eq!(refused(&mut other.client).await.0, RefusalCode::NotAllowed);
}

/// Somebody of the staff who acts for a principal.
struct Desk {
    device: Device,
    client: Client,
    under: OnBehalf,
}

impl Desk {
    async fn new(office: &Office, giver: &mut Giver, n: u8, acts: Vec<Act>) -> Self {
        let device = office.person(Role::DutyOfficer).await;
        let mut client = Client::sign_in(office.addr(), &device).await;
        let content = Delegation {
            office: office.anchor.domain().clone(),
            delegation: DelegationId::from_bytes([n; 16]),
            principal: giver.device.person(),
            delegate: device.card.clone(),
            acts,
            not_before_ms: now_ms(),
            not_after_ms: now_ms() + HOUR_MS,
            at_ms: now_ms(),
        };
        let statement = sign_delegation(&giver.device.key, &giver.device.chain, &content);
        giver.client.send(&C::Delegate { statement: statement.clone() }).await;
        client.until(|message| matches!(message, S::DelegationsChanged {}).then_some(())).await;
        Self { device, client, under: office.anchor.verify_delegation(&statement).unwrap().on_behalf() }
    }

    fn offer(&self, office: &Office, invitation: InvitationId, card: &Card) -> C {
        C::OfferLine {
            invitation,
            card: card.clone(),
            expires_ms: now_ms() + DAY_MS,
            token_sha256: ask(office, invitation).token_sha256(),
            line: terms(),
            on_behalf: self.under,
        }
    }

    fn attest(&self, asked: &OpenInvitation, change: impl FnOnce(&mut HolderAttestation)) -> C {
        let jws = asked.request.clone().expect("a device asked");
        let offered = asked.offered_for.clone().expect("offered for a principal");
        let mut content = HolderAttestation {
            office: self.device.card.office.clone(),
            invitation: asked.invitation,
            principal: offered.principal,
            holder: asked.card.clone(),
            terms: asked.line.clone().expect("the offer of a line"),
            device: DeviceId::from_bytes([asked.invitation.as_bytes()[0] + 50; 16]),
            request_sha256: request_sha256(&jws),
            on_behalf: self.under,
            at_ms: now_ms(),
        };
        change(&mut content);
        let statement = attest_holder(&self.device.key, &self.device.chain, &content);
        C::AttestHolder { invitation: asked.invitation, statement }
    }
}

#[tokio::test]
async fn a_line_that_the_desk_offered_is_attested_by_the_desk_and_bound_by_the_principal_alone() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let mut other = Giver::new(&office).await;
    let mut desk = Desk::new(&office, &mut giver, 1, vec![Act::Lines]).await;
    let mut rings = Desk::new(&office, &mut giver, 2, vec![Act::Ring, Act::Answer]).await;
    let (invitation, card) = (InvitationId::from_bytes([9; 16]), office.card(Role::Counterpart));
    // Without that act, or under somebody else's delegation, nothing is offered.
    let offer = rings.offer(&office, invitation, &card);
    rings.client.send(&offer).await;
    assert!(refused(&mut rings.client).await.1.contains("not for lines"));
    let borrowed = desk.offer(&office, invitation, &card);
    rings.client.send(&borrowed).await;
    assert_eq!(refused(&mut rings.client).await.0, RefusalCode::NotAllowed);
    // Nor as one's own.
    desk.client.send(&invite(&office, invitation, &card, Some(terms()))).await;
    assert_eq!(refused(&mut desk.client).await.0, RefusalCode::NotAllowed);

    desk.client.send(&borrowed).await;
    let shown = changed(&mut giver.client).await;
    let offered = shown.offered_for.expect("for the principal");
    assert_eq!((&offered.principal, &offered.delegate), (&giver.device.card, &desk.device.card));
    let (device, jws) = request(&office, invitation, 9, card);
    assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { .. }));
    let asked = desk
        .client
        .until(|message| match message {
            S::Invitations { mut changed, .. } => changed.pop().filter(|one| one.request.is_some()),
            _ => None,
        })
        .await;
    // Nobody binds it before the desk has said who took it: not the principal, and not the desk itself.
    let bind = giver.bind(&office, &asked);
    giver.client.send(&bind).await;
    assert!(refused(&mut giver.client).await.1.contains("has not compared"));
    desk.client.send(&bind).await;
    assert_eq!(refused(&mut desk.client).await.0, RefusalCode::NotAllowed);
    // What was signed has to be about exactly this request, and under the delegation.
    let lies: [(&str, C); 3] = [
        ("another request", desk.attest(&asked, |content| content.request_sha256 = request_sha256("x"))),
        ("another device", desk.attest(&asked, |content| content.device = giver.device.id)),
        ("another delegation", desk.attest(&asked, |content| content.on_behalf = rings.under)),
    ];
    for (what, lie) in lies {
        desk.client.send(&lie).await;
        let (code, text) = refused(&mut desk.client).await;
        assert_eq!(code, RefusalCode::NotAllowed, "{what}: {text}");
    }
    let by_other = rings.attest(&asked, |content| content.on_behalf = desk.under);
    rings.client.send(&by_other).await;
    assert!(refused(&mut rings.client).await.1.contains("does not verify"));

    let attest = desk.attest(&asked, |_| {});
    desk.client.send(&attest).await;
    let attested = giver
        .client
        .until(|message| match message {
            S::Invitations { mut changed, .. } => {
                changed.pop().filter(|one| one.offered_for.as_ref().is_some_and(|offered| offered.attested.is_some()))
            }
            _ => None,
        })
        .await;
    let proof = attested.offered_for.as_ref().and_then(|offered| offered.attested.clone()).unwrap();
    let (verified, _) = office.anchor.verify_attested(&proof, attested.request.as_ref().unwrap()).unwrap();
    assert_eq!(verified.delegate(), &desk.device.card);
    // Another principal cannot take it for theirs.
    let stolen = other.bind(&office, &attested);
    other.client.send(&stolen).await;
    assert_eq!(refused(&mut other.client).await.0, RefusalCode::NotAllowed);
    let bind = giver.bind(&office, &attested);
    giver.client.send(&bind).await;
    lines_changed(&mut giver.client).await;
    let Asked::Approved { chain } = send(&office, &jws).await.json() else { panic!("not approved") };
    let device = Device { chain: chain.into_iter().map(|der| der.0).collect(), ..device };
    let (_, contacts) = sign_in(&office, &device).await;
    assert_eq!(contacts.iter().map(|contact| &contact.card).collect::<Vec<_>>(), [&giver.device.card]);
    let listed = list(&office, &desk.client).await;
    assert_eq!(listed.lines.len(), 1, "the desk sees what was bound");
    // The log says under which delegation it was offered.
    let under = office.log_entries().into_iter().find_map(|entry| match entry {
        Entry::InvitationMade { by, delegation, line: true, .. } => Some((by, delegation)),
        _ => None,
    });
    assert_eq!(under, Some((desk.device.id, Some(desk.under.delegation))));
}

#[tokio::test]
async fn what_was_offered_under_a_delegation_is_closed_when_it_ends_unless_the_desk_has_said_who_took_it() {
    let office = over_lines().await;
    let mut giver = Giver::new(&office).await;
    let mut desk = Desk::new(&office, &mut giver, 1, vec![Act::Lines]).await;
    let mut ends = Desk::new(&office, &mut giver, 2, vec![Act::Lines]).await;
    let [kept, attested, closed_with_it] = [7, 8, 9].map(|n| InvitationId::from_bytes([n; 16]));
    for invitation in [kept, attested, closed_with_it] {
        let by = if invitation == kept { &mut desk } else { &mut ends };
        let card = Card { name: format!("Guest {}", invitation.as_bytes()[0]), ..office.card(Role::Counterpart) };
        let offer = by.offer(&office, invitation, &card);
        by.client.send(&offer).await;
        assert_eq!(changed(&mut giver.client).await.invitation, invitation);
        let (_, jws) = request(&office, invitation, invitation.as_bytes()[0], card);
        assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { .. }));
        let asked = changed(&mut giver.client).await;
        if invitation == attested {
            let attest = by.attest(&asked, |_| {});
            by.client.send(&attest).await;
            assert_eq!(changed(&mut giver.client).await.invitation, attested);
        }
    }
    let end =
        DelegationEnd { office: office.anchor.domain().clone(), delegation: ends.under.delegation, at_ms: now_ms() };
    let statement = sign_delegation_end(&giver.device.key, &giver.device.chain, &end);
    giver.client.send(&C::EndDelegation { statement }).await;
    assert_eq!(closed(&mut giver.client).await, closed_with_it);
    assert_eq!(closed(&mut ends.client).await, closed_with_it, "it is not on their screen any more");
    // The other two can be answered.
    for invitation in [kept, attested] {
        giver.client.send(&C::CloseInvitation { invitation }).await;
        assert_eq!(closed(&mut giver.client).await, invitation);
    }
    let how = |id| {
        office.log_entries().into_iter().find_map(|entry| match entry {
            Entry::InvitationClosed { invitation, how, by, .. } if invitation == id => Some((how, by.is_some())),
            _ => None,
        })
    };
    // The log is written beside what devices are told.
    while how(kept).is_none() {
        giver.client.send(&C::Ping { log_size: 0 }).await;
        giver.client.until(|message| matches!(message, S::Checkpoint { .. }).then_some(())).await;
    }
    assert_eq!(how(closed_with_it), Some((InvitationClosed::Expired, false)));
    assert_eq!(how(kept), Some((InvitationClosed::Refused, true)));
}
