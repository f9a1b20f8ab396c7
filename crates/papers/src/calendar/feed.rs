//! A calendar feed, read on a device for the times at which its owner is busy.
//!
//! A feed comes from outside the office. Its size, lines, nesting, events and recurrences have limits; what exceeds them is refused or
//! reported. Only times are taken from it: no titles, no people.

use super::line::{ContentLine, parse};
use super::recurrence::{BUDGET, NotExpanded, Rule};
use super::written::{Written, time};
use crate::clock::{Shown, ZoneClock, moment};
use crate::schedule::Slot;

/// Largest feed, bytes.
pub const MAX_FEED_BYTES: usize = 4 * 1024 * 1024;
/// Most events of a feed.
pub const MAX_EVENTS: usize = 20_000;
/// Longest unfolded line, bytes: pictures are embedded in some feeds, and are skipped.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Deepest nesting: a calendar, an event, an alarm.
const MAX_DEPTH: usize = 4;
/// Most dates of all exceptions of one event.
const MAX_EXCEPTIONS: usize = 2_000;
/// Longest event, seconds: a month.
const MAX_LENGTH_S: i64 = 31 * 86_400;

/// Why a feed cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// It is too large.
    #[error("the calendar is larger than {MAX_FEED_BYTES} bytes")]
    TooLarge,
    /// It is not text.
    #[error("the calendar is not text")]
    NotText,
    /// It is not a calendar.
    #[error("this is not a calendar")]
    NotACalendar,
    /// Parts are nested too deeply, or do not end where they began.
    #[error("the calendar is damaged")]
    Damaged,
    /// It has too many events.
    #[error("the calendar has more than {MAX_EVENTS} events")]
    TooManyEvents,
}

/// A time at which the owner of a calendar is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Busy {
    /// Milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The same.
    pub end_ms: u64,
}

/// What a feed says about a window of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// Busy times, in order, overlapping ones joined.
    pub busy: Vec<Busy>,
    /// Events that were not understood: a rule that is not expanded, a date that is none, a zone that is not known. The calendar may
    /// have conflicts that are not found.
    pub not_understood: u32,
}

/// Whether an offered time fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// No event overlaps it.
    Free,
    /// No event that was understood overlaps it, and some were not understood.
    Unsure,
    /// An event overlaps it.
    Busy,
}

/// `P1DT2H30M`, seconds.
fn duration(value: &str) -> Option<i64> {
    let rest = value.strip_prefix('+').unwrap_or(value).strip_prefix('P')?;
    let (mut seconds, mut number, mut is_time, mut parts) = (0i64, None::<i64>, false, 0);
    for c in rest.chars() {
        match c {
            'T' if !is_time && number.is_none() => is_time = true,
            '0'..='9' => {
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(c as u32 - '0' as u32))?)
            }
            c => {
                let unit = match (c, is_time) {
                    ('W', false) => 7 * 86_400,
                    ('D', false) => 86_400,
                    ('H', true) => 3_600,
                    ('M', true) => 60,
                    ('S', true) => 1,
                    _ => return None,
                };
                seconds = seconds.checked_add(number.take()?.checked_mul(unit)?)?;
                parts += 1;
            }
        }
    }
    (parts > 0 && number.is_none()).then_some(seconds)
}

/// A time with its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct At {
    written: Written,
    zone: Option<String>,
}

impl At {
    fn read(line: &ContentLine) -> Option<Self> {
        let zone = line.parameter("TZID").map(str::to_owned);
        Some(Self { written: time(&line.value)?, zone })
    }
}

#[derive(Debug, Default)]
struct Event {
    start: Option<At>,
    end: Option<At>,
    length: Option<i64>,
    rule: Option<Result<Rule, NotExpanded>>,
    uid: String,
    /// Of a recurring event: which occurrence this one replaces.
    replaces: Option<At>,
    exceptions: Vec<At>,
    is_damaged: bool,
    is_free: bool,
}

impl Feed {
    /// Reads what a feed says about `[from_ms, to_ms)`. `floating` is the clock of the calendar's owner: for whole days, and times
    /// without a zone.
    pub fn read(
        bytes: &[u8],
        (from_ms, to_ms): (u64, u64),
        floating: &dyn ZoneClock,
        zones: &dyn Fn(&str) -> Option<Box<dyn ZoneClock>>,
    ) -> Result<Self, FeedError> {
        let events = events(bytes)?;
        let mut reading = Reading { floating, zones, known: Vec::new(), budget: BUDGET, window: (from_ms, to_ms) };
        // An occurrence that is replaced is taken out of its series.
        let mut replaced: std::collections::BTreeMap<&str, Vec<&At>> = std::collections::BTreeMap::new();
        for event in &events {
            if let Some(at) = &event.replaces {
                replaced.entry(&event.uid).or_default().push(at);
            }
        }
        let mut feed = Self::default();
        for event in &events {
            let replaced =
                replaced.get(event.uid.as_str()).filter(|_| event.rule.is_some()).map_or(&[][..], Vec::as_slice);
            if reading.event(event, replaced, &mut feed.busy).is_none() {
                feed.not_understood += 1;
            }
        }
        feed.busy.sort_unstable();
        feed.busy.dedup_by(|next, joined| {
            let overlaps = next.start_ms <= joined.end_ms;
            if overlaps {
                joined.end_ms = joined.end_ms.max(next.end_ms);
            }
            overlaps
        });
        Ok(feed)
    }

