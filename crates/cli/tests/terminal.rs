//! `telcon call` at a terminal.

mod office;

use office::{Office, Running, ok, telcon};
use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};
use telcon_client::endpoint::{Endpoint, EndpointConfig, NullSink};
use telcon_core::{DeviceState, view::ConnectionState};

fn call(office: &Office, device: &Path) -> std::process::Command {
    let mut call = telcon();
    call.args(["call", "--server"]).arg(office.url()).arg("--device").arg(device);
    call
}

#[test]
fn two_terminals_call_each_other_by_name() {
    let office = Office::new();
    let (a, b) = (office.enrol("The President", "principal"), office.enrol("Élise Ørsted", "principal"));
    let mut answers = Running::start(call(&office, &b).arg("--answer"));
    answers.wait_for_line("waiting for a ring");
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav");
    let output = ok(call(&office, &a).args(["--to", " élise ØRSTED", "--say"]).arg(speech));
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains("in a call with Élise Ørsted, Office of the President"), "{printed}");
    assert!(answers.ended(), "{}", answers.output());
    assert!(answers.output().contains("heard The President: "), "{}", answers.output());

    // No server listens there.
    let mut nowhere = telcon();
    nowhere.args(["call", "--answer", "--wait", "1", "--server", "http://127.0.0.1:1", "--device"]).arg(&b);
    let output = nowhere.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && printed.contains("no connection to http://127.0.0.1:1 within 1 s"),
        "{printed}"
    );

    // Nobody rings.
    let output = call(&office, &b).args(["--answer", "--wait", "1"]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && printed.contains("nobody rang within 1 s"), "{printed}");
}

#[test]
fn link_validity_can_be_given_in_minutes() {
    let office = Office::new();
    let invite = |minutes: &str| {
        let mut invite = telcon();
        invite.args(["invite", "--name", "A", "--organisation", "Office of the President", "--role", "principal"]);
        invite.arg("--data").arg(office.dir.path()).arg("--server").arg(office.url());
        invite.args(["--minutes", minutes]).output().unwrap()
    };
    assert_eq!(invite("0").status.code(), Some(2), "a link that never works is no link");
    let output = invite("5");
    assert!(String::from_utf8_lossy(&output.stderr).contains("for 5 minutes"), "{output:?}");
    let link = String::from_utf8(output.stdout).unwrap();
    ok(telcon().args(["enrol", "--device"]).arg(office.path("A.json")).arg(link.trim()));
}

fn signal(process: &Running, signal: &str) {
    ok(std::process::Command::new("kill").args([signal, &process.id().to_string()]));
}

#[test]
fn sigterm_hangs_up_and_a_silent_office_does_not_end_the_call() {
    let office = Office::new();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let mut answers = Running::start(call(&office, &b).arg("--answer"));
    answers.wait_for_line("waiting for a ring");
    let mut rings = Running::start(call(&office, &a).args(["--to", "B"]));
    rings.wait_for_line("in this call: ");
    answers.wait_for_line("in this call: ");
    // The server is stalled: no member is reported as gone, and the call does not end.
    let server = office.server.as_ref().unwrap();
    signal(server, "-STOP");
    rings.wait_for_line("the office's server is not reachable");
    answers.wait_for_line("the office's server is not reachable");
    signal(server, "-CONT");
    rings.wait_for_line("the office's server is reachable again");
    answers.wait_for_line("the office's server is reachable again");
    signal(&rings, "-TERM");
    assert!(rings.ended(), "{}", rings.output());
    assert!(rings.output().contains("heard B: ") && rings.output().contains("hung up"), "{}", rings.output());
    assert!(answers.ended(), "{}", answers.output());

    // Without a call there is nothing to hang up.
    let mut waits = Running::start(call(&office, &b).arg("--answer"));
    waits.wait_for_line("waiting for a ring");
    signal(&waits, "-TERM");
    assert!(!waits.ended() && waits.output().contains("before there was a call"), "{}", waits.output());
}

#[test]
fn server_refusal_is_shown() {
    let (office, other) = (Office::new(), Office::new());
    let device = office.enrol("A", "principal");
    let output = call(&other, &device).args(["--answer", "--wait", "2"]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && printed.contains("refused to sign this device in: "), "{printed}");
    assert!(!printed.contains("is the server running?"), "{printed}");
    assert!(printed.matches("refused to sign this device in").count() == 1, "each reason is printed once: {printed}");
}

#[test]
fn an_address_without_an_office_is_not_tried_for_ever() {
    let office = Office::new();
    let device = office.enrol("A", "principal");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut connection = connection;
            let mut request = [0; 4096];
            let _ = connection.read(&mut request);
            let _ = connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let mut command = telcon();
    command.args(["call", "--device"]).arg(&device).args(["--server", &url, "--answer"]);
    let mut waits = Running::start(&mut command);
    assert!(!waits.ended(), "{}", waits.output());
    assert!(waits.output().contains("HTTP 404") || waits.output().contains("404"), "{}", waits.output());
    assert!(waits.output().contains("check --server http://127.0.0.1:"), "{}", waits.output());
}

#[test]
fn closed_output_pipe_does_not_end_the_call() {
    let office = Office::new();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let mut answers = Running::start(call(&office, &b).arg("--answer"));
    answers.wait_for_line("waiting for a ring");
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav");
    let mut rings = call(&office, &a);
    let mut rings =
        rings.args(["--to", "B", "--say"]).arg(speech).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(rings.stderr.take());
    assert!(rings.wait().unwrap().success());
    assert!(answers.ended(), "{}", answers.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_revoked_device_are_erased_before_it_is_reported() {
    let office = Office::new();
    let device = office.enrol("A", "principal");
    let state = DeviceState::parse(&std::fs::read_to_string(&device).unwrap()).unwrap();
    let id = telcon_core::Device::open(&state, telcon_client::endpoint::now_ms()).unwrap().me().device();
    let config = EndpointConfig { server: office.url(), state, auto_answer: false, auto_join: false };
    let (seen, told) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(None)));
    let (look, say) = (seen.clone(), told.clone());
    let erase = move |text: &str| {
        let view: Option<&tokio::sync::watch::Receiver<telcon_core::view::View>> = look.get();
        if let Some(view) = view.filter(|_| text.is_empty()) {
            say.lock().unwrap().get_or_insert(view.borrow().phase == ConnectionState::Revoked);
        }
    };
    let endpoint = Endpoint::start(config, Box::new(NullSink), Box::new(erase)).unwrap();
    seen.set(endpoint.view()).unwrap();
    endpoint.until(|view| view.token.is_some()).await.unwrap();
    let (id, url) = (id.to_hex(), office.url());
    ok(telcon().args(["revoke", "--erase", "--device", &id, "--server", &url, "--data"]).arg(office.dir.path()));
    endpoint.until(|view| view.phase == ConnectionState::Revoked).await.unwrap();
    assert_eq!(*told.lock().unwrap(), Some(false), "erased, and before anybody was told that it is");
}
