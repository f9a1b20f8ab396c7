//! What the entries of a log say together, for whoever has the log and not the archive.

use std::collections::BTreeMap;

use crate::archive::MAX_CLOCK_SKEW_MS;
use crate::history::{Grace, History};
use crate::report::{Gap, Problem, ProblemKind};
use telcon_proto::RecordMode;

/// The entries of a verified log in its order. The rules are those of [`crate::verify_archive`], as far as they need no other
/// file: calls are opened once and ended once, an enrolment makes one device, who acts as a registrar was appointed, and so on.
#[derive(Debug, Default)]
pub struct LogHistory(History);

/// What is found in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFindings {
    /// Entries that contradict each other, or cannot be read.
    pub problems: Vec<Problem>,
    /// Calls that should have a record and have none.
    pub gaps: Vec<Gap>,
    /// Number of entries by type.
    pub entry_types: BTreeMap<String, u64>,
    /// Number of calls opened.
    pub calls: u64,
    /// Number of devices enrolled.
    pub devices: u64,
    /// Number of enrolments that do not say whose device it is, as entries of older versions.
    pub devices_of_unknown_people: u64,
}

impl LogHistory {
    /// Adds the next entry.
    pub fn add(&mut self, index: u64, entry: &[u8]) {
        self.0.add_entry(index, entry);
    }

    /// Applies the rules that concern the whole log. Calls that were opened or ended since `grace_since_ms` may still be live or
    /// waiting for their record; `floor` is the lowest record mode of the office's charter. Times are milliseconds since 1970 UTC.
    pub fn findings(self, floor: RecordMode, grace_since_ms: u64, now_ms: u64) -> LogFindings {
        let Self(mut history) = self;
        let until_ms = now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
        history.check_timestamps(until_ms);
        history.check_floor(floor);
        let (gaps, _) = history.find_gaps(&Grace { since_ms: grace_since_ms, until_ms });
        let enrolled = || history.devices.values().flat_map(|device| &device.enrolled);
        LogFindings {
            devices: enrolled().count() as u64,
            devices_of_unknown_people: enrolled().filter(|enrolled| enrolled.person_sha256.is_none()).count() as u64,
            calls: history.calls.values().filter(|call| call.opened.is_some()).count() as u64,
            gaps,
            entry_types: history.counts,
            // A gap is in the list of gaps.
            problems: history.problems.into_iter().filter(|problem| problem.kind != ProblemKind::Gap).collect(),
        }
    }
}
