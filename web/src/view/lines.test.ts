import { afterEach, describe, expect, it } from 'vitest';
import type {
  InvitationView,
  LineList,
  ListedDelegation,
  ListedLine,
  LineState,
  OfferedForView,
  View,
} from '../engine/contract';
import { delegation } from '../fake/delegations';
import { DEVICES, asks, guarded, invitation } from '../fake/devices';
import {
  FROZEN,
  HOURS,
  LINES,
  call_line,
  estmark,
  listed_line,
  offer,
  offered_for,
  over_line,
  taken,
  terms,
} from '../fake/lines';
import { norland, officer, president } from '../fake/people';
import { CALL, NOW, call, desk, incoming, live, record_line, view } from '../fake/views';
import { set_locale } from '../text/state.svelte';
import { call_screen } from './call';
import { offering } from './delegations';
import { devices_screen } from './devices';
import { ended_screen } from './ended';
import {
  contact_words,
  doubt_sentence,
  last_call,
  lines_screen,
  row_of,
  taken_card,
  taken_line,
  time_left,
} from './lines';
import { people_screen } from './people';
import { ring_screen } from './ring';
import { place_of, screen_name, waiting_devices } from './screen';

const ZONE = 'Europe/Lisbon';
const NONE = {
  changing: new Set<string>(),
  answered: new Set<string>(),
  paused_together: [],
  may_change: () => true,
  offers_for: () => [] as ListedDelegation[],
};
const screen = (of = view(), list = LINES, page = {}) => lines_screen(of, list, { ...NONE, ...page }, NOW, ZONE);
const row = (of = view(), list = LINES, n = 0) => screen(of, list).current[n]!;
const list_of = (...lines: ListedLine[]): LineList => ({ lines, more: false });
const holder = { ...norland, device: 'd'.repeat(32) };

afterEach(() => set_locale('en'));

describe('a principal’s list', () => {
  it('says who holds each line, what it allows in words, and when it was used', () => {
    expect(screen()).toMatchObject({ title: 'Who can reach me', intro: '3 lines are in use.', can_give: true });
    expect(row()).toMatchObject({
      name: 'The Prime Minister of Estmark',
      reaches: null,
      allows: { words: 'Rings me' },
      narrow: ['Monday to Friday, 07:00 to 22:00'],
      purpose: 'Fisheries agreement',
      used: 'Last rung 17 Nov 2026',
      state: null,
      on: true,
    });
    expect(row(view(), LINES, 2)).toMatchObject({ narrow: ['until 30 Jun 2027'], used: 'Never used' });
  });

  it('tells paused, frozen and ended lines apart in words, and puts a frozen one first', () => {
    expect(row(view(), LINES, 3).state).toMatchObject({ words: 'Paused', since: 'Paused since 22 Nov 2026, 08:10' });
    expect(row(view(), list_of(...LINES.lines.slice(1), ...FROZEN.lines.slice(0, 1))).state?.words).toBe('Frozen');
    expect(screen().past.map((one) => one.state?.words)).toEqual(['Ended']);
  });

  it('can still extend and end a line that has expired, and its holder can hand it back', () => {
    const expired = listed_line(norland, { line: { terms: terms({ until_ms: NOW - 1 }) } });
    const { current, past } = screen(view(), list_of(expired));
    expect(current).toEqual([]);
    expect(past).toMatchObject([{ on: false, can_switch: false, can_change: true, can_end: true }]);
    expect(past[0]?.state).toMatchObject({ words: 'Ended', since: 'Ended 22 Nov 2026' });
    expect(screen(view({ you: holder }), list_of(expired)).past[0]).toMatchObject({ can_hand_back: true });
  });

  it('pauses and changes what is in use, and uses a frozen line again only from its details', () => {
    expect(row()).toMatchObject({ can_switch: true, can_change: true, can_end: true, can_freeze: false });
    expect(row(view(), FROZEN)).toMatchObject({ can_switch: false, can_change: false, can_unfreeze: true });
    expect(row(view(), LINES, 3), 'paused: the engine changes what it allows only in use').toMatchObject({
      can_switch: true,
      can_change: false,
      can_end: true,
    });
    const past = screen().past[0];
    expect([past?.can_switch, past?.can_change, past?.can_end]).toEqual([false, false, false]);
  });

  it('changes nothing without a connection, nor again while a change is on its way', () => {
    expect(row(view({ phase: 'offline' }))).toMatchObject({ can_switch: false, can_change: false, can_end: false });
    const changing = new Set([LINES.lines[0]!.statement]);
    expect(screen(view(), LINES, { changing }).current[0]).toMatchObject({ changing: true, can_switch: false });
  });

  it('pauses all that are in use, and resumes those that were paused together', () => {
    expect(screen().to_pause.map((one) => one.line.holder.name)).toHaveLength(3);
    const paused = list_of(...LINES.lines.map((one) => ({ ...one, line: { ...one.line, state: 'paused' as const } })));
    const paused_together = LINES.lines.slice(0, 2).map((one) => one.line.line);
    const after = screen(view(), paused, { paused_together });
    expect([after.to_pause, after.to_resume.map((one) => one.line.line)]).toEqual([[], paused_together]);
  });

  it('has what was offered, and whether somebody took it', () => {
    const { offers } = screen(view({ invitations: [offer(), taken(), invitation()] }));
    expect(offers.map((one) => [one.asks, one.can_show, one.can_withdraw])).toEqual([
      [false, true, true],
      [true, false, true],
    ]);
    const [elsewhere] = screen(view({ invitations: [offer({ made_here: false, link: null })] })).offers;
    expect(screen(guarded({ invitations: [taken({ made_here: false })] })).offers[0]).toMatchObject({
      state: 'Taken, not confirmed',
      asks: false,
      can_withdraw: true,
      can_show: false,
      elsewhere: null,
    });
    expect(elsewhere).toMatchObject({ can_show: false, elsewhere: expect.stringMatching(/another device/) });
  });
});

