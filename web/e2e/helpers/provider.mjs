// An office's OpenID Connect provider: `oidc-provider`, which is certified, with a page of its own for signing in.

import { once } from 'node:events';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

export const CLIENT = { id: 'telcon', secret: 'a secret of thirty-two characters' };

export class OfficeProvider {
  /** Listens at `port`, for the page at `origin`. */
  static async start(port, origin) {
    const provider = new OfficeProvider();
    provider.port = port;
    provider.issuer = `http://localhost:${port}`;
    const client = {
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      redirect_uris: [`${origin}/sso`],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    };
    provider.oidc = new Provider(provider.issuer, {
      clients: [client],
      cookies: { keys: ['of a test'] },
      features: { devInteractions: { enabled: false } },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      loadExistingGrant: async ({ oidc }) => {
        const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
        grant.addOIDCScope('openid');
        await grant.save();
        return grant;
      },
      pkce: { required: () => true },
    });
    await provider.listen();
    return provider;
  }

  async listen() {
    const callback = this.oidc.callback();
    this.server = createServer((request, response) => {
      if (request.url.startsWith('/interaction/')) void this.#interaction(request, response);
      else callback(request, response);
    }).listen(this.port, 'localhost');
    await once(this.server, 'listening');
  }

  /** The page on which a person says who they are. It believes them. */
  async #interaction(request, response) {
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html');
      return response.end(`<!doctype html><title>Provider</title><form method="post"><label>Account <input name="account"></label>
        <button name="do" value="in">Sign in</button><button name="do" value="no">Refuse</button></form>`);
    }
    let body = '';
    for await (const part of request) body += part;
    const form = new URLSearchParams(body);
    const result = form.get('do') === 'in' ? { login: { accountId: form.get('account') } } : { error: 'access_denied' };
    await this.oidc.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  /** Nobody answers at its address any more. */
  async stop() {
    if (!this.server) return;
    const { server } = this;
    this.server = undefined;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

/** Signs in on the provider's page. */
export async function sign_in_there(page, account) {
  await page.getByLabel('Account').fill(account);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
