import { describe, expect, it } from 'vitest';
import { invitation, shown_code as code } from '../fake/devices';
import { shown_code } from './code';

const of = (...more: Parameters<typeof code>) =>
  shown_code(code(...more), invitation().invitation, 'https://office.example', 'Europe/Oslo');

describe('the code of an invitation', () => {
  it('is offered while there is none, or one of another invitation', () => {
    const none = shown_code(null, invitation().invitation, '', 'UTC');
    expect([none.status, none.code, none.action]).toEqual(['none', null, 'Show a code']);
    expect(of({ invitation: 'b2'.repeat(16) })).toEqual(none);
  });

  it('is shown with where it is typed and until when', () => {
    const open = of();
    expect([open.status, open.code, open.action, open.warning]).toEqual(['open', '0042-271-828', null, null]);
    expect(open.sentences[0]).toContain('opens office.example and types');
    expect(open.sentences[1]).toMatch(/^Valid until .+\. Keep this page open/);
    expect(of({ code: null, expires_ms: null }).status).toBe('opening');
  });

  it('says that wrong codes were typed, and how it ended', () => {
    expect(of({ wrong: 1 }).warning).toMatchObject({ level: 'amber', text: expect.stringMatching(/^A wrong code/) });
    expect(of({ wrong: 2 }).warning?.text).toMatch(/^2 wrong codes/);
    for (const [over, level] of [
      ['guessed', 'red'],
      ['too_many', 'amber'],
    ] as const) {
      const ended = of({ code: null, over });
      expect([ended.status, ended.code, ended.warning?.level, ended.action]).toEqual([
        'over',
        null,
        level,
        'Show a new code',
      ]);
    }
    expect(of({ code: null, over: 'expired' })).toMatchObject({ warning: null, action: 'Show a new code' });
    expect(of({ code: null, over: 'used' })).toMatchObject({ warning: null, action: null });
  });

  it('does not alarm because somebody tried its first digits', () => {
    const tried = of({ code: null, over: 'used', tried: 2 });
    expect([tried.warning, tried.sentences[1]]).toEqual([null, expect.stringMatching(/tried 2 times more/)]);
    expect(of({ code: null, over: 'used', tried: 1 }).sentences[1]).toMatch(/tried once more/);
  });

  it('warns in red when another device typed it, too', () => {
    expect(of({ code: null, over: 'used', late: true }).warning).toMatchObject({ level: 'red' });
  });
});
