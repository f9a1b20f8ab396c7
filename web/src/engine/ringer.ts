// Ring tones, synthesised here, that stop with the ring; and system notifications of rings.

/** `waiting`: somebody rings during a call. */
export type Tone = 'none' | 'in' | 'out' | 'waiting';

type Sound = Exclude<Tone, 'none'>;

/** Period of the ring tone, seconds: tone and pause. */
const PERIOD_S: Record<Sound, number> = { in: 3, out: 5, waiting: 6 };
/** A fifth for an incoming ring, a ringback tone for an outgoing one, two short beeps beside a conversation. */
const FREQUENCIES_HZ: Record<Sound, number[]> = { in: [523.25, 783.99], out: [425], waiting: [425, 425] };
/** Peak gain, 0 to 1. */
const GAIN: Record<Sound, number> = { in: 0.12, out: 0.03, waiting: 0.02 };
/** How long a note sounds, seconds. */
const NOTE_S: Record<Sound, number> = { in: 1.1, out: 1.1, waiting: 0.15 };
/** How long a browser may take to start sound before it counts as blocked, milliseconds. */
const START_TIMEOUT_MS = 500;

/** A ring as a system notification. */
export interface RingNotice {
  call: string;
  title: string;
  body: string;
}

/** What a ringer needs of an `AudioContext`. */
export type RingContext = Pick<
  AudioContext,
  'state' | 'resume' | 'suspend' | 'addEventListener' | 'currentTime' | 'destination'
>;

export class Ringer {
  #tone: Tone = 'none';
  #context: RingContext | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #probe: ReturnType<typeof setTimeout> | undefined;
  /** Shown notifications, by call. */
  readonly #notifications = new Map<string, Notification>();

  /** `blocked` is told whether the browser would play a ring: its autoplay policy may ask for a press first. */
  constructor(
    private readonly blocked: (blocked: boolean) => void = () => undefined,
    private readonly make: () => RingContext = () => new AudioContext(),
  ) {}

  /** Finds out, while nothing rings, whether a ring would be heard. Also called from any gesture, which allows sound. */
  check(): void {
    const context = this.#opened();
    if (context.state === 'running') return this.#started();
    // The promise stays pending while sound is blocked, and the state changes once it is allowed.
    void context.resume().catch(() => undefined);
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => this.blocked(context.state !== 'running'), START_TIMEOUT_MS);
  }

  /** Plays this tone until the next call; `none` stops it. */
  ring(tone: Tone): void {
    if (tone === this.#tone) return;
    this.#tone = tone;
    clearInterval(this.#timer);
    if (tone === 'none') {
      void this.#context?.suspend();
      return;
    }
    this.check();
    this.#play_once(tone);
    this.#timer = setInterval(() => this.#play_once(tone), PERIOD_S[tone] * 1000);
  }

  /** Shows a system notification for each of these rings while the page is hidden, if the person allowed that, and removes others. */
  notify(rings: RingNotice[]): void {
    for (const [call, shown] of this.#notifications) {
      if (rings.some((ring) => ring.call === call)) continue;
      shown.close();
      this.#notifications.delete(call);
    }
    if (!document.hidden || !('Notification' in globalThis) || Notification.permission !== 'granted') return;
    for (const { call, title, body } of rings) {
      if (this.#notifications.has(call)) continue;
      try {
        const shown = new Notification(title, { body, tag: call, requireInteraction: true });
        shown.onclick = () => window.focus();
        this.#notifications.set(call, shown);
      } catch {
        // Mobile browsers allow notifications from service workers only; the tone still plays.
      }
    }
  }

  #opened(): RingContext {
    if (this.#context) return this.#context;
    const context = this.make();
    context.addEventListener('statechange', () => {
      if (context.state === 'running') this.#started();
    });
    this.#context = context;
    return context;
  }

  #started(): void {
    clearTimeout(this.#probe);
    this.blocked(false);
    // An idle context would keep the audio device open.
    if (this.#tone === 'none') void this.#context?.suspend();
  }

  #play_once(tone: Sound): void {
    const context = this.#context as AudioContext | undefined;
    if (!context) return;
    // The browser may have suspended it meanwhile.
    if (context.state !== 'running') this.check();
    const start = context.currentTime + 0.05;
    FREQUENCIES_HZ[tone].forEach((frequency, i) => {
      const oscillator = new OscillatorNode(context, { frequency, type: 'sine' });
      const volume = new GainNode(context, { gain: 0 });
      const at = start + i * 0.22;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(GAIN[tone], at + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0005, at + NOTE_S[tone]);
      oscillator.connect(volume).connect(context.destination);
      oscillator.start(at);
      oscillator.stop(at + NOTE_S[tone] + 0.1);
    });
  }
}
