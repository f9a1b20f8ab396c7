//! Recognizer threads and their job queue.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::recognizer::{Effort, Recognition, RecognitionError, Recognizer, Request};
use super::segmenter::SpeechSegment;

/// A segment to recognize.
pub(super) struct Job {
    pub(super) speaker: u32,
    pub(super) segment: SpeechSegment,
    pub(super) request: Request,
    pub(super) submitted: Instant,
}

/// The result of a job.
pub(super) struct JobResult {
    pub(super) speaker: u32,
    pub(super) segment: SpeechSegment,
    pub(super) result: Result<Recognition, RecognitionError>,
}

/// Queued provisional segments per speaker: the newest version of the last few parts. Skipping older ones is better than
/// late captions.
const MAX_QUEUED_PARTS: usize = 2;

/// Caption latency at which the machine counts as overloaded. Final segments, which are not urgent, then yield to captions.
const MAX_CAPTION_LATENCY: Duration = Duration::from_millis(1_000);
/// Time without new caption jobs after which final segments proceed: nobody is speaking.
const QUIET_PERIOD: Duration = Duration::from_millis(2_500);
/// Most deferred final segments, each up to 30 s and 2 MB: about two minutes of two simultaneous speakers.
const MAX_DEFERRED: usize = 8;
/// Longest deferral of a final segment. One that waits longer means that the machine cannot do both: then captions are dropped
/// until the transcript has caught up, because a caption is replaced by its final words and a final segment by nothing.
const MAX_DEFERRAL: Duration = Duration::from_secs(10);

/// Runs recognizers on threads. Final segments are never skipped; of provisional ones only the newest are queued, so that
/// caption latency is bounded by the running pass.
pub(super) struct Worker {
    shared: Arc<Shared>,
    results: Receiver<JobResult>,
    threads: Vec<JoinHandle<()>>,
}

/// The jobs that a thread runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JobFilter {
    All,
    Finals,
    Provisional,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    finals: VecDeque<Job>,
    provisional: VecDeque<Job>,
    closed: bool,
    /// Time of the last caption job.
    last_caption_job: Option<Instant>,
    /// Whether the last caption exceeded [`MAX_CAPTION_LATENCY`].
    overloaded: bool,
    /// Captions dropped because final segments were late.
    dropped: u64,
}

impl Queue {
    /// How long to defer final segments, if at all.
    fn deferral(&self, now: Instant) -> Option<Duration> {
        if !self.overloaded || self.closed || self.finals.len() > MAX_DEFERRED {
            return None;
        }
        if self.is_late(now) {
            return None;
        }
        let quiet_from = self.last_caption_job? + QUIET_PERIOD;
        quiet_from.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Whether a final segment has waited too long.
    fn is_late(&self, now: Instant) -> bool {
        self.finals.front().is_some_and(|oldest| now.saturating_duration_since(oldest.submitted) >= MAX_DEFERRAL)
    }

    /// The next caption job; none, and all are dropped, while final segments are late.
    fn next_caption(&mut self, now: Instant) -> Option<Job> {
        if self.is_late(now) {
            self.dropped += self.provisional.len() as u64;
            self.provisional.clear();
        }
        self.provisional.pop_front()
    }

    /// Queues a provisional segment. A newer version of a queued part replaces it in its *position*: if it moved to the end, a
    /// speaker whose segments are replaced faster than they are recognized would starve.
    fn queue_caption(&mut self, job: Job) {
        let part = |job: &Job| (job.speaker, job.segment.group, job.segment.part);
        if let Some(waiting) = self.provisional.iter_mut().find(|waiting| part(waiting) == part(&job)) {
            *waiting = job;
            return;
        }
        let theirs = |waiting: &&Job| waiting.speaker == job.speaker;
        if self.provisional.iter().filter(theirs).count() >= MAX_QUEUED_PARTS
            && let Some(oldest) = self.provisional.iter().position(|waiting| waiting.speaker == job.speaker)
        {
            self.provisional.remove(oldest);
        }
        self.provisional.push_back(job);
    }
}

impl Worker {
    /// Starts a thread for the recognizer, and another for the captioner if there is one.
    pub(super) fn start(
        recognizer: Box<dyn Recognizer + Send>,
        captioner: Option<Box<dyn Recognizer + Send>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, results) = channel();
        let filter = if captioner.is_some() { JobFilter::Finals } else { JobFilter::All };
        let tasks = [("transcript", filter, Some(recognizer)), ("captions", JobFilter::Provisional, captioner)];
        // If the second thread cannot be started, dropping this ends the first.
        let mut worker = Self { shared, results, threads: Vec::new() };
        for (name, filter, recognizer) in tasks {
            let Some(recognizer) = recognizer else { continue };
            let (shared, sender) = (Arc::clone(&worker.shared), sender.clone());
            let thread = std::thread::Builder::new().name(name.into());
            worker.threads.push(thread.spawn(move || work(&shared, filter, recognizer, &sender))?);
        }
        Ok(worker)
    }

    pub(super) fn submit(&self, job: Job) {
        let mut queue = self.shared.lock();
        if job.segment.is_final {
            queue.provisional.retain(|waiting| waiting.speaker != job.speaker);
            queue.finals.push_back(job);
        } else {
            queue.last_caption_job = Some(job.submitted);
            queue.queue_caption(job);
        }
        drop(queue);
        self.shared.wake.notify_all();
    }

