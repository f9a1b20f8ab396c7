// What the page does for the office's alerts: the list, and marking what an officer has seen.

import { ALERTS_PER_PAGE, type Alerts } from './engine/alerts';
import type { OfficeAlert } from './engine/contract';
import type { Host } from './engine/host';
import { problem_of } from './engine/problem';
import { failed, type Loadable } from './view/loadable';

export class OfficeAlerts {
  list = $state.raw<Loadable<OfficeAlert[]>>({ status: 'loading' });
  /** Alerts older than those of the list can be fetched. */
  more = $state(false);

  constructor(
    private readonly host: () => Host,
    private readonly office: Alerts,
  ) {}

  /** Reads the newest page. Older alerts that were read before stay, if the pages overlap. */
  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    try {
      const { alerts } = await this.office.alerts(token);
      const oldest = alerts.at(-1)?.log_index ?? 0;
      const full = alerts.length === ALERTS_PER_PAGE;
      const known = this.list.status === 'ready' ? this.list.value : [];
      const overlaps = full && known.some((alert) => alert.log_index === oldest);
      const older = overlaps ? known.filter((alert) => alert.log_index < oldest) : [];
      this.list = { status: 'ready', value: [...alerts, ...older] };
      if (older.length === 0) this.more = full;
    } catch (error) {
      this.list = failed(this.list, problem_of(error));
    }
  }

  /** Adds the alerts before the oldest of the list. */
  async load_older(token: string | null | undefined): Promise<void> {
    const { list } = this;
    const oldest = list.status === 'ready' ? list.value.at(-1)?.log_index : undefined;
    if (!token || oldest === undefined) return;
    try {
      const { alerts } = await this.office.alerts(token, oldest);
      if (this.list.status !== 'ready' || this.list.value.at(-1)?.log_index !== oldest) return;
      this.list = { status: 'ready', value: [...this.list.value, ...alerts] };
      this.more = alerts.length === ALERTS_PER_PAGE;
    } catch (error) {
      this.list = failed(this.list, problem_of(error));
    }
  }

  see(alerts: number[]): void {
    if (alerts.length > 0) this.host().command({ type: 'see_alerts', alerts });
  }
}
