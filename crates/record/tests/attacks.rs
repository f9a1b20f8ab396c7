//! Attacks by somebody who can modify the archive, or by a malicious note-taker. None may produce output.

mod support;

use std::path::Path;

use support::*;
use telcon_record::*;

/// Opening must fail and leave nothing behind.
fn refuse(dir: &Path) -> RecordError {
    let out = dir.parent().unwrap().join("out");
    let error = open_record(dir, &[identity(1)], &out).expect_err("the attack succeeded");
    let left: Vec<_> = std::fs::read_dir(dir.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [dir.file_name().unwrap()], "something was left behind");
    error
}

fn with_record(attack: impl FnOnce(&Path)) -> RecordError {
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    attack(&dir);
    refuse(&dir)
}

fn part(n: usize) -> String {
    part::part_name(n)
}

#[test]
fn modified_part_is_refused() {
    for at in [0, 30, 3000, usize::MAX] {
        let error = with_record(|dir| {
            let mut bytes = std::fs::read(dir.join(part(1))).unwrap();
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1;
            std::fs::write(dir.join(part(1)), bytes).unwrap();
        });
        assert!(matches!(error, RecordError::PartChanged(name) if name == part(1)));
    }
}

#[test]
fn swapped_parts_are_refused() {
    let error = with_record(|dir| {
        std::fs::rename(dir.join(part(0)), dir.join("x")).unwrap();
        std::fs::rename(dir.join(part(1)), dir.join(part(0))).unwrap();
        std::fs::rename(dir.join("x"), dir.join(part(1))).unwrap();
    });
    assert!(matches!(error, RecordError::PartChanged(_)));
}

#[test]
fn missing_part_is_refused() {
    for n in 0..3 {
        let error = with_record(|dir| std::fs::remove_file(dir.join(part(n))).unwrap());
        assert!(matches!(error, RecordError::PartMissing(name) if name == part(n)));
    }
}

#[test]
fn unlisted_part_is_refused() {
    let error = with_record(|dir| {
        std::fs::copy(dir.join(part(0)), dir.join(part(3))).unwrap();
    });
    assert!(matches!(error, RecordError::PartUnlisted(name) if name == part(3)));
}

#[test]
fn truncated_and_extended_parts_are_refused() {
    for length in [0, 100, 5000] {
        let error = with_record(|dir| {
            let bytes = std::fs::read(dir.join(part(2))).unwrap();
            std::fs::write(dir.join(part(2)), &bytes[..length.min(bytes.len() - 1)]).unwrap();
        });
        assert!(matches!(error, RecordError::PartChanged(_)));
    }
    let error = with_record(|dir| {
        let bytes = std::fs::read(dir.join(part(2))).unwrap();
        std::fs::write(dir.join(part(2)), [bytes, vec![0]].concat()).unwrap();
    });
    assert!(matches!(error, RecordError::PartChanged(_)));
}

#[cfg(unix)]
#[test]
fn part_replaced_by_a_symlink_is_refused() {
    let error = with_record(|dir| {
        std::fs::rename(dir.join(part(0)), dir.join("moved")).unwrap();
        std::os::unix::fs::symlink(dir.join("moved"), dir.join(part(0))).unwrap();
    });
    assert!(matches!(error, RecordError::PartChanged(_)));
}

#[test]
fn modified_seal_is_refused() {
    let edits: [&dyn Fn(&mut serde_json::Value); 6] = [
        &|s| s["partial"] = true.into(),
        &|s| s["call_id"] = "f".repeat(32).into(),
        &|s| drop(s["parts"].as_array_mut().unwrap().pop()),
        &|s| s["parts"].as_array_mut().unwrap().swap(0, 1),
        &|s| drop(s["custodians"].as_array_mut().unwrap().pop()),
        &|s| s["note"] = "unknown field".into(),
    ];
    for edit in edits {
        let error = with_record(|dir| {
            let path = dir.join("seal.json");
            let mut seal = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            edit(&mut seal);
            std::fs::write(path, serde_json::to_vec(&seal).unwrap()).unwrap();
        });
        assert!(matches!(error, RecordError::Seal(_)), "{error}");
    }
    let error = with_record(|dir| std::fs::remove_file(dir.join("seal.json")).unwrap());
    assert!(matches!(error, RecordError::Io { .. }));
}

