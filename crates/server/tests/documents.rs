//! Documents on real sockets, with real certificates: keys, versions, conflicts, readers, copies; and attacks on each. What is sealed is
//! any bytes here: the server has no code that could tell.

mod common;

use common::{Answer, Client, Device, Office, now_ms};
use sha2::{Digest as _, Sha256};
use telcon_identity::{DocumentHead, sign_device_key, sign_document, sign_readout};
use telcon_proto::{
    Blob, ClientMessage as C, Digest, DocumentId, ItemId, PersonId, Role, ServerMessage as S,
    device_key::{DeviceKeyStatement, PersonKeys},
    document::{
        DocumentKept, DocumentKind, DocumentList, DocumentState, DocumentUpload, DocumentVersion, ProvenDocument,
    },
    document_policy::may_read,
    entry::Entry,
    readout::{Readout, ReadoutPublished, ReadoutType, ReadoutUpload, Says},
};

const DOCUMENT: DocumentId = DocumentId::from_bytes([0xdc; 16]);

fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn readers(of: &[&Device]) -> Vec<PersonId> {
    let mut readers: Vec<_> = of.iter().map(|device| device.person()).collect();
    readers.sort_unstable();
    readers
}

fn first(office: &Office, by: &Device, readers: Vec<PersonId>, sealed: &[u8]) -> DocumentVersion {
    DocumentVersion {
        office: office.anchor.domain().clone(),
        document: DOCUMENT,
        kind: DocumentKind::Brief,
        version: 1,
        previous: None,
        ciphertext_sha256: sha256(sealed),
        content_sha256: sha256(b"content"),
        readers,
        about: None,
        state: DocumentState::Draft,
        due_ms: None,
        at_ms: now_ms(),
        author: by.card.clone(),
        on_behalf: None,
    }
}

fn upload(by: &Device, version: &DocumentVersion, sealed: &[u8]) -> DocumentUpload {
    let statement = sign_document(&by.key, &by.chain, version);
    DocumentUpload { statement, ciphertext: Blob(sealed.to_vec()) }
}

fn next(before: &DocumentVersion, statement: &str, by: &Device, sealed: &[u8]) -> DocumentVersion {
    DocumentVersion {
        version: before.version + 1,
        previous: Some(sha256(statement.as_bytes())),
        ciphertext_sha256: sha256(sealed),
        author: by.card.clone(),
        at_ms: now_ms(),
        ..before.clone()
    }
}

async fn put(office: &Office, client: &Client, version: u32, upload: &DocumentUpload) -> Answer {
    let body = serde_json::to_vec(upload).unwrap();
    let bearer = format!("Bearer {}", client.token);
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    office.http("PUT", &format!("/api/v1/documents/{DOCUMENT}/{version}"), &headers, &body).await
}

async fn get(office: &Office, client: &Client, path: &str) -> Answer {
    let bearer = format!("Bearer {}", client.token);
    office.http("GET", &format!("/api/v1/{path}"), &[("authorization", &bearer)], b"").await
}

async fn keep(office: &Office, client: &Client, by: &Device, version: &DocumentVersion, sealed: &[u8]) -> String {
    let upload = upload(by, version, sealed);
    let answer = put(office, client, version.version, &upload).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    upload.statement
}

async fn changed(client: &mut Client) -> u32 {
    let changed =
        |message| if let S::DocumentsChanged { document: DOCUMENT, version } = message { Some(version) } else { None };
    client.until(changed).await
}

