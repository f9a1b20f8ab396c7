//! What must hold: the promises of the design's security document, as far as one process can see them, and that nothing hangs.
//!
//! | when | what |
//! |---|---|
//! | a message leaves the server | it concerns its receiver; the call in it is in the durable log; no revoked device is told anything |
//! | a screen changes | no ring that is not verified or not logged, none that was finished here; no device accuses an honest office |
//! | at times ([`World::probe`]) | whoever opens a speaker's frame is on the speaker's screen, and knows who spoke |
//! | after the network is whole and time has passed ([`World::check_settled`]) | all devices in a call are live in one epoch, with one phrase and one list, hear each other, and have legs at one relay; no call that is kept goes without a note-taker while one is free; no revoked device is signed in |
//! | in offices with lines | no device shows a ring over no line, or over a version that it stopped; no call goes on over a line that was frozen or ended; one device takes a line |
//! | at the end ([`World::check_final`]) | no call, leg or record is pending anywhere; the log is one tree that continues every checkpoint that was ever sent; each call in it is opened once and ended once, as the devices were told; each version of a line follows the one before, with the same people and device, and calls are opened over lines that are live, between their two people, and over none only where none is needed; each answered call that is kept has a record or an entry that it is missing; no key and no word went to the server |

use crate::{office::ring_of, watch::SPOKEN, world::World};
use std::collections::{BTreeMap, BTreeSet};
use telcon_core::view::{AlertLevel, CallState, CallView, ConnectionState, Direction};
use telcon_log::{Reader as _, tile::CHECKPOINT_PATH, tree::Tree, verify_tree_visiting};
use telcon_proto::{
    CallId, DeviceId, Digest, Ended, LineId, RecordMode, ServerMessage,
    entry::{Entry, ReadEntry},
    line::LineState,
    message::NoticeState,
};

/// The call that a message is about, a ring's too.
fn call_of(message: &ServerMessage) -> Option<CallId> {
    match message {
        ServerMessage::Ringing { jws, .. } => ring_of(jws).map(|ring| ring.call.id),
        message => message.call(),
    }
}

impl World {
    /// Whether the opening of a call is in the log as the disk has it.
    fn is_logged(&mut self, call: &CallId) -> bool {
        if self.watch.opened.contains(call) {
            return true;
        }
        let disk = self.server.disk.clone();
        let note = disk.read(CHECKPOINT_PATH).ok().flatten().and_then(|note| String::from_utf8(note).ok());
        let Some(size) = note.and_then(|note| self.watch.log_key.open(&note).ok()).map(|signed| signed.size()) else {
            return false;
        };
        let tree = Tree::new(disk, size);
        if let Ok(entries) = tree.entries(self.watch.log_read.min(size)..size) {
            for (_, bytes) in entries.flatten() {
                if let Some(Entry::CallOpened { call, .. }) = ReadEntry::parse(&bytes).known() {
                    self.watch.opened.insert(call);
                }
            }
            self.watch.log_read = size;
        }
        self.watch.opened.contains(call)
    }

