import { describe, expect, it, vi } from 'vitest';
import { link_of_code, type CodeSteps } from './entered_code';

const TEXT = { confirmation: 'AA==', enc: 'AQ==', sealed: 'Ag==' };

function steps() {
  return {
    slot: () => '0042',
    message: () => '{"message":"bQ==","key":"aw=="}',
    answer: vi.fn<CodeSteps['answer']>(() => '{"confirmation":"Yw=="}'),
    open: vi.fn<CodeSteps['open']>(() => 'ask-good'),
    free: vi.fn<() => void>(),
  };
}

function office(...answers: (() => Response)[]) {
  const asked: [string, unknown][] = [];
  const get = async (path: string, init?: RequestInit) => {
    if (path === '/api/v1/office') return new Response('{"name":"Office"}');
    asked.push([path, JSON.parse(String(init?.body))]);
    const answer = answers.shift();
    if (!answer) throw new TypeError('Failed to fetch');
    return answer();
  };
  return { asked, get };
}

const started = () => Response.json({ run: 'ab'.repeat(16), message: 'bQ==' });

describe('a code that was typed', () => {
  it('gives the link, in two steps with the engine’s messages', async () => {
    const { asked, get } = office(started, () => Response.json({ state: 'delivered', text: TEXT }));
    const of = steps();
    expect(await link_of_code((info) => (expect(info).toBe('{"name":"Office"}'), of), get)).toBe('ask-good');
    expect(asked).toEqual([
      ['/api/v1/codes/0042', { message: 'bQ==', key: 'aw==' }],
      [`/api/v1/codes/0042/${'ab'.repeat(16)}`, { confirmation: 'Yw==' }],
    ]);
    expect(JSON.parse(of.open.mock.calls[0]![0])).toEqual(TEXT);
    expect(of.free).toHaveBeenCalledOnce();
  });

  it('and is wrong says how many attempts are left', async () => {
    for (const [left, code] of [
      [2, 'code_wrong'],
      [0, 'code_closed'],
    ] as const) {
      const of = steps();
      const { get } = office(started, () => Response.json({ state: 'wrong', left }));
      await expect(link_of_code(() => of, get)).rejects.toEqual({ code, count: left });
      expect(of.open).not.toHaveBeenCalled();
      expect(of.free).toHaveBeenCalledOnce();
    }
  });

  it('reports what the office or the engine says, and confirms nothing after that', async () => {
    const gone = office(() => Response.json({ error: 'this code has expired: ask for a new code' }, { status: 410 }));
    await expect(link_of_code(steps, gone.get)).rejects.toEqual({ told: 'this code has expired: ask for a new code' });
    expect(gone.asked).toHaveLength(1);
    const of = steps();
    of.answer.mockImplementation(() => {
      throw new Error('malformed');
    });
    const hostile = office(started);
    await expect(link_of_code(() => of, hostile.get)).rejects.toThrow('malformed');
    expect(hostile.asked).toHaveLength(1);
    expect(of.free).toHaveBeenCalledOnce();
    await expect(link_of_code(steps, office().get)).rejects.toEqual({ code: 'no_answer' });
  });
});
