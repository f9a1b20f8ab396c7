import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ListedDevice, UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import type { Problem } from './engine/problem';
import { ASK_CODE, DEVICES, asks, guarded, invitation, recovery } from './fake/devices';
import { president } from './fake/people';
import { NOW } from './fake/views';
import { Registrar } from './registrar.svelte';

beforeEach(() => void vi.useFakeTimers({ now: NOW }));
afterEach(() => void vi.useRealTimers());

/** `confirmed_first`: what has the person confirm a command; without one, nothing is to be confirmed. */
function registrar(confirmed_first?: ConstructorParameters<typeof Registrar>[2]) {
  const commands: UserCommand[] = [];
  const devices = vi.fn<(token: string) => Promise<ListedDevice[]>>();
  const request_appointment = vi.fn<Host['request_appointment']>();
  const host = { command: (command: UserCommand) => void commands.push(command), request_appointment };
  return {
    registrar: new Registrar(() => host as unknown as Host, { devices }, confirmed_first),
    commands,
    devices,
    request_appointment,
  };
}

const { name, organisation, role, zone, person } = president;

/** A view after the engine raised an alert, for the `nth` time. */
const alerted = (nth: number, text: string, more: Parameters<typeof guarded>[0] = {}) =>
  guarded({ alerts: [{ level: 'amber', text }], alerts_raised: nth, ...more });

describe('an invitation', () => {
  it('opens its link by itself, once the office has logged it', () => {
    const { registrar: of, commands } = registrar();
    const other = invitation({ invitation: 'a7'.repeat(16) });
    const before = guarded({ invitations: [other] });
    of.open({ is: 'invite', person: president });
    of.invite({ person, name, organisation, role, zone });
    expect(commands).toEqual([{ type: 'invite', person, name, organisation, role, zone }]);
    of.update(before, before);
    expect([of.dialog?.is, of.inviting]).toEqual(['invite', true]);
    of.update(before, guarded({ invitations: [other, invitation({ made_here: false, link: null })] }));
    expect(of.dialog?.is).toBe('invite');
    of.update(before, guarded({ invitations: [invitation(), other] }));
    expect([of.dialog, of.inviting]).toEqual([{ is: 'link', invitation: invitation().invitation }, false]);
  });

  it('does not open at sign-in', () => {
    const { registrar: of } = registrar();
    of.update(null, guarded({ invitations: [invitation()] }));
    expect(of.dialog).toBeNull();
  });

  it('that the office refused, or did not answer, says why and can be tried again', () => {
    const { registrar: of } = registrar();
    const text = 'too many invitations are open: withdraw some first';
    of.open({ is: 'invite', person: null });
    of.invite({ name, organisation, role, zone });
    of.update(guarded(), alerted(1, text));
    expect([of.inviting, of.not_invited, of.dialog?.is]).toEqual([false, { told: text }, 'invite']);
    of.invite({ name, organisation, role, zone });
    expect([of.inviting, of.not_invited]).toEqual([true, null]);
    of.update(alerted(1, text), alerted(2, text));
    expect([of.inviting, of.not_invited], 'the same refusal once more').toEqual([false, { told: text }]);
    of.invite({ name, organisation, role, zone });
    vi.advanceTimersByTime(10_000);
    expect([of.inviting, of.not_invited]).toEqual([false, { code: 'unavailable' }]);
  });

  it.each([
    "This device's clock is 3 minutes behind the clock of your office's server. Calls may fail until both are right: set this device's clock, or tell your office.",
    "The office's log does not continue what this device saw before: it was rewritten. Tell your security officer; make no calls.",
    "A certificate is from another log than the office's: do not trust it, and tell the security officer",
    "The log's checkpoint is invalid",
  ])('is not refused by an alert about something else: %s', (text) => {
    const { registrar: of } = registrar();
    of.invite({ name, organisation, role, zone });
    of.close('a1'.repeat(16));
    of.update(guarded({ invitations: [invitation()] }), alerted(1, text, { invitations: [invitation()] }));
    expect([of.inviting, of.not_invited, of.answered.size]).toEqual([true, null, 1]);
  });

  it('that was asked for before the connection was lost does not take an earlier one for its own', () => {
    const { registrar: of } = registrar();
    const before = guarded({ invitations: [invitation()] });
    const lost = guarded({ invitations: [invitation()], phase: 'offline', token: null, caught_up: false });
    of.open({ is: 'invite', person: null });
    of.invite({ name, organisation, role, zone });
    of.update(before, lost);
    expect([of.inviting, of.not_invited]).toEqual([false, { code: 'office_unreachable' }]);
    const signed_in = guarded({ caught_up: false });
    of.update(lost, signed_in);
    of.invite({ name, organisation, role, zone });
    of.update(signed_in, before);
    expect([of.dialog?.is, of.inviting]).toEqual(['invite', true]);
  });

  it('that is late does not replace another dialog', () => {
    const { registrar: of } = registrar();
    of.invite({ name, organisation, role, zone });
    of.open({ is: 'revoke', device: 'd1', name, title: 'Chrome (Android)', details: [] });
    of.update(guarded(), guarded({ invitations: [invitation()] }));
    expect([of.dialog?.is, of.inviting]).toEqual(['revoke', false]);
  });

  it('whose link is used closes the dialog with the link', () => {
    const { registrar: of } = registrar();
    const open = guarded({ invitations: [invitation()] });
    of.open({ is: 'link', invitation: invitation().invitation });
    of.update(open, open);
    expect(of.dialog?.is).toBe('link');
    of.update(open, guarded({ invitations: [asks({ invitation: invitation().invitation })] }));
    expect(of.dialog).toBeNull();
  });
});

