//! Where generator and contestant meet: on loopback, or at two ends of a cable between two network namespaces, which is
//! where Janus has to be, because it ignores loopback. All contestants of a run are in the same place.

use crate::process;
use anyhow::{Context, Result, ensure};
use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Stdio},
};

/// The two ends: of the block that RFC 2544 keeps for measurements between networks.
const GENERATOR: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 2);

/// What asks the kernel to end a program with the one that starts it (util-linux), and then becomes that program.
const DIE_TOGETHER: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];
/// Namespaces are named by this and the number of the process that made them.
const NAME: &str = "telcon-";

/// Which processor does what.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// The contestant.
    pub relay: usize,
    /// We.
    pub generator: usize,
}

/// See the module.
pub struct Place {
    /// Where devices are.
    pub generator: IpAddr,
    /// Where contestants are.
    pub server: IpAddr,
    /// Which processors are used; `None` where there is one only.
    pub cores: Option<Cores>,
    namespace: Option<Namespace>,
}

impl Place {
    /// On loopback.
    pub fn loopback(cores: Option<Cores>) -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { generator: here, server: here, cores, namespace: None }
    }

    /// In a namespace of its own, which is taken down when this is dropped.
    ///
    /// # Errors
    /// Without root, or without the command `ip`.
    pub fn cable(cores: Option<Cores>) -> Result<Self> {
        let namespace = Namespace::new()?;
        Ok(Self { generator: GENERATOR.into(), server: SERVER.into(), cores, namespace: Some(namespace) })
    }

    /// Whether this is a namespace.
    pub fn is_cable(&self) -> bool {
        self.namespace.is_some()
    }

    /// The name of the contestants' network interface.
    pub fn interface(&self) -> &str {
        self.namespace.as_ref().map_or("lo", |namespace| &namespace.inner)
    }

    /// A command that runs where contestants run, and ends with the thread that starts it, however that ends.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(if self.is_cable() { "ip" } else { DIE_TOGETHER[0] });
        if let Some(namespace) = &self.namespace {
            command.args(["netns", "exec", &namespace.name, DIE_TOGETHER[0]]);
        }
        command.args(&DIE_TOGETHER[1..]).arg(program);
        command
    }
}

struct Namespace {
    name: String,
    inner: String,
}

impl Namespace {
    fn new() -> Result<Self> {
        remove_orphans();
        let number = std::process::id();
        let (name, outer, inner) = (format!("{NAME}{number}"), format!("tco{number}"), format!("tci{number}"));
        // From here on it is taken down again, whatever fails.
        let namespace = Self { name: name.clone(), inner: inner.clone() };
        ip(&["netns", "add", &name]).context("Janus needs a network namespace, and that needs root")?;
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

/// The cable goes with it. Where there is none, nothing was made.
fn remove(namespace: &str) {
    let mut delete = Command::new("ip");
    delete.args(["netns", "del", namespace]).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = delete.status();
}

/// Removes what runs left behind that were killed, and so could not.
fn remove_orphans() {
    let Ok(output) = Command::new("ip").args(["netns", "list"]).output() else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(orphan).for_each(remove);
}

/// The name in a line of the list of namespaces, if whoever made it is gone.
fn orphan(line: &str) -> Option<&str> {
    let name = line.split_whitespace().next()?;
    let number: u32 = name.strip_prefix(NAME)?.parse().ok()?;
    (!Path::new(&format!("/proc/{number}")).exists()).then_some(name)
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output =
        Command::new("ip").args(arguments).output().context("the command `ip` (package iproute2) is missing")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(())
}

/// One processor for the contestant and another for us, where there are two.
///
/// # Errors
/// When the kernel does not say how many there are.
pub fn two_cores() -> Result<Option<Cores>> {
    Ok((process::cores()? >= 2).then_some(Cores { relay: 0, generator: 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_runs_that_are_gone_are_orphans() {
        let own = format!("{NAME}{}", std::process::id());
        assert_eq!(orphan(&own), None, "we are still here");
        assert_eq!(orphan("telcon-4294967295 (id: 3)"), Some("telcon-4294967295"));
        for other in ["", "office", "telcon-", "telcon-x", "telcon-4294967295x", "mytelcon-4294967295"] {
            assert_eq!(orphan(other), None, "{other:?}");
        }
    }
}
