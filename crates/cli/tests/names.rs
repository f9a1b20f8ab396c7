//! Invitations of people who look the same, through the commands.

mod office;

use office::{ok, telcon};
use std::process::Output;

fn invite(office: &office::Office, server: &str, name: &str, more: &[&str]) -> Output {
    let mut invite = telcon();
    invite.args(["invite", "--name", name, "--organisation", "Elsewhere", "--role", "counterpart", "--server", server]);
    invite.arg("--data").arg(office.dir.path()).args(more).output().unwrap()
}

#[test]
fn invite_refuses_a_name_that_looks_like_an_enrolled_one_until_the_office_decides() {
    let office = office::Office::new();
    office.enrol("The President", "principal");
    let refused = invite(&office, &office.url(), "Thе Prеsidеnt", &[]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && refused.stdout.is_empty(), "{text}");
    for shown in ["Thе Prеsidеnt", "The President", "Elsewhere", "Office of the President", "--person ", "enrolled"]
    {
        assert!(text.contains(shown), "{shown} is missing: {text}");
    }
    let other = text.split("--same-name-as ").nth(1).unwrap()[..32].to_owned();

    let decided = invite(&office, &office.url(), "Thе Prеsidеnt", &["--same-name-as", &other]);
    let text = String::from_utf8(decided.stderr).unwrap();
    assert!(decided.status.success() && !text.contains("did not answer"), "{text}");
    let link = String::from_utf8(decided.stdout).unwrap();
    ok(telcon().args(["enrol", "--device"]).arg(office.path("twin.json")).arg(link.trim()));
}

#[test]
fn invite_without_its_server_makes_a_link_whose_name_is_compared_when_it_is_opened() {
    let mut office = office::Office::new();
    office.enrol("The President", "principal");
    office.kill_server();
    let offline = invite(&office, &office.url(), "The  Presldent", &[]);
    let text = String::from_utf8(offline.stderr).unwrap();
    assert!(offline.status.success() && text.contains("was not compared"), "{text}");
    let twin = invite(&office, &office.url(), "the President", &[]);
    let link = String::from_utf8(twin.stdout).unwrap();
    let undecided = invite(&office, &office.url(), "the President", &["--same-name-as", &"0".repeat(32)]);
    assert!(!undecided.status.success() && undecided.stdout.is_empty());
    office.serve();
    let refused = telcon().args(["enrol", "--device"]).arg(office.path("twin.json")).arg(link.trim()).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("looks the same as"), "{text}");
}
