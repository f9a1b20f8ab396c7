//! The stages of a run: fleets of growing size, the peak rate, a crash, and growing numbers of live calls.

use super::{
    enrol,
    fleet::Fleet,
    log, protocol,
    report::{DevicePoint, LinePoint, LivePoint, OfficeRun, Restart, RingFigures},
    rings::{self, Pairs, Rings},
    server::Server,
};
use crate::{
    cancellation::Cancellation,
    process,
    testbed::{Cores, TempDir, Testbed},
    times::Times,
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use telcon_identity::Authority;
use telcon_proto::{
    LineId, OfficeName, RecordMode, Role, SuiteName,
    limits::MAX_MESSAGES_PER_SECOND,
    line::{Line, LineState, LineTerms, OverLine, Reach, Rings as RingsBy},
};

/// Time limit for enrolling and connecting a fleet.
const CONNECT_LIMIT: Duration = Duration::from_secs(600);
/// Time limit for all devices to sign in again after a crash.
const RESTART_LIMIT: Duration = Duration::from_secs(120);
/// Idle time before a measurement: presence of the last sign-ins has been delivered.
const SETTLE: Duration = Duration::from_secs(2);
/// Devices beside those in live calls, which ring each other: pairs for one minute at the ring limit per device.
const RINGING_PAIRS: u32 = 100;
/// Lines of one principal.
const LINES_PER_PRINCIPAL: u32 = 1_000;
/// How often lines are signed, and how many by one principal's device each time: below the server's limit per connection.
const SIGNING_INTERVAL: Duration = Duration::from_millis(500);
const SIGNED_AT_ONCE: u32 = MAX_MESSAGES_PER_SECOND * 2 / 5;
/// Time limit for the last lines to be in the log.
const SIGNING_LIMIT: Duration = Duration::from_secs(120);

/// A new office for one server: its directory, authority and domain.
pub struct NewOffice {
    /// The server's data directory.
    pub server: PathBuf,
    /// The authority, which invites the fleet.
    pub authority: Authority,
}

/// Parameters of a run.
pub struct Options<'a> {
    /// Fleet sizes, ascending.
    pub devices: Vec<u32>,
    /// Numbers of live calls, ascending; none to skip.
    pub live: Vec<u32>,
    /// Numbers of lines, ascending, in an office that demands them; none to skip.
    pub lines: Vec<u32>,
    /// Rings per second at every size of the fleet.
    pub rings: f64,
    /// Rings per second with the largest fleet, and with the most lines; 0 to skip.
    pub peak: f64,
    /// Seconds of each ring load.
    pub seconds: f64,
    /// Seconds of each idle measurement.
    pub idle_seconds: f64,
    /// Whether to crash and restart the server with the largest fleet.
    pub restart: bool,
    /// Entries for the measurement of the log alone; 0 to skip.
    pub log_entries: u64,
    /// Creates an office in an empty directory, whose people ring each other as its charter says.
    pub create: &'a dyn Fn(&Path, RingsBy) -> Result<NewOffice>,
    /// The `telcon` program.
    pub program: PathBuf,
    /// Cancels the run.
    pub cancellation: Cancellation,
}

/// Measures. `progress` receives each line of the report when its stage is complete.
///
/// # Errors
/// When the server does not start, a device cannot sign in, or the run is cancelled.
pub fn run(options: &Options<'_>, mut progress: impl FnMut(&str)) -> Result<OfficeRun> {
    ensure!(
        options.devices.is_sorted() && options.live.is_sorted() && options.lines.is_sorted(),
        "sizes must be ascending"
    );
    let mut result = OfficeRun {
        machine: process::machine(),
        pinned: false,
        by_devices: Vec::new(),
        peak: None,
        restart: None,
        by_live_calls: Vec::new(),
        by_lines: Vec::new(),
        lines_peak: None,
        log: None,
    };
    // Before the thread is pinned: verification may use all cores.
    if options.log_entries > 0 {
        let log = log::measure(options.log_entries, &options.cancellation)?;
        progress(&log.line());
        result.log = Some(log);
    }
    let cores = Cores::assign()?;
    if let Some(cores) = cores {
        process::pin(cores.generator)?;
    }
    result.pinned = cores.is_some();
    let testbed = Testbed::loopback(cores);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        if !options.devices.is_empty() {
            by_devices(options, &testbed, &mut result, &mut progress).await?;
        }
        if !options.live.is_empty() {
            by_live_calls(options, &testbed, &mut result, &mut progress).await?;
        }
        if !options.lines.is_empty() {
            by_lines(options, &testbed, &mut result, &mut progress).await?;
        }
        Ok(result)
    })
}

