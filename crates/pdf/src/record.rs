//! An opened record.

use crate::page::{Cell, Pages, Style, WIDTH};
use crate::{BODY, SMALL, SOFT, STRONG, TITLE, heading, labelled};
use telcon_record::document::{DocumentPerson, LineKind, RecordDocument};

/// Width of a column of clock times, points.
const CLOCK: f32 = 58.0;
/// Most columns of clock times.
const MAX_CLOCKS: usize = 2;

/// `record.pdf`.
pub fn record_pdf(document: &RecordDocument) -> Vec<u8> {
    let mut pages = Pages::new();
    pages.paragraph("Record of a call", SOFT);
    pages.paragraph(&document.title, TITLE);
    pages.space(4.0);
    pages.paragraph(&document.state.text, STRONG);
    heading(&mut pages, "Parties");
    people(&mut pages, &document.parties, "No party is named in the record.");
    heading(&mut pages, "Who listened");
    people(&mut pages, &document.listeners, "Nobody else was in the call.");
    when(&mut pages, document);
    missing(&mut pages, document);
    transcript(&mut pages, document);
    proof(&mut pages, document);
    if pages.absent() > 0 {
        pages.space(10.0);
        let note = "Boxes are characters of scripts that this document has no font for; record.html and record.json have them.";
        pages.paragraph(note, SOFT);
    }
    let footer = format!("Record of call {}", document.call);
    pages.finish(&format!("Record: {}", document.title), &footer, document.call.as_bytes())
}

fn people(pages: &mut Pages, people: &[DocumentPerson], none: &str) {
    if people.is_empty() {
        return pages.paragraph(none, BODY);
    }
    for person in people {
        pages.need(50.0);
        pages.paragraph(&person.name, STRONG);
        pages.paragraph(&person.organisation, BODY);
        let more = [&person.role, &person.office, &person.zone].into_iter().chain(&person.audio);
        let more: Vec<&str> = more.map(String::as_str).filter(|text| !text.is_empty()).collect();
        pages.paragraph(&more.join(" · "), SOFT);
        pages.space(6.0);
    }
}

fn when(pages: &mut Pages, document: &RecordDocument) {
    heading(pages, "When");
    if document.times.is_empty() {
        pages.paragraph("The record does not say when the call was answered.", BODY);
    }
    for time in &document.times {
        let zone = format!("{} ({})", time.zone, time.offset);
        let label = if time.of.is_empty() { &zone } else { &time.of };
        let to = if time.to.is_empty() { "unknown" } else { &time.to };
        labelled(pages, label, &format!("{}, {} to {to}, {zone}", time.date, time.from), BODY);
    }
    labelled(pages, "Duration", document.duration.as_deref().unwrap_or("unknown"), BODY);
    labelled(pages, "End", &document.ending, BODY);
    labelled(pages, "Kept", &document.kept, BODY);
    if let Some(mix) = &document.mix {
        labelled(pages, "Sound of all", mix, BODY);
    }
    labelled(pages, "Call", &document.call, BODY);
}

fn missing(pages: &mut Pages, document: &RecordDocument) {
    heading(pages, "What is missing");
    if document.missing.is_empty() && document.warnings.is_empty() {
        pages.paragraph(&document.missing_note, BODY);
    }
    for text in document.missing.iter().chain(&document.warnings) {
        pages.paragraph(&format!("– {text}"), BODY);
    }
}

fn transcript(pages: &mut Pages, document: &RecordDocument) {
    heading(pages, "Transcript");
    pages.paragraph(&document.transcript_note, SOFT);
    pages.space(4.0);
    if document.transcript.is_empty() {
        return;
    }
    let clocks = document.times.len().min(MAX_CLOCKS);
    let said = CLOCK * clocks as f32;
    let speaker = 100.0;
    let cities: Vec<String> = document.times.iter().take(clocks).map(|time| city(&time.zone)).collect();
    let mut heads: Vec<Cell<'_>> = Vec::new();
    for (number, text) in cities.iter().enumerate() {
        heads.push(Cell { x: CLOCK * number as f32, width: CLOCK - 6.0, text, style: SOFT });
    }
    heads.push(Cell { x: said, width: speaker - 8.0, text: "Speaker", style: SOFT });
    heads.push(Cell { x: said + speaker, width: WIDTH - said - speaker, text: "Words", style: SOFT });
    pages.row(&heads);
    pages.rule();
    for line in &document.transcript {
        let gap = format!("[Gap] {}", line.text);
        let (text, style) = match line.kind {
            LineKind::Speech => (line.text.as_str(), BODY),
            LineKind::Gap => (gap.as_str(), Style { gray: 0.35, ..BODY }),
        };
        let mut cells: Vec<Cell<'_>> = Vec::new();
        for (number, clock) in line.clocks.iter().take(clocks).enumerate() {
            cells.push(Cell { x: CLOCK * number as f32, width: CLOCK - 6.0, text: clock, style: SOFT });
        }
        cells.push(Cell { x: said, width: speaker - 8.0, text: &line.speaker, style: STRONG });
        cells.push(Cell { x: said + speaker, width: WIDTH - said - speaker, text, style });
        pages.row(&cells);
        pages.space(2.0);
    }
}

/// `New York` of `America/New_York`.
fn city(zone: &str) -> String {
    zone.rsplit('/').next().unwrap_or(zone).replace('_', " ")
}

fn proof(pages: &mut Pages, document: &RecordDocument) {
    heading(pages, "Proof");
    pages.paragraph(&document.proof.summary, BODY);
    pages.space(4.0);
    for line in &document.proof.lines {
        labelled(pages, &line.label, &line.value, SMALL);
        labelled(pages, "", &line.meaning, Style { gray: 0.35, ..SMALL });
        pages.space(3.0);
    }
}
