// The office of the tests with the fake engine: the HTTP endpoints that the page uses.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './screenshots.mjs';

const PRESIDENT = {
  person: '1'.padStart(32, '0'),
  office: 'office.example',
  name: 'The President',
  organisation: 'Office of the President',
  role: 'principal',
  zone: 'Europe/Lisbon',
};

/** First certificates of the devices that were enrolled with the authority's link. */
export const devices = [];
/** Devices that ask a registrar: their requests, and whether they are approved. */
export const requests = { asked: [], approved: false };

/** The office's alerts, newest first. */
export const alerts = [
  { log_index: 9, time_ms: 1_795_340_546_000, kind: 'log_forked', device: 'd'.repeat(32), count: 1 },
  { log_index: 7, time_ms: 1_795_340_000_000, kind: 'sign_in_failed', count: 12 },
];

/** Lines of the president, newest first. */
export const lines = [];

/** A line in the list of the office. */
export function line(name, organisation, more = {}) {
  const { terms = { reach: 'direct', mode: 'memo' }, state = 'live', statement = `e.${name}.J` } = more;
  const holder = { ...PRESIDENT, person: '9'.repeat(32), name, organisation, role: 'counterpart' };
  const of = { office: 'office.example', line: 'c1'.repeat(16), version: 1, principal: PRESIDENT, holder };
  return {
    statement,
    statement_sha256: 'ab'.repeat(32),
    line: { ...of, device: 'd'.repeat(32), terms, state, at_ms: Date.now() },
    given_ms: Date.now(),
    changed_ms: Date.now(),
    reachable: true,
  };
}

/** The HTTP endpoints that the page uses. */
export async function office(path, request, response) {
  const json = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (path === '/api/v1/office') return json(200, { name: 'Office of the President' });
  if (path === '/api/v1/protection') return json(200, { required: false });
  // It sends no push messages.
  if (path === '/api/v1/push') return json(200, {});
  if (path.split('?')[0] === '/api/v1/records') return json(200, []);
  if (path === '/api/v1/lines') return json(200, { lines, more: false });
  if (path === '/api/v1/alerts') return json(200, { alerts, unseen: alerts.filter((alert) => !alert.seen).length });
  if (path === '/api/v1/device-requests') {
    const { request: jws } = await body_of(request);
    requests.asked.push(jws);
    if (jws.startsWith('ask-refused')) return json(200, { state: 'refused' });
    if (jws.startsWith('ask-used'))
      return json(410, {
        error: 'this link was used already, by another device. If that was not you, tell your office at once',
      });
    return json(
      200,
      requests.approved ? { state: 'approved', chain: ['AA=='] } : { state: 'waiting', expires_ms: Date.now() },
    );
  }
  if (path === '/api/v1/devices' && request.method === 'POST') {
    const { chain } = await body_of(request);
    if (chain[0] === 'used') return json(409, { error: 'This link was used already. Ask your office for a new one.' });
    devices.push(chain[0]);
    return json(200, {});
  }
  if (path === '/api/v1/devices')
    return json(200, {
      devices: [{ device: 'd'.repeat(32), card: PRESIDENT, label: 'Chrome (Android)', enrolled_ms: Date.now() }],
    });
  const helper = { '/peer.html': 'text/html', '/peer.js': 'text/javascript', '/peer-worker.js': 'text/javascript' }[
    path
  ];
  if (helper)
    return response.writeHead(200, { 'content-type': helper }).end(await readFile(join(root, 'e2e/helpers', path)));
  return undefined;
}

async function body_of(request) {
  let body = '';
  for await (const piece of request) body += piece;
  return JSON.parse(body);
}
