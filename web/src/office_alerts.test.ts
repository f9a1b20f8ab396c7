import { describe, expect, it } from 'vitest';
import { ALERTS_PER_PAGE } from './engine/alerts';
import type { OfficeAlert, UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import { alert } from './fake/alerts';
import { OfficeAlerts } from './office_alerts.svelte';

/** Alerts with these log indices. */
const range = (from: number, to: number): OfficeAlert[] =>
  Array.from({ length: Math.max(0, from - to) }, (_, n) => ({ ...alert('device_enrolled', 1), log_index: from - n }));

/** An office that has so many alerts. */
function office(total: { now: number }) {
  const commands: UserCommand[] = [];
  const host = { command: (command: UserCommand) => commands.push(command) } as unknown as Host;
  let fails = false;
  const alerts = new OfficeAlerts(() => host, {
    alerts: (_token, before = total.now + 1) => {
      if (fails) return Promise.reject({ code: 'office_unreachable' });
      const page = range(before - 1, Math.max(0, before - 1 - ALERTS_PER_PAGE));
      return Promise.resolve({ alerts: page, unseen: 0 });
    },
  });
  return { alerts, commands, fail: () => (fails = true) };
}

const indices = ({ list }: OfficeAlerts) => (list.status === 'ready' ? list.value.map((one) => one.log_index) : null);

describe('the list of alerts', () => {
  it('continues with older ones, which stay when newer ones arrive', async () => {
    const total = { now: ALERTS_PER_PAGE + 20 };
    const { alerts } = office(total);
    await alerts.load('token');
    expect(alerts.more).toBe(true);
    await alerts.load_older('token');
    expect(alerts.more).toBe(false);
    const all = () => range(total.now, 0).map((one) => one.log_index);
    expect(indices(alerts)).toEqual(all());
    total.now += 3;
    await alerts.load('token');
    expect(indices(alerts)).toEqual(all());
    expect(alerts.more).toBe(false);
  });

  it('begins anew where more arrived than a page has: nothing between is left out', async () => {
    const total = { now: 60 };
    const { alerts } = office(total);
    await alerts.load('token');
    total.now = 500;
    await alerts.load('token');
    expect(indices(alerts)).toHaveLength(ALERTS_PER_PAGE);
    expect(alerts.more).toBe(true);
  });

  it('stays on the screen when reading it again fails, and says so', async () => {
    const { alerts, fail } = office({ now: 5 });
    await alerts.load(null);
    expect(alerts.list.status).toBe('loading');
    await alerts.load('token');
    fail();
    await alerts.load('token');
    expect(alerts.list).toMatchObject({ status: 'ready', stale: { code: 'office_unreachable' } });
    expect(indices(alerts)).toEqual([5, 4, 3, 2, 1]);
  });

  it('is marked as seen by a command', () => {
    const { alerts, commands } = office({ now: 5 });
    alerts.see([]);
    alerts.see([4, 5]);
    expect(commands).toEqual([{ type: 'see_alerts', alerts: [4, 5] }]);
  });
});
