//! Standalone relays: calls are placed on them, and survive their failure.

mod office;

use office::{InCall, Office, PATIENCE, Running, in_call_at, members, speak, state, telcon, until};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Instant,
};
use telcon_client::endpoint::{Endpoint, NullSink};
use telcon_core::{UserCommand as Do, view::CallState};

/// A registered relay and the address of its metrics.
struct Relay {
    process: Running,
    metrics_address: String,
}

impl Relay {
    fn start(office: &Office) -> Self {
        Self::start_with(office, &[])
    }

    fn start_with(office: &Office, more: &[&str]) -> Self {
        let mut relay = telcon();
        relay.args(["relay", "--media", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--server", &office.url()]);
        relay.args(more);
        let process = Running::start(relay.arg("--token").arg(office.path("server/relay.token")));
        let metrics_address = process.wait_for_line("metrics at");
        let metrics_address = metrics_address.split("http://").nth(1).unwrap().trim_end_matches("/metrics").to_owned();
        process.wait_for_line("registered with");
        Self { process, metrics_address }
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.metrics_address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn legs(&self) -> u64 {
        let metrics = self.ask("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("telcon_relay_legs "));
        line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }
}

/// Waits until both receive further frames.
async fn both_receive_more(call: &InCall) {
    for (from, to) in [(&call.a, &call.b), (&call.b, &call.a)] {
        let before = to.stats().frames_received();
        speak(from, 25).await;
        until_received(to, before + 1).await;
    }
}

async fn until_received(endpoint: &Endpoint, frames: u64) {
    tokio::time::timeout(PATIENCE, endpoint.until_received(frames)).await.expect("no further frames received").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn call_fails_over_when_its_relay_dies_or_drains() {
    let office = Office::new();
    let mut relays = vec![Relay::start(&office), Relay::start(&office)];
    let call = in_call_at(office, Box::new(NullSink), Box::new(NullSink)).await;
    both_receive_more(&call).await;
    let busy = relays.iter().position(|relay| relay.legs() == 3).expect("all legs of the call are on one relay");
    let mut dies = relays.remove(busy);
    assert_eq!(relays[0].legs(), 0);

    let before = [&call.a, &call.b].map(|endpoint| endpoint.stats().frames_received());
    dies.process.kill();
    let killed = Instant::now();
    // Each sends continuously, silence too: later frames came through the other relay.
    until_received(&call.a, before[0] + 50).await;
    until_received(&call.b, before[1] + 50).await;
    println!("after the relay was killed, both were audible again after {:?}", killed.elapsed());
    both_receive_more(&call).await;
    assert_eq!(relays[0].legs(), 3, "the call is on the other");
    assert!(relays[0].ask("/healthz").starts_with("HTTP/1.1 200"));

    let stops = &mut relays[0].process;
    assert!(Command::new("kill").arg("-TERM").arg(stops.id().to_string()).status().unwrap().success());
    assert!(stops.ended(), "{}", stops.output());
    assert!(stops.output().contains("no calls left"), "{}", stops.output());
    both_receive_more(&call).await;
    assert_eq!(members(&call.a.view().borrow()), 3);

    call.a.command(Do::HangUp);
    until(&call.b, "the end", |view| state(view) == Some(CallState::Ended)).await;
    call.notes.wait_for_line("is in the archive");
    call.office.assert_lacks_transcript_only();
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_continues_while_the_server_is_away() {
    let office = Office::new();
    let relay = Relay::start(&office);
    let mut call = in_call_at(office, Box::new(NullSink), Box::new(NullSink)).await;
    both_receive_more(&call).await;
    call.office.kill_server();
    for endpoint in [&call.a, &call.b] {
        until(endpoint, "the loss to be noticed", |view| state(view) == Some(CallState::Reconnecting)).await;
    }
    both_receive_more(&call).await;
    call.office.serve();
    for endpoint in [&call.a, &call.b] {
        until(endpoint, "the call to resume", |view| state(view) == Some(CallState::Live)).await;
    }
    both_receive_more(&call).await;
    assert!(relay.process.output().contains("registered with"));
}

#[test]
fn relay_with_wrong_token_is_rejected() {
    let office = Office::new();
    std::fs::write(office.path("wrong.token"), "0123456789012345678901234567890123456789").unwrap();
    let mut relay = telcon();
    relay.args(["relay", "--media", "127.0.0.1:0", "--server", &office.url(), "--token"]);
    let output = relay.arg(office.path("wrong.token")).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("is the token the one in its directory?"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn call_fails_over_from_unreachable_relay() {
    let office = Office::new();
    // Nothing listens on port 9.
    let lost = Relay::start_with(&office, &["--media-addr", "127.0.0.1:9"]);
    let call = in_call_at(office, Box::new(NullSink), Box::new(NullSink)).await;
    both_receive_more(&call).await;
    assert_eq!(lost.legs(), 0);
    let printed = call.office.server.as_ref().unwrap().output();
    assert!(printed.contains("devices cannot reach a relay") && printed.contains("127.0.0.1:9"), "{printed}");
    assert!(lost.ask("/metrics").contains("telcon_relay_registered 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_relay_keeps_its_calls_until_the_server_returns() {
    let office = Office::new();
    let mut relay = Relay::start(&office);
    let mut call = in_call_at(office, Box::new(NullSink), Box::new(NullSink)).await;
    both_receive_more(&call).await;
    call.office.kill_server();
    relay.process.wait_for_line("lost the connection to the office");
    let answer = relay.ask("/healthz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not registered"), "{answer}");
    assert!(Command::new("kill").arg("-TERM").arg(relay.process.id().to_string()).status().unwrap().success());
    relay.process.wait_for_line("waiting for the server");
    both_receive_more(&call).await;
    assert_eq!(relay.legs(), 3, "it carries the call still");
    call.office.serve();
    assert!(relay.process.ended(), "{}", relay.process.output());
    both_receive_more(&call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_fails_over_from_unreachable_embedded_relay() {
    let mut office = Office::new();
    office.kill_server();
    office.media.extend(["--media-addr".into(), "127.0.0.1:9".into()]);
    office.serve();
    let call = in_call_at(office, Box::new(NullSink), Box::new(NullSink)).await;
    assert_eq!(call.b.stats().frames_received(), 0);
    // The call exists before the relay registers, as after a restart of the server.
    let relay = Relay::start(&call.office);
    both_receive_more(&call).await;
    assert_eq!(relay.legs(), 3);
    assert!(call.office.server.as_ref().unwrap().output().contains("relay=\"embedded\""));
}
