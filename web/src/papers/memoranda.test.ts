import { beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../app.svelte';
import { Documents } from '../documents.svelte';
import type { Card, RecordLine, Report, View } from '../engine/contract';
import type { Host } from '../engine/host';
import { FakeDocuments } from '../fake/documents';
import { minister, officer, president, writer } from '../fake/people';
import { CALL, NOW, call, device, live, member, record_line, view } from '../fake/views';
import { memo_days, outside_rows } from '../view/memoranda';
import { memorandum_screen } from '../view/memorandum';
import { CallNotes, heard_name } from './call_notes.svelte';
import type { Memorandum, Notes } from './contents';
import { DebriefWork } from './debrief.svelte';
import { Memoranda } from './memoranda.svelte';
import { MemorandumWork } from './memorandum.svelte';

const REPORT: Report = {
  ok: true,
  partial: false,
  missing: null,
  people: [president, minister, officer, writer],
  checks: [],
  custodians: ['age1pq1custodian'],
};

/** The parts of the page that these classes use, for one person. */
function page(you: Card, documents: FakeDocuments, lines: RecordLine[] = [record_line()], report = REPORT) {
  const host = { documents: documents.handle } as Host;
  return {
    now: NOW,
    zone: 'Europe/Lisbon',
    view: view({ you: { ...you, device: device(1) } }) as View,
    records: { status: 'ready', value: lines },
    delegations: { list: { status: 'ready', value: { delegations: [], candidates: [] } } },
    documents: new Documents(
      () => host,
      () => 'token',
    ),
    checked_record: (call: string) =>
      Promise.resolve({ line: lines.find((one) => one.call === call) ?? record_line(), report, at_ms: NOW }),
  } as unknown as App;
}

const caption = (n: number, text: string, final = true) => ({
  speaker: device(2),
  name: minister.name,
  passage: n,
  part: 0,
  behind_ms: 0,
  start_ms: NOW + 9_000 + n * 10_000,
  text,
  final,
});

describe('notes of a call', () => {
  let documents: FakeDocuments;
  beforeEach(() => (documents = new FakeDocuments(officer)));
  const in_call = view({
    you: { ...officer, device: device(6) },
    call: live({
      started_ms: NOW,
      members: [member(president, 1), member(minister, 2), member(officer, 6, { you: true })],
    }),
  });

  it('are kept at once, written as one document, and shown again after the page was killed', async () => {
    const app = page(officer, documents);
    const notes = new CallNotes(app.documents);
    notes.update(in_call);
    await notes.write({ at_ms: 4_000, speaker: minister.name, text: 'Joint patrols.', kind: { mark: 'decision' } });
    expect(notes.written).toBe(false);
    // The page is killed: nothing was sent.
    const again = new CallNotes(page(officer, documents).documents);
    again.update(in_call);
    await again.save();
    expect(again.shown.map((note) => note.text)).toEqual(['Joint patrols.']);
    expect(again.written).toBe(true);
    await again.write({ at_ms: 5_000, speaker: '', text: 'For three years.', kind: { mark: 'plain' } });
    await again.save();
    const { documents: read } = await app.documents.all<Notes>('notes', 'notes');
    expect(read).toHaveLength(1);
    expect(Object.values(read[0]?.content.notes ?? {})).toHaveLength(2);
    expect(read[0]?.version.signed.readers).toContain(president.person);
  });

  it('of two people are shown together, and at the end of the call they are written', async () => {
    const edit = { clock: 1, device: device(1), by: president.person };
    const kind = { mark: 'quote' } as const;
    const theirs: Notes['notes'][string] = {
      edit,
      removed: false,
      author: president.person,
      at_ms: 1_000,
      speaker: '',
      text: 'From the principal.',
      kind,
    };
    documents = new FakeDocuments(officer, [
      {
        document: 'a1'.repeat(16),
        kind: 'notes',
        author: president,
        readers: [officer.person],
        about: { call: CALL },
        content: { version: 1, notes: { ['b1'.repeat(16)]: theirs } },
      },
    ]);
    const notes = new CallNotes(page(officer, documents).documents);
    notes.update(in_call);
    await notes.write({ at_ms: 2_000, speaker: '', text: 'From the desk.', kind: { mark: 'plain' } });
    expect(notes.shown.map((one) => [one.text, one.own])).toEqual([
      ['From the principal.', false],
      ['From the desk.', true],
    ]);
    notes.update(view({ you: { ...officer, device: device(6) }, call: call({ state: 'ended' }) }));
    await notes.save();
    expect(notes.call).toBe(null);
    expect((await page(officer, documents).documents.listed('notes')).length).toBe(2);
  });

  it('keep the captions that were shown, once each', async () => {
    const app = page(officer, documents);
    const notes = new CallNotes(app.documents);
    const captions = [caption(1, 'Good morning.'), caption(2, 'We accept', false)];
    notes.update({ ...in_call, call: { ...in_call.call!, captions } });
    notes.update({ ...in_call, call: { ...in_call.call!, captions: [caption(2, 'We accept [it?].')] } });
    notes.update(view({ you: { ...officer, device: device(6) }, call: null }));
    await notes.save();
    const heard = await app.documents.unsent<{ text: string }[]>(heard_name(CALL));
    expect(heard?.map((one) => one.text)).toEqual(['Good morning.', 'We accept [it?].']);
  });
});

/** A memorandum drafted from two captions. */
async function drafted(you: Card, documents: FakeDocuments, report = REPORT) {
  const app = page(you, documents, [record_line()], report);
  await app.documents.keep_unsent(heard_name(CALL), [caption(1, 'Good morning.'), caption(2, 'We [accept?] it.')]);
  const list = new Memoranda(app);
  await list.load();
  const document = await list.draft(record_line());
  return { app, list, document: document ?? '' };
}

/** Everything that has to be done before it can be reviewed. */
async function complete(work: MemorandumWork): Promise<void> {
  await work.confirm((work.content?.turns ?? []).map((turn) => turn.id));
  await work.mark_rest({ level: 'P' });
}

describe('a memorandum', () => {
  it('is drafted from what was heard, with people and times of the verified record', async () => {
    const { app, document, list } = await drafted(president, new FakeDocuments(president));
    expect(list.problem).toBe(null);
    const { content, version } = await app.documents.open<Memorandum>(document, 'memorandum');
    expect(content.turns.map((turn) => [turn.at_ms, turn.confirmed, turn.speaker])).toEqual([
      [10_000, false, minister.name],
      [20_000, false, minister.name],
    ]);
    expect(content.participants.map((one) => [one.name, one.source])).toEqual([
      [president.name, 'call'],
      [minister.name, 'call'],
    ]);
    expect(content.times.map((one) => one.place.zone)).toEqual([president.zone, minister.zone]);
    expect(version.signed.readers).toContain(officer.person);
    await list.load();
    const rows = memo_days(
      [record_line()],
      list.list.status === 'ready' ? list.list.value : never(),
      president.person,
      'UTC',
    );
    expect(rows[0]?.rows.map((row) => [row.state, row.title])).toEqual([['draft', minister.name]]);
  });

  it('is not drafted from a record that could not be verified', async () => {
    const { document, list } = await drafted(president, new FakeDocuments(president), { ...REPORT, ok: false });
    expect([document, list.problem]).toEqual(['', { code: 'record_unproven' }]);
  });

  it('is reviewed and approved, and every reader’s device compares the two', async () => {
    const { app, document } = await drafted(president, new FakeDocuments(president));
    const work = new MemorandumWork(app, document);
    await work.load();
    expect(memorandum_screen(work, app.view!, 'UTC')?.signatures).toEqual([]);
    await complete(work);
    expect(work.assessment?.banner).toBe('PRIVATE');
    expect(memorandum_screen(work, app.view!, 'UTC')?.signatures.map((one) => one.state)).toEqual([
      'reviewed',
      'draft',
    ]);
    await work.sign('reviewed');
    await work.sign('approved');
    expect([work.problem, work.refused, work.state]).toEqual([null, null, 'approved']);
    const reader = new MemorandumWork(app, document);
    await reader.load();
    expect(reader.approvals).toEqual([{ version: 3, review: { review: 'same' } }]);
    await reader.compare(1, 2);
    expect(reader.comparison?.changes.length).toBe(3);
  });

  it('that was changed after its review is not approved here, and shown as such if another device did', async () => {
    const { app, document } = await drafted(president, new FakeDocuments(president));
    const work = new MemorandumWork(app, document);
    await work.load();
    await complete(work);
    await work.sign('reviewed');
    const [turn] = work.content?.turns ?? [];
    await work.edit_turn(turn?.id ?? '', (now) => ({ ...now, mark: { level: 'O' } }));
    await work.sign('approved');
    expect(work.refused).toEqual({ review: 'changed', lowered: [turn?.id] });
    expect(work.state).toBe('reviewed');
    // A device whose page does not compare.
    if (work.read.status !== 'ready' || !work.content) return never();
    await app.documents.follow(work.read.value, 'memorandum', work.content, { state: 'approved' });
    await work.load();
    const screen = memorandum_screen(work, app.view!, 'UTC');
    expect(screen?.reviews.map((one) => one.level)).toEqual(['red']);
  });

  it('keeps edits over a reload, and joins them with what somebody else wrote', async () => {
    const { app, document } = await drafted(president, new FakeDocuments(president));
    const [work, other] = [new MemorandumWork(app, document), new MemorandumWork(app, document)];
    await Promise.all([work.load(), other.load()]);
    const [first, second] = work.content?.turns ?? [];
    await work.rewrite(first?.id ?? '', 'Ours.');
    await other.rewrite(second?.id ?? '', 'Theirs.');
    await other.sign('draft');
    await work.load();
    expect(work.content?.turns.map((turn) => turn.runs[0]?.text)).toEqual(['Ours.', 'Theirs.']);
    expect([work.both, work.edited]).toEqual([[], true]);
    await work.sign('draft');
    expect([work.problem, work.edited, work.content?.turns.length]).toEqual([null, false, 2]);
  });
});

const never = (): never => {
  throw new Error('invariant: it was read');
};

describe('a debrief', () => {
  it('is due of a call without a record, until it is written', async () => {
    const direct = record_line({ mode: 'log_only', records: 0 });
    const app = page(president, new FakeDocuments(president), [direct]);
    const list = new Memoranda(app);
    await list.load();
    const state = () =>
      memo_days([direct], list.list.status === 'ready' ? list.list.value : never(), president.person, 'UTC')[0]?.rows[0]
        ?.state;
    expect(state()).toBe('debrief_due');
    const work = new DebriefWork(app, direct);
    Object.assign(work.form, { remembered: 'We spoke of patrols.\n\nThey agreed.', theirs: 'Send a list' });
    const document = await work.file();
    expect([work.problem, document === null]).toEqual([null, false]);
    await list.load();
    expect(state()).toBe('debrief');
    const draft = await list.draft(direct);
    const memo = await app.documents.open<Memorandum>(draft ?? '', 'memorandum');
    expect(memo.content.turns.map((turn) => [turn.speaker, turn.origin])).toEqual([
      [president.name, 'person'],
      [president.name, 'person'],
    ]);
    expect(memo.content.actions.map((one) => one.what)).toEqual(['Send a list']);
  });

  it('of a call outside counts down twenty days until it is approved', async () => {
    const documents = new FakeDocuments(officer);
    const app = page(officer, documents, []);
    const work = new DebriefWork(app, null);
    expect(work.complete).toBe(false);
    Object.assign(work.form, { at: '2026-11-20T16:30', over: 'my own phone', with: 'Norland', remembered: 'Fish.' });
    expect(work.complete).toBe(true);
    expect(await work.file()).not.toBe(null);
    const list = new Memoranda(app);
    await list.load();
    const rows = outside_rows(list.list.status === 'ready' ? list.list.value : never(), 'UTC');
    expect(rows.map((row) => [row.title, row.level, row.waits, row.words])).toEqual([
      ['Norland', 'amber', true, '18 days left to approve'],
    ]);
  });
});
