import { FakeDocuments } from './fake/documents';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { App } from './app.svelte';
import type { Alerts } from './engine/alerts';
import type { Asking } from './engine/asking';
import type { Check, RecordLine, Report, UserCommand } from './engine/contract';
import type { Delegations } from './engine/delegations';
import type { Devices } from './engine/devices';
import type { Host } from './engine/host';
import type { Protector } from './engine/key_store';
import type { Problem } from './engine/problem';
import { protection_over_http, type ProtectionOffice } from './engine/protection_office';
import { shifts_over_http } from './engine/shift_office';
import { sso_over_http } from './engine/sso_office';
import type { Records } from './engine/records';
import { ALERTS, alerted } from './fake/alerts';
import { DEVICES } from './fake/devices';
import { minister, president } from './fake/people';
import { page_storage } from './fake/storage';
import { forget_link, opened_link } from './link';
import { CALL, NOW, call, desk, incoming, live, record_line, view } from './fake/views';

function app_with_host() {
  const commands: UserCommand[] = [];
  const retry_microphone = vi.fn();
  const acquire_microphone = vi.fn<Host['acquire_microphone']>(async () => true);
  const list = vi.fn<Records['list']>();
  const proof = vi.fn<Records['proof']>();
  const check = vi.fn<Host['check']>();
  const erase = vi.fn<Host['erase']>(async () => undefined);
  const host = {
    command: (command: UserCommand) => void commands.push(command),
    open_link: vi.fn(),
    stop_asking: vi.fn(),
    enter_code: vi.fn(),
    request_appointment: vi.fn(),
    protection: vi.fn<Host['protection']>(async () => ({ protectors: [], begun: false, proof: null })),
    erase,
    documents: new FakeDocuments(president).handle,
    enrol: vi.fn(),
    check,
    request_microphone: vi.fn(),
    acquire_microphone,
    retry_microphone,
    play: vi.fn(),
    choose_device: vi.fn(),
  };
  const devices = vi.fn<Devices['devices']>();
  const alerts = vi.fn<Alerts['alerts']>();
  const delegations = vi.fn<Delegations['delegations']>(async () => ({ delegations: [] }));
  const policy = vi.fn<ProtectionOffice['policy']>(async () => ({ required: false }));
  const sign_ins = vi.fn<Devices['sign_ins']>(async () => ({ sign_ins: [], failed: [] }));
  const office = {
    list,
    proof,
    devices,
    sign_ins,
    alerts,
    delegations,
    lines: vi.fn(async () => ({ lines: [], more: false })),
    ...protection_over_http,
    ...sso_over_http,
    ...shifts_over_http,
    policy,
  };
  const app = new App(() => host, office, 'Europe/Lisbon');
  app.state = { status: 'on' };
  return {
    app,
    commands,
    acquire_microphone,
    retry_microphone,
    list,
    proof,
    devices,
    alerts,
    delegations,
    check,
    erase,
    policy,
  };
}

it('a call continues here only if there is a microphone, and stays where it is otherwise', async () => {
  vi.stubGlobal('localStorage', page_storage());
  const { app, commands, acquire_microphone } = app_with_host();
  acquire_microphone.mockResolvedValueOnce(false);
  app.sound.microphone = 'denied';
  await app.continue_here('c1');
  expect(commands).toEqual([]);
  expect(app.move_refused).toBe('denied');
  await app.continue_here('c1');
  expect(commands).toEqual([{ type: 'listen', call: 'c1' }]);
  expect(app.move_refused).toBeNull();
  vi.unstubAllGlobals();
});

it('a promise to call a person is kept by ringing them, from wherever', () => {
  vi.stubGlobal('localStorage', page_storage());
  const { app, commands } = app_with_host();
  app.promises.add(minister.person, NOW);
  app.ring(minister.person);
  expect(app.promises.all).toEqual([]);
  expect(commands).toContainEqual({ type: 'ring', person: minister.person });
  vi.unstubAllGlobals();
});

