//! Memoranda, copies and briefs as PDF, as readers of PDF see them: `qpdf` and `pdftotext` where they are installed, and veraPDF's
//! classes with `TELCON_VERAPDF` (see `tests/verapdf/README.md`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use telcon_papers::brief::{Brief, Point, When};
use telcon_papers::circulation::LayoutKey;
use telcon_papers::memorandum::RunKind;
use telcon_papers::plain::{Block, Sheet};
use telcon_papers::trace::{Lines, Material, TracedCopy, trace};
use telcon_pdf::{brief_pdf, memorandum_pdf, turn_lines};
use telcon_proto::ItemId;

fn item(n: usize) -> ItemId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    ItemId::from_bytes(bytes)
}

const WORDS: &str = "The two points that worry me are the northern boundary and the inspection of vessels, and I would like to hear \
    from you directly what your government could accept before the council meets again next month, because after that my parliament \
    will ask me the same question in public and I will have to give them an answer of some kind.";

fn turn(n: usize, speaker: &str, text: &str) -> Block {
    Block::Turn {
        portion: item(n),
        mark: "(C)".into(),
        clock: "09:35:02".into(),
        speaker: speaker.into(),
        words: vec![
            (RunKind::Plain, text.into()),
            (RunKind::Uncertain, "vessels".into()),
            (RunKind::Remark, "inaudible".into()),
        ],
        is_unconfirmed: false,
    }
}

fn sheet(turns: usize) -> Sheet {
    let mut blocks = vec![
        Block::Letterhead("OFFICE OF THE PRESIDENT".into()),
        Block::Title("MEMORANDUM OF TELEPHONE CONVERSATION".into()),
        Block::Field {
            label: "PARTICIPANTS".into(),
            value: "Владимир Ёлкин; محمد بن سلمان; 主席習近平; Nguyễn Thị; רחל; é\u{301}x กข".into(),
        },
    ];
    blocks.extend((0..turns).map(|n| turn(n, "Prime Minister", WORDS)));
    blocks.push(turn(9_999, "محمد", "نحن نتفق على ذلك تماما ونشكركم على الاتصال بنا اليوم"));
    blocks.push(Block::Heading("Decisions".into()));
    blocks.push(Block::Item { mark: "(C)".into(), text: "Joint patrols.".into() });
    blocks.push(Block::Small("CAUTION: not a verbatim transcript.".into()));
    Sheet {
        banner: "CONFIDENTIAL//NOFORN".into(),
        blocks,
        footer: "Copy 3 · record 0707".into(),
        title: "Memorandum: <Call> & more".into(),
        id: b"0707/3".to_vec(),
    }
}

fn brief() -> Brief {
    let point = |n: usize, when, text: &str| Point { id: item(n), when, text: text.into() };
    Brief {
        version: 1,
        template: String::new(),
        counterpart: "The Prime Minister of Estmark".into(),
        purpose: "Close nine of eleven points.".into(),
        they_want: vec!["A date.".into()],
        we_want: vec!["Joint patrols.".into()],
        points: vec![point(1, When::Say, "Offer joint patrols."), point(2, When::Avoid, "Harbour fees.")],
        ticks: BTreeMap::from([(item(1), 1)]),
        background: vec!["Calls her “Ingrid” since Lisbon.".into()],
        promised: vec![],
        limits: vec![],
        comments: vec![],
    }
}

fn key(n: u8) -> LayoutKey {
    LayoutKey::from_bytes([n; 32])
}

/// The output of a program on a file, or none if the program is not installed.
fn read_with(program: &str, arguments: &[&str], pdf: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("telcon-{}-{}.pdf", std::process::id(), pdf.len()));
    std::fs::write(&path, pdf).unwrap();
    let arguments =
        arguments.iter().map(|argument| if *argument == "FILE" { path.to_str().unwrap() } else { argument });
    let output = Command::new(program).args(arguments).output();
    let _ = std::fs::remove_file(&path);
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: run `scripts/setup.sh test`"));
    assert!(
        output.status.success(),
        "{program}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn examples() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("memorandum.pdf", memorandum_pdf(&sheet(30), None)),
        ("copy-1.pdf", memorandum_pdf(&sheet(30), Some(&key(1)))),
        ("brief.pdf", brief_pdf(&brief(), "PRIVATE", b"brief")),
    ]
}

