//! Call setup latency: from ring to ringing, and from answer to the first decrypted frame. Over loopback, and with 100 ms of
//! round-trip time added in user space between devices and server.
//!
//! Media legs are set up while it rings, as in practice; the measurement starts with the answer. Medians of [`ROUNDS`] calls
//! on an otherwise idle machine.

#[path = "../tests/office/mod.rs"]
mod office;

use office::{Office, rings, state, until};
use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use telcon_client::endpoint::NullSink;
use telcon_core::{UserCommand, view::CallState};

/// Calls per row: within the burst of rings that one person is allowed (`CALLER_RATE`).
const ROUNDS: usize = 11;
/// Time from ring to answer, in which media legs are set up.
const ANSWER_DELAY: Duration = Duration::from_millis(1_500);

fn main() {
    // `cargo test --benches` runs this without measuring.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{:<10} {:>9} {:>24} {:>24}", "suite", "added RTT", "ring → ringing (ms)", "answer → audio (ms)");
    for suite in ["hybrid", "cnsa2"] {
        for round_trip in [0, 100] {
            let (ringing, audio) = runtime.block_on(measure(suite, Duration::from_millis(round_trip) / 2));
            println!("{suite:<10} {round_trip:>6} ms {ringing:>24} {audio:>24}");
        }
    }
}

async fn measure(suite: &str, one_way: Duration) -> (String, String) {
    let mut office = Office::of(suite);
    let mut url = office.url();
    if !one_way.is_zero() {
        // Devices reach the server with added latency.
        office.kill_server();
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let near = delayed_udp_proxy(relay, one_way);
        office.media = vec!["--media".into(), relay.to_string(), "--media-addr".into(), near.to_string()];
        office.serve();
        url = format!("http://{}", delayed_tcp_proxy(office.port, one_way));
    }
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let a = office.endpoint_at(&url, &a, false, Box::new(NullSink));
    let b = office.endpoint_at(&url, &b, false, Box::new(NullSink));
    until(&b, "B to sign in", |view| view.token.is_some()).await;
    let (mut ringing, mut audio) = (Vec::new(), Vec::new());
    let (mut last_ringing, mut last_audio) = (None, None);
    for _ in 0..ROUNDS {
        rings(&a).await;
        until(&b, "the ring", |view| state(view) == Some(CallState::Ringing)).await;
        tokio::time::sleep(ANSWER_DELAY).await;
        let before = b.stats().frames_received();
        b.command(UserCommand::Answer { call: None });
        b.until_received(before + 5).await.unwrap();
        ringing.extend(of_this_call(&mut last_ringing, a.stats().ring_to_ringing_ms));
        audio.extend(of_this_call(&mut last_audio, b.stats().answer_to_audio_ms));
        a.command(UserCommand::HangUp);
        for endpoint in [&a, &b] {
            until(endpoint, "the end", |view| state(view) == Some(CallState::Ended)).await;
            endpoint.command(UserCommand::Dismiss);
        }
    }
    (median_and_range(ringing), median_and_range(audio))
}

/// The time if it was measured in this call: an endpoint keeps that of the last call in which it was. Two calls do not take
/// the same time to the nanosecond.
fn of_this_call(last: &mut Option<f64>, now: Option<f64>) -> Option<f64> {
    let measured = now.filter(|_| now != *last);
    *last = now;
    measured
}

/// Median, and the smallest and largest.
///
/// # Panics
/// If one of the calls was not measured.
fn median_and_range(mut times: Vec<f64>) -> String {
    assert_eq!(times.len(), ROUNDS, "each call is measured once");
    times.sort_by(f64::total_cmp);
    format!("{:.0} ({:.0}–{:.0})", times[ROUNDS / 2], times[0], times[ROUNDS - 1])
}

/// Delivers each item after `delay`, in order, until `deliver` returns `false`.
fn delay_line<T: Send + 'static>(
    delay: Duration,
    mut deliver: impl FnMut(T) -> bool + Send + 'static,
) -> mpsc::Sender<T> {
    let (delayed_tx, delayed_rx) = mpsc::channel::<(Instant, T)>();
    let (sender, queue) = mpsc::channel::<T>();
    thread::spawn(move || queue.into_iter().all(|item| delayed_tx.send((Instant::now() + delay, item)).is_ok()));
    thread::spawn(move || {
        delayed_rx.into_iter().all(|(due, item)| {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            deliver(item)
        })
    });
    sender
}

/// A port that forwards connections to the server with `delay` in each direction.
fn delayed_tcp_proxy(server: u16, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                to.set_nodelay(true).unwrap();
                let delayed = delay_line(delay, move |bytes: Vec<u8>| {
                    if bytes.is_empty() {
                        let _ = to.shutdown(Shutdown::Write);
                    }
                    to.write_all(&bytes).is_ok()
                });
                thread::spawn(move || {
                    let mut buffer = vec![0; 64 * 1024];
                    loop {
                        let read = from.read(&mut buffer).unwrap_or(0);
                        if delayed.send(buffer[..read].to_vec()).is_err() || read == 0 {
                            return;
                        }
                    }
                });
            }
        }
    });
    near
}

/// An address that forwards datagrams to and from the relay with `delay` in each direction.
fn delayed_udp_proxy(relay: SocketAddr, delay: Duration) -> SocketAddr {
    let near = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = near.local_addr().unwrap();
    thread::spawn(move || {
        let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
        let mut buffer = [0; 2048];
        while let Ok((read, client)) = near.recv_from(&mut buffer) {
            let to_server = clients.entry(client).or_insert_with(|| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let (back, answers) = (near.try_clone().unwrap(), socket.try_clone().unwrap());
                let to_client = delay_line(delay, move |bytes: Vec<u8>| back.send_to(&bytes, client).is_ok());
                thread::spawn(move || {
                    let mut buffer = [0; 2048];
                    while let Ok(read) = answers.recv(&mut buffer) {
                        if to_client.send(buffer[..read].to_vec()).is_err() {
                            return;
                        }
                    }
                });
                delay_line(delay, move |bytes: Vec<u8>| socket.send_to(&bytes, relay).is_ok())
            });
            let _ = to_server.send(buffer[..read].to_vec());
        }
    });
    address
}
