// What a new device says it is, to the registrar who is asked: a claim, which nothing verifies.

/** User-Agent Client Hints, where a browser has them. */
interface Hints {
  brands?: { brand: string }[];
  platform?: string;
}

/** The browser and its system, such as `Chrome (Android)`: in no language, as another person reads it. Empty if neither is known. */
export function device_label({ userAgent, userAgentData }: { userAgent: string; userAgentData?: Hints }): string {
  // Browsers add a brand that does not exist, so that nobody relies on the list, and the engine that they share.
  const brand = userAgentData?.brands
    ?.map(({ brand }) => brand)
    .find((name) => !/not.?a.?brand|^chromium$/i.test(name));
  const browser =
    brand ?? /(Firefox|Edg|Chromium|Chrome)\//.exec(userAgent)?.[1] ?? /Safari(?=\/)/.exec(userAgent)?.[0];
  const system =
    userAgentData?.platform ||
    (/Android|iPhone|iPad|Windows|CrOS|Linux(?!.*Android)/.exec(userAgent)?.[0] ??
      (/Macintosh/.test(userAgent) ? 'macOS' : ''));
  const label = browser && system ? `${browser} (${system})` : (browser ?? system);
  return [...label].slice(0, MAX_LABEL_CHARS).join('');
}

/** The same limit as in `crates/proto/src/limits.rs`. */
const MAX_LABEL_CHARS = 64;
