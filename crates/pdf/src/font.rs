//! The fonts, and text shaped with them.

use rustybuzz::{Direction, Face, UnicodeBuffer};
use subsetter::{GlyphRemapper, subset};
use unicode_bidi::{BidiInfo, Level};

/// Font files (OFL 1.1, see `fonts/README.md`), in the order in which a character is looked for.
const FILES: [&[u8]; 5] = [
    include_bytes!("../fonts/NotoSans-Regular.ttf"),
    include_bytes!("../fonts/NotoSans-Bold.ttf"),
    include_bytes!("../fonts/NotoSansArabic-Regular.ttf"),
    include_bytes!("../fonts/NotoSansHebrew-Regular.ttf"),
    include_bytes!("../fonts/NotoSansSC-Regular.ttf"),
];

/// PostScript names of [`FILES`].
pub(crate) const NAMES: [&str; 5] =
    ["NotoSans-Regular", "NotoSans-Bold", "NotoSansArabic-Regular", "NotoSansHebrew-Regular", "NotoSansSC-Regular"];

/// Shown in place of a character that no font has: PDF/A forbids the font's own box (ISO 19005-2, 6.2.11.8).
const SUBSTITUTES: [char; 3] = ['\u{fffd}', '\u{25a1}', '?'];

/// Between ideographs a line may break.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Most characters of a word that are measured at once: a longer one is broken although it might fit, so that the work per
/// character has a bound whatever a transcript is made of. A line of the narrowest letters has fewer.
const MAX_WORD_CHARS: usize = 256;
/// How many characters of a word are tried first where it is broken.
const FIRST_TRIED: usize = 16;

/// Weight of a text. Scripts without a bold font are regular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// The opened fonts.
pub(crate) struct Fonts {
    faces: Vec<Face<'static>>,
    /// How many bytes of text were shaped.
    #[cfg(test)]
    shaped: std::cell::Cell<usize>,
}

/// One glyph at its place in a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Glyph {
    /// Index into [`NAMES`].
    pub(crate) font: usize,
    /// Index in the font.
    pub(crate) id: u16,
    /// From the start of the line and the base line, in units of the font size.
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// What the glyph shows, for searching and copying; empty for all but the first glyph of a cluster.
    pub(crate) text: String,
}

/// A shaped line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub(crate) glyphs: Vec<Glyph>,
    /// The line as text, in the order in which it is read.
    pub(crate) text: String,
    /// In units of the font size.
    pub(crate) width: f32,
    /// Whether the line reads from right to left.
    pub(crate) is_rtl: bool,
    /// Characters that no font has.
    pub(crate) absent: usize,
}

impl Line {
    /// Makes each space of a line wider by `more` font sizes.
    pub(crate) fn widen_spaces(&mut self, more: f32) {
        let mut shift = 0.0;
        for glyph in &mut self.glyphs {
            glyph.x += shift;
            if glyph.text == " " {
                shift += more;
            }
        }
        self.width += shift;
    }
}

impl Fonts {
    pub(crate) fn open() -> Self {
        let face = |file: &&'static [u8]| Face::from_slice(file, 0).expect("invariant: the built-in fonts are valid");
        Self {
            faces: FILES.iter().map(face).collect(),
            #[cfg(test)]
            shaped: std::cell::Cell::new(0),
        }
    }