    /// A message leaves the server.
    pub fn check_sent_down(&mut self, d: usize, message: &ServerMessage) {
        use ServerMessage as M;
        for proof in message.clone().proofs_mut() {
            self.watch.checkpoints.insert(proof.checkpoint.clone());
        }
        if let M::SignedIn { checkpoint, .. } | M::Checkpoint { checkpoint, .. } = message {
            self.watch.checkpoints.insert(checkpoint.clone());
        }
        let name = self.devices[d].name.clone();
        if self.watch.revoked.contains(&d) && !matches!(message, M::Revoked { .. } | M::Challenge { .. }) {
            return self.watch.fail(format!("{name} is revoked, and the server sent it {}", crate::kind(message)));
        }
        let Some(call) = call_of(message) else { return };
        let id = self.devices[d].id;
        let Some(facts) = self.watch.calls.get(&call).cloned() else {
            return self.watch.fail(format!("the server told {name} of a call that nobody rang"));
        };
        let person = self.devices[d].card.person;
        let is_callee = person == facts.to;
        let is_caller = id == facts.device;
        let asked = self.watch.asked.contains(&(d, call));
        let mentioned = self.watch.mentioned.contains(&(d, call));
        let added = self.watch.added.contains(&(id, call));
        let concerned = match message {
            M::Opened { .. } | M::RingingThere { .. } => is_caller,
            M::Ringing { .. } | M::TakenElsewhere { .. } => is_callee,
            M::JoinAsked { .. }
            | M::RemoveAsked { .. }
            | M::Committed { .. }
            | M::CommitRefused { .. }
            | M::Application { .. } => added,
            M::Welcome { .. } => asked,
            M::MediaAnswer { .. } => mentioned,
            M::MediaLost { .. } => mentioned,
            M::Ended { .. } => is_callee || is_caller || asked || mentioned,
            M::RecordKept { .. } => !self.devices[d].speaks() || added,
            M::Notice(notice) => {
                // A party's other devices may continue it.
                let rang = self.devices.iter().any(|one| one.id == facts.device && one.card.person == person);
                let party = (is_callee || rang) && !is_caller;
                let acted_for = notice.acts_for.iter().any(|acts| acts.principal.person == person);
                !self.devices[d].speaks() || acted_for || party || added
            }
            M::Assigned { .. } => self.devices[d].takes_notes(),
            M::Refused { .. } => mentioned,
            _ => true,
        };
        if !concerned {
            return self
                .watch
                .fail(format!("the server sent {name} {} of a call that is not its", crate::kind(message)));
        }
        if !matches!(message, M::Refused { .. }) && !is_caller && !self.is_logged(&call) {
            return self.watch.fail(format!(
                "the server told {name} of a call ({}) whose opening is not in the log on disk",
                crate::kind(message)
            ));
        }
        if let M::Ended { how, .. }
        | M::Notice(telcon_proto::message::Notice { state: NoticeState::Ended { how }, .. }) = message
        {
            let told = self.watch.told.entry(call).or_default();
            told.insert(how.as_str());
            if told.len() > 1 {
                let told = told.clone();
                self.watch.fail(format!("devices were told that one call ended in two ways: {told:?}"));
            }
        }
    }

    /// A device's screen has changed.
    pub fn observe(&mut self, d: usize) {
        let Some(engine) = &self.devices[d].engine else { return };
        let view = engine.view();
        let name = self.devices[d].name.clone();
        if let Some(alert) = view.alerts.iter().find(|alert| alert.level == AlertLevel::Red) {
            return self.watch.fail(format!("{name} accuses an honest office: {}", alert.text));
        }
        if let Some(log) = view.log.as_ref().filter(|log| !log.ok) {
            return self.watch.fail(format!("{name} does not believe an honest log: {:?}", log.problem));
        }
        if view.call.as_ref().is_some_and(|call| call.invalid_checkpoints > 0) {
            return self.watch.fail(format!("{name} got a checkpoint of an honest member that the log did not sign"));
        }
        if self.has_lines() && self.script.is_none() {
            self.react_to_offers(d);
        }
        if !self.devices[d].speaks() {
            let run = self.devices[d].run;
            let over: BTreeSet<CallId> = view
                .notices
                .iter()
                .filter(|notice| matches!(notice.state, NoticeState::Ended { .. }))
                .map(|notice| notice.call)
                .collect();
            let before = self.watch.over.insert((d, run), over.clone()).unwrap_or_default();
            if let Some(lost) = before.difference(&over).next().filter(|_| over.len() < 60) {
                return self.watch.fail(format!("{name} forgot the call {lost:?}, which its list had as ended"));
            }
        }
        let shown = view.call.as_ref().map(|call| (call.call, call.state));
        let before = std::mem::replace(&mut self.devices[d].shown, shown);
        let Some(call) = view.call.filter(|_| before != shown) else { return };
        self.note(format!("{name}: {:?}", call.state));
        self.check_call_view(d, &call);
        let entered = before.is_none_or(|(id, state)| id != call.call || state != call.state);
        if entered && self.storm {
            self.react(d, &call);
        }
    }

