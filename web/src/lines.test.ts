import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import type { Lines as Office, LineState } from './engine/lines';
import type { Problem } from './engine/problem';
import { LINES, offer, taken, terms } from './fake/lines';
import { page_storage } from './fake/storage';
import { NOW, view } from './fake/views';
import { Lines } from './lines.svelte';
import { Promises } from './promises.svelte';

const FIRST = LINES.lines[0]!;
const GIVEN = { name: 'The President of Norland', organisation: 'Chancellery', zone: 'Europe/Oslo', terms: terms() };

function made() {
  const commands: UserCommand[] = [];
  const list = vi.fn<Office['lines']>(async () => LINES);
  const needed: boolean[] = [];
  let refuse: Problem | null = null;
  const lines = new Lines(
    () => ({ command: (command: UserCommand) => void commands.push(command) }) as unknown as Host,
    { lines: list },
    (need, send, cancelled) => {
      needed.push(need);
      if (refuse) cancelled(refuse);
      else send();
    },
  );
  return { lines, commands, list, needed, unconfirmed: (why: Problem) => (refuse = why) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('giving a line', () => {
  it('needs a confirmation, and opens its link once the office has logged it', () => {
    const { lines, commands, needed } = made();
    const opened = vi.fn();
    lines.made = opened;
    const before = view();
    lines.give(GIVEN);
    lines.give(GIVEN);
    expect([commands.length, needed, lines.giving]).toEqual([1, [true], true]);
    expect(commands[0]).toMatchObject({ type: 'give_line', ...GIVEN });
    lines.update(before, view({ invitations: [offer()] }));
    expect(opened).toHaveBeenCalledExactlyOnceWith(offer().invitation);
    expect(lines.giving).toBe(false);
  });

  it('that was not confirmed, not answered or refused says why, and can be tried again', () => {
    const { lines, commands, unconfirmed } = made();
    lines.give(GIVEN);
    vi.advanceTimersByTime(10_000);
    expect([lines.giving, lines.not_given]).toEqual([false, { code: 'unavailable' }]);
    lines.give(GIVEN);
    lines.update(view(), view({ alerts: [{ level: 'amber', text: 'too many' }], alerts_raised: 1 }));
    expect([lines.giving, lines.not_given]).toEqual([false, { told: 'too many' }]);
    lines.give(GIVEN);
    lines.update(view(), view({ token: null, phase: 'offline' }));
    expect(lines.not_given).toEqual({ code: 'office_unreachable' });
    unconfirmed({ code: 'not_confirmed' });
    lines.give(GIVEN);
    expect([commands.length, lines.giving, lines.not_given]).toEqual([3, false, { code: 'not_confirmed' }]);
  });

  it('is not opened by a registrar’s invitation that came meanwhile', () => {
    const { lines } = made();
    const opened = vi.fn();
    lines.made = opened;
    lines.give(GIVEN);
    const plain = { ...offer(), line: null } as ReturnType<typeof offer>;
    lines.update(view(), view({ invitations: [plain] }));
    expect(opened).not.toHaveBeenCalled();
  });
});

it('who took it is confirmed by the code that was compared, once, until the office answers', () => {
  const { lines, commands } = made();
  const { invitation } = taken();
  lines.confirm(invitation, '471 029 583 016');
  expect(commands).toEqual([{ type: 'confirm_line', invitation, code: '471 029 583 016' }]);
  expect(lines.answered.has(invitation)).toBe(true);
  lines.update(view({ invitations: [taken()] }), view({ invitations: [taken()] }));
  expect(lines.answered.has(invitation)).toBe(true);
  lines.update(view({ invitations: [taken()] }), view());
  expect(lines.answered.has(invitation)).toBe(false);
});

it('a question that was put off can be asked again', () => {
  const { lines } = made();
  lines.put_off('a');
  expect(lines.later.has('a')).toBe(true);
  lines.show_taken('a');
  expect(lines.later.has('a')).toBe(false);
});

describe('a change', () => {
  it('that opens a way to a principal needs a confirmation; one that closes it does not', () => {
    const { lines, needed } = made();
    lines.change(FIRST, { terms: terms() });
    for (const state of ['live', 'paused', 'suspect', 'ended'] satisfies LineState[]) lines.change(FIRST, { state });
    lines.hand_back(FIRST);
    expect(needed).toEqual([true, true, false, false, false, false]);
  });

  it('is on its way until the list has a newer statement, and can be repeated after a while', async () => {
    const { lines, list } = made();
    await lines.load('token');
    lines.change(FIRST, { state: 'paused' });
    await lines.load('token');
    expect(lines.changing.has(FIRST.statement)).toBe(true);
    list.mockResolvedValue({ lines: [{ ...FIRST, statement: 'e.new.J' }] });
    await lines.load('token');
    expect(lines.changing.size).toBe(0);
    lines.change(FIRST, { state: 'paused' });
    vi.advanceTimersByTime(10_000);
    expect(lines.changing.size).toBe(0);
  });

  it('of all pauses each, and remembers which', () => {
    const { lines, commands } = made();
    const all = LINES.lines.slice(0, 3);
    lines.pause_all(all);
    expect(commands).toEqual(
      all.map(({ statement }) => ({ type: 'sign_line_change', statement, change: { state: 'paused' } })),
    );
    expect(lines.paused_together).toHaveLength(3);
    lines.resume_together(all);
    expect([commands.length, lines.paused_together]).toEqual([6, []]);
  });
});

it('the list is shown to the engine, which accepts nothing older from then on', async () => {
  const { lines, commands, list } = made();
  await lines.load('token');
  expect(commands).toEqual([{ type: 'see_lines', list: LINES }]);
  list.mockRejectedValueOnce({ code: 'office_unreachable' });
  await lines.load('token');
  expect(commands).toHaveLength(1);
});

it('whoever acts for a principal changes their line under a delegation', () => {
  const { lines, commands } = made();
  lines.under = () => 'e.delegation.J';
  lines.change(FIRST, { state: 'paused' });
  expect(commands).toMatchObject([{ type: 'sign_line_change', under: 'e.delegation.J' }]);
});

it('an older page is added to the list', async () => {
  const { lines, list } = made();
  list.mockResolvedValueOnce({ lines: LINES.lines.slice(0, 2), more: true });
  await lines.load('token');
  list.mockResolvedValueOnce({ lines: LINES.lines.slice(2) });
  await lines.load_older('token');
  expect(lines.list).toEqual({ status: 'ready', value: { lines: LINES.lines, more: false } });
  expect(list).toHaveBeenLastCalledWith('token', LINES.lines[1]);
});

describe('a promise to call', () => {
  beforeEach(() => vi.stubGlobal('localStorage', page_storage()));
  afterEach(() => void vi.unstubAllGlobals());

  it('is remembered on this device until it is kept, or an hour late', () => {
    const promises = new Promises();
    promises.add('a', NOW + 600_000);
    promises.add('b', NOW + 300_000);
    promises.add('a', NOW + 900_000);
    const after = new Promises();
    after.load();
    expect(after.open(NOW).map((one) => [one.person, one.at_ms])).toEqual([
      ['b', NOW + 300_000],
      ['a', NOW + 900_000],
    ]);
    expect(after.open(NOW + 300_000 + 3_600_000).map((one) => one.person)).toEqual(['a']);
    after.remove('b');
    expect(after.all).toHaveLength(1);
    after.forget();
    const forgotten = new Promises();
    forgotten.load();
    expect(forgotten.all).toEqual([]);
  });

  it('that is stored damaged is none', () => {
    for (const stored of ['no JSON', '{}', '[1]', '[{"person":1,"at_ms":2}]']) {
      localStorage.setItem('telcon.promises', stored);
      const promises = new Promises();
      promises.load();
      expect(promises.all).toEqual([]);
    }
  });
});