it('lines are read again when the delegations change under which they are changed', async () => {
  const { app, delegations } = app_with_host();
  app.route = { at: 'lines' };
  app.events.view(desk());
  await vi.waitFor(() => expect(delegations).toHaveBeenCalled());
  delegations.mockClear();
  app.events.view(desk({ delegations_changed: 1 }));
  expect(delegations).toHaveBeenCalledOnce();
});

describe('a device without a microphone', () => {
  it('tells the others, and unmutes once it has one', () => {
    const { app, commands, retry_microphone } = app_with_host();
    app.events.microphone('missing');
    app.events.view(view({ call: live() }));
    expect(commands).toEqual([{ type: 'mute', on: true }]);
    app.events.view(view({ call: live({ muted: true }) }));
    app.mute(false);
    expect([commands.length, retry_microphone.mock.calls.length]).toEqual([1, 1]);
    app.events.microphone('on');
    expect(commands).toEqual([
      { type: 'mute', on: true },
      { type: 'mute', on: false },
    ]);
  });

  it('unmutes a person who muted, lost it, and pressed Unmute', () => {
    const { app, commands } = app_with_host();
    app.events.view(view({ call: live({ muted: true }) }));
    app.events.microphone('missing');
    app.mute(false);
    expect(commands).toEqual([]);
    app.events.microphone('on');
    expect(commands).toEqual([{ type: 'mute', on: false }]);
  });

  it('does not unmute a person who muted', () => {
    const { app, commands } = app_with_host();
    app.events.view(view({ call: live({ muted: true }) }));
    app.events.microphone('silenced');
    app.events.microphone('on');
    expect(commands).toEqual([]);
  });

  it('says nothing before the call, nor as a listener', () => {
    const { app, commands } = app_with_host();
    app.events.microphone('denied');
    app.events.view(view({ call: call() }));
    app.events.view(view({ call: live({ direction: 'listen' }) }));
    expect(commands).toEqual([]);
  });
});

describe('an ended call', () => {
  it('keeps who hung up for the sheet of its record', () => {
    const { app } = app_with_host();
    app.events.view(view({ call: live() }));
    app.events.view(view({ call: live({ state: 'ended', ended: 'hung_up', hung_up_by: minister }) }));
    app.events.view(view());
    expect(app.hung_up_by.get(CALL)).toEqual(minister);
  });
});

describe('a ring', () => {
  it('is not covered by the settings', () => {
    const { app } = app_with_host();
    app.events.view(view());
    app.settings_open = true;
    app.events.view(view({ call: incoming() }));
    expect([app.screen, app.settings_open]).toEqual(['ring_in', false]);
  });
});

const line = record_line();
const problem: Problem = { code: 'office_unreachable' };