    fn check_call_view(&mut self, d: usize, call: &CallView) {
        self.check_line_of_ring(d, call);
        let name = self.devices[d].name.clone();
        if call.problem.is_some() && call.state == CallState::Ended {
            self.note(format!("{name}: problem: {}", call.problem.as_deref().unwrap_or_default()));
        }
        if call.state == CallState::Ringing && call.direction == Direction::In {
            if !call.verified {
                return self.watch.fail(format!("{name} shows a ring that it did not verify"));
            }
            if !self.is_logged(&call.call) {
                return self.watch.fail(format!("{name} shows a ring whose opening is not in the log"));
            }
            if self.devices[d].ended.contains_key(&call.call) {
                return self.watch.fail(format!("{name} shows a ring again that was finished here"));
            }
        }
        if let Some(other) = call.members.iter().find(|member| self.device_of(member.device).is_none()) {
            self.watch.fail(format!("{name} shows a member that is no device of the office: {:?}", other.device));
        }
    }

    /// Every device that is live says something, and everybody tries to hear it: only those on the speaker's screen can.
    /// Gives the pairs that hear.
    pub fn probe(&mut self) -> BTreeSet<(usize, usize)> {
        let mut heard = BTreeSet::new();
        for speaker in 0..self.devices.len() {
            let packet = [&[0x78], SPOKEN.as_bytes(), &[speaker as u8]].concat();
            let from = self.devices[speaker].id;
            let Some(engine) = &mut self.devices[speaker].engine else { continue };
            let Some(frame) = engine.seal(&packet) else { continue };
            let screen: Vec<DeviceId> =
                engine.view().call.iter().flat_map(|call| &call.members).map(|member| member.device).collect();
            self.watch.wire.extend(&frame);
            for listener in (0..self.devices.len()).filter(|listener| *listener != speaker) {
                let id = self.devices[listener].id;
                let Some(engine) = &mut self.devices[listener].engine else { continue };
                let Ok(opened) = engine.open(&frame) else { continue };
                let (of, by) = (&self.devices[speaker].name, &self.devices[listener].name);
                if !screen.contains(&id) {
                    return self.fail_probe(format!("{by} opened a frame of {of}, and is not on its screen"));
                }
                if opened.device != from || opened.packet != packet {
                    return self.fail_probe(format!("{by} took a frame of {of} for another's"));
                }
                heard.insert((speaker, listener));
            }
        }
        heard
    }

    fn fail_probe(&mut self, what: String) -> BTreeSet<(usize, usize)> {
        self.watch.fail(what);
        BTreeSet::new()
    }

    /// The call of a device, if it is not over.
    pub fn call_view(&self, d: usize) -> Option<CallView> {
        self.devices[d].engine.as_ref()?.view().call.filter(|call| call.state != CallState::Ended)
    }

