// Times for people: always of a place, never relative. A zone that this browser does not know gives nothing.

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

/** The zone of this device. */
export const here = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

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
  return format(zone, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })?.format(ms).replace(',', '') ?? null;
}

/** Such as `22 November`. */
export function short_date(ms: number, zone: string): string | null {
  return format(zone, { day: 'numeric', month: 'long' })?.format(ms) ?? null;
}

/** Days between the dates that two zones show at the same moment: 1 when it is tomorrow there. */
export function day_offset(ms: number, there: string, mine: string): number {
  const day = (zone: string) => {
    const parts = format(zone, { year: 'numeric', month: 'numeric', day: 'numeric' })?.formatToParts(ms) ?? [];
    const get = (type: string) => Number(parts.find((part) => part.type === type)?.value);
    return Date.UTC(get('year'), get('month') - 1, get('day')) / 86_400_000;
  };
  return Math.round(day(there) - day(mine)) || 0;
}

/** Their time, with the day where it is another: `16:42 there`, `01:42 tomorrow there`. */
export function time_there(ms: number, there: string, mine: string): string | null {
  const at = time(ms, there);
  if (at === null) return null;
  const day = { [-1]: ' yesterday', 1: ' tomorrow' }[day_offset(ms, there, mine)] ?? '';
  return `${at}${day} there`;
}

/** Both clocks: `16:42 there · 09:42 here`. */
export function both_clocks(ms: number, there: string, mine: string): string {
  return [time_there(ms, there, mine), `${time(ms, mine)} here`].filter((part) => part !== null).join(' · ');
}

/** How long a call is, as on a clock: `07:31`, `1:07:31`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** How long a call was, in words: `13 min`, `45 s`, `1 h 05 min`. */
export function duration_words(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
