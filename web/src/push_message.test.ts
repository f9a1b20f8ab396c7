import { describe, expect, it } from 'vitest';
import { replaced_tag, shown_message } from './push_message';
import { alert_kinds as en_kinds } from './text/en/alert_kinds';
import { push as en } from './text/en/push';
import { alert_kinds as fr_kinds } from './text/fr/alert_kinds';
import { push as fr } from './text/fr/push';

const EN = { ...en.shown, kinds: en_kinds };
const FR = { ...fr.shown, kinds: fr_kinds };

const NOW = 1_800_000_000_000;
const CALL = 'ca'.repeat(16);

const alert = (fields: object = {}) =>
  JSON.stringify({ version: 1, about: 'alert', kind: 'device_asked', entry: 42, ...fields });
const rings = (fields: object = {}) =>
  JSON.stringify({ version: 1, about: 'ring', call: CALL, until_ms: NOW + 45_000, ...fields });
const over = (fields: object = {}) =>
  JSON.stringify({ version: 1, about: 'ring_over', call: CALL, missed: true, ...fields });
const shown = (text: string | null, texts = EN, now = NOW) => shown_message(text, texts, now);
const generic = { title: 'Telcon', body: 'Open Telcon', tag: 'telcon', leads: 'page', ring: null };

describe('a push message about an alert', () => {
  it('is shown in the words of its kind, in the language of the page, under a tag of its entry', () => {
    expect(shown(alert())).toEqual({
      title: 'Telcon: alert for the security officer',
      body: 'A new device asks to be enrolled.',
      tag: 'alert-42',
      leads: 'alerts',
      ring: null,
    });
    expect(shown(alert({ kind: 'log_forked', entry: 0 }), FR)).toMatchObject({
      title: 'Telcon\u00a0: alerte pour le responsable de la sécurité',
      body: 'Un appareil a reçu un journal qui ne concorde pas avec le précédent.',
      tag: 'alert-0',
    });
  });

  it('that is replayed replaces itself', () => {
    expect(shown(alert()).tag).toBe(shown(alert({ kind: 'log_forked' })).tag);
    expect(shown(alert({ entry: 43 })).tag).not.toBe(shown(alert()).tag);
  });
});

describe('a push message about a ring', () => {
  it('says that somebody rings, and names nobody', () => {
    expect(shown(rings())).toEqual({
      title: 'Incoming call',
      body: 'Open Telcon to see who. Their identity is verified there.',
      tag: `ring-${CALL}`,
      leads: 'page',
      ring: 'rings',
    });
    expect(shown(rings(), FR).title).toBe('Appel entrant');
  });

  it('is replaced by what became of it', () => {
    expect(shown(over())).toEqual({
      title: 'You missed a call',
      body: 'Open Telcon to see who rang.',
      tag: `ring-${CALL}`,
      leads: 'calls',
      ring: 'over',
    });
    expect(shown(over({ missed: false }))).toMatchObject({ title: 'The call is over', leads: 'page', ring: 'over' });
    expect(shown(over()).tag).toBe(shown(rings()).tag);
  });

  it('asks a principal to a call apart from its ring, until it is too late', () => {
    const asked = rings({ about: 'asked' });
    expect(shown(asked)).toMatchObject({
      title: 'Your office asks you to a call',
      tag: `asked-${CALL}`,
      ring: 'rings',
    });
    expect(shown(asked, EN, NOW + 45_000 + 60_001)).toMatchObject({ title: 'The call is over', ring: 'over' });
    expect(replaced_tag(shown(over({ missed: false })))).toBe(shown(asked).tag);
    expect(replaced_tag(shown(asked))).toBe(null);
    expect(replaced_tag(shown(rings()))).toBe(null);
    expect(replaced_tag(shown(alert()))).toBe(null);
  });

  it('that a push service held back does not ring, whatever the clocks differ by', () => {
    const at = (after_end: number) => shown(rings({ until_ms: NOW }), EN, NOW + after_end);
    expect(at(60_000).ring).toBe('rings');
    expect(at(60_001)).toEqual(shown(over()));
    expect(at(-3_600_000).ring, 'a clock that is behind').toBe('rings');
  });
});

describe('a push message', () => {
  it('that is forged, damaged or of another version shows nothing but that there is something to see', () => {
    const bad = [
      null,
      '',
      'no JSON',
      'null',
      '[]',
      '7',
      '"alert"',
      '{}',
      alert({ version: 2 }),
      alert({ version: '1' }),
      alert({ about: 'ring' }),
      alert({ kind: 'line_cut' }),
      alert({ kind: 'constructor' }),
      alert({ kind: '__proto__' }),
      alert({ kind: ['device_asked'] }),
      alert({ kind: undefined }),
      alert({ entry: -1 }),
      alert({ entry: 1.5 }),
      alert({ entry: '42' }),
      alert({ entry: 1e300 }),
      alert({ entry: null }),
      rings({ version: 2 }),
      rings({ about: 'rings' }),
      rings({ call: undefined }),
      rings({ call: 'The President' }),
      rings({ call: `${CALL}ca` }),
      rings({ call: CALL.toUpperCase() }),
      rings({ call: [CALL] }),
      rings({ until_ms: undefined }),
      rings({ until_ms: -1 }),
      rings({ until_ms: `${NOW}` }),
      over({ call: 7 }),
      over({ missed: undefined }),
      over({ missed: 'no' }),
    ];
    for (const text of bad) expect(shown(text), `${text}`).toEqual(generic);
  });

  it('brings no words of its own', () => {
    const words = {
      title: 'Your device was stolen',
      body: 'Call +1 555 0100',
      tag: 'x',
      leads: 'https://evil.example',
    };
    expect(shown(alert(words))).toEqual(shown(alert()));
    expect(shown(rings(words))).toEqual(shown(rings()));
    expect(shown(over(words))).toEqual(shown(over()));
  });
});