#[tokio::test]
async fn a_device_states_its_key_once_and_others_get_it_with_proofs() {
    let mut office = Office::start().await;
    let (principal, desk) = (office.person(Role::Principal).await, office.person(Role::Scheduler).await);
    let mut client = Client::sign_in(office.addr(), &principal).await;
    assert!(matches!(client.signed_in, Some(S::SignedIn { key_missing: true, .. })));
    let content = DeviceKeyStatement {
        office: office.anchor.domain().clone(),
        device: principal.id,
        recipient: "age1pq1qqqqqq".into(),
        version: 1,
        at_ms: now_ms(),
    };
    let statement = sign_device_key(&principal.key, &principal.chain, &content);
    // Somebody else's device does not state it.
    let mut other = Client::sign_in(office.addr(), &desk).await;
    other.send(&C::PublishKey { statement: statement.clone() }).await;
    other.until(|message| matches!(message, S::Refused { .. }).then_some(())).await;
    let keys = |answer: Answer| -> PersonKeys { answer.json() };
    let path = format!("people/{}/keys", principal.person().to_hex());
    assert!(keys(get(&office, &other, &path).await).keys.is_empty());
    client.send(&C::PublishKey { statement: statement.clone() }).await;
    client.send(&C::PublishKey { statement: statement.clone() }).await;
    client.send(&C::Ping { log_size: 0 }).await;
    client.until(|message| matches!(message, S::Checkpoint { .. }).then_some(())).await;
    let found = loop {
        // The log takes it after the answer to the ping.
        let found = keys(get(&office, &other, &path).await);
        if !found.keys.is_empty() {
            break found;
        }
        client.send(&C::Ping { log_size: 0 }).await;
        client.until(|message| matches!(message, S::Checkpoint { .. }).then_some(())).await;
    };
    assert_eq!(found.keys.len(), 1);
    let verified = office.anchor.verify_device_key_logged(&found.keys[0]).unwrap();
    assert_eq!((verified.person(), &*verified.key().content().recipient), (principal.person(), "age1pq1qqqqqq"));
    drop(client);
    office.stop().await;
    let stated = office.log_entries().into_iter().filter(|entry| matches!(entry, Entry::DeviceKey { .. })).count();
    assert_eq!(stated, 1);
    office.run().await;
    let client = Client::sign_in(office.addr(), &principal).await;
    assert!(matches!(client.signed_in, Some(S::SignedIn { key_missing: false, .. })));
}

#[tokio::test]
async fn a_document_is_written_listed_and_read_by_its_readers_and_by_nobody_else() {
    let mut office = Office::start().await;
    let (author, reader) = (office.person(Role::Scheduler).await, office.person(Role::Principal).await);
    let third = office.person(Role::DutyOfficer).await;
    let writes = Client::sign_in(office.addr(), &author).await;
    let mut reads = Client::sign_in(office.addr(), &reader).await;
    let snoops = Client::sign_in(office.addr(), &third).await;
    let one = first(&office, &author, readers(&[&author, &reader]), b"sealed 1");
    let statement = keep(&office, &writes, &author, &one, b"sealed 1").await;
    assert_eq!(changed(&mut reads).await, 1);
    let two = next(&one, &statement, &reader, b"sealed 2");
    keep(&office, &reads, &reader, &two, b"sealed 2").await;
    for client in [&writes, &reads] {
        let list: DocumentList = get(&office, client, "documents?kind=brief").await.json();
        let [listed] = &list.documents[..] else { panic!("{list:?}") };
        assert_eq!((listed.version, listed.state, &listed.author), (2, DocumentState::Draft, &reader.card));
        let proven: ProvenDocument = get(&office, client, &format!("documents/{DOCUMENT}")).await.json();
        let verified = office.anchor.verify_document(DOCUMENT, None, &proven.versions).unwrap();
        assert_eq!(verified.iter().map(|v| v.content().version).collect::<Vec<_>>(), [1, 2]);
        let head = DocumentHead { version: 2, statement_sha256: listed.statement_sha256 };
        let newest: ProvenDocument = get(&office, client, &format!("documents/{DOCUMENT}?from=2")).await.json();
        office.anchor.verify_document(DOCUMENT, Some(&head), &newest.versions).unwrap();
        assert_eq!(get(&office, client, &format!("documents/{DOCUMENT}/2")).await.body, b"sealed 2");
    }
    let none: DocumentList = get(&office, &snoops, "documents").await.json();
    assert_eq!(none, DocumentList::default());
    for path in [format!("documents/{DOCUMENT}"), format!("documents/{DOCUMENT}/1"), format!("documents/{DOCUMENT}/2")]
    {
        assert_eq!(get(&office, &snoops, &path).await.status, 404, "{path}");
    }
    // Who is not a reader is not let in by writing.
    let proven: ProvenDocument = get(&office, &reads, &format!("documents/{DOCUMENT}?from=2")).await.json();
    let mut three = next(&two, &proven.versions[0].statement, &third, b"mine");
    three.readers = readers(&[&author, &reader, &third]);
    let refused = put(&office, &snoops, 3, &upload(&third, &three, b"mine")).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    // A removed reader gets nothing any more, and is told of it.
    let mut last = next(&two, &proven.versions[0].statement, &author, b"alone");
    last.readers = readers(&[&author]);
    keep(&office, &writes, &author, &last, b"alone").await;
    assert_eq!(changed(&mut reads).await, 2);
    assert_eq!(changed(&mut reads).await, 3);
    assert_eq!(get(&office, &reads, &format!("documents/{DOCUMENT}/3")).await.status, 404);
    let none: DocumentList = get(&office, &reads, "documents").await.json();
    assert_eq!(none, DocumentList::default());
    drop((writes, reads, snoops));
    office.stop().await;
    let logged: Vec<_> = office
        .log_entries()
        .into_iter()
        .filter_map(|entry| if let Entry::DocumentVersion { version, .. } = entry { Some(version) } else { None })
        .collect();
    assert_eq!(logged, [1, 2, 3]);
}

