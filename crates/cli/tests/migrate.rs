//! Migration of an office to PostgreSQL and S3: crashes in between, repetition, and operation at the new locations.

mod office;
#[path = "../../server/tests/peers/mod.rs"]
mod peers;

use office::{Office, Running, ok, telcon};
use peers::{MotoServer, PostgresServer};
use std::{path::Path, process::Command};

const RECORD: &str = "records/e5684fda5d6e72a066e67411efcca0f1-ba6f277427e53879927b904ad08042dd";

/// An office of the previous version, with a record: real data to migrate.
fn old_office(dir: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/fixtures/office-0.1.0.tar.gz");
    ok(Command::new("tar").arg("-xzf").arg(fixture).arg("-C").arg(dir));
}

struct Target {
    postgres: PostgresServer,
    moto: MotoServer,
}

impl Target {
    fn new() -> Self {
        let this = Self { postgres: PostgresServer::start(), moto: MotoServer::start() };
        this.moto.reset("sealed");
        this
    }

    /// Adds the arguments and environment that name the target.
    fn to(&self, mut command: Command) -> Command {
        command.arg("--store").arg(self.postgres.url("postgres")).args(["--objects", "s3://sealed/office"]);
        command.envs(self.moto.environment());
        command
    }

    fn migrate(&self, data: &Path) -> Command {
        let mut migrate = telcon();
        migrate.arg("migrate").arg("--from-data").arg(data);
        self.to(migrate)
    }
}

/// All files below a directory, with their contents.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push((path.strip_prefix(dir).unwrap().display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_migration_killed_at_any_step_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    old_office(dir.path());
    let (data, target) = (dir.path().join("server"), Target::new());
    let sealed = contents(&data.join("archive"));
    // Each text is printed when the preceding step is complete.
    let steps = [
        "copied 0 of",
        "copied 13 of",
        "compared 13 of",
        "table devices",
        "table calls",
        "table marks",
        "copied the database",
    ];
    for step in steps {
        let mut running = Running::start(&mut target.migrate(&data));
        running.wait_for_line(step);
        running.kill();
        if data.join("stores.json").exists() {
            // The migration recorded the new places before the signal arrived: a server would start there.
            break;
        }
        let refused = target.to(serve(&data)).output().unwrap();
        assert!(!refused.status.success(), "a server does not start with an incomplete target");
    }
    let output = ok(&mut target.migrate(&data));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("sealed files: 13") || text.contains("nothing was copied"), "{text}");
    assert_eq!(contents(&data.join("archive")), sealed, "the source is unchanged");
    assert!(data.join("telcon.db").exists());
    let text = String::from_utf8(ok(&mut target.migrate(&data)).stdout).unwrap();
    assert!(text.contains("nothing was copied"), "{text}");

    // With the old locations the server refuses to start and names the required options.
    let refused = serve(&data).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("--store"), "{text}");

    // The source's records and database are no longer needed.
    std::fs::rename(data.join("archive/records"), dir.path().join("records")).unwrap();
    std::fs::rename(data.join("telcon.db"), dir.path().join("telcon.db")).unwrap();
    let server = Running::start(&mut target.to(serve(&data)));
    let line = server.wait_for_line("ready at");
    let second = target.to(serve(&data)).output().unwrap();
    assert!(!second.status.success(), "one server at a time");
    let running = target.migrate(&data).output().unwrap();
    assert!(String::from_utf8_lossy(&running.stderr).contains("stop it first"));
    let devices =
        ok(telcon().arg("devices").arg("--data").arg(&data).arg("--store").arg(target.postgres.url("postgres")));
    let devices = String::from_utf8(devices.stdout).unwrap();
    assert!(devices.contains("Notes, Office of the President") && devices.contains("revoked"), "{devices}");

    // A new device is enrolled there, and its certificate is in the bucket.
    let url = line.split("http://").nth(1).unwrap().trim().to_owned();
    let mut invite = telcon();
    invite.args(["invite", "--name", "New", "--organisation", "Office of the President", "--role", "principal"]);
    invite.arg("--data").arg(dir.path()).arg("--server").arg(format!("http://{url}"));
    let link = String::from_utf8(ok(&mut invite).stdout).unwrap();
    ok(telcon().args(["enrol", "--device"]).arg(dir.path().join("new.json")).arg(link.trim()));
    drop(server);

    // The bucket's contents and the log together are an archive that verifies.
    let archive = dir.path().join("auditor");
    std::fs::create_dir_all(&archive).unwrap();
    ok(Command::new("cp").arg("-r").arg(data.join("archive/log")).arg(data.join("archive/office.json")).arg(&archive));
    for (key, bytes) in target.moto.objects("sealed", "office/") {
        let path = archive.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(std::fs::read_dir(archive.join("devices")).unwrap().count(), 5);
    ok(telcon().args(["archive", "verify"]).arg(&archive));
    assert_eq!(contents(&archive.join(RECORD)), contents(&dir.path().join(RECORD)));
}

fn serve(data: &Path) -> Command {
    let mut serve = telcon();
    serve.arg("serve").arg("--data").arg(data).args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    serve
}

#[test]
fn an_impossible_migration_is_refused_without_changes() {
    let dir = tempfile::tempdir().unwrap();
    old_office(dir.path());
    let (data, target) = (dir.path().join("server"), Target::new());
    let refused = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(telcon().arg("migrate").arg("--from-data").arg(&data)).contains("--objects"));
    assert!(refused(&mut target.migrate(dir.path())).contains("holds no office"));
    // The target contains unrelated objects and rows.
    target.moto.put("sealed", &format!("office/{RECORD}/seal.json"), b"another");
    assert!(refused(&mut target.migrate(&data)).contains("seal.json"));
    target.moto.reset("sealed");
    let mut postgres = postgres::Client::connect(&target.postgres.url("postgres"), postgres::NoTls).unwrap();
    let mut migrate = telcon();
    migrate.arg("migrate").arg("--from-data").arg(&data).arg("--objects").arg("s3://sealed/office");
    ok(migrate.envs(target.moto.environment()));
    // The tables exist and contain another office's call.
    assert!(refused(&mut target.to(serve(&data))).contains("--store"));
    ok(&mut target.migrate(&data));
    std::fs::remove_file(data.join("stores.json")).unwrap();
    assert!(postgres.execute("UPDATE calls SET opened_ms = 1", &[]).unwrap() > 0);
    assert!(refused(&mut target.migrate(&data)).contains("is not empty"));
    let mut server = Running::start(&mut serve(&data));
    server.wait_for_line("ready at");
    server.kill();
}

#[test]
fn an_unused_office_adopts_the_locations_of_its_first_start() {
    let target = Target::new();
    let mut office = Office::new();
    office.kill_server();
    // The log is still empty.
    let data = office.path("server");
    let server = Running::start(&mut target.to(serve(&data)));
    server.wait_for_line("ready at");
    drop(server);
    let refused = serve(&data).output().unwrap();
    assert!(!refused.status.success(), "later starts require the same locations");
}
