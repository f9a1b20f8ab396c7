import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memory_storage } from '../fake/storage';
import type { FromWorker, ToWorker } from './messages';
import type { Problem } from './problem';

const storage = vi.hoisted(() => ({ now: undefined as unknown }));
vi.mock('./key_storage', () => ({ indexed_storage: () => storage.now }));

/** The worker's own types are of another global scope, so that it is not imported by name. */
const [start] = Object.values(import.meta.glob('./worker.ts'));

beforeEach(() => {
  vi.resetModules();
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Starts the worker in a browser profile with this content. */
async function worker(profile = memory_storage()) {
  storage.now = profile;
  const posted: FromWorker[] = [];
  const scope = {
    postMessage: (message: FromWorker) => void posted.push(message),
    onmessage: undefined as unknown as (event: { data: ToWorker }) => Promise<void>,
  };
  vi.stubGlobal('self', scope);
  await start!();
  return { posted, profile, tell: (data: ToWorker) => scope.onmessage({ data }) };
}

/**
 * An office that answers every request with this revocation. `read`: the worker has read an answer, and has done what it causes: no
 * time passes for that, so that all of it has run once the next macrotask begins.
 */
function office_says(revocation?: string) {
  let json_read = (): void => undefined;
  const read = new Promise<void>((resolve) => (json_read = () => void setTimeout(resolve)));
  const fetch = vi.fn(async (_path: string, _init?: RequestInit) => {
    const json = async (): Promise<object> => {
      json_read();
      return { revocation };
    };
    return { ok: true, json } as Response;
  });
  vi.stubGlobal('fetch', fetch);
  return { fetch, read };
}

/** Keys that a newer version of Telcon stored. */
const newer = () => memory_storage(new Map<string, unknown>([['lock', { version: 99, wraps: [] }]]));

describe('a worker that cannot start', () => {
  it.each<[string, () => ReturnType<typeof memory_storage>, Problem]>([
    ['says which problem it is', newer, { code: 'keys_of_newer_version' }],
    [
      'does not show an error that is worded for programmers',
      () => ({ ...memory_storage(), get: () => Promise.reject(new DOMException('Internal error.', 'UnknownError')) }),
      { code: 'start_failed' },
    ],
  ])('%s', async (_, profile, problem) => {
    const { posted } = await worker(profile());
    await vi.waitFor(() => expect(posted).toEqual([{ type: 'failed', problem }]));
  });

  it('erases the device all the same, or says that it could not', async () => {
    const erased = await worker(newer());
    await erased.tell({ type: 'erase', id: 7 });
    expect([erased.posted.at(-1), erased.profile.values.size]).toEqual([
      { type: 'erased_here', id: 7, problem: null },
      0,
    ]);
    vi.resetModules();
    const failing = await worker({ ...newer(), clear: () => Promise.reject(new Error('full')) });
    await failing.tell({ type: 'erase', id: 8 });
    expect(failing.posted.at(-1)).toEqual({ type: 'erased_here', id: 8, problem: { code: 'not_erased' } });
  });
});

describe('a link of the authority', () => {
  it.each([
    ['good', null],
    ['expired', { told: 'This link has expired. Ask your office for a new one.' }],
  ])('is read before anything is asked of the person: %s', async (fragment, problem) => {
    const fetch = vi.fn(async () => new Response(JSON.stringify({ name: 'Office' })));
    vi.stubGlobal('fetch', fetch);
    const { posted, profile, tell } = await worker();
    await vi.waitFor(() => expect(posted.at(-1)?.type).toBe('ready'));
    await tell({ type: 'open_link', fragment, label: '' });
    await vi.waitFor(() => expect(posted.at(-1)).toMatchObject({ type: 'link_read', office: 'Office', problem }));
    expect(fetch, 'it uses up no link').toHaveBeenCalledOnce();
    expect(profile.values.get('state'), 'nothing is stored').toBeUndefined();
  });
});

describe('a device whose certificate has expired', () => {
  /** A profile in which a device was enrolled, whose certificate is over now. */
  async function expired() {
    vi.stubGlobal(
      'fetch',
      vi.fn(async () => new Response(JSON.stringify({ name: 'Office' }))),
    );
    const { posted, profile, tell } = await worker();
    await tell({ type: 'enrol', fragment: 'expires' });
    await vi.waitFor(() => expect(posted.at(-1)?.type).toBe('enrol_failed'));
    vi.resetModules();
    return profile;
  }
  const say = (revocation?: string) => office_says(revocation).fetch;

  it('erases itself when a revocation that verifies orders it, and reports that', async () => {
    const order = JSON.stringify({ erase: true, by: null, at_ms: 1 });
    const stored = await expired();
    const fetch = say(order);
    const { posted, profile } = await worker(stored);
    await vi.waitFor(() => expect(posted.at(-1)).toEqual({ type: 'revoked', revocation: JSON.parse(order) }));
    expect(profile.values.size).toBe(0);
    await vi.waitFor(() => expect(fetch).toHaveBeenCalledTimes(2));
    expect(fetch.mock.calls[1]?.[0]).toBe('/api/v1/erasures');
  });

  it.each([['forged'], [undefined]])('keeps its keys without an order that verifies: %s', async (said) => {
    const stored = await expired();
    const { read } = office_says(said);
    const { posted, profile } = await worker(stored);
    await read;
    expect(posted.at(-1)?.type).toBe('failed');
    expect([...profile.values.keys()]).toContain('state');
  });
});

describe('a worker that waits to be unlocked', () => {
  const locked_profile = (more: Record<string, unknown> = { anchor: 'anchor' }) =>
    memory_storage(
      new Map<string, unknown>(Object.entries({ lock: { version: 2, device: 'd', wraps: [] }, state: {}, ...more })),
    );
  const statement = (erase: boolean) => JSON.stringify({ erase, by: null, at_ms: 1 });

  it('erases itself, without being unlocked, when a revocation that verifies orders it', async () => {
    office_says(statement(true));
    const { posted, profile } = await worker(locked_profile());
    await vi.waitFor(() => expect(posted.at(-1)).toEqual({ type: 'revoked', revocation: JSON.parse(statement(true)) }));
    expect(profile.values.size).toBe(0);
  });

  it('keeps its keys when it is only revoked', async () => {
    office_says(statement(false));
    const { posted, profile } = await worker(locked_profile());
    await vi.waitFor(() => expect(posted.at(-1)?.type).toBe('revoked'));
    expect([...profile.values.keys()]).toContain('state');
  });

  it.each([
    ['the statement does not verify', 'forged', undefined],
    ['there is none', undefined, undefined],
    ['nothing is kept to verify it with', statement(true), {}],
  ] as const)('stays as it is when %s', async (_, said, kept) => {
    const { fetch, read } = office_says(said);
    const { posted, profile } = await worker(locked_profile(kept));
    await vi.waitFor(() => expect(posted.at(-1)).toEqual({ type: 'locked' }));
    if (kept === undefined) await read;
    else expect(fetch).not.toHaveBeenCalled();
    expect(posted.at(-1)).toEqual({ type: 'locked' });
    expect([...profile.values.keys()]).toContain('state');
  });

  it('erases the device, and nothing of it is left', async () => {
    const wraps = { version: 2, device: 'd', wraps: [], unused: [{ kind: 'pin', id: 'x' }] };
    const locked = await worker(memory_storage(new Map<string, unknown>(Object.entries({ lock: wraps, state: {} }))));
    await vi.waitFor(() => expect(locked.posted.at(-1)).toEqual({ type: 'locked' }));
    await locked.tell({ type: 'erase', id: 9 });
    expect([locked.posted.at(-1), locked.profile.values.size]).toEqual([
      { type: 'erased_here', id: 9, problem: null },
      0,
    ]);
  });
});
