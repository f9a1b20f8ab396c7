//! The threads that recognisers run on, and the queue before them.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::recogniser::{Effort, HearingError, Phrase, Recogniser};
use super::speaker::Passage;

/// A passage of one speaker.
pub(super) struct Job {
    pub(super) speaker: u32,
    pub(super) passage: Passage,
    pub(super) submitted: Instant,
}

/// What became of a job.
pub(super) struct Done {
    pub(super) speaker: u32,
    pub(super) passage: Passage,
    pub(super) result: Result<Vec<Phrase>, HearingError>,
}

/// Provisional passages that wait per speaker: the newest of the last few parts. Older ones are better left out than
/// heard late.
const WAITING_PARTS: usize = 2;

/// A caption that is ready so long after its sound came is late: the machine is short of processor, and the transcript, which
/// nobody waits for, leaves it to the captions.
const LATE: Duration = Duration::from_millis(1_000);
/// For how long nobody must have spoken before the transcript goes on all the same. Whoever speaks is heard for a caption
/// more often than that.
const QUIET: Duration = Duration::from_millis(2_500);
/// Final passages that are put off at most, of up to 30 s and 2 MB each: about two minutes of two people who speak at once.
const PUT_OFF: usize = 8;
/// For how long a passage is put off at most: people who speak all the time see their words written down, too.
const PUT_OFF_FOR: Duration = Duration::from_secs(20);

/// Runs recognisers, passage by passage. Final passages are never left out; of the provisional ones only the newest
/// wait, so that captions are late at most by the pass that is running.
pub(super) struct Worker {
    shared: Arc<Shared>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
}

/// Which passages a thread takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
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
    /// When there was sound for a caption last.
    spoken: Option<Instant>,
    /// Whether the last caption was late.
    late: bool,
}

impl Queue {
    /// For how long a final passage is to be put off, if at all.
    fn put_off(&self, now: Instant) -> Option<Duration> {
        if !self.late || self.closed || self.finals.len() > PUT_OFF {
            return None;
        }
        if self.finals.front().is_some_and(|oldest| now.saturating_duration_since(oldest.submitted) >= PUT_OFF_FOR) {
            return None;
        }
        let quiet_from = self.spoken? + QUIET;
        quiet_from.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Puts a provisional passage in line. What is newer of the same part takes the *place* of what waits: at the end of
    /// the line, a speaker whose passages are replaced faster than they are heard would never be heard.
    fn wait_for_caption(&mut self, job: Job) {
        let part = |job: &Job| (job.speaker, job.passage.group, job.passage.part);
        if let Some(waiting) = self.provisional.iter_mut().find(|waiting| part(waiting) == part(&job)) {
            *waiting = job;
            return;
        }
        let theirs = |waiting: &&Job| waiting.speaker == job.speaker;
        if self.provisional.iter().filter(theirs).count() >= WAITING_PARTS
            && let Some(oldest) = self.provisional.iter().position(|waiting| waiting.speaker == job.speaker)
        {
            self.provisional.remove(oldest);
        }
        self.provisional.push_back(job);
    }
}

impl Worker {
    /// Starts a thread for the recogniser, and another for the captioner if there is one.
    pub(super) fn start(
        recogniser: Box<dyn Recogniser + Send>,
        captioner: Option<Box<dyn Recogniser + Send>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, done) = channel();
        let takes = if captioner.is_some() { Takes::Finals } else { Takes::All };
        let tasks = [("scribe", takes, Some(recogniser)), ("captions", Takes::Provisional, captioner)];
        // If the second thread cannot be had, dropping this tells the first to end.
        let mut worker = Self { shared, done, threads: Vec::new() };
        for (name, takes, recogniser) in tasks {
            let Some(recogniser) = recogniser else { continue };
            let (shared, sender) = (Arc::clone(&worker.shared), sender.clone());
            let thread = std::thread::Builder::new().name(name.into());
            worker.threads.push(thread.spawn(move || work(&shared, takes, recogniser, &sender))?);
        }
        Ok(worker)
    }

    pub(super) fn submit(&self, job: Job) {
        let mut queue = self.shared.lock();
        if job.passage.is_final {
            queue.provisional.retain(|waiting| waiting.speaker != job.speaker);
            queue.finals.push_back(job);
        } else {
            queue.spoken = Some(job.submitted);
            queue.wait_for_caption(job);
        }
        drop(queue);
        self.shared.wake.notify_all();
    }

