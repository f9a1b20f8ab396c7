//! `telcon call` as a person at a terminal meets it.

mod office;

use office::{Office, Running, ok, telcon};
use std::path::Path;

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
    answers.says("waiting for a ring");
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav");
    let output = ok(call(&office, &a).args(["--to", " élise ØRSTED", "--say"]).arg(speech));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("in a call with Élise Ørsted, Office of the President"), "{said}");
    assert!(answers.ended(), "{}", answers.said());
    assert!(answers.said().contains("heard The President: "), "{}", answers.said());

    // Nobody is there.
    let mut nowhere = telcon();
    nowhere.args(["call", "--answer", "--wait", "1", "--server", "http://127.0.0.1:1", "--device"]).arg(&b);
    let output = nowhere.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("no connection to http://127.0.0.1:1 within 1 s"),
        "{said}"
    );

    // Nobody rings.
    let output = call(&office, &b).args(["--answer", "--wait", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("nobody rang within 1 s"), "{said}");
}

#[test]
fn a_link_works_for_minutes_where_an_hour_is_too_long() {
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
