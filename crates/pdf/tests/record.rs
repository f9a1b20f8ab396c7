//! The PDF of a record, as a reader of PDF sees it.

use std::process::Command;
use telcon_pdf::record_pdf;
use telcon_record::document::*;

fn person(name: &str, zone: &str) -> DocumentPerson {
    DocumentPerson {
        name: name.into(),
        organisation: "Office of the President".into(),
        role: "Principal".into(),
        office: "office.example".into(),
        zone: zone.into(),
        devices: vec![],
        audio: vec!["audio/president.opus".into()],
    }
}

fn document(lines: usize) -> RecordDocument {
    let line = |n: usize| DocumentLine {
        start_ms: n as u64 * 1000,
        end_ms: n as u64 * 1000 + 900,
        clocks: vec!["18:32:08".into(), "01:32:08".into()],
        kind: if n % 10 == 9 { LineKind::Gap } else { LineKind::Speech },
        speaker: "The President".into(),
        text: format!("Line {n}: we have read your proposal on the northern border with care, and thank you."),
    };
    let mut proof = Proof { summary: "Verified.".into(), lines: vec![] };
    proof.push("Record digest", &"0123456789abcdef".repeat(4), "SHA-256 of the list of parts.");
    RecordDocument {
        version: DOCUMENT_VERSION,
        title: "The President and محمد".into(),
        call: "00112233445566778899aabbccddeeff".into(),
        state: DocumentState { verdict: RecordVerdict::Complete, text: "Genuine and complete".into() },
        parties: vec![person("The President", "America/New_York"), person("محمد בן רחל Владимир", "Asia/Riyadh")],
        listeners: vec![person("Note-taker", "America/New_York")],
        times: vec![],
        answered_ms: None,
        ended_ms: None,
        duration: None,
        ending: "The President hung up.".into(),
        kept: "Transcript and audio".into(),
        mix: Some("audio/call.opus".into()),
        transcript: (0..lines).map(line).collect(),
        transcript_note: "A draft.".into(),
        missing: vec![],
        missing_note: "Nothing that the note-taker reported.".into(),
        warnings: vec![],
        proof,
    }
}

fn count(pdf: &[u8], what: &str) -> usize {
    pdf.windows(what.len()).filter(|window| *window == what.as_bytes()).count()
}

#[test]
fn the_same_record_gives_the_same_file_of_as_many_pages_as_it_needs() {
    let short = record_pdf(&document(3));
    assert!(short.starts_with(b"%PDF-") && short.ends_with(b"%%EOF"));
    assert_eq!(short, record_pdf(&document(3)));
    let long = record_pdf(&document(400));
    assert!(count(&long, "/Type /Page\n") > count(&short, "/Type /Page\n") + 8);
    assert_eq!(count(&short, "/FontFile2"), 4, "Latin in two weights, Arabic, Hebrew");
    assert!(short.len() < 60_000, "{} bytes: fonts are embedded without the glyphs that are not used", short.len());
    assert!(long.len() < 300_000, "{} bytes", long.len());
    if let Some(path) = std::env::var_os("TELCON_PDF_OUT") {
        std::fs::write(path, &long).unwrap();
    }
}

#[test]
fn hostile_lengths_and_scripts_neither_panic_nor_leave_the_page() {
    let mut document = document(0);
    document.title = "W".repeat(5_000);
    document.parties[0].name = "主席".repeat(300);
    document.ending = String::new();
    document.kept = "\u{301}\u{301}".into();
    let pdf = record_pdf(&document);
    assert!(pdf.ends_with(b"%%EOF"));
}

/// Both crates define the segment: a browser, which drafts memoranda, does not have the crate of records.
#[test]
fn a_draft_reads_the_transcript_that_a_record_has() {
    let segment = telcon_record::Segment {
        start_ms: 1,
        end_ms: 2,
        speaker: "5f".into(),
        name: "The President".into(),
        text: "Good [evening?].".into(),
        language: Some("en".into()),
        confidence: vec![98, 40],
    };
    let json = serde_json::to_vec(&serde_json::json!({ "draft": true, "segments": [segment] })).unwrap();
    let read = telcon_papers::draft::Transcript::from_json(&json).unwrap().segments;
    let expected = telcon_papers::draft::Segment {
        start_ms: 1,
        end_ms: 2,
        speaker: "5f".into(),
        name: "The President".into(),
        text: "Good [evening?].".into(),
    };
    assert_eq!(read, [expected]);
}

/// Another implementation reads the text back, where it is installed.
#[test]
fn another_reader_finds_the_text() {
    let dir = std::env::temp_dir().join(format!("telcon-pdf-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("record.pdf");
    std::fs::write(&path, record_pdf(&document(20))).unwrap();
    if let Ok(output) = Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("Line 19") && text.contains("Владимир") && text.contains("0123456789abcdef"), "{text}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