#[tokio::test]
async fn an_upload_is_taken_once_and_of_two_that_follow_the_same_version_the_first() {
    let mut office = Office::start().await;
    let (author, reader) = (office.person(Role::Scheduler).await, office.person(Role::Principal).await);
    let (a, b) = (Client::sign_in(office.addr(), &author).await, Client::sign_in(office.addr(), &reader).await);
    let one = first(&office, &author, readers(&[&author, &reader]), b"sealed");
    let first_upload = upload(&author, &one, b"sealed");
    let kept: DocumentKept = put(&office, &a, 1, &first_upload).await.json();
    let again: DocumentKept = put(&office, &a, 1, &first_upload).await.json();
    assert_eq!(kept, again);
    let (mine, theirs) = (
        next(&one, &first_upload.statement, &author, b"mine"),
        next(&one, &first_upload.statement, &reader, b"theirs"),
    );
    let (mine, theirs) = (upload(&author, &mine, b"mine"), upload(&reader, &theirs, b"theirs"));
    let answers = tokio::join!(put(&office, &a, 2, &mine), put(&office, &b, 2, &theirs));
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let (won, lost) =
        if answers.0.status == 200 { (b"mine".to_vec(), (&b, &theirs)) } else { (b"theirs".to_vec(), (&a, &mine)) };
    assert_eq!(put(&office, lost.0, 2, lost.1).await.status, 409);
    assert_eq!(get(&office, &a, &format!("documents/{DOCUMENT}/2")).await.body, won);
    // Nothing is left of the one that was not taken: each version has its statement and its sealed file.
    drop((a, b));
    office.stop().await;
    let dir = office.dir.path().join(format!("server/archive/documents/{DOCUMENT}"));
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 4);
    let logged =
        office.log_entries().into_iter().filter(|entry| matches!(entry, Entry::DocumentVersion { .. })).count();
    assert_eq!(logged, 2);
}

