import { describe, expect, it } from 'vitest';
import { Documents } from '../documents.svelte';
import type { Card, ListedDelegation, View } from '../engine/contract';
import type { NewVersion } from '../engine/documents';
import type { Host } from '../engine/host';
import { FakeDocuments, type FakeDocument } from '../fake/documents';
import { norland, officer, president } from '../fake/people';
import { HOUR, READERS, asked, picked, request, schedule, scheduled, slot } from '../fake/plans';
import { NOW, device, notice, view } from '../fake/views';
import { plan_card, plans_screen, reminders, waiting_cards } from '../view/plans';
import type { Schedule } from './contents';
import { PlannedCalls, type Plan } from './plans.svelte';

const delegation: ListedDelegation = {
  acts: ['ring', 'answer'],
  delegate: officer,
  delegation: 'de'.repeat(16),
  not_after_ms: NOW + 24 * HOUR,
  not_before_ms: NOW - HOUR,
  principal: president,
  statement: 'a.b.c',
};

async function page(you: Card, documents: FakeDocument[], more: Partial<View> = {}) {
  const fake = new FakeDocuments(you, documents);
  fake.signed.set(delegation.statement, { ...delegation, principal: president.person });
  const written: NewVersion[] = [];
  /** What is kept on the device is read once this is resolved. */
  const storage = { opened: Promise.resolve() };
  const handle: Host['documents'] = async (asked, token) => {
    if (asked.is === 'write') written.push(asked.draft);
    if (asked.is === 'unsent') await storage.opened;
    return fake.handle(asked, token);
  };
  const host = { documents: handle } as Host;
  const shown = view({ you: { ...you, device: device(1) }, people: [{ ...norland, reachable: true }], ...more });
  const rung: [string, string | null][] = [];
  /** The page after it was loaded again. */
  const made = () =>
    new PlannedCalls({
      view: () => shown,
      documents: new Documents(
        () => host,
        () => 'token',
      ),
      read_delegations: () => Promise.resolve([delegation]),
      ring: (person, under) => rung.push([person, under]),
      zone: 'Europe/Lisbon',
      now: () => NOW,
    });
  const plans = made();
  await plans.load();
  const all = (): Plan[] => (plans.list.status === 'ready' ? plans.list.value.plans : []);
  const card = (i = 0) => {
    const plan = all()[i];
    if (!plan) throw new Error('there is no such plan');
    return plan_card(plan, all(), shown, plans, 'Europe/Lisbon');
  };
  return { plans, all, card, written, rung, shown, fake, made, storage };
}

const first = (all: Plan[]): Plan => {
  const [plan] = all;
  if (!plan) throw new Error('there is no plan');
  return plan;
};
const yes = { step: 'decide', verdict: 'yes', reason: '' } as const;

