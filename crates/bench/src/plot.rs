//! SVG charts: grouped bars and lines, with logarithmic value axes.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 48.0;
/// Distinguishable with colour vision deficiencies (Okabe and Ito), on white.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#6b6b6b"];

/// A group of bars.
pub struct Bars {
    /// Label of the group.
    pub name: String,
    /// One value per legend entry, where it was measured.
    pub values: Vec<Option<f64>>,
}

/// A line.
pub struct Line {
    /// Legend entry.
    pub name: String,
    /// Points (x, y), sorted by x.
    pub points: Vec<(f64, f64)>,
}

/// A bar chart; each bar is labelled with its value.
pub fn bars(title: &str, unit: &str, legend: &[&str], groups: &[Bars]) -> String {
    let all = groups.iter().flat_map(|group| group.values.iter().flatten().copied());
    let scale = Scale::around(all);
    let mut out = begin(title, legend);
    scale.draw(&mut out, unit);
    let room = (WIDTH - LEFT - RIGHT) / groups.len().max(1) as f64;
    let width = room * 0.8 / legend.len().max(1) as f64;
    for (index, group) in groups.iter().enumerate() {
        let start = LEFT + room * (index as f64 + 0.1);
        for (place, value) in group.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let (x, y) = (start + width * place as f64, scale.y(*value));
            let height = HEIGHT - BOTTOM - y;
            let colour = COLOURS[place % COLOURS.len()];
            let _ = writeln!(
                out,
                r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}" fill="{colour}"/>"#,
                width - 2.0
            );
            text(&mut out, x + width / 2.0 - 1.0, y - 4.0, "middle", &short(*value));
        }
        text(&mut out, start + room * 0.4, HEIGHT - BOTTOM + 20.0, "middle", &group.name);
    }
    end(out)
}

/// A line chart with logarithmic axes.
pub fn lines(title: &str, across: &str, unit: &str, lines: &[Line]) -> String {
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let scale = Scale::around(points().map(|(_, y)| y));
    let (first, last) = points().fold((f64::MAX, f64::MIN), |(least, most), (x, _)| (least.min(x), most.max(x)));
    let place = |x: f64| {
        let span = (last / first).ln().max(f64::EPSILON);
        LEFT + 12.0 + (x / first).ln() / span * (WIDTH - LEFT - RIGHT - 40.0)
    };
    let mut out = begin(title, &names);
    scale.draw(&mut out, unit);
    let mut marks: Vec<f64> = points().map(|(x, _)| x).collect();
    marks.sort_by(f64::total_cmp);
    let mut free = f64::MIN;
    for mark in marks {
        // Skips labels that would overlap.
        if place(mark) > free {
            text(&mut out, place(mark), HEIGHT - BOTTOM + 18.0, "middle", &short(mark));
            free = place(mark) + 48.0;
        }
    }
    text(&mut out, (LEFT + WIDTH) / 2.0, HEIGHT - 10.0, "middle", across);
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", place(*x), scale.y(*y))).collect();
        let _ =
            writeln!(out, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, path.join(" "));
        for point in path {
            let (x, y) = point.split_once(',').expect("invariant: written with a comma above");
            let _ = writeln!(out, r#"<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>"#);
        }
    }
    end(out)
}

/// A logarithmic scale between two powers of ten.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let usable = values.filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) =
            usable.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
        if least > most {
            return Self { least: 0.0, most: 1.0 };
        }
        let (least, most) = (least.log10().floor(), (most * 1.3).log10().ceil());
        Self { least, most: most.max(least + 1.0) }
    }

    fn y(&self, value: f64) -> f64 {
        let share = ((value.max(f64::MIN_POSITIVE).log10() - self.least) / (self.most - self.least)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn draw(&self, out: &mut String, unit: &str) {
        let mut power = self.least;
        while power <= self.most {
            let y = self.y(10f64.powf(power));
            let _ =
                writeln!(out, r##"<line x1="{LEFT}" y1="{y:.1}" x2="{}" y2="{y:.1}" stroke="#ddd"/>"##, WIDTH - RIGHT);
            text(out, LEFT - 6.0, y + 4.0, "end", &short(10f64.powf(power)));
            power += 1.0;
        }
        text(out, 8.0, TOP - 14.0, "start", unit);
    }
}

fn begin(title: &str, legend: &[&str]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"{0}\">\n<title>{0}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n",
        escaped(title)
    );
    let _ = writeln!(out, r##"<text x="8" y="20" font-size="14" fill="#111">{}</text>"##, escaped(title));
    let mut x = LEFT;
    for (name, colour) in legend.iter().zip(COLOURS.iter().cycle()) {
        let _ = writeln!(out, r#"<rect x="{x:.0}" y="30" width="10" height="10" fill="{colour}"/>"#);
        text(&mut out, x + 14.0, 39.0, "start", name);
        x += 34.0 + 7.0 * name.chars().count() as f64;
    }
    out
}

fn end(mut out: String) -> String {
    out.push_str("</svg>\n");
    out
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, what: &str) {
    let _ =
        writeln!(out, r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#333">{}</text>"##, escaped(what));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Formats with at most three significant digits.
fn short(value: f64) -> String {
    match value {
        v if v >= 10_000.0 => format!("{:.0} k", v / 1000.0),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_contain_values_and_escaped_labels() {
        let groups = [Bars { name: "30 × 4".into(), values: vec![Some(1.25), Some(18.0), None] }];
        let picture = bars("Cost <b>", "µs", &["Telcon", "Janus", "coturn"], &groups);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(picture.contains(">1.25<") && picture.contains(">18.0<") && !picture.contains("<b>"));
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
    }

    #[test]
    fn the_scale_is_monotonic_and_clamped() {
        let scale = Scale::around([0.7, 40.0].into_iter());
        assert!(scale.y(40.0) < scale.y(0.7));
        for value in [0.0, 0.7, 40.0, 1e9] {
            assert!((TOP..=HEIGHT - BOTTOM).contains(&scale.y(value)), "{value}");
        }
    }

    #[test]
    fn empty_charts_are_valid() {
        assert!(!bars("x", "y", &[], &[]).contains("NaN"));
        let one = lines("x", "calls", "µs", &[Line { name: "a".into(), points: vec![(10.0, 1.0)] }]);
        assert!(!one.contains("NaN") && one.contains("<circle"));
        assert!(!lines("x", "calls", "µs", &[]).contains("NaN"));
    }
}
