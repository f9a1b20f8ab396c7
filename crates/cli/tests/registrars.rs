//! A security officer who invites and approves, with the commands and a real server.

mod office;
#[path = "office/registrar.rs"]
mod registrar;

use office::{Office, ok, telcon, text, until};
use registrar::{ask, invitation, invite, officer};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
};
use telcon_client::endpoint::NullSink;
use telcon_core::UserCommand;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_security_officer_invites_compares_the_code_and_approves() {
    let mut office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let view = invite(&officer, "The Minister").await;
    let invited = view.invitations.iter().find(|invitation| invitation.card.name == "The Minister").unwrap();
    let (id, link) = (invited.invitation, invited.link.clone().unwrap());
    let device = office.path("minister.json");
    let mut asking = ask(&office, &link, &device);
    let asked = invitation(&officer, "the request", |open| open.request.is_some()).await;
    let request = asked.request.unwrap();
    assert_eq!((request.code.as_deref(), request.problem), (Some(&*asking.code), None));

    // A waiting program that is killed goes on with the same request, also after the server did.
    asking.child.kill().unwrap();
    asking.child.wait().unwrap();
    office.kill_server();
    // As if it had been killed between a log entry and the archive.
    let issuers = office.path("server/archive/issuers");
    let names =
        || std::fs::read_dir(&issuers).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let archived = names();
    std::fs::remove_dir_all(&issuers).unwrap();
    office.serve();
    let server = office.server.as_ref().unwrap();
    let stored = "missing certificates were stored in the archive";
    if !server.output().contains(stored) {
        server.wait_for_line(stored);
    }
    assert_eq!(names(), archived);
    let code = asking.code;
    let mut asking = ask(&office, &link, &device);
    assert_eq!(asking.code, code);
    // The link is used up.
    let mut thief = telcon();
    thief.args(["enrol", "--device"]).arg(office.path("thief.json")).arg(format!("{}/#enrol={link}", office.url()));
    let refused = thief.output().unwrap();
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("used already, by another device"), "{said}");
    invitation(&officer, "the second attempt", |open| open.refused_requests == 1).await;

    // Only the request whose code was compared is approved.
    officer.command(UserCommand::ApproveDevice { invitation: id, code: "000 000 000 000".into() });
    let view = until(&officer, "the refusal", |view| !view.alerts.is_empty()).await;
    assert_eq!(view.alerts[0].text, "The device was not approved: its code is not the one that you compared.");
    assert_eq!(view.invitations.len(), 1);
    officer.command(UserCommand::ApproveDevice { invitation: id, code: code.clone() });
    until(&officer, "the end of the invitation", |view| view.invitations.is_empty()).await;
    assert!(asking.child.wait().unwrap().success());
    let minister = office.endpoint(&device, false, Box::new(NullSink));
    let view = until(&minister, "the sign-in", |view| view.token.is_some()).await;
    assert_eq!(view.you.unwrap().card.name, "The Minister");

    // The person finds in the log who approved the device, without asking the server.
    let mut watch = telcon();
    watch.args(["log", "watch", "--once", "--json", "--office", &office.url(), "--device"]).arg(&device);
    let lines = text(&ok(&mut watch).stdout);
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [enrolled, closed] = &events[..] else { panic!("{lines}") };
    assert_eq!((&enrolled["event"], &enrolled["registrars"]), (&"device_enrolled".into(), &1.into()), "{lines}");
    assert_eq!((&closed["event"], &closed["how"]), (&"invitation_closed".into(), &"approved".into()), "{lines}");
    let registrar = officer.view().borrow().you.as_ref().unwrap().device.to_hex();
    assert_eq!((&closed["by"], &closed["invitation"]), (&registrar.into(), &id.to_hex().into()), "{lines}");
    office.kill_server();
    assert_eq!(office.verify()["devices"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_device_is_told_and_keeps_nothing() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let view = invite(&officer, "The Minister").await;
    let (id, link) = (view.invitations[0].invitation, view.invitations[0].link.clone().unwrap());
    let device = office.path("minister.json");
    let mut asking = ask(&office, &link, &device);
    invitation(&officer, "the request", |open| open.request.is_some()).await;
    officer.command(UserCommand::CloseInvitation { invitation: id });
    assert!(!asking.child.wait().unwrap().success());
    assert!(!device.exists() && !office.path("minister.json.enrolling").exists());
}

/// What a proxy or a server that restarts answers says nothing about the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_kept_when_the_outcome_of_an_enrolment_is_unknown() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let view = invite(&officer, "The Minister").await;
    let asking = view.invitations[0].link.clone().unwrap();
    let by_authority = office.invite("The Secretary", "principal");
    let (_, enrolling) = by_authority.split_once("/#enrol=").unwrap();
    let described =
        telcon_client::http::get_json::<serde_json::Value>(&format!("{}/api/v1/office", office.url()), None);
    let overloaded = overloaded(described.unwrap().to_string());
    for (name, fragment) in [("asking", &*asking), ("enrolling", enrolling)] {
        let device = office.path(name);
        let enrol = |server: &str| {
            let mut enrol = telcon();
            enrol.args(["enrol", "--device"]).arg(&device).arg(format!("{server}/#enrol={fragment}"));
            enrol
        };
        let refused = enrol(&overloaded).output().unwrap();
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains("503"), "{said}");
        assert!(office.path(&format!("{name}.enrolling")).exists(), "{said}");
    }
    // Another link does not continue with the keys of this one.
    let view = invite(&officer, "The Governor").await;
    let other = view.invitations.iter().find(|open| open.card.name == "The Governor").unwrap().link.clone().unwrap();
    let mut enrol = telcon();
    enrol.args(["enrol", "--device"]).arg(office.path("asking")).arg(format!("{}/#enrol={other}", office.url()));
    let refused = enrol.output().unwrap();
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("of another enrolment"), "{said}");
    // The same link does.
    let mut asking = ask(&office, &asking, &office.path("asking"));
    invitation(&officer, "the request", |open| open.request.is_some()).await;
    asking.child.kill().unwrap();
    asking.child.wait().unwrap();
}

/// Address of a server that describes an office and answers everything else with 503, until the test ends.
fn overloaded(office: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = BufReader::new(connection.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while request.read_line(&mut head).unwrap() > 2 {
                let line = head.lines().last().unwrap().to_ascii_lowercase();
                length = line.strip_prefix("content-length: ").map_or(length, |bytes| bytes.parse().unwrap());
            }
            std::io::copy(&mut request.take(length), &mut std::io::sink()).unwrap();
            let (status, body) =
                if head.starts_with("GET") { ("200 OK", &*office) } else { ("503 Service Unavailable", "busy") };
            let length = body.len();
            write!(connection, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
                .unwrap();
        }
    });
    format!("http://{address}")
}
