//! The first office: `telcon office init`, with a real server and the first security officer's device.

#[path = "office/foreign.rs"]
mod foreign;
#[path = "office/kill.rs"]
mod kill;
mod office;

use office::{NEW_OFFICE, Office, fed, ok, telcon, text};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use telcon_record::CustodianIdentity;

const PASSPHRASE: &str = "correct horse battery staple";

fn identity(n: u8) -> CustodianIdentity {
    CustodianIdentity::from_seed(&[n; 32])
}

/// `telcon office init` with these answers on standard input.
fn init(dir: &Path, arguments: &[&str], answers: &[&str]) -> Output {
    let mut command = telcon();
    command.args(["office", "init"]).arg(dir).args(arguments);
    fed(&mut command, &(answers.join("\n") + "\n"))
}

/// All files below a directory, with their content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    found
}

/// An office directory whose server does not run yet.
fn empty_office() -> Office {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Office {
        dir: tempfile::tempdir().unwrap(),
        port,
        server: None,
        media: vec!["--media".into(), "127.0.0.1:0".into()],
    }
}

/// Gives a command the passphrase on standard input.
fn with_passphrase(command: &mut Command) -> Output {
    fed(command, &format!("{PASSPHRASE}\n"))
}

#[test]
fn the_first_officer_of_a_new_office_enrols_and_is_appointed() {
    let mut office = empty_office();
    let recipients = [identity(1).recipient().to_string(), identity(2).recipient().to_string()];
    let second = office.path("second.txt");
    fs::write(&second, format!("{}\n", recipients[1])).unwrap();
    let data = office.path("office");
    let (second, server) = (second.display().to_string(), office.url());
    let answers = [
        "office.example",
        "Office of the President",
        "hybrid",
        "memo",
        "no",
        "lines",
        "Ann Berg",
        "",
        "Europe/Oslo",
        &recipients[0],
        &second,
        "",
        &server,
        PASSPHRASE,
    ];
    let output = init(&data, &[], &answers);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (said, asked) = (text(&output.stdout), text(&output.stderr));
    assert!(!said.contains(PASSPHRASE) && !asked.contains(PASSPHRASE));
    let link = said.lines().find(|line| line.contains("/#enrol=")).unwrap();
    assert_eq!(foreign::qr("terminal", said.as_bytes()), link, "the code in the terminal is the link");

    // No secret is on the machine but the authority's, and that one is encrypted.
    assert_eq!(fs::read_to_string(data.join("custodians.txt")).unwrap(), recipients.join("\n") + "\n");
    assert!(!data.join("custodian").exists());
    let seed = foreign::age("open", PASSPHRASE, &fs::read(data.join("authority/seed")).unwrap());
    for (path, content) in files(&data) {
        let holds = |secret: &[u8]| content.windows(secret.len()).any(|window| window == secret);
        assert!(!holds(&seed) && !holds(b"AGE-SECRET-KEY"), "{}", path.display());
    }
    assert!(text(&fs::read(data.join("authority/seed")).unwrap()).starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));

    // What the last lines say to do next.
    fs::rename(data.join("server"), office.path("server")).unwrap();
    office.serve();
    let device = office.path("officer.json");
    ok(telcon().args(["enrol", "--device"]).arg(&device).arg(link));
    let request = office.path("appointment-request.txt");
    fs::write(&request, ok(telcon().args(["request-appointment", "--device"]).arg(&device)).stdout).unwrap();
    let mut appoint = telcon();
    appoint.args(["appoint", "--server", &server, "--data"]).arg(&data).arg(&request);
    let appointed = with_passphrase(&mut appoint);
    assert!(text(&appointed.stdout).contains("of Ann Berg, Office of the President may now enrol"), "{appointed:?}");

    let again = init(&data, &[], &answers);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr)
            .contains("already contains an office, or a part of one (custodians.txt); nothing was changed"),
        "before anything is asked"
    );
}

#[test]
fn flags_answer_everything_and_what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (recipient, passphrase) = (identity(1).recipient().to_string(), dir.path().join("passphrase"));
    fs::write(&passphrase, PASSPHRASE).unwrap();
    let passphrase = passphrase.display().to_string();
    let all = [
        ["--domain", "office.example"],
        ["--name", "Office of the President"],
        ["--officer", "Ann Berg"],
        ["--custodian", &recipient],
    ];
    for missing in 0..all.len() {
        let mut arguments = vec!["--yes", "--passphrase-file", &passphrase];
        arguments.extend(all.iter().enumerate().filter(|(n, _)| *n != missing).flat_map(|(_, flag)| flag));
        let data = dir.path().join("refused");
        let output = init(&data, &arguments, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(all[missing][0]), "{}", text(&output.stderr));
        assert!(!data.exists());
    }
    let mut arguments = vec!["--yes", "--suite", "cnsa2", "--record-mode", "audio", "--passphrase-file", &passphrase];
    arguments.extend(all.iter().flatten());
    let output = init(&dir.path().join("office"), &arguments, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("https://office.example/#enrol=") && said.contains("too long for a QR code"), "{said}");
    let fingerprint = text(&fed(&mut Command::new("sha256sum"), &recipient).stdout)[..64].to_owned();
    assert!(said.contains(&format!("Custodian 1  {fingerprint}")), "{said}");
}

