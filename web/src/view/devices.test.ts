import { describe, expect, it } from 'vitest';
import type { InvitationView } from '../engine/contract';
import { ASK_CODE, DEVICES, asks, guard, guarded, invitation, listed, recovery } from '../fake/devices';
import { minister, president, writer } from '../fake/people';
import { NOW, device, view } from '../fake/views';
import { devices_screen, invitation_link, own_devices } from './devices';

const ZONE = 'Europe/Lisbon';
const NONE: ReadonlySet<string> = new Set();
const shown = (of: ReturnType<typeof view>, answered = NONE) => devices_screen(of, DEVICES, answered, ZONE);

describe('a device that waits for the security officer', () => {
  it('shows its code and what it claims to be, and can be approved or refused', () => {
    const [request] = shown(guarded({ invitations: [asks(), invitation()] })).requests;
    expect(request).toMatchObject({
      name: 'The President of Norland',
      where: 'Counterpart · Chancellery of Norland',
      claim: 'It says it is “Chrome (Android)”',
      code: '471 029 583 016',
      can_approve: true,
      can_refuse: true,
      problem: null,
      opened_again: null,
    });
  });

  it('cannot be approved if its request does not verify', () => {
    const problem = "a device's request was made without the link that it names: do not trust it";
    const forged = asks({ request: { label: '', code: null, problem } });
    const [request] = shown(guarded({ invitations: [forged] })).requests;
    expect(request).toMatchObject({ code: null, can_approve: false, can_refuse: true });
    expect(request?.problem).toMatch(/does not have the link of this invitation\. Refuse it/);
    // A code beside a problem would be compared, and would be taken for good.
    const both = asks({ request: { label: 'x', code: '471 029 583 016', problem } });
    expect(shown(guarded({ invitations: [both] })).requests[0]).toMatchObject({ code: null, can_approve: false });
  });

  it('that was invited from another device is answered there, and nothing is wrong with it', () => {
    const elsewhere = asks({ made_here: false, request: { label: '', code: null, problem: 'made on another device' } });
    const [request] = shown(guarded({ invitations: [elsewhere] })).requests;
    expect(request).toMatchObject({ can_approve: false, problem: null });
    expect(request?.elsewhere).toMatch(/Only that device can approve it/);
  });

  describe('in an office that demands two approvals', () => {
    const two = (more: Partial<InvitationView> = {}) =>
      shown(guarded({ invitations: [asks({ approvals_needed: 2, ...more })] })).requests[0];
    const first_approval = { by: { ...guard, name: 'Deputy security officer' }, own: false, at_ms: NOW };
    const elsewhere = { label: '', code: null, problem: 'it was made on another device, which has to answer it' };

    it('is approved first where it was invited', () => {
      expect(two()).toMatchObject({ can_approve: true, approved: false, code: ASK_CODE, elsewhere: null });
      expect(two()?.first).toMatch(/^Two security officers/);
      const other = two({ made_here: false, request: elsewhere });
      expect(other).toMatchObject({ can_approve: false, code: null, problem: null, first: null });
      expect(other?.elsewhere).toMatch(/approve it first/);
    });

    it('is approved second by another person, who compares the same code', () => {
      const second = two({ made_here: false, first_approval });
      expect(second).toMatchObject({ can_approve: true, approved: false, code: ASK_CODE, elsewhere: null });
      expect(second?.first).toBe(
        'Approved by Deputy security officer. A second security officer must approve it, too.',
      );
    });

    it('can be approved once more by the first, and not by the same person elsewhere', () => {
      const own = { ...first_approval, own: true };
      expect(two({ first_approval: own })).toMatchObject({ can_approve: true, approved: true, can_refuse: true });
      expect(two({ first_approval: own })?.first).toMatch(/^You approved this device\./);
      expect(two({ first_approval: own, made_here: false })).toMatchObject({ can_approve: false, code: null });
    });

    it('cannot be approved second if the first approval does not verify', () => {
      const problem = 'the first approval does not verify: a signature is invalid';
      const forged = two({ made_here: false, request: { label: '', code: null, problem } });
      expect(forged).toMatchObject({ can_approve: false, can_refuse: true, elsewhere: null });
      expect(forged?.problem).toMatch(/does not pass this device’s check.*Refuse it/);
    });
  });

  it('whose link was opened again says how often', () => {
    const again = (refused_requests: number) =>
      shown(guarded({ invitations: [asks({ refused_requests })] })).requests[0]?.opened_again;
    expect(again(1)).toMatch(/opened again on another device once\./);
    expect(again(2)).toMatch(/2 times\./);
  });

  it('cannot be answered offline, by a device that is no registrar, or twice', () => {
    const invitations = [asks()];
    for (const other of [guarded({ phase: 'offline', invitations }), guarded({ registrar: null, invitations })])
      expect(shown(other).requests[0]).toMatchObject({ can_approve: false, can_refuse: false });
    expect(shown(guarded({ invitations }), new Set([asks().invitation])).requests[0]?.answered).toBe(true);
  });

  it('comes first when its time is up first', () => {
    const soon = asks({ invitation: 'a9'.repeat(16), expires_ms: NOW + 60_000 });
    expect(shown(guarded({ invitations: [asks(), soon] })).requests[0]?.invitation).toBe(soon.invitation);
  });
});

