//! The office's section of `docs/benchmarks.md`.

use super::report::{OfficeRun, RingFigures};
use crate::{
    saturation::is_saturated,
    times::{Times, millis},
};
use std::fmt::Write;

/// Appends the section of each run.
pub(crate) fn write(out: &mut String, runs: &[OfficeRun]) {
    for run in runs {
        let pinned = if run.pinned { "server and generator pinned to separate cores" } else { "not pinned to cores" };
        let _ = writeln!(out, "## Office\n\nMachine: {}; {pinned}.\n", run.machine.join("; "));
        tables(out, run);
    }
}

const RING_COLUMNS: &str = "rings/s | completed / refused / skipped | µs CPU per ring | ring → ringing p50 / p99 / max, ms | \
                            log appends/s | server's core | generator's core | other processes |";

fn ring_cells(rings: &RingFigures) -> String {
    let Times { p50, p99, max, .. } = rings.latency;
    format!(
        "{:.0} | {} / {} / {} | {:.0} | {} | {:.0} | {:.0} % | {:.0} %{} | {:.0} % |",
        rings.per_second,
        rings.completed,
        rings.refused,
        rings.skipped,
        rings.nanoseconds_per_ring / 1e3,
        [p50, p99, max].map(millis).join(" / "),
        rings.appends_per_second,
        rings.server_share * 100.0,
        rings.generator_share * 100.0,
        if is_saturated(rings.generator_share) { " (saturated)" } else { "" },
        rings.others_share * 100.0,
    )
}

fn tables(out: &mut String, run: &OfficeRun) {
    if !run.by_devices.is_empty() {
        let _ = writeln!(
            out,
            "| devices | kB per device | idle, of a core | idle CPU per device and hour, ms | enrolments/s | sign-ins/s | \
             {RING_COLUMNS}\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for point in &run.by_devices {
            let _ = writeln!(
                out,
                "| {} | {:.1} | {:.2} % | {:.0} | {:.0} | {:.0} | {}",
                point.devices,
                point.bytes_per_device / 1e3,
                point.idle_share * 100.0,
                point.idle_nanoseconds_per_device_hour / 1e6,
                point.enrolments_per_second,
                point.sign_ins_per_second,
                ring_cells(&point.rings),
            );
        }
        if let (Some(peak), Some(point)) = (&run.peak, run.by_devices.last()) {
            let _ = writeln!(out, "| {} (peak) | | | | | | {}", point.devices, ring_cells(peak));
        }
        out.push('\n');
    }
    if !run.by_live_calls.is_empty() {
        let _ = writeln!(
            out,
            "| live calls | devices | idle, of a core | {RING_COLUMNS}\n|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for point in &run.by_live_calls {
            let (calls, devices, idle) = (point.calls, point.devices, point.idle_share * 100.0);
            let _ = writeln!(out, "| {calls} | {devices} | {idle:.2} % | {}", ring_cells(&point.rings));
        }
        out.push('\n');
    }
    if !run.by_lines.is_empty() {
        let _ = writeln!(
            out,
            "| lines | principals | kB per line | idle, of a core | {RING_COLUMNS}\n|---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for point in &run.by_lines {
            let (kilobytes, idle) = (point.bytes_per_line / 1e3, point.idle_share * 100.0);
            let (lines, principals, rings) = (point.lines, point.principals, ring_cells(&point.rings));
            let _ = writeln!(out, "| {lines} | {principals} | {kilobytes:.1} | {idle:.2} % | {rings}");
        }
        if let (Some(peak), Some(point)) = (&run.lines_peak, run.by_lines.last()) {
            let _ = writeln!(out, "| {} (peak) | | | | {}", point.lines, ring_cells(peak));
        }
        out.push('\n');
    }
    for ratio in run.ratios() {
        let _ = writeln!(out, "- {ratio}");
    }
    for line in [run.restart.as_ref().map(|it| it.line()), run.log.as_ref().map(|it| it.line())].into_iter().flatten() {
        let _ = writeln!(out, "- {line}");
    }
    out.push('\n');
}

/// How the figures were measured.
pub(crate) const METHOD: &str = "\
### Office

