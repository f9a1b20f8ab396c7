// A network that lets only TLS through: no UDP, and no TCP to the relay's port. Real Chromium, real coturn.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { close_all, launch, page_errors, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { LossyProxy } from './helpers/lossy_proxy.mjs';
import { Office, free_port } from './helpers/office.mjs';
import { root } from './helpers/screenshots.mjs';
import { wait_for_audio } from './helpers/audio.mjs';
import { turn_server } from './helpers/turn.mjs';

const SECRET = 'shared by the office and its TURN server';
const fixture = (name) => join(root, '../crates/client/fixtures', name);

/** The protocol to the TURN server that the selected local candidate leads through; null without one. */
function turn_protocol(page) {
  return page.evaluate(async () => {
    const stats = [...(await window.connections.at(-1).getStats()).values()];
    const transport = stats.find((entry) => entry.type === 'transport');
    const pair = stats.find((entry) => entry.id === transport?.selectedCandidatePairId);
    const local = stats.find((entry) => entry.id === pair?.localCandidateId);
    return local?.relayProtocol ?? null;
  });
}

test('on a network that lets only TLS through, a browser sends and receives through the office’s TURN server', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'telcon-turn-'));
  const closing = [{ close: () => rm(folder, { recursive: true, force: true }) }];
  try {
    const turn = await turn_server(folder, SECRET);
    closing.unshift(turn);
    await writeFile(join(folder, 'secret'), `${SECRET}\n`);
    // The relay is announced at a proxy that forwards UDP only, whose TCP port is a server that never answers.
    const relay = await free_port();
    const proxy = await LossyProxy.make(() => relay, 0);
    closing.unshift(proxy);
    const silent = createServer().listen(proxy.port, '127.0.0.1');
    await once(silent, 'listening');
    closing.unshift({ close: () => silent.close() });
    const office = await Office.make({
      media: `127.0.0.1:${relay}`,
      media_addr: `127.0.0.1:${proxy.port}`,
      turn: ['--turn', turn.url, '--turn-secret', join(folder, 'secret')],
    });
    closing.unshift(office);
    const restricted = await launch({
      microphone: fixture('a.wav'),
      args: ['--webrtc-ip-handling-policy=disable_non_proxied_udp', '--ignore-certificate-errors'],
    });
    closing.unshift(restricted);
    const free = await launch({ microphone: fixture('b.wav') });
    closing.unshift(free);
    const [a, b] = [
      await enrolled(restricted, office, 'The Minister behind a wall'),
      await enrolled(free, office, 'The Minister at home'),
    ];
    await a.getByRole('button', { name: 'Ring The Minister at home' }).click();
    await b.getByRole('button', { name: 'Accept' }).click();
    for (const page of [a, b]) await until(page, () => window.telcon.view.call?.state === 'live');
    for (const page of [a, b]) await wait_for_audio(page);
    assert.equal(await turn_protocol(a), 'tls');
    assert.deepEqual(page_errors, []);
    assert.equal(await turn_protocol(b), null, 'a client that needs no TURN server does not use one');
  } finally {
    await close_all(closing);
  }
});
