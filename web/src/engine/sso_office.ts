// Sign-ins with a person's account at the office's provider, over HTTP.

import type { SsoStarted } from './contract';
import { answered, post_to_office, with_token } from './enrol';

/** How long the office may take, milliseconds: it asks its provider meanwhile. */
const TIMEOUT_MS = 20_000;

/** Requests of the page. Each throws a `Problem`. */
export interface SsoOffice {
  /** Where the person signs in: an address of the provider. */
  start(token: string): Promise<string>;
  /** Ends the sign-in with what the provider sent the browser back with. */
  finish(token: string, state: string, code: string): Promise<void>;
  /** Has the office forget which account is a person's, for security officers. */
  unlink(token: string, person: string): Promise<void>;
}

export const sso_over_http: SsoOffice = {
  async start(token) {
    const { url } = (await (
      await answered(post_to_office(with_token(token, TIMEOUT_MS), '/sso/start', {}))
    ).json()) as SsoStarted;
    return url;
  },
  async finish(token, state, code) {
    await answered(post_to_office(with_token(token, TIMEOUT_MS), '/sso/finish', { state, code }));
  },
  async unlink(token, person) {
    await answered(post_to_office(with_token(token, TIMEOUT_MS), '/sso/unlink', { person }));
  },
};