`telcon bench office` runs `telcon serve` on a new office (hybrid suite, record mode *log only*) in a process pinned to one
core. The load generator is one thread pinned to another core, with a task per device: devices are enrolled through the
server's API, hold a WebSocket, sign in with their own keys and ping every 20 s, each at its own phase. One device in a
hundred is a principal's, the others are counterparts'; in the office with live calls every second one is.

- A **ring** is signed by the caller's device, logged by the server, delivered to the callee, shown, and then declined or
  cancelled: two log entries. Rings start at a constant rate, between a random free principal and the counterpart that has
  waited longest. **Ring → ringing** is from just before the caller's send to the callee's receipt, both in the generator,
  so that a saturated generator shows as latency; its share of its core is in the table.
- **CPU per ring** is the CPU time of the server (`schedstat`) during the load, minus the idle share of the same fleet,
  divided by the completed rings.
- **kB per device** is the growth of the server's proportional memory (PSS) from before the first device, per connected
  device.
- **Live calls** are set up with real signalling (ring, answer, commit), and opaque MLS messages of the usual sizes: the
  server cannot read them. The rings are between other devices of the same office.
- **Lines**: an office whose charter demands lines. A principal gives a line to each of a thousand counterparts, who ring
  that principal over it: the server checks the line and delivers it with its proofs.
- **Restart**: the server is killed (SIGKILL) and started again; all devices reconnect at once, with the backoff of the
  clients. The time is from the start of the process until the last device is signed in. Lost log entries are those that
  were served before the crash and are missing afterwards.
- **Log**: entries of 400 bytes, appended in durable (fsynced) batches of 256, and one by one; then verified from disk as
  an auditor does.

";

/// A run for tests of the document.
#[cfg(test)]
pub(crate) fn example_run() -> OfficeRun {
    use super::report::{DevicePoint, LinePoint, LivePoint, LogFigures, Restart};
    let rings = |cost: f64| RingFigures {
        completed: 100,
        nanoseconds_per_ring: cost,
        latency: Times { p50: 1_000_000, p99: 2_000_000, p999: 3_000_000, max: 4_000_000 },
        ..RingFigures::default()
    };
    let by_devices = [(100, 400e3), (10_000, 440e3)];
    let by_devices =
        by_devices.map(|(devices, cost)| DevicePoint { devices, rings: rings(cost), ..Default::default() });
    let by_live_calls = [(10, 400e3), (2_000, 480e3)];
    let by_lines = [(100, 500e3), (10_000, 550e3)];
    OfficeRun {
        machine: vec!["2 × a CPU".into()],
        pinned: true,
        by_devices: by_devices.into(),
        peak: Some(RingFigures { generator_share: 0.95, ..rings(410e3) }),
        restart: Some(Restart { devices: 10_000, ..Restart::default() }),
        by_live_calls: by_live_calls
            .map(|(calls, cost)| LivePoint { calls, rings: rings(cost), ..Default::default() })
            .into(),
        by_lines: by_lines
            .map(|(lines, cost)| LinePoint { lines, principals: 1, rings: rings(cost), ..Default::default() })
            .into(),
        lines_peak: Some(rings(560e3)),
        log: Some(LogFigures::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_saturation_are_shown() {
        let mut out = String::new();
        write(&mut out, &[example_run()]);
        assert!(out.contains("CPU per ring, 100 to 10000 devices: × 1.10"), "{out}");
        assert!(out.contains("CPU per ring, 10 to 2000 live calls: × 1.20"), "{out}");
        assert!(
            out.contains("CPU per ring, 100 to 10000 lines: × 1.10") && out.contains("| 10000 (peak) | | | | "),
            "{out}"
        );
        assert!(out.contains("(saturated)") && out.contains("restart with 10000 devices"), "{out}");
    }

    #[test]
    fn what_was_not_measured_is_named_and_so_is_what_was_lost() {
        let mut run = example_run();
        run.by_devices[0].rings = RingFigures::default();
        let restart = run.restart.as_mut().unwrap();
        (restart.lost_devices, restart.lost_entries) = (3, 2);
        let mut out = String::new();
        write(&mut out, &[run]);
        assert!(out.contains("- CPU per ring, 100 to 10000 devices: not measured\n"), "{out}");
        assert!(out.contains("9997 of 10000 signed in") && out.contains("2 log entries lost"), "{out}");
    }
}
