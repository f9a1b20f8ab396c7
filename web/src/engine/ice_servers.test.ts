import { describe, expect, it } from 'vitest';
import type { IceServer, IceServers } from './contract';
import { IceServerCache } from './ice_servers';

const HOUR = 3_600_000;

function office(answers: (IceServers | Error)[]) {
  const tokens: string[] = [];
  let now = 0;
  const ice = new IceServerCache(
    async (token) => {
      tokens.push(token);
      const answer = answers.shift()!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    () => now,
  );
  return { ice, tokens, pass: (ms: number) => (now += ms) };
}

const turn = (username: string): IceServer => ({
  urls: ['turns:turn.example:443?transport=tcp'],
  username,
  credential: 'x',
});

describe('ICE servers', () => {
  it('are fetched after sign-in, and refreshed before their credentials expire', async () => {
    const { ice, tokens, pass } = office([
      { ice_servers: [turn('1')], ttl_ms: 12 * HOUR },
      { ice_servers: [turn('2')], ttl_ms: 1_000 },
    ]);
    await ice.refresh(null);
    expect(tokens).toEqual([]);
    await ice.refresh('a');
    pass(8 * HOUR);
    await ice.refresh('b');
    expect(ice.servers).toEqual([turn('1')]);
    pass(2 * HOUR);
    await ice.refresh('b');
    expect(tokens).toEqual(['a', 'b']);
    expect(ice.servers).toEqual([turn('2')]);
    pass(1_000);
    await ice.refresh('b');
    expect(tokens.length, 'rate-limited, however short the ttl').toBe(2);
  });

  it('are retried after a failure, but not on every call', async () => {
    const { ice, tokens, pass } = office([new Error('offline'), { ice_servers: [] }]);
    await ice.refresh('a');
    await ice.refresh('a');
    expect([ice.servers, tokens.length]).toEqual([[], 1]);
    pass(60_000);
    await ice.refresh('a');
    expect(tokens.length).toBe(2);
  });
});
