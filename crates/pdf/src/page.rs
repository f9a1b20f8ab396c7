//! Pages: a cursor that goes down a page and opens the next one, and the file made of them.

use std::collections::{BTreeMap, BTreeSet};

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::font::{Fonts, Glyph, Line, NAMES, Weight};

/// A4, points.
const PAGE: (f32, f32) = (595.28, 841.89);
/// Margin on all sides, points.
const MARGIN: f32 = 57.0;
/// Height of a line, in font sizes.
const LEADING: f32 = 1.4;
/// Size of the footer, points.
const FOOTER: f32 = 8.0;

/// Width between the margins, points.
pub(crate) const WIDTH: f32 = PAGE.0 - 2.0 * MARGIN;

/// Look of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Points.
    pub(crate) size: f32,
    pub(crate) weight: Weight,
    /// 0 is black.
    pub(crate) gray: f32,
}

/// A text in a column: from `x` (points from the left margin), `width` points wide.
pub(crate) struct Cell<'a> {
    pub(crate) x: f32,
    pub(crate) width: f32,
    pub(crate) text: &'a str,
    pub(crate) style: Style,
}

/// A document that is being laid out.
pub(crate) struct Pages {
    fonts: Fonts,
    pages: Vec<Content>,
    /// From the bottom of the page, points.
    y: f32,
    /// Each glyph that was used, by font, with its text.
    used: Vec<BTreeMap<u16, String>>,
    absent: usize,
}

impl Pages {
    pub(crate) fn new() -> Self {
        let used = NAMES.iter().map(|_| BTreeMap::new()).collect();
        Self { fonts: Fonts::open(), pages: vec![Content::new()], y: PAGE.1 - MARGIN, used, absent: 0 }
    }

    /// Characters that no font has, so far.
    pub(crate) fn absent(&self) -> usize {
        self.absent
    }

    /// Leaves `points` blank.
    pub(crate) fn space(&mut self, points: f32) {
        self.y -= points;
    }

    /// Begins a page if less than `points` are left on this one.
    pub(crate) fn need(&mut self, points: f32) {
        if self.y - points < MARGIN {
            self.pages.push(Content::new());
            self.y = PAGE.1 - MARGIN;
        }
    }

    /// A thin line across the page.
    pub(crate) fn rule(&mut self) {
        self.y -= 3.0;
        let y = self.y;
        let page = self.page();
        page.set_stroke_gray(0.7).set_line_width(0.5).move_to(MARGIN, y).line_to(PAGE.0 - MARGIN, y).stroke();
        self.y -= 4.0;
    }

    /// A square of black and white modules, row by row from the top left, `side` points wide: a QR code.
    pub(crate) fn modules(&mut self, dark: &[bool], columns: usize, side: f32) {
        self.need(side);
        let module = side / columns as f32;
        let top = self.y;
        let page = self.page();
        page.set_fill_gray(0.0);
        for (row, modules) in dark.chunks(columns).enumerate() {
            let mut column = 0;
            // Neighbours in a row are one rectangle: no hairline between them, and a smaller file.
            for run in modules.chunk_by(|a, b| a == b) {
                if run[0] {
                    let (x, y) = (MARGIN + column as f32 * module, top - (row + 1) as f32 * module);
                    page.rect(x, y, run.len() as f32 * module, module);
                }
                column += run.len();
            }
        }
        page.fill_nonzero();
        self.y -= side;
    }

    /// A paragraph across the page.
    pub(crate) fn paragraph(&mut self, text: &str, style: Style) {
        self.row(&[Cell { x: 0.0, width: WIDTH, text, style }]);
    }

