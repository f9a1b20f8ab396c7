import { describe, expect, it, vi } from 'vitest';
import type { Engine } from './engine';
import { DocumentWork } from './documents';

const ID = 'd1'.repeat(16);

function worker(status = 200) {
  const engine = {
    known_document: vi.fn(() => 1),
    see_document: vi.fn(() => JSON.stringify([{ signed: { version: 1, readers: [] }, statement_sha256: '' }])),
    open_document: vi.fn(() => new TextEncoder().encode('{}')),
    forget_document: vi.fn(),
    seal_unsent: (content: Uint8Array) => content,
    open_unsent: (sealed: Uint8Array) => sealed,
  };
  const held: (() => void)[] = [];
  let most = 0;
  let running = 0;
  const office = async (path: string): Promise<Response> => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => held.push(resolve));
    running--;
    const body = path.includes('?from=') ? JSON.stringify({ newest: 1 }) : '{}';
    return new Response(body, { status });
  };
  const stored = new Map<string, unknown>();
  const storage = {
    get: async (name: string) => stored.get(name),
    put: async (values: Record<string, unknown>) => Object.entries(values).forEach((entry) => stored.set(...entry)),
    clear: async () => stored.clear(),
  };
  const work = new DocumentWork((run) => run(engine as unknown as Engine, 0), office, storage);
  /** Answers everything that is asked until this is done. */
  const answered = async <T>(done: Promise<T>): Promise<T> => {
    let open = true;
    const end = done.finally(() => (open = false));
    end.catch(() => undefined);
    while (open) {
      held.splice(0).forEach((answer) => answer());
      await Promise.resolve();
    }
    return end;
  };
  return { work, engine, answered, most: () => most };
}

describe('documents in the worker', () => {
  it('are forgotten by the engine once nothing uses them any more, also where that failed', async () => {
    const { work, engine, answered } = worker();
    const reads = [0, 1].map(() => work.handle({ is: 'read', document: ID }, 'token'));
    await answered(Promise.all(reads));
    expect(engine.forget_document.mock.calls).toEqual([[ID]]);
    const refused = worker(404);
    await expect(refused.answered(refused.work.handle({ is: 'read', document: ID }, 'token'))).rejects.toEqual({
      code: 'document_missing',
    });
    expect(refused.engine.forget_document.mock.calls).toEqual([[ID]]);
  });

  it('that are read while a newer version is written accuse nobody', async () => {
    const { work, engine, answered } = worker();
    let refused = false;
    engine.known_document.mockImplementation(() => (refused ? 2 : 1));
    engine.see_document.mockImplementationOnce(() => {
      refused = true;
      throw new Error('the office went back');
    });
    await answered(work.handle({ is: 'read', document: ID }, 'token'));
    expect(engine.see_document).toHaveBeenCalledTimes(2);
    // Nothing newer came meanwhile: it is what it seems.
    engine.see_document.mockImplementationOnce(() => {
      throw new Error('the office went back');
    });
    await expect(answered(work.handle({ is: 'read', document: ID }, 'token'))).rejects.toThrow('the office went back');
  });

  it('take two of the office’s reads at a time, however many are opened', async () => {
    const { work, answered, most } = worker();
    const reads = Array.from({ length: 9 }, (_, n) =>
      work.handle({ is: 'read', document: `${n}`.repeat(32) }, 'token'),
    );
    await answered(Promise.all(reads));
    expect(most()).toBe(2);
  });

  it('that are not sent are kept under their name', async () => {
    const { work } = worker();
    await work.handle({ is: 'keep_unsent', name: 'brief', content: '{"a":1}' }, '');
    expect(await work.handle({ is: 'unsent', name: 'brief' }, '')).toBe('{"a":1}');
  });
});