    /// What is done by now.
    pub(super) fn done(&self) -> impl Iterator<Item = Done> + '_ {
        self.done.try_iter()
    }

    /// Takes no more jobs: threads end when all final passages are heard.
    pub(super) fn close(&self) {
        self.shared.close();
    }

    /// Waits for the threads to end, and tells whether they ended as they should.
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
        // The queue is whole whoever panicked: nothing is done with it between two states.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more jobs come; captions that still wait are of no use any more.
    fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.provisional.clear();
        drop(queue);
        self.wake.notify_all();
    }

    fn next(&self, takes: Takes) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            let put_off = queue.put_off(Instant::now()).filter(|_| takes == Takes::Finals && !queue.finals.is_empty());
            let job = match takes {
                Takes::All => queue.finals.pop_front().or_else(|| queue.provisional.pop_front()),
                Takes::Finals if put_off.is_some() => None,
                Takes::Finals => queue.finals.pop_front(),
                Takes::Provisional => queue.provisional.pop_front(),
            };
            if job.is_some() || queue.closed {
                return job;
            }
            queue = match put_off {
                Some(left) => self.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A caption of sound that came at `submitted` is ready.
    fn captioned(&self, submitted: Instant) {
        self.lock().late = submitted.elapsed() > LATE;
        self.wake.notify_all();
    }
}

fn work(shared: &Shared, takes: Takes, mut recogniser: Box<dyn Recogniser + Send>, done: &Sender<Done>) {
    while let Some(Job { speaker, passage, submitted }) = shared.next(takes) {
        let effort = if passage.is_final { Effort::Best } else { Effort::Quick };
        let result = recogniser.transcribe(&passage.sound, effort);
        if effort == Effort::Quick {
            shared.captioned(submitted);
        }
        if done.send(Done { speaker, passage, result }).is_err() {
            // The scribe was dropped: nobody waits for the rest.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(speaker: u32, part: u32, end_s: f64) -> Job {
        let passage =
            Passage { group: 0, part, is_final: false, start_s: 0.0, end_s, speech: Vec::new(), sound: Vec::new() };
        Job { speaker, passage, submitted: Instant::now() }
    }

    #[test]
    fn the_transcript_waits_while_captions_are_late_and_not_for_ever() {
        let spoken = Instant::now();
        let mut queue = Queue { spoken: Some(spoken), late: true, ..Queue::default() };
        queue.finals.push_back(job(1, 0, 1.0));
        assert_eq!(queue.put_off(spoken), Some(QUIET));
        assert_eq!(queue.put_off(spoken + QUIET), None, "nobody speaks any more");
        let long_after = queue.finals[0].submitted + PUT_OFF_FOR;
        queue.spoken = Some(long_after);
        assert_eq!(queue.put_off(long_after - Duration::from_millis(1)), Some(QUIET + Duration::from_millis(1)));
        assert_eq!(queue.put_off(long_after), None, "somebody speaks all the time");
        queue.spoken = Some(spoken);
        queue.finals.extend((0..PUT_OFF).map(|n| job(1, 0, n as f64)));
        assert_eq!(queue.put_off(spoken), None, "too much waits");
        queue.finals.truncate(1);
        queue.closed = true;
        assert_eq!(queue.put_off(spoken), None, "the call is over");
        let in_time = Queue { spoken: Some(spoken), ..Queue::default() };
        assert_eq!(in_time.put_off(spoken), None);
    }

    #[test]
    fn speakers_take_turns_when_passages_come_faster_than_they_are_heard() {
        let mut queue = Queue::default();
        let mut heard = Vec::new();
        for round in 0..6 {
            // Three new passages of each speaker for every one that is heard.
            for step in 0..3 {
                for speaker in [1, 2] {
                    queue.wait_for_caption(job(speaker, 0, f64::from(3 * round + step)));
                }
            }
            let next = queue.provisional.pop_front().unwrap();
            assert_eq!(next.passage.end_s, f64::from(3 * round + 2), "an old passage was heard");
            heard.push(next.speaker);
        }
        assert_eq!(heard, [1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn only_the_newest_parts_of_a_speaker_wait() {
        let mut queue = Queue::default();
        for part in 0..5 {
            queue.wait_for_caption(job(1, part, 1.0));
        }
        let parts: Vec<u32> = queue.provisional.iter().map(|job| job.passage.part).collect();
        assert_eq!(parts, [3, 4]);
    }
}
