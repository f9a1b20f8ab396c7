import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PushSettings, PushSubscription } from './engine/contract';
import { text_sha256_hex } from './engine/encoding';
import type { BrowserSubscription, PushBrowser } from './engine/push';
import { PushSwitch } from './push.svelte';

/** An office and a browser, as far as push messages are concerned. */
function world() {
  const state = {
    key: 'key one' as string | undefined,
    stored: null as PushSubscription | null,
    current: null as BrowserSubscription | null,
    permission: 'default' as NotificationPermission,
    answer: 'granted' as NotificationPermission,
    supported: true,
    fails: false,
    worker: null as string | null,
    made: 0,
    closed: 0,
  };
  const office = {
    async settings(): Promise<PushSettings> {
      if (state.fails) throw { code: 'office_unreachable' };
      const endpoint_sha256 = state.stored ? await text_sha256_hex(state.stored.endpoint) : undefined;
      return { ...(state.key ? { key: state.key } : {}), ...(endpoint_sha256 ? { endpoint_sha256 } : {}) };
    },
    async subscribe(_token: string, subscription: PushSubscription) {
      if (state.fails) throw { code: 'unavailable' };
      state.stored = subscription;
    },
    async unsubscribe() {
      if (state.fails) throw { code: 'unavailable' };
      state.stored = null;
    },
  };
  const browser: PushBrowser = {
    supported: () => state.supported,
    permission: () => state.permission,
    request_permission: async () => (state.permission = state.answer),
    current: async () => state.current,
    async subscribe(key, language) {
      state.worker = language;
      const endpoint = `https://push.example/${++state.made}`;
      return (state.current ??= { key, subscription: { endpoint, p256dh: 'p', auth: 'a' } });
    },
    async unsubscribe() {
      state.current = null;
      state.worker = null;
    },
    speak: async (language) => void (state.worker &&= language),
    close_rings: async () => void state.closed++,
  };
  const make = () => new PushSwitch(() => 'fr', office, browser);
  return { state, make };
}

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
});
afterEach(() => vi.unstubAllGlobals());

describe('notifications while the page is closed', () => {
  it('are off until the person turns them on, and off again when they turn them off', async () => {
    const { state, make } = world();
    const push = make();
    expect(push.state).toBe('unknown');
    await push.check('token');
    expect([push.state, state.made]).toEqual(['off', 0]);
    await push.turn_on('token');
    expect([push.state, state.stored?.endpoint, state.worker]).toEqual(['on', 'https://push.example/1', 'fr']);
    const later = make();
    await later.check('token');
    expect([later.state, state.made]).toEqual(['on', 1]);
    await push.turn_off('token');
    expect([push.state, state.stored, state.current]).toEqual(['off', null, null]);
    await later.check('token');
    expect([later.state, state.made]).toEqual(['off', 1]);
  });

  it('say why they cannot be turned on', async () => {
    const { state, make } = world();
    const push = make();
    state.answer = 'denied';
    await push.turn_on('token');
    expect(push.state).toBe('blocked');
    await push.check('token');
    expect([push.state, state.made]).toEqual(['blocked', 0]);
    state.key = undefined;
    await push.check('token');
    expect(push.state).toBe('no_push');
    state.supported = false;
    await push.check('token');
    expect(push.state).toBe('unsupported');
  });

  it('are not asked about where the person closes the browser’s question', async () => {
    const { state, make } = world();
    const push = make();
    state.answer = 'default';
    await push.turn_on('token');
    expect([push.state, state.made, state.stored]).toEqual(['off', 0, null]);
  });

  it('are subscribed to anew when the office has another key, or does not know the address any more', async () => {
    const { state, make } = world();
    const push = make();
    await push.turn_on('token');
    state.key = 'key two';
    await push.check('token');
    expect([push.state, state.current?.key, state.stored?.endpoint]).toEqual([
      'on',
      'key two',
      'https://push.example/2',
    ]);
    state.stored = null;
    await push.check('token');
    expect([push.state, state.made]).toEqual(['on', 3]);
    expect(state.stored).toEqual(state.current?.subscription);
  });

  it('stay as they were when the office cannot be reached, and say so', async () => {
    const { state, make } = world();
    const push = make();
    await push.turn_on('token');
    state.fails = true;
    await push.turn_off('token');
    expect([push.state, push.problem, state.current !== null]).toEqual(['on', { code: 'unavailable' }, true]);
    await push.check('token');
    expect([push.state, push.problem, push.busy]).toEqual(['on', { code: 'office_unreachable' }, false]);
  });

  it('are offered once: the answer is kept in this browser until the device is erased', async () => {
    const { state, make } = world();
    const push = make();
    expect(push.offered, 'nothing is known yet').toBe(false);
    await push.check('token');
    expect(push.offered).toBe(true);
    push.not_now();
    expect([push.offered, push.state, state.made]).toEqual([false, 'off', 0]);
    const later = make();
    await later.check('token');
    expect(later.offered).toBe(false);
    await later.forget();
    await later.check('token');
    expect(later.offered).toBe(true);
    await later.turn_on('token');
    await later.turn_off('token');
    expect([later.state, later.offered], 'whoever turned them off knows where').toEqual(['off', false]);
  });

  it('are not offered where they cannot be turned on', async () => {
    for (const change of [{ supported: false }, { key: undefined }, { permission: 'denied' as const }]) {
      const { state, make } = world();
      Object.assign(state, change);
      const push = make();
      await push.check('token');
      expect(push.offered, JSON.stringify(change)).toBe(false);
    }
  });

  it('of rings are removed once the page shows them', async () => {
    const { state, make } = world();
    await make().close_rings();
    expect(state.closed).toBe(1);
    state.supported = false;
    await make().close_rings();
    expect(state.closed).toBe(1);
  });

  it('speak the language of the page, and end with the device', async () => {
    const { state, make } = world();
    const push = make();
    await push.speak('en');
    expect(state.worker).toBe(null);
    await push.turn_on('token');
    await push.speak('en');
    expect(state.worker).toBe('en');
    await push.forget();
    expect([push.state, state.current]).toEqual(['unknown', null]);
    await push.check('token');
    expect([push.state, state.made]).toEqual(['off', 1]);
  });
});
