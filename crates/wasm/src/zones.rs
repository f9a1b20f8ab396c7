//! What clocks show in other zones: the browser's own database, through `Intl`.

use telcon_proto::line::{LocalMinute, Weekday};
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

/// None for a zone that the browser does not know: it throws then.
pub(crate) fn local_minute(zone: &str, at_ms: u64) -> Option<LocalMinute> {
    let options = serde_json::json!({
        "timeZone": zone, "weekday": "short", "hour": "2-digit", "minute": "2-digit", "hourCycle": "h23",
    });
    let format = DateTimeFormat::new("en-US", &parse_json(&options.to_string()).ok()?).ok()?;
    read(&format.format(at_ms as f64).ok()?)
}

/// Reads `Mon 09:05` or `Mon, 09:05`.
fn read(shown: &str) -> Option<LocalMinute> {
    let (day, clock) = shown.split_once(' ')?;
    let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|name| day.starts_with(name))?;
    let (hour, minute) = clock.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(LocalMinute { day: Weekday::ALL[day], minute: hour * 60 + minute })
}
