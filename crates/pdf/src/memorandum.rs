//! A memorandum, and copies of it in circulation.

use crate::font::{Fonts, Weight};
use crate::page::{Cell, Pages, Role, Setting, Style, WIDTH, lines};
use crate::{BODY, HEADING, SMALL, SOFT, STRONG, labelled};
use telcon_papers::circulation::{LayoutKey, LayoutMarks};
use telcon_papers::memorandum::RunKind;
use telcon_papers::plain::{Block, Sheet};
use telcon_proto::ItemId;

const LETTERHEAD: Style = Style { size: 11.0, weight: Weight::Regular, gray: 0.0, role: Role::Paragraph };
const TITLE: Style = Style { size: 14.0, weight: Weight::Bold, gray: 0.0, role: Role::Title };

/// Columns of a turn, points from the left margin: mark, time, speaker, words.
const COLUMNS: [f32; 4] = [0.0, 52.0, 104.0, 190.0];
/// One step of a copy's narrower column, points. Seven of them are a fifth of the column.
const NARROWER: f32 = 7.0;
/// One step of a copy's wider word spaces, font sizes: not seen without the copy beside it.
const WORD_SPACE: f32 = 0.012;
/// The wider space after a turn of some copies, points.
const GAP: f32 = 1.5;

/// `memorandum.pdf`, or with a key the copy that it makes.
pub fn memorandum_pdf(sheet: &Sheet, key: Option<&LayoutKey>) -> Vec<u8> {
    let mut pages = Pages::with_banner(&sheet.banner);
    for block in &sheet.blocks {
        match block {
            Block::Letterhead(text) => pages.paragraph(text, LETTERHEAD),
            Block::Title(text) => {
                pages.paragraph(text, TITLE);
                pages.space(6.0);
            }
            Block::Heading(text) => {
                pages.need(50.0);
                pages.space(8.0);
                pages.paragraph(text, HEADING);
            }
            Block::Field { label, value } => labelled(&mut pages, label, value, BODY),
            Block::Turn { portion, mark, clock, speaker, words, is_unconfirmed } => {
                pages.space(4.0);
                let marks = marks(key, *portion);
                let text = turn_text(words, *is_unconfirmed);
                let cell = |at: usize, text, style| {
                    let end = COLUMNS.get(at + 1).map_or(WIDTH, |next| next - 6.0);
                    Cell { x: COLUMNS[at], width: end - COLUMNS[at], text, style }
                };
                let cells = [cell(0, mark.as_str(), STRONG), cell(1, clock, SOFT), cell(2, speaker, STRONG)];
                pages.set_columns(&cells, &words_cell(&text), setting(marks));
                pages.space(if marks.gap { GAP } else { 0.0 });
            }
            Block::Item { mark, text } => labelled(&mut pages, mark, text, BODY),
            Block::Small(text) => {
                pages.space(6.0);
                pages.paragraph(text, SMALL);
            }
        }
    }
    if pages.absent() > 0 {
        pages.space(8.0);
        let note = "Some characters are of scripts that this document has no font for. They are shown by a substitute, and keep their text.";
        pages.paragraph(note, SOFT);
    }
    pages.finish(&sheet.title, &sheet.footer, &sheet.id)
}

/// The lines of each turn as `memorandum_pdf` breaks them with this key: what a photograph of a page keeps.
pub fn turn_lines(sheet: &Sheet, key: Option<&LayoutKey>) -> Vec<Vec<String>> {
    let fonts = Fonts::open();
    let of = |block: &Block| {
        let Block::Turn { portion, words, is_unconfirmed, .. } = block else { return None };
        let text = turn_text(words, *is_unconfirmed);
        let broken = lines(&fonts, &words_cell(&text), setting(marks(key, *portion)));
        Some(broken.into_iter().map(|line| line.text).collect())
    };
    sheet.blocks.iter().filter_map(of).collect()
}

fn words_cell(text: &str) -> Cell<'_> {
    Cell { x: COLUMNS[3], width: WIDTH - COLUMNS[3], text, style: BODY }
}

fn marks(key: Option<&LayoutKey>, portion: ItemId) -> LayoutMarks {
    key.map_or(LayoutMarks::NONE, |key| key.marks(portion))
}

fn setting(marks: LayoutMarks) -> Setting {
    Setting { narrower: f32::from(marks.narrower) * NARROWER, word_space: f32::from(marks.word_space) * WORD_SPACE }
}

/// Words as they are printed: remarks and uncertain words in brackets.
fn turn_text(words: &[(RunKind, String)], is_unconfirmed: bool) -> String {
    let words = telcon_papers::plain::words_text(words);
    if is_unconfirmed { format!("{words} [machine words, not confirmed]") } else { words }
}