    pub(crate) fn face(&self, font: usize) -> &Face<'static> {
        &self.faces[font]
    }

    /// A font file of these glyphs alone, and the parts of glyphs that they are made of; and for each glyph identifier of the whole
    /// font its number in that file, 0 if it is not there.
    pub(crate) fn subset(font: usize, glyphs: impl Iterator<Item = u16>) -> (Vec<u8>, Vec<u16>) {
        let mut remapper = GlyphRemapper::new();
        let mut numbers = vec![0];
        for id in glyphs {
            let at = usize::from(id);
            numbers.resize(numbers.len().max(at + 1), 0);
            numbers[at] = remapper.remap(id);
        }
        let file = subset(FILES[font], 0, &remapper).expect("invariant: the built-in fonts are valid");
        (file, numbers)
    }

    /// The font for a character, and whether it has it. Marks and joiners stay with what they follow, if it can show them.
    fn font_of(&self, c: char, weight: Weight, previous: Option<usize>) -> (usize, bool) {
        let order: [usize; 4] = match weight {
            Weight::Regular => [0, 2, 3, 4],
            Weight::Bold => [1, 2, 3, 4],
        };
        let has = |font: usize| self.faces[font].glyph_index(c).is_some();
        let joiner = matches!(c, '\u{200c}' | '\u{200d}');
        if let Some(previous) =
            previous.filter(|previous| joiner || (has(*previous) && !c.is_ascii_alphanumeric() && !is_ideograph(c)))
        {
            return (previous, true);
        }
        order.into_iter().find(|font| has(*font)).map_or((order[0], joiner), |font| (font, true))
    }

    /// Shapes one line of text: reordered for display (UAX #9), with the fonts that have its characters.
    pub(crate) fn shape(&self, text: &str, weight: Weight) -> Line {
        #[cfg(test)]
        self.shaped.set(self.shaped.get() + text.len());
        let bidi = BidiInfo::new(text, None);
        let mut line = Line { text: text.to_owned(), ..Line::default() };
        let Some(paragraph) = bidi.paragraphs.first() else { return line };
        line.is_rtl = paragraph.level.is_rtl();
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let level = levels.get(run.start).copied().unwrap_or(Level::ltr());
            let mut pieces = self.pieces(&text[run.clone()], weight, &mut line.absent);
            if level.is_rtl() {
                pieces.reverse();
            }
            for (font, piece) in pieces {
                self.shape_piece(piece, font, level.is_rtl(), &mut line);
            }
        }
        line
    }

    /// Cuts a run into pieces of one font each, in logical order.
    fn pieces<'a>(&self, run: &'a str, weight: Weight, absent: &mut usize) -> Vec<(usize, &'a str)> {
        let mut pieces: Vec<(usize, std::ops::Range<usize>)> = Vec::new();
        for (at, c) in run.char_indices() {
            let (font, has) = self.font_of(c, weight, pieces.last().map(|(font, _)| *font));
            *absent += usize::from(!has);
            let end = at + c.len_utf8();
            match pieces.last_mut() {
                Some((last, range)) if *last == font => range.end = end,
                _ => pieces.push((font, at..end)),
            }
        }
        pieces.into_iter().map(|(font, range)| (font, &run[range])).collect()
    }

    fn shape_piece(&self, piece: &str, font: usize, is_rtl: bool, line: &mut Line) {
        let face = &self.faces[font];
        let scale = 1.0 / face.units_per_em() as f32;
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(piece);
        buffer.set_direction(if is_rtl { Direction::RightToLeft } else { Direction::LeftToRight });
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(face, &[], buffer);
        // A cluster's text ends where the next one in logical order begins.
        let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        starts.push(piece.len());
        starts.sort_unstable();
        starts.dedup();
        let substitute = SUBSTITUTES.iter().find_map(|c| face.glyph_index(*c)).map_or(0, |id| id.0);
        let mut said = None;
        for (info, position) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
            let start = info.cluster as usize;
            let end = starts.get(starts.partition_point(|end| *end <= start)).copied().unwrap_or(piece.len());
            let text = if said == Some(start) { "" } else { &piece[start..end] };
            said = Some(start);
            line.glyphs.push(Glyph {
                font,
                id: u16::try_from(info.glyph_id).ok().filter(|id| *id != 0).unwrap_or(substitute),
                x: line.width + position.x_offset as f32 * scale,
                y: position.y_offset as f32 * scale,
                text: text.to_owned(),
            });
            line.width += position.x_advance as f32 * scale;
        }
    }

    /// Breaks a text into lines that are at most `width` wide (in units of the font size), at spaces, and inside of words
    /// that are wider or have more than [`MAX_WORD_CHARS`]. The time is linear in the length of the text.
    pub(crate) fn wrap(&self, text: &str, weight: Weight, width: f32) -> Vec<Line> {
        let measure = |text: &str| self.shape(text, weight).width;
        let space = measure(" ");
        let (mut lines, mut current, mut used) = (Vec::new(), String::new(), 0.0f32);
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let mut rest = word;
            // A word that is too long to be measured begins a line of its own and is broken.
            let measured =
                |rest: &str| if end_of(rest, MAX_WORD_CHARS) < rest.len() { f32::INFINITY } else { measure(rest) };
            let mut wide = measured(rest);
            if !current.is_empty() && used + space + wide > width {
                lines.push(std::mem::take(&mut current));
                used = 0.0;
            }
            while wide > width {
                let cut = self.fitting(rest, weight, width);
                lines.push(rest[..cut].to_owned());
                rest = &rest[cut..];
                wide = measured(rest);
            }
            if !current.is_empty() {
                current.push(' ');
                used += space;
            }
            current.push_str(rest);
            used += wide;
        }
        if !current.is_empty() || lines.is_empty() {
            lines.push(current);
        }
        let is_rtl = BidiInfo::new(text, None).paragraphs.first().is_some_and(|paragraph| paragraph.level.is_rtl());
        let shape = |line: &String| Line { is_rtl, ..self.shape(line, weight) };
        lines.iter().map(shape).collect()
    }

    /// How much of a word, in bytes, fits into the width; at least one character, and at most [`MAX_WORD_CHARS`].
    fn fitting(&self, word: &str, weight: Weight, width: f32) -> usize {
        let fits = |end: usize| self.shape(&word[..end], weight).width <= width;
        let mut tried = FIRST_TRIED;
        while tried < MAX_WORD_CHARS && end_of(word, tried) < word.len() && fits(end_of(word, tried)) {
            tried *= 2;
        }
        let ends: Vec<usize> = word.char_indices().take(tried).map(|(at, c)| at + c.len_utf8()).collect();
        let fitting = ends.partition_point(|end| fits(*end));
        ends[fitting.saturating_sub(1)]
    }
}

