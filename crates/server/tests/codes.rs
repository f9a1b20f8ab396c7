//! Short codes on real sockets: what the server forwards, to whom, and what it refuses. It forwards bytes that it does not understand,
//! so that these tests need no cryptography; `crates/cli/tests/codes.rs` has real devices.

mod common;

use common::{Answer, Client, Device, Office};
use telcon_proto::{
    Blob, ClientMessage as C, CodeRunId, Role, ServerMessage as S,
    limits::{MAX_CODE_MESSAGE_BYTES, MAX_CODE_RUNS_AT_ONCE, MAX_CODE_TEXT_BYTES},
    message::RefusalCode,
    short_code::{CodeAnswer, CodeConfirm, CodeOver, CodeSlot, CodeStart, CodeStarted, CodeStep, SealedText},
};

async fn officer(office: &Office) -> (Device, Client) {
    let device = office.person(Role::SecurityOfficer).await;
    let client = Client::sign_in(office.addr(), &device).await;
    (device, client)
}

async fn open(client: &mut Client) -> CodeSlot {
    client.send(&C::OpenCode {}).await;
    client
        .until(|message| match message {
            S::CodeOpened { slot, .. } => Some(slot),
            _ => None,
        })
        .await
}

async fn tried(client: &mut Client) -> (CodeSlot, CodeRunId, CodeStep) {
    client
        .until(|message| match message {
            S::CodeTried { slot, run, step } => Some((slot, run, step)),
            _ => None,
        })
        .await
}

fn start() -> CodeStart {
    CodeStart { message: Blob(vec![1; 33]), key: Blob(vec![2; 1_216]) }
}

fn text() -> SealedText {
    SealedText { confirmation: Blob(vec![5; 32]), enc: Blob(vec![6; 1_120]), sealed: Blob(vec![7; 120]) }
}

async fn post<T: serde::Serialize>(office: &Office, path: &str, body: &T) -> Answer {
    office.post(&format!("/api/v1/codes/{path}"), &serde_json::to_vec(body).unwrap()).await
}

