// Ring tones, synthesised here, that stop with the ring; and system notifications of rings.

export type Tone = 'none' | 'in' | 'out';

/** Period of the ring tone, seconds: tone and pause. */
const PERIOD_S = { in: 3, out: 5 };
/** A fifth for an incoming ring, a ringback tone for an outgoing one. */
const FREQUENCIES_HZ = { in: [523.25, 783.99], out: [425] };
/** Peak gain, 0 to 1. */
const GAIN = { in: 0.12, out: 0.03 };

export class Ringer {
  #tone: Tone = 'none';
  #context: AudioContext | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #notification: Notification | undefined;

  /** Plays this tone until the next call; `none` stops it. */
  ring(tone: Tone): void {
    if (tone === this.#tone) return;
    this.#tone = tone;
    clearInterval(this.#timer);
    if (tone === 'none') {
      void this.#context?.suspend();
      return;
    }
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => undefined);
    this.#play_once(tone);
    this.#timer = setInterval(() => this.#play_once(tone), PERIOD_S[tone] * 1000);
  }

  /** Shows a system notification while the page is hidden, if the person allowed notifications. `null` removes it. */
  notify(ring: { title: string; body: string; tag: string } | null): void {
    if (!ring) {
      this.#notification?.close();
      this.#notification = undefined;
      return;
    }
    if (
      this.#notification ||
      !document.hidden ||
      !('Notification' in globalThis) ||
      Notification.permission !== 'granted'
    )
      return;
    try {
      this.#notification = new Notification(ring.title, { body: ring.body, tag: ring.tag, requireInteraction: true });
      this.#notification.onclick = () => window.focus();
    } catch {
      // Mobile browsers allow notifications from service workers only; the tone still plays.
    }
  }

  #play_once(tone: 'in' | 'out'): void {
    const context = this.#context;
    if (!context) return;
    const start = context.currentTime + 0.05;
    FREQUENCIES_HZ[tone].forEach((frequency, i) => {
      const oscillator = new OscillatorNode(context, { frequency, type: 'sine' });
      const volume = new GainNode(context, { gain: 0 });
      const at = start + i * 0.22;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(GAIN[tone], at + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0005, at + 1.1);
      oscillator.connect(volume).connect(context.destination);
      oscillator.start(at);
      oscillator.stop(at + 1.2);
    });
  }
}