describe('an answer', () => {
  const waiting = guarded({ invitations: [asks()] });
  const { invitation: id } = asks();

  it('is given once, until it is refused or the connection is lost', () => {
    const { registrar: of, commands } = registrar();
    of.open({ is: 'approve', invitation: id, code: ASK_CODE });
    of.approve(id, ASK_CODE);
    of.update(waiting, waiting);
    expect([commands, of.dialog, of.answered.has(id)]).toEqual([
      [{ type: 'approve_device', invitation: id, code: ASK_CODE }],
      null,
      true,
    ]);
    of.update(waiting, alerted(1, 'The device was not approved: no device has asked yet.', { invitations: [asks()] }));
    expect(of.answered.has(id)).toBe(false);
    of.close(id);
    of.update(waiting, guarded({ invitations: [asks()], token: null }));
    expect([commands.at(-1), of.answered.has(id)]).toEqual([{ type: 'close_invitation', invitation: id }, false]);
  });

  it('that was the first of two is not on its way any more, and can be given again', () => {
    const { registrar: of } = registrar();
    const approved = (at_ms: number) =>
      guarded({ invitations: [asks({ first_approval: { by: president, own: true, at_ms } })] });
    of.approve(id, ASK_CODE);
    of.update(waiting, approved(1));
    expect(of.answered.has(id)).toBe(false);
    of.approve(id, ASK_CODE);
    of.update(approved(1), approved(1));
    expect(of.answered.has(id)).toBe(true);
    of.update(approved(1), approved(2));
    expect(of.answered.has(id)).toBe(false);
  });

  it('that has no effect in time can be given again', () => {
    const { registrar: of } = registrar();
    of.close(id);
    vi.advanceTimersByTime(9_000);
    of.approve(id, ASK_CODE);
    vi.advanceTimersByTime(9_000);
    expect(of.answered.has(id)).toBe(true);
    vi.advanceTimersByTime(1_000);
    expect(of.answered.has(id)).toBe(false);
  });

  it('stays asked for while the connection is lost, until the office has sent the whole list', () => {
    const { registrar: of } = registrar();
    const signed_in = guarded({ caught_up: false });
    for (const dialog of [
      { is: 'approve', invitation: id, code: ASK_CODE } as const,
      { is: 'close', invitation: id } as const,
    ]) {
      of.open(dialog);
      of.update(waiting, guarded({ invitations: [asks()], phase: 'offline', token: null, caught_up: false }));
      of.update(null, signed_in);
      of.update(signed_in, waiting);
      expect(of.dialog).toEqual(dialog);
      of.update(signed_in, guarded());
      expect(of.dialog).toBeNull();
    }
  });

  it('is not asked for with another code than the device has, or about what is not there any more', () => {
    const { registrar: of } = registrar();
    const approve = { is: 'approve', invitation: id, code: ASK_CODE } as const;
    of.open(approve);
    of.update(waiting, waiting);
    expect(of.dialog).toEqual(approve);
    const request = { label: 'x', code: '000 029 583 016', problem: null };
    of.update(waiting, guarded({ invitations: [asks({ request })] }));
    expect(of.dialog).toBeNull();
    of.open({ is: 'close', invitation: id });
    of.update(waiting, guarded());
    expect(of.dialog).toBeNull();
  });
});

