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
  return { alerts, commands, fail: (on = true) => void (fails = on) };
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

  it('is not replaced by the answer to an earlier read, nor by its failure, also where older ones are read meanwhile', async () => {
    const answers: { resolve: (alerts: OfficeAlert[]) => void; reject: (problem: unknown) => void }[] = [];
    const alerts = new OfficeAlerts(() => ({}) as Host, {
      alerts: () =>
        new Promise((resolve, reject) => {
          answers.push({ resolve: (page) => resolve({ alerts: page, unseen: 0 }), reject });
        }),
    });
    const first = alerts.load('token');
    answers[0]!.resolve(range(100, 50));
    await first;
    // Three reads are under way, and are answered in the opposite order.
    const reads = [alerts.load('token'), alerts.load_older('token'), alerts.load('token')];
    answers[3]!.resolve(range(102, 52));
    await reads[2];
    answers[2]!.resolve(range(50, 0));
    await reads[1];
    answers[1]!.resolve(range(101, 51));
    await reads[0];
    expect(indices(alerts)).toEqual(range(102, 0).map((one) => one.log_index));
    expect(alerts.more).toBe(true);
    const failing = [alerts.load('token'), alerts.load_older('token'), alerts.load('token')];
    answers[6]!.resolve(range(103, 53));
    await failing[2];
    answers[5]!.reject({ code: 'office_unreachable' });
    answers[4]!.reject({ code: 'office_unreachable' });
    await Promise.all(failing);
    expect(alerts.list).not.toHaveProperty('stale');
    expect(indices(alerts)).toEqual(range(103, 0).map((one) => one.log_index));
  });

  it('stays as out of date as it was when older ones are read', async () => {
    const { alerts, fail } = office({ now: ALERTS_PER_PAGE + 20 });
    await alerts.load('token');
    fail();
    await alerts.load('token');
    fail(false);
    await alerts.load_older('token');
    expect(indices(alerts)).toHaveLength(ALERTS_PER_PAGE + 20);
    expect(alerts.list).toHaveProperty('stale');
  });

  it('is marked as seen by a command', () => {
    const { alerts, commands } = office({ now: 5 });
    alerts.see([]);
    alerts.see([4, 5]);
    expect(commands).toEqual([{ type: 'see_alerts', alerts: [4, 5] }]);
  });
});