describe('an open invitation', () => {
  it('shows its link where it was made, and can be withdrawn anywhere', () => {
    const other = invitation({ made_here: false, link: null });
    const rows = shown(guarded({ invitations: [invitation(), other] })).invitations;
    expect(rows.map((row) => [row.can_show, row.can_withdraw, row.elsewhere !== null])).toEqual([
      [true, true, false],
      [false, true, true],
    ]);
  });

  it('has a link to the office’s own address', () => {
    expect(invitation_link('https://office.example', 'AgG')).toBe('https://office.example/#enrol=AgG');
  });
});

describe('a security officer’s device', () => {
  it('does not say that nothing waits before the office has sent everything', () => {
    expect([true, false].map((caught_up) => shown(guarded({ caught_up })).known)).toEqual([true, false]);
  });

  it('that is not a registrar says so, once the office has sent everything', () => {
    expect(shown(guarded()).unappointed).toBe(false);
    expect(shown(guarded({ registrar: null }))).toMatchObject({ unappointed: true, can_invite: false });
    expect(shown(guarded({ registrar: null, caught_up: false })).unappointed).toBe(false);
  });

  it('adds and revokes devices of people of its roles only, and never revokes itself or a device twice', () => {
    const { people } = shown(guarded({ registrar: { roles: ['duty_officer'] } }));
    expect(people.filter((person) => person.can_add).map((person) => person.card.role)).toEqual(['duty_officer']);
    const rows = people.flatMap((person) => person.rows.map((row) => [person.card.role, row.can_revoke] as const));
    expect(rows.filter(([, can]) => can)).toEqual([['duty_officer', true]]);
    const all = shown(guarded()).people.flatMap((person) => person.rows);
    expect(all.filter((row) => !row.can_revoke).map((row) => [row.here, row.revoked])).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(
      shown(guarded({ phase: 'offline' }))
        .people.flatMap((person) => person.rows)
        .some((row) => row.can_revoke),
    ).toBe(false);
  });
});

describe('the list of devices', () => {
  it('has each person once, names who approved a device, and puts revoked ones last', () => {
    const { people } = shown(guarded());
    expect(people.map((person) => person.card.name)).toEqual([
      'Duty officer',
      'Records officer',
      'Security officer',
      'The Governor of the Bank',
      'The President',
    ]);
    const of_president = people.at(-1)?.rows ?? [];
    expect(of_president.map((row) => row.state)).toEqual(['Connected', 'Not connected', 'Revoked']);
    expect(of_president[0]?.details[1]).toBe('approved by Security officer');
    expect(of_president[2]?.details).toMatchObject({ 1: 'approved by a security officer', length: 3 });
    expect(people[2]?.rows[0]).toMatchObject({
      title: expect.stringMatching(/^Device enrolled \d.* 2026, \d\d:\d\d$/),
      details: ['with a link from the authority'],
      registrar: true,
      here: true,
    });
  });

  it('names both who approved a device, where two had to', () => {
    const by = (approved_by: string, first_approved_by: string) =>
      devices_screen(
        guarded(),
        [...DEVICES, listed(minister, 2, { approved_by, first_approved_by })],
        NONE,
        ZONE,
      ).people.find((person) => person.card.person === minister.person)?.rows[0]?.details[0];
    expect(by(device(8), device(9))).toBe('approved by Records officer and Security officer');
    expect(by(device(8), device(99))).toBe('approved by two security officers');
  });

  it('says of a device without a name when it was enrolled, and how', () => {
    const [by_authority, by_officer] = [listed(guard, 8), listed(guard, 9, { approved_by: device(8) })];
    const { rows } = devices_screen(guarded(), [by_authority, by_officer], NONE, ZONE).people[0]!;
    for (const row of rows) expect(row.title).toMatch(/^Device enrolled \d/);
    expect(rows[0]?.title, 'two devices are told apart').not.toBe(rows[1]?.title);
    expect(rows.map((row) => row.details)).toEqual([
      ['with a link from the authority'],
      ['approved by Security officer'],
    ]);
    const program = own_devices(view({ you: { ...writer, device: device(3) } }), [listed(writer, 3)], ZONE)[0];
    expect(program?.title).toMatch(/^Note-taker’s program, enrolled \d/);
    const labelled = listed(guard, 8, { label: 'telcon (Linux)' });
    expect(devices_screen(guarded(), [labelled], NONE, ZONE).people[0]?.rows[0]?.details[1]).toBe(
      'with a link from the authority',
    );
  });

  it('never calls a revoked device connected or a registrar', () => {
    const gone = listed(guard, 8, { connected: true, registrar: true, revoked_ms: NOW });
    const [row] = devices_screen(guarded(), [gone], NONE, ZONE).people[0]!.rows;
    expect(row).toMatchObject({ connected: false, registrar: false, state: 'Revoked' });
  });

  it('shows a person their own, this one first', () => {
    const rows = own_devices(
      view({ you: { ...president, device: device(11) } }),
      [...DEVICES, listed(minister, 2)],
      ZONE,
    );
    expect(rows.map((row) => [row.device, row.here])).toEqual([
      [device(11), true],
      [device(1), false],
      [device(13), false],
    ]);
  });
});

