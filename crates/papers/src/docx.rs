//! A memorandum as `.docx` (ECMA-376, WordprocessingML), for those who must have it: the smallest package that word processors open,
//! byte for byte the same for the same sheet.

use crate::memorandum::RunKind;
use crate::plain::{Block, Sheet};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/><Override PartName="/word/header1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml"/><Override PartName="/word/footer1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>"#;
const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#;
const DOCUMENT_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/header" Target="header1.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer" Target="footer1.xml"/></Relationships>"#;
const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:docDefaults><w:rPrDefault><w:rPr><w:sz w:val="22"/><w:lang w:val="en"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after="100"/></w:pPr></w:pPrDefault></w:docDefaults><w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style><w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:pPr><w:jc w:val="center"/></w:pPr><w:rPr><w:b/><w:sz w:val="30"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:pPr><w:keepNext/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="26"/></w:rPr></w:style></w:styles>"#;
const W: &str = r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships""#;

/// Text in XML 1.0. Sheets have no characters that XML cannot have; what an author slipped past is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}')
            }
            c => out.push(c),
        }
    }
    out
}

/// A run. `look` is its properties.
fn run(look: &str, text: &str) -> String {
    format!(r#"<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{}</w:t></w:r>"#, escape(text))
}

/// Whether a paragraph reads from right to left: its first letter that has a direction is Hebrew, Arabic or a relative.
fn is_rtl(text: &str) -> bool {
    let first = text.chars().find(|c| c.is_alphabetic());
    first.is_some_and(|c| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'))
}

fn paragraph(style: &str, runs: &str, text: &str) -> String {
    let style = if style.is_empty() { String::new() } else { format!(r#"<w:pStyle w:val="{style}"/>"#) };
    let direction = if is_rtl(text) { "<w:bidi/>" } else { "" };
    format!("<w:p><w:pPr>{style}{direction}</w:pPr>{runs}</w:p>")
}

fn body(sheet: &Sheet) -> String {
    const BOLD: &str = "<w:b/>";
    const SMALL: &str = r#"<w:sz w:val="18"/>"#;
    let mut out = String::new();
    for block in &sheet.blocks {
        out.push_str(&match block {
            Block::Letterhead(text) => paragraph("Title", &run(r#"<w:b w:val="0"/><w:sz w:val="22"/>"#, text), text),
            Block::Title(text) => paragraph("Title", &run("", text), text),
            Block::Heading(text) => paragraph("Heading1", &run("", text), text),
            Block::Field { label, value } => {
                paragraph("", &(run(BOLD, &format!("{label}: ")) + &run("", value)), label)
            }
            Block::Turn { mark, clock, speaker, words, is_unconfirmed, .. } => {
                let mut runs = run(BOLD, &format!("{mark} ")) + &run(SMALL, &format!("{clock} "));
                runs += &run(BOLD, &format!("{speaker}: "));
                if *is_unconfirmed {
                    runs += &run("<w:i/>", "[machine words, not confirmed] ");
                }
                for (kind, text) in words {
                    runs += &match kind {
                        RunKind::Plain => run("", &format!("{text} ")),
                        RunKind::Uncertain => run(r#"<w:u w:val="dotted"/>"#, text) + &run("", " "),
                        RunKind::Remark => run("<w:i/>", &format!("[{text}] ")),
                    };
                }
                let first = words.first().map_or("", |(_, text)| text);
                paragraph("", &runs, first)
            }
            Block::Item { mark, text } => paragraph("", &(run(BOLD, &format!("{mark} ")) + &run("", text)), text),
            Block::Small(text) => paragraph("", &run(SMALL, text), text),
        });
    }
    out
}

/// The package.
pub fn docx(sheet: &Sheet) -> Vec<u8> {
    let head = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
    let banner = paragraph("Title", &run("", &sheet.banner), &sheet.banner);
    let field = |name: &str| {
        format!(
            r#"<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{name}</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>1</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>"#
        )
    };
    let pages = run("", &format!("{} · page ", sheet.footer)) + &field("PAGE") + &run("", " of ") + &field("NUMPAGES");
    let document = format!(
        r#"{head}<w:document {W}><w:body>{}<w:sectPr><w:headerReference w:type="default" r:id="rId2"/><w:footerReference w:type="default" r:id="rId3"/><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1440" w:right="1134" w:bottom="1440" w:left="1134" w:header="567" w:footer="567" w:gutter="0"/></w:sectPr></w:body></w:document>"#,
        body(sheet)
    );
    let core = format!(
        r#"{head}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{}</dc:title></cp:coreProperties>"#,
        escape(&sheet.title)
    );
    let parts = [
        ("[Content_Types].xml", TYPES.to_owned()),
        ("_rels/.rels", RELATIONS.to_owned()),
        ("docProps/core.xml", core),
        ("word/document.xml", document),
        ("word/_rels/document.xml.rels", DOCUMENT_RELATIONS.to_owned()),
        ("word/styles.xml", STYLES.to_owned()),
        ("word/header1.xml", format!("{head}<w:hdr {W}>{banner}</w:hdr>")),
        ("word/footer1.xml", format!("{head}<w:ftr {W}>{}{banner}</w:ftr>", paragraph("", &pages, ""))),
    ];
    // The earliest date of the format: a time would make every file another one.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        package.start_file(name, options).expect("invariant: names are short and different");
        package.write_all(content.as_bytes()).expect("invariant: memory can be written");
    }
    package.finish().expect("invariant: memory can be written").into_inner()
}