describe('the list of calls', () => {
  it('stays when reading it again fails, and says so', async () => {
    const { app, list } = app_with_host();
    app.events.view(view());
    list.mockResolvedValueOnce([line]);
    app.show_route({ at: 'calls' });
    await vi.waitFor(() => expect(app.records).toEqual({ status: 'ready', value: [line] }));
    list.mockRejectedValueOnce(problem);
    app.reload();
    await vi.waitFor(() => expect(app.records).toEqual({ status: 'ready', value: [line], stale: problem }));
    list.mockResolvedValueOnce([line]);
    app.reload();
    await vi.waitFor(() => expect(app.records).toEqual({ status: 'ready', value: [line] }));
  });

  it('is not replaced by the answer to an earlier read', async () => {
    const { app, list } = app_with_host();
    app.events.view(view());
    const answers: ((lines: RecordLine[]) => void)[] = [];
    list.mockImplementation(() => new Promise((resolve) => void answers.push(resolve)));
    app.show_route({ at: 'calls' });
    app.reload();
    answers[1]!([line]);
    await vi.waitFor(() => expect(app.records).toEqual({ status: 'ready', value: [line] }));
    answers[0]!([]);
    await list.mock.results[0]!.value;
    expect(app.records).toEqual({ status: 'ready', value: [line] });
  });

  it('stays as out of date as it was when older calls are read', async () => {
    const { app, list } = app_with_host();
    app.events.view(view());
    list.mockResolvedValueOnce([line]);
    app.show_route({ at: 'calls' });
    await vi.waitFor(() => expect(app.records.status).toBe('ready'));
    list.mockRejectedValueOnce(problem);
    app.reload();
    await vi.waitFor(() => expect(app.records).toHaveProperty('stale'));
    const older = record_line({ call: '1'.repeat(32) });
    list.mockResolvedValueOnce([older]);
    await app.load_older_records();
    expect(app.records).toEqual({ status: 'ready', value: [line, older], stale: problem });
  });

  it('is not called out of date by a failed read of older calls that a newer read overtook', async () => {
    const { app, list } = app_with_host();
    app.events.view(view());
    list.mockResolvedValueOnce([line]);
    app.show_route({ at: 'calls' });
    await vi.waitFor(() => expect(app.records.status).toBe('ready'));
    let fail: (why: Problem) => void = () => undefined;
    list.mockImplementationOnce(() => new Promise((_, reject) => (fail = reject)));
    const older = app.load_older_records();
    list.mockResolvedValueOnce([line]);
    app.reload();
    await list.mock.results[2]!.value;
    fail(problem);
    await older;
    expect(app.records).toEqual({ status: 'ready', value: [line] });
  });

  it('that never was there says why', async () => {
    const { app, list } = app_with_host();
    app.events.view(view());
    list.mockRejectedValueOnce(problem);
    app.show_route({ at: 'calls' });
    await vi.waitFor(() => expect(app.records).toEqual({ status: 'failed', problem }));
  });
});

describe('the list of devices', () => {
  it('is read again when devices change, while it is shown', () => {
    const { app, devices } = app_with_host();
    devices.mockResolvedValue([]);
    app.events.view(view());
    app.events.view(view({ devices_changed: 1 }));
    expect(devices).not.toHaveBeenCalled();
    app.show_route({ at: 'my_devices' });
    app.events.view(view({ devices_changed: 1 }));
    expect(devices).toHaveBeenCalledTimes(1);
    app.events.view(view({ devices_changed: 2 }));
    expect(devices).toHaveBeenCalledTimes(2);
  });

  it('leaves other lists alone when devices change', () => {
    const { app, list } = app_with_host();
    list.mockResolvedValue([]);
    app.events.view(view());
    app.show_route({ at: 'calls' });
    app.events.view(view({ devices_changed: 1 }));
    expect(list).toHaveBeenCalledTimes(1);
  });
});

describe('the alerts’ two lists', () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW }));
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  /** An officer’s page that shows the alerts, with its clock running. */
  function at_alerts() {
    vi.stubGlobal('location', { hash: '#alerts', pathname: '/' });
    vi.stubGlobal('document', { hidden: false });
    vi.stubGlobal('addEventListener', vi.fn());
    vi.stubGlobal('navigator', { userAgent: '' });
    const opened = app_with_host();
    opened.alerts.mockResolvedValue({ alerts: ALERTS, unseen: 0 });
    opened.devices.mockResolvedValue(DEVICES);
    opened.app.start();
    return opened;
  }

  it.each(['alerts', 'devices'] as const)('are both read again when %s could not be', async (which) => {
    const { app, ...office } = at_alerts();
    office[which].mockRejectedValueOnce(problem);
    app.events.view(alerted());
    await vi.advanceTimersByTimeAsync(0);
    const lists = { alerts: app.office_alerts.list, devices: app.registrar.list };
    expect(lists[which]).toEqual({ status: 'failed', problem });
    await vi.advanceTimersByTimeAsync(5_000);
    expect([app.office_alerts.list, app.registrar.list]).toEqual([
      { status: 'ready', value: ALERTS },
      { status: 'ready', value: DEVICES },
    ]);
  });
});

