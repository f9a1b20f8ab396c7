//! Figures of `telcon bench office`, as JSON and as lines of text.

use crate::{
    saturation,
    times::{Times, millis},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The result of one `telcon bench office`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfficeRun {
    /// The machine, one line per fact.
    pub machine: Vec<String>,
    /// Whether server and generator were pinned to separate cores.
    pub pinned: bool,
    /// By number of connected devices, ascending.
    pub by_devices: Vec<DevicePoint>,
    /// The highest ring rate, with the largest fleet.
    pub peak: Option<RingFigures>,
    /// A crash of the server with the largest fleet.
    pub restart: Option<Restart>,
    /// By number of live calls, ascending, in an office of its own.
    pub by_live_calls: Vec<LivePoint>,
    /// By number of lines, ascending, in an office whose charter demands them.
    #[serde(default)]
    pub by_lines: Vec<LinePoint>,
    /// The highest ring rate, with the most lines.
    #[serde(default)]
    pub lines_peak: Option<RingFigures>,
    /// The log alone.
    pub log: Option<LogFigures>,
}

/// Figures for one size of the fleet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DevicePoint {
    /// Connected devices.
    pub devices: u32,
    /// Enrolments per second while the fleet grew to this size.
    pub enrolments_per_second: f64,
    /// Sign-ins per second while the fleet grew to this size.
    pub sign_ins_per_second: f64,
    /// Growth of the server's proportional memory (PSS) per device, against the server without devices, bytes.
    pub bytes_per_device: f64,
    /// CPU share of the server without rings, 1 = one core.
    pub idle_share: f64,
    /// CPU time of the server per idle device and hour, nanoseconds.
    pub idle_nanoseconds_per_device_hour: f64,
    /// The ring load.
    pub rings: RingFigures,
}

/// Figures of a ring load.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RingFigures {
    /// Requested rings per second.
    pub per_second: f64,
    /// Rings sent.
    pub sent: u64,
    /// Calls that were logged, rung and ended.
    pub completed: u64,
    /// Rings refused by the server.
    pub refused: u64,
    /// Rings that were due, but had no free caller or callee.
    pub skipped: u64,
    /// From the caller's send to the arrival at the callee.
    pub latency: Times,
    /// Delay of the generator behind its schedule.
    pub lateness: Times,
    /// CPU time of the server per ring, nanoseconds: without the idle share of the same fleet.
    pub nanoseconds_per_ring: f64,
    /// CPU share of the server, 1 = one core.
    pub server_share: f64,
    /// CPU share of the generator.
    pub generator_share: f64,
    /// CPU share of all other processes: interference.
    pub others_share: f64,
    /// Entries appended to the log, per second.
    pub appends_per_second: f64,
}

/// Figures of a crash and restart, with all devices reconnecting at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Restart {
    /// Devices.
    pub devices: u32,
    /// From the start of the process until it answers requests, seconds.
    pub ready_seconds: f64,
    /// From the start of the process until all devices are signed in again, or until the time limit, seconds.
    pub seconds: f64,
    /// Devices that were not signed in again within the time limit.
    pub lost_devices: u32,
    /// Log entries before the crash that are missing afterwards.
    pub lost_entries: u64,
    /// CPU share of the server while devices reconnect.
    pub server_share: f64,
    /// CPU share of the generator while devices reconnect.
    pub generator_share: f64,
}

/// Figures for one number of live calls.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LivePoint {
    /// Live calls.
    pub calls: u32,
    /// Connected devices.
    pub devices: u32,
    /// CPU share of the server without rings.
    pub idle_share: f64,
    /// The ring load beside the live calls.
    pub rings: RingFigures,
}

/// Figures for one number of lines, each between one of the principals and a counterpart of their own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LinePoint {
    /// Lines.
    pub lines: u32,
    /// Principals who gave them.
    pub principals: u32,
    /// Lines given per second while they grew to this number; the generator signs them at a limited rate.
    pub signed_per_second: f64,
    /// Growth of the server's proportional memory (PSS) per line, bytes.
    pub bytes_per_line: f64,
    /// CPU share of the server without rings.
    pub idle_share: f64,
    /// The ring load over the lines.
    pub rings: RingFigures,
}

/// Figures of the log alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LogFigures {
    /// Entries that were appended and verified.
    pub entries: u64,
    /// Bytes per entry.
    pub entry_bytes: u32,
    /// Entries per batch; each batch is one durable append.
    pub batch: u32,
    /// Durable appends of such batches, entries per second.
    pub appends_per_second: f64,
    /// Durable appends of single entries, entries per second.
    pub single_appends_per_second: f64,
    /// Offline verification of all entries, seconds.
    pub verify_seconds: f64,
}