#[test]
fn a_custodians_secret_key_is_refused_and_nothing_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("office");
    let secret = identity(1).to_secret_string();
    let file = dir.path().join("identity.txt");
    fs::write(&file, format!("# public key: x\n{}\n", &*secret)).unwrap();
    let encrypted = dir.path().join("identity.age");
    let mut new = telcon();
    assert!(with_passphrase(new.args(["custodian", "new"]).arg(&encrypted)).status.success());
    let (file, encrypted) = (file.display().to_string(), encrypted.display().to_string());
    let lower = secret.to_lowercase();
    for (pasted, words) in [
        (secret.as_str(), "this is a secret key"),
        (lower.as_str(), "this is a secret key"),
        (file.as_str(), "this is a secret key"),
        (encrypted.as_str(), "encrypted file, perhaps the secret key itself"),
    ] {
        let answers = ["office.example", "Office", "", "", "", "", "Ann", "", "", pasted, "", "", PASSPHRASE];
        for output in [
            init(&data, &[], &answers),
            init(
                &data,
                &["--yes", "--domain", "x.example", "--name", "X", "--officer", "A", "--custodian", pasted],
                &[],
            ),
        ] {
            let said = text(&output.stderr) + &text(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(words) && said.contains("telcon custodian new FILE"), "{said}");
            assert!(!said.to_lowercase().contains(&lower[20..40]), "the secret is not repeated: {said}");
        }
    }
    assert!(!data.exists());
}

#[test]
fn an_invitation_is_shown_and_printed_as_a_code() {
    let office = Office::new();
    let page = office.path("invitation.pdf");
    let invite = |suffix: &[&str]| {
        let mut invite = telcon();
        invite.args(["invite", "--name", "Åsa Ødegård", "--organisation", "Office", "--role", "principal"]);
        invite.arg("--data").arg(office.dir.path()).arg("--server").arg(office.url()).args(suffix).output().unwrap()
    };
    let printed = page.display().to_string();
    let output = invite(&["--qr", "--print", &printed]);
    assert!(output.status.success(), "{output:?}");
    let link = text(&output.stdout).trim().to_owned();
    assert_eq!(foreign::qr("terminal", &output.stderr), link);
    assert_eq!(foreign::qr("pdf", &fs::read(&page).unwrap()), link);
    let again = invite(&["--print", &printed]);
    assert!(again.status.code() == Some(1) && text(&again.stderr).contains("already exists"), "{again:?}");
    assert!(again.stdout.is_empty(), "no link was made");
}

#[test]
fn a_link_that_no_code_holds_is_refused_before_it_is_made() {
    let office = Office::of("cnsa2");
    let mut invite = telcon();
    invite.args(["invite", "--qr", "--name", "Ann", "--organisation", "Office", "--role", "principal", "--data"]);
    let output = invite.arg(office.dir.path()).arg("--server").arg(office.url()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("links of a cnsa2 office do not fit") && output.stdout.is_empty(),
        "{output:?}"
    );
}

#[test]
fn a_kill_while_an_office_is_created_leaves_no_part_or_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("office");
    let recipient = identity(1).recipient().to_string();
    let answers = [&NEW_OFFICE[..], &[recipient.as_str(), "", ""]].concat();
    let input = answers.join("\n") + "\n";
    let command = || {
        let mut command = telcon();
        command.args(["office", "init", "--no-passphrase"]).arg(&data);
        command
    };
    let mut kills = 0;
    while kill::killed_after(kills + 1, dir.path(), &mut command(), &input) {
        kills += 1;
        let again = init(&data, &["--no-passphrase"], &answers);
        let said = text(&again.stderr);
        if !again.status.success() {
            assert!(
                said.contains("it is complete now") || said.contains("already contains an office"),
                "{kills}: {said}"
            );
        }
        // Keys, charter and log are those of one attempt.
        assert!(kill::sizes(&data.join(".new-office")).is_empty(), "{kills}: {said}");
        let digest = fs::read_to_string(data.join("authority/digest.txt")).unwrap();
        let mut verify = telcon();
        verify.args(["archive", "verify", "--authority", digest.trim()]).arg(data.join("server/archive"));
        ok(&mut verify);
        fs::remove_dir_all(&data).unwrap();
    }
    assert!(kills > 10, "only {kills} changes");
}

#[test]
fn a_part_of_an_office_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("office");
    let made =
        |command: &mut Command| command.args(["--domain", "office.example", "--name", "Office"]).output().unwrap();
    let mut first = telcon();
    assert!(made(first.args(["init", "--no-passphrase", "--data"]).arg(&data)).status.success());
    // As the manual says: the keys are elsewhere.
    fs::remove_dir_all(data.join("authority")).unwrap();
    fs::remove_dir_all(data.join("custodian")).unwrap();
    let before = files(&data);
    let mut second = telcon();
    let refused = made(second.args(["init", "--no-passphrase", "--data"]).arg(&data));
    assert!(text(&refused.stderr).contains("a part of one (custodians.txt)"), "{}", text(&refused.stderr));
    assert_eq!(files(&data), before);
}
