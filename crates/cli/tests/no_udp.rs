//! A network that lets no UDP through, as some hotels and some guests' rooms have: the call goes by TCP.

use std::process::Command;

/// Everything from here on is in a network of its own, in which every UDP packet is refused.
const WITHOUT_UDP: &str = "ip link set lo up && ip rule add pref 10 lookup local && ip rule del pref 0 \
                           && ip rule add pref 1 ipproto udp prohibit && exec \"$@\"";

fn without_udp(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", WITHOUT_UDP, "sh", program]);
    command
}

#[test]
fn a_call_where_no_udp_passes_is_heard_and_recorded() {
    if !without_udp("true").status().is_ok_and(|status| status.success()) {
        println!("NOT RUN: no network of its own can be made here (unshare, user namespaces, iproute2)");
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
