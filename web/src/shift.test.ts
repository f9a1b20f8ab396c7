import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Host } from './engine/host';
import type { ShiftOffice } from './engine/shift_office';
import type { Problem } from './engine/problem';
import { NOW, device, view } from './fake/views';
import { officer } from './fake/people';
import { Shift } from './shift.svelte';
import { screen_name } from './view/screen';

const room = { ...officer, name: 'Operations room', place: true, device: device(8) };
const on_shift = { shift: '5'.repeat(32), person: officer, since_ms: NOW, until_ms: NOW + 43_200_000 };
const CONNECTING = view({ you: room, phase: 'connecting', token: null });
const WAITS = view({ you: room, phase: 'offline', token: null, shift_token: 'waits' });
const WORKS = view({ you: room, shift: on_shift });
const LOST = view({ you: room, phase: 'offline', token: null, shift: on_shift });

describe('a place’s device', () => {
  const command = vi.fn();
  const office = {
    shift_challenge: vi.fn<ShiftOffice['shift_challenge']>(),
    begin_shift: vi.fn<ShiftOffice['begin_shift']>(),
  };
  const touch = vi.fn<(options: object) => Promise<object>>();
  let shift: Shift;

  beforeEach(() => {
    for (const mock of [command, office.shift_challenge, office.begin_shift, touch]) mock.mockReset();
    office.shift_challenge.mockResolvedValue({ shift: on_shift.shift, ceremony: 'c', options: { challenge: 'x' } });
    touch.mockResolvedValue({ id: 'credential' });
    shift = new Shift(() => ({ command }) as unknown as Host, office, touch);
  });

  it('shows nothing of the office before it is known that somebody is on shift', () => {
    shift.update(CONNECTING);
    expect(shift.required).toBe(true);
    expect(screen_name({ status: 'on' }, CONNECTING, { at: 'home' }, null, { shift_required: shift.required })).toBe(
      'shift',
    );
    shift.update(WORKS);
    expect([shift.required, shift.current]).toEqual([false, on_shift]);
    shift.update(LOST);
    expect(shift.required, 'a lost connection ends no shift').toBe(false);
    shift.update(WAITS);
    expect([shift.required, shift.current]).toEqual([true, null]);
    shift.update(CONNECTING);
    expect(shift.required, 'until somebody is on shift again').toBe(true);
  });

  it('is protected before somebody begins a shift', () => {
    expect(screen_name({ status: 'protect' }, WAITS, { at: 'home' }, null, { shift_required: true })).toBe('protect');
  });

  it('begins a shift with a passkey, and stays busy until it is signed in', async () => {
    shift.update(WAITS);
    await shift.begin();
    expect(touch).toHaveBeenCalledWith({ challenge: 'x' });
    expect(office.begin_shift).toHaveBeenCalledWith('waits', 'c', { id: 'credential' });
    expect(shift.busy).toBe(true);
    shift.update(WORKS);
    expect(shift.busy).toBe(false);
  });

  it('can begin another shift when the begun one ended before it was signed in', async () => {
    shift.update(WAITS);
    await shift.begin();
    shift.update(CONNECTING);
    expect(shift.busy).toBe(true);
    shift.update({ ...WAITS, shift_token: 'waits again' });
    expect(shift.busy).toBe(false);
  });

  it('stays busy while a person signs in, whatever the connection does', async () => {
    shift.update(WAITS);
    let touched = (_: object): void => undefined;
    touch.mockReturnValueOnce(new Promise((resolve) => (touched = resolve)));
    const begins = shift.begin();
    shift.update(CONNECTING);
    shift.update({ ...WAITS, shift_token: 'waits again' });
    expect(shift.busy).toBe(true);
    await vi.waitFor(() => expect(touch).toHaveBeenCalled());
    touched({ id: 'credential' });
    await begins;
  });

  it('says what to do where nobody signed in, and what the office refused', async () => {
    shift.update(WAITS);
    touch.mockRejectedValueOnce({ code: 'not_confirmed' } satisfies Problem);
    await shift.begin();
    expect([shift.busy, shift.problem]).toEqual([false, { code: 'no_own_passkey' }]);
    office.begin_shift.mockRejectedValueOnce({ told: 'your role does not allow you to work at this place' });
    await shift.begin();
    expect(shift.problem).toEqual({ told: 'your role does not allow you to work at this place' });
  });

  it('is handed over by whoever takes over, and ended', async () => {
    shift.update(WORKS);
    shift.hand_over();
    await shift.begin();
    expect(office.begin_shift).toHaveBeenCalledWith('token', 'c', { id: 'credential' });
    expect([shift.handing_over, shift.busy]).toEqual([false, false]);
    shift.end();
    expect(command).toHaveBeenLastCalledWith({ type: 'end_shift', idle: false });
  });

  it('ends a shift once when nobody uses it', () => {
    expect(shift.idle(NOW)).toBe(false);
    shift.update(WORKS);
    expect([shift.idle(NOW), shift.idle(NOW + 9_999)]).toEqual([true, true]);
    expect(command.mock.calls).toEqual([[{ type: 'end_shift', idle: true }]]);
    shift.update(WAITS);
    expect(shift.idle(NOW)).toBe(false);
  });

  it('locks when the office does not end the shift in time, and asks again after a lost connection', () => {
    shift.update(WORKS);
    expect([shift.idle(NOW), shift.idle(NOW + 10_000)]).toEqual([true, false]);
    expect(command).toHaveBeenCalledTimes(1);
    shift.update(LOST);
    expect(shift.idle(NOW + 11_000)).toBe(false);
    shift.update(WORKS);
    expect(shift.idle(NOW + 12_000)).toBe(true);
    expect(command).toHaveBeenCalledTimes(2);
  });

  it('asks nobody of a person’s device', () => {
    shift.update(view({ phase: 'connecting', token: null }));
    expect(shift.required).toBe(false);
  });
});
