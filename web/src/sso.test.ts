import { afterEach, describe, expect, it, vi } from 'vitest';
import { App } from './app.svelte';
import type { Host } from './engine/host';
import { protection_over_http } from './engine/protection_office';
import type { SsoOffice } from './engine/sso_office';
import { live, view } from './fake/views';
import { page_storage } from './fake/storage';
import { OfficeSignIn } from './sso.svelte';
import { catch_return, take_return } from './sso_return';

const WAITS = view({ phase: 'offline', token: null, sso_token: 'waits' });

function sign_in() {
  const start = vi.fn<SsoOffice['start']>(async () => 'https://login.office.example/authorize?state=1');
  const finish = vi.fn<SsoOffice['finish']>(async () => undefined);
  const left = vi.fn<(url: string) => void>();
  const unlink = vi.fn<SsoOffice['unlink']>(async () => undefined);
  return { start, finish, unlink, left, sso: new OfficeSignIn({ start, finish, unlink }, left) };
}

/** The address bar, at this path and query. */
function at(pathname: string, search = '') {
  const replaced = vi.fn<(state: null, unused: string, address: string) => void>();
  vi.stubGlobal('location', { pathname, search });
  vi.stubGlobal('history', { replaceState: replaced });
  return replaced;
}

afterEach(() => {
  take_return();
  vi.unstubAllGlobals();
});

describe('a sign-in at the provider', () => {
  it('leaves for the provider’s page with the token of the connection that waits', async () => {
    const { sso, start, left } = sign_in();
    await sso.start();
    expect(start).not.toHaveBeenCalled();
    sso.update(WAITS);
    expect([sso.required, sso.online, sso.busy]).toEqual([true, true, false]);
    await sso.start();
    expect(start).toHaveBeenCalledWith('waits');
    expect(left).toHaveBeenCalledWith('https://login.office.example/authorize?state=1');
    expect(sso.busy).toBe(true);
  });

  it('goes nowhere but to a web page', async () => {
    const { sso, start, left } = sign_in();
    start.mockResolvedValue('javascript:alert(1)');
    sso.update(WAITS);
    await sso.start();
    expect([left.mock.calls.length, sso.problem, sso.busy]).toEqual([0, { code: 'unavailable' }, false]);
  });

  it('says why it failed, and can be tried again', async () => {
    const { sso, start } = sign_in();
    start.mockRejectedValueOnce({ code: 'office_unreachable' });
    sso.update(WAITS);
    await sso.start();
    expect([sso.problem, sso.busy]).toEqual([{ code: 'office_unreachable' }, false]);
    await sso.start();
    expect([sso.problem, sso.busy]).toEqual([null, true]);
  });

  it('is over once the device is signed in, and stays on the screen until then', () => {
    const { sso } = sign_in();
    sso.update(WAITS);
    sso.update(view({ phase: 'offline', token: null }));
    expect([sso.required, sso.online]).toEqual([true, false]);
    sso.update(view());
    expect(sso.required).toBe(false);
  });
});

describe('a sign-in that is renewed before it ends', () => {
  it('is begun and finished with the token of the connection that is signed in', async () => {
    const { sso, start, finish, left } = sign_in();
    sso.update(view({ account_ends_ms: 1 }));
    await sso.start();
    expect([start.mock.calls, left.mock.calls.length, sso.required]).toEqual([[['token']], 1, false]);

    const returned = sign_in();
    at('/sso', '?state=s&code=c');
    catch_return();
    returned.sso.update(view({ phase: 'connecting', token: null }));
    expect(returned.finish).not.toHaveBeenCalled();
    returned.sso.update(view({ account_ends_ms: 1 }));
    await vi.waitFor(() => expect(returned.sso.busy).toBe(false));
    expect([returned.finish.mock.calls, finish.mock.calls.length]).toEqual([[['token', 's', 'c']], 0]);
    expect([returned.sso.required, returned.sso.problem]).toEqual([false, null]);
  });

  it('says that the provider refused it, and can be tried again', async () => {
    const { sso, start } = sign_in();
    at('/sso', '?error=access_denied');
    catch_return();
    sso.update(view({ account_ends_ms: 1 }));
    expect(sso.problem).toEqual({ code: 'sso_refused' });
    await sso.start();
    expect([start.mock.calls.length, sso.problem]).toEqual([1, null]);
  });
});

