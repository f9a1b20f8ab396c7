//! The ring load: rings between random pairs at a constant rate, and calls that stay live.

use super::{
    enrol::{now_ms, random},
    fleet::Fleet,
    protocol::{self, Incoming, RingSpec},
};
use crate::histogram::Histogram;
use anyhow::{Result, ensure};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};
use telcon_proto::{CallId, OfficeName, SuiteName, line::OverLine};

/// How long rings that were started may take to end after the last one.
const DRAIN: Duration = Duration::from_secs(5);
/// Minimum time between two rings of one device: the server allows twelve per minute.
const RING_INTERVAL: Duration = Duration::from_millis(5_500);
/// Concurrent calls that are being set up.
const SETTING_UP: usize = 64;
/// Time limit for setting up one live call.
const LIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Counts of a ring load.
#[derive(Default)]
pub(super) struct Rings {
    /// Rings sent.
    pub(super) sent: u64,
    /// Calls that were logged, rung and ended.
    pub(super) completed: u64,
    /// Rings refused by the server.
    pub(super) refused: u64,
    /// Rings that were due, but had no free caller or callee.
    pub(super) skipped: u64,
    /// From the caller's send to the arrival at the callee, nanoseconds.
    pub(super) latency: Histogram,
    /// Delay of each ring behind its schedule, nanoseconds: whether the generator keeps up.
    pub(super) lateness: Histogram,
}

/// Draws pairs of caller and callee.
pub(super) struct Pairs {
    /// Devices that ring, the one that has waited longest first, with the time from which it may ring again.
    callers: VecDeque<(u32, Instant)>,
    /// Devices that are rung.
    callees: Vec<u32>,
    /// Devices in a call.
    busy: Vec<bool>,
    /// Of a caller who rings over a line: the only callee, and the line.
    lines: HashMap<u32, (u32, OverLine)>,
    state: u64,
}

impl Pairs {
    /// Callers and callees are distinct devices of a fleet of `devices`.
    pub(super) fn new(callers: Vec<u32>, callees: Vec<u32>, devices: usize) -> Self {
        let now = Instant::now();
        let callers = callers.into_iter().map(|caller| (caller, now)).collect();
        Self { callers, callees, busy: vec![false; devices], lines: HashMap::new(), state: 1 }
    }

    /// Holders of lines, each of whom rings the giver of their line.
    pub(super) fn over_lines(lines: &HashMap<u32, (u32, OverLine)>, devices: usize) -> Self {
        let mut callers: Vec<u32> = lines.keys().copied().collect();
        // The same order in every run.
        callers.sort_unstable();
        Self { lines: lines.clone(), ..Self::new(callers, Vec::new(), devices) }
    }

    /// SplitMix64: the same pairs in every run.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A free pair, which is busy from now on. `None` if there is none.
    fn take(&mut self, fleet: &Fleet, now: Instant) -> Option<(u32, u32)> {
        let position = self.callers.iter().take_while(|(_, free_at)| *free_at <= now).position(|(caller, _)| {
            let free = |device: u32| !self.busy[device as usize] && fleet.is_online(device);
            free(*caller) && self.lines.get(caller).is_none_or(|(callee, _)| free(*callee))
        })?;
        let held = self.callers.get(position).and_then(|(caller, _)| self.lines.get(caller));
        if let Some(&(callee, _)) = held {
            return self.start(position, callee, now);
        }
        let count = self.callees.len() as u64;
        let start = if count == 0 { return None } else { self.random() % count };
        let callee = (0..count).map(|step| self.callees[((start + step) % count) as usize]);
        let callee = callee.into_iter().find(|callee| !self.busy[*callee as usize] && fleet.is_online(*callee))?;
        self.start(position, callee, now)
    }

    fn start(&mut self, position: usize, callee: u32, now: Instant) -> Option<(u32, u32)> {
        let (caller, _) = self.callers.remove(position)?;
        self.callers.push_back((caller, now + RING_INTERVAL));
        self.busy[caller as usize] = true;
        self.busy[callee as usize] = true;
        Some((caller, callee))
    }

    fn free(&mut self, (caller, callee): (u32, u32)) {
        self.busy[caller as usize] = false;
        self.busy[callee as usize] = false;
    }
}

/// A ring in progress.
struct Pending {
    pair: (u32, u32),
    sent_at: Instant,
    rung: bool,
}