    /// Nothing has gone wrong for so long that every call must be whole.
    pub fn check_settled(&mut self) {
        if self.watch.failed() {
            return;
        }
        let mut calls: BTreeMap<CallId, Vec<(usize, CallView)>> = BTreeMap::new();
        for d in (0..self.devices.len()).filter(|d| !self.devices[*d].gone) {
            if let Some(view) = self.call_view(d) {
                calls.entry(view.call).or_default().push((d, view));
            }
        }
        self.check_lines_of_calls(calls.keys().copied());
        let heard = self.probe();
        for (call, devices) in &calls {
            let names = |ids: &[DeviceId]| -> Vec<String> {
                ids.iter().filter_map(|id| Some(self.devices[self.device_of(*id)?].name.clone())).collect()
            };
            let inside: Vec<DeviceId> = {
                let mut ids: Vec<_> = devices.iter().map(|(d, _)| self.devices[*d].id).collect();
                ids.sort();
                ids
            };
            let first = &devices[0].1;
            for (d, view) in devices {
                let name = &self.devices[*d].name;
                if view.state != CallState::Live {
                    let what = format!("{name} is stuck: {:?} in a call of {:?}", view.state, names(&inside));
                    return self.watch.fail(what);
                }
                let mut screen: Vec<_> = view.members.iter().map(|member| member.device).collect();
                screen.sort();
                if screen != inside {
                    let what = format!("{name} shows {:?}, and in the call are {:?}", names(&screen), names(&inside));
                    return self.watch.fail(what);
                }
                if view.epoch != first.epoch || view.phrase != first.phrase || view.phrase.is_none() {
                    let what = format!(
                        "{name} is in epoch {:?} with the phrase {:?}, {} in {:?} with {:?}",
                        view.epoch, view.phrase, self.devices[devices[0].0].name, first.epoch, first.phrase
                    );
                    return self.watch.fail(what);
                }
                for (other, _) in devices.iter().filter(|(other, _)| other != d && self.devices[*d].speaks()) {
                    if !heard.contains(&(*d, *other)) {
                        let what = format!("{} does not hear {name}", self.devices[*other].name);
                        return self.watch.fail(what);
                    }
                }
            }
            if devices.iter().filter(|(d, _)| self.devices[*d].speaks()).count() < 2 {
                return self.watch.fail(format!("a call goes on with one side: {:?}", names(&inside)));
            }
            let mut hosts = BTreeSet::new();
            for (d, _) in devices {
                let leg = self.devices[*d].leg.as_ref();
                let leg = leg.filter(|leg| leg.call == *call && leg.connected && self.leg_lives(leg));
                let Some((relay, _)) = leg.and_then(|leg| leg.at) else {
                    let (name, leg) = (&self.devices[*d].name, &self.devices[*d].leg);
                    let what = format!("{name} has no leg in its call: {leg:?}");
                    return self.watch.fail(what);
                };
                hosts.insert(relay);
            }
            if hosts.len() != 1 {
                return self.watch.fail(format!("the legs of one call are at the relays {hosts:?}"));
            }
        }
        let free: Vec<&str> = (0..self.devices.len())
            .filter(|d| self.devices[*d].takes_notes() && self.devices[*d].is_on() && self.call_view(*d).is_none())
            // A revoked one that a thief cut off the network runs on, and cannot be assigned.
            .filter(|d| !self.devices[*d].gone)
            .map(|d| self.devices[d].name.as_str())
            .collect();
        let noted = |devices: &[(usize, CallView)]| devices.iter().any(|(d, _)| self.devices[*d].takes_notes());
        let unattended = calls.values().find(|devices| devices[0].1.mode != RecordMode::LogOnly && !noted(devices));
        if let (Some(devices), false) = (unattended, free.is_empty()) {
            let what = format!("nobody writes a call of {}, and {free:?} are free", self.devices[devices[0].0].name);
            return self.watch.fail(what);
        }
        let Some(process) = &self.server.process else { return self.watch.fail("the server is down".to_owned()) };
        let gauges = process.board.gauges();
        if (gauges.live, gauges.ringing) != (calls.len(), 0) {
            let what = format!(
                "{} calls are live on devices; the switchboard has {} live and {} ringing",
                calls.len(),
                gauges.live,
                gauges.ringing
            );
            return self.watch.fail(what);
        }
        self.check_devices(&calls.keys().copied().collect());
    }

    /// Each device that can be is signed in, and staff's lists have the calls that there are.
    fn check_devices(&mut self, live: &BTreeSet<CallId>) {
        let mut sessions = 0;
        for device in &self.devices {
            let Some(engine) = device.engine.as_ref().filter(|_| !device.gone) else {
                if !device.gone {
                    return self.watch.fail(format!("{} is down", device.name));
                }
                continue;
            };
            let (view, name) = (engine.view(), &device.name);
            if device.revoked {
                return self.watch.fail(format!("{name} was revoked, and goes on as {:?}", view.phase));
            }
            if view.phase != ConnectionState::Ready || !view.caught_up {
                return self.watch.fail(format!("{name} is not signed in: {:?}", view.phase));
            }
            sessions += 1;
            let open = view.notices.iter().filter(|notice| !matches!(notice.state, NoticeState::Ended { .. }));
            let open: BTreeSet<CallId> = open.map(|notice| notice.call).collect();
            if !device.speaks() && open != *live {
                let what = format!("the list of {name} has {} open calls, and there are {}", open.len(), live.len());
                return self.watch.fail(what);
            }
        }
        let gauges = self.server.process.as_ref().map(|process| process.board.gauges()).unwrap_or_default();
        if gauges.sessions != sessions {
            let what =
                format!("{sessions} devices are signed in, and the switchboard has {} sessions", gauges.sessions);
            self.watch.fail(what);
        }
    }

