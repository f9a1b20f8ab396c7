import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LineChange, LineList, LineState, ListedLine, UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import { needs_confirmation, type Lines as Office } from './engine/lines';
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
    lines.update(view(), view({ invitations: [{ ...offer(), line: null }] }));
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
    const { lines, commands, unconfirmed } = made();
    const change = (of: LineChange) => lines.change(FIRST, of);
    unconfirmed({ code: 'not_confirmed' });
    change({ terms: terms() });
    change({ state: 'live' });
    expect(commands).toEqual([]);
    for (const state of ['paused', 'suspect', 'ended'] satisfies LineState[]) change({ state });
    lines.hand_back(FIRST);
    expect(commands).toHaveLength(4);
  });

  it('is known by the message that it sends', () => {
    const { invitation } = offer();
    const needs: [UserCommand, boolean][] = [
      [{ type: 'give_line', ...GIVEN }, true],
      [{ type: 'give_line_to', person: 'a', terms: terms() }, true],
      [{ type: 'confirm_line', invitation, code: '1' }, true],
      [{ type: 'close_invitation', invitation }, true],
      [{ type: 'sign_line_change', statement: 'e', change: { terms: terms() } }, true],
      [{ type: 'sign_line_change', statement: 'e', change: { state: 'live' } }, true],
      [{ type: 'sign_line_change', statement: 'e', change: { state: 'paused' } }, false],
      [{ type: 'hand_back', statement: 'e' }, false],
      [{ type: 'see_lines', list: LINES }, false],
    ];
    for (const [command, needed] of needs) expect(needs_confirmation(command), command.type).toBe(needed);
  });

  it('is on its way until the list has a newer statement, and can be repeated after a while', async () => {
    const { lines, list } = made();
    await lines.load('token');
    lines.change(FIRST, { state: 'paused' });
    await lines.load('token');
    expect(lines.changing.has(FIRST.statement)).toBe(true);
    list.mockResolvedValue({ lines: [{ ...FIRST, statement: 'e.new.J' }], more: false });
    await lines.load('token');
    expect(lines.changing.size).toBe(0);
    lines.change(FIRST, { state: 'paused' });
    vi.advanceTimersByTime(10_000);
    expect(lines.changing.size).toBe(0);
  });

  it('names the version that the office lost, which it follows', () => {
    const { lines, commands } = made();
    const lost = { version: 2, state: 'live' as const, statement_sha256: 'cd'.repeat(32) };
    lines.change({ ...FIRST, lost }, { state: 'live' });
    expect(commands).toEqual([
      { type: 'sign_line_change', statement: FIRST.statement, change: { state: 'live' }, lost },
    ]);
  });

  it('that needs no confirmation does not wait for one', () => {
    const { lines, commands } = made();
    lines.confirming = true;
    lines.change(FIRST, { state: 'live' });
    expect(commands).toEqual([]);
    lines.change(FIRST, { state: 'suspect' });
    expect(commands).toMatchObject([{ change: { state: 'suspect' } }]);
  });

  it('forgets why the one before was not made', () => {
    const { lines, unconfirmed } = made();
    unconfirmed({ code: 'not_confirmed' });
    lines.confirm(taken().invitation, '471 029 583 016');
    expect(lines.not_changed).toEqual({ code: 'not_confirmed' });
    lines.hand_back(FIRST);
    expect(lines.not_changed).toBeNull();
  });
});

/** An office with so many lines, by pages, which does what the page commands. */
function office_with(n: number) {
  const at = made();
  let all = Array.from({ length: n }, (_, i): ListedLine => {
    const line = i.toString(16).padStart(32, '0');
    return { ...FIRST, statement: `e.${i}.1`, given_ms: NOW - i, line: { ...FIRST.line, line } };
  });
  at.list.mockImplementation(async (_token, oldest): Promise<LineList> => {
    const from = oldest ? all.filter((one) => one.given_ms >= oldest.given_ms).length : 0;
    return { lines: all.slice(from, from + 50), more: from + 50 < all.length };
  });
  const changes = () => at.commands.filter((command) => command.type === 'sign_line_change');
  /** The office carries out the commands so far, and the page reads the list again. */
  const answer = async () => {
    for (const { statement, change } of changes())
      all = all.map((one) =>
        one.statement === statement
          ? { ...one, statement: `${statement}+`, line: { ...one.line, state: change.state ?? one.line.state } }
          : one,
      );
    await at.lines.load('token');
  };
  const shown = () => (at.lines.list.status === 'ready' ? at.lines.list.value.lines : []);
  return { ...at, all: () => all, changes, answer, shown };
}