/// The attacker has an enrolled device.
#[tokio::test]
async fn a_version_that_does_not_verify_is_not_kept() {
    let office = Office::start().await;
    let (author, notes) = (office.person(Role::Scheduler).await, office.person(Role::NoteTaker).await);
    let (a, n) = (Client::sign_in(office.addr(), &author).await, Client::sign_in(office.addr(), &notes).await);
    let one = first(&office, &author, readers(&[&author, &notes]), b"sealed");
    let of_other_file = upload(&author, &one, b"another file");
    assert_eq!(put(&office, &a, 1, &of_other_file).await.status, 422);
    let good = upload(&author, &one, b"sealed");
    assert_eq!(put(&office, &n, 1, &good).await.status, 422, "sent by another device");
    assert_eq!(put(&office, &a, 2, &good).await.status, 422, "to another address");
    let claims =
        DocumentVersion { kind: DocumentKind::Request, ..first(&office, &notes, readers(&[&notes]), b"sealed") };
    assert_eq!(put(&office, &n, 1, &upload(&notes, &claims, b"sealed")).await.status, 422, "a role that may not");
    let stranger = PersonId::from_bytes([0xee; 16]);
    let mut with = readers(&[&author]);
    with.push(stranger);
    let to_nobody = first(&office, &author, with, b"sealed");
    assert_eq!(put(&office, &a, 1, &upload(&author, &to_nobody, b"sealed")).await.status, 403);
    let late = DocumentVersion { at_ms: now_ms() - 2 * 3_600_000, ..one.clone() };
    assert!(matches!(put(&office, &a, 1, &upload(&author, &late, b"sealed")).await.status, 403 | 422));
    let gap = DocumentVersion { version: 2, previous: Some(sha256(b"nothing")), ..one.clone() };
    assert_eq!(put(&office, &a, 2, &upload(&author, &gap, b"sealed")).await.status, 404);
    let none: DocumentList = get(&office, &a, "documents").await.json();
    assert_eq!(none, DocumentList::default());
    assert!(!office.dir.path().join(format!("server/archive/documents/{DOCUMENT}")).exists(), "nothing is left");
    let statement = keep(&office, &a, &author, &one, b"sealed").await;
    let approved = DocumentVersion { state: DocumentState::Approved, ..next(&one, &statement, &notes, b"approved") };
    assert_eq!(put(&office, &n, 2, &upload(&notes, &approved, b"approved")).await.status, 422, "a forged approval");
}

#[tokio::test]
async fn a_copy_is_given_out_once_the_log_says_that_it_is_opened() {
    let mut office = Office::start().await;
    let (author, reader) = (office.person(Role::Scheduler).await, office.person(Role::Principal).await);
    let (a, r) = (Client::sign_in(office.addr(), &author).await, Client::sign_in(office.addr(), &reader).await);
    let copy = DocumentVersion {
        kind: DocumentKind::Copy,
        state: DocumentState::Approved,
        ..first(&office, &author, readers(&[&author, &reader]), b"sealed copy")
    };
    keep(&office, &a, &author, &copy, b"sealed copy").await;
    assert_eq!(get(&office, &r, &format!("documents/{DOCUMENT}/1")).await.body, b"sealed copy");
    let proven: ProvenDocument = get(&office, &a, &format!("documents/{DOCUMENT}")).await.json();
    let [opened] = &proven.opened[..] else { panic!("{:?}", proven.opened) };
    assert_eq!((opened.person, opened.device, opened.version), (reader.person(), reader.id, 1));
    drop((a, r));
    office.stop().await;
    let logged: Vec<_> = office
        .log_entries()
        .into_iter()
        .filter_map(|entry| if let Entry::DocumentOpened { device, .. } = entry { Some(device) } else { None })
        .collect();
    assert_eq!(logged, [reader.id]);
}

#[tokio::test]
async fn what_is_sealed_again_for_a_readers_device_is_given_to_that_device_alone() {
    let office = Office::start().await;
    let (author, reader) = (office.person(Role::Scheduler).await, office.person(Role::Principal).await);
    let (new, third) = (office.enrolled(reader.card.clone()).await, office.person(Role::DutyOfficer).await);
    let a = Client::sign_in(office.addr(), &author).await;
    let one = first(&office, &author, readers(&[&author, &reader]), b"sealed");
    keep(&office, &a, &author, &one, b"sealed").await;
    let seal = |client: &Client, device: &Device, bytes: &'static [u8]| {
        let bearer = format!("Bearer {}", client.token);
        let path = format!("/api/v1/documents/{DOCUMENT}/1/seals/{}", device.id);
        let office = &office;
        async move { office.http("PUT", &path, &[("authorization", &bearer)], bytes).await.status }
    };
    let t = Client::sign_in(office.addr(), &third).await;
    assert_eq!(seal(&t, &new, b"not by a reader").await, 404);
    assert_eq!(seal(&a, &third, b"not for a reader").await, 404);
    assert_eq!(seal(&a, &new, b"damaged").await, 204);
    assert_eq!(seal(&a, &new, b"for the new one").await, 204, "a damaged one is replaced");
    for (device, expected) in [(&new, &b"for the new one"[..]), (&reader, &b"sealed"[..]), (&author, &b"sealed"[..])] {
        let client = Client::sign_in(office.addr(), device).await;
        assert_eq!(get(&office, &client, &format!("documents/{DOCUMENT}/1")).await.body, expected);
    }
}

