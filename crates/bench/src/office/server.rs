//! The server under test: `telcon serve` on a temporary office.

use super::{
    enrol::HttpConnection,
    protocol::{LOG_ENTRIES_METRIC, METRICS_PATH, OFFICE_PATH},
};
use crate::{
    process::{self, Memory},
    testbed::{ServerProcess, Testbed},
};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Time limit of a start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Poll interval during a start.
const START_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// See the module.
pub(super) struct Server<'a> {
    testbed: &'a Testbed,
    program: PathBuf,
    data: PathBuf,
    pub(super) address: SocketAddr,
    /// Address of the metrics.
    admin: SocketAddr,
    process: Option<ServerProcess>,
}

impl<'a> Server<'a> {
    /// Starts `program serve` with the office in `data`.
    ///
    /// # Errors
    /// When it does not start; the error contains its log.
    pub(super) async fn start(testbed: &'a Testbed, program: &Path, data: &Path) -> Result<Self> {
        // The port must be the same after a restart, so it is chosen here.
        let free = [TcpListener::bind((testbed.server, 0))?, TcpListener::bind((testbed.server, 0))?];
        let (address, admin) = (free[0].local_addr()?, free[1].local_addr()?);
        drop(free);
        let (program, data) = (program.to_owned(), data.to_owned());
        let mut server = Self { testbed, program, data, address, admin, process: None };
        server.spawn().await?;
        Ok(server)
    }

    /// Starts the process. Returns the time until it answers requests.
    ///
    /// # Errors
    /// When it does not start; the error contains its log.
    pub(super) async fn spawn(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let mut command = self.testbed.command(&self.program);
        command.arg("serve").arg("--data").arg(&self.data).args(["--listen", &self.address.to_string()]);
        command.args(["--admin-listen", &self.admin.to_string()]);
        let log = self.data.with_extension("log");
        let file = File::options().append(true).create(true).open(&log)?;
        self.process = Some(ServerProcess::start(self.testbed, command, Some(file))?);
        while began.elapsed() < START_TIMEOUT {
            let ended = self.process.as_mut().is_some_and(|process| !matches!(process.child().try_wait(), Ok(None)));
            if ended {
                break;
            }
            if get(self.address, OFFICE_PATH).await.is_ok() {
                return Ok(began.elapsed());
            }
            sleep(START_POLL_INTERVAL).await;
        }
        bail!("the server did not start. Its log:\n{}", fs::read_to_string(log).unwrap_or_default())
    }

    /// Kills the process without warning (SIGKILL).
    pub(super) fn crash(&mut self) {
        self.process = None;
    }

    fn pid(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("invariant: the server runs")?.pid())
    }

    /// CPU time since its start, nanoseconds. Its blocking threads come and go, so the whole process is counted.
    pub(super) fn cpu(&self) -> Result<u64> {
        process::total_cpu_nanoseconds(self.pid()?)
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        process::memory(self.pid()?)
    }

    /// CPU time of all processes except the server and the generator, by process.
    pub(super) fn cpu_of_others(&self) -> Result<std::collections::HashMap<u32, u64>> {
        Ok(process::cpu_of_others(&[self.pid()?, std::process::id()]))
    }

    /// Number of entries of the log.
    pub(super) async fn log_entries(&self) -> Result<u64> {
        let page = get(self.admin, METRICS_PATH).await?;
        let line = page.lines().find_map(|line| line.strip_prefix(LOG_ENTRIES_METRIC)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).context("the server's metrics have no number of log entries")
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let (status, body) = HttpConnection::open(address).await?.request("GET", path, &[]).await?;
    anyhow::ensure!(status == 200, "{path}: {status}");
    Ok(String::from_utf8(body)?)
}
