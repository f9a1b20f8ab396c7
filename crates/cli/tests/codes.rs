//! Short codes with a real server, a security officer's real device, and devices that type codes: honest ones, and attackers.

mod office;
#[path = "office/registrar.rs"]
mod registrar;

use office::{Office, telcon, text, until};
use registrar::{invitation, invite, officer};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Output, Stdio},
};
use telcon_client::{
    endpoint::Endpoint,
    error::ClientError,
    http::{get_json, post_json},
};
use telcon_core::{UserCommand, page::EnteredCode, view::CodeView};
use telcon_proto::{
    AlertKind, InvitationId,
    http::OfficeInfo,
    short_code::{CodeConfirm, CodeConfirmed, CodeOver, CodeStarted, SealedText},
};

/// An invitation, and the code that the officer's device shows for it.
async fn shown(officer: &Endpoint, name: &str) -> (InvitationId, String) {
    let view = invite(officer, name).await;
    let id = view.invitations.iter().find(|one| one.card.name == name).unwrap().invitation;
    officer.command(UserCommand::ShowCode { invitation: id });
    (id, code(officer, "the code", |code| code.code.is_some()).await.code.unwrap())
}

async fn code(officer: &Endpoint, what: &str, so: impl Fn(&CodeView) -> bool) -> CodeView {
    until(officer, what, |view| view.code.as_ref().is_some_and(&so)).await.code.unwrap()
}

fn wrong(code: &str) -> String {
    let last = if code.ends_with('7') { '8' } else { '7' };
    format!("{}{last}", &code[..code.len() - 1])
}

/// One attempt over HTTP, as a device makes it. Blocking.
struct Attempt {
    entered: EnteredCode,
    url: String,
    run: CodeStarted,
}

impl Attempt {
    fn start(server: &str, code: &str) -> Result<Self, ClientError> {
        let office: OfficeInfo = get_json(&format!("{server}/api/v1/office"), None)?;
        let seed = fresh_seed(code);
        let (entered, slot, start) = EnteredCode::start(code, &office, seed).unwrap();
        let url = format!("{server}/api/v1/codes/{slot}");
        let run = post_json(&url, None, &serde_json::to_vec(&start).unwrap())?;
        Ok(Self { entered, url, run })
    }

    fn confirm(&mut self) -> Result<CodeConfirmed, ClientError> {
        let confirm: CodeConfirm = self.entered.answer(&self.run).unwrap();
        post_json(&format!("{}/{}", self.url, self.run.run), None, &serde_json::to_vec(&confirm).unwrap())
    }
}

