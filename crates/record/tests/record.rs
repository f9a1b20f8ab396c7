//! A record from its first part to its opening, and what it reveals in between.

mod support;

use std::io::Read;

use support::*;
use telcon_record::*;

const MARKER: &str = "MARKER-of-plaintext";
const SILENCE: &[u8] = &[0xf8, 0xff, 0xfe];

fn segment(start_ms: u64, speaker: &str, text: &str) -> Segment {
    let name = format!("Speaker {speaker}");
    Segment {
        start_ms,
        end_ms: start_ms + 900,
        speaker: speaker.into(),
        name,
        text: text.into(),
        language: None,
        confidence: Vec::new(),
    }
}

fn sound(n: u8, start_ms: u64) -> Payload {
    let packets = [[SILENCE; 49].as_slice(), &[MARKER.as_bytes()]].concat();
    ogg_opus(salt(n), &OpusChunk { start_ms, pre_skip: 312, packets: &packets }).unwrap()
}

/// Two recording sessions of a call with two speakers: the note-taker was killed between them.
fn write_call(dir: &std::path::Path, mut each_step: impl FnMut()) -> Sealed {
    let mut writer = RecordWriter::create(dir, &custodians(), CALL).unwrap();
    for n in 0..2u8 {
        let at = u64::from(n) * 1000;
        writer.add(&format!("audio/alice/{n:06}.opus"), sound(n, at)).unwrap();
        writer.add(&format!("audio/bob/{n:06}.opus"), sound(10 + n, at)).unwrap();
        let heard = [segment(at, "alice", MARKER)];
        writer.add(&format!("transcript/{n:06}.jsonl"), salted_jsonl(salt(20 + n), &heard).unwrap()).unwrap();
        each_step();
        writer.flush_part().unwrap().unwrap();
        each_step();
    }
    writer.add("events/000009.jsonl", payload(30, MARKER)).unwrap();
    drop(writer);
    let Ok(Recovered::Unfinished(mut writer)) = RecordWriter::recover(dir, &custodians()) else {
        panic!("not recovered as unfinished")
    };
    assert_eq!(writer.session(), 2);
    writer.add("audio/alice/000000.opus", sound(40, 5000)).unwrap();
    writer.add("transcript/000000.jsonl", salted_jsonl(salt(41), &[segment(5000, "bob", "Later.")]).unwrap()).unwrap();
    let card = serde_json::json!({ "person": "p", "name": MARKER, "organisation": "o", "role": "principal" });
    let participants = [serde_json::json!({ "device": "ab".repeat(16), "card": card })];
    writer.add("participants.json", salted_json(salt(42), &participants).unwrap()).unwrap();
    each_step();
    let sealed = writer.finish(&info(true)).unwrap();
    each_step();
    sealed
}

#[test]
fn record_with_a_crash_opens_as_partial() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut sealed = write_call(&dir, || ());
    sealed.attach_signature("aaa.bbb.ccc").unwrap();
    assert_eq!(check_record(&dir).unwrap(), *sealed.seal());

    let out = root.path().join("opened");
    let opened = open_record(&dir, &[identity(9), identity(2)], &out).unwrap();
    assert!(opened.partial && opened.warnings.is_empty(), "{opened:?}");
    assert_eq!(opened.reason, "the note-taker was restarted");
    assert_eq!((opened.parts, opened.files, opened.segments), (3, 9, 3));
    assert_eq!((opened.record_digest, opened.jws.as_deref()), (sealed.record_digest(), Some("aaa.bbb.ccc")));
    let lengths: Vec<_> = opened.audio.iter().map(|a| (a.speaker.as_str(), a.length_ms, a.chunks)).collect();
    assert_eq!(lengths, [("alice", 6000, 3), ("bob", 2000, 2)]);

    let files = files_below(&out);
    let bag: Vec<&str> = files.keys().filter_map(|f| f.strip_prefix("evidence/bag/")).collect();
    assert_eq!(bag[0], "bag-info.txt");
    assert!(bag.contains(&"data/session-1/audio/bob/000001.opus") && bag.contains(&"data/session-2/participants.json"));
    assert!(!bag.contains(&"data/session-1/events/000009.jsonl"), "never flushed, so lost with the process");
    let vtt = parse_vtt(std::str::from_utf8(&files["transcript.vtt"]).unwrap()).unwrap();
    assert_eq!(vtt.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(), [MARKER, MARKER, "Later."]);
    assert_eq!(vtt[2].voice, "Speaker bob");
    let json: serde_json::Value = serde_json::from_slice(&files["transcript.json"]).unwrap();
    assert_eq!((json["draft"].clone(), json["segments"].as_array().unwrap().len()), (true.into(), 3));
    assert!(
        files.contains_key("audio/speaker-alice.opus") && files.contains_key("audio/speaker-bob.opus"),
        "{:?}",
        opened.audio
    );
}

