//! Lockers of PINs on real sockets, and attacks on them.

mod common;

use common::{Answer, Client, Office};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Blob, Digest, Role,
    limits::MAX_PIN_ATTEMPTS,
    protection::{LockerAnswer, MakeLocker, OpenLocker, RemoveProtector},
};

const LOCKER: [u8; 16] = [5; 16];
const PROOF: [u8; 32] = [6; 32];

fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

async fn make(office: &Office, client: &Client, locker: &[u8], proof: &[u8]) -> Answer {
    let body = MakeLocker { locker_sha256: sha256(locker), proof_sha256: sha256(proof) };
    let bearer = client.bearer();
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    office.http("POST", "/api/v1/lockers", &headers, &serde_json::to_vec(&body).unwrap()).await
}

async fn open(office: &Office, locker: &[u8], proof: &[u8]) -> LockerAnswer {
    let body = OpenLocker { locker: Blob(locker.to_vec()), proof: Blob(proof.to_vec()) };
    let answer = office.post("/api/v1/lockers/open", &serde_json::to_vec(&body).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn secret(answer: LockerAnswer) -> Vec<u8> {
    let LockerAnswer::Opened { secret, .. } = answer else { panic!("{answer:?}") };
    secret.0
}

/// Lets the waiting times of all lockers pass.
async fn pass_time(office: &mut Office) {
    office.stop().await;
    let database = rusqlite::Connection::open(office.dir.path().join("server/telcon.db")).unwrap();
    database.execute("UPDATE lockers SET retry_ms = 0", []).unwrap();
    drop(database);
    office.run().await;
}

#[tokio::test]
async fn a_locker_gives_its_secret_for_the_right_pin_and_protects_from_then_on() {
    let mut office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    assert_eq!(make(&office, &client, &LOCKER, &PROOF).await.status, 201);
    drop(client);
    drop(Client::sign_in(office.addr(), &device).await);
    let first = secret(open(&office, &LOCKER, &PROOF).await);
    assert_eq!(first.len(), 32);
    let mut client = Client::raw(office.addr(), None).await.unwrap();
    client.prove(&device, common::DOMAIN).await;
    let refused = client.next().await.unwrap();
    let code = telcon_proto::message::RefusalCode::UnlockRequired;
    assert!(
        matches!(&refused, telcon_proto::ServerMessage::Refused { code: found, .. } if *found == code),
        "{refused:?}"
    );
    office.stop().await;
    office.run().await;
    assert_eq!(secret(open(&office, &LOCKER, &PROOF).await), first, "the secret stays the same");
}

/// The attacker has a copy of the profile, and tries PINs.
#[tokio::test]
async fn after_too_many_wrong_pins_the_secret_is_gone() {
    let mut office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    make(&office, &client, &LOCKER, &PROOF).await;
    secret(open(&office, &LOCKER, &PROOF).await);
    drop(client);
    for n in 1..MAX_PIN_ATTEMPTS {
        let answer = open(&office, &LOCKER, &[n as u8 + 100; 32]).await;
        let LockerAnswer::Wrong { attempts_left, wait_ms } = answer else { panic!("attempt {n}: {answer:?}") };
        assert_eq!((attempts_left, wait_ms > 0), (MAX_PIN_ATTEMPTS - n, n >= 3));
        if wait_ms > 0 {
            let early = open(&office, &LOCKER, &PROOF).await;
            assert!(matches!(early, LockerAnswer::Wait { .. }), "the right PIN has to wait too: {early:?}");
            pass_time(&mut office).await;
        }
    }
    assert_eq!(open(&office, &LOCKER, &[0; 32]).await, LockerAnswer::Erased {});
    pass_time(&mut office).await;
    assert_eq!(open(&office, &LOCKER, &PROOF).await, LockerAnswer::Erased {}, "also for the right PIN");
    let database = rusqlite::Connection::open(office.dir.path().join("server/telcon.db")).unwrap();
    let left: i64 =
        database.query_row("SELECT COUNT(*) FROM lockers WHERE secret IS NOT NULL", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "it is erased from the database");
}

/// The server's clock was a month ahead for a moment while somebody mistyped their PIN, and is right again.
#[tokio::test]
async fn a_wait_that_ends_in_a_month_is_as_long_as_its_own_step() {
    const MONTH_MS: i64 = 30 * 86_400_000;
    let mut office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    make(&office, &client, &LOCKER, &PROOF).await;
    let mut step_ms = 0;
    for n in 1..=3 {
        let LockerAnswer::Wrong { wait_ms, .. } = open(&office, &LOCKER, &[n; 32]).await else { panic!("{n}") };
        step_ms = wait_ms;
    }
    office.stop().await;
    let path = office.dir.path().join("server/telcon.db");
    let retry = |change: &str| -> i64 {
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute(&format!("UPDATE lockers SET retry_ms = retry_ms + {change}"), []).unwrap();
        database.query_row("SELECT retry_ms FROM lockers", [], |row| row.get(0)).unwrap()
    };
    let ahead_ms = retry(&MONTH_MS.to_string());
    office.run().await;
    assert_eq!(open(&office, &LOCKER, &PROOF).await, LockerAnswer::Wait { wait_ms: step_ms });
    let answer = open(&office, &LOCKER, &PROOF).await;
    assert!(matches!(answer, LockerAnswer::Wait { wait_ms } if wait_ms <= step_ms), "{answer:?}");
    office.stop().await;
    assert!(retry("0") < ahead_ms - MONTH_MS / 2, "its end is stored, so that it passes");
}

/// The attacker sends many guesses at once, so that none is counted before all are compared.
#[tokio::test]
async fn parallel_attempts_are_counted_one_by_one() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    make(&office, &client, &LOCKER, &PROOF).await;
    let guesses: Vec<[u8; 32]> = (100..120).map(|n| [n; 32]).collect();
    let answers = futures_util::future::join_all(guesses.iter().map(|guess| open(&office, &LOCKER, guess))).await;
    let compared = answers.iter().filter(|answer| matches!(answer, LockerAnswer::Wrong { .. })).count();
    assert_eq!(compared, 3, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer, LockerAnswer::Wrong { .. } | LockerAnswer::Wait { .. })));
}

