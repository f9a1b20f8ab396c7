// What the page does for the office's alerts: the list, and marking what an officer has seen.

import { ALERT_PAGE, ALERTS_PER_PAGE, type Alerts } from './engine/alerts';
import type { OfficeAlert } from './engine/contract';
import type { Host } from './engine/host';
import { problem_of } from './engine/problem';
import { with_newest } from './engine/records';
import { NumberedReads } from './numbered_reads';
import { failed, type Loadable } from './view/loadable';

export class OfficeAlerts {
  list = $state.raw<Loadable<OfficeAlert[]>>({ status: 'loading' });
  /** Alerts older than those of the list can be fetched. */
  more = $state(false);
  /** Of the newest page. */
  readonly #reads = new NumberedReads();

  constructor(
    private readonly host: () => Host,
    private readonly office: Alerts,
  ) {}

  /** Reads the newest page. Older alerts that were read before stay, if the pages overlap. */
  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    const read = this.#reads.start();
    try {
      const { alerts } = await this.office.alerts(token);
      if (!this.#reads.answered(read)) return;
      const known = this.list.status === 'ready' ? this.list.value : [];
      const { entries, more } = with_newest(known, alerts, this.more, ALERT_PAGE);
      this.list = { status: 'ready', value: entries };
      this.more = more;
    } catch (error) {
      if (this.#reads.answered(read)) this.list = failed(this.list, problem_of(error));
    }
  }

  /** Adds the alerts before the oldest of the list. */
  async load_older(token: string | null | undefined): Promise<void> {
    const { list } = this;
    const oldest = list.status === 'ready' ? list.value.at(-1)?.log_index : undefined;
    if (!token || oldest === undefined) return;
    const read = this.#reads.start();
    try {
      const { alerts } = await this.office.alerts(token, oldest);
      if (this.list.status !== 'ready' || this.list.value.at(-1)?.log_index !== oldest) return;
      // An older page says nothing about the newest one: the list stays as out of date as it was, and reads of that one still count.
      this.list = { ...this.list, value: [...this.list.value, ...alerts] };
      this.more = alerts.length === ALERTS_PER_PAGE;
    } catch (error) {
      if (!this.#reads.is_overtaken(read)) this.list = failed(this.list, problem_of(error));
    }
  }

  see(alerts: number[]): void {
    if (alerts.length > 0) this.host().command({ type: 'see_alerts', alerts });
  }
}