/// One principal per hundred devices, at least ten: few leaders, and many counterparts who may ring them.
fn role(number: usize) -> Role {
    if number < 10 || number.is_multiple_of(100) { Role::Principal } else { Role::Counterpart }
}

/// One stage: an office, its server and its fleet.
struct Stage<'a> {
    options: &'a Options<'a>,
    authority: Authority,
    server: Server<'a>,
    fleet: Fleet,
    roles: Vec<Role>,
    /// By the device of a line's holder: the device of its giver, and the line.
    lines: HashMap<u32, (u32, OverLine)>,
    /// Memory of the server without devices.
    memory_before: u64,
    _files: TempDir,
}

impl<'a> Stage<'a> {
    async fn start(options: &'a Options<'a>, testbed: &'a Testbed, rings: RingsBy) -> Result<Self> {
        let files = TempDir::new()?;
        let NewOffice { server: data, authority } = (options.create)(&files.path().join("office"), rings)?;
        let server = Server::start(testbed, &options.program, &data).await?;
        let fleet = Fleet::new(server.address, authority.domain().as_str(), options.cancellation.clone());
        let memory_before = server.memory()?.proportional;
        Ok(Self {
            options,
            authority,
            server,
            fleet,
            roles: Vec::new(),
            lines: HashMap::new(),
            memory_before,
            _files: files,
        })
    }

    /// Enrols and connects devices of these roles. Returns enrolments and sign-ins per second.
    async fn grow(&mut self, roles: Vec<Role>) -> Result<(f64, f64)> {
        let count = roles.len() as f64;
        let began = Instant::now();
        let devices = enrol::enrol(self.server.address, &self.authority, roles.iter().copied()).await?;
        let enrolled = began.elapsed().as_secs_f64();
        self.roles.extend(roles);
        let began = Instant::now();
        self.fleet.connect(devices, CONNECT_LIMIT).await?;
        let signed_in = began.elapsed().as_secs_f64();
        self.fleet.idle(SETTLE).await?;
        Ok((count / enrolled.max(f64::EPSILON), count / signed_in.max(f64::EPSILON)))
    }

    /// CPU share of the server without rings.
    async fn idle_share(&mut self) -> Result<f64> {
        let (cpu, began) = (self.server.cpu()?, Instant::now());
        self.fleet.idle(Duration::from_secs_f64(self.options.idle_seconds)).await?;
        Ok((self.server.cpu()? - cpu) as f64 / began.elapsed().as_nanos() as f64)
    }

    fn office(&self) -> (OfficeName, SuiteName) {
        (self.authority.domain().clone(), self.authority.suite())
    }

    /// Rings between devices that are not in `engaged`: counterparts ring principals.
    async fn ring(&mut self, engaged: &[u32], per_second: f64, idle_share: f64) -> Result<RingFigures> {
        let free = |role: Role| -> Vec<u32> {
            let numbers = (0..).zip(&self.roles).filter(|(_, of)| **of == role).map(|(number, _)| number);
            numbers.filter(|number| !engaged.contains(number)).collect()
        };
        let pairs = Pairs::new(free(Role::Counterpart), free(Role::Principal), self.fleet.len());
        self.ring_pairs(pairs, per_second, idle_share).await
    }

    async fn ring_pairs(&mut self, mut pairs: Pairs, per_second: f64, idle_share: f64) -> Result<RingFigures> {
        let (office, suite) = self.office();
        let own = std::process::id();
        let (entries, others) = (self.server.log_entries().await?, self.server.cpu_of_others()?);
        let (server, generator, began) = (self.server.cpu()?, process::total_cpu_nanoseconds(own)?, Instant::now());
        let span = Duration::from_secs_f64(self.options.seconds);
        let rings = rings::run(&mut self.fleet, &mut pairs, (&office, suite), per_second, span).await?;
        let nanoseconds = began.elapsed().as_nanos() as f64;
        let server = (self.server.cpu()? - server) as f64;
        let generator = process::total_cpu_nanoseconds(own)?.saturating_sub(generator) as f64;
        let others = process::used_between(&others, &self.server.cpu_of_others()?) as f64;
        let appended = self.server.log_entries().await? - entries;
        let Rings { sent, completed, refused, skipped, latency, lateness } = rings;
        Ok(RingFigures {
            per_second,
            sent,
            completed,
            refused,
            skipped,
            latency: Times::of(&latency),
            lateness: Times::of(&lateness),
            nanoseconds_per_ring: (server - idle_share * nanoseconds).max(0.0) / completed.max(1) as f64,
            server_share: server / nanoseconds,
            generator_share: generator / nanoseconds,
            others_share: others / nanoseconds,
            appends_per_second: appended as f64 / nanoseconds * 1e9,
        })
    }

