// Loss concealment: the share of concealed samples that two browsers play over a lossy network. Each packet passes the
// lossy network twice, to the relay and from it. `make bench` runs it.

import { close_all, launch, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { LossyProxy } from './helpers/lossy_proxy.mjs';
import { Office, free_port } from './helpers/office.mjs';
import { fileURLToPath } from 'node:url';

/** How long the loss is measured, seconds: part of the scenario. */
const SECONDS = 40;
const speech = (name) => fileURLToPath(new URL(`../../crates/client/fixtures/${name}`, import.meta.url));
const losses = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 0.05, 0.1];

for (const loss of losses) {
  const relay = await free_port();
  const lossy = await LossyProxy.make(() => relay, loss);
  const office = await Office.make({ media: `127.0.0.1:${relay}`, media_addr: `127.0.0.1:${lossy.port}` });
  const browsers = await Promise.all(['a.wav', 'b.wav'].map((file) => launch({ microphone: speech(file) })));
  try {
    const [a, b] = await Promise.all(browsers.map((browser, n) => enrolled(browser, office, `Leader ${n}`)));
    await a.getByRole('button', { name: 'Ring Leader 1' }).click();
    await b.getByRole('button', { name: 'Accept' }).click();
    const live = () => window.telcon.view.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
    await Promise.all([until(a, live), until(b, live)]);
    await Promise.all([until(a, has_feedback), until(b, has_feedback)]);
    const before = await Promise.all([a, b].map(played));
    await a.waitForTimeout(SECONDS * 1_000);
    const after = await Promise.all([a, b].map(played));
    const shares = before.map((then, i) => (after[i].concealed - then.concealed) / (after[i].all - then.all));
    const both_ways = 1 - (1 - lossy.dropped / (lossy.dropped + lossy.passed)) ** 2;
    const percent = (share) => `${(share * 100).toFixed(1)} %`;
    console.log(
      `packets lost ${percent(both_ways)}; made up ${shares.map(percent).join(' and ')}, in ${SECONDS} s each way`,
    );
  } finally {
    await close_all([...browsers, office, lossy]);
  }
}

/** In the page: whether the other side of the connection has reported what it received. */
async function has_feedback() {
  const stats = await window.connections.at(-1).getStats();
  return [...stats.values()].some(({ type }) => type === 'remote-inbound-rtp');
}

/** Samples that the page has played, and those of them that were concealed. */
function played(page) {
  return page.evaluate(async () => {
    const stats = [...(await window.connections.at(-1).getStats()).values()].filter(
      (entry) => entry.type === 'inbound-rtp',
    );
    const sum = (field) => stats.reduce((total, entry) => total + (entry[field] ?? 0), 0);
    return { all: sum('totalSamplesReceived'), concealed: sum('concealedSamples') };
  });
}
