//! Faults with real processes and sockets: processes killed during a call, a full disk, stalled machines.

mod office;

use office::{InCall, PATIENCE, Running, in_call, members, ok, ring, rings, speak, state, telcon, until};
use std::{fs, os::unix::process::CommandExt as _, process::Command};
use telcon_client::{
    audio::Frame,
    endpoint::{Endpoint, NullSink},
};
use telcon_core::{
    UserCommand as Do,
    view::{CallState, View},
};

/// Waits until more frames than this were received.
async fn receives_more(endpoint: &Endpoint, than: u64) {
    tokio::time::timeout(PATIENCE, endpoint.until_received(than + 1))
        .await
        .expect("no further frames received")
        .unwrap();
}

async fn hang_up(call: &InCall) {
    call.a.command(Do::HangUp);
    until(&call.b, "the end", |view| state(view) == Some(CallState::Ended)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_resumes_after_server_crash() {
    let mut call = in_call().await;
    speak(&call.a, 50).await;
    receives_more(&call.b, 0).await;
    let before = call.a.view().borrow().log.clone().unwrap();

    call.office.kill_server();
    for endpoint in [&call.a, &call.b] {
        until(endpoint, "the loss to be noticed", |view| state(view) == Some(CallState::Reconnecting)).await;
    }
    call.office.serve();
    for endpoint in [&call.a, &call.b] {
        until(endpoint, "the call to resume", |view| state(view) == Some(CallState::Live) && members(view) == 3).await;
    }
    let (of_a, of_b) = (call.a.stats().frames_received(), call.b.stats().frames_received());
    speak(&call.a, 50).await;
    speak(&call.b, 50).await;
    receives_more(&call.a, of_a + 25).await;
    receives_more(&call.b, of_b + 25).await;

    // The log extends the checkpoint of each device: no split view.
    for endpoint in [&call.a, &call.b] {
        let log =
            until(endpoint, "the log", |view| view.log.as_ref().is_some_and(|log| log.checked_ms > before.checked_ms));
        let log = log.await.log.unwrap();
        assert!(log.ok && log.size >= before.size, "{:?}", log.problem);
    }
    hang_up(&call).await;
    call.notes.wait_for_line("is in the archive");
    let report = call.office.verify();
    assert_eq!((report["records"].as_u64(), report["records_good"].as_u64()), (Some(1), Some(1)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ring_survives_server_crash() {
    let mut office = office::Office::new();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let a = office.endpoint(&a, false, Box::new(telcon_client::endpoint::NullSink));
    let b = office.endpoint(&b, false, Box::new(telcon_client::endpoint::NullSink));
    until(&b, "B to sign in", |view| view.token.is_some()).await;
    rings(&a).await;
    until(&b, "the ring", |view| state(view) == Some(CallState::Ringing)).await;
    office.kill_server();
    office.serve();
    until(&b, "the connection", |view| view.token.is_some()).await;
    let view = until(&b, "the ring to be settled", |view| view.caught_up).await;
    // Either it still rings and can be answered, or it has ended on both sides and in the log: no mixed state.
    if state(&view) == Some(CallState::Ringing) {
        b.command(Do::Answer { call: None });
        until(&a, "the call", |view| state(view) == Some(CallState::Live)).await;
        until(&b, "the call", |view| state(view) == Some(CallState::Live)).await;
        a.command(Do::HangUp);
    }
    until(&a, "the end", |view| state(view) == Some(CallState::Ended)).await;
    until(&b, "the end", |view| state(view) == Some(CallState::Ended)).await;
    let report = office.verify();
    assert_eq!(report["calls"], 1, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_everything_was_killed_has_a_record() {
    let mut call = in_call().await;
    let others = ["C", "D"].map(|name| call.office.enrol(name, "principal"));
    speak(&call.a, 25).await;
    call.notes.kill();
    call.office.kill_server();
    let office::InCall { mut office, a, b, note_taker, .. } = call;
    // Whose programs were killed too, and do not come back.
    drop((a, b));
    office.serve();
    let notes = office.take_notes(&note_taker);
    let c = office.endpoint(&others[0], false, Box::new(NullSink));
    let d = office.endpoint(&others[1], true, Box::new(NullSink));
    until(&d, "D to sign in", |view| view.token.is_some()).await;
    let reachable = |view: &View| view.people.iter().any(|contact| contact.card.name == "D" && contact.reachable);
    let view = until(&c, "D to be reachable", |view| view.token.is_some() && reachable(view)).await;
    let person = view.people.iter().find(|contact| contact.card.name == "D").unwrap().card.person;
    c.command(Do::Ring { person, mode: None });
    until(&c, "the note-taker", |view| members(view) == 3).await;
    let id = c.view().borrow().call.as_ref().unwrap().call;
    speak(&c, 25).await;
    c.command(Do::HangUp);
    until(&d, "the end", |view| state(view) == Some(CallState::Ended)).await;
    while !notes.wait_for_line("is in the archive").contains(&id.to_hex()) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn record_is_delivered_after_server_crash() {
    let mut call = in_call().await;
    speak(&call.a, 50).await;
    // The archive accepts nothing until the server is killed, so that the record cannot arrive before.
    let records = call.office.path("server/archive/records");
    fs::write(&records, b"in the way").unwrap();
    hang_up(&call).await;
    call.notes.wait_for_line("stays in the spool");
    call.office.kill_server();
    fs::remove_file(&records).unwrap();
    call.office.serve();
    call.notes.wait_for_line("is in the archive");
    assert_eq!(call.office.verify()["records_good"], 1);
    let left: Vec<_> = fs::read_dir(call.office.path("spool")).unwrap().flatten().collect();
    assert!(left.is_empty(), "what the archive has, the spool forgets: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn record_that_the_archive_cannot_store_is_retried() {
    let call = in_call().await;
    speak(&call.a, 50).await;
    // A file blocks the records' directory: every upload fails.
    let records = call.office.path("server/archive/records");
    fs::write(&records, b"in the way").unwrap();
    hang_up(&call).await;
    call.notes.wait_for_line("stays in the spool");
    fs::remove_file(&records).unwrap();
    call.notes.wait_for_line("is in the archive");
    assert_eq!(call.office.verify()["records_good"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn note_taker_crash_is_noted_in_the_record() {
    let mut call = in_call().await;
    speak(&call.a, 300).await;
    let recording = |view: &View| view.call.as_ref().is_some_and(|call| call.note_taker);
    until(&call.a, "an active note-taker", recording).await;
    let second = call.office.note(&call.note_taker).output().unwrap();
    assert!(
        !second.status.success() && String::from_utf8_lossy(&second.stderr).contains("is in use"),
        "one device, one process"
    );
    call.notes.kill();
    // Speech continues meanwhile.
    speak(&call.a, 50).await;
    until(&call.a, "the report that nobody records", |view| !recording(view)).await;
    let epoch = |view: &View| view.call.as_ref().and_then(|call| call.epoch);
    let before = epoch(&call.a.view().borrow());
    let model = std::env::var_os("TELCON_ASR_MODEL");
    let mut note = call.office.note(&call.note_taker);
    if let Some(model) = &model {
        note.arg("--asr-model").arg(model);
    }
    call.notes = Running::start(&mut note);
    until(&call.a, "the note-taker, with new keys", |view| epoch(view) > before && members(view) == 3).await;
    until(&call.a, "an active note-taker again", recording).await;
    speak(&call.b, 100).await;
    hang_up(&call).await;
    call.notes.wait_for_line("is in the archive");
    let report = call.office.verify();
    assert_eq!((report["records_good"].as_u64(), report["records_partial"].as_u64()), (Some(1), Some(1)), "{report}");
    let (printed, opened) = call.office.open_record();
    assert!(
        printed.contains("the note-taker says: the note-taker was interrupted and resumed: nothing was recorded for "),
        "{printed}"
    );
    assert!(printed.starts_with("A and B\n"), "{printed}");
    match model {
        Some(_) => {
            let transcript = fs::read_to_string(opened.join("transcript.vtt")).unwrap();
            assert!(transcript.contains("[No audio was received in this period.]"), "{transcript}");
            // The gap starts at the earlier run's last heartbeat, not at the start of the call.
            let gap = transcript.lines().find(|line| line.contains("-->")).unwrap();
            assert!(!gap.starts_with("00:00:00.000"), "{transcript}");
        }
        None => office::not_run("the transcript is not checked for a gap: TELCON_ASR_MODEL is not set"),
    }
    // Segments after the gap have times after the gap: six seconds, one, and the time until the failure is detected.
    let lengths =
        printed.lines().filter_map(|line| line.split_once(".opus  ")?.1.split(' ').next()?.parse::<f64>().ok());
    let lengths: Vec<f64> = lengths.collect();
    assert!(lengths.len() == 2 && lengths.iter().all(|length| *length > 12.0), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn note_taker_that_is_told_to_stop_stops_at_once_and_its_record_goes_on() {
    let mut call = in_call().await;
    speak(&call.a, 150).await;
    let recording = |view: &View| view.call.as_ref().is_some_and(|call| call.note_taker);
    until(&call.a, "an active note-taker", recording).await;
    signal(&call.notes, "-TERM");
    assert!(call.notes.ended(), "{}", call.notes.output());
    assert!(call.notes.output().contains("stopping during a call"), "{}", call.notes.output());
    let epoch = |view: &View| view.call.as_ref().and_then(|call| call.epoch);
    let before = epoch(&call.a.view().borrow());
    call.notes = Running::start(&mut call.office.note(&call.note_taker));
    until(&call.a, "the note-taker, with new keys", |view| epoch(view) > before && members(view) == 3).await;
    until(&call.a, "an active note-taker again", recording).await;
    hang_up(&call).await;
    call.notes.wait_for_line("is in the archive");
    // Without a call it stops at once.
    signal(&call.notes, "-TERM");
    assert!(call.notes.ended(), "{}", call.notes.output());
}

#[test]
fn server_stops_in_order_on_sigterm_and_on_ctrl_c() {
    let mut office = office::Office::new();
    for stop in ["-TERM", "-INT"] {
        let mut server = office.server.take().unwrap();
        signal(&server, stop);
        server.wait_for_line("stopping");
        assert!(server.ended(), "{stop}: {}", server.output());
        office.serve();
    }
}

/// Sends a signal to a process.
fn signal(process: &Running, signal: &str) {
    assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn repeatedly_stalled_note_taker_transcribes_everything() {
    let Some(model) = std::env::var_os("TELCON_ASR_MODEL") else {
        return office::not_run("TELCON_ASR_MODEL names no model");
    };
    let office = office::Office::new();
    let note_taker = office.enrol("Notes", "note-taker");
    let notes = Running::start(office.note(&note_taker).arg("--asr-model").arg(model));
    notes.wait_for_line("waits for calls");
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let (a, b) = (office.endpoint(&a, false, Box::new(NullSink)), office.endpoint(&b, true, Box::new(NullSink)));
    ring(&a, &b).await;
    for endpoint in [&a, &b] {
        until(endpoint, "the note-taker", |view| members(view) == 3).await;
    }
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav");
    // The faint noise of a room: speech that follows digital silence is taken for that of a microphone switched on in mid-word.
    let noise = (0..24_000).map(|n| if n % 7 < 3 { 2e-4 } else { -2e-4 });
    let samples: Vec<f32> = noise.chain(telcon_client::audio::wav::read(&fixture).unwrap()).collect();
    let printed: Vec<Frame> = telcon_client::audio::frames(&samples).collect();
    // It stalls repeatedly for two thirds of a second; packets wait in its socket's buffer.
    for some in printed.chunks(50) {
        signal(&notes, "-STOP");
        let (still, work) = some.split_at(some.len() * 2 / 3);
        a.send_audio(still.to_vec()).await.unwrap();
        signal(&notes, "-CONT");
        a.send_audio(work.to_vec()).await.unwrap();
    }
    // The last words arrive before the call is over.
    speak(&b, 25).await;
    a.command(Do::HangUp);
    notes.wait_for_line("is in the archive");
    let (_, opened) = office.open_record();
    let lines: serde_json::Value = serde_json::from_slice(&fs::read(opened.join("transcript.json")).unwrap()).unwrap();
    let by_a = lines["segments"].as_array().unwrap().iter().filter(|line| line["name"] == "A");
    let words: Vec<&str> = by_a.map(|line| line["text"].as_str().unwrap()).collect();
    let rate =
        telcon_client::transcription::wer::word_errors(include_str!("../../client/fixtures/a.txt"), &words.join(" "))
            .rate();
    assert!(rate < 0.1, "word error rate {rate}: {words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn note_taker_stalled_for_2500_ms_loses_no_packets() {
    let call = in_call().await;
    speak(&call.a, 75).await;
    signal(&call.notes, "-STOP");
    speak(&call.a, 125).await;
    signal(&call.notes, "-CONT");
    speak(&call.a, 75).await;
    hang_up(&call).await;
    call.notes.wait_for_line("is in the archive");
    call.office.assert_lacks_transcript_only();
}

#[tokio::test(flavor = "multi_thread")]
async fn note_taker_that_resumes_after_hanging_reports_what_it_missed() {
    let office = office::Office::new();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let (a, b) = (office.endpoint(&a, false, Box::new(NullSink)), office.endpoint(&b, false, Box::new(NullSink)));
    let notes = office.take_notes(&office.enrol("Notes", "note-taker"));
    until(&b, "B to sign in", |view| view.token.is_some()).await;
    rings(&a).await;
    let recording = |view: &View| view.call.as_ref().is_some_and(|call| call.note_taker);
    until(&a, "an active note-taker", recording).await;
    until(&b, "the ring", |view| state(view) == Some(CallState::Ringing)).await;
    // Before the answer, so that it does not know when audio started.
    signal(&notes, "-STOP");
    b.command(Do::Answer { call: None });
    for endpoint in [&a, &b] {
        until(endpoint, "the call", |view| state(view) == Some(CallState::Live)).await;
    }
    // Longer than the threshold for a changed clock.
    speak(&a, 600).await;
    until(&a, "the report that nobody records", |view| !recording(view)).await;
    signal(&notes, "-CONT");
    until(&a, "the note-taker to be active again", recording).await;
    a.command(Do::HangUp);
    notes.wait_for_line("is in the archive");
    let report = office.verify();
    let (printed, _) = office.open_record();
    assert_eq!(report["records_partial"], 1, "{printed}");
    // It reports the missed time, or, if stopped before it was admitted, that it joined late.
    let reason = printed.lines().find_map(|line| line.strip_prefix("missing: the note-taker says: ")).unwrap();
    let seconds = reason.split(' ').find_map(|word| word.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (11..20).contains(&seconds)), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn permanently_killed_note_taker_leaves_a_partial_record() {
    let mut call = in_call().await;
    speak(&call.a, 300).await;
    call.notes.kill();
    hang_up(&call).await;
    call.notes = call.office.take_notes(&call.note_taker);
    call.notes.wait_for_line("is in the archive");
    assert_eq!(call.office.verify()["records_partial"], 1);
    let (printed, _) = call.office.open_record();
    assert!(printed.contains("the call ended before it resumed"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transcript_of_a_killed_note_taker_covers_the_sound_that_it_kept() {
    let Some(model) = std::env::var_os("TELCON_ASR_MODEL") else {
        return office::not_run("TELCON_ASR_MODEL names no model");
    };
    let office = office::Office::new();
    let note_taker = office.enrol("Notes", "note-taker");
    let take_notes = || {
        let notes = Running::start(office.note(&note_taker).arg("--asr-model").arg(&model));
        notes.wait_for_line("waits for calls");
        notes
    };
    let mut notes = take_notes();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let (a, b) = (office.endpoint(&a, false, Box::new(NullSink)), office.endpoint(&b, true, Box::new(NullSink)));
    ring(&a, &b).await;
    for endpoint in [&a, &b] {
        until(endpoint, "the note-taker", |view| members(view) == 3).await;
    }
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/fixtures/a.wav");
    let spoken: Vec<Frame> =
        telcon_client::audio::frames(&telcon_client::audio::wav::read(&fixture).unwrap()).collect();
    // Killed in mid-speech: no passage is complete, so nothing is transcribed, and the sound of the last sealed part is kept.
    a.send_audio(spoken[..spoken.len() - 50].to_vec()).await.unwrap();
    notes.kill();
    a.command(Do::HangUp);
    until(&b, "the end", |view| state(view) == Some(CallState::Ended)).await;
    let notes = take_notes();
    notes.wait_for_line("is in the archive");
    let (_, opened) = office.open_record();
    let transcript = fs::read_to_string(opened.join("transcript.vtt")).unwrap();
    assert!(transcript.contains("thank you for taking my call"), "{transcript}");
    assert!(transcript.contains("<v A>"), "the speaker has a name: {transcript}");
    assert!(!transcript.contains("No transcript of this time"), "{transcript}");
    let mut files = Vec::new();
    walk(&office.path("spool"), &mut files);
    assert!(files.iter().all(|(name, _)| !name.ends_with(".pending")), "sound is left in the spool: {files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spool_contains_no_plaintext() {
    let mut call = in_call().await;
    speak(&call.a, 300).await;
    call.notes.kill();
    // It contains the journal and sealed parts; no Ogg page, no plaintext JSON, no name.
    let mut files = Vec::new();
    walk(&call.office.path("spool"), &mut files);
    assert!(files.iter().any(|(name, _)| name.ends_with(".age")), "a part was sealed: {files:?}");
    for (name, bytes) in files {
        for clear in [&b"OggS"[..], b"OpusHead", b"note_taker_joined", b"Office of the President", b"participants"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear), "{name} has it in the clear");
        }
    }
}

fn walk(dir: &std::path::Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), files);
        } else {
            files.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()));
        }
    }
}

/// A note-taker whose spool is a nearly full disk of half a megabyte, in its own mount namespace.
fn note_on_a_full_disk(call: &office::Office, device: &std::path::Path) -> Option<Running> {
    let spool = call.path("spool");
    fs::create_dir_all(&spool).unwrap();
    let script =
        "mount -t tmpfs -o size=512k tmpfs \"$SPOOL\" && head -c 480k /dev/zero > \"$SPOOL/filler\" && exec \"$@\"";
    let probe = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let possible = Command::new("unshare").args(probe).arg("mount -t tmpfs tmpfs /tmp").status();
    if !possible.is_ok_and(|status| status.success()) {
        office::not_run("a small disk cannot be mounted here (unshare, user namespaces)");
        return None;
    }
    let note = call.note(device);
    let mut command = Command::new("unshare");
    command.args(probe).args([script, "sh"]).arg(note.get_program()).args(note.get_args()).env("SPOOL", &spool);
    let notes = Running::start(command.process_group(0));
    notes.wait_for_line("waits for calls");
    Some(notes)
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_while_sealing_loses_nothing() {
    let office = office::Office::new();
    let (a, b) = (office.enrol("A", "principal"), office.enrol("B", "principal"));
    let note_taker = office.enrol("Notes", "note-taker");
    let Some(notes) = note_on_a_full_disk(&office, &note_taker) else { return };
    let a = office.endpoint(&a, false, Box::new(telcon_client::endpoint::NullSink));
    let b = office.endpoint(&b, true, Box::new(telcon_client::endpoint::NullSink));
    ring(&a, &b).await;
    until(&a, "the note-taker", |view| members(view) == 3).await;
    speak(&a, 600).await;
    notes.wait_for_line("cannot be sealed");
    a.command(Do::HangUp);
    until(&b, "the end", |view| state(view) == Some(CallState::Ended)).await;
    // The operator frees space. (The disk is in the note-taker's namespace.)
    let inside = format!("/proc/{}/root{}", notes.id(), office.path("spool/filler").display());
    fs::remove_file(inside).unwrap();
    notes.wait_for_line("is in the archive");
    let out = office.assert_lacks_transcript_only();
    // All twelve seconds are recorded: Opus at 32 kbit/s is 4 kB per second.
    let sound: u64 = fs::read_dir(out.join("audio")).unwrap().flatten().map(|e| e.metadata().unwrap().len()).sum();
    assert!(sound > 12 * 4_000, "{sound} bytes of sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_answers_on_two_devices_admit_one() {
    let office = office::Office::new();
    let a = office.enrol("A", "principal");
    let link = |person: Option<&str>| {
        let mut invite = telcon();
        invite.args(["invite", "--name", "B", "--organisation", "Office", "--role", "principal", "--data"]);
        invite.arg(office.dir.path()).arg("--server").arg(office.url());
        if let Some(person) = person {
            invite.args(["--person", person]);
        }
        let output = ok(&mut invite);
        let printed = String::from_utf8(output.stderr).unwrap();
        let person = printed.split("--person ").nth(1).unwrap().trim().to_owned();
        (String::from_utf8(output.stdout).unwrap().trim().to_owned(), person)
    };
    let (first, person) = link(None);
    let (second, _) = link(Some(&person));
    let devices = [(first, "b1.json"), (second, "b2.json")].map(|(link, name)| {
        ok(telcon().args(["enrol", "--device"]).arg(office.path(name)).arg(link));
        office.endpoint(&office.path(name), true, Box::new(telcon_client::endpoint::NullSink))
    });
    for device in &devices {
        until(device, "B to sign in", |view| view.token.is_some()).await;
    }
    let a = office.endpoint(&a, false, Box::new(telcon_client::endpoint::NullSink));
    rings(&a).await;
    until(&a, "the call", |view| state(view) == Some(CallState::Live)).await;
    let mut states = Vec::new();
    for device in &devices {
        let settled = |view: &View| matches!(state(view), Some(CallState::Live | CallState::Ended));
        states.push(state(&until(device, "an end of the ring", settled).await));
    }
    let live = states.iter().filter(|state| **state == Some(CallState::Live)).count();
    assert_eq!(live, 1, "{states:?}");
    assert_eq!(members(&a.view().borrow()), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_rollback_is_detected_with_a_device_checkpoint() {
    let office = office::Office::new();
    let copy = |from: &str, to: &str| {
        ok(Command::new("cp").arg("-r").arg(office.path(from)).arg(office.path(to)));
    };
    let a = office.enrol("A", "principal");
    copy("server/archive", "earlier");
    office.enrol("B", "principal");
    let endpoint = office.endpoint(&a, false, Box::new(telcon_client::endpoint::NullSink));
    until(&endpoint, "the log", |view| view.log.as_ref().is_some_and(|log| log.size > 1)).await;
    drop(endpoint);

    let seen = ok(telcon().args(["archive", "checkpoint", "--device"]).arg(&a)).stdout;
    fs::write(office.path("seen.txt"), seen).unwrap();
    let verify = |archive: &str| {
        let mut verify = telcon();
        verify.args(["archive", "verify"]).arg(office.path(archive)).arg("--checkpoint").arg(office.path("seen.txt"));
        verify
    };
    let printed = String::from_utf8(ok(&mut verify("server/archive")).stdout).unwrap();
    assert!(printed.contains("extends the given checkpoint"), "{printed}");
    // Consistent in itself, but older than the checkpoint.
    ok(telcon().args(["archive", "verify"]).arg(office.path("earlier")));
    let output = verify("earlier").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("PROBLEM"), "{printed}");
}