    /// Gives each counterpart who has none a line of their principal. Returns lines per second.
    async fn give_lines(&mut self) -> Result<f64> {
        let holders = (0..self.fleet.len() as u32).filter(|number| self.roles[*number as usize] == Role::Counterpart);
        let new: Vec<u32> = holders.filter(|holder| !self.lines.contains_key(holder)).collect();
        let entries = self.server.log_entries().await?;
        let began = Instant::now();
        let mut left: HashMap<u32, Vec<u32>> = HashMap::new();
        for holder in &new {
            left.entry(giver(*holder)).or_default().push(*holder);
        }
        while !left.is_empty() {
            let round = Instant::now();
            for (giver, holders) in &mut left {
                for holder in holders.drain(..holders.len().min(SIGNED_AT_ONCE as usize)) {
                    let (message, over) = self.line_between(*giver, holder)?;
                    self.fleet.send(*giver, message);
                    self.lines.insert(holder, (*giver, over));
                }
            }
            left.retain(|_, holders| !holders.is_empty());
            self.fleet.idle(SIGNING_INTERVAL.saturating_sub(round.elapsed())).await?;
        }
        let (wanted, deadline) = (entries + new.len() as u64, Instant::now() + SIGNING_LIMIT);
        while self.server.log_entries().await? < wanted {
            ensure!(
                Instant::now() < deadline,
                "not all of {} lines are in the log: the server refused some",
                new.len()
            );
            self.fleet.idle(Duration::from_millis(100)).await?;
        }
        let per_second = new.len() as f64 / began.elapsed().as_secs_f64().max(f64::EPSILON);
        self.fleet.idle(SETTLE).await?;
        Ok(per_second)
    }

    fn line_between(&self, giver: u32, holder: u32) -> Result<(String, OverLine)> {
        let (principal, holder) = (self.fleet.device(giver), self.fleet.device(holder));
        let mode = RecordMode::LogOnly;
        let purpose = String::new();
        let terms = LineTerms { reach: Reach::Direct, hours: None, until_ms: None, rings_per_day: None, mode, purpose };
        let line = Line {
            office: self.authority.domain().clone(),
            line: LineId::from_bytes(enrol::random()?),
            version: 1,
            previous: None,
            principal: principal.card.clone(),
            holder: holder.card.clone(),
            device: None,
            terms,
            state: LineState::Live,
            at_ms: enrol::now_ms(),
            on_behalf: None,
        };
        Ok(protocol::give_line(&principal.key, &principal.chain, &line))
    }

    /// Crashes the server and waits for all devices to sign in again.
    async fn restart(&mut self) -> Result<Restart> {
        let entries = self.server.log_entries().await?;
        let own = process::total_cpu_nanoseconds(std::process::id())?;
        let began = Instant::now();
        self.server.crash();
        self.fleet.mark_offline();
        let ready = self.server.spawn().await?;
        // An error means that not all came back, which is a result; a cancelled run ends with the next stage.
        let _ = self.fleet.all_online(began + RESTART_LIMIT).await;
        let seconds = began.elapsed().as_secs_f64();
        let generator = process::total_cpu_nanoseconds(std::process::id())?.saturating_sub(own);
        Ok(Restart {
            devices: self.fleet.len() as u32,
            ready_seconds: ready.as_secs_f64(),
            seconds,
            lost_devices: (self.fleet.len() - self.fleet.online()) as u32,
            lost_entries: entries.saturating_sub(self.server.log_entries().await?),
            server_share: self.server.cpu()? as f64 / 1e9 / seconds,
            generator_share: generator as f64 / 1e9 / seconds,
        })
    }
}

