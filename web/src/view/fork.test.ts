import { describe, expect, it } from 'vitest';
import type { LogFork } from '../engine/contract';
import { NOW, call, live, view } from '../fake/views';
import FORK_NOTICE from '../parts/ForkNotice.svelte?raw';
import { CATALOGUES } from '../text';
import { call_screen } from './call';
import { evidence_file, evidence_text } from './fork';

const fork: LogFork = {
  version: 1,
  found_ms: Date.UTC(2026, 2, 4),
  how: 'roots_differ',
  call: '0a'.repeat(16),
  device: '0b'.repeat(16),
  own: 'office.example/log\n7\nAAAA\n\n— office.example/log sig\n',
  other: 'office.example/log\n7\nBBBB\n\n— office.example/log sig\n',
};

describe('evidence of two logs', () => {
  it('is a file with both signed notes as they were', () => {
    expect(evidence_file(fork)).toBe('log-evidence-2026-03-04-0a0a0a0a.json');
    expect(JSON.parse(evidence_text(fork))).toEqual(fork);
  });

  it('is announced in one whole text, whatever it rests on, in every language', () => {
    for (const { call: texts } of Object.values(CATALOGUES)) {
      const { how, in_call } = texts.two_logs;
      const announced = Object.values(how);
      expect(new Set(announced).size).toBe(3);
      // What it means, and what to do: the same as in the call.
      for (const text of announced) expect(text.endsWith(in_call.sentence), text).toBe(true);
    }
    const before_details = FORK_NOTICE.split('<details>')[0]!.split('<Notice')[1]!;
    expect(before_details.match(/\{[^}]+\}/g), 'and nothing is put together in markup').toEqual([
      '{texts.how[fork.how]}',
    ]);
  });

  it('is an alarm in the call in which it was found', () => {
    const media = { microphone: 'on', sound_blocked: false, media_timed_out: false } as const;
    const alarms = (logs: 'same' | 'different' | 'unknown') =>
      call_screen(view({ call: live({ logs, note_taker: true }) }), NOW, media)?.alarms.map(({ level, title }) => [
        level,
        title,
      ]);
    expect(alarms('different')).toEqual([['red', 'The office’s log has two versions']]);
    expect([alarms('same'), alarms('unknown')]).toEqual([[], []]);
    expect(call().logs).toBe('unknown');
  });
});