#[tokio::test]
async fn who_does_not_know_a_lockers_identifier_cannot_use_its_attempts_up() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    make(&office, &client, &LOCKER, &PROOF).await;
    for n in 0..20 {
        assert_eq!(open(&office, &[n + 50; 16], &[9; 32]).await, LockerAnswer::Erased {});
    }
    // The digest is what the database has: it is no identifier.
    assert_eq!(open(&office, &sha256(&LOCKER).as_bytes()[..16], &[9; 32]).await, LockerAnswer::Erased {});
    secret(open(&office, &LOCKER, &PROOF).await);
}

#[tokio::test]
async fn a_pin_is_changed_with_a_second_locker_and_the_first_is_removed() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    make(&office, &client, &LOCKER, &PROOF).await;
    secret(open(&office, &LOCKER, &PROOF).await);
    assert_eq!(make(&office, &client, &[7; 16], &[8; 32]).await.status, 201);
    secret(open(&office, &[7; 16], &[8; 32]).await);
    assert_eq!(make(&office, &client, &[9; 16], &[9; 32]).await.status, 409, "two at most");
    let body = serde_json::to_vec(&RemoveProtector::Locker { locker_sha256: sha256(&LOCKER) }).unwrap();
    let bearer = client.bearer();
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    assert_eq!(office.http("POST", "/api/v1/protection/remove", &headers, &body).await.status, 204);
    assert_eq!(open(&office, &LOCKER, &PROOF).await, LockerAnswer::Erased {}, "the old PIN opens nothing");
    secret(open(&office, &[7; 16], &[8; 32]).await);
}