    /// Whether a time conflicts.
    pub fn conflict(&self, slot: &Slot) -> Conflict {
        let after = self.busy.partition_point(|busy| busy.end_ms <= slot.start_ms);
        match self.busy.get(after) {
            Some(busy) if busy.start_ms < slot.end_ms() => Conflict::Busy,
            _ if self.not_understood > 0 => Conflict::Unsure,
            _ => Conflict::Free,
        }
    }
}

/// Whether each offered time conflicts.
pub fn conflicts(feed: &Feed, slots: &[Slot]) -> Vec<Conflict> {
    slots.iter().map(|slot| feed.conflict(slot)).collect()
}

struct Reading<'a> {
    floating: &'a dyn ZoneClock,
    zones: &'a dyn Fn(&str) -> Option<Box<dyn ZoneClock>>,
    /// Zones that were asked for.
    known: Vec<(String, Option<Box<dyn ZoneClock>>)>,
    budget: u32,
    window: (u64, u64),
}

impl Reading<'_> {
    /// Most zones of a feed.
    const MAX_ZONES: usize = 64;

    /// The moment of a time that was written by a clock, milliseconds.
    fn moment(&mut self, seconds: i64, at: &At) -> Option<i64> {
        if at.written.is_utc {
            return seconds.checked_mul(1000);
        }
        let shown = Shown::at(seconds.checked_mul(1000)?, 0);
        let Some(name) = at.zone.as_deref().filter(|_| !at.written.is_date) else {
            return moment(self.floating, &shown);
        };
        if !self.known.iter().any(|(known, _)| known == name) {
            if self.known.len() >= Self::MAX_ZONES {
                return None;
            }
            self.known.push((name.to_owned(), (self.zones)(name)));
        }
        let zone = self.known.iter().find(|(known, _)| known == name).and_then(|(_, zone)| zone.as_deref())?;
        moment(zone, &shown)
    }

    /// Adds the busy times of an event; none if it was not understood.
    fn event(&mut self, event: &Event, replaced: &[&At], busy: &mut Vec<Busy>) -> Option<()> {
        if event.is_free {
            return Some(());
        }
        let start = event.start.as_ref().filter(|_| !event.is_damaged)?;
        let first = self.moment(start.written.seconds, start)?;
        let length = match (&event.end, event.length) {
            (Some(end), _) => self.moment(end.written.seconds, end)?.checked_sub(first)? / 1000,
            (None, Some(length)) => length,
            // A day: 23 or 25 hours where clocks change.
            (None, None) if start.written.is_date => {
                self.moment(start.written.seconds + 86_400, start)?.checked_sub(first)? / 1000
            }
            (None, None) => 0,
        };
        if !(0..=MAX_LENGTH_S).contains(&length) {
            return None;
        }
        let (from, to) = (i64::try_from(self.window.0).ok()?, i64::try_from(self.window.1).ok()?);
        let mut add = |at: i64| {
            let end = at + length * 1000;
            if at < to && end > from && length > 0 {
                let ms = |at: i64| u64::try_from(at).unwrap_or(0);
                busy.push(Busy { start_ms: ms(at), end_ms: ms(end) });
            }
        };
        let Some(rule) = &event.rule else {
            add(first);
            return Some(());
        };
        let rule = rule.as_ref().ok()?;
        // A day to either side, because the window is in UTC and the rule by a clock.
        let shift = start.written.seconds - first / 1000;
        let window = (from / 1000 + shift - length - 86_400, to / 1000 + shift + 86_400);
        let (starts, whole) = rule.starts(start.written.seconds, window, &mut self.budget);
        // Exceptions are paid for as occurrences are.
        self.budget = self.budget.checked_sub((event.exceptions.len() + replaced.len()) as u32)?;
        let mut excluded = std::collections::BTreeSet::new();
        let mut excluded_days = std::collections::BTreeSet::new();
        for at in event.exceptions.iter().chain(replaced.iter().copied()) {
            match at.written.is_date {
                true => excluded_days.extend([at.written.seconds.div_euclid(86_400)]),
                false => excluded.extend(self.moment(at.written.seconds, at)),
            }
        }
        for seconds in starts {
            let at = self.moment(seconds, start)?;
            if rule.until_utc().is_some_and(|until| at > until * 1000) {
                break;
            }
            if !excluded.contains(&at) && !excluded_days.contains(&seconds.div_euclid(86_400)) {
                add(at);
            }
        }
        whole.ok()
    }
}

