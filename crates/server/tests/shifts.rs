//! Shifts at a place's device on real sockets, with an authenticator in software, and attacks on each step.

mod common;

use common::{
    Answer, Client, DOMAIN, Device, Office,
    authenticator::{Authenticator, HONEST, USER_PRESENT, USER_VERIFIED},
    now_ms,
};
use serde_json::{Value, json};
use telcon_proto::{
    CallId, Card, ClientMessage as C, Role, ServerMessage as S,
    access::{Access, BEGINS_SHIFT, PROTECTS, REQUESTS, needs_no_shift},
    http::{DeviceList, RevokeRequest, SignInList},
    message::RefusalCode,
    protection::{PasskeyAnswer, PasskeyOptions},
    shift::{ShiftBegun, ShiftEnd, ShiftOptions},
};

/// The close code of a connection whose device waits for a shift, or whose shift is over.
const SHIFT: Option<u16> = Some(4005);
const ORIGIN: &str = "https://office.example";

async fn post(office: &Office, path: &str, token: &str, body: &impl serde::Serialize) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("origin", ORIGIN), ("authorization", &*bearer)];
    office.http("POST", &format!("/api/v1{path}"), &headers, &serde_json::to_vec(body).unwrap()).await
}

/// Connects as a page; the device proves its key.
async fn connect(office: &Office, device: &Device) -> (Client, S) {
    let mut client = Client::raw(office.addr(), Some(&format!("http://{}", office.addr()))).await.unwrap();
    client.prove(device, DOMAIN).await;
    let first = client.next().await.unwrap();
    if let S::ShiftRequired { token } | S::SignedIn { token, .. } = &first {
        client.token = token.clone();
    }
    (client, first)
}

async fn waiting(office: &Office, device: &Device) -> Client {
    let (client, first) = connect(office, device).await;
    assert!(matches!(first, S::ShiftRequired { .. }), "{first:?}");
    client
}

async fn signed_in(office: &Office, device: &Device) -> Client {
    let (client, first) = connect(office, device).await;
    assert!(matches!(first, S::SignedIn { .. }), "{first:?}");
    client
}

/// Enrols a device of a place.
async fn place(office: &Office, role: Role) -> Device {
    let card = Card { place: true, ..office.card(role) };
    office.enrolled(card).await
}

/// A person of this role whose own device has a passkey.
async fn person(office: &Office, role: Role) -> (Device, Authenticator) {
    let device = office.person(role).await;
    let client = signed_in(office, &device).await;
    let mut key = Authenticator::new(device.id.as_bytes()[0], ORIGIN);
    key.user = Some(*device.id.as_bytes());
    register(office, &client, &key).await;
    (device, key)
}

