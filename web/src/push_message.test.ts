import { describe, expect, it } from 'vitest';
import { shown_message } from './push_message';
import { alert_kinds as en_kinds } from './text/en/alert_kinds';
import { push as en } from './text/en/push';
import { alert_kinds as fr_kinds } from './text/fr/alert_kinds';
import { push as fr } from './text/fr/push';

const EN = { ...en.shown, kinds: en_kinds };
const FR = { ...fr.shown, kinds: fr_kinds };

const alert = (fields: object = {}) =>
  JSON.stringify({ version: 1, about: 'alert', kind: 'device_asked', entry: 42, ...fields });
const generic = { title: 'Telcon', body: 'Open Telcon', tag: 'telcon' };

describe('a push message', () => {
  it('is shown in the words of its kind, in the language of the page, under a tag of its entry', () => {
    expect(shown_message(alert(), EN)).toEqual({
      title: 'Telcon: alert for the security officer',
      body: 'A new device asks to be enrolled.',
      tag: 'alert-42',
    });
    expect(shown_message(alert({ kind: 'log_forked', entry: 0 }), FR)).toEqual({
      title: 'Telcon\u00a0: alerte pour le responsable de la sécurité',
      body: 'Un appareil a reçu un journal qui ne concorde pas avec le précédent.',
      tag: 'alert-0',
    });
  });

  it('that is replayed replaces itself', () => {
    expect(shown_message(alert(), EN).tag).toBe(shown_message(alert({ kind: 'log_forked' }), EN).tag);
    expect(shown_message(alert({ entry: 43 }), EN).tag).not.toBe(shown_message(alert(), EN).tag);
  });

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
    ];
    for (const text of bad) expect(shown_message(text, EN), `${text}`).toEqual(generic);
  });

  it('brings no words of its own', () => {
    const text = alert({ title: 'Your device was stolen', body: 'Call +1 555 0100', tag: 'x' });
    expect(shown_message(text, EN)).toEqual(shown_message(alert(), EN));
  });
});