    /// The results available now.
    pub(super) fn results(&self) -> impl Iterator<Item = JobResult> + '_ {
        self.results.try_iter()
    }

    /// How many captions were dropped because final segments were late.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Accepts no more jobs: the threads end after the queued final segments.
    pub(super) fn close(&self) {
        self.shared.close();
    }

    /// Waits for the threads to end; returns false if one panicked.
    pub(super) fn join(&mut self) -> bool {
        self.threads.drain(..).map(JoinHandle::join).filter(Result::is_err).count() == 0
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs while the queue is inconsistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more jobs follow; queued captions are obsolete.
    fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.provisional.clear();
        drop(queue);
        self.wake.notify_all();
    }

    fn next(&self, filter: JobFilter) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            let deferral =
                queue.deferral(Instant::now()).filter(|_| filter == JobFilter::Finals && !queue.finals.is_empty());
            let job = match filter {
                JobFilter::All => queue.finals.pop_front().or_else(|| queue.provisional.pop_front()),
                JobFilter::Finals if deferral.is_some() => None,
                JobFilter::Finals => queue.finals.pop_front(),
                JobFilter::Provisional => queue.next_caption(Instant::now()),
            };
            if job.is_some() || queue.closed {
                return job;
            }
            queue = match deferral {
                Some(left) => self.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// The caption of a job submitted at `submitted` is ready.
    fn caption_ready(&self, submitted: Instant) {
        self.lock().overloaded = submitted.elapsed() > MAX_CAPTION_LATENCY;
        self.wake.notify_all();
    }
}

fn work(shared: &Shared, filter: JobFilter, mut recognizer: Box<dyn Recognizer + Send>, results: &Sender<JobResult>) {
    while let Some(Job { speaker, segment, request, submitted }) = shared.next(filter) {
        let result = recognizer.transcribe(&segment.samples, &request);
        if request.effort == Effort::Quick {
            shared.caption_ready(submitted);
        }
        if results.send(JobResult { speaker, segment, result }).is_err() {
            // The transcriber was dropped.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(speaker: u32, part: u32, end_s: f64) -> Job {
        let segment = SpeechSegment {
            group: 0,
            part,
            is_final: false,
            start_s: 0.0,
            end_s,
            speech: Vec::new(),
            cut_beginnings: Vec::new(),
            cut_end: false,
            samples: Vec::new(),
        };
        Job { speaker, segment, request: Request::new(Effort::Quick), submitted: Instant::now() }
    }

    #[test]
    fn final_segments_yield_to_late_captions_for_a_bounded_time() {
        let spoken = Instant::now();
        let mut queue = Queue { last_caption_job: Some(spoken), overloaded: true, ..Queue::default() };
        queue.finals.push_back(job(1, 0, 1.0));
        assert_eq!(queue.deferral(spoken), Some(QUIET_PERIOD));
        assert_eq!(queue.deferral(spoken + QUIET_PERIOD), None, "nobody is speaking");
        let long_after = queue.finals[0].submitted + MAX_DEFERRAL;
        queue.last_caption_job = Some(long_after);
        assert_eq!(
            queue.deferral(long_after - Duration::from_millis(1)),
            Some(QUIET_PERIOD + Duration::from_millis(1))
        );
        assert_eq!(queue.deferral(long_after), None, "continuous speech");
        queue.last_caption_job = Some(spoken);
        queue.finals.extend((0..MAX_DEFERRED).map(|n| job(1, 0, n as f64)));
        assert_eq!(queue.deferral(spoken), None, "too many deferred segments");
        queue.finals.truncate(1);
        queue.closed = true;
        assert_eq!(queue.deferral(spoken), None, "the call is over");
        let in_time = Queue { last_caption_job: Some(spoken), ..Queue::default() };
        assert_eq!(in_time.deferral(spoken), None);
    }

    #[test]
    fn captions_are_dropped_while_final_segments_are_late() {
        let mut queue = Queue::default();
        queue.finals.push_back(job(1, 0, 1.0));
        queue.queue_caption(job(1, 0, 2.0));
        let in_time = queue.finals[0].submitted + MAX_DEFERRAL - Duration::from_millis(1);
        assert!(queue.next_caption(in_time).is_some());
        queue.queue_caption(job(1, 0, 3.0));
        queue.queue_caption(job(2, 0, 3.0));
        assert!(queue.next_caption(in_time + Duration::from_millis(1)).is_none());
        assert_eq!((queue.dropped, queue.finals.len()), (2, 1), "final segments are never dropped");
        queue.finals.clear();
        queue.queue_caption(job(1, 0, 9.0));
        assert!(queue.next_caption(in_time + MAX_DEFERRAL).is_some(), "the transcript has caught up");
    }

    #[test]
    fn speakers_take_turns_under_overload() {
        let mut queue = Queue::default();
        let mut recognized = Vec::new();
        for round in 0..6 {
            // Three new segments of each speaker for every recognized one.
            for step in 0..3 {
                for speaker in [1, 2] {
                    queue.queue_caption(job(speaker, 0, f64::from(3 * round + step)));
                }
            }
            let next = queue.provisional.pop_front().unwrap();
            assert_eq!(next.segment.end_s, f64::from(3 * round + 2), "an outdated segment was recognized");
            recognized.push(next.speaker);
        }
        assert_eq!(recognized, [1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn only_the_newest_parts_of_a_speaker_are_queued() {
        let mut queue = Queue::default();
        for part in 0..5 {
            queue.queue_caption(job(1, part, 1.0));
        }
        let parts: Vec<u32> = queue.provisional.iter().map(|job| job.segment.part).collect();
        assert_eq!(parts, [3, 4]);
    }
}
