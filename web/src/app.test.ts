import { afterEach, describe, expect, it, vi } from 'vitest';
import { App } from './app.svelte';
import type { Asking } from './engine/asking';
import type { Check, Report, UserCommand } from './engine/contract';
import type { Devices } from './engine/devices';
import type { Host } from './engine/host';
import type { Problem } from './engine/problem';
import { protection_over_http } from './engine/protection_office';
import type { Records } from './engine/records';
import { forget_link, opened_link } from './link';
import { CALL, NOW, call, incoming, live, record_line, view } from './fake/views';

function app_with_host() {
  const commands: UserCommand[] = [];
  const retry_microphone = vi.fn();
  const list = vi.fn<Records['list']>();
  const proof = vi.fn<Records['proof']>();
  const check = vi.fn<Host['check']>();
  const host = {
    command: (command: UserCommand) => void commands.push(command),
    open_link: vi.fn(),
    stop_asking: vi.fn(),
    request_appointment: vi.fn(),
    protection: vi.fn<Host['protection']>(),
    enrol: vi.fn(),
    check,
    request_microphone: vi.fn(),
    retry_microphone,
    play: vi.fn(),
    choose_device: vi.fn(),
  };
  const devices = vi.fn<Devices['devices']>();
  const app = new App(
    () => host,
    { list, proof, devices, alerts: () => Promise.resolve({ alerts: [], unseen: 0 }), ...protection_over_http },
    'Europe/Lisbon',
  );
  app.stage = { status: 'on' };
  return { app, commands, retry_microphone, list, proof, devices, check };
}

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
    ['stays in the tab while nothing was sent', { status: 'starting', unreachable: true }, true],
    [
      'stays in the tab where its keys could not be stored',
      { status: 'over', office: null, why: { code: 'keys_not_saved' }, kept: false },
      true,
    ],
    ['is forgotten once its keys are stored', waiting, false],
    ['is forgotten when it is of no use', { status: 'over', office, why: 'refused', kept: false }, false],
  ])('%s', (_, asking, stays) => {
    const replaceState = vi.fn(() => (location.hash = ''));
    vi.stubGlobal('location', { hash: '#enrol=ask', pathname: '/' });
    vi.stubGlobal('history', { replaceState });
    vi.stubGlobal('navigator', { userAgent: '' });
    const { app } = app_with_host();
    app.events.ready(false, false);
    expect([replaceState.mock.calls.length, opened_link()]).toEqual([1, 'ask']);
    app.events.asking(asking);
    expect(app.stage).toEqual({ status: 'asking', asking });
    expect(opened_link()).toBe(stays ? 'ask' : null);
    forget_link();
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
