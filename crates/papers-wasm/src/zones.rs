//! The rules of time zones: the browser's own database, through `Intl`.

use telcon_papers::clock::ZoneClock;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type DateTimeFormat;

    #[wasm_bindgen(constructor, catch, js_namespace = Intl)]
    fn new(locale: &str, options: &JsValue) -> Result<DateTimeFormat, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn format(this: &DateTimeFormat, at_ms: f64) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    fn parse_json(text: &str) -> Result<JsValue, JsValue>;
}

/// One zone, as the browser knows it.
pub(crate) struct BrowserZone {
    name: String,
    offset: DateTimeFormat,
    letters: DateTimeFormat,
}

impl BrowserZone {
    /// None for a zone that the browser does not know: it throws then.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let format = |shown: &str| {
            let options = serde_json::json!({ "timeZone": name, "timeZoneName": shown });
            DateTimeFormat::new("en-US", &parse_json(&options.to_string()).ok()?).ok()
        };
        Some(Self { name: name.to_owned(), offset: format("longOffset")?, letters: format("short")? })
    }
}

impl ZoneClock for BrowserZone {
    fn name(&self) -> &str {
        &self.name
    }

    fn offset_seconds(&self, at_ms: i64) -> i32 {
        self.offset.format(at_ms as f64).ok().and_then(|shown| offset(&shown)).unwrap_or(0)
    }

    fn abbreviation(&self, at_ms: i64) -> Option<String> {
        let shown = self.letters.format(at_ms as f64).ok()?;
        let letters = shown.rsplit(' ').next()?;
        letters.bytes().all(|byte| byte.is_ascii_alphabetic()).then(|| letters.to_owned())
    }
}

/// Seconds of `12/1/2026, GMT-05:00`, `GMT+05:53:28` or `GMT`.
fn offset(shown: &str) -> Option<i32> {
    let (_, offset) = shown.split_once("GMT")?;
    let Some(sign) = offset.chars().next() else { return Some(0) };
    let seconds = offset[sign.len_utf8()..]
        .split(':')
        .zip([3600, 60, 1])
        .try_fold(0, |sum, (part, unit)| Some(sum + part.parse::<i32>().ok()? * unit))?;
    // Some locales write U+2212 for minus.
    Some(if sign == '+' { seconds } else { -seconds })
}
