// The bell: made here, quiet, and silent the moment the ring is over.

export type Bell = 'none' | 'in' | 'out';

/** Seconds of one round: the tones, then rest. */
const ROUND_S = { in: 3, out: 5 };
/** A fifth, soft: heard across a room and not startling in it. */
const TONES = { in: [523.25, 783.99], out: [425] };
/** Loudness of 1. A ring going out is only a sign that something happens. */
const LOUD = { in: 0.12, out: 0.03 };

export class Ringer {
  #bell: Bell = 'none';
  #context: AudioContext | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #notification: Notification | undefined;

  /** Rings this way from now on, or not at all. */
  ring(bell: Bell): void {
    if (bell === this.#bell) return;
    this.#bell = bell;
    clearInterval(this.#timer);
    if (bell === 'none') {
      void this.#context?.suspend();
      return;
    }
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => undefined);
    this.#round(bell);
    this.#timer = setInterval(() => this.#round(bell), ROUND_S[bell] * 1000);
  }

  /** Shows a ring outside the page where the person allowed that, as long as the page is not in sight. */
  notify(ring: { title: string; body: string; tag: string } | null): void {
    if (!ring) {
      this.#notification?.close();
      this.#notification = undefined;
      return;
    }
    if (this.#notification || !document.hidden || !('Notification' in globalThis) || Notification.permission !== 'granted') return;
    try {
      this.#notification = new Notification(ring.title, { body: ring.body, tag: ring.tag, requireInteraction: true });
      this.#notification.onclick = () => window.focus();
    } catch {
      // Phones allow it from service workers only; the bell and the page remain.
    }
  }

  #round(bell: 'in' | 'out'): void {
    const context = this.#context;
    if (!context) return;
    const start = context.currentTime + 0.05;
    TONES[bell].forEach((tone, i) => {
      const oscillator = new OscillatorNode(context, { frequency: tone, type: 'sine' });
      const volume = new GainNode(context, { gain: 0 });
      const at = start + i * 0.22;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(LOUD[bell], at + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0005, at + 1.1);
      oscillator.connect(volume).connect(context.destination);
      oscillator.start(at);
      oscillator.stop(at + 1.2);
    });
  }
}