async fn register(office: &Office, client: &Client, key: &Authenticator) {
    let PasskeyOptions { ceremony, options } =
        post(office, "/passkeys/registration", &client.token, &json!({})).await.json();
    let credential = key.create(&options);
    let answer = post(office, "/passkeys", &client.token, &PasskeyAnswer { ceremony, credential }).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn challenge(office: &Office, client: &Client) -> ShiftOptions {
    let answer = post(office, "/shifts/challenge", &client.token, &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn answer(office: &Office, client: &Client, ceremony: String, credential: Value) -> Answer {
    post(office, "/shifts", &client.token, &PasskeyAnswer { ceremony, credential }).await
}

/// A person begins a shift at the device of this connection.
async fn begin(office: &Office, client: &Client, key: &Authenticator) -> Answer {
    let ShiftOptions { ceremony, options, .. } = challenge(office, client).await;
    answer(office, client, ceremony, key.get(&options)).await
}

async fn devices(office: &Office, client: &Client) -> DeviceList {
    let answer = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_person_begins_a_shift_hands_it_over_and_ends_it() {
    let mut office = Office::start().await;
    let room = place(&office, Role::DutyOfficer).await;
    let ((ana, anas), (_, bens)) = (person(&office, Role::DutyOfficer).await, person(&office, Role::DutyOfficer).await);
    let mut client = waiting(&office, &room).await;
    let answered = begin(&office, &client, &anas).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let begun: ShiftBegun = answered.json();
    assert_eq!(begun.on_shift.person, ana.card);
    assert_eq!(client.closed().await, SHIFT, "it connects again");

    let (mut client, first) = connect(&office, &room).await;
    let S::SignedIn { you, shift: Some(shift), .. } = first else { panic!("{first:?}") };
    assert!(you.place);
    assert_eq!(shift, begun.on_shift);
    let listed = devices(&office, &client).await.devices.remove(0);
    assert_eq!(listed.on_shift, Some(shift.clone()));
    // A restart of the server ends no shift.
    drop(client);
    office.stop().await;
    office.run().await;
    client = signed_in(&office, &room).await;

    let answered = begin(&office, &client, &bens).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert_eq!(client.closed().await, SHIFT, "what the one before had is of no use");
    let status = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await.status;
    assert_eq!(status, 401);
    let mut client = signed_in(&office, &room).await;
    client.send(&C::EndShift { idle: false }).await;
    assert_eq!(client.closed().await, SHIFT);
    waiting(&office, &room).await;

    // Ana sees when she was at it.
    let own = signed_in_with(&office, &ana, &anas).await;
    let answer = office.http("GET", "/api/v1/sign-ins", &[("authorization", &own.bearer())], b"").await;
    let list: SignInList = answer.json();
    let [worked] = &list.shifts[..] else { panic!("{list:?}") };
    assert_eq!((&worked.place, worked.how), (&room.card, Some(ShiftEnd::HandedOver)));
}

/// A person's own device, which is protected by the passkey.
async fn signed_in_with(office: &Office, device: &Device, key: &Authenticator) -> Client {
    let asked = telcon_proto::protection::ChallengeRequest { device: device.id };
    let PasskeyOptions { ceremony, options } = post(office, "/passkeys/challenge", "", &asked).await.json();
    let credential = key.get(&options);
    let answer = post(office, "/passkeys/assertion", "", &PasskeyAnswer { ceremony, credential }).await;
    let ticket = answer.json::<telcon_proto::protection::IssuedTicket>().ticket;
    let mut client = Client::raw(office.addr(), None).await.unwrap();
    client.send(&C::Hello { version: telcon_proto::WIRE_VERSION, device: device.id, program: None }).await;
    let Some(S::Challenge { nonce, .. }) = client.next().await else { panic!("not challenged") };
    let jws = telcon_identity::sign_in(&device.key, DOMAIN, device.id, nonce.as_slice());
    client.send(&C::Prove { jws, ticket: Some(ticket) }).await;
    let Some(S::SignedIn { token, .. }) = client.next().await else { panic!("not signed in") };
    client.token = token;
    client
}

/// The attacker sits at the place's device while nobody is on shift, and has its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_shift_every_message_and_request_is_refused() {
    let office = Office::start().await;
    for role in [Role::Scheduler, Role::DutyOfficer, Role::NoteTaker, Role::Interpreter] {
        let room = place(&office, role).await;
        let client = waiting(&office, &room).await;
        let token = client.bearer();
        for (method, path, access) in REQUESTS {
            let url = path
                .replace("{call}", &CallId::from_bytes([1; 16]).to_hex())
                .replace("{index}", "0")
                .replace("{part}", "part-000000.tar.age");
            let headers = [("authorization", &*token), ("content-type", "application/json"), ("origin", ORIGIN)];
            let body: &[u8] = if *method == "GET" { b"" } else { b"{}" };
            match access {
                Access::Device(_) if !needs_no_shift(path) => {
                    let status = office.http(method, &url, &headers, body).await.status;
                    assert_eq!(status, 401, "{role:?}: {method} {path}");
                }
                Access::Device(_) => {
                    let status = office.http(method, &url, &headers, body).await.status;
                    assert_ne!(status, 401, "{role:?}: {method} {path}");
                }
                _ => {}
            }
        }
        drop(client);
        let messages = [
            C::Ping { log_size: 0 },
            C::FindPeople { name: "A".into() },
            C::EndShift { idle: false },
            C::Available {},
            C::AskJoin { call: CallId::from_bytes([1; 16]), key_package: telcon_proto::Blob(vec![1]) },
        ];
        for message in messages {
            let mut client = waiting(&office, &room).await;
            client.send(&message).await;
            assert_eq!(client.closed().await, Some(1008), "{role:?}: {message:?}");
            let status = post(&office, "/shifts/challenge", &client.token, &json!({})).await.status;
            assert_eq!(status, 401, "its token ended with it");
        }
    }
    assert!(PROTECTS.iter().chain(BEGINS_SHIFT).all(|path| needs_no_shift(path)));
}

/// The attacker holds an authenticator that touches but does not verify its user, such as a stolen key without its PIN.
#[tokio::test]
async fn an_assertion_without_user_verification_begins_no_shift() {
    let office = Office::start().await;
    let room = place(&office, Role::DutyOfficer).await;
    let (_, mut key) = person(&office, Role::DutyOfficer).await;
    let client = waiting(&office, &room).await;
    for flags in [USER_PRESENT, 0, USER_VERIFIED] {
        key.flags = flags;
        assert_ne!(begin(&office, &client, &key).await.status, 200, "{flags}");
    }
    key.flags = HONEST;
    assert_eq!(begin(&office, &client, &key).await.status, 200);
}

/// The attacker recorded an answer, or has one for something else.
#[tokio::test]
async fn an_assertion_that_is_replayed_or_for_another_device_or_shift_begins_none() {
    let office = Office::start().await;
    let (room, car) = (place(&office, Role::DutyOfficer).await, place(&office, Role::DutyOfficer).await);
    let (ana, key) = person(&office, Role::DutyOfficer).await;
    let (mut in_room, in_car) = (waiting(&office, &room).await, waiting(&office, &car).await);
    // For another device: the same ceremony over its connection, and its answer to this device's ceremony.
    let ShiftOptions { ceremony, options, .. } = challenge(&office, &in_car).await;
    assert_eq!(answer(&office, &in_room, ceremony, key.get(&options)).await.status, 403);
    let of_car = challenge(&office, &in_car).await;
    let of_room = challenge(&office, &in_room).await;
    assert_eq!(answer(&office, &in_room, of_room.ceremony, key.get(&of_car.options)).await.status, 403);
    // For another shift of the same device.
    let (first, second) = (challenge(&office, &in_room).await, challenge(&office, &in_room).await);
    assert_ne!(first.shift, second.shift);
    assert_eq!(answer(&office, &in_room, second.ceremony, key.get(&first.options)).await.status, 403);
    // For unlocking the person's own device.
    let asked = telcon_proto::protection::ChallengeRequest { device: ana.id };
    let unlock: PasskeyOptions = post(&office, "/passkeys/challenge", "", &asked).await.json();
    let status = answer(&office, &in_room, unlock.ceremony.clone(), key.get(&unlock.options)).await.status;
    assert_eq!(status, 403);
    let of_room = challenge(&office, &in_room).await;
    assert_eq!(answer(&office, &in_room, of_room.ceremony, key.get(&unlock.options)).await.status, 403);
    // And one for a shift unlocks nothing.
    let of_room = challenge(&office, &in_room).await;
    let body = PasskeyAnswer { ceremony: of_room.ceremony, credential: key.get(&of_room.options) };
    assert_eq!(post(&office, "/passkeys/assertion", "", &body).await.status, 403);
    // Replayed.
    let ShiftOptions { ceremony, options, .. } = challenge(&office, &in_room).await;
    let credential = key.get(&options);
    assert_eq!(answer(&office, &in_room, ceremony.clone(), credential.clone()).await.status, 200);
    assert_eq!(in_room.closed().await, SHIFT);
    let in_room = signed_in(&office, &room).await;
    assert_eq!(answer(&office, &in_room, ceremony, credential.clone()).await.status, 410);
    let again = challenge(&office, &in_room).await;
    assert_eq!(answer(&office, &in_room, again.ceremony, credential).await.status, 403);
    waiting(&office, &car).await;
}

/// The attacker has the passkey of somebody who left: the office revoked all their devices.
#[tokio::test]
async fn the_passkey_of_a_person_whose_devices_are_revoked_begins_no_shift() {
    let office = Office::start().await;
    let room = place(&office, Role::DutyOfficer).await;
    let (ana, key) = person(&office, Role::DutyOfficer).await;
    let mut client = waiting(&office, &room).await;
    assert_eq!(begin(&office, &client, &key).await.status, 200);
    client.closed().await;
    let mut client = signed_in(&office, &room).await;
    let revoke = RevokeRequest { jws: office.authority.revoke(ana.id, now_ms()).unwrap() };
    assert_eq!(office.post("/api/v1/revocations", &serde_json::to_vec(&revoke).unwrap()).await.status, 200);
    assert_eq!(client.closed().await, SHIFT, "the shift ends with the device");
    let client = waiting(&office, &room).await;
    assert_eq!(begin(&office, &client, &key).await.status, 403);
}

/// The attacker is of the office, with a role that may less than the place's.
#[tokio::test]
async fn a_passkey_gives_nobody_more_than_their_role() {
    let office = Office::start().await;
    let (notes, desk) = (place(&office, Role::NoteTaker).await, place(&office, Role::DutyOfficer).await);
    let interpreters = place(&office, Role::Interpreter).await;
    let (_, scheduler) = person(&office, Role::Scheduler).await;
    let (_, principal) = person(&office, Role::Principal).await;
    let (_, officer) = person(&office, Role::SecurityOfficer).await;
    let (_, duty) = person(&office, Role::DutyOfficer).await;
    let at_notes = waiting(&office, &notes).await;
    for key in [&scheduler, &principal, &officer, &duty] {
        let answer = begin(&office, &at_notes, key).await;
        assert!(answer.status == 403 && answer.text().contains("your role"), "{}", answer.text());
    }
    let at_desk = waiting(&office, &desk).await;
    for key in [&scheduler, &principal, &officer] {
        assert_eq!(begin(&office, &at_desk, key).await.status, 403);
    }
    // A passkey of the place itself, and one that says that it is somebody else's.
    let mut own = Authenticator::new(200, ORIGIN);
    own.user = Some(*desk.id.as_bytes());
    register(&office, &at_desk, &own).await;
    let at_desk = waiting_protected(&office, &desk, &own).await;
    let answer = begin(&office, &at_desk, &own).await;
    assert!(answer.status == 403 && answer.text().contains("place's device"), "{}", answer.text());
    let mut lying = duty;
    let honest = lying.user.replace(*notes.id.as_bytes());
    assert_eq!(begin(&office, &at_desk, &lying).await.status, 403);
    lying.user = None;
    assert_eq!(begin(&office, &at_desk, &lying).await.status, 403);
    lying.user = honest;
    let elsewhere = waiting(&office, &interpreters).await;
    assert_eq!(begin(&office, &elsewhere, &lying).await.status, 200, "a duty officer may all that an interpreter may");
}

/// Unlocks a protected device of a place, at which nobody is on shift.
async fn waiting_protected(office: &Office, device: &Device, key: &Authenticator) -> Client {
    let asked = telcon_proto::protection::ChallengeRequest { device: device.id };
    let PasskeyOptions { ceremony, options } = post(office, "/passkeys/challenge", "", &asked).await.json();
    let credential = key.get(&options);
    let answer = post(office, "/passkeys/assertion", "", &PasskeyAnswer { ceremony, credential }).await;
    let ticket = Some(answer.json::<telcon_proto::protection::IssuedTicket>().ticket);
    let mut client = Client::raw(office.addr(), Some(&format!("http://{}", office.addr()))).await.unwrap();
    client.send(&C::Hello { version: telcon_proto::WIRE_VERSION, device: device.id, program: None }).await;
    let Some(S::Challenge { nonce, .. }) = client.next().await else { panic!("not challenged") };
    let jws = telcon_identity::sign_in(&device.key, DOMAIN, device.id, nonce.as_slice());
    client.send(&C::Prove { jws, ticket }).await;
    let Some(S::ShiftRequired { token }) = client.next().await else { panic!("it should wait") };
    client.token = token;
    client
}

#[tokio::test]
async fn a_place_is_no_program_and_a_person_has_no_shifts() {
    let office = Office::start().await;
    let room = place(&office, Role::DutyOfficer).await;
    let mut program = Client::raw(office.addr(), None).await.unwrap();
    program.prove(&room, DOMAIN).await;
    assert!(matches!(program.next().await, Some(S::Refused { code: RefusalCode::NotAllowed, .. })));
    let duty = office.person(Role::DutyOfficer).await;
    let mut client = signed_in(&office, &duty).await;
    assert_eq!(post(&office, "/shifts/challenge", &client.token, &json!({})).await.status, 403);
    client.send(&C::EndShift { idle: false }).await;
    let refused = client.until(|message| if let S::Refused { code, .. } = message { Some(code) } else { None }).await;
    assert_eq!(refused, RefusalCode::NotAllowed);
}

/// The attacker has a place's key, and no passkey: each connection would hold a place that others need.
#[tokio::test]
async fn a_place_has_one_connection_that_waits() {
    let office = Office::start().await;
    let (room, car) = (place(&office, Role::DutyOfficer).await, place(&office, Role::DutyOfficer).await);
    let (mut first, others) = (waiting(&office, &room).await, waiting(&office, &car).await);
    let second = waiting(&office, &room).await;
    assert!(first.closed().await.is_some(), "the second one closed it");
    challenge(&office, &second).await;
    challenge(&office, &others).await;
}