/// Where the first `chars` characters of a text end, in bytes.
fn end_of(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_to_left_names_are_reordered_and_joined() {
        let fonts = Fonts::open();
        let hebrew = fonts.shape("רחל", Weight::Regular);
        assert!(hebrew.is_rtl && hebrew.absent == 0);
        let shown: String = hebrew.glyphs.iter().map(|glyph| glyph.text.as_str()).collect();
        assert_eq!(shown, "לחר", "the last letter is at the left");
        // Lam and alef are one glyph, and each letter has the form of its place.
        let arabic = fonts.shape("سلام", Weight::Bold);
        assert!(arabic.absent == 0 && arabic.glyphs.iter().all(|glyph| glyph.id != 0));
        let alone: f32 = "سلام".chars().map(|c| fonts.shape(&c.to_string(), Weight::Bold).width).sum();
        assert!(arabic.width < alone, "{} of {alone}", arabic.width);
        let mixed = fonts.shape("The President محمد of Norland", Weight::Regular);
        assert!(!mixed.is_rtl && mixed.absent == 0);
        assert!(mixed.glyphs.windows(2).all(|pair| pair[0].x <= pair[1].x + 1.0));
    }

    #[test]
    fn other_scripts_are_counted_and_latin_greek_and_cyrillic_are_not() {
        let fonts = Fonts::open();
        for text in ["Élise Ørsted", "Владимир", "Κυριάκος", "Nguyễn Thị", "“–…” ·", "می‌خواهم"]
        {
            let line = fonts.shape(text, Weight::Regular);
            assert_eq!(line.absent, 0, "{text}");
        }
        assert_eq!(fonts.shape("主席習近平", Weight::Bold).absent, 0);
        let thai = fonts.shape("กข", Weight::Regular);
        assert_eq!((thai.absent, thai.text.as_str()), (2, "กข"));
        assert!(thai.glyphs.iter().all(|glyph| glyph.id != 0), "no box of the font's own");
    }

    #[test]
    fn lines_are_never_wider_than_the_column() {
        let fonts = Fonts::open();
        let digest = "0123456789abcdef".repeat(8);
        for text in [&digest, "one two three four five six seven", "", &format!("a {digest} b")] {
            let lines = fonts.wrap(text, Weight::Regular, 10.0);
            assert!(!lines.is_empty() && lines.iter().all(|line| line.width <= 10.05), "{text}");
            let said: String = lines.iter().flat_map(|line| &line.glyphs).map(|glyph| glyph.text.as_str()).collect();
            assert_eq!(said.replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn a_text_without_end_is_wrapped_in_linear_time() {
        let fonts = Fonts::open();
        // Wide letters, narrow ones, marks without width, right to left, and many words.
        for unit in ["W", "i", "e\u{301}\u{301}\u{301}", "ש", "a "] {
            let work = |length: usize| {
                fonts.shaped.set(0);
                let text = unit.repeat(length / unit.len());
                let lines = fonts.wrap(&text, Weight::Regular, 10.0);
                let said: usize = lines.iter().flat_map(|line| &line.glyphs).map(|glyph| glyph.text.len()).sum();
                assert!(said + lines.len() >= text.trim_end().len(), "nothing is left out");
                fonts.shaped.get()
            };
            let (short, long) = (work(2_000), work(16_000));
            assert!(long < 10 * short, "{unit:?}: {short} bytes for 2000, {long} for 16000");
        }
    }
}
