//! An office of real processes in a temporary directory, operated as an operator would.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use telcon_client::{
    audio::frame::Frame,
    endpoint::{Endpoint, EndpointConfig, MediaSink, NullSink},
};
use telcon_core::{
    DeviceState,
    view::{CallState, View},
};
use tempfile::TempDir;

/// Longest wait for anything. Generous for machines under load; not a performance assertion.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Answers to `telcon office init` about the office and its first security officer: the default, where there is one. Custodians, the
/// server's address and a passphrase follow.
pub const NEW_OFFICE: [&str; 9] =
    ["office.example", "Office of the President", "", "", "", "", "Ann Berg", "", "Europe/Oslo"];

/// The `telcon` command without arguments.
pub fn telcon() -> Command {
    Command::new(env!("CARGO_BIN_EXE_telcon"))
}

/// A running `telcon`. It is killed when dropped.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    output: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it and collects its standard error.
    pub fn start(command: &mut Command) -> Self {
        Self::start_into(command, Stdio::null())
    }

    /// As [`Running::start`], with this standard output.
    pub fn start_into(command: &mut Command, stdout: Stdio) -> Self {
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().expect("telcon starts");
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (line, lines) = mpsc::channel();
        let output = Arc::new(Mutex::new(String::new()));
        let collected = output.clone();
        std::thread::spawn(move || {
            for text in errors.lines().map_while(Result::ok) {
                *collected.lock().unwrap() += &format!("{text}\n");
                let _ = line.send(text);
            }
        });
        Self { child, lines, output }
    }

    /// Waits for a line of output that contains `text`, and returns it.
    pub fn wait_for_line(&self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(_) => panic!(
                    "timed out waiting for {text:?}; output:
{}",
                    self.output()
                ),
            }
        }
    }

    /// The standard error so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Kills it (SIGKILL), as a power failure would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its exit and the rest of its output; returns whether it succeeded.
    pub fn ended(&mut self) -> bool {
        let success = self.child.wait().unwrap().success();
        // The channel closes when everything is read.
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        success
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An office and its server.
pub struct Office {
    pub dir: TempDir,
    pub port: u16,
    pub server: Option<Running>,
    /// The media arguments of `telcon serve`.
    pub media: Vec<String>,
}

impl Office {
    /// Creates an office with record mode audio, and starts its server.
    pub fn new() -> Self {
        Self::of("hybrid")
    }

    /// As [`Office::new`], with the given cipher suite.
    pub fn of(suite: &str) -> Self {
        Self::with(&["--suite", suite])
    }

    /// As [`Office::new`], with these further arguments of `telcon init`.
    pub fn with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut init = telcon();
        init.args([
            "init",
            "--domain",
            "office.example",
            "--name",
            "Office of the President",
            "--record-mode",
            "audio",
            "--no-passphrase",
        ]);
        ok(init.args(args).arg("--data").arg(dir.path()));
        // A port that was just free, so that a restarted server can use it again.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let media = vec!["--media".into(), "127.0.0.1:0".into()];
        let mut office = Self { dir, port, server: None, media };
        office.serve();
        office
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts or restarts the server.
    pub fn serve(&mut self) {
        let mut serve = telcon();
        serve.arg("serve").arg("--data").arg(self.path("server")).args(&self.media);
        let running = Running::start(
            serve
                .args(["--admin-listen", "127.0.0.1:0", "--listen"])
                .arg(format!("127.0.0.1:{}", self.port))
                .env("TELCON_LOG", "trace"),
        );
        running.wait_for_line("ready at");
        self.server = Some(running);
    }

    pub fn kill_server(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// An enrolment link.
    pub fn invite(&self, name: &str, role: &str) -> String {
        let mut invite = telcon();
        invite.args(["invite", "--name", name, "--organisation", "Office of the President", "--role", role]);
        let output = ok(invite.arg("--data").arg(self.dir.path()).arg("--server").arg(self.url()));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Enrols a device of a new person; returns its file.
    pub fn enrol(&self, name: &str, role: &str) -> PathBuf {
        let path = self.path(&format!("{}.json", name.replace(' ', "-")));
        ok(telcon().args(["enrol", "--device"]).arg(&path).arg(self.invite(name, role)));
        path
    }

    /// A device that runs in this process.
    pub fn endpoint(&self, device: &Path, auto_answer: bool, ear: Box<dyn MediaSink>) -> Endpoint {
        self.endpoint_at(&self.url(), device, auto_answer, ear)
    }

    pub fn endpoint_at(&self, server: &str, device: &Path, auto_answer: bool, ear: Box<dyn MediaSink>) -> Endpoint {
        let state = DeviceState::parse(&std::fs::read_to_string(device).unwrap()).unwrap();
        let config = EndpointConfig { server: server.to_owned(), state, auto_answer, auto_join: false };
        let path = device.to_owned();
        Endpoint::start(config, ear, Box::new(move |text| std::fs::write(&path, text).unwrap())).unwrap()
    }

    /// `telcon note` for this office, to be extended.
    pub fn note(&self, device: &Path) -> Command {
        let mut note = telcon();
        note.arg("note").arg("--device").arg(device).arg("--server").arg(self.url());
        note.arg("--spool").arg(self.path("spool")).arg("--custodians").arg(self.path("custodians.txt"));
        note
    }

    /// Starts a note-taker and waits until it is ready.
    pub fn take_notes(&self, device: &Path) -> Running {
        let notes = Running::start(&mut self.note(device));
        notes.wait_for_line("waits for calls");
        notes
    }

    /// The report of `telcon archive verify --json`, which must be of an intact archive; it may have gaps.
    pub fn verify(&self) -> serde_json::Value {
        let json = self.path("verify.json");
        let mut verify = telcon();
        intact(verify.args(["archive", "verify", "--json"]).arg(&json).arg(self.path("server/archive")));
        serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
    }

    /// Asserts that the only record, of a note-taker without a speech model, lacks a transcript and nothing else.
    pub fn assert_lacks_transcript_only(&self) -> PathBuf {
        let report = self.verify();
        assert_eq!(
            (report["records_good"].as_u64(), report["records_partial"].as_u64()),
            (Some(1), Some(1)),
            "{report}"
        );
        let (printed, out) = self.open_record();
        let missing: Vec<_> = printed.lines().filter(|line| line.starts_with("missing: ")).collect();
        let expected = format!("missing: the note-taker says: {}", telcon_record::NO_TRANSCRIPT);
        assert_eq!(missing, [expected], "{printed}");
        out
    }

    /// The office as its devices pin it.
    pub fn anchor(&self) -> telcon_identity::TrustStore {
        let info = std::fs::read(self.path("server/archive/office.json")).unwrap();
        telcon_identity::Office::pin(&serde_json::from_slice(&info).unwrap(), None).unwrap().into()
    }

    /// Opens the only record; returns the output and the directory.
    pub fn open_record(&self) -> (String, PathBuf) {
        let records: Vec<_> = std::fs::read_dir(self.path("server/archive/records")).unwrap().flatten().collect();
        assert_eq!(records.len(), 1, "one record");
        let out = self.path("opened");
        let mut open = telcon();
        open.args(["archive", "open", "--identity"]).arg(self.path("custodian/identity.txt"));
        let output = intact(open.arg(records[0].path()).arg("--out").arg(&out));
        (String::from_utf8(output.stdout).unwrap(), out)
    }
}

/// Runs a command whose standard input is a pipe with this text.
pub fn fed(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A command that needs no input may have ended, and one that refuses an answer does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command that must succeed.
pub fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    output
}

/// Runs a command on an archive or record that must be intact; something may be missing from it.
pub fn intact(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{command:?} ended with {}: {said}", output.status);
    output
}

/// A call between two people, with a note-taker in it.
pub struct InCall {
    pub office: Office,
    pub a: Endpoint,
    pub b: Endpoint,
    pub note_taker: PathBuf,
    pub notes: Running,
}

/// Starts the call.
pub async fn in_call() -> InCall {
    in_call_with(Box::new(NullSink), Box::new(NullSink)).await
}

/// As [`in_call`], with sinks for the received audio.
pub async fn in_call_with(sink_a: Box<dyn MediaSink>, sink_b: Box<dyn MediaSink>) -> InCall {
    in_call_at(Office::new(), sink_a, sink_b).await
}

/// As [`in_call_with`], in an existing office.
pub async fn in_call_at(office: Office, sink_a: Box<dyn MediaSink>, sink_b: Box<dyn MediaSink>) -> InCall {
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let note_taker = office.enrol("Notes", "note-taker");
    let notes = office.take_notes(&note_taker);
    let (a, b) = (office.endpoint(&a, false, sink_a), office.endpoint(&b, true, sink_b));
    ring(&a, &b).await;
    until(&a, "the note-taker", |view| members(view) == 3).await;
    until(&b, "the note-taker", |view| members(view) == 3).await;
    InCall { office, a, b, note_taker, notes }
}

/// A rings B, whose device answers automatically.
pub async fn ring(a: &Endpoint, b: &Endpoint) {
    until(b, "B to sign in", |view| view.token.is_some()).await;
    rings(a).await;
    for endpoint in [a, b] {
        until(endpoint, "the call", |view| state(view) == Some(CallState::Live)).await;
    }
}

/// A rings B.
pub async fn rings(a: &Endpoint) {
    let reachable = |view: &View| view.people.iter().any(|contact| contact.reachable && contact.card.name == "B");
    let view = until(a, "B to be reachable", |view| view.token.is_some() && reachable(view)).await;
    let person = view.people.iter().find(|contact| contact.card.name == "B").unwrap().card.person;
    a.command(telcon_core::UserCommand::Ring { person, mode: None });
}

pub fn state(view: &View) -> Option<CallState> {
    view.call.as_ref().map(|call| call.state)
}

pub fn members(view: &View) -> usize {
    view.call.as_ref().map_or(0, |call| call.members.len())
}

/// Waits until a device's view satisfies the condition.
pub async fn until(endpoint: &Endpoint, what: &str, so: impl FnMut(&View) -> bool) -> View {
    match tokio::time::timeout(PATIENCE, endpoint.until(so)).await {
        Ok(view) => view.unwrap(),
        Err(_) => panic!("timed out waiting for {what}; last view: {:#?}", *endpoint.view().borrow()),
    }
}

/// Sends this many frames that are not silent.
pub async fn speak(endpoint: &Endpoint, frames: usize) {
    let tone = |n: usize| -> Frame {
        let mut frame = telcon_client::audio::frame::SILENCE;
        for (i, sample) in frame.iter_mut().enumerate() {
            let at = (n * frame_len() + i) as f32 / 48_000.0;
            let pitch = 220.0 * (1.0 + (n % 7) as f32 / 3.0);
            *sample = (10_000.0 * (at * pitch * std::f32::consts::TAU).sin()) as i16;
        }
        frame
    };
    tokio::time::timeout(PATIENCE, endpoint.send_audio((0..frames).map(tone).collect())).await.unwrap().unwrap();
}

fn frame_len() -> usize {
    telcon_client::audio::frame::FRAME_SAMPLES
}

/// Reports that a test, or a part of it, cannot run on this machine. On CI (`CI=true`) this is a failure: all
/// dependencies of tests must be installed there.
pub fn not_run(why: &str) {
    let in_ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(!in_ci, "this test has to run in CI: {why}");
    println!("NOT RUN: {why}");
}
