//! CPU time, memory and affinity of processes, from the kernel's accounting.

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::time::TimeValLike as _,
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use std::{collections::HashMap, fs, path::Path};

/// CPU time of a process's current threads since their start, nanoseconds. From the scheduler's accounting, which has no
/// tick granularity. The time of threads that have ended is not included; a server under test keeps its threads.
///
/// # Errors
/// When the process is gone.
pub fn cpu_nanoseconds(pid: u32) -> Result<u64> {
    Ok(times(pid)?.0)
}

/// CPU time as in [`cpu_nanoseconds`], and the time that the threads were runnable without a core, nanoseconds.
///
/// # Errors
/// When the process is gone.
pub fn times(pid: u32) -> Result<(u64, u64)> {
    let folder = format!("/proc/{pid}/task");
    let mut total = (0, 0);
    for task in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        // A thread may end between listing and reading.
        if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
            let (on, waiting) = parse_schedstat(&text).context("schedstat has an unknown format")?;
            total = (total.0 + on, total.1 + waiting);
        }
    }
    Ok(total)
}

/// CPU time of a process since its start, including threads that have ended, nanoseconds (the process's CPU clock).
///
/// # Errors
/// When the process is gone.
pub fn total_cpu_nanoseconds(pid: u32) -> Result<u64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.try_into()?)).context("the process has no CPU clock")?;
    let time = clock_gettime(clock).context("the process has ended")?;
    Ok(time.num_nanoseconds() as u64)
}

/// The first two of the three fields of `schedstat`: time on a core and time in the run queue, nanoseconds.
fn parse_schedstat(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    let (on_cpu, waiting, slices) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?);
    (numbers.next().is_none() && slices.is_ok()).then_some((on_cpu, waiting))
}

/// CPU time of each process except `excluded`, nanoseconds. Unreadable processes are skipped.
pub fn cpu_of_others(excluded: &[u32]) -> HashMap<u32, u64> {
    let Ok(folder) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| !excluded.contains(pid)).filter_map(|pid| Some((pid, cpu_nanoseconds(pid).ok()?))).collect()
}

/// CPU time used between two samples. Processes that started in between count in full; those that ended are missed.
pub fn used_between(before: &HashMap<u32, u64>, after: &HashMap<u32, u64>) -> u64 {
    after.iter().map(|(pid, time)| time.saturating_sub(before.get(pid).copied().unwrap_or(0))).sum()
}

/// Memory of a process, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident set size (RSS).
    pub resident: u64,
    /// Proportional set size (PSS): a page shared by n processes counts as 1/n.
    pub proportional: u64,
}

/// See [`Memory`].
///
/// # Errors
/// When the process is gone, or belongs to another user.
pub fn memory(pid: u32) -> Result<Memory> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    parse_smaps(&text).with_context(|| format!("{file} has an unknown format"))
}

fn parse_smaps(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { resident: field("Rss")?, proportional: field("Pss")? })
}

/// Pins the calling thread, and threads and processes that it starts later, to one core.
///
/// # Errors
/// When the core does not exist or is not allowed.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).context("no core has that number")?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot run on core {core}"))
}

/// Number of cores that the calling thread may use.
///
/// # Errors
/// When the kernel does not report it.
pub fn cores() -> Result<usize> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).count())
}

/// CPU, kernel and memory of the machine, one line each. Unreadable facts are omitted.
pub fn machine() -> Vec<String> {
    let mut lines = Vec::new();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let models: Vec<&str> = models.map(|(_, model)| model).collect();
    if let Some(model) = models.first() {
        lines.push(format!("{} × {model}", models.len()));
    }
    if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        lines.push(format!("Linux {}", kernel.trim()));
    }
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    if let Some(total) = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")) {
        let kilobytes: u64 = total.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        lines.push(format!("{} GiB of memory", kilobytes.div_ceil(1024 * 1024)));
    }
    if Path::new("/sys/hypervisor").exists() || cpus.contains("hypervisor") {
        lines.push("a virtual machine".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_parsed_strictly() {
        assert_eq!(parse_schedstat("170991 12 3\n"), Some((170_991, 12)));
        for wrong in ["", "1 2", "1 2 3 4", "-1 2 3", "x 2 3", "1 x 3", "99999999999999999999 0 0"] {
            assert_eq!(parse_schedstat(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn smaps_is_parsed_strictly() {
        let text = "5615-7ffe ---p 00000000 00:00 0  [rollup]\nRss:                1784 kB\nPss:                 440 kB\n\
                    Pss_Dirty:            12 kB\n";
        assert_eq!(parse_smaps(text), Some(Memory { resident: 1784 * 1024, proportional: 440 * 1024 }));
        assert_eq!(parse_smaps("Rss: 1784 kB\n"), None);
        assert_eq!(parse_smaps("Rss: 1784\nPss: 4 kB\n"), None);
        assert_eq!(parse_smaps("Rss: 18446744073709551615 kB\nPss: 4 kB\n"), None);
    }

    #[test]
    fn excluded_processes_are_not_counted() {
        let all = cpu_of_others(&[]);
        assert!(all.contains_key(&std::process::id()));
        assert!(!cpu_of_others(&[std::process::id()]).contains_key(&std::process::id()));
        let before = HashMap::from([(1, 10), (2, 20)]);
        let after = HashMap::from([(1, 15), (3, 7)]);
        assert_eq!(used_between(&before, &after), 12);
    }

    #[test]
    fn cpu_time_increases_with_work() {
        let pid = std::process::id();
        let before = cpu_nanoseconds(pid).unwrap();
        let mut now = before;
        let mut work = 0u64;
        // Ends when the accounting shows the work; broken accounting would hang here.
        while now < before + 1_000_000 {
            (0..100_000u64).for_each(|n| work = work.wrapping_mul(31).wrapping_add(std::hint::black_box(n)));
            now = cpu_nanoseconds(pid).unwrap();
        }
        assert!(memory(pid).unwrap().resident > 0);
        assert!(total_cpu_nanoseconds(pid).unwrap() >= 1_000_000);
        assert!(cpu_nanoseconds(u32::MAX).is_err());
        assert!(total_cpu_nanoseconds(u32::MAX).is_err(), "not a process id");
    }
}