/// The events of a feed. What is within them (alarms) is skipped, and so is everything that is not an event.
fn events(bytes: &[u8]) -> Result<Vec<Event>, FeedError> {
    if bytes.len() > MAX_FEED_BYTES {
        return Err(FeedError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| FeedError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut events, mut open): (Vec<Event>, Vec<String>) = (Vec::new(), Vec::new());
    let mut current: Option<Event> = None;
    let mut is_calendar = false;
    for_each_line(text, |line, is_cut| {
        let Some(line) = parse(line) else {
            // Something unreadable within an event may be its time.
            if let Some(event) = &mut current {
                event.is_damaged |= open.last().is_some_and(|name| name == "VEVENT") && !is_cut;
            }
            return Ok(());
        };
        match line.name.as_str() {
            "BEGIN" => {
                let name = line.value.trim().to_ascii_uppercase();
                if open.is_empty() && name != "VCALENDAR" {
                    return Err(FeedError::NotACalendar);
                }
                if open.len() >= MAX_DEPTH || (name == "VEVENT" && open.len() != 1) {
                    return Err(FeedError::Damaged);
                }
                is_calendar = true;
                if name == "VEVENT" {
                    if events.len() >= MAX_EVENTS {
                        return Err(FeedError::TooManyEvents);
                    }
                    current = Some(Event::default());
                }
                open.push(name);
            }
            "END" => {
                let name = line.value.trim().to_ascii_uppercase();
                if open.pop().is_none_or(|opened| opened != name) {
                    return Err(FeedError::Damaged);
                }
                if name == "VEVENT" {
                    events.extend(current.take());
                }
            }
            _ if open.is_empty() => return Err(FeedError::NotACalendar),
            _ if open.len() == 2 => {
                if let Some(event) = &mut current {
                    property(event, &line);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    match (is_calendar, open.is_empty()) {
        (false, _) => Err(FeedError::NotACalendar),
        (true, false) => Err(FeedError::Damaged),
        (true, true) => Ok(events),
    }
}

fn property(event: &mut Event, line: &ContentLine) {
    let at = |event_damaged: &mut bool| {
        let at = At::read(line);
        *event_damaged |= at.is_none();
        at
    };
    match line.name.as_str() {
        "DTSTART" => event.start = at(&mut event.is_damaged),
        "DTEND" => event.end = at(&mut event.is_damaged),
        "RECURRENCE-ID" => event.replaces = at(&mut event.is_damaged),
        "DURATION" => {
            event.length = duration(&line.value);
            event.is_damaged |= event.length.is_none();
        }
        "UID" => event.uid = line.value.chars().take(256).collect(),
        "RRULE" if event.rule.is_some() => event.rule = Some(Err(NotExpanded)),
        "RRULE" => event.rule = Some(Rule::parse(&line.value)),
        // Further dates beside a rule are seldom, and not expanded.
        "RDATE" => event.rule = Some(Err(NotExpanded)),
        "EXDATE" => {
            for value in line.value.split(',') {
                let zone = line.parameter("TZID").map(str::to_owned);
                match time(value) {
                    Some(written) if event.exceptions.len() < MAX_EXCEPTIONS => {
                        event.exceptions.push(At { written, zone })
                    }
                    _ => event.is_damaged = true,
                }
            }
        }
        "TRANSP" => event.is_free |= line.value.eq_ignore_ascii_case("TRANSPARENT"),
        "STATUS" => event.is_free |= line.value.eq_ignore_ascii_case("CANCELLED"),
        _ => {}
    }
}

/// Calls with each unfolded line, and whether it was cut because it is too long.
fn for_each_line(text: &str, mut each: impl FnMut(&str, bool) -> Result<(), FeedError>) -> Result<(), FeedError> {
    let (mut line, mut is_cut) = (String::new(), false);
    for part in text.split('\n') {
        let part = part.strip_suffix('\r').unwrap_or(part);
        if let Some(more) = part.strip_prefix([' ', '\t']) {
            match line.len() + more.len() <= MAX_LINE_BYTES {
                true => line.push_str(more),
                false => is_cut = true,
            }
            continue;
        }
        if !line.is_empty() {
            each(&line, is_cut)?;
        }
        line.clear();
        is_cut = part.len() > MAX_LINE_BYTES;
        if !is_cut {
            line.push_str(part);
        }
    }
    if line.is_empty() { Ok(()) } else { each(&line, is_cut) }
}