impl OfficeRun {
    /// All figures, one line per load.
    pub fn lines(&self) -> String {
        let mut out = String::new();
        for point in &self.by_devices {
            let _ = writeln!(out, "{}", point.line());
        }
        if let Some(rings) = &self.peak {
            let _ = writeln!(out, "peak: {}", rings.line());
        }
        if let Some(restart) = &self.restart {
            let _ = writeln!(out, "{}", restart.line());
        }
        for point in &self.by_live_calls {
            let _ = writeln!(out, "{}", point.line());
        }
        for point in &self.by_lines {
            let _ = writeln!(out, "{}", point.line());
        }
        if let Some(rings) = &self.lines_peak {
            let _ = writeln!(out, "peak over lines: {}", rings.line());
        }
        for ratio in self.ratios() {
            let _ = writeln!(out, "{ratio}");
        }
        if let Some(log) = &self.log {
            let _ = writeln!(out, "{}", log.line());
        }
        out
    }

    /// Growth of the costs from the smallest to the largest load, one line each: 1 is flat.
    pub(crate) fn ratios(&self) -> Vec<String> {
        let mut ratios = Vec::new();
        let mut add = |what: String, from: &RingFigures, to: &RingFigures| {
            let growth = |from: f64, to: f64| match from > 0.0 && to > 0.0 {
                true => format!("× {:.2}", to / from),
                false => "not measured".to_owned(),
            };
            let cost = growth(from.nanoseconds_per_ring, to.nanoseconds_per_ring);
            let latency = growth(from.latency.p50 as f64, to.latency.p50 as f64);
            ratios.push(format!("CPU per ring, {what}: {cost}"));
            ratios.push(format!("median ring latency, {what}: {latency}"));
        };
        if let [first, .., last] = &self.by_devices[..] {
            add(format!("{} to {} devices", first.devices, last.devices), &first.rings, &last.rings);
        }
        if let [first, .., last] = &self.by_live_calls[..] {
            add(format!("{} to {} live calls", first.calls, last.calls), &first.rings, &last.rings);
        }
        if let [first, .., last] = &self.by_lines[..] {
            add(format!("{} to {} lines", first.lines, last.lines), &first.rings, &last.rings);
        }
        ratios
    }
}

impl DevicePoint {
    /// One line of output.
    pub fn line(&self) -> String {
        format!(
            "{:6} devices: {:.0} enrolments/s, {:.0} sign-ins/s, {:.1} kB per device, idle {:.2} % of a core ({:.0} ms per \
             device and hour); {}",
            self.devices,
            self.enrolments_per_second,
            self.sign_ins_per_second,
            self.bytes_per_device / 1e3,
            self.idle_share * 100.0,
            self.idle_nanoseconds_per_device_hour / 1e6,
            self.rings.line(),
        )
    }
}

impl LivePoint {
    /// One line of output.
    pub fn line(&self) -> String {
        format!(
            "{:6} live calls, {} devices: idle {:.2} % of a core; {}",
            self.calls,
            self.devices,
            self.idle_share * 100.0,
            self.rings.line()
        )
    }
}

impl LinePoint {
    /// One line of output.
    pub fn line(&self) -> String {
        format!(
            "{:6} lines of {} principals: {:.0} given/s, {:.1} kB per line, idle {:.2} % of a core; {}",
            self.lines,
            self.principals,
            self.signed_per_second,
            self.bytes_per_line / 1e3,
            self.idle_share * 100.0,
            self.rings.line()
        )
    }
}

impl RingFigures {
    /// One line of output.
    pub fn line(&self) -> String {
        format!(
            "{:.0} rings/s: {} sent, {} completed, {} refused, {} skipped, {:.0} µs CPU per ring, ring to ringing p50 {} p99 \
             {} ms, {:.0} appends/s, server {:.0} %, generator {:.0} %{}, lateness p99 {} ms, others {:.0} %",
            self.per_second,
            self.sent,
            self.completed,
            self.refused,
            self.skipped,
            self.nanoseconds_per_ring / 1e3,
            millis(self.latency.p50),
            millis(self.latency.p99),
            self.appends_per_second,
            self.server_share * 100.0,
            self.generator_share * 100.0,
            saturation::note(self.generator_share),
            millis(self.lateness.p99),
            self.others_share * 100.0,
        )
    }
}

impl Restart {
    /// One line of output.
    pub fn line(&self) -> String {
        format!(
            "restart with {} devices: ready after {:.2} s, {} of {} signed in after {:.2} s, {} log entries lost, \
             server {:.0} %, generator {:.0} %{}",
            self.devices,
            self.ready_seconds,
            self.devices.saturating_sub(self.lost_devices),
            self.devices,
            self.seconds,
            self.lost_entries,
            self.server_share * 100.0,
            self.generator_share * 100.0,
            saturation::note(self.generator_share),
        )
    }
}

impl LogFigures {
    /// One line of output.
    pub fn line(&self) -> String {
        format!(
            "log: {:.0} entries/s in durable batches of {}, {:.0} one by one; {} entries verified in {:.2} s",
            self.appends_per_second, self.batch, self.single_appends_per_second, self.entries, self.verify_seconds
        )
    }
}
