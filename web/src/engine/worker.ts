// The worker that owns the engine, the connection to the office and the media transforms. Keys never leave it.

import init, { Telcon } from 'telcon-wasm';
import type { Card } from './contract';
import { Driver } from './driver';
import { enrol, office_info } from './enrol';
import { frame_transform } from './frame_transform';
import { KeyStore } from './key_store';
import type { FromWorker, ToWorker, TransformOptions } from './messages';
import { MediaKeepAlive } from './media_keepalive';
import { problem_of, type Problem } from './problem';
import { speaks, writes_records } from './roles';
import { Socket } from './socket';

declare const self: DedicatedWorkerGlobalScope;

const SEED_BYTES = 32;
const key_store = new KeyStore();
let driver: Driver | undefined;
let socket: Socket | undefined;
let frame_decrypted = false;
/** A call is live and another speaker is in it: media must arrive. */
let media_expected = false;
const keepalive = new MediaKeepAlive();

function post(message: FromWorker): void {
  if (message.type === 'view') {
    const { call } = message.view;
    media_expected = call?.state === 'live' && call.members.some((m) => !m.you && speaks(m.role));
  }
  // Each leg reports its first decrypted frame.
  if (message.type === 'open_leg') frame_decrypted = false;
  self.postMessage(message);
}

/** Milliseconds since 1970 UTC with fractions, on the same time base as the page's. */
const now = () => performance.timeOrigin + performance.now();
const seed = () => crypto.getRandomValues(new Uint8Array(SEED_BYTES));

function start(state: string): void {
  const running = new Driver(new Telcon(state, seed(), Date.now()), {
    now: () => Date.now(),
    monotonic_ms: () => performance.now(),
    send: (text) => socket?.send(text),
    save: (state) => key_store.save(state),
    erase: () => key_store.erase(),
    post,
    set_timer(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    reconnect: () => socket?.reconnect(),
    stop: () => socket?.stop(),
  });
  driver = running;
  const address = new URL('/ws', self.location.origin);
  address.protocol = address.protocol.replace('http', 'ws');
  socket = new Socket(address.href, {
    opened: () => running.connected(),
    closed: () => running.disconnected(),
    received: (text) => running.received(text),
  });
  running.tick();
  setInterval(() => {
    const changed = keepalive.check(now(), media_expected && !running.stopped);
    if (changed !== undefined) post({ type: 'media_timed_out', timed_out: changed });
  }, 500);
}

function decrypt(frame: Uint8Array): Uint8Array | undefined {
  const opened = driver?.open(frame);
  if (opened) keepalive.received(now());
  if (opened && !frame_decrypted) {
    frame_decrypted = true;
    post({ type: 'first_frame_decrypted', at_ms: now() });
  }
  return opened;
}

self.onrtctransform = ({ transformer }) => {
  const { side } = transformer.options as TransformOptions;
  const stream = side === 'send' ? frame_transform((frame) => driver?.seal(frame)) : frame_transform(decrypt);
  // The stream ends with the leg; an error at that point is the closing itself.
  transformer.readable
    .pipeThrough(stream)
    .pipeTo(transformer.writable)
    .catch(() => undefined);
};

const started = init().then(async () => {
  const state = await key_store.load();
  if (state !== undefined) start(state);
  post({ type: 'ready', enrolled: state !== undefined });
});
started.catch((error: unknown) => {
  console.error('start', error);
  post({ type: 'failed', problem: { code: 'start_failed' } });
});

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  await started;
  switch (data.type) {
    case 'command':
      return driver?.command(data.command);
    case 'connect_now':
      return socket?.connect_now();
    case 'read_link':
      return post(await read_link(data.fragment));
    case 'enrol':
      if (driver) return;
      try {
        const state = await enrol(data.fragment, (fragment, info) => Telcon.enrol(fragment, info, seed(), Date.now()));
        await key_store.save(state);
        start(state);
        return post({ type: 'enrolled' });
      } catch (error) {
        return post({ type: 'enrol_failed', problem: problem_of(error) });
      }
    case 'check_record':
      return post(check(data.id, data.proof));
  }
};

async function read_link(fragment: string): Promise<FromWorker> {
  let office: string | null = null;
  try {
    const info = await office_info();
    office = (JSON.parse(info) as { name: string }).name;
    const person = JSON.parse(Telcon.read_invitation(fragment, info)) as Card;
    if (writes_records(person.role)) throw { code: 'note_taker_link' } satisfies Problem;
    return { type: 'link_read', person, office, problem: null };
  } catch (error) {
    return { type: 'link_read', person: null, office, problem: problem_of(error) };
  }
}

function check(id: number, proof: string): FromWorker {
  try {
    if (!driver) throw { code: 'not_enrolled' } satisfies Problem;
    return { type: 'record_checked', id, report: driver.check(proof), problem: null };
  } catch (error) {
    return { type: 'record_checked', id, report: null, problem: problem_of(error) };
  }
}