#[cfg(unix)]
#[test]
fn what_is_opened_is_accessible_to_this_user_alone_from_the_beginning() {
    use std::os::unix::fs::PermissionsExt as _;
    fn below(dir: &std::path::Path, visit: &mut dyn FnMut(&std::path::Path)) {
        visit(dir);
        for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { below(&entry, visit) } else { visit(&entry) }
        }
    }
    let others_may = |path: &std::path::Path| {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others can read {}: {mode:o}", path.display());
    };
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    write_call(&dir, || ());
    let out = root.path().join("opened");
    let begun = |work: &std::path::Path| below(work, &mut |path| others_may(path));
    let opened = open_record_with(&dir, &[identity(2)], &out, begun, |work, _| {
        below(work, &mut |path| others_may(path));
        Ok::<_, RecordError>(())
    });
    assert_eq!(opened.unwrap().segments, 3);
    let mut seen = 0;
    below(&out, &mut |path| {
        others_may(path);
        seen += 1;
    });
    assert!(seen > 15, "{seen} files and directories");
}

#[test]
fn once_its_directory_was_taken_away_an_opening_writes_nothing_more() {
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    let (out, taken) = (root.path().join("opened"), root.path().join("taken"));
    let take = |work: &std::path::Path| std::fs::rename(work, &taken).unwrap();
    let opened = open_record_with(&dir, &[identity(1)], &out, take, |_, _| Ok::<_, RecordError>(()));
    assert!(matches!(opened, Err(RecordError::Io { .. })), "{opened:?}");
    std::fs::remove_dir(&taken).expect("nothing was written into it");
    let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [CALL], "something was left behind");
}

#[test]
fn no_plaintext_reaches_the_disk_during_the_call() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut scans = 0;
    let mut seen = 0;
    write_call(&dir, || {
        for (name, bytes) in files_below(root.path()) {
            seen += bytes.len();
            let leaked = bytes.windows(MARKER.len()).any(|w| w == MARKER.as_bytes());
            assert!(!leaked, "{name} contains plaintext");
            let revealed =
                [&b"Speaker"[..], b"OggS", b"WEBVTT", b"salt"].iter().any(|m| bytes.windows(m.len()).any(|w| w == *m));
            // Four bytes occur in ciphertext by chance; longer markers and unencrypted files decide.
            assert!(!revealed || name.ends_with(".age"), "{name} reveals content");
        }
        scans += 1;
    });
    assert!(scans == 6 && seen > 10_000, "{scans} {seen}");
}

