import { describe, expect, it } from 'vitest';
import type { PageOutput } from './contract';
import { Driver, type DriverEnvironment } from './driver';
import type { Engine } from './engine';
import type { FromWorker } from './messages';

/** An engine that returns the queued outputs, and an environment that records every action. */
function pair() {
  const outputs: PageOutput[] = [];
  const actions: string[] = [];
  const posted: FromWorker[] = [];
  const saves: { resolve: () => void; reject: () => void }[] = [];
  const timers: { ms: number; callback: () => void; cancelled: boolean }[] = [];
  const engine = {
    wakeup: undefined as number | undefined,
    broken: false,
    connected: () => undefined,
    set_ticket: () => undefined,
    disconnected: () => undefined,
    handle_server: () => undefined,
    tick() {
      actions.push('tick');
      if (this.broken) throw new WebAssembly.RuntimeError('unreachable');
    },
    command: (_now: number, json: string) => void actions.push(json),
    poll: () => (outputs.length > 0 ? JSON.stringify(outputs.shift()) : undefined),
    seal(frame: Uint8Array) {
      if (this.broken) throw new WebAssembly.RuntimeError('unreachable');
      return frame.map((b) => b ^ 1);
    },
    open: () => undefined,
    has_output: () => outputs.length > 0,
    check_record: () => '{"ok":true,"checks":[]}',
    appointment_request: () => 'request',
    new_document: () => '0'.repeat(32),
    known_document: () => undefined,
    see_document: () => '[]',
    forget_document: () => undefined,
    open_document: () => new Uint8Array(),
    write_document: () => '{}',
    seal_document_again: () => undefined,
    card_of_keys: () => 'null',
    delegation_of: () => '{}',
    device_of_key: () => '',
    sign_readout: (payload: string) => payload,
    seal_unsent: (content: Uint8Array) => content,
    open_unsent: (sealed: Uint8Array) => sealed,
    next_wakeup_ms() {
      return this.wakeup;
    },
  };
  const environment: DriverEnvironment = {
    now: () => 1_000,
    monotonic_ms: () => 1_000,
    send: (text) => void actions.push(`send ${text}`),
    save: (state) =>
      new Promise((resolve, reject) => {
        actions.push(`save ${state}`);
        saves.push({ resolve, reject: () => reject(new Error('full')) });
      }),
    erase: async () => void actions.push('erase'),
    report_erasure: ({ jws }) => void actions.push(`report ${jws}`),
    post: (message) => void posted.push(message),
    set_timer(ms, callback) {
      const timer = { ms, callback, cancelled: false };
      timers.push(timer);
      return () => (timer.cancelled = true);
    },
    reconnect: () => void actions.push('reconnect'),
    stop: () => void actions.push('stop'),
  };
  return { outputs, actions, posted, saves, timers, engine, driver: new Driver(engine satisfies Engine, environment) };
}

/** Runs all pending microtasks. */
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

describe('the driver', () => {
  it('sends immediately when no state is being saved', () => {
    const { outputs, actions, driver } = pair();
    outputs.push({ type: 'send', text: 'a' }, { type: 'send', text: 'b' });
    driver.connected();
    expect(actions).toEqual(['send a', 'send b']);
  });

  it('delays messages that follow a state until that state is on disk', async () => {
    const { outputs, actions, saves, driver } = pair();
    outputs.push(
      { type: 'persist', state: 's1' },
      { type: 'send', text: 'a' },
      { type: 'persist', state: 's2' },
      { type: 'send', text: 'b' },
    );
    driver.connected();
    await settle();
    expect(actions).toEqual(['save s1']);
    saves[0]?.resolve();
    await settle();
    expect(actions).toEqual(['save s1', 'send a', 'save s2']);
    saves[1]?.resolve();
    await settle();
    expect(actions.at(-1)).toBe('send b');
    outputs.push({ type: 'send', text: 'c' });
    driver.connected();
    expect(actions.at(-1)).toBe('send c');
  });

  it('stops when the state cannot be saved, and drops the messages that depend on it', async () => {
    const { outputs, actions, posted, saves, driver } = pair();
    outputs.push({ type: 'persist', state: 's1' }, { type: 'send', text: 'a' });
    driver.connected();
    await settle();
    saves[0]?.reject();
    await settle();
    expect(posted).toEqual([{ type: 'failed', problem: { code: 'keys_not_saved' } }]);
    expect(actions).not.toContain('send a');
    expect(driver.stopped).toBe(true);
  });

  it('drops all frames after the engine trapped', () => {
    const { engine, posted, driver } = pair();
    expect(driver.seal(new Uint8Array([0, 1]))).toEqual(new Uint8Array([1, 0]));
    engine.broken = true;
    expect(driver.seal(new Uint8Array([0]))).toBeUndefined();
    engine.broken = false;
    expect(driver.seal(new Uint8Array([0]))).toBeUndefined();
    expect(posted).toHaveLength(1);
  });

  it('ticks the engine once at the wake-up time it asked for', () => {
    const { engine, timers, actions, driver } = pair();
    engine.wakeup = 1_250;
    driver.connected();
    engine.wakeup = 900;
    driver.connected();
    expect(timers.map((t) => [t.ms, t.cancelled])).toEqual([
      [250, true],
      [0, false],
    ]);
    engine.wakeup = undefined;
    timers[1]?.callback();
    expect(actions).toEqual(['tick']);
    expect(timers).toHaveLength(2);
  });

  it('erases a revoked device and stops', async () => {
    const { outputs, actions, posted, driver } = pair();
    outputs.push({ type: 'erase', report: { jws: 'signed' } }, { type: 'send', text: 'late' });
    driver.connected();
    await settle();
    expect(actions, 'it is erased before the office is told').toEqual(['erase', 'report signed', 'stop']);
    expect(posted).toEqual([{ type: 'erased' }]);
    driver.command({ type: 'answer' });
    expect(actions).toHaveLength(3);
  });

  it('that is stopped saves nothing more once that is done', async () => {
    const { outputs, actions, saves, driver } = pair();
    outputs.push({ type: 'persist', state: 's1' }, { type: 'persist', state: 's2' });
    driver.connected();
    await settle();
    let stopped = false;
    const stopping = driver.stop().then(() => (stopped = true));
    for (const n of [0, 1]) {
      await settle();
      expect(stopped, 'it waits for what was begun').toBe(false);
      saves[n]?.resolve();
    }
    await stopping;
    outputs.push({ type: 'persist', state: 's3' });
    driver.connected();
    driver.tick();
    await settle();
    expect(actions).toEqual(['save s1', 'save s2']);
  });
});