/// The first step of an attempt, answered.
async fn exchanged(office: &Office, client: &mut Client, slot: CodeSlot) -> CodeRunId {
    let (path, start) = (slot.to_string(), start());
    let (answer, ()) = tokio::join!(post(office, &path, &start), async {
        let (slot, run, step) = tried(client).await;
        assert_eq!(step, CodeStep::Start(start.clone()));
        client.send(&C::AnswerCode { slot, run, answer: CodeAnswer::Exchange { message: Blob(vec![3; 33]) } }).await;
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
    let started: CodeStarted = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(started.message, Blob(vec![3; 33]));
    started.run
}

async fn confirmed(office: &Office, client: &mut Client, slot: CodeSlot, answer: CodeAnswer) -> Answer {
    let run = exchanged(office, client, slot).await;
    let (path, confirm) = (format!("{slot}/{run}"), CodeConfirm { confirmation: Blob(vec![4; 32]) });
    let (answered, ()) = tokio::join!(post(office, &path, &confirm), async {
        assert_eq!(tried(client).await, (slot, run, CodeStep::Confirm(confirm.clone())));
        client.send(&C::AnswerCode { slot, run, answer }).await;
    });
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_steps_are_forwarded_to_the_device_that_shows_the_code_and_back() {
    let office = Office::start().await;
    let (_, mut client) = officer(&office).await;
    let slot = open(&mut client).await;
    let answer = confirmed(&office, &mut client, slot, CodeAnswer::Delivered { text: text() }).await;
    assert_eq!(answer.status, 200);
    let expected = serde_json::json!({ "state": "delivered", "text": text() });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.text()).unwrap(), expected);
    let answer = confirmed(&office, &mut client, slot, CodeAnswer::Wrong { left: 2 }).await;
    assert_eq!((answer.status, answer.text().contains(r#""left":2"#)), (200, true), "{}", answer.text());
    for why in [CodeOver::Used, CodeOver::Guessed, CodeOver::Expired, CodeOver::TooMany, CodeOver::Unknown] {
        let answer = confirmed(&office, &mut client, slot, CodeAnswer::Over { why }).await;
        assert_eq!((answer.status, answer.text().contains(why.sentence())), (410, true), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_cannot_be_repeated_guessed_or_joined() {
    let office = Office::start().await;
    let (_, mut client) = officer(&office).await;
    let (slot, other) = (open(&mut client).await, open(&mut client).await);
    let confirm = CodeConfirm { confirmation: Blob(vec![4; 32]) };
    // Before it began, with the name of another one, in another slot.
    let run = exchanged(&office, &mut client, slot).await;
    for path in [format!("{slot}/{}", CodeRunId::from_bytes([9; 16])), format!("{other}/{run}")] {
        assert_eq!(post(&office, &path, &confirm).await.status, 404, "{path}");
    }
    // After it was answered.
    let path = format!("{slot}/{run}");
    let (first, ()) = tokio::join!(post(&office, &path, &confirm), async {
        tried(&mut client).await;
        client.send(&C::AnswerCode { slot, run, answer: CodeAnswer::Wrong { left: 1 } }).await;
    });
    assert_eq!(first.status, 200);
    assert_eq!(post(&office, &path, &confirm).await.status, 404);
    // What does not belong to the step is not passed on.
    let (start, slot_path) = (start(), slot.to_string());
    let (mixed, ()) = tokio::join!(post(&office, &slot_path, &start), async {
        let (slot, run, _) = tried(&mut client).await;
        client.send(&C::AnswerCode { slot, run, answer: CodeAnswer::Delivered { text: text() } }).await;
    });
    assert_eq!(mixed.status, 502, "{}", mixed.text());
}

/// The attacker has a registrar's device of the same office.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_device_neither_answers_nor_closes_a_code() {
    let office = Office::start().await;
    let (_, mut client) = officer(&office).await;
    let (_, mut attacker) = officer(&office).await;
    let slot = open(&mut client).await;
    let (path, start) = (slot.to_string(), start());
    let (answer, ()) = tokio::join!(post(&office, &path, &start), async {
        let (slot, run, _) = tried(&mut client).await;
        attacker.send(&C::CloseCode { slot }).await;
        attacker.send(&C::AnswerCode { slot, run, answer: CodeAnswer::Exchange { message: Blob(vec![66; 33]) } }).await;
        // Both were processed when the answer to a later message is there.
        open(&mut attacker).await;
        client.send(&C::AnswerCode { slot, run, answer: CodeAnswer::Exchange { message: Blob(vec![3; 33]) } }).await;
    });
    assert_eq!(serde_json::from_str::<CodeStarted>(&answer.text()).unwrap().message, Blob(vec![3; 33]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_ends_with_the_connection_of_its_device_and_who_waits_is_told() {
    let office = Office::start().await;
    let (device, mut client) = officer(&office).await;
    let (slot, closed) = (open(&mut client).await, open(&mut client).await);
    client.send(&C::CloseCode { slot: closed }).await;
    let run = exchanged(&office, &mut client, slot).await;
    let answer = post(&office, &closed.to_string(), &start()).await;
    assert_eq!((answer.status, answer.text().contains(CodeOver::Closed.sentence())), (410, true), "{}", answer.text());
    // It signs in again while an attempt waits for it: its codes are gone.
    let (path, start_again) = (slot.to_string(), start());
    let (waiting, again) = tokio::join!(post(&office, &path, &start_again), async {
        tried(&mut client).await;
        Client::sign_in(office.addr(), &device).await
    });
    assert_eq!(waiting.status, 410, "{}", waiting.text());
    let confirm = CodeConfirm { confirmation: Blob(vec![4; 32]) };
    for answer in [post(&office, &path, &start()).await, post(&office, &format!("{slot}/{run}"), &confirm).await] {
        assert_eq!(answer.status, 410, "{}", answer.text());
        assert!(answer.text().contains("not connected"), "{}", answer.text());
    }
    drop(again);
    let unknown = (0..).filter_map(CodeSlot::new).find(|one| *one != slot && *one != closed).unwrap();
    assert_eq!(post(&office, &unknown.to_string(), &start()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_over_the_limits_are_refused_and_not_forwarded() {
    let office = Office::start().await;
    let (_, mut client) = officer(&office).await;
    let slot = open(&mut client).await;
    let long = || Blob(vec![0; MAX_CODE_MESSAGE_BYTES + 1]);
    let path = slot.to_string();
    for body in [CodeStart { message: long(), ..start() }, CodeStart { key: long(), ..start() }] {
        assert_eq!(post(&office, &path, &body).await.status, 422);
    }
    let confirm = CodeConfirm { confirmation: long() };
    let run = exchanged(&office, &mut client, slot).await;
    assert_eq!(post(&office, &format!("{slot}/{run}"), &confirm).await.status, 422);
    for path in ["1", "00000", "abcd", "-001", "0000/1"] {
        assert_eq!(post(&office, path, &start()).await.status, 400, "{path}");
    }
    // What the device answers is limited too: a hostile one sends nothing endless to who typed its code.
    let mut endless = text();
    endless.sealed = Blob(vec![0; MAX_CODE_TEXT_BYTES]);
    let answer = confirmed(&office, &mut client, slot, CodeAnswer::Delivered { text: endless }).await;
    assert_eq!(answer.status, 502);
}

/// Somebody floods a code with attempts: those at once give way to newer ones, and then all are refused for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_attempts_is_refused_and_codes_of_others_are_not_listed_by_it() {
    let office = Office::start().await;
    let (_, mut client) = officer(&office).await;
    let slot = open(&mut client).await;
    let (path, body) = (slot.to_string(), start());
    let at_once = MAX_CODE_RUNS_AT_ONCE + 1;
    let attempts = futures_util::future::join_all((0..at_once).map(|_| post(&office, &path, &body)));
    let (answers, ()) = tokio::join!(attempts, async {
        for _ in 0..at_once {
            let (slot, run, _) = tried(&mut client).await;
            client.send(&C::AnswerCode { slot, run, answer: CodeAnswer::Over { why: CodeOver::Unknown } }).await;
        }
    });
    assert!(answers.iter().all(|answer| answer.status == 410));
    // As a proxy on this machine tells it.
    let from = async |address: &str, slot: CodeSlot| {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        let path = format!("/api/v1/codes/{slot}");
        office.http("POST", &path, &headers, &serde_json::to_vec(&start()).unwrap()).await.status
    };
    let other = |number| CodeSlot::new((slot.number() + 1 + number) % 10_000).unwrap();
    let mut statuses = Vec::new();
    for number in 0..40 {
        statuses.push(from("192.0.2.1", other(number)).await);
    }
    assert_eq!(
        (statuses[0], statuses.iter().filter(|status| **status == 429).count() > 20),
        (404, true),
        "{statuses:?}"
    );
    // A slot that is in use and one that is not are refused alike; another address has its own attempts.
    assert_eq!(from("192.0.2.1", slot).await, 429);
    assert_eq!(from("192.0.2.2", other(1)).await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_cannot_take_all_slots() {
    let office = Office::start().await;
    let (_, mut client) = officer(&office).await;
    let mut opened = 0;
    let refused = loop {
        client.send(&C::OpenCode {}).await;
        let answer = client.until(|message| match message {
            S::CodeOpened { .. } => Some(None),
            S::Refused { code, .. } => Some(Some(code)),
            _ => None,
        });
        match answer.await {
            Some(code) => break code,
            None => opened += 1,
        }
    };
    assert_eq!(refused, RefusalCode::TooMany);
    assert!((2..20).contains(&opened), "{opened}");
}
