import { describe, expect, it } from 'vitest';
import { kept_back } from '../engine/kept_back';
import { acts_for } from '../fake/delegations';
import { minister, officer, president, writer } from '../fake/people';
import { NOW, call, desk, device, live, member, notice, view } from '../fake/views';
import { call_screen } from './call';
import { take_overs } from './delegations';
import { ended_screen } from './ended';
import { members } from './members';
import { asked_to, elsewhere, hand_over } from './moves';

const PHONE = device(21);
const LABELS = new Map([[PHONE, 'Chrome (Android)']]);
const there = notice({ can_listen: false, can_continue: true, own_devices: [PHONE] });
const media = { microphone: 'on', sound_blocked: false, media_timed_out: false } as const;
const plain = (text: string | undefined) => text?.replaceAll(/[\u2066-\u2069]/g, '');

describe('a call on another device of the person', () => {
  it('is offered with the name of the other side and of the device', () => {
    const [one] = elsewhere(view({ notices: [there] }), LABELS);
    expect(plain(one?.sentence)).toContain('on your Chrome (Android).');
    expect(one?.call).toBe(there.call);
    expect(elsewhere(view({ notices: [there] }), new Map())[0]?.sentence).toContain('on another device.');
  });

  it('is not offered offline, in a call, or to somebody who is in none', () => {
    expect(elsewhere(view({ phase: 'offline', notices: [there] }), LABELS)).toEqual([]);
    expect(elsewhere(view({ notices: [there], call: live() }), LABELS)).toEqual([]);
    expect(elsewhere(view({ notices: [{ ...there, can_continue: false }] }), LABELS)).toEqual([]);
  });

  it('sends nothing from here until it has come, says so, and can be left where it is', () => {
    const arriving = live({ arriving: true });
    expect(kept_back(arriving)).toBe(true);
    const screen = call_screen(view({ call: arriving, notices: [there] }), NOW, media, LABELS);
    expect(screen?.arriving).toBe(true);
    expect(screen?.can_hold).toBe(false);
    expect(plain(screen?.alarms[0]?.sentence)).toContain('still on your Chrome (Android)');
  });

  it('has one participant on the screen, with the device that is heard', () => {
    const rows = members([
      member(minister, 2, { you: true }),
      member(president, 1, { muted: true }),
      member(president, 21),
      member(writer, 3),
    ]);
    expect(rows.map((row) => row.device)).toEqual([device(2), PHONE, device(3)]);
    expect(rows[1]?.does).toContain('on two devices');
  });

  it('keeps two listeners of one name apart', () => {
    expect(members([member(writer, 3), member(writer, 4)])).toHaveLength(2);
  });

  it('says afterwards where it goes on, and that it may come back', () => {
    const over = call({ state: 'ended', ended: 'continued', continued_on: PHONE, started_ms: NOW - 60_000 });
    const screen = ended_screen(view({ call: over, notices: [there] }), NOW, 'UTC', LABELS);
    expect(plain(screen?.title)).toBe('Continued on your Chrome (Android)');
    expect(screen?.record.title).toBe('The call goes on');
    expect(screen?.back).toBe(there.call);
    expect(ended_screen(view({ call: over }), NOW, 'UTC', LABELS)?.back).toBeNull();
  });

  it('says so too of a device that was not connected when the call was continued', () => {
    const over = call({ state: 'ended', ended: 'interrupted', started_ms: NOW - 60_000 });
    expect(plain(ended_screen(view({ call: over, notices: [there] }), NOW, 'UTC', LABELS)?.title)).toContain(
      'Continued on',
    );
    expect(ended_screen(view({ call: over }), NOW, 'UTC', LABELS)?.title).toBe('The connection was lost');
  });
});

describe('a call that is held', () => {
  const hold = { by: president, own: false, word: 'moment', text: '', since_ms: NOW } as const;

  it('shows the word, and takes nobody for muted', () => {
    const held = live({ holds: [hold], members: live().members.map((one) => ({ ...one, muted: true })) });
    const screen = call_screen(view({ call: held }), NOW, media);
    expect(screen?.holds).toEqual([{ own: false, title: 'On hold by the President', said: 'One moment, please.' }]);
    expect(screen?.alarms.map((alarm) => alarm.shape)).not.toContain('muted');
    expect(screen?.kept_back).toBe(true);
  });

  it('is held by one person once', () => {
    expect(call_screen(view({ call: live() }), NOW, media)?.can_hold).toBe(true);
    const own = live({ holds: [{ ...hold, own: true }] });
    expect(call_screen(view({ call: own }), NOW, media)?.can_hold).toBe(false);
  });
});

describe('handing over', () => {
  const asks = { acts_for: [acts_for()], from: officer, can_take_over: true, asked: true };

  it('asks the principal, who sees who waits until it has rung long enough', () => {
    const one = notice({ ...asks, asks_until_ms: NOW + 1_000 });
    const [asked] = asked_to(view({ notices: [one] }), NOW);
    expect(plain(asked?.sentence)).toMatch(/^Duty officer holds the call with .* for you\.$/i);
    expect(asked?.rings).toBe(true);
    expect(asked_to(view({ notices: [one] }), NOW + 1_000)[0]?.rings).toBe(false);
    expect(take_overs(view({ notices: [one] })), 'it is shown once').toEqual([]);
  });

  it('is offered to who acts, says that it was done, and calls back who took over', () => {
    const acting = live({ acts_for: [acts_for()] });
    expect(hand_over(desk({ call: acting }))?.label).toBe('Hand over to the President');
    const asked = hand_over(desk({ call: acting, notices: [notice({ ...asks, asks_until_ms: null })] }));
    expect(asked).toEqual({ label: 'Call the President again', asked: 'The President is being called to it.' });
    const taken = live({ acts_for: [acts_for({ taken_over: true })] });
    expect(hand_over(desk({ call: taken }))?.label).toBe('Call the President back to it');
    expect(hand_over(view({ call: acting }))).toBeNull();
  });
});
