// The engine names its checks, and their numbers, in English (crates/core/src/proof.rs). The page words them itself; what it
// does not know, such as the reason of a failure, is shown as it came.

import { t, type Text } from '../text';
import { format_number } from '../text/format';

type CheckName = Exclude<keyof Text['records']['checks'], 'waiting' | 'waiting_end' | 'late'>;

const TITLES: Record<string, CheckName> = {
  'Opened before it rang': 'opened',
  'Every device is in the log': 'devices',
  'Its end is in the log': 'ended',
  'Matches what was signed': 'line',
  'Its record is missing, and the log says so': 'missing',
  'Sealed by its note-taker': 'sealed',
  'Digest in the log': 'digest',
  'Its log continues what this device has seen': 'continues',
};

export const check_name = (title: string): CheckName | null => TITLES[title] ?? null;

export function check_title(title: string): string {
  const name = check_name(title);
  return name === null ? title : t().records.checks[name];
}

export function check_detail(detail: string): string {
  const { details } = t().records;
  const number = (digits: string | undefined) => format_number(Number(digits));
  if (detail === 'names, mode and times') return details.line;
  const entry = /^log entry (\d+)$/.exec(detail);
  if (entry) return details.entry(number(entry[1]));
  const size = /^log of (\d+) entries$/.exec(detail);
  if (size) return details.size(number(size[1]));
  const devices = /^device log ([\d, ]+)$/.exec(detail);
  if (devices) return details.devices((devices[1] ?? '').split(', ').map(number).join(' · '));
  return detail
    .replace(/([^;·]+) · (\d+) parts?( · partial)?/g, (_, name: string, parts: string, partial?: string) => {
      const said = details.parts(name, Number(parts), number(parts));
      return partial ? details.partial(said) : said;
    })
    .replace(/entry (\d+) · proof of (\d+) hashes/g, (_, entry: string, hashes: string) =>
      details.digest(number(entry), Number(hashes), number(hashes)),
    );
}
