import { describe, expect, it } from 'vitest';
import type { CallView, CaptionView, RecordLine } from '../engine/contract';
import type { Problem } from '../engine/problem';
import { few, minister, officer, president, secretary } from '../fake/people';
import { CALL, NOW, desk, device, live, member, notice, record_line } from '../fake/views';
import { call_screen } from './call';
import { desk_screen } from './desk';
import type { Loadable } from './loadable';
import type { Alarm } from './recording';
import { MARKS, type TranscriptLine } from './transcript';

const HERE = 'Europe/Lisbon';
const listening = (more: Partial<CallView> = {}) =>
  live({
    direction: 'listen',
    members: [member(president, 1), member(minister, 2), member(officer, 6, { you: true })],
    ...more,
  });
const said = (line: TranscriptLine) => line.words.map((one) => one.text).join('');
const caption = (passage: number, start_ms: number, text: string, final: boolean): CaptionView => ({
  speaker: device(2),
  name: minister.name,
  passage,
  part: 0,
  behind_ms: 0,
  start_ms,
  text,
  final,
});

describe('the desk', () => {
  it('shows a live call with both names, its time, and how to listen', () => {
    const [card] = desk_screen(desk({ notices: [notice()] }), NOW, HERE).live;
    expect(card).toMatchObject({
      title: 'The President and the Prime Minister of Estmark',
      status: 'Live now · 07:31',
      mode: { words: 'On the record: transcript', level: 'amber', shape: 'record' },
      join_state: 'no',
      can_listen: true,
      listens: 'Also in the call: the note-taker.',
    });
  });

  it('shows that this device listens, and offers no second listening', () => {
    const { joined: card } = desk_screen(desk({ call: listening(), notices: [notice()] }), NOW, HERE);
    expect(card).toMatchObject({
      join_state: 'listening',
      can_listen: false,
      listen_hint: null,
      listens: 'Listening: you. Everyone can see this.',
    });
    expect(card?.members.map((m) => [m.name, m.does])).toEqual([
      ['You', 'this device, listener'],
      ['The President', 'speaker'],
      ['The Prime Minister of Estmark', 'speaker'],
    ]);
    const { joined: joining } = desk_screen(
      desk({ call: listening({ state: 'answering', members: [] }), notices: [notice()] }),
      NOW,
      HERE,
    );
    expect(joining).toMatchObject({
      join_state: 'joining',
      listens: 'You are being added to the call. Everyone will see it.',
    });
  });

  it('raises an alarm for a call that no note-taker records, listening or not', () => {
    const why = (more: Parameters<typeof desk>[0]) => {
      const { joined, live } = desk_screen(desk(more), NOW, HERE);
      return [...(joined ? [joined] : live)].flatMap((card) => card.alarms).map((alarm) => alarm.sentence);
    };
    const nobody = ['This call should be on the record, but no note-taker is in it.'];
    expect(why({ notices: [notice()] })).toEqual([]);
    expect(why({ notices: [notice({ noted: false })] })).toEqual(nobody);
    expect(why({ notices: [notice({ noted: false, mode: 'log_only' })] })).toEqual([]);
    expect(why({ notices: [notice({ noted: false, state: { is: 'live', since_ms: NOW - 1_000 } })] })).toEqual([]);
    const both = listening({ note_taker: false, problem: 'A member is unknown.' });
    expect(why({ notices: [notice()], call: both })).toEqual([...nobody, 'A member is unknown.']);
  });

  it('raises that alarm with the text, colour and icon that the speakers see', () => {
    const call = listening({ note_taker: false });
    const there = desk_screen(desk({ notices: [notice()], call }), NOW, HERE).joined;
    const party = desk({ call: live({ note_taker: false }) });
    const here = call_screen(party, NOW, { microphone: 'on', sound_blocked: false, media_timed_out: false });
    const look = ({ level, shape, title }: Alarm) => ({ level, shape, title });
    expect(there?.alarms.map(look)).toEqual([{ level: 'red', shape: 'unrecorded', title: 'Not being recorded' }]);
    expect(here?.alarms.map(look)).toEqual(there?.alarms.map(look));
    expect([there?.mode.words, here?.mode.words]).toEqual(['Not being recorded', 'Not being recorded']);
  });

  it('separates the call this device listens to, with its transcript, from the others, newest first', () => {
    const notices = [
      notice({ call: 'bb', opened_ms: NOW - 2, to: secretary }),
      notice(),
      notice({ call: 'aa', opened_ms: NOW - 1 }),
    ];
    const screen = desk_screen(desk({ call: listening(), notices }), NOW, HERE);
    expect([screen.joined?.call, ...screen.live.map((c) => c.call)]).toEqual([CALL, 'aa', 'bb']);
    expect(screen.transcript?.title).toBe('Captions');
    expect(desk_screen(desk({ notices }), NOW, HERE)).toMatchObject({
      joined: null,
      transcript: null,
      live: [{ call: 'aa' }, { call: 'bb' }, { call: CALL }],
    });
  });

  it('orders the transcript by time, marks drafts and shows the delay', () => {
    const captions = [caption(2, NOW - 1_000, 'second', false), caption(1, NOW - 9_000, 'first', true)];
    const { transcript } = desk_screen(
      desk({ call: listening({ captions, captions_behind_ms: 1_432 }), notices: [notice()] }),
      NOW,
      HERE,
    );
    expect(transcript?.lines.map((l) => [l.at, said(l), l.done])).toEqual([
      ['09:42:17', 'first', true],
      ['09:42:25', 'second', false],
    ]);
    expect(transcript?.behind).toBe('1.4 s behind');
  });

  it('tells uncertain words, and marks in the place of words, from what was said', () => {
    const captions = [caption(1, NOW, '[beginning not understood] the [harbor?], and [a?] [note] ] [', true)];
    const of = (...captions: CaptionView[]) =>
      desk_screen(desk({ call: listening({ captions }), notices: [notice()] }), NOW, HERE).transcript;
    expect(of(...captions)?.lines[0]?.words).toEqual([
      { kind: 'mark', text: '[beginning not understood]' },
      { kind: 'said', text: ' the ' },
      { kind: 'uncertain', text: 'harbor' },
      { kind: 'said', text: ', and ' },
      { kind: 'uncertain', text: 'a' },
      { kind: 'said', text: ' ' },
      { kind: 'said', text: '[note]' },
      { kind: 'said', text: ' ] [' },
    ]);
    expect(of(...captions)?.key).toBe('Dotted words are uncertain');
    expect(of(caption(1, NOW, '[unclear]', true))).toMatchObject({ key: null, lines: [{ words: [{ kind: 'mark' }] }] });
  });

  it('knows the marks that note-takers write', () => {
    const [rust] = Object.values(
      import.meta.glob<string>('../../../crates/client/src/transcription/certainty.rs', {
        query: '?raw',
        import: 'default',
        eager: true,
      }),
    );
    const written = [...(rust ?? '').matchAll(/^pub const \w+: &str = "(\[.+\])";$/gm)].map(([, mark]) => mark);
    expect(Object.keys(MARKS).sort()).toEqual(written.sort());
  });

  it('gives lines that begin at the same moment distinct ids', () => {
    const captions = [caption(1, NOW, 'said', true), caption(2, NOW, 'being said', false)];
    const { transcript } = desk_screen(desk({ call: listening({ captions }), notices: [notice()] }), NOW, HERE);
    expect(new Set(transcript?.lines.map((l) => l.id)).size).toBe(2);
  });

  it('drops a draft without a final line once the same speaker has a later one', () => {
    const read = (...captions: CaptionView[]) =>
      desk_screen(desk({ call: listening({ captions }), notices: [notice()] }), NOW, HERE).transcript?.lines.map((l) =>
        said(l),
      );
    const finished = caption(2, NOW, 'finished', true);
    expect(read(caption(1, NOW - 4_000, 'its end never came', false), finished)).toEqual(['finished']);
    expect(read(caption(2, NOW, 'as it was first heard', false), finished)).toEqual(['finished']);
    expect(read(finished, caption(3, NOW, 'goes on', false))).toEqual(['finished', 'goes on']);
    expect(read({ ...caption(1, NOW - 4_000, 'the other speaks', false), speaker: device(1) }, finished)).toEqual([
      'the other speaks',
      'finished',
    ]);
  });

  it('shows words once that overlap between a passage and the next', () => {
    const read = (...captions: CaptionView[]) =>
      desk_screen(desk({ call: listening({ captions }), notices: [notice()] }), NOW, HERE).transcript?.lines.map((l) =>
        said(l),
      );
    const first = caption(0, NOW - 20_000, 'a long passage', false);
    const end = [caption(0, NOW - 9_000, 'let our ministers', false), caption(0, NOW - 5_000, 'announce it', false)];
    expect(read(first, ...end)).toEqual(['a long passage', 'let our ministers', 'announce it']);
    expect(read(first, ...end, caption(1, NOW - 9_000, 'let our ministers announce', false))).toEqual([
      'a long passage',
      'let our ministers announce',
    ]);
  });

  it('keeps drafts of a later note-taker, which restarts the numbering, and not those of the earlier one', () => {
    const read = (...captions: CaptionView[]) =>
      desk_screen(desk({ call: listening({ captions }), notices: [notice()] }), NOW, HERE).transcript?.lines.map((l) =>
        said(l),
      );
    const before = [caption(7, NOW - 90_000, 'finished', true), caption(8, NOW - 80_000, 'cut off', false)];
    expect(read(...before, caption(0, NOW - 45_000, 'anew', false))).toEqual(['finished', 'cut off', 'anew']);
    expect(read(...before, caption(0, NOW - 45_000, 'anew', true))).toEqual(['finished', 'anew']);
  });

  it('says why the transcript is empty', () => {
    const placeholder = (more: Parameters<typeof desk>[0]) =>
      desk_screen(desk({ notices: [notice()], ...more }), NOW, HERE).transcript?.placeholder;
    expect(desk_screen(desk({ notices: [notice()] }), NOW, HERE).live[0]?.listen_hint).toMatch(/^Read the captions/);
    expect(placeholder({ call: listening() })).toBe('Listening. Captions of what is said from now on appear here.');
    expect(placeholder({ call: listening({ mode: 'log_only' }) })).toMatch(/only the log is kept/);
    expect(desk_screen(desk(), NOW, HERE).transcript).toBeNull();
  });

  it('offers and expects captions only where a note-taker is, or joins', () => {
    const bare = notice({ noted: false, members: 2 });
    const hint = (of: ReturnType<typeof notice>) =>
      desk_screen(desk({ notices: [of] }), NOW, HERE).live[0]?.listen_hint;
    expect(hint(bare)).toBe('Listen. Everyone in the call will see you; you are not heard.');
    expect(hint(notice({ mode: 'log_only' }))).not.toContain('captions');
    expect(hint({ ...bare, note_taker_asks: true })).toMatch(/^Read the captions/);
    const shown = (of: ReturnType<typeof notice>) =>
      desk_screen(desk({ notices: [of], call: listening({ note_taker: false }) }), NOW, HERE).transcript?.placeholder;
    expect(shown(bare)).toBe('There are no captions: no note-taker is in this call.');
    expect(shown({ ...bare, note_taker_asks: true })).toMatch(/^Listening\./);
  });

  it('says who else is in a call as far as the office names them', () => {
    const others = (more: Partial<ReturnType<typeof notice>>) =>
      desk_screen(desk({ notices: [notice(more)] }), NOW, HERE).live[0]?.listens;
    expect(others({ members: 4 })).toBe('Also in the call: the note-taker and one listener.');
    expect(others({ members: 5 })).toBe('Also in the call: the note-taker and 2 listeners.');
    expect(others({ members: 3, noted: false })).toBe('One more device is in the call. Join to see which.');
    expect(others({ members: 2, noted: false })).toBe('Nobody is listening besides the two speakers.');
  });

  it('says how many note-takers there are, and what calls have shown of them', () => {
    const row = (more: Parameters<typeof desk>[0]) =>
      desk_screen(desk(more), NOW, HERE).health.rows.find((one) => one.name === 'Note-takers');
    expect(row({ note_takers: null })).toMatchObject({ words: 'Not known yet', level: 'quiet' });
    expect(row({ mode: 'log_only' })).toBeUndefined();
    expect(row({})).toMatchObject({ words: '2 connected, 1 busy', level: 'seal' });
    expect(row({ note_takers: { connected: 1, busy: 1 } })).toMatchObject({
      words: 'The only one is busy: another call would not be recorded',
      level: 'quiet',
    });
    expect(row({ note_takers: { connected: 3, busy: 3 } })?.words).toMatch(/^All 3 are busy/);
    expect(row({ note_takers: { connected: 0, busy: 0 } })).toMatchObject({
      words: 'None is connected: calls are not recorded',
      level: 'amber',
    });
    const ringing = (age_ms: number) =>
      notice({ state: { is: 'ringing' }, members: 1, noted: false, opened_ms: NOW - age_ms });
    expect(row({ notices: [ringing(1_000)] })).toMatchObject({ level: 'seal' });
    expect(row({ notices: [ringing(4_000)] })).toMatchObject({
      words: 'None has joined: the call would not be recorded',
      level: 'amber',
    });
    const health = desk_screen(desk({ notices: [ringing(4_000)] }), NOW, HERE).health;
    expect(health.title).toBe('Needs attention');
  });

  it('lists ended calls newest first, with their log entry', () => {
    const ended = notice({ call: 'aa', to: secretary, state: { is: 'ended', how: 'hung_up' }, kept_index: 90_371 });
    const older = notice({ call: 'bb', state: { is: 'ended', how: 'failed' }, opened_ms: NOW - 86_400_000 });
    const { recent } = desk_screen(desk({ notices: [older, ended] }), NOW, HERE);
    expect(recent.map((row) => [row.call, row.look])).toEqual([
      ['aa', 'plain'],
      ['bb', 'bad'],
    ]);
    expect(recent[0]?.detail).toBe('09:34 · ended · sealed, log entry 90,371');
    expect(recent[1]?.detail).toMatch(/^21 November, 09:42/);
  });

  it('continues with the office’s list after a reload', () => {
    const { how: _how, ...kept } = record_line({
      call: 'cc',
      opened_ms: NOW - 7_200_000,
      answered_ms: NOW - 7_180_000,
      ended_ms: NOW - 7_000_000,
    });
    const ended = notice({ call: 'aa', state: { is: 'ended', how: 'hung_up' } });
    const { ended_ms: _, ...running } = { ...kept, call: 'dd' };
    const { recent } = desk_screen(desk({ notices: [ended] }), NOW, HERE, {
      status: 'ready',
      value: [kept, { ...kept, call: 'aa' }, running],
    });
    expect(recent.map((row) => row.call)).toEqual(['aa', 'cc']);
    expect(recent[1]?.detail).toBe('07:42 · 3 min · sealed');
  });

  it('shows repeated missed calls once, unlike others, with their times', () => {
    const missed = (n: number) =>
      notice({
        call: `a${n}`,
        from: minister,
        to: president,
        state: { is: 'ended', how: 'missed' },
        opened_ms: NOW - n * 60_000,
      });
    const { recent } = desk_screen(desk({ notices: [missed(1), missed(2), missed(3)] }), NOW, HERE);
    expect(recent).toMatchObject([
      { call: 'a1', look: 'missed', shape: 'missed', detail: '3 missed calls · 09:41, 09:40, 09:39' },
    ]);
    const between = notice({ call: 'b1', state: { is: 'ended', how: 'hung_up' }, opened_ms: NOW - 90_000 });
    expect(desk_screen(desk({ notices: [missed(1), missed(2), between] }), NOW, HERE).recent).toHaveLength(3);
  });

  it('says at rest that all is well, or what is not', () => {
    const rest = (more: Parameters<typeof desk>[0], lines: RecordLine[] = []) =>
      desk_screen(desk({ people: few, ...more }), NOW, HERE, { status: 'ready', value: lines }).health;
    expect(rest({ notices: [notice()] })).toMatchObject({ title: 'All is well', level: 'seal' });
    expect(rest({ mode: 'log_only' })).toMatchObject({ title: 'All is well', level: 'seal' });
    expect(rest({})).toMatchObject({ title: 'All is well', level: 'seal' });
    expect(rest({ note_takers: null }), 'whether a note-taker is ready is not known').toMatchObject({
      title: 'Nothing known to be wrong',
      level: 'quiet',
    });
    expect(rest({}).rows.map((row) => row.words)).toContain('3 of 4 available');
    expect(rest({ phase: 'offline' })).toMatchObject({ title: 'Needs attention', level: 'amber' });
    expect(rest({ phase: 'connecting', log: null })).toMatchObject({ title: 'Checking', level: 'quiet' });
    const broken = { size: 1, checked_ms: NOW, ok: false, problem: 'rewritten' };
    expect(rest({ log: broken })).toMatchObject({ title: 'Needs attention', level: 'red' });
    const lost = record_line({
      call: 'aa',
      opened_ms: NOW - 90_000,
      answered_ms: NOW - 80_000,
      ended_ms: NOW - 60_000,
      records: 0,
      missing: true,
    });
    expect(rest({}, [lost])).toMatchObject({ level: 'red' });
    expect(rest({ notices: [notice({ noted: false })] })).toMatchObject({ title: 'Needs attention', level: 'red' });
    expect(rest({ alerts: [{ level: 'red', text: 'A ring was refused.' }] })).toMatchObject({ level: 'red' });
    const arrived = notice({ call: 'aa', state: { is: 'ended', how: 'hung_up' }, kept_index: 7 });
    expect(rest({ notices: [arrived] }, [{ ...lost, missing: false }]).rows.map((row) => row.words)).toContain(
      'All ended calls have their record',
    );
    expect(rest({ caught_up: false })).toMatchObject({ title: 'Checking', level: 'quiet' });
    expect(rest({ notices: [notice()] }, [{ ...lost, missing: false }])).toMatchObject({ title: 'All is well' });
    const overdue = { ...lost, missing: false, opened_ms: NOW - 8_000_000, answered_ms: NOW - 7_900_000 };
    expect(rest({}, [{ ...overdue, ended_ms: NOW - 7_200_000 }])).toMatchObject({ level: 'red' });
  });

  it('does not say that all is well before it knows of the records', () => {
    const rest = (list?: Loadable<RecordLine[]>, more: Parameters<typeof desk>[0] = {}) => {
      const { title, level, rows } = desk_screen(desk(more), NOW, HERE, list).health;
      return { title, level, records: rows.find((row) => row.name === 'Records')?.words };
    };
    expect(rest()).toEqual({ title: 'Checking', level: 'quiet', records: 'Loading' });
    const problem: Problem = { code: 'office_unreachable' };
    expect(rest({ status: 'failed', problem })).toEqual({
      title: 'Needs attention',
      level: 'amber',
      records: 'The list of calls could not be loaded',
    });
    expect(rest({ status: 'ready', value: [], stale: problem })).toMatchObject({
      title: 'Needs attention',
      records: 'The list of calls could not be refreshed',
    });
    expect(rest(undefined, { phase: 'offline', token: null })).toMatchObject({ title: 'Needs attention' });
    expect(rest({ status: 'ready', value: [] }, { mode: 'log_only' })).toMatchObject({ title: 'All is well' });
  });

  it('shows a record that is overdue as missing', () => {
    const line = record_line({
      call: 'aa',
      opened_ms: NOW - 8_000_000,
      answered_ms: NOW - 7_900_000,
      ended_ms: NOW - 7_200_000,
      records: 0,
    });
    const [row] = desk_screen(desk(), NOW, HERE, { status: 'ready', value: [line] }).recent;
    expect(row).toMatchObject({ look: 'bad', shape: 'unrecorded', detail: '07:29 · 12 min · record overdue' });
  });

  it('shows the state of the log as text', () => {
    expect(desk_screen(desk(), NOW, HERE).log).toEqual({ ok: true, words: 'Log verified at 09:42:20' });
    const broken = { size: 1, checked_ms: NOW, ok: false, problem: 'The log was rewritten' };
    expect(desk_screen(desk({ log: broken }), NOW, HERE).log).toEqual({ ok: false, words: 'The log is not intact' });
  });
});