it('whoever acts for principals sees whom each line reaches, and gives none', () => {
  expect(screen(desk())).toMatchObject({ title: 'Who can reach whom', can_give: false });
  expect(row(desk())).toMatchObject({ reaches: 'Reaches the President', can_switch: true, can_unfreeze: false });
  const only_rings = screen(desk(), LINES, { may_change: () => false });
  expect(only_rings.current[0]).toMatchObject({ can_switch: false, can_change: false, can_end: false });
  expect(only_rings.to_pause).toEqual([]);
});

it('a security officer freezes and ends any line, and cannot make one ring again', () => {
  expect(row(guarded())).toMatchObject({ can_freeze: true, can_end: true, can_switch: false, can_change: false });
  expect(row(guarded(), FROZEN)).toMatchObject({ can_freeze: false, can_unfreeze: false, can_end: true });
  expect(screen(guarded()).to_pause).toEqual([]);
});

it('a holder sees who gave them a line, and can only hand it back', () => {
  const held = list_of(listed_line(norland, { line: { principal: president } }));
  expect(row(view({ you: holder }), held)).toMatchObject({
    name: 'The President',
    allows: { words: 'You ring them' },
    can_hand_back: true,
    can_end: false,
    can_switch: false,
  });
  expect(place_of(view({ you: holder }), { at: 'give' })).toBe('people');
});

describe('a line whose newest version the office lost', () => {
  const lost = (state: LineState, more = {}) =>
    list_of(listed_line(estmark, { lost: { version: 2, state, statement_sha256: 'cd'.repeat(32) }, ...more }));

  it('is not in use until whoever gave it uses it again, or ends it', () => {
    expect(row(view(), lost('live'))).toMatchObject({
      on: false,
      state: { words: 'Not in use', since: 'Your office’s server was restored. Use it again, or end it.' },
      can_switch: true,
      switch_words: 'Use it again',
      can_change: false,
      can_unfreeze: false,
      can_end: true,
    });
    expect(screen(view(), lost('live'))).toMatchObject({ intro: 'No line is in use now.', to_pause: [] });
  });

  it('can be used again only by the principal if it was frozen', () => {
    expect(row(view(), lost('suspect'))).toMatchObject({ can_switch: true, can_unfreeze: false });
    expect(row(desk(), lost('suspect'))).toMatchObject({ can_switch: false, can_end: true });
    expect(row(desk(), lost('live'))).toMatchObject({ can_switch: true });
  });

  it('has ended if the lost version ended it', () => {
    const { current, past } = screen(view(), lost('ended'));
    expect([current.length, past[0]?.state?.words]).toEqual([0, 'Ended']);
    expect(past[0]).toMatchObject({ can_switch: false, can_change: false, can_end: false });
  });

  it('is not for its holder or a security officer to act on', () => {
    for (const of of [guarded(), view({ you: holder })]) {
      expect(row(of, lost('live'))).toMatchObject({
        can_switch: false,
        can_freeze: false,
        can_end: false,
        can_hand_back: false,
        state: { words: 'Not in use', since: expect.stringContaining('once whoever gave it says so') },
      });
    }
  });
});

