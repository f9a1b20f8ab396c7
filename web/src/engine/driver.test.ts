import { describe, expect, it } from 'vitest';
import type { Engine, Output } from './contract';
import { Driver, type World } from './driver';
import type { FromWorker } from './messages';

/** An engine that hands out what it was given, and a world that notes what reaches it. */
function pair() {
  const outputs: Output[] = [];
  const did: string[] = [];
  const told: FromWorker[] = [];
  const saves: { resolve: () => void; reject: () => void }[] = [];
  const timers: { ms: number; callback: () => void; cancelled: boolean }[] = [];
  const engine = {
    wakeup: undefined as number | undefined,
    broken: false,
    connected: () => undefined,
    disconnected: () => undefined,
    handle_server: () => undefined,
    tick() {
      did.push('tick');
      if (this.broken) throw new WebAssembly.RuntimeError('unreachable');
    },
    command: (_now: number, json: string) => void did.push(json),
    poll: () => (outputs.length > 0 ? JSON.stringify(outputs.shift()) : undefined),
    seal(frame: Uint8Array) {
      if (this.broken) throw new WebAssembly.RuntimeError('unreachable');
      return frame.map((b) => b ^ 1);
    },
    open: () => undefined,
    check_record: () => '{"ok":true,"checks":[]}',
    next_wakeup_ms() {
      return this.wakeup;
    },
  };
  const world: World = {
    now: () => 1_000,
    steady: () => 1_000,
    send: (text) => void did.push(`send ${text}`),
    save: (state) =>
      new Promise((resolve, reject) => {
        did.push(`save ${state}`);
        saves.push({ resolve, reject: () => reject(new Error('full')) });
      }),
    erase: async () => void did.push('erase'),
    tell: (message) => void told.push(message),
    after(ms, callback) {
      const timer = { ms, callback, cancelled: false };
      timers.push(timer);
      return () => (timer.cancelled = true);
    },
    reconnect: () => void did.push('reconnect'),
    stop: () => void did.push('stop'),
  };
  return { outputs, did, told, saves, timers, engine, driver: new Driver(engine satisfies Engine, world) };
}

/** Lets everything that was promised happen. */
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

describe('the driver', () => {
  it('sends at once when nothing waits to be kept', () => {
    const { outputs, did, driver } = pair();
    outputs.push({ out: 'send', text: 'a' }, { out: 'send', text: 'b' });
    driver.connected();
    expect(did).toEqual(['send a', 'send b']);
  });

  it('sends nothing that came after a state before that state is on disk', async () => {
    const { outputs, did, saves, driver } = pair();
    outputs.push({ out: 'persist', state: 's1' }, { out: 'send', text: 'a' }, { out: 'persist', state: 's2' }, { out: 'send', text: 'b' });
    driver.connected();
    await settle();
    expect(did).toEqual(['save s1']);
    saves[0]?.resolve();
    await settle();
    expect(did).toEqual(['save s1', 'send a', 'save s2']);
    saves[1]?.resolve();
    await settle();
    expect(did.at(-1)).toBe('send b');
    outputs.push({ out: 'send', text: 'c' });
    driver.connected();
    expect(did.at(-1)).toBe('send c');
  });

  it('stops when the state cannot be kept, and does not send what rests on it', async () => {
    const { outputs, did, told, saves, driver } = pair();
    outputs.push({ out: 'persist', state: 's1' }, { out: 'send', text: 'a' });
    driver.connected();
    await settle();
    saves[0]?.reject();
    await settle();
    expect(told).toEqual([{ tell: 'failed', problem: expect.stringMatching(/could not keep the keys/) }]);
    expect(did).not.toContain('send a');
    expect(driver.stopped).toBe(true);
  });

  it('hands frames to nobody once the engine broke', () => {
    const { engine, told, driver } = pair();
    expect(driver.seal(new Uint8Array([0, 1]))).toEqual(new Uint8Array([1, 0]));
    engine.broken = true;
    expect(driver.seal(new Uint8Array([0]))).toBeUndefined();
    engine.broken = false;
    expect(driver.seal(new Uint8Array([0]))).toBeUndefined();
    expect(told).toHaveLength(1);
  });

  it('wakes the engine when it asks for it, once', () => {
    const { engine, timers, did, driver } = pair();
    engine.wakeup = 1_250;
    driver.connected();
    engine.wakeup = 900;
    driver.connected();
    expect(timers.map((t) => [t.ms, t.cancelled])).toEqual([[250, true], [0, false]]);
    engine.wakeup = undefined;
    timers[1]?.callback();
    expect(did).toEqual(['tick']);
    expect(timers).toHaveLength(2);
  });

  it('erases everything of a device that was revoked, and does no more', async () => {
    const { outputs, did, told, driver } = pair();
    outputs.push({ out: 'erase' }, { out: 'send', text: 'late' });
    driver.connected();
    await settle();
    expect(did).toEqual(['erase', 'stop']);
    expect(told).toEqual([{ tell: 'erased' }]);
    driver.command({ do: 'answer' });
    expect(did).toHaveLength(2);
  });
});