describe('all lines', () => {
  it('are read before they are paused, and changed a page at a time', async () => {
    const { lines, changes, answer, shown, all } = office_with(120);
    await lines.load('token');
    expect(shown()).toHaveLength(50);
    await lines.ask_pause_all('token');
    expect([shown().length, lines.dialog]).toEqual([120, { is: 'pause_all' }]);
    lines.pause_all(shown());
    expect([changes().length, lines.paused_together.length]).toEqual([50, 50]);
    await answer();
    await vi.waitFor(() => expect(changes()).toHaveLength(100));
    expect(lines.paused_together).toHaveLength(100);
    await answer();
    await vi.waitFor(() => expect(changes()).toHaveLength(120));
    await answer();
    await vi.waitFor(() => expect(lines.changing_all).toBe(false));
    expect(lines.not_changed).toBeNull();
    expect(shown(), 'older pages are read again, too').toEqual(all());
    expect(shown().every((one) => one.line.state === 'paused')).toBe(true);
    lines.resume_together(shown().slice(0, 2));
    expect([changes().length, lines.paused_together.length]).toEqual([122, 118]);
  });

  it('are not asked about when the list cannot be read to its end', async () => {
    const { lines, list } = office_with(120);
    await lines.load('token');
    list.mockRejectedValueOnce({ code: 'office_unreachable' });
    await lines.ask_pause_all('token');
    expect([lines.dialog, lines.not_changed, lines.changing_all]).toEqual([
      null,
      { code: 'office_unreachable' },
      false,
    ]);
  });

  it('stay as they are from the part on that the office did not answer', async () => {
    const { lines, changes, shown } = office_with(120);
    await lines.load('token');
    await lines.ask_pause_all('token');
    lines.pause_all(shown());
    vi.advanceTimersByTime(10_000);
    await vi.waitFor(() => expect(lines.changing_all).toBe(false));
    expect([changes().length, lines.paused_together.length]).toEqual([50, 50]);
    expect(lines.not_changed).toEqual({ code: 'unavailable' });
  });

  it('stay listed when the newest page is read again', async () => {
    const { lines, shown } = office_with(120);
    await lines.load('token');
    await lines.load_older('token');
    await lines.load('token');
    expect(shown()).toHaveLength(100);
    expect(lines.list).toMatchObject({ value: { more: true } });
  });
});

it('a line whose holder is doubted is frozen in one press, wherever it stands in the list, and without a confirmation', async () => {
  const { lines, commands, list, needed } = made();
  const last = LINES.lines[2]!;
  list.mockImplementation(async (_token, oldest) =>
    oldest ? { lines: [last], more: false } : { lines: LINES.lines.slice(0, 2), more: true },
  );
  await lines.freeze(last.line.line, 'token');
  const sent = commands.filter((one) => one.type === 'sign_line_change');
  expect(sent).toEqual([{ type: 'sign_line_change', statement: last.statement, change: { state: 'suspect' } }]);
  expect([needed, lines.not_changed]).toEqual([[], null]);
  await lines.freeze('f9'.repeat(16), 'token');
  expect(lines.not_changed).toEqual({ code: 'unavailable' });
  lines.may_change = () => false;
  await lines.freeze(last.line.line, 'token');
  expect(commands.filter((one) => one.type === 'sign_line_change')).toHaveLength(1);
  lines.put_doubt_off(last.line.line);
  lines.update(view(), view());
  expect(lines.doubts_put_off.size, 'a new doubt is shown again').toBe(0);
});

it('a line that is offered for somebody else needs a confirmation, as one’s own does', () => {
  const { lines, commands, needed } = made();
  lines.give({ ...GIVEN, under: 'e.y.J' });
  expect([needed, commands]).toEqual([[true], [{ type: 'give_line', ...GIVEN, under: 'e.y.J' }]]);
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
  list.mockResolvedValueOnce({ lines: LINES.lines.slice(2), more: false });
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