/// Another one for each attempt.
fn fresh_seed(code: &str) -> [u8; 32] {
    use std::sync::atomic::{AtomicU8, Ordering};
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    std::array::from_fn(|at| code.as_bytes().get(at).copied().unwrap_or(n))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn attempt(office: &Office, code: &str) -> (EnteredCode, Result<CodeConfirmed, ClientError>) {
    let (server, code) = (office.url(), code.to_owned());
    blocking(move || {
        let mut attempt = Attempt::start(&server, &code).unwrap();
        let confirmed = attempt.confirm();
        (attempt.entered, confirmed)
    })
    .await
}

fn refused<T>(result: Result<T, ClientError>) -> (u16, String) {
    match result {
        Err(ClientError::Refused { status, message }) => (status, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

fn sealed(confirmed: Result<CodeConfirmed, ClientError>) -> SealedText {
    match confirmed {
        Ok(CodeConfirmed::Delivered { text }) => text,
        other => panic!("{other:?}"),
    }
}

fn enrol(office: &Office, device: &str, code: &str) -> std::process::Command {
    let mut enrol = telcon();
    enrol.args(["enrol", "--device"]).arg(office.path(device)).args(["--code", code]).arg(office.url());
    enrol
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_enrolled_by_a_code_that_was_read_out() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let (id, typed) = shown(&officer, "The Minister").await;
    // From standard input, and as people write it.
    let mut child = enrol(&office, "minister.json", "-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), " {} ", typed.replace('-', " ")).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let compared = line.trim().strip_prefix("Code: ").unwrap_or_else(|| panic!("{line}")).to_owned();
    // The code replaces the link, and nothing else: the officer still compares and approves.
    let asked = invitation(&officer, "the request", |open| open.request.is_some()).await;
    assert_eq!(asked.request.unwrap().code.as_ref(), Some(&compared));
    assert_eq!(officer.view().borrow().code.as_ref().and_then(|code| code.over), Some(CodeOver::Used));
    officer.command(UserCommand::ApproveDevice { invitation: id, code: compared });
    assert!(child.wait().unwrap().success());
    assert!(office.path("minister.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_wrong_codes_close_it_and_are_an_alert() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let (id, typed) = shown(&officer, "The Minister").await;
    for left in [2, 1, 0] {
        let said = blocking({
            let mut enrol = enrol(&office, "thief.json", &wrong(&typed));
            move || enrol.output().unwrap()
        });
        let Output { status, stderr, .. } = said.await;
        let (said, expected) = (text(&stderr), if left > 0 { left.to_string() } else { "closed now".into() });
        assert!(!status.success() && said.contains(&expected), "{said}");
    }
    let ended = code(&officer, "the end of the code", |code| code.over.is_some()).await;
    assert_eq!((ended.over, ended.wrong, ended.code), (Some(CodeOver::Guessed), 3, None));
    let view = until(&officer, "the alert", |view| {
        let alerts = view.office_alerts.iter().flat_map(|alerts| &alerts.newest);
        alerts.into_iter().any(|alert| alert.kind == AlertKind::CodeGuessed)
    });
    assert_eq!(view.await.invitations.len(), 1, "the link is still valid");
    // The right one is too late. A new one for the same invitation works.
    let server = office.url();
    let late = typed.clone();
    let (status, said) = refused(blocking(move || Attempt::start(&server, &late)).await);
    assert_eq!((status, said.as_str()), (410, CodeOver::Guessed.sentence()));
    officer.command(UserCommand::ShowCode { invitation: id });
    let again = code(&officer, "a new code", |code| code.code.is_some()).await.code.unwrap();
    assert_ne!(again, typed);
    let (mut entered, confirmed) = attempt(&office, &again).await;
    let link = officer.view().borrow().invitations[0].link.clone();
    assert_eq!(Some(entered.open(&sealed(confirmed)).unwrap()), link);
}

/// Two devices type the same code at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_devices_gets_the_link_and_both_people_learn_of_the_other() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let (_, typed) = shown(&officer, "The Minister").await;
    let server = office.url();
    let [first, second] = blocking(move || {
        let mut both = [&typed, &typed].map(|code| Attempt::start(&server, code).unwrap());
        both.each_mut().map(|attempt| attempt.confirm())
    })
    .await;
    sealed(first);
    let (status, said) = refused(second);
    assert_eq!((status, said.as_str()), (410, CodeOver::Used.sentence()));
    let view = until(&officer, "the warning", |view| view.code.as_ref().is_some_and(|code| code.late)).await;
    assert!(view.alerts.iter().any(|alert| alert.text.contains("typed on another device, too")), "{:?}", view.alerts);
}

/// The attacker knows the slot, as everybody does, and not the code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_the_slot_of_a_used_code_is_counted_and_does_not_alarm_the_officer() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let (_, typed) = shown(&officer, "The Minister").await;
    let (mut entered, confirmed) = attempt(&office, &typed).await;
    entered.open(&sealed(confirmed)).unwrap();
    let (server, other) = (office.url(), wrong(&typed));
    let answer = blocking(move || Attempt::start(&server, &other).unwrap().confirm()).await;
    let (status, said) = refused(answer);
    assert_eq!((status, said.as_str()), (410, CodeOver::Used.sentence()));
    let view = until(&officer, "the count", |view| view.code.as_ref().is_some_and(|code| code.tried == 1)).await;
    assert!(!view.code.as_ref().is_some_and(|code| code.late) && view.alerts.is_empty(), "{:?}", view.alerts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_ends_when_it_is_hidden_replaced_or_its_invitation_is_closed() {
    let office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let (id, first) = shown(&officer, "The Minister").await;
    officer.command(UserCommand::ShowCode { invitation: id });
    let second = code(&officer, "another code", |code| code.code.as_ref().is_some_and(|now| *now != first)).await;
    let second = second.code.unwrap();
    officer.command(UserCommand::HideCode);
    until(&officer, "no code", |view| view.code.is_none()).await;
    officer.command(UserCommand::ShowCode { invitation: id });
    let third = code(&officer, "a third code", |code| code.code.is_some()).await.code.unwrap();
    officer.command(UserCommand::CloseInvitation { invitation: id });
    until(&officer, "no code", |view| view.code.is_none() && view.invitations.is_empty()).await;
    for ended in [first, second, third] {
        let server = office.url();
        let (status, said) = refused(blocking(move || Attempt::start(&server, &ended)).await);
        assert_eq!((status, said.as_str()), (410, CodeOver::Closed.sentence()));
    }
    // Of a closed invitation there is no code.
    officer.command(UserCommand::ShowCode { invitation: id });
    let view = until(&officer, "the refusal", |view| !view.alerts.is_empty()).await;
    assert!(view.alerts[0].text.starts_with("A code can only be shown for an open invitation"), "{:?}", view.alerts);
    assert!(view.code.is_none());
}

/// The server restarts, or the connection is lost: the code is gone, and its person is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_does_not_survive_the_connection() {
    let mut office = Office::new();
    let officer = officer(&office, "Security officer").await;
    let (id, typed) = shown(&officer, "The Minister").await;
    office.kill_server();
    let ended = code(&officer, "the end of the code", |code| code.over.is_some()).await;
    assert_eq!((ended.over, ended.code), (Some(CodeOver::Closed), None));
    office.serve();
    until(&officer, "the sign-in", |view| view.caught_up && !view.invitations.is_empty()).await;
    let server = office.url();
    let gone = typed.clone();
    let (status, _) = refused(blocking(move || Attempt::start(&server, &gone)).await);
    assert_eq!(status, 404, "the server has forgotten it");
    officer.command(UserCommand::ShowCode { invitation: id });
    let again = code(&officer, "a new code", |code| code.code.is_some()).await.code.unwrap();
    let (mut entered, confirmed) = attempt(&office, &again).await;
    assert!(entered.open(&sealed(confirmed)).is_ok());
}

/// What is typed without being a code, or at the wrong address, reaches nobody.
#[test]
fn what_is_no_code_is_refused_before_anything_is_sent() {
    let office = Office::new();
    for (typed, said) in [("1234", "ten digits"), ("1234-567-89x", "digits only"), ("", "ten digits")] {
        let refused = enrol(&office, "new.json", typed).output().unwrap();
        let stderr = text(&refused.stderr);
        assert!(!refused.status.success() && stderr.contains(said), "{stderr}");
    }
    let mut at_a_link = telcon();
    at_a_link.args(["enrol", "--device"]).arg(office.path("new.json")).args([
        "--code",
        "1234-567-890",
        "office.example",
    ]);
    assert!(text(&at_a_link.output().unwrap().stderr).contains("give the office's address"));
    assert!(!office.path("new.json").exists());
}
