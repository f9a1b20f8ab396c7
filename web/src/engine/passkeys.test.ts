import { describe, expect, it } from 'vitest';
import { without_secrets } from './passkeys';

const SECRET = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXM';

describe('what is sent to the office', () => {
  // The attacker owns the server: with the PRF output and a copy of the disk it could open the device's keys.
  it('never contains the output of the PRF extension', () => {
    const answer = {
      id: 'id',
      rawId: 'id',
      type: 'public-key',
      authenticatorAttachment: 'platform',
      response: { clientDataJSON: 'a', authenticatorData: 'b', signature: 'c', userHandle: null, other: SECRET },
      clientExtensionResults: { prf: { enabled: true, results: { first: SECRET, second: SECRET } } },
    };
    const sent = without_secrets({ toJSON: () => answer });
    expect(JSON.stringify(sent)).not.toContain(SECRET);
    expect(sent).toEqual({
      id: 'id',
      rawId: 'id',
      type: 'public-key',
      response: { authenticatorData: 'b', clientDataJSON: 'a', signature: 'c' },
      clientExtensionResults: {},
    });
  });
});
