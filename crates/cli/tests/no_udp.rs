//! Restricted networks: without UDP the call uses ICE-TCP; where only TLS passes, it uses the office's TURN server.

mod office;

use office::{Office, Running, ok, telcon};
use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Runs the program in a network namespace that rejects UDP.
const WITHOUT_UDP: &str = "ip link set lo up && ip rule add pref 10 lookup local && ip rule del pref 0 \
                           && ip rule add pref 1 ipproto udp prohibit && exec \"$@\"";

fn without_udp(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", WITHOUT_UDP, "sh", program]);
    command
}

#[test]
fn call_without_udp_is_audible_and_recorded() {
    if !without_udp("true").status().is_ok_and(|status| status.success()) {
        office::not_run("no network namespace can be created here (unshare, user namespaces, iproute2)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("report.json");
    let output = without_udp(env!("CARGO_BIN_EXE_telcon"))
        .args(["demo", "--once", "--json"])
        .arg(&json)
        .arg("--data")
        .arg(dir.path().join("office"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    for (listener, speaker) in [("a", "b"), ("b", "a")] {
        let heard = &report["heard"][listener][speaker];
        let (packets, lost) = (heard["packets"].as_u64().unwrap(), heard["lost"].as_u64().unwrap());
        assert!(packets > 0 && lost * 100 <= packets, "{listener} of {speaker}: {heard}");
    }
}

/// A network namespace in which a device (127.0.0.1) has no UDP and no TCP to the relay (127.0.0.3), while the TURN server
/// (127.0.0.2) reaches the relay.
const ONLY_TLS: &str = "ip link set lo up && ip rule add pref 10 lookup local && ip rule del pref 0 \
                        && ip rule add pref 1 from 127.0.0.1 ipproto udp prohibit \
                        && ip rule add pref 2 to 127.0.0.3 ipproto tcp prohibit && exec \"$@\"";
/// Set when this test runs inside that namespace.
const INSIDE: &str = "TELCON_TEST_ONLY_TLS";

#[test]
fn call_where_only_tls_passes_uses_turn() {
    if std::env::var_os(INSIDE).is_some() {
        return call_by_turn();
    }
    let own_network = without_udp("true").status().is_ok_and(|status| status.success());
    let coturn = Command::new("turnserver").arg("--version").output().is_ok();
    if !own_network || !coturn {
        office::not_run("this needs coturn, and a network namespace (unshare, user namespaces, iproute2)");
        return;
    }
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--net", "sh", "-c", ONLY_TLS, "sh"]);
    inside.arg(std::env::current_exe().unwrap()).args(["--exact", "--nocapture"]);
    let output = inside.arg("call_where_only_tls_passes_uses_turn").env(INSIDE, "1").output();
    let output = output.unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", printed(&output.stdout), printed(&output.stderr));
}

/// Stops the TURN server when dropped.
struct Coturn(Child);

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn coturn(office: &Office, port: u16, secret: &str) -> Coturn {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(office.path("turn.crt"), made.cert.pem()).unwrap();
    std::fs::write(office.path("turn.key"), made.signing_key.serialize_pem()).unwrap();
    let mut command = Command::new("turnserver");
    command.args(["-n", "--no-udp", "--no-dtls", "--no-cli", "--no-multicast-peers", "--allow-loopback-peers"]);
    command.args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.2", "--realm", "office.example"]);
    command.args(["--tls-listening-port", &port.to_string(), "--use-auth-secret", "--static-auth-secret", secret]);
    command.arg("--cert").arg(office.path("turn.crt")).arg("--pkey").arg(office.path("turn.key"));
    command.arg("--log-file").arg(office.path("turn.log")).arg("--simple-log");
    command.arg("--pidfile").arg(office.path("turn.pid")).arg("--userdb").arg(office.path("turn.db"));
    let mut coturn = Coturn(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(coturn.0.try_wait().unwrap().is_none(), "{:?}", std::fs::read_to_string(office.path("turn.log")));
        std::thread::yield_now();
    }
    coturn
}

fn call_by_turn() {
    let mut office = Office::new();
    let free = |ip: &str| TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap();
    let (secret, port, relay) = ("shared by both", free("127.0.0.1").port(), free("127.0.0.3"));
    std::fs::write(office.path("turn.secret"), secret).unwrap();
    let _coturn = coturn(&office, port, secret);
    office.kill_server();
    let turn = ["--turn".to_owned(), format!("turns:localhost:{port}?transport=tcp"), "--turn-secret".to_owned()];
    office.media = ["--media".to_owned(), relay.to_string()].into_iter().chain(turn).collect();
    office.media.push(office.path("turn.secret").to_string_lossy().into_owned());
    office.serve();
    // Without the namespace the test would prove nothing.
    let sent = UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"?", relay);
    assert!(sent.is_err() && TcpStream::connect(relay).is_err(), "a device reaches the relay by nothing but TLS");

    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let call = |device: &Path| {
        let mut call = telcon();
        call.args(["call", "--server"]).arg(office.url()).arg("--device").arg(device);
        call.env("SSL_CERT_FILE", office.path("turn.crt"));
        call
    };
    let mut answers = Running::start(call(&b).arg("--answer"));
    answers.wait_for_line("waiting for a ring");
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav");
    ok(call(&a).args(["--to", "B", "--say"]).arg(speech));
    assert!(answers.ended(), "{}", answers.output());
    let printed = answers.output();
    let heard = printed.lines().find_map(|line| line.strip_prefix("heard A: ")).unwrap_or_else(|| panic!("{printed}"));
    let frames: u64 = heard.split(' ').next().unwrap().parse().unwrap();
    assert!(frames > 50, "{printed}");
}
