//! Delay of captions in real time: two people speak, with the first model for captions and the last for the transcript.

use crate::{Model, Speech};
use std::time::{Duration, Instant};
use telcon_client::audio::SILENCE;
use telcon_client::transcription::transcriber::TranscriberEvent;
use telcon_client::transcription::{Language, Transcriber};

/// Time after speech in which the last results are awaited, seconds.
const AFTER_S: f64 = 10.0;

/// Delays of one run.
pub struct Delay {
    /// The models for captions and transcript.
    pub models: String,
    /// Length, seconds.
    pub seconds: f64,
    /// From the end of what a caption covers to the caption: median and worst, seconds.
    pub captions: (f64, f64),
    /// The same for final lines.
    pub finals: (f64, f64),
    /// The most that recognition said it was behind, seconds.
    pub behind: f64,
    /// Captions dropped because the transcript was late.
    pub dropped: u64,
}

/// Measures in real time.
pub fn measure(models: &[Model], speech: &[Speech]) -> Delay {
    let (quick, best) = (&models[0], &models[models.len() - 1]);
    let mut transcriber = Transcriber::with_captioner(Box::new(best.whisper.clone()), Box::new(quick.whisper.clone()))
        .expect("threads can be started");
    let spoken: Vec<&Speech> = ["fixture-a.wav", "fixture-b.wav"]
        .iter()
        .filter_map(|name| speech.iter().find(|file| file.sound == *name))
        .collect();
    let length = spoken.iter().map(|file| file.frames.len()).max().unwrap_or(0) + (AFTER_S * 50.0) as usize;
    let (mut captions, mut finals, mut behind) = (Vec::new(), Vec::new(), 0.0_f64);
    let start = Instant::now();
    for speaker in 0..spoken.len() as u32 {
        transcriber.set_language(speaker, Some(Language::ENGLISH));
    }
    for tick in 0..length {
        let now_s = tick as f64 * 0.02;
        for (speaker, file) in (0_u32..).zip(&spoken) {
            transcriber.push(speaker, file.frames.get(tick).unwrap_or(&SILENCE), now_s);
        }
        for event in transcriber.events() {
            let TranscriberEvent::Result(result) = event else { continue };
            if !result.text.is_empty() {
                (if result.is_final { &mut finals } else { &mut captions })
                    .push(start.elapsed().as_secs_f64() - result.end_s);
            }
        }
        behind = behind.max(transcriber.behind_s(now_s));
        let due = Duration::from_millis(20 * (tick as u64 + 1));
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    Delay {
        models: format!("{} for captions, {} for the transcript", quick.name, best.name),
        seconds: length as f64 / 50.0,
        captions: median_and_worst(captions),
        finals: median_and_worst(finals),
        behind,
        dropped: transcriber.dropped_captions(),
    }
}

fn median_and_worst(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values.get(values.len() / 2).copied().unwrap_or(f64::NAN), values.last().copied().unwrap_or(f64::NAN))
}