    /// Everybody hung up, and everything that was due is over.
    pub fn check_final(&mut self) {
        if self.watch.failed() {
            return;
        }
        for d in 0..self.devices.len() {
            if let Some(view) = self.call_view(d).filter(|_| !self.devices[d].gone) {
                let what = format!("{} is still in a call: {:?}", self.devices[d].name, view.state);
                return self.watch.fail(what);
            }
            if !self.devices[d].spool.is_empty() {
                return self.watch.fail(format!("{} has a record that nobody takes", self.devices[d].name));
            }
            let state: serde_json::Value = serde_json::from_str(&self.devices[d].state).unwrap_or_default();
            if state["claims"].as_array().is_some_and(|claims| !claims.is_empty()) && !self.devices[d].gone {
                return self.watch.fail(format!("{} was not shown that its log is one", self.devices[d].name));
            }
        }
        let Some(process) = &self.server.process else { return self.watch.fail("the server is down".to_owned()) };
        let gauges = process.board.gauges();
        if (gauges.live, gauges.ringing) != (0, 0) {
            return self.watch.fail(format!("something is pending: {gauges:?}"));
        }
        for (n, relay) in self.relays.iter().enumerate() {
            let load = relay.load();
            if load != (0, 0) || !relay.calls.is_empty() || !relay.legs.is_empty() {
                let what = format!("relay {n} has {} calls and {} legs, and nobody is in a call", load.0, load.1);
                return self.watch.fail(what);
            }
        }
        self.check_devices(&BTreeSet::new());
        if let Err(what) = self.check_log() {
            return self.watch.fail(what);
        }
        if let Some(leak) = self.watch.leak() {
            self.watch.fail(format!("the server is not blind: {leak}"));
        }
    }

