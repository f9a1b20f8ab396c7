import { describe, expect, it } from 'vitest';
import { ASK_CODE } from '../fake/devices';
import { ASK_INTERVAL_MS, AskingDevice, MAX_ASK_INTERVAL_MS, is_link_unused, type Asking } from './asking';
import type { PageAsking } from './contract';

const MADE: PageAsking = {
  request: { request: 'jws' },
  code: ASK_CODE,
  office: 'Office',
  line: false,
  state: 'asking',
};
const WAITS = () => Response.json({ state: 'waiting', expires_ms: 7 });
const LOST = () => {
  throw new TypeError('Failed to fetch');
};
const REFUSED = (status: number, error: string) => () => Response.json({ error }, { status });

/** A device, what it did in order, and what it would do next. `answers` are the office's to its requests, in order. */
function world(answers: (() => Response | Promise<Response>)[], stored: { state: string | null } = { state: null }) {
  const done: string[] = [];
  const shown: Asking[] = [];
  const timers: { ms: number; callback: () => Promise<void> }[] = [];
  let made = 0;
  let erasing_fails = false;
  let showing_fails = false;
  let info: () => Response = () => new Response('{"name":"Office"}');
  const device = new AskingDevice({
    async fetch(path, init) {
      if (path === '/api/v1/office') return info();
      done.push(`${init?.method} ${path} ${String(init?.body)}`);
      const answer = answers.shift();
      if (!answer) throw new Error('no further request was expected');
      return answer();
    },
    set_timer(ms, callback) {
      const timer = { ms, callback };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
    async save(state) {
      done.push(`save ${state}`);
      stored.state = state;
    },
    async erase() {
      if (erasing_fails) throw new Error('the disk failed');
      done.push('erase');
      stored.state = null;
    },
    async complete(state, chain) {
      if (chain.includes('forged')) throw new Error('a signature is invalid');
      done.push(`complete ${state} ${chain.join()}`);
    },
    show(asking) {
      if (showing_fails) throw new Error('the page is gone');
      shown.push(asking);
    },
  });
  const make = () => (made++, JSON.stringify(MADE));
  return {
    device,
    done,
    shown,
    timers,
    stored,
    last: () => shown.at(-1),
    start: () => device.start(make),
    made: () => made,
    erasing: (fails: boolean) => (erasing_fails = fails),
    showing: (fails: boolean) => (showing_fails = fails),
    office_is: (answer: () => Response) => (info = answer),
    /** Fires the timer, and waits until what follows from it is done. */
    async pass() {
      const timer = timers.shift();
      if (!timer) throw new Error('nothing is planned');
      await timer.callback();
      return timer.ms;
    },
  };
}

const REQUEST = 'POST /api/v1/device-requests {"request":"jws"}';

describe('a device that asks a registrar', () => {
  it('stores its keys before it asks, repeats the same request, and is enrolled when it is approved', async () => {
    const approved = () => Response.json({ state: 'approved', chain: ['AA==', 'AQ=='] });
    const { start, done, shown, pass, timers, made } = world([WAITS, WAITS, approved]);
    await start();
    expect(done).toEqual(['save asking', REQUEST]);
    expect(shown).toEqual([
      { status: 'starting', problem: null },
      {
        status: 'waiting',
        office: 'Office',
        code: MADE.code,
        expires_ms: null,
        first_approved: false,
        unreachable: false,
      },
      {
        status: 'waiting',
        office: 'Office',
        code: MADE.code,
        expires_ms: 7,
        first_approved: false,
        unreachable: false,
      },
    ]);
    expect([await pass(), await pass()]).toEqual([ASK_INTERVAL_MS, ASK_INTERVAL_MS]);
    expect(done.slice(2)).toEqual([REQUEST, REQUEST, 'complete asking AA==,AQ==']);
    expect([timers.length, made()]).toEqual([0, 1]);
  });

  it('does not ask with keys that are not stored', async () => {
    const { start, stored, done, last } = world([]);
    Object.defineProperty(stored, 'state', {
      set: () => {
        throw new Error('the disk is full');
      },
    });
    await start();
    const why = { code: 'keys_not_saved' };
    expect(last()).toEqual({ status: 'over', office: null, why, kept: false, link_used: false });
    expect(is_link_unused(last()!)).toBe(true);
    expect(done).toEqual(['save asking']);
  });

  it('goes on with the same request after a reload', async () => {
    const stored = { state: null as string | null };
    const before = world([WAITS], stored);
    await before.start();
    const after = world([WAITS, () => Response.json({ state: 'approved', chain: ['AA=='] })], stored);
    await after.device.resume({ ...MADE, state: stored.state! });
    expect(after.last()).toMatchObject({ status: 'waiting', code: MADE.code });
    await after.pass();
    expect(after.done).toEqual([REQUEST, REQUEST, 'complete asking AA==']);
    expect(after.made()).toBe(0);
  });

  it('asks again when an answer was lost, less often while there is none, and at once when the network is back', async () => {
    const { device, start, done, pass, last } = world([LOST, LOST, LOST, LOST, WAITS, WAITS]);
    await start();
    expect(last()).toMatchObject({ status: 'waiting', unreachable: true });
    expect([await pass(), await pass(), await pass()]).toEqual([2_000, 4_000, 8_000]);
    await device.ask_now();
    expect(last()).toMatchObject({ unreachable: false, expires_ms: 7 });
    expect(await pass()).toBe(ASK_INTERVAL_MS);
    expect(done.filter((one) => one === REQUEST)).toHaveLength(6);
    expect(done).not.toContain('erase');
  });

  it('waits at most ten seconds between two attempts', async () => {
    const { start, pass } = world(Array.from({ length: 9 }, () => LOST));
    await start();
    const waited: number[] = [];
    for (let n = 0; n < 8; n++) waited.push(await pass());
    expect(Math.max(...waited)).toBe(MAX_ASK_INTERVAL_MS);
  });

  it('does not use the link while the office’s description cannot be read, and tries again by itself', async () => {
    const { start, office_is, pass, done, shown, last } = world([WAITS]);
    office_is(LOST);
    await start();
    expect([last(), done]).toEqual([{ status: 'starting', problem: { code: 'no_answer' } }, []]);
    expect(is_link_unused(last()!)).toBe(true);
    office_is(() => new Response('<html>', { status: 403 }));
    await pass();
    expect([last(), done]).toEqual([{ status: 'starting', problem: { code: 'refused', status: 403 } }, []]);
    office_is(() => new Response('{}'));
    await pass();
    expect(done).toEqual(['save asking', REQUEST]);
    expect(shown.at(-1)).toMatchObject({ status: 'waiting' });
  });

  it('tells why a link is of no use, and stores nothing', async () => {
    const { device, done, last } = world([]);
    await device.start(() => {
      throw new Error('this link is of another office');
    });
    expect(last()).toEqual({
      status: 'over',
      office: null,
      why: { told: 'this link is of another office' },
      kept: false,
      link_used: false,
    });
    expect([done, is_link_unused(last()!)]).toEqual([[], true]);
  });

  it('asks again after a step that threw, and can be stopped', async () => {
    const { device, start, pass, done, stored, showing } = world([WAITS, LOST, WAITS]);
    await start();
    showing(true);
    await expect(pass()).rejects.toThrow('the page is gone');
    showing(false);
    await device.ask_now();
    expect(done.filter((one) => one === REQUEST)).toHaveLength(3);
    expect([await device.stop(), stored.state]).toEqual([true, null]);
  });

  it.each([
    ['refused', () => Response.json({ state: 'refused' }), 'refused'],
    ['expired', () => Response.json({ state: 'expired' }), 'expired'],
    ['unknown', REFUSED(404, 'this link is not known here'), { told: 'this link is not known here' }],
    ['enrolled already', REFUSED(409, 'enrolled already'), { told: 'enrolled already' }],
    ['used', REFUSED(410, 'this link was used already'), { told: 'this link was used already' }],
    ['invalid', REFUSED(422, 'the device cannot ask'), { told: 'the device cannot ask' }],
  ])('erases its keys when it is %s', async (_, answer, why) => {
    const { start, stored, last, timers } = world([answer]);
    await start();
    expect(last()).toEqual({ status: 'over', office: 'Office', why, kept: false, link_used: true });
    expect(is_link_unused(last()!)).toBe(false);
    expect([stored.state, timers.length]).toEqual([null, 0]);
  });

  it.each([
    ['a proxy’s error page', () => new Response('<html>', { status: 404 })],
    ['a page in place of an answer', () => new Response('<html>')],
    ['an answer that it does not know', () => Response.json({ state: 'new' })],
    ['a server that failed', REFUSED(503, 'the server failed')],
    ['too many requests', REFUSED(429, 'too many')],
  ])('keeps its keys and asks again after %s', async (_, answer) => {
    const { start, stored, last, pass } = world([answer, WAITS]);
    await start();
    expect([stored.state, last()]).toMatchObject(['asking', { status: 'waiting', unreachable: true }]);
    await pass();
    expect(last()).toMatchObject({ status: 'waiting', unreachable: false });
  });

  it('keeps its keys when the certificates do not verify, until it is stopped', async () => {
    const { device, start, stored, last, timers } = world([
      () => Response.json({ state: 'approved', chain: ['forged'] }),
    ]);
    await start();
    expect(last()).toEqual({ status: 'not_completed', office: 'Office', why: { told: 'a signature is invalid' } });
    expect([stored.state, timers.length]).toEqual(['asking', 0]);
    expect([await device.stop(), stored.state]).toEqual([true, null]);
  });

  it('says that its keys were not erased, and can be stopped again', async () => {
    const { device, start, stored, last, erasing } = world([WAITS]);
    await start();
    erasing(true);
    expect([await device.stop(), stored.state, last()]).toEqual([
      false,
      'asking',
      { status: 'not_stopped', office: 'Office' },
    ]);
    erasing(false);
    expect([await device.stop(), stored.state]).toEqual([true, null]);
  });

  it('says that it was refused, and that its keys were not erased', async () => {
    const { start, last, erasing } = world([() => Response.json({ state: 'refused' })]);
    erasing(true);
    await start();
    expect(last()).toEqual({ status: 'over', office: 'Office', why: 'refused', kept: true, link_used: true });
  });

  it('that stops waiting erases its keys, and an answer that comes later changes nothing', async () => {
    let answer: (response: Response) => void = () => undefined;
    let asked: () => void = () => undefined;
    const held = new Promise<Response>((resolve) => (answer = resolve));
    const request = new Promise<void>((resolve) => (asked = resolve));
    const { device, start, stored, shown, timers } = world([() => (asked(), held)]);
    const started = start();
    await request;
    const stopped = device.stop();
    answer(Response.json({ state: 'approved', chain: ['AA=='] }));
    await started;
    expect([await stopped, stored.state, timers.length]).toEqual([true, null, 0]);
    expect(shown.at(-1)).toMatchObject({ status: 'waiting' });
  });

  it('that is enrolled while it is being stopped stays enrolled', async () => {
    const approved = () => Response.json({ state: 'approved', chain: ['AA=='] });
    const { device, start, done } = world([approved]);
    await start();
    expect([await device.stop(), done.includes('erase')]).toEqual([false, false]);
  });
});
