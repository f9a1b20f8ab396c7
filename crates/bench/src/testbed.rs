//! Where load generator and server under test run: on which cores, and connected by loopback or by a veth pair between
//! two network namespaces. Janus ignores loopback and needs the latter; all servers of one run use the same testbed.

use crate::process;
use anyhow::{Context, Result, ensure};
use std::{
    ffi::OsStr,
    fs::{self, File},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Addresses of the veth pair, from the block reserved for benchmarking (RFC 2544).
const GENERATOR: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 2);

/// Runs a program that the kernel ends together with its parent (util-linux).
const WITH_PARENT_DEATH_SIGNAL: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];
/// Prefix of namespace names; the process id of their creator follows.
const NAME: &str = "telcon-";

/// The cores of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// The server under test.
    pub server: usize,
    /// The load generator.
    pub generator: usize,
}

impl Cores {
    /// Two different cores; `None` if only one is available.
    ///
    /// # Errors
    /// When the kernel does not report the available cores.
    pub fn assign() -> Result<Option<Self>> {
        Ok((process::cores()? >= 2).then_some(Self { server: 0, generator: 1 }))
    }
}

/// See the module.
pub struct Testbed {
    /// Address of the load generator.
    pub generator: IpAddr,
    /// Address of the server under test.
    pub server: IpAddr,
    /// The cores; `None` if there is only one.
    pub cores: Option<Cores>,
    namespace: Option<Namespace>,
}

impl Testbed {
    /// On loopback.
    pub fn loopback(cores: Option<Cores>) -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { generator: here, server: here, cores, namespace: None }
    }

    /// With the server in a network namespace of its own, which is removed on drop.
    ///
    /// # Errors
    /// Without root, or without the command `ip`.
    pub fn netns(cores: Option<Cores>) -> Result<Self> {
        let namespace = Namespace::new()?;
        Ok(Self { generator: GENERATOR.into(), server: SERVER.into(), cores, namespace: Some(namespace) })
    }

    /// Whether the server runs in a network namespace.
    pub fn is_netns(&self) -> bool {
        self.namespace.is_some()
    }

    /// The server's network interface.
    pub fn interface(&self) -> &str {
        self.namespace.as_ref().map_or("lo", |namespace| &namespace.inner)
    }

    /// A command that runs in the server's namespace, and is killed when the thread that starts it ends.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(if self.is_netns() { "ip" } else { WITH_PARENT_DEATH_SIGNAL[0] });
        if let Some(namespace) = &self.namespace {
            command.args(["netns", "exec", &namespace.name, WITH_PARENT_DEATH_SIGNAL[0]]);
        }
        command.args(&WITH_PARENT_DEATH_SIGNAL[1..]).arg(program);
        command
    }
}

/// The process of a server under test, killed on drop.
pub struct ServerProcess(Child);

impl ServerProcess {
    /// Starts a [`Testbed::command`] on the server's core. Its output goes to `log`, or is discarded.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(testbed: &Testbed, mut command: Command, log: Option<File>) -> Result<Self> {
        let shown = command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ");
        if let Some(log) = log {
            command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        }
        // A child inherits the affinity of the thread that starts it.
        if let Some(cores) = testbed.cores {
            process::pin(cores.server)?;
        }
        let child =
            command.spawn().with_context(|| format!("cannot start {shown}; scripts/setup.sh bench installs it"));
        if let Some(cores) = testbed.cores {
            process::pin(cores.generator)?;
        }
        Ok(Self(child?))
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The child process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails if it has ended on its own.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A temporary directory for the files of a server under test, removed on drop.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates it.
    ///
    /// # Errors
    /// When the system's temporary directory is not writable.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("telcon-bench-{}-{}", std::process::id(), crate::clock::now()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Anything left is in the system's directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Namespace {
    name: String,
    inner: String,
}

impl Namespace {
    fn new() -> Result<Self> {
        remove_orphans();
        let pid = std::process::id();
        let (name, outer, inner) = (format!("{NAME}{pid}"), format!("tco{pid}"), format!("tci{pid}"));
        // Constructed first, so that a failure below removes what was created.
        let namespace = Self { name: name.clone(), inner: inner.clone() };
        ip(&["netns", "add", &name]).context("a network namespace needs root")?;
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &name])?;
        ip(&["addr", "add", &format!("{GENERATOR}/30"), "dev", &outer])?;
        ip(&["link", "set", &outer, "up"])?;
        ip(&["-n", &name, "addr", "add", &format!("{SERVER}/30"), "dev", &inner])?;
        ip(&["-n", &name, "link", "set", &inner, "up"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes a namespace and its veth pair. Does nothing if it does not exist.
fn remove(namespace: &str) {
    let mut delete = Command::new("ip");
    delete.args(["netns", "del", namespace]).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = delete.status();
}

/// Removes namespaces of earlier runs that were killed before they could.
fn remove_orphans() {
    let Ok(output) = Command::new("ip").args(["netns", "list"]).output() else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(orphaned).for_each(remove);
}

/// The name in a line of `ip netns list`, if its creator no longer runs.
fn orphaned(line: &str) -> Option<&str> {
    let name = line.split_whitespace().next()?;
    let pid: u32 = name.strip_prefix(NAME)?.parse().ok()?;
    (!Path::new(&format!("/proc/{pid}")).exists()).then_some(name)
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output =
        Command::new("ip").args(arguments).output().context("the command `ip` (package iproute2) is missing")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), stderr.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_ended_runs_are_orphaned() {
        let own = format!("{NAME}{}", std::process::id());
        assert_eq!(orphaned(&own), None, "this process still runs");
        assert_eq!(orphaned("telcon-4294967295 (id: 3)"), Some("telcon-4294967295"));
        for other in ["", "office", "telcon-", "telcon-x", "telcon-4294967295x", "mytelcon-4294967295"] {
            assert_eq!(orphaned(other), None, "{other:?}");
        }
    }
}
