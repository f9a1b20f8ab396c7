//! The table, the JSON, the plots, and the page that holds them.

use crate::score::Material;
use crate::{Measured, Outcome, channel, path};
use std::fmt::Write as _;
use std::path::Path;

/// The plots, in order: name, title, unit of the axis.
const FAMILIES: [(&str, &str, &str); 4] = [
    ("loss", "random loss", "%"),
    ("bursts", "loss in bursts of 4", "%"),
    ("jitter", "jitter", "ms"),
    ("bottleneck", "bottleneck", "kbit/s"),
];

/// The results as a Markdown table.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| network | word errors, Telcon | plain | PESQ, Telcon | plain | concealed, Telcon | plain | buffer, Telcon | plain | sent, Telcon | plain |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for outcome in outcomes {
        let both = |show: &dyn Fn(&Measured) -> String| format!("{} | {}", show(&outcome.telcon), show(&outcome.plain));
        let cells = [
            both(&|m| if m.words == 0 { "–".into() } else { format!("{:.1} %", m.rate()) }),
            both(&|m| m.pesq.map_or("–".into(), |pesq| format!("{pesq:.2}"))),
            both(&|m| format!("{:.1} %", 100.0 * m.made_up)),
            both(&|m| format!("{:.0} ms", m.delay_ms)),
            both(&|m| format!("{:.0} kbit/s", m.kbit)),
        ];
        let _ = writeln!(text, "| {} | {} |", outcome.name, cells.join(" | "));
    }
    text
}

/// Writes `network.md`, `network.json` and the plots.
pub fn write(folder: &Path, outcomes: &[Outcome], material: &Material, seed: u64) -> std::io::Result<()> {
    let json = serde_json::json!({
        "seed": seed,
        "seconds": material.seconds,
        "noise_db_below": material.noise,
        "base_ms": channel::BASE_US / 1000,
        "queue_ms": channel::QUEUE_US / 1000,
        "overhead_bytes": path::OVERHEAD,
        "outcomes": outcomes,
    });
    std::fs::write(folder.join("network.json"), serde_json::to_string_pretty(&json)? + "\n")?;
    let words = plot("word error rate, percent", outcomes, 0.0, &|m| (m.words > 0).then(|| m.rate().min(100.0)), 100.0);
    std::fs::write(folder.join("network-words.svg"), words)?;
    let pesq = plot("PESQ, wide band", outcomes, 1.0, &|m| m.pesq, 4.6);
    std::fs::write(folder.join("network-pesq.svg"), pesq)?;
    let page = include_str!("page.md")
        .replace("{table}", &table(outcomes))
        .replace("{seconds}", &format!("{:.0}", material.seconds))
        .replace("{words}", &outcomes.first().map_or(0, |outcome| outcome.telcon.words).to_string())
        .replace("{noise}", &material.noise.map_or("no noise".into(), |below| format!("noise {below} dB below it")))
        .replace("{seed}", &seed.to_string())
        .replace("{verdict}", &verdict(outcomes))
        .replace("{queue}", &(channel::QUEUE_US / 1000).to_string())
        .replace("{base}", &(channel::BASE_US / 1000).to_string())
        .replace("{overhead}", &path::OVERHEAD.to_string());
    std::fs::write(folder.join("network.md"), page)
}

/// The target, and whether it was met.
fn verdict(outcomes: &[Outcome]) -> String {
    let find = |name: &str| outcomes.iter().find(|outcome| outcome.name == name);
    let (Some(clear), Some(bad)) = (find("loss 0 %"), find("loss 20 %")) else { return "not run".into() };
    let more = |clear: &Measured, bad: &Measured| bad.rate() - clear.rate();
    let (ours, theirs) = (more(&clear.telcon, &bad.telcon), more(&clear.plain, &bad.plain));
    format!(
        "At 20 % random loss, {ours:+.1} points of word error rate against no loss, {theirs:+.1} on the plain path (target: at \
         most +3): **{}**.",
        if ours <= 3.0 && theirs > ours { "met" } else { "not met" }
    )
}

const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 54.0;

/// One panel per kind of impairment: Telcon solid, plain Opus dashed.
fn plot(title: &str, outcomes: &[Outcome], low: f64, value: &dyn Fn(&Measured) -> Option<f64>, most: f64) -> String {
    let total = LEFT + FAMILIES.len() as f64 * (WIDTH + LEFT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total:.0} {:.0}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}: Telcon (solid), plain Opus (dashed)</text>\n",
        TOP + HEIGHT + 40.0
    );
    let all = outcomes.iter().flat_map(|outcome| [&outcome.telcon, &outcome.plain]).filter_map(value);
    let high = (all.fold(low, f64::max) * 1.1).clamp(low + 1.0, most);
    for (panel, (family, about, unit)) in FAMILIES.iter().enumerate() {
        let x0 = LEFT + panel as f64 * (WIDTH + LEFT);
        // The result without loss is the left end of the loss, burst and jitter panels.
        let clear = outcomes.iter().find(|outcome| outcome.family == "loss" && outcome.at == 0.0);
        let mut points: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.family == *family).collect();
        if *family != "loss" && *family != "bottleneck" {
            points.splice(0..0, clear);
        }
        let place = |outcome: &Outcome| if outcome.family == *family { outcome.at } else { 0.0 };
        let ends = points.iter().fold((f64::MAX, f64::MIN), |(a, b), o| (a.min(place(o)), b.max(place(o))));
        let x = |at: f64| x0 + (at - ends.0) / (ends.1 - ends.0).max(1.0) * WIDTH;
        let y = |value: f64| TOP + HEIGHT * (1.0 - (value - low) / (high - low));
        let _ = writeln!(svg, "<text x=\"{x0}\" y=\"{}\">{about}, {unit}</text>", TOP - 12.0);
        for step in 0..=4 {
            let value = low + (high - low) * f64::from(step) / 4.0;
            let _ = writeln!(
                svg,
                "<path d=\"M{x0:.1} {0:.1}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"{1:.1}\" y=\"{2:.1}\" \
                 text-anchor=\"end\" fill=\"#555\">{value:.1}</text>",
                y(value),
                x0 - 5.0,
                y(value) + 4.0
            );
        }
        for outcome in &points {
            let at = place(outcome);
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{at}</text>",
                x(at),
                TOP + HEIGHT + 18.0
            );
        }
        for (ours, style) in [(true, "stroke=\"#1f4e79\""), (false, "stroke=\"#a33b20\" stroke-dasharray=\"5 4\"")] {
            let mut line = String::new();
            for outcome in &points {
                let Some(value) = value(if ours { &outcome.telcon } else { &outcome.plain }) else { continue };
                let (x, y) = (x(place(outcome)), y(value.min(high)));
                let _ = write!(line, "{}{x:.1} {y:.1}", if line.is_empty() { "M" } else { "L" });
                let fill = if ours { "#1f4e79" } else { "#a33b20" };
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{fill}\"/>");
            }
            let _ = writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke-width=\"2\" {style}/>");
        }
    }
    svg + "</svg>\n"
}