describe('a command that the person has to confirm', () => {
  const { invitation: id } = asks();

  /** The person takes their time. */
  function asking() {
    const waiting: { confirm: () => void; cancel: (why: Problem) => void }[] = [];
    const made = registrar((command, send, cancel) => void waiting.push({ confirm: () => send(command), cancel }));
    return { of: made.registrar, commands: made.commands, waiting };
  }

  const COMMANDS: [string, (of: Registrar) => void, (of: Registrar) => boolean][] = [
    ['an invitation', (of) => of.invite({ name, organisation, role, zone }), (of) => of.inviting],
    ['an approval', (of) => of.approve(id, ASK_CODE), (of) => of.answered.has(id)],
    ['a withdrawal', (of) => of.close(id), (of) => of.answered.has(id)],
  ];

  it.each(COMMANDS)('is on its way only then, and the office has its whole time: %s', (_, give, on_its_way) => {
    const { of, commands, waiting } = asking();
    give(of);
    vi.advanceTimersByTime(60_000);
    expect([of.confirming, on_its_way(of), of.not_invited, commands]).toEqual([true, false, null, []]);
    give(of);
    expect(waiting, 'it is asked for once').toHaveLength(1);
    waiting[0]!.confirm();
    expect([of.confirming, on_its_way(of), commands.length]).toEqual([false, true, 1]);
    vi.advanceTimersByTime(9_999);
    expect(on_its_way(of)).toBe(true);
    vi.advanceTimersByTime(1);
    expect(on_its_way(of)).toBe(false);
  });

  it.each(COMMANDS)('ends at once if the person does not: %s', (what, give, on_its_way) => {
    const { of, commands, waiting } = asking();
    give(of);
    const why: Problem = { code: 'not_confirmed' };
    waiting[0]!.cancel(why);
    expect([of.confirming, on_its_way(of), commands]).toEqual([false, false, []]);
    expect(of.not_invited).toEqual(what === 'an invitation' ? why : null);
    vi.advanceTimersByTime(60_000);
    expect(of.not_invited, 'nothing times out').toEqual(what === 'an invitation' ? why : null);
    give(of);
    expect(waiting, 'it can be tried again').toHaveLength(2);
  });
});