it('somebody doubted the holder on another line: it stands first, and whoever gave it can freeze it', () => {
  const one = LINES.lines[1]!;
  const doubted = { line: one.line.line, principal: president, holder: one.line.holder, since_ms: NOW - 60_000 };
  const shown = screen(view({ doubted_lines: [doubted] }));
  expect(shown.current[0]).toMatchObject({
    line: one.line.line,
    can_freeze: true,
    doubted: expect.stringContaining('Doubted on another line'),
  });
  expect(shown.current.filter((row) => row.can_freeze)).toHaveLength(1);
  expect(doubt_sentence(view(), doubted)).toMatch(/They hold yours, too/);
  expect(doubt_sentence(desk(), doubted)).toMatch(/They hold a line to the President, too/);
  // Who may change nothing of it only reads it.
  expect(screen(desk({ doubted_lines: [doubted] }), LINES, { may_change: () => false }).current[0]).toMatchObject({
    can_freeze: false,
  });
});

describe('a line that the desk offers for a principal', () => {
  const under = delegation({ acts: ['lines'] });
  const one = (more: Partial<OfferedForView> = {}, of = taken()) => ({ ...of, offered_for: offered_for(more) });
  const at_desk = (of: InvitationView) => desk({ invitations: [of] });
  const for_principal = (of: InvitationView) => view({ invitations: [of] });
  const elsewhere = { made_here: false, link: null };

  it('is offered under a delegation for lines only', () => {
    expect(screen(desk(), LINES, { offers_for: () => [under] }).can_give).toBe(true);
    expect(screen(desk()).can_give).toBe(false);
    const list = { delegations: [under, delegation({ delegation: 'd7'.repeat(16) })] };
    expect(offering(list, officer.person, NOW)).toEqual([under]);
    expect(offering(list, president.person, NOW)).toEqual([]);
    expect(
      offering({ delegations: [delegation({ acts: ['lines'], ended_ms: NOW - 1 })] }, officer.person, NOW),
    ).toEqual([]);
    expect(place_of(desk(), { at: 'give' })).toBe('give');
  });

  it('is asked of the desk first, on the device that offered it, and of the principal once the desk has compared', () => {
    const none = new Set<string>();
    const before = one();
    const after = one({ attested_ms: NOW - 60_000 }, taken(elsewhere));
    expect(taken_line(at_desk(before), none)).toEqual(before);
    expect(taken_line(at_desk({ ...before, made_here: false }), none)).toBeNull();
    expect(taken_line(at_desk(after), none)).toBeNull();
    expect(taken_line(for_principal({ ...before, ...elsewhere }), none)).toBeNull();
    expect(taken_line(for_principal(after), none)).toEqual(after);
    expect(taken_line(guarded({ invitations: [after] }), none)).toBeNull();
  });

  it('says to the principal who compared the numbers and what it allows, and to the desk who is asked next', () => {
    const after = one({ attested_ms: NOW - 60_000 }, taken(elsewhere));
    const principal = taken_card(for_principal(after), after, new Set(), ZONE);
    expect(principal).toMatchObject({
      title: 'Your office gave a line',
      code: '471 029 583 016',
      code_words: expect.stringContaining('compared these numbers'),
      yes: 'Confirm this line',
      allows: expect.stringMatching(/^Rings me, at any time/),
      can_confirm: true,
      elsewhere: null,
    });
    const first = taken_card(at_desk(one()), one(), new Set(), ZONE);
    expect(first).toMatchObject({
      title: 'Somebody took the line',
      code_words: 'Both screens must show',
      allows: null,
      can_confirm: true,
    });
    expect(first.nobody).toContain('the President is asked');
    const forged = one(
      { attested_ms: NOW },
      taken({ ...elsewhere, request: { label: '', code: null, problem: 'forged' } }),
    );
    expect(taken_card(for_principal(forged), forged, new Set(), ZONE)).toMatchObject({
      can_confirm: false,
      can_refuse: true,
    });
  });

  it('stands in the list with who offered it, and what it waits for', () => {
    const state = (of: View) => screen(of).offers[0]!;
    expect(state(at_desk(one({}, offer())))).toMatchObject({
      state: 'Not taken yet',
      can_show: true,
      can_withdraw: true,
    });
    expect(state(at_desk(one()))).toMatchObject({ state: 'Taken: compare the numbers', asks: true });
    expect(state(for_principal(one({}, taken(elsewhere))))).toMatchObject({
      state: expect.stringContaining('has to compare the numbers'),
      asks: false,
      elsewhere: null,
      offered_by: expect.stringContaining('for the President'),
    });
    const after = one({ attested_ms: NOW }, taken(elsewhere));
    expect(state(for_principal(after))).toMatchObject({ state: 'Waits for your confirmation', asks: true });
    expect(state(at_desk(after)).state).toContain('to confirm');
  });

  it('stands apart on the desk the day it was given', () => {
    const new_one = { ...LINES.lines[0]!, given_ms: NOW - 1 };
    const shown = screen(desk(), list_of(new_one, LINES.lines[1]!));
    expect([shown.today.length, shown.current.length]).toEqual([1, 1]);
    expect(row_of(shown, new_one.line.line)).toBe(shown.today[0]);
    expect(screen(view(), list_of(new_one)).today).toEqual([]);
  });
});

