import { describe, expect, it, vi } from 'vitest';
import type { UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import type { Protector } from './engine/key_store';
import type { ProtectionOffice } from './engine/protection_office';
import { LOCK_AFTER_IDLE_MS, Protection } from './protection.svelte';

const pin: Protector = { kind: 'pin', id: 'bG9ja2Vy', salt: new Uint8Array(32), added_ms: 5 };
const withdraw: UserCommand = { type: 'close_invitation', invitation: 'a'.repeat(32) };
const MINUTE = 60_000;

function page(protectors: Protector[], required = false) {
  const commands: UserCommand[] = [];
  const protection_request = vi.fn<Host['protection']>(async () => protectors);
  const host = { command: (command: UserCommand) => void commands.push(command), protection: protection_request };
  const office = { policy: async () => ({ required }) } as ProtectionOffice;
  const reload = vi.fn();
  const clock = { now: 0 };
  const protection = new Protection(
    () => host as unknown as Host,
    office,
    () => 'token',
    reload,
    () => clock.now,
  );
  protection.known('d', protectors);
  return {
    protection,
    commands,
    reload,
    clock,
    protection_request,
    guarded: protection.guarded(host as unknown as Host),
  };
}

describe('a dangerous command', () => {
  it('waits for a confirmation that is older than the office’s limit, and is then sent', async () => {
    const { protection, commands, clock, guarded, protection_request } = page([pin]);
    await protection.unlock_with_pin('271828');
    guarded.command(withdraw);
    await vi.waitFor(() => expect(commands).toEqual([withdraw]));
    clock.now += 5 * MINUTE;
    guarded.command(withdraw);
    await vi.waitFor(() => expect(protection.dialog).toEqual({ is: 'confirm' }));
    expect(commands).toHaveLength(1);
    protection_request.mockRejectedValueOnce({ code: 'pin_wrong', count: 9 });
    await protection.answer('999999');
    expect([protection.problem, commands.length]).toEqual([{ code: 'pin_wrong', count: 9 }, 1]);
    await protection.answer('271828');
    await vi.waitFor(() => expect(commands).toHaveLength(2));
    expect([protection.dialog, protection.problem]).toEqual([null, null]);
  });

  it('is not sent if the person closes the dialog', async () => {
    const { protection, commands, guarded } = page([pin]);
    guarded.command(withdraw);
    await vi.waitFor(() => expect(protection.dialog).not.toBeNull());
    protection.close_dialog();
    await Promise.resolve();
    expect([protection.dialog, commands]).toEqual([null, []]);
  });

  it('is sent at once from an unprotected device, and others always', () => {
    const unprotected = page([]);
    unprotected.guarded.command(withdraw);
    expect(unprotected.commands).toEqual([withdraw]);
    const { guarded, commands } = page([pin]);
    guarded.command({ type: 'hang_up' });
    expect(commands).toEqual([{ type: 'hang_up' }]);
  });
});

describe('a protected device', () => {
  it('locks itself when nobody has used it for hours, not during a call, and not if it is unprotected', () => {
    const { protection, reload, clock } = page([pin]);
    clock.now += LOCK_AFTER_IDLE_MS - 1;
    protection.tick(false);
    expect(reload).not.toHaveBeenCalled();
    protection.used();
    clock.now += LOCK_AFTER_IDLE_MS;
    protection.tick(true);
    expect(reload).not.toHaveBeenCalled();
    clock.now += LOCK_AFTER_IDLE_MS - 1;
    protection.tick(false);
    expect(reload, 'the time begins when the call is over').not.toHaveBeenCalled();
    clock.now += 1;
    protection.tick(false);
    expect(reload).toHaveBeenCalledOnce();
    const unprotected = page([]);
    unprotected.clock.now += LOCK_AFTER_IDLE_MS;
    unprotected.protection.tick(false);
    expect(unprotected.reload).not.toHaveBeenCalled();
  });
});

describe('the offer to protect a device', () => {
  it('is always made where the office requires it', async () => {
    const { protection } = page([], true);
    await protection.read_policy();
    protection.not_now();
    expect([protection.required, protection.offered]).toEqual([true, true]);
    const done = page([pin], true);
    await done.protection.read_policy();
    expect(done.protection.offered).toBe(false);
  });
});
