import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Ringer, type RingContext } from './ringer';

/** A context that the browser's autoplay policy holds until `allow`. */
function held_context() {
  let changed = () => {};
  const context = {
    state: 'suspended' as AudioContextState,
    currentTime: 0,
    destination: {} as AudioDestinationNode,
    resume: vi.fn(() => new Promise<void>(() => {})),
    suspend: vi.fn(async () => {}),
    addEventListener: (_: string, listener: () => void) => {
      changed = listener;
    },
  };
  return {
    context: context as unknown as RingContext,
    suspend: context.suspend,
    allow() {
      context.state = 'running';
      changed();
    },
  };
}

describe('the ring tone', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is found to be blocked while nothing rings, and allowed after a press', () => {
    const told: boolean[] = [];
    const held = held_context();
    const ringer = new Ringer(
      (blocked) => told.push(blocked),
      () => held.context,
    );
    ringer.check();
    expect(told).toEqual([]);
    vi.advanceTimersByTime(600);
    expect(told).toEqual([true]);
    held.allow();
    expect(told).toEqual([true, false]);
    expect(held.suspend).toHaveBeenCalledTimes(1);
  });

  it('is not reported as blocked where the browser starts at once', () => {
    const told: boolean[] = [];
    const held = held_context();
    const ringer = new Ringer(
      (blocked) => told.push(blocked),
      () => held.context,
    );
    ringer.check();
    held.allow();
    vi.advanceTimersByTime(600);
    expect(told).toEqual([false]);
  });
});

describe('notifications', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('name each caller, and go with their ring', () => {
    const shown = new Map<string, string>();
    class Shown {
      static permission = 'granted';
      onclick: unknown;
      constructor(
        title: string,
        private readonly options: { tag: string },
      ) {
        shown.set(options.tag, title);
      }
      close() {
        shown.delete(this.options.tag);
      }
    }
    const document = { hidden: false };
    vi.stubGlobal('Notification', Shown);
    vi.stubGlobal('document', document);
    const [first, second] = ['a', 'b'].map((call) => ({ call, title: `${call} is calling`, body: '' }));
    const ringer = new Ringer();
    ringer.notify([first!]);
    expect(shown.size).toBe(0);
    document.hidden = true;
    ringer.notify([first!, second!]);
    expect([...shown.values()]).toEqual(['a is calling', 'b is calling']);
    // The first caller gave up, and the second ring has the screen now.
    document.hidden = false;
    ringer.notify([second!]);
    expect([...shown.values()]).toEqual(['b is calling']);
    ringer.notify([]);
    expect(shown.size).toBe(0);
  });
});
