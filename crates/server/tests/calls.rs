//! Whole calls over real sockets, with real signatures and the log on disk.

mod common;

use common::{Client, Device, Office, now_ms};
use sha2::{Digest as _, Sha256};
use telcon_identity::sign_record;
use telcon_proto::{
    Blob, CallId, ClientMessage as C, DeviceId, Ended, RecordMode, Role, ServerMessage as S, SuiteName,
    entry::Entry,
    http::{RecordKept, RecordLine, RecordProof, RevokeRequest},
    message::RefusalCode,
};

const CALL: CallId = CallId::from_bytes([0xca; 16]);

fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

fn commit(epoch: u64, adds: &[DeviceId]) -> C {
    C::Commit {
        call: CALL,
        epoch,
        commit: blob("commit"),
        welcome: Some(blob("welcome")),
        adds: adds.to_vec(),
        removes: vec![],
    }
}

/// Two principals and a note-taker in a call.
struct InCall {
    office: Office,
    devices: [Device; 3],
    caller: Client,
    callee: Client,
    noting: Client,
}

async fn in_call(suite: SuiteName) -> InCall {
    let office = Office::start_with(RecordMode::Memo, suite).await;
    let devices = [
        office.person(Role::Principal).await,
        office.person(Role::Counterpart).await,
        office.person(Role::NoteTaker).await,
    ];
    let [a, b, n] = &devices;
    let mut caller = Client::sign_in(office.addr(), a).await;
    let mut callee = Client::sign_in(office.addr(), b).await;
    let mut noting = Client::sign_in(office.addr(), n).await;
    caller.send(&office.ring(a, b.person(), CALL, RecordMode::Memo)).await;

    // The callee's device verifies everything itself, down to the log.
    let (jws, opened, device) = callee
        .until(|m| match m {
            S::Ringing { jws, opened, device } => Some((jws, opened, device)),
            _ => None,
        })
        .await;
    let ring = office.anchor.verify_ring(&jws, now_ms()).unwrap();
    assert_eq!(ring.device().card(), &a.card);
    office.anchor.verify_device_logged(ring.device().clone(), &device).unwrap();
    office.anchor.verify_opening(ring, &opened).unwrap();
    assert_eq!(opened.checkpoint, device.checkpoint, "both proofs refer to one checkpoint");

    callee.send(&C::RingShown { call: CALL }).await;
    caller.until(|m| matches!(m, S::RingingThere { .. }).then_some(())).await;
    noting.until(|m| matches!(m, S::Notice(_)).then_some(())).await;
    noting.send(&C::AskJoin { call: CALL, key_package: blob("kp") }).await;
    caller.until(|m| matches!(m, S::JoinAsked { from, answer: false, .. } if from == n.id).then_some(())).await;
    caller.send(&commit(0, &[n.id])).await;
    noting.until(|m| matches!(m, S::Welcome { seq: 1, .. }).then_some(())).await;
    callee.send(&C::Answer { call: CALL, key_package: blob("kp") }).await;
    let proof = caller
        .until(|m| match m {
            S::JoinAsked { from, answer: true, device, .. } if from == b.id => Some(device),
            _ => None,
        })
        .await;
    let ders: Vec<&[u8]> = b.chain.iter().map(Vec::as_slice).collect();
    office.anchor.verify_device_logged(office.anchor.verify_chain(&ders, now_ms()).unwrap(), &proof).unwrap();
    caller.send(&commit(1, &[b.id])).await;
    let members = callee.until(|m| if let S::Welcome { devices, .. } = m { Some(devices) } else { None }).await;
    assert_eq!(members.len(), 3);
    for logged in &members {
        office.anchor.verify_logged(logged).unwrap();
    }
    noting
        .until(|m| match m {
            S::Committed { seq: 2, devices, .. } => {
                assert_eq!(devices.len(), 1);
                office.anchor.verify_logged(&devices[0]).unwrap();
                Some(())
            }
            _ => None,
        })
        .await;
    InCall { office, devices, caller, callee, noting }
}

