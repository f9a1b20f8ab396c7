//! The process log contains no personal data: no person id, no name, no address.

mod common;

use common::{Client, Office};
use std::{
    io::Write,
    sync::{Arc, Mutex},
};
use telcon_proto::{Blob, CallId, ClientMessage as C, RecordMode, Role, ServerMessage as S};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_log_contains_no_personal_data() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let mut office = Office::start().await;
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Principal).await);
    let mut caller = Client::sign_in(office.addr(), &a).await;
    let mut callee = Client::sign_in(office.addr(), &b).await;
    let call = CallId::from_bytes([0xca; 16]);
    caller.send(&office.ring(&a, b.person(), call, RecordMode::Memo)).await;
    callee.until(|m| matches!(m, S::Ringing { .. }).then_some(())).await;
    callee.send(&C::Answer { call, key_package: Blob(b"whispered".to_vec()) }).await;
    callee.send(&C::Offer { call, sdp: "c=IN IP4 203.0.113.9".into() }).await;
    caller.until(|m| matches!(m, S::JoinAsked { .. }).then_some(())).await;
    caller.send(&C::HangUp { call, failed: true }).await;
    callee.until(|m| matches!(m, S::Ended { .. }).then_some(())).await;
    office.post("/api/v1/devices", b"nonsense").await;
    let port = office.addr().port().to_string();
    office.stop().await;

    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("server started"), "the log was captured: {text}");
    let persons = [a.person().to_hex(), b.person().to_hex()];
    let words = ["Secretperson", "Secretorganisation", "127.0.0.1", "203.0.113.9", "whispered", &port, &caller.token];
    for word in words.into_iter().chain(persons.iter().map(String::as_str)) {
        assert!(!text.contains(word), "{word} in: {text}");
    }
}
