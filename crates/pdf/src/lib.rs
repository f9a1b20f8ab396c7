//! PDF for printing and filing: an opened record (the same content as `record.html`), a memorandum and its copies, a brief, an
//! invitation's page.
//!
//! Every file is PDF/A-2a (ISO 19005-2): tagged, with the glyphs that it uses embedded, and text that can be copied. Fonts for Latin, Greek, Cyrillic,
//! Arabic, Hebrew, the ideographs of GB 2312 and the more frequent ones of Big5, and kana are compiled in; text is shaped (joined
//! letters, marks) and reordered for reading from right to left. Characters of other scripts are shown as a substitute, keep their
//! text for copying, and the document says so. The same input always gives the same bytes: there is no time and no randomness in
//! the file.
//!
//! `typst` would give the same, with 380 crates and many minutes of compiling.

mod archival;
mod brief;
mod font;
mod invitation;
mod leak;
mod memorandum;
mod page;
#[cfg(feature = "record")]
mod record;

pub use brief::brief_pdf;
pub use invitation::{InvitationSheet, invitation_pdf};
pub use leak::trace_leak;
pub use memorandum::{memorandum_pdf, turn_lines};
#[cfg(feature = "record")]
pub use record::record_pdf;

use font::Weight;
use page::{Cell, Pages, Role, Style, WIDTH};

const TITLE: Style = Style { size: 18.0, weight: Weight::Bold, gray: 0.0, role: Role::Title };
const HEADING: Style = Style { size: 12.0, weight: Weight::Bold, gray: 0.0, role: Role::Heading };
const BODY: Style = Style { size: 10.0, weight: Weight::Regular, gray: 0.0, role: Role::Paragraph };
const STRONG: Style = Style { weight: Weight::Bold, ..BODY };
const SOFT: Style = Style { size: 9.0, gray: 0.35, ..BODY };
const SMALL: Style = Style { size: 8.0, ..BODY };

/// Width of the column of labels, points.
const LABELS: f32 = 110.0;

fn heading(pages: &mut Pages, text: &str) {
    pages.need(60.0);
    pages.space(14.0);
    pages.paragraph(text, HEADING);
    pages.space(3.0);
    pages.rule();
}

fn labelled(pages: &mut Pages, label: &str, value: &str, style: Style) {
    pages.row(&[
        Cell { x: 0.0, width: LABELS - 8.0, text: label, style: SOFT },
        Cell { x: LABELS, width: WIDTH - LABELS, text: value, style },
    ]);
}