#[tokio::test]
async fn a_recalled_copy_is_kept_from_its_reader_by_the_server() {
    let office = Office::start().await;
    let (author, reader) = (office.person(Role::Scheduler).await, office.person(Role::Principal).await);
    let (a, r) = (Client::sign_in(office.addr(), &author).await, Client::sign_in(office.addr(), &reader).await);
    let copy = DocumentVersion {
        kind: DocumentKind::Copy,
        state: DocumentState::Approved,
        ..first(&office, &author, readers(&[&author, &reader]), b"sealed copy")
    };
    let statement = keep(&office, &a, &author, &copy, b"sealed copy").await;
    assert_eq!(get(&office, &r, &format!("documents/{DOCUMENT}/1")).await.status, 200);
    let recalled = DocumentVersion {
        state: DocumentState::Recalled,
        readers: readers(&[&author]),
        ..next(&copy, &statement, &author, b"recalled")
    };
    keep(&office, &a, &author, &recalled, b"recalled").await;
    for path in [format!("documents/{DOCUMENT}/1"), format!("documents/{DOCUMENT}/2"), format!("documents/{DOCUMENT}")]
    {
        assert_eq!(get(&office, &r, &path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_readout_is_public_once_its_document_says_so_and_what_is_published_stays() {
    let mut office = Office::start().await;
    let principal = office.person(Role::Principal).await;
    let (desk, notes) = (office.person(Role::Scheduler).await, office.person(Role::NoteTaker).await);
    let p = Client::sign_in(office.addr(), &principal).await;
    let (d, n) = (Client::sign_in(office.addr(), &desk).await, Client::sign_in(office.addr(), &notes).await);
    let id = ItemId::from_bytes([7; 16]);
    let readout = Readout {
        version: 1,
        kind: ReadoutType::TelconReadout,
        id,
        office: office.anchor.domain().clone(),
        published_ms: now_ms(),
        language: "en".into(),
        title: "Call with <script>alert(1)</script> Norland".into(),
        says: Says::Text { paragraphs: vec!["They spoke about fish.".into()] },
        corrects: None,
    };
    let signed = |by: &Device, readout: &Readout| sign_readout(&by.key, &by.chain, &readout.payload().unwrap());
    let publish = |client: &Client, jws: String| {
        let bearer = format!("Bearer {}", client.token);
        let body = serde_json::to_vec(&ReadoutUpload { document: DOCUMENT, jws }).unwrap();
        let (office, path) = (&office, format!("/api/v1/readouts/{}", id.to_hex()));
        async move {
            let headers = [("authorization", &*bearer), ("content-type", "application/json")];
            office.http("PUT", &path, &headers, &body).await
        }
    };
    let page = format!("/readouts/{}", id.to_hex());
    assert_eq!(publish(&d, signed(&desk, &readout)).await.status, 404, "of no document");
    // Draft, approved by the principal, published by the desk.
    let kind = DocumentKind::Readout;
    let draft = DocumentVersion { kind, ..first(&office, &desk, readers(&[&desk, &principal]), b"1") };
    let first_statement = keep(&office, &d, &desk, &draft, b"1").await;
    assert_eq!(publish(&d, signed(&desk, &readout)).await.status, 403, "a draft");
    let approved =
        DocumentVersion { state: DocumentState::Approved, ..next(&draft, &first_statement, &principal, b"2") };
    let second_statement = keep(&office, &p, &principal, &approved, b"2").await;
    assert_eq!(publish(&d, signed(&desk, &readout)).await.status, 403, "approved and not published");
    let published =
        DocumentVersion { state: DocumentState::Published, ..next(&approved, &second_statement, &desk, b"3") };
    keep(&office, &d, &desk, &published, b"3").await;
    assert_eq!(office.http("GET", &page, &[], b"").await.status, 404, "nothing is public yet");
    // Somebody who may not; somebody else's signature; another office's; other words under the signature.
    assert_eq!(publish(&n, signed(&notes, &readout)).await.status, 404);
    assert_eq!(publish(&d, signed(&principal, &readout)).await.status, 422);
    let foreign = Readout { office: "elsewhere.example".parse().unwrap(), ..readout.clone() };
    assert_eq!(publish(&d, signed(&desk, &foreign)).await.status, 422);
    let other = Readout { id: ItemId::from_bytes([8; 16]), ..readout.clone() };
    assert_eq!(publish(&d, signed(&desk, &other)).await.status, 422);
    let jws = signed(&desk, &readout);
    let answer = publish(&d, jws.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ReadoutPublished { log_index } = answer.json();
    // The same again, and by another person who may, is the same; other words are not.
    assert_eq!(publish(&d, jws.clone()).await.json::<ReadoutPublished>().log_index, log_index);
    assert_eq!(publish(&p, signed(&principal, &readout)).await.json::<ReadoutPublished>().log_index, log_index);
    let changed = Readout { title: "Something else".into(), ..readout.clone() };
    assert_eq!(publish(&d, signed(&desk, &changed)).await.status, 409);
    let shown = office.http("GET", &page, &[], b"").await;
    assert_eq!(shown.status, 200);
    assert!(shown.text().contains("They spoke about fish.") && !shown.text().contains("<script"), "{}", shown.text());
    assert!(shown.text().contains(&format!("entry {log_index}")));
    let text = office.http("GET", &format!("{page}.jws"), &[], b"").await;
    assert_eq!(text.text(), jws);
    assert_eq!(office.http("GET", "/readouts/nonsense", &[], b"").await.status, 400);
    drop((p, d, n));
    office.stop().await;
    let logged: Vec<_> = office
        .log_entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::ReadoutPublished { readout, statement_sha256, .. } => Some((readout, statement_sha256)),
            _ => None,
        })
        .collect();
    assert_eq!(logged, [(id, sha256(jws.as_bytes()))]);
}

/// The attacker is a counterpart who reads a request.
#[tokio::test]
async fn the_other_side_reads_requests_alone_and_makes_no_version_unreadable() {
    let office = Office::start().await;
    let (author, reader) = (office.person(Role::Scheduler).await, office.person(Role::Principal).await);
    let other_side = office.person(Role::Counterpart).await;
    let (a, o) = (Client::sign_in(office.addr(), &author).await, Client::sign_in(office.addr(), &other_side).await);
    let everybody = readers(&[&author, &reader, &other_side]);
    let of_kind =
        |kind, state| DocumentVersion { kind, state, ..first(&office, &author, everybody.clone(), b"sealed") };
    for kind in DocumentKind::ALL.into_iter().filter(|kind| !may_read(Role::Counterpart, *kind)) {
        let state = if kind == DocumentKind::Copy { DocumentState::Approved } else { DocumentState::Draft };
        let answer = put(&office, &a, 1, &upload(&author, &of_kind(kind, state), b"sealed")).await;
        assert_eq!(answer.status, 403, "{kind:?}: {}", answer.text());
    }
    let request = of_kind(DocumentKind::Request, DocumentState::Draft);
    assert_eq!(put(&office, &a, 1, &upload(&author, &request, b"sealed")).await.status, 200);
    let seal = |client: &Client, device: &Device| {
        let bearer = format!("Bearer {}", client.token);
        let path = format!("/api/v1/documents/{DOCUMENT}/1/seals/{}", device.id);
        let office = &office;
        async move { office.http("PUT", &path, &[("authorization", &bearer)], b"rubbish").await.status }
    };
    assert_eq!(seal(&o, &reader).await, 404);
    let again = office.enrolled(other_side.card.clone()).await;
    assert_eq!(seal(&o, &again).await, 204, "for their own new device");
    let reads = Client::sign_in(office.addr(), &reader).await;
    assert_eq!(get(&office, &reads, &format!("documents/{DOCUMENT}/1")).await.body, b"sealed");
}
