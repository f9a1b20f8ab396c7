// A network that lets nothing through but TLS: no UDP, and no TCP to the relay's own port. Real Chromium, real coturn.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { after_all, launch, page_errors, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { root } from './helpers/shots.mjs';
import { loudness_heard } from './helpers/sound.mjs';
import { turn_server } from './helpers/turn.mjs';

const SECRET = 'shared by the office and its TURN server';
const fixture = (name) => join(root, '../crates/client/fixtures', name);

/** Waits until the page receives something that is not silence. */
async function hears(page) {
  while (Math.max(...(await loudness_heard(page, 1))) <= 0.02);
}

/** How the page's sound leaves the browser: the kind of the candidate that is used, and how it reaches a TURN server. */
function way_out(page) {
  return page.evaluate(async () => {
    const stats = [...(await window.connections.at(-1).getStats()).values()];
    const transport = stats.find((entry) => entry.type === 'transport');
    const pair = stats.find((entry) => entry.id === transport?.selectedCandidatePairId);
    const local = stats.find((entry) => entry.id === pair?.localCandidateId);
    return [local?.candidateType, local?.relayProtocol ?? null];
  });
}

test('where a network lets nothing through but TLS, a browser speaks and hears by the office’s TURN server', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'telcon-turn-'));
  const closing = [{ close: () => rm(folder, { recursive: true, force: true }) }];
  try {
    const turn = await turn_server(folder, SECRET);
    closing.unshift(turn);
    await writeFile(join(folder, 'secret'), `${SECRET}\n`);
    // The relay's TCP port is taken by somebody else, who says nothing: only UDP reaches the relay.
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    closing.unshift({ close: () => taken.close() });
    const media = `127.0.0.1:${taken.address().port}`;
    const office = await Office.make({ media, turn: ['--turn', turn.url, '--turn-secret', join(folder, 'secret')] });
    closing.unshift(office);
    const walled = await launch({
      microphone: fixture('a.wav'),
      args: ['--webrtc-ip-handling-policy=disable_non_proxied_udp', '--ignore-certificate-errors'],
    });
    closing.unshift(walled);
    const free = await launch({ microphone: fixture('b.wav') });
    closing.unshift(free);
    const [a, b] = [await enrolled(walled, office, 'The Minister behind a wall'), await enrolled(free, office, 'The Minister at home')];
    await a.getByRole('button', { name: 'Ring The Minister at home' }).click();
    await b.getByRole('button', { name: 'Accept' }).click();
    for (const page of [a, b]) await until(page, () => window.telcon.view.call?.state === 'live');
    for (const page of [a, b]) await hears(page);
    assert.deepEqual(await way_out(a), ['relay', 'tls']);
    assert.deepEqual(page_errors, []);
    assert.notEqual((await way_out(b))[0], 'relay', 'who needs no TURN server does not use it');
  } finally {
    await after_all(closing);
  }
});
