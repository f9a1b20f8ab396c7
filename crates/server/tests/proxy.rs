//! The server behind a reverse proxy: one that passes `Host` on, as `docs/operating.md` asks for, and one that replaces it, as
//! nginx does by default.

mod common;

use common::{Client, Office};
use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use telcon_proto::Role;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A proxy that passes the first request's head through `rewrite` and everything after it on.
async fn proxy(to: SocketAddr, rewrite: fn(&str, SocketAddr) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let mut server = TcpStream::connect(to).await.unwrap();
                server.write_all(rewrite(&String::from_utf8(head).unwrap(), to).as_bytes()).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// As in the documents: `Host` as it came, and the client's address.
fn forwards_host(head: &str, _: SocketAddr) -> String {
    head.replacen("\r\n", "\r\nX-Forwarded-For: 203.0.113.9\r\n", 1)
}

/// nginx without `proxy_set_header Host`.
fn replaces_host(head: &str, to: SocketAddr) -> String {
    let lines = head.split("\r\n").map(|line| match line.split_once(':') {
        Some((name, _)) if name.eq_ignore_ascii_case("host") => format!("Host: {to}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_works_through_a_proxy_that_passes_the_host_on_and_the_log_explains_one_that_does_not() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;

    let good = proxy(office.addr(), forwards_host).await;
    let mut client = Client::raw(good, Some(&format!("http://{good}"))).await.unwrap();
    client.prove(&device, common::DOMAIN).await;
    assert!(matches!(client.next().await, Some(telcon_proto::ServerMessage::SignedIn { .. })));

    let bad = proxy(office.addr(), replaces_host).await;
    for origin in [format!("http://{bad}"), "https://evil.example".to_owned(), "null".to_owned()] {
        assert_eq!(Client::raw(bad, Some(&origin)).await.err(), Some(403));
    }
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("its origin is not this server's")).collect();
    let [line] = lines[..] else { panic!("one line in ten seconds: {text}") };
    assert!(line.contains(&format!("http://{bad}")) && line.contains(&office.addr().to_string()), "{line}");
    assert!(line.contains("proxy_set_header Host $host") && line.contains("https://office.example"), "{line}");
}