describe('the list of devices', () => {
  it('is read again now and then, sooner after a failure, and stays when that fails', async () => {
    const { registrar: of, devices } = registrar();
    devices.mockResolvedValueOnce(DEVICES);
    await of.load('token');
    expect([of.list, of.expects_changes(NOW + 29_000), of.expects_changes(NOW + 30_000)]).toEqual([
      { status: 'ready', value: DEVICES },
      false,
      true,
    ]);
    devices.mockRejectedValueOnce({ code: 'office_unreachable' });
    await of.load('token');
    expect(of.list).toEqual({ status: 'ready', value: DEVICES, stale: { code: 'office_unreachable' } });
    expect(of.expects_changes(NOW)).toBe(true);
    await of.load(null);
    expect(devices).toHaveBeenCalledTimes(2);
  });

  it('is not replaced by the answer to an earlier read, nor by its failure', async () => {
    const { registrar: of, devices } = registrar();
    const answers: { resolve: (list: ListedDevice[]) => void; reject: (problem: unknown) => void }[] = [];
    devices.mockImplementation(() => new Promise((resolve, reject) => void answers.push({ resolve, reject })));
    const reads = [of.load('token'), of.load('token'), of.load('token')];
    answers[1]!.resolve(DEVICES);
    await reads[1];
    answers[0]!.resolve([]);
    await reads[0];
    expect(of.list).toEqual({ status: 'ready', value: DEVICES });
    answers[2]!.resolve([]);
    await reads[2];
    expect(of.list, 'a later one counts').toEqual({ status: 'ready', value: [] });
    const failing = [of.load('token'), of.load('token')];
    answers[4]!.resolve(DEVICES);
    answers[3]!.reject({ code: 'office_unreachable' });
    await Promise.all(failing);
    expect(of.list).toEqual({ status: 'ready', value: DEVICES });
  });

  it('that never was there says why', async () => {
    const { registrar: of, devices } = registrar();
    devices.mockRejectedValueOnce({ code: 'office_unreachable' });
    await of.load('token');
    expect(of.list).toEqual({ status: 'failed', problem: { code: 'office_unreachable' } });
  });
});

describe('a revocation', () => {
  it('is sent once it was confirmed, and its dialog stays while other things change', () => {
    const { registrar: of, commands } = registrar();
    of.open({ is: 'revoke', device: 'd1', name: 'The President', title: 'Chrome (Android)', details: [] });
    of.update(guarded({ invitations: [asks()] }), guarded());
    expect([of.dialog?.is, commands]).toEqual(['revoke', []]);
    of.revoke('d1', false);
    of.revoke('d2', true);
    expect([of.dialog, commands]).toEqual([
      null,
      [
        { type: 'revoke_device', device: 'd1', erase: false },
        { type: 'revoke_device', device: 'd2', erase: true },
      ],
    ]);
  });
});

describe('a recovery', () => {
  it('is opened, confirmed and ended by commands, and its dialog closes when it is over or confirmed by somebody else', () => {
    const { registrar: of, commands } = registrar();
    const [shown, none] = [guarded({ recoveries: [recovery()] }), guarded()];
    const id = recovery().recovery;
    of.open({ is: 'confirm_recovery', recovery: id });
    of.update(none, shown);
    expect(of.dialog?.is).toBe('confirm_recovery');
    of.update(shown, guarded({ recoveries: [recovery({ can_confirm: false })] }));
    expect(of.dialog).toBeNull();
    of.open({ is: 'close_recovery', recovery: id });
    of.update(shown, none);
    expect(of.dialog).toBeNull();
    of.open_recovery('p1', 'stolen');
    of.close_recovery(id);
    of.confirm_recovery(id);
    expect(commands.map((command) => command.type)).toEqual(['open_recovery', 'close_recovery', 'confirm_recovery']);
    // The link of the invitation that follows opens by itself.
    of.update(shown, guarded({ recoveries: [recovery()], invitations: [invitation({ recovery: id })] }));
    expect(of.dialog).toEqual({ is: 'link', invitation: invitation().invitation });
  });
});

describe('a request for an appointment', () => {
  it('is saved, or says why not', async () => {
    const { registrar: of, request_appointment } = registrar();
    const saved: string[] = [];
    request_appointment.mockResolvedValueOnce('jws');
    await of.request_appointment((text) => void saved.push(text));
    request_appointment.mockRejectedValueOnce({ code: 'not_enrolled' });
    await of.request_appointment((text) => void saved.push(text));
    expect([saved, of.not_saved]).toEqual([['jws'], { code: 'not_enrolled' }]);
  });
});