#[test]
fn the_same_sheet_gives_the_same_bytes_and_each_copy_other_ones() {
    let pdf = memorandum_pdf(&sheet(30), None);
    assert_eq!(pdf, memorandum_pdf(&sheet(30), None));
    assert_eq!(memorandum_pdf(&sheet(30), Some(&key(1))), memorandum_pdf(&sheet(30), Some(&key(1))));
    assert_ne!(memorandum_pdf(&sheet(30), Some(&key(1))), memorandum_pdf(&sheet(30), Some(&key(2))));
    if let Some(dir) = std::env::var_os("TELCON_PDF_OUT_DIR").map(PathBuf::from) {
        std::fs::create_dir_all(&dir).unwrap();
        examples().into_iter().for_each(|(name, pdf)| std::fs::write(dir.join(name), pdf).unwrap());
    }
}

#[test]
fn files_are_well_formed() {
    for (_, pdf) in examples() {
        read_with("qpdf", &["--check", "FILE"], &pdf);
    }
}

#[test]
fn text_can_be_extracted_in_reading_order_in_all_scripts() {
    let text = read_with("pdftotext", &["-layout", "FILE", "-"], &memorandum_pdf(&sheet(30), None));
    for expected in [
        "MEMORANDUM OF TELEPHONE CONVERSATION",
        "Владимир Ёлкин",
        "主席習近平",
        "Nguyễn Thị",
        "Joint patrols",
        "northern boundary",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    let pages = text.matches('\u{c}').count();
    assert!(pages >= 4, "{pages}");
    assert_eq!(text.matches("CONFIDENTIAL//NOFORN").count(), 2 * pages, "at the top and bottom of each page");
    assert_eq!(text.matches("Copy 3 · record 0707 · page ").count(), pages, "the copy's number on each page");
    let order = ["OFFICE OF THE", "PARTICIPANTS", "Decisions", "CAUTION"].map(|part| text.find(part).unwrap());
    assert!(order.is_sorted());
    let brief = read_with("pdftotext", &["-layout", "FILE", "-"], &brief_pdf(&brief(), "PRIVATE", b"brief"));
    assert!(
        brief.contains("Offer joint patrols.") && brief.contains("Raised") && brief.matches("PRIVATE").count() == 2
    );
}

#[test]
fn files_are_pdf_a_2a_by_verapdf() {
    let tools = std::env::var_os("TELCON_VERAPDF").map(PathBuf::from);
    let tools = tools
        .expect("this test needs veraPDF: run the tests with `cargo xtask unit`, or name its jars in TELCON_VERAPDF");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verapdf/Validate.java");
    for (name, pdf) in examples() {
        let shown =
            read_with("java", &["-cp", &format!("{}/*", tools.display()), source.to_str().unwrap(), "FILE"], &pdf);
        assert_eq!(shown.trim(), "PDF/A-2A compliant", "{name}");
    }
}

#[test]
fn lines_of_a_photographed_page_fit_the_copy_that_it_is_of() {
    let mut sheet = sheet(0);
    // Paragraphs that share no words.
    sheet.blocks = (0..8)
        .map(|n| {
            let words: Vec<String> =
                WORDS.split(' ').map(|word| format!("{word}{}", ["a", "e", "i", "o", "u", "y", "k", "t"][n])).collect();
            turn(n, "Prime Minister", &words.join(" "))
        })
        .collect();
    let copies: Vec<TracedCopy> = (1..=6)
        .map(|n| TracedCopy { number: n, choices: vec![], lines: turn_lines(&sheet, Some(&key(n as u8))) })
        .collect();
    assert!(copies[1..].iter().all(|copy| copy.lines != copies[0].lines), "copies break lines differently");
    let leaked = copies[3].lines[..3].concat().join("\n");
    let material = Material { portions: vec![], common: vec![leaked.replace('\n', " ")], copies };
    let found = trace(&material, &leaked, Lines::AsPrinted);
    assert_eq!(found.fits[0].number, 4, "{found:?}");
    // The same text typed without its lines says nothing.
    let reflowed = trace(&material, &leaked, Lines::Reflowed);
    assert!((reflowed.fits[0].probability - reflowed.fits[5].probability).abs() < 1e-9);
}

#[test]
fn hostile_lengths_and_scripts_neither_panic_nor_leave_the_page() {
    let mut sheet = sheet(1);
    sheet.banner = "X".repeat(400);
    sheet.blocks.push(turn(1, &"主席".repeat(300), &"W".repeat(5_000)));
    sheet.blocks.push(turn(2, "", "\u{301}\u{301}"));
    assert!(memorandum_pdf(&sheet, Some(&key(9))).ends_with(b"%%EOF"));
}
