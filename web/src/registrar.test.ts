import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ListedDevice, UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import { DEVICES, asks, guarded, invitation } from './fake/devices';
import { president } from './fake/people';
import { NOW } from './fake/views';
import { Registrar } from './registrar.svelte';

beforeEach(() => void vi.useFakeTimers({ now: NOW }));
afterEach(() => void vi.useRealTimers());

function registrar() {
  const commands: UserCommand[] = [];
  const devices = vi.fn<(token: string) => Promise<ListedDevice[]>>();
  const request_appointment = vi.fn<Host['request_appointment']>();
  const host = { command: (command: UserCommand) => void commands.push(command), request_appointment };
  return {
    registrar: new Registrar(() => host as unknown as Host, { devices }),
    commands,
    devices,
    request_appointment,
  };
}

const { name, organisation, role, zone, person } = president;

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
    of.update(guarded(), guarded({ alerts: [{ level: 'amber', text }] }));
    expect([of.inviting, of.not_invited, of.dialog?.is]).toEqual([false, { told: text }, 'invite']);
    of.invite({ name, organisation, role, zone });
    expect([of.inviting, of.not_invited]).toEqual([true, null]);
    vi.advanceTimersByTime(10_000);
    expect([of.inviting, of.not_invited]).toEqual([false, { code: 'unavailable' }]);
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
    of.open({ is: 'approve', invitation: id, code: '471 029 583 016' });
    of.approve(id);
    of.update(waiting, waiting);
    expect([commands, of.dialog, of.answered.has(id)]).toEqual([
      [{ type: 'approve_device', invitation: id }],
      null,
      true,
    ]);
    of.update(
      waiting,
      guarded({ invitations: [asks()], alerts: [{ level: 'red', text: 'The device was not approved' }] }),
    );
    expect(of.answered.has(id)).toBe(false);
    of.close(id);
    of.update(waiting, guarded({ invitations: [asks()], token: null }));
    expect([commands.at(-1), of.answered.has(id)]).toEqual([{ type: 'close_invitation', invitation: id }, false]);
  });

  it('is not asked for with another code than the device has, or about what is not there any more', () => {
    const { registrar: of } = registrar();
    const approve = { is: 'approve', invitation: id, code: '471029583016' } as const;
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
    of.open({ is: 'revoke', device: 'd1', name: 'The President', title: 'Chrome on Android' });
    of.update(guarded({ invitations: [asks()] }), guarded());
    expect([of.dialog?.is, commands]).toEqual(['revoke', []]);
    of.revoke('d1');
    expect([of.dialog, commands]).toEqual([null, [{ type: 'revoke_device', device: 'd1' }]]);
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