describe('a registrar’s link', () => {
  afterEach(() => vi.unstubAllGlobals());

  const office = 'Office';
  const waiting: Asking = {
    status: 'waiting',
    office,
    code: '471',
    expires_ms: null,
    first_approved: false,
    unreachable: false,
  };

  it.each<[string, Asking, boolean]>([
    ['stays in the tab while nothing was sent', { status: 'starting', problem: { code: 'no_answer' } }, true],
    [
      'stays in the tab where its keys could not be stored',
      { status: 'over', office: null, why: { code: 'keys_not_saved' }, kept: false, link_used: false },
      true,
    ],
    [
      'stays in the tab where no request could be made',
      { status: 'over', office: null, why: { told: 'the clock is wrong' }, kept: false, link_used: false },
      true,
    ],
    ['is forgotten once its keys are stored', waiting, false],
    [
      'is forgotten when it is of no use',
      { status: 'over', office, why: 'refused', kept: false, link_used: true },
      false,
    ],
  ])('%s', (_, asking, stays) => {
    const replaceState = vi.fn(() => (location.hash = ''));
    vi.stubGlobal('location', { hash: '#enrol=ask', pathname: '/' });
    vi.stubGlobal('history', { replaceState });
    vi.stubGlobal('navigator', { userAgent: '' });
    const { app } = app_with_host();
    app.events.ready(false, false);
    expect([replaceState.mock.calls.length, opened_link()]).toEqual([1, 'ask']);
    app.events.asking(asking);
    expect(app.state).toEqual({ status: 'asking', asking });
    expect(opened_link()).toBe(stays ? 'ask' : null);
    forget_link();
  });
});

const PIN: Protector = { kind: 'pin', id: 'bG9ja2Vy', salt: new Uint8Array(32), added_ms: 5 };
const PROTECTED = { protectors: [PIN], begun: false };
const UNPROTECTED = { protectors: [], begun: false };