#[test]
fn journal_does_not_confirm_guesses() {
    let root = tempfile::tempdir().unwrap();
    let digests = |n: u8, text: &str| {
        let dir = root.path().join(format!("{n}"));
        let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
        writer.add("events/000000.jsonl", payload(n, text)).unwrap();
        writer.flush_part().unwrap();
        let journal = std::fs::read_to_string(dir.join("resume.jsonl")).unwrap();
        let part: serde_json::Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
        part["part"]["files"][0].clone()
    };
    let (one, other_salt, other_text) = (digests(1, "yes"), digests(2, "yes"), digests(3, "a much longer sentence"));
    assert_ne!(one["sha256"], other_salt["sha256"], "equal content must not be recognizable");
    assert_eq!(one["bytes"], other_text["bytes"], "nor its length");
    assert_eq!(one.as_object().unwrap().len(), 3, "path, digest, length and nothing else");
}

#[test]
fn parts_decrypt_with_age_to_one_tar_stream() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let sealed = write_call(&dir, || ());
    let mut stream = Vec::new();
    for part in sealed.parts() {
        let bytes = std::fs::read(dir.join(&part.name)).unwrap();
        let identity = identity(1);
        let decryptor = age::Decryptor::new_buffered(bytes.as_slice()).unwrap();
        decryptor.decrypt([&identity as &dyn age::Identity].into_iter()).unwrap().read_to_end(&mut stream).unwrap();
    }
    let out = root.path().join("tar");
    tar::Archive::new(stream.as_slice()).unpack(&out).unwrap();
    let opened = root.path().join("opened");
    open_record(&dir, &[identity(1)], &opened).unwrap();
    assert_eq!(files_below(&out.join(CALL)), files_below(&opened.join("evidence/bag")));
}

#[test]
fn call_without_content_has_a_valid_record() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    assert_eq!(writer.flush_part().unwrap(), None);
    writer.finish(&info(false)).unwrap();
    let opened = open_record(&dir, &[identity(1)], &root.path().join("out")).unwrap();
    assert_eq!((opened.files, opened.partial, opened.audio.len()), (0, false, 0));
}

#[test]
fn misuse_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let twice = [custodians(), custodians()].concat();
    for (keys, call) in [(&[][..], CALL), (&twice, CALL), (&custodians(), "../evil")] {
        assert!(matches!(RecordWriter::create(&dir, keys, call), Err(RecordError::Misuse(_))));
    }
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    for path in ["../x", "", "a b", "/etc/passwd"] {
        assert!(matches!(writer.add(path, payload(1, "x")), Err((RecordError::InvalidPath(_), _))), "{path}");
    }
    writer.add("a", payload(1, "x")).unwrap();
    assert!(matches!(writer.add("a", payload(2, "x")), Err((RecordError::Duplicate(_), _))));
    writer.flush_part().unwrap();
    assert!(matches!(writer.add("a", payload(2, "x")), Err((RecordError::Duplicate(_), _))), "in an earlier part");
    let mut sealed = writer.finish(&info(false)).unwrap();
    assert!(matches!(writer.add("b", payload(3, "x")), Err((RecordError::Misuse(_), _))));
    assert!(matches!(writer.flush_part(), Err(RecordError::Misuse(_))));
    assert!(matches!(writer.finish(&info(false)), Err(RecordError::Misuse(_))));
    for jws in ["", "a.b", "a.b.c\n", "a.b.c.d"] {
        assert!(matches!(sealed.attach_signature(jws), Err(RecordError::Misuse(_))), "{jws:?}");
    }
}

#[test]
fn damaged_chunks_in_a_valid_bag_are_warnings() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    writer.add("audio/alice/000000.opus", payload(1, "no sound at all")).unwrap();
    writer.add("audio/bob/000000.opus", sound(2, 0)).unwrap();
    writer.add("transcript/000000.jsonl", payload(3, "no segment")).unwrap();
    writer.finish(&info(false)).unwrap();
    let opened = open_record(&dir, &[identity(1)], &root.path().join("out")).unwrap();
    assert_eq!((opened.warnings.len(), opened.audio.len(), opened.segments), (2, 1, 0), "{:?}", opened.warnings);
    assert!(!root.path().join("out/audio/alice.opus").exists());
}