async fn by_devices(
    options: &Options<'_>,
    testbed: &Testbed,
    result: &mut OfficeRun,
    progress: &mut impl FnMut(&str),
) -> Result<()> {
    let mut stage = Stage::start(options, testbed, RingsBy::ByRole).await?;
    let mut idle_share = 0.0;
    for &devices in &options.devices {
        let roles = (stage.fleet.len()..devices as usize).map(role).collect();
        let (enrolments_per_second, sign_ins_per_second) = stage.grow(roles).await?;
        let grown = stage.server.memory()?.proportional.saturating_sub(stage.memory_before);
        idle_share = stage.idle_share().await?;
        let rings = stage.ring(&[], options.rings, idle_share).await?;
        let point = DevicePoint {
            devices,
            enrolments_per_second,
            sign_ins_per_second,
            bytes_per_device: grown as f64 / f64::from(devices.max(1)),
            idle_share,
            idle_nanoseconds_per_device_hour: idle_share * 3_600e9 / f64::from(devices.max(1)),
            rings,
        };
        progress(&point.line());
        result.by_devices.push(point);
    }
    if options.peak > 0.0 {
        let peak = stage.ring(&[], options.peak, idle_share).await?;
        progress(&peak.line());
        result.peak = Some(peak);
    }
    if options.restart {
        let restart = stage.restart().await?;
        progress(&restart.line());
        result.restart = Some(restart);
    }
    Ok(())
}

async fn by_live_calls(
    options: &Options<'_>,
    testbed: &Testbed,
    result: &mut OfficeRun,
    progress: &mut impl FnMut(&str),
) -> Result<()> {
    let most = *options.live.last().context("invariant: there is a number of live calls")?;
    let mut stage = Stage::start(options, testbed, RingsBy::ByRole).await?;
    // Even devices are principals, odd ones counterparts: device 2n + 1 rings device 2n.
    let devices = 2 * (most + RINGING_PAIRS);
    let alternating = |number: u32| if number.is_multiple_of(2) { Role::Principal } else { Role::Counterpart };
    stage.grow((0..devices).map(alternating).collect()).await?;
    let (office, suite) = stage.office();
    let mut live = 0;
    for &calls in &options.live {
        let pairs: Vec<(u32, u32)> = (live..calls).map(|call| (2 * call + 1, 2 * call)).collect();
        rings::go_live(&mut stage.fleet, (&office, suite), &pairs).await?;
        live = calls;
        stage.fleet.idle(SETTLE).await?;
        let idle_share = stage.idle_share().await?;
        let engaged: Vec<u32> = (0..2 * most).collect();
        let rings = stage.ring(&engaged, options.rings, idle_share).await?;
        let point = LivePoint { calls, devices, idle_share, rings };
        progress(&point.line());
        result.by_live_calls.push(point);
    }
    Ok(())
}

/// The device of the principal who gives this counterpart a line: the first of a block of devices.
const fn giver(holder: u32) -> u32 {
    holder - holder % (LINES_PER_PRINCIPAL + 1)
}

async fn by_lines(
    options: &Options<'_>,
    testbed: &Testbed,
    result: &mut OfficeRun,
    progress: &mut impl FnMut(&str),
) -> Result<()> {
    let mut stage = Stage::start(options, testbed, RingsBy::OverLines).await?;
    let mut idle_share = 0.0;
    let role = |number: u32| if giver(number) == number { Role::Principal } else { Role::Counterpart };
    for &lines in &options.lines {
        let principals = lines.div_ceil(LINES_PER_PRINCIPAL);
        stage.grow((stage.fleet.len() as u32..lines + principals).map(role).collect()).await?;
        let before = stage.server.memory()?.proportional;
        let given = stage.lines.len();
        let signed_per_second = stage.give_lines().await?;
        let grown = stage.server.memory()?.proportional.saturating_sub(before);
        idle_share = stage.idle_share().await?;
        let pairs = Pairs::over_lines(&stage.lines, stage.fleet.len());
        let rings = stage.ring_pairs(pairs, options.rings, idle_share).await?;
        let point = LinePoint {
            lines,
            principals,
            signed_per_second,
            bytes_per_line: grown as f64 / (stage.lines.len() - given).max(1) as f64,
            idle_share,
            rings,
        };
        progress(&point.line());
        result.by_lines.push(point);
    }
    if options.peak > 0.0 {
        let pairs = Pairs::over_lines(&stage.lines, stage.fleet.len());
        let peak = stage.ring_pairs(pairs, options.peak, idle_share).await?;
        progress(&format!("over lines: {}", peak.line()));
        result.lines_peak = Some(peak);
    }
    Ok(())
}