    fn check_log(&mut self) -> Result<(), String> {
        let mut remembered = Vec::new();
        for note in &self.watch.checkpoints {
            let checkpoint = self.watch.log_key.verify_checkpoint(note).map_err(|error| error.to_string())?;
            remembered.push(checkpoint);
        }
        let mut entries = Vec::new();
        verify_tree_visiting(self.server.disk.clone(), &self.watch.log_key, &remembered, |_, bytes| {
            entries.push(ReadEntry::parse(bytes).known());
        })
        .map_err(|error| format!("the log does not verify: {error}"))?;
        let (mut opened, mut ended) = (BTreeMap::new(), BTreeMap::new());
        let (mut kept, mut once) = (BTreeSet::new(), BTreeSet::new());
        let mut lines: BTreeMap<_, (LineState, Digest)> = BTreeMap::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let entry = entry.ok_or(format!("entry {index} cannot be read"))?;
            let key = match &entry {
                Entry::CallOpened { call, mode, line, .. } => {
                    opened.insert(*call, *mode);
                    let is_live = |line: &LineId| lines.get(line).is_some_and(|(state, _)| *state == LineState::Live);
                    if let Some(line) = line.filter(|line| !is_live(line)) {
                        return Err(format!("entry {index} opens a call over {line:?}, which is not live"));
                    }
                    self.check_line_of_call(call, *line)?;
                    format!("opened {call:?}")
                }
                Entry::CallEnded { call, how, answered, .. } => {
                    if !opened.contains_key(call) {
                        return Err(format!("entry {index} ends a call that was not opened"));
                    }
                    ended.insert(*call, (*how, *answered));
                    format!("ended {call:?}")
                }
                Entry::RecordArchived { call, device, .. } => {
                    kept.insert(*call);
                    if !opened.contains_key(call) {
                        return Err(format!("entry {index} is a record of a call that was not opened"));
                    }
                    format!("sealed {call:?} {device:?}")
                }
                Entry::RecordSealed { .. } => return Err(format!("entry {index} is of an earlier version")),
                Entry::RecordMissing { call, .. } => {
                    kept.insert(*call);
                    format!("missing {call:?}")
                }
                Entry::DeviceEnrolled { device, enrolment, .. } => {
                    if !once.insert(format!("enrolled {device:?}")) {
                        return Err(format!("the log enrols {device:?} twice"));
                    }
                    format!("used {enrolment}")
                }
                Entry::DeviceRevoked { device, .. } => format!("revoked {device:?}"),
                Entry::RegistrarAppointed { device, .. } => format!("appointed {device:?}"),
                Entry::InvitationMade { invitation, .. } => format!("invited {invitation:?}"),
                Entry::InvitationClosed { invitation, .. } => format!("closed {invitation:?}"),
                Entry::AlertRaised { time_ms, kind, device, invitation, .. } => {
                    format!("alert {kind} {time_ms} {device:?} {invitation:?}")
                }
                Entry::RecoveryOpened { recovery, .. } => format!("recovery opened {recovery:?}"),
                Entry::RecoveryConfirmed { recovery, .. } => format!("recovery confirmed {recovery:?}"),
                Entry::RecoveryClosed { recovery, .. } => format!("recovery closed {recovery:?}"),
                Entry::DelegationGiven { delegation, .. } => format!("delegated {delegation:?}"),
                Entry::DelegationEnded { delegation, .. } => format!("ended {delegation:?}"),
                Entry::LineSigned { line, version, state, statement_sha256, .. } => {
                    let before = lines.insert(*line, (*state, *statement_sha256));
                    if before.is_some_and(|(state, _)| state == LineState::Ended) {
                        return Err(format!("entry {index} is a version of {line:?} after its end"));
                    }
                    self.check_line_versions(index, statement_sha256, before.as_ref().map(|(_, sha256)| sha256))?;
                    format!("line {line:?} {version}")
                }
                Entry::ShiftStarted { shift, .. } => format!("shift started {shift:?}"),
                Entry::ShiftEnded { shift, .. } => format!("shift ended {shift:?}"),
                // The same statement again says nothing new.
                Entry::DeviceKey { .. } => continue,
                Entry::DocumentVersion { document, version, .. } => format!("document {document:?} {version}"),
                // A copy may be opened as often as somebody likes.
                Entry::DocumentOpened { .. } => continue,
                // Published again after the server was killed before it answered.
                Entry::ReadoutPublished { .. } => continue,
                Entry::ArchiveOpened { .. } | Entry::DevicePolicyChanged { .. } => continue,
            };
            if !once.insert(key.clone()) {
                return Err(format!("the log says twice: {key}"));
            }
        }
        for (call, mode) in &opened {
            let Some((how, answered)) = ended.get(call) else { return Err(format!("{call:?} never ended in the log")) };
            if *answered == Some(true) && *mode != RecordMode::LogOnly && !kept.contains(call) {
                return Err(format!("{call:?} has no record, and no entry says so"));
            }
            if let Some(told) = self.watch.told.get(call).filter(|told| !told.contains(how.as_str())) {
                return Err(format!("{call:?} ended as {how:?} in the log, and devices were told {told:?}"));
            }
            for device in self.devices.iter().filter(|device| !device.gone) {
                let Some((word, own)) = device.ended.get(call) else { continue };
                let agreed = *own
                    || *word == how.as_str()
                    || matches!(*word, "taken_elsewhere" | "interrupted" | "missed")
                    // A ring that came to nothing is a failure to its caller, whatever the log calls it.
                    || *word == "failed" && *answered == Some(false)
                    // Nobody ended it on purpose, and a device that was away is told only that there is no such call.
                    || *word == "failed" && matches!(how, Ended::Revoked | Ended::Interrupted)
                    // A listener whose part in it ended.
                    || !device.speaks();
                if !agreed {
                    return Err(format!("{call:?} ended as {how:?} in the log and as {word} on {}", device.name));
                }
            }
        }
        Ok(())
    }
}
