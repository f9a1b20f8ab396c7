// The worker that owns the engine, the connection to the office and the media transforms. Keys never leave it.

import init, { Telcon } from 'telcon-wasm';
import type { Card } from './contract';
import { Driver } from './driver';
import { NOT_FOR_A_BROWSER, enrol, office_info } from './enrol';
import { through } from './frames';
import { Keep } from './keep';
import type { FromWorker, ToWorker, TransformOptions } from './messages';
import { sentence } from './sentence';
import { Silence } from './silence';
import { Socket } from './socket';

declare const self: DedicatedWorkerGlobalScope;

const SEED_BYTES = 32;
const keep = new Keep();
let driver: Driver | undefined;
let socket: Socket | undefined;
let heard = false;
/** Sound of others is due: a call is live here and somebody else is in it. */
let sound_due = false;
const silence = new Silence();

function tell(message: FromWorker): void {
  if (message.tell === 'view') {
    const { call } = message.view;
    sound_due = call?.state === 'live' && call.members.some((m) => !m.you && (m.role === 'principal' || m.role === 'counterpart'));
  }
  // A new leg is a new wait for the first sound.
  if (message.tell === 'open_leg') heard = false;
  self.postMessage(message);
}

/** Time with fractions, on the same scale as Date.now and in step with the page's. */
const now = () => performance.timeOrigin + performance.now();
const seed = () => crypto.getRandomValues(new Uint8Array(SEED_BYTES));

function start(state: string): void {
  const running = new Driver(new Telcon(state, seed(), Date.now()), {
    now: () => Date.now(),
    steady: () => performance.now(),
    send: (text) => socket?.send(text),
    save: (state) => keep.save(state),
    erase: () => keep.erase(),
    tell,
    after(ms, callback) {
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
    const changed = silence.look(now(), sound_due && !running.stopped);
    if (changed !== undefined) tell({ tell: 'silent', silent: changed });
  }, 500);
}

function hear(frame: Uint8Array): Uint8Array | undefined {
  const opened = driver?.open(frame);
  if (opened) silence.heard(now());
  if (opened && !heard) {
    heard = true;
    tell({ tell: 'heard', at_ms: now() });
  }
  return opened;
}

self.onrtctransform = ({ transformer }) => {
  const { side } = transformer.options as TransformOptions;
  const stream =
    side === 'send'
      ? through((frame) => driver?.seal(frame))
      : through(hear);
  // It ends with the leg; an error then is the closing itself.
  transformer.readable.pipeThrough(stream).pipeTo(transformer.writable).catch(() => undefined);
};

const started = init().then(async () => {
  const state = await keep.load();
  if (state !== undefined) start(state);
  tell({ tell: 'ready', enrolled: state !== undefined });
});
started.catch((error: unknown) => {
  console.error('start', error);
  tell({
    tell: 'failed',
    problem: 'Telcon could not start in this browser: its engine or the keys kept here could not be opened. Reload this page; if it stays, ask your office for a new enrolment link.',
  });
});

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  await started;
  switch (data.ask) {
    case 'command':
      return driver?.command(data.command);
    case 'connect_now':
      return socket?.connect_now();
    case 'link':
      return tell(await read_link(data.fragment));
    case 'enrol':
      if (driver) return;
      try {
        const state = await enrol(data.fragment, (fragment, info) => Telcon.enrol(fragment, info, seed(), Date.now()));
        await keep.save(state);
        start(state);
        return tell({ tell: 'enrolled' });
      } catch (error) {
        return tell({ tell: 'enrol_failed', problem: sentence(error) });
      }
    case 'check':
      return tell(check(data.id, data.proof));
  }
};

async function read_link(fragment: string): Promise<FromWorker> {
  let office: string | null = null;
  try {
    const info = await office_info();
    office = (JSON.parse(info) as { name: string }).name;
    const person = JSON.parse(Telcon.read_invitation(fragment, info)) as Card;
    if (person.role === 'note_taker') throw NOT_FOR_A_BROWSER;
    return { tell: 'link', person, office, problem: null };
  } catch (error) {
    return { tell: 'link', person: null, office, problem: sentence(error) };
  }
}

function check(id: number, proof: string): FromWorker {
  try {
    if (!driver) throw 'This device is not enrolled.';
    return { tell: 'checked', id, report: driver.check(proof), problem: null };
  } catch (error) {
    return { tell: 'checked', id, report: null, problem: sentence(error) };
  }
}