/** A browser whose address is this one. */
function at_address(hash: string) {
  const reload = vi.fn();
  const replaceState = vi.fn((_state: null, _unused: string, address: string) => {
    location.hash = address.replace(/^[^#]*/, '');
  });
  const stored = new Map([
    ['telcon.protect_later', '1'],
    ['telcon.protection_required', 'no'],
    ['telcon.push', 'on'],
  ]);
  const listeners = new Map<string, () => void>();
  vi.stubGlobal('location', { hash, pathname: '/', reload });
  vi.stubGlobal('history', { replaceState });
  vi.stubGlobal('navigator', { userAgent: '' });
  vi.stubGlobal('localStorage', page_storage(stored));
  vi.stubGlobal('sessionStorage', page_storage());
  vi.stubGlobal('addEventListener', (kind: string, listener: () => void) => listeners.set(kind, listener));
  return {
    reload,
    replaceState,
    stored,
    paste: (link: string) => ((location.hash = link), listeners.get('popstate')!()),
  };
}

describe('a device that cannot be opened any more', () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW }));
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('is erased here, and the link that was opened meanwhile enrols the browser then', async () => {
    for (const how of ['opened', 'pasted', 'none'] as const) {
      const browser = at_address(how === 'opened' ? '#enrol=link' : '');
      const { app, erase } = app_with_host();
      const forget_push = vi.spyOn(app.push, 'forget');
      app.start();
      app.events.protectors('d', PROTECTED);
      app.events.locked();
      if (how === 'pasted') browser.paste('#enrol=link');
      expect([app.state.status, app.unused_link]).toEqual(['locked', how !== 'none']);
      if (how !== 'none') expect(browser.replaceState.mock.calls, 'it leaves the address').toEqual([[null, '', '/']]);
      await app.erase();
      expect(erase, 'the person is asked first').not.toHaveBeenCalled();
      app.ask_erase();
      await app.erase();
      expect([erase.mock.calls.length, browser.reload.mock.calls.length, browser.stored.size]).toEqual([1, 1, 0]);
      expect(forget_push, 'the subscription of this browser ends too').toHaveBeenCalledOnce();
      expect(browser.replaceState.mock.calls.at(-1)?.[2]).toBe(how === 'none' ? undefined : '/#enrol=link');
    }
  });

  it('because a revocation orders it is forgotten once, with its notifications; one that is only revoked keeps what is stored', () => {
    const { stored } = at_address('');
    const { app } = app_with_host();
    const forget_push = vi.spyOn(app.push, 'forget');
    app.events.view(view());
    expect([forget_push.mock.calls.length, stored.size]).toEqual([0, 3]);
    const revoked = (erase: boolean) => view({ phase: 'revoked', revocation: { erase, by: null, at_ms: 1 } });
    for (let n = 0; n < 2; n++) app.events.view(revoked(false));
    expect([forget_push.mock.calls.length, stored.size]).toEqual([1, 2]);
    for (let n = 0; n < 2; n++) app.events.view(revoked(true));
    expect([forget_push.mock.calls.length, stored.size]).toEqual([2, 0]);
  });

  it('stays when it could not be erased', async () => {
    const { reload, stored } = at_address('');
    const { app, erase } = app_with_host();
    app.events.failed({ code: 'start_failed' });
    app.ask_erase();
    erase.mockRejectedValueOnce({ code: 'not_erased' });
    await app.erase();
    expect(app.erasing).toEqual({ busy: false, problem: { code: 'not_erased' } });
    expect([reload.mock.calls.length, stored.size]).toEqual([0, 3]);
  });

  it.each([
    ['the reason is shown where it is unlocked', PROTECTED, { status: 'locked-by-reload' }],
    ['the PIN whose setting was interrupted opens it', { protectors: [], begun: true }, { status: 'locked' }],
    [
      'a copy from before it was protected is out of date',
      UNPROTECTED,
      { status: 'failed', problem: { code: 'protected_elsewhere' } },
    ],
  ])('because the office wants it unlocked anew: %s', (_, how, state) => {
    const { reload } = at_address('');
    const { app } = app_with_host();
    app.events.protectors('d', how);
    app.events.view(view({ unlock_required: true, token: null }));
    if (state.status === 'locked-by-reload') {
      expect(reload).toHaveBeenCalledOnce();
      app.events.locked();
      expect(app.protection.problem).toEqual({ code: 'unlock_again' });
    } else expect([app.state, reload.mock.calls.length]).toEqual([state, 0]);
  });
});

describe('rules that the office changes while the page is open', () => {
  afterEach(() => vi.unstubAllGlobals());

  const connected = (token: string | null, more: Parameters<typeof view>[0] = {}) =>
    view({ token, ...(token === null ? { log: null } : {}), ...more });

  it('reach a page when it is signed in again, and a call is not covered', async () => {
    const { stored } = at_address('');
    stored.set('telcon.protection_required', 'no');
    const made = app_with_host();
    made.app.events.protectors('d', UNPROTECTED);
    made.app.events.ready(true, false);
    await vi.waitFor(() => expect(made.app.protection.policy).not.toBeNull());
    made.app.events.view(connected('a'));
    expect(made.app.state.status).toBe('on');
    made.policy.mockResolvedValue({ required: true });
    const call = live();
    made.app.events.view(connected('a', { call }));
    made.app.events.view(connected(null, { call }));
    made.app.events.view(connected('b', { call }));
    await vi.waitFor(() => expect(made.app.protection.required).toBe(true));
    expect(made.app.state.status, 'in the call').toBe('on');
    made.app.events.view(connected('b', { call: live({ state: 'ended' }) }));
    expect(made.app.state.status).toBe('protect');
  });
});