/// Rings at `per_second` for `span`. Every second call is declined by the callee, the others are cancelled by the caller,
/// each as soon as it rings.
///
/// # Errors
/// When the run is cancelled.
pub(super) async fn run(
    fleet: &mut Fleet,
    pairs: &mut Pairs,
    office: (&OfficeName, SuiteName),
    per_second: f64,
    span: Duration,
) -> Result<Rings> {
    let mut rings = Rings::default();
    let mut pending: HashMap<CallId, Pending> = HashMap::new();
    let mut call_at: HashMap<u32, CallId> = HashMap::new();
    let began = Instant::now();
    let (end, mut due) = (began + span, began);
    loop {
        let now = Instant::now();
        if due < end && now >= due {
            match pairs.take(fleet, now) {
                Some((caller, callee)) => {
                    let call = CallId::from_bytes(random()?);
                    let over = pairs.lines.get(&caller).map(|(_, over)| *over);
                    let text = sign(fleet, office, call, (caller, callee), over);
                    let sent_at = Instant::now();
                    rings.lateness.record(sent_at.duration_since(due).as_nanos() as u64);
                    fleet.send(caller, text);
                    call_at.insert(callee, call);
                    pending.insert(call, Pending { pair: (caller, callee), sent_at, rung: false });
                    rings.sent += 1;
                }
                None => rings.skipped += 1,
            }
            due += Duration::from_secs_f64(1.0 / per_second);
            // Events between two rings that are overdue are not starved.
            if due <= now && rings.sent % 8 != 0 {
                continue;
            }
        }
        if due >= end && (pending.is_empty() || now >= end + DRAIN) {
            for (_, left) in pending.drain() {
                pairs.free(left.pair);
            }
            return Ok(rings);
        }
        let until = if due < end { due.max(now) } else { end + DRAIN };
        let Some((number, message, at)) = fleet.next(until).await? else { continue };
        match message {
            Incoming::Ringing => {
                let Some((call, ring)) = call_at.get(&number).and_then(|call| Some((*call, pending.get_mut(call)?)))
                else {
                    continue;
                };
                if !std::mem::replace(&mut ring.rung, true) {
                    rings.latency.record(at.duration_since(ring.sent_at).as_nanos() as u64);
                }
                let (caller, callee) = ring.pair;
                fleet.send(callee, protocol::ring_shown(call));
                match rings.sent % 2 {
                    0 => fleet.send(callee, protocol::decline(call)),
                    _ => fleet.send(caller, protocol::cancel(call)),
                }
            }
            Incoming::Ended(call) => {
                if let Some(ring) = pending.get(&call).filter(|ring| ring.pair.0 == number) {
                    rings.completed += u64::from(ring.rung);
                    call_at.remove(&ring.pair.1);
                    pairs.free(ring.pair);
                    pending.remove(&call);
                }
            }
            Incoming::Refused(Some(call), _) => {
                // A decline that crosses the end of its call is refused too, which is no failure of the ring.
                if let Some(ring) = pending.get(&call).filter(|ring| ring.pair.0 == number && !ring.rung) {
                    rings.refused += 1;
                    call_at.remove(&ring.pair.1);
                    pairs.free(ring.pair);
                    pending.remove(&call);
                }
            }
            _ => {}
        }
    }
}

/// Sets up calls that stay live, one per pair.
///
/// # Errors
/// When one does not become live, or the run is cancelled.
pub(super) async fn go_live(fleet: &mut Fleet, office: (&OfficeName, SuiteName), calls: &[(u32, u32)]) -> Result<()> {
    let mut waiting = calls.iter().copied();
    let mut setting_up: HashMap<CallId, (u32, u32)> = HashMap::new();
    let mut call_at: HashMap<u32, CallId> = HashMap::new();
    let mut progress = Instant::now();
    loop {
        while setting_up.len() < SETTING_UP
            && let Some((caller, callee)) = waiting.next()
        {
            let call = CallId::from_bytes(random()?);
            fleet.send(caller, sign(fleet, office, call, (caller, callee), None));
            setting_up.insert(call, (caller, callee));
            call_at.insert(callee, call);
        }
        if setting_up.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + Duration::from_millis(200);
        if let Some((number, message, _)) = fleet.next(until).await? {
            match message {
                Incoming::Ringing => {
                    if let Some(call) = call_at.get(&number) {
                        fleet.send(number, protocol::ring_shown(*call));
                        fleet.send(number, protocol::answer(*call));
                    }
                }
                Incoming::JoinAsked(call) => {
                    if let Some((caller, callee)) = setting_up.get(&call) {
                        fleet.send(*caller, protocol::commit(call, fleet.device(*callee).id));
                    }
                }
                Incoming::Committed(call) => {
                    setting_up.remove(&call);
                    progress = Instant::now();
                }
                Incoming::Refused(Some(call), code) => {
                    ensure!(!setting_up.contains_key(&call), "a call that was to stay live was refused: {code:?}");
                }
                Incoming::Ended(call) => ensure!(!setting_up.contains_key(&call), "a call that was to stay live ended"),
                _ => {}
            }
        }
        let left = setting_up.len();
        ensure!(progress.elapsed() < LIVE_TIMEOUT, "{left} calls did not become live within {LIVE_TIMEOUT:?}");
    }
}

fn sign(
    fleet: &Fleet,
    (office, suite): (&OfficeName, SuiteName),
    call: CallId,
    (caller, callee): (u32, u32),
    over: Option<OverLine>,
) -> String {
    let (from, to) = (fleet.device(caller), fleet.device(callee));
    let spec = RingSpec { office, suite, call, from: from.id, to: to.card.person, at_ms: now_ms(), over };
    protocol::ring(&from.key, &from.chain, &spec)
}