describe('an account that a security officer has forgotten', () => {
  it('is forgotten only once they have confirmed it', async () => {
    const { sso, unlink } = sign_in();
    expect(await sso.forget('token', 'ada', () => Promise.reject({ code: 'not_confirmed' }))).toBe(false);
    expect([unlink.mock.calls.length, sso.problem, sso.busy]).toEqual([0, { code: 'not_confirmed' }, false]);
    expect(await sso.forget('token', 'ada', async () => undefined)).toBe(true);
    expect([unlink.mock.calls, sso.problem, sso.busy]).toEqual([[['token', 'ada']], null, false]);
  });
});

describe('the return from the provider', () => {
  it('leaves the address at once and is sent once', async () => {
    const replaced = at('/sso', '?code=c&state=s&iss=x');
    catch_return();
    expect(replaced).toHaveBeenCalledWith(null, '', '/');
    const { sso, finish } = sign_in();
    sso.update(view({ phase: 'connecting', token: null }));
    expect(finish).not.toHaveBeenCalled();
    sso.update(WAITS);
    sso.update(WAITS);
    expect(finish.mock.calls).toEqual([['waits', 's', 'c']]);
  });

  it.each(['?error=access_denied&state=s', '', '?code=c'])(
    'without a code says that nobody signed in: %s',
    (search) => {
      at('/sso', search);
      catch_return();
      const { sso, finish } = sign_in();
      sso.update(WAITS);
      expect([finish.mock.calls.length, sso.problem]).toEqual([0, { code: 'sso_refused' }]);
    },
  );

  it('is looked for at its own path only', () => {
    const replaced = at('/', '?code=c&state=s');
    catch_return();
    expect([replaced.mock.calls.length, take_return()]).toEqual([0, undefined]);
  });

  it('that the office refuses is shown', async () => {
    at('/sso', '?code=c&state=s');
    catch_return();
    const { sso, finish } = sign_in();
    finish.mockRejectedValueOnce({ told: 'refused' });
    sso.update(WAITS);
    await vi.waitFor(() => expect(sso.problem).toEqual({ told: 'refused' }));
    expect(sso.busy).toBe(false);
  });
});

function app() {
  const none = vi.fn();
  const office = {
    list: none,
    proof: none,
    devices: none,
    sign_ins: none,
    alerts: none,
    delegations: none,
    lines: none,
    start: none,
    finish: none,
    unlink: none,
    shift_challenge: none,
    begin_shift: none,
  };
  const made = new App(
    () => ({ command: none }) as unknown as Host,
    { ...protection_over_http, ...office },
    'Europe/Oslo',
  );
  made.state = { status: 'on' };
  return made;
}

describe('the page', () => {
  it('shows nothing else while the office waits for the account, but for a call and a revocation', () => {
    const made = app();
    made.events.view(WAITS);
    expect(made.screen).toBe('office_sign_in');
    made.state = { status: 'protect' };
    expect(made.screen).toBe('office_sign_in');
    made.state = { status: 'locked' };
    expect(made.screen).toBe('locked');
    made.state = { status: 'on' };
    made.events.view(view({ phase: 'offline', token: null, sso_token: 'waits', call: live() }));
    expect(made.screen).toBe('call');
    made.events.view(view({ phase: 'revoked', token: null }));
    expect(made.screen).toBe('revoked');
  });

  it('that is too old is loaded again once, and then says so', () => {
    const reload = vi.fn();
    vi.stubGlobal('location', { reload });
    vi.stubGlobal('sessionStorage', page_storage());
    const old = view({ phase: 'offline', token: null, outdated: true });
    app().events.view(old);
    expect(reload).toHaveBeenCalledOnce();
    const again = app();
    again.events.view(old);
    expect(again.state).toEqual({ status: 'failed', problem: { code: 'outdated' } });
    expect(reload).toHaveBeenCalledOnce();
    // It was current in between: the next rule may be newer than that.
    app().events.view(view());
    app().events.view(old);
    expect(reload).toHaveBeenCalledTimes(2);
  });
});
