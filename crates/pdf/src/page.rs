//! Pages: a cursor that goes down a page and opens the next one, and the file made of them.

use std::collections::{BTreeMap, BTreeSet};

use pdf_writer::types::{CidFontType, FontFlags, OutputIntentSubtype, StructRole, SystemInfo, UnicodeCmap};
use pdf_writer::writers::StructTreeRoot;
use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::archival;
use crate::font::{Fonts, Glyph, Line, NAMES, Weight};

/// A4, points.
const PAGE: (f32, f32) = (595.28, 841.89);
/// Margin on all sides, points.
const MARGIN: f32 = 57.0;
/// Height of a line, in font sizes.
const LEADING: f32 = 1.4;
/// Size of the footer, points.
const FOOTER: f32 = 8.0;
/// Size of the banner, points.
const BANNER: f32 = 11.0;

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
    /// What a paragraph in this style is.
    pub(crate) role: Role,
}

/// What a paragraph is to a reader who does not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Title,
    Heading,
    Paragraph,
}

impl Role {
    fn structure(self) -> StructRole {
        match self {
            Self::Title => StructRole::H1,
            Self::Heading => StructRole::H2,
            Self::Paragraph => StructRole::P,
        }
    }
}

/// An element of the document's structure: a paragraph, and the pieces of pages that it is on.
struct Element {
    role: Role,
    /// Page, and number of the marked content on it.
    pieces: Vec<(usize, i32)>,
}

/// A text in a column: from `x` (points from the left margin), `width` points wide.
pub(crate) struct Cell<'a> {
    pub(crate) x: f32,
    pub(crate) width: f32,
    pub(crate) text: &'a str,
    pub(crate) style: Style,
}

/// How the words of a row are set apart from those of other copies; the default is not at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setting {
    /// How much narrower columns are, points.
    pub(crate) narrower: f32,
    /// How much wider word spaces are, in font sizes.
    pub(crate) word_space: f32,
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
    elements: Vec<Element>,
    /// For each page, the element of each marked content.
    marked: Vec<Vec<usize>>,
    /// At the top and bottom of each page.
    banner: Option<String>,
}

impl Pages {
    pub(crate) fn new() -> Self {
        let used = NAMES.iter().map(|_| BTreeMap::new()).collect();
        Self {
            fonts: Fonts::open(),
            pages: vec![Content::new()],
            y: PAGE.1 - MARGIN,
            used,
            absent: 0,
            elements: Vec::new(),
            marked: vec![Vec::new()],
            banner: None,
        }
    }

