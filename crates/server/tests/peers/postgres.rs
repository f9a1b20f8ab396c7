//! A PostgreSQL server on a Unix socket.

use super::{end, wait_until_ready};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// The server, with an empty database.
pub struct PostgresServer {
    child: Child,
    user: Option<(u32, u32)>,
    dir: TempDir,
}

impl PostgresServer {
    /// Starts one.
    ///
    /// # Panics
    /// If there is none on this machine: a test that cannot run fails.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("telcon-pg").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        // PostgreSQL refuses to run as root.
        let user = (fs::metadata(dir.path()).unwrap().uid() == 0).then(nobody);
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let mut initdb = as_user("initdb", user, dir.path());
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=telcon",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-D",
            "data",
        ]);
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let child = run(dir.path(), user);
        Self { child, user, dir }
    }

    /// The connection URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://telcon@{}/{database}", self.dir.path().to_str().unwrap().replace('/', "%2F"))
    }

    /// Creates an empty database and returns its URL.
    pub fn create_database(&self, name: &str) -> String {
        let mut client = ::postgres::Client::connect(&self.url("postgres"), ::postgres::NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.url(name)
    }

    /// Kills its processes, as a power failure does, and restarts it: it recovers from its write-ahead log.
    pub fn crash(&mut self) {
        end(&mut self.child, "-QUIT");
        self.child = run(self.dir.path(), self.user);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        end(&mut self.child, "-QUIT");
    }
}

fn run(dir: &Path, user: Option<(u32, u32)>) -> Child {
    let mut server = as_user("postgres", user, dir);
    server.args(["-D", "data", "-k"]).arg(dir);
    server.args(["-c", "listen_addresses=", "-c", "max_connections=20", "-c", "shared_buffers=16MB"]);
    let mut child = server.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("postgres runs");
    let output = child.stderr.take().expect("a pipe");
    if let Err(output) =
        wait_until_ready(output, |line| line.contains("database system is ready to accept connections"))
    {
        panic!("PostgreSQL did not start: {output}");
    }
    child
}

fn as_user(program: &str, user: Option<(u32, u32)>, dir: &Path) -> Command {
    let mut command = Command::new(find(program));
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir(dir);
    command
}

/// The path of a PostgreSQL program: in `TELCON_POSTGRES_BIN`, or where Debian installs it.
fn find(program: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("TELCON_POSTGRES_BIN") {
        return Path::new(&dir).join(program);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(program)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| {
        panic!(
            "this test needs PostgreSQL's {program}: install it (scripts/setup.sh does), or name its directory in \
             TELCON_POSTGRES_BIN"
        )
    })
}

/// User and group of `nobody`.
fn nobody() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<&str> =
        users.lines().find(|line| line.starts_with("nobody:")).expect("a user nobody").split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