describe('an unprotected device that starts', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** `remembered`: what the office said last. */
  function starting(remembered: 'yes' | 'no' | null, answer: Promise<{ required: boolean }>) {
    const { stored } = at_address('');
    if (remembered) stored.set('telcon.protection_required', remembered);
    else stored.delete('telcon.protection_required');
    const made = app_with_host();
    made.policy.mockReturnValueOnce(answer);
    const read_policy = vi.spyOn(made.app.protection, 'read_policy');
    made.app.events.protectors('d', UNPROTECTED);
    made.app.events.ready(true, false);
    return { app: made.app, policy_read: read_policy.mock.results[0]!.value as Promise<void> };
  }

  it.each([
    [null, null, 'protect', null],
    [null, true, 'protect', true],
    [null, false, 'on', false],
    ['no', null, 'on', false],
    ['no', true, 'protect', true],
    ['yes', null, 'protect', true],
    ['yes', false, 'on', false],
  ] as const)(
    'where the office required a protection: %s before, %s now, after “Not now”: %s',
    async (before, now, state, required) => {
      const { app, policy_read } = starting(
        before,
        now === null ? Promise.reject(problem) : Promise.resolve({ required: now }),
      );
      if (before !== 'no') expect(app.state.status, 'before the answer').toBe('protect');
      await policy_read;
      expect([app.state.status, app.protection.required]).toEqual([state, required]);
    },
  );
});

describe('a protected device that starts', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('asks for the office’s policy, and is offered nothing', async () => {
    at_address('');
    const { app, policy } = app_with_host();
    const rules = { required: false, devices: { version: 1, everybody: { idle_lock_minutes: 5 } } };
    policy.mockResolvedValueOnce(rules);
    app.events.protectors('d', PROTECTED);
    app.events.ready(true, false);
    expect(policy).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect(app.protection.policy).toEqual(rules));
    expect(app.state).toEqual({ status: 'on' });
  });
});

describe('a record', () => {
  const log = (size: number) => ({ size, checked_ms: NOW, ok: true, problem: null });
  const report = (ok: boolean): Report => {
    const checks: Check[] = [{ ok, title: 'Its log continues what this device has seen', detail: '' }];
    return { ok, checks, partial: false, missing: null, people: [] };
  };
  const open = (shown: Parameters<typeof view>[0]) => {
    const opened = app_with_host();
    opened.proof.mockResolvedValue(JSON.stringify({ line }));
    opened.app.events.view(view(shown));
    opened.app.show_route({ at: 'record', call: CALL });
    return opened;
  };

  it('is not checked before this device follows the log', async () => {
    const { app, proof, check } = open({ log: null });
    expect([app.record.status, proof.mock.calls.length]).toEqual(['loading', 0]);
    check.mockResolvedValue(report(true));
    app.events.view(view({ log: log(7) }));
    await vi.waitFor(() => expect(app.record.status).toBe('ready'));
    expect(proof).toHaveBeenCalledWith('token', CALL, 7);
  });

  it('is checked once more if the log grew meanwhile, and not called false if it grew again', async () => {
    let size = 7;
    const { app, proof, check } = open({ log: log(size) });
    check.mockImplementation(async () => {
      app.events.view(view({ log: log(++size) }));
      return report(size === 10);
    });
    await vi.waitFor(() => expect(app.record).toEqual({ status: 'failed', problem: { code: 'log_grew' } }));
    expect(proof.mock.calls.map(([, , from]) => from)).toEqual([7, 8]);
    app.reload();
    await vi.waitFor(() => expect(app.record.status).toBe('ready'));
  });

  it('whose log is another one is shown as such', async () => {
    const { app, check } = open({ log: log(7) });
    check.mockResolvedValue(report(false));
    await vi.waitFor(() => expect(app.record).toMatchObject({ status: 'ready', value: { report: { ok: false } } }));
  });

  it('that was checked stays when checking it again fails', async () => {
    const { app, proof, check } = open({ log: log(7) });
    check.mockResolvedValue(report(true));
    await vi.waitFor(() => expect(app.record.status).toBe('ready'));
    proof.mockRejectedValueOnce(problem);
    app.reload();
    await vi.waitFor(() => expect(app.record).toMatchObject({ status: 'ready', value: { line }, stale: problem }));
  });
});