describe('somebody took a line', () => {
  const card = (one = taken()) => taken_card(view(), one, new Set(), ZONE);

  it('is asked at once, covers what is open, and no call', () => {
    const asked = view({ invitations: [taken()] });
    expect(screen_name({ status: 'on' }, asked, { at: 'calls' }, null)).toBe('line_taken');
    expect(screen_name({ status: 'on' }, { ...asked, call: incoming() }, { at: 'home' }, null)).toBe('ring_in');
    const later = new Set([taken().invitation]);
    expect(screen_name({ status: 'on' }, asked, { at: 'home' }, null, { later })).toBe('people');
  });

  it('is for whoever gave it: a security officer sees it in the list, not among devices that wait', () => {
    const officer = guarded({ invitations: [taken(), asks({ invitation: 'a9'.repeat(16) })] });
    expect(taken_line(officer, new Set())).toBeNull();
    expect(waiting_devices(officer)).toBe(1);
    expect(devices_screen(officer, DEVICES, new Set(), ZONE).requests).toHaveLength(1);
    expect(taken_line(view({ invitations: [asks()] }), new Set())).toBeNull();
  });

  it('shows the code, which the answer repeats, on the device that gave it', () => {
    expect(card()).toMatchObject({
      code: '471 029 583 016',
      yes: 'It is the President of Norland',
      claim: 'On a device that says it is “Safari (iPhone)”',
      can_confirm: true,
      elsewhere: null,
    });
  });

  it('cannot be confirmed elsewhere, nor if the request is not genuine; it can be refused', () => {
    const elsewhere = card(taken({ made_here: false, request: { label: '', code: '1', problem: 'made elsewhere' } }));
    expect(elsewhere).toMatchObject({ code: null, can_confirm: false, can_refuse: true, problem: null });
    expect(elsewhere.elsewhere).toMatch(/another of your devices/);
    const forged = card(taken({ request: { label: '', code: '1', problem: 'forged' } }));
    expect(forged).toMatchObject({ code: null, can_confirm: false, can_refuse: true });
    expect(forged.problem).toMatch(/^Forged\. Stop this line/);
  });
});

describe('a contact’s line', () => {
  const words = (...of: Parameters<typeof over_line>) => contact_words(over_line(...of), 'counterpart', NOW, ZONE);

  it('lets its holder ring, or says in words why not', () => {
    expect(words(president)).toMatchObject({ words: 'Direct line', may_ring: true });
    expect(words(president, 'live', terms({ reach: 'desk' }))).toMatchObject({ words: 'Rings their desk' });
    expect(words(president, 'live', terms({ reach: 'planned' }))).toMatchObject({ may_ring: false, never_rings: true });
    expect(words(president, 'paused')).toMatchObject({ words: 'They paused this line', may_ring: false });
    expect(words(president, 'suspect')).toMatchObject({ may_ring: false, level: 'red' });
    expect(words(president, 'ended')?.may_ring).toBe(false);
    expect(words(president, 'live', terms({ until_ms: NOW - 1 }))?.words).toMatch(/^This line has ended/);
    // NOW is a Sunday.
    expect(words(president, 'live', terms({ hours: HOURS }))).toMatchObject({ may_ring: false });
    expect(words(president, 'live', terms({ hours: { ...HOURS, days: ['sunday'] } }))?.may_ring).toBe(true);
  });

  it('does not bind whoever gave it by hours or reach, but by its state', () => {
    const own = (...of: Parameters<typeof over_line>) => contact_words(over_line(...of), 'principal', NOW, ZONE);
    expect(own(estmark, 'live', terms({ reach: 'planned', hours: HOURS }))?.may_ring).toBe(true);
    expect(own(estmark, 'paused')?.may_ring).toBe(false);
  });

  it('takes the button away where nobody may ring, and leaves contacts without a line alone', () => {
    const people = [
      over_line(president, 'live', terms({ reach: 'planned' })),
      { ...president, person: '0', reachable: true },
    ];
    const [planned, plain] = people_screen(view({ you: holder, people }), new Set(), '', NOW, ZONE).others;
    expect(planned).toMatchObject({ never_rings: true, can_ring: false, state: '' });
    expect(plain).toMatchObject({ line: null, never_rings: false, can_ring: true, state: 'Available' });
  });
});