    /// With a text at the top and bottom of each page.
    pub(crate) fn with_banner(banner: &str) -> Self {
        Self { banner: Some(banner.to_owned()), ..Self::new() }
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
            self.marked.push(Vec::new());
            self.y = PAGE.1 - MARGIN;
        }
    }

    /// A thin line across the page.
    pub(crate) fn rule(&mut self) {
        self.y -= 3.0;
        let y = self.y;
        let page = self.page();
        page.begin_marked_content(Name(b"Artifact"));
        page.set_stroke_gray(0.7).set_line_width(0.5).move_to(MARGIN, y).line_to(PAGE.0 - MARGIN, y).stroke();
        page.end_marked_content();
        self.y -= 4.0;
    }

    /// A square of black and white modules, row by row from the top left, `side` points wide: a QR code.
    pub(crate) fn modules(&mut self, dark: &[bool], columns: usize, side: f32) {
        self.need(side);
        let module = side / columns as f32;
        let top = self.y;
        let page = self.page();
        page.begin_marked_content(Name(b"Artifact"));
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
        page.end_marked_content();
        self.y -= side;
    }

    /// A paragraph across the page.
    pub(crate) fn paragraph(&mut self, text: &str, style: Style) {
        self.row(&[Cell { x: 0.0, width: WIDTH, text, style }]);
    }

    /// Columns side by side. A row that does not fit is continued on the next page, line by line.
    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) {
        let wrapped = self.wrapped(cells);
        self.place(&wrapped);
    }

    /// As [`Pages::row`]; the last cell is set apart from other copies.
    pub(crate) fn set_columns(&mut self, cells: &[Cell<'_>], last: &Cell<'_>, setting: Setting) {
        let mut wrapped = self.wrapped(cells);
        let broken = lines(&self.fonts, last, setting);
        let element = self.element(last.style.role);
        wrapped.push((last, element, broken));
        self.place(&wrapped);
    }

    fn element(&mut self, role: Role) -> usize {
        self.elements.push(Element { role, pieces: Vec::new() });
        self.elements.len() - 1
    }

    fn wrapped<'a, 'b>(&mut self, cells: &'b [Cell<'a>]) -> Vec<(&'b Cell<'a>, usize, Vec<Line>)> {
        let wrap = |cell: &'b Cell<'a>| {
            let broken = lines(&self.fonts, cell, Setting::default());
            (cell, self.element(cell.style.role), broken)
        };
        cells.iter().map(wrap).collect()
    }

    /// Puts the lines of cells side by side.
    fn place(&mut self, wrapped: &[(&Cell<'_>, usize, Vec<Line>)]) {
        let count = wrapped.iter().map(|(_, _, lines)| lines.len()).max().unwrap_or(0);
        let height = wrapped.iter().map(|(cell, _, _)| cell.style.size * LEADING).fold(0.0, f32::max);
        // A short row stays together.
        self.need(height * count.min(4) as f32);
        for number in 0..count {
            self.need(height);
            self.y -= height;
            for (cell, element, lines) in wrapped {
                if let Some(line) = lines.get(number) {
                    self.line(line, cell, lines.len() > 1, *element);
                }
            }
        }
    }

    fn page(&mut self) -> &mut Content {
        self.pages.last_mut().expect("invariant: there is always a page")
    }

    /// A paragraph that reads from right to left is aligned at the right; a name stands where all names stand.
    fn line(&mut self, line: &Line, cell: &Cell<'_>, is_paragraph: bool, element: usize) {
        if line.glyphs.is_empty() {
            return;
        }
        let slack =
            if line.is_rtl && is_paragraph { (cell.width - line.width * cell.style.size).max(0.0) } else { 0.0 };
        let (x, y) = (MARGIN + cell.x + slack, self.y);
        self.absent += line.absent;
        let is_plain = self.remember(line);
        let number = self.pages.len() - 1;
        let identifier = self.marked[number].len() as i32;
        self.marked[number].push(element);
        self.elements[element].pieces.push((number, identifier));
        let page = &mut self.pages[number];
        let tag = cell.style.role.structure().to_name();
        page.begin_marked_content_with_properties(tag).properties().identify(identifier);
        if !is_plain {
            let mut span = page.begin_marked_content_with_properties(Name(b"Span"));
            // A space at the end, as between the words of two lines.
            span.properties().actual_text(TextStr(&format!("{} ", line.text)));
        }
        draw(page, &self.fonts, line, cell.style, (x, y));
        if !is_plain {
            page.end_marked_content();
        }
        page.end_marked_content();
    }

    /// Notes the glyphs of a line. False if they alone do not say its text: marks, ligatures that mean several things, substitutes.
    fn remember(&mut self, line: &Line) -> bool {
        let mut is_plain = true;
        for glyph in &line.glyphs {
            let text = self.used[glyph.font].entry(glyph.id).or_default();
            if text.is_empty() {
                text.push_str(&glyph.text);
            }
            is_plain &= !glyph.text.is_empty() && *text == glyph.text;
        }
        is_plain
    }

    /// A line outside of the content.
    fn artifact(&mut self, number: usize, text: &str, style: Style, y: f32, is_centred: bool) {
        let line = self.fonts.wrap(text, style.weight, WIDTH / style.size).swap_remove(0);
        self.remember(&line);
        let x = if is_centred { (PAGE.0 - line.width * style.size) / 2.0 } else { MARGIN };
        let page = &mut self.pages[number];
        page.begin_marked_content(Name(b"Artifact"));
        draw(page, &self.fonts, &line, style, (x, y));
        page.end_marked_content();
    }

    /// The file. `title` is its title, `footer` stands on each page before the page's number.
    pub(crate) fn finish(mut self, title: &str, footer: &str, id: &[u8]) -> Vec<u8> {
        let style = Style { size: FOOTER, weight: Weight::Regular, gray: 0.4, role: Role::Paragraph };
        let banner_style = Style { size: BANNER, weight: Weight::Bold, gray: 0.0, role: Role::Paragraph };
        let total = self.pages.len();
        for number in 0..total {
            self.artifact(number, &format!("{footer} · page {} of {total}", number + 1), style, MARGIN / 2.0, false);
            if let Some(banner) = self.banner.clone() {
                self.artifact(number, &banner, banner_style, PAGE.1 - MARGIN / 2.0 - 4.0, true);
                self.artifact(number, &banner, banner_style, MARGIN / 2.0 - 15.0, true);
            }
        }
        self.write(title, id)
    }

    fn write(self, title: &str, id: &[u8]) -> Vec<u8> {
        let (mut pdf, mut next) = (Pdf::new(), 1);
        let mut new = || {
            next += 1;
            Ref::new(next - 1)
        };
        let (catalog, tree, info, metadata, profile) = (new(), new(), new(), new(), new());
        let (structure, document) = (new(), new());
        let fonts: Vec<(usize, Ref)> =
            (0..NAMES.len()).filter(|font| !self.used[*font].is_empty()).map(|font| (font, new())).collect();
        let kids: Vec<Ref> = self.pages.iter().map(|_| new()).collect();
        let elements: Vec<Ref> = self.elements.iter().map(|_| new()).collect();
        let mut root = pdf.catalog(catalog);
        root.pages(tree).lang(TextStr("en")).metadata(metadata);
        root.viewer_preferences().display_doc_title(true);
        root.mark_info().marked(true);
        root.pair(Name(b"StructTreeRoot"), structure);
        root.output_intents()
            .push()
            .subtype(OutputIntentSubtype::PDFA)
            .output_condition_identifier(TextStr("Gray gamma 2.2"))
            .info(TextStr("Gray gamma 2.2"))
            .dest_output_profile(profile);
        root.finish();
        pdf.document_info(info).title(TextStr(title)).producer(TextStr("telcon"));
        pdf.metadata(metadata, archival::metadata(title).as_bytes());
        pdf.icc_profile(profile, &archival::gray_profile()).n(1);
        pdf.set_file_id((id.to_vec(), id.to_vec()));
        pdf.pages(tree).kids(kids.iter().copied()).count(kids.len() as i32);
        let lists: Vec<Ref> = kids.iter().map(|_| new()).collect();
        let elements = (self.elements.as_slice(), elements.as_slice());
        write_structure(&mut pdf, (structure, document), elements, (&self.marked, &lists), &kids);
        for (number, (content, kid)) in self.pages.into_iter().zip(&kids).enumerate() {
            let stream = new();
            let mut page = pdf.page(*kid);
            page.parent(tree).media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).contents(stream);
            page.struct_parents(number as i32);
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

/// The lines of a cell.
pub(crate) fn lines(fonts: &Fonts, cell: &Cell<'_>, setting: Setting) -> Vec<Line> {
    // Wider spaces need room: a line has about one for six letters of half a font size.
    let room = 1.0 - setting.word_space;
    let mut lines = fonts.wrap(cell.text, cell.style.weight, (cell.width - setting.narrower) / cell.style.size * room);
    if setting.word_space > 0.0 {
        lines.iter_mut().for_each(|line| line.widen_spaces(setting.word_space));
    }
    lines
}

/// The structure tree: paragraphs and headings in the order in which they are read.
fn write_structure(
    pdf: &mut Pdf,
    (root, document): (Ref, Ref),
    (elements, references): (&[Element], &[Ref]),
    (marked, lists): (&[Vec<usize>], &[Ref]),
    pages: &[Ref],
) {
    let mut tree = pdf.indirect(root).start::<StructTreeRoot<'_>>();
    tree.child(document);
    let mut parents = tree.parent_tree();
    let mut numbers = parents.nums();
    for (number, list) in lists.iter().enumerate() {
        numbers.insert(number as i32, *list);
    }
    numbers.finish();
    parents.finish();
    tree.parent_tree_next_key(marked.len() as i32);
    tree.finish();
    for (page, list) in marked.iter().zip(lists) {
        pdf.indirect(*list).array().items(page.iter().map(|element| references[*element]));
    }
    let used = || elements.iter().zip(references).filter(|(element, _)| !element.pieces.is_empty());
    let mut whole = pdf.struct_element(document);
    whole.kind(StructRole::Document).parent(root);
    let mut children = whole.children();
    for (_, reference) in used() {
        children.struct_element(*reference);
    }
    children.finish();
    whole.finish();
    for (element, reference) in used() {
        let mut written = pdf.struct_element(*reference);
        written.kind(element.role.structure()).parent(document);
        let mut children = written.children();
        for (page, identifier) in &element.pieces {
            // The page by itself, because a paragraph may go over two.
            children.marked_content_ref().page(pages[*page]).marked_content_id(*identifier);
        }
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
    let (cid, descriptor, cmap, file, numbers) = (new(), new(), new(), new(), new());
    let (subset, glyph_numbers) = Fonts::subset(font, used.keys().copied());
    let name = subset_name(font, used.keys().copied());
    let name = Name(name.as_bytes());
    let system = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
    let mut type0 = pdf.type0_font(reference);
    type0.base_font(name).encoding_predefined(Name(b"Identity-H")).descendant_font(cid).to_unicode(cmap);
    type0.finish();
    let face = fonts.face(font);
    let scale = 1000.0 / face.units_per_em() as f32;
    let mut cid_font = pdf.cid_font(cid);
    cid_font.subtype(CidFontType::Type2).base_font(name).system_info(system).font_descriptor(descriptor);
    // Pages name glyphs by their identifiers in the whole font.
    cid_font.default_width(0.0).cid_to_gid_map_stream(numbers);
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
    for (id, text) in used {
        // A mark whose letter has the text: where it is drawn, the line's text is given as a whole.
        let text = if text.is_empty() { "\u{200b}" } else { text.as_str() };
        unicode.pair_with_multiple(*id, text.chars());
    }
    let unicode = unicode.finish();
    pdf.cmap(cmap, unicode.as_slice());
    let glyph_numbers: Vec<u8> = glyph_numbers.into_iter().flat_map(u16::to_be_bytes).collect();
    pdf.stream(numbers, &deflate(&glyph_numbers)).filter(Filter::FlateDecode);
    let packed = deflate(&subset);
    let mut stream = pdf.stream(file, &packed);
    stream.filter(Filter::FlateDecode).pair(Name(b"Length1"), subset.len() as i32);
}

/// The name of a subset: six letters that follow from its glyphs, in front of the font's name (ISO 32000-1, section 9.6.4).
fn subset_name(font: usize, glyphs: impl Iterator<Item = u16>) -> String {
    let mut digest = glyphs.fold(0u64, |digest, id| digest.wrapping_mul(0x0100_0000_01b3) ^ u64::from(id));
    let tag = (0..6).map(|_| {
        let letter = char::from(b'A' + (digest % 26) as u8);
        digest /= 26;
        letter
    });
    tag.chain("+".chars()).chain(NAMES[font].chars()).collect()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}