    /// Columns side by side. A row that does not fit is continued on the next page, line by line.
    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) {
        let wrapped: Vec<(&Cell<'_>, Vec<Line>)> = cells
            .iter()
            .map(|cell| (cell, self.fonts.wrap(cell.text, cell.style.weight, cell.width / cell.style.size)))
            .collect();
        let count = wrapped.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
        let height = cells.iter().map(|cell| cell.style.size * LEADING).fold(0.0, f32::max);
        // A short row stays together.
        self.need(height * count.min(4) as f32);
        for number in 0..count {
            self.need(height);
            self.y -= height;
            for (cell, lines) in &wrapped {
                if let Some(line) = lines.get(number) {
                    self.line(line, cell, lines.len() > 1);
                }
            }
        }
    }

    fn page(&mut self) -> &mut Content {
        self.pages.last_mut().expect("invariant: there is always a page")
    }

    /// A paragraph that reads from right to left is aligned at the right; a name stands where all names stand.
    fn line(&mut self, line: &Line, cell: &Cell<'_>, is_paragraph: bool) {
        let slack =
            if line.is_rtl && is_paragraph { (cell.width - line.width * cell.style.size).max(0.0) } else { 0.0 };
        let (x, y) = (MARGIN + cell.x + slack, self.y);
        self.absent += line.absent;
        for glyph in &line.glyphs {
            let text = self.used[glyph.font].entry(glyph.id).or_default();
            if text.is_empty() {
                text.push_str(&glyph.text);
            }
        }
        let page = self.pages.last_mut().expect("invariant: there is always a page");
        draw(page, &self.fonts, line, cell.style, (x, y));
    }

    /// The file. `title` is its title, `footer` stands on each page before the page's number.
    pub(crate) fn finish(mut self, title: &str, footer: &str, id: &[u8]) -> Vec<u8> {
        let style = Style { size: FOOTER, weight: Weight::Regular, gray: 0.4 };
        let total = self.pages.len();
        for number in 0..total {
            let text = format!("{footer} · page {} of {total}", number + 1);
            let line = self.fonts.wrap(&text, style.weight, WIDTH / style.size).swap_remove(0);
            for glyph in &line.glyphs {
                self.used[glyph.font].entry(glyph.id).or_insert_with(|| glyph.text.clone());
            }
            draw(&mut self.pages[number], &self.fonts, &line, style, (MARGIN, MARGIN / 2.0));
        }
        self.write(title, id)
    }

    fn write(self, title: &str, id: &[u8]) -> Vec<u8> {
        let (mut pdf, mut next) = (Pdf::new(), 1);
        let mut new = || {
            next += 1;
            Ref::new(next - 1)
        };
        let (catalog, tree, info) = (new(), new(), new());
        let fonts: Vec<(usize, Ref)> =
            (0..NAMES.len()).filter(|font| !self.used[*font].is_empty()).map(|font| (font, new())).collect();
        let kids: Vec<Ref> = self.pages.iter().map(|_| new()).collect();
        let mut root = pdf.catalog(catalog);
        root.pages(tree).lang(TextStr("en"));
        root.viewer_preferences().display_doc_title(true);
        root.finish();
        pdf.document_info(info).title(TextStr(title)).producer(TextStr("telcon"));
        pdf.set_file_id((id.to_vec(), id.to_vec()));
        pdf.pages(tree).kids(kids.iter().copied()).count(kids.len() as i32);
        for (content, kid) in self.pages.into_iter().zip(&kids) {
            let stream = new();
            let mut page = pdf.page(*kid);
            page.parent(tree).media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).contents(stream);
            let mut resources = page.resources();
            let mut named = resources.fonts();
            for (font, reference) in &fonts {
                named.pair(Name(resource(*font).as_bytes()), *reference);
            }
            named.finish();
            resources.finish();
            page.finish();
            pdf.stream(stream, &deflate(&content.finish())).filter(Filter::FlateDecode);
        }
        for (font, reference) in fonts {
            write_font(&mut pdf, &self.fonts, font, &self.used[font], reference, &mut new);
        }
        pdf.finish()
    }
}

/// The name of a font in the pages' resources.
fn resource(font: usize) -> String {
    format!("F{font}")
}