/// A seal as the note-taker makes it.
fn seal(n: &Device, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut listing = format!("telcon-record-v1\ncall {CALL}\npartial false\ncustodian age1pq1x\n");
    for (name, bytes) in parts {
        listing.push_str(&format!("part {name} {} {}\n", bytes.len(), hex(bytes)));
    }
    let digest = hex(listing.as_bytes());
    let jws = sign_record(&n.key, &n.chain, CALL, &digest.parse().unwrap(), parts.len(), false, now_ms());
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, bytes)| serde_json::json!({"name": name, "sha256": hex(bytes), "bytes": bytes.len()}))
        .collect();
    serde_json::to_vec(&serde_json::json!({
        "version": 1, "call_id": CALL, "parts": parts, "record_digest": digest, "custodians": ["age1pq1x"],
        "partial": false, "jws": jws,
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_a_crash_left_unlogged_is_logged_on_restart() {
    let InCall { mut office, devices: [a, _, n], mut caller, mut callee, noting } = in_call(SuiteName::Hybrid).await;
    callee.send(&C::HangUp { call: CALL, failed: false }).await;
    caller.until(|m| matches!(m, S::Ended { .. }).then_some(())).await;
    drop((caller, callee, noting));
    office.stop().await;
    // The state between moving a record into place and its log entry. The second record is not from this call's
    // note-taker.
    let archive = office.dir.path().join("server/archive");
    let (records, pending) = (archive.join("records"), archive.join(".pending"));
    std::fs::create_dir_all(&pending).unwrap();
    let part = "part-000000.tar.age";
    let (good, bad) = (records.join(format!("{CALL}-{}", n.id)), records.join(format!("{CALL}-{}", a.id)));
    for (place, by) in [(&good, &n), (&bad, &a)] {
        std::fs::write(pending.join(format!("{CALL}-{}", by.id)), b"").unwrap();
        std::fs::create_dir_all(place).unwrap();
        std::fs::write(place.join(part), b"sealed").unwrap();
        std::fs::write(place.join("seal.json"), seal(by, &[(part, b"sealed")])).unwrap();
    }
    office.run().await;
    let caller = Client::sign_in(office.addr(), &a).await;
    let path = format!("/api/v1/records/{CALL}");
    let settled = async {
        loop {
            let proof = office.http("GET", &path, &[("authorization", &caller.bearer())], b"").await;
            let proof: RecordProof = proof.json();
            if proof.line.records == 1 && !bad.exists() {
                return proof;
            }
        }
    };
    let proof = tokio::time::timeout(std::time::Duration::from_secs(60), settled).await.expect("it is logged");
    office.anchor.verify_logged(&proof.records[0].logged).unwrap();
    assert!(good.exists(), "only the note-taker's record stays");
}

async fn a_call_and_its_record(suite: SuiteName) {
    let InCall { mut office, devices: [a, b, n], mut caller, mut callee, mut noting } = in_call(suite).await;
    caller.send(&C::Application { call: CALL, message: blob("opaque") }).await;
    callee.until(|m| matches!(m, S::Application { from, .. } if from == a.id).then_some(())).await;
    callee.send(&C::Offer { call: CALL, sdp: "no offer".into() }).await;
    callee.until(|m| matches!(m, S::Refused { code: RefusalCode::NotAllowed, .. }).then_some(())).await;

    // Records are refused before the call's end, from other devices, and when they differ from their seal.
    let part = "part-000000.tar.age";
    let to = format!("/api/v1/calls/{CALL}/record");
    let (taker, other) = (noting.bearer(), caller.bearer());
    let put = |bearer: String| {
        let (office, to) = (&office, &to);
        async move { office.http("PUT", &format!("{to}/{part}"), &[("authorization", &bearer)], b"sealed").await }
    };
    assert_eq!(put(taker.clone()).await.status, 409);
    callee.send(&C::HangUp { call: CALL, failed: false }).await;
    for client in [&mut caller, &mut noting] {
        client.until(|m| matches!(m, S::Ended { how: Ended::HungUp, .. }).then_some(())).await;
    }
    assert_eq!(put(other.clone()).await.status, 403);
    assert_eq!(put("Bearer guessed".into()).await.status, 401);
    let post = |bearer: String, body: Vec<u8>| {
        let (office, to) = (&office, &to);
        async move { office.http("POST", to, &[("authorization", &bearer)], &body).await }
    };
    let good = seal(&n, &[(part, b"sealed")]);
    assert_eq!(post(taker.clone(), good.clone()).await.status, 422, "its part is missing");
    assert_eq!(put(taker.clone()).await.status, 204);
    // A note-taker of version 0.1 uploads to the paths without a version.
    let legacy = format!("/api/calls/{CALL}/record");
    let legacy_part = format!("{legacy}/{part}");
    assert_eq!(office.http("PUT", &legacy_part, &[("authorization", &taker)], b"sealed").await.status, 204);
    assert_eq!(post(taker.clone(), seal(&n, &[(part, b"SEALED")])).await.status, 422, "another digest");
    assert_eq!(post(taker.clone(), seal(&a, &[(part, b"sealed")])).await.status, 422, "signed by a participant");
    // Two concurrent uploads, as after a client's timeout: one is stored, and the other does not remove it.
    let (one, two) = tokio::join!(post(taker.clone(), good.clone()), post(taker.clone(), good.clone()));
    let (answer, again) = if one.status == 201 { (one, two) } else { (two, one) };
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!([200, 409].contains(&again.status), "{}", again.text());
    office.anchor.verify_logged(&answer.json::<RecordKept>().logged).unwrap();
    noting.until(|m| matches!(m, S::RecordKept { .. }).then_some(())).await;
    let again = post(taker.clone(), good.clone()).await;
    assert_eq!(again.status, 200, "a retry after a lost answer succeeds: {}", again.text());
    assert_eq!(office.http("POST", &legacy, &[("authorization", &taker)], &good).await.status, 200);
    assert_eq!(put(taker.clone()).await.status, 409, "no part is stored after the seal");
    assert_eq!(post(taker.clone(), seal(&n, &[(part, b"SEALED")])).await.status, 409, "nor another seal");

    // Access to the record, and its proof.
    let outsider = office.person(Role::Principal).await;
    let outside = Client::sign_in(office.addr(), &outsider).await;
    let list = |bearer: String| {
        let office = &office;
        async move {
            office.http("GET", "/api/v1/records", &[("authorization", &bearer)], b"").await.json::<Vec<RecordLine>>()
        }
    };
    assert_eq!(list(outside.bearer()).await, []);
    let after = |bearer: String, call: String| {
        let office = &office;
        async move {
            let path = format!("/api/v1/records?after={call}");
            office.http("GET", &path, &[("authorization", &bearer)], b"").await.status
        }
    };
    assert_eq!(after(other.clone(), CALL.to_hex()).await, 200);
    for bad in ["11".repeat(16), "x".into()] {
        assert_eq!(after(other.clone(), bad).await, 400);
    }
    assert_eq!(after(outside.bearer(), CALL.to_hex()).await, 400, "as if there were no such call");
    let lines = list(other.clone()).await;
    assert!(matches!(&lines[..], [l] if l.records == 1 && l.how == Some(Ended::HungUp) && l.to.person == b.person()));
    let path = format!("/api/v1/records/{CALL}");
    assert_eq!(office.http("GET", &path, &[("authorization", &outside.bearer())], b"").await.status, 404);
    assert_eq!(office.get(&path).await.status, 401);
    let proof: RecordProof = office.http("GET", &path, &[("authorization", &other)], b"").await.json();
    let [sealed] = &proof.records[..] else { panic!("one record: {proof:?}") };
    assert_eq!(sealed.seal.as_bytes(), &good[..]);
    assert_eq!(proof.devices.len(), 3);
    let ring = office.anchor.verify_ring_past(&proof.ring).unwrap();
    office.anchor.verify_opening(ring, &proof.opened).unwrap();
    for logged in [proof.ended.as_ref().unwrap(), &sealed.logged] {
        office.anchor.verify_logged(logged).unwrap();
    }
    let at = |index: u64| format!("{path}/{index}/{part}");
    let index = sealed.logged.index;
    assert_eq!(office.http("GET", &at(index), &[("authorization", &other)], b"").await.body, b"sealed");
    assert_eq!(office.http("GET", &at(index + 1), &[("authorization", &other)], b"").await.status, 404);

    // The log as an auditor reads it from disk.
    caller.send(&C::Ping { log_size: 1 }).await;
    let (checkpoint, consistency) = caller
        .until(|m| match m {
            S::Checkpoint { checkpoint, from_size: 1, consistency } => Some((checkpoint, consistency)),
            _ => None,
        })
        .await;
    assert!(!consistency.is_empty());
    office.anchor.verify_checkpoint(&checkpoint).unwrap();
    office.stop().await;
    let archive = office.dir.path().join("server/archive");
    let mut kinds = read_log(&office);
    kinds.retain(|k| k != "device_enrolled");
    assert_eq!(kinds, ["call_opened", "call_ended", "record_archived"]);
    assert_eq!(std::fs::read_dir(archive.join("devices")).unwrap().count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_its_record_in_the_hybrid_suite() {
    a_call_and_its_record(SuiteName::Hybrid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_its_record_in_the_cnsa2_suite() {
    a_call_and_its_record(SuiteName::Cnsa2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_continues_after_a_server_restart() {
    let InCall { mut office, devices: [a, b, _], mut caller, mut callee, .. } = in_call(SuiteName::Hybrid).await;
    office.stop().await;
    assert!(caller.next().await.is_none_or(|m| !matches!(m, S::Ended { .. })));
    callee.closed().await;
    office.run().await;
    let mut caller = Client::sign_in(office.addr(), &a).await;
    assert!(matches!(caller.signed_in, Some(S::SignedIn { in_call: Some(CALL), .. })));
    caller.send(&C::Resume { call: CALL, after: 1 }).await;
    caller.until(|m| matches!(m, S::Committed { seq: 2, .. }).then_some(())).await;
    caller.until(|m| matches!(m, S::MediaLost { .. }).then_some(())).await;
    let mut callee = Client::sign_in(office.addr(), &b).await;
    callee.send(&C::Resume { call: CALL, after: 2 }).await;
    callee.until(|m| matches!(m, S::MediaLost { .. }).then_some(())).await;
    caller.send(&C::Application { call: CALL, message: blob("still here") }).await;
    callee.until(|m| matches!(m, S::Application { .. }).then_some(())).await;
    callee.send(&C::HangUp { call: CALL, failed: false }).await;
    caller.until(|m| matches!(m, S::Ended { .. }).then_some(())).await;
    office.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_is_disconnected_and_refused() {
    let InCall { office, devices: [_, _, n], mut caller, mut noting, .. } = in_call(SuiteName::Hybrid).await;
    let forged = RevokeRequest { jws: "e30.e30.e30".into() };
    assert_eq!(office.post("/api/v1/revocations", &serde_json::to_vec(&forged).unwrap()).await.status, 403);
    let jws = office.authority.revoke(n.id, now_ms()).unwrap();
    let request = serde_json::to_vec(&RevokeRequest { jws: jws.clone() }).unwrap();
    let answer = office.post("/api/v1/revocations", &request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let logged = office.anchor.verify_logged(&answer.json()).unwrap();
    let Some(Entry::DeviceRevoked { jws: Some(statement), .. }) = logged.entry() else { panic!("{logged:?}") };
    assert_eq!(office.anchor.verify_revocation(statement).unwrap().device(), n.id, "the log has the authority's word");
    assert_eq!(office.post("/api/v1/revocations", &request).await.status, 409);
    noting.until(|m| matches!(m, S::Revoked { jws: Some(_) }).then_some(())).await;
    assert_eq!(noting.closed().await, Some(4002));
    caller.until(|m| matches!(m, S::RemoveAsked { devices, .. } if devices == [n.id]).then_some(())).await;
    let bearer = noting.bearer();
    assert_eq!(office.http("GET", "/api/v1/records", &[("authorization", &bearer)], b"").await.status, 401);
    let mut again = Client::raw(office.addr(), None).await.unwrap();
    again.prove(&n, common::DOMAIN).await;
    assert_eq!(again.next().await, Some(S::Revoked { jws: Some(jws) }));
    assert_eq!(again.closed().await, Some(1008));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_log_names_nobody() {
    let InCall { mut office, devices: [a, b, n], mut caller, mut callee, noting } = in_call(SuiteName::Hybrid).await;
    callee.send(&C::HangUp { call: CALL, failed: false }).await;
    caller.until(|m| matches!(m, S::Ended { .. }).then_some(())).await;
    let (part, to, bearer) = ("part-000000.tar.age", format!("/api/v1/calls/{CALL}/record"), noting.bearer());
    let good = seal(&n, &[(part, b"sealed")]);
    let put = office.http("PUT", &format!("{to}/{part}"), &[("authorization", &bearer)], b"sealed").await;
    assert_eq!(put.status, 204, "{}", put.text());
    let kept = office.http("POST", &to, &[("authorization", &bearer)], &good).await;
    assert_eq!(kept.status, 201, "{}", kept.text());
    // A call that nobody answers, and a revocation.
    let missed = CallId::from_bytes([0xcb; 16]);
    caller.send(&office.ring(&a, b.person(), missed, RecordMode::Memo)).await;
    callee.until(|m| matches!(m, S::Ringing { .. }).then_some(())).await;
    callee.send(&C::Decline { call: missed, reply: None }).await;
    caller.until(|m| matches!(m, S::Ended { call, .. } if call == missed).then_some(())).await;
    let jws = office.authority.revoke(n.id, now_ms()).unwrap();
    let revoked = office.post("/api/v1/revocations", &serde_json::to_vec(&RevokeRequest { jws }).unwrap()).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    office.stop().await;

    let words = ["Secretperson", "Secretorganisation", "Europe/Oslo", "Chancellery"];
    // What the search finds: the signature in the seal carries certificates, which name its note-taker.
    assert_eq!(common::names::find_word(&good, &words), Some("Secretperson"));
    let archive = office.dir.path().join("server/archive");
    assert_eq!(common::names::find_word_below(&archive.join("log"), &words), None);
    let kinds = read_log(&office);
    for kind in ["device_enrolled", "device_revoked", "call_opened", "call_ended", "record_archived"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
}

/// The types of the entries in the log, as an auditor reads it from disk.
fn read_log(office: &Office) -> Vec<String> {
    let kind =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["type"].as_str().map(str::to_owned);
    office.log_bytes().iter().map(|(_, bytes)| kind(bytes).unwrap()).collect()
}
