// The office's alerts over its HTTP API, for security officers.

import type { AlertList, OfficeAlert } from './contract';
import { get_from_office } from './records';

/** Alerts in one page of the list. */
export const ALERTS_PER_PAGE = 50;

/** A page of the list, for `with_newest`. */
export const ALERT_PAGE = { size: ALERTS_PER_PAGE, id: (alert: OfficeAlert): number => alert.log_index };

export interface Alerts {
  /** The newest alerts, or those before the alert with the log index `before`; at most `ALERTS_PER_PAGE`. */
  alerts(token: string, before?: number): Promise<AlertList>;
}

export const alerts_over_http: Alerts = {
  async alerts(token, before) {
    const after = before === undefined ? '' : `&after=${before}`;
    return JSON.parse(await get_from_office(token, `/alerts?limit=${ALERTS_PER_PAGE}${after}`)) as AlertList;
  },
};