describe('a recovery', () => {
  const card = (more: Parameters<typeof recovery>[0] = {}) =>
    shown(guarded({ recoveries: [recovery(more)] })).recoveries[0]!;
  const deputy = { ...guard, person: '7'.padStart(32, '0'), name: 'Deputy security officer' };

  it('says who opened it and why, and what to make sure of before it is confirmed', () => {
    expect(card()).toMatchObject({
      opened: 'Opened by Deputy security officer · Stolen',
      state: null,
      devices: '2 devices will be revoked and erased.',
      can_confirm: true,
      own: false,
    });
    expect(card().check).toContain('Speak to the President yourself');
    expect(card({ own: true, by: guard, can_confirm: false })).toMatchObject({
      opened: 'You opened this recovery · Stolen',
      state: 'Another security officer has to confirm it.',
      check: null,
      can_confirm: false,
      own: true,
    });
    expect(card({ can_confirm: false }).state, 'about this person').toContain('This recovery is about you');
    expect(card({ can_confirm: false, confirmed_by: deputy, devices: [] })).toMatchObject({ devices: null });
    expect(card({ can_confirm: false, confirmed_by: deputy }).state).toContain('Confirmed by Deputy security officer');
  });

  it('that does not verify says so, and is not confirmed', () => {
    const forged = card({
      by: null,
      reason: null,
      can_confirm: false,
      problem: 'its statement is about another person',
    });
    expect(forged).toMatchObject({ opened: null, state: null, devices: null, can_confirm: false, can_close: true });
    expect(forged.problem).toContain('Refuse it');
  });

  it('is opened about somebody else, and where two officers can act', () => {
    const { people, alone } = shown(guarded());
    const may = people.filter((one) => one.can_recover).map((one) => one.card.name);
    expect(may).toContain(president.name);
    expect(may).not.toContain(guard.name);
    expect(alone).toBe(true);
    const two = [...DEVICES, listed(deputy, 7, { registrar: true })];
    expect(devices_screen(guarded(), two, NONE, ZONE).alone).toBe(false);
    const gone = [...DEVICES, listed(deputy, 7, { registrar: true, revoked_ms: NOW })];
    expect(devices_screen(guarded(), gone, NONE, ZONE).alone).toBe(true);
    const again = shown(guarded({ recoveries: [recovery()] })).people;
    expect(again.find((one) => one.card.person === president.person)?.can_recover).toBe(false);
  });
});

describe('an order to erase', () => {
  it('is offered of a device that is revoked and has none, and says whether the device reported', () => {
    const gone = (more: Partial<Parameters<typeof listed>[2]>) => listed(president, 13, { revoked_ms: NOW, ...more });
    const row = (more: Partial<Parameters<typeof listed>[2]>) =>
      devices_screen(guarded(), [gone(more)], NONE, ZONE).people[0]!.rows[0]!;
    expect([row({}).can_erase, row({}).can_revoke]).toEqual([true, false]);
    const ordered = row({ erase_ordered_ms: NOW });
    expect([ordered.can_erase, ordered.details.at(-1)]).toEqual([
      false,
      'ordered to erase itself 22 Nov 2026, 09:42, not confirmed yet',
    ]);
    expect(row({ erase_ordered_ms: NOW, erased_ms: NOW }).details.at(-1)).toBe('erased 22 Nov 2026, 09:42');
    expect(
      devices_screen(guarded(), DEVICES, NONE, ZONE)
        .people.flatMap((one) => one.rows)
        .some((one) => one.can_erase && one.can_revoke),
    ).toBe(false);
  });
});
