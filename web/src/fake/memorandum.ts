// A memorandum of a fictitious call, for tests and scenes.

import type { Memorandum } from '../papers/contents';
import { NOW } from './views';

export const TURN = '11'.repeat(16);
/** The first words of the turn that has another wording. */
export const WORDS = 'The convoys sail again on Thursday after inspection in the harbour of the capital';
export const OTHER = 'Convoys will leave once more on Thursday when the harbour has inspected each of them';
const mark = { level: 'PRIVATE', caveats: [] };

export function memorandum(): Memorandum {
  return {
    version: 1,
    call: 'cc'.repeat(16),
    scheme: {
      id: 'private',
      name: 'Private',
      levels: [{ portion: 'P', banner: 'PRIVATE' }],
      caveats: [],
      separator: '//',
      block_from: null,
    },
    letterhead: 'OFFICE OF THE PRESIDENT',
    control: '',
    drafted_ms: NOW,
    subject: { mark, text: 'Grain' },
    participants: [],
    interpreters: [],
    note_takers: [],
    listeners: [],
    answered_ms: NOW,
    ended_ms: NOW + 60_000,
    times: [],
    turns: [
      {
        id: TURN,
        at_ms: 0,
        length_ms: 1000,
        speaker: 'The President',
        runs: [{ kind: 'plain', text: WORDS }],
        origin: 'person',
        confirmed: true,
        sensitive: false,
        mark,
      },
    ],
    decisions: [],
    actions: [],
    actions_mark: null,
    caution: 'Not verbatim.',
    classification: null,
    distribution: [],
    comments: [],
  };
}
