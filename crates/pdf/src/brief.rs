//! A brief on paper.

use crate::page::Pages;
use crate::{BODY, SOFT, STRONG, TITLE, heading, labelled};
use telcon_papers::brief::{Brief, When};
use telcon_proto::printable::printable;

/// `brief.pdf`. `banner` stands at the top and bottom of each page, `id` identifies the file: the same brief gives the same bytes.
pub fn brief_pdf(brief: &Brief, banner: &str, id: &[u8]) -> Vec<u8> {
    let counterpart = printable(&brief.counterpart);
    let mut pages = if banner.is_empty() { Pages::new() } else { Pages::with_banner(&printable(banner)) };
    pages.paragraph("Brief for a call", SOFT);
    pages.paragraph(&counterpart, TITLE);
    if !brief.purpose.is_empty() {
        pages.space(4.0);
        pages.paragraph(&printable(&brief.purpose), STRONG);
    }
    for (title, when) in [("Say", When::Say), ("If asked", When::IfAsked), ("Avoid", When::Avoid)] {
        let mut points = brief.points.iter().filter(|point| point.when == when).peekable();
        if points.peek().is_some() {
            heading(&mut pages, title);
        }
        for point in points {
            let raised = if brief.ticks.contains_key(&point.id) { "Raised" } else { "" };
            labelled(&mut pages, raised, &printable(&point.text), BODY);
        }
    }
    let lists = [
        ("They want", &brief.they_want),
        ("We want", &brief.we_want),
        ("Limits", &brief.limits),
        ("Promised", &brief.promised),
        ("Background", &brief.background),
    ];
    for (title, texts) in lists.into_iter().filter(|(_, texts)| !texts.is_empty()) {
        heading(&mut pages, title);
        for text in texts {
            pages.paragraph(&format!("– {}", printable(text)), BODY);
        }
    }
    pages.finish(&format!("Brief: {counterpart}"), &format!("Brief · {counterpart}"), id)
}
