import { describe, expect, it } from 'vitest';
import { enrol } from './enrol';

const MADE = JSON.stringify({ request: { chain: ['AA==', 'AQ=='] }, state: 'kept' });

function office(answers: Record<string, () => Response>) {
  const asked: [string, RequestInit | undefined][] = [];
  const get = async (path: string, init?: RequestInit) => {
    asked.push([path, init]);
    const answer = answers[path];
    if (!answer) throw new TypeError('Failed to fetch');
    return answer();
  };
  return { asked, get };
}

describe('enrolment', () => {
  it('posts the request that the engine made, and returns the state only after the office accepted it', async () => {
    const { asked, get } = office({
      '/api/v1/office': () => new Response('{"name":"Office"}'),
      '/api/v1/devices': () => new Response('{}'),
    });
    expect(
      await enrol(
        'frag',
        (fragment, info) => (expect([fragment, info]).toEqual(['frag', '{"name":"Office"}']), MADE),
        get,
      ),
    ).toBe('kept');
    expect(asked[1]?.[1]).toMatchObject({ method: 'POST', body: '{"chain":["AA==","AQ=="]}' });
  });

  it('reports why the office refused the link', async () => {
    const refused = () => Response.json({ error: 'this link was used already' }, { status: 409 });
    const { get } = office({ '/api/v1/office': () => new Response('{}'), '/api/v1/devices': refused });
    await expect(enrol('f', () => MADE, get)).rejects.toEqual({ told: 'this link was used already' });
  });

  it('reports why the engine refused the link, without posting a request', async () => {
    const { asked, get } = office({ '/api/v1/office': () => new Response('{}') });
    const wrong = () => {
      throw 'This link is of another office.';
    };
    await expect(enrol('f', wrong, get)).rejects.toBe('This link is of another office.');
    expect(asked).toHaveLength(1);
  });

  it('reports a network error, and an answer that is not from the office', async () => {
    await expect(enrol('f', () => MADE, office({}).get)).rejects.toEqual({ code: 'no_answer' });
    const proxy = office({ '/api/v1/office': () => new Response('<html>', { status: 502 }) });
    await expect(enrol('f', () => MADE, proxy.get)).rejects.toEqual({ code: 'unavailable' });
  });
});