describe('a ring over a line', () => {
  const rung = { ...incoming({ other: estmark, from: estmark }), line: call_line() };
  it('says what the line is for and when they last talked, and offers the other answers', () => {
    const calls = [record_line({ from: estmark, to: president, opened_ms: NOW - 86_400_000 })];
    expect(ring_screen(view({ call: rung }), NOW, ZONE, calls)).toMatchObject({
      kind: 'Incoming call · direct line',
      purpose: 'Fisheries agreement',
      last: 'Last call 21 Nov 2026, 13 min',
      answers: { later: true, office: true },
      suspect: true,
    });
    expect(ring_screen(view({ call: incoming() }), NOW, ZONE)).toMatchObject({
      purpose: '',
      last: null,
      suspect: false,
    });
    const at_holder = view({ you: holder, call: { ...incoming({ other: president }), line: call_line() } });
    expect(ring_screen(at_holder, NOW, ZONE)).toMatchObject({
      answers: { later: true, office: false },
      suspect: false,
    });
  });

  it('can be doubted in the call, too, by whoever gave the line', () => {
    const media = { microphone: 'on', sound_blocked: false, media_timed_out: false } as const;
    const over = { ...live({ other: estmark }), line: call_line() };
    expect(call_screen(view({ call: over }), NOW, media)?.suspect).toBe(CALL);
    expect(call_screen(view({ you: holder, call: over }), NOW, media)?.suspect).toBeNull();
    expect(call_screen(view({ call: live() }), NOW, media)?.suspect).toBeNull();
  });

  it('that their office takes says so to the caller', () => {
    const diverted = { ...call(), diverted: true };
    expect(ring_screen(view({ call: diverted }), NOW, ZONE)?.state.title).toBe('At their office');
  });

  it('ends with the promise that was made, on both sides', () => {
    const ended = (more: object) => ended_screen(view({ call: { ...call({ state: 'ended' }), ...more } }), null, ZONE);
    expect(ended({ ended: 'declined', reply: { type: 'later', minutes: 10 } })?.title).toBe(
      'They will call you in ten minutes',
    );
    expect(ended({ ended: 'declined', reply: { type: 'later', minutes: 30 } })?.title).toBe(
      'They will call you in 30 minutes',
    );
    expect(ended({ ended: 'missed', diverted: true })?.title).toBe('Their office did not answer');
    const rang = (more: object) => ({ ...incoming({ state: 'ended', ended: 'declined' }), ...more });
    const said = (more: object) => ended_screen(view({ call: rang(more) }), null, ZONE)?.title;
    expect(said({ reply: { type: 'later', minutes: 10 } })).toBe('You will call in ten minutes');
    expect(said({ reply: { type: 'office' } })).toBe('Your office takes the call');
    expect(said({})).toBe('You declined');
  });
});

it('the last call is one that was answered', () => {
  const { answered_ms: _a, ...missed } = record_line({ from: estmark, to: president });
  expect(last_call([missed], estmark.person, ZONE)).toBeNull();
});

it('an offer says how long it stands, in its largest unit', () => {
  const left = (ms: number) => time_left(NOW + ms, NOW);
  expect([left(0), left(30_000), left(9 * 60_000)]).toEqual(['Expired', 'One minute left', '9 minutes left']);
  expect([left(24 * 3_600_000), left(7 * 86_400_000)]).toEqual(['24 hours left', '7 days left']);
});

it('reads as French in French', () => {
  set_locale('fr');
  expect(row()).toMatchObject({ allows: { words: 'M’appelle' }, narrow: ['du lundi au vendredi, de 07:00 à 22:00'] });
});