#[test]
fn wrong_identity_cannot_open() {
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    let out = root.path().join("out");
    for identities in [&[][..], &[identity(3)]] {
        assert!(matches!(open_record(&dir, identities, &out), Err(RecordError::WrongIdentity(_))));
    }
    assert!(!out.exists());
}

#[test]
fn existing_output_directory_is_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    let out = root.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine"), b"mine").unwrap();
    assert!(matches!(open_record(&dir, &[identity(1)], &out), Err(RecordError::OutputExists(_))));
    assert_eq!(files_below(&out).len(), 1);
}

/// A record with these tar fragments, consistent in every other respect, as a malicious note-taker could write it.
fn forged(fragments: &[Vec<u8>]) -> RecordError {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let keys = custodians();
    let recipients: Vec<&dyn age::Recipient> = keys.iter().map(|k| k as _).collect();
    let parts: Vec<Vec<u8>> = fragments.iter().map(|f| age_seal(f, &recipients)).collect();
    forge(&dir, &parts, &keys, false);
    refuse(&dir)
}

fn member(name: &str, kind: tar::EntryType, size: Option<u64>, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size.unwrap_or(bytes.len() as u64));
    header.set_mode(0o600);
    if kind == tar::EntryType::Symlink {
        header.set_link_name("/etc").unwrap();
    }
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

#[test]
fn tar_paths_outside_the_bag_are_refused() {
    let inside_up = format!("{CALL}/data/../../../evil");
    for name in ["../evil", "/tmp/evil", "evil", inside_up.as_str()] {
        let error = forged(&[member(name, tar::EntryType::Regular, None, b"x"), vec![0; 1024]]);
        assert!(matches!(error, RecordError::Tar(_)), "{name}: {error}");
    }
}

#[test]
fn tar_links_and_devices_are_refused() {
    let name = format!("{CALL}/data");
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
        let through = member(&format!("{CALL}/data/passwd"), tar::EntryType::Regular, None, b"x");
        let error = forged(&[member(&name, kind, None, b""), through, vec![0; 1024]]);
        assert!(matches!(error, RecordError::Tar(_)), "{error}");
    }
}

#[test]
fn oversized_and_truncated_members_are_refused() {
    let name = format!("{CALL}/data/a");
    for size in [MAX_MEMBER_BYTES + 1, u64::from(u32::MAX), 4096] {
        let error = forged(&[member(&name, tar::EntryType::Regular, Some(size), b"x"), vec![0; 1024]]);
        assert!(matches!(error, RecordError::Tar(_)), "{error}");
    }
}

#[test]
fn member_split_over_two_parts_is_refused() {
    let whole = member(&format!("{CALL}/data/a"), tar::EntryType::Regular, None, &[7; 2000]);
    let error = forged(&[whole[..1024].to_vec(), whole[1024..].to_vec(), vec![0; 1024]]);
    assert!(matches!(error, RecordError::Tar(_)));
}

#[test]
fn early_end_of_archive_is_refused() {
    let first = [member(&format!("{CALL}/data/a"), tar::EntryType::Regular, None, b"x"), vec![0; 1024]].concat();
    let error = forged(&[first, vec![0; 1024]]);
    assert!(matches!(error, RecordError::Tar(_)));
}

#[test]
fn tar_without_a_bag_is_refused() {
    let file = member(&format!("{CALL}/data/a"), tar::EntryType::Regular, None, b"x");
    assert!(matches!(forged(&[file, vec![0; 1024]]), RecordError::Bag(_)));
}