/// Draws a line whose base line starts at `at`. Glyphs in a row that stand where the font puts them are one string.
fn draw(page: &mut Content, fonts: &Fonts, line: &Line, style: Style, at: (f32, f32)) {
    page.set_fill_gray(style.gray).begin_text();
    let (mut font, mut run, mut start, mut end): (Option<usize>, Vec<u8>, (f32, f32), f32) =
        (None, vec![], (0.0, 0.0), 0.0);
    let flush = |page: &mut Content, run: &mut Vec<u8>, start: (f32, f32)| {
        if !run.is_empty() {
            let (x, y) = (at.0 + start.0 * style.size, at.1 + start.1 * style.size);
            page.set_text_matrix([1.0, 0.0, 0.0, 1.0, x, y]).show(Str(run));
            run.clear();
        }
    };
    for glyph in &line.glyphs {
        if font != Some(glyph.font) {
            flush(page, &mut run, start);
            page.set_font(Name(resource(glyph.font).as_bytes()), style.size);
            font = Some(glyph.font);
        }
        if run.is_empty() || (glyph.x - end).abs() > 0.001 || (glyph.y - start.1).abs() > 0.001 {
            flush(page, &mut run, start);
            start = (glyph.x, glyph.y);
        }
        run.extend_from_slice(&glyph.id.to_be_bytes());
        end = glyph.x + advance(fonts, glyph);
    }
    flush(page, &mut run, start);
    page.end_text();
}

/// A glyph's width by its font, in font sizes.
fn advance(fonts: &Fonts, glyph: &Glyph) -> f32 {
    let face = fonts.face(glyph.font);
    let units = face.glyph_hor_advance(rustybuzz::ttf_parser::GlyphId(glyph.id)).unwrap_or(0);
    f32::from(units) / face.units_per_em() as f32
}

fn write_font(
    pdf: &mut Pdf,
    fonts: &Fonts,
    font: usize,
    used: &BTreeMap<u16, String>,
    reference: Ref,
    new: &mut impl FnMut() -> Ref,
) {
    let (cid, descriptor, cmap, file) = (new(), new(), new(), new());
    let name = Name(NAMES[font].as_bytes());
    let system = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
    let mut type0 = pdf.type0_font(reference);
    type0.base_font(name).encoding_predefined(Name(b"Identity-H")).descendant_font(cid).to_unicode(cmap);
    type0.finish();
    let face = fonts.face(font);
    let scale = 1000.0 / face.units_per_em() as f32;
    let mut cid_font = pdf.cid_font(cid);
    cid_font.subtype(CidFontType::Type2).base_font(name).system_info(system).font_descriptor(descriptor);
    cid_font.default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = cid_font.widths();
    for id in used.keys().copied().chain([0]).collect::<BTreeSet<u16>>() {
        let units = face.glyph_hor_advance(rustybuzz::ttf_parser::GlyphId(id)).unwrap_or(0);
        widths.consecutive(id, [f32::from(units) * scale]);
    }
    widths.finish();
    cid_font.finish();
    let bounds = face.global_bounding_box();
    let [x0, y0, x1, y1] = [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(|at| f32::from(at) * scale);
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(x0, y0, x1, y1))
        .italic_angle(0.0)
        .ascent(f32::from(face.ascender()) * scale)
        .descent(f32::from(face.descender()) * scale)
        .cap_height(f32::from(face.capital_height().unwrap_or(700)) * scale)
        .stem_v(80.0)
        .font_file2(file);
    let mut unicode = UnicodeCmap::new(Name(b"Telcon-UCS"), system);
    for (id, text) in used.iter().filter(|(_, text)| !text.is_empty()) {
        unicode.pair_with_multiple(*id, text.chars());
    }
    let unicode = unicode.finish();
    pdf.cmap(cmap, unicode.as_slice());
    let data = Fonts::file(font);
    let packed = deflate(data);
    let mut stream = pdf.stream(file, &packed);
    stream.filter(Filter::FlateDecode).pair(Name(b"Length1"), data.len() as i32);
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}