describe('a request over a line', () => {
  it('is sealed to those who may answer for the principal, by the principal’s device alone', async () => {
    const { written } = await page(president, [asked('a1', request(), { readers: [president.person] })]);
    await Promise.resolve();
    expect(written.map((one) => [one.state, one.readers.includes(officer.person)])).toEqual([['draft', true]]);
    expect((await page(officer, [asked('a1', request())])).written).toEqual([]);
  });

  it('is approved by the principal, and by a delegate under the delegation', async () => {
    const own = await page(president, [asked('a1', request())]);
    expect(waiting_cards(plans_screen(own.all(), own.shown, own.plans, 'Europe/Lisbon'))).toHaveLength(1);
    expect(await own.plans.step(first(own.all()), yes)).toBe(true);
    expect(own.written.at(-1)).toMatchObject({ state: 'approved' });
    expect(own.written.at(-1)?.on_behalf).toBeUndefined();
    expect([first(own.all()).stands, own.card().can.offer]).toEqual(['approved', true]);

    const desk = await page(officer, [asked('a1', request())]);
    expect(desk.card().answers_for).toBe(president.name);
    await desk.plans.step(first(desk.all()), yes);
    expect(desk.written.at(-1)?.on_behalf?.delegation).toBe(delegation.delegation);
    expect(desk.written.at(-1)?.on_behalf?.statement_sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is not approved in another version than the one that was read', async () => {
    const { plans, all, fake } = await page(president, [asked('a1', request())]);
    const seen = first(all());
    const changed: NewVersion = { document: seen.id, kind: 'request', readers: [], state: 'draft' };
    await fake.handle(
      { is: 'write', draft: changed, content: JSON.stringify(request({ subject: 'Something else' })), follows: 1 },
      'token',
    );
    expect(await plans.step(seen, yes)).toBe(false);
    expect(plans.problems.get(seen.id)).toEqual({ code: 'document_changed' });
  });

  it('shows who signed it, whatever name it writes', async () => {
    const { card } = await page(president, [asked('a1', request({ counterpart: 'The Pope', organisation: 'Rome' }))]);
    expect([card().who, card().where, card().proof?.level]).toEqual([norland.name, norland.organisation, 'seal']);
  });

  it('is not decided by what its holder writes into it', async () => {
    const decision = { verdict: 'yes', by: president.person, at_ms: NOW, reason: 'Gladly' } as const;
    const { card, all } = await page(president, [asked('a1', request({ decision }))]);
    expect([first(all()).stands, card().reason]).toEqual(['waiting', null]);
    const wish = await page(president, [asked('a1', request({ door: { door: 'principal' } }))]);
    expect([wish.card().proof?.level, wish.card().can.yes]).toEqual(['red', false]);
  });

  it('stands beside another of the same wish', async () => {
    const letter = request({
      door: { door: 'desk', by: 'letter' },
      verification: { verified: 'unverified' },
      subject: 'Fisheries agreement',
    });
    const documents = [
      asked('a1', request()),
      asked('a2', request({ subject: 'An opera' })),
      asked('a3', letter, { author: officer }),
    ];
    const { all, shown, plans } = await page(president, documents);
    const [inbox] = plans_screen(all(), shown, plans, 'Europe/Lisbon').sections;
    const at = inbox?.cards.map((one) => [one.id.slice(0, 2), one.alike !== null]);
    expect(at).toEqual([
      ['a3', true],
      ['a1', true],
      ['a2', false],
    ]);
  });
});

describe('a request that the desk entered', () => {
  const letter = () =>
    asked('a1', request({ door: { door: 'desk', by: 'letter' }, verification: { verified: 'unverified' } }), {
      author: officer,
    });

  it('is verified by the call that the desk makes, and by no other', async () => {
    const { plans, all, card, rung, shown } = await page(officer, [letter()]);
    expect([card().can.yes, card().can.call_back]).toEqual([false, norland.person]);
    expect(await plans.step(first(all()), yes)).toBe(false);
    plans.call_back(first(all()), norland.person);
    expect(rung).toEqual([[norland.person, delegation.statement]]);
    const call = (to: Card, id: string) => ({
      ...shown,
      token: null,
      call: { ...notice(), call: id, direction: 'out', state: 'ringing', to } as never,
    });
    plans.update(null, call(president, 'c1'.repeat(16)));
    expect(plans.calling?.call).toBeNull();
    plans.update(null, call(norland, 'c2'.repeat(16)));
    await plans.called_back(first(all()), true);
    expect(first(all()).request?.content.verification).toMatchObject({
      verified: 'by_call_back',
      call: 'c2'.repeat(16),
    });
    expect([card().can.yes, plans.calling]).toEqual([true, null]);
  });
});

describe('a schedule', () => {
  const approved = asked('a1', request(), { states: ['draft', 'approved'], author: norland });

  it('is offered to the holder, in both clocks, and reminds before it begins', async () => {
    const desk = await page(officer, [approved]);
    const { places, person } = desk.card();
    expect(places.map((one) => one.zone)).toEqual(['Europe/Lisbon', 'Europe/Oslo']);
    await desk.plans.offer(first(desk.all()), places, [slot(26)], person, 30);
    expect(desk.written.at(-1)).toMatchObject({
      kind: 'schedule',
      state: 'draft',
      about: { document: 'a1'.repeat(16) },
    });
    expect(desk.written.at(-1)?.readers).toContain(norland.person);
    expect(desk.card().offered[0]?.clocks).toHaveLength(2);

    const content = picked();
    const own = await page(president, [approved, scheduled('b1', content, { states: ['draft', 'approved'] })]);
    const begins = slot(26).start_ms;
    const due = (now: number) => reminders(own.all(), own.shown, now, 'Europe/Lisbon').length;
    expect([due(begins - 16 * 60_000), due(begins - 14 * 60_000), due(begins + 21 * 60_000)]).toEqual([0, 1, 0]);
  });

  it('is chosen by the holder and confirmed by the office', async () => {
    const about = { document: 'a1'.repeat(16) };
    const theirs = await page(norland, [scheduled('b1', schedule(), { about })], {
      people: [{ ...president, reachable: true }],
    });
    expect([theirs.card().who, theirs.card().can.pick]).toEqual([president.name, true]);
    await theirs.plans.schedule_step(first(theirs.all()), { step: 'pick', choice: 1 });
    expect(theirs.written.at(-1)).toMatchObject({ state: 'draft' });
    expect(theirs.card().can.confirm).toBe(false);
    const desk = await page(officer, [approved, scheduled('b1', picked(), { about })]);
    expect([desk.card().can.confirm, desk.card().can.pick]).toEqual([true, false]);
    await desk.plans.schedule_step(first(desk.all()), { step: 'confirm' });
    expect(desk.written.at(-1)).toMatchObject({ state: 'approved', due_ms: slot(26).start_ms - 15 * 60_000 });
    await desk.plans.schedule_step(first(desk.all()), { step: 'cancel' });
    expect([desk.card().section, desk.card().can.offer]).toEqual(['over', true]);
  });

  it('of which a version of theirs changes what was offered is not relied on, whatever they write after it', async () => {
    const about = { document: 'a1'.repeat(16) };
    const theirs = (content: Schedule) => ({ author: norland, content, state: 'draft' as const });
    const forged = picked({ title: 'Another title' });
    const with_versions = (...more: FakeDocument['more'] & object) =>
      page(officer, [approved, scheduled('b1', schedule(), { about, more })]);
    expect((await with_versions()).card().is_forged).toBe(false);
    expect((await with_versions(theirs(picked()))).card().can.confirm).toBe(true);
    const accomplice = { ...theirs(picked()), readers: [...READERS, 'ee'.repeat(16)] };
    for (const versions of [[theirs(forged)], [theirs(forged), theirs(forged)], [accomplice]]) {
      const { card } = await with_versions(...versions);
      expect([card().is_forged, card().can.confirm, card().can.pick], `${versions.length}`).toEqual([
        true,
        false,
        false,
      ]);
    }
  });

  it('is compared with a calendar that is kept on this device, and a file that is none is refused', async () => {
    const about = { document: 'a1'.repeat(16) };
    const { plans, card, made, storage } = await page(president, [approved, scheduled('b1', schedule(), { about })]);
    await plans.use_calendar({ name: 'x.ics', text: 'no calendar' });
    expect([plans.calendar, plans.calendar_problem === null]).toEqual([null, false]);
    const day = new Date(slot(26).start_ms).toISOString().slice(0, 10).replaceAll('-', '');
    const text = [
      'BEGIN:VCALENDAR',
      'BEGIN:VEVENT',
      'UID:x',
      `DTSTART;VALUE=DATE:${day}`,
      'END:VEVENT',
      'END:VCALENDAR',
      '',
    ].join('\r\n');
    await plans.use_calendar({ name: 'mine.ics', text });
    expect(card().offered.map((one) => one.conflict)).toEqual(['busy', 'free']);
    // Two reads at once, as after a sign-in: neither goes without the calendar.
    const again = made();
    let open = (): void => undefined;
    storage.opened = new Promise((resolve) => (open = resolve));
    const reads = [again.load(), again.load()];
    // Done after it, and not held: one of the two that did not wait for the storage is done by then.
    await plans.load();
    open();
    await Promise.all(reads);
    const known = again.list.status === 'ready' ? again.list.value.plans.map((one) => one.conflicts) : [];
    expect(known).toEqual([['busy', 'free']]);
    await plans.use_calendar(null);
    expect(card().offered.map((one) => one.conflict)).toEqual([null, null]);
  });
});

describe('an attack by the other side or the server', () => {
  const forwarded = {
    id: 'f0'.repeat(16),
    kind: 'forwarded' as const,
    by: president.person,
    at_ms: NOW,
    text: 'Say yes and send them our brief.',
  };

  it('puts no words into the principal’s mouth: such a request proves nothing and is passed on to nobody', async () => {
    const forged = asked('a1', request({ exchanges: [forwarded] }), { author: norland, readers: [president.person] });
    const { card, written } = await page(president, [forged]);
    expect([card().is_forged, card().can.yes, written]).toEqual([true, false, []]);
    const honest = asked('a1', request(), { author: norland, readers: [president.person] });
    const shared = await page(president, [honest]);
    expect(shared.written.at(-1)?.readers).toContain(officer.person);
  });

  it('adds no reader by a delegation that no principal signed', async () => {
    const honest = asked('a1', request(), { author: norland, readers: [president.person] });
    const { fake, made, written } = await page(president, [honest]);
    written.length = 0;
    fake.signed.clear();
    await made().load();
    expect(written).toEqual([]);
    fake.signed.set(delegation.statement, { ...delegation, principal: norland.person });
    await made().load();
    expect(written).toEqual([]);
  });
});
