//! TLS as in production: a proxy with a certificate in front of the server.

mod office;

use office::{Office, ok, telcon, until};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{fs, path::PathBuf, process::Command, sync::Arc};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Starts a proxy in front of the office's server; returns its address and its certificate's file.
async fn proxy(office: &Office) -> (String, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = office.path("ca.pem");
    fs::write(&certificate, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (acceptor, server) = (TlsAcceptor::from(Arc::new(config)), office.port);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut near = acceptor.accept(stream).await?;
                let mut far = TcpStream::connect(("127.0.0.1", server)).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    (format!("https://localhost:{port}"), certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_connect_over_tls_only_with_a_trusted_certificate() {
    let office = Office::new();
    let (url, certificate) = proxy(&office).await;
    let enrol = |name: &str, role: &str, trusts: bool| {
        let link = office.invite(name, role).replace(&office.url(), &url);
        let mut enrol = telcon();
        enrol.args(["enrol", "--device"]).arg(office.path(&format!("{name}.json"))).arg(link);
        if trusts {
            enrol.env("SSL_CERT_FILE", &certificate);
        }
        enrol
    };
    let refused: Command = {
        let mut enrol = enrol("Nobody", "principal", false);
        let output = tokio::task::block_in_place(|| enrol.output().unwrap());
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("no answer from https://"), "{output:?}");
        assert!(!office.path("Nobody.json").exists());
        enrol
    };
    drop(refused);
    tokio::task::block_in_place(|| {
        for (name, role) in [("A", "principal"), ("B", "principal")] {
            ok(&mut enrol(name, role, true));
        }
    });
    // B answers from a separate process over TLS; A runs here.
    let mut answers = telcon();
    answers.args(["call", "--answer", "--server", &url, "--device"]).arg(office.path("B.json"));
    let mut b = office::Running::start(answers.env("SSL_CERT_FILE", &certificate));
    b.wait_for_line("waiting for a ring");
    let a = office.endpoint(&office.path("A.json"), false, Box::new(telcon_client::endpoint::NullSink));
    office::rings(&a).await;
    until(&a, "the call", |view| office::state(view) == Some(telcon_core::view::CallState::Live)).await;
    a.command(telcon_core::UserCommand::HangUp);
    assert!(b.ended());
}
