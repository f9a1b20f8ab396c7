import { describe, expect, it } from 'vitest';
import { Ways, type MediaWays } from './ways';

const HOUR = 3_600_000;

function office(answers: (MediaWays | Error)[]) {
  const tokens: string[] = [];
  let now = 0;
  const ways = new Ways(
    async (token) => {
      tokens.push(token);
      const answer = answers.shift()!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    () => now,
  );
  return { ways, tokens, pass: (ms: number) => (now += ms) };
}

const turn = (username: string): RTCIceServer => ({ urls: ['turns:turn.example:443?transport=tcp'], username, credential: 'x' });

describe('ways for media', () => {
  it('are fetched once signed in, and again before their passwords end', async () => {
    const { ways, tokens, pass } = office([
      { ice_servers: [turn('1')], works_ms: 12 * HOUR },
      { ice_servers: [turn('2')], works_ms: 1_000 },
    ]);
    await ways.follow(null);
    expect(tokens).toEqual([]);
    await ways.follow('a');
    pass(8 * HOUR);
    await ways.follow('b');
    expect(ways.servers).toEqual([turn('1')]);
    pass(2 * HOUR);
    await ways.follow('b');
    expect(tokens).toEqual(['a', 'b']);
    expect(ways.servers).toEqual([turn('2')]);
    pass(1_000);
    await ways.follow('b');
    expect(tokens.length, 'not all the time, however short they work').toBe(2);
  });

  it('of an office that does not answer are asked for again, not all the time', async () => {
    const { ways, tokens, pass } = office([new Error('offline'), { ice_servers: [] }]);
    await ways.follow('a');
    await ways.follow('a');
    expect([ways.servers, tokens.length]).toEqual([[], 1]);
    pass(60_000);
    await ways.follow('a');
    expect(tokens.length).toBe(2);
  });
});