#[test]
fn added_classical_recipient_is_refused() {
    // age itself refuses to mix recipients, so the stanza is inserted by hand.
    let classical = age::x25519::Identity::generate();
    let theirs = age_seal(b"x", &[&classical.to_public()]);
    let stanza_end = theirs.windows(4).position(|w| w == b"\n-> " || w == b"\n---").unwrap();
    let stanza_end =
        stanza_end + 1 + theirs[stanza_end + 1..].windows(4).position(|w| w == b"\n-> " || w == b"\n---").unwrap();
    let stanza = &theirs[22..=stanza_end];
    assert!(stanza.starts_with(b"-> "));
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    let parts: Vec<Vec<u8>> = (0..3).map(|n| std::fs::read(dir.join(part(n))).unwrap()).collect();
    let mixed: Vec<Vec<u8>> = parts.iter().map(|p| [&p[..22], stanza, &p[22..]].concat()).collect();
    forge(&dir, &mixed, &custodians(), false);
    assert!(matches!(refuse(&dir), RecordError::PartHeader { .. }));
}

#[test]
fn unlisted_recipient_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    let keys = custodians();
    let third = identity(3).recipient();
    let all: Vec<&dyn age::Recipient> = keys.iter().map(|k| k as _).chain([&third as _]).collect();
    let parts: Vec<Vec<u8>> = (0..3).map(|_| age_seal(b"x", &all)).collect();
    forge(&dir, &parts, &keys, false);
    assert!(matches!(refuse(&dir), RecordError::PartHeader { .. }));
}

#[test]
fn matching_seal_does_not_hide_modified_or_omitted_parts() {
    let root = tempfile::tempdir().unwrap();
    let dir = small_record(root.path());
    let mut parts: Vec<Vec<u8>> = (0..3).map(|n| std::fs::read(dir.join(part(n))).unwrap()).collect();
    *parts[1].last_mut().unwrap() ^= 1;
    forge(&dir, &parts, &custodians(), false);
    assert!(matches!(refuse(&dir), RecordError::Decrypt { .. }));

    // Parts omitted under a matching seal: bag validation detects it.
    for order in [&[0, 2][..], &[1, 2]] {
        let root = tempfile::tempdir().unwrap();
        let dir = small_record(root.path());
        let parts: Vec<Vec<u8>> = order.iter().map(|n| std::fs::read(dir.join(part(*n))).unwrap()).collect();
        std::fs::remove_dir_all(&dir).unwrap();
        forge(&dir, &parts, &custodians(), false);
        assert!(matches!(refuse(&dir), RecordError::Bag(_)));
    }
}

#[test]
fn partial_record_cannot_be_presented_as_whole() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    writer.finish(&info(true)).unwrap();
    let parts = [std::fs::read(dir.join(part(0))).unwrap()];
    forge(&dir, &parts, &custodians(), false);
    assert!(matches!(refuse(&dir), RecordError::Bag(what) if what.contains("Telcon-Partial")));
}

/// Written by another implementation of age (see `tests/vectors/README.md`). What other age tools refuse, this one refuses too: a
/// record that opens here only would not outlive this program.
#[test]
fn foreign_records_open_and_those_that_other_tools_refuse_are_refused() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let open = |name: &str| {
        let key = std::fs::read_to_string(vectors.join(name).join("identity.txt")).unwrap();
        let identities = parse_identity_file(&key).unwrap();
        let out = tempfile::tempdir().unwrap();
        open_record(&vectors.join(name).join(CALL), &identities, &out.path().join("out"))
    };
    open("control").unwrap();
    for (name, words) in [("low-order-share", "of low order"), ("grease-without-body", "has no final line")] {
        let error = open(name).unwrap_err();
        assert!(matches!(error, RecordError::PartHeader { .. }) && error.to_string().contains(words), "{error}");
    }
}
