//! What a person sees of their own sign-ins, on real sockets.

mod common;

use common::{Client, DOMAIN, Device, Office};
use telcon_proto::{
    ClientMessage as C, Role, ServerMessage as S, WIRE_VERSION,
    device_policy::DeviceKind,
    http::{DeviceList, SignInList},
};

async fn sign_ins(office: &Office, client: &Client) -> SignInList {
    let answer = office.http("GET", "/api/v1/sign-ins", &[("authorization", &client.bearer())], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Waits until what the server stores beside the connections is there.
async fn until(office: &Office, client: &Client, holds: impl Fn(&SignInList) -> bool) -> SignInList {
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let list = sign_ins(office, client).await;
        if holds(&list) {
            return list;
        }
        assert!(tokio::time::Instant::now() < limit, "{list:?}");
        tokio::task::yield_now().await;
    }
}

/// Tries to sign in as a device without its key.
async fn fails_to_sign_in_as(office: &Office, device: &Device) {
    let mut stranger = Client::raw(office.addr(), None).await.unwrap();
    stranger.send(&C::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
    stranger.next().await;
    stranger.send(&C::Prove { jws: "a.b.c".into(), ticket: None }).await;
    assert!(matches!(stranger.next().await, Some(S::Refused { .. })));
}

#[tokio::test]
async fn a_person_sees_their_own_sign_ins_and_failed_attempts_and_nobody_elses() {
    let mut office = Office::start().await;
    let (president, other) = (office.person(Role::Principal).await, office.person(Role::DutyOfficer).await);
    let client = Client::sign_in(office.addr(), &president).await;
    let list = until(&office, &client, |list| list.sign_ins.len() == 1).await;
    assert_eq!((list.sign_ins[0].device, list.sign_ins[0].times), (president.id, 1));
    assert_eq!(list.sign_ins[0].kind, DeviceKind::Native);

    // The same device again, and with another program.
    drop(client);
    let client = Client::sign_in(office.addr(), &president).await;
    let list = until(&office, &client, |list| list.sign_ins[0].times == 2).await;
    assert_eq!(list.sign_ins.len(), 1);
    drop(client);
    let addr = office.addr();
    let mut page = Client::raw(addr, Some(&format!("http://{addr}"))).await.unwrap();
    page.prove(&president, DOMAIN).await;
    let Some(S::SignedIn { token, .. }) = page.next().await else { panic!("not signed in") };
    page.token = token;
    let list = until(&office, &page, |list| list.sign_ins.len() == 2).await;
    assert!(list.sign_ins.iter().any(|one| one.kind == DeviceKind::Browser));

    fails_to_sign_in_as(&office, &president).await;
    let list = until(&office, &page, |list| !list.failed.is_empty()).await;
    assert_eq!((list.failed[0].device, list.failed[0].count), (president.id, 1));

    let client = Client::sign_in(office.addr(), &other).await;
    let list = until(&office, &client, |list| !list.sign_ins.is_empty()).await;
    assert!(list.sign_ins.iter().all(|one| one.device == other.id) && list.failed.is_empty(), "{list:?}");
    let answer = office.get("/api/v1/sign-ins").await;
    assert_eq!(answer.status, 401);

    // They survive a restart, and a device that is not connected was seen last when it was.
    drop((page, client));
    office.stop().await;
    office.run().await;
    let client = Client::sign_in(office.addr(), &president).await;
    let list = until(&office, &client, |list| list.sign_ins.iter().map(|one| one.times).sum::<u64>() >= 4).await;
    let answer = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await;
    let devices = answer.json::<DeviceList>().devices;
    let newest = list.sign_ins.iter().map(|one| one.until_ms).max();
    assert!(devices[0].last_seen_ms.is_some() && devices[0].last_seen_ms >= newest, "{devices:?} {list:?}");
}
