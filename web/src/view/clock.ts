// Times for people: always in a zone, never relative. A zone that this browser does not know yields `null`.

const formats = new Map<string, Intl.DateTimeFormat | null>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat | null {
  const name = `${zone} ${JSON.stringify(options)}`;
  let found = formats.get(name);
  if (found === undefined) {
    try {
      found = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone, hourCycle: 'h23' });
    } catch {
      found = null;
    }
    formats.set(name, found);
  }
  return found;
}

/** IANA time zone of this device. */
export const local_zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Such as `16:42`. */
export function time(ms: number, zone: string): string | null {
  return format(zone, { hour: '2-digit', minute: '2-digit' })?.format(ms) ?? null;
}

/** Such as `16:42:07`. */
export function time_to_the_second(ms: number, zone: string): string | null {
  return format(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit' })?.format(ms) ?? null;
}

/** Such as `Sunday 22 November 2026`. */
export function date(ms: number, zone: string): string | null {
  return (
    format(zone, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })?.format(ms).replace(',', '') ??
    null
  );
}

/** Such as `22 November`. */
export function short_date(ms: number, zone: string): string | null {
  return format(zone, { day: 'numeric', month: 'long' })?.format(ms) ?? null;
}

/** Difference of the dates of two zones at one moment, days: 1 when it is tomorrow there. */
export function day_offset(ms: number, there: string, local_zone: string): number {
  const day = (zone: string) => {
    const parts = format(zone, { year: 'numeric', month: 'numeric', day: 'numeric' })?.formatToParts(ms) ?? [];
    const get = (type: string) => Number(parts.find((part) => part.type === type)?.value);
    return Date.UTC(get('year'), get('month') - 1, get('day')) / 86_400_000;
  };
  return Math.round(day(there) - day(local_zone)) || 0;
}

/** Their time, with the day where it differs: `16:42 there`, `01:42 tomorrow there`. */
export function time_there(ms: number, there: string, local_zone: string): string | null {
  const at = time(ms, there);
  if (at === null) return null;
  const day = { [-1]: ' yesterday', 1: ' tomorrow' }[day_offset(ms, there, local_zone)] ?? '';
  return `${at}${day} there`;
}

/** Both clocks: `16:42 there · 09:42 here`. */
export function both_clocks(ms: number, there: string, local_zone: string): string {
  return [time_there(ms, there, local_zone), `${time(ms, local_zone)} here`]
    .filter((part) => part !== null)
    .join(' · ');
}

/** Duration as on a clock: `07:31`, `1:07:31`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Duration as text: `13 min`, `45 s`, `1 h 05 min`. */
export function duration_text(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
